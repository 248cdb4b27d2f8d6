//! Answers one question, in parts where it takes long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::generation::Generation;
use super::merge::{Cancelled, Merge, Way, at};
use super::query::{Anchor, Ask, Count, LogArrival, LogQuery, Pattern, Span};
use super::scan::{Hit, Matcher};
use super::top::Counter;
use crate::signals::logs::row::RowKey;
use crate::timeline::{SourceId, TimeRange, Ts};

/// Between two parts that only tell progress.
const PROGRESS: Duration = Duration::from_millis(100);
/// What a count of values reads at most; it says which share of the window that was.
const TOP_BYTES: u64 = 256 << 20;
const TOP_RECORDS: u64 = 500_000;
/// What a count of hits reads at most.
const COUNT_BYTES: u64 = 1 << 30;

/// Answers `query` through `deliver`; stops without a last part when `cancelled`.
pub fn answer(
    query: &LogQuery,
    generations: &[Arc<Generation>],
    deliver: &dyn Fn(LogArrival),
    cancelled: &dyn Fn() -> bool,
) {
    let _ = Answer { query, generations, deliver, cancelled, told: Instant::now() }.run();
}

struct Answer<'a> {
    query: &'a LogQuery,
    generations: &'a [Arc<Generation>],
    deliver: &'a dyn Fn(LogArrival),
    cancelled: &'a dyn Fn() -> bool,
    told: Instant,
}

