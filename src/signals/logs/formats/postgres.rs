//! PostgreSQL on standard error: a `log_line_prefix` of any usual kind, then `LOG:  `, `ERROR:  ` …
//!
//! DETAIL, HINT, CONTEXT, QUERY and STATEMENT lines belong to the record before them.

use compact_str::CompactString;
use serde_json::Value;

use super::{Context, Format, Head, Parsed, enrich, keys, lossy, time};
use crate::timeline::Severity;

/// The server's own log.
#[derive(Debug)]
pub struct Postgres;

/// Prefixes are never longer than this.
const FAR: usize = 512;

struct Line<'a> {
    /// `None` where the prefix has no time.
    stamp: Option<time::Stamp>,
    /// Before the word, without a stamp at its beginning.
    prefix: &'a [u8],
    word: &'a [u8],
    /// `None` for the lines that belong to another.
    severity: Option<Severity>,
    message: usize,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    if matches!(b.first()?, b'{' | b'<' | b'"' | b'#' | b'\t') {
        return None;
    }
    // every such line has `WORD:` and two blanks
    let near = &b[..b.len().min(FAR)];
    let colon =
        memchr::memchr2_iter(b':', b'\n', near).find(|i| near[*i] == b'\n' || near[i + 1..].starts_with(b"  "))?;
    if near[colon] == b'\n' {
        return None;
    }
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
    let before = &b[..colon - len];
    let found = Line { stamp: None, prefix: before, word, severity, message: colon + 3 };
    let open = usize::from(b[0] == b'[');
    if b.get(open).is_some_and(u8::is_ascii_digit)
        && let Some(stamp) = time::stamp(&b[open..], cx)
    {
        let prefix = b.get(open + stamp.len..colon - len)?;
        return Some(Line { stamp: Some(stamp), prefix, ..found });
    }
    if before.is_empty() {
        // No prefix at all. Others write `INFO:     ` and `WARNING:  ` as well.
        let own = matches!(word, b"LOG" | b"FATAL" | b"PANIC" | b"ERROR") || severity.is_none();
        return (own && b.get(colon + 3).is_some_and(|c| !c.is_ascii_whitespace())).then_some(found);
    }
    let stamp = within(before, cx)?;
    Some(Line { stamp: Some(stamp), ..found })
}

/// The first date with a time inside a prefix that begins with something else: `%u@%d [%p] %m `.
fn within(prefix: &[u8], cx: &Context) -> Option<time::Stamp> {
    let mut before = b' ';
    let mut tries = 0;
    for (i, &c) in prefix.iter().enumerate() {
        if c.is_ascii_digit() && !before.is_ascii_alphanumeric() && !matches!(before, b'.' | b':' | b'-') {
            tries += 1;
            if let Some(stamp) = time::stamp(&prefix[i..], cx).filter(|s| s.len >= 14) {
                return Some(stamp);
            }
            if tries == 12 {
                return None;
            }
        }
        before = c;
    }
    None
}

impl Line<'_> {
    /// What it begins; `None` where it belongs to another.
    fn head(&self) -> Option<Head> {
        let severity = Some(self.severity?);
        Some(Head { time: self.stamp.map(|s| s.time), inferred: self.stamp.is_some_and(|s| s.inferred), severity })
    }
}

