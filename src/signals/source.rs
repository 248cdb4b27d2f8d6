//! What a source is, and the bounded ways out of it.
//!
//! A source does IO and knows nothing of the screen. It ends with an error; the supervisor (`stream::supervisor`) shows
//! the error, waits, and runs it again. It keeps what it needs to go on without doubling or losing in itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};
use tokio_util::sync::CancellationToken;

use super::Event;
use crate::timeline::source::Declaration;
use crate::timeline::{SourceDecl, SourceId, SourceState, Ts};

/// A boxed future, so that sources can be kept in one list.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The way of a question to a source.
pub type Asker = mpsc::Sender<super::database::plan::Question>;

/// Something that watches one thing.
pub trait Source: Send + 'static {
    /// Runs until cancelled (`Ok`), ended by itself (`Ok` without cancellation) or failed (`Err`).
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>>;

    /// Where questions for it go, if it answers any. They are answered while it runs, over what it has open.
    fn asker(&self) -> Option<Asker> {
        None
    }

    /// Whether it holds a connection that somebody else may lack: such a one is given back on demand.
    fn holds_connection(&self) -> bool {
        false
    }
}

/// A source together with what is shown of it before it speaks.
pub struct Declared {
    /// Its declaration; `id` is filled in by the supervisor.
    pub decl: SourceDecl,
    /// The thing itself.
    pub source: Box<dyn Source>,
}

/// Why a source stopped: one sentence that says what failed, on what, and what to try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// The sentence.
    pub message: String,
    /// Whether trying again by itself can help.
    pub retry: bool,
}

impl SourceError {
    /// One that may pass by itself.
    pub fn retry(message: impl Into<String>) -> SourceError {
        SourceError { message: message.into(), retry: true }
    }

    /// One that only a person can mend.
    pub fn fatal(message: impl Into<String>) -> SourceError {
        SourceError { message: message.into(), retry: false }
    }
}

/// What a source said, before it is ordered and numbered.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Who.
    pub source: SourceId,
    /// Wall clock.
    pub observed: Ts,
    /// Nanoseconds of the monotonic clock since the stream began.
    pub mono: u64,
    /// What.
    pub event: Event,
    /// Its room among what waits of its source: given back with the last clone.
    pub room: Option<Arc<OwnedSemaphorePermit>>,
}

/// The clock of one stream; cloned into every source.
#[derive(Clone, Copy, Debug)]
pub struct StreamClock {
    began: Instant,
}

impl StreamClock {
    /// Starts now.
    pub fn start() -> StreamClock {
        StreamClock { began: Instant::now() }
    }

