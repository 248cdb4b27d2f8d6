//! warroom: one full-screen terminal program for the person who has just been paged.
//!
//! ```text
//!  sources (live)                     ┌──────────> recorder ──> recording file
//!   logs · host · database ─┐         │                              │
//!   deploys · health        ├─> order and number ─> apply ─> Timeline (histories)
//!   notes ──────────────────┘         ^                          │
//!  replay of a recording ─────────────┘                          │ as of the playhead
//!                                                                v
//!  keys ─> keymap ─> Action ─> update ─> ViewState ─> screen(timeline, view, theme, now) ─> frame
//!                                └─> Effect (the only way to the outside) ─> Arrival, or an event
//! ```
//!
//! | folder | holds | may use |
//! |---|---|---|
//! | [`timeline`] | the vocabulary all share | std, serde, a time crate |
//! | [`ui`] | pure drawing blocks that know no signal | timeline |
//! | [`signals`] | one folder per thing we watch | see `tests/architecture.rs` |
//! | [`app`] | pure decisions | signals (not sources), ui, timeline, config |
//! | [`stream`] | order, recorder, recording format, replay | signals, timeline, config |
//! | [`config`] | what a user may set, and what is found on the box | slices' configurations |
//! | [`runtime`], [`commands`], [`demo`] | the impure shell | everything |
//!
//! Invariants: no clock, file, socket or randomness in `app`, `ui`, `timeline` or a slice's `history` and `pane`; the
//! same recording gives the same screens; every queue and history is bounded and every drop counted; no byte of foreign
//! text reaches the terminal unsanitised; what a user wrote is on disk before the screen says so.

pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod runtime;
pub mod signals;
pub mod stream;
pub mod timeline;
pub mod ui;
