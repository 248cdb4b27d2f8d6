//! Who waits for whom as a server's log tells it: `still waiting for …` without an end so far.
//!
//! For the time when nobody is connected. A server writes the line once for each wait, and another when the wait is
//! over; what the session does afterwards ends it as well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{Told, What};
use super::history::DatabaseHistory;
use crate::timeline::{SourceId, TimeRange, Ts};

/// A wait of which nothing was heard for so long is no longer believed.
const BELIEVED: Duration = Duration::from_secs(300);

/// One that waits.
#[derive(Clone, Debug)]
pub struct Waiting<'a> {
    /// The line.
    pub told: &'a Told,
    /// When it was written.
    pub at: Ts,
    /// What it waits for.
    pub on: &'a str,
    /// Milliseconds it has waited, if it still does.
    pub ms: f64,
}

/// One that others wait for and that, as far as the log tells, does not wait itself.
#[derive(Clone, Debug)]
pub struct Holder<'a> {
    /// Which log tells it.
    pub source: SourceId,
    /// Its process number.
    pub pid: i32,
    /// The last the log has of it.
    pub last: Option<&'a Told>,
    /// Those who wait for it, directly or through others, longest first.
    pub waiting: Vec<Waiting<'a>>,
}

impl Holder<'_> {
    /// The longest wait in milliseconds.
    pub fn longest_ms(&self) -> f64 {
        self.waiting.first().map_or(0.0, |w| w.ms)
    }
}

/// Those others wait for at `now`, the one with most behind it first.
pub fn holders(history: &DatabaseHistory, now: Ts) -> Vec<Holder<'_>> {
    let range = TimeRange::ending(now + Duration::from_nanos(1), BELIEVED);
    let mut open: BTreeMap<(SourceId, i32), Waiting> = BTreeMap::new();
    for e in history.told.within(range, now) {
        let t = &e.value;
        let key = (t.from.source, t.pid);
        match &t.what {
            What::LockWait { on, ms, .. } => {
                let ms = ms + now.since(e.at).as_secs_f64() * 1e3;
                open.insert(key, Waiting { told: t, at: e.at, on, ms });
            }
            // A server that comes up has nobody waiting.
            What::Ready | What::Recovering { .. } | What::Stopping { .. } | What::Crashed { .. } => {
                open.retain(|(source, _), _| *source != key.0)
            }
            What::TempFile { .. } => {}
            _ => {
                open.remove(&key);
            }
        }
    }
    if open.is_empty() {
        return Vec::new();
    }
    for e in history.slow.within(range, now) {
        let key = (e.value.from.source, e.value.pid);
        if open.get(&key).is_some_and(|w| e.at > w.at) {
            open.remove(&key);
        }
    }
    let direct = |key: &(SourceId, i32)| match open.get(key).map(|w| &w.told.what) {
        Some(What::LockWait { holders, .. }) => holders.clone(),
        _ => Vec::new(),
    };
    let mut out: BTreeMap<(SourceId, i32), Holder> = BTreeMap::new();
    for (key, w) in &open {
        // Up the queue to those who do not wait.
        let mut seen = BTreeSet::from([key.1]);
        let mut next = direct(key);
        while let Some(pid) = next.pop() {
            if !seen.insert(pid) {
                continue;
            }
            let above = (key.0, pid);
            if open.contains_key(&above) {
                next.extend(direct(&above));
                continue;
            }
            let holder = Holder { source: key.0, pid, last: None, waiting: Vec::new() };
            out.entry(above).or_insert(holder).waiting.push(w.clone());
        }
    }
    let mut out: Vec<Holder> = out.into_values().collect();
    for h in &mut out {
        h.waiting.sort_by(|a, b| b.ms.total_cmp(&a.ms).then(a.told.pid.cmp(&b.told.pid)));
        let of = |t: &&Told| (t.from.source, t.pid) == (h.source, h.pid) && !t.statement.is_empty();
        h.last = history.told.upto(now).take(500).map(|e| &e.value).find(of);
    }
    out.sort_by(|a, b| {
        b.waiting.len().cmp(&a.waiting.len()).then(b.longest_ms().total_cmp(&a.longest_ms())).then(a.pid.cmp(&b.pid))
    });
    out
}
