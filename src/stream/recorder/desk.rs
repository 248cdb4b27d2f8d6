//! What the recorder's thread owns: frames on their way to the ring, to who listens, and to the disk.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::disk::{Folder, Medium};
use super::{GATHER, Listener, Order, RecorderOptions, RecorderStatus, Save};
use crate::signals::host::event::HostEvent;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::stream::capture::captured;
use crate::stream::past::Pieces;
use crate::stream::recording::{
    ClockStep, Encoded, Encoder, Gap, Segment, Stream, encode_clock, encode_events, encode_fields, encode_gap,
    encode_segment,
};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceId, Ts};

/// Observed time of one block of frames on disk, and how many blocks are remembered: two days.
const BLOCK: Duration = Duration::from_secs(10);
const BLOCKS: usize = 20_000;
/// Opened generations, and deploys and incident events, that are told again at the beginning of what is saved.
const OPENED: usize = 4_096;
const TOLD: usize = 1_000;
/// Frames of different streams that were gathered together begin at different times: by at most this, twice what is
/// gathered.
const SPREAD: Duration = Duration::from_secs(1);
/// A clock that is off by more than this between two samples was set.
const STEP: Duration = Duration::from_secs(1);

/// Frames that stand behind one another in a file.
#[derive(Clone, Debug)]
struct OnDisk {
    path: Arc<PathBuf>,
    bytes: Range<u64>,
    first: Ts,
    generation: u64,
}

/// A frame, shared by all who have it.
#[derive(Clone, Debug)]
struct Kept {
    bytes: Arc<[u8]>,
    stream: Option<Stream>,
    generation: u64,
    envelopes: u64,
}

/// A file that is written to.
struct Open {
    to: Box<dyn Medium>,
    path: Arc<PathBuf>,
    written: u64,
    /// Observed time of its first frame.
    began: Option<Ts>,
}

/// What the thread owns.
pub(super) struct Desk {
    options: RecorderOptions,
    status: Arc<Mutex<RecorderStatus>>,
    dropped: Arc<AtomicU64>,
    waiting: Arc<AtomicUsize>,
    told_dropped: u64,
    encoder: Encoder,
    file: Option<Open>,
    folder: Option<Folder>,
    /// Bytes in segments before this one.
    before: u64,
    /// Declarations and opened log generations: without them the ring could not be read.
    preamble: Vec<Envelope>,
    /// The last state of each source.
    states: BTreeMap<SourceId, Envelope>,
    /// The newest deploys and incident events, for the next segment.
    told: VecDeque<Envelope>,
    /// The newest frames, for saving and for listeners: whole generations.
    ring: VecDeque<Kept>,
    /// Observed time of what left the ring last.
    ring_begin: Ts,
    ring_bytes: usize,
    /// Frames that wait for the disk.
    pending: VecDeque<Kept>,
    pending_bytes: usize,
    /// Where which times stand on disk.
    on_disk: VecDeque<OnDisk>,
    listeners: Vec<Listener>,
    evicted: u64,
    /// What was let go because the disk was full, in words; and what of it no gap in the recording tells yet.
    shed: u64,
    shed_untold: u64,
    error: Option<String>,
    gathered: Vec<Envelope>,
    gathered_bytes: usize,
    since: Option<Instant>,
    last_sync: Instant,
    /// Wall clock minus monotonic clock at the last sample, nanoseconds.
    offset: Option<i64>,
}

impl Desk {
    pub(super) fn new(
        options: RecorderOptions,
        status: Arc<Mutex<RecorderStatus>>,
        dropped: Arc<AtomicU64>,
        waiting: Arc<AtomicUsize>,
    ) -> Desk {
        Desk {
            options,
            status,
            dropped,
            waiting,
            told_dropped: 0,
            encoder: Encoder::default(),
            file: None,
            folder: None,
            before: 0,
            preamble: Vec::new(),
            states: BTreeMap::new(),
            told: VecDeque::new(),
            ring: VecDeque::new(),
            ring_begin: Ts(0),
            ring_bytes: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            on_disk: VecDeque::new(),
            listeners: Vec::new(),
            evicted: 0,
            shed: 0,
            shed_untold: 0,
            error: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            since: None,
            last_sync: Instant::now(),
            offset: None,
        }
    }

