//! All that is known of database, as of any playhead.

use super::event::DatabaseEvent;
use crate::timeline::{Seq, SourceId, Ts};

/// The history of database.
#[derive(Clone, Debug, Default)]
pub struct DatabaseHistory {}

impl DatabaseHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &DatabaseEvent) {
        let _ = (seq, source, observed, event);
    }
}
