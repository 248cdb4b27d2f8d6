//! The recorder: taps the ordered stream on its own thread, so that neither a stalled terminal nor a slow disk touches
//! collection.
//!
//! Without a file it is a flight recorder: a ring of frames in memory, bounded, that can be saved from its beginning at
//! any time. With a file each batch is one write; what a person wrote is synced. On a full disk it says so, goes on in
//! memory and tries again.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::capture::captured;
use super::past::Pieces;
use super::recording::{Gap, Segment, encode_events, encode_gap, encode_segment};
use crate::signals::logs::event::LogEvent;
use crate::signals::source::weight;
use crate::signals::{Envelope, Event};
use crate::timeline::Ts;
use crate::timeline::source::Declaration;

/// Frames the flight recorder keeps in memory.
pub const RING: usize = 32 << 20;
/// Batches, and bytes of them, that may wait for the recorder before they are dropped and counted.
const QUEUE: usize = 512;
const QUEUE_BYTES: usize = 16 << 20;
/// Messages, and bytes of them, that may wait for a listener before it is let go. What the ring holds when it comes is not
/// counted: it is shared with the ring.
const BEHIND: usize = 4_096;
const BEHIND_BYTES: usize = 16 << 20;
/// How long envelopes are gathered into one frame.
const GATHER: Duration = Duration::from_millis(500);
/// How long whoever asks for a recording to be saved waits for the disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the header says of the recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecorderStatus {
    /// File it writes to; `None` while it is in memory.
    pub path: Option<PathBuf>,
    /// Bytes recorded: on disk, or held in memory.
    pub bytes: u64,
    /// Envelopes that were dropped because the recorder was behind.
    pub dropped: u64,
    /// Envelopes that left the ring in memory.
    pub evicted: u64,
    /// Why nothing reaches the disk now.
    pub error: Option<String>,
}

/// How the ring goes to disk.
struct Save {
    path: PathBuf,
    /// Go on writing there.
    go_on: bool,
    /// At most so many bytes: the oldest frames stay behind.
    limit: u64,
}

/// Whoever gets frames as they are recorded: the end that the recorder has.
#[derive(Clone, Debug)]
pub struct Listener {
    to: SyncSender<Vec<Arc<[u8]>>>,
    waiting: Arc<AtomicUsize>,
}

/// The end that gets the frames; ends when the recorder does, or when it was too far behind.
#[derive(Debug)]
pub struct Frames {
    from: Receiver<Vec<Arc<[u8]>>>,
    waiting: Arc<AtomicUsize>,
}

/// Both ends.
pub fn listener() -> (Listener, Frames) {
    let (to, from) = sync_channel(BEHIND);
    let waiting = Arc::new(AtomicUsize::new(0));
    (Listener { to, waiting: Arc::clone(&waiting) }, Frames { from, waiting })
}

impl Listener {
    /// False when it has gone or is too far behind.
    fn tell(&self, frame: &Arc<[u8]>) -> bool {
        let before = self.waiting.fetch_add(frame.len(), Ordering::Relaxed);
        before + frame.len() <= BEHIND_BYTES.max(frame.len()) && self.to.try_send(vec![Arc::clone(frame)]).is_ok()
    }
}

impl Iterator for Frames {
    type Item = Vec<Arc<[u8]>>;

    fn next(&mut self) -> Option<Vec<Arc<[u8]>>> {
        let frames = self.from.recv().ok()?;
        if let [frame] = &frames[..] {
            self.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
        }
        Some(frames)
    }
}

enum Order {
    Record(Arc<[Envelope]>, usize),
    Save(Save, SyncSender<Result<u64, String>>),
    Listen(Listener),
    Past(Ts, Ts, SyncSender<Pieces>),
    Finish(SyncSender<()>),
}

