//! Errors by second of event time, and what [`episodes`](super::episodes) makes of them as of any playhead: which rate is
//! usual, and which outages there were. Reads no clock.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::episodes::{Episode, Walk};
use crate::timeline::counts::{CountSeries, Counts};
use crate::timeline::seconds::Seconds;
use crate::timeline::{Severity, Ts};

/// Seconds kept at least, and how many are walked over for good at a time.
const KEPT: usize = 7_200;
const STEP: usize = 3_600;
/// Places on the way that are remembered, for windows onto the far past: a day and more.
const PLACES: usize = 32;

/// Errors and all records of one second that were observed in the same second.
#[derive(Copy, Clone, Debug)]
struct Records {
    errors: u32,
    all: u32,
}

impl Records {
    fn of(counts: &Counts) -> Records {
        let n = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Records { errors: n(counts.at_least(Severity::Error)), all: n(counts.total()) }
    }

    fn merge(&mut self, new: &Records) {
        self.errors = self.errors.saturating_add(new.errors);
        self.all = self.all.saturating_add(new.all);
    }
}

/// What one second holds, whenever it was observed.
#[derive(Copy, Clone, Debug, Default)]
struct Sum {
    second: i64,
    parts: u32,
    errors: u64,
    all: u64,
}

impl Sum {
    fn add(&mut self, second: i64, r: &Records) {
        self.second = second;
        self.parts += 1;
        self.errors += u64::from(r.errors);
        self.all += u64::from(r.all);
    }

    /// The second is over: nothing more comes of it.
    fn over(self, walk: &mut Walk) {
        if self.parts > 0 {
            walk.second(self.second, self.errors, self.all);
        }
    }
}

/// Errors by second of event time.
#[derive(Clone, Debug, Default)]
pub struct UsualErrors {
    seconds: Seconds<Records>,
    /// How far the walk is for good, and before: seconds that lie further back are no longer here.
    walked: VecDeque<Walk>,
    /// The last look: several are asked for in a frame, and what is visible changes by the second only.
    looked: RefCell<Option<(i64, Walk)>>,
}

impl UsualErrors {
    /// Adds counts placed in `second`, observed at `observed`.
    pub fn add(&mut self, second: i64, observed: Ts, counts: &Counts) {
        let seen = observed.secs().max(second);
        // What comes hours late is counted, but changes no outage any more.
        if self.walked.back().and_then(Walk::next).is_some_and(|next| second < next) {
            return;
        }
        // Late lines, and those from before the start, are visible at once.
        if self.looked.get_mut().as_ref().is_some_and(|(at, _)| seen < *at) {
            *self.looked.get_mut() = None;
        }
        self.seconds.add(second, seen, Records::of(counts), Records::merge);
        if self.seconds.distinct() > KEPT + STEP {
            let mut walk = self.walked.back().cloned().unwrap_or_default();
            for _ in 0..STEP {
                let mut sum = Sum::default();
                self.seconds.pop_first(|s| sum.add(s.second, &s.value));
                sum.over(&mut walk);
            }
            self.walked.push_back(walk);
            if self.walked.len() > PLACES {
                self.walked.pop_front();
            }
            *self.looked.get_mut() = None;
        }
    }

    /// Takes in the seconds of a window, from where [`UsualErrors::before`] told on. There may be any number of them.
    pub fn fill(&mut self, counts: &CountSeries, from: i64, to: Ts) {
        self.seconds.reserve(usize::try_from(to.secs().saturating_sub(from)).unwrap_or(0).min(KEPT + STEP));
        let seconds = &mut self.seconds;
        counts.each_second(Ts::from_secs(from), to, |second, seen, counts| {
            seconds.add(second, seen, Records::of(counts), Records::merge);
        });
    }

    /// What a window onto the past that must be right from second `from` on begins with, and the second from which it
    /// must be told anew.
    pub fn before(&self, from: i64) -> (UsualErrors, i64) {
        let walk = self.walked.iter().rev().find(|w| w.next().is_some_and(|next| next <= from));
        let next = walk.and_then(Walk::next).unwrap_or(i64::MIN);
        (UsualErrors { walked: walk.cloned().into_iter().collect(), ..UsualErrors::default() }, next)
    }

    /// Usual errors per second at `now`; `None` where nothing calm is known.
    pub fn rate(&self, now: Ts) -> Option<f64> {
        self.looked(now, Walk::usual)
    }

    /// The outages that are known at `now`, oldest first; the last ones of many.
    pub fn episodes(&self, now: Ts) -> Vec<Episode> {
        self.looked(now, |w| w.episodes().collect())
    }

    /// The newest one of them.
    pub fn newest(&self, now: Ts) -> Option<Episode> {
        self.looked(now, |w| w.episodes().last())
    }

    fn looked<T>(&self, now: Ts, of: impl Fn(&Walk) -> T) -> T {
        let (mut looked, now) = (self.looked.borrow_mut(), now.secs());
        if let Some((_, walk)) = looked.as_ref().filter(|(at, _)| *at == now) {
            return of(walk);
        }
        let place = self.walked.iter().rev().find(|w| w.next().is_some_and(|next| next <= now));
        let mut walk = place.cloned().unwrap_or_default();
        // Seconds further back than the newest place are gone: a window brings them back.
        if walk.next() < self.walked.back().and_then(Walk::next) {
            return of(&looked.insert((now, walk)).1);
        }
        let from = walk.next().unwrap_or(i64::MIN);
        let mut sum = Sum::default();
        for s in self.seconds.range(from, now - 1).filter(|s| s.seen < now) {
            if sum.second != s.second {
                std::mem::take(&mut sum).over(&mut walk);
            }
            sum.add(s.second, &s.value);
        }
        sum.over(&mut walk);
        walk.upto(now);
        of(&looked.insert((now, walk)).1)
    }
}
