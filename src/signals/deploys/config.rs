//! What a user may set for deploys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The `[deploys]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeploysConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
    /// The deploy log, one JSON object a line. Unset: `/var/log/deploys.jsonl` and `deploys.jsonl` in the user's state
    /// folder, whichever there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// Live git checkouts whose reflog tells when another commit was put in place.
    pub checkouts: Vec<PathBuf>,
    /// Symlinks whose switch is a deploy: `/srv/api/current`.
    pub symlinks: Vec<PathBuf>,
    /// Whether starts and restarts of systemd units count as changes.
    pub units: bool,
    /// Whether installed, upgraded and removed packages (dpkg) count as changes.
    pub packages: bool,
    /// Whether checkouts and `current` symlinks under running services are found without being named.
    pub discover: bool,
    /// By service: the command that `:rollback` runs after the service's name was typed.
    pub rollback: BTreeMap<String, Rollback>,
}

/// How one service is rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// A shell command line. `{service}`, `{version}` and `{previous}` are replaced.
    pub command: String,
}

impl Default for DeploysConfig {
    fn default() -> DeploysConfig {
        DeploysConfig {
            enabled: true,
            log: None,
            checkouts: Vec::new(),
            symlinks: Vec::new(),
            units: true,
            packages: true,
            discover: true,
            rollback: BTreeMap::new(),
        }
    }
}

impl DeploysConfig {
    /// The command that rolls `service` back from `version` to `previous`, shell-quoted values filled in; `None` when
    /// none is configured.
    pub fn rollback_command(&self, service: &str, version: &str, previous: &str) -> Option<String> {
        let command = &self.rollback.get(service)?.command;
        Some(
            command
                .replace("{service}", &quoted(service))
                .replace("{version}", &quoted(version))
                .replace("{previous}", &quoted(previous)),
        )
    }
}

/// As one word of a POSIX shell, whatever it holds: versions come out of files that others write.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_version_stays_one_word_of_the_rollback_command() {
        let config: DeploysConfig =
            toml::from_str("[rollback.api]\ncommand = \"roll {service} --to {previous}\"").unwrap();
        assert_eq!(config.rollback_command("api", "2", "1'; rm -rf /").unwrap(), r"roll api --to '1'\''; rm -rf /'");
        assert_eq!(config.rollback_command("web", "2", "1"), None);
    }
}
