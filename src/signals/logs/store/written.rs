//! A block directory as bytes, and back: for the index cache. Owns the layout, no file.
//!
//! Numbers are little-endian. Whoever reads has checked a sum over all of it; what does not add up is refused whole.

use super::pages::{Known, Looked, PAGE, Page, Slot, UNKNOWN};
use super::{BlockInfo, Counts, Directory, Ts};
use crate::signals::logs::store::idset::IdSet;

/// Changes with the meaning of anything in it: of slots, of sets, of tokens.
pub const VERSION: u32 = 2;

impl Directory {
    /// All that is known, and how many bytes of lines are in blocks whose tokens are known.
    pub fn write(&self) -> (Vec<u8>, u64) {
        let known = self.known();
        let mut out = Vec::with_capacity(known.pages.iter().flatten().map(|p| p.size() as usize).sum::<usize>() + 64);
        for n in [known.blocks, known.indexed, known.upto.0, known.upto.1] {
            out.extend(n.to_le_bytes());
        }
        for (i, page) in known.pages.iter().enumerate() {
            let Some(page) = page else { continue };
            out.extend((i as u64).to_le_bytes());
            page.slots.iter().for_each(|s| write_slot(s, &mut out));
            let (len, bits, words) = page.set.parts();
            out.extend(len.to_le_bytes());
            out.extend(u32::from(bits).to_le_bytes());
            out.extend((words.len() as u32).to_le_bytes());
            out.extend((page.staged.len() as u32).to_le_bytes());
            words.iter().for_each(|w| out.extend(w.to_le_bytes()));
            page.staged.iter().for_each(|e| out.extend(e.to_le_bytes()));
        }
        (out, known.indexed)
    }

    /// Takes in what was written, when nothing is known yet. The newest sets come first while there is memory for them.
    /// False when the bytes make no sense: nothing is taken then.
    pub fn read(&self, bytes: &[u8]) -> bool {
        let Some(mut read) = read_known(&mut Input(bytes)) else { return false };
        let mut known = self.known();
        if known.pages.iter().any(Option::is_some) {
            return true;
        }
        for page in read.pages.iter_mut().rev().flatten() {
            if self.memory.used() + page.size() > self.memory.cap() {
                let bits = page.set.bits();
                (page.set, page.staged) = (IdSet::empty(bits), Vec::new());
                page.slots.iter_mut().filter(|s| s.looked == Looked::Told).for_each(|s| s.looked = Looked::Untold);
            }
            self.memory.take(page.size());
        }
        *known = read;
        true
    }
}

fn write_slot(s: &Slot, out: &mut Vec<u8>) {
    let looked = match s.looked {
        Looked::No => 0u8,
        Looked::Untold => 1,
        Looked::Told => 2,
    };
    let timed = u8::from(s.info.is_some_and(|i| i.timed));
    out.extend([looked, u8::from(s.first.is_some()), u8::from(s.info.is_some()), timed]);
    for n in [s.border, s.start, s.before, s.counted.0] {
        out.extend(n.to_le_bytes());
    }
    out.extend(s.counted.1.to_le_bytes());
    out.extend(s.first.unwrap_or_default().0.to_le_bytes());
    if let Some(i) = &s.info {
        out.extend(i.end.to_le_bytes());
        for t in [i.span.0, i.span.1, i.ends.0, i.ends.1] {
            out.extend(t.0.to_le_bytes());
        }
        out.extend(i.lines.to_le_bytes());
        i.counts.0.iter().for_each(|n| out.extend(n.to_le_bytes()));
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn ts(&mut self) -> Option<Ts> {
        self.u64().map(|n| Ts(n as i64))
    }
}

fn read_known(from: &mut Input) -> Option<Known> {
    let (blocks, indexed, upto) = (from.u64()?, from.u64()?, (from.u64()?, from.u64()?));
    let mut pages: Vec<Option<Box<Page>>> = Vec::new();
    while !from.0.is_empty() {
        let at = usize::try_from(from.u64()?).ok().filter(|at| *at >= pages.len() && *at <= 1 << 24)?;
        pages.resize_with(at, || None);
        let slots: Option<Vec<Slot>> = (0..PAGE).map(|_| read_slot(from)).collect();
        let (len, bits, words, staged) = (from.u32()?, from.u32()?, from.u32()? as usize, from.u32()? as usize);
        let words: Box<[u64]> = from.take(words * 8)?.chunks_exact(8).map(word).collect();
        let staged = from.take(staged * 4)?.chunks_exact(4).map(|b| word(b) as u32).collect();
        let set = IdSet::from_whole_parts(len, u8::try_from(bits).ok()?, words)?;
        pages.push(Some(Box::new(Page { slots: slots?.into_boxed_slice(), set, staged })));
    }
    Some(Known { pages, blocks, indexed, upto })
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

fn read_slot(from: &mut Input) -> Option<Slot> {
    let flags = from.take(4)?;
    let (border, start, before, counted) = (from.u64()?, from.u64()?, from.u64()?, from.u64()?);
    let (lines, first) = (from.u32()?, from.ts()?);
    let mut slot = Slot { border, start, before, counted: (counted, lines), ..Slot::default() };
    slot.first = (flags[1] == 1).then_some(first);
    slot.looked = match flags[0] {
        0 => Looked::No,
        1 => Looked::Untold,
        2 => Looked::Told,
        _ => return None,
    };
    if flags[2] == 1 {
        let end = from.u64().filter(|end| start != UNKNOWN && *end > start)?;
        let (span, ends) = ((from.ts()?, from.ts()?), (from.ts()?, from.ts()?));
        let lines = from.u32()?;
        let mut counts = Counts::default();
        for n in &mut counts.0 {
            *n = from.u32()?;
        }
        slot.info = Some(BlockInfo { end, span, ends, timed: flags[3] == 1, lines, counts });
    }
    Some(slot)
}
