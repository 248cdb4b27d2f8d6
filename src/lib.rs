//! warroom
#![forbid(unsafe_code)]
pub mod app;
pub mod commands;
pub mod config;
pub mod demo;
pub mod runtime;
pub mod signals;
pub mod stream;
pub mod timeline;
pub mod ui;
