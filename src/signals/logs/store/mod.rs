//! The log store: files are their own store.
pub mod query;
pub use query::*;
