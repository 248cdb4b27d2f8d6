//! Starts and restarts of systemd units: from the journal where it can be read, else from the processes themselves.
//!
//! The journal also knows why; the processes are there without rights, without a journal, and in every container.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::unit_journal::{MESSAGES, Reader, calm};
use super::unit_proc::Generations;
use super::{Change, report, rest, tell};
use crate::signals::{BoxFuture, Out, Roots, Source, SourceError};
use crate::timeline::SourceState;

const POLL: Duration = Duration::from_secs(2);
/// How long the first reading of the journal may take.
const FIRST: Duration = Duration::from_secs(10);
/// Entries of the journal read at the start, at most: the newest.
const ENTRIES: &str = "4000";

/// Watches units.
#[derive(Debug)]
pub struct Units {
    journalctl: PathBuf,
    journal: bool,
    reader: Reader,
    cursor: Option<String>,
    seeded: bool,
    generations: Generations,
}

impl Units {
    /// On the box under `roots`; `None` where systemd keeps neither a journal nor units, or does not run the box: what it
    /// left there tells of nothing that happens now.
    pub fn on(roots: &Roots) -> Option<Units> {
        // The folder is what sd_booted(3) looks at.
        if !roots.run.join("systemd/system").is_dir() {
            return None;
        }
        let journal = roots.run.join("log/journal").is_dir() || roots.var_log.join("journal").is_dir();
        let generations = Generations::new(roots);
        (journal || generations.watchable()).then(|| Units::new("journalctl", journal, Reader::new(roots), generations))
    }

    /// With the program to read the journal with; with `journal` false only processes are looked at.
    pub fn new(journalctl: impl Into<PathBuf>, journal: bool, reader: Reader, generations: Generations) -> Units {
        Units { journalctl: journalctl.into(), journal, reader, cursor: None, seeded: false, generations }
    }

    async fn watch(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        if self.journal {
            match self.first().await {
                Ok(changes) => {
                    out.state(SourceState::Ok).await;
                    if !self.report(out, changes).await {
                        return Ok(());
                    }
                    return self.follow(out, cancel).await;
                }
                Err(why) if self.generations.watchable() => {
                    let why = format!("{why}; restarts are seen from /proc, without their reasons");
                    out.state(SourceState::Degraded { why }).await;
                }
                Err(why) => return Err(SourceError::retry(why)),
            }
        } else {
            out.state(SourceState::Ok).await;
        }
        self.look(out, cancel).await
    }

    async fn report(&mut self, out: &Out, changes: Vec<Change>) -> bool {
        let changes = if self.seeded { changes } else { calm(changes) };
        report(out, "systemd units", &mut self.seeded, changes).await
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(&self.journalctl);
        command.args(["--system", "--output=json", "--no-pager", "--quiet"]).args(more);
        command.args(MESSAGES.iter().map(|(id, _)| format!("MESSAGE_ID={id}")));
        command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn lines(&self, more: &[&str]) -> Result<(Child, Lines<BufReader<ChildStdout>>), String> {
        let name = shown(&self.journalctl);
        let mut child = self.command(more).spawn().map_err(|e| format!("cannot run {name}: {e}"))?;
        let stdout = child.stdout.take().ok_or_else(|| format!("{name} gave no output"))?;
        Ok((child, BufReader::new(stdout).lines()))
    }

    /// What the journal holds of the last day, so that what comes at the same distance can be told from what does not.
    async fn first(&mut self) -> Result<Vec<super::super::event::Change>, String> {
        let after = self.cursor.as_ref().map(|c| format!("--after-cursor={c}"));
        let (child, mut lines) = match &after {
            Some(after) => self.lines(&[after])?,
            None => self.lines(&["--since=-24h", "--lines", ENTRIES])?,
        };
        let name = shown(&self.journalctl);
        let mut changes = Vec::new();
        let read = async {
            while let Ok(Some(line)) = lines.next_line().await {
                changes.extend(self.reader.read(&line));
            }
            child.wait_with_output().await
        };
        let ended = match tokio::time::timeout(FIRST, read).await {
            Ok(ended) => ended.map_err(|e| format!("cannot run {name}: {e}"))?,
            Err(_) => return Err(format!("{name} did not answer in {} s", FIRST.as_secs())),
        };
        let said = String::from_utf8_lossy(&ended.stderr);
        let said = said.lines().next().unwrap_or("");
        if !ended.status.success() || said.contains("No journal files") {
            let who = "join the group `adm` or `systemd-journal`, or run as root";
            return Err(format!("{name} cannot read the journal ({said}); {who}"));
        }
        self.cursor = self.reader.cursor().map(str::to_owned).or(self.cursor.take());
        Ok(changes)
    }

    async fn follow(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        let after = self.cursor.as_ref().map(|c| format!("--after-cursor={c}"));
        let from = after.as_deref().unwrap_or("--lines=0");
        let (mut child, mut lines) = self.lines(&["--follow", from]).map_err(SourceError::retry)?;
        loop {
            let line = tokio::select! {
                () = cancel.cancelled() => {
                    let _ = child.kill().await;
                    return Ok(());
                }
                line = lines.next_line() => line,
            };
            match line {
                Ok(Some(line)) => {
                    let change = self.reader.read(&line);
                    self.cursor = self.reader.cursor().map(str::to_owned).or(self.cursor.take());
                    if let Some(change) = change
                        && !self.reader.periodic(&change)
                        && !tell(out, change).await
                    {
                        return Ok(());
                    }
                }
                _ => return Err(SourceError::retry(format!("{} ended", shown(&self.journalctl)))),
            }
        }
    }

    async fn look(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        loop {
            let mut generations = std::mem::take(&mut self.generations);
            let looked = tokio::task::spawn_blocking(move || {
                let changes = generations.look();
                (generations, changes)
            });
            let (generations, changes) = looked.await.map_err(|e| SourceError::retry(e.to_string()))?;
            self.generations = generations;
            if !self.report(out, changes).await || !rest(&cancel, POLL).await {
                return Ok(());
            }
        }
    }
}

impl Source for Units {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.watch(out, cancel))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_an_earlier_systemd_left_is_not_watched() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        std::fs::create_dir_all(roots.var_log.join("journal")).unwrap();
        assert!(Units::on(&roots).is_none());
        std::fs::create_dir_all(roots.run.join("systemd/system")).unwrap();
        assert!(Units::on(&roots).is_some());
    }
}
