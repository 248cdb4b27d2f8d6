//! Apache's error log: `[Mon Nov 20 14:02:31.123456 2026] [core:error] [pid 1:tid 2] [client 10.0.0.9:567] AH00124: …`.

use super::{Context, Format, Head, Parsed, enrich, lossy, time, words};

/// Errors as Apache httpd 2.2 and 2.4 write them.
#[derive(Debug)]
pub struct ApacheError;

/// The stamp, the level with its module, and where the rest begins.
fn line<'a>(b: &'a [u8], cx: &Context) -> Option<(time::Stamp, &'a [u8], &'a [u8], usize)> {
    if b.first() != Some(&b'[') || !b.get(1)?.is_ascii_uppercase() || b.get(4) != Some(&b' ') {
        return None;
    }
    let stamp = time::stamp(&b[1..], cx)?;
    let at = 1 + stamp.len;
    if b.get(at..at + 3)? != b"] [" {
        return None;
    }
    let start = at + 3;
    let close = start + b[start..].iter().take(64).position(|c| *c == b']')?;
    let both = &b[start..close];
    let (module, level) = match memchr::memrchr(b':', both) {
        Some(i) => (&both[..i], &both[i + 1..]),
        None => (&both[..0], both),
    };
    words::telling(level).or_else(|| level.starts_with(b"trace").then_some(crate::timeline::Severity::Trace))?;
    Some((stamp, module, level, close + 1))
}

impl Format for ApacheError {
    fn name(&self) -> &'static str {
        "apache-error"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        let (stamp, _, level, _) = line(b, cx)?;
        let severity = words::telling(level).unwrap_or(crate::timeline::Severity::Trace);
        Some(Head { time: Some(stamp.time), inferred: stamp.inferred, severity: Some(severity) })
    }

    fn may_begin(&self, first: u8) -> bool {
        first == b'['
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let (_, module, level, mut at) = line(record, cx)?;
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        p.severity_text = Some(lossy(level).as_ref().into());
        if !module.is_empty() {
            enrich::text(&mut p, "module", module);
        }
        while record.get(at..).is_some_and(|r| r.starts_with(b" ["))
            && let Some(len) = memchr::memchr(b']', &record[at..record.len().min(at + 512)])
        {
            for part in lossy(&record[at + 2..at + len]).split([':', ' ']).collect::<Vec<_>>().chunks(2) {
                match part {
                    ["pid", n] => p.fields.push(("pid".into(), enrich::value(n))),
                    ["tid", n] => p.fields.push(("tid".into(), enrich::value(n))),
                    ["client", _] => {
                        let whole = lossy(&record[at + 2..at + len]);
                        enrich::text(&mut p, "client", whole.trim_start_matches("client ").as_bytes());
                        break;
                    }
                    _ => {}
                }
            }
            at += len + 1;
        }
        p.message = lossy(&record[at..]).trim_start().to_owned();
        if let Some((code, _)) = p.message.split_once(": ")
            && code.len() == 7
            && code.starts_with("AH")
        {
            let code = code.to_owned();
            enrich::text(&mut p, "code", code.as_bytes());
        }
        enrich::finish(&mut p);
        Some(p)
    }
}
