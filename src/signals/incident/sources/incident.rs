//! The source: reads what was appended to the log, by us and by others alike, and puts it on the stream.
//!
//! It looks when the folder changes (a hint that may be missing or come too early) and once a second whatever happens.
//! At the start it gives the records of the incident that is open, then only what is new. It keeps its place over
//! restarts by the supervisor; IDs make a record that comes twice harmless.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::store::{IncidentStore, StoreError, identity};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// The safety net: how often it looks with no hint.
const EVERY: Duration = Duration::from_secs(1);

/// After a hint: SQLite writes the log before it shows the commit, so a look may come a moment too early.
const AGAIN: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(5), Duration::from_millis(25), Duration::from_millis(100)];

/// Reads the incident log.
pub struct IncidentLog {
    path: PathBuf,
    place: Place,
}

/// Where it has got to.
#[derive(Debug, Default)]
struct Place {
    /// The last row that went out.
    row: i64,
    /// The file that row is of; `None` before the first look, or while there is no file.
    file: Option<(u64, u64)>,
    /// Whether a look has found out how things stood at the start.
    began: bool,
    /// Rows that could not be understood.
    unread: u64,
}

/// Whether the stream still listens.
enum Went {
    /// So many records were passed on.
    On(usize),
    Over,
}

impl IncidentLog {
    /// For the log at `path`, which need not exist.
    pub fn new(path: &Path) -> IncidentLog {
        IncidentLog { path: path.to_owned(), place: Place::default() }
    }

    async fn watch(&mut self, out: &Out, cancel: &CancellationToken) -> Result<(), SourceError> {
        let store = IncidentStore::open(&self.path);
        let hint = Arc::new(Notify::new());
        let mut watcher = None;
        let mut version = None;
        let mut said_ok = false;
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let looks = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                _ = tick.tick() => &AGAIN[..1],
                () = hint.notified() => &AGAIN[..],
            };
            if watcher.is_none() {
                watcher = watch_folder(&self.path, &hint);
            }
            for pause in looks {
                tokio::time::sleep(*pause).await;
                match self.look(&store, &mut version, out, cancel).await {
                    Ok(Went::Over) => return Ok(()),
                    Ok(Went::On(0)) => {}
                    Ok(Went::On(_)) => break,
                    Err(e) => return Err(SourceError::retry(e.to_string())),
                }
            }
            if self.place.unread > 0 {
                let why = format!(
                    "{} records of {} are of a newer warroom and not shown",
                    self.place.unread,
                    self.path.display()
                );
                self.place.unread = 0;
                out.state(SourceState::Degraded { why }).await;
            } else if !said_ok {
                out.state(SourceState::Ok).await;
            }
            said_ok = true;
        }
    }

    async fn look(
        &mut self,
        store: &IncidentStore,
        version: &mut Option<i64>,
        out: &Out,
        cancel: &CancellationToken,
    ) -> Result<Went, StoreError> {
        let file = identity(&self.path);
        if file != self.place.file {
            // Another file, or the first look: what it holds of an open incident is news, the rest is the past. A file
            // that appears while we watch was made by a first note, so all of it is news.
            let appeared = self.place.began && self.place.file.is_none();
            *version = None;
            (self.place.row, self.place.file) = (0, file);
            if file.is_some() && !appeared {
                let went = self.catch_up(store, out, cancel).await;
                // A first look that failed is still to come: what is in the log then is not news.
                match went {
                    Ok(_) => self.place.began = true,
                    Err(_) => self.place.file = None,
                }
                return went;
            }
        }
        self.place.began = true;
        let now = store.version().await?;
        if now.is_none() || now == *version {
            return Ok(Went::On(0));
        }
        let mut passed = 0;
        loop {
            let rows = store.rows_after(self.place.row).await?;
            if rows.last == 0 {
                break;
            }
            self.place.unread += rows.unread;
            for (row, event) in rows.records {
                if !pass(out, cancel, Event::Incident(event)).await {
                    return Ok(Went::Over);
                }
                self.place.row = row;
                passed += 1;
            }
            self.place.row = rows.last;
        }
        *version = now;
        Ok(Went::On(passed))
    }

    /// Passes on the records of the open incident and goes to the end of the log.
    async fn catch_up(
        &mut self,
        store: &IncidentStore,
        out: &Out,
        cancel: &CancellationToken,
    ) -> Result<Went, StoreError> {
        // The end first: what is written after this moment is news, whatever it belongs to.
        let end = store.last_row().await?;
        let current = store.current().await?.map(|i| i.id);
        let (mut row, mut passed) = (0, 0);
        loop {
            let rows = store.rows_after(row).await?;
            if rows.last == 0 {
                break;
            }
            self.place.unread += rows.unread;
            for (at, event) in rows.records {
                if at <= end && Some(event.incident()) != current {
                    continue;
                }
                if !pass(out, cancel, Event::Incident(event)).await {
                    return Ok(Went::Over);
                }
                passed += 1;
            }
            row = rows.last;
        }
        self.place.row = row;
        Ok(Went::On(passed))
    }
}

impl Source for IncidentLog {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move { self.watch(out, &cancel).await })
    }
}

async fn pass(out: &Out, cancel: &CancellationToken, event: Event) -> bool {
    tokio::select! {
        biased;
        () = cancel.cancelled() => false,
        went = out.must(event) => went,
    }
}

/// A watcher that hints when a file of the log changes; `None` while its folder does not exist or cannot be watched.
fn watch_folder(path: &Path, hint: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name()?.to_owned();
    let hint = hint.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Reading the log is an access too: it would wake itself for ever.
        let ours = |p: &PathBuf| {
            let prefix = name.as_encoded_bytes();
            let rest = p.file_name().and_then(|n| n.as_encoded_bytes().strip_prefix(prefix));
            rest.is_some_and(|rest| !rest.starts_with(b".draft-"))
        };
        if !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(ours) {
            hint.notify_one();
        }
    })
    .ok()?;
    watcher.watch(dir, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

#[cfg(test)]
mod tests;
