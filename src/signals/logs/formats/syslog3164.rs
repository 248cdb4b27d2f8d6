//! Traditional syslog: `<34>Oct 11 22:14:15 host program[123]: message`, with or without the priority, also with the
//! ISO stamp that rsyslog and newer distributions write into the same files.

use super::{Context, Format, Head, Parsed, enrich, inner, stack, time, words};
use crate::timeline::Severity;

/// Lines of `/var/log/syslog`, `messages`, `auth.log`, `kern.log`.
#[derive(Debug)]
pub struct Syslog3164;

struct Line<'a> {
    priority: Option<u16>,
    stamp: time::Stamp,
    host: &'a [u8],
    program: &'a [u8],
    pid: &'a [u8],
    /// Where the message begins.
    message: usize,
}

/// `<0>` to `<191>`: the number, and where it ends.
pub(super) fn priority(line: &[u8]) -> Option<(u16, usize)> {
    let end = line.iter().take(5).position(|c| *c == b'>')?;
    if line[0] != b'<' || end < 2 {
        return None;
    }
    let n: u16 = std::str::from_utf8(&line[1..end]).ok()?.parse().ok()?;
    (n < 192).then_some((n, end + 1))
}

fn line<'a>(b: &'a [u8], cx: &Context) -> Option<Line<'a>> {
    let (priority, start) = match b.first()? {
        b'<' => priority(b).map(|(p, at)| (Some(p), at))?,
        b'A'..=b'Z' | b'1' | b'2' => (None, 0),
        _ => return None,
    };
    let stamp = time::stamp(&b[start..], cx)?;
    let mut at = start + stamp.len;
    if b.get(at) != Some(&b' ') {
        return None;
    }
    at += 1;
    let token = |at: usize| &b[at..at + b[at..].iter().take(256).take_while(|c| !matches!(c, b' ' | b'\n')).count()];
    let host = token(at);
    let is_host = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b':');
    if host.is_empty() || !host.iter().all(is_host) || host.ends_with(b":") || words::telling(host).is_some() {
        // `Oct 11 22:14:15 program: message`, from programs that leave the host out
        if priority.is_none() || !host.ends_with(b":") {
            return None;
        }
        let tag = &host[..host.len() - 1];
        let open = memchr::memchr(b'[', tag).filter(|_| tag.ends_with(b"]"));
        let (program, pid) = open.map_or((tag, &b""[..]), |i| (&tag[..i], &tag[i + 1..tag.len() - 1]));
        return Some(Line { priority, stamp, host: b"", program, pid, message: after(b, at + host.len()) });
    }
    at += host.len();
    if b.get(at) != Some(&b' ') {
        return None;
    }
    at += 1;
    if b[at..].starts_with(b"last message repeated ") {
        return Some(Line { priority, stamp, host, program: b"", pid: b"", message: at });
    }
    // the tag ends at `[`, `:` or, as the RFC also allows, at a blank
    let len = b[at..].iter().take(128).take_while(|c| !matches!(c, b'[' | b':' | b' ' | b'\n' | b'"')).count();
    let program = &b[at..at + len];
    if len == 0 || words::telling(program).is_some() {
        return None;
    }
    at += len;
    let mut pid: &[u8] = b"";
    if b.get(at) == Some(&b'[') {
        let close = at + b[at..].iter().take(64).position(|c| *c == b']')?;
        pid = &b[at + 1..close];
        at = close + 1;
    }
    match b.get(at) {
        Some(b':') => at += 1,
        // without the colon only lines that cannot be anything else
        Some(b' ') if priority.is_some() || !pid.is_empty() => {}
        _ => return None,
    }
    // `time host name::of::module: …` is a tracing line, not a tag
    if priority.is_none() && b.get(at) == Some(&b':') {
        return None;
    }
    Some(Line { priority, stamp, host, program, pid, message: after(b, at) })
}

/// `%ASA-3-710003`: the severity in the mnemonic of Cisco's devices.
fn cisco(program: &[u8]) -> Option<Severity> {
    let rest = program.strip_prefix(b"%")?;
    let digit = rest.split(|c| *c == b'-').nth(1)?;
    match digit {
        [n @ b'0'..=b'7'] => Some(Severity::from_syslog(n - b'0')),
        _ => None,
    }
}

fn after(b: &[u8], at: usize) -> usize {
    at + usize::from(b.get(at) == Some(&b' '))
}

impl Format for Syslog3164 {
    fn name(&self) -> &'static str {
        "syslog3164"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let l = line(b, cx)?;
        let inside = inner::head(&b[l.message..], cx).severity;
        let severity = inside.or(cisco(l.program)).or(l.priority.map(|p| Severity::from_syslog((p % 8) as u8)));
        let killed = || if l.program == b"kernel" { super::kernel::killed(&b[l.message..]) } else { None };
        Some(Head { time: Some(l.stamp.time), inferred: l.stamp.inferred, severity: severity.or_else(killed) })
    }

    fn continues(&self, before: &[u8], b: &[u8], cx: &Context) -> bool {
        // most messages begin as no trace goes on: look at that first
        let message = |b: &[u8]| memchr::memmem::find(&b[..b.len().min(160)], b"]: ").map(|i| i + 3);
        let quick =
            message(b).is_some_and(|y| message(before).is_some_and(|x| stack::may_follow(&before[x..], &b[y..])));
        if !quick {
            return false;
        }
        match (line(before, cx), line(b, cx)) {
            (Some(x), Some(y)) => {
                (x.host, x.program, x.pid) == (y.host, y.program, y.pid)
                    && inner::continues(&before[x.message..], &b[y.message..], cx)
            }
            _ => false,
        }
    }

    fn may_begin(&self, first: u8) -> bool {
        matches!(first, b'<' | b'A'..=b'Z' | b'1' | b'2')
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record, cx)?;
        let mut parsed = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        if !l.host.is_empty() {
            enrich::text(&mut parsed, "host", l.host);
        }
        if !l.program.is_empty() {
            enrich::text(&mut parsed, "program", l.program);
        }
        if !l.pid.is_empty() {
            parsed.fields.push(("pid".into(), enrich::value(&super::lossy(l.pid))));
        }
        if let Some(p) = l.priority {
            parsed.fields.push(("facility".into(), (p / 8).into()));
            parsed.severity_text = Some((p % 8).to_string().into());
        }
        let mut text = Vec::new();
        for (i, piece) in record.split(|c| *c == b'\n').enumerate() {
            match line(piece, cx) {
                Some(next) if i > 0 => text.extend_from_slice(&piece[next.message..]),
                _ => text.extend_from_slice(&piece[if i == 0 { l.message } else { 0 }..]),
            }
            text.push(b'\n');
        }
        text.pop();
        enrich::adopt(&mut parsed, inner::parse(&text, cx), false);
        Some(parsed)
    }
}
