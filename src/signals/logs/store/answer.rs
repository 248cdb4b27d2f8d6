//! Answers one question, in parts where it takes long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::generation::Generation;
use super::matcher::Matcher;
use super::merge::{Cancelled, Merge, Way, at};
use super::older;
use super::query::{Anchor, Ask, Count, LogArrival, LogQuery, Pattern, Span};
use super::scan::Hit;
use super::top::Counter;
use crate::signals::logs::kinds::{kind, shares};
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::skew::Spans;
use crate::timeline::counts::Counts;
use crate::timeline::{SourceId, TimeRange, Ts};

/// Between two parts that only tell progress, or some rows of a search that goes on.
const PROGRESS: Duration = Duration::from_millis(100);
/// The first rows of a long search are told after this.
const FIRST: Duration = Duration::from_millis(20);
/// So far it is looked one way before the other way has its turn, at first; in bytes.
const NEAR: u64 = 4 << 20;
/// What a count of values reads at most; it says which share of the window that was.
const TOP_BYTES: u64 = 256 << 20;
const TOP_RECORDS: u64 = 500_000;
/// What clocks are compared by, at most.
const SKEW_RECORDS: u64 = 100_000;
/// Kinds of errors are those of so many, and of no more bytes than these: they are asked for every two seconds.
const KINDS: usize = 100;
const KINDS_BYTES: u64 = 16 << 20;
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

/// One way from an anchor.
struct Side<'a> {
    merge: Merge<'a>,
    /// Found, and not told yet.
    waiting: Vec<Hit>,
    count: usize,
    most: usize,
    done: bool,
}

/// What a step of a walk comes to.
enum Next {
    Hit(Box<Hit>),
    End,
    /// As many bytes were passed by as may be for now.
    Later,
}

