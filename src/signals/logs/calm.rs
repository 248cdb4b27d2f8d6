//! How many errors are usual in stretches of one length, seen from calm ones.
//!
//! Stretches lie on a fixed grid, so that what is usual does not change with the second it is asked in. Errors come in
//! clumps (one failed request leaves several records), and a single burst must not count for hours: what counts is what
//! nineteen of twenty stretches do not exceed. Knows nothing of trouble: whoever does tells which stretches are calm.

use std::collections::VecDeque;

/// Seconds of calm kept.
const KEPT: i64 = 7_200;
/// Errors that nobody is alarmed by, whatever is usual: two failed requests of a service that had none.
const FLOOR: f64 = 8.0;
/// More of them while few stretches are known: divided by their number.
const UNKNOWN: f64 = 48.0;

/// Calm stretches of `width` seconds.
#[derive(Clone, Debug)]
pub(super) struct Calm {
    /// Their length in seconds.
    pub width: i64,
    /// First second and errors, oldest first.
    kept: VecDeque<(i64, u64)>,
    /// Errors of the same ones, the fewest first.
    sorted: Vec<u64>,
    /// The newest one is compared with those before it and taken in when it is over for as long as it lasted.
    waiting: Option<(i64, u64)>,
}

impl Calm {
    pub fn new(width: i64) -> Calm {
        Calm { width, kept: VecDeque::new(), sorted: Vec::new(), waiting: None }
    }

    /// A stretch is over; `None` when it was not calm, or not known whole.
    pub fn over(&mut self, stretch: Option<(i64, u64)>) {
        if let Some((start, errors)) = std::mem::replace(&mut self.waiting, stretch) {
            self.kept.push_back((start, errors));
            // Behind those of as many: most are of the fewest, and what lies behind moves.
            let at = self.sorted.partition_point(|n| *n <= errors);
            self.sorted.insert(at, errors);
            if self.kept.len() as i64 * self.width > KEPT
                && let Some((_, old)) = self.kept.pop_front()
            {
                self.remove(old);
            }
        }
    }

    /// Trouble began in second `from`: what reaches into it was not calm.
    pub fn spoil(&mut self, from: i64) {
        self.waiting = self.waiting.filter(|(start, _)| start + self.width <= from);
        while let Some((start, errors)) = self.kept.back().copied()
            && start + self.width > from
        {
            self.kept.pop_back();
            self.remove(errors);
        }
    }

    fn remove(&mut self, errors: u64) {
        if let Some(at) = self.sorted.partition_point(|n| *n <= errors).checked_sub(1) {
            self.sorted.remove(at);
        }
    }

    /// How many stretches are known.
    pub fn known(&self) -> usize {
        self.sorted.len()
    }

    /// Errors that nineteen of twenty stretches do not exceed.
    pub fn most(&self) -> u64 {
        let n = self.sorted.len();
        (n * 19).div_ceil(20).checked_sub(1).map_or(0, |i| self.sorted[i])
    }

    /// Errors in one stretch beyond which there is trouble; `None` while nothing calm is known.
    pub fn limit(&self) -> Option<f64> {
        let n = self.known();
        (n > 0).then(|| FLOOR + UNKNOWN / n as f64 + 2.0 * self.most() as f64)
    }

    /// Errors per second that part trouble from what is usual, however few stretches are known.
    pub fn measure(&self) -> f64 {
        (FLOOR + 2.0 * self.most() as f64) / (2 * self.width) as f64
    }

    /// Usual errors per second, without the rare burst; `None` while nothing calm is known.
    pub fn rate(&self) -> Option<f64> {
        let most = self.most();
        let sum: u64 = self.sorted.iter().map(|n| (*n).min(most)).sum();
        (self.known() > 0).then(|| sum as f64 / (self.known() as i64 * self.width) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_burst_changes_nothing_and_clumps_raise_the_limit() {
        let mut calm = Calm::new(10);
        (0..200).for_each(|i| calm.over(Some((i * 10, if i == 90 { 5_000 } else { 0 }))));
        assert_eq!((calm.most(), calm.rate()), (0, Some(0.0)));
        assert!(calm.limit().unwrap() < 9.0);
        (200..400).for_each(|i| calm.over(Some((i * 10, u64::try_from(i % 4 / 3 * 12).unwrap()))));
        assert_eq!(calm.most(), 12);
        assert!(calm.limit().unwrap() > 32.0);
    }

    #[test]
    fn what_reaches_into_trouble_is_given_back_and_two_hours_are_kept() {
        let mut calm = Calm::new(10);
        (0..1_000).for_each(|i| calm.over(Some((i * 10, 1))));
        assert_eq!(calm.known(), 720);
        calm.spoil(9_955);
        assert_eq!(calm.known(), 716, "the one that waited, and those of 9950 to 9980");
        calm.over(None);
        assert_eq!(calm.known(), 716);
    }
}
