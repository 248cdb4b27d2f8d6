//! Where blocks of records begin, and the walk through them.
//!
//! Block `k` goes from the first start of a record at or after `k * BLOCK` to that of block `k + 1`. The borders follow
//! from the bytes alone, so any block can be found without reading those before it, and a record never lies across two
//! blocks. What is known of a block is filled in by whoever reads it.

use std::ops::Range;

use super::directory::{BLOCK, BlockInfo, Skipped};
use super::generation::{Extent, Generation, Gone};
use super::rules::Rule;
use crate::signals::logs::formats;
use crate::timeline::Ts;

/// Of one block at most this much is read; only a record larger than this is cut by it.
pub const MOST: u64 = 4 << 20;

/// A step of a walk through a generation.
#[derive(Clone, Debug)]
pub enum Step {
    /// A block of bytes.
    Block(Range<u64>),
    /// Lines that are not here.
    Gone(Gone),
}

impl Step {
    /// Its offsets.
    pub fn range(&self) -> Range<u64> {
        match self {
            Step::Block(r) => r.clone(),
            Step::Gone(g) => g.range.clone(),
        }
    }
}

/// The extents of a generation below a visible end, and the walk through their blocks.
#[derive(Debug)]
pub struct Walk<'a> {
    generation: &'a Generation,
    extents: Vec<Extent>,
}

impl<'a> Walk<'a> {
    /// Through what is visible below `end`.
    pub fn new(generation: &'a Generation, end: u64) -> Walk<'a> {
        Walk { generation, extents: generation.extents(end) }
    }

    /// End of the last extent.
    pub fn end(&self) -> u64 {
        self.extents.iter().map(|e| e.range().end).max().unwrap_or(0)
    }

    /// Bytes that can be read.
    pub fn bytes(&self) -> u64 {
        self.extents.iter().map(|e| if let Extent::Bytes(r) = e { r.end - r.start } else { 0 }).sum()
    }

    /// The block that ends at `at`, a border, or the last one before it.
    pub fn before(&self, at: u64) -> Option<Step> {
        let extent = self.extents.iter().rev().find(|e| e.range().start < at)?;
        match extent {
            Extent::Gone(g) => Some(Step::Gone(g.clone())),
            Extent::Bytes(r) => {
                let at = at.min(r.end);
                let mut k = (at - 1) / BLOCK;
                loop {
                    let start = self.border(k, r);
                    if start < at {
                        return Some(Step::Block(start..at));
                    }
                    k = k.checked_sub(1)?;
                }
            }
        }
    }

    /// The block that begins at `at`, a border, or the first one after it.
    pub fn after(&self, at: u64) -> Option<Step> {
        let extent = self.extents.iter().find(|e| match e {
            Extent::Bytes(r) => at < r.end,
            Extent::Gone(g) => at <= g.range.start,
        })?;
        match extent {
            Extent::Gone(g) => Some(Step::Gone(g.clone())),
            Extent::Bytes(r) => {
                let at = at.max(r.start);
                let mut k = at / BLOCK + 1;
                loop {
                    let end = self.border(k, r);
                    if end > at {
                        return Some(Step::Block(at..end));
                    }
                    k += 1;
                }
            }
        }
    }

    /// The border at or before `at`.
    pub fn floor(&self, at: u64) -> u64 {
        let Some(Extent::Bytes(r)) = self.extents.iter().rev().find(|e| e.range().start <= at) else { return at };
        let mut k = at / BLOCK;
        loop {
            let border = self.border(k, r);
            if border <= at || k == 0 {
                return border.min(at).max(r.start);
            }
            k -= 1;
        }
    }

    /// Whether the block will never change: a record begins behind it.
    pub fn settled(&self, range: &Range<u64>) -> bool {
        self.extents.iter().any(|e| matches!(e, Extent::Bytes(r) if r.start <= range.start && range.end < r.end))
    }

    /// First border after which records are placed later than `t`; the end when there is none.
    pub fn after_time(&self, t: Ts) -> u64 {
        for extent in &self.extents {
            match extent {
                Extent::Gone(g) if g.span.0 > t => return g.range.start,
                Extent::Gone(_) => {}
                Extent::Bytes(r) => {
                    let (mut low, mut high) = (r.start / BLOCK, r.end / BLOCK + 1);
                    while low < high {
                        let mid = low + (high - low) / 2;
                        if self.first_time(mid, r).is_some_and(|first| first <= t) { low = mid + 1 } else { high = mid }
                    }
                    if low <= r.end / BLOCK {
                        return self.border(low, r);
                    }
                }
            }
        }
        self.end()
    }

    /// Last border before which no record is placed at `t` or later; the start when there is none.
    pub fn before_time(&self, t: Ts) -> u64 {
        let at = self.after_time(Ts(t.0.saturating_sub(1)));
        self.before(at).map_or(at, |s| s.range().start)
    }

    /// Placed time of the first record of block `k`; `None` past the end.
    fn first_time(&self, k: u64, r: &Range<u64>) -> Option<Ts> {
        if let Some(t) = self.generation.directory.first(k) {
            return Some(t);
        }
        let start = self.border(k, r);
        if start >= r.end {
            return None;
        }
        let first = self.time_at(start, r).unwrap_or_else(|| self.generation.observed_at(start));
        self.generation.directory.learn_first(k, first);
        Some(first)
    }

    /// Event time of the first record at or after `start` that has one, within some records.
    fn time_at(&self, start: u64, r: &Range<u64>) -> Option<Ts> {
        let cx = self.generation.context();
        [4 << 10, 64 << 10].into_iter().find_map(|most| {
            let bytes = self.generation.read(start..(start + most).min(r.end));
            // Of a line longer than that its beginning tells as much.
            let whole = memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |i| i + 1);
            formats::records(&bytes[..whole], self.generation.format(), &cx).take(200).find_map(|s| s.head.time)
        })
    }

