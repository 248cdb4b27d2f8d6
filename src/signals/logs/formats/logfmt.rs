//! logfmt: `time=… level=… msg="…" key=value`, as of logrus, slog's text handler, go-kit, Heroku's router.

use serde_json::Value;

use super::pairs::{self, Words};
use super::{Context, Format, Head, Parsed, enrich, keys, time, words};
use crate::timeline::Severity;

/// Lines made of `key=value` pairs.
#[derive(Debug)]
pub struct Logfmt;

impl Format for Logfmt {
    fn name(&self) -> &'static str {
        "logfmt"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        found(line, cx).map(|f| f.head)
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let found = found(record, cx)?;
        let first_end = memchr::memchr(b'\n', record).unwrap_or(record.len());
        let mut parsed = Parsed { head: found.head, ..Parsed::default() };
        let mut message: Option<(u8, usize)> = None;
        let mut bare = String::new();
        for word in Words::new(&record[..first_end], 0) {
            let Some(raw) = word.value else {
                if !bare.is_empty() {
                    bare.push(' ');
                }
                bare.push_str(&super::lossy(word.key));
                continue;
            };
            if found.time_key == Some(word.key) {
                continue;
            }
            if found.level_key == Some(word.key) {
                parsed.severity_text = Some(pairs::text(raw).as_ref().into());
                continue;
            }
            let name = super::lossy(word.key);
            if let Some(rank) = keys::message_rank(&name)
                && message.is_none_or(|(best, _)| rank < best)
            {
                message = Some((rank, parsed.fields.len()));
            }
            parsed.fields.push((name.as_ref().into(), pairs::value(raw)));
        }
        if let Some((_, i)) = message {
            parsed.message = match parsed.fields.remove(i).1 {
                Value::String(s) => s,
                other => other.to_string(),
            };
        }
        if !bare.is_empty() {
            if !parsed.message.is_empty() {
                parsed.message.push(' ');
            }
            parsed.message.push_str(&bare);
        }
        parsed.message.push_str(&super::lossy(&record[first_end..]));
        enrich::finish(&mut parsed);
        Some(parsed)
    }
}

struct Found<'a> {
    head: Head,
    time_key: Option<&'a [u8]>,
    level_key: Option<&'a [u8]>,
}

/// Words that are looked at for the head.
const MOST: usize = 64;

/// A line is logfmt when it begins with a pair and more than half of its words are pairs, at least two of them; or when
/// it begins with the time or the level.
fn found<'a>(line: &'a [u8], cx: &Context) -> Option<Found<'a>> {
    if !matches!(line.first()?, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'@') {
        return None;
    }
    let mut found = Found { head: Head::default(), time_key: None, level_key: None };
    let (mut time_rank, mut level_rank) = (u8::MAX, u8::MAX);
    let (mut pairs, mut bare, mut status) = (0, 0, None);
    for word in Words::new(line, 0).take(MOST) {
        let Some(raw) = word.value else {
            bare += 1;
            if pairs == 0 {
                return None;
            }
            continue;
        };
        if pairs == 0 && !pairs::is_key(word.key) {
            return None;
        }
        pairs += 1;
        let text = super::scan::unquoted(raw);
        match keys::role(word.key) {
            Some(keys::Role::Time(rank)) if rank < time_rank => {
                if let Some((time, inferred)) = time::value(text, cx) {
                    (found.head.time, found.head.inferred) = (Some(time), inferred);
                    (found.time_key, time_rank) = (Some(word.key), rank);
                }
            }
            Some(keys::Role::Level(rank)) if rank < level_rank => {
                if let Some(severity) = words::severity(text) {
                    found.head.severity = Some(severity);
                    (found.level_key, level_rank) = (Some(word.key), rank);
                }
            }
            Some(keys::Role::Status) => status = std::str::from_utf8(text).ok().and_then(|s| s.parse::<u16>().ok()),
            // Heroku's router names its level so
            None if word.key == b"at" && level_rank > 1 => {
                if let Some(severity) = words::telling(text) {
                    found.head.severity = Some(severity);
                    (found.level_key, level_rank) = (Some(word.key), 1);
                }
            }
            _ => {}
        }
        if time_rank == 0 && level_rank == 0 {
            return Some(found);
        }
    }
    if found.head.severity.is_none() {
        found.head.severity = status.filter(|s| (100..600).contains(s)).map(Severity::from_http_status);
    }
    (pairs >= 2 && pairs > bare || pairs == 1 && bare == 0 && (time_rank == 0 || level_rank == 0)).then_some(found)
}
