//! What a server does besides its statements, and how those that follow it keep up.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// How a replica keeps up with its primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Seconds it is behind; `None` when it does not know, as when it is not connected.
    pub behind_s: Option<u64>,
    /// Whether it receives from its primary.
    pub receiving: bool,
    /// Whether it applies what it has received.
    pub applying: bool,
    /// Why it does not, in the server's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Standbys told of in one [`Upkeep`], those farthest behind first.
pub const STANDBYS: usize = 8;

/// What a server does besides its statements, between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Upkeep {
    /// Milliseconds between the two looks; 0 when there was none before, and then nothing is counted.
    pub interval_ms: u64,
    /// Bytes written to temporary files by statements that ended in it.
    pub temp_bytes: u64,
    /// Checkpoints begun in it because too much was written since the last one.
    pub checkpoints_forced: u64,
    /// Checkpoints begun in it because it was time.
    pub checkpoints_timed: u64,
    /// Age of the oldest database in transactions; at 2.1 billion the server stops taking writes.
    pub oldest_xids: u64,
    /// Its name.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub oldest_db: CompactString,
    /// Age at which the server itself begins to work against it.
    pub freeze_at: u64,
    /// Autovacuum workers that run, and how many can.
    pub vacuums: (u32, u32),
    /// Bytes of log that an inactive replication slot keeps, the most of any.
    #[serde(default, skip_serializing_if = "is_none_of_it")]
    pub slot_bytes: u64,
    /// That slot.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub slot: CompactString,
    /// Servers that follow this one, at most [`STANDBYS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standbys: Vec<Standby>,
    /// Milliseconds from asking to having read the answer.
    pub cost_ms: f32,
}

fn is_none_of_it(n: &u64) -> bool {
    *n == 0
}

/// A server that follows the one that tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    /// What it calls itself, else its address.
    pub name: CompactString,
    /// `streaming`, `catchup`, …; empty when we may not see it.
    pub state: CompactString,
    /// Milliseconds until it had applied what was written.
    pub behind_ms: Option<u64>,
    /// Bytes of log that it has not applied.
    pub behind_bytes: Option<u64>,
}
