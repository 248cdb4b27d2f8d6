//! The log store: files are their own store.
//!
//! Owns, on threads of its own, the descriptors of log files, the bytes of commands and standard input (bounded, oldest
//! given up first, counted), and the block directory. It is driven by the same events live and in replay
//! ([`LogStore::observe`]) and answers questions ([`LogStore::ask`]) as of any playhead. It knows no screen.

pub mod answer;
pub mod blocks;
pub mod directory;
pub mod generation;
pub mod held;
pub mod idset;
pub mod index;
pub mod index_cache;
pub mod index_memory;
pub mod limits;
mod long;
mod masked;
pub mod matcher;
pub mod merge;
#[cfg(test)]
mod naive;
pub mod older;
pub mod packed;
pub mod pressure;
pub mod query;
pub mod raw;
pub mod read;
pub mod rotated;
pub mod rules;
pub mod scan;
pub mod segment;
pub mod spool;
pub mod survey;
mod tape;
mod through;
pub mod tokens;
pub mod top;
pub mod unpack;

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use compact_str::CompactString;
use jiff::tz::TimeZone;

use super::event::{LogEvent, LogOpened};
use crate::timeline::{SourceId, Ts};
use generation::{Generation, Means};
use index_memory::IndexMemory;
pub use older::Older;
use query::SLOTS;
pub use query::{Anchor, Ask, Count, LogArrival, LogQuery, Pattern, Slot, Span, TopValue, TopValues, Upto};
pub use read::{LogFeed, read_logs, read_logs_in};
pub use segment::Recall;
use segment::Unpack;
use tape::Tape;

/// Bounds of the store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes of commands, standard input and recordings that are held.
    pub memory: u64,
    /// Bytes of files that are held besides the files, for when one is truncated.
    pub recent: u64,
    /// Bytes that blocks of packed files may take in memory.
    pub packed_memory: u64,
    /// Folder for the blocks that do not fit there.
    pub spool: Option<PathBuf>,
    /// Bytes of lines that the background indexes at once, newest first; 0 turns it off. Older ones follow when they are
    /// asked for, and slowly when the box is idle.
    pub background: u64,
    /// Bytes that the index may take.
    pub index_memory: u64,
    /// Folder where the index is kept for the next start.
    pub index_cache: Option<PathBuf>,
    /// Generations remembered per source.
    pub generations: usize,
    /// Zone of stamps that name none.
    pub zone: TimeZone,
    /// Where lines of a recording are read again that do not fit into `memory`; without it they are lost, and counted.
    pub recall: Option<Arc<dyn Recall>>,
    /// Take requests down while lines come in, for whoever is going to count them all: see [`LogStore::requests`].
    pub tape: bool,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            memory: 64 << 20,
            recent: 8 << 20,
            packed_memory: packed::MEMORY,
            spool: None,
            background: 1 << 30,
            index_memory: limits::INDEX_MEMORY,
            index_cache: None,
            generations: 256,
            zone: TimeZone::system(),
            recall: None,
            tape: false,
        }
    }
}

/// What the store holds and gave up.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Bytes of lines held in memory.
    pub held: u64,
    /// Lines that were given up and stand nowhere else.
    pub lost_lines: u64,
    /// Blocks in the directory.
    pub blocks: u64,
    /// Bytes of lines in blocks whose tokens are known.
    pub indexed: u64,
    /// Bytes of lines there are.
    pub bytes: u64,
    /// Whether indexing goes on.
    pub indexing: bool,
    /// Bytes that the index takes, and may take.
    pub index_bytes: u64,
    /// Bytes that the index may take.
    pub index_cap: u64,
    /// Bits that are kept of a token: fewer when memory is short.
    pub index_bits: u8,
    /// Whether indexing waits because others suffer.
    pub index_paused: bool,
    /// Percent of a packed file that was gone through, while one is.
    pub unpacking: Option<u8>,
    /// Changes when lines came that are no event: a packed file was unpacked further, or rotated files were taken in.
    pub content: u64,
}

