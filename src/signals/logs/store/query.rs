//! What may be asked of the store, and how it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::older::Older;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::skew::Skew;
use crate::timeline::counts::Counts;
use crate::timeline::{Filter, Severity, SourceId, TimeRange, Ts};

/// Questions of one slot replace each other: the newest one counts.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Rows for the view.
    #[default]
    View,
    /// The next hit.
    Find,
    /// Top values and names of fields.
    Top,
    /// The records of one request: first, last, how many.
    Span,
    /// Columns of what passes the filter.
    Passed,
    /// How many hits a search has, and how many records are muted.
    Count,
    /// How many records pass the filter, and how many there are.
    Passing,
    /// Kinds of the newest errors.
    Kinds,
}

/// How many slots there are.
pub(super) const SLOTS: usize = Slot::Kinds as usize + 1;

/// Where rows are wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Anchor {
    /// At the end of what is visible.
    End,
    /// At a time.
    At(Ts),
    /// At a row: `before` are those before it; `after` begin with it.
    Row(RowKey, Ts),
    /// What came after an earlier answer, whose [`LogArrival::upto`] this is; at most `before` of the newest.
    Since(Upto),
}

/// Up to which offset each generation was read.
pub type Upto = BTreeMap<(SourceId, u32), u64>;

/// What a hit must be.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// At least this severe.
    AtLeast(Severity),
    /// Matches somewhere in the record. Flags stand in the pattern itself (`(?i)…`), never beside it: the pattern is read
    /// to see what raw bytes can be searched for.
    Regex(regex::bytes::Regex),
    /// Passes this filter, too.
    Filter(Filter),
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Rows round an anchor.
    Rows {
        /// Where.
        anchor: Anchor,
        /// Rows before it.
        before: usize,
        /// Rows at and after it.
        after: usize,
    },
    /// The first record after (or before) a place that matches.
    Find {
        /// What.
        pattern: Pattern,
        /// From which row, itself not counted; from the time alone when the key is `None`.
        from: (Ts, Option<RowKey>),
        /// Later or earlier.
        forward: bool,
    },
    /// First and last record, and how many: the span of a request.
    Span,
    /// How many records pass, the newest 1 GiB looked at.
    Count {
        /// What else they must be.
        pattern: Option<Pattern>,
        /// Those before this place are counted by themselves, too.
        at: (Ts, RowKey),
    },
    /// Clocks that seem to be off, by the requests of a window.
    Skews {
        /// Window of placed time.
        range: TimeRange,
    },
    /// Records by severity in columns of `step`, the newest first, as far as one question looks.
    Passed {
        /// Window of placed time; both ends are whole multiples of `step`.
        range: TimeRange,
        /// Length of a column.
        step: Duration,
    },
    /// Kinds of the newest errors of a window, a hundred at most, as far back as a few megabytes reach.
    Kinds {
        /// Window of placed time.
        range: TimeRange,
    },
    /// The values of a field.
    TopValues {
        /// Window of event time.
        range: TimeRange,
        /// Name of the field; `severity` and `source` are known, too.
        field: String,
        /// Counts are also given before and after this instant: the last deploy.
        split: Option<Ts>,
    },
    /// Names of fields that occur in a window, most frequent first.
    Fields {
        /// Window of event time.
        range: TimeRange,
    },
}

/// A question.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// Number that comes back with the answer.
    pub request: u64,
    /// Which questions it replaces.
    pub slot: Slot,
    /// What records must be.
    pub filter: Filter,
    /// Only these sources.
    pub sources: Option<Vec<SourceId>>,
    /// At least this severe.
    pub min_severity: Option<Severity>,
    /// The playhead: what was observed later is not there.
    pub visible_until: Ts,
    /// Rows after which a first answer is given.
    pub screen: usize,
    /// What is asked.
    pub ask: Ask,
}

/// An answer, or a part of one.
#[derive(Clone, Debug, Default)]
pub struct LogArrival {
    /// Number of the question.
    pub request: u64,
    /// Its slot.
    pub slot: Slot,
    /// Rows not told before, oldest first.
    pub rows: Vec<LogRow>,
    /// Nothing lies before the first row.
    pub at_start: bool,
    /// Rotated files beside the logs, where nothing lies before the first row.
    pub older: Option<Older>,
    /// Nothing lies after the last row.
    pub at_end: bool,
    /// Between what was known and the first row lie rows that were left out ([`Anchor::Since`] only).
    pub gap: bool,
    /// Bytes looked at so far, and bytes there are.
    pub scanned_bytes: u64,
    /// Bytes there are.
    pub total_bytes: u64,
    /// Up to which offset each generation was read; for [`Anchor::Since`].
    pub upto: Upto,
    /// Whether this is the last part.
    pub done: bool,
    /// The answer to [`Ask::Find`]: the row, or `None` when there is no hit.
    pub found: Option<LogRow>,
    /// The answer to [`Ask::Span`].
    pub span: Option<Span>,
    /// The answer to [`Ask::TopValues`].
    pub top: Option<TopValues>,
    /// The answer to [`Ask::Fields`].
    pub fields: Vec<(String, u64)>,
    /// The answer to [`Ask::Count`], or what was counted so far.
    pub count: Option<Count>,
    /// The answer to [`Ask::Passed`]: from where on it was looked, and the columns that are not empty.
    pub passed: Option<(Ts, BTreeMap<Ts, Counts>)>,
    /// The answer to [`Ask::Kinds`], in words; empty where there is no error.
    pub kinds: String,
    /// The answer to [`Ask::Skews`].
    pub skews: Vec<Skew>,
}

/// How many records passed.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// In all.
    pub records: u64,
    /// Before the place that was named.
    pub before: u64,
    /// Everything was looked at; otherwise there may be more.
    pub whole: bool,
}

/// Where the records of a filter lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First and last placed time.
    pub range: TimeRange,
    /// How many records.
    pub records: u64,
}

/// The values of one field in a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopValues {
    /// The field.
    pub field: String,
    /// Values, most frequent first; at most 100.
    pub values: Vec<TopValue>,
    /// Records that had other values, or too many different ones to be told apart.
    pub others: u64,
    /// Records without the field.
    pub without: u64,
    /// Records looked at.
    pub records: u64,
    /// Share of the window that was looked at, newest first: 1.0 is all of it.
    pub share: f64,
}

/// One value of a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopValue {
    /// The value.
    pub value: String,
    /// Records with it.
    pub count: u64,
    /// Of these at least errors.
    pub errors: u64,
    /// Records before and after the split.
    pub before: u64,
    /// Records after the split.
    pub after: u64,
    /// Median and 95th percentile of the duration in milliseconds, where records name one.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
}
