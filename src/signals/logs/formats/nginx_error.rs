//! nginx's error log: `2026/11/20 14:02:31 [error] 123#124: *45 message, client: …, server: …, request: "…"`.

use compact_str::CompactString;

use super::{Context, Format, Head, Parsed, access, enrich, lossy, time, words};
use crate::timeline::Severity;

/// Errors as nginx and OpenResty write them.
#[derive(Debug)]
pub struct NginxError;

struct Line<'a> {
    stamp: time::Stamp,
    level: &'a [u8],
    severity: Severity,
    pid: &'a [u8],
    tid: &'a [u8],
    message: usize,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    if b.get(4) != Some(&b'/') || b.get(20) != Some(&b'[') {
        return None;
    }
    let close = 21 + b[21..].iter().take(8).position(|c| *c == b']')?;
    let level = &b[21..close];
    let severity = words::telling(level)?;
    let mut at = close + 2;
    let digits = |at: usize| b.get(at..).map_or(0, |r| r.iter().take(10).take_while(|c| c.is_ascii_digit()).count());
    let n = digits(at);
    let pid = b.get(at..at + n)?;
    at += n;
    if n == 0 || b.get(at) != Some(&b'#') {
        return None;
    }
    let n = digits(at + 1);
    let tid = &b[at + 1..at + 1 + n];
    at += 1 + n;
    if !b.get(at..)?.starts_with(b": ") {
        return None;
    }
    let stamp = time::stamp(b, cx).filter(|s| s.len == 19)?;
    Some(Line { stamp, level, severity, pid, tid, message: at + 2 })
}

impl Format for NginxError {
    fn name(&self) -> &'static str {
        "nginx-error"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        Some(Head { time: Some(l.stamp.time), inferred: l.stamp.inferred, severity: Some(l.severity) })
    }

    fn may_begin(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        p.severity_text = Some(lossy(l.level).as_ref().into());
        p.fields.push(("pid".into(), enrich::value(&lossy(l.pid))));
        p.fields.push(("tid".into(), enrich::value(&lossy(l.tid))));
        let text = lossy(&record[l.message..]).into_owned();
        let mut rest = text.as_str();
        if let Some(after) = rest.strip_prefix('*')
            && let Some((number, after)) = after.split_once(' ')
        {
            p.fields.push(("connection".into(), enrich::value(number)));
            rest = after;
        }
        // fields are appended in this order; the message itself may hold commas
        let cut = rest.find(", client: ").unwrap_or(rest.len());
        p.message = rest[..cut].to_owned();
        for (name, value) in named(&rest[cut..]) {
            if name == "request" && access::request(value.as_bytes(), &mut p).is_some() {
                continue;
            }
            let name = if name == "referrer" { "referrer".into() } else { CompactString::from(name) };
            p.fields.push((name, serde_json::Value::String(value.to_owned())));
        }
        enrich::finish(&mut p);
        Some(p)
    }
}

/// `, name: value` and `, name: "value"`.
fn named(mut rest: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    while let Some(r) = rest.strip_prefix(", ")
        && let Some((name, r)) = r.split_once(": ")
        && name.len() < 32
    {
        let (value, after) = match r.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => r.split_at(r.find(", ").unwrap_or(r.len())),
        };
        out.push((name, value));
        rest = after;
    }
    out
}
