//! Which rate of errors is usual, and since when it is exceeded, as of any playhead.
//!
//! The usual rate is taken from the calm part of the last two hours: what is near the lowest rate that was sustained for
//! a quarter of a minute. Trouble is three times the usual rate and half an error a second more; where
//! nothing calm is known, errors that are a fifth of all records. So an outage never
//! becomes usual by lasting: while anything from before it is known, it is measured against that. Reads no clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::timeline::counts::{Cell, Counts};
use crate::timeline::{Severity, Ts};

/// Seconds looked back on, and kept.
const LOOK: i64 = 7_200;
/// Seconds in a bin.
const BIN: i64 = 5;
/// Bins that the lowest rate must have been sustained for.
const SUSTAINED: usize = 3;
/// Bins (half a minute) that two parts of one trouble may lie apart.
const APART: usize = 6;
/// Where no calm part is known, at most this share of all records is taken for usual errors.
const SHARE: f64 = 0.1;

/// Errors and all records of one second that were observed in the same second.
#[derive(Copy, Clone, Debug)]
struct Second {
    seen: i64,
    errors: u32,
    all: u32,
}

/// Errors by second of event time.
#[derive(Clone, Debug, Default)]
pub struct UsualErrors {
    seconds: BTreeMap<i64, Cell<Second>>,
    /// The last look: several are asked for in a frame, and what is visible changes by the second only.
    looked: RefCell<Option<Looked>>,
}

/// A look, and the second it was as of.
#[derive(Clone, Debug)]
struct Looked {
    at: i64,
    look: Option<Look>,
    since: Option<Ts>,
}

/// What a look back came to.
#[derive(Clone, Debug)]
pub struct Look {
    /// Usual errors per second.
    pub rate: f64,
    /// Whether that was seen, and not only inferred from the share of errors among all records.
    pub known: bool,
    /// Errors per second that are trouble.
    trouble: f64,
    /// Second in which the first bin begins.
    start: i64,
    /// Errors by bin.
    bins: Vec<u64>,
    /// Errors in the last ten seconds.
    last: u64,
}

impl UsualErrors {
    /// Adds counts placed in `second`, observed at `observed`.
    pub fn add(&mut self, second: i64, observed: Ts, counts: &Counts) {
        let seen = observed.secs().max(second);
        let errors = u32::try_from(counts.at_least(Severity::Error)).unwrap_or(u32::MAX);
        let all = u32::try_from(counts.total()).unwrap_or(u32::MAX);
        // Late lines, and those from before the start, are visible at once.
        if self.looked.get_mut().as_ref().is_some_and(|l| seen < l.at) {
            *self.looked.get_mut() = None;
        }
        let new = Second { seen, errors, all };
        match self.seconds.entry(second) {
            Entry::Vacant(v) => {
                v.insert(Cell::new(new));
            }
            Entry::Occupied(mut o) => match o.get_mut().find_mut(|c| c.seen == seen) {
                Some(c) => (c.errors, c.all) = (c.errors.saturating_add(errors), c.all.saturating_add(all)),
                None => o.get_mut().push(new),
            },
        }
        if self.seconds.len() > LOOK as usize * 2 {
            self.seconds.pop_first();
            *self.looked.get_mut() = None;
        }
    }

    /// Errors and records of each second in `from..to` that were visible at `now`.
    fn visible(&self, from: i64, to: i64, now: i64) -> impl Iterator<Item = (i64, u64, u64)> {
        self.seconds.range(from..to.max(from)).filter_map(move |(s, cells)| {
            let seen = cells.iter().filter(|c| c.seen < now);
            let (n, errors, all) =
                seen.fold((0, 0, 0), |(n, e, a), c| (n + 1, e + u64::from(c.errors), a + u64::from(c.all)));
            (n > 0).then_some((*s, errors, all))
        })
    }

    /// Looks back from `now`; `None` while nothing is visible.
    pub fn look(&self, now: Ts) -> Option<Look> {
        self.looked(now, |l| l.look.clone())
    }

