//! How rows of the log pane look: which columns, scrolled how far, wrapped or not, times in which form. View settings,
//! never data.

use std::collections::BTreeSet;

use compact_str::CompactString;

use super::row::LogRow;
use crate::timeline::time::short;
use crate::timeline::{TimeRange, Ts};

/// Columns that can be hidden.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Column {
    Time,
    Severity,
    Source,
    Request,
    /// What a row says beside its message.
    Fields,
}

impl Column {
    /// All, with the words for the list of columns.
    pub const ALL: [(Column, &'static str); 5] = [
        (Column::Time, "time"),
        (Column::Severity, "severity"),
        (Column::Source, "source"),
        (Column::Request, "request ID"),
        (Column::Fields, "fields behind the message"),
    ];
}

/// The form of times.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// Time of day in the zone of the screen.
    #[default]
    Clock,
    /// How long before the playhead.
    Ago,
    /// How long after the row above.
    Gap,
    /// As it is written in the log, in the log's own zone.
    Written,
}

impl Times {
    /// The next form, and its name.
    pub fn next(self) -> (Times, &'static str) {
        match self {
            Times::Clock => (Times::Ago, "times as how long before the playhead"),
            Times::Ago => (Times::Gap, "times as how long after the row above"),
            Times::Gap => (Times::Written, "times as they are written in the log, in its own zone"),
            Times::Written => (Times::Clock, "times of day"),
        }
    }
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns that messages are scrolled to the left.
    pub scroll: usize,
    /// Messages take as many lines as they need.
    pub wrap: bool,
    /// Form of times.
    pub times: Times,
    /// Columns not shown.
    pub hidden: BTreeSet<Column>,
    /// Fields that have a column of their own, in order.
    pub fields: Vec<CompactString>,
    /// Whether the zoomed pane has a histogram.
    pub histogram: bool,
    /// The span it shows, where that is not the window of the strip.
    pub span: Option<TimeRange>,
    /// Where a range that is being chosen begins.
    pub brush: Option<Ts>,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            scroll: 0,
            wrap: false,
            times: Times::default(),
            hidden: BTreeSet::new(),
            fields: Vec::new(),
            histogram: true,
            span: None,
            brush: None,
        }
    }
}

/// Columns of their own that fields may have at most.
const FIELDS: usize = 6;

impl Look {
    /// Shows or hides a column.
    pub fn toggle(&mut self, column: Column) {
        if !self.hidden.remove(&column) {
            self.hidden.insert(column);
        }
    }

    /// Gives a field a column of its own, or takes it away; whether it has one now.
    pub fn toggle_field(&mut self, name: &str) -> bool {
        let had = self.fields.len();
        self.fields.retain(|f| f != name);
        if self.fields.len() < had {
            return false;
        }
        if self.fields.len() == FIELDS {
            self.fields.remove(0);
        }
        self.fields.push(name.into());
        true
    }

    /// Whether a column is shown.
    pub fn shows(&self, column: Column) -> bool {
        !self.hidden.contains(&column)
    }

    /// What deviates from the usual, for the title.
    pub fn words(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.wrap {
            out.push("wrapped".to_owned());
        }
        if self.scroll > 0 && !self.wrap {
            out.push(format!("from column {}", self.scroll + 1));
        }
        out
    }
}

/// `-12.3 s`, `+4 m`: how far `t` lies from `from`.
pub fn distance(t: Ts, from: Ts) -> String {
    let (sign, d) = if t <= from { ('-', from.since(t)) } else { ('+', t.since(from)) };
    if d.as_secs() < 100 { format!("{sign}{:.1} s", d.as_secs_f64()) } else { format!("{sign}{}", short(d)) }
}

/// How long after the row above, to the millisecond where it is short.
pub fn gap(t: Ts, above: Option<Ts>) -> String {
    let Some(above) = above else { return String::new() };
    let (sign, d) = if t < above { ('-', above.since(t)) } else { ('+', t.since(above)) };
    match d.as_secs() {
        0..10 => format!("{sign}{:.3}", d.as_secs_f64()),
        10..100 => format!("{sign}{:.1} s", d.as_secs_f64()),
        _ => format!("{sign}{}", short(d)),
    }
}

/// The time of day as it stands in the record, with its zone where one is written; `None` where there is none.
pub fn written(row: &LogRow) -> Option<&str> {
    static STAMP: std::sync::LazyLock<Option<regex::Regex>> = std::sync::LazyLock::new(|| {
        regex::Regex::new(r"(?:^|[^0-9:]|[0-9]{4}:)(\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)")
            .ok()
    });
    let head = &row.raw[..row.raw.len().min(400)];
    let head = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default(),
    };
    STAMP.as_ref()?.captures(head)?.get(1).map(|m| m.as_str().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_the_log_has_it_with_its_zone() {
        let mut row = crate::signals::logs::view::tests::row(1);
        for (raw, said) in [
            (r#"{"ts":"2026-03-14T15:03:21.802+02:00","msg":"x"}"#, Some("15:03:21.802+02:00")),
            ("10.0.0.1 - - [14/Mar/2026:14:03:21 +0100] \"GET /\"", Some("14:03:21 +0100")),
            ("2026-03-14 14:03:21,802 ERROR x", Some("14:03:21,802")),
            (r#"{"ts":1773497001,"msg":"x"}"#, None),
        ] {
            row.raw = raw.as_bytes().into();
            assert_eq!(written(&row), said, "{raw}");
        }
    }

    #[test]
    fn distances_are_signed_and_short() {
        let t = Ts::from_secs(1_000);
        assert_eq!(distance(Ts::from_millis(987_700), t), "-12.3 s");
        assert_eq!(distance(Ts::from_secs(100), t), "-15 m");
        assert_eq!(gap(Ts::from_millis(1_000_012), Some(t)), "+0.012");
        assert_eq!(gap(t, None), "");
    }
}
