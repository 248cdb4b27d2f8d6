//! PostgreSQL's `csvlog`: 23 to 26 values a record, no header; messages and statements go over several lines.

use compact_str::CompactString;
use serde_json::Value;

use super::separated::{Values, bare, goes_on, text};
use super::{Context, Format, Head, Parsed, enrich, lossy, postgres, time, words};
use crate::timeline::Severity;

/// The server's log in CSV.
#[derive(Debug)]
pub struct PostgresCsv;

/// Names of the values in their order; those without a name are told otherwise.
const COLUMNS: [&str; 26] = [
    "",
    "user",
    "database",
    "pid",
    "client",
    "session",
    "",
    "command",
    "",
    "",
    "",
    "",
    "code",
    "",
    "detail",
    "hint",
    "internal_query",
    "",
    "context",
    "statement",
    "",
    "location",
    "application",
    "backend",
    "leader",
    "query_id",
];
const SEVERITY: usize = 11;
const MESSAGE: usize = 13;

struct Line<'a> {
    stamp: time::Stamp,
    word: &'a [u8],
    severity: Severity,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    if !b.first()?.is_ascii_digit() || b.get(4) != Some(&b'-') || b.get(10) != Some(&b' ') {
        return None;
    }
    let b = &b[..memchr::memchr(b'\n', b).unwrap_or(b.len())];
    let mut values = Values::new(b, b',');
    let first = values.next()?;
    if first.len() > 40 {
        return None;
    }
    let word = values.nth(SEVERITY - 1)?;
    let known = matches!(word, b"LOG" | b"INFO" | b"NOTICE" | b"WARNING" | b"ERROR" | b"FATAL" | b"PANIC")
        || word.starts_with(b"DEBUG") && word.len() <= 6;
    if !known || values.next()?.len() != 5 {
        return None;
    }
    let stamp = time::stamp(first, cx).filter(|s| s.len == first.len())?;
    Some(Line { stamp, word, severity: words::severity(word)? })
}

impl Format for PostgresCsv {
    fn name(&self) -> &'static str {
        "postgres-csv"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        Some(Head { time: Some(l.stamp.time), inferred: l.stamp.inferred, severity: Some(l.severity) })
    }

    fn continues(&self, before: &[u8], b: &[u8], cx: &Context) -> bool {
        goes_on(before, line(before, cx).is_some(), line(b, cx).is_some())
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        p.severity_text = Some(lossy(l.word).as_ref().into());
        for (i, raw) in Values::new(record, b',').enumerate() {
            let name = COLUMNS.get(i).copied().unwrap_or_default();
            if i == MESSAGE {
                p.message = text(raw).into_owned();
            } else if !name.is_empty() && !bare(raw).is_empty() {
                let quoted = raw.first() == Some(&b'"');
                let value = if quoted || name == "code" {
                    Value::String(text(raw).into_owned())
                } else {
                    enrich::value(&text(raw))
                };
                p.fields.push((CompactString::const_new(name), value));
            }
        }
        postgres::duration(&mut p);
        enrich::finish(&mut p);
        Some(p)
    }
}
