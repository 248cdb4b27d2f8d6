//! The one connection: opened with safe settings, asked one statement at a time, given back with a goodbye.
//!
//! Every statement goes by the simple protocol: nothing is prepared, every value comes as text, and it works through a
//! pooler in transaction mode. Text is read as bytes, because statements of other databases come in their encoding.

use std::str::FromStr;
use std::time::Duration;

use compact_str::CompactString;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, ValueRef};

use super::options::options;
use super::peer::{self, Relay, Way};
use super::trouble::{Trouble, code};
use crate::signals::Roots;
use crate::signals::database::config::PostgresConfig;

/// No answer for so long means that there will be none; the server's own limit for a statement is 1 s.
const DEADLINE: Duration = Duration::from_secs(5);

/// Limits of our session, kept by the server even when we hang.
const SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "1000"),
    ("lock_timeout", "100"),
    ("idle_in_transaction_session_timeout", "5000"),
    ("default_transaction_read_only", "on"),
];

/// What is asked of a server once per connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// As the server writes it.
    pub version: String,
    /// As a number: 15.3 is 150003.
    pub version_num: u32,
    /// Connections at most.
    pub max_connections: u32,
    /// Slots kept for superusers and reserved roles.
    pub reserved: u32,
    /// Who we are.
    pub role: CompactString,
    /// Whether we may see the statements of others.
    pub sees_all: bool,
    /// Whether we are a superuser there.
    pub superuser: bool,
    /// Whether it is a standby.
    pub standby: bool,
    /// The port it listens on.
    pub port: u16,
    /// The server's own roles that ours is a member of.
    pub roles: Vec<CompactString>,
}

impl Server {
    /// Whether our connection may take one of the slots that are kept back.
    pub fn may_reserve(&self) -> bool {
        self.superuser || self.roles.iter().any(|r| r == "pg_use_reserved_connections")
    }
}

/// How a statement is planned.
pub enum Planning {
    /// One with its values.
    Whole(String),
    /// One with `$n`, by the server itself (16 and newer).
    Generic(String),
    /// One with `$n`, prepared as `warroom_plan` (12 to 15).
    Prepared {
        /// What prepares it.
        prepare: String,
        /// What explains it then.
        explain: String,
    },
}

/// One connection.
pub struct Session {
    conn: PgConnection,
    /// A pooler stands in between and took none of our settings: they go with every statement.
    pooled: bool,
    /// Passes our bytes as another user of the operating system.
    relay: Option<Relay>,
}

