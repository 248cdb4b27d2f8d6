//! One file system watcher for the whole program: it says "look now", never what happened.
//!
//! One, because a user has few inotify instances and the sick box needs them. Events may be lost or never come (network
//! file systems), so everybody who listens here also polls.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

#[derive(Default)]
struct Listeners(Mutex<Vec<(PathBuf, SyncSender<()>)>>);

impl Listeners {
    fn hint(&self, event: &Event) {
        // The watcher also reports opens; our own would wake us for ever.
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let touched = |dir: &Path| {
            event.need_rescan()
                || event.paths.iter().any(|p| p == dir || p.parent().is_some_and(|parent| parent == dir))
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(dir, tell)| !touched(dir) || !matches!(tell.try_send(()), Err(TrySendError::Disconnected(()))));
    }
}

struct Hub {
    listeners: Arc<Listeners>,
    watcher: Mutex<Option<RecommendedWatcher>>,
}

/// Behind so many hints, each so soon after the one before, it rests this long.
const QUICK: u32 = 4;
const SOON: Duration = Duration::from_millis(50);
const REST: Duration = Duration::from_millis(100);
/// What comes so soon behind another one was read with it.
const TOGETHER: Duration = Duration::from_millis(1);

/// Keeps a log that is written all the time from waking the watcher's thread at each write: while it rests, the system
/// makes one event of those that say the same. Whoever follows such a log does not wait for hints.
struct Pace {
    quick: u32,
    last: Instant,
}

impl Pace {
    /// How long to rest after an event at `now`.
    fn rest(&mut self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(std::mem::replace(&mut self.last, now));
        self.quick = if since < SOON { self.quick.saturating_add(1) } else { 0 };
        if self.quick < QUICK || since < TOGETHER {
            return Duration::ZERO;
        }
        self.last = now + REST;
        REST
    }
}

/// Says "look now" when something in `dir` changes. Without a watcher it stays silent; polling goes on.
pub fn listen(dir: &Path) -> Receiver<()> {
    static HUB: OnceLock<Hub> = OnceLock::new();
    let hub = HUB.get_or_init(|| {
        let listeners = Arc::<Listeners>::default();
        let told = Arc::clone(&listeners);
        let mut pace = Pace { quick: 0, last: Instant::now() };
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                told.hint(&event);
            }
            std::thread::sleep(pace.rest(Instant::now()));
        });
        Hub { listeners, watcher: Mutex::new(watcher.ok()) }
    });
    let (tell, told) = sync_channel(1);
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    if let Some(watcher) = hub.watcher.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        let _ = watcher.watch(&dir, RecursiveMode::NonRecursive);
    }
    hub.listeners.0.lock().unwrap_or_else(PoisonError::into_inner).push((dir, tell));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events every `step` for a second, as the system tells them: those that come while it rests are one afterwards.
    fn rests(step: Duration) -> (usize, Duration) {
        let start = Instant::now();
        let mut pace = Pace { quick: 0, last: start };
        let (mut handled, mut rested, mut now, mut free) = (0, Duration::ZERO, start, start);
        while now < start + Duration::from_secs(1) {
            now += step;
            if now < free {
                continue;
            }
            handled += 1;
            let rest = pace.rest(now);
            rested += rest;
            free = now + rest;
        }
        (handled, rested)
    }

    #[test]
    fn a_log_that_is_written_all_the_time_wakes_the_watcher_seldom_and_one_that_is_not_at_once() {
        let (handled, rested) = rests(Duration::from_millis(20));
        assert!(handled <= 20 && rested > Duration::from_millis(700), "{handled} events, {rested:?}");
        let (handled, rested) = rests(Duration::from_millis(60));
        assert_eq!((handled, rested), (17, Duration::ZERO));
    }

    #[test]
    fn events_that_were_read_together_are_told_together() {
        let start = Instant::now();
        let mut pace = Pace { quick: 0, last: start };
        let mut now = start;
        let rested = (0..100).filter(|_| {
            now += Duration::from_micros(50);
            !pace.rest(now).is_zero()
        });
        assert_eq!(rested.count(), 0);
    }
}
