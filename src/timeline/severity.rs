//! Severity of a log record, normalised to six steps.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The six severities, ordered from least to most severe.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    /// All, least severe first.
    pub const ALL: [Severity; 6] =
        [Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];

    /// The upper-case name used in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Trace => "TRACE",
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }

    /// One letter for the screen; severity is never shown by colour alone.
    pub const fn letter(self) -> char {
        match self {
            Severity::Trace => 'T',
            Severity::Debug => 'D',
            Severity::Info => 'I',
            Severity::Warn => 'W',
            Severity::Error => 'E',
            Severity::Fatal => 'F',
        }
    }

    /// From an HTTP status: 5xx is an error, 4xx a warning, the rest information.
    pub const fn from_http_status(status: u16) -> Severity {
        match status {
            500.. => Severity::Error,
            400..=499 => Severity::Warn,
            _ => Severity::Info,
        }
    }

    /// From a syslog severity, 0 (emergency) to 7 (debug), RFC 5424 section 6.2.1.
    pub const fn from_syslog(n: u8) -> Severity {
        match n {
            0..=2 => Severity::Fatal,
            3 => Severity::Error,
            4 => Severity::Warn,
            5 | 6 => Severity::Info,
            _ => Severity::Debug,
        }
    }
}

/// Knows the spellings that frameworks use, in any case.
impl FromStr for Severity {
    type Err = ();
    fn from_str(s: &str) -> Result<Severity, ()> {
        let mut lower = [0u8; 16];
        let bytes = s.as_bytes();
        if bytes.len() > lower.len() {
            return Err(());
        }
        for (to, from) in lower.iter_mut().zip(bytes) {
            *to = from.to_ascii_lowercase();
        }
        Ok(match &lower[..bytes.len()] {
            b"trace" | b"trc" | b"finest" | b"finer" | b"verbose" | b"silly" | b"t" | b"v" => Severity::Trace,
            b"debug" | b"dbg" | b"fine" | b"d" | b"debug1" | b"debug2" | b"debug3" | b"debug4" | b"debug5"
            | b"config" => Severity::Debug,
            b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"log" | b"i" | b"n" | b"note"
            | b"statement" | b"http" | b"system" => Severity::Info,
            b"warn" | b"warning" | b"wrn" | b"w" => Severity::Warn,
            b"error" | b"err" | b"severe" | b"e" | b"fail" | b"failed" | b"failure" => Severity::Error,
            b"fatal" | b"ftl" | b"critical" | b"crit" | b"panic" | b"emerg" | b"emergency" | b"alert" | b"f" | b"c"
            | b"dpanic" | b"crt" => Severity::Fatal,
            _ => return Err(()),
        })
    }
}
