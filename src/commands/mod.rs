//! commands
pub mod export;
pub mod incident;
pub mod note;
