//! What one look at a server's sessions tells.
//!
//! Ages are measured by the server's own clock, so that a clock that differs from ours cannot make a query look an hour
//! old.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::timeline::Ts;

/// Sessions listed in one [`Activity`]; the rest is only counted.
pub const SESSIONS: usize = 100;
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
    /// The server was full and our connection stood in a slot that it keeps back: it was given back after this look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_back: bool,
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
    /// Its statement, cut at [`TEXT`](super::TEXT) characters, unredacted; of idle sessions the last one.
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
