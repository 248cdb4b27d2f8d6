//! What panes may know of each other: built once a frame by `app::facts`, read by every pane.
//!
//! The type stands here and not in `app`, so that a pane needs nothing but the vocabulary.

use std::time::Duration;

use super::{Filter, RequestId, TimeRange, Ts};

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

/// Facts shared by all panes in one frame.
#[derive(Clone, Debug, Default)]
pub struct Facts {
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
    /// How far the playhead is behind the clock; `None` when live.
    pub behind: Option<Duration>,
}