impl StoreFigures {
    /// The share of all lines that is indexed, while indexing goes on.
    pub fn indexing(&self) -> Option<f64> {
        (self.indexing && self.bytes > 0).then(|| (self.indexed as f64 / self.bytes as f64).min(1.0))
    }
}

#[derive(Default)]
struct SourceEntry {
    name: String,
    generations: Vec<Arc<Generation>>,
    /// By how many nanoseconds its records are placed later than they say.
    moved: i64,
}

/// Bytes held in memory, oldest first.
#[derive(Default)]
struct Held {
    order: VecDeque<Weak<Generation>>,
    bytes: u64,
}

impl Held {
    /// `new` has taken over what `old` held.
    fn moved(&mut self, old: &Arc<Generation>, new: &Arc<Generation>) {
        for held in self.order.iter_mut().filter(|held| std::ptr::eq(held.as_ptr(), Arc::as_ptr(old))) {
            *held = Arc::downgrade(new);
        }
    }

    /// Gives up the oldest until no more than `most` bytes are held; lines that are lost by it.
    fn bound(&mut self, most: u64) -> u64 {
        let mut lost = 0;
        while self.bytes > most {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((bytes, lines)) = oldest.upgrade().and_then(|g| g.evict()) {
                self.bytes = self.bytes.saturating_sub(bytes);
                lost += lines;
            }
        }
        lost
    }
}

#[derive(Default)]
struct Known {
    sources: BTreeMap<SourceId, SourceEntry>,
    streams: Held,
    files: Held,
    lost: u64,
}

#[derive(Default)]
struct Desk {
    /// The newest question of each slot.
    waiting: BTreeMap<Slot, LogQuery>,
    /// Slots that have a thread.
    staffed: Vec<Slot>,
}

struct Shared {
    known: Mutex<Known>,
    desk: Mutex<Desk>,
    asked: Condvar,
    newest: [AtomicU64; SLOTS],
    closed: AtomicBool,
    deliver: Box<dyn Fn(LogArrival) + Send + Sync>,
    options: StoreOptions,
    /// What all directories may take.
    memory: Arc<IndexMemory>,
    /// Bytes that were read for the index.
    read: AtomicU64,
    /// Whether a question had to read what was not indexed.
    demanded: AtomicBool,
    /// Whether indexing goes on, and whether it waits because others suffer.
    indexing: AtomicBool,
    paused: AtomicBool,
    /// Whether the thread that unpacks runs, and how often it made something readable.
    unpacking: AtomicBool,
    content: AtomicU64,
    /// What the index cache holds of which files.
    saved: Mutex<index_cache::Saved>,
    tape: Option<Tape>,
}

/// Ends the threads when the last handle goes.
struct Close(Arc<Shared>);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.newest.iter().for_each(|n| {
            n.fetch_add(1, Ordering::Relaxed);
        });
        self.0.asked.notify_all();
        index_cache::keep(&self.0, &self.0.generations(None));
    }
}

