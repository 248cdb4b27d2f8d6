//! Answers one question, in parts where it takes long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::generation::Generation;
use super::merge::{Cancelled, Merge, Way, at};
use super::older;
use super::query::{Anchor, Ask, Count, LogArrival, LogQuery, Pattern, Span};
use super::scan::{Hit, Matcher};
use super::top::Counter;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::skew::Spans;
use crate::timeline::counts::Counts;
use crate::timeline::{SourceId, TimeRange, Ts};

/// Between two parts that only tell progress, or some rows of a search that goes on.
const PROGRESS: Duration = Duration::from_millis(100);
/// The first rows of a long search are told after this.
const FIRST: Duration = Duration::from_millis(20);
/// What a count of values reads at most; it says which share of the window that was.
const TOP_BYTES: u64 = 256 << 20;
const TOP_RECORDS: u64 = 500_000;
/// What clocks are compared by, at most.
const SKEW_RECORDS: u64 = 100_000;
/// What a count of hits reads at most.
const COUNT_BYTES: u64 = 1 << 30;

/// Answers `query` through `deliver`; stops without a last part when `cancelled`. Gives back how many bytes were read.
pub fn answer(
    query: &LogQuery,
    generations: &[Arc<Generation>],
    deliver: &dyn Fn(LogArrival),
    cancelled: &dyn Fn() -> bool,
) -> u64 {
    let mut answer = Answer { query, generations, deliver, cancelled, told: Instant::now(), first: true, read: 0 };
    let _ = answer.run();
    answer.read
}

