//! The statements: rows to records and back.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Error, Row};

use crate::signals::incident::event::{IncidentEvent, Ledger, RecordId};

/// Most rows that one look takes.
pub const PAGE: i64 = 500;

/// Records of the log and how far they go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Row ID and record, in the order of the log.
    pub records: Vec<(i64, IncidentEvent)>,
    /// The last row looked at, readable or not; 0 where there was none.
    pub last: i64,
    /// Rows whose record could not be understood.
    pub unread: u64,
}

fn event(row: &SqliteRow) -> Option<IncidentEvent> {
    serde_json::from_str(row.try_get::<&str, _>("body").ok()?).ok()
}

fn events(rows: &[SqliteRow]) -> Vec<IncidentEvent> {
    rows.iter().filter_map(event).collect()
}

/// Everything that is no note.
pub(super) async fn facts(conn: &mut SqliteConnection) -> Result<Vec<IncidentEvent>, Error> {
    let sql = "SELECT body FROM record WHERE record <> 'note' ORDER BY id";
    Ok(events(&sqlx::query(sql).fetch_all(conn).await?))
}

/// All versions of the note that `id` is a version of.
pub(super) async fn versions(conn: &mut SqliteConnection, id: RecordId) -> Result<Vec<IncidentEvent>, Error> {
    let sql = "SELECT body FROM record WHERE root = (SELECT root FROM record WHERE uuid = ?1) ORDER BY id";
    Ok(events(&sqlx::query(sql).bind(id.to_string()).fetch_all(conn).await?))
}

/// The newest version of that note with its row.
pub(super) async fn newest_version(
    conn: &mut SqliteConnection,
    id: RecordId,
) -> Result<Option<(i64, IncidentEvent)>, Error> {
    let sql =
        "SELECT id, body FROM record WHERE root = (SELECT root FROM record WHERE uuid = ?1) ORDER BY id DESC LIMIT 1";
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(conn).await?;
    Ok(row.and_then(|row| Some((row.try_get("id").ok()?, event(&row)?))))
}

/// Everything of one incident, and of those merged into it.
pub(super) async fn of_incident(conn: &mut SqliteConnection, incident: RecordId) -> Result<Vec<IncidentEvent>, Error> {
    let facts = facts(&mut *conn).await?;
    let ledger = Ledger::fold(&facts);
    let parts = ledger.incidents.keys().filter(|id| **id == incident || ledger.home(**id) == incident);
    let mut found = Vec::new();
    for part in parts {
        let sql = "SELECT id, body FROM record WHERE incident = ?1 ORDER BY id";
        let rows = sqlx::query(sql).bind(part.to_string()).fetch_all(&mut *conn).await?;
        found.extend(rows.iter().filter_map(|row| Some((row.try_get::<i64, _>("id").ok()?, event(row)?))));
    }
    found.sort_by_key(|(row, _)| *row);
    Ok(found.into_iter().map(|(_, event)| event).collect())
}

/// What lies above row `row`.
pub(super) async fn after(conn: &mut SqliteConnection, row: i64) -> Result<Rows, Error> {
    let sql = "SELECT id, body FROM record WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut out = Rows::default();
    for row in sqlx::query(sql).bind(row).bind(PAGE).fetch_all(conn).await? {
        let id: i64 = row.try_get("id")?;
        out.last = id;
        match event(&row) {
            Some(event) => out.records.push((id, event)),
            None => out.unread += 1,
        }
    }
    Ok(out)
}

/// The highest row; 0 in an empty log.
pub(super) async fn last(conn: &mut SqliteConnection) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM record").fetch_one(conn).await
}

/// Changes when another connection commits.
pub(super) async fn data_version(conn: &mut SqliteConnection) -> Result<i64, Error> {
    sqlx::query_scalar("PRAGMA data_version").fetch_one(conn).await
}

/// Appends one record unless it is there; 1 when it was new.
pub(super) async fn append_new(conn: &mut SqliteConnection, e: &IncidentEvent) -> Result<usize, Error> {
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM record WHERE uuid = ?1")
        .bind(e.id().to_string())
        .fetch_one(&mut *conn)
        .await?;
    if there > 0 {
        return Ok(0);
    }
    append(conn, e).await.map(|_| 1)
}

/// Appends one record and gives its row.
pub(super) async fn append(conn: &mut SqliteConnection, e: &IncidentEvent) -> Result<i64, Error> {
    let body = serde_json::to_string(e).map_err(|e| Error::Encode(e.into()))?;
    let (author, host) = e.by();
    let sql = "INSERT INTO record (uuid, incident, record, root, event_at, entered_at, author, host, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let done = sqlx::query(sql)
        .bind(e.id().to_string())
        .bind(e.incident().to_string())
        .bind(e.word())
        .bind(e.root().to_string())
        .bind(e.at().0)
        .bind(e.entered_at().0)
        .bind(author)
        .bind(host)
        .bind(body)
        .execute(conn)
        .await?;
    Ok(done.last_insert_rowid())
}
