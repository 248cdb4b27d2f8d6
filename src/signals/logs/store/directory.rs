//! The block directory: what is known of each block of a generation, within a cap on memory that all share.
//!
//! A block is known by the granule (`BLOCK` bytes) that its start lies in: two blocks never start in the same one. Slots
//! lie in pages that are made when something in them is learnt, so a directory costs nothing for what was never looked at;
//! the tokens of a page's blocks lie together.
//! When memory is short, sets of tokens become coarser (more blocks are read in vain), then those of the oldest blocks go;
//! what is left is never wrong, only says less.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::idset::IdSet;
use super::index_memory::IndexMemory;
use super::rules::Rule;
use super::tokens::Key;
use crate::timeline::Ts;
use crate::timeline::counts::Counts;

mod pages;
#[path = "written.rs"]
pub mod written;

use pages::{Known, Left, Looked, PAGE, Slot, UNKNOWN};

/// Bytes in a block, about.
pub const BLOCK: u64 = 256 << 10;

/// What is known of a block's records.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
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

/// What is known of a block's tokens.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Ids<'a> {
    /// Nobody looked.
    #[default]
    Unknown,
    /// Too many to tell apart: the block is read when in doubt.
    Untold,
    /// These, all different.
    Keys(&'a [Key]),
}

/// A row of blocks that a rule rules out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The border beyond the last of them.
    pub at: u64,
    /// What is known of the last of them.
    pub last: BlockInfo,
}

