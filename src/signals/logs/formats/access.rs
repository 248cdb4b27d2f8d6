//! Access logs: Common Log Format, combined, and what nginx, Apache, Traefik and gunicorn put after it.
//!
//! The severity of such a line is that of its HTTP status.

use compact_str::CompactString;
use serde_json::Value;

use super::{Context, Format, Head, Parsed, enrich, lossy, pairs, time};
use crate::timeline::Severity;

/// CLF and combined.
#[derive(Debug)]
pub struct Access;

struct Line<'a> {
    /// Everything before the time: host names, client, identity, user.
    before: &'a [u8],
    stamp: time::Stamp,
    /// Between the quotes.
    request: &'a [u8],
    status: u16,
    /// After the status.
    rest: usize,
}

/// So much behind the status is taken apart.
const FAR_BEHIND: usize = 16 * 1024;
/// The names before the time are never longer than this.
const FAR: usize = 512;

#[inline]
fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    let open = memchr::memchr(b'[', &b[..b.len().min(FAR)])?;
    // at least `client - -`, and no level or the like: two blanks or more
    let before = &b[..open];
    if open < 2 || b[open - 1] != b' ' || before.iter().filter(|c| **c == b' ').count() < 2 {
        return None;
    }
    let stamp = time::stamp(&b[open + 1..], cx)?;
    if memchr::memchr(b'\n', before).is_some() {
        return None;
    }
    let at = open + 1 + stamp.len;
    if b.get(at..at + 3)? != b"] \"" {
        return None;
    }
    let start = at + 3;
    let close = quote_end(b, start)?;
    let status: &[u8; 3] = b.get(close + 2..)?.first_chunk()?;
    if b[close + 1] != b' '
        || !status.iter().all(u8::is_ascii_digit)
        || b.get(close + 5).is_some_and(u8::is_ascii_digit)
    {
        return None;
    }
    let status = self::status(status);
    Some(Line { before, stamp, request: &b[start..close], status, rest: close + 5 })
}

/// Three digits as a number.
pub(super) fn status(digits: &[u8; 3]) -> u16 {
    digits.iter().fold(0, |n, c| n * 10 + u16::from(c.wrapping_sub(b'0') % 10))
}

/// The position of the quote that closes a string which begins at `at`.
pub(super) fn quote_end(b: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let i = memchr::memchr3(b'"', b'\\', b'\n', b.get(at..)?)?;
        match b[at + i] {
            b'"' => return Some(at + i),
            b'\\' => at += i + 2,
            _ => return None,
        }
    }
}

impl Format for Access {
    fn name(&self) -> &'static str {
        "access"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        Some(Head {
            time: Some(l.stamp.time),
            inferred: l.stamp.inferred,
            severity: Some(Severity::from_http_status(l.status)),
        })
    }

    fn begins_by_time(&self) -> bool {
        true
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let first_end = memchr::memchr(b'\n', record).unwrap_or(record.len()).max(l.rest);
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        p.severity_text = Some(l.status.to_string().into());
        let mut names: Vec<&[u8]> = l.before.split(|c| *c == b' ').filter(|w| !w.is_empty()).collect();
        if names.len() > 3 && names[names.len() - 2] == b"-" {
            // vhost_combined: the server's name comes first
            enrich::text(&mut p, "vhost", names.remove(0));
        }
        enrich::text(&mut p, "client", names.first().copied().unwrap_or_default());
        if let Some(user) = names.get(2).filter(|u| **u != b"-") {
            enrich::text(&mut p, "user", user);
        }
        let target = request(l.request, &mut p);
        p.fields.push(("status".into(), l.status.into()));
        tail(&record[l.rest..first_end], &mut p);
        p.message = match target {
            Some(target) => format!("{} {}", lossy(target), l.status),
            None => format!("{} {}", lossy(l.request), l.status),
        };
        p.message.push_str(&lossy(&record[first_end..]));
        enrich::finish(&mut p);
        Some(p)
    }
}

/// A request with its status inside a line of text.
pub(super) struct Requested<'a> {
    /// Who asked; may be empty.
    pub client: &'a [u8],
    /// Between the quotes.
    pub request: &'a [u8],
    /// What it got.
    pub status: u16,
}

/// The text of uvicorn (`10.0.0.9:5000 - "GET / HTTP/1.1" 200 OK`) and of Django's server (`"GET / HTTP/1.1" 200 17`).
#[inline]
pub(super) fn requested(text: &[u8]) -> Option<Requested<'_>> {
    let len = match text.first()? {
        b'"' => 0,
        b'0'..=b'9' | b'a'..=b'f' | b'[' => {
            text.iter().take(64).take_while(|c| c.is_ascii_hexdigit() || matches!(c, b'.' | b':' | b'[' | b']')).count()
        }
        _ => return None,
    };
    let client = &text[..len];
    let start = len + if len == 0 { 1 } else { text[len..].starts_with(b" - \"").then_some(4)? };
    let close = quote_end(text, start)?;
    let request = &text[start..close];
    let status: &[u8; 3] = text.get(close + 2..)?.first_chunk()?;
    let fits = text[close + 1] == b' '
        && status.iter().all(u8::is_ascii_digit)
        && (b'1'..=b'5').contains(&status[0])
        && !text.get(close + 5).is_some_and(u8::is_ascii_digit)
        && request.first().is_some_and(u8::is_ascii_uppercase)
        && memchr::memmem::rfind(request, b" HTTP/").is_some();
    let status = self::status(status);
    fits.then_some(Requested { client, request, status })
}

