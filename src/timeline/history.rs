//! An append-only, bounded history that answers "as of the playhead".
//!
//! A fact is *visible* at `now` when it was observed by then, and is *placed* at its event time. What comes late or
//! twice is put where it belongs; what does not fit is evicted, oldest event first, and counted.

use std::collections::BTreeMap;

use super::{Seq, TimeRange, Ts};

/// One fact with its two times.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    /// Event time: where it is placed.
    pub at: Ts,
    /// Observed time: from when it is visible.
    pub observed: Ts,
    /// Its place in the stream.
    pub seq: Seq,
    /// The fact.
    pub value: T,
}

/// Facts ordered by event time, then by sequence.
#[derive(Clone, Debug)]
pub struct History<T> {
    entries: BTreeMap<(Ts, Seq), Entry<T>>,
    cap: usize,
    evicted: u64,
    /// Event time of the newest fact that was evicted.
    evicted_upto: Option<Ts>,
}

impl<T> History<T> {
    /// An empty history that holds at most `cap` facts.
    pub fn new(cap: usize) -> History<T> {
        History { entries: BTreeMap::new(), cap: cap.max(1), evicted: 0, evicted_upto: None }
    }

    /// Adds a fact. One that was there already (same time and sequence) replaces it.
    pub fn push(&mut self, at: Ts, observed: Ts, seq: Seq, value: T) {
        self.entries.insert((at, seq), Entry { at, observed, seq, value });
        while self.entries.len() > self.cap {
            if let Some(((at, _), _)) = self.entries.pop_first() {
                self.evicted_upto = self.evicted_upto.max(Some(at));
            }
            self.evicted += 1;
        }
    }

    /// The newest fact that is visible and placed at or before `now`.
    pub fn latest(&self, now: Ts) -> Option<&Entry<T>> {
        self.upto(now).next()
    }

    /// Visible facts placed at or before `now`, newest first.
    pub fn upto(&self, now: Ts) -> impl Iterator<Item = &Entry<T>> {
        self.entries.range(..=(now, Seq::MAX)).rev().map(|(_, e)| e).filter(move |e| e.observed <= now)
    }

    /// Facts placed inside `range` and visible at `now`, oldest first.
    pub fn within(&self, range: TimeRange, now: Ts) -> impl Iterator<Item = &Entry<T>> {
        let (start, end) = (range.start.min(range.end), range.end);
        self.entries.range((start, 0)..(end, 0)).map(|(_, e)| e).filter(move |e| e.observed <= now)
    }

    /// The first fact placed after `t`, visible at `now`.
    pub fn after(&self, t: Ts, now: Ts) -> Option<&Entry<T>> {
        self.entries.range((t, Seq::MAX)..).map(|(_, e)| e).find(|e| e.at > t && e.observed <= now)
    }

    /// All facts, oldest first, whether visible or not.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Entry<T>> {
        self.entries.values()
    }

    /// How many facts are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many facts have been evicted so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Event time of the newest fact that was evicted: from there on everything is here.
    pub fn evicted_upto(&self) -> Option<Ts> {
        self.evicted_upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_fact_is_placed_at_its_event_time_but_not_visible_before_it_was_observed() {
        let mut h = History::new(10);
        h.push(Ts(10), Ts(10), 1, "a");
        h.push(Ts(5), Ts(20), 2, "late");
        assert_eq!(h.upto(Ts(10)).map(|e| e.value).collect::<Vec<_>>(), ["a"]);
        assert_eq!(h.upto(Ts(20)).map(|e| e.value).collect::<Vec<_>>(), ["a", "late"]);
    }

    #[test]
    fn the_oldest_event_is_evicted_and_counted() {
        let mut h = History::new(2);
        for i in 0..5 {
            h.push(Ts(i), Ts(i), i as u64, i);
        }
        assert_eq!((h.len(), h.evicted()), (2, 3));
    }
}
