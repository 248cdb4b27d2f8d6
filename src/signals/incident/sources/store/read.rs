//! What the incident log says: read over a connection of its own, which never waits for a writer.

use super::connection::{self, BUSY, Open};
use super::{IncidentStore, Rows, StoreError, rows, unknown};
use crate::signals::incident::event::{Incident, IncidentEvent, Ledger, Note, RecordId};

impl IncidentStore {
    /// All incidents, the one opened last at the end.
    pub async fn list(&self) -> Result<Vec<Incident>, StoreError> {
        let Some(mut open) = self.reading().await? else { return Ok(Vec::new()) };
        let facts = rows::facts(&mut open.conn).await.map_err(|e| self.unread(e))?;
        self.done(open).await;
        Ok(Ledger::fold(&facts).incidents.into_values().collect())
    }

    /// The incident that a note goes to by itself.
    pub async fn current(&self) -> Result<Option<Incident>, StoreError> {
        Ok(self.list().await?.into_iter().filter(Incident::is_open).max_by_key(|i| (i.taken_up, i.id)))
    }

    /// Notes of an incident as they read now, oldest event first, without the deleted ones.
    pub async fn notes(&self, incident: RecordId) -> Result<Vec<Note>, StoreError> {
        let records = self.records(incident).await?;
        Ok(Ledger::fold(&records).notes_of(incident).into_iter().map(|n| n.note.clone()).collect())
    }

    /// Every record of an incident in the order of the log.
    pub async fn records(&self, incident: RecordId) -> Result<Vec<IncidentEvent>, StoreError> {
        let Some(mut open) = self.reading().await? else { return Ok(Vec::new()) };
        let records = rows::of_incident(&mut open.conn, incident).await.map_err(|e| self.unread(e))?;
        self.done(open).await;
        Ok(records)
    }

    /// Records above row `row` in the order of the log, at most `rows::PAGE`; empty where there is no log yet.
    pub async fn rows_after(&self, row: i64) -> Result<Rows, StoreError> {
        let Some(mut open) = self.reading().await? else { return Ok(Rows::default()) };
        let rows = rows::after(&mut open.conn, row).await.map_err(|e| self.unread(e))?;
        self.done(open).await;
        Ok(rows)
    }

    /// The highest row there is; 0 where there is none.
    pub async fn last_row(&self) -> Result<i64, StoreError> {
        let Some(mut open) = self.reading().await? else { return Ok(0) };
        let last = rows::last(&mut open.conn).await.map_err(|e| self.unread(e))?;
        self.done(open).await;
        Ok(last)
    }

    /// A number that changes when any other connection has written; `None` where there is no log. Compare it with an
    /// earlier one of the same store.
    pub async fn version(&self) -> Result<Option<i64>, StoreError> {
        let Some(mut open) = self.reading().await? else { return Ok(None) };
        let version = rows::data_version(&mut open.conn).await.map_err(|e| self.unread(e))?;
        self.done(open).await;
        Ok(Some(version))
    }

    pub(super) async fn newest_version(&self, id: RecordId) -> Result<(i64, Note), StoreError> {
        let Some(mut open) = self.reading().await? else { return Err(unknown("note", id)) };
        let found = rows::newest_version(&mut open.conn, id).await.map_err(|e| self.unread(e))?;
        self.done(open).await;
        match found {
            Some((row, IncidentEvent::Note(note))) => Ok((row, note)),
            _ => Err(unknown("note", id)),
        }
    }

    pub(super) async fn reading(&self) -> Result<Option<Open>, StoreError> {
        match self.reader.lock().await.take() {
            Some(open) if open.is_current(&self.path) => Ok(Some(open)),
            _ => connection::for_reading(&self.path).await,
        }
    }

    /// Keeps a connection that worked; one that failed is dropped.
    pub(super) async fn done(&self, open: Open) {
        *self.reader.lock().await = Some(open);
    }

    pub(super) fn unread(&self, e: sqlx::Error) -> StoreError {
        StoreError::from_sqlx(&self.path, "read", BUSY, &e)
    }
}