/// What is known of a generation's blocks.
#[derive(Debug)]
pub struct Directory {
    known: Mutex<Known>,
    memory: Arc<IndexMemory>,
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Directory {
    /// An empty one.
    pub fn new(memory: Arc<IndexMemory>) -> Directory {
        Directory { known: Mutex::default(), memory }
    }

    /// The cap that it shares.
    pub fn memory(&self) -> &IndexMemory {
        &self.memory
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut known = self.known();
        for page in known.pages.iter().flatten() {
            self.memory.give_back(page.size());
        }
        *known = Known::default();
    }

    /// What is known of the block that begins at `start`.
    pub fn info(&self, start: u64) -> Option<BlockInfo> {
        self.known().slot(start / BLOCK).filter(|s| s.start == start)?.info
    }

    /// Whether the block's tokens were looked at.
    pub fn has_ids(&self, range: &Range<u64>) -> bool {
        let known = self.known();
        let slot = known.slot(range.start / BLOCK).filter(|s| s.start == range.start);
        slot.is_some_and(|s| s.info.is_some_and(|i| i.end == range.end) && s.looked != Looked::No)
    }

    /// Whether the block that begins at `start` may hold what passes `rule`; `true` when nothing is known.
    pub fn may_hold(&self, start: u64, rule: &Rule) -> bool {
        let known = self.known();
        known.slot(start / BLOCK).is_none_or(|s| s.start != start) || Left::new(&known, rule).may_hold(start / BLOCK)
    }

    /// Remembers a block that will not change any more; its tokens, too, unless they are unknown.
    pub fn learn(&self, start: u64, info: BlockInfo, ids: Ids) {
        let mut known = self.known();
        let known = &mut *known;
        let Some(page) = known.page_mut(start / BLOCK, &self.memory) else { return };
        let at = (start / BLOCK) as usize % PAGE;
        let slot = &mut page.slots[at];
        if slot.start != start {
            // Tokens of a block that began elsewhere stay: they only say too much.
            let (border, first) = (slot.border, slot.first);
            *slot = Slot { border, first, start, ..Slot::default() };
        }
        let fresh = u64::from(slot.info.replace(info).is_none());
        let mut indexed = 0;
        if ids != Ids::Unknown && slot.looked == Looked::No {
            indexed = info.end - start;
            slot.looked = if ids == Ids::Untold { Looked::Untold } else { Looked::Told };
            let was = page.ids_size();
            if let Ids::Keys(keys) = ids {
                page.stage(keys, at as u8);
            }
            self.memory.give_back(was);
            self.memory.take(page.ids_size());
        }
        known.blocks += fresh;
        known.indexed += indexed;
        known.count(start, info.end, info.lines, &self.memory);
    }

    /// Remembers how many lines a block has that will not change any more.
    pub fn learn_lines(&self, start: u64, end: u64, lines: u32) {
        self.known().count(start, end, lines, &self.memory);
    }

    /// Lines before the block that begins at `start`, when all before it are known.
    pub fn lines_before(&self, start: u64) -> Option<u64> {
        let known = self.known();
        if known.upto.0 == start {
            return Some(known.upto.1);
        }
        known.slot(start / BLOCK).filter(|s| s.start == start && s.before != UNKNOWN).map(|s| s.before)
    }

    /// The border of granule `k`, if it is known.
    pub fn border(&self, k: u64) -> Option<u64> {
        self.known().slot(k).map(|s| s.border).filter(|b| *b != UNKNOWN)
    }

    /// Remembers that `border` is the border of all of `granules`.
    pub fn learn_border(&self, granules: Range<u64>, border: u64) {
        let mut known = self.known();
        for k in granules {
            match known.slot_mut(k, &self.memory) {
                Some(slot) => slot.border = border,
                None => return,
            }
        }
    }

    /// Placed time of the first record behind the border of granule `k`, if it is known.
    pub fn first(&self, k: u64) -> Option<Ts> {
        self.known().slot(k)?.first
    }

    /// Remembers it.
    pub fn learn_first(&self, k: u64, first: Ts) {
        if let Some(slot) = self.known().slot_mut(k, &self.memory).filter(|s| s.border != UNKNOWN) {
            slot.first = Some(first);
        }
    }

    /// The blocks that end at `at`, a border, and before it, as long as they are known and ruled out; none below `low`.
    /// `first` is where the bytes begin.
    pub fn skip_back(&self, at: u64, first: u64, low: u64, rule: &Rule) -> Option<Skipped> {
        let known = self.known();
        let mut skipped = None;
        let mut left = Left::new(&known, rule);
        let mut at = at;
        while at > low.max(first) {
            let Some(slot) = known.block_before(at, first) else { break };
            let Some(info) = slot.info.filter(|_| !left.may_hold(slot.start / BLOCK)) else { break };
            at = slot.start;
            skipped = Some(Skipped { at, last: info });
        }
        skipped
    }

    /// Start of the row of blocks that ends at `at`, a border, and whose tokens were all looked at; `at` when there is none.
    /// `first` is where the bytes begin.
    pub fn indexed_back(&self, at: u64, first: u64) -> u64 {
        let known = self.known();
        let mut at = at;
        while at > first
            && let Some(slot) = known.block_before(at, first)
            && slot.looked != Looked::No
        {
            at = slot.start;
        }
        at
    }

    /// The blocks that begin at `at`, a border, and behind it, as long as they are known and ruled out.
    pub fn skip_forward(&self, at: u64, end: u64, rule: &Rule) -> Option<Skipped> {
        let known = self.known();
        let mut skipped = None;
        let mut left = Left::new(&known, rule);
        let mut at = at;
        while let Some(slot) = known.slot(at / BLOCK).filter(|s| s.start == at) {
            let Some(info) = slot.info.filter(|i| i.end <= end) else { break };
            if left.may_hold(at / BLOCK) {
                break;
            }
            at = info.end;
            skipped = Some(Skipped { at, last: info });
        }
        skipped
    }

    /// The part of `range` at its end (or, forwards, at its start) in which no block is known to be ruled out, by whole
    /// granules. For reading what the directory cannot speak of.
    pub fn unknown(&self, range: Range<u64>, back: bool, rule: &Rule) -> Range<u64> {
        let known = self.known();
        let mut left = Left::new(&known, rule);
        let ruled_out = |k: &u64| !left.may_hold(*k);
        let (first, last) = (range.start / BLOCK, range.end.saturating_sub(1) / BLOCK);
        if back {
            // The block that ends at `range.end` is the one that is wanted.
            let low = (first..last).rev().find(ruled_out);
            low.map_or(range.start, |k| range.start.max((k + 1) * BLOCK))..range.end
        } else {
            let high = (first + 1..=last).find(ruled_out);
            range.start..high.map_or(range.end, |k| range.end.min(k * BLOCK))
        }
    }

    /// Makes all sets as coarse as they may be now.
    pub fn coarsen(&self) {
        let bits = self.memory.bits();
        let mut known = self.known();
        for page in known.pages.iter_mut().flatten() {
            self.memory.give_back(page.ids_size());
            page.coarsen(bits);
            self.memory.take(page.ids_size());
        }
    }

    /// Time of the oldest block whose tokens are kept.
    pub fn oldest_set(&self) -> Option<Ts> {
        let known = self.known();
        let page = known.pages.iter().flatten().find(|p| p.has_ids())?;
        page.slots.iter().find_map(|s| s.info.map(|i| i.span.1))
    }

    /// Gives up the tokens of the first page that has any.
    pub fn drop_oldest_sets(&self) {
        let bits = self.memory.bits();
        let mut known = self.known();
        if let Some(page) = known.pages.iter_mut().flatten().find(|p| p.has_ids()) {
            self.memory.give_back(page.ids_size());
            (page.set, page.staged) = (IdSet::empty(bits), Vec::new());
            for slot in page.slots.iter_mut().filter(|s| s.looked == Looked::Told) {
                slot.looked = Looked::Untold;
            }
        }
    }

    /// Blocks known, and bytes in blocks whose tokens were looked at.
    pub fn size(&self) -> (u64, u64) {
        let known = self.known();
        (known.blocks, known.indexed)
    }
}
