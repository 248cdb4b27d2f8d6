//! CSV and TSV with a header: the names in the first line of the file say what the values of all others are.
//!
//! A record must be readable anywhere in the file, by whoever knows the name of its format. So the header is the name:
//! `csv(time,level,message)`. It is found once, from the first line of the file, and needs no look back.

use compact_str::CompactString;
use serde_json::Value;

use super::keys::{self, Role};
use super::separated::{Values, bare, goes_on, text};
use super::{Context, Format, Head, Parsed, enrich, lossy, made, time, words};
use crate::timeline::{Severity, Ts};

/// Lines of values under a header.
#[derive(Debug)]
pub struct Delimited {
    name: &'static str,
    sep: u8,
    columns: Vec<CompactString>,
    time: usize,
    /// Where the clock stands in a column of its own, behind that of the date.
    clock: Option<usize>,
    level: Option<usize>,
    status: Option<usize>,
    /// The last column that the head needs.
    last: usize,
}

/// Columns and bytes of a header.
const MOST: usize = 128;
const LONGEST: usize = 2_048;

impl Delimited {
    /// What a line says when it is a header: three columns or more, all of them names, one of them a time.
    pub(super) fn header(line: &[u8]) -> Option<Delimited> {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LONGEST {
            return None;
        }
        let (sep, kind) = [(b'\t', "tsv"), (b',', "csv"), (b';', "ssv")]
            .into_iter()
            .max_by_key(|(sep, _)| memchr::memchr_iter(*sep, line).count())?;
        let columns: Vec<CompactString> = Values::new(line, sep).map(|v| text(v).trim().into()).collect();
        Delimited::new(kind, sep, columns)
    }

    /// The format that a name such as `csv(time,level,message)` describes.
    pub(super) fn named(name: &str) -> Option<Delimited> {
        let (kind, columns) = name.strip_suffix(')')?.split_once('(')?;
        let (kind, sep) = [("tsv", b'\t'), ("csv", b','), ("ssv", b';')].into_iter().find(|(k, _)| *k == kind)?;
        if columns.len() > LONGEST {
            return None;
        }
        Delimited::new(kind, sep, columns.split(',').map(CompactString::from).collect())
    }

    fn new(kind: &str, sep: u8, columns: Vec<CompactString>) -> Option<Delimited> {
        let is_name = |c: &CompactString| {
            (1..=64).contains(&c.len())
                && c.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@' | '#'))
                && c.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '@' | '/' | '#' | ':'))
        };
        if !(3..=MOST).contains(&columns.len()) || !columns.iter().all(is_name) {
            return None;
        }
        let roles: Vec<Option<Role>> = columns.iter().map(|c| role(c)).collect();
        let best = |rank: fn(&Role) -> Option<u8>| {
            let ranked = roles.iter().enumerate().filter_map(|(i, r)| Some((rank(r.as_ref()?)?, i)));
            ranked.min().map(|(_, i)| i)
        };
        let mut time = best(|r| if let Role::Time(n) = r { Some(*n) } else { None })?;
        let level = best(|r| if let Role::Level(n) = r { Some(*n) } else { None });
        let status = best(|r| (*r == Role::Status).then_some(0));
        let date = columns.iter().position(|c| c.eq_ignore_ascii_case("date"));
        let clock = date.and_then(|d| columns.get(d + 1).filter(|c| c.eq_ignore_ascii_case("time")).map(|_| d + 1));
        if let (Some(d), Some(_)) = (date, clock) {
            time = d;
        }
        let last = [Some(time), clock, level, status].into_iter().flatten().max()?;
        let name = format!("{kind}({})", columns.join(","));
        Some(Delimited { name: made::name(name)?, sep, columns, time, clock, level, status, last })
    }

    /// Whether a line has the names of the columns as its values.
    fn is_header(&self, line: &[u8]) -> bool {
        let mut values = Values::new(line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line), self.sep);
        self.columns.iter().all(|c| values.next().is_some_and(|v| text(v).trim() == c.as_str()))
            && values.next().is_none()
    }

    fn when(&self, date: &[u8], clock: &[u8], cx: &Context) -> Option<(Ts, bool)> {
        if self.clock.is_none() {
            return time::value(date, cx);
        }
        let mut both = [b' '; 64];
        let len = date.len() + 1 + clock.len();
        if len > both.len() {
            return None;
        }
        both[..date.len()].copy_from_slice(date);
        both[date.len() + 1..len].copy_from_slice(clock);
        time::value(&both[..len], cx)
    }
}

