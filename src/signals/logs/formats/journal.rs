//! `journalctl -o json`: one entry a line; the message inside is parsed again, for its severity is in there.

use std::cell::RefCell;

use compact_str::CompactString;
use serde_json::Value;

use super::scan::{Members, unescape_into, unquoted};
use super::{Context, Format, Head, Parsed, enrich, inner, json, stack};
use crate::timeline::{Severity, Ts};

/// Entries of the systemd journal.
#[derive(Debug)]
pub struct Journal;

/// So much of a message is looked at for its head.
const NEAR: usize = 4_096;

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

#[derive(Default)]
struct Entry<'a> {
    time: Option<Ts>,
    priority: Option<u8>,
    message: &'a [u8],
    unit: &'a [u8],
    pid: &'a [u8],
}

fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let mut e = Entry::default();
    for (key, value) in Members::new(line)? {
        match key {
            b"__REALTIME_TIMESTAMP" => {
                let us: i64 = std::str::from_utf8(unquoted(value)).ok()?.parse().ok()?;
                e.time = Some(Ts(us.saturating_mul(1_000)));
            }
            b"PRIORITY" => e.priority = unquoted(value).first().map(|c| c.wrapping_sub(b'0')).filter(|n| *n < 8),
            b"MESSAGE" => e.message = value,
            b"_SYSTEMD_UNIT" => e.unit = unquoted(value),
            b"_PID" => e.pid = unquoted(value),
            _ => {}
        }
    }
    e.time.is_some().then_some(e)
}

/// The message as bytes: a string, or, where it is not UTF-8, a list of numbers; of several, the first.
fn message_into(raw: &[u8], most: usize, out: &mut Vec<u8>) {
    match raw {
        [b'"', ..] => unescape_into(raw, most, out),
        [b'[', b'"', ..] => {
            if let Ok(list) = serde_json::from_slice::<Vec<String>>(raw)
                && let Some(first) = list.first()
            {
                out.extend_from_slice(first.as_bytes());
            }
        }
        [b'[', rest @ ..] => {
            let bytes = rest.split(|c| *c == b',').take(most).map(|n| {
                n.iter().filter(|c| c.is_ascii_digit()).fold(0u32, |v, c| (v * 10 + u32::from(c - b'0')).min(255)) as u8
            });
            if rest != b"]" {
                out.extend(bytes);
            }
        }
        _ => {}
    }
}

impl Format for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        if line.first() != Some(&b'{') {
            return None;
        }
        let e = entry(line)?;
        let inside = SCRATCH.with_borrow_mut(|(scratch, _)| {
            scratch.clear();
            message_into(e.message, NEAR, scratch);
            inner::head(scratch, cx).severity
        });
        let severity = inside.or(e.priority.map(Severity::from_syslog));
        Some(Head { time: e.time, inferred: false, severity })
    }

    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        // most messages do not: look at how this one begins first
        const OPEN: &[u8] = b"\"MESSAGE\":\"";
        if let Some(i) = memchr::memmem::find(line, OPEN)
            && !stack::could_follow(&line[i + OPEN.len()..])
        {
            return false;
        }
        let Some(b) = entry(line) else { return false };
        SCRATCH.with_borrow_mut(|(first, second)| {
            second.clear();
            message_into(b.message, 256, second);
            if second.is_empty() {
                return false;
            }
            let Some(a) = entry(before).filter(|a| a.unit == b.unit && a.pid == b.pid) else { return false };
            first.clear();
            message_into(a.message, 256, first);
            inner::continues(first, second, cx)
        })
    }

    fn may_begin(&self, first: u8) -> bool {
        first == b'{'
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut lines = record.split(|c| *c == b'\n');
        let first = lines.next()?;
        let e = entry(first)?;
        let mut parsed = Parsed { head: self.head(first, cx)?, ..Parsed::default() };
        let mut text = Vec::new();
        message_into(e.message, usize::MAX, &mut text);
        for line in lines {
            text.push(b'\n');
            match entry(line) {
                Some(e) => message_into(e.message, usize::MAX, &mut text),
                None => text.extend_from_slice(line),
            }
        }
        let (fields, _) = json::flatten(first);
        parsed.severity_text = e.priority.map(|p| CompactString::from(char::from(b'0' + p).to_string()));
        for (name, value) in fields {
            let name = match name.as_str() {
                "_SYSTEMD_UNIT" => CompactString::const_new("unit"),
                "_HOSTNAME" => CompactString::const_new("host"),
                "SYSLOG_IDENTIFIER" => CompactString::const_new("program"),
                "_PID" => CompactString::const_new("pid"),
                "MESSAGE" | "PRIORITY" | "__REALTIME_TIMESTAMP" => continue,
                // addresses inside the journal and of the boot; the raw record has them
                n if n.starts_with("__") || n.starts_with("_CAP_") || BORING.contains(&n) => continue,
                _ => name,
            };
            let value = match value {
                Value::String(s) if name == "pid" => enrich::value(&s),
                v => v,
            };
            parsed.fields.push((name, value));
        }
        let own = std::mem::take(&mut parsed.fields);
        enrich::adopt(&mut parsed, inner::parse(text.trim_ascii_end(), cx), false);
        parsed.fields = own.into_iter().chain(parsed.fields).collect();
        if parsed.request_id.is_none() {
            parsed.request_id = super::keys::request_id_of(&parsed.fields, "");
        }
        Some(parsed)
    }
}

const BORING: &[&str] = &[
    "_BOOT_ID",
    "_MACHINE_ID",
    "_CAP_EFFECTIVE",
    "_SELINUX_CONTEXT",
    "_SYSTEMD_INVOCATION_ID",
    "_SYSTEMD_CGROUP",
    "_SYSTEMD_SLICE",
    "_RUNTIME_SCOPE",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_SOURCE_MONOTONIC_TIMESTAMP",
    "_STREAM_ID",
    "_TRANSPORT",
    "SYSLOG_TIMESTAMP",
    "SYSLOG_RAW",
];
