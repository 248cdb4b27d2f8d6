//! RFC 5424 syslog: `<165>1 2026-11-20T14:02:31Z host app 123 ID47 [sd key="value"] message`.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::syslog3164::priority;
use super::{Context, Format, Head, Parsed, enrich, inner, lossy, time};
use crate::timeline::Severity;

/// Structured syslog.
#[derive(Debug)]
pub struct Syslog5424;

struct Line<'a> {
    priority: u16,
    time: Option<(crate::timeline::Ts, bool)>,
    /// Host, app, process, message ID.
    words: [&'a [u8]; 4],
    data: &'a [u8],
    message: usize,
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    let (priority, mut at) = priority(b)?;
    if b.get(at..at + 2)? != b"1 " {
        return None;
    }
    at += 2;
    let mut token = || {
        let len = b[at..].iter().take(300).take_while(|c| !matches!(c, b' ' | b'\n')).count();
        let t = &b[at..at + len];
        at += len;
        if b.get(at) == Some(&b' ') {
            at += 1;
        }
        (len > 0).then_some(t)
    };
    let stamp = token()?;
    let words = [token()?, token()?, token()?, token()?];
    let time = if stamp == b"-" { None } else { Some(time::value(stamp, cx)?) };
    let start = at;
    if b.get(at) == Some(&b'-') {
        at += 1;
    } else {
        while b.get(at) == Some(&b'[') {
            at = element_end(b, at)?;
        }
    }
    let data = &b[start..at];
    if data.is_empty() {
        return None;
    }
    at += usize::from(b.get(at) == Some(&b' '));
    if b[at..].starts_with(b"\xEF\xBB\xBF") {
        at += 3;
    }
    Some(Line { priority, time, words, data, message: at })
}

/// After the `]` that closes the element at `at`; quotes and backslashes respected.
fn element_end(b: &[u8], mut at: usize) -> Option<usize> {
    let mut quoted = false;
    loop {
        match b.get(at)? {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted => return Some(at + 1),
            b'\n' => return None,
            _ => {}
        }
        at += 1;
    }
}

impl Format for Syslog5424 {
    fn name(&self) -> &'static str {
        "syslog5424"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        let inside = inner::head(&b[l.message..], cx).severity;
        let severity = inside.unwrap_or(Severity::from_syslog((l.priority % 8) as u8));
        let (time, inferred) = l.time.map_or((None, false), |(t, i)| (Some(t), i));
        Some(Head { time, inferred, severity: Some(severity) })
    }

    fn may_begin(&self, first: u8) -> bool {
        first == b'<'
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut parsed = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        for (name, word) in ["host", "program", "pid", "msgid"].into_iter().zip(l.words) {
            if word != b"-" {
                parsed.fields.push((CompactString::const_new(name), enrich::value(&lossy(word))));
            }
        }
        parsed.fields.push(("facility".into(), (l.priority / 8).into()));
        parsed.severity_text = Some((l.priority % 8).to_string().into());
        structured(l.data, &mut parsed);
        let own = parsed.fields.len();
        enrich::adopt(&mut parsed, inner::parse(&record[l.message..], cx), false);
        if parsed.request_id.is_none() {
            parsed.request_id = super::keys::request_id_of(&parsed.fields[..own], "");
        }
        Some(parsed)
    }
}

/// `[id a="b"]…` as fields `id.a`.
fn structured(data: &[u8], parsed: &mut Parsed) {
    let mut at = 0;
    while data.get(at) == Some(&b'[') {
        let Some(end) = element_end(data, at) else { return };
        let body = &data[at + 1..end - 1];
        at = end;
        let id_len = body.iter().position(|c| *c == b' ').unwrap_or(body.len());
        let id = lossy(&body[..id_len]);
        let id = id.split('@').next().unwrap_or_default().to_owned();
        let mut i = id_len;
        while i < body.len() {
            while body.get(i) == Some(&b' ') {
                i += 1;
            }
            let Some(eq) = memchr::memchr(b'=', &body[i..]) else { break };
            let name = lossy(&body[i..i + eq]).into_owned();
            let from = i + eq + 1;
            let mut to = from + 1;
            while let Some(c) = body.get(to) {
                match c {
                    b'\\' => to += 1,
                    b'"' => break,
                    _ => {}
                }
                to += 1;
            }
            let raw = body.get(from + 1..to.min(body.len())).unwrap_or_default();
            let value = lossy(raw).replace("\\\"", "\"").replace("\\]", "]").replace("\\\\", "\\");
            parsed.fields.push((format_compact!("{id}.{name}"), Value::String(value)));
            i = to + 1;
        }
    }
}
