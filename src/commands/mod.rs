//! commands

pub mod deploy;
