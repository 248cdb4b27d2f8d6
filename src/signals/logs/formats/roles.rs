//! What the names and values of a structured record say of its time and severity, whatever its syntax: JSON and logfmt
//! bring the pairs, one after the other; the best of each kind is kept.

use super::keys::{self, Role};
use super::{Context, Head, time, words};
use crate::timeline::{Severity, Ts};

/// The name of a field, and of the object that it stands in where that is not the record itself.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Key<'a> {
    outer: &'a [u8],
    name: &'a [u8],
}

impl Key<'_> {
    /// Whether a field, nested names joined by dots, is this one or a part of it.
    pub fn holds(&self, field: &str) -> bool {
        let mut rest = field.as_bytes();
        for part in [self.outer, self.name] {
            if part.is_empty() {
                continue;
            }
            let rest_of = rest.strip_prefix(b".").filter(|_| rest.len() < field.len()).unwrap_or(rest);
            match rest_of.strip_prefix(part) {
                Some(r) => rest = r,
                None => return false,
            }
        }
        !self.name.is_empty() && matches!(rest.first(), None | Some(b'.'))
    }

    /// Whether it is a field of the record itself, of this name.
    pub fn is(&self, name: &[u8]) -> bool {
        self.outer.is_empty() && self.name == name
    }
}

/// Time and severity so far, and where they were found.
#[derive(Copy, Clone, Debug)]
pub(super) struct Found<'a> {
    pub head: Head,
    pub time_key: Key<'a>,
    pub level_key: Key<'a>,
    /// The severity as it was written.
    pub level_text: Option<&'a [u8]>,
    pub status: Option<u16>,
    /// Whether it has what an HTTP request has besides a status.
    pub request: bool,
    time_rank: u8,
    level_rank: u8,
    /// The object whose members are read.
    outer: &'a [u8],
    nanos: i64,
}

impl<'a> Found<'a> {
    /// Nothing yet.
    pub fn new() -> Found<'a> {
        Found {
            head: Head::default(),
            time_key: Key::default(),
            level_key: Key::default(),
            level_text: None,
            status: None,
            request: false,
            time_rank: u8::MAX,
            level_rank: u8::MAX,
            outer: b"",
            nanos: 0,
        }
    }

    /// Takes a field in; gives back what it is when its value needs a look by somebody who knows the syntax.
    #[inline]
    pub fn take(&mut self, key: &'a [u8], text: &'a [u8], cx: &Context) -> Option<Role> {
        let role = keys::role(key)?;
        match role {
            Role::Time(rank) if rank < self.time_rank => match time::value(text, cx) {
                Some(at) => self.time(key, rank, at),
                None => return Some(role),
            },
            Role::Level(rank) if rank < self.level_rank => match words::severity(text) {
                Some(severity) => self.level(key, text, rank, severity),
                None => return Some(role),
            },
            Role::Letter if self.level_rank > 2 && text.len() < 3 => {
                if let Some(severity) = text.first().and_then(|c| words::letter(*c)) {
                    self.level(key, text, 2, severity);
                }
            }
            Role::PythonLevel | Role::OtelLevel if self.level_rank > 1 => {
                let read = if role == Role::PythonLevel { words::python_number } else { words::otel_number };
                if let Some(severity) = number(text).and_then(read) {
                    self.level(key, text, 1, severity);
                }
            }
            Role::Seconds if self.time_rank > 0 => {
                if let Some(secs) = number(text) {
                    self.time(key, 0, (Ts(Ts::from_secs(secs).0.saturating_add(self.nanos)), false));
                }
            }
            Role::Nanos => {
                self.nanos = number(text).filter(|n| (0..1_000_000_000).contains(n)).unwrap_or(0);
                if let Some(Ts(t)) = self.head.time.filter(|t| t.0 % 1_000_000_000 == 0) {
                    self.head.time = Some(Ts(t.saturating_add(self.nanos)));
                }
            }
            Role::Status => {
                self.status = self.status.or_else(|| number(text).and_then(|n| u16::try_from(n).ok()));
            }
            Role::Request => self.request = true,
            Role::Template | Role::Container => return Some(role),
            _ => {}
        }
        None
    }

    /// The time was found.
    pub fn time(&mut self, key: &'a [u8], rank: u8, (time, inferred): (Ts, bool)) {
        (self.head.time, self.head.inferred) = (Some(time), inferred);
        (self.time_key, self.time_rank) = (Key { outer: self.outer, name: key }, rank);
    }

    /// The severity was found.
    pub fn level(&mut self, key: &'a [u8], text: &'a [u8], rank: u8, severity: Severity) {
        self.head.severity = Some(severity);
        (self.level_key, self.level_text, self.level_rank) = (Key { outer: self.outer, name: key }, Some(text), rank);
    }

    /// Whether nothing better can come.
    #[inline]
    pub fn complete(&self) -> bool {
        self.time_rank == 0 && self.level_rank == 0
    }

    /// Whether the best name of a time or of a level was met.
    pub fn telling(&self) -> bool {
        self.time_rank == 0 || self.level_rank == 0
    }

    /// Whether a level of this rank would be better than what there is.
    pub fn wants_level(&self, rank: u8) -> bool {
        rank < self.level_rank
    }

    /// From here on the fields are members of the object `outer`, and only what is still missing is taken from them.
    pub fn step_into(&mut self, outer: &'a [u8]) {
        self.outer = outer;
        for (found, rank) in
            [(self.head.time.is_some(), &mut self.time_rank), (self.head.severity.is_some(), &mut self.level_rank)]
        {
            *rank = if found { 0 } else { 3 };
        }
    }

    /// The severity that the HTTP status stands for.
    pub fn status_severity(&self) -> Option<Severity> {
        self.status.filter(|s| (100..600).contains(s)).map(Severity::from_http_status)
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_its_own_parts_and_no_others() {
        let key = Key { outer: b"record", name: b"time" };
        for (field, held) in [
            ("record.time", true),
            ("record.time.repr", true),
            ("record.timer", false),
            ("time", false),
            ("record", false),
        ] {
            assert_eq!(key.holds(field), held, "{field}");
        }
        let top = Key { outer: b"", name: b"log.level" };
        assert!(top.holds("log.level") && !top.holds("log") && !Key::default().holds("a"));
    }
}
