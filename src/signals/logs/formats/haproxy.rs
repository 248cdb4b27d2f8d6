//! HAProxy's own lines, HTTP and TCP, as they stand behind syslog's head or alone:
//! `10.0.0.9:5000 [20/Nov/2026:14:02:31.123] frontend backend/server 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "…"`.

use compact_str::CompactString;
use serde_json::Value;

use super::{Context, Format, Head, Parsed, access, enrich, lossy, time};
use crate::timeline::Severity;

/// `option httplog` and `option tcplog`.
#[derive(Debug)]
pub struct Haproxy;

struct Line<'a> {
    client: &'a [u8],
    stamp: time::Stamp,
    frontend: &'a [u8],
    backend: &'a [u8],
    timers: &'a [u8],
    /// Absent in TCP lines.
    status: Option<u16>,
    bytes: &'a [u8],
    /// How the session ended; `--` is well.
    end: &'a [u8],
    /// After that.
    rest: usize,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    if !matches!(b.first()?, b'0'..=b'9' | b'a'..=b'f' | b':' | b'[' | b'u') {
        return None;
    }
    let blank = memchr::memchr(b' ', &b[..b.len().min(64)])?;
    let client = &b[..blank];
    if b.get(blank + 1) != Some(&b'[') || !client.contains(&b':') {
        return None;
    }
    let stamp = time::stamp(&b[blank + 2..], cx)?;
    let mut at = blank + 2 + stamp.len;
    if b.get(at..at + 2)? != b"] " {
        return None;
    }
    at += 2;
    let mut word = || -> Option<&'a [u8]> {
        let rest = b.get(at..)?;
        let len = rest.iter().take(256).take_while(|c| !matches!(c, b' ' | b'\n')).count();
        at += len + usize::from(rest.get(len) == Some(&b' '));
        (len > 0).then(|| &rest[..len])
    };
    let mut l = Line {
        client,
        stamp,
        frontend: word()?,
        backend: b"",
        timers: b"",
        status: None,
        bytes: b"",
        end: b"",
        rest: 0,
    };
    if l.frontend.ends_with(b":") {
        // `frontend/1: SSL handshake failure`
        l.frontend = &l.frontend[..l.frontend.len() - 1];
        l.rest = at;
        return Some(l);
    }
    (l.backend, l.timers) = (word()?, word()?);
    let timed = l.timers.iter().all(|c| c.is_ascii_digit() || matches!(c, b'/' | b'-' | b'+'));
    if !timed || memchr::memchr(b'/', l.timers).is_none() || memchr::memchr(b'/', l.backend).is_none() {
        return None;
    }
    let number = word()?;
    if memchr::memchr_iter(b'/', l.timers).count() >= 4 {
        l.status = Some(std::str::from_utf8(number).ok()?.parse().ok()?);
        l.bytes = word()?;
        word()?;
        word()?;
    } else {
        l.bytes = number;
    }
    l.end = word()?;
    l.rest = at;
    Some(l)
}

impl Format for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        let severity = match l.status {
            Some(status) => Severity::from_http_status(status),
            None if l.end.starts_with(b"--") => Severity::Info,
            None => Severity::Warn,
        };
        Some(Head { time: Some(l.stamp.time), inferred: l.stamp.inferred, severity: Some(severity) })
    }

    fn begins_by_time(&self) -> bool {
        true
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn may_begin(&self, first: u8) -> bool {
        matches!(first, b'0'..=b'9' | b'a'..=b'f' | b':' | b'[' | b'u')
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        enrich::text(&mut p, "client", l.client);
        enrich::text(&mut p, "frontend", l.frontend);
        if l.backend.is_empty() {
            p.message = lossy(&record[l.rest..]).into_owned();
            enrich::finish(&mut p);
            return Some(p);
        }
        let slash = memchr::memchr(b'/', l.backend).unwrap_or(l.backend.len());
        enrich::text(&mut p, "backend", &l.backend[..slash]);
        enrich::text(&mut p, "server", l.backend.get(slash + 1..).unwrap_or_default());
        let timers = lossy(l.timers);
        let total = timers.rsplit('/').next().unwrap_or_default().trim_start_matches('+');
        p.fields.push(("timers".into(), Value::String(timers.to_string())));
        if let Ok(ms) = total.parse::<i64>() {
            p.fields.push(("duration_ms".into(), ms.into()));
        }
        if let Some(status) = l.status {
            p.severity_text = Some(status.to_string().into());
            p.fields.push(("status".into(), status.into()));
        }
        p.fields.push(("bytes".into(), enrich::value(&lossy(l.bytes))));
        enrich::text(&mut p, "end", l.end);
        let rest = &record[l.rest..];
        let quoted = memchr::memchr(b'"', rest).and_then(|q| Some((q, access::quote_end(rest, q + 1)?)));
        match quoted {
            Some((open, close)) => {
                let request = &rest[open + 1..close];
                let what = access::request(request, &mut p).unwrap_or(request);
                p.message = format!("{} {}", lossy(what), l.status.unwrap_or_default());
                let behind = lossy(rest[close + 1..].split(|c| *c == b'\n').next().unwrap_or_default().trim_ascii());
                if !behind.is_empty() {
                    let id = behind.len() >= 16 && !behind.contains(' ');
                    let name = if id { "request_id" } else { "extra" };
                    p.fields.push((CompactString::const_new(name), Value::String(behind.into_owned())));
                }
            }
            None => p.message = format!("{} {}", lossy(l.backend), lossy(l.end)),
        }
        enrich::finish(&mut p);
        Some(p)
    }
}
