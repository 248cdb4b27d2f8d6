//! Finds request IDs in a line with nothing configured: by the names people give them, and by their shapes.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::LazyLock;

use super::{LONGEST, RequestId, traceparent};
use crate::timeline::words::Words;

/// An ID in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The ID, as it would be searched for.
    pub id: RequestId,
    /// The name it stood under, as spelled in the text; `None` when only its shape told.
    pub name: Option<&'a str>,
    /// Where its value stands in the text, in bytes.
    pub range: Range<usize>,
}

/// How a name's value is read.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Read {
    /// As it stands.
    Plain,
    /// Only what does not look like a word or a small number.
    Strict,
    /// W3C: version, trace, span, flags.
    Traceparent,
    /// Up to the first of these.
    Until(u8),
    /// `Root=1-…;Parent=…`
    Xray,
}

struct Key {
    name: &'static str,
    read: Read,
    /// Which ID is offered first when a line has several: the request's own, then the trace, then what is wider.
    rank: u8,
}

const fn key(name: &'static str, read: Read, rank: u8) -> Key {
    Key { name, read, rank }
}

/// Names of request IDs in lower case; each also with what stands before it (`x-`, `http.`, `otel`, `dd.`).
const KEYS: &[Key] = &[
    key("request_id", Read::Plain, 100),
    key("request-id", Read::Plain, 100),
    key("requestid", Read::Plain, 100),
    key("request.id", Read::Plain, 100),
    key("request_uuid", Read::Plain, 100),
    key("requestuuid", Read::Plain, 100),
    key("req_id", Read::Plain, 99),
    key("req-id", Read::Plain, 99),
    key("reqid", Read::Plain, 99),
    key("req.id", Read::Plain, 99),
    key("rqid", Read::Strict, 90),
    key("req", Read::Strict, 60),
    key("rid", Read::Strict, 60),
    key("traceparent", Read::Traceparent, 95),
    key("trace_id", Read::Plain, 94),
    key("trace-id", Read::Plain, 94),
    key("traceid", Read::Plain, 94),
    key("trace.id", Read::Plain, 94),
    key("uber-trace-id", Read::Until(b':'), 93),
    key("x-amzn-trace-id", Read::Xray, 80),
    key("x-cloud-trace-context", Read::Until(b'/'), 80),
    key("b3", Read::Until(b'-'), 70),
    key("correlation_id", Read::Plain, 90),
    key("correlation-id", Read::Plain, 90),
    key("correlationid", Read::Plain, 90),
    key("correlation.id", Read::Plain, 90),
    key("corr_id", Read::Plain, 90),
    key("corr-id", Read::Plain, 90),
    key("corrid", Read::Plain, 90),
    key("cf-ray", Read::Plain, 75),
    key("cf_ray", Read::Plain, 75),
    key("cfray", Read::Plain, 75),
    key("ray_id", Read::Plain, 75),
    key("rayid", Read::Plain, 75),
    key("x-amz-cf-id", Read::Plain, 74),
];

static NAMES: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(KEYS.iter().map(|k| k.name), true));

/// Where names stand in `text`, in order: the one that begins first, of those the longest, and on behind it.
fn names(text: &[u8]) -> Vec<(Range<usize>, &'static Key)> {
    let Some(names) = NAMES.as_ref() else { return Vec::new() };
    let mut all: Vec<(usize, Reverse<usize>, usize)> = Vec::new();
    names.each(text, |i, end| all.push((end - KEYS[i].name.len(), Reverse(end), i)));
    // Mostly in order already, which this sort makes use of.
    all.sort();
    let mut upto = 0;
    let apart = all.into_iter().filter_map(|(start, Reverse(end), i)| {
        let free = start >= upto;
        upto = if free { end } else { upto };
        free.then(|| (start..end, &KEYS[i]))
    });
    apart.collect()
}

/// Whether `name` is one under which request IDs are written, in any case and with any prefix: `X-Request-ID`,
/// `otelTraceID`, `http.request_id`.
pub fn is_id_key(name: &str) -> bool {
    let bytes = name.as_bytes();
    name.len() <= 64 && names(bytes).iter().any(|(m, _)| m.end == name.len() && begins(bytes, m.start))
}

/// All IDs in `text`, likeliest first: named ones in the order request, trace, correlation, then those known by shape
/// alone. Each ID once.
pub fn find_ids(text: &[u8]) -> Vec<Found<'_>> {
    let mut found: Vec<(u8, Found)> = Vec::new();
    named(text, &mut |rank, f| found.push((rank, f)));
    shaped(text, &mut |rank, f| found.push((rank, f)));
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.range.start.cmp(&b.1.range.start)));
    let mut out: Vec<Found> = Vec::with_capacity(found.len());
    for (_, f) in found {
        if !out.iter().any(|o| o.id == f.id) {
            out.push(f);
        }
    }
    out
}

