//! One file system watcher for the whole program: it says "look now", never what happened.
//!
//! One, because a user has few inotify instances and the sick box needs them. Events may be lost or never come (network
//! file systems), so everybody who listens here also polls.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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

/// Says "look now" when something in `dir` changes. Without a watcher it stays silent; polling goes on.
pub fn listen(dir: &Path) -> Receiver<()> {
    static HUB: OnceLock<Hub> = OnceLock::new();
    let hub = HUB.get_or_init(|| {
        let listeners = Arc::<Listeners>::default();
        let told = Arc::clone(&listeners);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event {
                told.hint(&event);
            }
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
