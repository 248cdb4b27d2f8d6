//! Log lines per second and severity: what the timeline strip and the log histogram draw.
//!
//! A count is placed in the second of its event time and becomes visible when the second it was observed in is over, so
//! that a half-filled second is never shown as a drop and live and replay agree to the line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Severity, TimeRange, Ts};

/// Lines by severity; index 0 is "no severity", then TRACE to FATAL.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub [u32; 7]);

impl Counts {
    /// Adds `n` lines.
    pub fn add(&mut self, severity: Option<Severity>, n: u32) {
        let i = severity.map_or(0, |s| s as usize + 1);
        self.0[i] = self.0[i].saturating_add(n);
    }

    /// Adds another set.
    pub fn merge(&mut self, other: &Counts) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = a.saturating_add(b);
        }
    }

    /// All lines.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&n| u64::from(n)).sum()
    }

    /// Lines at `severity` or above.
    pub fn at_least(&self, severity: Severity) -> u64 {
        self.0[severity as usize + 1..].iter().map(|&n| u64::from(n)).sum()
    }
}

/// Seconds kept: two hours in full, the rest by the minute.
const SECONDS: usize = 7_200;
const MINUTES: usize = 1_440;

/// Counts by second of event time, bounded.
#[derive(Clone, Debug, Default)]
pub struct CountSeries {
    /// second of event time → (second of observation, counts); nearly always one pair.
    seconds: BTreeMap<i64, Vec<(i64, Counts)>>,
    minutes: BTreeMap<i64, Counts>,
    evicted: u64,
}

impl CountSeries {
    /// Adds counts placed in second `second`, observed at `observed`.
    pub fn add(&mut self, second: i64, observed: Ts, counts: &Counts) {
        let seen = observed.secs().max(second);
        let cell = self.seconds.entry(second).or_default();
        match cell.iter_mut().find(|(o, _)| *o == seen) {
            Some((_, c)) => c.merge(counts),
            None => cell.push((seen, *counts)),
        }
        while self.seconds.len() > SECONDS {
            if let Some((s, cell)) = self.seconds.pop_first() {
                let minute = self.minutes.entry(s.div_euclid(60)).or_default();
                cell.iter().for_each(|(_, c)| minute.merge(c));
            }
        }
        while self.minutes.len() > MINUTES {
            self.minutes.pop_first();
            self.evicted += 1;
        }
    }

    /// Sum over `range`, as visible at `now`.
    pub fn sum(&self, range: TimeRange, now: Ts) -> Counts {
        let mut out = Counts::default();
        self.each(range, now, |_, c| out.merge(c));
        out
    }

    /// Counts in each of `parts` equal pieces of `range`, as visible at `now`.
    pub fn columns(&self, range: TimeRange, parts: usize, now: Ts) -> Vec<Counts> {
        let mut out = vec![Counts::default(); parts];
        self.each(range, now, |at, c| {
            if let Some(i) = range.column(at.max(range.start), parts) {
                out[i].merge(c);
            }
        });
        out
    }

    fn each(&self, range: TimeRange, now: Ts, mut f: impl FnMut(Ts, &Counts)) {
        let (from, to) = (range.start.secs(), range.end.secs());
        if from > to {
            return;
        }
        for (&m, c) in self.minutes.range(from.div_euclid(60)..=to.div_euclid(60)) {
            if m * 60 + 60 <= now.secs() {
                f(Ts::from_secs(m * 60), c);
            }
        }
        for (&s, cell) in self.seconds.range(from..=to) {
            for (seen, c) in cell {
                if *seen < now.secs() {
                    f(Ts::from_secs(s), c);
                }
            }
        }
    }

    /// The last second that something visible at `now` was counted in; minutes of the far past are not looked at.
    pub fn last(&self, now: Ts) -> Option<i64> {
        let visible = |cell: &[(i64, Counts)]| cell.iter().any(|(seen, c)| *seen < now.secs() && c.total() > 0);
        self.seconds.range(..now.secs()).rev().find(|(_, cell)| visible(cell)).map(|(s, _)| *s)
    }

    /// First and last second that hold anything.
    pub fn span(&self) -> Option<TimeRange> {
        let first = self.minutes.keys().next().map(|m| m * 60).or_else(|| self.seconds.keys().next().copied())?;
        let last = self.seconds.keys().next_back().copied()?;
        Some(TimeRange::new(Ts::from_secs(first), Ts::from_secs(last + 1)))
    }

    /// Minutes that fell off the far end.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_shown_when_it_is_over_and_late_lines_when_they_were_seen() {
        let mut s = CountSeries::default();
        let mut one = Counts::default();
        one.add(Some(Severity::Error), 1);
        s.add(10, Ts::from_secs(10), &one);
        s.add(10, Ts::from_secs(15), &one);
        let r = TimeRange::new(Ts::from_secs(10), Ts::from_secs(11));
        assert_eq!(s.sum(r, Ts::from_secs(10)).total(), 0);
        assert_eq!(s.sum(r, Ts::from_secs(11)).total(), 1);
        assert_eq!(s.sum(r, Ts::from_secs(16)).total(), 2);
    }
}
