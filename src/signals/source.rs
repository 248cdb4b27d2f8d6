//! What a source is, and the bounded ways out of it.
//!
//! A source does IO and knows nothing of the screen. It ends with an error; the supervisor (`stream::supervisor`) shows
//! the error, waits, and runs it again. It keeps what it needs to go on without doubling or losing in itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;
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
}

impl Out {
    /// For the supervisor.
    pub fn new(id: SourceId, clock: StreamClock, lanes: Lanes) -> Out {
        Out { id, clock, lanes, dropped: Arc::default() }
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
        Observation { source: self.id, observed: self.clock.wall(), mono: self.clock.mono(), event }
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
        if self.lanes.sample.try_send(self.observation(event)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = self.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let told = Declaration::Dropped { source: self.id, items: lost, why: "the stream was behind".into() };
            if self.lanes.sample.try_send(self.observation(Event::Stream(told))).is_err() {
                self.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    /// For log batches, async: waits until there is room. False when the stream has ended.
    pub async fn log(&self, event: Event) -> bool {
        self.lanes.logs.send(self.observation(event)).await.is_ok()
    }

    /// For log batches from a plain thread: blocks until there is room. False when the stream has ended.
    pub fn log_blocking(&self, event: Event) -> bool {
        self.lanes.logs.blocking_send(self.observation(event)).is_ok()
    }

    /// As [`Out::log_blocking`], with a given observed time (log seeds: observed = event time).
    pub fn log_blocking_at(&self, observed: Ts, event: Event) -> bool {
        let o = Observation { observed, ..self.observation(event) };
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