/// The IDs of [`find_ids`] of all lines in `text`, in no order, and one that occurs twice twice: for who only gathers
/// them.
pub fn each_id(text: &[u8], mut tell: impl FnMut(RequestId)) {
    named(text, &mut |_, f| tell(f.id));
    shaped(text, &mut |_, f| tell(f.id));
}

/// The likeliest ID in `text`: the first of [`find_ids`].
pub fn best_id(text: &[u8]) -> Option<RequestId> {
    let mut found: Vec<(u8, Found)> = Vec::new();
    named(text, &mut |rank, f| found.push((rank, f)));
    // A shape alone never tells more than such a name, and looking for shapes is most of the work.
    if found.iter().all(|f| f.0 <= SHAPE) {
        shaped(text, &mut |rank, f| found.push((rank, f)));
    }
    found.into_iter().min_by_key(|(rank, f)| (Reverse(*rank), f.range.start)).map(|(_, f)| f.id)
}

/// Whether a name may begin at `at`: not inside a word, but behind a dot, a dash or a camel's hump.
fn begins(text: &[u8], at: usize) -> bool {
    match at.checked_sub(1).map(|i| text[i]) {
        Some(b) if b.is_ascii_alphanumeric() => b.is_ascii_lowercase() && text[at].is_ascii_uppercase(),
        _ => true,
    }
}

fn named<'a>(text: &'a [u8], found: &mut impl FnMut(u8, Found<'a>)) {
    for (m, key) in names(text) {
        if !begins(text, m.start) {
            continue;
        }
        let Some((at, spaced)) = value_start(text, m.end) else { continue };
        let mut end = at + text[at..].iter().take(LONGEST + 1).take_while(|&&b| is_value_byte(b)).count();
        let id = match key.read {
            Read::Traceparent => {
                end = end.min(at + 55);
                traceparent(&text[at..end])
            }
            Read::Xray => {
                let root = &text[at..];
                let skip = if root.len() > 5 && root[..5].eq_ignore_ascii_case(b"root=") { 5 } else { 0 };
                plain(text, at + skip, &mut end, key, spaced)
            }
            Read::Until(stop) => {
                end = text[at..end].iter().position(|&b| b == stop).map_or(end, |i| at + i);
                plain(text, at, &mut end, key, true)
            }
            Read::Plain | Read::Strict => plain(text, at, &mut end, key, spaced),
        };
        if let Some(id) = id {
            let from = text[..m.start].iter().rev().take_while(|&&b| is_name_byte(b)).count();
            let name = std::str::from_utf8(&text[m.start - from..m.end]).ok();
            let start = end - id.0.len().min(end - at);
            let range = if key.read == Read::Traceparent { at + 3..at + 35 } else { start..end };
            found(key.rank, Found { id, name, range });
        }
    }
}

/// Where the value behind a name begins, and whether only a blank parts them: `name=`, `name: `, `"name":"`, `name => "`,
/// `[name value]`.
fn value_start(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let skip = |at: &mut usize, what: &[u8], most: usize| {
        let n = text[*at..].iter().take(most).take_while(|b| what.contains(b)).count();
        *at += n;
        n
    };
    if text.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-') {
        return None;
    }
    skip(&mut at, b"\\\"']", 3);
    let blank = skip(&mut at, b" \t", 4);
    let separator = skip(&mut at, b"=:>", 2);
    if separator == 0 && blank == 0 {
        return None;
    }
    if separator > 0 {
        skip(&mut at, b" \t", 4);
    }
    // `%22` and brackets as lists of headers are written.
    skip(&mut at, b"\\\"'[(<{#", 4);
    (at < text.len()).then_some((at, separator == 0))
}

fn is_value_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b'/' | b'=' | b'~' | b'@')
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

