//! Times to detect, acknowledge, mitigate and resolve. Each figure says how it was computed and from what, and whether
//! somebody moved a time afterwards; one that cannot be known is absent, never zero.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Incident, MilestoneKind, NoteKind, NoteNow};
use crate::timeline::Ts;
use crate::timeline::time::spelled;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// `TTD`, `TTA`, `TTM`, `TTR`, `lag`.
    pub name: &'static str,
    /// In words.
    pub meaning: &'static str,
    /// The value, where it can be known.
    pub value: Option<Duration>,
    /// The value is less than this: the times are of the same second, and one of them is known to the second only.
    pub less: bool,
    /// How it is computed.
    pub formula: &'static str,
    /// Where the two times come from, or what is missing.
    pub source: String,
    /// Whether one of the two milestones was set again after it had been set.
    pub edited: bool,
}

/// A time that was read off the telemetry, and off what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clue {
    /// When.
    pub at: Ts,
    /// What says so: `errors in the logs rose above what is usual`.
    pub what: String,
    /// It was some time in the second that begins then.
    #[serde(default)]
    pub whole_second: bool,
}

impl Clue {
    /// At this very instant.
    pub fn new(at: Ts, what: impl Into<String>) -> Clue {
        Clue { at, what: what.into(), whole_second: false }
    }
}

impl Figure {
    /// The value in words: `12 s`, `less than 1 s`, `??`.
    pub fn words(&self) -> String {
        let value = self.value.map_or("??".to_owned(), spelled);
        if self.less { format!("less than {}", value.replace(".0", "")) } else { value }
    }
}

/// What the telemetry of the window says of the times that nobody set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clues {
    /// The impact began.
    pub onset: Option<Clue>,
    /// Something noticed by itself: a health check failed.
    pub detected: Option<Clue>,
    /// The change that is suspected.
    pub change: Option<Clue>,
}

/// A time and where it comes from.
#[derive(Clone)]
struct Known {
    at: Ts,
    source: String,
    edited: bool,
    whole_second: bool,
}

impl Known {
    fn new(at: Ts, source: impl Into<String>) -> Known {
        Known { at, source: source.into(), edited: false, whole_second: false }
    }

    fn set(i: &Incident, kind: MilestoneKind) -> Option<Known> {
        let m = i.milestones.get(&kind)?;
        let again = i.edited.get(&kind).copied().unwrap_or(0);
        let edits = match again {
            0 => String::new(),
            1 => ", edited once".to_owned(),
            n => format!(", edited {n} times"),
        };
        let source = format!("{kind}: milestone set by hand{edits}");
        Some(Known { edited: again > 0, ..Known::new(m.at, source) })
    }

    fn clue(kind: MilestoneKind, clue: Option<&Clue>) -> Option<Known> {
        clue.map(|c| Known {
            whole_second: c.whole_second,
            ..Known::new(c.at, format!("{kind}: not set, read off: {}", c.what))
        })
    }
}

/// The start of the impact, where it is known: set by hand, else read off the telemetry.
pub fn onset(i: &Incident, clues: &Clues) -> Option<Ts> {
    i.reached(MilestoneKind::Started).or(clues.onset.as_ref().map(|c| c.at))
}

/// The end of the impact: mitigated, else resolved, as set by hand.
pub fn end(i: &Incident) -> Option<Ts> {
    i.reached(MilestoneKind::Mitigated).or(i.reached(MilestoneKind::Resolved))
}

