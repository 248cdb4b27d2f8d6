//! The recorder: taps the ordered stream on its own thread, so that neither a stalled terminal nor a slow disk touches
//! collection.
//!
//! Without a file it is a flight recorder: a ring of frames in memory, bounded, that can be saved from its beginning at
//! any time. With a file, or a folder of segments, each frame is one write; what a person wrote is synced. On a full disk
//! it says so, goes on in memory, lets log lines go first, and tries again.

mod desk;
mod disk;
mod room;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use desk::Desk;
pub use disk::{Disk, Medium, RealDisk, Retention};

use super::past::Pieces;
use crate::signals::Envelope;
use crate::signals::source::weight;
use crate::timeline::Ts;

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
    /// Envelopes that were let go because the disk is full; log lines first.
    pub shed: u64,
    /// Why nothing reaches the disk now.
    pub error: Option<String>,
    /// Bytes that it keeps in memory at most, where that is less than it was given: the box is short of memory.
    pub room: Option<u64>,
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
    /// Write to this file from the beginning, or to segments in this folder where it is one or its name ends with a
    /// slash; `None` is the flight recorder in memory.
    pub path: Option<PathBuf>,
    /// Bytes of frames kept in memory.
    pub ring: usize,
    /// Take secrets out at capture.
    pub redact: bool,
    /// What is kept of a folder of segments.
    pub keep: Retention,
    /// What makes files.
    pub disk: Arc<dyn Disk>,
}

impl Default for RecorderOptions {
    fn default() -> RecorderOptions {
        RecorderOptions { path: None, ring: RING, redact: true, keep: Retention::default(), disk: Arc::new(RealDisk) }
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
            desk.begin(path)?;
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
