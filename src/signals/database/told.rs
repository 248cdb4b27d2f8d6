//! What a database server's own log tells beside slow statements: locks, deadlocks, what was cancelled, what fails.
//!
//! Owns the recorded shape only; `extract::server` reads it out of lines, `troubles` and `waits` draw conclusions.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::event::{DeadlockSide, LineRef};
use crate::timeline::{RequestId, Ts};

/// One record of a server's log that says more than that time has passed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When it was written; `None` when the line has no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Ts>,
    /// The session it is about; 0 when the line names none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pid: i32,
    /// Role.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub user: CompactString,
    /// Database.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub db: CompactString,
    /// What the application calls itself.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub application: CompactString,
    /// The statement it happened to, cut at [`TEXT`](super::event::TEXT) characters, unredacted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub statement: String,
    /// The request it belongs to, where the line or a comment in the statement says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What happened.
    pub what: What,
    /// The line.
    pub from: LineRef,
}

fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

/// What happened, in the words that count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum What {
    /// The session has waited for a lock longer than the server takes for normal. Told once for each wait.
    LockWait {
        /// Mode and object: `ShareLock on transaction 741`.
        on: CompactString,
        /// Milliseconds it had waited when the line was written.
        ms: f64,
        /// Who holds it.
        holders: Vec<i32>,
    },
    /// The wait is over, the lock is had.
    LockGot {
        /// Mode and object.
        on: CompactString,
        /// Milliseconds it took.
        ms: f64,
    },
    /// Sessions waited for each other and the server ended one.
    Deadlock {
        /// Who; empty where the line does not tell.
        sides: Vec<DeadlockSide>,
    },
    /// A statement was cancelled.
    Cancelled {
        /// `statement timeout`, `lock timeout`, `user request`.
        why: CompactString,
    },
    /// A connection was ended.
    Ended {
        /// `idle-in-transaction timeout`, `administrator command`.
        why: CompactString,
    },
    /// Somebody could not log in.
    Login {
        /// In the server's words.
        why: String,
    },
    /// The server could not write.
    DiskFull {
        /// In the server's words.
        why: String,
    },
    /// A process of the server died, and the server with it.
    Crashed {
        /// In the server's words.
        why: String,
    },
    /// It was told to stop.
    Stopping {
        /// `fast shutdown request`, `immediate shutdown request`.
        why: CompactString,
    },
    /// It starts again and puts its data in order; it takes no connections meanwhile.
    Recovering {
        /// When it was last known to be up, where that is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_up: Option<Ts>,
    },
    /// It takes connections.
    #[default]
    Ready,
    /// The log of changes cannot be put into the archive.
    Archiver {
        /// In the server's words.
        why: String,
    },
    /// A replica's slot was given up, or what it needs is gone.
    Slot {
        /// In the server's words.
        why: String,
    },
    /// Checkpoints come too often: the log of changes is too small for what is written.
    Checkpoints {
        /// Seconds between the last two.
        apart_s: u32,
    },
    /// A statement did not fit into its memory.
    TempFile {
        /// How large the file was.
        bytes: u64,
    },
    /// SQLite: somebody else held the file.
    Busy {
        /// In the application's words.
        why: String,
    },
}

impl What {
    /// Whether it happened to one statement, and to nobody else.
    pub fn is_of_statement(&self) -> bool {
        matches!(self, What::LockWait { .. } | What::LockGot { .. } | What::Cancelled { .. } | What::TempFile { .. })
    }
}
