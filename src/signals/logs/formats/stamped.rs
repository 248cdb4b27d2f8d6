//! "Some time stamp, some level, text" in any usual order and dress: Python, Java, Ruby, Go, Rust, klog, Android,
//! uvicorn, Redis, .NET and most homemade formats; and lines that begin with a level but have no time.
//!
//! `layout` finds time and level and runs on every line; the thorough half takes thread, logger, process and
//! `key=value` pairs out of what is left.

mod origin;

use std::borrow::Cow;

use compact_str::CompactString;

use self::origin::{loggers, origin};
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
