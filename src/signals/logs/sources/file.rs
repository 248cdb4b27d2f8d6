//! The source that follows one file, on a plain thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::hints;
use super::tail::{Polled, Tail, TailOptions};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// A look at the file at least this often, whatever the watcher says.
pub const POLL: Duration = Duration::from_millis(250);
/// And at most this often.
pub const BATCH: Duration = Duration::from_millis(50);
/// The same in a flood, of so many lines a second: nobody reads along there, and each look wakes everybody behind it.
const FLOOD_BATCH: Duration = Duration::from_millis(150);
const FLOOD: u64 = 2_000;
/// After a look at which so many lines came the next one waits for no hint: more will have come.
const MANY: u64 = 10;

/// Number of the first generation: those below are for rotated files, which are older and may be taken in later.
const FIRST: u32 = 1_000;

/// Follows one path.
pub struct FileSource {
    path: PathBuf,
    options: TailOptions,
    generations: Arc<AtomicU32>,
    tail: Option<Tail>,
}

impl FileSource {
    /// Follows `path`.
    pub fn new(path: PathBuf, options: TailOptions) -> FileSource {
        FileSource { path, options, generations: Arc::new(AtomicU32::new(FIRST)), tail: None }
    }
}

impl Source for FileSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let tail = self
                .tail
                .take()
                .unwrap_or_else(|| Tail::new(self.path.clone(), self.options.clone(), Arc::clone(&self.generations)));
            let dir = self
                .path
                .parent()
                .filter(|p| !p.as_os_str().is_empty())
                .map_or_else(|| PathBuf::from("."), PathBuf::from);
            let out = out.clone();
            self.tail = Some(
                on_thread(cancel, move |cancel| {
                    let hints = hints::listen(&dir);
                    let mut tail = tail;
                    follow(&out, &cancel, &hints, |out| (tail.poll(out.now(), &mut emit(out)), tail.came()));
                    tail
                })
                .await
                .map_err(|()| {
                    SourceError::retry(format!(
                        "the reader of {} stopped; this is a bug, please report it",
                        self.path.display()
                    ))
                })?,
            );
            Ok(())
        })
    }
}

/// Passes events on to the stream, waiting where it is behind.
pub fn emit(out: &Out) -> impl FnMut(Option<crate::timeline::Ts>, super::super::event::LogEvent) -> bool + '_ {
    move |observed, event| match observed {
        Some(at) => out.log_blocking_at(at, Event::Logs(event)),
        None => out.log_blocking(Event::Logs(event)),
    }
}

/// Looks again and again until cancelled, and says so when the state changes. A look tells how it went and how many lines
/// came.
pub fn follow(
    out: &Out,
    cancel: &CancellationToken,
    hints: &Receiver<()>,
    mut look: impl FnMut(&Out) -> (Polled, u64),
) {
    let mut said: Option<Polled> = None;
    let mut hinted = true;
    let mut before = Instant::now();
    while !cancel.is_cancelled() {
        let (polled, lines) = look(out);
        let batch = if is_flood(lines, before.elapsed()) { FLOOD_BATCH } else { BATCH };
        before = Instant::now();
        if polled == Polled::Closed {
            return;
        }
        if said.as_ref() != Some(&polled) {
            out.state_blocking(match &polled {
                Polled::Trouble(why) => SourceState::Degraded { why: why.clone() },
                _ => SourceState::Ok,
            });
            said = Some(polled);
        }
        std::thread::sleep(batch);
        if lines >= MANY {
            continue;
        }
        if hinted {
            // A watcher that is gone would answer at once for ever.
            match hints.recv_timeout(POLL - batch) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => hinted = false,
            }
        } else {
            std::thread::sleep(POLL - batch);
        }
    }
}

/// Whether so many lines in this time are a flood.
fn is_flood(lines: u64, time: Duration) -> bool {
    u128::from(lines) * 1_000 > u128::from(FLOOD) * time.as_millis().max(1)
}

/// Runs `work` on a plain thread; gives back what it returns, or `Err` when it panicked. The thread notices the
/// cancellation within a quarter of a second.
pub async fn on_thread<T: Send + 'static>(
    cancel: CancellationToken,
    work: impl FnOnce(CancellationToken) -> T + Send + 'static,
) -> Result<T, ()> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let spawned = std::thread::Builder::new().name("log reader".into()).spawn(move || {
        let _ = tell.send(work(cancel));
    });
    match spawned {
        Ok(_) => told.await.map_err(|_| ()),
        Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_lines_a_second_are_a_flood_whatever_the_time_between_two_looks() {
        assert!(is_flood(250, BATCH) && is_flood(750, FLOOD_BATCH) && is_flood(10, Duration::ZERO));
        assert!(!is_flood(50, BATCH) && !is_flood(150, FLOOD_BATCH) && !is_flood(0, Duration::ZERO));
    }
}
