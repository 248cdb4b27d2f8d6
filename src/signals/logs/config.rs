//! What a user may set for logs.

use serde::{Deserialize, Serialize};

/// The `[logs]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
}

impl Default for LogsConfig {
    fn default() -> LogsConfig {
        LogsConfig { enabled: true }
    }
}
