//! A row of the log pane: one record, with just what a line on the screen and a filter need.

use std::borrow::Cow;
use std::sync::Arc;

use compact_str::CompactString;
use serde_json::Value;

use crate::timeline::{Record, RequestId, Severity, SourceId, Ts};

/// Identity of a row, for ever.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Its source.
    pub source: SourceId,
    /// The source's generation.
    pub generation: u32,
    /// Offset of its first byte.
    pub offset: u64,
}

/// One record, parsed because somebody looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// Which one.
    pub key: RowKey,
    /// Where it is placed in the merged order: its own time, or that of its predecessor.
    pub placed: Ts,
    /// From when on it is there for a playhead: when it was observed, or its own time if that is later or it is older
    /// than the opening of its file.
    pub visible: Ts,
    /// Its own event time.
    pub time: Option<Ts>,
    /// Whether year or zone of the time were inferred.
    pub inferred: bool,
    /// Severity, normalised.
    pub severity: Option<Severity>,
    /// Name of the source.
    pub source: CompactString,
    /// Name of the format it was read with.
    pub format: &'static str,
    /// Line number in its generation, from 1, once it is known.
    pub line: Option<u64>,
    /// Lines folded into it beyond the first.
    pub folded: u32,
    /// The message: first line first.
    pub message: String,
    /// Fields in order of appearance.
    pub fields: Vec<(CompactString, Value)>,
    /// Its request ID.
    pub request_id: Option<RequestId>,
    /// The record as it stands in the source, without the last newline; cut at 64 KiB, or at
    /// 16 MiB where it is written out.
    pub raw: Arc<[u8]>,
    /// Bytes of it that `raw`, and so message and fields, do not have.
    pub cut: u64,
}

impl Record for LogRow {
    fn time(&self) -> Option<Ts> {
        self.time
    }
    fn severity(&self) -> Option<Severity> {
        self.severity
    }
    fn source(&self) -> &str {
        &self.source
    }
    fn text(&self) -> &[u8] {
        &self.raw
    }
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        if name == "format" {
            return Some(Cow::Borrowed(self.format));
        }
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| match v {
            Value::String(s) => Cow::Borrowed(s.as_str()),
            other => Cow::Owned(other.to_string()),
        })
    }
    fn has_within(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }
}
