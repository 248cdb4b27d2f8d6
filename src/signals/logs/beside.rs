//! What a row says beside its message: what is wrong comes first.

use serde_json::Value;

use super::look::{Column, Look};
use super::row::LogRow;
use crate::timeline::Severity;
use crate::ui::text;

/// What every line of a service has, or what stands elsewhere in the row.
const KNOWN: &[&str] = &[
    "time",
    "timestamp",
    "ts",
    "@timestamp",
    "level",
    "severity",
    "msg",
    "message",
    "request_id",
    "target",
    "logger",
    "logger_name",
    "service",
    "version",
    "pid",
    "thread",
    "thread_name",
    "hostname",
    "host",
    "module",
    "caller",
    "protocol",
    "user_agent",
    "referrer",
    "client",
];
/// The fewest columns that a part of a field is worth.
const LEAST: usize = 8;

/// The fields of `row` that its `message` does not hold already, in at most `room` columns. From warnings on: the error,
/// status, what was asked for, how long it took; else status, how long it took, what was asked for; then the rest. The last one is cut where it does not fit. Fields that have a
/// column of their own are left out.
pub fn beside(row: &LogRow, message: &str, look: &Look, room: usize) -> String {
    let mut fields: Vec<(usize, String)> = row
        .fields
        .iter()
        .filter_map(|(name, value)| {
            let value = plain(value);
            let is_id = row.request_id.as_ref().is_some_and(|id| id.0 == value.as_str());
            let own_column = look.fields.contains(name);
            let known =
                is_id || own_column || KNOWN.contains(&name.as_str()) || value.is_empty() || message.contains(&value);
            (!known).then(|| asked(row, name, value))?
        })
        .collect();
    fields.sort_by_key(|(rank, _)| *rank);
    let mut out = String::new();
    for (_, field) in fields {
        let left = room.saturating_sub(text::width(&out) + usize::from(!out.is_empty()));
        let fits = text::width(&field) <= left;
        if !fits && left < LEAST {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        if fits {
            out.push_str(&field);
            continue;
        }
        let end = text::width(&out) + left;
        for c in field.chars() {
            if text::width(&out) + 2 > end {
                break;
            }
            out.push(c);
        }
        out.push('…');
        break;
    }
    out
}

/// Columns of fields where there is no end to the room.
const ENDLESS: usize = 2_000;

/// All that a row says in one text, for when it is wrapped or scrolled: request ID, message, fields, folded lines.
pub fn whole(row: &LogRow, look: &Look) -> String {
    let (message, plain) = message(row, false);
    let mut out = match &row.request_id {
        Some(id) if look.shows(Column::Request) => format!("{} {message}", id.short()),
        _ => message.clone(),
    };
    if !plain && look.shows(Column::Fields) {
        let fields = beside(row, &message, look, ENDLESS);
        if !fields.is_empty() {
            out.push_str("  ");
            out.push_str(&fields);
        }
    }
    if row.folded > 0 {
        out.push_str(&format!("  +{} lines", row.folded));
    }
    out
}

/// The message of a row in one line, and whether that is the line itself because there is none. What everybody knows of
/// a slow statement is left out, where `short`.
pub fn message(row: &LogRow, short: bool) -> (String, bool) {
    let message = row.message.lines().next().unwrap_or_default();
    if message.trim().is_empty() {
        return (first_line(row), true);
    }
    // What a slow statement is everybody knows; which one and how slow is the news.
    let named = short && row.fields.iter().any(|(n, _)| n == "db.statement");
    match message.strip_prefix("slow statement: ").filter(|_| named) {
        Some(_) => ("slow statement".to_owned(), false),
        None => (message.to_owned(), false),
    }
}

/// The first line of a record as it stands.
pub fn first_line(row: &LogRow) -> String {
    String::from_utf8_lossy(row.raw.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned()
}

/// A value on one line, of a bounded length.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.chars().take(1_000).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "),
        other => other.to_string().chars().take(1_000).collect(),
    }
}

/// Rank and text of a field; `None` where another field says it better.
fn asked(row: &LogRow, name: &str, value: String) -> Option<(usize, String)> {
    let has = |names: &[&str]| row.fields.iter().any(|(n, v)| names.contains(&n.as_str()) && !v.is_null());
    let lower = name.to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default();
    let labelled = |rank| Some((rank, format!("{name}={value}")));
    // Of what went wrong the cause must not fall off the right edge; of all else, how it went.
    let wrong = row.severity >= Some(Severity::Warn);
    let (cause, status, path, took, statement) = if wrong { (0, 1, 2, 3, 4) } else { (2, 0, 4, 1, 3) };
    match last {
        "status" | "status_code" => labelled(status),
        "elapsed_secs" if has(&["elapsed"]) => None,
        _ if ["duration", "elapsed", "latency", "took"].iter().any(|w| last.starts_with(w)) => labelled(took),
        "error" | "err" | "exception" | "cause" | "reason" | "exc_type" => labelled(cause),
        "statement" | "sql" | "query" if value.contains(' ') => Some((statement, value)),
        "summary" if has(&["db.statement", "statement"]) => None,
        "path" | "uri" | "url" => {
            let method = row.fields.iter().find(|(n, _)| n == "method").and_then(|(_, v)| v.as_str());
            Some((path, method.map_or_else(|| format!("{name}={value}"), |m| format!("{m} {value}"))))
        }
        "method" if has(&["path", "uri", "url"]) => None,
        "method" => labelled(9),
        _ => labelled(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_first_and_the_last_field_is_cut_and_not_dropped() {
        let mut row = crate::signals::logs::view::tests::row(1);
        let fields = serde_json::json!({
            "method": "GET", "path": "/orders?user=1", "status": 503, "duration_ms": 2003.7,
            "error": "pool timed out while waiting for an open connection",
        });
        row.fields = fields.as_object().into_iter().flatten().map(|(k, v)| (k.as_str().into(), v.clone())).collect();
        row.fields.sort_by(|a, b| b.0.cmp(&a.0));
        let said = |row: &LogRow, room| beside(row, "request finished", &Look::default(), room);
        row.severity = Some(Severity::Info);
        assert_eq!(
            said(&row, 200),
            "status=503 duration_ms=2003.7 error=pool timed out while waiting for an open connection GET /orders?user=1"
        );
        assert_eq!(said(&row, 50), "status=503 duration_ms=2003.7 error=pool timed ou…");
        assert_eq!(said(&row, 12), "status=503");
        row.severity = Some(Severity::Error);
        assert_eq!(
            said(&row, 200),
            "error=pool timed out while waiting for an open connection status=503 GET /orders?user=1 duration_ms=2003.7"
        );
        assert_eq!(said(&row, 30), "error=pool timed out while wa…");
        assert_eq!(beside(&row, "request finished", &Look::default(), 0), "");
    }
}