    /// Wall clock, UTC.
    pub fn wall(&self) -> Ts {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(d) => Ts(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)),
            Err(e) => Ts(-i64::try_from(e.duration().as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// Nanoseconds since the stream began.
    pub fn mono(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// KiB of log batches of one source that may wait for the stream, and of samples.
const LOG_ROOM: u32 = 4 << 10;
const SAMPLE_ROOM: u32 = 2 << 10;

/// Bytes that an event takes in memory, about: what is long in it, and a little for the rest.
pub fn weight(event: &Event) -> usize {
    use super::database::event::DatabaseEvent;
    use super::host::event::HostEvent;
    use super::logs::event::LogEvent;
    let more = match event {
        Event::Logs(LogEvent::Appended(a)) => a.bytes.as_ref().map_or(0, |b| b.len()) + a.counts.len() * 40,
        Event::Host(HostEvent::Processes(t)) => t.rows.iter().map(|r| 200 + r.command.len()).sum(),
        Event::Host(_) => 1_000,
        Event::Database(DatabaseEvent::Activity(a)) => a.sessions.iter().map(|s| 300 + s.query.len()).sum(),
        Event::Database(DatabaseEvent::Statements(s)) => s.deltas.len() * 100,
        Event::Database(DatabaseEvent::SlowStatement(s)) => s.statement.len(),
        Event::Database(DatabaseEvent::Text { text, .. }) => text.len(),
        Event::Incident(_) | Event::Deploys(_) => 1_000,
        _ => 0,
    };
    256 + more
}

/// In KiB, rounded up.
pub fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

/// Takes `n` from `room` on a plain thread; false when it was closed.
pub fn wait_for(room: &Semaphore, n: u32) -> bool {
    loop {
        match room.try_acquire_many(n) {
            Ok(taken) => {
                taken.forget();
                return true;
            }
            Err(TryAcquireError::Closed) => return false,
            Err(TryAcquireError::NoPermits) => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    }
}

/// The three bounded channels into the stream, one per policy.
#[derive(Clone)]
pub struct Lanes {
    /// Deploys, notes, declarations: always get through (the sender waits).
    pub must: mpsc::Sender<Observation>,
    /// Samples: when full, the new one is dropped and counted; the next one tells.
    pub sample: mpsc::Sender<Observation>,
    /// Log batches: the reader waits, the file is the buffer.
    pub logs: mpsc::Sender<Observation>,
}

/// A source's way out.
#[derive(Clone)]
pub struct Out {
    id: SourceId,
    clock: StreamClock,
    lanes: Lanes,
    dropped: Arc<AtomicU64>,
    /// Bounds what waits by bytes: a batch or a sample may be a thousand times as large as another.
    log_room: Arc<Semaphore>,
    sample_room: Arc<Semaphore>,
}

impl Out {
    /// For the supervisor.
    pub fn new(id: SourceId, clock: StreamClock, lanes: Lanes) -> Out {
        let room = |kib: u32| Arc::new(Semaphore::new(kib as usize));
        Out { id, clock, lanes, dropped: Arc::default(), log_room: room(LOG_ROOM), sample_room: room(SAMPLE_ROOM) }
    }

    /// The number this source speaks under.
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Wall clock, UTC.
    pub fn now(&self) -> Ts {
        self.clock.wall()
    }

    fn observation(&self, event: Event) -> Observation {
        Observation { source: self.id, observed: self.clock.wall(), mono: self.clock.mono(), event, room: None }
    }

    /// For deploys, notes and states: waits until it is through. False when the stream has ended.
    pub async fn must(&self, event: Event) -> bool {
        self.lanes.must.send(self.observation(event)).await.is_ok()
    }

    /// As [`Out::must`], with a given observed time (what was there before the start: observed = event time).
    pub async fn must_at(&self, observed: Ts, event: Event) -> bool {
        let o = Observation { observed, ..self.observation(event) };
        self.lanes.must.send(o).await.is_ok()
    }

    /// For samples: never waits; when the stream is behind the sample is dropped and counted.
    pub fn sample(&self, event: Event) {
        if !self.try_sample(event) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = self.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let told = Declaration::Dropped { source: self.id, items: lost, why: "the stream was behind".into() };
            if !self.try_sample(Event::Stream(told)) {
                self.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    fn try_sample(&self, event: Event) -> bool {
        let n = kib(weight(&event)).min(SAMPLE_ROOM);
        let Ok(room) = Arc::clone(&self.sample_room).try_acquire_many_owned(n) else { return false };
        let o = Observation { room: Some(Arc::new(room)), ..self.observation(event) };
        self.lanes.sample.try_send(o).is_ok()
    }

    /// For log batches, async: waits until there is room. False when the stream has ended.
    pub async fn log(&self, event: Event) -> bool {
        let n = kib(weight(&event)).min(LOG_ROOM);
        let Ok(room) = Arc::clone(&self.log_room).acquire_many_owned(n).await else { return false };
        let o = Observation { room: Some(Arc::new(room)), ..self.observation(event) };
        self.lanes.logs.send(o).await.is_ok()
    }

    /// For log batches from a plain thread: blocks until there is room. False when the stream has ended.
    pub fn log_blocking(&self, event: Event) -> bool {
        self.log_blocking_with(None, event)
    }

    /// As [`Out::log_blocking`], with a given observed time (log seeds: observed = event time).
    pub fn log_blocking_at(&self, observed: Ts, event: Event) -> bool {
        self.log_blocking_with(Some(observed), event)
    }

    fn log_blocking_with(&self, observed: Option<Ts>, event: Event) -> bool {
        let n = kib(weight(&event)).min(LOG_ROOM);
        let room = loop {
            match Arc::clone(&self.log_room).try_acquire_many_owned(n) {
                Ok(room) => break room,
                Err(_) if self.lanes.logs.is_closed() => return false,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(2)),
            }
        };
        let o = self.observation(event);
        let o = Observation { room: Some(Arc::new(room)), observed: observed.unwrap_or(o.observed), ..o };
        self.lanes.logs.blocking_send(o).is_ok()
    }

    /// Says how the source is doing.
    pub async fn state(&self, state: SourceState) {
        self.must(Event::Stream(Declaration::State { source: self.id, state })).await;
    }

    /// The same from a plain thread.
    pub fn state_blocking(&self, state: SourceState) {
        let event = Event::Stream(Declaration::State { source: self.id, state });
        let _ = self.lanes.must.blocking_send(self.observation(event));
    }
}