/// A handle; clones are cheap and stand for the same store.
#[derive(Clone)]
pub struct LogStore {
    shared: Arc<Shared>,
    _close: Arc<Close>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogStore {
    /// A store that answers through `deliver`, which is called on the store's threads.
    pub fn new(deliver: Box<dyn Fn(LogArrival) + Send + Sync>, options: StoreOptions) -> LogStore {
        let (tape, take_down) = options.tape.then(Tape::new).unzip();
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            desk: Mutex::default(),
            asked: Condvar::new(),
            newest: Default::default(),
            closed: AtomicBool::new(false),
            deliver,
            memory: Arc::new(IndexMemory::new(limits::index_memory(options.index_memory))),
            options,
            read: AtomicU64::new(0),
            demanded: AtomicBool::new(false),
            indexing: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            unpacking: AtomicBool::new(false),
            content: AtomicU64::new(0),
            saved: Mutex::default(),
            tape,
        });
        if let Some(take_down) = take_down {
            let behind = Arc::downgrade(&shared);
            // Where it cannot be started it takes no orders, and lines are gone through.
            let _ = std::thread::Builder::new().name("requests".into()).spawn(move || take_down(&behind));
        }
        let behind = Arc::clone(&shared);
        // Without threads the store still takes in events and answers `scan_all`.
        let _ = std::thread::Builder::new().name("log index".into()).spawn(move || index::background(&behind));
        LogStore { _close: Arc::new(Close(Arc::clone(&shared))), shared }
    }

    /// Takes in one event of the stream. Cheap: opens no file. Events that come twice change nothing.
    pub fn observe(&self, source: SourceId, name: &str, observed: Ts, event: &LogEvent, replay: bool) {
        let options = &self.shared.options;
        let mut came = 0;
        let mut guard = lock(&self.shared.known);
        let known = &mut *guard;
        let entry = known.sources.entry(source).or_default();
        if entry.name != name {
            entry.name = name.to_owned();
        }
        match event {
            LogEvent::Opened(opened) => {
                if let Some(i) = entry.generations.iter().position(|g| g.opened.generation == opened.generation) {
                    // Its first lines came before it: a queue sorts by time.
                    if entry.generations[i].opened == unnamed(opened.generation, entry.generations[i].opened.size) {
                        let old = entry.generations.remove(i);
                        let new = entry.open(source, opened.clone(), observed, &self.shared);
                        new.adopt(&old);
                        known.files.moved(&old, &new);
                        known.streams.moved(&old, &new);
                        let last = entry.generations.pop();
                        entry.generations.splice(i..i, last);
                        self.shared.asked.notify_all();
                    }
                    return;
                }
                for g in entry.generations.iter().filter(|g| g.opened.file.is_some() && g.opened.file == opened.file) {
                    // Perhaps nothing else holds these lines any more: they have the room of streams from now on.
                    let (pieces, bytes) = g.overwritten();
                    let of_files = known.files.order.len();
                    known.files.order.retain(|held| !std::ptr::eq(held.as_ptr(), Arc::as_ptr(g)));
                    if of_files > known.files.order.len() {
                        known.files.bytes = known.files.bytes.saturating_sub(bytes);
                        known.streams.bytes += bytes;
                        known.streams.order.extend(std::iter::repeat_n(Arc::downgrade(g), pieces));
                        known.lost += known.streams.bound(options.memory);
                    }
                }
                entry.open(source, opened.clone(), observed, &self.shared);
                self.shared.asked.notify_all();
            }
            LogEvent::Appended(a) => {
                let generation = match entry.generations.iter().rev().find(|g| g.opened.generation == a.generation) {
                    Some(g) => Arc::clone(g),
                    // The recording was cut out of a longer one.
                    None => entry.open(source, unnamed(a.generation, a.start), observed, &self.shared),
                };
                let bytes = generation.append(a, observed);
                came = a.end.saturating_sub(a.start);
                if bytes > 0 {
                    let of_file = generation.opened.path.is_some() && !replay;
                    let (held, most) =
                        if of_file { (&mut known.files, options.recent) } else { (&mut known.streams, options.memory) };
                    held.bytes += bytes;
                    held.order.push_back(Arc::downgrade(&generation));
                    known.lost += held.bound(most);
                }
            }
            LogEvent::Seam { .. } => {}
        }
        drop(guard);
        if let Some(tape) = &self.shared.tape {
            tape.came(came);
        }
    }

    /// Forgets everything, as before the first event: a replay begins anew.
    pub fn clear(&self) {
        *lock(&self.shared.known) = Known::default();
    }

    /// Takes log files in as they stand, all of their lines as content: for one look at them. Packed ones are unpacked
    /// when they are read. Gives back their names by source; an error names the file that cannot be read.
    pub fn open_files(&self, paths: &[std::path::PathBuf]) -> Result<Vec<crate::timeline::SourceDecl>, String> {
        let mut declared = Vec::new();
        for (decl, opened, near) in read::declare(paths)? {
            self.observe(decl.id, &decl.name, near, &LogEvent::Opened(opened), true);
            declared.push(decl);
        }
        Ok(declared)
    }

    /// Opens what was announced and is not open yet, on this thread, instead of leaving it to the background.
    pub fn settle(&self) {
        for g in self.shared.generations(None) {
            let Some(segment) = g.resolve() else { continue };
            let Some(packed) = segment.packed() else { continue };
            if packed.claim() {
                packed.unpack(|| true);
            }
            while !packed.is_done() && !self.shared.closed.load(Ordering::Relaxed) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    }

    /// Indexes all there is on this thread, instead of leaving it to the background. Gives back how many bytes it read.
    pub fn index_all(&self) -> u64 {
        self.settle();
        index::all(&self.shared)
    }

    /// Asks. The newest question of a slot cancels the one before it.
    pub fn ask(&self, query: LogQuery) {
        let mut desk = lock(&self.shared.desk);
        let slot = query.slot;
        self.shared.newest[slot as usize].fetch_add(1, Ordering::Relaxed);
        desk.waiting.insert(slot, query);
        if !desk.staffed.contains(&slot) {
            let shared = Arc::clone(&self.shared);
            if std::thread::Builder::new().name("log query".into()).spawn(move || clerk(&shared, slot)).is_ok() {
                desk.staffed.push(slot);
            }
        }
        drop(desk);
        self.shared.asked.notify_all();
    }

    /// Answers at once, on this thread; for tests and for uses without a screen.
    pub fn answer(&self, query: &LogQuery, deliver: &dyn Fn(LogArrival)) {
        answer::answer(query, &self.shared.generations(query.sources.as_deref()), deliver, &|| false);
    }

    /// What a source is called, where anything of it is known.
    pub fn name_of(&self, source: SourceId) -> Option<CompactString> {
        let known = lock(&self.shared.known);
        known.sources.get(&source)?.generations.last().map(|g| g.name.clone())
    }

    /// Records of a source are placed so many nanoseconds later than they say, or earlier: its clock is off. Nothing is
    /// rewritten; 0 takes it back.
    pub fn place_later(&self, source: SourceId, by: i64) {
        let mut known = lock(&self.shared.known);
        let entry = known.sources.entry(source).or_default();
        entry.moved = by;
        entry.generations.iter().for_each(|g| g.place_later(by));
    }

    /// What is held.
    pub fn figures(&self) -> StoreFigures {
        let known = lock(&self.shared.known);
        let sizes = || known.sources.values().flat_map(|s| &s.generations).map(|g| g.directory.size());
        StoreFigures {
            held: known.streams.bytes + known.files.bytes,
            lost_lines: known.lost,
            blocks: sizes().map(|(blocks, _)| blocks).sum(),
            indexed: sizes().map(|(_, indexed)| indexed).sum(),
            bytes: known.sources.values().flat_map(|s| &s.generations).map(|g| g.end()).sum(),
            indexing: self.shared.indexing.load(Ordering::Relaxed),
            index_bytes: self.shared.memory.used(),
            index_cap: self.shared.memory.cap(),
            index_bits: self.shared.memory.bits(),
            index_paused: self.shared.paused.load(Ordering::Relaxed),
            unpacking: known
                .sources
                .values()
                .flat_map(|s| &s.generations)
                .filter_map(|g| g.found()?.packed()?.share())
                .map(|share| (share * 100.0) as u8)
                .max(),
            content: self.shared.content.load(Ordering::Relaxed),
        }
    }
}

