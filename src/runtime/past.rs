//! Loads windows onto the far past on a thread of its own.

use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::mpsc;

use crate::app::arrival::Arrival;
use crate::app::windows::{Ask, Window};
use crate::stream::past::Past;

/// Handle of the thread; it ends with the last handle.
#[derive(Clone)]
pub struct Loader {
    asks: SyncSender<Ask>,
}

impl Loader {
    /// Starts the thread. Where it cannot be started the far past is shown by the minute.
    pub fn start(past: Past, answers: mpsc::Sender<Arrival>) -> Loader {
        // At most one for the playhead and one for the pinned instant are on their way.
        let (asks, inbox) = sync_channel::<Ask>(2);
        let _ = std::thread::Builder::new().name("past".into()).spawn(move || {
            for ask in inbox {
                if answers.blocking_send(load(&past, ask)).is_err() {
                    return;
                }
            }
        });
        Loader { asks }
    }

    /// Asks for a window; the answer is an [`Arrival::Window`].
    pub fn ask(&self, ask: Ask) {
        let _ = self.asks.try_send(ask);
    }
}

/// Loads it on this thread.
pub fn load(past: &Past, ask: Ask) -> Arrival {
    let (slot, for_) = (ask.slot, ask.wanted.for_);
    let window = past.window(*ask.wanted).map(|timeline| Box::new(Window { timeline, for_ }));
    Arrival::Window { slot, for_, window: window.map_err(|e| e.to_string()) }
}