/// The figures of an incident; `notes` are its notes, oldest event first.
///
/// The start of the impact falls back to what the telemetry says and then to the opening (but not for detection, where
/// nobody has said when it began: an incident is opened after somebody noticed); detection to the first report of a user
/// or the first failed check, whichever came first, then to the opening; acknowledgement to the first note after
/// detection by somebody; mitigation to resolution.
pub fn figures(i: &Incident, notes: &[NoteNow], clues: &Clues) -> Vec<Figure> {
    use MilestoneKind::*;
    let started = Known::set(i, Started).or_else(|| Known::clue(Started, clues.onset.as_ref()));
    let report = notes.iter().find(|n| n.note.kind == NoteKind::Report);
    let report = report.map(|n| Known::new(n.note.event_at, "detected: first report note"));
    let alarm = Known::clue(Detected, clues.detected.as_ref());
    let noticed = match (report, alarm) {
        (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
        (a, b) => a.or(b),
    };
    let opening = || {
        let begun = started.as_ref()?.at;
        (begun <= i.opened_at)
            .then(|| Known::new(i.opened_at, "detected: not set, taken from the opening of the incident"))
    };
    let detected = Known::set(i, Detected).or(noticed).or_else(opening);
    let acknowledged = Known::set(i, Acknowledged).or_else(|| {
        let after = detected.as_ref()?.at;
        let by_hand = |n: &&NoteNow| n.note.kind != NoteKind::Report && n.first.recording.is_none();
        let written = || notes.iter().filter(by_hand).map(|n| n.first.entered_at);
        let first = written().filter(|at| *at >= after).min()?;
        // Somebody was at work already, of which nobody knows whether it was for this.
        let before = written().filter(|at| *at < after).min();
        let before = before.map(|at| format!("; notes were written from {} before it on", spelled(after.since(at))));
        let source = format!("acknowledged: first note written after detection{}", before.unwrap_or_default());
        Some(Known::new(first, source))
    });
    let resolved = Known::set(i, Resolved);
    let mitigated = Known::set(i, Mitigated)
        .or_else(|| resolved.clone().map(|k| Known { source: "mitigated: not set, taken from resolved".into(), ..k }));
    let begun = started
        .clone()
        .unwrap_or_else(|| Known::new(i.opened_at, "started: not set, taken from the opening of the incident"));
    let change = clues.change.as_ref().map(|c| Known::new(c.at, format!("change: {}", c.what)));
    let mut all = vec![
        figure(
            "TTD",
            "time to detect",
            "detected - started",
            (Detected, detected.as_ref()),
            (Started, started.as_ref()),
        ),
        figure(
            "TTA",
            "time to acknowledge",
            "acknowledged - detected",
            (Acknowledged, acknowledged.as_ref()),
            (Detected, detected.as_ref()),
        ),
        figure(
            "TTM",
            "time to mitigate",
            "mitigated - started",
            (Mitigated, mitigated.as_ref()),
            (Started, Some(&begun)),
        ),
        figure("TTR", "time to resolve", "resolved - started", (Resolved, resolved.as_ref()), (Started, Some(&begun))),
    ];
    if let Some(change) = &change {
        let told = figure(
            "lag",
            "from the suspected change to the impact",
            "started - change",
            (Started, started.as_ref()),
            (Started, Some(change)),
        );
        all.push(told);
    }
    all
}

fn figure(
    name: &'static str,
    meaning: &'static str,
    formula: &'static str,
    to: (MilestoneKind, Option<&Known>),
    from: (MilestoneKind, Option<&Known>),
) -> Figure {
    let told =
        |(kind, known): (MilestoneKind, Option<&Known>)| known.map_or(format!("{kind}: not set"), |k| k.source.clone());
    let mut source = format!("{}; {}", told(to), told(from));
    // Of the same second, one of them known to the second only: which came first cannot be told from the figures.
    let same = |a: &Known, b: &Known| (a.whole_second || b.whole_second) && a.at.secs() == b.at.secs();
    let less = matches!((to.1, from.1), (Some(to), Some(from)) if same(to, from));
    let value = match (to.1, from.1) {
        (Some(_), Some(_)) if less => Some(Duration::from_secs(1)),
        (Some(to), Some(from)) if to.at >= from.at => Some(to.at.since(from.at)),
        (Some(to), Some(from)) => {
            source.push_str(&format!("; the first lies {} before the second", spelled(from.at.since(to.at))));
            None
        }
        _ => None,
    };
    let edited = [to.1, from.1].into_iter().flatten().any(|k| k.edited);
    Figure { name, meaning, value, less, formula, source, edited }
}