    pub(super) fn run(&mut self, inbox: &Receiver<Order>) {
        loop {
            let wait = self.since.map_or(Duration::from_secs(5), |s| GATHER.saturating_sub(s.elapsed()));
            match inbox.recv_timeout(wait) {
                Ok(Order::Record(batch, bytes)) => {
                    self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                    if self.take(&batch) {
                        self.flush();
                        self.sync();
                    }
                }
                Ok(Order::Save(save, answer)) => {
                    self.flush();
                    let _ = answer.send(self.save(&save));
                }
                Ok(Order::Listen(listener)) => {
                    self.flush();
                    self.greet(listener);
                }
                Ok(Order::Past(from, to, answer)) => {
                    self.flush();
                    let _ = answer.send(self.past(from, to));
                }
                Ok(Order::Finish(answer)) => {
                    self.flush();
                    self.sync();
                    self.tell();
                    let _ = answer.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.flush();
                    self.sync();
                    return;
                }
            }
            if self.since.is_some_and(|s| s.elapsed() >= GATHER) || self.gathered_bytes > 256 << 10 {
                self.flush();
            }
            if self.last_sync.elapsed() > Duration::from_secs(5) {
                self.sync();
            }
            self.tell();
        }
    }

    /// Gathers a batch; true when something in it must not wait.
    fn take(&mut self, batch: &[Envelope]) -> bool {
        let mut urgent = false;
        for e in batch {
            let e = if self.options.redact { captured(e) } else { e.clone() };
            match &e.event {
                Event::Incident(_) | Event::Deploys(_) => {
                    urgent |= matches!(e.event, Event::Incident(_));
                    self.told.push_back(e.clone());
                    if self.told.len() > TOLD {
                        self.told.pop_front();
                    }
                }
                Event::Stream(Declaration::Origin { .. } | Declaration::Source(_)) => self.preamble.push(e.clone()),
                Event::Stream(Declaration::State { source, .. }) => {
                    self.states.insert(*source, e.clone());
                }
                Event::Logs(LogEvent::Opened(_)) => {
                    self.preamble.push(e.clone());
                    // Bounded: a log that rotates for ever keeps its newest generations; declarations stay.
                    let opened = |e: &Envelope| matches!(e.event, Event::Logs(LogEvent::Opened(_)));
                    if self.preamble.len() > OPENED
                        && let Some(oldest) = self.preamble.iter().position(opened)
                    {
                        self.preamble.remove(oldest);
                    }
                }
                Event::Logs(LogEvent::Appended(a)) => {
                    self.gathered_bytes += a.bytes.as_ref().map_or(0, |b| b.len());
                }
                Event::Host(HostEvent::Sample(_)) => self.look_at_clock(&e),
                _ => {}
            }
            self.gathered_bytes += 200;
            self.gathered.push(e);
        }
        self.since.get_or_insert_with(Instant::now);
        urgent
    }

    /// Samples are taken a second apart on both clocks: a difference between them is a clock that was set.
    fn look_at_clock(&mut self, e: &Envelope) {
        let mono = i64::try_from(e.mono).unwrap_or(i64::MAX);
        let offset = e.observed.0.saturating_sub(mono);
        let before = self.offset.replace(offset);
        let Some(before) = before.filter(|b| b.abs_diff(offset) > STEP.as_nanos() as u64) else { return };
        self.flush();
        self.encoder.restart();
        let step = ClockStep { expected: Ts(mono.saturating_add(before)), found: e.observed };
        let bytes = encode_clock(&step, e.seq);
        self.keep(Encoded { bytes, stream: None, generation: self.encoder.generation(), envelopes: 0 });
    }

    fn flush(&mut self) {
        self.since = None;
        self.gathered_bytes = 0;
        if let Some(at) = self.gathered.first().map(|e| e.observed) {
            self.next_segment(at);
        }
        let lost = self.dropped.load(Ordering::Relaxed);
        if lost > self.told_dropped {
            let gap = Gap { envelopes: lost - self.told_dropped, why: "the recorder was behind".into() };
            self.told_dropped = lost;
            self.keep_gap(&gap);
        }
        if !self.gathered.is_empty() {
            let batch = std::mem::take(&mut self.gathered);
            for frame in self.encoder.events(&batch) {
                self.keep(frame);
            }
        }
    }

    fn keep_gap(&mut self, gap: &Gap) {
        let at = self.gathered.first().map_or(Ts(0), |e| e.observed);
        let (bytes, generation) = (encode_gap(gap, 0, at), self.encoder.generation());
        self.keep(Encoded { bytes, stream: None, generation, envelopes: 0 });
    }

