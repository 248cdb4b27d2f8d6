//! Loads windows onto the far past on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::mpsc;

use crate::app::arrival::Arrival;
use crate::app::windows::{Ask, Window};
use crate::stream::past::Past;

/// Handle of the thread; it ends with the last handle.
#[derive(Clone)]
pub struct Loader {
    asks: SyncSender<(Ask, u64)>,
    /// Windows asked for, of each slot: an older one need not be finished.
    newest: Arc<[AtomicU64; 2]>,
}

impl Loader {
    /// Starts the thread. Where it cannot be started the far past is shown by the minute.
    pub fn start(past: Past, answers: mpsc::Sender<Arrival>) -> Loader {
        // Of each slot one that is loaded and one that takes its place.
        let (asks, inbox) = sync_channel::<(Ask, u64)>(4);
        let newest: Arc<[AtomicU64; 2]> = Arc::default();
        let asked = Arc::clone(&newest);
        let _ = std::thread::Builder::new().name("past".into()).spawn(move || {
            for (ask, number) in inbox {
                let (slot, for_) = (ask.slot, ask.wanted.for_);
                // What is beside the playhead comes first: a tenth of the work.
                let early = past.early(&ask.wanted).map(|e| {
                    let window = Box::new(Window { timeline: e.timeline, for_: e.for_ });
                    answers.blocking_send(Arrival::EarlyWindow { slot, for_, window })
                });
                if early.is_some_and(|sent| sent.is_err()) {
                    return;
                }
                let is_stale = asked.get(slot).is_some_and(|n| n.load(Ordering::Relaxed) != number);
                if !is_stale && answers.blocking_send(load(&past, ask)).is_err() {
                    return;
                }
            }
        });
        Loader { asks, newest }
    }

    /// Asks for a window; the answers are an [`Arrival::EarlyWindow`], where there can be one, and an [`Arrival::Window`]
    /// unless another one was asked for meanwhile.
    pub fn ask(&self, ask: Ask) {
        let number = self.newest.get(ask.slot).map_or(0, |n| n.fetch_add(1, Ordering::Relaxed) + 1);
        let _ = self.asks.try_send((ask, number));
    }
}

/// Loads it on this thread.
pub fn load(past: &Past, ask: Ask) -> Arrival {
    let (slot, for_) = (ask.slot, ask.wanted.for_);
    let window = past.window(*ask.wanted).map(|timeline| Box::new(Window { timeline, for_ }));
    Arrival::Window { slot, for_, window: window.map_err(|e| e.to_string()) }
}
