//! Times to detect, acknowledge, mitigate and resolve. Each figure says how it was computed and from what; one that
//! cannot be known is absent, never zero.

use std::time::Duration;

use super::event::{Incident, MilestoneKind, NoteKind, NoteNow};
use crate::timeline::Ts;
use crate::timeline::time::short;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// `TTD`, `TTA`, `TTM`, `TTR`.
    pub name: &'static str,
    /// In words.
    pub meaning: &'static str,
    /// The value, where it can be known.
    pub value: Option<Duration>,
    /// How it is computed.
    pub formula: &'static str,
    /// Where the two times come from, or what is missing.
    pub source: String,
}

/// A time and where it comes from.
struct Known(Ts, String);

impl Known {
    fn set(i: &Incident, kind: MilestoneKind) -> Option<Known> {
        i.milestones.get(&kind).map(|m| Known(m.at, format!("{kind}: milestone set by hand")))
    }
}

/// The four figures of an incident; `notes` are its notes, oldest event first.
///
/// The start of the impact falls back to the opening (but not for detection: an incident is opened after somebody
/// noticed), detection to the first report of a user, acknowledgement to the first note after detection by somebody,
/// mitigation to resolution.
pub fn figures(i: &Incident, notes: &[NoteNow]) -> Vec<Figure> {
    use MilestoneKind::*;
    let started = Known::set(i, Started);
    let report = notes.iter().find(|n| n.note.kind == NoteKind::Report);
    let detected = Known::set(i, Detected)
        .or_else(|| report.map(|n| Known(n.note.event_at, "detected: first report note".into())));
    let acknowledged = Known::set(i, Acknowledged).or_else(|| {
        let after = detected.as_ref()?.0;
        let by_hand = |n: &&NoteNow| n.note.kind != NoteKind::Report && n.first.entered_at >= after;
        let first = notes.iter().filter(by_hand).map(|n| n.first.entered_at).min()?;
        Some(Known(first, "acknowledged: first note written after detection".into()))
    });
    let resolved = Known::set(i, Resolved);
    let mitigated = Known::set(i, Mitigated)
        .or_else(|| resolved.as_ref().map(|k| Known(k.0, "mitigated: not set, taken from resolved".into())));
    let begun = started
        .as_ref()
        .map(|k| Known(k.0, k.1.clone()))
        .unwrap_or_else(|| Known(i.opened_at, "started: not set, taken from the opening of the incident".into()));
    vec![
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
    ]
}

fn figure(
    name: &'static str,
    meaning: &'static str,
    formula: &'static str,
    to: (MilestoneKind, Option<&Known>),
    from: (MilestoneKind, Option<&Known>),
) -> Figure {
    let told =
        |(kind, known): (MilestoneKind, Option<&Known>)| known.map_or(format!("{kind}: not set"), |k| k.1.clone());
    let mut source = format!("{}; {}", told(to), told(from));
    let value = match (to.1, from.1) {
        (Some(to), Some(from)) if to.0 >= from.0 => Some(to.0.since(from.0)),
        (Some(to), Some(from)) => {
            source.push_str(&format!("; the first lies {} before the second", short(from.0.since(to.0))));
            None
        }
        _ => None,
    };
    Figure { name, meaning, value, formula, source }
}
