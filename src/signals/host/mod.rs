//! The machine: CPU, memory, pressure, disks, network, mounts, processes, OOM kills, and what watching it costs.

pub mod amount;
pub mod config;
pub mod event;
pub mod figures;
pub mod findings;
pub mod history;
pub mod pane;
pub mod process_tables;
pub mod sources;
