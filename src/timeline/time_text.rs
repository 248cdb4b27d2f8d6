//! Times as people type them: `14:02`, `-15m`, `yesterday 15:00`, an epoch, a pasted ISO stamp.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::Ts;

/// What can be typed, for the help screen and for errors.
pub const FORMS: &str = "14:02, 14:02:31.5, 3pm, -15m, +30s, now, today 9:30, yesterday 15:00, \
                         2026-11-20 14:02, 2026-11-20T14:02:31Z, or seconds since 1970";

/// Reads a typed time. `now` is the playhead that relative times count from; `zone` is the one on the screen.
///
/// A bare time of day is the most recent one at or before `now`. The error says what is understood.
pub fn parse(text: &str, now: Ts, zone: &TimeZone) -> Result<Ts, String> {
    let trimmed = text.trim().trim_matches(|c| matches!(c, '"' | '\'' | '[' | ']')).trim();
    if trimmed.is_empty() {
        return Err(format!("no time typed; understood are {FORMS}"));
    }
    let lower = trimmed.to_ascii_lowercase();
    relative(&lower, now)
        .or_else(|| epoch(&lower))
        .or_else(|| named_day(&lower, now, zone))
        .or_else(|| bare_time(&lower, now, zone))
        .or_else(|| stamp(trimmed, now, zone))
        .or_else(|| date_output(trimmed, zone))
        .ok_or_else(|| format!("`{text}` is no time; understood are {FORMS}"))
}

/// The same for what was told already: near `at`, and never after `now`, where nothing has been told yet.
pub fn parse_told(text: &str, at: Ts, now: Ts, zone: &TimeZone) -> Result<Ts, String> {
    match parse_near(text, at, zone)? {
        ahead if ahead > now => parse(text, now, zone),
        told => Ok(told),
    }
}

/// The same for a time that may lie ahead: a bare time of day is the one nearest to `at`, before it or after. For the
/// ends of a window, and for a recording, whose end is no present.
pub fn parse_near(text: &str, at: Ts, zone: &TimeZone) -> Result<Ts, String> {
    const HALF_A_DAY: i64 = 12 * 3_600 * 1_000_000_000;
    let lower = text.trim().to_ascii_lowercase();
    match bare_time(&lower, Ts(at.0.saturating_add(HALF_A_DAY)), zone) {
        Some(t) => Ok(t),
        None => parse(text, at, zone),
    }
}

/// `now`, `-15m`, `+1h30m`, `15m ago`, `now-15m`.
fn relative(text: &str, now: Ts) -> Option<Ts> {
    if text == "now" {
        return Some(now);
    }
    let text = text.strip_prefix("now").map_or(text, str::trim);
    if let Some(ago) = text.strip_suffix("ago") {
        return duration(ago.trim()).map(|ns| Ts(now.0.saturating_sub(ns)));
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => return None,
    };
    duration(rest.trim()).map(|ns| Ts(now.0.saturating_add(ns.saturating_mul(sign))))
}

/// Nanoseconds of `1h30m`, `90s`, `1.5h`, `250ms`, `2 d`; a bare number is not a duration.
fn duration(mut text: &str) -> Option<i64> {
    let mut total = 0.0;
    if text.is_empty() {
        return None;
    }
    while !text.is_empty() {
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let n: f64 = text[..digits].parse().ok()?;
        let rest = text[digits..].trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += n * match &rest[..end] {
            "ms" => 1e6,
            "s" | "sec" | "secs" | "second" | "seconds" => 1e9,
            "m" | "min" | "mins" | "minute" | "minutes" => 60e9,
            "h" | "hr" | "hour" | "hours" => 3_600e9,
            "d" | "day" | "days" => 86_400e9,
            "w" | "week" | "weeks" => 604_800e9,
            _ => return None,
        };
        text = rest[end..].trim_start();
    }
    // Casting saturates.
    Some(total as i64)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by the number of digits; `1700000000.25`.
fn epoch(text: &str) -> Option<Ts> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let n: i64 = whole.parse().ok()?;
    let unit: i64 = match whole.len() {
        9..=10 => 1_000_000_000,
        12..=13 => 1_000_000,
        15..=16 => 1_000,
        18..=19 => 1,
        _ => return None,
    };
    let part = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? };
    Some(Ts(n.saturating_mul(unit).saturating_add((part * unit as f64) as i64)))
}

