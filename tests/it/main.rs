//! Tests against real servers and files: one crate, so that they are linked once.

mod database;
mod postgres;
mod support;
