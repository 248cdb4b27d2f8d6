//! What can happen to a database: what its server says of itself, what pools report, what log lines tell.
//!
//! Owns the recorded shape only. Names of engines do not occur here: another engine fills in the same facts.

pub mod pools;
pub mod sessions;
pub mod titles;
pub mod upkeep;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

pub use super::told::{Told, What};
use crate::signals::tagged::tag_first;
use crate::timeline::{RequestId, SourceId, Ts};
pub use pools::{PoolFigures, PoolFrom, PoolLayer};
pub use sessions::{Activity, HELD, Held, SESSIONS, Session, SessionCounts};
pub use titles::{GROUPS, TITLED, TitleGroup, TitledServer, Titles};
pub use upkeep::{Replica, STANDBYS, Standby, Upkeep};

/// Statements listed in one [`Statements`].
pub const STATEMENTS: usize = 50;
/// Characters of a statement that are kept.
pub const TEXT: usize = 2_000;
/// Characters of a plan out of a log that are kept.
pub const PLAN: usize = 8_000;

/// Facts about databases and pools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", tag = "kind")]
pub enum DatabaseEvent {
    /// A connection was opened: who answers.
    ServerInfo(ServerInfo),
    /// One look at the sessions.
    Activity(Activity),
    /// What statements cost since the look before.
    Statements(Statements),
    /// The text behind a statement's number.
    Text {
        /// The server's number of it.
        queryid: i64,
        /// Its text, cut at [`TEXT`] characters.
        text: String,
    },
    /// The server turned a connection away, ours or (from a log line) somebody else's: a finding about the outage.
    Refused(Refused),
    /// Deadlocks that the server broke since the look before.
    Deadlocks {
        /// How many; at least 1.
        delta: u64,
        /// Who was in the last one, where the server tells it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sides: Vec<DeadlockSide>,
    },
    /// How a replica keeps up with its primary.
    Replica(Replica),
    /// What a server does besides its statements.
    Upkeep(Upkeep),
    /// What a pool says of itself.
    PoolFigures(PoolFigures),
    /// A statement that a log line calls slow.
    SlowStatement(SlowStatement),
    /// What a server's own log tells beside slow statements.
    Told(Told),
    /// The files of a SQLite database.
    Sqlite {
        /// The name from the configuration.
        name: CompactString,
        /// What they say.
        file: SqliteFile,
    },
    /// Sessions of the servers of this box, from the titles of their processes, without a connection.
    Titles(Titles),
    /// Lines of one batch that told something but were more than can be carried.
    Unread {
        /// How many.
        lines: u32,
    },
}
tag_first!(DatabaseEvent, "kind", {
    "server_info" => ServerInfo,
    "activity" => Activity,
    "statements" => Statements,
    "refused" => Refused,
    "replica" => Replica,
    "upkeep" => Upkeep,
    "pool_figures" => PoolFigures,
    "slow_statement" => SlowStatement,
    "told" => Told,
    "titles" => Titles,
});

/// Who answered on a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The name from the configuration.
    pub name: CompactString,
    /// The engine: `postgres`, `mysql`, `mariadb`.
    pub engine: CompactString,
    /// Version as the server writes it.
    pub version: String,
    /// Extensions that matter here, with their versions.
    pub extensions: Vec<(CompactString, CompactString)>,
    /// The role we came in as.
    pub role: CompactString,
    /// Whether it may see the statements of others.
    pub sees_all: bool,
    /// Whether the server is a standby.
    #[serde(default)]
    pub standby: bool,
    /// Whether that role is a superuser.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superuser: bool,
    /// The port the server listens on, where it runs on the box that we run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_port: Option<u16>,
    /// What that role may see, and what it may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<Right>,
    /// Whether our connection may take one of the slots that the server keeps back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_reserve: bool,
}

/// Something that a role may see or may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// What can be seen with it: `plans of statements over any table`.
    pub shows: CompactString,
    /// Whether the role has it.
    pub has: bool,
    /// What gives it, as SQL.
    pub grant: String,
    /// The pane does without, and says little of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// One of those who waited for each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlockSide {
    /// Its session.
    pub pid: i32,
    /// Its statement, cut at [`TEXT`] characters, unredacted.
    pub query: String,
    /// Whether the server ended this one's transaction.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub victim: bool,
}

