//! `warroom deploy SERVICE VERSION`: one line in the deploy log, for the end of a deploy script.
//!
//! The line goes out in a single append and is on disk before the command ends: scripts on several hosts may write to
//! one file, and a script that goes on to restart the box must not lose the record of it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use jiff::tz::TimeZone;

use crate::signals::Roots;
use crate::signals::deploys::event::{Change, ChangeKind, ChangeStatus};
use crate::signals::deploys::sources::{contract, default_logs};
use crate::signals::source::StreamClock;
use crate::timeline::{Ts, time_text};

/// Tells warroom of a deploy or another change.
#[derive(Clone, Debug, clap::Args)]
pub struct DeployArgs {
    /// What was changed: the service's name
    pub service: String,
    /// What it was changed to
    pub version: String,
    /// How far it got; write `start` before and `ok` or `fail` after
    #[arg(long, default_value = "ok", value_parser = PossibleValuesParser::new(ChangeStatus::NAMES))]
    pub status: String,
    /// What sort of change
    #[arg(long, default_value = "deploy", value_parser = PossibleValuesParser::new(ChangeKind::NAMES))]
    pub kind: String,
    /// The version that ran before
    #[arg(long, value_name = "VERSION")]
    pub previous: Option<String>,
    /// The commit
    #[arg(long)]
    pub sha: Option<String>,
    /// The environment
    #[arg(long)]
    pub env: Option<String>,
    /// Who or what did it [default: the user's name]
    #[arg(long)]
    pub by: Option<String>,
    /// Where to read more, such as the CI job
    #[arg(long)]
    pub url: Option<String>,
    /// When it was done, such as 14:02 or -5m [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Configuration file, whose `deploys.log` is written to
    #[arg(long, env = "WARROOM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The deploy log [default: the configured one, else /var/log/deploys.jsonl if it can be written to, else
    /// deploys.jsonl in the state folder]
    #[arg(long, value_name = "PATH", env = "WARROOM_DEPLOY_LOG")]
    pub log: Option<PathBuf>,
}

/// Writes the line and says on standard error where it went.
///
/// Errors when an argument makes no sense or no deploy log can be written to.
pub fn run(args: DeployArgs) -> anyhow::Result<()> {
    let change = change(&args, StreamClock::start().wall())?;
    let path = match &args.log {
        Some(path) => {
            append(path, &change).with_context(|| format!("cannot write to {}; try another --log", path.display()))?;
            path.clone()
        }
        None => append_default(&change)?,
    };
    let Change { kind, service, version, status, .. } = &change;
    eprintln!("{kind} of {service} {version}: {} -> {}", status.name(), path.display());
    Ok(())
}

fn change(args: &DeployArgs, now: Ts) -> anyhow::Result<Change> {
    let service = args.service.trim();
    if service.is_empty() {
        bail!("SERVICE is empty; write for example: warroom deploy api 1.4.2");
    }
    let at = match &args.at {
        None => now,
        Some(text) => time_text::parse(text, now, &TimeZone::system())
            .map_err(|e| anyhow::anyhow!("--at {text}: {e}; write for example 14:02, -5m or 2026-03-14T14:02:00Z"))?,
    };
    // The parser has let through nothing but their names.
    let kind: ChangeKind = args.kind.parse().map_err(|()| anyhow::anyhow!("--kind {} is unknown", args.kind))?;
    let status: ChangeStatus =
        args.status.parse().map_err(|()| anyhow::anyhow!("--status {} is unknown", args.status))?;
    let mut change = Change::new(at, kind, service);
    change.version = args.version.trim().to_owned();
    change.status = status;
    change.previous = args.previous.clone();
    change.sha = args.sha.clone();
    change.env = args.env.clone();
    change.by = args.by.clone().or_else(user);
    change.url = args.url.clone();
    Ok(change)
}

fn user() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()))
}

/// Into the first of the default logs that can be written to.
fn append_default(change: &Change) -> anyhow::Result<PathBuf> {
    let mut refused = Vec::new();
    for path in default_logs(&Roots::default()) {
        if let Some(parent) = path.parent()
            && let Err(e) = std::fs::create_dir_all(parent)
        {
            refused.push(format!("{}: {e}", parent.display()));
            continue;
        }
        match append(&path, change) {
            Ok(()) => return Ok(path),
            Err(e) => refused.push(format!("{}: {e}", path.display())),
        }
    }
    bail!("no deploy log can be written to ({}); name one with --log PATH", refused.join("; "))
}

/// Appends one line with a single write and waits until it is on disk; makes the file, readable for all, where there is
/// none.
pub fn append(path: &Path, change: &Change) -> std::io::Result<()> {
    let file = open(path)?;
    let mut line = contract::line(change);
    if torn(&file)? {
        // Somebody's write was cut off: its piece must not swallow this line.
        line.insert(0, '\n');
    }
    let written = (&file).write(line.as_bytes())?;
    if written < line.len() {
        let why = format!("only {written} of {} bytes were written; is the disk full?", line.len());
        return Err(std::io::Error::new(ErrorKind::StorageFull, why));
    }
    file.sync_all()
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o644);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // The umask may have taken the bits by which others read it. On a file system without them it stays as is.
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o644));
            if let Some(folder) = path.parent().and_then(|p| File::open(p).ok()) {
                // Some file systems cannot sync a folder; the line itself is synced below.
                let _ = folder.sync_all();
            }
            Ok(file)
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(e) => Err(e),
    }
}

fn torn(file: &File) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last[0] != b'\n')
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DeployArgs,
    }

    fn args(words: &[&str]) -> Result<DeployArgs, clap::Error> {
        Line::try_parse_from(["deploy"].iter().chain(words)).map(|l| l.args)
    }

    #[test]
    fn a_deploy_told_on_the_command_line_is_one_line_that_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deploys.jsonl");
        let log = path.to_str().unwrap();
        run(args(&["api", "1.4.2", "--status", "start", "--by", "ci", "--previous", "1.4.1", "--log", log]).unwrap())
            .unwrap();
        // A write that was cut off.
        std::fs::write(&path, format!("{}{{\"service\":", std::fs::read_to_string(&path).unwrap())).unwrap();
        run(args(&["api", "1.4.2", "--kind", "rollback", "--at", "2026-03-14T14:02:00Z", "--log", log]).unwrap())
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let first = contract::parse(lines[0], None).unwrap();
        assert_eq!((first.status, first.by.as_deref()), (ChangeStatus::Start, Some("ci")));
        let last = contract::parse(lines[2], None).unwrap();
        assert_eq!((last.kind, last.at.to_string()), (ChangeKind::Rollback, "2026-03-14T14:02:00Z".into()));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        assert!(args(&["api", "1", "--status", "perhaps"]).unwrap_err().to_string().contains("start, ok, fail"));
        let why = run(args(&[" ", "1"]).unwrap()).unwrap_err().to_string();
        assert!(why.contains("warroom deploy api 1.4.2"), "{why}");
        let dir = tempfile::tempdir().unwrap();
        let none = dir.path().join("no/such/folder.jsonl");
        let why = run(args(&["a", "1", "--log", none.to_str().unwrap()]).unwrap()).unwrap_err();
        assert!(format!("{why:#}").contains("try another --log"), "{why:#}");
    }
}
