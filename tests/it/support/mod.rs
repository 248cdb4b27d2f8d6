//! Throwaway servers and other things that several tests need.

pub mod bouncer;
pub mod made;
pub mod mariadb;
pub mod out;
pub mod postgres;
pub mod program;
pub mod sampler;
pub mod tty;
pub mod watched;
