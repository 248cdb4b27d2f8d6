//! Log lines per second and severity: what the timeline strip and the log histogram draw.
//!
//! A count is placed in the second of its event time and becomes visible when the second it was observed in is over, so
//! that a half-filled second is never shown as a drop and live and replay agree to the line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seconds::Seconds;
use super::{Severity, TimeRange, Ts};

/// Lines by severity; index 0 is "no severity", then TRACE to FATAL.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub [u32; 7]);

impl Counts {
    /// Adds `n` lines.
    pub fn add(&mut self, severity: Option<Severity>, n: u32) {
        let i = severity.map_or(0, |s| s as usize + 1);
        self.0[i] = self.0[i].saturating_add(n);
    }

    /// Adds another set.
    pub fn merge(&mut self, other: &Counts) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = a.saturating_add(b);
        }
    }

    /// All lines.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&n| u64::from(n)).sum()
    }

    /// Lines at `severity` or above.
    pub fn at_least(&self, severity: Severity) -> u64 {
        self.0[severity as usize + 1..].iter().map(|&n| u64::from(n)).sum()
    }
}

/// Seconds kept: two hours in full, the rest by the minute.
const SECONDS: usize = 7_200;
const MINUTES: usize = 1_440;

/// Counts by second of event time, bounded.
#[derive(Clone, Debug, Default)]
pub struct CountSeries {
    seconds: Seconds<Counts>,
    minutes: Minutes,
    /// The seconds that became minutes, packed, for windows onto the far past.
    packed: Packed,
    evicted: u64,
}

impl CountSeries {
    /// Adds counts placed in second `second`, observed at `observed`.
    pub fn add(&mut self, second: i64, observed: Ts, counts: &Counts) {
        self.seconds.add(second, observed.secs().max(second), *counts, Counts::merge);
        while self.seconds.distinct() > SECONDS {
            let (minutes, packed) = (&mut self.minutes, &mut self.packed);
            self.seconds.pop_first(|s| {
                minutes.add(s.second.div_euclid(60), &s.value);
                packed.push(s.second, s.seen, &s.value);
            });
        }
        while self.minutes.0.len() > MINUTES {
            self.minutes.0.pop_front();
            self.evicted += 1;
        }
    }

    /// What [`CountSeries::around`] needs for times up to `to`: shared where it is packed, so that it costs next to nothing
    /// on the thread that draws.
    pub fn upto(&self, to: Ts) -> CountSeries {
        let to = to.secs();
        CountSeries {
            seconds: self.seconds.upto(to),
            minutes: self.minutes.before(to.div_euclid(60) + 1),
            packed: self.packed.upto(to),
            evicted: self.evicted,
        }
    }

    /// The same counts as seen from further back: seconds in full from `from`, which must be the beginning of a minute, to
    /// `to`, minutes before, nothing after.
    pub fn around(&self, from: Ts, to: Ts) -> CountSeries {
        let to = to.secs();
        // Whoever is quiet for hours has its last words in full all the same, as it had then.
        let held = self.seconds.distinct_upto(to);
        let from = self.packed.back(to, SECONDS.saturating_sub(held)).map_or(from.secs(), |s| s.min(from.secs()));
        let from = from.div_euclid(60) * 60;
        // Some more in full than the present keeps: nothing depends on that, and putting them among the minutes takes time.
        let mut seconds = Seconds::with_capacity(self.packed.seconds(from, to) + held);
        let mut minutes = self.minutes.before(from.div_euclid(60));
        self.packed.each(from, to, |second, seen, c| seconds.add(second, seen, *c, Counts::merge));
        for s in self.seconds.range(i64::MIN, to) {
            match s.second < from {
                true => minutes.add(s.second.div_euclid(60), &s.value),
                false => seconds.add(s.second, s.seen, s.value, Counts::merge),
            }
        }
        CountSeries { seconds, minutes, packed: Packed::default(), evicted: self.evicted }
    }

    /// Hands on every second from `from` to `to`, packed or not: (second, second of observation, counts).
    pub fn each_second(&self, from: Ts, to: Ts, mut f: impl FnMut(i64, i64, &Counts)) {
        let (from, to) = (from.secs(), to.secs());
        self.packed.each(from, to, &mut f);
        self.seconds.range(from, to).for_each(|s| f(s.second, s.seen, &s.value));
    }

    /// The first second that is held in full.
    pub fn full_from(&self) -> Option<i64> {
        self.seconds.first()
    }

    /// The newest second that is held by the minute only.
    pub fn packed_upto(&self) -> Option<Ts> {
        self.packed.last.map(Ts::from_secs)
    }

    /// Sum over `range`, as visible at `now`.
    pub fn sum(&self, range: TimeRange, now: Ts) -> Counts {
        let mut out = Counts::default();
        self.each(range, now, |_, c| out.merge(c));
        out
    }

