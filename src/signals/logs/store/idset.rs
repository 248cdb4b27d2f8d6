//! The tokens of a page of blocks: which of its blocks may hold one. Never wrong when it says none.
//!
//! Of each token the first bits of its key are kept, with the number of the block; all of them sorted, as integers, in
//! Elias–Fano form: the high parts as gaps in unary (some two bits each), the low parts beside them, and a sample every 32
//! gaps, so that a question costs the same however many there are. One question is put to a page, not to each of its
//! blocks: that, and not the comparing, is what takes time, since nothing of it lies in a cache. Bits can be taken away
//! later without knowing the keys: less memory, more blocks that are read in vain.

use super::tokens::Key;

/// Bits of a key that are kept while there is room.
pub const FINE: u8 = 23;
/// And at the least.
pub const COARSE: u8 = 11;
/// Different tokens of one block that are told apart.
pub const MOST: usize = 12_000;
/// Bits for the number of a block in its page.
const BLOCK_BITS: u8 = 6;
/// Gaps between two samples.
const EVERY: usize = 32;

/// Sorted integers: first bits of keys, with the numbers of their blocks below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdSet {
    len: u32,
    /// Bits of a key that are kept.
    bits: u8,
    /// Bits of an integer that are written as gaps.
    high: u8,
    /// Gaps, then samples, then low parts.
    words: Box<[u64]>,
}

/// Where the parts lie, in words.
struct Layout {
    samples: usize,
    low: usize,
    end: usize,
    /// Bits of a low part.
    width: u8,
}

fn layout(len: u32, bits: u8, high: u8) -> Layout {
    let width = bits + BLOCK_BITS - high;
    let gaps = 1usize << high;
    let samples = (len as usize + gaps).div_ceil(64);
    let low = samples + gaps.div_ceil(EVERY).div_ceil(2);
    Layout { samples, low, end: low + (len as usize * usize::from(width)).div_ceil(64), width }
}

fn put(words: &mut [u64], at: usize, bits: u8, value: u64) {
    let (word, shift) = (at / 64, at % 64);
    words[word] |= value << shift;
    if shift + usize::from(bits) > 64 {
        words[word + 1] |= value >> (64 - shift);
    }
}

fn get(words: &[u64], at: usize, bits: u8) -> u64 {
    let (word, shift) = (at / 64, at % 64);
    let mut value = words[word] >> shift;
    if shift + usize::from(bits) > 64 {
        value |= words[word + 1] << (64 - shift);
    }
    value & ((1 << bits) - 1)
}

/// What is kept of a key of block `block` (0 to 63) of a page.
pub fn entry(key: Key, block: u8, bits: u8) -> u32 {
    key >> (32 - bits) << BLOCK_BITS | u32::from(block)
}

impl IdSet {
    /// Of nothing, made for entries of so many bits.
    pub fn empty(bits: u8) -> IdSet {
        IdSet { len: 0, bits, high: 0, words: Box::default() }
    }

    /// Of entries made with `bits` that are sorted and all different.
    pub fn new(entries: &[u32], bits: u8) -> IdSet {
        IdSet::of(entries.iter().copied(), entries.len(), bits)
    }

    fn of(entries: impl Iterator<Item = u32>, len: usize, bits: u8) -> IdSet {
        if len == 0 {
            return IdSet::empty(bits);
        }
        // As many gaps as entries, about; all entries of a key in one of them.
        let high = (len.ilog2() as u8).min(bits);
        let at = layout(len as u32, bits, high);
        let mut words = vec![0u64; at.end].into_boxed_slice();
        let (front, low) = words.split_at_mut(at.low);
        let (gaps, samples) = front.split_at_mut(at.samples);
        let mut sampled = 0;
        for (i, entry) in entries.enumerate() {
            let quotient = entry as usize >> at.width;
            while sampled * EVERY <= quotient {
                put(samples, sampled * 32, 32, i as u64);
                sampled += 1;
            }
            put(gaps, quotient + i, 1, 1);
            put(low, i * usize::from(at.width), at.width, u64::from(entry) & ((1 << at.width) - 1));
        }
        while sampled < (1usize << high).div_ceil(EVERY) {
            put(samples, sampled * 32, 32, len as u64);
            sampled += 1;
        }
        IdSet { len: len as u32, bits, high, words }
    }

