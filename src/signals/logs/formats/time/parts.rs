//! The parts that time stamps are made of: digits, clock, fraction, zone, names of months and days. Each gives what it read
//! and where it ends.

use crate::signals::logs::formats::calendar::Zone;

#[inline]
pub(super) fn digit(b: &[u8], at: usize) -> Option<u32> {
    let d = b.get(at)?.wrapping_sub(b'0');
    (d <= 9).then_some(u32::from(d))
}

#[inline]
pub(super) fn two(b: &[u8], at: usize) -> Option<u32> {
    Some(digit(b, at)? * 10 + digit(b, at + 1)?)
}

#[inline]
pub(super) fn four(b: &[u8], at: usize) -> Option<i64> {
    Some(i64::from(two(b, at)? * 100 + two(b, at + 2)?))
}

/// `h:mm:ss` or `hh:mm:ss` with a fraction: seconds since midnight, nanoseconds, where it ends.
#[inline]
pub(super) fn clock(b: &[u8], at: usize) -> Option<(i64, i64, usize)> {
    let (hour, at) = match two(b, at) {
        Some(h) => (h, at + 2),
        None => (digit(b, at)?, at + 1),
    };
    if b.get(at) != Some(&b':') || b.get(at + 3) != Some(&b':') {
        return None;
    }
    let (minute, second) = (two(b, at + 1)?, two(b, at + 4)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, at) = fraction(b, at + 6);
    Some((i64::from(hour * 3_600 + minute * 60 + second), nanos, at))
}

/// `.123`, `,123456` or `:123`: nanoseconds, where it ends. Digits beyond the ninth are dropped.
#[inline]
pub(super) fn fraction(b: &[u8], at: usize) -> (i64, usize) {
    let Some(sep) = b.get(at) else { return (0, at) };
    let colon = *sep == b':';
    if !(matches!(sep, b'.' | b',') || colon) || digit(b, at + 1).is_none() {
        return (0, at);
    }
    let digits = &b[at + 1..];
    let (mut nanos, mut len) = (0u64, 0);
    while let Some(d) = digits.get(len).map(|c| c.wrapping_sub(b'0')).filter(|d| *d < 10) {
        // Beyond the ninth they are only stepped over.
        if len < 9 {
            nanos = nanos * 10 + u64::from(d);
        }
        len += 1;
    }
    let nanos = (nanos * UNITS[len.min(9)]) as i64;
    let end = at + 1 + len;
    if colon && end != at + 4 { (0, at) } else { (nanos, end) }
}

/// Nanoseconds in the last digit of a fraction of so many digits.
const UNITS: [u64; 10] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// ` PM` after a clock of twelve hours.
#[inline]
pub(super) fn half_day(b: &[u8], clock: i64, at: usize) -> (i64, usize) {
    let rest = b.get(at..at + 3).unwrap_or_default();
    let hour = clock / 3_600;
    match rest {
        [b' ', b'P' | b'p', b'M' | b'm'] if hour < 12 => (clock + 12 * 3_600, at + 3),
        [b' ', b'A' | b'a', b'M' | b'm'] if hour == 12 => (clock - 12 * 3_600, at + 3),
        [b' ', b'P' | b'p' | b'A' | b'a', b'M' | b'm'] => (clock, at + 3),
        _ => (clock, at),
    }
}

/// `Z`, `+02:00`, `+0200`, `+02`, ` +0200`, ` UTC`, ` CET` …: the zone, where it ends.
#[inline]
pub(super) fn zone(b: &[u8], at: usize) -> (Zone, usize) {
    match b.get(at) {
        Some(b'Z' | b'z') => (Zone::Offset(0), at + 1),
        Some(b'+' | b'-') => offset(b, at, true).unwrap_or((Zone::Missing, at)),
        Some(b' ') => match b.get(at + 1) {
            Some(b'+' | b'-') => offset(b, at + 1, false).unwrap_or((Zone::Missing, at)),
            Some(b'A'..=b'Z') => abbreviation(b, at + 1).unwrap_or((Zone::Missing, at)),
            _ => (Zone::Missing, at),
        },
        _ => (Zone::Missing, at),
    }
}

pub(super) fn offset(b: &[u8], at: usize, hours_alone: bool) -> Option<(Zone, usize)> {
    let sign = if b[at] == b'-' { -1 } else { 1 };
    let hours = two(b, at + 1)?;
    let (minutes, end) = match b.get(at + 3) {
        Some(b':') => (two(b, at + 4)?, at + 6),
        _ => match two(b, at + 3) {
            Some(m) => (m, at + 5),
            None if hours_alone => (0, at + 3),
            None => return None,
        },
    };
    if hours > 18 || minutes > 59 || digit(b, end).is_some() {
        return None;
    }
    Some((Zone::Offset(sign * i64::from(hours * 3_600 + minutes * 60)), end))
}

/// Abbreviations that programs really write after a time; those that several zones share are guesses.
pub(super) fn abbreviation(b: &[u8], at: usize) -> Option<(Zone, usize)> {
    let len = b[at..].iter().take(6).take_while(|c| c.is_ascii_uppercase()).count();
    let end = at + len;
    if matches!(b.get(end), Some(c) if c.is_ascii_alphanumeric() || *c == b'_') {
        return None;
    }
    let guess = |hours: i64| Zone::Guess(hours * 3_600);
    let zone = match &b[at..end] {
        b"UTC" | b"GMT" | b"Z" => Zone::Offset(0),
        b"WET" => guess(0),
        b"CET" | b"MEZ" | b"BST" | b"WEST" => guess(1),
        b"CEST" | b"MESZ" | b"EET" | b"SAST" => guess(2),
        b"EEST" | b"MSK" => guess(3),
        b"IST" => Zone::Guess(19_800),
        b"SGT" | b"HKT" => guess(8),
        b"JST" | b"KST" => guess(9),
        b"AEST" => guess(10),
        b"AEDT" => guess(11),
        b"EDT" => guess(-4),
        b"EST" | b"CDT" => guess(-5),
        b"CST" | b"MDT" => guess(-6),
        b"MST" | b"PDT" => guess(-7),
        b"PST" => guess(-8),
        _ => return None,
    };
    Some((zone, end))
}

/// The month that `b` begins with, from its English abbreviation.
pub(super) fn month(b: &[u8]) -> Option<u32> {
    let three: &[u8; 3] = b.first_chunk()?;
    Some(match three {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

pub(super) fn is_weekday(b: &[u8]) -> bool {
    matches!(b.first_chunk(), Some(b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun"))
}
