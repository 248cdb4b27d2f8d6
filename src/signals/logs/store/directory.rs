//! The block directory: what is known of each block of a generation, within a cap on memory that all share.
//!
//! A block is known by the granule (`BLOCK` bytes) that its start lies in: two blocks never start in the same one. Slots
//! lie in pages that are made when something in them is learnt, so a directory costs nothing for what was never looked at;
//! the tokens of a page's blocks lie together.
//! When memory is short, sets of tokens become coarser (more blocks are read in vain), then those of the oldest blocks go;
//! what is left is never wrong, only says less.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::idset::{self, COARSE, FINE, IdSet};
use super::rules::Rule;
use super::tokens::Key;
use crate::timeline::Ts;
use crate::timeline::counts::Counts;

#[path = "written.rs"]
pub mod written;

/// Bytes in a block, about.
pub const BLOCK: u64 = 256 << 10;
/// Slots made together: as many as a word has bits.
const PAGE: usize = 64;
/// Tokens that wait until they are taken into a page's set, at the least; beyond that half of the set.
const STAGED: usize = 32_768;

/// The cap on what all directories take, and how far they are from it.
#[derive(Debug)]
pub struct IndexMemory {
    cap: u64,
    used: AtomicU64,
    bits: AtomicU8,
}

impl IndexMemory {
    /// At most `cap` bytes.
    pub fn new(cap: u64) -> IndexMemory {
        IndexMemory { cap, used: AtomicU64::new(0), bits: AtomicU8::new(FINE) }
    }

    /// Bytes taken.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be taken.
    pub fn cap(&self) -> u64 {
        self.cap
    }

    /// Bits of a key that are kept now.
    pub fn bits(&self) -> u8 {
        self.bits.load(Ordering::Relaxed)
    }

    /// Whether more is taken than may be.
    pub fn is_over(&self) -> bool {
        self.used() > self.cap
    }

    /// Makes sets coarser from now on; `None` when they are as coarse as they get.
    pub fn coarser(&self) -> Option<u8> {
        let bits = self.bits().checked_sub(2).filter(|b| *b >= COARSE)?;
        self.bits.store(bits, Ordering::Relaxed);
        Some(bits)
    }

    fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

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

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Looked {
    #[default]
    No,
    /// They are not in the set: too many, or given up for want of memory.
    Untold,
    Told,
}

#[derive(Clone, Debug)]
struct Slot {
    /// Border at or after the granule's start; `u64::MAX` when unknown.
    border: u64,
    /// Placed time of the first record behind the border.
    first: Option<Ts>,
    /// Start of the block that starts in this granule, if `info` is known.
    start: u64,
    info: Option<BlockInfo>,
    looked: Looked,
    /// Lines before `start`, when all blocks before are known.
    before: u64,
    /// End and lines of the block at `start`, also when nothing else is known; an end of 0 is none.
    counted: (u64, u32),
}

const UNKNOWN: u64 = u64::MAX;

impl Default for Slot {
    fn default() -> Slot {
        let (info, first, looked) = (None, None, Looked::No);
        Slot { border: UNKNOWN, first, start: UNKNOWN, info, looked, before: UNKNOWN, counted: (0, 0) }
    }
}

#[derive(Debug)]
struct Page {
    slots: Box<[Slot]>,
    set: IdSet,
    /// Entries that are not yet in the set, in any order.
    staged: Vec<u32>,
}

const PAGE_SIZE: u64 = (PAGE * size_of::<Slot>() + size_of::<Page>()) as u64;

impl Page {
    fn new(bits: u8) -> Page {
        Page { slots: vec![Slot::default(); PAGE].into_boxed_slice(), set: IdSet::empty(bits), staged: Vec::new() }
    }

    fn size(&self) -> u64 {
        PAGE_SIZE + self.ids_size()
    }

    fn ids_size(&self) -> u64 {
        self.set.size() + self.staged.capacity() as u64 * 4
    }

    fn has_ids(&self) -> bool {
        !self.set.is_empty() || !self.staged.is_empty()
    }

    /// Takes in the tokens of block `block` of this page.
    fn stage(&mut self, keys: &[Key], block: u8) {
        let bits = self.set.bits();
        self.staged.reserve_exact(keys.len());
        self.staged.extend(keys.iter().map(|k| idset::entry(*k, block, bits)));
        let whole = self.slots.iter().all(|s| s.looked != Looked::No);
        if whole || self.staged.len() > STAGED.max(self.set.len() / 2) {
            let mut staged = std::mem::take(&mut self.staged);
            idset::sort(&mut staged);
            staged.dedup();
            self.set = self.set.with(&staged);
        }
    }

    fn coarsen(&mut self, bits: u8) {
        if let Some(less) = self.set.bits().checked_sub(bits).filter(|l| *l > 0) {
            let mut staged: Vec<u32> = std::mem::take(&mut self.staged);
            staged.iter_mut().for_each(|e| *e = idset::coarse(*e, less));
            idset::sort(&mut staged);
            staged.dedup();
            self.set = self.set.coarser(bits).unwrap_or_else(|| IdSet::empty(bits));
            // What is in the set already would be there twice.
            let mut old = self.set.entries().peekable();
            staged.retain(|e| {
                while old.next_if(|o| o < e).is_some() {}
                old.peek() != Some(e)
            });
            drop(old);
            self.set = self.set.with(&staged);
        }
    }

