//! "Some time stamp, some level, text" in any usual order and dress: Python, Java, Ruby, Go, Rust, klog, Android,
//! uvicorn, Redis, .NET and most homemade formats; and lines that begin with a level but have no time.
//!
//! `layout` finds time and level and runs on every line; the thorough half takes thread, logger, process and
//! `key=value` pairs out of what is left.

use std::borrow::Cow;

use compact_str::CompactString;

use super::layout::{Layout, layout};
use super::{Context, Format, Head, Parsed, access, enrich, json, lossy, pairs};
use crate::timeline::Severity;

/// Any line with a time stamp or a level at its beginning.
#[derive(Debug)]
pub struct Stamped;

impl Format for Stamped {
    fn name(&self) -> &'static str {
        "stamped"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        let l = layout(line, cx)?;
        Some(head_of(&l, line, cx))
    }

    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        if line.first() == Some(&b'[') {
            return same_tag(before, line) && layout(line, cx).is_none_or(|l| l.stamp.is_none());
        }
        if line.starts_with(b"Trace[") {
            // klog's traces of slow calls
            return memchr::memmem::find(&before[..before.len().min(160)], b"Trace[").is_some();
        }
        if before.first() == Some(&b'=') && before.ends_with(b"===") {
            return layout(before, cx).is_some() && layout(line, cx).is_none();
        }
        // java.util.logging writes time and place on one line, level and message on the next
        line.first().is_some_and(u8::is_ascii_uppercase)
            && two_lines(before)
            && layout(before, cx).is_some_and(|l| l.severity.is_none())
            && layout(line, cx).is_some_and(|l| l.stamp.is_none() && !l.level.is_empty())
    }

    fn may_begin(&self, first: u8) -> bool {
        first.is_ascii_alphanumeric() || matches!(first, b'[' | b'(' | b'<' | b'|' | b'#' | b'=' | b' ' | b'\t' | 0x1b)
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let end = memchr::memchr(b'\n', record).unwrap_or(record.len());
        let clean;
        let (first, rest) = (&record[..end], &record[end..]);
        // what the first line says holds; only a severity that it lacks may stand further down
        let mut head = self.head(first, cx)?;
        if head.severity.is_none() && !rest.is_empty() {
            head = self.head(record, cx)?;
        }
        let first = if memchr::memchr(0x1b, first).is_some() {
            clean = without_colours(first);
            &clean
        } else {
            first
        };
        let first = first.strip_suffix(b"\r").unwrap_or(first);
        let l = layout(first, cx)?;
        let mut p = Parsed { head, ..Parsed::default() };
        if two_lines(first)
            && let Some(below) = rest.get(1..)
            && java_util(&first[l.message..], below, &mut p, cx)
        {
            return Some(p);
        }
        if !l.level.is_empty() {
            p.severity_text = Some(lossy(&first[l.level.clone()]).as_ref().into());
        }
        origin(first, &l, &mut p);
        // an exception that stands alone is all message
        let crash = l.stamp.is_none() && l.level.is_empty();
        let at = if crash { l.message } else { loggers(first, &l, &mut p) };
        let mut text = &first[at.min(first.len())..];
        if let Some((logger, rest)) = dotnet(text, rest) {
            enrich::text(&mut p, "logger", logger);
            p.message = lossy(rest).into_owned();
            enrich::finish(&mut p);
            return Some(p);
        }
        if let Some(r) = access::requested(text) {
            if !r.client.is_empty() {
                enrich::text(&mut p, "client", r.client);
            }
            access::request(r.request, &mut p);
            p.fields.push((CompactString::const_new("status"), r.status.into()));
        }
        while let Some(shorter) = trailing_object(text, &mut p) {
            text = shorter;
        }
        if text.starts_with(b"{\"")
            && let Some(inner) = json::found(text, cx)
        {
            let (fields, after) = json::flatten(text);
            if !fields.is_empty() && after.trim_ascii().is_empty() {
                let inner = json::assemble(inner, fields);
                p.fields.extend(inner.fields);
                p.message = inner.message;
                p.message.push_str(&lossy(rest));
                enrich::finish(&mut p);
                return Some(p);
            }
        }
        let (fields, tail) = pairs::inside(text);
        let kept = if text[..tail].trim_ascii().is_empty() { text } else { text[..tail].trim_ascii_end() };
        p.message = lossy(kept.trim_ascii()).into_owned();
        for (name, value) in fields {
            if !p.fields.iter().any(|(n, _)| *n == name) {
                p.fields.push((name, value));
            }
        }
        if !p.fields.is_empty()
            && text.trim_ascii().len() == kept.len()
            && tail < text.len()
            && text[..tail].trim_ascii().is_empty()
        {
            nothing_but_pairs(&mut p);
        }
        let rest = without_tags(first, rest);
        let rest = if p.message.is_empty() { rest.strip_prefix(b"\n").unwrap_or(&rest) } else { &rest };
        p.message.push_str(&lossy(rest));
        enrich::finish(&mut p);
        Some(p)
    }
}

