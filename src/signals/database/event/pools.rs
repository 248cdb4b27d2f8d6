//! What a pool of connections says of itself.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::LineRef;
use crate::timeline::Ts;

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
