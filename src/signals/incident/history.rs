//! All that is known of incident, as of any playhead.

use super::event::IncidentEvent;
use crate::timeline::{Seq, SourceId, Ts};

/// The history of incident.
#[derive(Clone, Debug, Default)]
pub struct IncidentHistory {}

impl IncidentHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &IncidentEvent) {
        let _ = (seq, source, observed, event);
    }
}
