//! config

pub mod discover;
