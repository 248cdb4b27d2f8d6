//! Looks through raw bytes for what a filter asks for, without parsing and without cutting lines.
//!
//! Of a range only the blocks are given back in which something was found; they are then read as records. The bytes go
//! through a buffer that fits the processor's cache, one for each thread. Files are not mapped: a log that is truncated
//! while it is read would kill the program.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use aho_corasick::packed;
use compact_str::CompactString;
use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::blocks::Walk;
use super::directory::BLOCK;
use super::generation::Generation;
use super::pressure;
use crate::timeline::Filter;
use crate::timeline::filter::{Needed, Part};

/// Of a spelling the last bytes are looked for: they are common to most spellings of an ID.
const TAIL: usize = 12;
/// A pattern that begins with so many bytes of text is looked for rather than what the filter says.
const SEARCHED: usize = 3;
/// Bytes that are read at once: the kernel copies large pieces faster than small ones, and twice the threads take turns
/// less often.
const PIECE: u64 = 4 * BLOCK;
/// Texts shorter than this are found too often for a look at their bytes alone.
const SHORT: usize = 8;

/// Threads at the most: somebody waits for the answer, but the box may have other work.
const THREADS: usize = 4;

/// How many threads a long look may take now: two at the most when the box is short of CPU already. Somebody waits for
/// it, and it is over in tenths of a second.
pub fn threads() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    cores.min(if pressure::read().cpu > pressure::HIGH_CPU { 2 } else { THREADS })
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Raw {
    what: What,
    reach: usize,
}

#[derive(Clone, Debug)]
enum What {
    /// This text.
    Tail(Finder<'static>),
    /// One of these.
    Tails(packed::Searcher),
    /// What the filter finds in raw bytes.
    Filter(Filter),
    /// What stands in every match of a pattern that is searched for.
    Part(Part),
}

impl Raw {
    /// What records hold in their bytes that pass and match `pattern`; `None` when that cannot be said.
    pub fn new(filter: &Filter, pattern: Option<&Regex>) -> Option<Raw> {
        if let Some(spellings) = spellings(&filter.needed()) {
            let mut tails: Vec<&[u8]> =
                spellings.iter().map(|s| &s.as_bytes()[s.len().saturating_sub(TAIL)..]).collect();
            tails.sort();
            tails.dedup();
            let what = match tails.as_slice() {
                short if short.iter().any(|t| t.len() < SHORT) => None,
                [tail] => Some(What::Tail(Finder::new(tail).into_owned())),
                tails => packed::Searcher::new(tails).map(What::Tails),
            };
            if let Some(what) = what {
                return Some(Raw { what, reach: TAIL });
            }
        }
        let part = pattern.and_then(|p| Part::new(p.as_str(), false));
        match (filter.reach(), part) {
            // A search looks for something rare in what is shown.
            (_, Some(part)) if part.literal() >= SEARCHED => Some(Raw { reach: part.reach(), what: What::Part(part) }),
            (Some(reach), _) => Some(Raw { what: What::Filter(filter.clone()), reach }),
            (None, Some(part)) => Some(Raw { reach: part.reach(), what: What::Part(part) }),
            (None, None) => None,
        }
    }

    /// Where in `bytes`, at or after `from`, something lies near which a record may pass.
    pub fn next(&self, bytes: &[u8], from: usize) -> Option<usize> {
        // Less may have been read than was asked for.
        if from > bytes.len() {
            return None;
        }
        match &self.what {
            What::Tail(finder) => Some(from + finder.find(bytes.get(from..)?)?),
            What::Tails(all) => all.find_in(bytes, (from..bytes.len()).into()).map(|m| m.start()),
            What::Filter(filter) => filter.next_candidate(bytes, from),
            What::Part(part) => part.find(bytes, from),
        }
    }

    /// Whether anything of it is in `bytes`.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.next(bytes, 0).is_some()
    }

    /// Starts of the blocks in `range`, a piece of one run between two borders, in which something was found, in order.
    /// On at most `threads` threads, this one among them.
    pub fn blocks(&self, generation: &Generation, walk: &Walk, range: Range<u64>, threads: usize) -> Vec<u64> {
        let pieces = (range.end - range.start).div_ceil(PIECE);
        let next = AtomicU64::new(0);
        let found = Mutex::new(Vec::new());
        let work = || {
            let mut buf = Vec::new();
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    break;
                }
                let start = range.start + piece * PIECE;
                let piece = start..(start + PIECE).min(range.end);
                self.piece(generation, walk, piece, &range, &mut buf, &found);
            }
        };
        let threads = (threads as u64).min(pieces.div_ceil(4)).max(1);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Without a thread this one does it all.
                let _ = std::thread::Builder::new().name("log scan".into()).spawn_scoped(scope, work);
            }
            work();
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn piece(
        &self,
        generation: &Generation,
        walk: &Walk,
        piece: Range<u64>,
        range: &Range<u64>,
        buf: &mut Vec<u8>,
        found: &Mutex<Vec<u64>>,
    ) {
        // Some bytes before, which tell whether a token begins, and behind, for what lies across the end. Before the range,
        // where a record begins, there may be nothing to read.
        let from = piece.start.saturating_sub(8).max(range.start);
        generation.read_into(from..(piece.end + self.reach as u64).min(range.end), buf);
        let mut at = (piece.start - from) as usize;
        while let Some(i) = self.next(buf, at) {
            let offset = from + i as u64;
            if offset >= piece.end {
                break;
            }
            let start = walk.floor(offset);
            found.lock().unwrap_or_else(PoisonError::into_inner).push(start);
            // One hit is enough to read the block.
            let behind = walk.after(start).map_or(piece.end, |s| s.range().end).max(offset + 1);
            if behind >= piece.end {
                break;
            }
            at = (behind - from) as usize;
        }
    }
}

/// Spellings of which one stands in every record that passes.
fn spellings(needed: &Needed) -> Option<Vec<CompactString>> {
    match needed {
        Needed::Token(spellings) => Some(spellings.clone()),
        Needed::All(all) => all.iter().find_map(spellings),
        Needed::Any(any) => {
            let any: Option<Vec<_>> = any.iter().map(spellings).collect();
            any.map(|a| a.concat())
        }
        _ => None,
    }
}