impl Format for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        line(b, cx)?.head()
    }

    fn continues(&self, _before: &[u8], b: &[u8], cx: &Context) -> bool {
        line(b, cx).is_some_and(|l| l.severity.is_none())
    }

    fn may_begin(&self, first: u8) -> bool {
        !matches!(first, b'{' | b'<' | b'"' | b'#' | b'\t')
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut p = self.parts(record, cx)?;
        p.request_id = keys::request_id_of(&p.fields, &p.message);
        Some(p)
    }

    fn parts(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut p = Parsed { head: l.head()?, ..Parsed::default() };
        p.severity_text = Some(lossy(l.word).as_ref().into());
        prefix(&lossy(l.prefix), &mut p);
        // the message, then each part under its own name
        let plain = |text: &[u8]| lossy(text.strip_prefix(b"\t").unwrap_or(text)).into_owned();
        let mut lines = record.split(|c| *c == b'\n');
        let first = lines.next().and_then(|text| text.get(l.message..)).unwrap_or_default();
        let mut parts: Vec<(Option<CompactString>, String)> = vec![(None, plain(first))];
        for text in lines {
            match line(text, cx) {
                Some(l) => {
                    let name = lossy(l.word).to_lowercase();
                    parts.push((Some(name.into()), lossy(&text[l.message..]).into_owned()));
                }
                None => {
                    let Some((_, last)) = parts.last_mut() else { continue };
                    last.push('\n');
                    last.push_str(&plain(text));
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
        enrich::stacks(&mut p);
        Some(p)
    }
}

/// Process, user, database, application, client out of the prefix.
fn prefix(text: &str, p: &mut Parsed) {
    // A number in brackets is the process; the one in parentheses behind an address is the client's port.
    let mut pid = text.match_indices('[').find_map(|(i, _)| number(&text[i + 1..], &[']', '-', ':']));
    let first = p.fields.len();
    let mut last = "";
    let (mut opened, mut behind) = (false, false);
    for part in text.split_inclusive([' ', ',', '[', ']', '(', ')', ';', '|']) {
        let end = part.chars().next_back().filter(|c| " ,[]();|".contains(*c));
        let word = part.trim_end_matches([' ', ',', '[', ']', '(', ')', ';', '|']).trim_matches([':', '-']);
        let port = opened && end == Some(')');
        opened = end == Some('(');
        if word.is_empty() {
            continue;
        }
        if port {
            if !last.contains('=') && !last.is_empty() {
                enrich::text(p, "client", last.as_bytes());
            }
            continue;
        }
        last = word;
        if let Some((key, value)) = word.split_once('=') {
            let name = match key {
                "user" | "u" => "user",
                "db" | "database" | "d" => "database",
                "app" | "application" | "a" => "application",
                "client" | "host" | "h" | "r" => "client",
                "p" | "pid" => {
                    pid = pid.or_else(|| value.parse().ok());
                    continue;
                }
                other => other,
            };
            if !value.is_empty() {
                p.fields.push((CompactString::from(name), enrich::value(value)));
            }
        } else if let Some((user, database)) = word.split_once('@') {
            if !user.is_empty() {
                // `%u@%d/%a`
                let (database, application) = database.split_once('/').unwrap_or((database, ""));
                enrich::text(p, "user", user.as_bytes());
                enrich::text(p, "database", database.as_bytes());
                if !application.is_empty() {
                    enrich::text(p, "application", application.as_bytes());
                }
                behind = true;
                continue;
            }
        } else if std::mem::take(&mut behind) && is_name(word) {
            // `%u@%d %a`
            enrich::text(p, "application", word.as_bytes());
        } else {
            pid = pid.or_else(|| number(word, &['-'])).or_else(|| session(word));
        }
    }
    if let Some(pid) = pid {
        p.fields.insert(first, ("pid".into(), pid.into()));
    }
}

/// Whether a word right behind `user@database` is what an application calls itself: no address, command, state or
/// number.
fn is_name(word: &str) -> bool {
    !matches!(word, "local" | "unknown") && word.contains(|c: char| c.is_lowercase()) && !word.contains(['.', ':', '/'])
}

/// Digits up to the end, or to one of `ends`.
fn number(text: &str, ends: &[char]) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let ended = text[digits..].chars().next().is_none_or(|c| ends.contains(&c));
    text[..digits].parse().ok().filter(|_| ended)
}

/// The process out of a session's number, `%c`: `65a1b2c3.1f`.
fn session(word: &str) -> Option<u32> {
    let (start, pid) = word.split_once('.')?;
    u32::from_str_radix(start, 16).ok().filter(|_| start.len() >= 6)?;
    u32::from_str_radix(pid, 16).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Ts;

    #[test]
    fn the_application_is_found_in_prefixes_that_do_not_label_it() {
        let cx = Context { zone: jiff::tz::TimeZone::UTC, near: Ts::from_secs(1_795_000_000) };
        let of = |prefix: &str| {
            let line = format!("2026-11-20 14:02:33.123 UTC {prefix}LOG:  duration: 12.5 ms  statement: SELECT 1\n");
            let p = Postgres.parse(line.as_bytes(), &cx).unwrap();
            let field = |name: &str| {
                p.fields.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.as_str()).unwrap_or_default().to_owned()
            };
            (field("database"), field("application"))
        };
        let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(of("[1241] shop@orders/api "), both("orders", "api"));
        assert_eq!(of("[1241] shop@orders checkout "), both("orders", "checkout"));
        assert_eq!(of("[1241] shop@orders/ "), both("orders", ""));
        for other in ["10.0.0.9(4711)", "[local]", "[unknown]", "SELECT", "00000", "3/12", "42P01", "db-1.shop:5432"] {
            assert_eq!(of(&format!("[1241] shop@orders {other} ")), both("orders", ""), "{other}");
        }
    }
}
