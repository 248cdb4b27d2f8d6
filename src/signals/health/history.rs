//! All that is known of health, as of any playhead.

use super::event::HealthEvent;
use crate::timeline::{Seq, SourceId, Ts};

/// The history of health.
#[derive(Clone, Debug, Default)]
pub struct HealthHistory {}

impl HealthHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &HealthEvent) {
        let _ = (seq, source, observed, event);
    }
}