    /// A frame goes to the ring, to who listens, and to the file behind those that still wait for it. A write that is torn
    /// is taken back, so that the file always ends with a whole frame.
    fn keep(&mut self, frame: Encoded) {
        let Encoded { bytes, stream, generation, envelopes } = frame;
        let frame = Kept { bytes: bytes.into(), stream, generation, envelopes };
        self.listeners.retain(|l| l.tell(&frame.bytes));
        self.ring_bytes += frame.bytes.len();
        self.ring.push_back(frame.clone());
        while self.ring_bytes > self.options.ring {
            let Some(oldest) = self.ring.front().map(|k| k.generation) else { break };
            // A generation without its keys is of no use.
            while let Some(old) = self.ring.pop_front_if(|k| k.generation == oldest) {
                self.ring_bytes -= old.bytes.len();
                self.evicted += old.envelopes;
                self.ring_begin = self.ring_begin.max(observed(&old.bytes));
            }
            if oldest == self.encoder.generation() {
                self.encoder.restart();
            }
        }
        if self.file.is_some() {
            self.pending_bytes += frame.bytes.len();
            self.pending.push_back(frame);
            self.write_pending();
        }
    }

    fn write_pending(&mut self) {
        let Some(open) = &mut self.file else { return };
        while let Some(frame) = self.pending.front() {
            if let Err(e) = open.to.write_all(&frame.bytes) {
                let shed = match self.shed {
                    0 => String::new(),
                    n => format!("; {n} events were let go, log lines first"),
                };
                self.error = Some(format!("{}: {e}{shed}", open.path.display()));
                // Where even that fails (a pipe, a file server that is gone) a reader steps over the damage.
                let _ = open.to.cut(open.written);
                self.shed();
                return;
            }
            self.error = None;
            let at = open.written;
            open.written += frame.bytes.len() as u64;
            if let Some(first) = observed_of_events(&frame.bytes) {
                open.began.get_or_insert(first);
            }
            note(&mut self.on_disk, &open.path, at, frame);
            self.pending_bytes -= frame.bytes.len();
            self.pending.pop_front();
        }
        if self.shed_untold > 0 {
            let why = "the disk was full: log lines were let go first".to_owned();
            let gap = Gap { envelopes: std::mem::take(&mut self.shed_untold), why };
            self.keep_gap(&gap);
        }
    }

    /// What waits for a full disk is bounded. Log lines go first, process tables next, then what databases and probes
    /// say; the machine's figures stay for as long as they can, and what was declared, deployed and noted longest.
    fn shed(&mut self) {
        let order = [Some(Stream::Logs), Some(Stream::Processes), Some(Stream::Services), Some(Stream::Machine), None];
        for stream in order {
            if self.pending_bytes <= self.options.ring {
                return;
            }
            let (mut bytes, mut envelopes) = (0, 0);
            self.pending.retain(|k| {
                let goes = k.stream == stream;
                if goes {
                    bytes += k.bytes.len();
                    envelopes += k.envelopes;
                }
                !goes
            });
            if bytes > 0 {
                self.pending_bytes -= bytes;
                self.shed += envelopes;
                self.shed_untold += envelopes;
                // What comes next must not build on what is gone.
                self.encoder.restart();
            }
        }
    }

    /// Closes the segment when it is full, and begins the next one with what is needed to read it.
    fn next_segment(&mut self, at: Ts) {
        let (Some(folder), Some(open)) = (&mut self.folder, &self.file) else { return };
        let began = open.began.unwrap_or(at);
        // On a full disk the next one would fare no better.
        if !self.pending.is_empty() || !folder.is_full(began, at, open.written) {
            return;
        }
        let path = folder.next(at);
        self.sync();
        let Some(old) = self.file.take() else { return };
        self.encoder.restart();
        match self.open(&path) {
            Ok(()) => {
                self.before += old.written;
                if let Some(folder) = &self.folder {
                    folder.closed(old.path.to_path_buf());
                    let removed = folder.removed();
                    self.on_disk.retain(|b| !removed.contains(&*b.path));
                }
                let head = encode_events(&self.beginning(at));
                let generation = self.encoder.generation();
                // Behind the header of its file only: the ring and listeners know all this.
                self.pending_bytes += head.len();
                self.pending.push_back(Kept { bytes: head.into(), stream: None, generation, envelopes: 0 });
                self.write_pending();
            }
            Err(e) => {
                self.error = Some(e);
                self.file = Some(old);
            }
        }
    }

    /// What a segment that begins at `at` needs to be read alone: who speaks, how the sources are, open logs, deploys and
    /// the incident. Told as if it had been seen then, so that a segment does not begin before itself.
    fn beginning(&self, at: Ts) -> Vec<Envelope> {
        let told = self.preamble.iter().chain(self.states.values()).chain(&self.told);
        let mut all: Vec<Envelope> = told.map(|e| Envelope { observed: e.observed.max(at), ..e.clone() }).collect();
        // What is in the frames to come is not told here: it would be seen before it was.
        let upto = self.gathered.first().map_or(u64::MAX, |e| e.seq);
        all.retain(|e| e.seq < upto);
        all.sort_by_key(|e| e.seq);
        all
    }