/// What follows the first line, without the tag that Rails repeats on each.
fn without_tags<'a>(first: &[u8], rest: &'a [u8]) -> Cow<'a, [u8]> {
    let tag =
        rest.strip_prefix(b"\n[").and_then(|r| memchr::memchr(b']', &r[..r.len().min(64)])).map(|i| &rest[1..i + 3]);
    match tag {
        Some(tag) if same_tag(first, tag) => {
            let mut out = Vec::with_capacity(rest.len());
            for line in rest[1..].split(|c| *c == b'\n') {
                out.push(b'\n');
                let bare = line.strip_prefix(tag).unwrap_or(line);
                out.extend_from_slice(bare.strip_prefix(b" ").unwrap_or(bare));
            }
            Cow::Owned(out)
        }
        _ => Cow::Borrowed(rest),
    }
}

/// Whether a line begins with the tag, in brackets, that stands in the one before: Rails tags every line of an exception.
fn same_tag(before: &[u8], line: &[u8]) -> bool {
    let Some(close) = memchr::memchr(b']', &line[..line.len().min(64)]).filter(|c| *c > 8) else { return false };
    let near = &before[..before.len().min(128)];
    near.starts_with(&line[..=close])
        || memchr::memmem::find(near, b"-- : ").is_some_and(|i| near[i + 5..].starts_with(&line[..=close]))
}

/// The two lines of java.util.logging: `class method` behind the stamp, then `LEVEL: message`.
fn java_util(place: &[u8], below: &[u8], p: &mut Parsed, cx: &Context) -> bool {
    let Some(l) = layout(below, cx).filter(|l| l.stamp.is_none() && !l.level.is_empty()) else { return false };
    p.severity_text = Some(lossy(&below[l.level]).as_ref().into());
    let mut place = place.trim_ascii();
    if let Some(close) = memchr::memchr(b']', place).filter(|_| place.starts_with(b"[")) {
        enrich::text(p, "thread", &place[1..close]);
        place = place[close + 1..].trim_ascii();
    }
    let mut names = place.splitn(2, |c| *c == b' ');
    for (name, word) in ["logger", "method"].into_iter().zip(names.by_ref()) {
        enrich::text(p, name, word);
    }
    p.message = lossy(below[l.message..].trim_ascii()).into_owned();
    enrich::finish(p);
    true
}

/// `Microsoft.Hosting.Lifetime[14]` alone on the first line: the logger of a .NET console, the text below it.
fn dotnet<'a>(first: &'a [u8], rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let inside = first.strip_suffix(b"]")?;
    let open = memchr::memrchr(b'[', inside)?;
    let (name, number) = (&inside[..open], &inside[open + 1..]);
    let fits = !name.is_empty()
        && name.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'+' | b'`'))
        && !number.is_empty()
        && number.iter().all(u8::is_ascii_digit)
        && !rest.trim_ascii().is_empty();
    fits.then(|| (name, rest.trim_ascii()))
}

