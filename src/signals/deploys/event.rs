//! What can happen to deploys: a change of what runs, and how far back each source of changes can see.
//!
//! Owns the record of one change; reading it out of files is the sources' part, joining a start with its end the
//! history's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::timeline::Ts;

/// Facts about deploys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum DeployEvent {
    /// Something was changed, or its change began or failed.
    Change(Change),
    /// A source of changes speaks from now on, and has read back to `since`: silence before that proves nothing.
    Covers {
        /// Which record of changes it reads, in words: a path, `systemd units`.
        of: String,
        /// The earliest event time it would have told of.
        since: Ts,
    },
}

/// One change of what runs on the box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Event time: when it was done, as its source says.
    pub at: Ts,
    /// What sort of change.
    pub kind: ChangeKind,
    /// What was changed: a service, a unit, a package, a checkout's folder.
    pub service: String,
    /// What it was changed to; empty where the source knows no version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What ran before, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// The environment it was meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Who or what did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How far it got.
    #[serde(default)]
    pub status: ChangeStatus,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the source says besides, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many like changes this one stands for; at least 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
    /// The line it was read from, cut at [`RAW`] bytes; evidence for a note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// Longest piece of a source's line that a change carries, in bytes.
pub const RAW: usize = 2_048;

fn one() -> u32 {
    1
}

fn is_one(n: &u32) -> bool {
    *n == 1
}

impl Change {
    /// A finished change with nothing but its time, kind and subject.
    pub fn new(at: Ts, kind: ChangeKind, service: impl Into<String>) -> Change {
        Change { at, kind, service: service.into(), count: 1, ..Change::default() }
    }

    /// Keeps the line it was read from, cut at [`RAW`] bytes.
    pub fn with_raw(mut self, line: &str) -> Change {
        let mut end = line.len().min(RAW);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        self.raw = Some(line[..end].to_owned());
        self
    }
}

/// What sort of change.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ChangeKind {
    #[default]
    Deploy,
    Rollback,
    Config,
    Flag,
    Migration,
    Restart,
    Package,
    Checkout,
}

impl ChangeKind {
    /// Every kind by the name it has in the deploy log.
    pub const NAMES: [&'static str; 8] =
        ["deploy", "rollback", "config", "flag", "migration", "restart", "package", "checkout"];

    /// All kinds, in the order of [`ChangeKind::NAMES`].
    pub const ALL: [ChangeKind; 8] = [
        ChangeKind::Deploy,
        ChangeKind::Rollback,
        ChangeKind::Config,
        ChangeKind::Flag,
        ChangeKind::Migration,
        ChangeKind::Restart,
        ChangeKind::Package,
        ChangeKind::Checkout,
    ];

    /// The name in the deploy log and on the command line.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether it puts another version of a service in place, so that the one before has an end.
    pub const fn sets_version(self) -> bool {
        matches!(self, ChangeKind::Deploy | ChangeKind::Rollback | ChangeKind::Checkout)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Knows the words that deploy tools use, in any case.
impl FromStr for ChangeKind {
    type Err = ();
    fn from_str(s: &str) -> Result<ChangeKind, ()> {
        let lower = s.trim().to_ascii_lowercase();
        if let Some(i) = Self::NAMES.iter().position(|n| *n == lower) {
            return Ok(Self::ALL[i]);
        }
        Ok(match lower.as_str() {
            "deployment" | "release" | "rollout" | "promote" => ChangeKind::Deploy,
            "revert" | "undo" => ChangeKind::Rollback,
            "configuration" | "reload" | "setting" => ChangeKind::Config,
            "feature_flag" | "feature-flag" | "toggle" => ChangeKind::Flag,
            "migrate" | "schema" => ChangeKind::Migration,
            "start" | "reboot" => ChangeKind::Restart,
            "upgrade" | "install" => ChangeKind::Package,
            _ => return Err(()),
        })
    }
}

/// How far a change got.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeStatus {
    /// Begun; an end is to come.
    Start,
    /// In place.
    #[default]
    Ok,
    /// Not in place.
    Fail,
}

impl ChangeStatus {
    /// Every status by the name it has in the deploy log.
    pub const NAMES: [&'static str; 3] = ["start", "ok", "fail"];

    /// The name in the deploy log and on the command line.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Knows the words that deploy tools use, in any case.
impl FromStr for ChangeStatus {
    type Err = ();
    fn from_str(s: &str) -> Result<ChangeStatus, ()> {
        Ok(match s.trim().to_ascii_lowercase().as_str() {
            "start" | "started" | "begin" | "running" | "in_progress" | "in-progress" | "pending" | "queued" => {
                ChangeStatus::Start
            }
            "" | "ok" | "success" | "succeeded" | "successful" | "finished" | "finish" | "done" | "end"
            | "complete" | "completed" | "active" => ChangeStatus::Ok,
            "fail" | "failed" | "failure" | "error" | "aborted" | "cancelled" | "canceled" | "timeout" => {
                ChangeStatus::Fail
            }
            _ => return Err(()),
        })
    }
}
