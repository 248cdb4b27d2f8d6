//! Pure decisions: state, actions, keymap, update, effects, screen, overlays. No IO, no clock.

pub mod action;
pub mod arrival;
pub mod arrive;
pub mod commands;
pub mod compare;
pub mod complete;
pub mod counting;
pub mod cursor;
pub mod effect;
pub mod facts;
pub mod filtering;
pub mod input;
pub mod keymap;
pub mod looking;
pub mod notes;
pub mod over;
pub mod overlays;
pub mod pane;
pub mod playhead;
pub mod postmortem;
pub mod screen;
pub mod state;
pub mod travel;
pub mod typed;
pub mod update;
pub mod windows;

#[cfg(test)]
pub(crate) mod tests;
