//! Outages as the errors of all logs tell them: when each began, when its last error came, whether it is over.
//!
//! One walk forwards over the seconds. What it decides in a second depends on that second and those before it, never on
//! later ones, so a beginning that was told once stays, at every later playhead, live and in a replay. Trouble are more
//! errors in ten seconds, or in a minute, than twice what is usual in calm stretches of that length and eight more, in
//! several seconds. Where hardly anything calm is known, a fifth of all records. Reads no clock.

use std::collections::VecDeque;

use super::calm::Calm;
use crate::timeline::Ts;

/// Outages remembered.
const PAST: usize = 64;
/// Seconds at hand; more than a minute.
const RING: i64 = 64;
/// Seconds with errors that make trouble out of enough errors: fewer may be as many failed requests.
const BROAD: usize = 4;
/// As long as fewer stretches of ten seconds are known to be calm, a fifth of all records is trouble.
const FEW: usize = 6;
/// Seconds of calm until an outage may be over.
const CALMING: i64 = 5;
/// Seconds of calm until it is.
const OVER: i64 = 30;
/// Seconds without any record that are walked one by one.
const WALKED: i64 = 120;
/// Seconds without any record that end every outage: nobody knows.
const LOST: i64 = 600;

/// What becomes of an outage.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Errors are above what is usual.
    On,
    /// They have not been for five seconds and more: it may be over.
    Calming,
    /// Nothing at all was logged for five seconds and more: it may be anything.
    Unheard,
    /// It was over for half a minute.
    Over,
}

/// A time of more errors than usual.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// The second in which it began.
    pub since: Ts,
    /// The last second with errors above what is usual.
    pub last: Ts,
    /// What became of it.
    pub stage: Stage,
}

impl Episode {
    /// When it ended: the end of its last second.
    pub fn until(&self) -> Ts {
        Ts::from_secs(self.last.secs() + 1)
    }
}

/// What parts errors of an outage from usual ones, per second.
#[derive(Copy, Clone, Debug)]
enum Measure {
    /// So many errors.
    Errors(f64),
    /// A tenth of all records.
    Share,
}

impl Measure {
    fn of(self, all: u64) -> f64 {
        match self {
            Measure::Errors(n) => n,
            Measure::Share => 0.1 * all as f64,
        }
    }
}

#[derive(Copy, Clone, Debug, Default)]
struct Second {
    errors: u64,
    all: u64,
}

/// A stretch that is not over yet.
#[derive(Copy, Clone, Debug, Default)]
struct Part {
    sum: Second,
    spoilt: bool,
}

/// The outage that goes on.
#[derive(Clone, Debug)]
struct Open {
    since: i64,
    last: i64,
    measure: Measure,
    /// Errors in ten seconds that are trouble, and those that are usual.
    limit: f64,
    most: u64,
    usual: Option<f64>,
    /// Errors beyond the measure so far, and the most there ever were: there the last error of the outage is.
    beyond: f64,
    highest: f64,
    /// Seconds of calm since, in which somebody was heard.
    calm: i64,
    /// Records since.
    heard: u64,
}

/// The walk, up to some second.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The second that comes next.
    next: Option<i64>,
    ring: [Second; RING as usize],
    ten: Calm,
    minute: Calm,
    parts: [Part; 2],
    /// Stretches of ten seconds, and those with any record.
    stretches: u64,
    heard: u64,
    open: Option<Open>,
    past: VecDeque<Episode>,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk {
            next: None,
            ring: [Second::default(); RING as usize],
            ten: Calm::new(10),
            minute: Calm::new(60),
            parts: [Part::default(); 2],
            stretches: 0,
            heard: 0,
            open: None,
            past: VecDeque::new(),
        }
    }
}

impl Walk {
    /// The second that comes next; `None` before the first.
    pub fn next(&self) -> Option<i64> {
        self.next
    }

    /// Takes in a second with what was counted in it; those before it that are missing had no record.
    pub fn second(&mut self, second: i64, errors: u64, all: u64) {
        self.upto(second);
        if self.next.is_some_and(|next| second < next) {
            return;
        }
        if self.next.is_none() {
            for (part, width) in self.parts.iter_mut().zip([self.ten.width, self.minute.width]) {
                part.spoilt = second.rem_euclid(width) != 0;
            }
        }
        self.step(second, errors, all);
    }

