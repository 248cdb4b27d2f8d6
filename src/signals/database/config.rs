//! What a user may set for database.

use serde::{Deserialize, Serialize};

/// The `[database]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
}

impl Default for DatabaseConfig {
    fn default() -> DatabaseConfig {
        DatabaseConfig { enabled: true }
    }
}
