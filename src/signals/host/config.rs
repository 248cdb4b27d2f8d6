//! What a user may set for host.

use serde::{Deserialize, Serialize};

/// The `[host]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
    /// Mount points that are not looked at, with everything below them.
    pub ignore_mounts: Vec<String>,
}

impl Default for HostConfig {
    fn default() -> HostConfig {
        HostConfig { enabled: true, ignore_mounts: Vec::new() }
    }
}