    /// Up to `second`, without it, nothing more was logged.
    pub fn upto(&mut self, second: i64) {
        let Some(mut next) = self.next else { return };
        let empty = second - next;
        for _ in 0..empty.clamp(0, WALKED) {
            self.step(next, 0, 0);
            next += 1;
        }
        if empty <= WALKED {
            return;
        }
        if empty > LOST {
            self.close();
        }
        let stretches = (second / self.ten.width - next / self.ten.width).max(0);
        self.stretches += stretches as u64;
        if self.is_sparse() && self.open.is_none() {
            for calm in [&mut self.ten, &mut self.minute] {
                let empty = ((second - next) / calm.width).min(7_200 / calm.width);
                (0..empty).for_each(|i| calm.over(Some((second - (empty - i) * calm.width, 0))));
            }
        }
        self.ring = [Second::default(); RING as usize];
        self.parts = [Part { spoilt: true, ..Part::default() }; 2];
        self.next = Some(second);
    }

    /// All outages that are known, oldest first.
    pub fn episodes(&self) -> impl Iterator<Item = Episode> + '_ {
        let open = self.open.as_ref().map(|o| {
            let stage = match self.next.unwrap_or(o.last) - o.last - 1 {
                CALMING.. if o.calm >= CALMING => Stage::Calming,
                CALMING.. if o.heard == 0 => Stage::Unheard,
                _ => Stage::On,
            };
            Episode { since: Ts::from_secs(o.since), last: Ts::from_secs(o.last), stage }
        });
        self.past.iter().copied().chain(open)
    }

    /// Usual errors per second; those of before the outage while one goes on. `None` where nothing calm is known.
    pub fn usual(&self) -> Option<f64> {
        self.open.as_ref().map_or_else(|| self.ten.rate(), |o| o.usual)
    }

    fn step(&mut self, t: i64, errors: u64, all: u64) {
        // Trouble begins in a second with errors: in all others nothing needs to be summed up.
        let before = (errors > 0 && self.open.is_none()).then(|| (self.sum(t - 1, 10), self.sum(t - 1, 60)));
        self.ring[t.rem_euclid(RING) as usize] = Second { errors, all };
        match before {
            Some(before) => self.rises(t, before),
            None => self.goes_on(t, errors, all),
        }
        self.count(t, errors, all);
        self.next = Some(t + 1);
    }

    fn at(&self, second: i64) -> Second {
        self.ring[second.rem_euclid(RING) as usize]
    }

    /// The last `n` seconds up to and with `t`.
    fn sum(&self, t: i64, n: i64) -> Second {
        (t - n + 1..=t)
            .map(|s| self.at(s))
            .fold(Second::default(), |a, b| Second { errors: a.errors + b.errors, all: a.all + b.all })
    }

    /// Where most stretches have no record at all, silence is usual; else nobody was heard.
    fn is_sparse(&self) -> bool {
        self.heard * 2 < self.stretches
    }

    /// Whether trouble begins, and which second it began in. That must not depend much on second `t` itself: it may be
    /// half there yet.
    fn rises(&mut self, t: i64, before: (Second, Second)) {
        let (ten, minute) = (self.sum(t, 10), self.sum(t, 60));
        let broad = |n: i64| (t - n + 1..=t).filter(|s| self.at(*s).errors > 0).count();
        let exceeds = |errors: u64, n: i64, limit: Option<f64>| {
            limit.is_some_and(|limit| {
                let errors = errors as f64;
                errors > limit && (broad(n) >= BROAD || broad(n) >= 2 && errors > 2.0 * limit)
            })
        };
        let few = self.ten.known() < FEW;
        let many = ten.errors >= 8 && broad(10) >= BROAD || ten.errors >= 16 && broad(10) >= 2;
        let share = few && many && ten.errors * 5 > ten.all;
        let limits = (self.ten.limit(), self.minute.limit());
        if !(share || exceeds(ten.errors, 10, limits.0) || exceeds(minute.errors, 60, limits.1)) {
            return;
        }
        let (before, older) = (before.0, before.1.errors - before.0.errors);
        // What goes on to be trouble, and what its beginning is told by: as soon as anything calm is known, by that.
        let slow = limits.1.filter(|slow| older as f64 > slow / 2.0);
        let measure = match (limits.0, slow) {
            _ if few && before.errors * 10 > before.all => Measure::Share,
            (_, Some(slow)) => Measure::Errors(slow / 120.0),
            (Some(fast), None) => Measure::Errors(fast / 20.0),
            (None, None) => Measure::Share,
        };
        let (gentle, reach) = match (limits.0, slow) {
            (None, _) => (Measure::Share, 60),
            (_, Some(_)) => (Measure::Errors(self.minute.measure()), 60),
            (Some(_), None) => (Measure::Errors(self.ten.measure()), 20),
        };
        // Back to where the most errors beyond it lie behind; usual failures somewhat before a steep rise are not its
        // beginning.
        let peak = (t - reach + 1..=t).map(|s| self.at(s).errors).max().unwrap_or(0) as f64;
        let steep = if reach == 20 { (peak * self.ten.rate().unwrap_or(0.0)).sqrt() } else { 0.0 };
        let (mut since, mut beyond, mut highest) = (t, 0.0, f64::MIN);
        for s in (t - reach + 1..=t).rev() {
            let second = self.at(s);
            beyond += second.errors as f64 - gentle.of(second.all).max(steep);
            if beyond > highest {
                (since, highest) = (s, beyond);
            }
        }
        let above = |s: i64| self.at(s).errors as f64 > gentle.of(self.at(s).all);
        while since > t - reach + 1 && above(since - 1) {
            since -= 1;
        }
        let last = (since..=t).rev().find(|s| self.at(*s).errors > 0).unwrap_or(t);
        let (usual, most) = (self.ten.rate(), self.ten.most());
        for calm in [&mut self.ten, &mut self.minute] {
            calm.spoil(since);
        }
        let limit = limits.0.unwrap_or(f64::MAX);
        let (beyond, highest, calm, heard) = (0.0, 0.0, 0, 0);
        self.open = Some(Open { since, last, measure, limit, most, usual, beyond, highest, calm, heard });
    }

    fn goes_on(&mut self, t: i64, errors: u64, all: u64) {
        let Some(mut open) = self.open.take() else { return };
        let (ten, sparse) = (self.sum(t, 10).errors, self.is_sparse());
        if let Measure::Errors(n) = open.measure
            && ten as f64 > open.limit
        {
            open.measure = Measure::Errors(n.max(open.limit / 20.0));
        }
        let after = (t - open.last).min(10);
        let after = self.sum(t, after);
        let usual = match open.measure {
            // Not as many as make an outage, but more than chance: it is coming back.
            Measure::Errors(n) => (n * 15.0).max(open.most as f64),
            Measure::Share => open.measure.of(after.all),
        };
        open.beyond += errors as f64 - open.measure.of(all);
        if errors > 0 && (open.beyond > open.highest || after.errors as f64 > usual) {
            (open.highest, open.last, open.calm, open.heard) = (open.beyond, t, 0, 0);
        } else {
            open.heard += all;
            open.calm += i64::from(after.all > 0 || sparse);
        }
        let over = open.calm >= OVER;
        self.open = Some(open);
        if over {
            self.close();
        }
    }

    /// The outage is over, and its errors do not count towards another one.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        for (i, second) in self.ring.iter_mut().enumerate() {
            // The second that stands here: the newest one with this remainder.
            let newest = self.next.unwrap_or(open.last);
            let s = newest - (newest - i as i64).rem_euclid(RING);
            if s <= open.last {
                *second = Second::default();
            }
        }
        let (since, last) = (Ts::from_secs(open.since), Ts::from_secs(open.last));
        self.past.push_back(Episode { since, last, stage: Stage::Over });
        if self.past.len() > PAST {
            self.past.pop_front();
        }
    }

    /// Stretches that are over are kept where they were calm.
    fn count(&mut self, t: i64, errors: u64, all: u64) {
        for i in 0..2 {
            let width = if i == 0 { self.ten.width } else { self.minute.width };
            let part = &mut self.parts[i];
            part.sum.errors += errors;
            part.sum.all += all;
            part.spoilt |= self.open.is_some();
            if (t + 1).rem_euclid(width) != 0 {
                continue;
            }
            let part = std::mem::take(part);
            if i == 0 {
                self.stretches += 1;
                self.heard += u64::from(part.sum.all > 0);
            }
            let calm = !part.spoilt && (part.sum.all > 0 || self.is_sparse());
            let kept = calm.then_some((t + 1 - width, part.sum.errors));
            if i == 0 { &mut self.ten } else { &mut self.minute }.over(kept);
        }
    }
}

#[cfg(test)]
mod tests;
