//! All generations merged by placed time, walked from any place, forwards or backwards, block by block.
//!
//! Each stream knows a *frontier*: the place that none of its unread records lies beyond. The best record read so far is
//! given out once it is beyond all frontiers; otherwise the stream with the farthest frontier reads its next block. So
//! a sparse filter does not make every source read its whole past for one screen. Records out of order inside a source
//! are put right across blocks as long as they are less than `SLACK` out of place (more where times are whole seconds).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::blocks::{Step, Walk};
use super::directory::BLOCK;
use super::generation::Generation;
use super::matcher::Matcher;
use super::query::Upto;
use super::raw;
use super::scan::{Hit, Place, scan};
use crate::signals::logs::row::RowKey;
use crate::timeline::{SourceId, Ts};

/// How far records may be out of order and still come out in order across blocks.
const SLACK: Duration = Duration::from_millis(200);
/// The same where times are whole seconds: a little disorder becomes one of a second.
const COARSE_SLACK: Duration = Duration::from_millis(1_200);

/// How far round a record of this time others may be out of order.
fn slack(t: Ts) -> Duration {
    if t.0 % 1_000_000_000 == 0 { COARSE_SLACK } else { SLACK }
}

/// First border after which no record is earlier than `t`, small disorder counted in.
fn surely_after(walk: &Walk, t: Ts) -> u64 {
    let at = walk.after_time(t + SLACK);
    if slack(walk.placed_at(at).0) == SLACK { at } else { walk.after_time(t + COARSE_SLACK) }
}

/// Last border before which no record is at `t` or later, small disorder counted in.
fn surely_before(walk: &Walk, t: Ts) -> u64 {
    let at = walk.before_time(t - SLACK);
    if slack(walk.placed_at(at).0) == SLACK { at } else { walk.before_time(t - COARSE_SLACK) }
}

/// Which way.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Older records next.
    Back,
    /// Newer records next.
    Forward,
}

struct Stream<'a> {
    generation: &'a Arc<Generation>,
    walk: Walk<'a>,
    at: u64,
    /// Records that end at or before this offset are left out.
    floor: u64,
    visible: u64,
    buffer: VecDeque<Hit>,
    frontier: Place,
    done: bool,
    /// A piece whose raw bytes were looked through, and the blocks in it that are to be read.
    looked: Option<(Range<u64>, VecDeque<u64>)>,
    /// Granules to look through next; 0 before the first block without a hit.
    ahead: u64,
    /// By how many nanoseconds its records are placed later than they say.
    moved: i64,
}

/// A walk through everything visible.
pub struct Merge<'a> {
    streams: Vec<Stream<'a>>,
    matcher: &'a Matcher,
    way: Way,
    from: Option<Place>,
    until: Ts,
    stop: Option<Ts>,
    /// Bytes read so far.
    pub scanned: u64,
    /// Bytes that need not be looked at any more, whether they were read or not.
    pub passed: u64,
    /// Bytes that can be read in all.
    pub total: u64,
    /// Threads to look through raw bytes with, once that is known to take long.
    threads: Option<usize>,
    buf: Vec<u8>,
}

/// Granules looked through at once, at the most: some milliseconds, after which a new question is heard.
const AHEAD: u64 = 128;

