//! The pure part of the program, driven as a person drives it: keys in, actions, effects and screens out. No terminal, no
//! clock.

mod detail;
mod evidence;
mod filters;
mod incident;
mod keys;
mod looking;
mod screens;
mod sources;
pub(crate) mod stories;
mod time;
pub(crate) mod world;
