//! Frames that were recorded: each as it is shared in memory, and where which times stand on disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::stream::recording::{Stream, frame_type};
use crate::timeline::Ts;

/// Observed time of one block of frames on disk, and how many blocks are remembered: two days.
const BLOCK: Duration = Duration::from_secs(10);
const BLOCKS: usize = 20_000;

/// A frame, shared by all who have it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) bytes: Arc<[u8]>,
    pub(super) stream: Option<Stream>,
    pub(super) generation: u64,
    pub(super) envelopes: u64,
}

/// Frames that stand behind one another in a file.
#[derive(Clone, Debug)]
pub(super) struct OnDisk {
    pub(super) path: Arc<PathBuf>,
    pub(super) bytes: Range<u64>,
    pub(super) first: Ts,
    pub(super) generation: u64,
}

/// Notes where a frame was written. The header tells when it begins; where it ends is where the next one begins.
pub(super) fn note(blocks: &mut VecDeque<OnDisk>, path: &Arc<PathBuf>, at: u64, frame: &Kept) {
    let Some(first) = observed_of_events(&frame.bytes) else { return };
    let end = at + frame.bytes.len() as u64;
    if let Some(b) = blocks.back_mut()
        && b.path == *path
        && b.bytes.end == at
        && b.generation == frame.generation
        && first.since(b.first) < BLOCK
    {
        b.bytes.end = end;
        return;
    }
    blocks.push_back(OnDisk { path: Arc::clone(path), bytes: at..end, first, generation: frame.generation });
    if blocks.len() > BLOCKS {
        blocks.pop_front();
    }
}

/// Observed time of a frame's first envelope, which its header holds.
pub(super) fn observed(frame: &[u8]) -> Ts {
    Ts(frame.get(20..28).and_then(|b| b.try_into().ok()).map_or(0, i64::from_le_bytes))
}

/// The same, of frames that hold envelopes only.
pub(super) fn observed_of_events(frame: &[u8]) -> Option<Ts> {
    (frame.get(4) == Some(&frame_type::EVENTS)).then(|| observed(frame))
}
