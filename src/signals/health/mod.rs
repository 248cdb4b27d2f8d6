//! Health of what the box depends on: probes with a deadline, and their history.

pub mod config;
pub mod event;
pub mod figures;
pub mod history;
pub mod pane;
pub mod sources;
