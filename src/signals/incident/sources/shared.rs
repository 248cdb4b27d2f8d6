//! A team's log: every machine writes to its own file first, and what is new goes both ways between that file and one
//! table of a PostgreSQL (`incident.url`), as often as it can be reached.
//!
//! So a note is never later on the disk than without a team, and nothing waits for a network. Records are appended and
//! never changed, and each has an ID of its own: whatever was exchanged twice is there once, and after a time without
//! the server both sides take what they lack. Writers of the table take turns, so that its order is the order of
//! commits and no record can slip in behind a reader.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio_util::sync::CancellationToken;

use super::store::{IncidentStore, StoreError};
use crate::signals::incident::event::IncidentEvent;
use crate::signals::{BoxFuture, Out, Source, SourceError};
use crate::timeline::SourceState;

/// How often both sides are compared.
const EVERY: Duration = Duration::from_secs(1);
/// No answer for so long means that the server is away.
const DEADLINE: Duration = Duration::from_secs(5);
/// Records in one exchange.
const PAGE: i64 = 500;
/// Any number that no other program takes: writers of the table wait for each other on it.
const LOCK: i64 = 0x7761_7272_6f6f_6d31;

/// The table, made by whoever comes first and may.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS warroom_record (
    seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid     text NOT NULL UNIQUE,
    incident text NOT NULL,
    body     text NOT NULL
)";

/// How far an exchange got.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Records that the team's log did not have.
    pub sent: u64,
    /// Records that the local log did not have.
    pub taken: u64,
}

/// The exchange between a local log and a team's.
pub struct Shared {
    url: String,
    password_env: Option<String>,
    local: IncidentStore,
    conn: Option<PgConnection>,
    /// Last local row that is known to be there, and last row of the table that is known to be here.
    upto: (i64, i64),
}

/// Why an exchange failed, in words without the password of the address.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The server is away, or says no.
    #[error(
        "the team's incident log at {place} is away ({why}); notes are kept in {local} and exchanged when it is back"
    )]
    Away {
        /// Host and database.
        place: String,
        /// What was said.
        why: String,
        /// The local log.
        local: String,
    },
    /// The local log.
    #[error(transparent)]
    Local(#[from] StoreError),
}

impl Shared {
    /// Between the log `local` and the table at `url`. Touches nothing.
    pub fn new(url: impl Into<String>, local: IncidentStore) -> Shared {
        Shared { url: url.into(), password_env: None, local, conn: None, upto: (0, 0) }
    }

    /// The password is in the environment variable `name`.
    pub fn password_env(self, name: Option<String>) -> Shared {
        Shared { password_env: name, ..self }
    }

    /// Where and as whom.
    fn options(&self) -> Result<PgConnectOptions, Trouble> {
        let options = PgConnectOptions::from_str(&self.url)?;
        let Some(name) = &self.password_env else { return Ok(options) };
        match std::env::var(name) {
            Ok(password) => Ok(options.password(&password)),
            Err(_) => Err(Trouble::Away(format!("incident.password_env: the environment has no {name}; export it"))),
        }
    }

    /// Host and database of the address, without user and password.
    pub fn place(&self) -> String {
        match PgConnectOptions::from_str(&self.url) {
            Ok(o) => format!("{}/{}", o.get_host(), o.get_database().unwrap_or_default()),
            Err(_) => "incident.url".into(),
        }
    }

    /// Exchanges what is new on both sides. After an error the next call begins with a new connection and loses nothing.
    pub async fn exchange(&mut self) -> Result<Exchanged, SharedError> {
        let done = match tokio::time::timeout(DEADLINE, self.both()).await {
            Ok(done) => done,
            Err(_) => Err(Trouble::Away(format!("no answer for {} s", DEADLINE.as_secs()))),
        };
        done.map_err(|trouble| {
            self.conn = None;
            match trouble {
                Trouble::Local(e) => SharedError::Local(e),
                Trouble::Away(why) => {
                    SharedError::Away { place: self.place(), why, local: self.local.path().display().to_string() }
                }
            }
        })
    }

    async fn both(&mut self) -> Result<Exchanged, Trouble> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let options = self
                    .options()?
                    .application_name(concat!("warroom/", env!("CARGO_PKG_VERSION"), " incident"))
                    .disable_statement_logging();
                let mut conn = options.connect().await?;
                let there: Option<String> =
                    sqlx::query_scalar("SELECT to_regclass('warroom_record')::text").fetch_one(&mut conn).await?;
                if there.is_none() {
                    sqlx::raw_sql(TABLE).execute(&mut conn).await?;
                }
                conn
            }
        };
        let mut done = Exchanged::default();
        // Taken first: what comes from there is then not sent back.
        loop {
            let sql = "SELECT seq, body FROM warroom_record WHERE seq > $1 ORDER BY seq LIMIT $2";
            let rows = sqlx::query(sql).bind(self.upto.1).bind(PAGE).fetch_all(&mut conn).await?;
            let Some(last) = rows.last() else { break };
            let upto: i64 = last.try_get(0)?;
            let records: Vec<IncidentEvent> =
                rows.iter().filter_map(|r| serde_json::from_str(r.try_get::<&str, _>(1).ok()?).ok()).collect();
            done.taken += self.local.import(&records).await? as u64;
            self.upto.1 = upto;
        }
        loop {
            let rows = self.local.rows_after(self.upto.0).await?;
            if rows.last == 0 {
                break;
            }
            let mut tx = conn.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
            for (_, record) in &rows.records {
                let body = serde_json::to_string(record).map_err(|e| Trouble::Away(e.to_string()))?;
                let sql =
                    "INSERT INTO warroom_record (uuid, incident, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
                let sent = sqlx::query(sql)
                    .bind(record.id().to_string())
                    .bind(record.incident().to_string())
                    .bind(body)
                    .execute(&mut *tx)
                    .await?;
                done.sent += sent.rows_affected();
            }
            tx.commit().await?;
            self.upto.0 = rows.last;
        }
        self.conn = Some(conn);
        Ok(done)
    }

    async fn keep(&mut self, out: &Out, cancel: &CancellationToken) -> Result<(), SourceError> {
        let mut said_ok = false;
        loop {
            let done = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                done = self.exchange() => done,
            };
            match done {
                Ok(_) if !said_ok => out.state(SourceState::Ok).await,
                Ok(_) => {}
                // The supervisor waits longer each time, and says when the next try is.
                Err(e) => return Err(SourceError::retry(e.to_string())),
            }
            said_ok = true;
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

impl Source for Shared {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move { self.keep(out, &cancel).await })
    }
}

enum Trouble {
    Away(String),
    Local(StoreError),
}

impl From<sqlx::Error> for Trouble {
    fn from(e: sqlx::Error) -> Trouble {
        Trouble::Away(match e.as_database_error() {
            Some(said) => said.message().to_owned(),
            None => e.to_string(),
        })
    }
}

impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Trouble {
        Trouble::Local(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_that_is_not_where_it_should_be_is_said_by_name_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let local = IncidentStore::open(dir.path().join("a.db"));
        let mut shared =
            Shared::new("postgres://ops@127.0.0.1:1/ops", local).password_env(Some("WARROOM_HAS_NO_SUCH".into()));
        let said = shared.exchange().await.unwrap_err().to_string();
        assert!(said.contains("the environment has no WARROOM_HAS_NO_SUCH; export it"), "{said}");
        assert!(said.contains("notes are kept in") && !said.contains("ops@"), "{said}");
    }
}
