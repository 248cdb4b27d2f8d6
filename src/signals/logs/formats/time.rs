//! Time stamps as they stand in log lines: one quick reader for every usual form.
//!
//! Hand-rolled over bytes: no allocation, no backtracking, no pattern strings. What a stamp leaves out (zone, year,
//! date) is completed from [`Context`] and marked as inferred.

mod parts;

use std::cell::Cell;

use self::parts::{clock, digit, four, fraction, half_day, is_weekday, month, two, zone};
use super::Context;
use super::calendar::{self, Civil, Zone};
use crate::timeline::Ts;

/// A time stamp at the start of some bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The instant.
    pub time: Ts,
    /// Whether zone, year or date come from the context.
    pub inferred: bool,
    /// How many bytes it took.
    pub len: usize,
}

impl Stamp {
    fn new((time, inferred): (Ts, bool), len: usize) -> Stamp {
        Stamp { time, inferred, len }
    }
}

/// The time stamp that `b` begins with, whatever its form; see the table in the tests.
pub fn stamp(b: &[u8], cx: &Context) -> Option<Stamp> {
    match b.first()? {
        b'0'..=b'9' => {
            let digits = b.iter().take(20).take_while(|c| c.is_ascii_digit()).count();
            match (digits, b.get(digits)) {
                (4, Some(b'-' | b'/' | b'.')) => iso(b, cx),
                (1 | 2, Some(b'/' | b'-' | b' ' | b'.')) => day_first(b, digits, cx),
                (1 | 2, Some(b':')) => clock_only(b, cx),
                (8, Some(b'T' | b' ' | b'-')) => compact(b, cx),
                (6, Some(b' ')) => short_compact(b, cx),
                (10 | 13 | 16 | 19, Some(b' ' | b'.' | b',' | b'\t' | b']' | b')' | b':' | b'"') | None) => epoch(b),
                _ => None,
            }
        }
        b'A'..=b'Z' => month_or_weekday_first(b, cx),
        _ => None,
    }
}

/// A whole value that is known to be a time: text in any form of [`stamp`], or a number of seconds, milliseconds,
/// microseconds or nanoseconds since the epoch, told apart by its size.
pub fn value(b: &[u8], cx: &Context) -> Option<(Ts, bool)> {
    let b = b.trim_ascii();
    if let Some(s) = stamp(b, cx) {
        return Some((s.time, s.inferred));
    }
    match b.first()? {
        b'0'..=b'9' => {
            if let Some(e) = epoch(b).filter(|e| e.len == b.len()) {
                return Some((e.time, false));
            }
            // 1.7e9 and the like
            let number: f64 = std::str::from_utf8(b).ok()?.parse().ok()?;
            // the number has no more than microseconds in it
            let micros = (number * scale(number as i64) as f64 / 1e3).round();
            number.is_finite().then(|| (Ts((micros as i64).saturating_mul(1_000)), false))
        }
        _ => None,
    }
}

/// The stamp of klog and glog: `I1120 14:02:31.123456`, severity letter included in the length.
pub fn klog(b: &[u8], cx: &Context) -> Option<Stamp> {
    if !matches!(b.first()?, b'I' | b'W' | b'E' | b'F' | b'D') {
        return None;
    }
    if b.get(9) == Some(&b' ') {
        // glog since 0.5: `I20261120 14:02:31.123456`
        let (year, month, day) = (four(b, 1)?, two(b, 5)?, two(b, 7)?);
        let (clock, nanos, at) = clock(b, 10)?;
        return Some(Stamp::new(Civil { year, month, day, clock, nanos }.resolve(Zone::Missing, cx)?, at));
    }
    let (month, day) = (two(b, 1)?, two(b, 3)?);
    if b.get(5) != Some(&b' ') {
        return None;
    }
    let (clock, nanos, at) = clock(b, 6)?;
    b.get(8).filter(|c| **c == b':')?;
    let civil = Civil { year: 0, month, day, clock, nanos };
    Some(Stamp::new(civil.resolve_yearless(Zone::Missing, cx)?, at))
}

