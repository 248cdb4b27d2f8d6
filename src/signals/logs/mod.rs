//! Log files, commands and standard input.

pub mod beside;
pub mod config;
pub mod event;
pub mod figures;
pub mod formats;
pub mod history;
pub mod kinds;
pub mod pane;
pub mod quiet;
pub mod rates;
pub mod row;
pub mod sources;
pub mod store;
pub mod usual;
pub mod view;
