//! The health slice.

pub mod config;
pub mod event;
pub mod history;
pub mod pane;
pub mod sources;