/// `2026-11-20T14:02:31`, also with `/` or `.` in the date and a blank, `_` or `:` before the clock.
#[inline]
fn iso(b: &[u8], cx: &Context) -> Option<Stamp> {
    let head: &[u8; 19] = b.first_chunk()?;
    // Most lines are of the same second as the one before.
    if let Some(local) = LAST.with(|last| last.get().of(head)) {
        let (nanos, at) = fraction(b, 19);
        let (zone, at) = zone(b, at);
        return Some(Stamp::new(calendar::resolve(local, nanos, zone, cx), at));
    }
    let year = four(head, 0)?;
    let (month, day) = (two(head, 5)?, two(head, 8)?);
    if head[7] != head[4] || !matches!(head[10], b'T' | b't' | b' ' | b'_' | b':') {
        return None;
    }
    if head[11] == b' ' && head[10] == b' ' {
        // MariaDB puts a blank where other clocks have a zero
        let (clock, nanos, at) = clock(b, 12)?;
        return Some(Stamp::new(Civil { year, month, day, clock, nanos }.resolve(Zone::Missing, cx)?, at));
    }
    let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
    if head[13] != b':' || head[16] != b':' || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let clock = i64::from(hour * 3_600 + minute * 60 + second);
    let (nanos, at) = fraction(b, 19);
    let (zone, at) = zone(b, at);
    let local = Civil { year, month, day, clock, nanos }.secs()?;
    LAST.with(|last| last.set(LastSecond { head: *head, local }));
    Some(Stamp::new(calendar::resolve(local, nanos, zone, cx), at))
}

/// Date and clock that were read last, and the seconds they stand for.
#[derive(Copy, Clone)]
struct LastSecond {
    head: [u8; 19],
    local: i64,
}

impl LastSecond {
    #[inline]
    fn of(&self, head: &[u8; 19]) -> Option<i64> {
        (self.head == *head).then_some(self.local)
    }
}

/// The stamp of an access log that was read last, with its zone.
#[derive(Copy, Clone)]
struct LastClf {
    text: [u8; 26],
    time: Ts,
}

impl LastClf {
    #[inline]
    fn of(&self, text: &[u8; 26]) -> Option<Ts> {
        (self.text == *text).then_some(self.time)
    }
}

thread_local! {
    static LAST_CLF: Cell<LastClf> = const { Cell::new(LastClf { text: [0; 26], time: Ts(0) }) };
    // No stamp begins with a zero byte.
    static LAST: Cell<LastSecond> = const { Cell::new(LastSecond { head: [0; 19], local: 0 }) };
}

/// `20261120T140231Z`, `20261120 14:02:31`, `20261120-14:02:31`.
fn compact(b: &[u8], cx: &Context) -> Option<Stamp> {
    let (year, month, day) = (four(b, 0)?, two(b, 4)?, two(b, 6)?);
    let (clock, nanos, at) = match clock(b, 9) {
        Some(c) => c,
        None => {
            let (h, m, s) = (two(b, 9)?, two(b, 11)?, two(b, 13)?);
            if h > 23 || m > 59 || s > 60 {
                return None;
            }
            let (nanos, at) = fraction(b, 15);
            (i64::from(h * 3_600 + m * 60 + s), nanos, at)
        }
    };
    let (zone, at) = zone(b, at);
    Some(Stamp::new(Civil { year, month, day, clock, nanos }.resolve(zone, cx)?, at))
}

/// `261120 14:02:31` and `261120  9:02:31`, as MySQL wrote it before 5.7.
fn short_compact(b: &[u8], cx: &Context) -> Option<Stamp> {
    let (year, month, day) = (two(b, 0)?, two(b, 2)?, two(b, 4)?);
    let at = 7 + usize::from(b.get(7) == Some(&b' '));
    let (clock, nanos, at) = clock(b, at)?;
    let civil = Civil { year: 2000 + i64::from(year), month, day, clock, nanos };
    Some(Stamp::new(civil.resolve(Zone::Missing, cx)?, at))
}

