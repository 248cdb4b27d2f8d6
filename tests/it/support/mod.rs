//! Throwaway servers and other things that several tests need.

pub mod made;
pub mod out;
pub mod postgres;
pub mod program;
pub mod tty;
