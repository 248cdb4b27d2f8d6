//! The vocabulary that everything shares: time, envelope, severity, request ID, filter, history, series, facts.
//!
//! Owns no signal and does no IO; may use std, serde, a time crate and nothing else of ours
//! (`tests/architecture.rs` holds that).

pub mod counts;
pub mod envelope;
pub mod facts;
pub mod figure;
pub mod filter;
pub mod history;
pub mod redact;
pub mod request_id;
pub mod seconds;
pub mod series;
pub mod severity;
pub mod source;
pub mod time;
pub mod time_text;
pub mod words;

pub use envelope::{Envelope, OriginId, Seq};
pub use filter::{Filter, Record};
pub use history::{Entry, History};
pub use request_id::RequestId;
pub use series::Series;
pub use severity::Severity;
pub use source::{SourceDecl, SourceId, SourceKind, SourceState};
pub use time::{TimeRange, Ts};
