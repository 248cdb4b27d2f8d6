//! What a user may set for the incident log.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The `[incident]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
    /// The log: a file, or a folder when it ends in `/`. Unset: `/var/lib/warroom` where that is a folder one may
    /// write to, else the user's state folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Who the notes are from. Unset: the login name, through sudo the one behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A team's log: `postgres://user@host/database`. Notes are written to the own file first and exchanged with it, so
    /// that nothing is lost while it is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<TeamUrl>,
    /// Name of the environment variable that holds the password for `url`; else PGPASSWORD or ~/.pgpass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// For how many minutes errors and checks must be back to usual before it is proposed that it is over.
    pub calm_minutes: u32,
}

/// The address of a team's log; its password is not shown where the configuration is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TeamUrl(pub String);

impl std::fmt::Debug for TeamUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::timeline::redact::redact(&self.0))
    }
}

impl Default for IncidentConfig {
    fn default() -> IncidentConfig {
        IncidentConfig { enabled: true, path: None, author: None, url: None, password_env: None, calm_minutes: 5 }
    }
}
