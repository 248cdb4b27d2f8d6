//! The pure part of the program, driven as a person drives it: keys in, actions, effects and screens out. No terminal, no
//! clock.

mod evidence;
mod filters;
mod keys;
mod screens;
mod sources;
mod time;
mod world;
