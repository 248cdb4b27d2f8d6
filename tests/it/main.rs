//! Tests against real servers, files and terminals: one crate, so that they link once.

mod demo_backend;
mod deploys;
mod health;
mod incident;
mod logs;
mod support;