    /// The blocks that may hold `key`, block 0 as the lowest bit.
    pub fn blocks(&self, key: Key) -> u64 {
        if self.len == 0 {
            return 0;
        }
        let at = layout(self.len, self.bits, self.high);
        let first = entry(key, 0, self.bits);
        let quotient = first as usize >> at.width;
        let wanted = (u64::from(first) & ((1 << at.width) - 1)) >> BLOCK_BITS;
        let group = quotient / EVERY;
        let mut i = get(&self.words[at.samples..at.low], group * 32, 32) as usize;
        let mut bit = group * EVERY + i;
        // Over the gaps before it in its group …
        let mut left = quotient % EVERY;
        while left > 0 {
            let rest = 64 - bit % 64;
            let ones = ((!(self.words[bit / 64] >> (bit % 64))).trailing_zeros() as usize).min(rest);
            i += ones;
            bit += ones;
            if ones < rest {
                bit += 1;
                left -= 1;
            }
        }
        // … to the entries in it.
        let (low, mut blocks) = (&self.words[at.low..], 0);
        while self.words[bit / 64] >> (bit % 64) & 1 == 1 {
            let part = get(low, i * usize::from(at.width), at.width);
            if part >> BLOCK_BITS == wanted {
                blocks |= 1 << (part & 63);
            }
            i += 1;
            bit += 1;
        }
        blocks
    }

