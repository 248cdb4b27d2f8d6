//! Deploys and every other change of what runs: the first thing that is asked in an incident.

pub mod config;
pub mod event;
pub mod figures;
pub mod history;
pub mod pane;
pub mod rows;
pub mod sources;
pub mod words;
