//! From the fields of a calendar date and a wall clock to [`Ts`]: days, zones, and the year that a stamp left out.
//!
//! Owns no text; [`super::time`] reads the digits.

use std::cell::RefCell;

use jiff::tz::TimeZone;

use super::Context;
use crate::timeline::Ts;

const DAY: i64 = 86_400;
/// Zones change their offset at multiples of this, in every zone since 1972.
const QUARTER: i64 = 900;

/// Date and wall clock as they were written; checked by [`Civil::secs`].
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Civil {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    /// Seconds since midnight, at most 86 400 (a leap second).
    pub clock: i64,
    pub nanos: i64,
}

/// What a stamp said about its zone.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    /// An abbreviation that more than one zone uses, read as the best known of them.
    Guess(i64),
    /// Nothing: the zone of the context.
    Missing,
}

impl Civil {
    /// Seconds since the epoch as if the wall clock were UTC; `None` for dates that do not exist.
    pub fn secs(&self) -> Option<i64> {
        if !(1..=12).contains(&self.month) || self.day == 0 || self.day > days_in(self.year, self.month) {
            return None;
        }
        Some(days_from_civil(self.year, self.month, self.day) * DAY + self.clock)
    }

    /// The instant, and whether zone or year were inferred.
    #[inline]
    pub fn resolve(&self, zone: Zone, cx: &Context) -> Option<(Ts, bool)> {
        Some(resolve(self.secs()?, self.nanos, zone, cx))
    }

    /// As [`Civil::resolve`] for a stamp without a year: the latest year that does not put it more than a day into
    /// the future of `cx.near`.
    pub fn resolve_yearless(mut self, zone: Zone, cx: &Context) -> Option<(Ts, bool)> {
        let latest = cx.near.0.saturating_add(DAY * 1_000_000_000);
        let (near_year, _, _) = civil_from_days(cx.near.secs().div_euclid(DAY));
        // Nine steps reach the last 29 February from anywhere, also across 1900 and 2100.
        for back in -1..9 {
            self.year = near_year - back;
            // far too late in any zone: not worth a look at the zone
            if self.secs().is_some_and(|s| s.saturating_sub(2 * DAY) > latest.div_euclid(1_000_000_000)) {
                continue;
            }
            if let Some((ts, _)) = self.resolve(zone, cx)
                && ts.0 <= latest
            {
                return Some((ts, true));
            }
        }
        None
    }

    /// As [`Civil::resolve`] for a wall clock without a date: today in the zone of the context, or yesterday when that
    /// would lie more than an hour after `cx.near`.
    pub fn resolve_dateless(mut self, cx: &Context) -> Option<(Ts, bool)> {
        let near = cx.near.secs();
        let local_near = near + offset_at(near, &cx.zone);
        let today = local_near.div_euclid(DAY);
        let day = if today * DAY + self.clock > local_near + 3_600 { today - 1 } else { today };
        (self.year, self.month, self.day) = civil_from_days(day);
        self.resolve(Zone::Missing, cx)
    }
}

/// The instant of a wall clock in seconds as if it were UTC, and whether its zone was inferred.
#[inline]
pub(super) fn resolve(local: i64, nanos: i64, zone: Zone, cx: &Context) -> (Ts, bool) {
    let (utc, inferred) = match zone {
        Zone::Offset(o) => (local - o, false),
        Zone::Guess(o) => (local - o, true),
        Zone::Missing => (to_utc(local, &cx.zone), true),
    };
    (at(utc, nanos), inferred)
}

fn at(secs: i64, nanos: i64) -> Ts {
    Ts(secs.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let from_march = i64::from((month + 9) % 12);
    let doy = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// The offset in seconds that was found last, for one quarter of an hour of one zone's wall clock. Log lines come in
/// order, so nearly every lookup hits.
struct LastOffset {
    zone: TimeZone,
    quarter: i64,
    offset: i64,
}

thread_local! {
    static LAST: RefCell<Option<LastOffset>> = const { RefCell::new(None) };
}

/// Wall clock seconds in `zone` to UTC seconds. A clock time that occurs twice is taken as the first of the two, one
/// that is skipped as if the clock had not changed yet.
fn to_utc(local: i64, zone: &TimeZone) -> i64 {
    if let Ok(fixed) = zone.to_fixed_offset() {
        return local - i64::from(fixed.seconds());
    }
    let quarter = local.div_euclid(QUARTER);
    LAST.with_borrow_mut(|last| {
        if let Some(l) = last
            && l.quarter == quarter
            && l.zone == *zone
        {
            return local - l.offset;
        }
        let offset = local_offset(local, zone);
        let start = quarter * QUARTER;
        if local_offset(start, zone) == offset && local_offset(start + QUARTER - 1, zone) == offset {
            *last = Some(LastOffset { zone: zone.clone(), quarter, offset });
        }
        local - offset
    })
}

/// Seconds east of UTC at a wall clock time.
fn local_offset(local: i64, zone: &TimeZone) -> i64 {
    let days = local.div_euclid(DAY);
    let clock = local.rem_euclid(DAY);
    let (y, m, d) = civil_from_days(days);
    let civil = i16::try_from(y).ok().and_then(|y| {
        jiff::civil::DateTime::new(
            y,
            m as i8,
            d as i8,
            (clock / 3_600) as i8,
            (clock / 60 % 60) as i8,
            (clock % 60) as i8,
            0,
        )
        .ok()
    });
    civil
        .and_then(|c| zone.to_ambiguous_timestamp(c).compatible().ok())
        .map_or(0, |utc| local.saturating_sub(utc.as_second()))
}

/// Seconds east of UTC at an instant.
fn offset_at(utc: i64, zone: &TimeZone) -> i64 {
    jiff::Timestamp::from_second(utc).map_or(0, |t| i64::from(zone.to_offset(t).seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for days in (-200_000..200_000).step_by(17) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days, "{y}-{m}-{d}");
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
    }

    #[test]
    fn a_clock_change_inside_the_cached_hour_is_not_missed() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let cx = Context { zone, near: Ts(0) };
        let utc = |h: i64, m: i64| {
            let c = Civil { year: 2026, month: 3, day: 29, clock: h * 3_600 + m * 60, nanos: 0 };
            c.resolve(Zone::Missing, &cx).unwrap().0.to_string()
        };
        assert_eq!(utc(1, 59), "2026-03-29T00:59:00Z");
        assert_eq!(utc(3, 0), "2026-03-29T01:00:00Z");
        assert_eq!(utc(1, 58), "2026-03-29T00:58:00Z");
    }
}
