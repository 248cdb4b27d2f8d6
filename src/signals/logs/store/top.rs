//! Counts the values of a field, with error share and durations, within a bound.

use std::collections::BTreeMap;

use super::query::{TopValue, TopValues};
use crate::signals::logs::row::LogRow;
use crate::timeline::{Record, Severity, Ts};

/// Different values told apart.
const VALUES: usize = 10_000;
/// Values given back.
const GIVEN: usize = 100;
/// Durations kept per value; beyond that every other one is dropped and half as many are taken.
const DURATIONS: usize = 2_048;

/// Fields that hold a duration, and what one unit of theirs is in milliseconds.
const NAMES: &[(&str, f64)] = &[
    ("duration_ms", 1.0),
    ("elapsed_ms", 1.0),
    ("latency_ms", 1.0),
    ("took_ms", 1.0),
    ("response_time_ms", 1.0),
    ("responseTime", 1.0),
    ("duration", 1_000.0),
    ("elapsed", 1_000.0),
    ("latency", 1_000.0),
    ("took", 1_000.0),
    ("request_time", 1_000.0),
    ("upstream_response_time", 1_000.0),
    ("duration_s", 1_000.0),
    ("duration_us", 0.001),
    ("duration_ns", 0.000_001),
];

/// How long the request of a record took, in milliseconds, where it says so.
pub fn duration_ms(row: &LogRow) -> Option<f64> {
    NAMES.iter().find_map(|(name, unit)| {
        let text = row.field(name)?;
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..digits].parse().ok()?;
        Some(match text[digits..].trim() {
            "ms" => number,
            "s" => number * 1_000.0,
            "us" | "µs" => number / 1_000.0,
            "ns" => number / 1_000_000.0,
            "m" => number * 60_000.0,
            "" => number * unit,
            _ => return None,
        })
    })
}

/// Fields that hold a path, whose values are counted as routes.
const PATHS: &[&str] =
    &["path", "uri", "url", "route", "request_uri", "http.path", "http.target", "http.route", "url.path"];

/// Whether values of this field are counted as routes; the caller says so beside them.
pub fn is_path(field: &str) -> bool {
    PATHS.iter().any(|p| p.eq_ignore_ascii_case(field))
}

/// A path without its query and with numbers, UUIDs and long hexadecimal names as `:id`: `/orders/17?page=2` is
/// `/orders/:id`.
pub fn route(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // The name of a host is none of an object.
    let (head, rest) = match path.split_once("://") {
        Some((_, after)) => path.split_at(path.len() - after.len() + after.find('/').unwrap_or(after.len())),
        None => ("", path),
    };
    let parts: Vec<&str> = rest.split('/').map(|part| if is_id(part) { ":id" } else { part }).collect();
    format!("{head}{}", parts.join("/"))
}

fn is_id(part: &str) -> bool {
    let hex = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    match part.len() {
        0 => false,
        n if n == digits => true,
        // Of letters alone it is a word, such as `feedface`.
        n if n >= 8 && digits > 0 && hex(part) => true,
        36 => part.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && part.split('-').all(hex),
        _ => false,
    }
}

#[derive(Default)]
struct Tally {
    count: u64,
    errors: u64,
    before: u64,
    after: u64,
    durations: Vec<f64>,
    step: u64,
    met: u64,
}

/// Counts as it goes.
pub struct Counter {
    field: String,
    split: Option<Ts>,
    tallies: BTreeMap<String, Tally>,
    others: u64,
    without: u64,
    /// Records so far.
    pub records: u64,
}

impl Counter {
    /// Counts values of `field`, also before and after `split`.
    pub fn new(field: &str, split: Option<Ts>) -> Counter {
        Counter { field: field.to_owned(), split, tallies: BTreeMap::new(), others: 0, without: 0, records: 0 }
    }

    /// Takes in a record.
    pub fn add(&mut self, row: &LogRow) {
        self.records += 1;
        let value = match self.field.as_str() {
            "severity" | "level" => row.severity.map(|s| s.name().to_owned()),
            "source" => Some(row.source.to_string()),
            "request_id" => row.request_id.as_ref().map(ToString::to_string),
            name => row.field(name).map(std::borrow::Cow::into_owned),
        };
        let Some(value) = value else {
            self.without += 1;
            return;
        };
        let value = if is_path(&self.field) { route(&value) } else { value };
        if self.tallies.len() >= VALUES && !self.tallies.contains_key(&value) {
            self.others += 1;
            return;
        }
        let t = self.tallies.entry(value).or_default();
        t.count += 1;
        t.errors += u64::from(row.severity >= Some(Severity::Error));
        if let Some(split) = self.split {
            *(if row.placed < split { &mut t.before } else { &mut t.after }) += 1;
        }
        if let Some(ms) = duration_ms(row) {
            t.met += 1;
            if t.met.is_multiple_of(t.step.max(1)) {
                t.durations.push(ms);
            }
            if t.durations.len() >= DURATIONS {
                let mut i = 0;
                t.durations.retain(|_| {
                    i += 1;
                    i % 2 == 0
                });
                t.step = t.step.max(1) * 2;
            }
        }
    }

    /// The answer so far; `share` of the window was looked at.
    pub fn finish(&self, share: f64) -> TopValues {
        let mut values: Vec<TopValue> = self
            .tallies
            .iter()
            .map(|(value, t)| {
                let mut d = t.durations.clone();
                d.sort_by(f64::total_cmp);
                let at = |q: f64| d.get(((d.len() as f64 * q) as usize).min(d.len().saturating_sub(1))).copied();
                TopValue {
                    value: value.clone(),
                    count: t.count,
                    errors: t.errors,
                    before: t.before,
                    after: t.after,
                    p50_ms: at(0.5),
                    p95_ms: at(0.95),
                }
            })
            .collect();
        values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        let cut: u64 = values.iter().skip(GIVEN).map(|v| v.count).sum();
        values.truncate(GIVEN);
        TopValues {
            field: self.field.clone(),
            values,
            others: self.others + cut,
            without: self.without,
            records: self.records,
            share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_one_route_are_counted_together_whatever_they_ask_for() {
        for (path, of) in [
            ("/orders?user=34", "/orders"),
            ("/orders/17", "/orders/:id"),
            ("/orders/95601feb-05b5-4fb6-b758-0753ee773be4/items", "/orders/:id/items"),
            ("/objects/5f2b8c9e1d", "/objects/:id"),
            ("/v2/feedback/feedface", "/v2/feedback/feedface"),
            ("https://10.0.0.1:8080/a/1?b", "https://10.0.0.1:8080/a/:id"),
            ("https://example.org", "https://example.org"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(route(path), of);
        }
        assert!(is_path("http.path") && is_path("Path") && !is_path("message"));
    }
}
