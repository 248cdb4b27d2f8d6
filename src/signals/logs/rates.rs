//! Every log source in one line: how much it says, how much of it is errors, whether it went quiet, how it is read.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use super::history::LogsHistory;
use crate::timeline::counts::Counts;
use crate::timeline::{Severity, SourceId, TimeRange, Ts};

/// What the small chart of a source looks back on.
pub const LOOK: Duration = Duration::from_secs(600);

/// A source in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRate {
    /// Which.
    pub source: SourceId,
    /// What it is called.
    pub name: CompactString,
    /// Lines per second over the last ten seconds.
    pub lines: f64,
    /// Errors per second over the last ten seconds.
    pub errors: f64,
    /// Since when it is quiet, if it is, and its lines per second before.
    pub quiet: Option<(Ts, f64)>,
    /// The format its lines are read with.
    pub format: Option<CompactString>,
    /// Lines since the start, and how many of them no format knew.
    pub seen: u64,
    /// Of these, lines that fitted no format.
    pub unfitting: u64,
}

/// All sources: those that went quiet first, then by errors, then by lines, then by name. Settles every two seconds, so
/// that no row jumps about under the eye.
pub fn rates(history: &LogsHistory, now: Ts) -> Vec<SourceRate> {
    let settled = now.floor(Duration::from_secs(2));
    let mut order: BTreeMap<SourceId, (bool, u64, u64)> = BTreeMap::new();
    let mut all: Vec<SourceRate> = history
        .sources()
        .map(|(source, s)| {
            let per_minute = |n: f64| (n * 60.0) as u64;
            let was = (s.quiet(settled).is_none(), per_minute(s.error_rate(settled)), per_minute(s.line_rate(settled)));
            order.insert(source, was);
            SourceRate {
                source,
                name: history.name(source),
                lines: s.line_rate(now),
                errors: s.error_rate(now),
                quiet: s.quiet(now),
                format: s.format(now).map(Into::into),
                seen: s.lines,
                unfitting: s.unknown,
            }
        })
        .collect();
    all.sort_by(|a, b| {
        let of = |r: &SourceRate| order.get(&r.source).copied().unwrap_or_default();
        let ((qa, ea, la), (qb, eb, lb)) = (of(a), of(b));
        (qa, eb, lb, &a.name).cmp(&(qb, ea, la, &b.name))
    });
    all
}

/// Lines of one source over the last ten minutes in `parts` pieces; `None` where it was not yet counted at all. Its
/// second value says which of them are mostly errors.
pub fn chart(history: &LogsHistory, source: SourceId, parts: usize, now: Ts) -> (Vec<Option<f64>>, Vec<bool>) {
    let window = TimeRange::ending(now.floor(Duration::from_secs(1)), LOOK);
    let Some((_, s)) = history.sources().find(|(id, _)| *id == source) else { return (vec![None; parts], Vec::new()) };
    let columns = s.columns(window, parts, now);
    let first = s.first().map_or(parts, |t| window.column(t.max(window.start), parts).unwrap_or(parts));
    let value = |(i, c): (usize, &Counts)| (i >= first).then(|| c.total() as f64);
    let hot = |c: &Counts| c.total() > 0 && c.at_least(Severity::Error) * 2 > c.total();
    (columns.iter().enumerate().map(value).collect(), columns.iter().map(hot).collect())
}
