//! Event time: nanoseconds since the Unix epoch, UTC, and half-open ranges of it.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A point in time: UTC nanoseconds since the Unix epoch (years 1678 to 2262).
///
/// Arithmetic saturates, so that hostile times in log lines cannot overflow.
#[derive(Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ts(pub i64);

const SECOND: i64 = 1_000_000_000;

impl Ts {
    /// The earliest time that can be written.
    pub const MIN: Ts = Ts(i64::MIN);
    /// The latest time that can be written; as a playhead it means "everything".
    pub const MAX: Ts = Ts(i64::MAX);

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Ts {
        Ts(secs.saturating_mul(SECOND))
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Ts {
        Ts(ms.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Rounded down to a multiple of `step` since the epoch. A zero step changes nothing.
    pub fn floor(self, step: Duration) -> Ts {
        let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
        if step == 0 { self } else { Ts(self.0.div_euclid(step).saturating_mul(step)) }
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Ts) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Signed seconds from `earlier` to this.
    pub fn signed_secs(self, earlier: Ts) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1e9
    }

    /// As a jiff time stamp; out-of-range values are clamped.
    pub fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// From a jiff time stamp, clamped to what nanoseconds in 64 bits can hold.
    pub fn from_jiff(t: jiff::Timestamp) -> Ts {
        let ns = t.as_nanosecond();
        Ts(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// `HH:MM:SS` in `zone`.
    pub fn hms(self, zone: &TimeZone) -> String {
        let t = self.jiff().to_zoned(zone.clone());
        format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
    }

    /// `HH:MM:SS.mmm` in `zone`.
    pub fn hms_millis(self, zone: &TimeZone) -> String {
        let t = self.jiff().to_zoned(zone.clone());
        format!("{:02}:{:02}:{:02}.{:03}", t.hour(), t.minute(), t.second(), t.millisecond())
    }

    /// `YYYY-MM-DD HH:MM:SS` in `zone`.
    pub fn date_hms(self, zone: &TimeZone) -> String {
        let t = self.jiff().to_zoned(zone.clone());
        format!("{}", t.strftime("%Y-%m-%d %H:%M:%S"))
    }
}

/// RFC 3339, UTC, as many fractional digits as are needed.
impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.jiff())
    }
}

impl fmt::Debug for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Add<Duration> for Ts {
    type Output = Ts;
    fn add(self, d: Duration) -> Ts {
        Ts(self.0.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Ts {
    type Output = Ts;
    fn sub(self, d: Duration) -> Ts {
        Ts(self.0.saturating_sub(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// A half-open span of time: `start <= t < end`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// First instant inside.
    pub start: Ts,
    /// First instant after.
    pub end: Ts,
}

impl TimeRange {
    /// The span from `start` to just before `end`; empty when they are not in order.
    pub fn new(start: Ts, end: Ts) -> TimeRange {
        TimeRange { start, end: end.max(start) }
    }

    /// The span of length `d` that ends at `end`.
    pub fn ending(end: Ts, d: Duration) -> TimeRange {
        TimeRange { start: end - d, end }
    }

    /// Whether `t` lies inside.
    pub fn contains(&self, t: Ts) -> bool {
        self.start <= t && t < self.end
    }

    /// How long it is.
    pub fn len(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether nothing lies inside.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// The `index`-th of `parts` equal pieces.
    pub fn slice(&self, index: usize, parts: usize) -> TimeRange {
        let len = self.end.0.saturating_sub(self.start.0) as i128;
        let at = |i: usize| Ts(self.start.0 + (len * i as i128 / parts.max(1) as i128) as i64);
        TimeRange { start: at(index), end: at(index + 1) }
    }

    /// Whether this is drawn by the minute in `parts` equal pieces: each is a minute or longer, and the whole is longer
    /// than what is kept in full resolution.
    pub fn is_by_minute(&self, parts: usize) -> bool {
        let seconds = self.len().as_secs();
        seconds > 7_200 && seconds >= 60 * parts.max(1) as u64
    }

    /// Which of `parts` equal pieces `t` falls into.
    pub fn column(&self, t: Ts, parts: usize) -> Option<usize> {
        if !self.contains(t) || parts == 0 {
            return None;
        }
        let len = (self.end.0 as i128 - self.start.0 as i128).max(1);
        let (into, all) = (t.0 as i128 - self.start.0 as i128, parts as i128);
        // Every column of every chart comes through here; hours fit in 64 bits, whose division is ten times faster.
        match (u64::try_from(into * all), u64::try_from(len)) {
            (Ok(scaled), Ok(len)) => Some((scaled / len) as usize),
            _ => Some((into * all / len) as usize),
        }
    }
}

/// A duration in the fewest words that still help: `850 ms`, `4.2 s`, `7 m`, `2 h 05 m`, `3 d`.
pub fn short(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0 if d.as_millis() < 1 => format!("{} µs", d.as_micros()),
        0 => format!("{} ms", d.as_millis()),
        1..=9 => format!("{:.1} s", d.as_secs_f64()),
        10..=119 => format!("{s} s"),
        120..=3_599 => format!("{} m", s / 60),
        3_600..=86_399 => format!("{} h {:02} m", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d", s / 86_400),
    }
}

/// The same for what is written down: below an hour the seconds stay, `2 m 41 s`.
pub fn spelled(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        120..=3_599 if !s.is_multiple_of(60) => format!("{} m {:02} s", s / 60, s % 60),
        _ => short(d),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_keeps_its_seconds_below_an_hour() {
        let said = |s| spelled(Duration::from_secs(s));
        assert_eq!((said(161).as_str(), said(120).as_str(), said(90).as_str()), ("2 m 41 s", "2 m", "90 s"));
        assert_eq!((said(3_599).as_str(), said(3_900).as_str()), ("59 m 59 s", "1 h 05 m"));
    }

    #[test]
    fn hostile_times_saturate_instead_of_overflowing() {
        assert_eq!(Ts::MAX + Duration::from_secs(1), Ts::MAX);
        assert_eq!(Ts::MIN - Duration::from_secs(1), Ts::MIN);
        assert_eq!(Ts::MIN.since(Ts::MAX), Duration::ZERO);
    }

    #[test]
    fn columns_cover_a_range_without_gaps() {
        let r = TimeRange::new(Ts(0), Ts(10));
        assert_eq!(r.column(Ts(0), 3), Some(0));
        assert_eq!(r.column(Ts(9), 3), Some(2));
        assert_eq!(r.column(Ts(10), 3), None);
        assert_eq!(r.slice(2, 3).end, Ts(10));
        let ages = TimeRange::new(Ts::MIN, Ts::MAX);
        assert_eq!((ages.column(Ts::MIN, 200), ages.column(Ts(i64::MAX - 1), 200)), (Some(0), Some(199)));
        assert_eq!(ages.column(Ts(0), 2), Some(1), "more than 64 bits hold");
    }

    #[test]
    fn a_time_is_written_in_full_precision_utc() {
        assert_eq!(Ts(1_700_000_000_123_456_789).to_string(), "2023-11-14T22:13:20.123456789Z");
    }
}
