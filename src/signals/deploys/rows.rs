//! Facts become rows: a start joined with its end, restarts and packages in a row as one.
//!
//! Made anew for each playhead, since an end that is not yet visible leaves its start running.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Change, ChangeKind, ChangeStatus};
use crate::timeline::{Entry, Seq, Ts};

/// Restarts of one unit this close together are one row.
const RESTARTS: Duration = Duration::from_secs(600);
/// Packages this close together are one row.
const PACKAGES: Duration = Duration::from_secs(60);

/// How far a change has got.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RowState {
    /// Begun, no end seen.
    Running,
    /// In place.
    Done,
    /// Not in place.
    Failed,
    /// Begun, and another of the same service begun since.
    Unfinished,
}

/// One change as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// The newest fact of it: the end where there is one. Of grouped packages the first.
    pub change: &'a Change,
    /// When it began; of grouped restarts the last.
    pub at: Ts,
    /// When the first of a group began; otherwise as `at`.
    pub first: Ts,
    /// When its newest fact was.
    pub ended: Ts,
    /// How far it has got.
    pub state: RowState,
    /// How many it stands for.
    pub count: u32,
    /// Whether a stop is among grouped restarts.
    pub stopped: bool,
    /// Place of its first fact in the stream.
    pub seq: Seq,
}

impl<'a> Row<'a> {
    fn new(e: &'a Entry<Change>) -> Row<'a> {
        let stopped = is_stop(&e.value);
        let state = match e.value.status {
            ChangeStatus::Start => RowState::Running,
            ChangeStatus::Ok => RowState::Done,
            ChangeStatus::Fail => RowState::Failed,
        };
        let count = if stopped { 0 } else { e.value.count.max(1) };
        Row { change: &e.value, at: e.at, first: e.at, ended: e.at, state, count, stopped, seq: e.seq }
    }
}

fn is_stop(change: &Change) -> bool {
    change.kind == ChangeKind::Restart && change.detail.as_deref() == Some("stopped")
}

/// Joins starts with their ends. Takes facts oldest first and keeps that order.
pub fn paired<'a>(entries: &[&'a Entry<Change>]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::with_capacity(entries.len());
    let mut open: BTreeMap<(&str, ChangeKind), usize> = BTreeMap::new();
    for e in entries {
        let change = &e.value;
        let key = (change.service.as_str(), change.kind);
        if change.status == ChangeStatus::Start {
            if let Some(before) = open.insert(key, rows.len()) {
                rows[before].state = RowState::Unfinished;
            }
            rows.push(Row::new(e));
            continue;
        }
        let same = |i: &usize| {
            let begun = &rows[*i].change.version;
            begun.is_empty() || change.version.is_empty() || *begun == change.version
        };
        match open.get(&key).copied().filter(same) {
            Some(i) => {
                open.remove(&key);
                let end = Row::new(e);
                rows[i] = Row { at: rows[i].at, first: rows[i].first, seq: rows[i].seq, ..end };
            }
            None => rows.push(Row::new(e)),
        }
    }
    rows
}

/// Restarts and packages in a row become one. Takes rows oldest first, gives them newest first.
pub fn grouped(rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    let mut out: Vec<Row<'_>> = Vec::with_capacity(rows.len());
    let mut restarts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut packages: Option<usize> = None;
    for row in rows {
        match row.change.kind {
            ChangeKind::Restart => {
                let near = restarts.get(row.change.service.as_str()).copied();
                if let Some(i) = near.filter(|&i| row.at.since(out[i].at) <= RESTARTS) {
                    let group = &out[i];
                    out[i] = Row {
                        first: group.first,
                        count: group.count.saturating_add(row.count),
                        stopped: group.stopped || row.stopped,
                        seq: group.seq,
                        ..row
                    };
                } else {
                    restarts.insert(&row.change.service, out.len());
                    out.push(row);
                }
            }
            ChangeKind::Package => {
                if let Some(i) = packages.filter(|&i| row.at.since(out[i].ended) <= PACKAGES) {
                    out[i].count = out[i].count.saturating_add(row.count);
                    out[i].ended = row.at;
                } else {
                    packages = Some(out.len());
                    out.push(row);
                }
            }
            _ => out.push(row),
        }
    }
    out.sort_by_key(|r| std::cmp::Reverse((r.at, r.seq)));
    out
}

/// How long a version ran, and what ended it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// From the end of its deploy to the begin of the next.
    pub time: Duration,
    /// Whether the next was a rollback.
    pub rolled_back: bool,
}

/// How long the version of row `i` ran; `None` while it runs, and for what sets no version. Rows newest first.
pub fn ran(rows: &[Row<'_>], i: usize) -> Option<Ran> {
    let row = rows.get(i).filter(|r| r.change.kind.sets_version() && r.state == RowState::Done)?;
    let next = rows[..i].iter().rev().find(|r| {
        r.change.service == row.change.service && r.change.kind.sets_version() && r.state != RowState::Failed
    })?;
    Some(Ran { time: next.at.since(row.ended), rolled_back: next.change.kind == ChangeKind::Rollback })
}
