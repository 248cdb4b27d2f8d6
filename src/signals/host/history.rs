//! All that is known of host, as of any playhead.

use super::event::HostEvent;
use crate::timeline::{Seq, SourceId, Ts};

/// The history of host.
#[derive(Clone, Debug, Default)]
pub struct HostHistory {}

impl HostHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &HostEvent) {
        let _ = (seq, source, observed, event);
    }
}
