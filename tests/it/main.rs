//! Tests against real servers, files and terminals: one crate, so that they link once.

mod cli;
mod database;
mod demo;
mod demo_backend;
mod deploys;
mod ending;
mod explain;
mod failover;
mod faults;
mod following;
mod health;
mod host;
mod incident;
mod lockout;
mod logs;
mod mysql;
mod outages;
mod pgbouncer;
mod postgres;
mod recording;
mod replay;
mod rights;
mod secrets;
mod stalled;
mod support;
mod terminal;
