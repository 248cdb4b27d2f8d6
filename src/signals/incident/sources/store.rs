//! The incident log on disk: the truth of which recordings hold a copy. SQLite through sqlx, WAL, `synchronous=FULL`.
//!
//! What a method here has returned is on the disk. Every write is one `BEGIN IMMEDIATE` transaction, so several
//! processes may write at once; SQLite orders them and the order of row IDs is the order of commits. Nothing is created
//! before the first write. A file that was deleted or replaced while open is noticed before the next write.

mod clean;
mod connection;
mod error;
mod read;
mod rows;
mod who;

use std::path::{Path, PathBuf};
use std::time::Instant;

use sqlx::Connection;
use tokio::sync::Mutex;

pub(super) use clean::clean_evidence;
use clean::{clean_note, cleaned_run, cleaned_screen};
pub(crate) use connection::identity;
use connection::{BUSY, Open};
pub use error::StoreError;
pub use rows::Rows;
pub use who::{Who, login_name};

use super::draft::NoteDraft;
use crate::signals::incident::event::{
    Evidence, HypothesisState, Incident, IncidentEvent, IncidentSeverity, Ledger, Milestone, MilestoneKind, Note,
    NoteKind, Opened, RecordId, RoleKind, Status, Updated,
};
use crate::timeline::Ts;
use crate::timeline::redact::redact;

/// Longest text of a note, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;
/// Longest text of one piece of evidence, in bytes; what is longer is cut and says so.
pub const MAX_EVIDENCE: usize = 16 * 1024;

/// The incident log. Cheap to make, opened when first needed; share it in an `Arc`.
#[derive(Debug)]
pub struct IncidentStore {
    path: PathBuf,
    who: Who,
    writer: Mutex<Option<Open>>,
    reader: Mutex<Option<Open>>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

/// A note that is on the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// As it was written: redacted, timed, signed.
    pub note: Note,
    /// Its place in the log.
    pub row: i64,
    /// Something secret was taken out of the text or the evidence.
    pub redacted: bool,
    /// The title of the incident that this note opened by itself.
    pub opened: Option<String>,
    /// It was there before; nothing was written.
    pub repeated: bool,
}

/// What an edit changes; what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NoteEdit {
    /// New text.
    pub text: Option<String>,
    /// New kind.
    pub kind: Option<NoteKind>,
    /// New event time.
    pub event_at: Option<Ts>,
    /// How a hypothesis stands from now on.
    pub state: Option<HypothesisState>,
    /// Evidence to add.
    pub evidence: Vec<Evidence>,
}

impl IncidentStore {
    /// The log at `path`. Touches nothing.
    pub fn open(path: impl Into<PathBuf>) -> IncidentStore {
        IncidentStore { path: path.into(), who: Who::here(), writer: Mutex::default(), reader: Mutex::default() }
    }

    /// The same, signing as `author`.
    pub fn by(mut self, author: impl Into<String>) -> IncidentStore {
        self.who.author = author.into();
        self
    }