    /// The slots whose blocks may hold what passes `rule`, slot 0 as the lowest bit; those of unknown blocks among them.
    fn may_hold(&self, rule: &Rule) -> u64 {
        let each = |may: &dyn Fn(&Slot, &BlockInfo) -> bool| {
            let bit = |(i, s): (usize, &Slot)| u64::from(s.info.as_ref().is_none_or(|info| may(s, info))) << i;
            self.slots.iter().enumerate().map(bit).fold(0, |all, bit| all | bit)
        };
        match rule {
            Rule::Nothing => u64::MAX,
            Rule::Severity(passes) => each(&|_, info| passes.iter().zip(info.counts.0).any(|(p, n)| *p && n > 0)),
            Rule::Time(from, to) => each(&|_, info| info.span.1 >= *from && info.span.0 <= *to),
            Rule::Tokens(lists) => {
                let bits = self.set.bits();
                let blocks = |k: &Key| self.set.blocks(*k) | idset::blocks_in(&self.staged, *k, bits);
                let told = lists.iter().map(|keys| keys.iter().map(blocks).fold(u64::MAX, |all, b| all & b));
                told.fold(each(&|slot, _| slot.looked != Looked::Told), |all, b| all | b)
            }
            Rule::All(rules) => rules.iter().fold(u64::MAX, |all, r| all & self.may_hold(r)),
            Rule::Any(rules) => rules.iter().fold(0, |all, r| all | self.may_hold(r)),
        }
    }
}

/// Remembers of the last page asked which of its blocks a rule leaves.
struct Left<'a> {
    known: &'a Known,
    rule: &'a Rule,
    page: usize,
    mask: u64,
}

impl<'a> Left<'a> {
    fn new(known: &'a Known, rule: &'a Rule) -> Left<'a> {
        Left { known, rule, page: usize::MAX, mask: u64::MAX }
    }

    /// Whether the block that starts in granule `k` may hold what passes.
    fn may_hold(&mut self, k: u64) -> bool {
        let page = k as usize / PAGE;
        if page != self.page {
            self.page = page;
            self.mask = self.known.page(k).map_or(u64::MAX, |p| p.may_hold(self.rule));
        }
        self.mask >> (k as usize % PAGE) & 1 == 1
    }
}

#[derive(Debug, Default)]
struct Known {
    pages: Vec<Option<Box<Page>>>,
    blocks: u64,
    indexed: u64,
    /// Up to where all lines are counted, and how many.
    upto: (u64, u64),
}

impl Known {
    fn page(&self, k: u64) -> Option<&Page> {
        self.pages.get(usize::try_from(k).ok()? / PAGE)?.as_deref()
    }

    fn slot(&self, k: u64) -> Option<&Slot> {
        self.page(k)?.slots.get(k as usize % PAGE)
    }

    fn slot_mut(&mut self, k: u64, memory: &IndexMemory) -> Option<&mut Slot> {
        self.page_mut(k, memory)?.slots.get_mut(k as usize % PAGE)
    }

    fn page_mut(&mut self, k: u64, memory: &IndexMemory) -> Option<&mut Page> {
        let at = usize::try_from(k).ok()? / PAGE;
        if self.pages.get(at).is_none_or(Option::is_none) {
            // Sets may become coarser; slots may not.
            if memory.used() + PAGE_SIZE > memory.cap && memory.bits() <= COARSE || at > 1 << 24 {
                return None;
            }
            memory.take(PAGE_SIZE);
            if self.pages.len() <= at {
                self.pages.resize_with(at + 1, || None);
            }
            self.pages[at] = Some(Box::new(Page::new(memory.bits())));
        }
        self.pages[at].as_deref_mut()
    }
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

impl Known {
    /// The block that ends at `at`, a border, when it is known. `first` is where the bytes begin.
    fn block_before(&self, at: u64, first: u64) -> Option<&Slot> {
        let mut k = (at - 1) / BLOCK;
        // Granules inside a long record have the border behind it.
        let start = loop {
            let border = if k * BLOCK <= first { first } else { self.slot(k)?.border };
            if border < at || border == UNKNOWN {
                break border;
            }
            k -= 1;
        };
        self.slot(start / BLOCK).filter(|s| s.start == start && s.info.is_some_and(|i| i.end == at))
    }

    fn count(&mut self, start: u64, end: u64, lines: u32, memory: &IndexMemory) {
        let Some(slot) = self.slot_mut(start / BLOCK, memory) else { return };
        if slot.start != start {
            if slot.info.is_some() {
                return;
            }
            slot.start = start;
            slot.before = UNKNOWN;
        }
        slot.counted = (end, lines);
        let (mut at, mut sum) = self.upto;
        while let Some(slot) = self.slot_mut(at / BLOCK, memory).filter(|s| s.start == at && s.counted.0 > at) {
            slot.before = sum;
            (at, sum) = (slot.counted.0, sum + u64::from(slot.counted.1));
        }
        self.upto = (at, sum);
    }
}