/// `yesterday 15:00`, `today 9:30`, `mon 14:00`; the day alone is its beginning.
fn named_day(text: &str, now: Ts, zone: &TimeZone) -> Option<Ts> {
    let (word, rest) = text.split_once([' ', ',']).unwrap_or((text, ""));
    let today = now.jiff().to_zoned(zone.clone()).date();
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let day = match word {
        "today" => today,
        "yesterday" => today.checked_sub(1.day()).ok()?,
        "tomorrow" => today.checked_add(1.day()).ok()?,
        _ => {
            let wanted = DAYS.iter().position(|d| *d == word || (word.len() == 3 && d.starts_with(word)))? as i64;
            let here = i64::from(today.weekday().to_monday_zero_offset());
            today.checked_sub(Span::new().try_days((here - wanted).rem_euclid(7)).ok()?).ok()?
        }
    };
    let rest = rest.trim().trim_start_matches("at ").trim();
    let time = if rest.is_empty() { Time::midnight() } else { time_of_day(rest)? };
    at(day, time, zone)
}

fn bare_time(text: &str, now: Ts, zone: &TimeZone) -> Option<Ts> {
    let (text, zone) = &in_zone(text, now, zone);
    let time = time_of_day(text)?;
    let today = now.jiff().to_zoned(zone.clone()).date();
    match at(today, time, zone) {
        Some(t) if t <= now => Some(t),
        _ => at(today.checked_sub(1.day()).ok()?, time, zone),
    }
}

/// The zone that stands behind a time of day, as the screen shows it: `14:02 utc`, `14:02z`, and the short name of the
/// screen's own.
fn in_zone<'a>(text: &'a str, now: Ts, zone: &TimeZone) -> (&'a str, TimeZone) {
    let own = zone.to_offset_info(now.jiff()).abbreviation().to_ascii_lowercase();
    let utc = text.strip_suffix(" utc").or_else(|| text.strip_suffix(" gmt")).or_else(|| text.strip_suffix('z'));
    match (utc, text.strip_suffix(&format!(" {own}"))) {
        (Some(rest), _) => (rest.trim_end(), TimeZone::UTC),
        (None, Some(rest)) => (rest.trim_end(), zone.clone()),
        (None, None) => (text, zone.clone()),
    }
}

/// What `date` prints: `Sat Nov 21 23:05:46 UTC 2026`, `Sat Nov 21 11:05:46 PM UTC 2026`.
fn date_output(text: &str, zone: &TimeZone) -> Option<Ts> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, time @ .., year] = words.as_slice() else { return None };
    let time = time.join(" ").to_ascii_lowercase();
    let day = Date::strptime("%b %d %Y", format!("{month} {day} {year}")).ok()?;
    // Summer or winter time is that of the day itself.
    let noon = at(day, Time::constant(12, 0, 0, 0), zone)?;
    let (time, zone) = in_zone(&time, noon, zone);
    at(day, time_of_day(time)?, &zone)
}

fn at(day: Date, time: Time, zone: &TimeZone) -> Option<Ts> {
    zone.to_ambiguous_zoned(DateTime::from_parts(day, time)).compatible().ok().map(|z| Ts::from_jiff(z.timestamp()))
}

/// `14:02`, `9:30:15.25`, `14:02:31,123`, `3pm`, `3:15 pm`, `noon`, `midnight`.
fn time_of_day(text: &str) -> Option<Time> {
    match text {
        "noon" => return Some(Time::constant(12, 0, 0, 0)),
        "midnight" => return Some(Time::midnight()),
        _ => {}
    }
    let (digits, half) = match text.strip_suffix("am").or_else(|| text.strip_suffix("pm")) {
        Some(rest) => (rest.trim_end(), Some(text.ends_with("pm"))),
        None => (text, None),
    };
    let mut parts = digits.split(':');
    let number = |s: &str, most: i8| -> Option<i8> {
        let is_number = (1..=2).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
        s.parse().ok().filter(|&n: &i8| is_number && n <= most)
    };
    let hour = number(parts.next()?, 23)?;
    let minute = match parts.next() {
        Some(m) if m.len() == 2 => number(m, 59)?,
        None if half.is_some() => 0,
        _ => return None,
    };
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(s) => {
            let (whole, fraction) = s.split_once(['.', ',']).unwrap_or((s, ""));
            if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (number(whole, 59)?, format!("{fraction:0<9}").parse().ok()?)
        }
    };
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(is_pm) => hour % 12 + if is_pm { 12 } else { 0 },
    };
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, nanos).ok()
}

