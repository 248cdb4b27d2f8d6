//! Fills the block directory: one thread, the newest blocks first, as quietly as it can.
//!
//! The newest bytes of all sources are indexed at once, beyond the first of them at the lowest priority; what is older when a question had to read
//! it (then the next one need not), or slowly while the box has nothing else to do. Pages that had to come from storage
//! are given back to it: what others keep in memory stays there.

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::blocks::{MOST, Walk};
use super::directory::{BLOCK, Ids};
use super::generation::Generation;
use super::idset::Gather;
use super::pressure::{self, Own};
use super::survey::Survey;
use super::{Shared, lock, tokens};
use crate::signals::logs::formats;

/// Blocks of one generation in a row before another one has its turn.
const TURN: usize = 8;
/// Between two looks at the pressure.
const LOOK: Duration = Duration::from_millis(250);
/// Reads slower than this, in bytes a second, come from storage.
const CACHED: f64 = 500e6;
/// The last bytes of each generation are what is asked for first. A box that is short of processors does not make them
/// wait: they take a third of a second. So many bytes in all are read at the priority of a program that somebody waits
/// for, all others at the lowest, which yields to anybody.
const NEWEST: u64 = 256 << 20;
/// While others suffer: one turn, then this.
const PAUSE: Duration = Duration::from_secs(1);

/// What a block cost.
#[derive(Copy, Clone, Debug, Default)]
pub struct Cost {
    /// Bytes read.
    pub bytes: u64,
    /// Time spent reading.
    pub reading: Duration,
}

/// Reads blocks for the directory.
#[derive(Debug, Default)]
pub struct Indexer {
    buf: Vec<u8>,
    gather: Gather,
    quiet: bool,
}

impl Indexer {
    /// Indexes the block of `range`, which will not change any more.
    pub fn block(&mut self, generation: &Arc<Generation>, walk: &Walk, range: &Range<u64>) -> Cost {
        let began = Instant::now();
        generation.read_into(range.start..range.end.min(range.start + MOST), &mut self.buf);
        let cost = Cost { bytes: self.buf.len() as u64, reading: began.elapsed() };
        self.give_back(generation, range, cost);
        let (format, cx) = (generation.format(), generation.context());
        let mut survey = Survey::new(generation, walk, range.start, format, &cx);
        for s in formats::records(&self.buf, format, &cx) {
            survey.take(&s);
        }
        let Some(info) = survey.finish(range.end) else { return cost };
        let directory = &generation.directory;
        if cost.bytes < range.end - range.start {
            // A record longer than is read of it: of what was not seen nothing can be denied.
            return cost;
        }
        tokens::each(&self.buf, |key| self.gather.add(key));
        directory.learn(range.start, info, self.gather.keys().map_or(Ids::Untold, Ids::Keys));
        self.gather.clear();
        cost
    }

    /// Lets go of pages that came from storage, and asks for those that come next.
    fn give_back(&mut self, generation: &Generation, range: &Range<u64>, cost: Cost) {
        if cost.bytes as f64 >= cost.reading.as_secs_f64() * CACHED {
            return;
        }
        if !std::mem::replace(&mut self.quiet, true) {
            be_quiet();
        }
        let Some(segment) = generation.resolve() else { return };
        let Some(file) = segment.file() else { return };
        let advise = |range: Range<u64>, advice| {
            if let Some(len) = NonZeroU64::new(range.end - range.start) {
                let _ = rustix::fs::fadvise(file, range.start, Some(len), advice);
            }
        };
        // Not the start of the block: its page belongs to the one before, too, which is read next.
        advise(range.start + (4 << 10).min(range.end - range.start)..range.end, rustix::fs::Advice::DontNeed);
        advise(range.start.saturating_sub(TURN as u64 * BLOCK)..range.start, rustix::fs::Advice::WillNeed);
    }
}

/// Storage serves this thread when nobody else wants anything. There is no call for it in the libraries at hand, so the
/// tool is asked; without it the low priority of the thread says nearly the same.
fn be_quiet() {
    let id = rustix::thread::gettid().as_raw_nonzero().to_string();
    let mut command = std::process::Command::new("ionice");
    command.args(["-c", "3", "-p", &id]);
    let null = std::process::Stdio::null;
    let _ = command.stdin(null()).stdout(null()).stderr(null()).status();
}

