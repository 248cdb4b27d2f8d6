//! What the records of a block come to: where they are placed, their span, their counts.

use super::blocks::{self, Walk};
use super::directory::BlockInfo;
use super::generation::Generation;
use crate::signals::logs::formats::{self, Context, Format};
use crate::timeline::Ts;
use crate::timeline::counts::Counts;

/// What a block's records come to, taken in one after the other.
pub struct Survey<'a> {
    generation: &'a Generation,
    walk: &'a Walk<'a>,
    start: u64,
    format: &'static dyn Format,
    cx: &'a Context,
    looked_back: bool,
    pub(super) last: Option<Ts>,
    pub(super) ends: Option<(Ts, Ts)>,
    span: (Ts, Ts),
    counts: Counts,
    lines: u32,
}

impl<'a> Survey<'a> {
    /// Of the block that begins at `start`.
    pub fn new(
        generation: &'a Generation,
        walk: &'a Walk<'a>,
        start: u64,
        format: &'static dyn Format,
        cx: &'a Context,
    ) -> Survey<'a> {
        let looked_back = format.name() == "text";
        let (last, ends, span, counts) = (None, None, (Ts::MAX, Ts::MIN), Counts::default());
        Survey { generation, walk, start, format, cx, looked_back, last, ends, span, counts, lines: 0 }
    }

    /// Takes in a record; where it is placed.
    #[inline]
    pub fn take(&mut self, s: &formats::Span) -> Ts {
        let placed = match s.head.time.or(self.last) {
            Some(t) => t,
            None => self.without_time(s.range.start),
        };
        self.last = s.head.time.or(self.last);
        self.ends = Some((self.ends.map_or(placed, |(first, _)| first), placed));
        self.span = (self.span.0.min(placed), self.span.1.max(placed));
        self.counts.add(s.head.severity, 1);
        self.lines += s.lines;
        placed
    }

    /// The first record has no time of its own: that of its predecessor, which lies in the block before.
    fn without_time(&mut self, at: usize) -> Ts {
        if !std::mem::replace(&mut self.looked_back, true) {
            self.last = time_before(self.generation, self.walk, self.start, self.format, self.cx);
        }
        self.last.unwrap_or_else(|| self.generation.observed_at(self.start + at as u64))
    }

    /// All of it, when there were any records; the block, of whole lines, ends at `end`.
    pub fn finish(&self, end: u64) -> Option<BlockInfo> {
        let timed = self.last.is_some();
        Some(BlockInfo { end, span: self.span, ends: self.ends?, timed, lines: self.lines, counts: self.counts })
    }
}

/// Event time of the last record of the block before `at` that has one.
fn time_before(generation: &Generation, walk: &Walk, at: u64, format: &'static dyn Format, cx: &Context) -> Option<Ts> {
    let range = walk.before(at)?.range();
    let bytes = generation.read(range.start..range.end.min(range.start + blocks::MOST));
    formats::records(&bytes, format, cx).filter_map(|s| s.head.time).last()
}