/// A stamp as it stands in logs: RFC 3339, with or without zone, date and time, access log, syslog.
fn stamp(text: &str, now: Ts, zone: &TimeZone) -> Option<Ts> {
    let text = &text.replace(',', ".");
    if let Ok(t) = text.parse::<jiff::Timestamp>() {
        return Some(Ts::from_jiff(t));
    }
    for form in
        ["%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%d %H:%M:%S%.f%:z", "%a %b %d %H:%M:%S %Y %z"]
    {
        if let Ok(z) = jiff::Timestamp::strptime(form, text) {
            return Some(Ts::from_jiff(z));
        }
    }
    // `2026-11-20 14:02 UTC` and `2026-11-20T14:02Z`, which has no seconds.
    let utc = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")).or_else(|| text.strip_suffix('Z'));
    let (text, zone) = match utc {
        Some(rest) => (rest.trim_end(), &TimeZone::UTC),
        None => (text.as_str(), zone),
    };
    if let Ok(t) = text.parse::<DateTime>() {
        return at(t.date(), t.time(), zone);
    }
    if let Some((date, time)) = text.split_once([' ', 'T'])
        && let (Ok(day), Some(time)) = (date.parse::<Date>(), time_of_day(&time.trim().to_ascii_lowercase()))
    {
        return at(day, time, zone);
    }
    for form in ["%Y/%m/%d %H:%M:%S", "%d/%b/%Y:%H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"] {
        if let Ok(t) = DateTime::strptime(form, text) {
            return at(t.date(), t.time(), zone);
        }
    }
    // Syslog leaves the year out: the most recent one at or before now, a day of grace for zones.
    let year = now.jiff().to_zoned(zone.clone()).year();
    [year, year - 1].into_iter().find_map(|year| {
        let t = DateTime::strptime("%Y %b %d %H:%M:%S%.f", format!("{year} {text}"))
            .or_else(|_| DateTime::strptime("%Y %b %d %H:%M", format!("{year} {text}")))
            .ok()?;
        at(t.date(), t.time(), zone).filter(|t| t.0 <= now.0.saturating_add(86_400_000_000_000))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, now: &str, zone: &TimeZone) -> Result<String, String> {
        let now = Ts::from_jiff(now.parse().unwrap());
        parse(text, now, zone).map(|t| t.to_string())
    }

    #[test]
    fn what_was_told_already_lies_before_now() {
        let at = |text: &str| Ts::from_jiff(text.parse().unwrap());
        let now = at("2026-11-22T04:10:00Z");
        for (text, near, want) in [
            // Files that were written just now hold yesterday's lines.
            ("14:10", "2026-11-22T04:09:00Z", "2026-11-21T14:10:00Z"),
            ("04:05", "2026-11-22T04:09:00Z", "2026-11-22T04:05:00Z"),
            ("14:10", "2026-11-19T13:00:00Z", "2026-11-19T14:10:00Z"),
            ("23:50", "2026-11-20T00:30:00Z", "2026-11-19T23:50:00Z"),
        ] {
            assert_eq!(parse_told(text, at(near), now, &TimeZone::UTC), Ok(at(want)), "{text} near {near}");
        }
    }

    #[test]
    fn every_form_means_what_it_says() {
        let now = "2026-11-20T14:30:00Z"; // a Friday
        for (text, want) in [
            ("14:02", "2026-11-20T14:02:00Z"),
            ("14:30", "2026-11-20T14:30:00Z"),
            ("14:31", "2026-11-19T14:31:00Z"),
            ("09:30:15", "2026-11-20T09:30:15Z"),
            ("9:30", "2026-11-20T09:30:00Z"),
            ("14:02:31.5", "2026-11-20T14:02:31.5Z"),
            ("14:02:31,123", "2026-11-20T14:02:31.123Z"),
            ("3pm", "2026-11-19T15:00:00Z"),
            ("2:15 PM", "2026-11-20T14:15:00Z"),
            ("12am", "2026-11-20T00:00:00Z"),
            ("12pm", "2026-11-20T12:00:00Z"),
            ("noon", "2026-11-20T12:00:00Z"),
            ("-15m", "2026-11-20T14:15:00Z"),
            ("+30s", "2026-11-20T14:30:30Z"),
            ("-1h30m", "2026-11-20T13:00:00Z"),
            ("-1.5h", "2026-11-20T13:00:00Z"),
            ("- 250 ms", "2026-11-20T14:29:59.75Z"),
            ("now", "2026-11-20T14:30:00Z"),
            ("now-2d", "2026-11-18T14:30:00Z"),
            ("5 min ago", "2026-11-20T14:25:00Z"),
            ("yesterday 15:00", "2026-11-19T15:00:00Z"),
            ("Yesterday 3pm", "2026-11-19T15:00:00Z"),
            ("yesterday", "2026-11-19T00:00:00Z"),
            ("today 9:30", "2026-11-20T09:30:00Z"),
            ("today 23:00", "2026-11-20T23:00:00Z"),
            ("mon 14:00", "2026-11-16T14:00:00Z"),
            ("friday 01:00", "2026-11-20T01:00:00Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("1700000000.25", "2023-11-14T22:13:20.25Z"),
            ("1700000000123", "2023-11-14T22:13:20.123Z"),
            ("1700000000123456", "2023-11-14T22:13:20.123456Z"),
            ("1700000000123456789", "2023-11-14T22:13:20.123456789Z"),
            ("2026-11-20T14:02:31+02:00", "2026-11-20T12:02:31Z"),
            ("2026-11-20T14:02:31.5Z", "2026-11-20T14:02:31.5Z"),
            ("2026-11-20T14:02Z", "2026-11-20T14:02:00Z"),
            ("2026-11-20 14:02", "2026-11-20T14:02:00Z"),
            ("2026-11-20 14:02:31,250", "2026-11-20T14:02:31.25Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("[20/Nov/2026:14:02:31 +0100]", "2026-11-20T13:02:31Z"),
            ("Nov 20 14:02:31", "2026-11-20T14:02:31Z"),
            ("Dec 31 23:59:00", "2025-12-31T23:59:00Z"),
            ("14:19:42 UTC", "2026-11-20T14:19:42Z"),
            ("14:19:42Z", "2026-11-20T14:19:42Z"),
            ("23:19:42 UTC", "2026-11-19T23:19:42Z"),
            ("Fri Nov 20 13:05:46 UTC 2026", "2026-11-20T13:05:46Z"),
            ("Sun Nov  1 01:05:46 PM UTC 2026", "2026-11-01T13:05:46Z"),
        ] {
            assert_eq!(read(text, now, &TimeZone::UTC).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn times_of_day_are_in_the_zone_of_the_screen_over_a_clock_change_too() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(read("14:02", "2026-07-01T13:00:00Z", &berlin).as_deref(), Ok("2026-07-01T12:02:00Z"));
        assert_eq!(read("2026-01-05 14:02", "2026-07-01T13:00:00Z", &berlin).as_deref(), Ok("2026-01-05T13:02:00Z"));
        assert_eq!(read("14:02 CEST", "2026-07-01T13:00:00Z", &berlin).as_deref(), Ok("2026-07-01T12:02:00Z"));
        assert_eq!(read("12:02 UTC", "2026-07-01T13:00:00Z", &berlin).as_deref(), Ok("2026-07-01T12:02:00Z"));
        let date = "Mon Jan  5 14:02:00 CET 2026";
        assert_eq!(read(date, "2026-07-01T13:00:00Z", &berlin).as_deref(), Ok("2026-01-05T13:02:00Z"));
        // 02:30 does not exist on that day and is read as 03:30, 01:30Z.
        assert_eq!(read("02:30", "2026-03-29T08:00:00Z", &berlin).as_deref(), Ok("2026-03-29T01:30:00Z"));
        assert_eq!(
            read("2026-11-20 14:02 UTC", "2026-07-01T13:00:00Z", &berlin).as_deref(),
            Ok("2026-11-20T14:02:00Z")
        );
    }

    #[test]
    fn what_is_no_time_is_told_what_would_be() {
        for text in [
            "",
            "soon",
            "25:00",
            "14:60",
            "13pm",
            "-15",
            "-15x",
            "12",
            "14:2",
            "99999999999999999999",
            "yesterday x",
            "Mon Jan 5 14:02:00 XYZ 2026",
            "漢字",
        ] {
            let e = read(text, "2026-11-20T14:30:00Z", &TimeZone::UTC).expect_err(text);
            assert!(e.contains("yesterday 15:00") && e.contains("-15m"), "{e}");
        }
    }

    #[test]
    fn the_end_of_a_window_may_lie_a_little_ahead() {
        let zone = TimeZone::UTC;
        let at: Ts = Ts::from_jiff("2026-11-21T09:14:19Z".parse().unwrap());
        let near = |text: &str| parse_near(text, at, &zone).unwrap().to_string();
        assert_eq!(near("09:14:20"), "2026-11-21T09:14:20Z");
        assert_eq!(near("23:50"), "2026-11-20T23:50:00Z");
        assert_eq!(near("-1m"), "2026-11-21T09:13:19Z");
        assert!(parse_near("brunch", at, &zone).is_err());
    }
}
