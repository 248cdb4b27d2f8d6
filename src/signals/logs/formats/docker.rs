//! Docker's json-file: `{"log":"…\n","stream":"stdout","time":"…"}`; the line inside is parsed again.

use std::cell::RefCell;

use super::scan::{Members, unescape_into, unquoted};
use super::{Context, Format, Head, Parsed, enrich, inner, time};

/// The wrapper of Docker's default log driver.
#[derive(Debug)]
pub struct Docker;

/// So much of the inner line is looked at for its head.
const NEAR: usize = 4_096;

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

#[derive(Default)]
struct Wrapped<'a> {
    log: &'a [u8],
    stream: &'a [u8],
    time: &'a [u8],
    attrs: &'a [u8],
}

fn unwrap(line: &[u8]) -> Option<Wrapped<'_>> {
    if !line.starts_with(b"{\"") {
        return None;
    }
    let mut w = Wrapped::default();
    for (key, value) in Members::new(line)? {
        match key {
            b"log" if value.first() == Some(&b'"') => w.log = value,
            b"stream" => w.stream = unquoted(value),
            b"time" => w.time = unquoted(value),
            b"attrs" => w.attrs = value,
            _ => return None,
        }
    }
    (!w.log.is_empty() && matches!(w.stream, b"stdout" | b"stderr") && !w.time.is_empty()).then_some(w)
}

/// The quick answer for most lines: the one before was whole, and this one begins with what no trace begins with.
fn plainly_starts(before: &[u8], line: &[u8]) -> bool {
    const OPEN: &[u8] = b"{\"log\":\"";
    let (Some(a), Some(b)) = (before.strip_prefix(OPEN), line.strip_prefix(OPEN)) else { return false };
    matches!(b.first(), Some(b'{' | b'0'..=b'9' | b'['))
        && memchr::memmem::find(a, b"\",\"stream\":\"").is_some_and(|end| a[..end].ends_with(b"\\n"))
}

impl Format for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        let w = unwrap(line)?;
        let (time, inferred) = time::value(w.time, cx)?;
        SCRATCH.with_borrow_mut(|(scratch, _)| {
            scratch.clear();
            unescape_into(w.log, NEAR, scratch);
            let inside = inner::head(scratch.trim_ascii_end(), cx);
            // the program's own time is when it happened, unless it had to be guessed
            let (time, inferred) = match inside.time {
                Some(t) if !inside.inferred => (t, false),
                _ => (time, inferred),
            };
            Some(Head { time: Some(time), inferred, severity: inside.severity })
        })
    }

    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        if plainly_starts(before, line) {
            return false;
        }
        let (Some(a), Some(b)) = (unwrap(before), unwrap(line)) else { return false };
        if a.stream != b.stream {
            return false;
        }
        // Docker cuts lines at 16 KiB: a piece without its newline goes on in the next
        if !a.log.ends_with(b"\\n\"") {
            return true;
        }
        SCRATCH.with_borrow_mut(|(first, second)| {
            first.clear();
            second.clear();
            unescape_into(a.log, 256, first);
            unescape_into(b.log, 256, second);
            inner::continues(first.trim_ascii_end(), second.trim_ascii_end(), cx)
        })
    }

    fn may_begin(&self, first: u8) -> bool {
        first == b'{'
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let head = self.head(record.split(|c| *c == b'\n').next()?, cx)?;
        let mut text = Vec::new();
        let mut parsed = Parsed { head, ..Parsed::default() };
        for line in record.split(|c| *c == b'\n') {
            match unwrap(line) {
                Some(w) => {
                    unescape_into(w.log, w.log.len(), &mut text);
                    if parsed.fields.is_empty() {
                        enrich::text(&mut parsed, "stream", w.stream);
                        if let Ok(attrs) = serde_json::from_slice(w.attrs) {
                            parsed.fields.push(("attrs".into(), attrs));
                        }
                    }
                }
                None => text.extend_from_slice(line),
            }
        }
        enrich::adopt(&mut parsed, inner::parse(text.trim_ascii_end(), cx), true);
        Some(parsed)
    }
}
