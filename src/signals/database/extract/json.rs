//! A JSON log record: statement, duration, rows, time and request under the names people give them.

use serde_json::{Map, Value};

use super::{Slow, text};
use crate::timeline::{RequestId, Ts};

/// Objects inside the record that are looked into as well.
const INSIDE: &[&str] = &["fields", "span", "extra", "attributes", "context", "data", "db"];
const MESSAGE: &[&str] = &["message", "msg", "MESSAGE", "log", "event"];
const STATEMENT: &[&str] = &["db.statement", "db.query.text", "statement", "sql", "query", "summary"];
const MILLISECONDS: &[&str] =
    &["duration_ms", "elapsed_ms", "took_ms", "query_time_ms", "latency_ms", "durationMs", "elapsedMs"];
const SECONDS: &[&str] = &["elapsed_secs", "duration_s", "duration_seconds", "duration_secs", "elapsed_seconds"];
/// With a unit in the value.
const WITH_UNIT: &[&str] = &["elapsed", "duration", "took", "latency"];
const ROWS: &[&str] = &["rows_returned", "rows", "row_count", "rows_affected", "rowCount"];
const TIME: &[&str] = &["timestamp", "ts", "time", "@timestamp", "t", "datetime"];
const REQUEST: &[&str] =
    &["request_id", "requestId", "req_id", "x_request_id", "trace_id", "traceId", "correlation_id", "correlationId"];

/// A record.
pub struct Object(Map<String, Value>);

impl Object {
    /// Reads a record; `None` when it is none.
    pub fn parse(line: &[u8]) -> Option<Object> {
        match serde_json::from_slice(line.trim_ascii()) {
            Ok(Value::Object(map)) => Some(Object(map)),
            _ => None,
        }
    }

    fn get(&self, names: &[&str]) -> Option<&Value> {
        let inner = || INSIDE.iter().filter_map(|i| self.0.get(*i)?.as_object());
        names.iter().find_map(|n| self.0.get(*n).or_else(|| inner().find_map(|m| m.get(*n))).filter(|v| !v.is_null()))
    }

    fn text(&self, names: &[&str]) -> Option<&str> {
        // Field by field, so that an empty `db.statement` (sqlx writes one for short texts) falls through to `summary`.
        names.iter().find_map(|n| self.get(&[n])?.as_str().filter(|s| !s.trim().is_empty()))
    }

    fn number(&self, names: &[&str]) -> Option<f64> {
        let v = self.get(names)?;
        v.as_f64().or_else(|| v.as_str()?.trim().parse().ok())
    }

    /// The message; empty when there is none.
    pub fn message(&self) -> &str {
        self.text(MESSAGE).unwrap_or_default()
    }

    /// A statement with its duration, when the record has both.
    pub fn slow(&self) -> Option<Slow> {
        let statement = self.text(STATEMENT).filter(|s| looks_like_sql(s))?;
        let duration_ms = self
            .number(MILLISECONDS)
            .or_else(|| Some(self.number(SECONDS)? * 1e3))
            .or_else(|| text::milliseconds(self.text(WITH_UNIT)?))
            .filter(|ms| ms.is_finite() && *ms >= 0.0)?;
        let rows = self.number(ROWS).filter(|n| *n >= 0.0).map(|n| n as u64);
        Some(Slow { duration_ms, statement: statement.to_owned(), rows, ..Slow::default() })
    }

    /// Event time: RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since the epoch.
    pub fn time(&self) -> Option<Ts> {
        let v = self.get(TIME)?;
        if let Some(s) = v.as_str() {
            return s.parse::<jiff::Timestamp>().ok().map(Ts::from_jiff);
        }
        let n = v.as_f64()?;
        let seconds = match n {
            n if n < 1e8 => return None,
            n if n < 1e11 => n,
            n if n < 1e14 => n / 1e3,
            n if n < 1e17 => n / 1e6,
            n => n / 1e9,
        };
        Some(Ts((seconds * 1e9) as i64))
    }

    /// The request the record belongs to.
    pub fn request_id(&self) -> Option<RequestId> {
        if let Some(id) = self.text(REQUEST) {
            return Some(RequestId(id.into()));
        }
        let spans = self.0.get("spans")?.as_array()?;
        spans.iter().rev().find_map(|s| REQUEST.iter().find_map(|n| s.get(*n)?.as_str())).map(|id| RequestId(id.into()))
    }
}

fn looks_like_sql(text: &str) -> bool {
    const FIRST: &[&str] = &[
        "select", "insert", "update", "delete", "with", "call", "merge", "values", "begin", "commit", "create",
        "alter", "vacuum", "analyze", "truncate", "copy", "refresh", "lock", "exec", "explain", "drop", "set", "do",
    ];
    let mut rest = text.trim_start();
    while let Some(r) = rest.strip_prefix("/*").and_then(|r| r.split_once("*/")).map(|(_, r)| r.trim_start()) {
        rest = r;
    }
    let (word, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
    let lone = ["begin", "commit"].iter().any(|w| word.eq_ignore_ascii_case(w));
    (lone || after.starts_with([' ', '\n', '\t', '\r', '(', '*'])) && FIRST.iter().any(|w| word.eq_ignore_ascii_case(w))
}
