//! One shape of a statement in the slow list: its figures, and whether it is slow or slower than it was.

use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;

use crate::signals::database::event::LineRef;
use crate::signals::database::history::Statement;
use crate::timeline::{RequestId, SourceId, TimeRange, Ts};

/// What takes so long is slow, in milliseconds.
const SLOW_MS: f64 = 1_000.0;
/// What ended within this time says how long it takes now.
pub(super) const LATELY: Duration = Duration::from_secs(15);

/// What the figures of a row are of.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// The server's counters: all calls.
    Counters,
    /// Log lines: slow calls only.
    Lines,
    /// Nothing has ended yet.
    Running,
}

/// How a row belongs to the filtered request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belongs {
    /// It carries the ID.
    Yes,
    /// It ran in the time span of the request; nothing carries the ID.
    Maybe,
    /// It does not, or nothing is filtered.
    No,
}

/// One shape of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowRow {
    /// The server that runs it, where several are watched and it is known.
    pub source: Option<SourceId>,
    /// Its fingerprint; of a statement whose text is unknown, a number made from the server's.
    pub key: u64,
    /// Its text, where known.
    pub statement: Option<Arc<Statement>>,
    /// The server's number of it.
    pub queryid: Option<i64>,
    /// What the figures are of.
    pub basis: Basis,
    /// Calls that ended in the last minute.
    pub calls: u64,
    /// Milliseconds they took together.
    pub total_ms: f64,
    /// Calls in a second.
    pub rate: f64,
    /// The 95th percentile of the minute in milliseconds: exact from lines, an estimate from counters, and not below that
    /// of their last interval.
    pub p95_ms: Option<f64>,
    /// The longest, in milliseconds: of the minute from lines, since the counters began from counters.
    pub max_ms: f64,
    /// Share of all time in the list's own kind of figures, 0 to 1.
    pub share: Option<f64>,
    /// Rows returned or changed.
    pub rows: Option<u64>,
    /// The figures are since the server's counters began: the statement is new.
    pub new: bool,
    /// Sessions that run it now.
    pub running: u32,
    /// The longest of these, in milliseconds.
    pub oldest_ms: u64,
    /// What that one waits for.
    pub wait: Option<CompactString>,
    /// Its application.
    pub application: CompactString,
    /// What it took before, on average, in milliseconds.
    pub baseline_ms: Option<f64>,
    /// Seconds between two intervals in which it was called before.
    pub(super) usual_gap: Option<f64>,
    /// The newest request that ran it.
    pub request_id: Option<RequestId>,
    /// Whether it belongs to the filtered request.
    pub belongs: Belongs,
    /// The newest line that told of it has a plan, or one of the same shape had.
    pub planned: bool,
    /// The newest line that told of it.
    pub line: Option<LineRef>,
    /// When the newest fact of it is placed.
    pub at: Ts,
    /// Nothing was heard of it in the last minute, or for much longer than it used to be called: its figures are of before.
    pub past: bool,
    /// Calls that ended in the last seconds, and milliseconds they took together.
    pub(super) lately: (u64, f64),
    pub(super) rank: (bool, f64),
    pub(super) first: Ts,
    pub(super) durations: Vec<f64>,
    /// Of each interval of the counters: what nearly all of its calls stayed below, and how many they were.
    pub(super) intervals: Vec<(f64, u64)>,
}

impl SlowRow {
    /// Whether its figures may be of this server.
    pub(super) fn is_of(&self, source: SourceId) -> bool {
        self.source.is_none_or(|s| s == source)
    }

    pub(super) fn new(source: Option<SourceId>, key: u64) -> SlowRow {
        SlowRow {
            source,
            key,
            statement: None,
            queryid: None,
            basis: Basis::Running,
            calls: 0,
            total_ms: 0.0,
            rate: 0.0,
            p95_ms: None,
            max_ms: 0.0,
            share: None,
            rows: None,
            new: false,
            running: 0,
            oldest_ms: 0,
            wait: None,
            application: CompactString::default(),
            baseline_ms: None,
            usual_gap: None,
            request_id: None,
            belongs: Belongs::No,
            planned: false,
            line: None,
            at: Ts::MIN,
            past: false,
            lately: (0, 0.0),
            rank: (false, 0.0),
            first: Ts::MAX,
            durations: Vec::new(),
            intervals: Vec::new(),
        }
    }

