//! Where a record says it comes from: what stands round its time and its level. Process, thread, logger, place in the code,
//! and the ID of the request.

use compact_str::CompactString;

use super::Layout;
use crate::signals::logs::formats::{Parsed, enrich, lossy, pairs};

/// What stands before and between time and level: process numbers, thread in brackets, name of the logger.
pub(super) fn origin(line: &[u8], l: &Layout, p: &mut Parsed) {
    for part in [&line[l.before.clone()], &line[l.between.clone()]] {
        let mut at = 0;
        while at < part.len() {
            match part[at] {
                b'[' | b'(' | b'<' => {
                    let close = match part[at] {
                        b'[' => b']',
                        b'(' => b')',
                        _ => b'>',
                    };
                    let len = memchr::memchr(close, &part[at + 1..]).unwrap_or(part.len() - at - 1);
                    named(&part[at + 1..at + 1 + len], true, p);
                    at += len + 2;
                }
                c if c.is_ascii_whitespace() || matches!(c, b'-' | b'|' | b':' | b',' | b']' | b')' | b'>') => at += 1,
                _ => {
                    let len = part[at..]
                        .iter()
                        .position(|c| c.is_ascii_whitespace() || matches!(c, b'[' | b']' | b'(' | b'|' | b','))
                        .unwrap_or(part.len() - at);
                    let word = &part[at..at + len];
                    named(word.strip_suffix(b":").unwrap_or(word), false, p);
                    at += len;
                }
            }
        }
    }
}

pub(super) fn has(p: &Parsed, name: &str) -> bool {
    p.fields.iter().any(|(n, _)| n == name)
}

/// One word or bracket of the origin under the name that fits.
fn named(word: &[u8], bracketed: bool, p: &mut Parsed) {
    let word = word.trim_ascii();
    if let [pid @ .., b':', role @ (b'M' | b'S' | b'C' | b'X')] = word
        && !pid.is_empty()
        && pid.iter().all(u8::is_ascii_digit)
    {
        // Redis: process, and what it is
        p.fields.push((CompactString::const_new("pid"), enrich::value(&lossy(pid))));
        return enrich::text(p, "role", &[*role]);
    }
    let digits = word.strip_prefix(b"#").unwrap_or(word);
    if word.is_empty() || word.iter().all(|c| matches!(c, b'-' | b'.' | b'*' | b'#')) {
        return;
    }
    if bracketed && word.split(|c| *c == b',').any(is_id) {
        for id in word.split(|c| *c == b',').map(<[u8]>::trim_ascii).filter(|id| is_id(id)) {
            if let (49, Some(span)) = (id.len(), id.get(33..)) {
                // Micrometer: trace and span with a dash
                enrich::text(p, "trace_id", &id[..32]);
                enrich::text(p, "span_id", span);
                continue;
            }
            let name = if memchr::memchr(b'-', id).is_some() || !matches!(id.len(), 16 | 32) {
                "request_id"
            } else if !has(p, "trace_id") {
                "trace_id"
            } else {
                "span_id"
            };
            if !has(p, name) {
                enrich::text(p, name, id);
            }
        }
        return;
    }
    if memchr::memchr(b'=', word).is_some() {
        p.fields.extend(pairs::inside(word).0);
        return;
    }
    if digits.len() <= 10 && digits.iter().all(u8::is_ascii_digit) {
        let name = if has(p, "pid") { "tid" } else { "pid" };
        if !has(p, name) {
            p.fields.push((CompactString::const_new(name), enrich::value(&lossy(digits))));
        }
        return;
    }
    let name = match (is_source(word), bracketed) {
        (true, _) => "location",
        (false, true) if is_class(word) => "logger",
        (false, true) if !has(p, "thread") => "thread",
        (false, true) => "context",
        (false, false) => "logger",
    };
    if !has(p, name) {
        enrich::text(p, name, word);
    }
}

/// A trace or request ID by its shape: 16 or 32 hexadecimal digits, a UUID, or what is cut from one.
fn is_id(word: &[u8]) -> bool {
    let word = word.trim_ascii();
    let hex = |w: &[u8]| w.iter().all(u8::is_ascii_hexdigit);
    match word.len() {
        16 | 32 => hex(word) && word.iter().any(u8::is_ascii_digit),
        49 => word[32] == b'-' && hex(&word[..32]) && hex(&word[33..]),
        36 => [8, 13, 18, 23].iter().all(|i| word[*i] == b'-') && word.split(|c| *c == b'-').all(hex),
        8..=64 => is_short_id(word),
        _ => false,
    }
}

