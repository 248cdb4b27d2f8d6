//! Sources that went quiet: one that stopped logging is as telling as one that errs.
//!
//! Quiet is who had a steady stream of lines for two minutes and then said nothing for longer than twenty of its lines
//! would have taken, at least half a minute. Asked in every frame, so it costs next to nothing: a source that speaks is
//! known by its last second alone; how fast a silent one was is worked out once.

use std::cell::Cell;
use std::time::Duration;

use compact_str::CompactString;

use crate::timeline::counts::CountSeries;
use crate::timeline::{SourceId, TimeRange, Ts};

/// Span before the last line that the rate is taken over.
const BEFORE: i64 = 600;
/// The shortest stream that can be called steady, in seconds.
const STEADY: i64 = 120;
/// Nobody is called quiet earlier, in seconds.
const SILENT: i64 = 30;
/// The slowest stream that can be called steady, in lines per second.
const SLOWEST: f64 = 0.2;
/// The silence that is told, in lines that should have come.
const LINES: f64 = 20.0;

/// A source that says nothing any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// Which.
    pub source: SourceId,
    /// What it is called; its number where it has no name.
    pub name: CompactString,
    /// Since when: the end of the last second it said something in.
    pub since: Ts,
    /// Lines per second that it had before.
    pub rate: f64,
}

/// How fast a source was before it fell silent, worked out once per silence.
#[derive(Clone, Debug, Default)]
pub struct LastWords(Cell<Option<(i64, f64)>>);

impl LastWords {
    /// Something was counted in this second: what was worked out for it or for later ones is no longer true.
    pub fn changed(&self, second: i64) {
        if self.0.get().is_some_and(|(last, _)| second <= last) {
            self.0.set(None);
        }
    }

    /// Since when the source is quiet at `now`, and its lines per second before.
    pub fn quiet(&self, counts: &CountSeries, now: Ts) -> Option<(Ts, f64)> {
        let last = counts.last(now)?;
        let silent = now.secs() - last - 1;
        if silent < SILENT {
            return None;
        }
        let rate = match self.0.get() {
            Some((at, rate)) if at == last => rate,
            _ => {
                let rate = before(counts, last, now);
                self.0.set(Some((last, rate)));
                rate
            }
        };
        (rate >= SLOWEST && silent as f64 > LINES / rate).then(|| (Ts::from_secs(last + 1), rate))
    }
}

/// Lines per second up to `last`; 0 where that was no steady stream.
fn before(counts: &CountSeries, last: i64, now: Ts) -> f64 {
    let first = counts.span().map_or(last, |s| s.start.secs());
    let from = first.max(last + 1 - BEFORE);
    if last + 1 - from < STEADY {
        return 0.0;
    }
    let window = TimeRange::new(Ts::from_secs(from), Ts::from_secs(last + 1) - Duration::from_nanos(1));
    counts.sum(window, now).total() as f64 / (last + 1 - from) as f64
}

/// `app.log.1`, `app.log-20260101`, `app.log.2.gz`: nobody writes there any more.
pub fn is_rotated(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let digits = |s: &str, least: usize| s.len() >= least && s.bytes().all(|b| b.is_ascii_digit());
    [".gz", ".zst", ".xz", ".bz2"].iter().any(|e| name.ends_with(e))
        || name.rsplit_once('.').is_some_and(|(_, tail)| digits(tail, 1))
        || name.rsplit_once('-').is_some_and(|(_, tail)| digits(tail, 8))
}