    /// Placed time of the record at the border `at`, and whether it is a time of its own.
    pub fn placed_at(&self, at: u64) -> (Ts, bool) {
        let time = self.bytes_at(at).and_then(|r| self.time_at(at, &r));
        (time.unwrap_or_else(|| self.generation.observed_at(at)), time.is_some())
    }

    /// The bytes that `at` lies in.
    fn bytes_at(&self, at: u64) -> Option<Range<u64>> {
        self.extents.iter().find_map(|e| match e {
            Extent::Bytes(r) if r.contains(&at) => Some(r.clone()),
            _ => None,
        })
    }

    /// The bytes before `at` (backwards) or from it on, without a hole, as far as there are any.
    pub fn run(&self, at: u64, back: bool) -> Option<Range<u64>> {
        if back {
            let r = self.extents.iter().rev().find(|e| e.range().start < at)?;
            matches!(r, Extent::Bytes(_)).then(|| r.range().start..at.min(r.range().end))
        } else {
            self.bytes_at(at).map(|r| at..r.end)
        }
    }

    /// What the directory rules out from `at` on, as one step. Nothing that ends at or before `low`.
    pub fn skip(&self, at: u64, back: bool, low: u64, rule: &Rule) -> Option<Skipped> {
        let run = self.run(at, back)?;
        let directory = &self.generation.directory;
        if back {
            directory.skip_back(run.end, run.start, low, rule)
        } else {
            directory.skip_forward(at, run.end, rule)
        }
    }

    /// What is known of a block that will not change any more.
    pub fn info(&self, range: &Range<u64>) -> Option<BlockInfo> {
        self.generation.directory.info(range.start).filter(|i| i.end == range.end && self.settled(range))
    }

    /// First start of a record at or after `k * BLOCK`, inside `r`.
    fn border(&self, k: u64, r: &Range<u64>) -> u64 {
        let at = k.saturating_mul(BLOCK);
        if at <= r.start {
            return r.start;
        }
        if at >= r.end {
            return r.end;
        }
        if let Some(b) = self.generation.directory.border(k) {
            return b.min(r.end);
        }
        // A granule in which no line begins has the border of the next one.
        let mut next = k;
        let found = loop {
            let at = next * BLOCK;
            if at >= r.end {
                break None;
            }
            // Inside a line that has no end yet, as far as that is known.
            if let Some(after) = self.generation.bare_until(at, r.end) {
                next = after.div_ceil(BLOCK).max(next + 1);
                continue;
            }
            if let Some(b) = self.generation.directory.border(next) {
                break Some(b);
            }
            match self.first_line(at - 1..(at + BLOCK - 1).min(r.end)) {
                Some(line) => break self.first_record(line, r),
                None => next += 1,
            }
        };
        match found {
            Some(b) => {
                self.generation.directory.learn_border(k..next + 1, b);
                b.min(r.end)
            }
            None => {
                self.generation.learn_bare(at..r.end);
                r.end
            }
        }
    }

    /// Start of the first line behind a newline in `range`.
    fn first_line(&self, range: Range<u64>) -> Option<u64> {
        let (mut from, mut most) = (range.start, 4 << 10);
        while from < range.end {
            let bytes = self.generation.read(from..(from + most).min(range.end));
            if let Some(i) = memchr::memchr(b'\n', &bytes) {
                return Some(from + i as u64 + 1);
            }
            if bytes.is_empty() {
                return None;
            }
            from += bytes.len() as u64;
            most = 64 << 10;
        }
        None
    }

    /// The first start of a record at or after the start of a line: continuation lines belong to the block before.
    fn first_record(&self, line: u64, r: &Range<u64>) -> Option<u64> {
        let cx = self.generation.context();
        let format = self.generation.format();
        let (mut whole, mut endless) = (0, false);
        for most in [4 << 10, 64 << 10] {
            let bytes = self.generation.read(line..(line + most).min(r.end));
            whole = memchr::memrchr(b'\n', &bytes).map_or(0, |i| i + 1);
            endless = whole == 0 && bytes.len() as u64 == most;
            let first = formats::records(&bytes[..whole], format, &cx).find(|s| {
                s.known && !bytes[s.range.start..].starts_with(b" ") && !bytes[s.range.start..].starts_with(b"\t")
            });
            if let Some(first) = first {
                return Some(line + first.range.start as u64);
            }
        }
        // No record in sight: any line is as good as this one, also one that is longer than what was read.
        (whole > 0 || endless).then_some(line)
    }
}
