//! Log files, commands and standard input.

pub mod beside;
mod calm;
pub mod columns;
pub mod config;
pub mod episodes;
pub mod event;
pub mod figures;
pub mod formats;
pub mod frames;
pub mod histogram;
pub mod history;
pub mod kinds;
pub mod lines;
pub mod look;
pub mod mutes;
pub mod pane;
pub mod quiet;
pub mod rates;
pub mod record;
pub mod repeats;
pub mod requests;
pub mod row;
pub mod skew;
pub mod sources;
pub mod store;
pub mod usual;
pub mod view;
