//! What can happen to a database: what its server says of itself, what pools report, what log lines tell.
//!
//! Owns the recorded shape only. Ages are measured by the server's own clock, so that a clock that differs from ours
//! cannot make a query look an hour old. Names of engines do not occur here: another engine fills in the same facts.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

pub use super::told::{Told, What};
use crate::signals::tagged::tag_first;
use crate::timeline::{RequestId, SourceId, Ts};

/// Sessions listed in one [`Activity`]; the rest is only counted.
pub const SESSIONS: usize = 100;
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

/// Sessions of clients by state. Our own session is in none of them.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCounts {
    /// All sessions of clients.
    pub clients: u32,
    /// Running a statement, those that wait included.
    pub active: u32,
    /// Connected and doing nothing.
    pub idle: u32,
    /// Inside a transaction and doing nothing.
    pub idle_in_tx: u32,
    /// The same in a transaction that has failed.
    pub aborted: u32,
    /// Of the active ones, those that wait for a lock.
    pub waiting: u32,
    /// Sessions whose state we may not see.
    pub hidden: u32,
}

/// Holders of sessions told of in one [`Activity`].
pub const HELD: usize = 6;

/// Sessions of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held {
    /// How many.
    pub count: u32,
    /// What the application calls itself.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub application: CompactString,
    /// Role.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub user: CompactString,
    /// Database.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub db: CompactString,
    /// Its address.
    #[serde(default, skip_serializing_if = "CompactString::is_empty")]
    pub client: CompactString,
}

/// One look at the sessions of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Sessions by state.
    pub counts: SessionCounts,
    /// Connections the server takes at most.
    pub max_connections: u32,
    /// Of these, kept for superusers and for roles with reserved slots.
    pub reserved: u32,
    /// Who holds the sessions of clients: of each application, role, database and address how many, most first. At most
    /// [`HELD`]; none in recordings from before they were told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// Most interesting first: blockers, those that wait, open transactions, running ones by age, idle ones. At most
    /// [`SESSIONS`].
    pub sessions: Vec<Session>,
    /// Sessions not listed.
    pub unlisted: u32,
    /// Milliseconds from asking to having read the answer.
    pub cost_ms: f32,
    /// Milliseconds the server worked for it.
    pub server_ms: f32,
    /// Looks left out since the one before, because that one took too long.
    pub skipped: u32,
    /// Milliseconds between looks at present; grows when looking gets expensive.
    pub every_ms: u32,
}

/// One session of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Process number at the server; reused, so `backend_start` goes with it. 0 is a prepared transaction.
    pub pid: i32,
    /// When the session began, by the server's clock.
    pub backend_start: Option<Ts>,
    /// When its present or last statement began, by the server's clock.
    pub query_start: Option<Ts>,
    /// Milliseconds since `query_start`.
    pub query_age_ms: Option<u64>,
    /// Milliseconds since its transaction began; `None` outside of one.
    pub xact_age_ms: Option<u64>,
    /// Milliseconds since it came into its present state.
    pub state_age_ms: Option<u64>,
    /// `active`, `idle`, `idle in transaction`, …; `None` when we may not see it.
    pub state: Option<CompactString>,
    /// What it waits for: class and name, `Lock:transactionid`.
    pub wait: Option<CompactString>,
    /// Role.
    pub user: CompactString,
    /// Database.
    pub db: CompactString,
    /// What the application calls itself.
    pub application: CompactString,
    /// Address of the client; `None` is a local socket.
    pub client: Option<CompactString>,
    /// The client's port, which names one process on the client's box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_port: Option<u16>,
    /// The client's process, where it runs on our box and may be seen: `api.service, pid 4121`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_process: Option<CompactString>,
    /// The server's number of its statement.
    pub queryid: Option<i64>,
    /// Its statement, cut at [`TEXT`] characters, unredacted; of idle sessions the last one.
    pub query: String,
    /// Who it waits for: those at the head of the queue, then the nearest before it. Sorted so, at most 5.
    pub blocked_by: Vec<i32>,
    /// `client backend`, `autovacuum worker`, ….
    pub backend: CompactString,
}

impl Session {
    /// Whether it belongs to a client, not to the server itself.
    pub fn is_client(&self) -> bool {
        self.backend.is_empty() || self.backend == "client backend"
    }

    /// Whether it runs a statement now.
    pub fn is_active(&self) -> bool {
        self.state.as_deref().is_some_and(|s| s == "active" || s == "fastpath function call")
    }

    /// Whether it sits in a transaction and does nothing.
    pub fn is_idle_in_tx(&self) -> bool {
        self.state.as_deref().is_some_and(|s| s.starts_with("idle in transaction"))
    }

    /// Whether it waits for a lock.
    pub fn waits_for_lock(&self) -> bool {
        self.wait.as_deref().is_some_and(|w| w.starts_with("Lock:"))
    }
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
    /// The log line it was read from; `None` when it happened to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LineRef>,
}

/// Where pool figures come from.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolFrom {
    /// A metrics page of the application or the pooler.
    #[default]
    Metrics,
    /// A log line.
    Log,
}

/// Where a pool stands between the code and the tables.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolLayer {
    /// Inside the application.
    #[default]
    Application,
    /// Between both: PgBouncer.
    Pooler,
    /// The server's own connections.
    Server,
}

impl PoolLayer {
    fn is_application(&self) -> bool {
        *self == PoolLayer::Application
    }
}

/// What a pool says of itself; what it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolFigures {
    /// The pool's name, unique within its source.
    pub pool: CompactString,
    /// Where the figures come from.
    pub from: PoolFrom,
    /// Where the pool stands.
    #[serde(default, skip_serializing_if = "PoolLayer::is_application")]
    pub layer: PoolLayer,
    /// Connections handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// Connections open and free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<u32>,
    /// Connections at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Callers that wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// How long the one that waits longest has waited, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_wait_ms: Option<f64>,
    /// Callers that gave up since the figures before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<u64>,
    /// Mean wait for a connection since the figures before, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquire_ms: Option<f64>,
    /// Event time, where the source gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Ts>,
    /// The log line they were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineRef>,
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
