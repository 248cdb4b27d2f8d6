//! The identity of a record: a version 7 UUID, so that IDs made on several machines never meet and sort by time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A record's identity.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub Uuid);

impl RecordId {
    /// A new one. Reads the clock and a random source: never from a history or a pane.
    pub fn fresh() -> RecordId {
        RecordId(Uuid::now_v7())
    }

    /// Its last eight digits, which are random (the first ones are the time, and alike among neighbours).
    pub fn short(&self) -> String {
        let text = self.0.as_simple().to_string();
        text[text.len() - 8..].to_owned()
    }

    /// Whether a typed `text` means this one: the whole ID, or at least four digits from its beginning or its end.
    pub fn is_meant_by(&self, text: &str) -> bool {
        let text: String = text.trim().chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
        let full = self.0.as_simple().to_string();
        text.len() >= 4 && (full.starts_with(&text) || full.ends_with(&text))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RecordId {
    type Err = String;
    fn from_str(s: &str) -> Result<RecordId, String> {
        Uuid::parse_str(s.trim()).map(RecordId).map_err(|e| format!("`{s}` is not an ID: {e}"))
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<RecordId, D::Error> {
        Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