/// How the background goes about it, and what it has done.
struct Pass<'a> {
    shared: &'a Shared,
    indexer: Indexer,
    own: Own,
    looked: Instant,
    waited: Duration,
    suffer: bool,
    /// Others suffer for storage or memory.
    starved: bool,
    /// What is indexed now are the last bytes of some generation.
    newest: bool,
    /// The thread has the priority of the others still: for the first bytes that anybody may ask for.
    hurries: bool,
}

impl<'a> Pass<'a> {
    fn new(shared: &'a Shared) -> Pass<'a> {
        let now = Instant::now();
        Pass {
            shared,
            indexer: Indexer::default(),
            own: Own::new(now),
            looked: now,
            waited: Duration::ZERO,
            suffer: false,
            starved: false,
            newest: false,
            hurries: false,
        }
    }
}

/// The thread's work: opens files as they are announced, and indexes them.
pub(super) fn background(shared: &Arc<Shared>) {
    let mut pass = Pass::new(shared);
    pass.hurries = true;
    while !shared.closed.load(Ordering::Relaxed) {
        let generations = shared.generations(None);
        for g in &generations {
            g.resolve();
        }
        super::unpack::start(shared, &generations);
        super::index_cache::look(shared, &generations);
        let busy = shared.options.background > 0 && pass.run(&generations);
        drop(generations);
        let desk = lock(&shared.desk);
        let wait = Duration::from_millis(if busy { 200 } else { 1_000 });
        drop(shared.asked.wait_timeout(desk, wait).unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// Indexes everything at once.
pub(super) fn all(shared: &Shared) -> u64 {
    let mut pass = Pass::new(shared);
    let mut read = 0;
    for g in shared.generations(None) {
        let walk = Walk::new(&g, g.end());
        let mut at = walk.end();
        while at > 0 && !pass.is_closed() {
            read += pass.turn(&g, &walk, &mut at).bytes;
            pass.bound();
        }
    }
    read
}

impl Pass<'_> {
    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Goes back through all generations at once; whether anything was new.
    fn run(&mut self, generations: &[Arc<Generation>]) -> bool {
        let (mut busy, mut total) = (false, 0);
        let mut walks: Vec<_> =
            generations.iter().map(|g| (g, Walk::new(g, g.end()))).map(|(g, w)| (g, w.end(), w)).collect();
        // Newest first: one turn of each, from its end.
        while !walks.is_empty() {
            let began = Instant::now();
            let mut read = 0u64;
            self.newest = false;
            walks.retain_mut(|(g, at, walk)| {
                let cost = self.turn(g, walk, at);
                self.newest |= cost.bytes > 0 && walk.end() - *at < NEWEST;
                read += cost.bytes;
                self.waited += cost.reading.saturating_sub(Duration::from_secs_f64(cost.bytes as f64 / CACHED));
                *at > 0 && !self.is_closed()
            });
            busy |= read > 0;
            total += read;
            // Lines that have just come are no progress to speak of.
            self.shared.indexing.store(total > TURN as u64 * BLOCK, Ordering::Relaxed);
            if self.is_closed() {
                break;
            }
            self.bound();
            self.rest(began.elapsed(), read);
            if !self.may_go_on() || self.shared.count() != generations.len() {
                self.shared.indexing.store(false, Ordering::Relaxed);
                return busy;
            }
        }
        self.shared.indexing.store(false, Ordering::Relaxed);
        self.shared.demanded.store(false, Ordering::Relaxed);
        busy
    }

    /// Some blocks of one generation before `at`, which moves. 0 when there is no more.
    fn turn(&mut self, generation: &Arc<Generation>, walk: &Walk, at: &mut u64) -> Cost {
        let mut cost = Cost::default();
        for _ in 0..TURN {
            if let Some(run) = walk.run(*at, true) {
                *at = generation.directory.indexed_back(run.end, run.start);
            }
            let Some(step) = walk.before(*at) else {
                *at = 0;
                break;
            };
            let range = step.range();
            *at = range.start;
            if matches!(step, super::blocks::Step::Block(_)) && walk.settled(&range) {
                let block = self.indexer.block(generation, walk, &range);
                cost = Cost { bytes: cost.bytes + block.bytes, reading: cost.reading + block.reading };
            }
            if self.is_closed() {
                break;
            }
        }
        self.shared.read.fetch_add(cost.bytes, Ordering::Relaxed);
        cost
    }

    /// Keeps the index within its memory: coarser first, then without the oldest sets.
    fn bound(&self) {
        let memory = &self.shared.memory;
        while memory.is_over() {
            let generations = self.shared.generations(None);
            if memory.coarser().is_some() {
                generations.iter().for_each(|g| g.directory.coarsen());
                continue;
            }
            let oldest = generations.iter().filter_map(|g| Some((g.directory.oldest_set()?, g)));
            match oldest.min_by_key(|(t, _)| *t) {
                Some((_, g)) => g.directory.drop_oldest_sets(),
                None => return,
            }
        }
    }

    fn rest(&mut self, worked: Duration, read: u64) {
        if self.hurries && self.shared.read.load(Ordering::Relaxed) >= NEWEST {
            self.hurries = false;
            let _ = rustix::process::setpriority_process(None, 19);
        }
        let now = Instant::now();
        if now - self.looked >= LOOK {
            self.own.waited(std::mem::take(&mut self.waited), now);
            let pressure = pressure::read();
            self.suffer = self.own.others_suffer(pressure);
            self.starved = self.own.others_suffer(pressure::Pressure { cpu: 0.0, ..pressure });
            self.looked = now;
        }
        let wait = if self.newest && self.is_early() { self.starved } else { self.suffer };
        self.shared.paused.store(wait, Ordering::Relaxed);
        if read == 0 {
            return;
        }
        // Old lines that nobody asked for have time.
        let pause = if wait {
            PAUSE
        } else if self.is_urgent() {
            Duration::ZERO
        } else {
            worked * 3
        };
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }

    /// Whether no more was read yet than is to be read at once.
    fn is_early(&self) -> bool {
        self.shared.read.load(Ordering::Relaxed) < self.shared.options.background
    }

    /// Whether what is read now is new, or was asked for.
    fn is_urgent(&self) -> bool {
        self.is_early() || self.shared.demanded.load(Ordering::Relaxed)
    }

    /// Whether to go on: what is old and was not asked for only while the box is idle.
    fn may_go_on(&self) -> bool {
        let idle = |p: pressure::Pressure| p.cpu < 5.0 && p.io < 5.0 && p.memory < 1.0;
        self.is_urgent() || !self.suffer && idle(pressure::read())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::ops::ControlFlow;

    use proptest::prelude::*;

    use super::super::{Anchor, Ask, LogQuery, LogStore, Slot, StoreOptions};
    use super::*;
    use crate::signals::logs::row::{LogRow, RowKey};
    use crate::timeline::{Filter, TimeRange, Ts};

    fn mix(n: u64) -> u64 {
        let n = (n ^ (n >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        n ^ (n >> 29)
    }

    /// The ID of request `n`, in one of the ways that people write them.
    fn id(n: u64, way: u64) -> String {
        let (a, b) = (mix(n * 2 + 1), mix(n * 2 + 2) | 1 << 63);
        let hex = format!("{a:016x}{b:016x}");
        let dashed = format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
        match way % 9 {
            0 => dashed,
            1 => dashed.replace('-', ""),
            2 => dashed.to_uppercase(),
            3 => format!("00-{}-{:016x}-01", dashed.replace('-', ""), mix(n)),
            4 => format!("{b}"),
            5 => format!("{b:016x}"),
            6 => format!("req_{}", &hex[..10]),
            7 => format!("r-{}", n % 500),
            _ => format!("1-{}-{}", &hex[..8], &hex[8..]),
        }
    }

    /// Some blocks of lines in which requests occur under different names and spellings.
    fn lines(seed: u64, format: usize) -> String {
        let mut text = String::new();
        let mut i = 0u64;
        while text.len() < 5 * BLOCK as usize {
            i += 1;
            let n = mix(seed.wrapping_add(i));
            let id = id(seed % 1_000 + i / 7 + n % 3, n >> 8);
            let at = Ts::from_millis(1_795_190_000_000 + i as i64 * 20 - (n % 5) as i64 * 30);
            let level =
                ["debug", "info", "warn", "error"][(n >> 20) as usize % if i.is_multiple_of(900) { 4 } else { 3 }];
            let rest = "x".repeat((n >> 30) as usize % 200);
            let _ = match format {
                0 => writeln!(
                    text,
                    r#"{{"ts":"{at}","level":"{level}","reqId":"{id}","msg":"a\n{id} took {n}ms {rest}"}}"#
                ),
                1 => writeln!(text, r#"time={at} level={level} trace={id} msg="served {rest}""#),
                _ => writeln!(text, "{at} {} [{id}] handled {rest}\n\tat shop.Cart({})", level.to_uppercase(), n % 99),
            };
        }
        text
    }

    fn store(path: &std::path::Path, index_memory: u64) -> LogStore {
        let options = StoreOptions { background: 0, index_memory, ..StoreOptions::default() };
        let store = LogStore::new(Box::new(|_| {}), options);
        store.open_files(&[path.to_owned()]).unwrap();
        store
    }

    fn rows(store: &LogStore, filter: &Filter) -> Vec<LogRow> {
        let mut rows = Vec::new();
        store.scan_all(filter, TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        });
        rows
    }

    fn newest(store: &LogStore, filter: &Filter, most: usize) -> Vec<RowKey> {
        let got = std::cell::RefCell::new(Vec::new());
        let query = LogQuery {
            request: 1,
            slot: Slot::View,
            filter: filter.clone(),
            sources: None,
            min_severity: None,
            visible_until: Ts::MAX,
            screen: 3,
            ask: Ask::Rows { anchor: Anchor::End, before: most, after: 0 },
        };
        store.answer(&query, &|a| got.borrow_mut().extend(a.rows.iter().map(|r| (r.placed, r.key))));
        let mut got = got.into_inner();
        got.sort();
        got.into_iter().map(|(_, key)| key).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]
        #[test]
        fn what_passes_a_filter_is_the_same_with_an_index_with_a_small_one_and_without(
            seed in any::<u32>(),
            format in 0usize..3,
            picks in proptest::collection::vec((0u64..2_000, 0u64..9), 6),
        ) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), lines(seed.into(), format)).unwrap();
            let bare = store(file.path(), 0);
            let all = rows(&bare, &Filter::default());
            let full = store(file.path(), 64 << 20);
            let small = store(file.path(), 14 << 10);
            prop_assert!(full.index_all() >= 4 * BLOCK && small.index_all() >= 4 * BLOCK);
            let (f, s) = (full.figures(), small.figures());
            prop_assert!(f.index_bytes > 0 && s.index_bytes <= s.index_cap && s.index_bits < f.index_bits, "{s:?}");
            let mut filters: Vec<String> =
                picks.iter().map(|(n, way)| format!("request_id={}", id(u64::from(seed) % 1_000 + n, *way))).collect();
            filters.push(format!("({} OR {})", filters[0], filters[1]));
            filters.push(format!("{} level>=warn", filters[2]));
            filters.push("level>=error".into());
            filters.push(format!("-{} level=error time>{}", filters[3], all[all.len() / 2].placed));
            filters.push("served level=warn".into());
            for text in &filters {
                let filter = Filter::parse(text).unwrap();
                let wanted: Vec<RowKey> = all.iter().filter(|r| filter.matches(*r)).map(|r| r.key).collect();
                for store in [&full, &small, &bare] {
                    let got: Vec<RowKey> = rows(store, &filter).iter().map(|r| r.key).collect();
                    prop_assert_eq!(&got, &wanted, "{}", text);
                    let tail = wanted.len().saturating_sub(50);
                    prop_assert_eq!(newest(store, &filter, 50), &wanted[tail..], "{}", text);
                }
            }
        }
    }

    #[test]
    fn a_request_that_is_indexed_is_found_without_reading_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines(7, 0)).unwrap();
        let store = store(file.path(), 64 << 20);
        let read = |id: &str| {
            let filter = Filter::parse(&format!("request_id={id}")).unwrap();
            let generations = store.shared.generations(None);
            let matcher = super::super::matcher::Matcher::new(&filter, None, None);
            let mut merge =
                super::super::merge::Merge::new(&generations, &matcher, super::super::merge::Way::Back, None, Ts::MAX);
            let mut hits = 0;
            while let Ok(Some(_)) = merge.next(&mut |_| false) {
                hits += 1;
            }
            (hits, merge.scanned)
        };
        let (hits, bytes) = read(&id(100, 1));
        assert!(hits > 0 && bytes >= 5 * BLOCK, "{hits} hits, {bytes} bytes");
        store.index_all();
        let (again, bytes) = read(&id(100, 1));
        assert_eq!(again, hits);
        assert!(
            bytes < 3 * BLOCK + BLOCK / 2,
            "{bytes}: the block of the request, and the last one, which may still grow"
        );
        assert!(store.figures().blocks >= 4);
    }
}