/// What statements cost between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statements {
    /// Milliseconds between the two looks.
    pub interval_ms: u64,
    /// Calls of all statements in it.
    pub calls: u64,
    /// Milliseconds all statements ran in it.
    pub total_ms: f64,
    /// Those that took most, most first; at most [`STATEMENTS`].
    pub deltas: Vec<StatementDelta>,
    /// The server's counters were reset or entries were thrown out: this interval is a gap, `deltas` is empty.
    #[serde(default)]
    pub reset: bool,
    /// Entries the server holds.
    pub entries: u32,
    /// Milliseconds from asking to having read the answer.
    pub cost_ms: f32,
    /// Milliseconds the server worked for it; 0 where it does not tell.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub server_ms: f32,
}

fn is_nothing(ms: &f32) -> bool {
    *ms == 0.0
}

/// What one statement cost between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementDelta {
    /// The server's number of it.
    pub queryid: i64,
    /// Calls completed in the interval.
    pub calls: u64,
    /// Milliseconds they ran, together.
    pub total_ms: f64,
    /// Milliseconds they ran, on average.
    pub mean_ms: f64,
    /// Standard deviation of the interval's calls in milliseconds.
    pub stddev_ms: f64,
    /// An estimate of the 95th percentile, only where one is honest (20 calls or more, not too ragged).
    pub p95_ms: Option<f64>,
    /// The longest call since the server's counters began, in milliseconds.
    pub max_ms: f64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Share of the interval's total time, 0 to 1.
    pub share: f64,
    /// Seen for the first time: the figures are since the server's counters began, not of the interval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
}

/// A connection was turned away or cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The server's code: `53300` is "no free slot"; empty when there was no server to give one.
    pub sqlstate: CompactString,
    /// In the server's words.
    pub message: String,
    /// A connection that stood was cut, rather than a new one turned away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// The role that was turned away, where it is told.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub user: CompactString,
    /// The log line it was read from; `None` when it happened to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LineRef>,
}

/// The files of a SQLite database, as they lie there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqliteFile {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages in the file.
    pub pages: u32,
    /// Of these, free ones.
    pub free_pages: u32,
    /// `wal`, `rollback`, `empty`.
    pub journal: CompactString,
    /// Bytes of the `-wal` file.
    #[serde(default)]
    pub wal_bytes: u64,
    /// Bytes of the `-journal` file.
    #[serde(default)]
    pub journal_bytes: u64,
    /// Frames in the WAL.
    #[serde(default)]
    pub frames: u32,
    /// Of these, put into the file already; what a reader still needs keeps the rest back.
    #[serde(default)]
    pub checkpointed: u32,
}

/// A statement that a log line calls slow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlowStatement {
    /// When it was written, which is when the statement ended; `None` when the line has no time.
    pub at: Option<Ts>,
    /// How long it ran, in milliseconds.
    pub duration_ms: f64,
    /// The statement as the line has it, cut at [`TEXT`] characters, unredacted.
    pub statement: String,
    /// Number of its shape; see [`fingerprint`](super::fingerprint).
    pub fingerprint: u64,
    /// The request it belongs to, where the line or a comment in the statement says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Rows returned or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows looked at for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examined: Option<u64>,
    /// Milliseconds of it that went into waiting for locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_ms: Option<f64>,
    /// The session that ran it; 0 when the line names none.
    #[serde(default, skip_serializing_if = "no_pid")]
    pub pid: i32,
    /// What the application calls itself.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub application: CompactString,
    /// The plan that it ran with, as the log has it (auto_explain, MariaDB's `# explain:`), cut at [`PLAN`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// The line.
    pub from: LineRef,
}

fn no_pid(pid: &i32) -> bool {
    *pid == 0
}

/// Names one log line for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRef {
    /// The log source.
    pub source: SourceId,
    /// Its name.
    pub name: CompactString,
    /// The source's generation.
    pub generation: u32,
    /// Offset of the line's first byte.
    pub offset: u64,
}
