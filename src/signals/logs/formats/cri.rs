//! The CRI log of Kubernetes nodes: `2026-11-20T14:02:31.123456789Z stdout F line`; the line inside is parsed again.

use super::{Context, Format, Head, Parsed, enrich, inner, time};
use crate::timeline::Ts;

/// The wrapper that containerd and CRI-O write below `/var/log/pods`.
#[derive(Debug)]
pub struct Cri;

struct Wrapped<'a> {
    time: Ts,
    stream: &'a [u8],
    partial: bool,
    text: &'a [u8],
}

fn unwrap<'a>(line: &'a [u8], cx: &Context) -> Option<Wrapped<'a>> {
    // cheap checks first: the time costs more
    if line.get(10) != Some(&b'T') {
        return None;
    }
    let blank = memchr::memchr(b' ', &line[..line.len().min(40)])?;
    let stream = line.get(blank + 1..blank + 7)?;
    if !matches!(stream, b"stdout" | b"stderr") || line.get(blank + 7) != Some(&b' ') {
        return None;
    }
    let tag = line.get(blank + 8)?;
    if !matches!(tag, b'F' | b'P') || !matches!(line.get(blank + 9), None | Some(b' ' | b':')) {
        return None;
    }
    let stamp = time::stamp(line, cx).filter(|s| s.len == blank)?;
    let text = line.get(blank + 10..).unwrap_or_default();
    Some(Wrapped { time: stamp.time, stream, partial: *tag == b'P', text })
}

impl Format for Cri {
    fn name(&self) -> &'static str {
        "cri"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        let w = unwrap(line, cx)?;
        let inside = inner::head(w.text, cx);
        let time = inside.time.filter(|_| !inside.inferred).unwrap_or(w.time);
        Some(Head { time: Some(time), inferred: false, severity: inside.severity })
    }

    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        match (unwrap(before, cx), unwrap(line, cx)) {
            (Some(a), Some(b)) => a.stream == b.stream && (a.partial || inner::continues(a.text, b.text, cx)),
            _ => false,
        }
    }

    fn may_begin(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut lines = record.split(|c| *c == b'\n');
        let first = lines.next()?;
        let w = unwrap(first, cx)?;
        let mut parsed = Parsed { head: self.head(first, cx)?, ..Parsed::default() };
        enrich::text(&mut parsed, "stream", w.stream);
        let mut text = w.text.to_vec();
        let mut partial = w.partial;
        for line in lines {
            if !partial {
                text.push(b'\n');
            }
            match unwrap(line, cx) {
                Some(w) => {
                    text.extend_from_slice(w.text);
                    partial = w.partial;
                }
                None => text.extend_from_slice(line),
            }
        }
        enrich::adopt(&mut parsed, inner::parse(text.trim_ascii_end(), cx), true);
        Some(parsed)
    }
}