/// Takes the JSON object off the end of a line, as zap's console encoder and Monolog (two of them) write it.
fn trailing_object<'a>(text: &'a [u8], p: &mut Parsed) -> Option<&'a [u8]> {
    if let Some(before) = text.strip_suffix(b" []") {
        return Some(before.trim_ascii_end());
    }
    if !text.ends_with(b"}") {
        return None;
    }
    // the first object that ends where the line ends; a few are tried
    for at in
        memchr::memmem::find_iter(text, b"{\"").filter(|at| *at > 0 && matches!(text[at - 1], b' ' | b'\t')).take(3)
    {
        let (fields, after) = json::flatten(&text[at..]);
        if !fields.is_empty() && after.is_empty() {
            p.fields.extend(fields);
            return Some(text[..at].trim_ascii_end());
        }
    }
    None
}

/// A stamp and then logfmt: the message is the pair of that name, and the level is no field.
fn nothing_but_pairs(p: &mut Parsed) {
    if let Some(i) = p.fields.iter().position(|(n, _)| super::keys::message_rank(n) == Some(0)) {
        p.message = match p.fields.remove(i).1 {
            serde_json::Value::String(s) => s,
            other => other.to_string(),
        };
    }
    if let Some(i) = p.fields.iter().position(|(n, _)| matches!(n.as_str(), "level" | "lvl" | "severity")) {
        p.severity_text = p.fields[i].1.as_str().map(CompactString::from);
        p.fields.remove(i);
    }
}

/// The head of a layout; where the text is JSON, the severity in there counts when the line itself names none.
#[inline]
fn head_of(l: &Layout, line: &[u8], cx: &Context) -> Head {
    let mut severity = l.severity;
    if severity.is_none() && line.get(l.message..).is_some_and(|m| m.starts_with(b"{\"")) {
        severity = json::found(&line[l.message..], cx).and_then(|f| f.head.severity);
    }
    if severity.is_none()
        && let Some(end) = memchr::memchr(b'\n', line)
        && two_lines(&line[..end])
    {
        severity =
            layout(line[end + 1..].split(|c| *c == b'\n').next().unwrap_or_default(), cx).and_then(|l| l.severity);
    }
    if severity.is_none_or(|s| s == Severity::Info)
        && let Some(r) = line.get(l.message..).and_then(|m| access::requested(m.trim_ascii_start()))
    {
        severity = Some(Severity::from_http_status(r.status));
    }
    let (time, inferred) = l.stamp.map_or((None, false), |s| (Some(s.time), s.inferred));
    Head { time, inferred, severity }
}

/// Whether a line leaves level and message to the next: java.util.logging (a month, and AM or PM) and tinylog.
fn two_lines(line: &[u8]) -> bool {
    line.ends_with(b"()")
        || line.first().is_some_and(u8::is_ascii_uppercase)
            && line.get(..28).is_some_and(|l| {
                memchr::memmem::find(l, b" PM ").or_else(|| memchr::memmem::find(l, b" AM ")).is_some()
            })
}

/// The line without terminal colours.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut at = 0;
    while at < line.len() {
        match super::layout::colour_end(line, at) {
            Some(end) => at = end,
            None => {
                out.push(line[at]);
                at += 1;
            }
        }
    }
    out
}

/// What stands before and between time and level: process numbers, thread in brackets, name of the logger.
fn origin(line: &[u8], l: &Layout, p: &mut Parsed) {
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

fn has(p: &Parsed, name: &str) -> bool {
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
fn loggers(line: &[u8], l: &Layout, p: &mut Parsed) -> usize {
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
    use super::*;

    fn id(line: &str) -> Option<String> {
        let cx = super::super::fixtures::cx();
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
