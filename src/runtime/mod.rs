//! The impure shell: sources started, terminal, clock, event loop, effects.

pub mod attach;
pub mod bursts;
pub mod clipboard;
pub mod discovery;
pub mod editor;
pub mod effects;
pub mod event_loop;
pub mod filters;
pub mod flight;
pub mod hangup;
pub mod impact;
pub mod left;
pub mod lines;
pub mod live;
pub mod pace;
pub mod past;
pub mod postmortem;
pub mod replay;
pub mod replay_log;
pub mod session;
pub mod settings;
pub mod signals;
pub mod still;
pub mod terminal;
pub mod tty;