/// What a column holds: the names that structured records use, in any case and with blanks.
fn role(column: &str) -> Option<Role> {
    let flat = column.trim_start_matches('#').trim().to_lowercase().replace([' ', '-'], "_");
    if let Some(role) = keys::role(column.as_bytes()).or_else(|| keys::role(flat.as_bytes())) {
        return Some(role);
    }
    match flat.as_str() {
        "timegenerated" | "time_generated" | "log_date" | "date/time" | "datum" | "zeit" => Some(Role::Time(1)),
        "type" | "entry_type" | "leveldisplayname" => Some(Role::Level(3)),
        "sc_status" | "response_status" => Some(Role::Status),
        f if f.ends_with("timestamp") => Some(Role::Time(1)),
        f if f.ends_with("_time") || f.ends_with("_at") => Some(Role::Time(3)),
        _ => None,
    }
}

impl Format for Delimited {
    fn name(&self) -> &'static str {
        self.name
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let (mut date, mut clock, mut severity, mut status, mut count) = (None, &b""[..], None, None, 0);
        let b = &b[..memchr::memchr(b'\n', b).unwrap_or(b.len())];
        for (i, raw) in Values::new(b, self.sep).take(self.last + 1).enumerate() {
            count = i + 1;
            if i == self.time {
                date = Some(bare(raw));
            } else if Some(i) == self.clock {
                clock = bare(raw);
            } else if Some(i) == self.level {
                severity = words::severity(bare(raw));
            } else if Some(i) == self.status {
                status = std::str::from_utf8(bare(raw)).ok().and_then(|s| s.parse::<u16>().ok());
            }
        }
        let status = status.filter(|s| (100..600).contains(s)).map(Severity::from_http_status);
        match self.when(date?, clock, cx).filter(|_| count > self.last) {
            Some((time, inferred)) => Some(Head { time: Some(time), inferred, severity: severity.or(status) }),
            None => self.is_header(b).then(Head::default),
        }
    }

    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        goes_on(before, self.head(before, cx).is_some(), self.head(line, cx).is_some())
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        if p.head.time.is_none() {
            p.message = lossy(record).into_owned();
            return Some(p);
        }
        for (i, raw) in Values::new(record, self.sep).enumerate() {
            if i == self.time || Some(i) == self.clock || bare(raw).is_empty() {
                continue;
            }
            let value = text(raw);
            if Some(i) == self.level && words::severity(bare(raw)).is_some() {
                p.severity_text = Some(value.as_ref().into());
                continue;
            }
            let name = match self.columns.get(i) {
                Some(name) => name.clone(),
                None => CompactString::const_new("extra"),
            };
            let quoted = raw.first() == Some(&b'"');
            let value = if quoted { Value::String(value.into_owned()) } else { enrich::value(&value) };
            p.fields.push((name, value));
        }
        p.message = match keys::take_message(&mut p.fields) {
            Some((_, message)) => message,
            None => lossy(record).into_owned(),
        };
        enrich::finish(&mut p);
        Some(p)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::cx;
    use super::*;

    #[test]
    fn a_header_is_three_names_with_a_time_among_them_and_its_name_makes_it_again() {
        let made = Delimited::header(b"Time,Level,\"Request ID\",Message\r").unwrap();
        assert_eq!(made.name(), "csv(Time,Level,Request ID,Message)");
        let again = Delimited::named(made.name()).unwrap();
        let line = b"2026-11-20T14:02:31Z,warn,r-1,\"slow, very\"";
        assert_eq!(again.parse(line, &cx()), made.parse(line, &cx()));
        assert_eq!(again.head(line, &cx()).unwrap().severity, Some(Severity::Warn));
        for line in ["time,level", "a,b,c", "2026-11-20,x,y", "time,,x", "time flies, he said, and left.", ""] {
            assert!(Delimited::header(line.as_bytes()).is_none(), "{line}");
        }
    }

    #[test]
    fn date_and_clock_may_stand_apart() {
        let made = Delimited::header(b"date\ttime\tstatus\tpath").unwrap();
        let head = made.head(b"2026-11-20\t14:02:31\t503\t/x", &cx()).unwrap();
        assert_eq!((head.time.unwrap().to_string(), head.inferred), ("2026-11-20T12:02:31Z".into(), true));
        assert_eq!(head.severity, Some(Severity::Error));
    }
}
