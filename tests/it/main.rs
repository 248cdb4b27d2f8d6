//! Integration tests: one crate, one module for each slice.

mod deploys;
mod health;
