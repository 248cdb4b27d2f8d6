//! Nothing configured: looks around the box and says what could be watched.
//!
//! Only reads local files below [`Roots`]; connects nowhere, writes nothing, and never reads the environment of another
//! process. What only reads files is used at once by who calls (logs); what connects or runs something is an [`Offer`] with
//! a reason and the configuration that would take it up. Bounded by a deadline; what was not looked at is counted.

pub mod cannot;
pub mod databases;
pub mod git;
pub mod logs;
pub mod peers;
pub mod procs;
pub mod sockets;
pub mod units;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

use crate::signals::Roots;
use crate::timeline::Ts;

/// A log file that is being written to, or lies where logs lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLog {
    /// Where it is.
    pub path: PathBuf,
    /// A short name for the screen: the program, or the file without its ending.
    pub name: String,
    /// Bytes now.
    pub size_bytes: u64,
    /// When it was last written to.
    pub written: Ts,
    /// The process that holds it open for writing, if that could be seen.
    pub writer: Option<String>,
    /// Whether it may be read by us.
    pub readable: bool,
}

/// A command whose output is a log, safe to run because it only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCommand {
    /// A short name for the screen: `journal`.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Why it is there.
    pub reason: String,
}

/// A systemd unit or container with running processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundUnit {
    /// `checkout.service`, `docker 1f3a9c0b2d4e`.
    pub name: String,
    /// Its processes.
    pub processes: u32,
    /// Part of the operating system rather than of what the box is for.
    pub of_system: bool,
}

/// A git checkout under a running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCheckout {
    /// The folder that holds `.git`.
    pub path: PathBuf,
    /// Name of the process that runs from it.
    pub process: String,
    /// The branch, or the first twelve digits of the commit.
    pub head: String,
}

/// Something that connects, offered and never done unasked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What it is, with what is known without connecting: `postgres on :5432, 97 backends, 31 idle in transaction`.
    pub what: String,
    /// How we know.
    pub reason: String,
    /// Configuration that takes it up, in TOML.
    pub snippet: String,
    /// The port of a database server of this box.
    pub port: Option<u16>,
    /// What must be agreed to first, because it comes with more rights than looking needs.
    pub consent: Option<Consent>,
    /// Why it cannot be taken as things are, and what would help.
    pub hindrance: Option<String>,
}

/// What taking an offer means, said before it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The question: `Connect as postgres, a superuser?`
    pub question: String,
    /// Name and meaning, line by line.
    pub lines: Vec<(String, String)>,
    /// What the key does: `connect as the superuser postgres`.
    pub act: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Newest written first, at most [`logs::MOST`].
    pub logs: Vec<FoundLog>,
    /// Log files that were left out because there were too many.
    pub logs_left_out: usize,
    /// Commands that read logs.
    pub commands: Vec<FoundCommand>,
    /// The box's own units first, then by number of processes, then by name.
    pub units: Vec<FoundUnit>,
    /// By path.
    pub checkouts: Vec<FoundCheckout>,
    /// Databases and poolers that listen here.
    pub databases: Vec<Offer>,
    /// What local processes talk to, most connections first.
    pub peers: Vec<Offer>,
    /// What could not be seen, why, and what would help; sentences.
    pub cannot_see: Vec<String>,
}

/// Looks around the box until `deadline`; two hundred milliseconds are plenty.
pub fn look_around(roots: &Roots, deadline: Instant) -> Found {
    let procs = procs::Procs::read(roots, deadline);
    let sockets = sockets::Sockets::read(roots);
    let (logs, logs_left_out) = logs::files(roots, &procs, deadline);
    let mut found = Found {
        commands: logs::commands(roots),
        units: units::units(&procs),
        checkouts: git::checkouts(&procs),
        databases: [databases::offers(&procs, &sockets, roots), databases::files(&procs)].concat(),
        peers: peers::offers(&procs, &sockets),
        cannot_see: Vec::new(),
        logs,
        logs_left_out,
    };
    found.cannot_see = cannot::sentences(roots, &procs, &found);
    found
}