fn unnamed(generation: u32, start: u64) -> LogOpened {
    LogOpened { generation, size: start, ..LogOpened::default() }
}

impl SourceEntry {
    fn open(&mut self, source: SourceId, opened: LogOpened, observed: Ts, shared: &Shared) -> Arc<Generation> {
        let options = &shared.options;
        let memory = Arc::clone(&shared.memory);
        let (packed, spool) = (options.packed_memory, options.spool.clone());
        let unpack = Unpack { memory: packed, spool, at_once: options.background == 0 };
        let means = Means { zone: options.zone.clone(), unpack, memory, recall: options.recall.clone() };
        let generation = Arc::new(Generation::new(source, &self.name, opened, observed, means));
        generation.place_later(self.moved);
        self.generations.push(Arc::clone(&generation));
        if self.generations.len() > options.generations {
            self.generations.remove(0);
        }
        generation
    }

    /// One from before all others.
    fn open_older(&mut self, source: SourceId, opened: LogOpened, observed: Ts, shared: &Shared) {
        self.open(source, opened, observed, shared);
        if let Some(last) = self.generations.pop() {
            self.generations.insert(0, last);
        }
    }
}

impl Shared {
    /// How many generations there are.
    fn count(&self) -> usize {
        lock(&self.known).sources.values().map(|s| s.generations.len()).sum()
    }