impl<'a> Merge<'a> {
    /// From `from` (`None`: from the end, or from the start) on. Backwards gives what lies before it, forwards what lies
    /// at or after it. What was observed after `until` is not there.
    pub fn new(
        generations: &'a [Arc<Generation>],
        matcher: &'a Matcher,
        way: Way,
        from: Option<Place>,
        until: Ts,
    ) -> Merge<'a> {
        let mut total = 0;
        let streams = generations
            .iter()
            .map(|generation| {
                let visible = generation.visible_end(until);
                let walk = Walk::new(generation, visible);
                total += walk.bytes();
                let moved = generation.moved();
                let said = |t: Ts| Ts(t.0.saturating_sub(moved));
                let own = from.filter(|(_, k)| *k == generation.key(k.offset)).map(|(_, k)| k.offset);
                let at = match (way, from) {
                    (Way::Back, None) if until < Ts::MAX && visible <= generation.opened.size => {
                        surely_after(&walk, said(until))
                    }
                    (Way::Back, None) => walk.end(),
                    (Way::Forward, None) => 0,
                    (Way::Back, Some((t, _))) => {
                        let at = surely_after(&walk, said(t.min(until)));
                        own.filter(|o| *o >= at).map_or(at, |o| walk.after(walk.floor(o)).map_or(o, |s| s.range().end))
                    }
                    (Way::Forward, Some((t, _))) => {
                        let at = surely_before(&walk, said(t));
                        own.filter(|o| *o < at).map_or(at, |o| walk.floor(o))
                    }
                };
                let frontier = if way == Way::Back { (Ts::MAX, LAST) } else { (Ts::MIN, FIRST) };
                let buffer = VecDeque::new();
                let (floor, done, looked, ahead) = (0, false, None, 0);
                Stream { generation, walk, at, floor, visible, buffer, frontier, done, looked, ahead, moved }
            })
            .collect();
        let (scanned, passed, buf) = (0, 0, Vec::new());
        Merge { streams, matcher, way, from, until, stop: None, scanned, passed, total, threads: None, buf }
    }

    /// Leaves out what an earlier walk has seen. Generations that it did not know count from their opening.
    pub fn since(&mut self, upto: &Upto) {
        for s in &mut self.streams {
            let id = (s.generation.source, s.generation.opened.generation);
            s.floor = upto.get(&id).copied().unwrap_or(s.generation.opened.size);
            s.done |= s.visible <= s.floor;
        }
    }

    /// Reads nothing that lies wholly beyond `t`; records beyond it may still come.
    pub fn stop_at(&mut self, t: Ts) {
        self.stop = Some(t);
    }

    /// Up to which offset each generation is seen by this walk.
    pub fn upto(&self) -> Upto {
        self.streams.iter().map(|s| ((s.generation.source, s.generation.opened.generation), s.visible)).collect()
    }

    /// Whether older records come next.
    pub fn is_back(&self) -> bool {
        self.way == Way::Back
    }

    /// Whether nothing more would come without reading.
    pub fn exhausted(&self) -> bool {
        self.streams.iter().all(|s| s.done && s.buffer.is_empty())
    }

    /// The next record. `Err` when `cancelled` said so between two blocks.
    pub fn next(&mut self, cancelled: &mut dyn FnMut(u64) -> bool) -> Result<Option<Hit>, Cancelled> {
        loop {
            let (mut best, mut open): (Option<usize>, Option<usize>) = (None, None);
            for (i, s) in self.streams.iter().enumerate() {
                if let Some(place) = s.next_place(self.way)
                    && best.and_then(|b| self.streams[b].next_place(self.way)).is_none_or(|b| self.way.first(place, b))
                {
                    best = Some(i);
                }
                if !s.done && open.is_none_or(|o| self.way.first(s.frontier, self.streams[o].frontier)) {
                    open = Some(i);
                }
            }
            match (best, open) {
                (None, None) => return Ok(None),
                (Some(b), open) => {
                    let place = self.streams[b].next_place(self.way).unwrap_or_default();
                    if open.is_none_or(|o| self.way.first(place, self.streams[o].frontier)) {
                        let s = &mut self.streams[b];
                        return Ok(if self.way == Way::Back { s.buffer.pop_back() } else { s.buffer.pop_front() });
                    }
                    self.load(open.unwrap_or(b));
                }
                (None, Some(o)) => self.load(o),
            }
            if cancelled(self.passed) {
                return Err(Cancelled);
            }
        }
    }

    fn load(&mut self, i: usize) {
        let way = self.way;
        let s = &mut self.streams[i];
        let back = way == Way::Back;
        // What the directory rules out …
        if !self.matcher.rule.is_nothing()
            && let Some(skipped) = s.walk.skip(s.at, back, s.floor, &self.matcher.rule)
        {
            let (timed, ends) = (skipped.last.timed, skipped.last.ends);
            return self.pass(i, skipped.at, if back { ends.0 } else { ends.1 }, timed);
        }
        // … and what a look at the bytes does.
        if self.look(i) {
            return;
        }
        let s = &mut self.streams[i];
        let step = match way {
            Way::Back => s.walk.before(s.at),
            Way::Forward => s.walk.after(s.at),
        };
        let Some(step) = step else {
            s.done = true;
            return;
        };
        self.read(i, &step);
    }

    /// Goes on to `at`: nothing wanted lies in between. `t` is the placed time of the record next to `at`.
    fn pass(&mut self, i: usize, at: u64, t: Ts, timed: bool) {
        let (way, stop) = (self.way, self.stop);
        let s = &mut self.streams[i];
        let slack = slack(t);
        let t = Ts(t.0.saturating_add(s.moved));
        self.passed += s.at.abs_diff(at);
        s.at = at;
        let key = s.generation.key(at);
        // Lines without times are in order by where they stand.
        match way {
            Way::Back => {
                s.done = at <= s.floor || s.walk.before(at).is_none();
                s.frontier = s.frontier.min(if timed { (t + slack, LAST) } else { (t, key) });
                s.done |= stop.is_some_and(|stop| s.frontier.0 < stop);
            }
            Way::Forward => {
                s.done = s.walk.after(at).is_none();
                s.frontier = s.frontier.max(if timed { (t - slack, FIRST) } else { (t, key) });
                s.done |= stop.is_some_and(|stop| s.frontier.0 > stop);
            }
        }
    }

    /// Looks through the raw bytes of what comes next, in ever larger pieces while nothing is found. Whether it got
    /// further by that; if not, the next block is to be read.
    fn look(&mut self, i: usize) -> bool {
        let Some(raw) = &self.matcher.raw else { return false };
        let back = self.way == Way::Back;
        let s = &mut self.streams[i];
        if s.looked.as_ref().is_none_or(|(range, _)| if back { s.at <= range.start } else { s.at >= range.end }) {
            s.looked = None;
            if s.ahead == 0 {
                return false;
            }
            let Some(run) = s.walk.run(s.at, back) else { return false };
            let bytes = s.ahead * BLOCK;
            let piece = if back {
                run.start.max(s.floor).max(run.end.saturating_sub(bytes))..run.end
            } else {
                run.start..run.end.min(run.start.saturating_add(bytes))
            };
            let mut piece = s.generation.directory.unknown(piece, back, &self.matcher.rule);
            // Whole blocks.
            if back && piece.start > run.start {
                piece.start = s.walk.floor(piece.start).max(run.start);
            } else if !back && piece.end < run.end {
                piece.end = s.walk.floor(piece.end);
            }
            if piece.end <= piece.start + BLOCK {
                return false;
            }
            let threads = if s.ahead < AHEAD { 1 } else { *self.threads.get_or_insert_with(raw::threads) };
            let found = raw.blocks(s.generation, &s.walk, piece.clone(), threads);
            self.scanned += piece.end - piece.start;
            s.ahead = if found.len() as u64 * 8 > s.ahead { 0 } else { (s.ahead * 4).min(AHEAD) };
            s.looked = Some((piece, found.into()));
        }
        let Some((range, found)) = &mut s.looked else { return false };
        let at = s.at;
        let to = if back {
            while found.back().is_some_and(|b| *b >= at) {
                found.pop_back();
            }
            match found.back() {
                Some(start) => s.walk.after(*start).map_or(range.start, |b| b.range().end),
                None => range.start,
            }
        } else {
            while found.front().is_some_and(|b| *b < at) {
                found.pop_front();
            }
            found.front().copied().unwrap_or(range.end)
        };
        if to == at || back && to > at || !back && to < at {
            return false;
        }
        let (t, timed) = s.walk.placed_at(to);
        self.pass(i, to, t, timed);
        true
    }

    fn read(&mut self, i: usize, step: &Step) {
        let s = &mut self.streams[i];
        let range = step.range();
        let found = scan(s.generation, &s.walk, step, self.matcher, &mut self.buf);
        self.scanned += found.bytes;
        if found.hits.is_empty() {
            s.ahead = s.ahead.max(4);
        }
        let (from, way, until) = (self.from, self.way, self.until);
        let size = s.generation.opened.size;
        let moved = s.moved;
        let hits = found.hits.into_iter().map(|mut h| {
            h.place.0 = Ts(h.place.0.0.saturating_add(moved));
            h
        });
        let wanted = hits.filter(|h| {
            let inside = match (way, from) {
                (_, None) => true,
                (Way::Back, Some(from)) => h.place < from,
                (Way::Forward, Some(from)) => h.place >= from,
            };
            // Lines from before the opening are visible from their own time on.
            inside && h.end > s.floor && (h.place.1.offset >= size || h.place.0 <= until)
        });
        let mut wanted: Vec<Hit> = wanted.collect();
        wanted.sort_by_key(|h| h.place);
        // Nearly always the new ones lie wholly on one side of those that wait.
        match way {
            Way::Back if wanted.last().zip(s.buffer.front()).is_none_or(|(w, b)| w.place <= b.place) => {
                wanted.into_iter().rev().for_each(|h| s.buffer.push_front(h));
            }
            Way::Forward if wanted.first().zip(s.buffer.back()).is_none_or(|(w, b)| w.place >= b.place) => {
                s.buffer.extend(wanted);
            }
            _ => {
                s.buffer.extend(wanted);
                s.buffer.make_contiguous().sort_by_key(|h| h.place);
            }
        }
        let frontier = Ts(s.frontier.0.0.saturating_sub(moved));
        let to = if way == Way::Back { range.start } else { range.end };
        match found.ends {
            Some((first, last)) => self.pass(i, to, if way == Way::Back { first } else { last }, found.timed),
            // Nothing was there: what is known of the rest stays.
            None => self.pass(i, to, frontier, true),
        }
    }
}

const FIRST: RowKey = RowKey { source: SourceId(0), generation: 0, offset: 0 };
const LAST: RowKey = RowKey { source: SourceId(u32::MAX), generation: u32::MAX, offset: u64::MAX };

/// The question was replaced by a newer one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl Way {
    /// Whether `a` comes before `b` this way.
    fn first(self, a: Place, b: Place) -> bool {
        if self == Way::Back { a > b } else { a < b }
    }
}

impl Stream<'_> {
    fn next_place(&self, way: Way) -> Option<Place> {
        if way == Way::Back { self.buffer.back() } else { self.buffer.front() }.map(|h| h.place)
    }
}

/// The place just before everything at `t`.
pub fn at(t: Ts) -> Place {
    (t, FIRST)
}
