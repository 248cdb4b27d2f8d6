//! What panes may know of each other: built once a frame by `app::facts`, read by every pane.
//!
//! The type stands here and not in `app`, so that a pane needs nothing but the vocabulary.

use std::time::Duration;

use super::time::short;
use super::{Filter, RequestId, SourceKind, TimeRange, Ts};

/// What a mark on the time axis stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum MarkKind {
    Deploy,
    Restart,
    Change,
    Alert,
    ProbeFailed,
    ProbeRecovered,
    Note,
    Milestone,
    User,
    Seam,
}

/// A thing worth a glyph on the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where it is placed.
    pub at: Ts,
    /// What it is.
    pub kind: MarkKind,
    /// A word for it: the version of a deploy, the name of a probe.
    pub label: String,
}

/// A note that is not on the disk yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When what it tells of happened.
    pub at: Ts,
    /// As it is typed, the prefix of its kind before it.
    pub text: String,
}

/// A source that does not work as it should, at the playhead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its pane.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// What is wrong, on what, what to try.
    pub why: String,
    /// Since when it has been so.
    pub since: Ts,
    /// When it is tried again, if it is.
    pub next_try: Option<Ts>,
    /// It says nothing at all; otherwise only less than it should.
    pub failed: bool,
}

impl Trouble {
    /// `orders@db-1: password authentication failed; check … (12 s, next try in 4 s)`.
    pub fn sentence(&self, now: Ts) -> String {
        if !self.failed {
            return format!("{}: {}", self.name, self.why);
        }
        let next = match self.next_try {
            Some(t) if t > now => format!(", next try in {}", short(t.since(now))),
            Some(_) => ", trying".to_owned(),
            None => String::new(),
        };
        format!("{}: {} ({}{next})", self.name, self.why, short(now.since(self.since)))
    }
}

/// Facts shared by all panes in one frame.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Notes that could not be written to the disk and are tried again, in the order in which they were written.
    pub pending: Vec<Pending>,
    /// The incident that a note goes into, in a live session; wherever the playhead stands.
    pub writes_into: Option<String>,
    /// Since when all that was pinned is back to what is usual while an incident is open, and in words what.
    pub over: Option<(Ts, String)>,
    /// Marks visible at the playhead, in order of time.
    pub marks: Vec<Mark>,
    /// The window the strip and the small charts show; its end is the playhead or the end of the recording.
    pub window: Option<TimeRange>,
    /// The active filter.
    pub filter: Filter,
    /// The request everything is filtered by, if any.
    pub request: Option<RequestId>,
    /// From the first to the last record of that request.
    pub request_span: Option<TimeRange>,
    /// Error lines per second over the last ten seconds.
    pub errors_per_sec: f64,
    /// The same over the window before the current trouble, as baseline.
    pub errors_baseline: f64,
    /// When the error rate left its baseline, if it did.
    pub errors_since: Option<Ts>,
    /// The last deploy: when, service, version.
    pub last_deploy: Option<(Ts, String, String)>,
    /// The incident's start, when one is open.
    pub incident_since: Option<Ts>,
    /// Name of the host.
    pub host: String,
    /// Sources that do not work as they should, by number.
    pub troubles: Vec<Trouble>,
    /// Sources that have not answered yet, by number.
    pub starting: Vec<(SourceKind, String)>,
    /// Ports of database servers of this box that could be connected to and are not.
    pub offered: Vec<u16>,
    /// How far the playhead is behind the clock; `None` when live.
    pub behind: Option<Duration>,
}

impl Facts {
    /// The first source of a pane that says nothing at all.
    pub fn failing(&self, kind: SourceKind) -> Option<&Trouble> {
        self.troubles.iter().find(|t| t.kind == kind && t.failed)
    }

    /// The first source of a pane that has not answered yet.
    pub fn awaited(&self, kind: SourceKind) -> Option<&str> {
        self.starting.iter().find(|(k, _)| *k == kind).map(|(_, name)| name.as_str())
    }
}
