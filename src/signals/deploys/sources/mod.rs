//! Where deploys come from: one file per kind of record.
//!
//! All of them only read, and all poll: a `stat` every half second is cheaper than being wrong about a network file
//! system. What a record held before the start is told with its own times, so that "2 h ago" is known from the first
//! frame on.

pub mod contract;
pub mod discover;
pub mod dpkg;
pub mod jsonl;
pub mod reflog;
pub mod symlink;
pub mod tail;
pub mod unit_journal;
pub mod unit_proc;
pub mod units;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::config::DeploysConfig;
use super::event::{Change, DeployEvent};
use crate::signals::{Declared, Event, Out, Roots, Source};
use crate::timeline::{SourceDecl, SourceId, SourceKind};

/// How far back changes are told as facts of the time before the start.
pub const BACK: Duration = Duration::from_secs(2 * 3_600);

/// Of changes before that, how many of the newest are told all the same: they name the version that runs.
pub const OLDER: usize = 20;

/// The sources that the configuration asks for.
pub fn sources(config: &DeploysConfig, roots: &Roots) -> Vec<Declared> {
    if !config.enabled {
        return Vec::new();
    }
    let mut all = Vec::new();
    match &config.log {
        Some(path) => {
            all.push(declared("deploy log", &shown(path), jsonl::DeployLog::new(path, true)));
        }
        None => {
            for path in default_logs(roots) {
                all.push(declared("deploy log", &shown(&path), jsonl::DeployLog::new(&path, false)));
            }
        }
    }
    let found = if config.discover { discover::look(roots) } else { discover::Found::default() };
    for dir in named_and(&config.checkouts, found.checkouts) {
        all.push(declared(&label(&dir), &shown(&dir), reflog::Reflog::new(&dir)));
    }
    for link in named_and(&config.symlinks, found.symlinks) {
        all.push(declared(&symlink::service(&link), &shown(&link), symlink::Switch::new(&link)));
    }
    if config.units
        && let Some(units) = units::Units::on(roots)
    {
        all.push(declared("units", "starts and restarts of systemd units", units));
    }
    let dpkg = roots.var_log.join("dpkg.log");
    if config.packages && dpkg.exists() {
        all.push(declared("dpkg", &shown(&dpkg), dpkg::DpkgLog::new(&dpkg, TimeZone::system())));
    }
    all
}

/// Where the deploy log is looked for when none is configured, and where `warroom deploy` writes: the first that can be
/// written to. The user's state folder stands under no root, so it is left out when the roots are not the machine's.
pub fn default_logs(roots: &Roots) -> Vec<PathBuf> {
    let mut paths = vec![roots.var_log.join("deploys.jsonl")];
    if *roots == Roots::default()
        && let Some(dir) = state_folder()
    {
        paths.push(dir.join("deploys.jsonl"));
    }
    paths
}

/// `warroom` in the user's state folder: `$XDG_STATE_HOME`, else `~/.local/state`.
pub fn state_folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    Some(base.state_dir()?.join("warroom"))
}

fn declared(name: &str, detail: &str, source: impl Source) -> Declared {
    let decl =
        SourceDecl { id: SourceId(0), kind: SourceKind::Deploys, name: name.to_owned(), detail: detail.to_owned() };
    Declared { decl, source: Box::new(source) }
}

fn named_and(named: &[PathBuf], found: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut all = named.to_vec();
    for path in found {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The last name in a path, as the short name of what lies there.
fn label(path: &Path) -> String {
    path.file_name().map_or_else(|| shown(path), |n| n.to_string_lossy().into_owned())
}

/// Tells what a record held before the start: everything of the last [`BACK`], and the newest [`OLDER`] before that.
/// False when the stream has ended.
async fn seed(out: &Out, of: &str, mut changes: Vec<Change>) -> bool {
    let now = out.now();
    let since = now - BACK;
    changes.sort_by_key(|c| c.at);
    let older = changes.partition_point(|c| c.at < since);
    for change in changes.into_iter().skip(older.saturating_sub(OLDER)) {
        // Nothing is visible before the window: one old deploy must not stretch the time axis by days.
        let observed = change.at.clamp(since, now);
        if !out.must_at(observed, Event::Deploys(DeployEvent::Change(change))).await {
            return false;
        }
    }
    out.must_at(since, Event::Deploys(DeployEvent::Covers { of: of.to_owned(), since })).await
}

/// Tells what one look at a record gave: the first, by [`seed`], as what was there before the start. False when the stream
/// has ended.
async fn report(out: &Out, of: &str, seeded: &mut bool, changes: Vec<Change>) -> bool {
    if !std::mem::replace(seeded, true) {
        return seed(out, of, changes).await;
    }
    for change in changes {
        if !tell(out, change).await {
            return false;
        }
    }
    true
}

async fn tell(out: &Out, change: Change) -> bool {
    out.must(Event::Deploys(DeployEvent::Change(change))).await
}

/// Waits, and says whether to go on.
async fn rest(cancel: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = cancel.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}

/// The sentence for a path that cannot be read.
fn unreadable(path: &Path, e: &std::io::Error) -> String {
    let hint = match e.kind() {
        std::io::ErrorKind::PermissionDenied => "; let this user read it, or run as one who may",
        std::io::ErrorKind::NotFound => "; check the path in [deploys]",
        _ => "",
    };
    format!("cannot read {}: {e}{hint}", path.display())
}