    fn generations(&self, only: Option<&[SourceId]>) -> Vec<Arc<Generation>> {
        let known = lock(&self.known);
        let wanted = known.sources.iter().filter(|(id, _)| only.is_none_or(|only| only.contains(id)));
        wanted.flat_map(|(_, s)| s.generations.iter().cloned()).collect()
    }
}

/// A question that had to read more than this makes the background index what is not indexed yet.
const ASKED: u64 = 32 << 20;

/// Answers the questions of one slot.
fn clerk(shared: &Shared, slot: Slot) {
    loop {
        let (query, number) = {
            let mut desk = lock(&shared.desk);
            loop {
                if shared.closed.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(query) = desk.waiting.remove(&slot) {
                    break (query, shared.newest[slot as usize].load(Ordering::Relaxed));
                }
                desk = shared.asked.wait(desk).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let generations = shared.generations(query.sources.as_deref());
        let cancelled = || shared.newest[slot as usize].load(Ordering::Relaxed) != number;
        let answering = || answer::answer(&query, &generations, &*shared.deliver, &cancelled);
        // A line that a parser stumbles over costs this answer, not all that come after it.
        match std::panic::catch_unwind(AssertUnwindSafe(answering)) {
            Ok(read) if read > ASKED => {
                shared.demanded.store(true, Ordering::Relaxed);
                shared.asked.notify_all();
            }
            Ok(_) => {}
            Err(_) => {
                tracing::error!(?query, "a question about log lines could not be answered");
                let (request, slot) = (query.request, query.slot);
                (shared.deliver)(LogArrival { request, slot, done: true, ..LogArrival::default() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::signals::logs::event::LogAppended;
    use crate::timeline::counts::Counts;
    use crate::timeline::{Filter, TimeRange};

    fn appended(start: u64, text: &str) -> LogEvent {
        LogEvent::Appended(LogAppended {
            generation: 7,
            start,
            end: start + text.len() as u64,
            lines: 1,
            counts: vec![(0, Counts::default())],
            format: "text".into(),
            bytes: Some(text.as_bytes().into()),
            ..LogAppended::default()
        })
    }

    #[test]
    fn a_generation_whose_first_lines_came_before_its_opening_has_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        std::fs::write(&path, "old\nnew\n").unwrap();
        let store = LogStore::new(Box::new(|_| {}), StoreOptions { background: 0, ..StoreOptions::default() });
        let opened = LogOpened {
            path: Some(path.to_string_lossy().into_owned()),
            file: None,
            head: Some((crc32c::crc32c(b"old\n"), 4)),
            ..unnamed(7, 4)
        };
        store.observe(SourceId(1), "app", Ts(2), &appended(4, "new\n"), false);
        store.observe(SourceId(1), "app", Ts(1), &LogEvent::Opened(opened.clone()), false);
        store.observe(SourceId(1), "app", Ts(1), &LogEvent::Opened(opened), false);
        let mut rows = Vec::new();
        store.scan_all(&Filter::default(), TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |row| {
            rows.push(row.message);
            ControlFlow::Continue(())
        });
        assert_eq!(rows, ["old", "new"]);
        // What is held is given up by the right generation.
        let generation = store.shared.generations(None).remove(0);
        assert_eq!((store.figures().held, generation.evict()), (4, Some((4, 0))));
    }
}
