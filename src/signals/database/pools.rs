//! Pools as of a playhead: figures that are fresh, time-outs of the last minute.

use std::time::Duration;

use compact_str::CompactString;

use super::event::{LineRef, PoolFrom};
use super::history::{DatabaseHistory, minute};
use crate::timeline::{SourceId, Ts};

/// Figures from a page are fresh for so long.
const FRESH: Duration = Duration::from_secs(15);
/// Figures from a log line, which come when something is wrong, are worth showing for so long.
const FRESH_LINE: Duration = Duration::from_secs(60);
/// A pool that was silent for so long is not shown at all.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A pool at a playhead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolNow {
    /// Its source.
    pub source: SourceId,
    /// Its name.
    pub name: CompactString,
    /// Where the figures come from.
    pub from: PoolFrom,
    /// Connections handed out.
    pub used: Option<u32>,
    /// Connections open and free.
    pub idle: Option<u32>,
    /// Connections at most.
    pub max: Option<u32>,
    /// Callers that wait.
    pub waiting: Option<u32>,
    /// Longest wait in milliseconds.
    pub oldest_wait_ms: Option<f64>,
    /// Mean wait for a connection of late, in milliseconds.
    pub acquire_ms: Option<f64>,
    /// Callers that gave up in the last minute.
    pub timeouts: u64,
    /// When the figures were taken.
    pub at: Ts,
    /// Whether they are too old to say how things are.
    pub stale: bool,
    /// The line they were read from.
    pub line: Option<LineRef>,
}

impl PoolNow {
    /// All connections are handed out and somebody waits or gave up.
    pub fn exhausted(&self) -> bool {
        let full = matches!((self.used, self.max), (Some(u), Some(m)) if m > 0 && u >= m);
        !self.stale && full && (self.waiting.unwrap_or(0) > 0 || self.timeouts > 0)
    }

    /// `20/20`, `20`, or `-`.
    pub fn usage(&self) -> String {
        match (self.used, self.max) {
            (Some(u), Some(m)) => format!("{u}/{m}"),
            (Some(u), None) => u.to_string(),
            (None, Some(m)) => format!("?/{m}"),
            (None, None) => "-".into(),
        }
    }
}

/// The pools at `now`, those in trouble first, then by source and name.
pub fn pools(history: &DatabaseHistory, now: Ts) -> Vec<PoolNow> {
    let mut out: Vec<PoolNow> = history
        .pools
        .iter()
        .filter_map(|((source, name), pool)| {
            let newest = pool.figures.latest(now)?;
            if now.since(newest.at) > FORGOTTEN {
                return None;
            }
            let timeouts = pool.figures.within(minute(now), now).filter_map(|e| e.value.timeouts).sum();
            // A line that only says "timed out" must not hide the figures of the line before it.
            let with_figures =
                pool.figures.upto(now).take(50).find(|e| e.value.used.is_some() || e.value.max.is_some());
            let entry = with_figures.filter(|e| now.since(e.at) <= FORGOTTEN).unwrap_or(newest);
            let f = &entry.value;
            let fresh = if f.from == PoolFrom::Log { FRESH_LINE } else { FRESH };
            Some(PoolNow {
                source: *source,
                name: name.clone(),
                from: f.from,
                used: f.used,
                idle: f.idle,
                max: f.max,
                waiting: f.waiting,
                oldest_wait_ms: f.oldest_wait_ms,
                acquire_ms: f.acquire_ms,
                timeouts,
                at: entry.at,
                stale: now.since(entry.at) > fresh,
                line: f.line.clone(),
            })
        })
        .collect();
    out.sort_by(|a, b| {
        let key = |p: &PoolNow| (!p.exhausted(), p.timeouts == 0, p.stale, p.source, p.name.clone());
        key(a).cmp(&key(b))
    });
    out
}
