//! Runs sources: declares them, starts them, shows why one failed, waits, starts it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::signals::source::{Asker, Lanes, Observation, StreamClock};
use crate::signals::{Declared, Event, Out};
use crate::timeline::source::{Declaration, GIVEN_BACK};
use crate::timeline::{SourceId, SourceState};

/// First pause after a failure; doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How long a source may take leave of its server.
const GOODBYE: Duration = Duration::from_millis(800);
/// A source that ran this long starts with the shortest pause again.
const SETTLED: Duration = Duration::from_secs(60);

/// Starts and stops sources.
#[derive(Clone)]
pub struct Supervisor {
    lanes: Lanes,
    clock: StreamClock,
    next: Arc<AtomicU32>,
    cancel: CancellationToken,
    /// Why databases are let go at present, if they are.
    suspended: Arc<watch::Sender<LetGo>>,
    /// Sources that hold a connection which must be let go before Ctrl-Z.
    holding: Arc<AtomicUsize>,
    askers: Arc<Mutex<BTreeMap<SourceId, Asker>>>,
}

/// Why databases are let go: the program is stopped, or somebody gave the connections back.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
struct LetGo {
    stopped: bool,
    given_back: bool,
}

impl LetGo {
    fn any(self) -> bool {
        self.stopped || self.given_back
    }
}