impl Session {
    /// Connects. Never more than one attempt in flight, never longer than the deadline each.
    pub async fn open(config: &PostgresConfig, roots: &Roots) -> Result<Session, Trouble> {
        let (env, command) = (config.password_env.as_deref(), config.password_command.as_deref());
        let options = options(&config.url.0, env, command, |name| std::env::var(name).ok())
            .await?
            .application_name(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .statement_cache_capacity(0)
            .disable_statement_logging();
        if let Some(user) = &config.peer
            && let Way::Relay(account) =
                peer::way(user, roots.own_uid().unwrap_or(u32::MAX), roots).map_err(Trouble::Peer)?
        {
            let (conn, relay) = peer::connect(options.options(SETTINGS), &account, roots, DEADLINE).await?;
            return Ok(Session { conn, pooled: false, relay: Some(relay) });
        }
        let direct = connect(options.clone().options(SETTINGS)).await;
        match direct {
            Ok(conn) => {
                let mut session = Session { conn, pooled: false, relay: None };
                // A pooler that was told to ignore what it does not know takes the settings and keeps none.
                let set = session.rows("SELECT /* warroom */ current_setting('lock_timeout')".into()).await?;
                session.pooled = set.first().and_then(|r| text(r, 0)).as_deref() != Some("100ms");
                Ok(session)
            }
            Err(Trouble::Sql(e)) if is_pooler(&e) => {
                let conn = connect(options.extra_float_digits(None)).await?;
                Ok(Session { conn, pooled: true, relay: None })
            }
            Err(e) => Err(e),
        }
    }

    /// Runs one statement and reads its rows.
    pub async fn rows(&mut self, sql: String) -> Result<Vec<PgRow>, Trouble> {
        let sql = if self.pooled {
            let settings: String =
                SETTINGS[..3].iter().map(|(k, v)| format!("SET /* warroom */ LOCAL {k} = {v}; ")).collect();
            format!("BEGIN /* warroom */ READ ONLY; {settings}{sql}; COMMIT /* warroom */")
        } else {
            sql
        };
        let answer = tokio::time::timeout(DEADLINE, sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.conn)).await;
        match answer {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(e)) => {
                if self.pooled && e.as_database_error().is_some() {
                    let end = sqlx::raw_sql("ROLLBACK /* warroom */").execute(&mut self.conn);
                    let _ = tokio::time::timeout(DEADLINE, end).await;
                }
                Err(e.into())
            }
            Err(_) => Err(Trouble::Silent("answering a statement")),
        }
    }

    /// Whether a pooler stands in between.
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// Runs what plans a statement, in a transaction that only reads and is rolled back whatever happens, waiting at
    /// most 0.1 s for a lock and 2 s in all. Gives the rows of the last of `steps`.
    pub async fn planning(&mut self, steps: Planning) -> Result<Vec<PgRow>, Trouble> {
        const BEGIN: &str = "BEGIN /* warroom */ READ ONLY; SET /* warroom */ LOCAL lock_timeout = 100; \
             SET /* warroom */ LOCAL statement_timeout = 2000; SET /* warroom */ LOCAL standard_conforming_strings = on";
        let conn = &mut self.conn;
        let ask = async {
            sqlx::raw_sql(BEGIN).execute(&mut *conn).await?;
            planned(conn, steps).await
        };
        let answer = match tokio::time::timeout(DEADLINE, ask).await {
            Ok(answer) => answer.map_err(Trouble::from),
            Err(_) => return Err(Trouble::Silent("planning a statement")),
        };
        let end = sqlx::raw_sql("ROLLBACK /* warroom */").execute(&mut self.conn);
        match tokio::time::timeout(DEADLINE, end).await {
            Ok(ended) => ended.map(|_| ())?,
            Err(_) => return Err(Trouble::Silent("ending a transaction")),
        }
        answer
    }

    /// Plans as if something were there that `make` makes for this session only; `size` is asked while it is, `reset`
    /// takes it away, whatever happens. All of it in one transaction that only reads, under the same limits.
    pub async fn supposing(
        &mut self,
        make: String,
        steps: Planning,
        size: String,
        reset: String,
    ) -> Result<(Vec<PgRow>, Vec<PgRow>), Trouble> {
        const BEGIN: &str = "BEGIN /* warroom */ READ ONLY; SET /* warroom */ LOCAL lock_timeout = 100; \
             SET /* warroom */ LOCAL statement_timeout = 1000";
        let conn = &mut self.conn;
        let work = async {
            sqlx::raw_sql(BEGIN).execute(&mut *conn).await?;
            sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *conn).await?;
            let rows = planned(conn, steps).await?;
            let size = sqlx::raw_sql(AssertSqlSafe(size)).fetch_all(&mut *conn).await?;
            Ok::<_, sqlx::Error>((rows, size))
        };
        let answer = match tokio::time::timeout(DEADLINE, work).await {
            Ok(answer) => answer.map_err(Trouble::from),
            Err(_) => return Err(Trouble::Silent("planning with an index that is not there")),
        };
        // Inside of the transaction where it stands, so that a pooler's connection is the same one; else after it.
        let end = async {
            if answer.is_ok() {
                sqlx::raw_sql(AssertSqlSafe(reset)).execute(&mut self.conn).await?;
                sqlx::raw_sql("ROLLBACK /* warroom */").execute(&mut self.conn).await?;
            } else {
                sqlx::raw_sql("ROLLBACK /* warroom */").execute(&mut self.conn).await?;
                if !self.pooled
                    && let Err(e) = sqlx::raw_sql(AssertSqlSafe(reset)).execute(&mut self.conn).await
                    && e.as_database_error().is_none()
                {
                    return Err(e);
                }
            }
            Ok(())
        };
        match tokio::time::timeout(DEADLINE, end).await {
            Ok(ended) => ended?,
            Err(_) => return Err(Trouble::Silent("ending a transaction")),
        }
        answer
    }

    /// Takes text as it is from now on: a statement was not valid in the server's encoding.
    pub async fn take_raw_text(&mut self) -> Result<(), Trouble> {
        let set = sqlx::raw_sql("SET /* warroom */ client_encoding = 'SQL_ASCII'").execute(&mut self.conn);
        match tokio::time::timeout(DEADLINE, set).await {
            Ok(done) => Ok(done.map(|_| ())?),
            Err(_) => Err(Trouble::Silent("setting the encoding")),
        }
    }

    /// Asks who answers.
    pub async fn server(&mut self) -> Result<Server, Trouble> {
        const SQL: &str = "SELECT /* warroom */ current_setting('server_version'), current_setting('server_version_num'), \
             current_setting('max_connections'), current_setting('superuser_reserved_connections'), \
             coalesce(current_setting('reserved_connections', true), '0'), current_user::text, \
             EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_read_all_stats' \
                     AND pg_has_role(current_user, oid, 'usage'))::text, \
             pg_is_in_recovery()::text, current_setting('is_superuser'), current_setting('port'), \
             (SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname LIKE 'pg\\_%' \
               AND pg_has_role(current_user, oid, 'usage'))";
        let rows = self.rows(SQL.into()).await?;
        let Some(row) = rows.first() else { return Ok(Server::default()) };
        Ok(Server {
            version: text(row, 0).unwrap_or_default(),
            version_num: number(row, 1).unwrap_or(0),
            max_connections: number(row, 2).unwrap_or(0),
            reserved: number::<u32>(row, 3).unwrap_or(0) + number::<u32>(row, 4).unwrap_or(0),
            role: text(row, 5).unwrap_or_default().into(),
            sees_all: text(row, 6).as_deref() == Some("true"),
            standby: text(row, 7).as_deref() == Some("true"),
            superuser: text(row, 8).as_deref() == Some("on"),
            port: number(row, 9).unwrap_or(0),
            roles: text(row, 10).unwrap_or_default().split(',').map(CompactString::from).collect(),
        })
    }

    /// Says goodbye.
    pub async fn close(self) {
        let _ = self.conn.close().await;
        if let Some(relay) = self.relay {
            relay.ended().await;
        }
    }
}

