//! The throwaway PostgreSQL of `--postgres`. Not there yet: asking for it says so.

use std::path::Path;

use super::DemoError;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(super) struct Postgres {
    url: String,
}

impl Postgres {
    pub(super) fn start(_folder: &Path) -> Result<Postgres, DemoError> {
        Err(DemoError::Postgres("not built in yet".into()))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// Ends the server that a killed demo left running in `folder`.
pub(super) fn end_stale(_folder: &Path) {}
