//! All that is known of deploys, as of any playhead.

use super::event::DeployEvent;
use crate::timeline::{Seq, SourceId, Ts};

/// The history of deploys.
#[derive(Clone, Debug, Default)]
pub struct DeploysHistory {}

impl DeploysHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &DeployEvent) {
        let _ = (seq, source, observed, event);
    }
}
