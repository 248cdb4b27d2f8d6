//! How many records pass the filter, over the time that the histogram shows.
//!
//! The histories count every line and know no filter. What passes has to be looked for in the files: once for the span,
//! afterwards only for what came since.

use std::collections::BTreeMap;
use std::time::Duration;

use super::LogView;
use crate::signals::logs::store::{Ask, LogArrival, LogQuery, Slot};
use crate::timeline::counts::Counts;
use crate::timeline::{Filter, TimeRange, Ts};

/// The end is looked at again for records that are placed a little before others that were read earlier.
const LATE: Duration = Duration::from_secs(10);
/// The end is not looked at more often than this.
const OFTEN: Duration = Duration::from_secs(2);
/// Columns at most; a wider screen shows some twice.
const COLUMNS: usize = 400;

/// Counts of what passes, by columns of one length that stand at whole multiples of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Passing {
    filter: Filter,
    step: Duration,
    columns: BTreeMap<Ts, Counts>,
    /// What was asked for: from where, up to which playhead.
    seen: Option<(Ts, Ts)>,
    /// From where on it is known; later than asked for where there was too much to look at.
    known: Ts,
    /// The question that is out, and the span it is about.
    out: Option<(u64, TimeRange)>,
}

/// Columns of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// One a part, oldest first.
    pub counts: Vec<Counts>,
    /// Not counted from here back: the store looks at so many bytes at once, and no more.
    pub from: Option<Ts>,
    /// Whether counting goes on.
    pub counting: bool,
}

impl LogView {
    /// What must be counted for a histogram of `parts` columns over `span`; `None` where there is no filter, where all
    /// of it is known, and while an answer is awaited. `now` is the playhead; `always` asks without a filter as well.
    pub fn wants_passed(&mut self, span: TimeRange, parts: usize, now: Ts, always: bool) -> Option<LogQuery> {
        let filter = self.mutes.under(&self.filter);
        if filter.is_empty() && !always {
            self.passing = Passing::default();
            return None;
        }
        let step = (span.len() / parts.clamp(1, COLUMNS) as u32).as_secs().max(1);
        let step = Duration::from_secs(step);
        let whole = TimeRange::new(span.start.floor(step), span.end.min(now).floor(step) + step);
        let p = &mut self.passing;
        let reaches = p.seen.is_none_or(|(from, to)| from <= whole.start && to + OFTEN >= whole.start);
        if p.filter != filter || p.step != step || !reaches {
            *p = Passing { filter, step, ..Passing::default() };
        }
        if p.out.is_some() {
            return None;
        }
        let range = match p.seen {
            Some((_, to)) if now <= to.max(p.columns.keys().next_back().map_or(to, |t| *t)) => return None,
            Some((_, to)) if now.since(to) < OFTEN.max(step) => return None,
            Some((from, to)) => TimeRange::new((to - LATE).floor(step).max(from), whole.end),
            None => whole,
        };
        let step = p.step;
        self.requests += 1;
        self.passing.out = Some((self.requests, range));
        Some(LogQuery {
            request: self.requests,
            slot: Slot::Passed,
            filter: self.passing.filter.clone(),
            sources: None,
            min_severity: None,
            visible_until: self.now,
            screen: 0,
            ask: Ask::Passed { range, step },
        })
    }

    /// Takes in counts; stale ones are dropped.
    pub fn passed(&mut self, answer: &LogArrival, now: Ts) {
        let p = &mut self.passing;
        let Some((_, range)) = p.out.filter(|(request, _)| *request == answer.request) else { return };
        if let Some((from, counts)) = &answer.passed {
            p.columns.retain(|t, _| *t < range.start || *t >= range.end);
            p.columns.extend(counts.iter().map(|(t, c)| (*t, *c)));
            while p.columns.len() > 2 * COLUMNS {
                p.columns.pop_first();
            }
            // A question about what came since leaves untouched from where on it is known.
            p.known = p.seen.filter(|(asked, _)| *asked < range.start).map_or(*from, |_| p.known);
            let asked = p.seen.map_or(range.start, |(asked, _)| asked.min(range.start));
            p.seen = Some((asked, range.end.min(now)));
        }
        if answer.done {
            p.out = None;
        }
    }

    /// What passes the filter in `parts` columns over `span`, as far as it is known; `None` where no filter is set or
    /// nothing was counted yet. What lies after `now` is not there.
    pub fn passing(&self, span: TimeRange, parts: usize, now: Ts) -> Option<Passed> {
        let p = &self.passing;
        p.seen?;
        let from = p.known;
        let mut counts = vec![Counts::default(); parts];
        for (at, c) in p.columns.range(span.start.floor(p.step)..span.end).filter(|(t, _)| **t <= now) {
            // A column that begins before the span has its place at its start.
            if let Some(column) = span.column((*at).max(span.start), parts) {
                counts[column].merge(c);
            }
        }
        Some(Passed { counts, from: (from > span.start).then_some(from), counting: p.out.is_some() })
    }
}