/// `23cdb2b8-8565`, `9f3a77c1`: groups of hexadecimal digits that begin with one of at least eight, letters and digits
/// mixed. Process numbers and dates have no letters, threads and classes others than these, addresses of threads no dash
/// and the beginning of the stack's.
fn is_short_id(word: &[u8]) -> bool {
    let mut groups = word.split(|c| *c == b'-');
    let first = groups.next().unwrap_or_default();
    let hex = |w: &[u8]| !w.is_empty() && w.iter().all(u8::is_ascii_hexdigit);
    let digits = word.iter().filter(|c| c.is_ascii_digit()).count();
    let letters = word.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let is_address = word.len() == 12 && word[..2].eq_ignore_ascii_case(b"7f");
    first.len() >= 8 && hex(first) && groups.all(hex) && digits >= 2 && letters >= 1 && !is_address
}

/// `o.e.n.Node`, `app::db`: a dotted name, but no number, no address and no file.
fn is_class(word: &[u8]) -> bool {
    word.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'$' | b':'))
        && word[0].is_ascii_alphabetic()
        && (memchr::memchr(b'.', word).is_some() || memchr::memmem::find(word, b"::").is_some())
}

/// `main.go:12`, `app.py:7`, `src/lib.rs:4:5`.
fn is_source(word: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', word) else { return false };
    let file = &word[..colon];
    let line = &word[colon + 1..];
    memchr::memrchr(b'.', file).is_some_and(|dot| (1..=4).contains(&(file.len() - dot - 1)))
        && line.first().is_some_and(u8::is_ascii_digit)
        && line.iter().all(|c| c.is_ascii_digit() || *c == b':')
        && !file.iter().all(|c| c.is_ascii_digit() || *c == b'.')
}

/// What stands between level and message: `[thread]`, `12345 --- [thread]`, `c.a.Logger :`, `logger - `, `file.go:1]`.
/// Gives where the message begins. Only when nothing stood between time and level, a single plain word before a dash or
/// a lone colon may be the logger.
pub(super) fn loggers(line: &[u8], l: &Layout, p: &mut Parsed) -> usize {
    let (start, spare) = (l.message, l.spare());
    // tracing's text: UTC with a `Z`, the level, then the target, which may be one plain word
    let tracing = !l.level.is_empty()
        && l.stamp.is_some_and(|s| !s.inferred)
        && memchr::memchr(b'Z', &line[..l.level.start]).is_some();
    let mut at = start;
    for _ in 0..8 {
        while matches!(line.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let Some(&c) = line.get(at) else { return at };
        if line[at..].starts_with(b"-- : ") || line[at..].starts_with(b"--- ") || line[at..].starts_with(b"-- ") {
            // Ruby's and Spring Boot's rules
            at += memchr::memchr(b' ', &line[at..]).unwrap_or(0) + 1;
            if line[at..].starts_with(b": ") {
                at += 2;
            } else if let Some(len) = memchr::memmem::find(&line[at..line.len().min(at + 64)], b": ")
                && line[start..at].starts_with(b"-- ")
                && line[at..at + len].iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b':'))
            {
                named(&line[at..at + len], false, p);
                at += len + 2;
            }
            continue;
        }
        if c == b'[' {
            let Some(len) = memchr::memchr(b']', &line[at..line.len().min(at + 80)]) else { return at };
            let inside = &line[at + 1..at + len];
            if inside.is_empty() || memchr::memchr(b'"', inside).is_some() {
                return at;
            }
            named(inside, true, p);
            at += len + 1;
            if matches!(line.get(at), Some(b':')) {
                at += 1;
            } else if line[at..].starts_with(b" - ") {
                return at + 3;
            }
            continue;
        }
        let len = line[at..]
            .iter()
            .take(120)
            .take_while(|c| !matches!(c, b' ' | b'\t' | b']' | b'=' | b'"' | b'{' | b'|'))
            .count();
        let word = &line[at..at + len];
        let after = &line[at + len..];
        if word.is_empty() {
            return at;
        }
        if word.iter().all(u8::is_ascii_digit) && (after.starts_with(b" --- ") || after.starts_with(b" [")) {
            named(word, false, p);
            at += len;
            continue;
        }
        // tracing's spans: `request{id=7 method=GET}: `
        if after.starts_with(b"{")
            && let Some(close) = memchr::memmem::find(&after[..after.len().min(1_024)], b"}:")
            && word.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.' | b':'))
        {
            let span = word.rsplit(|c| *c == b':').next().unwrap_or(word);
            if !has(p, "span") {
                enrich::text(p, "span", span);
            }
            p.fields.extend(pairs::inside(&after[1..close]).0);
            at += len + close + 2;
            continue;
        }
        let (name, colon) = match word.strip_suffix(b":") {
            Some(name) => (name, true),
            None => (word, false),
        };
        let ident = !name.is_empty()
            && name.iter().all(|c| {
                c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b':' | b'$' | b'-' | b'/' | b'@' | b'#')
            })
            && name[0].is_ascii_alphabetic();
        if !ident {
            return at;
        }
        let dotted = memchr::memchr(b'.', name).is_some_and(|i| i + 1 < name.len())
            || memchr::memmem::find(name, b"::").is_some();
        let url = memchr::memmem::find(name, b"://").is_some();
        if url || has(p, "logger") && !is_source(name) {
            return at;
        }
        if is_source(name) && (colon || after.starts_with(b"]") || after.starts_with(b" ") || after.starts_with(b"\t"))
        {
            named(name, false, p);
            at += len + usize::from(after.starts_with(b"]"));
            continue;
        }
        // Python's default: `WARNING:root:message`
        if spare
            && start > 0
            && line[start - 1] == b':'
            && at == start
            && let Some(i) = memchr::memchr(b':', word)
            && i > 0
            && word.get(i + 1) != Some(&b':')
        {
            named(&word[..i], false, p);
            return at + i + 1;
        }
        if dotted && after.starts_with(b"|") {
            named(name, false, p);
            return at + len + 1;
        }
        let rule = if after.starts_with(b" - ") || after.starts_with(b" : ") {
            3
        } else if after.starts_with(b"]") {
            1
        } else {
            0
        };
        if colon && (dotted || tracing && !has(p, "logger") && name[0].is_ascii_lowercase()) {
            named(name, false, p);
            at += len;
            continue;
        }
        if rule == 0 {
            // `c.a.Logger      : message`, padded
            let blanks = after.iter().take_while(|c| **c == b' ').count();
            if dotted && blanks > 0 && after[blanks..].starts_with(b": ") {
                named(name, false, p);
                return at + len + blanks + 2;
            }
            return at;
        }
        if dotted || spare || rule == 1 {
            named(name, false, p);
            at += len + rule;
            if matches!(line.get(at), Some(b':')) {
                at += 1;
            }
            continue;
        }
        return at;
    }
    at
}

