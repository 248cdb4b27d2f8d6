//! What the stream carries of log files: that they were opened, what was appended, and where they broke.
//!
//! Lines older than the start are content of the store, never events, with one exception: the *seed*, counts of the
//! half hour before the start, so that the strip and a replay are not blind to what led to the page. A seed has
//! observed time = event time and carries no bytes.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::signals::tagged::tag_first;
use crate::timeline::Ts;
use crate::timeline::counts::Counts;

/// Facts about one log source. A *generation* is one file (device, inode) or one run of a command; it starts at 0 and
/// grows with each rotation, truncation or restart. (source, generation, offset) is the identity of a row for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", tag = "kind")]
pub enum LogEvent {
    /// A generation began.
    Opened(LogOpened),
    /// Bytes that are whole lines were appended.
    Appended(LogAppended),
    /// The source broke here: rotated, truncated, deleted, restarted.
    Seam {
        /// The generation that ended.
        generation: u32,
        /// In words: `renamed to app.log.1`, `truncated, up to 3 lines may be lost`.
        why: String,
    },
}
tag_first!(LogEvent, "kind", { "opened" => Opened, "appended" => Appended });

/// [`LogOpened::size`] of a packed file: all that comes out of it was there before it was opened.
pub const ALL: u64 = u64::MAX;

/// A generation began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogOpened {
    /// Its number.
    pub generation: u32,
    /// Path of the file; `None` for commands and standard input, whose bytes travel with the events.
    pub path: Option<String>,
    /// Device and inode of the file.
    pub file: Option<(u64, u64)>,
    /// Size when it was opened, [`ALL`] where it is packed; rows before it are content of the store.
    pub size: u64,
    /// Hash of the first (at most) 4 KiB, and how many bytes it covers, to know the file again.
    pub head: Option<(u32, u32)>,
    /// Format the configuration names for it; otherwise it is found from the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<CompactString>,
    /// Fields that hold the request ID here, as the configuration names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_id: Vec<CompactString>,
}

/// Whole lines that were appended to a generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogAppended {
    /// Which generation.
    pub generation: u32,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte (always after a newline, or the end of the generation).
    pub end: u64,
    /// Lines in it.
    pub lines: u32,
    /// Lines that no format knew.
    pub unknown: u32,
    /// Records by second of event time and severity, in order of the second.
    pub counts: Vec<(i64, Counts)>,
    /// Earliest and latest event time in it.
    pub span: Option<(Ts, Ts)>,
    /// Name of the format its lines were read with.
    pub format: CompactString,
    /// A seed: counts from before the start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seed: bool,
    /// The bytes themselves. Always there inside the program, but of a seed only until what it tells has been read out of
    /// it; in a recording only where they must be kept.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "bytes_text")]
    pub bytes: Option<Arc<[u8]>>,
}

/// Bytes as text where they are UTF-8, else as a list of numbers.
mod bytes_text {
    use std::fmt;
    use std::sync::Arc;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Option<Arc<[u8]>>, s: S) -> Result<S::Ok, S::Error> {
        let bytes = bytes.as_deref().unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => s.serialize_str(text),
            Err(_) => s.collect_seq(bytes),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Arc<[u8]>>, D::Error> {
        // They are most of a recording: nothing but what they become is made of them.
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Arc<[u8]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Arc<[u8]>, E> {
                Ok(text.as_bytes().into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Arc<[u8]>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }
        d.deserialize_any(Bytes).map(Some)
    }
}