/// Carries out the steps, inside of a transaction that stands.
async fn planned(conn: &mut PgConnection, steps: Planning) -> Result<Vec<PgRow>, sqlx::Error> {
    match steps {
        // By the protocol that takes a single statement only.
        Planning::Whole(sql) => sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *conn).await,
        Planning::Generic(sql) => sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await,
        Planning::Prepared { prepare, explain } => {
            sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *conn).await?;
            // What is prepared outlives the transaction, also on the connection of a pooler: it is taken back inside
            // of it, whatever happens.
            sqlx::raw_sql("SAVEPOINT /* warroom */ warroom").execute(&mut *conn).await?;
            let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *conn).await;
            let end = "ROLLBACK /* warroom */ TO SAVEPOINT warroom; DEALLOCATE /* warroom */ warroom_plan";
            sqlx::raw_sql(end).execute(&mut *conn).await?;
            rows
        }
    }
}

/// One attempt, within the deadline.
pub(in super::super) async fn connect(options: PgConnectOptions) -> Result<PgConnection, Trouble> {
    match tokio::time::timeout(DEADLINE, PgConnection::connect_with(&options)).await {
        Ok(conn) => Ok(conn?),
        Err(_) => Err(Trouble::Silent("connecting")),
    }
}

/// PgBouncer turns away startup parameters that it does not know (08P01).
fn is_pooler(e: &sqlx::Error) -> bool {
    code(e).as_deref() == Some("08P01") || e.to_string().contains("unsupported startup parameter")
}

/// A column as text; bytes that are not UTF-8 become U+FFFD.
pub fn text(row: &PgRow, column: usize) -> Option<String> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        return None;
    }
    value.as_bytes().ok().map(|b| String::from_utf8_lossy(b).into_owned())
}

/// A column as a number.
pub fn number<T: FromStr>(row: &PgRow, column: usize) -> Option<T> {
    let value = row.try_get_raw(column).ok()?;
    value.as_str().ok()?.parse().ok()
}