/// One source that may hold a connection.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(all: &Arc<AtomicUsize>) -> Held {
        all.fetch_add(1, Ordering::AcqRel);
        Held(Arc::clone(all))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Supervisor {
    /// With the lanes that all sources write to.
    pub fn new(lanes: Lanes, clock: StreamClock) -> Supervisor {
        Supervisor {
            lanes,
            clock,
            next: Arc::new(AtomicU32::new(1)),
            cancel: CancellationToken::new(),
            suspended: Arc::new(watch::channel(LetGo::default()).0),
            holding: Arc::default(),
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

    /// Before Ctrl-Z: databases are let go, so that a stopped program holds no connection. Blocks until they have taken
    /// leave, at most for `patience`; false when one of them has not.
    pub fn suspend(&self, patience: Duration) -> bool {
        self.suspended.send_modify(|l| l.stopped = true);
        let until = Instant::now() + patience;
        while self.holding.load(Ordering::Acquire) > 0 {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// After `fg`.
    pub fn resume(&self) {
        self.suspended.send_modify(|l| l.stopped = false);
    }

    /// Lets databases go until it is called with `false`.
    pub fn give_back(&self, given: bool) {
        self.suspended.send_modify(|l| l.given_back = given);
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
        let gives_up = declared.source.holds_connection();
        let declaration = Event::Stream(Declaration::Source(declared.decl.clone()));
        let observed = self.clock.wall();
        let first = Observation { source: out.id(), observed, mono: self.clock.mono(), event: declaration, room: None };
        if self.lanes.must.send(first).await.is_err() {
            return;
        }
        let mut pause = SHORTEST;
        let mut suspended = self.suspended.subscribe();
        loop {
            // Held before it is asked whether we are suspended: who suspends waits for all that are held.
            let mut held = gives_up.then(|| Held::new(&self.holding));
            while gives_up && suspended.borrow_and_update().any() {
                drop(held.take());
                if suspended.wait_for(|s| !s.any()).await.is_err() {
                    return;
                }
                held = Some(Held::new(&self.holding));
            }
            let token = self.cancel.child_token();
            let started = tokio::time::Instant::now();
            // A panic in one source costs that source and nothing else.
            let run = std::panic::AssertUnwindSafe(declared.source.run(&out, token.clone())).catch_unwind();
            tokio::pin!(run);
            let outcome = tokio::select! {
                outcome = &mut run => outcome,
                _ = wait_suspended(&mut suspended), if gives_up => {
                    // It takes leave of its server itself; one that does not within the time is dropped.
                    token.cancel();
                    let _ = tokio::time::timeout(GOODBYE, &mut run).await;
                    drop(held);
                    let why = match suspended.borrow().given_back {
                        true => GIVEN_BACK,
                        false => "let go while stopped with Ctrl-Z",
                    };
                    out.state(SourceState::Degraded { why: why.into() }).await;
                    continue;
                }
            };
            drop(held);
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

async fn wait_suspended(suspended: &mut watch::Receiver<LetGo>) {
    if suspended.wait_for(|s| s.any()).await.is_err() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{BoxFuture, Source, SourceError};
    use crate::stream::order::lanes;
    use crate::timeline::{SourceDecl, SourceKind};
    use std::sync::atomic::AtomicBool;

    /// Holds something until it is told to end, and takes leave properly.
    struct Polite {
        said_goodbye: Arc<AtomicBool>,
        holds: Arc<AtomicBool>,
        stuck: bool,
    }

    impl Source for Polite {
        fn holds_connection(&self) -> bool {
            true
        }

        fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
            Box::pin(async move {
                self.holds.store(true, Ordering::SeqCst);
                out.state(SourceState::Ok).await;
                cancel.cancelled().await;
                if self.stuck {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
                self.said_goodbye.store(true, Ordering::SeqCst);
                self.holds.store(false, Ordering::SeqCst);
                Ok(())
            })
        }
    }

    async fn suspended(stuck: bool) -> (bool, bool, bool) {
        let (lanes, mut lines) = lanes();
        let supervisor = Supervisor::new(lanes, StreamClock::start());
        let (said_goodbye, holds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let source = Polite { said_goodbye: Arc::clone(&said_goodbye), holds: Arc::clone(&holds), stuck };
        let decl = SourceDecl { id: SourceId(0), kind: SourceKind::Database, name: "db".into(), detail: String::new() };
        supervisor.start(Declared { decl, source: Box::new(source) });
        // Its declaration, and that it works.
        for _ in 0..2 {
            lines.wait().await.expect("it speaks");
        }
        assert!(holds.load(Ordering::SeqCst));
        let other = supervisor.clone();
        let patience = Duration::from_millis(if stuck { 50 } else { 5_000 });
        let all = tokio::task::spawn_blocking(move || other.suspend(patience)).await.expect("it ends");
        let seen = (all, said_goodbye.load(Ordering::SeqCst), holds.load(Ordering::SeqCst));
        supervisor.resume();
        if !stuck {
            while !holds.load(Ordering::SeqCst) {
                lines.wait().await.expect("it speaks again");
            }
        }
        seen
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn before_ctrl_z_a_database_takes_leave_itself_and_one_that_cannot_is_not_waited_for_for_ever() {
        assert_eq!(suspended(false).await, (true, true, false));
        assert_eq!(suspended(true).await, (false, false, true));
    }

    /// Watches a database without a connection to it.
    struct Onlooker;

    impl Source for Onlooker {
        fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
            Box::pin(async move {
                out.state(SourceState::Ok).await;
                cancel.cancelled().await;
                Ok(())
            })
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_a_source_that_holds_a_connection_gives_one_back() {
        let (lanes, mut lines) = lanes();
        let supervisor = Supervisor::new(lanes, StreamClock::start());
        let said_goodbye = Arc::new(AtomicBool::new(false));
        let polite =
            Polite { said_goodbye: Arc::clone(&said_goodbye), holds: Arc::new(AtomicBool::new(false)), stuck: false };
        let decl = SourceDecl { id: SourceId(0), kind: SourceKind::Database, name: "db".into(), detail: String::new() };
        let (holder, _) = supervisor.start(Declared { decl: decl.clone(), source: Box::new(polite) });
        supervisor.start(Declared { decl, source: Box::new(Onlooker) });
        // Their declarations, and that both work.
        for _ in 0..4 {
            lines.wait().await.expect("it speaks");
        }
        supervisor.give_back(true);
        let told = lines.wait().await.expect("one gives back");
        assert_eq!(told.source, holder);
        assert!(said_goodbye.load(Ordering::SeqCst));
        // Nobody else says anything: the next word is that it is back.
        supervisor.give_back(false);
        assert_eq!(lines.wait().await.expect("it comes back").source, holder);
    }
}