#[cfg(test)]
mod tests {
    use crate::signals::logs::formats::Format;
    use crate::signals::logs::formats::stamped::Stamped;

    fn id(line: &str) -> Option<String> {
        let cx = crate::signals::logs::formats::fixtures::cx();
        Stamped.parse(line.as_bytes(), &cx).and_then(|p| p.request_id).map(|i| i.0.to_string())
    }

    #[test]
    fn a_request_id_in_brackets_is_the_rows_own() {
        let at = "2026-11-21 17:05:01.123";
        for (rest, want) in [
            ("ERROR [http-nio-3] com.shop.orders.OrderController - [23cdb2b8-8565] order failed", "23cdb2b8-8565"),
            ("[http-nio-3] [9f3a77c1] ERROR c.s.OrderController - order failed", "9f3a77c1"),
            ("[23cdb2b8-8565] [http-nio-8080-exec-3] INFO c.s.Api : paid", "23cdb2b8-8565"),
            ("ERROR [550e8400-e29b-41d4-a716-446655440000] c.s.Api - no", "550e8400-e29b-41d4-a716-446655440000"),
        ] {
            assert_eq!(id(&format!("{at} {rest}")).as_deref(), Some(want), "{rest}");
        }
    }

    #[test]
    fn threads_classes_process_numbers_dates_and_addresses_in_brackets_are_no_request_ids() {
        for word in [
            "http-nio-8080-exec-3",
            "main",
            "pool-1-thread-12",
            "ForkJoinPool.commonPool-worker-7",
            "com.shop.orders.OrderController",
            "12345678",
            "2026-11-21",
            "20261121-1705",
            "deadbeef",
            "feedface-cafe",
            "7f3b2c1d4700",
            "1.4.2-rc1",
            "10.0.0.4",
            "worker-1a2b",
        ] {
            assert_eq!(id(&format!("2026-11-21 17:05:01.123 ERROR [{word}] c.s.Api - order failed")), None, "{word}");
        }
    }
}
