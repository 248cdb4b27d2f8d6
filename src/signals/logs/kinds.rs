//! What kinds of errors there are: the type of exception a record names, else a short template of what it says.
//!
//! A template is the same for records that differ only in numbers and IDs. Kinds are shares of a sample of the newest
//! errors, and it is said how many those are.

use std::collections::BTreeMap;

use serde_json::Value;

use super::row::LogRow;
use crate::ui::text;

/// Columns of a template.
const WIDTH: usize = 30;

/// `pool timed out (98 %), KeyError (2 %) of the last 120`: the three most frequent of `kinds`, one for each of the newest
/// errors. Empty without errors.
pub fn shares(kinds: impl Iterator<Item = String>) -> String {
    let mut count: BTreeMap<String, u64> = BTreeMap::new();
    let mut all = 0;
    for kind in kinds {
        *count.entry(kind).or_default() += 1;
        all += 1;
    }
    let mut kinds: Vec<_> = count.into_iter().filter(|(k, _)| !k.is_empty()).collect();
    kinds.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    // 297 of 299 are not all of them.
    let share = |n: u64| if n == all { 100 } else { (n * 100 / all).max(1) };
    let said: Vec<_> = kinds.iter().take(3).map(|(k, n)| format!("{k} ({} %)", share(*n))).collect();
    if said.is_empty() { String::new() } else { format!("{} of the last {all}", said.join(", ")) }
}

/// The kind of one error.
pub fn kind(row: &LogRow) -> String {
    if let Some(kind) = exception(row) {
        return kind.to_owned();
    }
    let said = ["error", "err", "exception", "error.message", "exc_info", "cause", "reason"];
    let said = said.iter().find_map(|f| string(row, f)).filter(|t| t.contains(char::is_alphabetic));
    if let Some(said) = said {
        return template(said);
    }
    let path = ["path", "uri", "url", "target"].iter().find_map(|f| string(row, f)).filter(|p| p.starts_with('/'));
    if let (Some(status), Some(path)) = (status(row), path) {
        let path = path.split('?').next().unwrap_or_default();
        let method = ["method", "verb"].iter().find_map(|f| string(row, f)).unwrap_or_default();
        return template(format!("{status} on {method} {path}").replace("  ", " ").as_str());
    }
    let message = row.message.lines().next().unwrap_or_default();
    let template = template(message);
    match status(row) {
        Some(status) if !template.contains(&status.to_string()) => format!("{status} {template}"),
        _ => template,
    }
}

fn string<'a>(row: &'a LogRow, name: &str) -> Option<&'a str> {
    row.fields.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.as_str()).filter(|v| !v.trim().is_empty())
}

/// The HTTP status of a record.
pub fn status(row: &LogRow) -> Option<u64> {
    let value = row.fields.iter().find(|(n, _)| n == "status" || n == "status_code").map(|(_, v)| v)?;
    let status = match value {
        Value::String(s) => s.parse().ok()?,
        other => other.as_u64()?,
    };
    (100..600).contains(&status).then_some(status)
}

/// The type of exception a record names: in a field, or as a word that ends like one.
fn exception(row: &LogRow) -> Option<&str> {
    const FIELDS: &[&str] =
        &["exc_type", "error.type", "exception.type", "error_type", "exception_type", "error.name", "exception"];
    let named = FIELDS.iter().find_map(|f| string(row, f));
    let named = named.filter(|v| v.len() <= 60 && !v.contains(char::is_whitespace));
    let typed = |w: &&str| {
        ["Error", "Exception", "Timeout", "Panic"].iter().any(|e| w.ends_with(e) && w.len() > e.len())
            && w.len() <= 60
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
    };
    let words = |text| str::split(text, |c: char| c.is_whitespace() || matches!(c, ':' | '(' | ')' | '"' | '\'' | '='));
    let short = |w| str::rsplit(w, '.').next().unwrap_or(w);
    let said = ["error", "err"].iter().find_map(|f| string(row, f)).unwrap_or_default();
    let found = || words(row.message.as_str()).take(60).chain(words(said).take(20)).find(typed);
    named.or_else(found).map(short)
}

/// A text with what differs from record to record masked, up to the first clause, cut to a few words.
fn template(said: &str) -> String {
    let said: String = said.lines().next().unwrap_or_default().chars().take(300).collect();
    let mut out = String::new();
    for word in said.split_whitespace() {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        // A status at the front is what it is about.
        let masked = match word {
            w if digits == 0 => w.to_owned(),
            w if out.is_empty() && w.len() == 3 && digits == 3 => w.to_owned(),
            w if w.starts_with('/') => {
                let part = |p: &str| if p.bytes().any(|b| b.is_ascii_digit()) { "#".to_owned() } else { p.to_owned() };
                w.split('/').map(part).collect::<Vec<_>>().join("/")
            }
            w => w.split_once('=').map_or_else(|| "#".to_owned(), |(name, _)| format!("{name}=#")),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&masked);
        if text::width(&out) >= WIDTH || word.ends_with([';', ':']) && out.contains(' ') {
            break;
        }
    }
    let out = out.trim_end_matches([';', ':', ',', '.']);
    if text::width(out) <= WIDTH {
        return out.to_owned();
    }
    let mut cut = String::new();
    for c in out.chars() {
        if text::width(&cut) + 2 > WIDTH {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::signals::logs::row::RowKey;
    use crate::timeline::{Severity, Ts};

    fn error(message: &str, fields: serde_json::Value) -> LogRow {
        LogRow {
            key: RowKey::default(),
            placed: Ts(0),
            visible: Ts(0),
            time: None,
            inferred: false,
            severity: Some(Severity::Error),
            source: "app".into(),
            format: "json",
            line: None,
            folded: 0,
            message: message.into(),
            fields: fields.as_object().into_iter().flatten().map(|(k, v)| (k.as_str().into(), v.clone())).collect(),
            request_id: None,
            raw: Arc::from([]),
            cut: 0,
        }
    }

    #[test]
    fn a_rare_exception_is_not_all_errors_because_the_others_name_none() {
        let pool = serde_json::json!({"error": "pool timed out while waiting for an open connection after 30012 ms"});
        let mut rows = vec![error("request failed", pool); 297];
        rows.extend(vec![error("KeyError: 'user'", serde_json::json!({})); 2]);
        let said = shares(rows.iter().map(kind));
        assert_eq!(said, "pool timed out while waiting … (99 %), KeyError (1 %) of the last 299");
    }

    #[test]
    fn a_record_that_says_nothing_itself_counts_by_status_and_path() {
        let rows = [
            error("request finished", serde_json::json!({"status": 503, "method": "GET", "path": "/orders/17?user=1"})),
            error("request finished", serde_json::json!({"status": 503, "method": "GET", "path": "/orders/18"})),
        ];
        assert_eq!(shares(rows.iter().map(kind)), "503 on GET /orders/# (100 %) of the last 2");
    }
}
