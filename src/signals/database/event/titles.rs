//! Servers of this box as the titles of their processes tell of them, without a connection.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::SessionCounts;

/// Servers told of in one [`Titles`].
pub const TITLED: usize = 8;
/// Groups of sessions told of each.
pub const GROUPS: usize = 24;

/// One look at the titles of processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Titles {
    /// By process number, at most [`TITLED`]; empty when the last one has gone.
    pub servers: Vec<TitledServer>,
    /// Milliseconds the look took.
    pub cost_ms: f32,
}

/// A PostgreSQL server of this box as its processes tell of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TitledServer {
    /// Process number of the server.
    pub pid: u32,
    /// Major version where its files or its path tell it, else empty.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub version: CompactString,
    /// Port, where it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Sessions of clients by state, our own among them; those that are just starting are `hidden`.
    pub counts: SessionCounts,
    /// Sessions alike: who waits, who holds a transaction open, who works, who is idle; of each the most first. At most
    /// [`GROUPS`].
    pub groups: Vec<TitleGroup>,
    /// Sessions of groups beyond those.
    #[serde(default)]
    pub unlisted: u32,
}

/// Sessions of one role from one client in one database and one state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleGroup {
    /// `idle`, `idle in transaction`, else the command: `SELECT`, `UPDATE waiting`; empty while they start.
    pub state: CompactString,
    /// Role.
    pub user: CompactString,
    /// Database.
    pub db: CompactString,
    /// Address, or `[local]`.
    pub client: CompactString,
    /// How many.
    pub count: u32,
    /// Seconds for which one of them has at least been so: since we look, and without a change that we saw.
    pub longest_s: u64,
}

impl TitleGroup {
    /// How much it matters: waiting for a lock, open transactions, at work, starting, idle.
    pub fn rank(&self) -> u8 {
        match self.state.as_str() {
            s if s.ends_with(" waiting") => 0,
            s if s.starts_with("idle in transaction") => 1,
            "idle" => 4,
            "" => 3,
            _ => 2,
        }
    }
}
