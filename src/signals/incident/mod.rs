//! The incident log: incidents, milestones and typed notes, written by people, kept in SQLite.
//!
//! Owns the records and their fold (`event`), what a typed line means (`kinds`), the picture as of a playhead
//! (`history`, `metrics`, `pane`), the post-mortem skeleton (`report`), and the log on disk (`sources`). Does not own
//! the line editor, nor what is attached as evidence.

pub mod checklist;
pub mod config;
pub mod event;
pub mod history;
pub mod kinds;
pub mod metrics;
pub mod pane;
pub mod report;
pub mod sources;
pub mod tags;
