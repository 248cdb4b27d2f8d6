//! The reflog of a live git checkout: when another commit was put in place, and by what command.
//!
//! A commit's own time says when it was written, not when it went live; the reflog of `HEAD` has the time that counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::event::{Change, ChangeKind};
use super::tail::SharedTail;
use super::{label, report, rest, shown, unreadable};
use crate::signals::{BoxFuture, Out, Source, SourceError};
use crate::timeline::{SourceState, Ts};

const POLL: Duration = Duration::from_millis(500);

/// Follows `logs/HEAD` of one checkout.
#[derive(Debug)]
pub struct Reflog {
    dir: PathBuf,
    tail: Option<SharedTail>,
    seeded: bool,
    newest: Ts,
}

impl Reflog {
    /// Of the checkout at `dir` (the folder that holds `.git`).
    pub fn new(dir: &Path) -> Reflog {
        Reflog { dir: dir.to_owned(), tail: None, seeded: false, newest: Ts::MIN }
    }

    async fn follow(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        let service = label(&self.dir);
        let tail = match &self.tail {
            Some(tail) => tail.clone(),
            None => {
                let git =
                    git_folder(&self.dir).map_err(|e| SourceError::retry(unreadable(&self.dir.join(".git"), &e)))?;
                self.tail.insert(SharedTail::new(git.join("logs/HEAD"))).clone()
            }
        };
        let mut ok = false;
        loop {
            let polled = tail.poll().await.map_err(|e| SourceError::retry(unreadable(&self.dir, &e)))?;
            if !polled.present {
                let why =
                    format!("{} keeps no reflog; `git config core.logAllRefUpdates true` there", shown(&self.dir));
                return Err(SourceError::retry(why));
            }
            // `git reflog expire` writes the file anew: what was told before is not told again.
            let newest = self.newest;
            let changes: Vec<Change> =
                polled.lines.iter().filter_map(|l| parse(l, &service)).filter(|c| c.at >= newest).collect();
            self.newest = changes.iter().map(|c| c.at).fold(newest, Ts::max);
            if !ok {
                out.state(SourceState::Ok).await;
                ok = true;
            }
            if !report(out, &shown(&self.dir), &mut self.seeded, changes).await || !rest(&cancel, POLL).await {
                return Ok(());
            }
        }
    }
}

impl Source for Reflog {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.follow(out, cancel))
    }
}

/// Where the git folder of a checkout is: `.git` itself, or where a worktree's or submodule's `.git` file points.
pub fn git_folder(dir: &Path) -> std::io::Result<PathBuf> {
    let dot = dir.join(".git");
    if fs::metadata(&dot)?.is_dir() {
        return Ok(dot);
    }
    let text = fs::read_to_string(&dot)?;
    match text.trim().strip_prefix("gitdir:") {
        Some(path) => Ok(dir.join(path.trim())),
        None => {
            Err(std::io::Error::new(std::io::ErrorKind::InvalidData, ".git is neither a folder nor a `gitdir:` file"))
        }
    }
}

/// One line of a reflog: `old new Name <mail> seconds zone<TAB>what`. `None` for one that moved nothing.
pub fn parse(line: &str, service: &str) -> Option<Change> {
    let (head, what) = line.split_once('\t').unwrap_or((line, ""));
    let (old, rest) = head.split_once(' ')?;
    let (new, rest) = rest.split_once(' ')?;
    let hex = |s: &str| s.len() >= 40 && s.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex(old) || !hex(new) || old == new {
        return None;
    }
    let (who, when) = rest.rsplit_once('>')?;
    let seconds = when.split_whitespace().next()?.parse().ok()?;
    let name = who.split('<').next().unwrap_or("").trim();
    let mut change = Change::new(Ts::from_secs(seconds), ChangeKind::Checkout, service);
    change.version = new[..7].to_owned();
    change.previous = (!old.bytes().all(|b| b == b'0')).then(|| old[..7].to_owned());
    change.sha = Some(new.to_owned());
    change.by = (!name.is_empty()).then(|| name.to_owned());
    change.detail = (!what.is_empty()).then(|| what.to_owned());
    Some(change.with_raw(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reflog_line_gives_the_time_of_the_switch_and_not_of_the_commit() {
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        let line = format!("{old} {new} Ann <b> Lee <ann@x> 1700000000 +0200\tpull: Fast-forward");
        let c = parse(&line, "shop").unwrap();
        assert_eq!(
            (c.at, c.version.as_str(), c.previous.as_deref()),
            (Ts::from_secs(1_700_000_000), "bbbbbbb", Some("aaaaaaa"))
        );
        assert_eq!(c.detail.as_deref(), Some("pull: Fast-forward"));
        assert!(parse(&format!("{old} {old} Ann <a> 1 +0000\tcheckout: moving from main to main"), "shop").is_none());
        assert!(parse("garbage", "shop").is_none());
        assert!(parse(&format!("{old} ü{new} x"), "shop").is_none());
    }
}
