//! What the telemetry of the incident's window says: gathered by whoever has recording, log files or a running session,
//! written down here so that the report needs nothing of them. What is not known is absent, never zero.

use std::time::Duration;

use serde::Serialize;

use super::chart::Chart;
use crate::signals::incident::event::{Incident, MilestoneKind, NoteNow};
use crate::signals::incident::metrics::Clues;
use crate::timeline::{TimeRange, Ts};

/// How much before the first known time the timeline begins: what led to it.
pub const LEAD: Duration = Duration::from_secs(10 * 60);
/// How much after the last known time it ends.
pub const TAIL: Duration = Duration::from_secs(5 * 60);
/// Parts that a window is divided into for charts.
pub const PARTS: usize = 120;

/// Everything that was gathered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The window that was looked at; `None` when there was nothing to look at.
    pub range: Option<TimeRange>,
    /// From when to when there is anything to look at again: what the recording, the session or the log files hold.
    pub held: Option<TimeRange>,
    /// Times that nobody set.
    pub clues: Clues,
    /// When errors were back to what is usual, where that was seen.
    pub over: Option<Ts>,
    /// Requests, where logs tell of them.
    pub impact: Option<Impact>,
    /// What happened, by the machines' own account, in order of time.
    pub rows: Vec<SeenRow>,
    /// Series over the window.
    pub charts: Vec<Chart>,
    /// What there was to look at: sources by name.
    pub sources: Vec<String>,
    /// Whether there was anything that tells of changes.
    pub changes_read: bool,
    /// What could not be looked at, and why.
    pub missing: Vec<String>,
    /// From when to when the logs tell of requests, where they tell of none in the window.
    pub elsewhere: Option<TimeRange>,
}

/// What a row of the machines' account is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeenKind {
    /// Something was changed: a deploy, a migration, a package.
    Change,
    /// The way back was taken.
    Rollback,
    /// A health check failed, or passed again.
    Health,
    /// Errors in the logs rose, or fell back.
    Errors,
    /// The kernel killed something for want of memory.
    Memory,
    /// The recording itself: a gap, a source in trouble.
    Recording,
}

/// A row of the machines' account.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeenRow {
    /// When.
    pub at: Ts,
    /// What it is about.
    pub kind: SeenKind,
    /// In words.
    pub what: String,
    /// Which source says so.
    pub source: String,
    /// Who did it, where the source says so.
    pub by: Option<String>,
    /// Whether the curated timeline shows it.
    pub curated: bool,
    /// It may have brought the service back: a deploy, a rollback, a restart that did not fail.
    #[serde(skip)]
    pub mends: bool,
    /// It was some time in the second that begins then: what is known better to be of that second stands before it.
    #[serde(skip)]
    pub whole_second: bool,
}

/// Requests of the impact: counted from one group of logs, so that none counts twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impact {
    /// From when to when they were counted: what the logs hold of the impact.
    pub range: TimeRange,
    /// From when to when the impact was, as far as that is known.
    pub of: TimeRange,
    /// Requests, without those for a health check.
    pub requests: u64,
    /// Requests for a health check (`/healthz`), which are left out.
    pub health_checks: u64,
    /// Of the requests, answered with a status from 500 on.
    pub failed: u64,
    /// Of those, answered with a status from 400 to 499.
    pub refused: u64,
    /// Requests and failed ones of as long a time before, where the logs reach back.
    pub before: Option<(u64, u64)>,
    /// Routes with failed requests, the most failed first.
    pub routes: Vec<RouteImpact>,
    /// Routes with failed requests that are not in the list.
    pub more_routes: u64,
    /// 95th percentile of the durations in milliseconds: before and during, where the logs tell durations.
    pub p95_ms: (Option<f64>, Option<f64>),
    /// Which sources were counted.
    pub counted: Vec<String>,
    /// Whether there was more than could be looked at.
    pub cut: bool,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteImpact {
    /// Its path, numbers as `:id`.
    pub route: String,
    /// Requests.
    pub requests: u64,
    /// Of those, failed.
    pub failed: u64,
}

impl Impact {
    /// Failed requests in per cent, of those counted; `None` without requests.
    pub fn per_cent(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 * 100.0 / self.requests as f64)
    }

    /// Whether only a part of the impact was counted: then no figure is that of the whole. The first and the last line of a
    /// log do not fall on its very ends.
    pub fn is_part(&self) -> bool {
        let tells_nothing = (self.of.len() / 50).max(Duration::from_secs(1));
        self.of.len().saturating_sub(self.range.len()) > tells_nothing
    }
}

/// The window to look at: from [`LEAD`] before the first time that the log tells of to [`TAIL`] after the last one.
pub fn window(i: &Incident, notes: &[NoteNow]) -> TimeRange {
    let notes = notes.iter().map(|n| n.note.event_at);
    let known = || i.milestones.values().map(|m| m.at).chain(notes.clone());
    let last = known().max().unwrap_or(i.opened_at).max(i.opened_at);
    let ended = i.reached(MilestoneKind::Resolved).or(i.reached(MilestoneKind::Mitigated));
    // Notes of days later, written over a replay or by whoever tidies up, do not make the outage longer.
    let last = ended.map_or(last, |e| last.min(e + Duration::from_secs(3_600)).max(e));
    let opened = if i.recording.is_some() { last } else { i.opened_at };
    let first = known().min().unwrap_or(opened).min(opened);
    TimeRange::new(first - LEAD, (last + TAIL).max(first - LEAD))
}