    /// Counts in each of `parts` equal pieces of `range`, as visible at `now`.
    pub fn columns(&self, range: TimeRange, parts: usize, now: Ts) -> Vec<Counts> {
        let mut out = vec![Counts::default(); parts];
        // As in a series: what is drawn does not depend on how much is held by the minute only.
        let by_minute = range.is_by_minute(parts);
        self.each(range, now, |at, c| {
            let at = if by_minute { at.floor(Duration::from_secs(60)) } else { at };
            if let Some(i) = range.column(at.max(range.start), parts) {
                out[i].merge(c);
            }
        });
        out
    }

    fn each(&self, range: TimeRange, now: Ts, mut f: impl FnMut(Ts, &Counts)) {
        let (from, to) = (range.start.secs(), range.end.secs());
        if from > to {
            return;
        }
        for (m, c) in self.minutes.range(from.div_euclid(60), to.div_euclid(60)) {
            if m * 60 + 60 <= now.secs() {
                f(Ts::from_secs(m * 60), c);
            }
        }
        for s in self.seconds.range(from, to).filter(|s| s.seen < now.secs()) {
            f(Ts::from_secs(s.second), &s.value);
        }
    }

    /// The last second that something visible at `now` was counted in; minutes of the far past are not looked at.
    pub fn last(&self, now: Ts) -> Option<i64> {
        let visible = self.seconds.range(i64::MIN, now.secs() - 1).rev();
        visible.filter(|s| s.seen < now.secs()).find(|s| s.value.total() > 0).map(|s| s.second)
    }

    /// First and last second that hold anything.
    pub fn span(&self) -> Option<TimeRange> {
        let first = self.minutes.0.front().map(|(m, _)| m * 60).or_else(|| self.seconds.first())?;
        let last = self.seconds.last()?;
        Some(TimeRange::new(Ts::from_secs(first), Ts::from_secs(last + 1)))
    }

    /// Minutes that fell off the far end.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// Counts by minute, in order.
#[derive(Clone, Debug, Default)]
struct Minutes(VecDeque<(i64, Counts)>);

impl Minutes {
    fn add(&mut self, minute: i64, counts: &Counts) {
        if self.0.back().is_none_or(|(last, _)| *last < minute) {
            return self.0.push_back((minute, *counts));
        }
        let i = self.0.partition_point(|(m, _)| *m < minute);
        match self.0.get_mut(i).filter(|(m, _)| *m == minute) {
            Some((_, mine)) => mine.merge(counts),
            None => self.0.insert(i, (minute, *counts)),
        }
    }

    /// Those before `minute`.
    fn before(&self, minute: i64) -> Minutes {
        let end = self.0.partition_point(|(m, _)| *m < minute);
        Minutes(self.0.range(..end).copied().collect())
    }

