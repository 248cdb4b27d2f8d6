//! Values by second of event time and second of observation, in one flat row: a window onto the past makes and gives up
//! some twenty thousand of them, which must cost no more than copying them.

use std::collections::VecDeque;

/// What was placed in one second and observed in one second.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Second<T> {
    /// Second of event time.
    pub second: i64,
    /// Second of observation.
    pub seen: i64,
    /// What was counted.
    pub value: T,
}

/// Values in order of their second of event time; those of one second in the order in which they came.
#[derive(Clone, Debug)]
pub struct Seconds<T> {
    /// Nearly all come at the end; what comes late is put where it belongs.
    all: VecDeque<Second<T>>,
    distinct: usize,
}

impl<T> Default for Seconds<T> {
    fn default() -> Seconds<T> {
        Seconds { all: VecDeque::new(), distinct: 0 }
    }
}

impl<T: Copy> Seconds<T> {
    /// Room for so many.
    pub fn with_capacity(room: usize) -> Seconds<T> {
        Seconds { all: VecDeque::with_capacity(room), distinct: 0 }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.all.reserve(more);
    }

    /// Adds a value; one of the same second that was observed in the same second takes it in with `merge`.
    pub fn add(&mut self, second: i64, seen: i64, value: T, merge: impl FnOnce(&mut T, &T)) {
        let new = Second { second, seen, value };
        if self.all.back().is_none_or(|last| last.second < second) {
            self.distinct += 1;
            self.all.push_back(new);
            return;
        }
        let from = self.all.partition_point(|s| s.second < second);
        let to = self.all.partition_point(|s| s.second <= second);
        match self.all.range_mut(from..to).find(|s| s.seen == seen) {
            Some(s) => merge(&mut s.value, &value),
            None => {
                self.distinct += usize::from(from == to);
                self.all.insert(to, new);
            }
        }
    }

    /// How many seconds hold anything.
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// Takes out what the earliest second holds, one value after the other.
    pub fn pop_first(&mut self, mut to: impl FnMut(Second<T>)) {
        let Some(first) = self.all.front().map(|s| s.second) else { return };
        self.distinct -= 1;
        while let Some(s) = self.all.pop_front_if(|s| s.second == first) {
            to(s);
        }
    }

    /// Values of the seconds from `from` to `to`, both with.
    pub fn range(&self, from: i64, to: i64) -> impl DoubleEndedIterator<Item = &Second<T>> {
        let begin = self.all.partition_point(|s| s.second < from);
        let end = self.all.partition_point(|s| s.second <= to);
        self.all.range(begin..end.max(begin))
    }

    /// The values of seconds up to `to`, with it.
    pub fn upto(&self, to: i64) -> Seconds<T> {
        let end = self.all.partition_point(|s| s.second <= to);
        Seconds { all: self.all.range(..end).copied().collect(), distinct: self.distinct_upto(to) }
    }

    /// How many seconds up to `to` hold anything.
    pub fn distinct_upto(&self, to: i64) -> usize {
        let mut before = None;
        self.range(i64::MIN, to).filter(|s| before.replace(s.second) != Some(s.second)).count()
    }

    /// The earliest second that holds anything.
    pub fn first(&self) -> Option<i64> {
        self.all.front().map(|s| s.second)
    }

    /// The latest second that holds anything.
    pub fn last(&self) -> Option<i64> {
        self.all.back().map(|s| s.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_values_stand_in_their_second_behind_those_that_came_before() {
        let mut s = Seconds::default();
        let add = |a: &mut i32, b: &i32| *a += b;
        for (second, seen, n) in [(5, 5, 1), (7, 7, 2), (5, 9, 4), (5, 5, 8), (6, 9, 16), (5, 8, 32), (7, 7, 64)] {
            s.add(second, seen, n, add);
        }
        let all: Vec<_> = s.range(i64::MIN, i64::MAX).map(|s| (s.second, s.seen, s.value)).collect();
        assert_eq!(all, [(5, 5, 9), (5, 9, 4), (5, 8, 32), (6, 9, 16), (7, 7, 66)]);
        assert_eq!((s.distinct(), s.first(), s.last()), (3, Some(5), Some(7)));
        assert_eq!(s.range(6, 6).count(), 1);
        assert_eq!(s.range(8, 2).count(), 0);
        assert_eq!((s.upto(6).distinct(), s.upto(6).last(), s.upto(4).distinct()), (2, Some(6), 0));
        let mut out = Vec::new();
        s.pop_first(|s| out.push(s.value));
        assert_eq!((out, s.distinct(), s.first()), (vec![9, 4, 32], 2, Some(6)));
    }
}
