//! Formats of the user's own, from `[[logs.format]]`: a regular expression with named groups, and the form of the time.
//!
//! The expression is of the linear kind (no look-around, no back references), so that no line can hang a reader.

use compact_str::CompactString;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use regex::bytes::{Regex, RegexBuilder};

use super::calendar::{Civil, Zone};
use super::{Context, FORMATS, Format, Head, Parsed, enrich, keys, lossy, time, words};
use crate::timeline::Ts;

/// A format that the configuration describes.
#[derive(Debug)]
pub struct UserFormat {
    name: &'static str,
    pattern: Regex,
    /// The form of the time; any usual one when absent.
    time_form: Option<String>,
    multiline: bool,
    time: Option<usize>,
    level: Option<usize>,
    message: Option<usize>,
    /// The other groups under their names.
    fields: Vec<(usize, CompactString)>,
}

/// Why a format cannot be used; the text names the format and says what to try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserFormatError {
    /// The name is taken or cannot be one.
    #[error("the format name {0:?} is taken by a built-in format, or has blanks or brackets in it; choose another")]
    Name(String),
    /// The expression cannot be read.
    #[error(
        "the pattern of format {name:?} cannot be used: {why}\n(look-around and back references are not supported)"
    )]
    Pattern {
        /// Which format.
        name: String,
        /// What the expression lacks.
        why: String,
    },
    /// Nothing in the expression has a name.
    #[error("the pattern of format {0:?} names no group; write (?P<time>…), (?P<level>…), (?P<message>…)")]
    NoGroups(String),
    /// The form of the time cannot be read.
    #[error("the time of format {name:?} cannot be used: {why}; write it like %Y-%m-%d %H:%M:%S%.f")]
    Time {
        /// Which format.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Compiled expressions take so many bytes at most.
const SIZE: usize = 4 << 20;

impl UserFormat {
    /// Compiles a format. `time_form` is as of `strptime`; without it the time may have any usual form. With
    /// `multiline` a line that does not fit continues the record before it.
    pub fn new(
        name: &str,
        pattern: &str,
        time_form: Option<&str>,
        multiline: bool,
    ) -> Result<UserFormat, UserFormatError> {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(is_name) || FORMATS.iter().any(|f| f.name() == name) {
            return Err(UserFormatError::Name(name.into()));
        }
        let compiled = RegexBuilder::new(&format!("^(?:{pattern})"))
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build()
            .map_err(|e| UserFormatError::Pattern { name: name.into(), why: e.to_string() })?;
        if let Some(form) = time_form {
            let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
            let why = |e: jiff::Error| UserFormatError::Time { name: name.into(), why: e.to_string() };
            jiff::fmt::strtime::format(form, &now).map_err(why)?;
        }
        let (mut time, mut level, mut message, mut fields) = (None, None, None, Vec::new());
        for (i, group) in compiled.capture_names().enumerate().filter_map(|(i, n)| Some((i, n?))) {
            match group {
                "time" | "timestamp" | "ts" => time = Some(i),
                "level" | "severity" => level = Some(i),
                "message" | "msg" | "body" => message = Some(i),
                other => fields.push((i, CompactString::from(other))),
            }
        }
        if time.is_none() && level.is_none() && message.is_none() && fields.is_empty() {
            return Err(UserFormatError::NoGroups(name.into()));
        }
        Ok(UserFormat {
            name: Box::leak(name.to_owned().into_boxed_str()),
            pattern: compiled,
            time_form: time_form.map(str::to_owned),
            multiline,
            time,
            level,
            message,
            fields,
        })
    }

    fn when(&self, text: &[u8], cx: &Context) -> Option<(Ts, bool)> {
        let Some(form) = &self.time_form else { return time::value(text, cx) };
        let tm = BrokenDownTime::parse(form, text.trim_ascii()).ok()?;
        if let Ok(at) = tm.to_timestamp() {
            return Some((Ts::from_jiff(at), false));
        }
        let seconds = |n: Option<i8>, unit: i64| i64::from(n.unwrap_or(0)) * unit;
        let civil = Civil {
            year: i64::from(tm.year().unwrap_or(0)),
            month: u32::try_from(tm.month().unwrap_or(0)).ok()?,
            day: u32::try_from(tm.day().unwrap_or(0)).ok()?,
            clock: seconds(tm.hour(), 3_600) + seconds(tm.minute(), 60) + seconds(tm.second(), 1),
            nanos: i64::from(tm.subsec_nanosecond().unwrap_or(0)),
        };
        let zone = tm.offset().map_or(Zone::Missing, |o| Zone::Offset(i64::from(o.seconds())));
        match (tm.year(), tm.month()) {
            (Some(_), _) => civil.resolve(zone, cx),
            (None, Some(_)) => civil.resolve_yearless(zone, cx),
            (None, None) => civil.resolve_dateless(cx),
        }
    }
}

fn first_line(record: &[u8]) -> &[u8] {
    let line = &record[..memchr::memchr(b'\n', record).unwrap_or(record.len())];
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Format for UserFormat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let line = first_line(b);
        let mut at = self.pattern.capture_locations();
        self.pattern.captures_read(&mut at, line)?;
        let group = |i: Option<usize>| i.and_then(|i| at.get(i)).map(|(a, b)| &line[a..b]);
        let (time, inferred) = match group(self.time).map(|text| self.when(text, cx)) {
            Some(Some((time, inferred))) => (Some(time), inferred),
            // what should be a time and is none: the line is of another kind
            Some(None) => return None,
            None => (None, false),
        };
        Some(Head { time, inferred, severity: group(self.level).and_then(words::severity) })
    }

    fn continues(&self, _before: &[u8], line: &[u8], cx: &Context) -> bool {
        self.multiline && self.head(line, cx).is_none()
    }

    fn stands_alone(&self) -> bool {
        !self.multiline
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        let line = first_line(record);
        let mut at = self.pattern.capture_locations();
        self.pattern.captures_read(&mut at, line)?;
        let group = |i: usize| at.get(i).map(|(a, b)| lossy(&line[a..b]));
        p.severity_text = self.level.and_then(group).map(|t| t.as_ref().into());
        for (i, name) in &self.fields {
            if let Some(text) = group(*i).filter(|t| !t.is_empty()) {
                p.fields.push((name.clone(), enrich::value(&text)));
            }
        }
        p.message = match self.message {
            Some(i) => group(i).unwrap_or_default().into_owned(),
            None => lossy(line).into_owned(),
        };
        p.message.push_str(&lossy(&record[line.len()..]));
        enrich::finish(&mut p);
        if let Some((_, id)) = p.fields.iter().find(|(n, _)| keys::request_id_rank(n) == Some(0)) {
            let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            p.request_id = Some(crate::timeline::RequestId(id.into()));
        }
        Some(p)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::cx;
    use super::*;

    fn shop(form: Option<&str>) -> UserFormat {
        let pattern = r"(?P<time>\S+ \S+) <(?P<level>\w+)> (?P<request_id>\S+)/(?P<shard>\d+) (?P<message>.*)";
        UserFormat::new("shop-test", pattern, form, true).unwrap()
    }

    #[test]
    fn the_groups_of_a_pattern_are_time_severity_message_and_fields() {
        let format = shop(Some("%d|%m|%Y %H.%M.%S%.f"));
        let line = b"20|11|2026 14.02.31.250 <crit> r-7/12 gone\nand more";
        let p = format.parse(line, &cx()).unwrap();
        assert_eq!(p.head.time.unwrap().to_string(), "2026-11-20T12:02:31.25Z");
        assert!(p.head.inferred, "the zone is that of the context");
        assert_eq!(p.head.severity, Some(crate::timeline::Severity::Fatal));
        assert_eq!((p.message.as_str(), p.request_id.unwrap().0.as_str()), ("gone\nand more", "r-7"));
        assert_eq!(p.fields.iter().find(|(n, _)| n == "shard").unwrap().1, 12);
        assert!(format.head(b"yesterday noon <crit> r-7/12 gone", &cx()).is_none(), "no time, no record");
        assert!(format.continues(line, b"anything", &cx()));
    }

    #[test]
    fn forms_without_a_year_or_a_date_are_completed_and_marked() {
        let at = |form: &str, text: &str| {
            let f = UserFormat::new("x", r"(?P<time>[^|]+)\|(?P<message>.*)", Some(form), false).unwrap();
            let head = f.head(format!("{text}|m").as_bytes(), &cx()).unwrap();
            (head.time.unwrap().to_string(), head.inferred)
        };
        assert_eq!(at("%m-%d %H:%M:%S", "11-20 14:02:31"), ("2026-11-20T12:02:31Z".into(), true));
        assert_eq!(at("%H:%M:%S", "14:02:31"), ("2026-11-20T12:02:31Z".into(), true));
        assert_eq!(at("%Y%m%d %H%M%S %z", "20261120 140231 +0100"), ("2026-11-20T13:02:31Z".into(), false));
        assert_eq!(at("%s", "1795183351"), ("2026-11-20T14:02:31Z".into(), false));
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_try() {
        let refused = |name, pattern, form| UserFormat::new(name, pattern, form, false).unwrap_err().to_string();
        assert!(refused("json", "(?P<a>x)", None).contains("choose another"));
        assert!(refused("a", "(?P<a>x)(?=y)", None).contains("look-around"));
        assert!(refused("a", "x", None).contains("(?P<time>"));
        assert!(refused("a", "(?P<time>x)", Some("%Q%")).contains("%Y-%m-%d"));
        assert!(UserFormat::new("a", &format!("(?P<a>{})", "(a{1000}){1000}"), None, false).is_err());
    }
}
