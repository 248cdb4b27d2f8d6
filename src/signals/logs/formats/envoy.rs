//! Envoy's and Istio's access log: `[stamp] "GET / HTTP/1.1" 503 UF via_upstream - "-" 91 153 12 - "…" "…" "id" …`.

use compact_str::CompactString;

use super::{Context, Format, Head, Parsed, access, enrich, lossy, time};
use crate::timeline::Severity;

/// The default format of Envoy, with what Istio puts into and after it.
#[derive(Debug)]
pub struct Envoy;

struct Line<'a> {
    stamp: time::Stamp,
    request: &'a [u8],
    status: u16,
    flags: &'a [u8],
    rest: usize,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    // `[2026-11-20T14:02:31.123Z] "`: the date tells it from most
    if b.first() != Some(&b'[') || b.get(11) != Some(&b'T') {
        return None;
    }
    let stamp = time::stamp(&b[1..], cx)?;
    let at = 1 + stamp.len;
    if b.get(at..at + 3)? != b"] \"" {
        return None;
    }
    let close = access::quote_end(b, at + 3)?;
    let mut words = b.get(close + 2..)?.split(|c| *c == b' ');
    let status = words.next()?;
    let flags = words.next()?;
    let fits = status.len() <= 3
        && !flags.is_empty()
        && flags.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, b',' | b'-'))
        && !flags[0].is_ascii_digit();
    let number = std::str::from_utf8(status).ok()?.parse().ok()?;
    let rest = close + 2 + status.len() + 1 + flags.len();
    fits.then_some(Line { stamp, request: &b[at + 3..close], status: number, flags, rest })
}

impl Format for Envoy {
    fn name(&self) -> &'static str {
        "envoy"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        // a TCP session has status 0: what its flags say counts
        let severity = match l.status {
            0 if l.flags == b"-" => Severity::Info,
            0 => Severity::Error,
            status => Severity::from_http_status(status),
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
        first == b'['
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        p.severity_text = Some(l.status.to_string().into());
        let request = access::request(l.request, &mut p).unwrap_or(l.request);
        p.fields.push(("status".into(), l.status.into()));
        p.message = format!("{} {}", lossy(request), l.status);
        if l.flags != b"-" {
            enrich::text(&mut p, "flags", l.flags);
            p.message = format!("{} {}", p.message, lossy(l.flags));
        }
        let end = memchr::memchr(b'\n', record).unwrap_or(record.len()).max(l.rest);
        let (words, quoted) = split(&record[l.rest..end]);
        // bytes received and sent, duration, time of the upstream: the first run of numbers
        let numbers = words.iter().position(|w| w.iter().all(u8::is_ascii_digit));
        if let Some(first) = numbers {
            let names = ["bytes_received", "bytes", "duration_ms", "upstream_ms"];
            for (name, word) in names.into_iter().zip(&words[first..]).filter(|(_, w)| **w != b"-") {
                p.fields.push((CompactString::const_new(name), enrich::value(&lossy(word))));
            }
            if let Some(details) = words[..first].iter().find(|w| **w != b"-") {
                enrich::text(&mut p, "details", details);
            }
        }
        // of Istio's the first quoted one is the failure of the transport
        let quoted = if quoted.len() > 5 { &quoted[quoted.len() - 5..] } else { &quoted[..] };
        let names = ["forwarded_for", "user_agent", "request_id", "host", "upstream"];
        for (name, text) in names.into_iter().zip(quoted).filter(|(_, t)| **t != b"-" && !t.is_empty()) {
            enrich::text(&mut p, name, text);
        }
        p.message.push_str(&lossy(&record[end..]));
        enrich::finish(&mut p);
        Some(p)
    }
}

/// Bare words, and what stands in quotes.
fn split(mut b: &[u8]) -> (Vec<&[u8]>, Vec<&[u8]>) {
    let (mut words, mut quoted) = (Vec::new(), Vec::new());
    while words.len() + quoted.len() < 64 {
        b = b.trim_ascii_start();
        match b.first() {
            None => break,
            Some(b'"') => {
                let end = access::quote_end(b, 1).unwrap_or(b.len());
                quoted.push(&b[1..end.max(1)]);
                b = b.get(end + 1..).unwrap_or_default();
            }
            Some(_) => {
                let end = memchr::memchr(b' ', b).unwrap_or(b.len());
                words.push(&b[..end]);
                b = &b[end..];
            }
        }
    }
    (words, quoted)
}