/// Rows of records in the order of a walk, oldest first.
fn rows(back: bool, hits: &[Hit]) -> Vec<LogRow> {
    if back { hits.iter().rev().map(Hit::row).collect() } else { hits.iter().map(Hit::row).collect() }
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
            Ask::Kinds { range } => self.kinds(*range),
            Ask::Passed { range, step } => self.passed(*range, *step),
            Ask::TopValues { range, field, split } => self.top(*range, field, *split),
            Ask::Fields { range } => self.fields(*range),
        }
    }

    /// Takes the next record, telling progress meanwhile, and with it what `found` gives; not beyond `limit` bytes passed by.
    fn next(
        &mut self,
        merge: &mut Merge,
        before: u64,
        limit: u64,
        found: &mut dyn FnMut() -> Vec<LogRow>,
    ) -> Result<Next, Cancelled> {
        let total = merge.total;
        let (cancelled, deliver) = (self.cancelled, self.deliver);
        let (request, slot) = (self.query.request, self.query.slot);
        let told = &mut self.told;
        let first = &mut self.first;
        let was = merge.scanned;
        let mut later = false;
        let next = merge.next(&mut |passed| {
            let due = told.elapsed() >= if *first { FIRST } else { PROGRESS };
            let rows = if due { found() } else { Vec::new() };
            if due && (!rows.is_empty() || told.elapsed() >= PROGRESS) {
                *first &= rows.is_empty();
                *told = Instant::now();
                let scanned_bytes = before + passed;
                deliver(LogArrival { request, slot, rows, scanned_bytes, total_bytes: total, ..LogArrival::default() });
            }
            let stop = cancelled();
            later = !stop && passed > limit;
            stop || later
        });
        self.read += merge.scanned - was;
        match next {
            Ok(Some(hit)) => Ok(Next::Hit(Box::new(hit))),
            Ok(None) => Ok(Next::End),
            // The walk goes on from where it is.
            Err(Cancelled) if later => Ok(Next::Later),
            Err(Cancelled) => Err(Cancelled),
        }
    }

    /// The next record, wherever it lies.
    fn next_hit(&mut self, merge: &mut Merge) -> Result<Option<Hit>, Cancelled> {
        match self.next(merge, 0, u64::MAX, &mut Vec::new)? {
            Next::Hit(hit) => Ok(Some(*hit)),
            Next::End | Next::Later => Ok(None),
        }
    }

    /// Takes records of one side until it has all that are wanted, or until `budget` more bytes were passed by; tells them
    /// as soon as there is a screenful, and then with the progress. `before` bytes were passed by elsewhere.
    fn gather(&mut self, side: &mut Side, before: u64, budget: u64) -> Result<(), Cancelled> {
        let limit = side.merge.passed.saturating_add(budget);
        while !side.done {
            if side.count == side.most {
                side.done = true;
                break;
            }
            let back = side.merge.is_back();
            let waiting = &mut side.waiting;
            let mut found = || rows(back, &std::mem::take(waiting));
            match self.next(&mut side.merge, before, limit, &mut found)? {
                Next::Hit(hit) => side.waiting.push(*hit),
                Next::End => side.done = true,
                Next::Later => return Ok(()),
            }
            if side.done {
                break;
            }
            side.count += 1;
            if side.count == self.query.screen {
                let rows = rows(back, &std::mem::take(&mut side.waiting));
                let (scanned_bytes, total_bytes) = (before + side.merge.passed, side.merge.total);
                (self.deliver)(LogArrival { rows, scanned_bytes, total_bytes, ..self.part() });
            }
        }
        Ok(())
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
        let side = |way, most| Side {
            merge: Merge::new(self.generations, &matcher, way, from, until),
            waiting: Vec::new(),
            count: 0,
            most,
            done: false,
        };
        let mut newer = (after > 0 && from.is_some()).then(|| side(Way::Forward, after));
        let mut older = (before > 0).then(|| side(Way::Back, before));
        if let Some((older, Anchor::Since(upto))) = older.as_mut().zip(Some(anchor)) {
            older.merge.since(upto);
        }
        // Both ways in turns, further each time: what is nearest is told first, on whichever side it lies.
        let mut budget = NEAR;
        loop {
            let passed = |side: &Option<Side>| side.as_ref().map_or(0, |s| s.merge.passed);
            let alone = newer.as_ref().is_none_or(|s| s.done) || older.as_ref().is_none_or(|s| s.done);
            let turn = if alone { u64::MAX } else { budget };
            let elsewhere = passed(&older);
            if let Some(side) = newer.as_mut().filter(|s| !s.done) {
                self.gather(side, elsewhere, turn)?;
            }
            let elsewhere = passed(&newer);
            if let Some(side) = older.as_mut().filter(|s| !s.done) {
                self.gather(side, elsewhere, turn)?;
            }
            if newer.as_ref().is_none_or(|s| s.done) && older.as_ref().is_none_or(|s| s.done) {
                break;
            }
            budget = budget.saturating_mul(2);
        }
        if let Some(side) = &newer {
            last.upto = side.merge.upto();
            last.at_end = side.count < after || side.merge.exhausted();
        }
        if let Some(side) = &older {
            if from.is_none() {
                last.upto = side.merge.upto();
            }
            let all = side.count < before || side.merge.exhausted();
            if matches!(anchor, Anchor::Since(_)) {
                last.gap = !all;
            } else {
                last.at_start = all;
                last.older = if all { older::offer(self.generations) } else { None };
            }
        }
        for side in older.iter().chain(&newer) {
            last.total_bytes = side.merge.total;
            last.scanned_bytes += side.merge.passed;
            last.rows.extend(rows(side.merge.is_back(), &side.waiting));
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
        while let Some(hit) = self.next_hit(&mut merge)? {
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
        while let Some(hit) = self.next_hit(&mut merge)? {
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
        while let Some(hit) = self.next_hit(&mut merge)? {
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

    /// Walks a window from its end, over `most` bytes at most; `false` from `each` ends it. Gives the share of the window that was walked.
    fn window(
        &mut self,
        range: TimeRange,
        most: u64,
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
        while let Some(hit) = self.next_hit(&mut merge)? {
            if hit.place.0 < range.start {
                break;
            }
            let done = range.end.signed_secs(hit.place.0) / len;
            if !each(&hit) || merge.scanned > most {
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
            TOP_BYTES,
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
            TOP_BYTES,
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

    fn kinds(&mut self, range: TimeRange) -> Result<(), Cancelled> {
        let mut kinds = Vec::new();
        self.window(
            range,
            KINDS_BYTES,
            |hit| {
                kinds.push(kind(&hit.row()));
                kinds.len() < KINDS
            },
            |_, _| {},
        )?;
        (self.deliver)(LogArrival { kinds: shares(kinds.into_iter()), done: true, ..self.part() });
        Ok(())
    }

    /// By the times that records say, wherever they are placed.
    fn skews(&mut self, range: TimeRange) -> Result<(), Cancelled> {
        let (mut spans, mut left) = (Spans::default(), SKEW_RECORDS);
        self.window(
            range,
            TOP_BYTES,
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
            TOP_BYTES,
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
