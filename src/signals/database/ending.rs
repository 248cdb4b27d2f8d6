//! The end of a session of a server, or of the statement it runs: what is wished for and what came of it.
//!
//! Owns the words only; a source carries it out, after it has made sure that the session is still the one that was
//! seen. Absent unless the program was started with `--allow-kill`.

use std::fmt;

use compact_str::CompactString;

use crate::timeline::{SourceId, Ts};

/// How far it goes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// The statement that runs ends, the session stays.
    #[default]
    Cancel,
    /// The session ends.
    Terminate,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Cancel => "cancel",
            How::Terminate => "terminate",
        })
    }
}

/// Whose end is wished for: a session as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The server.
    pub source: SourceId,
    /// Its name on the screen.
    pub server: String,
    /// How far.
    pub how: How,
    /// Its number.
    pub pid: i32,
    /// When it began, by the server's clock; `None` where the server does not tell (MySQL).
    pub backend_start: Option<Ts>,
    /// When its statement began, by the server's clock, where it runs one and the server tells.
    pub query_start: Option<Ts>,
    /// Milliseconds its statement had run when it was seen.
    pub query_age_ms: Option<u64>,
    /// Its user.
    pub user: CompactString,
    /// Its client: address and port, as far as they are known.
    pub client: Option<CompactString>,
    /// Its client's port.
    pub client_port: Option<u16>,
    /// Its state and statement in one line, for the note.
    pub what: String,
}

impl Ending {
    /// What must be typed: `terminate 4121`.
    pub fn phrase(&self, how: How) -> String {
        format!("{how} {}", self.pid)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// In words: `terminated pid 4121 of orders`.
    pub said: String,
}
