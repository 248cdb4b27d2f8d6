//! Databases: sessions, statements, locks and pools, from the server, from metrics pages and from log lines.
//!
//! `event` is what is recorded; `history` keeps it; `slow`, `blocked`, `pools` and `verdict` draw conclusions from it as
//! of a playhead; `pane` draws them. `extract` reads log lines for `stream::derive`; `fingerprint` tells statements of
//! one shape. A further engine is one more file under `sources`.

/// How the names begin by which our own connections call themselves.
pub const OWN_APPLICATION: &str = "warroom/";

pub mod blocked;
pub mod config;
pub mod down;
pub mod ending;
pub mod event;
pub mod extract;
pub mod figures;
pub mod files;
pub mod fingerprint;
pub mod history;
pub mod layers;
pub mod pane;
pub mod plan;
pub mod pools;
pub mod slow;
pub mod sources;
pub mod statement;
pub mod titles;
pub mod told;
pub mod troubles;
pub mod upkeep;
pub mod verdict;
pub mod waits;
pub mod words;