    /// When errors left their usual rate, if over the last ten seconds they are above it.
    pub fn errors_since(&self, now: Ts) -> Option<Ts> {
        self.looked(now, |l| l.since)
    }

    fn looked<T>(&self, now: Ts, of: impl Fn(&Looked) -> T) -> T {
        let mut looked = self.looked.borrow_mut();
        match &*looked {
            Some(l) if l.at == now.secs() => of(l),
            _ => {
                let look = self.look_back(now);
                let since = look.as_ref().and_then(|l| self.since(now, l));
                of(looked.insert(Looked { at: now.secs(), look, since }))
            }
        }
    }

    fn look_back(&self, now: Ts) -> Option<Look> {
        let end = now.secs();
        let from = end.saturating_sub(LOOK);
        let (first, ..) = self.visible(from, end, end).next()?;
        let count = ((end - first) / BIN).max(1);
        let start = end - count * BIN;
        let mut bins = vec![0; count as usize];
        let mut all = vec![0; count as usize];
        let mut last = 0;
        for (second, errors, records) in self.visible(start.min(first), end, end) {
            if second >= start {
                let i = ((second - start) / BIN) as usize;
                bins[i] += errors;
                all[i] += records;
            }
            if second >= end - 10 {
                last += errors;
            }
        }
        // Where records come all the time, a stretch without any is no calm: nobody was heard.
        let heard = all.iter().filter(|n| **n > 0).count();
        let counts = |i: usize| all[i] > 0 || heard * 2 < bins.len();
        let per_second = |errors: u64, n: usize| errors as f64 / (n as i64 * BIN) as f64;
        let known: Vec<u64> = (0..bins.len()).filter(|i| counts(*i)).map(|i| bins[i]).collect();
        let sustained = SUSTAINED.min(known.len()).max(1);
        let lowest = known.windows(sustained).map(|w| w.iter().sum::<u64>()).min().unwrap_or(0);
        let lowest = per_second(lowest, sustained);
        let near: Vec<u64> = known.iter().copied().filter(|n| per_second(*n, 1) < trouble(lowest)).collect();
        let mut rate = per_second(near.iter().sum(), near.len().max(1));
        // Nothing but trouble is known, or a service that always has errors: the share of them must tell.
        let most = SHARE * per_second(all.iter().sum(), bins.len());
        let inferred = rate > most;
        rate = rate.min(most);
        let trouble = if inferred { (rate * 2.0).max(0.5) } else { trouble(rate) };
        Some(Look { rate, known: !inferred, trouble, start, bins, last })
    }

    /// The trouble goes back as far as no more than half a minute lies between two bins of it.
    fn since(&self, now: Ts, look: &Look) -> Option<Ts> {
        if (look.last as f64) < look.trouble * 10.0 {
            return None;
        }
        let bins = &look.bins;
        let most = look.trouble * (2 * BIN) as f64;
        // Two bins at a time, for one alone has too few errors to tell.
        let high = |i: usize| (bins[i] + bins.get(i + 1).unwrap_or(&0)) as f64 >= most;
        let (mut first, mut calm) = (bins.len() - 1, 0);
        for i in (0..bins.len()).rev() {
            if high(i) {
                (first, calm) = (i, 0);
            } else {
                calm += 1;
                if calm > APART {
                    break;
                }
            }
        }
        // To the second: the first one there with more errors than usual.
        let bin = look.start + first as i64 * BIN;
        let usual = look.rate.max(0.5);
        let mut near = self.visible(bin, (bin + 3 * BIN).min(now.secs()), now.secs());
        let at = near.find(|(_, errors, _)| *errors as f64 > usual).map_or(bin, |(s, ..)| s);
        Some(Ts::from_secs(at))
    }
}

/// Errors per second that are trouble where `usual` are usual.
fn trouble(usual: f64) -> f64 {
    (usual * 3.0).max(usual + 0.5)
}
