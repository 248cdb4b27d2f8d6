//! How much memory the flight recorder takes: what it was given, and less on a box that has little left.
//!
//! It dies before anything it watches (`oom_score_adj`), but what it holds is memory that the others lack until then. The
//! past is worth less than the present: the oldest frames go first, and come again with room.

use crate::signals::logs::store::limits::memory_left;

/// It takes at most this part of what is left, and at least [`LEAST`]: some minutes of a quiet box.
const SHARE: u64 = 16;
const LEAST: usize = 2 << 20;

/// Bytes for the ring where `wanted` were asked for.
pub(super) fn now(wanted: usize) -> usize {
    of(wanted, memory_left())
}

fn of(wanted: usize, left: Option<u64>) -> usize {
    let most = left.map_or(usize::MAX, |left| usize::try_from(left / SHARE).unwrap_or(usize::MAX));
    wanted.min(most.max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_it_was_given_unless_little_is_left() {
        let given = 32 << 20;
        assert_eq!(of(given, None), given);
        assert_eq!(of(given, Some(8 << 30)), given);
        assert_eq!(of(given, Some(160 << 20)), 10 << 20);
        assert_eq!(of(given, Some(0)), LEAST);
        assert_eq!(of(1 << 20, Some(0)), 1 << 20);
    }
}
