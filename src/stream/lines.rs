//! Log lines of a recording, read again: the store of log lines holds the newest in memory, the rest stays in the file.
//!
//! Uses the book of where which times stand. What was decoded last is kept, because lines are read page by page, and a page
//! is a small part of what must be decoded for it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::past::{Book, Chain};
use crate::signals::Event;
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::store::Recall;
use crate::timeline::{SourceId, Ts};

/// Bytes of lines that are kept decoded.
const KEPT: usize = 16 << 20;

/// One batch of lines.
#[derive(Debug)]
struct Batch {
    source: SourceId,
    generation: u32,
    start: u64,
    bytes: Arc<[u8]>,
}

/// What was decoded, the newest use last: where it stands, and its batches in order of their place.
type Decoded = VecDeque<(Chain, Arc<Vec<Batch>>, usize)>;

/// The lines of a recording whose book is kept.
#[derive(Debug)]
pub struct RecordedLines {
    book: Arc<Mutex<Book>>,
    decoded: Mutex<Decoded>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordedLines {
    /// Of the recording that `book` is kept of.
    pub fn new(book: Arc<Mutex<Book>>) -> RecordedLines {
        RecordedLines { book, decoded: Mutex::default() }
    }

    fn batches(&self, chain: Chain) -> Arc<Vec<Batch>> {
        let mut decoded = lock(&self.decoded);
        if let Some(i) = decoded.iter().position(|(c, ..)| c.is_same(&chain))
            && let Some(found) = decoded.remove(i)
        {
            let batches = Arc::clone(&found.1);
            decoded.push_back(found);
            return batches;
        }
        drop(decoded);
        let mut batches = Vec::new();
        // A file that cannot be read any more holds no lines; whoever asked says that they are not there.
        for e in chain.log_lines().unwrap_or_default() {
            let (source, event) = (e.source, e.event);
            if let Event::Logs(LogEvent::Appended(a)) = event
                && let Some(bytes) = a.bytes
            {
                batches.push(Batch { source, generation: a.generation, start: a.start, bytes });
            }
        }
        batches.sort_by_key(|b| (b.source, b.generation, b.start));
        let size = batches.iter().map(|b| b.bytes.len() + size_of::<Batch>()).sum();
        let batches = Arc::new(batches);
        let mut decoded = lock(&self.decoded);
        decoded.push_back((chain, Arc::clone(&batches), size));
        while decoded.len() > 1 && decoded.iter().map(|d| d.2).sum::<usize>() > KEPT {
            decoded.pop_front();
        }
        batches
    }
}

impl Recall for RecordedLines {
    fn recall(&self, source: SourceId, generation: u32, range: Range<u64>, observed: (Ts, Ts)) -> Option<Vec<u8>> {
        let chains = lock(&self.book).chains(observed.0, observed.1);
        let mut out = Vec::with_capacity(usize::try_from(range.end - range.start).ok()?);
        let mut at = range.start;
        for chain in chains {
            let batches = self.batches(chain);
            let from = batches.partition_point(|b| (b.source, b.generation, b.start) < (source, generation, at));
            for b in batches[from..].iter().take_while(|b| b.source == source && b.generation == generation) {
                // One that was told twice, in parts that overlap, counts once.
                if b.start == at && at < range.end {
                    out.extend_from_slice(&b.bytes);
                    at += b.bytes.len() as u64;
                }
            }
        }
        (at == range.end).then_some(out)
    }
}
