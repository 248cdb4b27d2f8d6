//! Counts the values of a field, with error share and durations, within a bound.

use std::collections::BTreeMap;

use super::query::{TopValue, TopValues};
use crate::signals::logs::requests::{duration_ms, is_path, route};
use crate::signals::logs::row::LogRow;
use crate::timeline::{Record, Severity, Ts};

/// Different values told apart.
const VALUES: usize = 10_000;
/// Values given back.
const GIVEN: usize = 100;
/// Durations kept per value; beyond that every other one is dropped and half as many are taken.
const DURATIONS: usize = 2_048;

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
