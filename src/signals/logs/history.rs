//! All that is known of logs, as of any playhead.

use super::event::LogEvent;
use crate::timeline::{Seq, SourceId, Ts};

/// The history of logs.
#[derive(Clone, Debug, Default)]
pub struct LogsHistory {}

impl LogsHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &LogEvent) {
        let _ = (seq, source, observed, event);
    }
}
