//! Top values of a field: first the fields, then the values of the chosen one.

use std::time::Duration;

use crate::signals::logs::requests;
use crate::signals::logs::store::{self, LogArrival};
use crate::timeline::Ts;
use crate::timeline::time::short;
use crate::ui::{PaneCx, Role};

/// What came back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Names of fields and how many records have them.
    Fields(Vec<(String, u64)>),
    /// Values of the chosen field.
    Values(store::TopValues),
}

/// What is shown.
#[derive(Clone, Debug)]
pub struct TopValues {
    /// Question to the store that this waits for.
    pub request: u64,
    /// The field, once chosen.
    pub field: Option<String>,
    /// Instant that counts are split at: the last deploy.
    pub split: Option<Ts>,
    /// What came back.
    pub answer: Option<Answer>,
    /// Whether that is all; until then it is a part, and says so.
    pub done: bool,
    /// The line under the cursor.
    pub cursor: usize,
}

impl TopValues {
    /// Waiting for an answer.
    pub fn asking(request: u64, field: Option<String>, split: Option<Ts>) -> TopValues {
        TopValues { request, field, split, answer: None, done: false, cursor: 0 }
    }

    /// Takes an answer in, or a part of one.
    pub fn arrive(&mut self, arrival: LogArrival) {
        self.done = arrival.done;
        match (arrival.top, &self.field) {
            (Some(values), _) => self.answer = Some(Answer::Values(values)),
            (None, None) => self.answer = Some(Answer::Fields(arrival.fields)),
            (None, Some(_)) => {}
        }
    }

    /// How many lines can be chosen.
    pub fn len(&self) -> usize {
        match &self.answer {
            Some(Answer::Fields(f)) => f.len(),
            Some(Answer::Values(v)) => v.values.len(),
            None => 0,
        }
    }

    /// Whether nothing can be chosen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name or value under the cursor.
    pub fn chosen(&self) -> Option<&str> {
        match &self.answer {
            Some(Answer::Fields(f)) => f.get(self.cursor).map(|(name, _)| name.as_str()),
            Some(Answer::Values(v)) => v.values.get(self.cursor).map(|r| r.value.as_str()),
            None => None,
        }
    }

    /// Title and lines of its box.
    pub fn lines(&self, cx: &PaneCx) -> (String, Vec<Vec<(Role, String)>>) {
        let dim = |text: &str| vec![vec![(Role::Dim, text.to_owned())]];
        match (&self.answer, &self.field) {
            (None, None) => ("Top values: which field?".into(), dim("reading…")),
            (None, Some(field)) => (format!("Top values of {field}"), dim("counting…")),
            (Some(Answer::Fields(fields)), _) if fields.is_empty() => {
                ("Top values".into(), dim("no record in this window has fields"))
            }
            (Some(Answer::Fields(fields)), _) => {
                let lines = fields
                    .iter()
                    .map(|(name, n)| vec![(Role::Text, format!("{name:<32}")), (Role::Dim, format!("{n:>8} records"))])
                    .collect();
                ("Top values: which field?".into(), lines)
            }
            (Some(Answer::Values(v)), _) => {
                let split = self.split.map_or(String::new(), |t| format!(" · before | after {}", t.hms(cx.zone)));
                let read = v.share * 100.0;
                let part = match (self.done, v.share < 0.995) {
                    (false, _) => format!(" · counting, {read:.0} % so far"),
                    (true, true) => format!(" · an estimate: {read:.0} % of the window read"),
                    (true, false) => String::new(),
                };
                // Paths are counted by route: without their query, IDs as `:id`.
                let what = if requests::is_path(&v.field) { "routes, by" } else { "values of" };
                (format!("Top {what} {} · {} records{split}{part}", v.field, v.records), self.values(v))
            }
        }
    }

    fn values(&self, v: &store::TopValues) -> Vec<Vec<(Role, String)>> {
        let ms = |ms: f64| short(Duration::from_secs_f64((ms / 1e3).clamp(0.0, 1e9)));
        v.values
            .iter()
            .map(|r| {
                let share = if r.count > 0 { r.errors as f64 / r.count as f64 * 100.0 } else { 0.0 };
                let mut line = vec![
                    (Role::Text, format!("{:<36} ", r.value.chars().take(36).collect::<String>())),
                    (Role::Text, format!("{:>7}", r.count)),
                    (if share >= 1.0 { Role::Bad } else { Role::Dim }, format!("{share:>6.1} % err")),
                ];
                if let (Some(p50), Some(p95)) = (r.p50_ms, r.p95_ms) {
                    line.push((Role::Text, format!("  p50 {:>7} p95 {:>7}", ms(p50), ms(p95))));
                }
                if self.split.is_some() {
                    line.push((Role::Dim, format!("  {:>6} | {:<6}", r.before, r.after)));
                }
                line
            })
            .collect()
    }
}