    /// What the ring and the disk hold of a time, whole generations.
    fn past(&self, from: Ts, to: Ts) -> Pieces {
        let mut pieces = Pieces::default();
        let held = self.ring.front().map(|k| observed(&k.bytes));
        if self.evicted > 0 && held.is_none_or(|h| h > from) {
            // A frame tells when it begins; it ends where the next one begins.
            let nexts = self.on_disk.iter().skip(1).map(|b| b.first).chain([Ts::MAX]);
            let reach =
                |b: &OnDisk, next: Ts| next + SPREAD >= from && b.first <= to && held.is_none_or(|h| b.first < h);
            let wanted: Vec<bool> = self.on_disk.iter().zip(nexts).map(|(b, next)| reach(b, next)).collect();
            let generation = |i: usize| self.on_disk.get(i).map(|b| b.generation);
            for i in whole_generations(&wanted, generation) {
                if let Some(block) = self.on_disk.get(i) {
                    pieces.push_file(block.path.to_path_buf(), block.bytes.clone(), block.generation);
                }
            }
            pieces.since = match self.on_disk.front() {
                Some(first) if first.first <= from => None,
                Some(first) => Some(first.first),
                None => held,
            };
        }
        let nexts = self.ring.iter().skip(1).map(|k| observed(&k.bytes)).chain([Ts::MAX]);
        let wanted: Vec<bool> =
            self.ring.iter().zip(nexts).map(|(k, next)| next + SPREAD >= from && observed(&k.bytes) <= to).collect();
        for i in whole_generations(&wanted, |i| self.ring.get(i).map(|k| k.generation)) {
            if let Some(k) = self.ring.get(i) {
                pieces.push(Arc::clone(&k.bytes), k.generation);
            }
        }
        pieces
    }

    /// A new listener gets everything that is held, then every new frame.
    fn greet(&mut self, listener: Listener) {
        // Two at least, so that it is told from a single new frame, which is counted.
        let mut held: Vec<Arc<[u8]>> = vec![self.preamble_frame(0).into(), Arc::default()];
        held.extend(self.ring.iter().map(|k| Arc::clone(&k.bytes)));
        if listener.to.try_send(held).is_ok() {
            self.listeners.push(listener);
        }
    }

    /// Declarations and opened logs, as the first frame of what is handed on when the `left_out` oldest frames of the ring
    /// are not. Log generations that were opened before the rest begins are told as if they had been opened there, so that
    /// a recording does not begin long before its first event; what is missing is said by a gap.
    fn preamble_frame(&self, left_out: usize) -> Vec<u8> {
        let behind = self.ring.iter().take(left_out);
        let missing = self.evicted + behind.clone().map(|k| k.envelopes).sum::<u64>();
        let begin = behind.map(|k| observed(&k.bytes)).fold(self.ring_begin, Ts::max);
        let mut preamble = self.preamble.clone();
        if missing > 0 {
            for e in &mut preamble {
                e.observed = e.observed.max(begin);
            }
        }
        let mut frame = encode_events(&preamble);
        if missing > 0 {
            let gap = Gap { envelopes: missing, why: "older than what is kept".into() };
            frame.extend(encode_gap(&gap, 0, begin));
        }
        frame
    }

    /// Begins to write where the options say: to a file, or to a folder of segments.
    pub(super) fn begin(&mut self, path: &Path) -> Result<(), String> {
        if !path.is_dir() && !path.to_string_lossy().ends_with('/') {
            return self.open(path);
        }
        let mut folder = Folder::take(path, self.options.keep.clone())?;
        // The clock of this process; what is recorded has its own times.
        let first = folder.next(crate::signals::source::StreamClock::start().wall());
        self.folder = Some(folder);
        self.open(&first)
    }

