//! Rails without a formatter: `Started GET "/cart" for 10.0.0.9 at 2026-11-20 14:02:31 +0000`, then what became of it,
//! a block of lines a request, with or without tags in brackets before each.

use serde_json::Value;

use super::{Context, Format, Head, Parsed, access, enrich, lossy, time};
use crate::timeline::Severity;

/// The development log, and production with nothing but tags.
#[derive(Debug)]
pub struct Rails;

struct Started<'a> {
    tags: &'a [u8],
    method: &'a [u8],
    path: &'a [u8],
    client: &'a [u8],
    stamp: time::Stamp,
}

/// The tags at the start of a line, with the blank behind them.
fn tags(b: &[u8]) -> usize {
    let mut at = 0;
    while b.get(at) == Some(&b'[')
        && let Some(close) = memchr::memmem::find(&b[at..b.len().min(at + 80)], b"] ")
    {
        at += close + 2;
    }
    at
}

fn started<'a>(b: &'a [u8], cx: &Context) -> Option<Started<'a>> {
    if !matches!(b.first()?, b'S' | b'[') {
        return None;
    }
    let b = &b[..memchr::memchr(b'\n', b).unwrap_or(b.len())];
    let at = tags(b);
    let rest = b.get(at..)?.strip_prefix(b"Started ")?;
    let blank = memchr::memchr(b' ', &rest[..rest.len().min(10)])?;
    let (method, rest) = (&rest[..blank], rest[blank + 1..].strip_prefix(b"\"")?);
    let close = memchr::memmem::find(rest, b"\" for ")?;
    let (path, rest) = (&rest[..close], &rest[close + 6..]);
    let end = memchr::memmem::find(&rest[..rest.len().min(64)], b" at ")?;
    let stamp = time::stamp(&rest[end + 4..], cx)?;
    Some(Started { tags: &b[..at], method, path, client: &rest[..end], stamp })
}

/// What follows `Completed `: the status of the response.
fn completed(line: &[u8]) -> Option<u16> {
    let digits: &[u8; 3] = line[tags(line)..].strip_prefix(b"Completed ")?.first_chunk()?;
    digits.iter().all(u8::is_ascii_digit).then(|| access::status(digits))
}

/// How the lines of a request begin, tags aside.
const PARTS: [&[u8]; 8] = [
    b"Processing by ",
    b"Completed ",
    b"Redirected to ",
    b"Rendered ",
    b"Sent ",
    b"Filter chain ",
    b"Unpermitted parameter",
    b"Can't verify CSRF",
];

impl Format for Rails {
    fn name(&self) -> &'static str {
        "rails"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let s = started(b, cx)?;
        let severity = b.split(|c| *c == b'\n').take(400).find_map(completed).map(Severity::from_http_status);
        Some(Head { time: Some(s.stamp.time), inferred: s.stamp.inferred, severity })
    }

    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        let at = tags(line);
        if at > 0 {
            // requests of several threads stand between each other's lines
            return before.starts_with(&line[..at]) && started(line, cx).is_none();
        }
        let Some(first) = line.first() else { return true };
        PARTS.iter().any(|p| line.starts_with(p))
            || first.is_ascii_uppercase()
                && before.is_empty()
                && line.ends_with(b":")
                && memchr::memchr(b'(', line).is_some()
            || line.starts_with(b"app/") && memchr::memmem::find(line, b".rb:").is_some()
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let s = started(record, cx)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        for tag in s.tags.split(|c| matches!(c, b'[' | b']' | b' ')).filter(|t| !t.is_empty()) {
            let name = if p.fields.is_empty() { "request_id" } else { "tag" };
            enrich::text(&mut p, name, tag);
        }
        enrich::text(&mut p, "method", s.method);
        enrich::text(&mut p, "path", s.path);
        enrich::text(&mut p, "client", s.client);
        for (i, line) in record.split(|c| *c == b'\n').enumerate() {
            let text = lossy(&line[tags(line).min(line.len())..]).into_owned();
            if let Some(action) = text.strip_prefix("Processing by ") {
                p.fields.push(("action".into(), Value::String(action.split(" as ").next().unwrap_or(action).into())));
            }
            if let Some(status) = completed(line) {
                p.severity_text = Some(status.to_string().into());
                p.fields.push(("status".into(), status.into()));
                let ms =
                    text.split(" in ").nth(1).and_then(|r| r.split("ms").next()).and_then(|n| n.parse::<f64>().ok());
                if let Some(ms) = ms.and_then(serde_json::Number::from_f64) {
                    p.fields.push(("duration_ms".into(), Value::Number(ms)));
                }
            }
            if i > 0 {
                p.message.push('\n');
            }
            p.message.push_str(&text);
        }
        enrich::finish(&mut p);
        Some(p)
    }
}