/// `20/Nov/2026:14:02:31 +0100`, `20-Nov-2026 14:02:31`, `20 Nov 2026 14:02:31`, `11/20/2026 2:02:31 PM`,
/// `20.11.2026 14:02:31`, and `11-20 14:02:31.123`.
fn day_first(b: &[u8], digits: usize, cx: &Context) -> Option<Stamp> {
    let sep = *b.get(digits)?;
    let clf: Option<&[u8; 26]> = b.first_chunk();
    if let Some(clf) = clf
        && let Some(time) = LAST_CLF.with(|last| last.get().of(clf))
        && digit(b, 26).is_none()
    {
        return Some(Stamp { time, inferred: false, len: 26 });
    }
    let first = if digits == 2 { two(b, 0)? } else { digit(b, 0)? };
    let at = digits + 1;
    if let Some(month) = b.get(at..).and_then(month) {
        let after = b.get(at + 3)?;
        if !matches!(after, b'/' | b'-' | b' ') {
            return None;
        }
        let year = four(b, at + 4)?;
        if !matches!(b.get(at + 8)?, b':' | b' ' | b'T') {
            return None;
        }
        // Erlang writes two colons
        let (clock, nanos, at) = clock(b, at + 9 + usize::from(b.get(at + 9) == Some(&b':')))?;
        let (zone, at) = zone(b, at);
        let stamp = Stamp::new(Civil { year, month, day: first, clock, nanos }.resolve(zone, cx)?, at);
        if let (Some(clf), Zone::Offset(_), 26) = (clf, zone, at) {
            LAST_CLF.with(|last| last.set(LastClf { text: *clf, time: stamp.time }));
        }
        return Some(stamp);
    }
    if sep == b'-' && digits == 2 && b.get(5) == Some(&b' ') {
        let (clock, nanos, at) = clock(b, 6)?;
        b.get(8).filter(|c| **c == b':')?;
        let civil = Civil { year: 0, month: first, day: two(b, 3)?, clock, nanos };
        return Some(Stamp::new(civil.resolve_yearless(Zone::Missing, cx)?, at));
    }
    let width = 1 + usize::from(digit(b, at + 1).is_some());
    let second = if width == 2 { two(b, at)? } else { digit(b, at)? };
    let at = at + width;
    if b.get(at) != Some(&sep) || sep == b' ' {
        return None;
    }
    let (year, at) = match four(b, at + 1) {
        Some(year) => (year, at),
        // WebSphere's `11/20/26`; the year of two digits belongs to this century
        None if sep == b'/' && matches!(b.get(at + 3), Some(b' ' | b',')) => {
            (2000 + i64::from(two(b, at + 1)?), at - 2)
        }
        None => return None,
    };
    // 11/20/2026 is American unless it cannot be; dots and dashes put the day first.
    let (month, day) = if sep == b'/' && first <= 12 { (first, second) } else { (second, first) };
    let mut at = at + 5;
    if b.get(at) == Some(&b',') {
        at += 1;
    }
    if !matches!(b.get(at)?, b' ' | b'T' | b':') {
        return None;
    }
    let (clock, nanos, at) = clock(b, at + 1)?;
    let (clock, at) = half_day(b, clock, at);
    let (zone, at) = zone(b, at);
    Some(Stamp::new(Civil { year, month, day, clock, nanos }.resolve(zone, cx)?, at))
}

