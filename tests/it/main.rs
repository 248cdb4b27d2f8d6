//! Tests against real servers, files and terminals: one crate, so that they link once.

mod demo_backend;
mod logs;
mod support;
