//! What a user may set for incident.

use serde::{Deserialize, Serialize};

/// The `[incident]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
}

impl Default for IncidentConfig {
    fn default() -> IncidentConfig {
        IncidentConfig { enabled: true }
    }
}
