//! Pools as of a playhead: figures that are fresh, time-outs of the last minute.

use std::time::Duration;

use compact_str::CompactString;

use super::event::{LineRef, PoolFrom, PoolLayer};
use super::history::{DatabaseHistory, minute};
use crate::timeline::{SourceId, Ts};

/// Figures from a page are fresh for so long.
const FRESH: Duration = Duration::from_secs(15);
/// Figures from a log line, which come when something is wrong, are worth showing for so long.
const FRESH_LINE: Duration = Duration::from_secs(60);
/// Callers that gave up within so long say that there is trouble now.
const LATELY: Duration = Duration::from_secs(10);
/// While the figures say that the pool is free, only within so long: both cannot be true at once for longer.
const JUST_NOW: Duration = Duration::from_secs(2);
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
    /// Where it stands.
    pub layer: PoolLayer,
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
    /// When the last of them gave up.
    pub last_timeout: Option<Ts>,
    /// Whether callers give up now, as far as is known.
    pub losing: bool,
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
        let waits = self.waiting.unwrap_or(0) > 0;
        let full = match (self.used, self.max) {
            (Some(u), Some(m)) if m > 0 && u >= m => true,
            // Without a limit, or with one that another limit cuts short.
            (Some(_), max) if max.is_none() || self.layer == PoolLayer::Pooler => waits && self.idle == Some(0),
            _ => false,
        };
        self.layer != PoolLayer::Server && !self.stale && full && (self.waiting.unwrap_or(0) > 0 || self.losing)
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
            let gave_up = || pool.figures.within(minute(now), now).filter(|e| e.value.timeouts.is_some_and(|n| n > 0));
            let timeouts = gave_up().filter_map(|e| e.value.timeouts).sum();
            let last_timeout = gave_up().last().map(|e| e.at);
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
                layer: f.layer,
                used: f.used,
                idle: f.idle,
                max: f.max,
                waiting: f.waiting,
                oldest_wait_ms: f.oldest_wait_ms,
                acquire_ms: f.acquire_ms,
                timeouts,
                last_timeout,
                losing: false,
                at: entry.at,
                stale: now.since(entry.at) > fresh,
                line: f.line.clone(),
            })
        })
        .collect();
    join(&mut out);
    for p in &mut out {
        let free = !p.stale && p.waiting.unwrap_or(0) == 0 && matches!((p.used, p.max), (Some(u), Some(m)) if u < m);
        let within = if free { JUST_NOW } else { LATELY };
        p.losing = p.last_timeout.is_some_and(|t| now.since(t) < within);
    }
    out.sort_by(|a, b| {
        let key = |p: &PoolNow| (!p.exhausted(), !p.losing, p.timeouts == 0, p.stale, p.source, p.name.clone());
        key(a).cmp(&key(b))
    });
    out
}

/// Lines that only say that somebody gave up name no pool: where one pool reports figures, it is that one they mean.
fn join(pools: &mut Vec<PoolNow>) {
    let bare = |p: &PoolNow| p.from == PoolFrom::Log && p.used.is_none() && p.max.is_none();
    let mut real = (0..pools.len()).filter(|i| !bare(&pools[*i]) && pools[*i].layer == PoolLayer::Application);
    let (Some(of), None) = (real.next(), real.next()) else { return };
    let told: Vec<(u64, Option<Ts>)> = pools.iter().filter(|p| bare(p)).map(|p| (p.timeouts, p.last_timeout)).collect();
    let pool = &mut pools[of];
    // Its own count is of the same callers.
    pool.timeouts = pool.timeouts.max(told.iter().map(|t| t.0).sum());
    pool.last_timeout = told.iter().filter_map(|t| t.1).chain(pool.last_timeout).max();
    pools.retain(|p| !bare(p));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::{DatabaseEvent, PoolFigures};

    fn figures(used: u32, waiting: u32) -> DatabaseEvent {
        let (used, max, waiting) = (Some(used), Some(10), Some(waiting));
        DatabaseEvent::PoolFigures(PoolFigures { pool: "api".into(), used, max, waiting, ..PoolFigures::default() })
    }

    fn gave_up() -> DatabaseEvent {
        let (from, timeouts) = (PoolFrom::Log, Some(1));
        DatabaseEvent::PoolFigures(PoolFigures { pool: "app".into(), from, timeouts, ..PoolFigures::default() })
    }

    #[test]
    fn lines_of_callers_that_gave_up_join_the_one_pool_with_figures_and_the_alarm_ends_when_it_is_free() {
        let mut h = DatabaseHistory::default();
        for i in 0..40 {
            let full = i < 30;
            h.apply(2 * i + 1, SourceId(1), Ts::from_secs(i as i64), &figures(if full { 10 } else { 0 }, 0));
            if full {
                h.apply(2 * i + 2, SourceId(2), Ts::from_secs(i as i64), &gave_up());
            }
        }
        let at = |s| pools(&h, Ts::from_secs(s));
        assert_eq!(at(25).iter().map(|p| (p.name.as_str(), p.timeouts)).collect::<Vec<_>>(), [("api", 26)]);
        assert!(at(25)[0].exhausted());
        let free = &at(38)[0];
        assert_eq!((free.timeouts, free.losing, free.exhausted()), (30, false, false));
        assert_eq!(free.last_timeout, Some(Ts::from_secs(29)));
    }

    #[test]
    fn lines_of_callers_that_gave_up_are_a_pool_of_their_own_where_no_other_is_known() {
        let mut h = DatabaseHistory::default();
        h.apply(1, SourceId(2), Ts::from_secs(1), &gave_up());
        assert!(pools(&h, Ts::from_secs(9))[0].losing);
        assert!(!pools(&h, Ts::from_secs(20))[0].losing);
    }
}
