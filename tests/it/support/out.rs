//! A source run through a real way out, and what came of it.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warroom::signals::source::{Lanes, Observation, StreamClock};
use warroom::signals::{Event, Out, Source, SourceError};
use warroom::timeline::SourceId;

/// A running source.
pub struct Run {
    pub seen: mpsc::Receiver<Observation>,
    pub cancel: CancellationToken,
    pub task: JoinHandle<Result<(), SourceError>>,
}

/// Starts a source; everything it says comes out of one channel.
pub fn start(mut source: Box<dyn Source>) -> Run {
    let (tx, seen) = mpsc::channel(10_000);
    let out = Out::new(SourceId(1), StreamClock::start(), Lanes { must: tx.clone(), sample: tx.clone(), logs: tx });
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let task = tokio::spawn(async move { source.run(&out, token).await });
    Run { seen, cancel, task }
}

/// The same, and run again after a failure that may pass, as the supervisor does, but without its patience.
pub fn start_again(mut source: Box<dyn Source>) -> Run {
    let (tx, seen) = mpsc::channel(10_000);
    let out = Out::new(SourceId(1), StreamClock::start(), Lanes { must: tx.clone(), sample: tx.clone(), logs: tx });
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let task = tokio::spawn(async move {
        loop {
            match source.run(&out, token.clone()).await {
                Err(e) if e.retry && !token.is_cancelled() => tokio::time::sleep(Duration::from_millis(200)).await,
                ended => return ended,
            }
        }
    });
    Run { seen, cancel, task }
}

impl Run {
    /// The first event for which `pick` gives something; fails after `within`, naming what was waited for.
    pub async fn until<T>(&mut self, what: &str, within: Duration, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let end = Instant::now() + within;
        let mut last = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.seen.recv()).await {
                Ok(Some(o)) => {
                    if let Some(found) = pick(&o.event) {
                        return found;
                    }
                    last.push(format!("{:.400}", format!("{:?}", o.event)));
                }
                Ok(None) => panic!("the source ended before {what}; it said {last:#?}"),
                Err(_) => panic!("no {what} within {within:?}; it said {last:#?}"),
            }
        }
    }

    /// Cancels and waits for the end; gives the time that took.
    pub async fn stop(self) -> Duration {
        let began = Instant::now();
        self.cancel.cancel();
        self.task.await.expect("the source does not panic").expect("a cancelled source ends well");
        began.elapsed()
    }
}
