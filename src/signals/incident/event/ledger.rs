//! The fold: which incidents there are, how they stand, and the current version of each note.
//!
//! Records are folded in the order of the log. A record whose incident was never opened here (its beginning was cut
//! off) gets an incident without a title rather than being lost.

use std::collections::BTreeMap;

use super::{HypothesisState, IncidentEvent, IncidentSeverity, Milestone, MilestoneKind, Note, NoteKind, Opened};
use super::{RecordId, RoleKind, Status, Updated};
use crate::timeline::Ts;

/// An incident as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its ID.
    pub id: RecordId,
    /// One line.
    pub title: String,
    /// Unknown until somebody says.
    pub severity: Option<IncidentSeverity>,
    /// Where it stands.
    pub status: Status,
    /// Since when it stands there.
    pub status_since: Ts,
    /// When it was opened.
    pub opened_at: Ts,
    /// When it was taken up last: opened, or opened again.
    pub taken_up: Ts,
    /// Who opened it.
    pub opened_by: String,
    /// On which host.
    pub host: String,
    /// What was reached.
    pub milestones: BTreeMap<MilestoneKind, Milestone>,
    /// Milestones that were set more than once: how often after the first time.
    pub edited: BTreeMap<MilestoneKind, u32>,
    /// Changes of title, severity, status, roles and services, in the order of the log.
    pub changes: Vec<Updated>,
    /// Who has which role.
    pub roles: BTreeMap<RoleKind, String>,
    /// Services that are hit.
    pub services: Vec<String>,
    /// The incident that this one turned out to be.
    pub merged_into: Option<RecordId>,
    /// The recording whose replay it was opened in.
    pub recording: Option<String>,
}

impl Incident {
    fn new(e: &Opened) -> Incident {
        Incident {
            id: e.incident,
            title: e.title.clone(),
            severity: e.severity,
            status: e.status,
            status_since: e.at,
            opened_at: e.at,
            taken_up: e.at,
            opened_by: e.author.clone(),
            host: e.host.clone(),
            milestones: BTreeMap::new(),
            edited: BTreeMap::new(),
            changes: Vec::new(),
            roles: BTreeMap::new(),
            services: Vec::new(),
            merged_into: None,
            recording: e.recording.clone(),
        }
    }

    /// One whose opening is not in these records.
    fn unopened(first: &IncidentEvent) -> Incident {
        let (author, host) = first.by();
        Incident::new(&Opened {
            incident: first.incident(),
            title: "(opened before these records)".into(),
            severity: None,
            status: Status::Investigating,
            at: first.entered_at(),
            author: author.into(),
            host: host.into(),
            recording: None,
        })
    }

    /// Whether notes still go here.
    pub fn is_open(&self) -> bool {
        self.status != Status::Closed && self.merged_into.is_none()
    }

    /// When a milestone was reached.
    pub fn reached(&self, kind: MilestoneKind) -> Option<Ts> {
        self.milestones.get(&kind).map(|m| m.at)
    }

    /// The start of the impact where it is set, else when the incident was opened.
    pub fn since(&self) -> Ts {
        self.reached(MilestoneKind::Started).unwrap_or(self.opened_at)
    }

    /// `SEV2`, or `SEV?` where nobody has said.
    pub fn severity_word(&self) -> &'static str {
        self.severity.map_or("SEV?", IncidentSeverity::word)
    }

    fn update(&mut self, e: &Updated) {
        if let Some(title) = &e.title {
            self.title.clone_from(title);
        }
        self.severity = e.severity.or(self.severity);
        // The status that it has already, said once more, takes it up again.
        if let Some(status) = e.status.filter(|s| *s != Status::Closed)
            && (self.status == Status::Closed || self.status == status)
        {
            self.taken_up = self.taken_up.max(e.entered_at);
        }
        if let Some(status) = e.status
            && status != self.status
        {
            (self.status, self.status_since) = (status, e.entered_at);
        }
        match &e.role {
            Some((role, name)) if name.is_empty() => drop(self.roles.remove(role)),
            Some((role, name)) => drop(self.roles.insert(*role, name.clone())),
            None => {}
        }
        if let Some(services) = &e.services {
            self.services.clone_from(services);
        }
        self.merged_into = e.merged_into.or(self.merged_into);
        self.changes.push(e.clone());
    }
}