/// A value that can be an ID; `end` moves back over punctuation that only ends it.
fn plain(text: &[u8], at: usize, end: &mut usize, key: &Key, strict: bool) -> Option<RequestId> {
    if *end <= at || *end - at > LONGEST {
        return None;
    }
    while *end > at && matches!(text[*end - 1], b'.' | b'/' | b'-' | b'@' | b'+') {
        *end -= 1;
    }
    let value = std::str::from_utf8(text.get(at..*end)?).ok()?;
    if let Some(id) = traceparent(value.as_bytes()) {
        return Some(id);
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_blank = value.bytes().all(|b| !b.is_ascii_alphanumeric() || b == b'0');
    const NONE: [&str; 16] = [
        "null",
        "nil",
        "none",
        "undefined",
        "unknown",
        "missing",
        "empty",
        "na",
        "nan",
        "true",
        "false",
        "required",
        "invalid",
        "id",
        "string",
        "generated",
    ];
    let is_word = digits == 0 && (NONE.iter().any(|n| value.eq_ignore_ascii_case(n)) || value.contains('='));
    if is_blank || is_word {
        return None;
    }
    let strict = strict || key.read == Read::Strict;
    // Behind a blank or under a short name a word, a small number, a version or an address is not an ID.
    if strict && (digits == 0 || value.len() < 6 || (letters == 0 && value.len() < 12) || looks_like_other(value)) {
        return None;
    }
    Some(RequestId(value.into()))
}

fn looks_like_other(value: &str) -> bool {
    let dots = value.bytes().filter(|&b| b == b'.').count();
    dots >= 1 || value.contains('/') || value.contains('=')
}

/// Shorter tokens are no IDs by their shape.
const LEAST: usize = 8;

/// Which bytes make up tokens.
const TOKEN: [bool; 256] = {
    let mut is = [false; 256];
    let mut b = 0;
    while b < 256 {
        is[b] = (b as u8).is_ascii_alphanumeric() || b == b'-' as usize || b == b'_' as usize;
        b += 1;
    }
    is
};

/// Tokens that are IDs by their shape. Of as many bytes as the shortest has, one is looked at, where it is none of a token.
fn shaped<'a>(text: &'a [u8], found: &mut impl FnMut(u8, Found<'a>)) {
    let is_token = |b: u8| TOKEN[usize::from(b)];
    // No token that begins before this reaches beyond it.
    let mut at = 0;
    while at + LEAST <= text.len() {
        let probe = at + LEAST - 1;
        if !is_token(text[probe]) {
            at = probe + 1;
            continue;
        }
        let start = text[at..probe].iter().rposition(|&b| !is_token(b)).map_or(at, |i| at + i + 1);
        let end = probe + text[probe..].iter().take_while(|&&b| is_token(b)).count();
        if let Some((rank, id)) = shape(&text[start..end]) {
            // `user_id=…` is an ID, but not of a request.
            let other = text[..start].iter().rev().take(3).any(|b| matches!(b, b'=' | b':'));
            let rank = if other && rank < 60 { rank / 3 } else { rank };
            let from = if id.0.len() == 32 && end - start == 55 { start + 3 } else { start };
            found(rank, Found { range: from..from + id.0.len(), id, name: None });
        }
        at = end;
    }
}

/// Rank of the most telling shape.
const SHAPE: u8 = 90;

/// An ID known by its shape, and how telling the shape is.
pub(super) fn shape(token: &[u8]) -> Option<(u8, RequestId)> {
    let hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    let mixed = |part: &[u8]| part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic);
    let known = match token.len() {
        36 => {
            let dashes = [8, 13, 18, 23].iter().all(|&i| token[i] == b'-');
            (dashes && token.iter().enumerate().all(|(i, b)| [8, 13, 18, 23].contains(&i) || b.is_ascii_hexdigit()))
                .then_some(40)
        }
        32 => (hex(token) && mixed(token)).then_some(45),
        35 => {
            let is_xray = token.starts_with(b"1-") && token[10] == b'-' && hex(&token[2..10]) && hex(&token[11..]);
            is_xray.then_some(55)
        }
        26 => {
            let case = |ok: fn(&u8) -> bool| token.iter().all(|b| b.is_ascii_digit() || ok(b));
            let crockford = token.iter().all(|b| b.is_ascii_alphanumeric() && !b"ILOUilou".contains(b));
            (token[0] == b'0'
                && crockford
                && mixed(token)
                && (case(u8::is_ascii_uppercase) || case(u8::is_ascii_lowercase)))
            .then_some(35)
        }
        55 => return traceparent(token).map(|id| (SHAPE, id)),
        _ => None,
    };
    let known = known.or_else(|| {
        let is_req = token.len() >= 8 && token[..3].eq_ignore_ascii_case(b"req") && matches!(token[3], b'_' | b'-');
        let rest = token.get(4..).unwrap_or_default();
        (is_req && token.len() <= 64 && rest.iter().any(u8::is_ascii_digit)).then_some(65)
    })?;
    if token.iter().all(|b| matches!(b, b'0' | b'-')) {
        return None;
    }
    std::str::from_utf8(token).ok().map(|t| (known, RequestId(t.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const U: &str = "550e8400-e29b-41d4-a716-446655440000";

    #[test]
    fn ids_are_found_under_the_names_people_give_them() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("request_id=abc-123 took 5ms", "abc-123", Some("request_id")),
            (r#"{"requestId":"abc-123","x":1}"#, "abc-123", Some("requestId")),
            (r#"{"req_id": "abc123"}"#, "abc123", Some("req_id")),
            (r#"{\"reqid\":\"abc123\"}"#, "abc123", Some("reqid")),
            ("X-Request-Id: abc123==", "abc123==", Some("X-Request-Id")),
            ("http.x_request_id=7781", "7781", Some("http.x_request_id")),
            ("correlation_id: 9f-1", "9f-1", Some("correlation_id")),
            (r#""correlationId" : "c0ffee""#, "c0ffee", Some("correlationId")),
            ("trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7", T, Some("trace_id")),
            ("otelTraceID=4bf92f3577b34da6a3ce929d0e0e4736", T, Some("otelTraceID")),
            ("dd.trace_id=1180353287662798623", "1180353287662798623", Some("dd.trace_id")),
            ("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", T, Some("traceparent")),
            (
                "SELECT 1 /*action='x',traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/",
                T,
                Some("traceparent"),
            ),
            (r#""request_id"=>"abc-123""#, "abc-123", Some("request_id")),
            ("[REQ-7781ab] started", "REQ-7781ab", None),
            ("[request_id 0b2f7c91a] started", "0b2f7c91a", Some("request_id")),
            ("rid=5f9ab3c1 GET /", "5f9ab3c1", Some("rid")),
            (
                "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
                "1-5759e988-bd862e3fe1be46a994272793",
                Some("X-Amzn-Trace-Id"),
            ),
            ("CF-Ray: 7d1f2a3b4c5d6e7f-FRA", "7d1f2a3b4c5d6e7f-FRA", Some("CF-Ray")),
            ("uber-trace-id: 3ce929d0e0e47366:1:0:1", "3ce929d0e0e47366", Some("uber-trace-id")),
            (
                "X-Cloud-Trace-Context: 105445aa7843bc8bf206b12000100000/1;o=1",
                "105445aa7843bc8bf206b12000100000",
                Some("X-Cloud-Trace-Context"),
            ),
            ("trace.id: 4bf92f3577b34da6a3ce929d0e0e4736.", T, Some("trace.id")),
            ("[550e8400-e29b-41d4-a716-446655440000] Started GET", U, None),
            ("done 4bf92f3577b34da6a3ce929d0e0e4736", T, None),
            ("order 01ARZ3NDEKTSV4RRFFQ69G5FAV ok", "01ARZ3NDEKTSV4RRFFQ69G5FAV", None),
            ("id req_8fKq2LmZ1 ok", "req_8fKq2LmZ1", None),
        ];
        for (text, id, name) in cases {
            let found = find_ids(text.as_bytes());
            let first = found.first().unwrap_or_else(|| panic!("nothing in {text}"));
            assert_eq!(best_id(text.as_bytes()).as_ref(), Some(&first.id), "{text}");
            assert_eq!((first.id.0.as_str(), first.name), (*id, *name), "{text}");
            assert_eq!(&text[first.range.clone()].to_lowercase(), &id.to_lowercase(), "{text}");
        }
    }

    #[test]
    fn what_is_no_id_is_not_taken_for_one() {
        for text in [
            "2026-11-20T14:03:22.123456Z INFO started",
            "2026-11-20 14:03:22,123 version 1.4.2-rc.1+build.77",
            "10.0.0.1:54321 -> 192.168.100.200:443",
            "fe80:0000:0000:0000:0202:b3ff:fe1e:8329",
            "commit 9fceb02 and 9fceb02d0ae598e",
            "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "12345678901234567890123456789012",
            "1700000000123456789",
            "request_id=null trace_id=\"\" req=- rid=none",
            "request_id: 00000000-0000-0000-0000-000000000000",
            "traceparent=00-00000000000000000000000000000000-0000000000000000-00",
            "request ids are missing; request_id is required",
            "req=5 rid=17",
            "GET /requests/idle?grid=5&pyramid=7&b3d=1",
            "req-body too large",
            "--------------------------------",
            "",
        ] {
            assert_eq!(find_ids(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn the_requests_own_id_is_offered_before_traces_and_strangers() {
        let line = format!(r#"{{"user_id":"{U}","trace_id":"{T}","request_id":"r-1"}}"#);
        let ids: Vec<_> = find_ids(line.as_bytes()).into_iter().map(|f| f.id.0.to_string()).collect();
        assert_eq!(ids, ["r-1", T, U]);
        assert_eq!(best_id(line.as_bytes()).map(|id| id.0.to_string()).as_deref(), Some("r-1"));
    }

    #[test]
    fn bytes_that_are_not_text_do_no_harm() {
        assert_eq!(best_id(b"\xff\xferequest_id=ab1\xff c").map(|i| i.0.to_string()).as_deref(), Some("ab1"));
        for n in 0..60 {
            let cut = &b"traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'"[..n];
            find_ids(cut);
        }
    }
}
