//! What statements cost between two readings of a server's cumulative counters, whatever the engine.

use std::collections::HashMap;

use crate::signals::database::event::{STATEMENTS, StatementDelta, Statements};

/// Which statement of whom: user, database, number, top level.
pub type Key = (u32, u32, i64, bool);

/// Counters of one statement since the server's counters began.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Calls completed.
    pub calls: u64,
    /// Milliseconds together.
    pub total: f64,
    /// Milliseconds on average.
    pub mean: f64,
    /// Population standard deviation in milliseconds.
    pub stddev: f64,
    /// Longest call in milliseconds.
    pub max: f64,
    /// Rows.
    pub rows: u64,
}

/// What happened between two readings. `complete` says that no entry was thrown out or reset in between, so that one
/// that was not there before has all its calls in the interval.
pub fn difference(before: &HashMap<Key, Counters>, now: &HashMap<Key, Counters>, complete: bool) -> Statements {
    let mut by_id: HashMap<i64, (StatementDelta, f64)> = HashMap::new();
    let (mut backwards, mut known) = (0, 0);
    for (key, n) in now {
        known += usize::from(before.contains_key(key));
        let (b, new) = match before.get(key) {
            Some(b) if n.calls < b.calls || n.total + 1e-6 < b.total => {
                backwards += 1;
                continue;
            }
            Some(b) => (*b, false),
            None => (Counters::default(), !complete),
        };
        let calls = n.calls - b.calls;
        if calls == 0 {
            continue;
        }
        let total = n.total - b.total;
        let mean = total / calls as f64;
        // Sum of squares out of count, mean and population deviation, before and after.
        let squares = |c: &Counters| c.calls as f64 * (c.stddev * c.stddev + c.mean * c.mean);
        let sum = (squares(n) - squares(&b)).max(calls as f64 * mean * mean);
        let (d, squared) = by_id.entry(key.2).or_default();
        d.queryid = key.2;
        d.calls += calls;
        d.total_ms += total;
        d.max_ms = d.max_ms.max(n.max);
        d.rows += n.rows.saturating_sub(b.rows);
        d.new |= new;
        *squared += sum;
    }
    let mut s = Statements { entries: now.len() as u32, ..Statements::default() };
    s.reset = backwards * 2 > known;
    let mut deltas: Vec<StatementDelta> = by_id
        .into_values()
        .map(|(mut d, squares)| {
            d.mean_ms = d.total_ms / d.calls as f64;
            d.stddev_ms = (squares / d.calls as f64 - d.mean_ms * d.mean_ms).max(0.0).sqrt();
            d.p95_ms = if d.new { None } else { p95(d.calls, d.mean_ms, d.stddev_ms) };
            d
        })
        .collect();
    for d in deltas.iter().filter(|d| !d.new) {
        s.calls += d.calls;
        s.total_ms += d.total_ms;
    }
    for d in &mut deltas {
        d.share = if d.new || s.total_ms <= 0.0 { 0.0 } else { d.total_ms / s.total_ms };
        for value in [&mut d.total_ms, &mut d.mean_ms, &mut d.stddev_ms, &mut d.max_ms, &mut d.share] {
            *value = rounded(*value);
        }
        d.p95_ms = d.p95_ms.map(rounded);
    }
    s.total_ms = rounded(s.total_ms);
    deltas.sort_by(|a, b| {
        (a.new, b.total_ms, a.queryid).partial_cmp(&(b.new, a.total_ms, b.queryid)).unwrap_or(std::cmp::Ordering::Equal)
    });
    deltas.truncate(STATEMENTS);
    s.deltas = deltas;
    s
}

/// To a tenth of a microsecond, and shares to a hundredth of a percent. The digits behind that are those of subtracting large
/// counters; they would take half of a recording.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The 95th percentile of a log-normal with this mean and deviation. Only for 20 calls or more and a deviation of at
/// most twice the mean: on ragged or two-humped times it would be a lie.
pub fn p95(calls: u64, mean: f64, stddev: f64) -> Option<f64> {
    if calls < 20 || mean <= 0.0 || stddev > 2.0 * mean {
        return None;
    }
    let variance = (1.0 + (stddev / mean).powi(2)).ln();
    Some((mean.ln() - variance / 2.0 + 1.6449 * variance.sqrt()).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: &[f64]) -> Counters {
        let n = durations.len() as f64;
        let total: f64 = durations.iter().sum();
        let mean = total / n;
        let stddev = (durations.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        let max = durations.iter().copied().fold(0.0, f64::max);
        Counters { calls: durations.len() as u64, total, mean, stddev, max, rows: durations.len() as u64 }
    }

    #[test]
    fn the_intervals_mean_and_deviation_come_out_of_cumulative_counters() {
        let (calm, sick) = (vec![10.0; 100], [150.0, 190.0, 230.0, 190.0]);
        let all: Vec<f64> = calm.iter().chain(&sick).copied().collect();
        let key = (1, 1, 7, true);
        let s = difference(&HashMap::from([(key, of(&calm))]), &HashMap::from([(key, of(&all))]), true);
        let d = &s.deltas[0];
        assert_eq!((d.calls, d.rows), (4, 4));
        assert!((d.mean_ms - 190.0).abs() < 1e-6 && (d.stddev_ms - of(&sick).stddev).abs() < 1e-4, "{d:?}");
        assert!((d.share - 1.0).abs() < 1e-9);
    }

    #[test]
    fn counters_that_went_back_are_a_gap_never_a_negative_number_or_a_spike() {
        let key = (1, 1, 7, true);
        let s = difference(&HashMap::from([(key, of(&[5.0; 50]))]), &HashMap::from([(key, of(&[5.0; 3]))]), true);
        assert!(s.reset && s.deltas.is_empty());
    }

    #[test]
    fn figures_end_where_the_clock_of_a_server_does() {
        let mut before = of(&[0.1; 3_000]);
        before.total = 300.0 + 1.0 / 3.0;
        let now = Counters { calls: 3_600, total: before.total + 14.304_928, mean: 0.0874, ..before };
        let s = difference(&HashMap::from([((1, 1, 7, true), before)]), &HashMap::from([((1, 1, 7, true), now)]), true);
        let d = &s.deltas[0];
        assert_eq!((s.total_ms, d.total_ms, d.mean_ms, d.share), (14.3049, 14.3049, 0.0238, 1.0));
    }

    #[test]
    fn a_statement_without_a_baseline_is_marked_and_takes_no_share() {
        let s = difference(&HashMap::new(), &HashMap::from([((1, 1, 7, true), of(&[5.0; 50]))]), false);
        assert!(s.deltas[0].new && s.deltas[0].share == 0.0 && s.total_ms == 0.0);
    }

    #[test]
    fn a_percentile_is_only_given_where_it_is_honest() {
        assert_eq!(p95(19, 10.0, 1.0), None);
        assert_eq!(p95(100, 10.0, 30.0), None);
        assert!((p95(100, 10.0, 0.0).unwrap() - 10.0).abs() < 1e-9);
    }
}
