//! Runs sources: declares them, starts them, shows why one failed, waits, starts it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::signals::source::{Asker, Lanes, Observation, StreamClock};
use crate::signals::{Declared, Event, Out};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceId, SourceKind, SourceState};

/// First pause after a failure; doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A source that ran this long starts with the shortest pause again.
const SETTLED: Duration = Duration::from_secs(60);

/// Starts and stops sources.
#[derive(Clone)]
pub struct Supervisor {
    lanes: Lanes,
    clock: StreamClock,
    next: Arc<AtomicU32>,
    cancel: CancellationToken,
    suspended: Arc<watch::Sender<bool>>,
    askers: Arc<Mutex<BTreeMap<SourceId, Asker>>>,
}

impl Supervisor {
    /// With the lanes that all sources write to.
    pub fn new(lanes: Lanes, clock: StreamClock) -> Supervisor {
        Supervisor {
            lanes,
            clock,
            next: Arc::new(AtomicU32::new(1)),
            cancel: CancellationToken::new(),
            suspended: Arc::new(watch::channel(false).0),
            askers: Arc::default(),
        }
    }

    /// The way to ask a source something, if it answers.
    pub fn asker(&self, id: SourceId) -> Option<Asker> {
        self.askers.lock().ok()?.get(&id).cloned()
    }

    /// Ends all sources.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// Before Ctrl-Z: databases are let go, so that a stopped program holds no connection.
    pub fn suspend(&self) {
        self.suspended.send_replace(true);
    }

    /// After `fg`.
    pub fn resume(&self) {
        self.suspended.send_replace(false);
    }

    /// Runs a source until it ends or everything stops.
    pub fn start(&self, declared: Declared) -> (SourceId, JoinHandle<()>) {
        let id = SourceId(self.next.fetch_add(1, Ordering::Relaxed));
        let out = Out::new(id, self.clock, self.lanes.clone());
        let me = self.clone();
        if let (Some(asker), Ok(mut askers)) = (declared.source.asker(), self.askers.lock()) {
            askers.insert(id, asker);
        }
        (id, tokio::spawn(async move { me.run(declared, out).await }))
    }

    async fn run(&self, mut declared: Declared, out: Out) {
        declared.decl.id = out.id();
        let gives_up = declared.decl.kind == SourceKind::Database;
        let declaration = Event::Stream(Declaration::Source(declared.decl.clone()));
        let observed = self.clock.wall();
        let first = Observation { source: out.id(), observed, mono: self.clock.mono(), event: declaration };
        if self.lanes.must.send(first).await.is_err() {
            return;
        }
        let mut pause = SHORTEST;
        let mut suspended = self.suspended.subscribe();
        loop {
            if gives_up && suspended.wait_for(|s| !s).await.is_err() {
                return;
            }
            let token = self.cancel.child_token();
            let started = tokio::time::Instant::now();
            // A panic in one source costs that source and nothing else.
            let run = std::panic::AssertUnwindSafe(declared.source.run(&out, token.clone())).catch_unwind();
            let outcome = tokio::select! {
                outcome = run => outcome,
                _ = wait_suspended(&mut suspended), if gives_up => {
                    token.cancel();
                    out.state(SourceState::Degraded { why: "let go while stopped with Ctrl-Z".into() }).await;
                    continue;
                }
            };
            if self.cancel.is_cancelled() {
                return;
            }
            let (why, retry) = match outcome {
                Ok(Ok(())) => {
                    out.state(SourceState::Ended).await;
                    return;
                }
                Ok(Err(e)) => (e.message, e.retry),
                Err(panic) => (format!("a fault in warroom itself: {}", panic_text(panic.as_ref())), true),
            };
            if started.elapsed() > SETTLED {
                pause = SHORTEST;
            }
            let next_try = retry.then(|| self.clock.wall() + pause);
            out.state(SourceState::Failed { why, next_try }).await;
            if !retry {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.cancel.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}

async fn wait_suspended(suspended: &mut watch::Receiver<bool>) {
    if suspended.wait_for(|s| *s).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it gave no reason")
}