/// The current version of a note, and where it came from.
#[derive(Copy, Clone, Debug)]
pub struct NoteNow<'a> {
    /// As it reads now.
    pub note: &'a Note,
    /// As it was first written.
    pub first: &'a Note,
    /// For a hypothesis: since when it stands as it does.
    pub state_since: Ts,
}

impl NoteNow<'_> {
    /// For a hypothesis, how it stands.
    pub fn hypothesis(&self) -> Option<HypothesisState> {
        (self.note.kind == NoteKind::Hypothesis).then(|| self.note.state.unwrap_or(HypothesisState::Open))
    }
}

/// Everything folded.
#[derive(Clone, Debug, Default)]
pub struct Ledger<'a> {
    /// By ID, which is the order of opening.
    pub incidents: BTreeMap<RecordId, Incident>,
    notes: BTreeMap<RecordId, NoteNow<'a>>,
}

impl<'a> Ledger<'a> {
    /// Folds records, whatever their order.
    pub fn fold(records: impl IntoIterator<Item = &'a IncidentEvent>) -> Ledger<'a> {
        let mut ledger = Ledger::default();
        // By the time of writing, and only then by the order in which they came: two logs that exchanged their records
        // hold them in another order and must tell the same.
        let mut records: Vec<&IncidentEvent> = records.into_iter().collect();
        // An incident is opened before anything is known of it, even of what was written down earlier.
        records.sort_by_key(|r| (!matches!(r, IncidentEvent::Opened(_)), r.entered_at()));
        records.into_iter().for_each(|r| ledger.take(r));
        ledger
    }

    fn take(&mut self, record: &'a IncidentEvent) {
        if let IncidentEvent::Opened(e) = record {
            self.incidents.entry(e.incident).or_insert_with(|| Incident::new(e));
            return;
        }
        let incident = self.incidents.entry(record.incident()).or_insert_with(|| Incident::unopened(record));
        match record {
            IncidentEvent::Opened(_) => {}
            IncidentEvent::Updated(e) => incident.update(e),
            IncidentEvent::Milestone(m) if m.deleted => {
                incident.milestones.remove(&m.milestone);
            }
            IncidentEvent::Milestone(m) => {
                if incident.milestones.insert(m.milestone, m.clone()).is_some() {
                    *incident.edited.entry(m.milestone).or_default() += 1;
                }
            }
            IncidentEvent::Note(note) => {
                let now = self.notes.entry(note.root()).or_insert(NoteNow {
                    note,
                    first: note,
                    state_since: note.entered_at,
                });
                if now.note.state != note.state {
                    now.state_since = note.entered_at;
                }
                now.note = note;
            }
        }
    }

    /// The incident that a note goes to: the one taken up last among those not closed.
    pub fn current(&self) -> Option<&Incident> {
        self.incidents.values().filter(|i| i.is_open()).max_by_key(|i| (i.taken_up, i.id))
    }

    /// The incident opened last, open or not.
    pub fn latest(&self) -> Option<&Incident> {
        self.incidents.values().filter(|i| i.merged_into.is_none()).max_by_key(|i| (i.opened_at, i.id))
    }

    /// How many are open.
    pub fn open_count(&self) -> usize {
        self.incidents.values().filter(|i| i.is_open()).count()
    }

    /// Notes of one incident that are not deleted, oldest event first.
    pub fn notes_of(&self, incident: RecordId) -> Vec<NoteNow<'a>> {
        let here = |n: &NoteNow| self.home(n.note.incident) == incident && !n.note.deleted;
        let mut notes: Vec<_> = self.notes.values().filter(|n| here(n)).copied().collect();
        notes.sort_by_key(|n| (n.note.event_at, n.first.entered_at, n.first.id));
        notes
    }

    /// The incident that the records of `incident` count for: itself, unless it was merged into another one.
    pub fn home(&self, incident: RecordId) -> RecordId {
        let mut at = incident;
        // Bounded: two merged into each other by two writers at once must not turn for ever.
        for _ in 0..self.incidents.len() {
            match self.incidents.get(&at).and_then(|i| i.merged_into) {
                Some(next) if next != incident => at = next,
                _ => break,
            }
        }
        at
    }

    /// The notes of all incidents as they read now, the deleted ones, too.
    pub fn notes(&self) -> impl Iterator<Item = &NoteNow<'a>> {
        self.notes.values()
    }

    /// A note by the identity it has through all versions, deleted or not.
    pub fn note(&self, root: RecordId) -> Option<&NoteNow<'a>> {
        self.notes.get(&root)
    }
}
