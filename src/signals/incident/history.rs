//! All that is known of incidents, as of any playhead.
//!
//! A record is visible from when it was written (or when we saw it, if that was earlier, as for a note that is added
//! while a recording is replayed), so that notes of before the start show where they belong. It is folded in the order
//! in which it came; one that comes again under another number changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{HypothesisState, Incident, IncidentEvent, Ledger, NoteNow, RecordId};
use super::metrics::{Clues, Figure, figures};
use crate::timeline::facts::{Mark, MarkKind};
use crate::timeline::{Seq, SourceId, Ts};

/// Versions of notes kept; the oldest go first.
const NOTES: usize = 2_000;
/// Records of other kinds kept. Beyond that only the oldest changes go.
const FACTS: usize = 2_000;

#[derive(Clone, Debug)]
struct Seen {
    visible: Ts,
    event: IncidentEvent,
}

/// The history of the incident log.
#[derive(Clone, Debug, Default)]
pub struct IncidentHistory {
    notes: BTreeMap<Seq, Seen>,
    facts: BTreeMap<Seq, Seen>,
    known: BTreeSet<RecordId>,
    evicted: u64,
}

/// The incident that the header and the pane speak of, as of a playhead.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentNow {
    /// The incident.
    pub incident: Incident,
    /// How long since its start.
    pub elapsed: Duration,
    /// How many incidents are open besides it.
    pub others: usize,
    /// Hypotheses neither confirmed nor refuted: the texts, oldest first.
    pub open_hypotheses: Vec<String>,
    /// When the last note was written.
    pub last_note: Option<Ts>,
}

impl IncidentHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &IncidentEvent) {
        let _ = source; // several logs (a shared one and a local one) are one history: IDs never meet
        if !self.known.insert(event.id()) {
            return;
        }
        let visible = match event {
            // Written over a replay, days later: it belongs to the time it tells of.
            IncidentEvent::Note(n) if n.recording.is_some() => n.event_at,
            IncidentEvent::Opened(e) if e.recording.is_some() => Ts::MIN,
            _ => observed.min(event.entered_at()),
        };
        let seen = Seen { visible, event: event.clone() };
        let (kept, cap) = match event {
            IncidentEvent::Note(_) => (&mut self.notes, NOTES),
            _ => (&mut self.facts, FACTS),
        };
        kept.insert(seq, seen);
        while kept.len() > cap {
            let oldest = kept.iter().find(|(_, s)| !matches!(s.event, IncidentEvent::Opened(_))).map(|(seq, _)| *seq);
            let Some(gone) = oldest.or_else(|| kept.keys().next().copied()).and_then(|seq| kept.remove(&seq)) else {
                break;
            };
            self.known.remove(&gone.event.id());
            self.evicted += 1;
        }
    }

    /// Takes in a record that came on no stream: one of the log while a recording is replayed.
    pub fn add(&mut self, event: &IncidentEvent) {
        let last = |m: &BTreeMap<Seq, Seen>| m.keys().next_back().copied().unwrap_or(0);
        let seq = last(&self.notes).max(last(&self.facts)).saturating_add(1);
        self.apply(seq, SourceId::default(), event.entered_at(), event);
    }

    /// Everything folded, as of `now`.
    pub fn ledger(&self, now: Ts) -> Ledger<'_> {
        let visible = |s: &&Seen| s.visible <= now;
        let facts = self.facts.values().filter(visible).map(|s| &s.event);
        let notes = self.notes.values().filter(visible).map(|s| &s.event);
        Ledger::fold(facts.chain(notes))
    }

    /// Every record of an incident, and of those that are a part of it.
    pub fn records_of(&self, incident: RecordId) -> Vec<IncidentEvent> {
        let ledger = self.ledger(Ts::MAX);
        let all = self.facts.values().chain(self.notes.values()).map(|s| &s.event);
        all.filter(|e| ledger.home(e.incident()) == incident).cloned().collect()
    }

    /// The open incident as of `now`.
    pub fn current(&self, now: Ts) -> Option<IncidentNow> {
        let ledger = self.ledger(now);
        let incident = ledger.current()?.clone();
        let notes = ledger.notes_of(incident.id);
        let open = notes.iter().filter(|n| n.hypothesis() == Some(HypothesisState::Open));
        Some(IncidentNow {
            elapsed: now.since(incident.since()),
            others: ledger.open_count().saturating_sub(1),
            open_hypotheses: open.map(|n| n.note.text.clone()).collect(),
            last_note: notes.iter().map(|n| n.note.entered_at).max(),
            incident,
        })
    }

    /// Times to detect, acknowledge, mitigate and resolve of the incident the pane shows, as of `now`.
    pub fn figures(&self, now: Ts) -> Vec<Figure> {
        let ledger = self.ledger(now);
        let Some(incident) = ledger.current().or(ledger.latest()) else { return Vec::new() };
        figures(incident, &ledger.notes_of(incident.id), &Clues::default())
    }

    /// Notes and milestones of all incidents as marks on the axis, in order of time, as of `now`.
    pub fn marks(&self, now: Ts) -> Vec<Mark> {
        let ledger = self.ledger(now);
        let mut marks = Vec::new();
        for incident in ledger.incidents.values() {
            let notes = ledger.notes_of(incident.id);
            marks.extend(notes.iter().map(|n| note_mark(n)));
            marks.extend(incident.milestones.values().map(|m| Mark {
                at: m.at,
                kind: MarkKind::Milestone,
                label: m.milestone.word().to_owned(),
            }));
        }
        marks.sort_by(|a, b| (a.at, a.kind, &a.label).cmp(&(b.at, b.kind, &b.label)));
        marks
    }

    /// Whether anything is known at `now`.
    pub fn has_rows(&self, now: Ts) -> bool {
        self.notes.values().any(|n| n.visible <= now) || self.facts.values().any(|f| f.visible <= now)
    }

    /// Records that no longer fit.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

fn note_mark(n: &NoteNow) -> Mark {
    let label = n.note.text.lines().next().unwrap_or_default().to_owned();
    Mark { at: n.note.event_at, kind: MarkKind::Note, label }
}

#[cfg(test)]
pub(super) mod tests;
