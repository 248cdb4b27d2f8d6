//! What events tell of logs as of any playhead: counts by second and severity, breaks, formats, sources.
//!
//! The lines themselves are not here: they are in the log store, and in `view` as far as they are on the screen.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use super::event::LogEvent;
use crate::timeline::counts::{CountSeries, Counts};
use crate::timeline::{History, Seq, Severity, SourceId, TimeRange, Ts};

/// Breaks kept.
const SEAMS: usize = 1_000;
/// How far back a change of the error rate is looked for, and in which steps.
const LOOK: Duration = Duration::from_secs(30 * 60);
const STEP: Duration = Duration::from_secs(5);
/// Errors per second below which nothing counts as trouble.
const LEAST: f64 = 0.4;

/// What is known of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFigures {
    /// Lines since the start, seeds left aside.
    pub lines: u64,
    /// Lines that no format knew.
    pub unknown: u64,
    /// The format its last batch was read with.
    pub format: CompactString,
    /// When its last batch was observed.
    pub last: Option<Ts>,
}

/// The history of all log sources.
#[derive(Clone, Debug)]
pub struct LogsHistory {
    counts: CountSeries,
    seams: History<(SourceId, String)>,
    sources: BTreeMap<SourceId, SourceFigures>,
    lines: u64,
    errors: u64,
}

impl Default for LogsHistory {
    fn default() -> LogsHistory {
        LogsHistory {
            counts: CountSeries::default(),
            seams: History::new(SEAMS),
            sources: BTreeMap::new(),
            lines: 0,
            errors: 0,
        }
    }
}

impl LogsHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &LogEvent) {
        let figures = self.sources.entry(source).or_default();
        match event {
            LogEvent::Opened(_) => {}
            LogEvent::Seam { why, .. } => self.seams.push(observed, observed, seq, (source, why.clone())),
            LogEvent::Appended(a) => {
                let mut all = Counts::default();
                for (second, counts) in &a.counts {
                    // A seed is visible from its own time on.
                    let seen = if a.seed { Ts::from_secs(*second) } else { observed };
                    self.counts.add(*second, seen, counts);
                    all.merge(counts);
                }
                if a.seed {
                    return;
                }
                figures.lines += u64::from(a.lines);
                figures.unknown += u64::from(a.unknown);
                figures.last = Some(observed);
                if figures.format != a.format {
                    figures.format = a.format.clone();
                }
                self.lines += u64::from(a.lines);
                self.errors += all.at_least(Severity::Error);
            }
        }
    }

    /// Lines and errors since the start, whatever the playhead.
    pub fn totals(&self) -> (u64, u64) {
        (self.lines, self.errors)
    }

    /// Figures by source, whatever the playhead.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &SourceFigures)> {
        self.sources.iter().map(|(id, f)| (*id, f))
    }

    /// Records by severity in equal pieces of `range`, as visible at `now`.
    pub fn columns(&self, range: TimeRange, parts: usize, now: Ts) -> Vec<Counts> {
        self.counts.columns(range, parts, now)
    }

    /// Records by severity in `range`, as visible at `now`.
    pub fn sum(&self, range: TimeRange, now: Ts) -> Counts {
        self.counts.sum(range, now)
    }

    /// Breaks placed in `range` and visible at `now`: when, which source, in words.
    pub fn seams(&self, range: TimeRange, now: Ts) -> impl Iterator<Item = (Ts, SourceId, &str)> {
        self.seams.within(range, now).map(|e| (e.at, e.value.0, e.value.1.as_str()))
    }

    /// Records a second over the last ten whole seconds.
    pub fn line_rate(&self, now: Ts) -> f64 {
        self.last_ten(now).total() as f64 / 10.0
    }

    /// Errors a second over the last ten whole seconds.
    pub fn error_rate(&self, now: Ts) -> f64 {
        self.last_ten(now).at_least(Severity::Error) as f64 / 10.0
    }

    fn last_ten(&self, now: Ts) -> Counts {
        let end = now.floor(Duration::from_secs(1));
        self.counts.sum(
            TimeRange::ending(end - Duration::from_nanos(1), Duration::from_secs(10) - Duration::from_nanos(1)),
            now,
        )
    }

    /// Errors a second in calm times: the lower quartile of five-second pieces of the last half hour that hold records.
    pub fn error_baseline(&self, now: Ts) -> f64 {
        quartile(&self.rates(now))
    }

    /// When the error rate left its baseline and did not come back for longer than fifteen seconds; `None` in calm times.
    pub fn errors_since(&self, now: Ts) -> Option<Ts> {
        let rates = self.rates(now);
        let high = (quartile(&rates) * 3.0).max(LEAST);
        let start = now.floor(STEP) - LOOK;
        let (mut first, mut calm) = (None, 0);
        for (i, rate) in rates.iter().enumerate().rev() {
            if rate.unwrap_or(0.0) >= high {
                (first, calm) = (Some(i), 0);
            } else {
                calm += 1;
                if calm > 3 {
                    break;
                }
            }
        }
        let piece = start + STEP * u32::try_from(first?).unwrap_or(0);
        // The first second of that piece with an error in it.
        (0..5u32).map(|s| piece + Duration::from_secs(u64::from(s))).find(|at| {
            let second = TimeRange::new(*at, *at + Duration::from_millis(999));
            self.counts.sum(second, now).at_least(Severity::Error) > 0
        })
    }

    /// Errors a second in pieces of [`STEP`]; `None` where nothing was logged at all.
    fn rates(&self, now: Ts) -> Vec<Option<f64>> {
        let end = now.floor(STEP);
        let parts = (LOOK.as_secs() / STEP.as_secs()) as usize;
        let columns = self.counts.columns(TimeRange::ending(end, LOOK), parts, now);
        let rate = |c: &Counts| c.at_least(Severity::Error) as f64 / STEP.as_secs_f64();
        columns.iter().map(|c| (c.total() > 0).then(|| rate(c))).collect()
    }
}

fn quartile(rates: &[Option<f64>]) -> f64 {
    let mut known: Vec<f64> = rates.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    known.get(known.len() / 4).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::event::LogAppended;

    fn batch(second: i64, severity: Severity, n: u32) -> LogEvent {
        let mut counts = Counts::default();
        counts.add(Some(severity), n);
        LogEvent::Appended(LogAppended {
            generation: 0,
            start: 0,
            end: 0,
            lines: n,
            unknown: 0,
            counts: vec![(second, counts)],
            span: None,
            format: "json".into(),
            seed: false,
            bytes: None,
        })
    }

    #[test]
    fn the_second_in_which_errors_began_is_found() {
        let mut h = LogsHistory::default();
        for s in 0..600 {
            h.apply(2 * s as u64, SourceId(1), Ts::from_secs(s), &batch(s, Severity::Info, 20));
            if s >= 543 {
                h.apply(2 * s as u64 + 1, SourceId(1), Ts::from_secs(s), &batch(s, Severity::Error, 5));
            }
        }
        let now = Ts::from_secs(600);
        assert_eq!(h.errors_since(now), Some(Ts::from_secs(543)));
        assert_eq!(h.error_rate(now), 5.0);
        assert_eq!(h.error_baseline(now), 0.0);
        assert_eq!(h.errors_since(Ts::from_secs(500)), None, "as of before, all was calm");
    }
}