struct Answer<'a> {
    query: &'a LogQuery,
    generations: &'a [Arc<Generation>],
    deliver: &'a dyn Fn(LogArrival),
    cancelled: &'a dyn Fn() -> bool,
    told: Instant,
    /// Whether no rows were told yet.
    first: bool,
    /// Bytes read so far.
    read: u64,
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
            Ask::Skews { range } => self.skews(*range),
            Ask::Passed { range, step } => self.passed(*range, *step),
            Ask::TopValues { range, field, split } => self.top(*range, field, *split),
            Ask::Fields { range } => self.fields(*range),
        }
    }

    /// Takes the next record, telling progress meanwhile, and with it what `found` gives.
    fn next(
        &mut self,
        merge: &mut Merge,
        before: u64,
        found: &mut dyn FnMut() -> Vec<LogRow>,
    ) -> Result<Option<Hit>, Cancelled> {
        let total = merge.total;
        let (cancelled, deliver) = (self.cancelled, self.deliver);
        let (request, slot) = (self.query.request, self.query.slot);
        let told = &mut self.told;
        let first = &mut self.first;
        let was = merge.scanned;
        let next = merge.next(&mut |passed| {
            let due = told.elapsed() >= if *first { FIRST } else { PROGRESS };
            let rows = if due { found() } else { Vec::new() };
            if due && (!rows.is_empty() || told.elapsed() >= PROGRESS) {
                *first &= rows.is_empty();
                *told = Instant::now();
                let scanned_bytes = before + passed;
                deliver(LogArrival { request, slot, rows, scanned_bytes, total_bytes: total, ..LogArrival::default() });
            }
            cancelled()
        });
        self.read += merge.scanned - was;
        next
    }

    /// Takes up to `most` records, and tells them as soon as there is a screenful, and then with the progress. Gives back
    /// those not told yet, oldest first, and how many there were.
    fn gather(&mut self, merge: &mut Merge, most: usize, before: u64) -> Result<(Vec<LogRow>, usize), Cancelled> {
        let back = merge.is_back();
        let rows = |hits: &[Hit]| -> Vec<LogRow> {
            if back { hits.iter().rev().map(Hit::row).collect() } else { hits.iter().map(Hit::row).collect() }
        };
        let (mut waiting, mut count): (Vec<Hit>, usize) = (Vec::new(), 0);
        while count < most {
            let mut found = || rows(&std::mem::take(&mut waiting));
            match self.next(merge, before, &mut found)? {
                Some(hit) => waiting.push(hit),
                None => break,
            }
            count += 1;
            if count == self.query.screen {
                let (rows, scanned_bytes) = (rows(&std::mem::take(&mut waiting)), before + merge.passed);
                (self.deliver)(LogArrival { rows, scanned_bytes, total_bytes: merge.total, ..self.part() });
            }
        }
        Ok((rows(&waiting), count))
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
            let (rows, count) = self.gather(&mut merge, after, 0)?;
            last.at_end = count < after || merge.exhausted();
            last.scanned_bytes += merge.passed;
            last.rows = rows;
        }
        if before > 0 {
            let mut merge = Merge::new(self.generations, &matcher, Way::Back, from, until);
            last.upto = if from.is_none() { merge.upto() } else { std::mem::take(&mut last.upto) };
            last.total_bytes = merge.total;
            if let Anchor::Since(upto) = anchor {
                merge.since(upto);
            }
            let (rows, count) = self.gather(&mut merge, before, last.scanned_bytes)?;
            let all = count < before || merge.exhausted();
            if matches!(anchor, Anchor::Since(_)) {
                last.gap = !all
            } else {
                last.at_start = all;
                last.older = if all { older::offer(self.generations) } else { None };
            }
            last.scanned_bytes += merge.passed;
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
        while let Some(hit) = self.next(&mut merge, 0, &mut Vec::new)? {
            if Some(hit.place.1) != from.1 {
                found = Some(hit.row());
                break;
            }
        }
        let (scanned_bytes, total_bytes) = (merge.passed, merge.total);
        (self.deliver)(LogArrival { found, done: true, scanned_bytes, total_bytes, ..self.part() });
        Ok(())
    }

    fn span(&mut self) -> Result<(), Cancelled> {
        let matcher = self.matcher(None);
        let mut merge = Merge::new(self.generations, &matcher, Way::Back, None, self.query.visible_until);
        let mut span: Option<Span> = None;
        while let Some(hit) = self.next(&mut merge, 0, &mut Vec::new)? {
            let t = hit.place.0;
            let s = span.get_or_insert(Span { range: TimeRange::new(t, t), records: 0 });
            s.range = TimeRange::new(s.range.start.min(t), s.range.end.max(t));
            s.records += 1;
        }
        let (scanned_bytes, total_bytes) = (merge.passed, merge.total);
        (self.deliver)(LogArrival { span, done: true, scanned_bytes, total_bytes, ..self.part() });
        Ok(())
    }

    fn count(&mut self, pattern: Option<Pattern>, place: (Ts, RowKey)) -> Result<(), Cancelled> {
        let matcher = self.matcher(pattern);
        let mut merge = Merge::new(self.generations, &matcher, Way::Back, None, self.query.visible_until);
        let mut count = Count { whole: true, ..Count::default() };
        let mut told = Instant::now();
        while let Some(hit) = self.next(&mut merge, 0, &mut Vec::new)? {
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
        while let Some(hit) = self.next(&mut merge, 0, &mut Vec::new)? {
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
        Ok((share, merge.passed, merge.total))
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

    fn passed(&mut self, range: TimeRange, step: Duration) -> Result<(), Cancelled> {
        let columns = std::cell::RefCell::new(BTreeMap::<Ts, Counts>::new());
        let from = |share: f64| {
            // Where it is looked now may be in the middle of a column, which is then not known.
            let left = range.len().mul_f64(1.0 - share.clamp(0.0, 1.0));
            if share >= 1.0 { range.start } else { (range.start + left).floor(step) + step }
        };
        let (share, ..) = self.window(
            range,
            |hit| {
                columns.borrow_mut().entry(hit.place.0.floor(step)).or_default().add(hit.severity(), 1);
                true
            },
            |me, share| {
                let passed = Some((from(share), columns.borrow().clone()));
                (me.deliver)(LogArrival { passed, ..me.part() });
            },
        )?;
        let passed = Some((from(share), columns.into_inner()));
        (self.deliver)(LogArrival { passed, done: true, ..self.part() });
        Ok(())
    }

    /// By the times that records say, wherever they are placed.
    fn skews(&mut self, range: TimeRange) -> Result<(), Cancelled> {
        let (mut spans, mut left) = (Spans::default(), SKEW_RECORDS);
        self.window(
            range,
            |hit| {
                let row = hit.row();
                if let Some((id, at)) = row.request_id.as_ref().zip(row.time) {
                    spans.add(id, row.key.source, at);
                }
                left -= 1;
                left > 0
            },
            |_, _| {},
        )?;
        (self.deliver)(LogArrival { skews: spans.skews(), done: true, ..self.part() });
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
