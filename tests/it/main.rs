//! Tests against real servers, files and terminals: one crate, so that they link once.

mod cli;
mod database;
mod demo;
mod demo_backend;
mod deploys;
mod explain;
mod faults;
mod following;
mod health;
mod host;
mod incident;
mod logs;
mod mysql;
mod pgbouncer;
mod postgres;
mod postmortem;
mod recording;
mod replay;
mod rights;
mod stalled;
mod support;
mod terminal;
