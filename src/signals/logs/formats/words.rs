//! Severity as programs write it: words, letters and numbers.

use crate::timeline::Severity;

/// The severity that a whole word names, in any case, as the value of a field or inside brackets. `slog`'s offsets
/// (`INFO+2`, `ERROR+4`) are understood.
pub(super) fn severity(word: &[u8]) -> Option<Severity> {
    if let Some(s) = telling(word) {
        return Some(s);
    }
    if word.first()?.is_ascii_digit() {
        return number(std::str::from_utf8(word).ok()?.parse().ok()?);
    }
    if let Some(i) = memchr::memchr2(b'+', b'-', word)
        && let (Some(base), Ok(offset)) = (telling(&word[..i]), std::str::from_utf8(&word[i..]).ok()?.parse::<i8>())
    {
        return Some(offset_by(base, offset));
    }
    if word.eq_ignore_ascii_case(b"exception") {
        return Some(Severity::Error);
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// `slog` counts in steps of four: what lies below DEBUG is a trace, what lies four above ERROR is fatal.
fn offset_by(base: Severity, offset: i8) -> Severity {
    match base {
        Severity::Debug if offset <= -4 => Severity::Trace,
        Severity::Error if offset >= 4 => Severity::Fatal,
        other => other,
    }
}

/// The severity of a word that means nothing else, in any case: `error`, `WARN`, `Information`, `fail` not. Letters
/// and everyday words (`log`, `note`, `system`) are for [`severity`].
pub(super) fn telling(word: &[u8]) -> Option<Severity> {
    if !(3..=13).contains(&word.len()) {
        return None;
    }
    let mut lower = [0u8; 13];
    for (to, from) in lower.iter_mut().zip(word) {
        *to = from | 0x20;
    }
    Some(match &lower[..word.len()] {
        b"info" | b"information" | b"informational" | b"inf" | b"notice" => Severity::Info,
        b"error" | b"err" | b"erro" | b"eror" | b"severe" => Severity::Error,
        b"warn" | b"warning" | b"wrn" => Severity::Warn,
        b"debug" | b"dbg" | b"dbug" | b"debu" | b"debg" | b"fine" => Severity::Debug,
        b"trace" | b"trc" | b"trce" | b"trac" | b"finer" | b"finest" | b"verbose" | b"vrb" => Severity::Trace,
        b"fatal" | b"ftl" | b"fata" | b"critical" | b"crit" | b"crt" | b"panic" | b"dpanic" | b"emerg"
        | b"emergency" | b"alert" => Severity::Fatal,
        _ => return None,
    })
}

/// The severity that one capital letter stands for, as in Android, glog and Ruby.
pub(super) fn letter(c: u8) -> Option<Severity> {
    Some(match c {
        b'T' | b'V' => Severity::Trace,
        b'D' => Severity::Debug,
        b'I' | b'N' => Severity::Info,
        b'W' => Severity::Warn,
        b'E' => Severity::Error,
        b'F' | b'C' | b'A' => Severity::Fatal,
        _ => return None,
    })
}

/// A numeric level, its scale told by its size: syslog and GELF 0 to 7 (0 the worst), Bunyan and pino 10 to 60,
/// Monolog 100 to 600, logback's `level_value` 5 000 to 40 000.
pub(super) fn number(n: i64) -> Option<Severity> {
    Some(match n {
        i64::MIN..=-1 => Severity::Debug,
        0..=7 => Severity::from_syslog(n as u8),
        8..=9 => return None,
        10..=99 => bunyan(n),
        100..=199 => Severity::Debug,
        200..=299 => Severity::Info,
        300..=399 => Severity::Warn,
        400..=499 => Severity::Error,
        500..=699 => Severity::Fatal,
        5_000 => Severity::Trace,
        10_000 => Severity::Debug,
        20_000 => Severity::Info,
        30_000 => Severity::Warn,
        40_000 => Severity::Error,
        _ => return None,
    })
}

fn bunyan(n: i64) -> Severity {
    match n {
        ..=19 => Severity::Trace,
        20..=29 => Severity::Debug,
        30..=39 => Severity::Info,
        40..=49 => Severity::Warn,
        50..=59 => Severity::Error,
        _ => Severity::Fatal,
    }
}

/// Python's `levelno`, ten lower than Bunyan's.
pub(super) fn python_number(n: i64) -> Option<Severity> {
    (1..=99).contains(&n).then(|| bunyan(n + 10))
}

/// OpenTelemetry's severity number, 1 to 24 in steps of four.
pub(super) fn otel_number(n: i64) -> Option<Severity> {
    (1..=24).contains(&n).then(|| Severity::ALL[(n as usize - 1) / 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scale_of_numbers_is_understood() {
        assert_eq!(number(3), Some(Severity::Error), "syslog");
        assert_eq!(number(60), Some(Severity::Fatal), "bunyan");
        assert_eq!(number(400), Some(Severity::Error), "Monolog");
        assert_eq!(python_number(30), Some(Severity::Warn));
        assert_eq!(otel_number(17), Some(Severity::Error));
    }

    #[test]
    fn words_with_an_offset_keep_their_severity() {
        assert_eq!(severity(b"INFO+2"), Some(Severity::Info));
        assert_eq!(severity(b"DEBUG-4"), Some(Severity::Trace));
        assert_eq!(severity(b"ERROR+4"), Some(Severity::Fatal));
        assert_eq!(severity(b"well-known"), None);
    }
}
