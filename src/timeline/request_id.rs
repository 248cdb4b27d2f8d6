//! Request IDs (trace, correlation ID, `traceparent`): what they look like and where they occur.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// One request's ID as it was found or typed, without surrounding punctuation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub CompactString);

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
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
