//! What a user may set for health.

use serde::{Deserialize, Serialize};

/// The `[health]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
}

impl Default for HealthConfig {
    fn default() -> HealthConfig {
        HealthConfig { enabled: true }
    }
}
