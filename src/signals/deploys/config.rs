//! What a user may set for deploys.

use serde::{Deserialize, Serialize};

/// The `[deploys]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeploysConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
}

impl Default for DeploysConfig {
    fn default() -> DeploysConfig {
        DeploysConfig { enabled: true }
    }
}
