//! Windows onto the far past: which are wanted, which are here, and which state of the world an instant is drawn from.
//!
//! The present keeps two hours in full. Where the playhead, or the pinned instant, stands before that, a second state is
//! loaded from the recording and takes the place of the present for what is drawn; panes do not know. Until it is here
//! the present shows the far past by the minute.

use std::sync::Arc;
use std::time::Duration;

use super::state::State;
use crate::signals::Timeline;
use crate::signals::incident::history::IncidentHistory;
use crate::signals::window::{BACK, Wanted};
use crate::timeline::Ts;

/// How far before and behind the playhead a window is right, at least: steps back and forth stay inside it.
const BEFORE: Duration = Duration::from_secs(120);
const BEHIND: Duration = Duration::from_secs(60);
/// Longest span that small charts show in columns shorter than a minute.
const LONGEST: Duration = Duration::from_secs(7_200);
/// Playheads so close to the newest fact are the present's: nobody wants a window for having paused.
const LATELY: Duration = Duration::from_secs(60);

/// A loaded window.
#[derive(Clone, Debug)]
pub struct Window {
    /// The state it draws from.
    pub timeline: Timeline,
    /// First and last playhead that it is right for.
    pub for_: (Ts, Ts),
}

/// All that is known of windows.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    /// For the playhead, and for the pinned instant.
    loaded: [Option<Box<Window>>; 2],
    /// What was asked for and is on its way.
    asked: [Option<(Ts, Ts)>; 2],
    /// Of that the seconds round the playhead have come.
    early: [bool; 2],
    /// What could not be loaded: not asked for again while the playhead stays there.
    failed: [Option<(Ts, Ts)>; 2],
}

/// What is to be loaded, and for which of the two.
pub struct Ask {
    /// 0 for the playhead, 1 for the pinned instant.
    pub slot: usize,
    /// What to load.
    pub wanted: Box<Wanted>,
}

fn covers(span: &Option<(Ts, Ts)>, at: Ts) -> bool {
    span.is_some_and(|(first, last)| first <= at && at <= last)
}

impl Windows {
    fn covering(&self, at: Ts) -> Option<&Window> {
        self.loaded.iter().flatten().find(|w| w.for_.0 <= at && at <= w.for_.1).map(|w| &**w)
    }

    /// Whether the past round the playhead is on its way.
    pub fn is_loading(&self) -> bool {
        self.asked[0].is_some()
    }

    /// What people wrote is the same in every window.
    pub fn share(&mut self, incident: &Arc<IncidentHistory>) {
        for window in self.loaded.iter_mut().flatten() {
            window.timeline.incident = Arc::clone(incident);
        }
    }

    /// The first part of a window has come; the rest follows, unless the playhead has gone on.
    pub fn arrive_early(&mut self, slot: usize, for_: (Ts, Ts), window: Box<Window>) {
        if self.asked.get(slot) == Some(&Some(for_)) {
            self.early[slot] = true;
            self.loaded[slot] = Some(window);
        }
    }

    /// A window has come, or cannot. One that nobody asked for is dropped.
    pub fn arrive(&mut self, slot: usize, for_: (Ts, Ts), window: Option<Box<Window>>) {
        if self.asked.get(slot) != Some(&Some(for_)) {
            return;
        }
        (self.asked[slot], self.early[slot]) = (None, false);
        self.failed[slot] = window.is_none().then_some(for_);
        if window.is_some() {
            self.loaded[slot] = window;
        }
    }
}

impl State {
    /// What the world looks like from `at`: the present, or a window where the present has let go of what `at` needs.
    pub fn seen_from(&self, at: Ts) -> &Timeline {
        match self.windows.covering(at) {
            Some(w) if self.needs_window(at) => &w.timeline,
            _ => &self.timeline,
        }
    }

    /// Whether the past round the playhead is on its way and nothing of it is here: a frame drawn now would say that
    /// nothing was seen then.
    pub fn awaits_past(&self) -> bool {
        let now = self.now();
        self.windows.asked[0].is_some() && self.needs_window(now) && self.windows.covering(now).is_none()
    }

    /// What is drawn: the world as seen from the playhead.
    pub fn shown(&self) -> &Timeline {
        self.seen_from(self.now())
    }

    fn back(&self) -> Duration {
        let small = Duration::from_secs(self.settings.window_secs);
        // A window of the strip that is longer has columns of a minute.
        let charts = if self.player.is_replay() { Duration::ZERO } else { small.min(LONGEST) };
        BACK.max(charts + Duration::from_secs(60))
    }

    fn needs_window(&self, at: Ts) -> bool {
        let Some((first, last)) = self.timeline.span else { return false };
        let Some(let_go) = self.timeline.let_go_upto() else { return false };
        at >= first && at + LATELY < last && at - self.back() <= let_go
    }

    /// What should be loaded now. Asked for once; the answer is [`Windows::arrive`].
    pub fn want_window(&mut self) -> Option<Ask> {
        let speed = match self.player.head {
            super::playhead::Playhead::Playing { speed, .. } => speed,
            _ => 0.0,
        };
        // While it plays, the next one is asked for before this one ends.
        let behind = BEHIND.max(Duration::from_secs_f64(speed * 4.0));
        let soon = self.now() + Duration::from_secs_f64(speed);
        for (slot, at) in [(0, Some(self.now())), (0, Some(soon)), (1, self.view.pinned)] {
            let Some(at) = at.filter(|at| self.needs_window(*at)) else { continue };
            let here = self.windows.loaded[slot].as_ref().is_some_and(|w| covers(&Some(w.for_), at));
            // One at a time: of a scrub only where it comes to rest, and where it was when the first part of one had come.
            let coming = self.windows.asked[slot].is_some_and(|w| covers(&Some(w), at) || !self.windows.early[slot]);
            if here || coming || covers(&self.windows.failed[slot], at) {
                continue;
            }
            let for_ = (at - BEFORE, at + behind);
            (self.windows.asked[slot], self.windows.early[slot]) = (Some(for_), false);
            let wanted = Wanted::new(&self.timeline, at, for_, self.back());
            return Some(Ask { slot, wanted: Box::new(wanted) });
        }
        None
    }
}
