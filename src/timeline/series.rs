//! A number over time: full resolution for two hours, one-minute minimum, mean and maximum before that.

use std::collections::VecDeque;
use std::time::Duration;

use super::{TimeRange, Ts};

/// Full-resolution samples kept: two hours at one a second.
pub const FULL: usize = 7_200;
/// What is let go is kept by.
const MINUTE: Duration = Duration::from_secs(60);
/// Minutes kept behind them: a day.
pub const MINUTES: usize = 1_440;

/// What one minute held.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Minute {
    /// Start of the minute.
    pub at: Ts,
    /// Smallest value.
    pub min: f32,
    /// Arithmetic mean.
    pub mean: f32,
    /// Largest value.
    pub max: f32,
    count: u32,
}

/// A bounded series of samples in order of time.
#[derive(Clone, Debug, Default)]
pub struct Series {
    full: VecDeque<(Ts, f32)>,
    minutes: VecDeque<Minute>,
    evicted: u64,
}

impl Series {
    /// Adds a sample; one older than the newest is put where it belongs, a second one at the same time replaces it.
    pub fn push(&mut self, at: Ts, value: f64) {
        let value = value as f32;
        match self.full.back() {
            Some(&(last, _)) if at <= last => {
                let i = self.full.partition_point(|&(t, _)| t < at);
                if self.full.get(i).is_some_and(|&(t, _)| t == at) {
                    self.full[i].1 = value;
                } else if i > 0 || self.full.len() < FULL {
                    self.full.insert(i, (at, value));
                }
            }
            _ => self.full.push_back((at, value)),
        }
        while self.full.len() > FULL {
            if let Some((t, v)) = self.full.pop_front() {
                self.fold_minute(t, v);
            }
        }
    }

    fn fold_minute(&mut self, t: Ts, v: f32) {
        let at = t.floor(MINUTE);
        match self.minutes.back_mut() {
            Some(m) if m.at == at => {
                m.min = m.min.min(v);
                m.max = m.max.max(v);
                m.mean += (v - m.mean) / (m.count + 1) as f32;
                m.count += 1;
            }
            _ => self.minutes.push_back(Minute { at, min: v, mean: v, max: v, count: 1 }),
        }
        while self.minutes.len() > MINUTES {
            self.minutes.pop_front();
            self.evicted += 1;
        }
    }

    /// The newest sample at or before `now`.
    pub fn as_of(&self, now: Ts) -> Option<(Ts, f64)> {
        let i = self.full.partition_point(|&(t, _)| t <= now);
        match i.checked_sub(1) {
            Some(i) => self.full.get(i).map(|&(t, v)| (t, f64::from(v))),
            None => {
                let i = self.minutes.partition_point(|m| m.at <= now);
                i.checked_sub(1).and_then(|i| self.minutes.get(i)).map(|m| (m.at, f64::from(m.mean)))
            }
        }
    }

    /// The largest value in each of `parts` equal pieces of `range`, nothing after `now`; `None` is a gap.
    ///
    /// A maximum, because a mean would hide the spike people look for. Over more than two hours every sample stands
    /// at the beginning of its minute, whether it is still held or only its minute is: what is drawn does not depend on
    /// how much has been let go.
    pub fn peaks(&self, range: TimeRange, parts: usize, now: Ts) -> Vec<Option<f64>> {
        let mut out = vec![None; parts];
        let by_minute = range.is_by_minute(parts);
        let mut put = |t: Ts, v: f32| {
            let at = if by_minute { t.floor(MINUTE).max(range.start) } else { t };
            if t <= now
                && let Some(i) = range.column(at, parts)
            {
                let v = f64::from(v);
                out[i] = Some(out[i].map_or(v, |o: f64| o.max(v)));
            }
        };
        let i = self.minutes.partition_point(|m| m.at < range.start - Duration::from_secs(60));
        for m in self.minutes.iter().skip(i).take_while(|m| m.at < range.end) {
            put(m.at, m.max);
        }
        let i = self.full.partition_point(|&(t, _)| t < range.start);
        for &(t, v) in self.full.iter().skip(i).take_while(|&&(t, _)| t < range.end) {
            put(t, v);
        }
        out
    }

    /// Mean of the samples inside `range` up to `now`, where there are any.
    pub fn mean(&self, range: TimeRange, now: Ts) -> Option<f64> {
        let i = self.full.partition_point(|&(t, _)| t < range.start);
        let (mut sum, mut n) = (0.0, 0u32);
        for &(_, v) in self.full.iter().skip(i).take_while(|&&(t, _)| t < range.end && t <= now) {
            sum += f64::from(v);
            n += 1;
        }
        (n > 0).then(|| sum / f64::from(n))
    }

    /// What is known of the time before `at`, by the minute; `at` must be the beginning of one. Full resolution is to be
    /// pushed behind it.
    pub fn before(&self, at: Ts) -> Series {
        let kept = self.minutes.partition_point(|m| m.at < at);
        let minutes = self.minutes.range(..kept).copied().collect();
        let mut series = Series { full: VecDeque::new(), minutes, evicted: self.evicted };
        for &(t, v) in self.full.iter().take_while(|(t, _)| *t < at) {
            series.fold_minute(t, v);
        }
        series
    }

    /// Whether nothing was ever pushed.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.minutes.is_empty()
    }

    /// Minutes that fell off the far end.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_full_resolution_stays_as_minutes() {
        let mut s = Series::default();
        for i in 0..(FULL as i64 + 120) {
            s.push(Ts::from_secs(i), if i == 30 { 99.0 } else { 1.0 });
        }
        let first_minute = TimeRange::new(Ts::from_secs(0), Ts::from_secs(60));
        assert_eq!(s.peaks(first_minute, 1, Ts::MAX), [Some(99.0)]);
    }

    #[test]
    fn columns_of_minutes_are_the_same_however_much_was_let_go() {
        let mut held = Series::default();
        for i in 0..9_000 {
            held.push(Ts::from_secs(i), (i % 97) as f64);
        }
        let at = Ts::from_secs(4_500);
        let mut rest = held.before(at);
        (4_500..9_000).for_each(|i| rest.push(Ts::from_secs(i), (i % 97) as f64));
        for parts in [7, 60, 99] {
            let range = TimeRange::new(Ts::from_secs(0), Ts::from_secs(9_000));
            let now = Ts::from_secs(8_555);
            assert_eq!(held.peaks(range, parts, now), rest.peaks(range, parts, now), "{parts}");
        }
        assert_eq!(rest.as_of(Ts::from_secs(4_777)), held.as_of(Ts::from_secs(4_777)));
    }

    #[test]
    fn a_gap_is_a_gap() {
        let mut s = Series::default();
        s.push(Ts::from_secs(0), 1.0);
        s.push(Ts::from_secs(9), 2.0);
        let r = TimeRange::new(Ts::from_secs(0), Ts::from_secs(10));
        assert_eq!(s.peaks(r, 3, Ts::MAX), [Some(1.0), None, Some(2.0)]);
        assert_eq!(s.peaks(r, 3, Ts::from_secs(5)), [Some(1.0), None, None]);
    }
}