    /// Mean of what ended, in milliseconds.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.total_ms / self.calls as f64)
    }

    /// The figure to show first: how long it takes, or has been taking when that is longer.
    pub fn typical_ms(&self) -> f64 {
        let ended = self.p95_ms.unwrap_or(0.0).max(self.mean_ms().unwrap_or(0.0));
        ended.max(self.oldest_ms as f64)
    }

    /// Whether that figure is the 95th percentile. A few calls that took nearly all the time leave it below the mean.
    pub fn is_p95(&self) -> bool {
        self.p95_ms.is_some_and(|p| p >= self.typical_ms())
    }

    /// The 95th percentile of calls in several intervals: below it stay the intervals in which 95 % of the calls were. So
    /// it is of the same minute as the share beside it. What it is by now counts at once when it is more.
    pub(super) fn p95_of_intervals(&mut self) {
        let Some(last) = self.p95_ms else { return };
        self.intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: u64 = self.intervals.iter().map(|(_, calls)| calls).sum();
        let mut below = 0;
        let of_minute = self.intervals.iter().find(|(_, calls)| {
            below += calls;
            below as f64 >= all as f64 * 0.95
        });
        self.p95_ms = Some(of_minute.map_or(last, |(ms, _)| ms.max(last)));
    }

    /// How long it takes now, as far as calls ended in the last seconds: what a minute is the worse for may be over.
    pub fn present_ms(&self) -> f64 {
        match self.lately {
            (0, _) => self.typical_ms(),
            (n, ms) => self.typical_ms().min((ms / n as f64).max(self.oldest_ms as f64)),
        }
    }

    /// Whether it is slow now, and not only was.
    pub fn is_slow(&self) -> bool {
        !self.past && self.present_ms() >= SLOW_MS
    }

    /// Its text in one line; without one, the server's number.
    pub fn title(&self) -> String {
        match (&self.statement, self.queryid) {
            (Some(s), _) if !s.text.trim().is_empty() => s.text.split_whitespace().collect::<Vec<_>>().join(" "),
            (_, Some(id)) => format!("statement {id} (text not read yet)"),
            _ => "(statement not visible)".into(),
        }
    }

    /// Whether it has become much slower than it was.
    pub fn worse(&self) -> bool {
        let ms = self.present_ms();
        self.baseline_ms.is_some_and(|b| ms >= 100.0 && ms >= 4.0 * b.max(1.0))
    }

    /// Whether it has not been called for much longer than it used to be: thrice the usual gap, and 15 s at least. One
    /// call of the last minute says nothing of a gap; what it was called before says so.
    pub(super) fn is_over(&self, now: Ts) -> bool {
        let lately = (self.calls > 1).then(|| 60.0 / self.calls as f64);
        let Some(gap) = lately.into_iter().chain(self.usual_gap).reduce(f64::min) else { return false };
        self.running == 0 && self.calls > 0 && now.signed_secs(self.at) > (3.0 * gap).max(LATELY.as_secs_f64())
    }

    pub(super) fn saw(&mut self, at: Ts, statement: Option<&Arc<Statement>>) {
        if at >= self.at || self.statement.is_none() {
            if let Some(s) = statement {
                self.statement = Some(s.clone());
            }
            self.at = self.at.max(at);
        }
    }

    pub(super) fn belong(&mut self, yes: bool, span: Option<TimeRange>, at: TimeRange) {
        if yes {
            self.belongs = Belongs::Yes;
        } else if self.belongs == Belongs::No && span.is_some_and(|s| s.start <= at.end && at.start <= s.end) {
            self.belongs = Belongs::Maybe;
        }
    }
}