    /// The same, signing as `author` where one is set.
    pub fn signed(self, author: Option<&str>) -> IncidentStore {
        match author {
            Some(author) => self.by(author),
            None => self,
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why this log is kept with a rollback journal instead of a write-ahead log; `None` where it is not.
    pub fn journal(&self) -> Option<String> {
        let path = self.path.display();
        connection::is_on_network(&self.path).then(|| {
            format!("{path} lies on a network file system: kept with a rollback journal, one writer at a time")
        })
    }

    /// Who signs.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Writes a note, and an incident for it when none is open. It is on the disk when this returns. The same draft
    /// again (by ID) writes nothing; with other words it becomes an edit.
    pub async fn add_note(&self, draft: NoteDraft) -> Result<Saved, StoreError> {
        let now = now();
        let cleaned = clean_note(&draft.text, &draft.evidence)?;
        let mut opened = None;
        let written = self
            .commit(Some(draft.id), |before| {
                let mut note = Note {
                    id: draft.id,
                    incident: draft.id,
                    kind: draft.kind,
                    state: (draft.kind == NoteKind::Hypothesis).then_some(draft.state.unwrap_or(HypothesisState::Open)),
                    text: cleaned.text.clone(),
                    event_at: draft.event_at.unwrap_or(now),
                    entered_at: now,
                    author: draft.author.clone().unwrap_or_else(|| self.who.author.clone()),
                    host: self.who.host.clone(),
                    evidence: cleaned.evidence.clone(),
                    screen: cleaned_screen(draft.screen.as_ref()),
                    ran: cleaned_run(draft.ran.as_ref()),
                    recording: draft.recording.clone(),
                    supersedes: None,
                    deleted: false,
                };
                let ledger = Ledger::fold(before.facts.iter().chain(&before.versions));
                if let Some(was) = ledger.note(draft.id) {
                    let same = was.note.text == note.text && was.note.kind == note.kind && !was.note.deleted;
                    note.incident = was.note.incident;
                    (note.id, note.supersedes) = (RecordId::fresh(), Some(draft.id));
                    return Ok(if same { vec![] } else { vec![IncidentEvent::Note(note)] });
                }
                match draft.incident {
                    Some(id) if !ledger.incidents.contains_key(&id) => return Err(unknown("incident", id)),
                    Some(id) => note.incident = id,
                    None => match ledger.current() {
                        Some(open) => note.incident = open.id,
                        None => {
                            let first = self.opening(untitled(now), None, now);
                            note.incident = first.incident;
                            opened = Some(first.title.clone());
                            return Ok(vec![IncidentEvent::Opened(first), IncidentEvent::Note(note)]);
                        }
                    },
                }
                Ok(vec![IncidentEvent::Note(note)])
            })
            .await?;
        let (row, note, repeated) = match written.last() {
            Some((row, IncidentEvent::Note(note))) => (*row, note.clone(), false),
            _ => {
                let (row, note) = self.newest_version(draft.id).await?;
                (row, note, true)
            }
        };
        Ok(Saved { note, row, redacted: cleaned.redacted, opened, repeated })
    }

    /// Writes a new version of a note. `note` is the ID of any of its versions.
    pub async fn edit(&self, note: RecordId, edit: NoteEdit) -> Result<Saved, StoreError> {
        let cleaned = match &edit.text {
            Some(text) => Some(clean_note(text, &[])?),
            None => None,
        };
        let added = clean_evidence(&edit.evidence);
        let redacted = added.1 || cleaned.as_ref().is_some_and(|c| c.redacted);
        self.supersede(note, redacted, |n| {
            if let Some(c) = &cleaned {
                n.text.clone_from(&c.text);
            }
            n.kind = edit.kind.unwrap_or(n.kind);
            n.event_at = edit.event_at.unwrap_or(n.event_at);
            n.evidence.extend(added.0.iter().cloned());
            match (n.kind, edit.state) {
                (NoteKind::Hypothesis, state) => n.state = Some(state.or(n.state).unwrap_or(HypothesisState::Open)),
                (_, Some(_)) => {
                    return Err(StoreError::Refused(format!(
                        "only a hypothesis can be confirmed or refuted; this is {}",
                        n.kind
                    )));
                }
                (_, None) => n.state = None,
            }
            Ok(())
        })
        .await
    }

    /// Confirms, refutes or reopens a hypothesis.
    pub async fn set_hypothesis(&self, note: RecordId, state: HypothesisState) -> Result<Saved, StoreError> {
        self.edit(note, NoteEdit { state: Some(state), ..NoteEdit::default() }).await
    }

    /// Writes that a note is deleted; its earlier versions stay in the log.
    pub async fn delete(&self, note: RecordId) -> Result<Saved, StoreError> {
        self.supersede(note, false, |n| {
            n.deleted = true;
            Ok(())
        })
        .await
    }

    async fn supersede(
        &self,
        id: RecordId,
        redacted: bool,
        change: impl Fn(&mut Note) -> Result<(), StoreError>,
    ) -> Result<Saved, StoreError> {
        let written = self
            .commit(Some(id), |before| {
                let Some(IncidentEvent::Note(was)) = before.versions.last() else { return Err(unknown("note", id)) };
                let mut note = was.clone();
                change(&mut note)?;
                (note.id, note.supersedes, note.entered_at) = (RecordId::fresh(), Some(was.root()), now());
                (note.author, note.host) = (self.who.author.clone(), self.who.host.clone());
                Ok(vec![IncidentEvent::Note(note)])
            })
            .await?;
        match written.into_iter().next() {
            Some((row, IncidentEvent::Note(note))) => Ok(Saved { note, row, redacted, opened: None, repeated: false }),
            _ => Err(unknown("note", id)),
        }
    }

    /// Opens an incident; an empty title becomes `incident 2026-11-21 14:02` (UTC).
    pub async fn open_incident(&self, title: &str, severity: Option<IncidentSeverity>) -> Result<Incident, StoreError> {
        let now = now();
        let title = redact(title.trim()).into_owned();
        let title = if title.is_empty() { untitled(now) } else { title };
        let opened = IncidentEvent::Opened(self.opening(title, severity, now));
        self.commit(None, |_| Ok(vec![opened.clone()])).await?;
        Ledger::fold([&opened]).incidents.into_values().next().ok_or_else(|| unknown("incident", opened.id()))
    }

    fn opening(&self, title: String, severity: Option<IncidentSeverity>, now: Ts) -> Opened {
        Opened {
            incident: RecordId::fresh(),
            title,
            severity,
            status: Status::Investigating,
            at: now,
            author: self.who.author.clone(),
            host: self.who.host.clone(),
            recording: None,
        }
    }

    /// Says who has a role from now on; an empty name gives it up.
    pub async fn set_role(&self, incident: RecordId, role: RoleKind, name: &str) -> Result<(), StoreError> {
        let role = Some((role, redact(name.trim()).into_owned()));
        let record = Updated { role, ..self.updated(incident, now()) };
        self.update(incident, |_| Ok(vec![IncidentEvent::Updated(record.clone())])).await
    }

    /// Says which services are hit.
    pub async fn set_services(&self, incident: RecordId, services: &[String]) -> Result<(), StoreError> {
        let services = services.iter().map(|s| redact(s.trim()).into_owned()).filter(|s| !s.is_empty()).collect();
        let record = Updated { services: Some(services), ..self.updated(incident, now()) };
        self.update(incident, |_| Ok(vec![IncidentEvent::Updated(record.clone())])).await
    }

    /// Makes an incident a part of another one: its notes count there from now on, and no new ones go to it. Refused
    /// where they are the same, or the other one is a part of this one already.
    pub async fn merge(&self, incident: RecordId, into: RecordId) -> Result<(), StoreError> {
        let record = Updated { merged_into: Some(into), ..self.updated(incident, now()) };
        self.commit(None, |before| {
            let ledger = Ledger::fold(&before.facts);
            for id in [incident, into] {
                ledger.incidents.get(&id).ok_or_else(|| unknown("incident", id))?;
            }
            if ledger.home(into) == ledger.home(incident) {
                return Err(StoreError::Refused("they are one incident already".into()));
            }
            let record = Updated { merged_into: Some(ledger.home(into)), ..record.clone() };
            Ok(vec![IncidentEvent::Updated(record)])
        })
        .await
        .map(drop)
    }

    /// Takes an incident up again: notes go there from now on.
    pub async fn resume(&self, incident: RecordId) -> Result<(), StoreError> {
        let now = now();
        self.update(incident, |i| {
            if i.merged_into.is_some() {
                return Err(StoreError::Refused("it is a part of another incident: take that one up".into()));
            }
            let status = if i.status == Status::Closed { Status::Investigating } else { i.status };
            Ok(vec![IncidentEvent::Updated(Updated { status: Some(status), ..self.updated(incident, now) })])
        })
        .await
    }

    /// Takes records in as they are: those of a recording, of another log. What is here already is left out. Gives how
    /// many were new.
    pub async fn import(&self, records: &[IncidentEvent]) -> Result<usize, StoreError> {
        let mut wanted: Vec<&IncidentEvent> = records.iter().collect();
        // The opening first: its incident must be known before anything of it is.
        wanted.sort_by_key(|e| !matches!(e, IncidentEvent::Opened(_)));
        let mut slot = self.writer.lock().await;
        let mut open = match slot.take() {
            Some(open) if open.is_current(&self.path) => open,
            _ => connection::for_writing(&self.path).await?,
        };
        let said = |e: sqlx::Error| StoreError::from_sqlx(&self.path, "written", BUSY, &e);
        let mut tx = open.conn.begin_with("BEGIN IMMEDIATE").await.map_err(said)?;
        let mut new = 0;
        for event in wanted {
            new += rows::append_new(&mut tx, event).await.map_err(said)?;
        }
        tx.commit().await.map_err(said)?;
        *slot = Some(open);
        Ok(new)
    }

    /// The incident that was opened while the recording `key` was replayed; opened now where there is none.
    pub async fn of_recording(&self, key: &str, title: &str) -> Result<RecordId, StoreError> {
        if let Some(known) = self.list().await?.into_iter().find(|i| i.recording.as_deref() == Some(key)) {
            return Ok(known.id);
        }
        let now = now();
        let title = redact(title.trim()).into_owned();
        let opened =
            Opened { recording: Some(key.to_owned()), status: Status::Closed, ..self.opening(title, None, now) };
        let id = opened.incident;
        self.commit(None, |_| Ok(vec![IncidentEvent::Opened(opened.clone())])).await?;
        Ok(id)
    }

    /// Moves an incident to `status`. Mitigated and resolved set their milestone to `at` (default now) too, unless it
    /// was set before.
    pub async fn set_status(&self, incident: RecordId, status: Status, at: Option<Ts>) -> Result<(), StoreError> {
        let now = now();
        self.update(incident, |i| {
            let milestone = match status {
                Status::Mitigated => Some(MilestoneKind::Mitigated),
                Status::Resolved => Some(MilestoneKind::Resolved),
                _ => None,
            };
            let mut out = vec![IncidentEvent::Updated(Updated { status: Some(status), ..self.updated(incident, now) })];
            if let Some(kind) = milestone.filter(|k| at.is_some() || i.reached(*k).is_none()) {
                out.push(IncidentEvent::Milestone(self.reached(i, kind, at.unwrap_or(now), now)?));
            }
            Ok(out)
        })
        .await
    }

    /// Sets the severity.
    pub async fn set_severity(&self, incident: RecordId, severity: IncidentSeverity) -> Result<(), StoreError> {
        let record = Updated { severity: Some(severity), ..self.updated(incident, now()) };
        self.update(incident, |_| Ok(vec![IncidentEvent::Updated(record.clone())])).await
    }

    /// Sets the title.
    pub async fn set_title(&self, incident: RecordId, title: &str) -> Result<(), StoreError> {
        let title = redact(title.trim()).into_owned();
        if title.is_empty() {
            return Err(StoreError::Refused("an incident needs a title".into()));
        }
        let record = Updated { title: Some(title), ..self.updated(incident, now()) };
        self.update(incident, |_| Ok(vec![IncidentEvent::Updated(record.clone())])).await
    }

    /// Sets a milestone. Refused where it would come before an earlier milestone or after a later one.
    pub async fn milestone(&self, incident: RecordId, kind: MilestoneKind, at: Ts) -> Result<(), StoreError> {
        self.update(incident, |i| Ok(vec![IncidentEvent::Milestone(self.reached(i, kind, at, now())?)])).await
    }

    /// Takes a milestone back.
    pub async fn clear_milestone(&self, incident: RecordId, kind: MilestoneKind) -> Result<(), StoreError> {
        self.update(incident, |i| match i.milestones.get(&kind) {
            None => Err(StoreError::Refused(format!("the milestone {kind} is not set"))),
            Some(m) => Ok(vec![IncidentEvent::Milestone(Milestone {
                id: RecordId::fresh(),
                deleted: true,
                entered_at: now(),
                by: self.who.author.clone(),
                host: self.who.host.clone(),
                ..m.clone()
            })]),
        })
        .await
    }

    fn updated(&self, incident: RecordId, now: Ts) -> Updated {
        Updated {
            id: RecordId::fresh(),
            incident,
            title: None,
            severity: None,
            status: None,
            role: None,
            services: None,
            merged_into: None,
            entered_at: now,
            author: self.who.author.clone(),
            host: self.who.host.clone(),
        }
    }

    fn reached(&self, i: &Incident, milestone: MilestoneKind, at: Ts, now: Ts) -> Result<Milestone, StoreError> {
        for (other, m) in &i.milestones {
            if (*other < milestone && m.at > at) || (*other > milestone && m.at < at) {
                let order = if *other < milestone { "before" } else { "after" };
                return Err(StoreError::Refused(format!(
                    "{milestone} at {at} would lie {order} {other} at {}: correct that one first, or give another time",
                    m.at
                )));
            }
        }
        Ok(Milestone {
            id: RecordId::fresh(),
            incident: i.id,
            milestone,
            at,
            entered_at: now,
            by: self.who.author.clone(),
            host: self.who.host.clone(),
            deleted: false,
        })
    }

    async fn update(
        &self,
        incident: RecordId,
        build: impl FnOnce(&Incident) -> Result<Vec<IncidentEvent>, StoreError>,
    ) -> Result<(), StoreError> {
        self.commit(None, |before| {
            let ledger = Ledger::fold(&before.facts);
            build(ledger.incidents.get(&incident).ok_or_else(|| unknown("incident", incident))?)
        })
        .await
        .map(drop)
    }

    /// The one way in: reads what the decision needs, lets `build` decide, appends what it returns, commits.
    async fn commit(
        &self,
        about: Option<RecordId>,
        build: impl FnOnce(&Before) -> Result<Vec<IncidentEvent>, StoreError>,
    ) -> Result<Vec<(i64, IncidentEvent)>, StoreError> {
        let mut slot = self.writer.lock().await;
        // Taken out for the time of the write: after an error, or when this future is dropped half-way, the connection
        // goes with it, SQLite rolls back, and the next write starts afresh.
        let mut open = match slot.take() {
            Some(open) if open.is_current(&self.path) => open,
            _ => connection::for_writing(&self.path).await?,
        };
        let began = Instant::now();
        let said = |e: sqlx::Error| StoreError::from_sqlx(&self.path, "written", began.elapsed().min(BUSY), &e);
        let mut tx = open.conn.begin_with("BEGIN IMMEDIATE").await.map_err(said)?;
        let before = Before {
            facts: rows::facts(&mut tx).await.map_err(said)?,
            versions: match about {
                Some(id) => rows::versions(&mut tx, id).await.map_err(said)?,
                None => Vec::new(),
            },
        };
        let written = match build(&before) {
            Ok(events) => {
                let mut written = Vec::with_capacity(events.len());
                for event in events {
                    let row = rows::append(&mut tx, &event).await.map_err(said)?;
                    written.push((row, event));
                }
                tx.commit().await.map_err(said)?;
                Ok(written)
            }
            Err(e) => {
                tx.rollback().await.map_err(said)?;
                Err(e)
            }
        };
        *slot = Some(open);
        written
    }
}

/// What a write decides on: all that is no note, and the versions of the one note it is about.
struct Before {
    facts: Vec<IncidentEvent>,
    versions: Vec<IncidentEvent>,
}

fn unknown(what: &'static str, id: RecordId) -> StoreError {
    StoreError::Unknown { what, id: id.to_string() }
}

fn untitled(now: Ts) -> String {
    let stamp = now.date_hms(&jiff::tz::TimeZone::UTC);
    format!("incident {}", &stamp[..stamp.len() - 3])
}

/// Wall clock, UTC, to the microsecond (what is typed by hand has no nanoseconds).
pub(super) fn now() -> Ts {
    let ts = Ts::from_jiff(jiff::Timestamp::now());
    Ts(ts.0 - ts.0.rem_euclid(1_000))
}

#[cfg(test)]
mod tests;
