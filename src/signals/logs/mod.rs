//! Log files, commands and standard input.

pub mod config;
pub mod event;
pub mod formats;
pub mod history;
pub mod pane;
pub mod row;
pub mod sources;
pub mod store;
pub mod view;
