//! The kernel's ring buffer as `dmesg` prints it: `[12345.678901] text`, with `<4>` or `kern  :err   :` before it.
//!
//! Such times count from the boot, which the lines do not name: the records have no event time, and `uptime` is a field.

use compact_str::CompactString;

use super::{Context, Format, Head, Parsed, enrich, lossy, pairs, words};
use crate::timeline::Severity;

/// Lines of `dmesg`, raw, decoded or plain.
#[derive(Debug)]
pub struct Kernel;

struct Line<'a> {
    severity: Option<Severity>,
    level: &'a [u8],
    uptime: &'a [u8],
    message: usize,
}

fn line(b: &[u8]) -> Option<Line<'_>> {
    let (mut severity, mut level, mut at) = (None, &b""[..], 0);
    match b.first()? {
        b'[' => {}
        b'<' => {
            let (n, end) = super::syslog3164::priority(b)?;
            (severity, level, at) = (Some(Severity::from_syslog((n % 8) as u8)), &b[1..end - 1], end);
        }
        b'a'..=b'z' => {
            // `dmesg -x`: facility and level in columns
            let near = &b[..b.len().min(24)];
            let first = memchr::memchr(b':', near)?;
            let second = first + 1 + memchr::memchr(b':', &near[first + 1..])?;
            level = near[first + 1..second].trim_ascii();
            severity = Some(words::severity(level)?);
            at = second + 2;
        }
        _ => return None,
    }
    let open = at;
    if b.get(open) != Some(&b'[') {
        return None;
    }
    let close = open + memchr::memchr(b']', &b[open..b.len().min(open + 24)])?;
    let uptime = b[open + 1..close].trim_ascii();
    let dot = memchr::memchr(b'.', uptime)?;
    let digits = |w: &[u8]| !w.is_empty() && w.iter().all(u8::is_ascii_digit);
    if !digits(&uptime[..dot]) || !digits(&uptime[dot + 1..]) || uptime.len() - dot != 7 {
        return None;
    }
    let mut message = close + 1;
    // the thread or CPU that spoke, where the kernel is built to say so
    if b.get(message) == Some(&b'[') {
        message += memchr::memchr(b']', &b[message..b.len().min(message + 16)])? + 1;
    }
    message += usize::from(b.get(message) == Some(&b' '));
    Some(Line { severity, level, uptime, message })
}

/// A process killed for want of memory is an error, also where the line has no priority.
pub(super) fn killed(message: &[u8]) -> Option<Severity> {
    let near = &message[..message.len().min(96)];
    memchr::memmem::find(near, b"ut of memory: Kill").map(|_| Severity::Error)
}

impl Format for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn head(&self, b: &[u8], _cx: &Context) -> Option<Head> {
        let l = line(b)?;
        Some(Head { severity: l.severity.or_else(|| killed(&b[l.message..])), ..Head::default() })
    }

    fn continues(&self, before: &[u8], b: &[u8], _cx: &Context) -> bool {
        // the frames of a call trace are indented behind their times
        line(b).is_some_and(|l| b.get(l.message) == Some(&b' ')) && line(before).is_some()
    }

    fn may_begin(&self, first: u8) -> bool {
        matches!(first, b'[' | b'<' | b'a'..=b'z')
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let l = line(record)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        if !l.level.is_empty() {
            p.severity_text = Some(lossy(l.level).as_ref().into());
        }
        enrich::text(&mut p, "uptime", l.uptime);
        for (i, piece) in record.split(|c| *c == b'\n').enumerate() {
            let at = line(piece).map_or(0, |l| l.message);
            if i > 0 {
                p.message.push('\n');
            }
            p.message.push_str(&lossy(&piece[at..]));
        }
        let first = p.message.lines().next().unwrap_or_default();
        let (fields, _) = pairs::inside(first.as_bytes());
        p.fields.extend(fields.into_iter().filter(|(n, _): &(CompactString, _)| n != "uptime"));
        enrich::finish(&mut p);
        Some(p)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::cx;
    use super::super::syslog3164::Syslog3164;
    use super::*;

    #[test]
    fn a_process_killed_for_want_of_memory_is_an_error_where_no_priority_says_so() {
        let line = "[81234.123456] Out of memory: Killed process 4711 (java) total-vm:9GB";
        assert_eq!(Kernel.head(line.as_bytes(), &cx()).unwrap().severity, Some(Severity::Error));
        let line = format!("Nov 20 14:02:31 web1 kernel: {line}");
        assert_eq!(Syslog3164.head(line.as_bytes(), &cx()).unwrap().severity, Some(Severity::Error));
        let line = "Nov 20 14:02:31 web1 kernel: [81234.123456] eth0: link up";
        assert_eq!(Syslog3164.head(line.as_bytes(), &cx()).unwrap().severity, None);
    }
}