/// `14:02:31.123` alone.
fn clock_only(b: &[u8], cx: &Context) -> Option<Stamp> {
    let (clock, nanos, at) = clock(b, 0)?;
    // 12:34:56:78:9a:bc is a hardware address
    if matches!(b.get(at), Some(b':' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')) {
        return None;
    }
    Some(Stamp::new(Civil { clock, nanos, ..Civil::default() }.resolve_dateless(cx)?, at))
}

/// `Nov  9 14:02:31`, `Nov 20 2026 14:02:31`, `Nov 20, 2026 2:02:31 PM`, `Mon Nov 20 14:02:31.123456 2026`,
/// `Mon, 20 Nov 2026 14:02:31 +0100`.
fn month_or_weekday_first(b: &[u8], cx: &Context) -> Option<Stamp> {
    let Some(month) = month(b) else {
        if !is_weekday(b) {
            return None;
        }
        let skip = if b.get(3) == Some(&b',') { 4 } else { 3 };
        b.get(skip).filter(|c| **c == b' ')?;
        let rest = &b[skip + 1..];
        let inner = match rest.first()? {
            // `Fri 2026-11-20 14:02:31 CET`, the journal's long form
            b'0'..=b'9' if rest.get(4) == Some(&b'-') => iso(rest, cx)?,
            b'0'..=b'9' => day_first(rest, 1 + usize::from(digit(rest, 1).is_some()), cx)?,
            _ => {
                month(rest)?;
                month_or_weekday_first(rest, cx)?
            }
        };
        return Some(Stamp { len: inner.len + skip + 1, ..inner });
    };
    let mut at = 3;
    b.get(at).filter(|c| **c == b' ')?;
    at += 1;
    if b.get(at) == Some(&b' ') {
        at += 1;
    }
    let mut day = digit(b, at)?;
    at += 1;
    if let Some(d) = digit(b, at) {
        day = day * 10 + d;
        at += 1;
    }
    if b.get(at) == Some(&b',') {
        at += 1;
    }
    b.get(at).filter(|c| **c == b' ')?;
    at += 1;
    if let Some(year) = four(b, at).filter(|_| matches!(b.get(at + 4), Some(b' ' | b','))) {
        at += 4 + usize::from(b[at + 4] == b',') + 1;
        let (clock, nanos, at) = clock(b, at)?;
        let (clock, at) = half_day(b, clock, at);
        let (zone, at) = zone(b, at);
        return Some(Stamp::new(Civil { year, month, day, clock, nanos }.resolve(zone, cx)?, at));
    }
    let (clock, nanos, at) = clock(b, at)?;
    let (zone, at) = zone(b, at);
    let mut civil = Civil { year: 0, month, day, clock, nanos };
    if b.get(at) == Some(&b' ')
        && let Some(year) = four(b, at + 1)
        && (1970..2200).contains(&year)
        && !matches!(b.get(at + 5), Some(c) if c.is_ascii_alphanumeric() || matches!(c, b'.' | b':' | b'-'))
    {
        civil.year = year;
        return Some(Stamp::new(civil.resolve(zone, cx)?, at + 5));
    }
    Some(Stamp::new(civil.resolve_yearless(zone, cx)?, at))
}

/// Nanoseconds in the unit that an epoch number of this size is written in: seconds until the year 5138, milliseconds
/// from 1973, microseconds, nanoseconds.
fn scale(whole: i64) -> i64 {
    match whole.unsigned_abs() {
        0..=99_999_999_999 => 1_000_000_000,
        100_000_000_000..=99_999_999_999_999 => 1_000_000,
        100_000_000_000_000..=99_999_999_999_999_999 => 1_000,
        _ => 1,
    }
}

/// Digits with an optional fraction, as time since the epoch.
fn epoch(b: &[u8]) -> Option<Stamp> {
    let mut whole = 0i64;
    let mut at = 0;
    while let Some(d) = digit(b, at) {
        whole = whole.checked_mul(10)?.checked_add(i64::from(d))?;
        at += 1;
    }
    if at == 0 {
        return None;
    }
    let unit = scale(whole);
    let mut ns = whole.saturating_mul(unit);
    if matches!(b.get(at), Some(b'.')) && digit(b, at + 1).is_some() {
        let mut step = unit / 10;
        at += 1;
        while let Some(d) = digit(b, at) {
            ns = ns.saturating_add(i64::from(d) * step);
            step /= 10;
            at += 1;
        }
    }
    Some(Stamp { time: Ts(ns), inferred: false, len: at })
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};
    use proptest::prelude::*;

    use super::*;

    /// A box two hours east of UTC, on 20 November 2026 at 15:00 there.
    fn cx() -> Context {
        Context {
            zone: TimeZone::fixed(Offset::constant(2)),
            near: "2026-11-20T13:00:00Z".parse().map(Ts::from_jiff).unwrap(),
        }
    }

    #[test]
    fn every_usual_form_is_read() {
        // text, instant, whether something was inferred, what follows the stamp
        let table = [
            ("2026-11-20T14:02:31Z x", "2026-11-20T14:02:31Z", false, " x"),
            ("2026-11-20T14:02:31.123456789Z", "2026-11-20T14:02:31.123456789Z", false, ""),
            ("2026-11-20T14:02:31.1234567891234Z", "2026-11-20T14:02:31.123456789Z", false, ""),
            ("2026-11-20T14:02:31+02:00", "2026-11-20T12:02:31Z", false, ""),
            ("2026-11-20 14:02:31,123 INFO", "2026-11-20T12:02:31.123Z", true, " INFO"),
            ("2026-11-20 14:02:31.5-0330 x", "2026-11-20T17:32:31.5Z", false, " x"),
            ("2026-11-20 14:02:31-07 x", "2026-11-20T21:02:31Z", false, " x"),
            ("2026-11-20 14:02:31 +0000 x", "2026-11-20T14:02:31Z", false, " x"),
            ("2026-11-20 14:02:31.123 UTC [1]", "2026-11-20T14:02:31.123Z", false, " [1]"),
            ("2026-11-20 14:02:31 CET [1]", "2026-11-20T13:02:31Z", true, " [1]"),
            ("2026-11-20 14:02:31 ERROR", "2026-11-20T12:02:31Z", true, " ERROR"),
            ("2026/11/20 14:02:31 [error]", "2026-11-20T12:02:31Z", true, " [error]"),
            ("2026.11.20 14:02:31:123 x", "2026-11-20T12:02:31.123Z", true, " x"),
            ("20261120T140231Z", "2026-11-20T14:02:31Z", false, ""),
            ("20261120 14:02:31.5 x", "2026-11-20T12:02:31.5Z", true, " x"),
            ("10/Oct/2000:13:55:36 -0700] \"G", "2000-10-10T20:55:36Z", false, "] \"G"),
            ("20/Nov/2026 14:02:31] x", "2026-11-20T12:02:31Z", true, "] x"),
            ("20-Nov-2026 14:02:31.123 x", "2026-11-20T12:02:31.123Z", true, " x"),
            ("20 Nov 2026 14:02:31.123 * x", "2026-11-20T12:02:31.123Z", true, " * x"),
            ("11/20/2026 2:02:31 PM x", "2026-11-20T12:02:31Z", true, " x"),
            ("20.11.2026 14:02:31 x", "2026-11-20T12:02:31Z", true, " x"),
            ("11-20 14:02:31.123  99 E", "2026-11-20T12:02:31.123Z", true, "  99 E"),
            ("Oct  9 13:55:36 host", "2026-10-09T11:55:36Z", true, " host"),
            ("Nov 21 14:00:00 host", "2026-11-21T12:00:00Z", true, " host"),
            ("Nov 22 14:00:00 host", "2025-11-22T12:00:00Z", true, " host"),
            ("Feb 29 00:00:00 host", "2024-02-28T22:00:00Z", true, " host"),
            ("Nov 20, 2026 12:02:31 AM x", "2026-11-19T22:02:31Z", true, " x"),
            ("Nov 20 2026 14:02:31: %X", "2026-11-20T12:02:31Z", true, ": %X"),
            ("Mon Nov 20 14:02:31.123456 2026] x", "2026-11-20T12:02:31.123456Z", true, "] x"),
            ("Mon Nov 20 14:02:31 UTC 2026", "2026-11-20T14:02:31Z", false, ""),
            ("Mon, 20 Nov 2026 14:02:31 +0100 x", "2026-11-20T13:02:31Z", false, " x"),
            ("14:59:31.123 [main]", "2026-11-20T12:59:31.123Z", true, " [main]"),
            ("2026-11-20  9:02:31 7 [Note]", "2026-11-20T07:02:31Z", true, " 7 [Note]"),
            ("261120  9:02:31 [Note]", "2026-11-20T07:02:31Z", true, " [Note]"),
            ("261120 14:02:31 x", "2026-11-20T12:02:31Z", true, " x"),
            ("20-Nov-2026::14:02:31 ===", "2026-11-20T12:02:31Z", true, " ==="),
            ("11/20/26 14:02:31:136 CET] 0", "2026-11-20T13:02:31.136Z", true, "] 0"),
            ("Fri 2026-11-20 14:02:31 UTC web", "2026-11-20T14:02:31Z", false, " web"),
            ("23:59:31 x", "2026-11-19T21:59:31Z", true, " x"),
            ("1700000000 x", "2023-11-14T22:13:20Z", false, " x"),
            ("1700000000.123456 x", "2023-11-14T22:13:20.123456Z", false, " x"),
            ("1700000000123 x", "2023-11-14T22:13:20.123Z", false, " x"),
            ("1700000000123456", "2023-11-14T22:13:20.123456Z", false, ""),
            ("1700000000123456789", "2023-11-14T22:13:20.123456789Z", false, ""),
        ];
        for (text, instant, inferred, rest) in table {
            let s = stamp(text.as_bytes(), &cx()).unwrap_or_else(|| panic!("not read: {text}"));
            assert_eq!((s.time.to_string().as_str(), s.inferred, &text[s.len..]), (instant, inferred, rest), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_stamp_is_not_read_as_one() {
        for text in [
            "",
            "2",
            "2026",
            "2026-13-20T14:02:31Z",
            "2026-02-30T14:02:31Z",
            "2026-11-20T25:02:31Z",
            "2026-11-20",
            "12:34:56:78:9a:bc",
            "10.0.0.1 - -",
            "Monday",
            "May be 5",
            "12345",
            "192.168.100.200 x",
            "1/2/3",
            "Fri 20",
            "Fri, 2",
        ] {
            assert_eq!(stamp(text.as_bytes(), &cx()), None, "{text}");
        }
    }

    #[test]
    fn a_stamp_without_a_year_crosses_new_year() {
        let mut cx = cx();
        cx.near = "2027-01-01T00:10:00Z".parse().map(Ts::from_jiff).unwrap();
        let at = |t: &str| stamp(t.as_bytes(), &cx).unwrap().time.to_string();
        assert_eq!(at("Dec 31 23:59:59 h"), "2026-12-31T21:59:59Z");
        assert_eq!(at("Jan  1 02:00:01 h"), "2027-01-01T00:00:01Z");
        cx.near = "2026-12-31T21:59:00Z".parse().map(Ts::from_jiff).unwrap();
        assert_eq!(stamp(b"Jan  1 00:00:01 h", &cx).unwrap().time.to_string(), "2026-12-31T22:00:01Z");
    }

    #[test]
    fn numbers_are_told_apart_by_their_size() {
        let at = |t: &str| value(t.as_bytes(), &cx()).unwrap().0.to_string();
        assert_eq!(at("1.7e9"), "2023-11-14T22:13:20Z");
        assert_eq!(at("1700000000.5"), "2023-11-14T22:13:20.5Z");
        assert_eq!(at("1700000000123.25"), "2023-11-14T22:13:20.12325Z");
        assert_eq!(at("1.7000000001e9"), "2023-11-14T22:13:20.1Z");
        assert_eq!(value(b"soon", &cx()), None);
    }

    #[test]
    fn klog_stamps_take_their_year_from_nearby() {
        let s = klog(b"E1120 14:02:31.123456   1 x.go:1] m", &cx()).unwrap();
        assert_eq!((s.time.to_string().as_str(), s.len), ("2026-11-20T12:02:31.123456Z", 21));
        assert_eq!(klog(b"I think so", &cx()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_stamp_is_longer_than_its_text(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(s) = stamp(&bytes, &cx()) {
                prop_assert!(s.len <= bytes.len());
            }
            value(&bytes, &cx());
            klog(&bytes, &cx());
        }

        #[test]
        fn a_written_instant_is_read_back(ns in 0i64..4_000_000_000_000_000_000) {
            let text = Ts(ns).to_string();
            prop_assert_eq!(stamp(text.as_bytes(), &cx()).unwrap().time, Ts(ns));
            prop_assert_eq!(value(ns.to_string().as_bytes(), &cx()).is_some(), true);
        }
    }
}