/// `GET /path?query HTTP/1.1` as fields; what it says without the protocol.
pub(super) fn request<'a>(request: &'a [u8], p: &mut Parsed) -> Option<&'a [u8]> {
    let first = memchr::memchr(b' ', request)?;
    let method = &request[..first];
    if !method.iter().all(u8::is_ascii_uppercase) || method.is_empty() {
        return None;
    }
    let last = memchr::memrchr(b' ', request).filter(|l| *l > first && request[*l + 1..].starts_with(b"HTTP/"));
    let target = &request[first + 1..last.unwrap_or(request.len())];
    enrich::text(p, "method", method);
    match memchr::memchr(b'?', target) {
        Some(q) => {
            enrich::text(p, "path", &target[..q]);
            enrich::text(p, "query", &target[q + 1..]);
        }
        None => enrich::text(p, "path", target),
    }
    if let Some(last) = last {
        enrich::text(p, "protocol", &request[last + 1..]);
    }
    Some(&request[..last.unwrap_or(request.len())])
}

/// Bytes, referrer, user agent, then whatever the configuration added: durations, request IDs, `key=value` pairs.
fn tail(b: &[u8], p: &mut Parsed) {
    let b = &b[..b.len().min(FAR_BEHIND)];
    let mut at = 0;
    let (mut index, mut quoted_index) = (0, 0);
    while at < b.len() {
        match b[at] {
            b' ' | b'\t' | b'\r' => at += 1,
            b'"' => {
                let end = quote_end(b, at + 1).unwrap_or(b.len());
                let text = &b[at + 1..end];
                at = end + 1;
                let name = match quoted_index {
                    0 => Some("referrer"),
                    1 => Some("user_agent"),
                    _ => None,
                };
                quoted_index += 1;
                index += 1;
                if text == b"-" || text.is_empty() {
                    continue;
                }
                match name {
                    Some(name) => enrich::text(p, name, text),
                    None => extra(text, p),
                }
            }
            _ => {
                let mut end = at + b[at..].iter().position(|c| *c == b' ').unwrap_or(b.len() - at);
                let mut word = &b[at..end];
                if let Some(eq) = memchr::memchr(b'=', word)
                    && pairs::is_key(&word[..eq])
                {
                    if b.get(at + eq + 1) == Some(&b'"') {
                        end = quote_end(b, at + eq + 2).map_or(b.len(), |e| e + 1);
                        word = &b[at..end];
                    }
                    pair(&word[..eq], &word[eq + 1..], p);
                } else if index == 0 {
                    let bytes = if word == b"-" { Value::from(0) } else { enrich::value(&lossy(word)) };
                    p.fields.push(("bytes".into(), bytes));
                } else if word != b"-" {
                    extra(word, p);
                }
                index += 1;
                at = end;
            }
        }
    }
}

/// `rt=0.250` and the like: nginx's times are seconds.
fn pair(key: &[u8], raw: &[u8], p: &mut Parsed) {
    let value = pairs::value(raw);
    if value.as_str() == Some("-") {
        return;
    }
    let key = lossy(key);
    if matches!(key.as_ref(), "rt" | "request_time" | "reqtime" | "duration" | "time")
        && let Some(ms) = seconds_as_ms(&pairs::text(raw))
    {
        set_duration(ms, p);
    }
    p.fields.push((CompactString::from(key), value));
}

fn set_duration(ms: f64, p: &mut Parsed) {
    if let Some(n) = serde_json::Number::from_f64(ms)
        && !p.fields.iter().any(|(n, _)| n == "duration_ms")
    {
        p.fields.push(("duration_ms".into(), Value::Number(n)));
    }
}

fn seconds_as_ms(text: &str) -> Option<f64> {
    let (_, decimals) = text.split_once('.')?;
    let secs: f64 = text.parse().ok()?;
    (decimals.bytes().all(|c| c.is_ascii_digit()) && (0.0..1e7).contains(&secs)).then(|| (secs * 1e6).round() / 1e3)
}

/// A value without a name: a duration (`0.250` as nginx writes seconds, `12ms`), an ID, an address list; else `extra`.
fn extra(word: &[u8], p: &mut Parsed) {
    let text = lossy(word);
    if let Some(ms) = seconds_as_ms(&text) {
        return set_duration(ms, p);
    }
    if let Some(ms) = text.strip_suffix("ms").and_then(|n| n.parse::<f64>().ok()) {
        return set_duration(ms, p);
    }
    let is_id = (16..=64).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        && text.bytes().filter(u8::is_ascii_digit).count() >= 3;
    let name = if is_id && !p.fields.iter().any(|(n, _)| n == "request_id") {
        "request_id"
    } else if word.iter().all(|c| c.is_ascii_hexdigit() || matches!(c, b'.' | b':' | b',' | b' '))
        && word.iter().any(|c| matches!(c, b'.' | b':'))
    {
        "forwarded_for"
    } else {
        "extra"
    };
    if name == "extra"
        && let Some((_, Value::String(before))) = p.fields.iter_mut().find(|(n, _)| n == "extra")
    {
        before.push(' ');
        before.push_str(&text);
        return;
    }
    let value = if name == "extra" { Value::String(text.into_owned()) } else { enrich::value(&text) };
    p.fields.push((CompactString::const_new(name), value));
}
