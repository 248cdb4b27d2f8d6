//! PostgreSQL on standard error: a `log_line_prefix` of any usual kind, then `LOG:  `, `ERROR:  ` …
//!
//! DETAIL, HINT, CONTEXT, QUERY and STATEMENT lines belong to the record before them.

use compact_str::CompactString;
use serde_json::Value;

use super::{Context, Format, Head, Parsed, enrich, lossy, time};
use crate::timeline::Severity;

/// The server's own log.
#[derive(Debug)]
pub struct Postgres;

/// Prefixes are never longer than this.
const FAR: usize = 512;

struct Line<'a> {
    stamp: time::Stamp,
    /// Between stamp and word.
    prefix: &'a [u8],
    word: &'a [u8],
    /// `None` for the lines that belong to another.
    severity: Option<Severity>,
    message: usize,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    let open = usize::from(b.first() == Some(&b'['));
    if !b.get(open)?.is_ascii_digit() {
        return None;
    }
    // every such line has `WORD:` and two blanks
    let near = &b[..b.len().min(FAR)];
    let colon = memchr::memmem::find(near, b":  ").filter(|i| memchr::memchr(b'\n', &b[..*i]).is_none())?;
    let len = b[..colon].iter().rev().take(10).take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit()).count();
    let word = &b[colon - len..colon];
    let severity = match word {
        b"LOG" | b"INFO" | b"NOTICE" => Some(Severity::Info),
        b"WARNING" => Some(Severity::Warn),
        b"ERROR" => Some(Severity::Error),
        b"FATAL" | b"PANIC" => Some(Severity::Fatal),
        b"DEBUG" | b"DEBUG1" | b"DEBUG2" | b"DEBUG3" | b"DEBUG4" | b"DEBUG5" => Some(Severity::Debug),
        b"DETAIL" | b"HINT" | b"CONTEXT" | b"STATEMENT" | b"QUERY" | b"LOCATION" | b"BACKTRACE" => None,
        _ => return None,
    };
    let stamp = time::stamp(&b[open..], cx)?;
    let start = open + stamp.len;
    let prefix = b.get(start..colon - len)?;
    Some(Line { stamp, prefix, word, severity, message: colon + 3 })
}

impl Format for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        let severity = Some(l.severity?);
        Some(Head { time: Some(l.stamp.time), inferred: l.stamp.inferred, severity })
    }

    fn continues(&self, _before: &[u8], b: &[u8], cx: &Context) -> bool {
        line(b, cx).is_some_and(|l| l.severity.is_none())
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        let l = line(record, cx)?;
        p.severity_text = Some(lossy(l.word).as_ref().into());
        prefix(&lossy(l.prefix), &mut p);
        // the message, then each part under its own name
        let mut parts: Vec<(Option<CompactString>, String)> = vec![(None, String::new())];
        for (i, text) in record.split(|c| *c == b'\n').enumerate() {
            let part = line(text, cx);
            match part {
                Some(l) if i > 0 => {
                    let name = lossy(l.word).to_lowercase();
                    parts.push((Some(name.into()), lossy(&text[l.message..]).into_owned()));
                }
                _ => {
                    let Some((_, last)) = parts.last_mut() else { continue };
                    let text = if i == 0 { &text[l.message..] } else { text };
                    if i > 0 {
                        last.push('\n');
                    }
                    last.push_str(&lossy(text.strip_prefix(b"\t").unwrap_or(text)));
                }
            }
        }
        for (name, text) in parts {
            match name {
                None => p.message = text,
                Some(name) => p.fields.push((name, Value::String(text))),
            }
        }
        duration(&mut p);
        enrich::finish(&mut p);
        Some(p)
    }
}

/// Process, user, database, application, client out of the prefix.
fn prefix(text: &str, p: &mut Parsed) {
    for word in text.split([' ', ',', '[', ']', '(', ')', ';']).map(|w| w.trim_matches(':')).filter(|w| !w.is_empty()) {
        if let Some((key, value)) = word.split_once('=') {
            let name = match key {
                "user" | "u" => "user",
                "db" | "database" | "d" => "database",
                "app" | "application" | "a" => "application",
                "client" | "host" | "h" | "r" => "client",
                other => other,
            };
            if !value.is_empty() {
                p.fields.push((CompactString::from(name), enrich::value(value)));
            }
        } else if let Some((user, database)) = word.split_once('@') {
            if !user.is_empty() {
                enrich::text(p, "user", user.as_bytes());
                enrich::text(p, "database", database.as_bytes());
            }
        } else if let Ok(pid) = word.split('-').next().unwrap_or(word).parse::<u32>()
            && !p.fields.iter().any(|(n, _)| n == "pid")
        {
            p.fields.push(("pid".into(), pid.into()));
        }
    }
}

/// `duration: 1234.567 ms  statement: …` as fields; the message stays whole.
pub(super) fn duration(p: &mut Parsed) {
    let Some(rest) = p.message.strip_prefix("duration: ") else { return };
    let Some((ms, rest)) = rest.split_once(" ms") else { return };
    let Some(ms) = ms.parse().ok().and_then(serde_json::Number::from_f64) else { return };
    let statement = rest.split_once(": ").map(|(_, s)| s.to_owned());
    p.fields.push(("duration_ms".into(), Value::Number(ms)));
    if let Some(s) = statement.filter(|_| !p.fields.iter().any(|(n, _)| n == "statement")) {
        p.fields.push(("statement".into(), Value::String(s)));
    }
}