/// Handle of the recorder's thread.
#[derive(Clone)]
pub struct Recorder {
    orders: SyncSender<Order>,
    /// Bytes of batches that wait.
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    status: Arc<Mutex<RecorderStatus>>,
}

/// How the recorder starts.
#[derive(Clone, Debug)]
pub struct RecorderOptions {
    /// Write to this file from the beginning; `None` is the flight recorder in memory.
    pub path: Option<PathBuf>,
    /// Bytes of frames kept in memory.
    pub ring: usize,
    /// Take secrets out at capture.
    pub redact: bool,
}

impl Default for RecorderOptions {
    fn default() -> RecorderOptions {
        RecorderOptions { path: None, ring: RING, redact: true }
    }
}

impl Recorder {
    /// Starts the thread. An unwritable file is an error here, not later.
    pub fn start(options: RecorderOptions) -> Result<Recorder, String> {
        let (orders, inbox) = sync_channel(QUEUE);
        let status = Arc::new(Mutex::new(RecorderStatus::default()));
        let dropped = Arc::new(AtomicU64::new(0));
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut desk = Desk::new(options.clone(), Arc::clone(&status), Arc::clone(&dropped), Arc::clone(&waiting));
        if let Some(path) = &options.path {
            desk.open(path)?;
        }
        std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || desk.run(&inbox))
            .map_err(|e| format!("cannot start the recorder's thread: {e}"))?;
        Ok(Recorder { orders, waiting, dropped, status })
    }

    /// Offers a batch; never waits. What does not fit is counted and becomes a gap in the recording.
    pub fn offer(&self, batch: &Arc<[Envelope]>) {
        let bytes = batch.iter().map(|e| weight(&e.event)).sum();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        // One batch that is larger than the whole queue goes alone.
        let fits = before == 0 || before + bytes <= QUEUE_BYTES;
        if !fits || self.orders.try_send(Order::Record(Arc::clone(batch), bytes)).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    }

    /// How it is doing.
    pub fn status(&self) -> RecorderStatus {
        self.status.lock().map(|s| s.clone()).unwrap_or_default()
    }

    /// Puts the recording on disk from its beginning, and keeps writing there when `go_on`. Blocks until it is synced;
    /// returns the bytes written.
    pub fn save(&self, path: PathBuf, go_on: bool) -> Result<u64, String> {
        self.order_save(Save { path, go_on, limit: u64::MAX })
    }

    /// As [`Recorder::save`], at most `limit` bytes: what is older than that is told as a gap. Nothing goes on there.
    pub fn save_within(&self, path: PathBuf, limit: u64) -> Result<u64, String> {
        self.order_save(Save { path, go_on: false, limit })
    }

    fn order_save(&self, save: Save) -> Result<u64, String> {
        let (tx, rx) = sync_channel(1);
        self.send_within(Order::Save(save, tx), PATIENCE)?;
        rx.recv_timeout(PATIENCE).map_err(|_| "the disk does not take the recording".to_owned())?
    }

    /// From now on frames go to `listener` as well, beginning with what the ring holds. A listener that is behind by more
    /// than its channel holds is let go.
    ///
    /// Never waits: what is held goes as one message.
    pub fn listen(&self, listener: Listener) {
        let _ = self.orders.try_send(Order::Listen(listener));
    }

    /// What it holds of the time from `from` to `to`, on disk or in memory.
    pub fn past(&self, from: Ts, to: Ts) -> Result<Pieces, String> {
        let (tx, rx) = sync_channel(1);
        self.send_within(Order::Past(from, to, tx), PATIENCE)?;
        rx.recv_timeout(PATIENCE).map_err(|_| "the recorder is held up by its disk".to_owned())
    }

    /// Writes out what it holds and ends. Waits at most `patience`.
    pub fn finish(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (tx, rx) = sync_channel(1);
        if self.send_within(Order::Finish(tx), patience).is_ok() {
            let _ = rx.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Sends an order; a recorder that is behind is waited for, one that hangs in a write is not waited for for ever.
    fn send_within(&self, mut order: Order, patience: Duration) -> Result<(), String> {
        let until = Instant::now() + patience;
        loop {
            order = match self.orders.try_send(order) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err("the recorder has ended".into()),
                Err(TrySendError::Full(back)) => back,
            };
            if Instant::now() >= until {
                return Err("the recorder is held up by its disk".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Frames that stand behind one another in the file.
#[derive(Clone, Debug)]
struct OnDisk {
    bytes: Range<u64>,
    first: Ts,
}

/// Observed time of one block of frames on disk, and how many blocks are remembered: two days.
const BLOCK: Duration = Duration::from_secs(10);
const BLOCKS: usize = 20_000;

/// Notes where a frame was written. The header tells when it begins; where it ends is where the next one begins.
fn note(blocks: &mut VecDeque<OnDisk>, at: u64, frame: &[u8]) {
    let (time, end) = (observed(frame), at + frame.len() as u64);
    if let Some(b) = blocks.back_mut()
        && b.bytes.end == at
        && time.since(b.first) < BLOCK
    {
        b.bytes.end = end;
        return;
    }
    blocks.push_back(OnDisk { bytes: at..end, first: time });
    if blocks.len() > BLOCKS {
        blocks.pop_front();
    }
}

/// What the thread owns.
struct Desk {
    options: RecorderOptions,
    status: Arc<Mutex<RecorderStatus>>,
    dropped: Arc<AtomicU64>,
    waiting: Arc<AtomicUsize>,
    told_dropped: u64,
    file: Option<(File, PathBuf)>,
    written: u64,
    /// Declarations and opened log generations: without them the ring could not be read.
    preamble: Vec<Envelope>,
    /// The newest frames, for saving and for listeners.
    ring: VecDeque<(Arc<[u8]>, u64)>,
    /// Observed time of what left the ring last.
    ring_begin: Ts,
    ring_bytes: usize,
    /// Frames that wait for the disk.
    pending: VecDeque<(Arc<[u8]>, u64)>,
    pending_bytes: usize,
    /// Where which times stand in the file.
    on_disk: VecDeque<OnDisk>,
    listeners: Vec<Listener>,
    evicted: u64,
    error: Option<String>,
    gathered: Vec<Envelope>,
    gathered_bytes: usize,
    since: Option<Instant>,
    last_sync: Instant,
}

impl Desk {
    fn new(
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
            file: None,
            written: 0,
            preamble: Vec::new(),
            ring: VecDeque::new(),
            ring_begin: Ts(0),
            ring_bytes: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            on_disk: VecDeque::new(),
            listeners: Vec::new(),
            evicted: 0,
            error: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            since: None,
            last_sync: Instant::now(),
        }
    }

    fn run(&mut self, inbox: &Receiver<Order>) {
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
                Event::Incident(_) => urgent = true,
                Event::Stream(Declaration::Origin { .. } | Declaration::Source(_)) => self.preamble.push(e.clone()),
                Event::Logs(LogEvent::Opened(_)) => {
                    self.preamble.push(e.clone());
                    // Bounded: a log that rotates for ever keeps its newest generations; declarations stay.
                    let opened = |e: &Envelope| matches!(e.event, Event::Logs(LogEvent::Opened(_)));
                    if self.preamble.len() > 4_096
                        && let Some(oldest) = self.preamble.iter().position(opened)
                    {
                        self.preamble.remove(oldest);
                    }
                }
                Event::Logs(LogEvent::Appended(a)) => {
                    self.gathered_bytes += a.bytes.as_ref().map_or(0, |b| b.len());
                }
                _ => {}
            }
            self.gathered_bytes += 200;
            self.gathered.push(e);
        }
        self.since.get_or_insert_with(Instant::now);
        urgent
    }

    fn flush(&mut self) {
        self.since = None;
        self.gathered_bytes = 0;
        let lost = self.dropped.load(Ordering::Relaxed);
        if lost > self.told_dropped {
            let at = self.gathered.first().map_or(Ts(0), |e| e.observed);
            let gap = Gap { envelopes: lost - self.told_dropped, why: "the recorder was behind".into() };
            self.told_dropped = lost;
            self.keep(encode_gap(&gap, 0, at), 0);
        }
        if !self.gathered.is_empty() {
            let batch = std::mem::take(&mut self.gathered);
            self.keep(encode_events(&batch), batch.len() as u64);
        }
    }

    /// A frame goes to the ring, to who listens, and to the file behind those that still wait for it. A write that is torn
    /// is taken back, so that the file always ends with a whole frame.
    fn keep(&mut self, frame: Vec<u8>, envelopes: u64) {
        let frame: Arc<[u8]> = frame.into();
        self.listeners.retain(|l| l.tell(&frame));
        self.ring_bytes += frame.len();
        self.ring.push_back((Arc::clone(&frame), envelopes));
        while self.ring_bytes > self.options.ring {
            if let Some((old, n)) = self.ring.pop_front() {
                self.ring_bytes -= old.len();
                self.evicted += n;
                self.ring_begin = self.ring_begin.max(observed(&old));
            }
        }
        if let Some((file, path)) = &mut self.file {
            self.pending_bytes += frame.len();
            self.pending.push_back((frame, envelopes));
            while let Some((frame, _)) = self.pending.front() {
                if let Err(e) = file.write_all(frame) {
                    self.error = Some(format!("{}: {e}", path.display()));
                    // Where even that fails (a pipe, a file server that is gone) a reader steps over the damage.
                    let _ = file.set_len(self.written).and_then(|()| file.seek(SeekFrom::Start(self.written)));
                    break;
                }
                self.error = None;
                note(&mut self.on_disk, self.written, frame);
                self.written += frame.len() as u64;
                self.pending_bytes -= frame.len();
                self.pending.pop_front();
            }
            while self.pending_bytes > self.options.ring {
                if let Some((old, n)) = self.pending.pop_front() {
                    self.pending_bytes -= old.len();
                    // Told as a gap, and in the header, once the disk takes frames again.
                    self.dropped.fetch_add(n, Ordering::Relaxed);
                }
            }
        }
    }

    /// A frame tells when it begins; it ends where the next one begins.
    fn past(&self, from: Ts, to: Ts) -> Pieces {
        let mut pieces = Pieces::default();
        let held = self.ring.front().map(|(f, _)| observed(f));
        if self.evicted > 0 && held.is_none_or(|h| h > from) {
            if let Some((_, path)) = &self.file {
                let nexts = self.on_disk.iter().skip(1).map(|b| b.first).chain([Ts::MAX]);
                let reach = self.on_disk.iter().zip(nexts).filter(|(b, next)| *next >= from && b.first <= to);
                for (block, _) in reach.filter(|(b, _)| held.is_none_or(|h| b.first < h)) {
                    pieces.push_file(path.clone(), block.bytes.clone());
                }
            }
            pieces.since = match self.on_disk.front() {
                Some(first) if first.first <= from => None,
                Some(first) => Some(first.first),
                None => held,
            };
        }
        let nexts = self.ring.iter().skip(1).map(|(f, _)| observed(f)).chain([Ts::MAX]);
        for ((frame, _), _) in self.ring.iter().zip(nexts).filter(|((f, _), next)| *next >= from && observed(f) <= to) {
            pieces.push(Arc::clone(frame));
        }
        pieces
    }

    /// A new listener gets everything that is held, then every new frame.
    fn greet(&mut self, listener: Listener) {
        // Two at least, so that it is told from a single new frame, which is counted.
        let mut held: Vec<Arc<[u8]>> = vec![self.preamble_frame(0).into(), Arc::default()];
        held.extend(self.ring.iter().map(|(f, _)| Arc::clone(f)));
        if listener.to.try_send(held).is_ok() {
            self.listeners.push(listener);
        }
    }

    /// Declarations and opened logs, as the first frame of what is handed on when the `left_out` oldest frames of the ring
    /// are not. Log generations that were opened before the rest begins are told as if they had been opened there, so that
    /// a recording does not begin long before its first event; what is missing is said by a gap.
    fn preamble_frame(&self, left_out: usize) -> Vec<u8> {
        let behind = self.ring.iter().take(left_out);
        let missing = self.evicted + behind.clone().map(|(_, n)| n).sum::<u64>();
        let begin = behind.map(|(f, _)| observed(f)).fold(self.ring_begin, Ts::max);
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

    fn open(&mut self, path: &Path) -> Result<(), String> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{} exists already; a recording never overwrites: choose another name", path.display())
            }
            _ => format!("cannot create the recording {}: {e}", path.display()),
        })?;
        let head = encode_segment(
            &Segment {
                format: 1,
                program: concat!("warroom ", env!("CARGO_PKG_VERSION")).into(),
                redacted: self.options.redact,
            },
            Ts(0),
        );
        if let Err(e) = file.write_all(&head) {
            let _ = std::fs::remove_file(path);
            return Err(format!("cannot write to {}: {e}", path.display()));
        }
        self.written = head.len() as u64;
        self.on_disk.clear();
        self.file = Some((file, path.to_owned()));
        Ok(())
    }

    fn save(&mut self, save: &Save) -> Result<u64, String> {
        if let Some((_, current)) = &self.file {
            return Err(format!("already recording to {}", current.display()));
        }
        let result = self.open(&save.path).and_then(|()| self.save_ring(save));
        if result.is_err() {
            // What is not whole is of no use to anybody, and on a full disk in the way of others.
            if self.file.take().is_some() {
                let _ = std::fs::remove_file(&save.path);
            }
        } else if !save.go_on {
            self.file = None;
        }
        result.map(|()| self.written)
    }

    /// The newest frames that fit, behind what is needed to read them.
    fn save_ring(&mut self, save: &Save) -> Result<(), String> {
        let room = save.limit.saturating_sub(self.preamble_frame(0).len() as u64 + self.written);
        let mut held: u64 = 0;
        let fits = self.ring.iter().rev().take_while(|(f, _)| {
            held += f.len() as u64;
            held <= room
        });
        let left_out = self.ring.len() - fits.count();
        let head = self.preamble_frame(left_out);
        let Some((file, _)) = &mut self.file else { return Ok(()) };
        let fail = |e: std::io::Error| format!("cannot write to {}: {e}", save.path.display());
        file.write_all(&head).map_err(fail)?;
        self.written += head.len() as u64;
        for (frame, _) in self.ring.iter().skip(left_out) {
            file.write_all(frame).map_err(fail)?;
            note(&mut self.on_disk, self.written, frame);
            self.written += frame.len() as u64;
        }
        file.sync_data().map_err(fail)
    }

    fn sync(&mut self) {
        self.last_sync = Instant::now();
        if let Some((file, path)) = &self.file
            && let Err(e) = file.sync_data()
        {
            self.error = Some(format!("{}: {e}", path.display()));
        }
    }

    fn tell(&self) {
        if let Ok(mut status) = self.status.lock() {
            *status = RecorderStatus {
                path: self.file.as_ref().map(|(_, p)| p.clone()),
                bytes: if self.file.is_some() { self.written } else { self.ring_bytes as u64 },
                dropped: self.told_dropped,
                evicted: self.evicted,
                error: self.error.clone(),
            };
        }
    }
}

/// Observed time of a frame's first envelope, which its header holds.
fn observed(frame: &[u8]) -> Ts {
    Ts(frame.get(20..28).and_then(|b| b.try_into().ok()).map_or(0, i64::from_le_bytes))
}
