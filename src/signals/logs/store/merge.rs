//! All generations merged by placed time, walked from any place, forwards or backwards, block by block.
//!
//! Each stream knows a *frontier*: the place that none of its unread records lies beyond. The best record read so far is
//! given out once it is beyond all frontiers; otherwise the stream with the farthest frontier reads its next block. So
//! a sparse filter does not make every source read its whole past for one screen. Records out of order inside a source
//! are put right across blocks as long as they are less than `SLACK` out of place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::blocks::Walk;
use super::generation::Generation;
use super::query::Upto;
use super::scan::{Hit, Matcher, Place, scan};
use crate::signals::logs::row::RowKey;
use crate::timeline::{SourceId, Ts};

/// How far records may be out of order and still come out in order across blocks.
const SLACK: Duration = Duration::from_millis(200);

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
    /// Bytes that can be read in all.
    pub total: u64,
}

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
                let own = from.filter(|(_, k)| *k == generation.key(k.offset)).map(|(_, k)| k.offset);
                let at = match (way, from) {
                    (Way::Back, None) if until < Ts::MAX && visible == generation.opened.size => {
                        walk.after_time(until + SLACK)
                    }
                    (Way::Back, None) => walk.end(),
                    (Way::Forward, None) => 0,
                    (Way::Back, Some((t, _))) => {
                        let at = walk.after_time(t.min(until) + SLACK);
                        own.filter(|o| *o >= at).map_or(at, |o| walk.after(walk.floor(o)).map_or(o, |s| s.range().end))
                    }
                    (Way::Forward, Some((t, _))) => {
                        let at = walk.before_time(t - SLACK);
                        own.filter(|o| *o < at).map_or(at, |o| walk.floor(o))
                    }
                };
                let frontier = if way == Way::Back { (Ts::MAX, LAST) } else { (Ts::MIN, FIRST) };
                let (buffer, floor, done) = (VecDeque::new(), 0, false);
                Stream { generation, walk, at, floor, visible, buffer, frontier, done }
            })
            .collect();
        Merge { streams, matcher, way, from, until, stop: None, scanned: 0, total }
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
            if cancelled(self.scanned) {
                return Err(Cancelled);
            }
        }
    }

    fn load(&mut self, i: usize) {
        let s = &mut self.streams[i];
        let step = match self.way {
            Way::Back => s.walk.before(s.at),
            Way::Forward => s.walk.after(s.at),
        };
        let Some(step) = step else {
            s.done = true;
            return;
        };
        let range = step.range();
        let found = scan(s.generation, &s.walk, &step, self.matcher);
        self.scanned += found.bytes;
        let (from, way, until) = (self.from, self.way, self.until);
        let size = s.generation.opened.size;
        let wanted = found.hits.into_iter().filter(|h| {
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
        let key = |offset| s.generation.key(offset);
        match way {
            Way::Back => {
                s.at = range.start;
                s.done = range.start <= s.floor || s.walk.before(range.start).is_none();
                if let Some((first, _)) = found.ends {
                    // Lines without times are in order by where they stand.
                    let next = if found.timed { (first + SLACK, LAST) } else { (first, key(range.start)) };
                    s.frontier = s.frontier.min(next);
                }
                s.done |= self.stop.is_some_and(|stop| s.frontier.0 < stop);
            }
            Way::Forward => {
                s.at = range.end;
                s.done = s.walk.after(range.end).is_none();
                if let Some((_, last)) = found.ends {
                    let next = if found.timed { (last - SLACK, FIRST) } else { (last, key(range.end)) };
                    s.frontier = s.frontier.max(next);
                }
                s.done |= self.stop.is_some_and(|stop| s.frontier.0 > stop);
            }
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
