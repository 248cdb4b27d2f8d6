//! Records that are longer than is read of a block: searched window by window to their end.
//!
//! Such a record passes when one of its windows does. A condition on words that lie far apart in it is not met; nor can
//! one that a word is absent be proved. That is the price of not holding a record of a gigabyte in memory.

use std::ops::Range;

use super::generation::Generation;

/// Bytes looked at together.
const WINDOW: u64 = 4 << 20;
/// What one window has in common with the next.
pub const OVERLAP: u64 = 64 << 10;

/// Whether `wants` says yes to a window of what lies in `range`.
pub fn passes(generation: &Generation, range: Range<u64>, mut wants: impl FnMut(&[u8]) -> bool) -> bool {
    let (mut at, mut buf) = (range.start, Vec::new());
    while at < range.end {
        generation.read_into(at..range.end.min(at + WINDOW), &mut buf);
        if buf.is_empty() {
            return false;
        }
        if wants(&buf) {
            return true;
        }
        if at + buf.len() as u64 >= range.end {
            return false;
        }
        at += (buf.len() as u64).saturating_sub(OVERLAP).max(1);
    }
    false
}
