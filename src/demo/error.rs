//! What can keep the demo from starting, in words.

use std::io;
use std::path::PathBuf;

/// Why the demo did not start. Every text says what failed, on what, and what to try.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder could not be made or written.
    #[error("cannot write the demo's folder in {folder}: {error}; set TMPDIR to a folder you may write")]
    Folder {
        /// Where it should have been.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Too little free space.
    #[error("the demo needs {needed_mb} MB in {folder}, and {free_mb} MB are free; set TMPDIR to a roomier folder")]
    NoSpace {
        /// Where it should have been.
        folder: PathBuf,
        /// What it needs.
        needed_mb: u64,
        /// What there is.
        free_mb: u64,
    },
    /// No port on loopback.
    #[error("cannot listen on 127.0.0.1: {0}; is the loopback interface up?")]
    Bind(io::Error),
    /// The database could not be made or read.
    #[error("cannot prepare the demo's database: {0}; is its disk full?")]
    Database(#[from] sqlx::Error),
    /// No thread.
    #[error("cannot start the demo's thread: {0}; is the limit of processes reached (ulimit -u)?")]
    Thread(io::Error),
    /// The throwaway PostgreSQL did not start.
    #[error("cannot start a throwaway PostgreSQL: {0}; start the demo without --postgres")]
    Postgres(String),
    /// The thread ended without a word, which is a defect.
    #[error("the demo's thread ended while starting; please report this")]
    Died,
}