impl Answer<'_> {
    fn part(&self) -> LogArrival {
        LogArrival { request: self.query.request, slot: self.query.slot, ..LogArrival::default() }
    }

    fn matcher(&self, also: Option<Pattern>) -> Matcher {
        Matcher::new(&self.query.filter, self.query.min_severity, also)
    }

    fn run(&mut self) -> Result<(), Cancelled> {
        match &self.query.ask {
            Ask::Rows { anchor, before, after } => self.rows(anchor, *before, *after),
            Ask::Find { pattern, from, forward } => self.find(pattern, *from, *forward),
            Ask::Span => self.span(),
            Ask::Count { pattern, at } => self.count(pattern.clone(), *at),
            Ask::TopValues { range, field, split } => self.top(*range, field, *split),
            Ask::Fields { range } => self.fields(*range),
        }
    }

    /// Takes the next record, telling progress meanwhile.
    fn next(&mut self, merge: &mut Merge, before: u64) -> Result<Option<Hit>, Cancelled> {
        let total = merge.total;
        let (cancelled, deliver) = (self.cancelled, self.deliver);
        let (request, slot) = (self.query.request, self.query.slot);
        let told = &mut self.told;
        merge.next(&mut |scanned| {
            if told.elapsed() >= PROGRESS {
                *told = Instant::now();
                let scanned_bytes = before + scanned;
                deliver(LogArrival { request, slot, scanned_bytes, total_bytes: total, ..LogArrival::default() });
            }
            cancelled()
        })
    }

    fn rows(&mut self, anchor: &Anchor, before: usize, after: usize) -> Result<(), Cancelled> {
        let matcher = self.matcher(None);
        let from = match anchor {
            Anchor::End | Anchor::Since(_) => None,
            Anchor::At(t) => Some(at(*t)),
            Anchor::Row(key, t) => Some((*t, *key)),
        };
        let until = self.query.visible_until;
        let mut last = LogArrival { at_start: false, at_end: from.is_none(), ..self.part() };
        if after > 0 && from.is_some() {
            let mut merge = Merge::new(self.generations, &matcher, Way::Forward, from, until);
            last.upto = merge.upto();
            last.total_bytes = merge.total;
            let mut hits = Vec::new();
            while hits.len() < after {
                match self.next(&mut merge, 0)? {
                    Some(hit) => hits.push(hit),
                    None => break,
                }
                if hits.len() == self.query.screen {
                    let rows = hits.iter().map(Hit::row).collect();
                    (self.deliver)(LogArrival {
                        rows,
                        scanned_bytes: merge.scanned,
                        total_bytes: merge.total,
                        ..self.part()
                    });
                }
            }
            last.at_end = hits.len() < after || merge.exhausted();
            last.scanned_bytes += merge.scanned;
            let told = if hits.len() >= self.query.screen && self.query.screen > 0 { self.query.screen } else { 0 };
            last.rows.extend(hits[told..].iter().map(Hit::row));
        }
        if before > 0 {
            let mut merge = Merge::new(self.generations, &matcher, Way::Back, from, until);
            last.upto = if from.is_none() { merge.upto() } else { std::mem::take(&mut last.upto) };
            last.total_bytes = merge.total;
            if let Anchor::Since(upto) = anchor {
                merge.since(upto);
            }
            let (mut hits, mut told) = (Vec::new(), 0);
            while hits.len() < before {
                match self.next(&mut merge, last.scanned_bytes)? {
                    Some(hit) => hits.push(hit),
                    None => break,
                }
                if hits.len() == self.query.screen {
                    told = hits.len();
                    let rows = hits.iter().rev().map(Hit::row).collect();
                    (self.deliver)(LogArrival {
                        rows,
                        scanned_bytes: merge.scanned,
                        total_bytes: merge.total,
                        ..self.part()
                    });
                }
            }
            let all = hits.len() < before || merge.exhausted();
            if matches!(anchor, Anchor::Since(_)) {
                last.gap = !all
            } else {
                last.at_start = all
            }
            last.scanned_bytes += merge.scanned;
            let rows: Vec<_> = hits[told..].iter().rev().map(Hit::row).collect();
            last.rows.splice(0..0, rows);
        }
        last.done = true;
        (self.deliver)(last);
        Ok(())
    }

    fn find(&mut self, pattern: &Pattern, from: (Ts, Option<RowKey>), forward: bool) -> Result<(), Cancelled> {
        let matcher = self.matcher(Some(pattern.clone()));
        let way = if forward { Way::Forward } else { Way::Back };
        // A time alone is a place before everything at it; forwards that is included.
        let place = (from.0, from.1.unwrap_or(RowKey { source: SourceId(0), generation: 0, offset: 0 }));
        let mut merge = Merge::new(self.generations, &matcher, way, Some(place), self.query.visible_until);
        let mut found = None;
        while let Some(hit) = self.next(&mut merge, 0)? {
            if Some(hit.place.1) != from.1 {
                found = Some(hit.row());
                break;
            }
        }
        let (scanned_bytes, total_bytes) = (merge.scanned, merge.total);
        (self.deliver)(LogArrival { found, done: true, scanned_bytes, total_bytes, ..self.part() });
        Ok(())
    }

    fn span(&mut self) -> Result<(), Cancelled> {
        let matcher = self.matcher(None);
        let mut merge = Merge::new(self.generations, &matcher, Way::Back, None, self.query.visible_until);
        let mut span: Option<Span> = None;
        while let Some(hit) = self.next(&mut merge, 0)? {
            let t = hit.place.0;
            let s = span.get_or_insert(Span { range: TimeRange::new(t, t), records: 0 });
            s.range = TimeRange::new(s.range.start.min(t), s.range.end.max(t));
            s.records += 1;
        }
        let (scanned_bytes, total_bytes) = (merge.scanned, merge.total);
        (self.deliver)(LogArrival { span, done: true, scanned_bytes, total_bytes, ..self.part() });
        Ok(())
    }

    fn count(&mut self, pattern: Option<Pattern>, place: (Ts, RowKey)) -> Result<(), Cancelled> {
        let matcher = self.matcher(pattern);
        let mut merge = Merge::new(self.generations, &matcher, Way::Back, None, self.query.visible_until);
        let mut count = Count { whole: true, ..Count::default() };
        let mut told = Instant::now();
        while let Some(hit) = self.next(&mut merge, 0)? {
            count.records += 1;
            count.before += u64::from(hit.place < place);
            if merge.scanned > COUNT_BYTES {
                count.whole = false;
                break;
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                let count = Some(Count { whole: false, ..count });
                (self.deliver)(LogArrival { count, ..self.part() });
            }
        }
        (self.deliver)(LogArrival { count: Some(count), done: true, ..self.part() });
        Ok(())
    }

    /// Walks a window from its end; `false` from `each` ends it. Gives the share of the window that was walked.
    fn window(
        &mut self,
        range: TimeRange,
        mut each: impl FnMut(&Hit) -> bool,
        mut meanwhile: impl FnMut(&Self, f64),
    ) -> Result<(f64, u64, u64), Cancelled> {
        let matcher = self.matcher(None);
        let mut merge =
            Merge::new(self.generations, &matcher, Way::Back, Some(at(range.end)), self.query.visible_until);
        merge.stop_at(range.start);
        let mut told = Instant::now();
        let mut share = 1.0;
        let len = range.len().as_secs_f64().max(1e-9);
        while let Some(hit) = self.next(&mut merge, 0)? {
            if hit.place.0 < range.start {
                break;
            }
            let done = range.end.signed_secs(hit.place.0) / len;
            if !each(&hit) || merge.scanned > TOP_BYTES {
                share = done;
                break;
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                meanwhile(self, done);
            }
        }
        Ok((share, merge.scanned, merge.total))
    }

    fn top(&mut self, range: TimeRange, field: &str, split: Option<Ts>) -> Result<(), Cancelled> {
        let counter = std::cell::RefCell::new(Counter::new(field, split));
        let (share, scanned_bytes, total_bytes) = self.window(
            range,
            |hit| {
                let mut c = counter.borrow_mut();
                c.add(&hit.row());
                c.records < TOP_RECORDS
            },
            |a, share| {
                let top = Some(counter.borrow().finish(share));
                (a.deliver)(LogArrival { top, ..a.part() });
            },
        )?;
        let top = Some(counter.borrow().finish(share));
        (self.deliver)(LogArrival { top, done: true, scanned_bytes, total_bytes, ..self.part() });
        Ok(())
    }

    fn fields(&mut self, range: TimeRange) -> Result<(), Cancelled> {
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut left = 2_000;
        self.window(
            range,
            |hit| {
                for (name, _) in hit.row().fields {
                    if names.len() < 1_000 || names.contains_key(name.as_str()) {
                        *names.entry(name.to_string()).or_default() += 1;
                    }
                }
                left -= 1;
                left > 0
            },
            |_, _| {},
        )?;
        let mut fields: Vec<(String, u64)> = names.into_iter().collect();
        fields.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        (self.deliver)(LogArrival { fields, done: true, ..self.part() });
        Ok(())
    }
}
