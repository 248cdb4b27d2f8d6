//! The block directory: where blocks of records begin, and what is in them.
//!
//! Block `k` goes from the first start of a record at or after `k * BLOCK` to that of block `k + 1`. The borders follow
//! from the bytes alone, so any block can be found without reading those before it, and a record never lies across two
//! blocks. What is known of a block is filled in by whoever reads it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::generation::{Extent, Generation, Gone};
use crate::signals::logs::formats;
use crate::timeline::Ts;
use crate::timeline::counts::Counts;

/// Bytes in a block, about.
pub const BLOCK: u64 = 128 << 10;
/// Of one block at most this much is read; only a record larger than this is cut by it.
pub const MOST: u64 = 4 << 20;
/// Blocks known per generation: 10 MB of memory, 26 GB of log. Beyond that the directory stays as it is.
const KNOWN: usize = 200_000;

/// What is known of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Offset after its last byte.
    pub end: u64,
    /// Earliest and latest placed time of its records.
    pub span: (Ts, Ts),
    /// Placed time of its first and of its last record.
    pub ends: (Ts, Ts),
    /// Whether any of its records has a time of its own.
    pub timed: bool,
    /// Line ends in it.
    pub lines: u32,
    /// Records by severity.
    pub counts: Counts,
}

#[derive(Debug, Default)]
struct Known {
    borders: BTreeMap<u64, u64>,
    firsts: BTreeMap<u64, Ts>,
    blocks: BTreeMap<u64, BlockInfo>,
    /// End and number of lines by start, also of blocks of which nothing else is known.
    lines: BTreeMap<u64, (u64, u32)>,
    /// Lines before each block, as far as all blocks before are known.
    before: BTreeMap<u64, u64>,
    upto: (u64, u64),
}

/// What is known of a generation's blocks.
#[derive(Debug, Default)]
pub struct Directory(Mutex<Known>);

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

impl Directory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.known() = Known::default();
    }

    /// What is known of the block that begins at `start`.
    pub fn info(&self, start: u64) -> Option<BlockInfo> {
        self.known().blocks.get(&start).cloned()
    }

    /// Remembers a block that will not change any more.
    pub fn learn(&self, start: u64, info: BlockInfo) {
        let mut known = self.known();
        if known.blocks.len() >= KNOWN {
            return;
        }
        let (end, lines) = (info.end, info.lines);
        known.blocks.insert(start, info);
        drop(known);
        self.learn_lines(start, end, lines);
    }

    /// Remembers how many lines a block has that will not change any more.
    pub fn learn_lines(&self, start: u64, end: u64, lines: u32) {
        let mut known = self.known();
        if known.lines.len() >= KNOWN {
            return;
        }
        known.lines.insert(start, (end, lines));
        while let Some((end, lines)) = known.lines.get(&known.upto.0).copied() {
            if end <= known.upto.0 {
                break;
            }
            let (at, sum) = known.upto;
            known.before.insert(at, sum);
            known.upto = (end, sum + u64::from(lines));
        }
    }

    /// Lines before the block that begins at `start`, when all before it are known.
    pub fn lines_before(&self, start: u64) -> Option<u64> {
        let known = self.known();
        if known.upto.0 == start { Some(known.upto.1) } else { known.before.get(&start).copied() }
    }

    /// Blocks known.
    pub fn len(&self) -> usize {
        self.known().blocks.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        if let Some(t) = self.generation.directory.known().firsts.get(&k) {
            return Some(*t);
        }
        let start = self.border(k, r);
        if start >= r.end {
            return None;
        }
        let bytes = self.generation.read(start..(start + (64 << 10)).min(r.end));
        let cx = self.generation.context();
        let first = formats::records(&bytes, self.generation.format(), &cx).take(200).find_map(|s| s.head.time);
        let first = first.unwrap_or_else(|| self.generation.observed_at(start));
        let mut known = self.generation.directory.known();
        if known.firsts.len() < KNOWN && known.borders.contains_key(&k) {
            known.firsts.insert(k, first);
        }
        Some(first)
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
        if let Some(b) = self.generation.directory.known().borders.get(&k) {
            return (*b).min(r.end);
        }
        match self.find_border(at, r) {
            Some(b) => {
                let mut known = self.generation.directory.known();
                if known.borders.len() < KNOWN {
                    known.borders.insert(k, b);
                }
                b
            }
            None => r.end,
        }
    }

    fn find_border(&self, at: u64, r: &Range<u64>) -> Option<u64> {
        // The start of the first line …
        let mut from = at - 1;
        let line = loop {
            let bytes = self.generation.read(from..(from + (64 << 10)).min(r.end));
            if let Some(i) = memchr::memchr(b'\n', &bytes) {
                break from + i as u64 + 1;
            }
            if bytes.is_empty() || from + bytes.len() as u64 >= r.end {
                return None;
            }
            from += bytes.len() as u64;
        };
        // … and of the first record: continuation lines belong to the block before.
        let bytes = self.generation.read(line..(line + (64 << 10)).min(r.end));
        let whole = memchr::memrchr(b'\n', &bytes)? + 1;
        let cx = self.generation.context();
        let format = self.generation.format();
        let first = formats::records(&bytes[..whole], format, &cx).find(|s| {
            s.known && !bytes[s.range.start..].starts_with(b" ") && !bytes[s.range.start..].starts_with(b"\t")
        });
        Some(line + first.map_or(0, |s| s.range.start as u64))
    }
}
