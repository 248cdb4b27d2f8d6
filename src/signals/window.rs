//! What a window onto the far past is to be: which playheads it is right for, and what of the present it begins with.

use std::time::Duration;

use super::Timeline;
use crate::timeline::Ts;

/// What panes look back on in full resolution: the baselines of half an hour, which leave out the last minute or two.
pub const BACK: Duration = Duration::from_secs(33 * 60);

/// A window that is wanted.
pub struct Wanted {
    /// First and last playhead that it is to be right for.
    pub for_: (Ts, Ts),
    /// The playhead that it was wanted for, among them.
    pub at: Ts,
    /// From when on facts are to be folded behind [`Wanted::packed`]: the beginning of a minute.
    pub from: Ts,
    /// What [`Timeline::before`] has kept.
    base: Timeline,
}

impl Wanted {
    /// A window for the playheads from `first` to `last`, which look `back`; `at` is wanted first.
    pub fn new(present: &Timeline, at: Ts, (first, last): (Ts, Ts), back: Duration) -> Wanted {
        let from = (first - back).floor(Duration::from_secs(60));
        Wanted { for_: (first, last), at, from, base: present.before(from, last) }
    }

    /// What facts are to be folded behind, with log counts as they are kept: to be unpacked, on whichever thread.
    pub fn packed(&self) -> Base {
        Base { timeline: self.base.clone(), from: self.from, to: self.for_.1 }
    }
}

/// What a window begins with.
pub struct Base {
    timeline: Timeline,
    from: Ts,
    to: Ts,
}

impl Base {
    /// With log counts by the second. Takes as long as two hours of them take to be unpacked.
    pub fn unpack(self) -> Timeline {
        let Base { mut timeline, from, to } = self;
        timeline.unpack(from, to);
        timeline
    }
}
