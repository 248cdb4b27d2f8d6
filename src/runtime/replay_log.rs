//! The incident log while a recording is replayed: what is noted then goes into the log, under the incident that the
//! recording tells of, or under one that is keyed by the recording. The recording itself is never touched.
//!
//! Reading takes nothing in: only the first note, or change, brings the incident of the recording into the log.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::replay::Input;
use crate::signals::incident::event::{IncidentEvent, Ledger, RecordId};
use crate::signals::incident::sources::store::{IncidentStore, StoreError};
use crate::signals::{Envelope, Event};
use crate::timeline::Ts;
use crate::timeline::source::Declaration;

/// Records of one recording that are kept.
const RECORDS: usize = 20_000;

/// What is replayed, and what of it concerns the log.
#[derive(Debug)]
pub struct ReplayLog {
    /// The recording as it is named on the command line; none for raw log files.
    pub recording: Option<String>,
    /// The log files, where there is no recording.
    pub logs: Vec<String>,
    seen: Mutex<Seen>,
    /// Whether all of it has been seen.
    whole: watch::Sender<bool>,
    incident: tokio::sync::Mutex<Option<RecordId>>,
}

#[derive(Debug, Default)]
struct Seen {
    host: String,
    first: Option<Ts>,
    records: Vec<IncidentEvent>,
}

impl ReplayLog {
    /// For what is replayed.
    pub fn new(input: &Input) -> ReplayLog {
        let named = |p: &PathBuf| p.display().to_string();
        let (recording, logs) = match input {
            Input::Recording(path) => (Some(named(path)), Vec::new()),
            Input::Left(left) => (None, left.files().map(named).collect()),
        };
        let (whole, incident) = (watch::Sender::new(false), tokio::sync::Mutex::default());
        ReplayLog { recording, logs, seen: Mutex::default(), whole, incident }
    }

    /// Where notes beside a recording go: `outage.wr.notes.db`.
    pub fn sidecar(input: &Input) -> Option<PathBuf> {
        let path: &Path = match input {
            Input::Recording(path) => path,
            Input::Left(left) => left.files().next()?,
        };
        let mut name = path.as_os_str().to_owned();
        name.push(".notes.db");
        Some(name.into())
    }

    /// Takes in a piece of what is replayed.
    pub fn see(&self, batch: &[Envelope]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for e in batch {
            match &e.event {
                Event::Incident(record) if seen.records.len() < RECORDS => seen.records.push(record.clone()),
                Event::Stream(Declaration::Origin { host, .. }) if seen.host.is_empty() => seen.host.clone_from(host),
                Event::Stream(_) => {}
                _ if seen.first.is_none() => seen.first = Some(e.observed),
                _ => {}
            }
        }
    }

    /// Nothing more will be seen of it.
    pub fn whole(&self) {
        self.whole.send_replace(true);
    }

    /// Whether all of it has been seen.
    pub fn is_whole(&self) -> bool {
        *self.whole.borrow()
    }

    /// What the recording is known by, wherever its file is moved: its host and the time it begins with.
    pub fn key(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let host = if seen.host.is_empty() { "logs" } else { &seen.host };
        format!("{host} {}", seen.first.unwrap_or_default())
    }

    /// Every record of the incident log that the recording holds.
    pub fn all(&self) -> Vec<IncidentEvent> {
        self.records()
    }

    fn records(&self) -> Vec<IncidentEvent> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).records.clone()
    }

    /// The incident that notes go to. The first time it is brought into the log. Waits until the recording has been read:
    /// before that nobody knows which incident it tells of.
    pub async fn incident(&self, store: &IncidentStore) -> Result<RecordId, StoreError> {
        let mut slot = self.incident.lock().await;
        if let Some(id) = *slot {
            return Ok(id);
        }
        let _ = self.whole.subscribe().wait_for(|whole| *whole).await;
        let records = self.records();
        let id = match Ledger::fold(&records).latest().map(|i| i.id) {
            Some(id) => {
                store.import(&records).await?;
                id
            }
            None => {
                let key = self.key();
                store.of_recording(&key, &format!("replay of {key}")).await?
            }
        };
        *slot = Some(id);
        Ok(id)
    }

    /// What the log holds of the incidents of this recording, besides what the recording holds itself.
    pub async fn known(&self, store: &IncidentStore) -> Result<Vec<IncidentEvent>, StoreError> {
        let records = self.records();
        let ledger = Ledger::fold(&records);
        let mut ids: Vec<RecordId> = ledger.incidents.keys().copied().collect();
        let key = self.key();
        ids.extend(store.list().await?.iter().filter(|i| i.recording.as_deref() == Some(&key)).map(|i| i.id));
        let mut out = Vec::new();
        for id in ids {
            out.extend(store.records(id).await?);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::incident::event::{Opened, Status};
    use crate::timeline::{OriginId, SourceId};

    #[tokio::test]
    async fn a_note_waits_for_the_incident_that_stands_at_the_end_of_a_recording() {
        let home = tempfile::tempdir().expect("a folder");
        let store = IncidentStore::open(home.path().join("incident.db"));
        let log = ReplayLog::new(&Input::Recording("outage.wr".into()));
        let opened = Opened {
            incident: RecordId::fresh(),
            title: "checkout is down".into(),
            severity: None,
            status: Status::Closed,
            at: Ts::from_secs(1_000),
            author: "ann".into(),
            host: "web-1".into(),
            recording: None,
        };
        let id = opened.incident;
        let envelope = Envelope {
            seq: 1,
            origin: OriginId(0),
            source: SourceId(1),
            observed: Ts::from_secs(1_000),
            mono: 0,
            event: Event::Incident(IncidentEvent::Opened(opened)),
        };
        let read = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            log.see(&[envelope]);
            log.whole();
        };
        let (found, ()) = tokio::join!(log.incident(&store), read);
        assert_eq!(found.expect("the incident"), id);
        assert_eq!(store.list().await.expect("the log").len(), 1);
    }
}