    /// Its entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = u32> + '_ {
        let at = layout(self.len, self.bits, self.high);
        let low = &self.words[at.low.min(self.words.len())..];
        let mut gaps = self.words.iter().enumerate();
        let (mut base, mut word, mut i) = (0, 0u64, 0);
        std::iter::from_fn(move || {
            if i == self.len as usize {
                return None;
            }
            while word == 0 {
                let (n, next) = gaps.next()?;
                (base, word) = (n * 64, *next);
            }
            let bit = base + word.trailing_zeros() as usize;
            word &= word - 1;
            let entry = ((bit - i) << at.width) as u64 | get(low, i * usize::from(at.width), at.width);
            i += 1;
            Some(entry as u32)
        })
    }

    /// With `more` entries of the same bits, sorted and different from all there are.
    pub fn with(&self, more: &[u32]) -> IdSet {
        let (mut old, mut new) = (self.entries().peekable(), more.iter().copied().peekable());
        let both = std::iter::from_fn(|| match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a < b => old.next(),
            (_, Some(_)) => new.next(),
            _ => old.next(),
        });
        IdSet::of(both, self.len as usize + more.len(), self.bits)
    }

    /// The same with fewer bits of each key; `None` when it has no more than that.
    pub fn coarser(&self, bits: u8) -> Option<IdSet> {
        let less = self.bits.checked_sub(bits).filter(|l| *l > 0)?;
        let mut entries: Vec<u32> = self.entries().map(|e| coarse(e, less)).collect();
        entries.sort_unstable();
        entries.dedup();
        Some(IdSet::new(&entries, bits))
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bits of a key that are kept.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Bytes it takes.
    pub fn size(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// Its parts, for writing it down: how many entries, bits of a key, words.
    pub fn parts(&self) -> (u32, u8, &[u64]) {
        (self.len, self.bits, &self.words)
    }

    /// As [`IdSet::from_parts`], for parts that are known to be as they were written down: only their sizes are looked at.
    pub fn from_whole_parts(len: u32, bits: u8, words: Box<[u64]>) -> Option<IdSet> {
        if len == 0 {
            return words.is_empty().then(|| IdSet::empty(bits));
        }
        let high = (len.ilog2() as u8).min(bits);
        let fits = (COARSE..=FINE).contains(&bits) && layout(len, bits, high).end == words.len();
        fits.then_some(IdSet { len, bits, high, words })
    }

    /// One that was written down; `None` when the parts do not belong together.
    pub fn from_parts(len: u32, bits: u8, words: Box<[u64]>) -> Option<IdSet> {
        if len == 0 {
            return words.is_empty().then(|| IdSet::empty(bits));
        }
        let set = IdSet::from_whole_parts(len, bits, words)?;
        // Gaps and samples must add up, else a question would run over the end.
        (set.entries().count() == len as usize && IdSet::of(set.entries(), len as usize, bits) == set).then_some(set)
    }
}

/// An entry with `less` bits fewer of its key.
pub fn coarse(entry: u32, less: u8) -> u32 {
    entry >> (BLOCK_BITS + less) << BLOCK_BITS | entry & 63
}

/// The blocks of those of `entries`, in any order, that may be of `key`.
pub fn blocks_in(entries: &[u32], key: Key, bits: u8) -> u64 {
    let wanted = entry(key, 0, bits) >> BLOCK_BITS;
    entries.iter().filter(|e| **e >> BLOCK_BITS == wanted).fold(0, |all, e| all | 1 << (e & 63))
}

/// Sorts entries, a third of their bits at a time from the lowest on.
pub fn sort(entries: &mut Vec<u32>) {
    const PART: usize = 1 << 10;
    let mut other = vec![0; entries.len()];
    for shift in [0, 10, 20] {
        let part = |e: u32| e as usize >> shift & (PART - 1);
        let mut next = [0usize; PART];
        entries.iter().for_each(|e| next[part(*e)] += 1);
        let mut sum = 0;
        for n in &mut next {
            (sum, *n) = (sum + *n, sum);
        }
        for e in entries.iter() {
            let at = &mut next[part(*e)];
            other[*at] = *e;
            *at += 1;
        }
        std::mem::swap(entries, &mut other);
    }
}

/// Gathers the different tokens of a block, up to [`MOST`].
#[derive(Debug)]
pub struct Gather {
    table: Box<[Key]>,
    keys: Vec<Key>,
    full: bool,
}

/// A power of two above [`MOST`] by a third.
const SLOTS: usize = 16_384;

impl Default for Gather {
    fn default() -> Gather {
        Gather { table: vec![0; SLOTS].into_boxed_slice(), keys: Vec::new(), full: false }
    }
}

impl Gather {
    /// Takes in a key (never 0), again or for the first time.
    #[inline]
    pub fn add(&mut self, key: Key) {
        let mut slot = key as usize % SLOTS;
        loop {
            match self.table[slot] {
                0 => break,
                k if k == key => return,
                _ => slot = (slot + 1) % SLOTS,
            }
        }
        if self.keys.len() >= MOST {
            self.full = true;
            return;
        }
        self.table[slot] = key;
        self.keys.push(key);
    }

    /// The keys, or `None` when there were too many to tell apart.
    pub fn keys(&self) -> Option<&[Key]> {
        (!self.full).then_some(self.keys.as_slice())
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.table.fill(0);
        self.keys.clear();
        self.full = false;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_block_that_holds_a_token_is_never_denied_however_coarse_the_set_becomes(
            keys in proptest::collection::vec((1u32.., 0u8..64), 0..700),
            more in proptest::collection::vec((1u32.., 0u8..64), 0..40),
            others in proptest::collection::vec(1u32.., 200),
        ) {
            let entries = |keys: &[(u32, u8)]| -> BTreeSet<u32> { keys.iter().map(|(k, b)| entry(*k, *b, FINE)).collect() };
            let first = entries(&keys);
            let rest: Vec<u32> = entries(&more).difference(&first).copied().collect();
            let set = IdSet::new(&first.into_iter().collect::<Vec<_>>(), FINE).with(&rest);
            for bits in [FINE, 17, COARSE] {
                let set = set.coarser(bits).unwrap_or_else(|| set.clone());
                for (k, b) in keys.iter().chain(&more) {
                    prop_assert!(set.blocks(*k) >> b & 1 == 1, "{bits}");
                }
                let mut all: Vec<u32> = set.entries().collect();
                prop_assert!(all.is_sorted());
                all.reverse();
                sort(&mut all);
                prop_assert!(all.is_sorted());
                for k in &others {
                    prop_assert_eq!(set.blocks(*k), blocks_in(&all, *k, bits));
                }
                prop_assert!(set.size() <= 64 + set.len() as u64 * 29 / 8);
                let (len, bits, words) = set.parts();
                prop_assert_eq!(IdSet::from_parts(len, bits, words.into()), Some(set.clone()));
            }
            let wrong = others.iter().filter(|k| set.blocks(**k) != 0).count();
            prop_assert!(wrong <= 4, "{wrong} of 200");
        }
    }

    #[test]
    fn too_many_tokens_to_tell_apart_are_given_up() {
        let mut gather = Gather::default();
        (1..=MOST as u32 + 1).for_each(|k| gather.add(k.wrapping_mul(2_654_435_761)));
        assert_eq!(gather.keys(), None);
        gather.clear();
        (1..=MOST as u32).chain(1..=9).for_each(|k| gather.add(k.wrapping_mul(2_654_435_761)));
        assert_eq!(gather.keys().map(<[Key]>::len), Some(MOST), "the next block begins anew");
    }
}
