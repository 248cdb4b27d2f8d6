//! The signals that end a run. Listened for from the very beginning: one that comes before the main loop waits for it, and
//! what is started is also ended.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, SIGINT and SIGHUP, which no longer kill once this exists.
pub struct Signals {
    /// Somebody ends us.
    pub term: Signal,
    /// Ctrl-C where the terminal is not ours, or somebody from outside.
    pub int: Signal,
    /// The terminal is gone.
    pub hup: Signal,
}

impl Signals {
    /// From now on they no longer kill.
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
            _ = self.hup.recv() => {}
        }
    }
}
