//! Request IDs (trace, correlation ID, `traceparent`): what they look like and where they occur.
//!
//! Three questions are answered here: what did somebody type or paste ([`RequestId::parse_typed`]), which IDs does a line
//! hold ([`find_ids`], with nothing configured), and does a line hold this ID in any of its spellings
//! ([`RequestId::matcher`]). Which ID a record is filed under is the format's business.

mod find;
mod spelling;

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

pub use find::{Found, best_id, each_id, find_ids, is_id_key};
pub use spelling::IdMatcher;

/// One request's ID as it was found or typed, without surrounding punctuation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub CompactString);

/// The longest ID that is taken for one, in bytes.
const LONGEST: usize = 128;

impl RequestId {
    /// `7f3a…c210`: the first and last four characters.
    pub fn short(&self) -> String {
        let s = self.0.as_str();
        if s.chars().count() <= 12 {
            return s.to_owned();
        }
        let head: String = s.chars().take(4).collect();
        let tail: String = s.chars().skip(s.chars().count() - 4).collect();
        format!("{head}…{tail}")
    }

    /// Reads an ID as somebody types or pastes it: bare, quoted, as `request_id=…`, as a whole `traceparent` (then it is
    /// the trace ID), or inside a pasted line, where the likeliest one is taken. `None` when there is nothing like one.
    pub fn parse_typed(text: &str) -> Option<RequestId> {
        let text = bare(text);
        if let Some(id) = traceparent(text.as_bytes()) {
            return Some(id);
        }
        if let Some((name, value)) = text.split_once(['=', ':'])
            && is_id_key(bare(name))
            && !value.trim().is_empty()
        {
            return RequestId::parse_typed(value);
        }
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.:/+=@~".contains(c);
        if text.chars().all(is_token) {
            let is_id = (1..=LONGEST).contains(&text.len()) && text.chars().any(|c| c.is_ascii_alphanumeric());
            return is_id.then(|| RequestId(text.into()));
        }
        best_id(text.as_bytes())
    }

    /// Every spelling under which the same ID is written elsewhere, the ID as it is first: dashes of UUIDs added or
    /// removed, a 64-bit ID in decimal and hexadecimal, the 64-bit half of a 128-bit trace ID, the X-Ray form, upper and
    /// lower case. At most 16, none twice.
    pub fn variants(&self) -> Vec<CompactString> {
        spelling::variants(&self.0)
    }

    /// Whether any spelling stands in `text` at token boundaries. Compiles the spellings each time: for many lines take a
    /// [`RequestId::matcher`].
    pub fn occurs_in(&self, text: &[u8]) -> bool {
        self.matcher().is_in(text)
    }

    /// The spellings, compiled.
    pub fn matcher(&self) -> IdMatcher {
        IdMatcher::new(self)
    }

    /// Whether it has the shape of an ID by itself: UUID, 32 hexadecimal digits, ULID, `req_…`, `traceparent`.
    pub fn has_shape(text: &str) -> bool {
        find::shape(text.as_bytes()).is_some() || traceparent(text.as_bytes()).is_some()
    }
}

/// Without blanks, quotes and brackets around it.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'`[](){}<>,;".contains(c))
}

/// The trace ID of a whole W3C `traceparent`: version, 32 digits, 16 digits, flags. All zeros is no ID.
fn traceparent(text: &[u8]) -> Option<RequestId> {
    let hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    if text.len() < 55 || text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
        return None;
    }
    let (version, trace, span, flags) = (&text[..2], &text[3..35], &text[36..52], &text[53..55]);
    let is_one = text.len() == 55 && hex(version) && hex(trace) && hex(span) && hex(flags);
    if !is_one || trace.iter().all(|&b| b == b'0') {
        return None;
    }
    std::str::from_utf8(trace).ok().map(|t| RequestId(t.to_ascii_lowercase().into()))
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn an_id_is_read_however_it_is_pasted() {
        let typed = |t: &str| RequestId::parse_typed(t).map(|i| i.0.to_string());
        for t in [
            TRACE,
            " \"4bf92f3577b34da6a3ce929d0e0e4736\" ",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'",
            "request_id=4bf92f3577b34da6a3ce929d0e0e4736",
            "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\"",
            "trace_id: 4bf92f3577b34da6a3ce929d0e0e4736,",
            "14:03:22 E trace_id=4bf92f3577b34da6a3ce929d0e0e4736 pool timeout",
        ] {
            assert_eq!(typed(t).as_deref(), Some(TRACE), "{t}");
        }
        assert_eq!(typed("req-17").as_deref(), Some("req-17"));
        assert_eq!(typed("[REQ-7781]").as_deref(), Some("REQ-7781"));
        for t in ["", "  ", "\"\"", "---", "no id in here"] {
            assert_eq!(typed(t), None, "{t}");
        }
    }

    #[test]
    fn a_short_form_keeps_both_ends() {
        assert_eq!(RequestId(TRACE.into()).short(), "4bf9…4736");
        assert_eq!(RequestId("req-17".into()).short(), "req-17");
    }
}