    fn open(&mut self, path: &Path) -> Result<(), String> {
        let mut to = self.options.disk.create(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{} exists already; a recording never overwrites: choose another name", path.display())
            }
            _ => format!("cannot create the recording {}: {e}", path.display()),
        })?;
        let mut head = encode_segment(
            &Segment {
                format: 1,
                program: concat!("warroom ", env!("CARGO_PKG_VERSION")).into(),
                redacted: self.options.redact,
            },
            Ts(0),
        );
        head.extend(encode_fields());
        if let Err(e) = to.write_all(&head) {
            let _ = std::fs::remove_file(path);
            return Err(format!("cannot write to {}: {e}", path.display()));
        }
        self.file = Some(Open { to, path: Arc::new(path.to_owned()), written: head.len() as u64, began: None });
        Ok(())
    }

    fn save(&mut self, save: &Save) -> Result<u64, String> {
        if let Some(open) = &self.file {
            return Err(format!("already recording to {}", open.path.display()));
        }
        self.on_disk.clear();
        let result = self.open(&save.path).and_then(|()| self.save_ring(save));
        let written = self.file.as_ref().map_or(0, |f| f.written);
        if result.is_err() {
            // What is not whole is of no use to anybody, and on a full disk in the way of others.
            if self.file.take().is_some() {
                let _ = std::fs::remove_file(&save.path);
            }
        } else if !save.go_on {
            self.file = None;
        }
        result.map(|()| written)
    }

    /// The newest generations that fit, behind what is needed to read them.
    fn save_ring(&mut self, save: &Save) -> Result<(), String> {
        let written = self.file.as_ref().map_or(0, |f| f.written);
        let room = save.limit.saturating_sub(self.preamble_frame(0).len() as u64 + written);
        let mut held: u64 = 0;
        let mut left_out = self.ring.len();
        for (i, k) in self.ring.iter().enumerate().rev() {
            held += k.bytes.len() as u64;
            if held > room {
                break;
            }
            if i == 0 || self.ring.get(i - 1).is_some_and(|before| before.generation != k.generation) {
                left_out = i;
            }
        }
        let head = self.preamble_frame(left_out);
        let Some(open) = &mut self.file else { return Ok(()) };
        let fail = |e: std::io::Error| format!("cannot write to {}: {e}", save.path.display());
        open.to.write_all(&head).map_err(fail)?;
        open.written += head.len() as u64;
        for k in self.ring.iter().skip(left_out) {
            open.to.write_all(&k.bytes).map_err(fail)?;
            note(&mut self.on_disk, &open.path, open.written, k);
            open.written += k.bytes.len() as u64;
        }
        open.to.sync().map_err(fail)
    }

    fn sync(&mut self) {
        self.last_sync = Instant::now();
        // The disk may have room again although nothing new has come.
        if !self.pending.is_empty() {
            self.write_pending();
        }
        if let Some(open) = &mut self.file
            && let Err(e) = open.to.sync()
        {
            self.error = Some(format!("{}: {e}", open.path.display()));
        }
    }

    fn tell(&self) {
        if let Ok(mut status) = self.status.lock() {
            *status = RecorderStatus {
                path: self.file.as_ref().map(|f| f.path.to_path_buf()),
                bytes: self.file.as_ref().map_or(self.ring_bytes as u64, |f| self.before + f.written),
                dropped: self.told_dropped,
                evicted: self.evicted,
                shed: self.shed,
                error: self.error.clone(),
            };
        }
    }
}

/// Which of a row of blocks must be read so that all that are `wanted` can be: with those before them in their generation.
fn whole_generations(wanted: &[bool], generation: impl Fn(usize) -> Option<u64>) -> Vec<usize> {
    let mut out = Vec::new();
    let mut generation_began = 0;
    for (i, wanted) in wanted.iter().enumerate() {
        if i > 0 && generation(i) != generation(i - 1) {
            generation_began = i;
        }
        if *wanted {
            let from = out.last().map_or(0, |last| last + 1).max(generation_began);
            out.extend(from..=i);
        }
    }
    out
}

/// Notes where a frame was written. The header tells when it begins; where it ends is where the next one begins.
fn note(blocks: &mut VecDeque<OnDisk>, path: &Arc<PathBuf>, at: u64, frame: &Kept) {
    let Some(first) = observed_of_events(&frame.bytes) else { return };
    let end = at + frame.bytes.len() as u64;
    if let Some(b) = blocks.back_mut()
        && b.path == *path
        && b.bytes.end == at
        && b.generation == frame.generation
        && first.since(b.first) < BLOCK
    {
        b.bytes.end = end;
        return;
    }
    blocks.push_back(OnDisk { path: Arc::clone(path), bytes: at..end, first, generation: frame.generation });
    if blocks.len() > BLOCKS {
        blocks.pop_front();
    }
}

/// Observed time of a frame's first envelope, which its header holds.
fn observed(frame: &[u8]) -> Ts {
    Ts(frame.get(20..28).and_then(|b| b.try_into().ok()).map_or(0, i64::from_le_bytes))
}

/// The same, of frames that hold envelopes only.
fn observed_of_events(frame: &[u8]) -> Option<Ts> {
    (frame.get(4) == Some(&crate::stream::recording::frame_type::EVENTS)).then(|| observed(frame))
}
