//! The pages of a block directory: slots of blocks, the tokens of a page's blocks together, and which of them a rule leaves.

use super::{BLOCK, BlockInfo};
use crate::signals::logs::store::idset::{self, COARSE, IdSet};
use crate::signals::logs::store::index_memory::IndexMemory;
use crate::signals::logs::store::rules::Rule;
use crate::signals::logs::store::tokens::Key;
use crate::timeline::Ts;

/// Slots made together: as many as a word has bits.
pub(super) const PAGE: usize = 64;
/// Tokens that wait until they are taken into a page's set, at the least; beyond that half of the set.
const STAGED: usize = 32_768;

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Looked {
    #[default]
    No,
    /// They are not in the set: too many, or given up for want of memory.
    Untold,
    Told,
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Border at or after the granule's start; `u64::MAX` when unknown.
    pub(super) border: u64,
    /// Placed time of the first record behind the border.
    pub(super) first: Option<Ts>,
    /// Start of the block that starts in this granule, if `info` is known.
    pub(super) start: u64,
    pub(super) info: Option<BlockInfo>,
    pub(super) looked: Looked,
    /// Lines before `start`, when all blocks before are known.
    pub(super) before: u64,
    /// End and lines of the block at `start`, also when nothing else is known; an end of 0 is none.
    pub(super) counted: (u64, u32),
}

pub(super) const UNKNOWN: u64 = u64::MAX;

impl Default for Slot {
    fn default() -> Slot {
        let (info, first, looked) = (None, None, Looked::No);
        Slot { border: UNKNOWN, first, start: UNKNOWN, info, looked, before: UNKNOWN, counted: (0, 0) }
    }
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) slots: Box<[Slot]>,
    pub(super) set: IdSet,
    /// Entries that are not yet in the set, in any order.
    pub(super) staged: Vec<u32>,
}

pub(super) const PAGE_SIZE: u64 = (PAGE * size_of::<Slot>() + size_of::<Page>()) as u64;

impl Page {
    pub(super) fn new(bits: u8) -> Page {
        Page { slots: vec![Slot::default(); PAGE].into_boxed_slice(), set: IdSet::empty(bits), staged: Vec::new() }
    }

    pub(super) fn size(&self) -> u64 {
        PAGE_SIZE + self.ids_size()
    }

    pub(super) fn ids_size(&self) -> u64 {
        self.set.size() + self.staged.capacity() as u64 * 4
    }

    pub(super) fn has_ids(&self) -> bool {
        !self.set.is_empty() || !self.staged.is_empty()
    }

    /// Takes in the tokens of block `block` of this page.
    pub(super) fn stage(&mut self, keys: &[Key], block: u8) {
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

    pub(super) fn coarsen(&mut self, bits: u8) {
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
    pub(super) fn may_hold(&self, rule: &Rule) -> u64 {
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
pub(super) struct Left<'a> {
    known: &'a Known,
    rule: &'a Rule,
    page: usize,
    mask: u64,
}

impl<'a> Left<'a> {
    pub(super) fn new(known: &'a Known, rule: &'a Rule) -> Left<'a> {
        Left { known, rule, page: usize::MAX, mask: u64::MAX }
    }

    /// Whether the block that starts in granule `k` may hold what passes.
    pub(super) fn may_hold(&mut self, k: u64) -> bool {
        let page = k as usize / PAGE;
        if page != self.page {
            self.page = page;
            self.mask = self.known.page(k).map_or(u64::MAX, |p| p.may_hold(self.rule));
        }
        self.mask >> (k as usize % PAGE) & 1 == 1
    }
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) pages: Vec<Option<Box<Page>>>,
    pub(super) blocks: u64,
    pub(super) indexed: u64,
    /// Up to where all lines are counted, and how many.
    pub(super) upto: (u64, u64),
}

impl Known {
    pub(super) fn page(&self, k: u64) -> Option<&Page> {
        self.pages.get(usize::try_from(k).ok()? / PAGE)?.as_deref()
    }

    pub(super) fn slot(&self, k: u64) -> Option<&Slot> {
        self.page(k)?.slots.get(k as usize % PAGE)
    }

    pub(super) fn slot_mut(&mut self, k: u64, memory: &IndexMemory) -> Option<&mut Slot> {
        self.page_mut(k, memory)?.slots.get_mut(k as usize % PAGE)
    }

    pub(super) fn page_mut(&mut self, k: u64, memory: &IndexMemory) -> Option<&mut Page> {
        let at = usize::try_from(k).ok()? / PAGE;
        if self.pages.get(at).is_none_or(Option::is_none) {
            // Sets may become coarser; slots may not.
            if memory.used() + PAGE_SIZE > memory.cap() && memory.bits() <= COARSE || at > 1 << 24 {
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

impl Known {
    /// The block that ends at `at`, a border, when it is known. `first` is where the bytes begin.
    pub(super) fn block_before(&self, at: u64, first: u64) -> Option<&Slot> {
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

    pub(super) fn count(&mut self, start: u64, end: u64, lines: u32, memory: &IndexMemory) {
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