    /// Those from the one to the other, both with.
    fn range(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &Counts)> {
        let begin = self.0.partition_point(|(m, _)| *m < from);
        let end = self.0.partition_point(|(m, _)| *m <= to);
        self.0.range(begin..end.max(begin)).map(|(m, c)| (*m, c))
    }
}

/// Bytes of packed seconds that are kept: at one count a second, well over a day.
const PACKED: usize = 1 << 20;
/// Bytes of one block of them.
const BLOCK: usize = 4 << 10;

/// Seconds with their counts in about eight bytes each: blocks of variable-length numbers, each as the difference to the
/// one before.
#[derive(Clone, Debug, Default)]
struct Packed {
    /// Shared with those who look at a part of them.
    blocks: VecDeque<Arc<Block>>,
    bytes: usize,
    last: Option<i64>,
}

#[derive(Clone, Debug)]
struct Block {
    first: i64,
    last: i64,
    /// Where the differences begin.
    base: i64,
    previous: i64,
    seconds: usize,
    bytes: Vec<u8>,
}

impl Packed {
    fn push(&mut self, second: i64, seen: i64, counts: &Counts) {
        if self.blocks.back().is_none_or(|b| b.bytes.len() >= BLOCK) {
            let bytes = Vec::with_capacity(BLOCK + 64);
            let block = Block { first: second, last: second, base: second, previous: second, seconds: 0, bytes };
            self.blocks.push_back(Arc::new(block));
        }
        let Some(block) = self.blocks.back_mut().map(Arc::make_mut) else { return };
        let before = block.bytes.len();
        let zigzag = |n: i64| ((n << 1) ^ (n >> 63)) as u64;
        put(&mut block.bytes, zigzag(second.wrapping_sub(block.previous)));
        put(&mut block.bytes, zigzag(seen.wrapping_sub(second)));
        let mask = counts.0.iter().enumerate().fold(0u8, |m, (i, n)| if *n > 0 { m | 1 << i } else { m });
        block.bytes.push(mask);
        counts.0.iter().filter(|n| **n > 0).for_each(|n| put(&mut block.bytes, u64::from(*n)));
        (block.first, block.last) = (block.first.min(second), block.last.max(second));
        block.previous = second;
        block.seconds += 1;
        self.last = self.last.max(Some(second));
        self.bytes += block.bytes.len() - before;
        while self.bytes > PACKED
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Those that hold something up to `to`.
    fn upto(&self, to: i64) -> Packed {
        let blocks = self.blocks.iter().filter(|b| b.first <= to).cloned().collect();
        Packed { blocks, bytes: self.bytes, last: self.last }
    }

    /// Where to begin for at least the last `n` seconds up to `to`; whole blocks.
    fn back(&self, to: i64, n: usize) -> Option<i64> {
        let mut found = 0;
        let mut first = None;
        for block in self.blocks.iter().rev().filter(|b| b.first <= to) {
            if found >= n {
                break;
            }
            found += if block.last <= to { block.seconds } else { 0 };
            first = Some(first.map_or(block.first, |f: i64| f.min(block.first)));
        }
        first
    }

    /// How many there are from `from` to `to`, rather more.
    fn seconds(&self, from: i64, to: i64) -> usize {
        self.blocks.iter().filter(|b| b.first <= to && b.last >= from).map(|b| b.seconds).sum()
    }

    /// Hands on seconds from `from` up to and with `to`, in the order in which they came.
    fn each(&self, from: i64, to: i64, mut f: impl FnMut(i64, i64, &Counts)) {
        for block in self.blocks.iter().filter(|b| b.first <= to && b.last >= from) {
            let mut bytes = block.bytes.as_slice();
            let mut second = block.base;
            let signed = |n: u64| (n >> 1) as i64 ^ -((n & 1) as i64);
            while let (Some(by), Some(behind)) = (take(&mut bytes), take(&mut bytes)) {
                second = second.wrapping_add(signed(by));
                let mut mask = bytes.split_off_first().copied().unwrap_or(0) & 0x7f;
                let mut counts = Counts::default();
                while mask != 0 {
                    let n = take(&mut bytes).unwrap_or(0);
                    counts.0[mask.trailing_zeros() as usize] = u32::try_from(n).unwrap_or(u32::MAX);
                    mask &= mask - 1;
                }
                if (from..=to).contains(&second) {
                    f(second, second.wrapping_add(signed(behind)), &counts);
                }
            }
        }
    }
}

/// Seven bits a byte, the lowest first.
fn put(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let first = *from.split_off_first()?;
    // Nearly all are this short.
    if first < 0x80 {
        return Some(first.into());
    }
    let (mut n, mut shift) = (u64::from(first & 0x7f), 7);
    while shift < 64 {
        let byte = *from.split_off_first()?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_shown_when_it_is_over_and_late_lines_when_they_were_seen() {
        let mut s = CountSeries::default();
        let mut one = Counts::default();
        one.add(Some(Severity::Error), 1);
        s.add(10, Ts::from_secs(10), &one);
        s.add(10, Ts::from_secs(15), &one);
        let r = TimeRange::new(Ts::from_secs(10), Ts::from_secs(11));
        assert_eq!(s.sum(r, Ts::from_secs(10)).total(), 0);
        assert_eq!(s.sum(r, Ts::from_secs(11)).total(), 1);
        assert_eq!(s.sum(r, Ts::from_secs(16)).total(), 2);
    }

    fn errors(n: u32) -> Counts {
        let mut c = Counts::default();
        c.add(Some(Severity::Error), n);
        c.add(None, 300);
        c
    }

    #[test]
    fn seconds_that_became_minutes_come_back_for_a_window_onto_the_past() {
        let (mut all, mut upto) = (CountSeries::default(), CountSeries::default());
        for s in 0..20_000i64 {
            // Every tenth second is seen late, and one line comes an hour late.
            let seen = Ts::from_secs(s + i64::from(s % 10 == 0) * 3);
            let count = errors((s % 5) as u32);
            all.add(s, seen, &count);
            if s < 9_100 {
                upto.add(s, seen, &count);
            }
            if s == 8_000 {
                all.add(4_400, Ts::from_secs(8_000), &errors(70_000));
                upto.add(4_400, Ts::from_secs(8_000), &errors(70_000));
            }
        }
        let now = Ts::from_secs(9_000);
        let window = all.around(Ts::from_secs(9_000 - 7_200), Ts::from_secs(9_099));
        for (range, parts) in [((0, 20_000), 100), ((8_000, 9_000), 250), ((4_000, 5_000), 1_000)] {
            let range = TimeRange::new(Ts::from_secs(range.0), Ts::from_secs(range.1));
            assert_eq!(window.columns(range, parts, now), upto.columns(range, parts, now), "{range:?}");
        }
        assert!(all.packed.bytes < 12 * 13_000, "{} bytes for 12,800 seconds", all.packed.bytes);
    }

    #[test]
    fn what_is_packed_is_bounded() {
        let mut all = CountSeries::default();
        for s in 0..200_000i64 {
            all.add(s, Ts::from_secs(s), &errors(1_000_000));
        }
        assert!(all.packed.bytes <= PACKED && all.packed.blocks.len() <= PACKED / BLOCK + 1);
    }
}
