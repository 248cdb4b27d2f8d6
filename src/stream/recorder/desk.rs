//! What the recorder's thread owns: frames on their way to the ring, to who listens, and to the disk.
//!
//! A frame and its place on disk are `desk/frames`; what is handed out of them is `desk/handed_out`.

mod frames;
mod handed_out;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use self::frames::{Kept, OnDisk, note, observed, observed_of_events};
use super::disk::{Folder, Medium};
use super::{GATHER, Listener, Order, RecorderOptions, RecorderStatus, room};
use crate::signals::host::event::HostEvent;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::stream::capture::captured;
use crate::stream::recording::{
    ClockStep, Encoded, Encoder, Gap, Segment, Stream, encode_clock, encode_events, encode_fields, encode_gap,
    encode_segment,
};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceId, Ts};

/// Opened generations, and deploys and incident events, that are told again at the beginning of what is saved.
const OPENED: usize = 4_096;
const TOLD: usize = 1_000;
/// A clock that is off by more than this between two samples was set.
const STEP: Duration = Duration::from_secs(1);

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
    /// What the ring may take now.
    room: usize,
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
        let room = room::now(options.ring);
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
            room,
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
                self.room = room::now(self.options.ring);
                self.bound();
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
        self.bound();
        if self.file.is_some() {
            self.pending_bytes += frame.bytes.len();
            self.pending.push_back(frame);
            self.write_pending();
        }
    }

    /// Lets the oldest generations go that there is no room for.
    fn bound(&mut self) {
        while self.ring_bytes > self.room {
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
            if self.pending_bytes <= self.room {
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
                room: (self.room < self.options.ring).then_some(self.room as u64),
            };
        }
    }
}
