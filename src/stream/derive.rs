//! What log lines tell other panes.

use crate::signals::Event;
use crate::signals::logs::event::LogEvent;
use crate::timeline::SourceId;

/// Finds slow statements, pool figures and the like in log batches.
#[derive(Debug, Default)]
pub struct Derive {}

impl Derive {
    /// Ready for the first batch.
    pub fn new() -> Derive {
        Derive {}
    }

    /// The events that the lines of one batch give rise to.
    pub fn derive(&mut self, source: SourceId, source_name: &str, event: &LogEvent) -> Vec<Event> {
        let _ = (source, source_name, event);
        Vec::new()
    }
}
