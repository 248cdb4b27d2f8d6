//! The one connection to a MySQL or MariaDB server: opened with safe settings, asked one statement at a time.
//!
//! Every statement goes as text: nothing is prepared, and every value comes back as text. The driver's own changes of
//! `sql_mode` and `time_zone` are switched off.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use compact_str::CompactString;
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, MySqlConnection, Row, ValueRef};

use super::secret;
use super::trouble::Trouble;
use crate::signals::database::config::MysqlConfig;

/// No answer for so long means that there will be none; the server's own limit for a statement is 1 s.
const DEADLINE: Duration = Duration::from_secs(5);
/// Statements of ours that are remembered; there are fewer.
const ASKED: usize = 40;

/// What is asked only while somebody waits, or on demand: another run of ours may have left it in the counters.
const RARELY: [&str; 4] = [
    "KILL QUERY ?",
    "KILL CONNECTION ?",
    "SELECT DISTINCT r.trx_mysql_thread_id, b.trx_mysql_thread_id FROM",
    "SELECT DISTINCT w.PROCESSLIST_ID, h.PROCESSLIST_ID FROM performance_schema.metadata_locks",
];

/// What is known of a server once per connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// As the server writes it.
    pub version: String,
    /// MariaDB rather than MySQL.
    pub mariadb: bool,
    /// 10.11.19 is `(10, 11, 19)`.
    pub number: (u32, u32, u32),
    /// Connections at most.
    pub max_connections: u32,
    /// Who we are, as the server has it: `'warroom'@'%'`.
    pub account: CompactString,
    /// Whether we may see the sessions of others.
    pub sees_all: bool,
    /// Whether performance_schema is on.
    pub performance_schema: bool,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// The port it listens on.
    pub port: u16,
    /// Whether MariaDB's plugin that shows holders of metadata locks is there.
    pub metadata_lock_info: bool,
}

/// One connection.
pub struct Session {
    conn: MySqlConnection,
    /// Beginnings of what was asked on it: the server counts these too, without the comment that says whose they are.
    asked: BTreeSet<String>,
}

impl Session {
    /// Connects. Never longer than the deadline.
    pub async fn open(config: &MysqlConfig) -> Result<Session, Trouble> {
        let mut options = MySqlConnectOptions::from_str(&config.url.0)?
            .statement_cache_capacity(0)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging();
        if !config.url.0.contains('@') {
            let user = secret::user(config, |name| std::env::var(name).ok());
            options = options.username(&user);
        }
        if !has_password(&config.url.0) {
            let found = secret::password(config, |name| std::env::var(name).ok()).await.map_err(Trouble::Secret)?;
            if let Some(password) = found {
                options = options.password(&password);
            }
        }
        let conn = match tokio::time::timeout(DEADLINE, MySqlConnection::connect_with(&options)).await {
            Ok(conn) => conn?,
            Err(_) => return Err(Trouble::Silent("connecting")),
        };
        Ok(Session { conn, asked: RARELY.map(squeezed).into() })
    }

    /// Runs one statement and reads its rows.
    pub async fn rows(&mut self, sql: impl Into<String>) -> Result<Vec<MySqlRow>, Trouble> {
        let sql = sql.into();
        if self.asked.len() < ASKED {
            self.asked.insert(squeezed(&sql));
        }
        let ask = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.conn);
        match tokio::time::timeout(DEADLINE, ask).await {
            Ok(rows) => Ok(rows?),
            Err(_) => Err(Trouble::Silent("answering a statement")),
        }
    }

    /// Asks who answers, and sets the limits of our session, kept by the server even when we hang.
    pub async fn server(&mut self) -> Result<Server, Trouble> {
        const SQL: &str = "SELECT /* warroom */ VERSION(), @@max_connections, CURRENT_USER(), @@performance_schema, \
             @@global.read_only, @@port, @@version_comment";
        let rows = self.rows(SQL).await?;
        let Some(row) = rows.first() else { return Ok(Server::default()) };
        let version = text(row, 0).unwrap_or_default();
        let comment = text(row, 6).unwrap_or_default();
        let account = text(row, 2).unwrap_or_default();
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        let mut server = Server {
            mariadb: version.contains("MariaDB") || comment.contains("MariaDB"),
            number: of_version(&version),
            max_connections: number(row, 1).unwrap_or(0),
            account: format!("'{user}'@'{host}'").into(),
            performance_schema: text(row, 3).as_deref() == Some("1"),
            read_only: text(row, 4).is_some_and(|v| v != "0" && !v.eq_ignore_ascii_case("off")),
            port: number(row, 5).unwrap_or(0),
            version,
            ..Server::default()
        };
        let limit = if server.mariadb { "max_statement_time = 1" } else { "max_execution_time = 1000" };
        self.rows(format!(
            "SET SESSION {limit}, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, wait_timeout = 120, \
             time_zone = 'SYSTEM', sql_mode = REPLACE(REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), 'ANSI_QUOTES', '')"
        ))
        .await?;
        self.rows("SET SESSION TRANSACTION READ ONLY").await?;
        server.sees_all = match self.rows("SELECT /* warroom */ COUNT(*) FROM information_schema.INNODB_TRX").await {
            Ok(_) => true,
            Err(e) if e.is_denied() => false,
            Err(e) => return Err(e),
        };
        if server.mariadb {
            let sql = "SELECT /* warroom */ 1 FROM information_schema.PLUGINS \
                 WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE'";
            server.metadata_lock_info = !self.rows(sql).await?.is_empty();
        }
        Ok(server)
    }

    /// Whether a statement, as the server's counters have it, is one of ours.
    pub fn is_ours(&self, digest_text: &str) -> bool {
        self.asked.contains(&squeezed(digest_text))
    }

    /// Says goodbye.
    pub async fn close(self) {
        let _ = self.conn.close().await;
    }
}

/// The beginning of a statement up to its first literal, without blanks, quotes of names and comments.
fn squeezed(sql: &str) -> String {
    // The server writes DISTINCT in its old name.
    let bare = sql.replace("/* warroom */", "").to_lowercase().replace("distinctrow", "distinct");
    let bare = bare.chars().filter(|c| !c.is_whitespace() && *c != '`');
    bare.take_while(|c| !matches!(c, '?' | '\'') && !c.is_ascii_digit()).take(60).collect()
}

/// Whether the address holds a password itself.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, r)| r);
    rest.rsplit_once('@').is_some_and(|(who, _)| who.contains(':'))
}

/// `8.0.36-log` and `5.5.5-10.11.19-MariaDB` as numbers.
fn of_version(version: &str) -> (u32, u32, u32) {
    let bare = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = bare.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// A column as text; bytes that are not UTF-8 become U+FFFD.
pub fn text(row: &MySqlRow, column: usize) -> Option<String> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        return None;
    }
    let bytes = <&[u8] as Decode<sqlx::MySql>>::decode(value).ok()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// A column as a number.
pub fn number<T: FromStr>(row: &MySqlRow, column: usize) -> Option<T> {
    text(row, column)?.parse().ok()
}

/// A column by its name, in whatever case; `None` where the server has no such column.
pub fn named(row: &MySqlRow, name: &str) -> Option<String> {
    use sqlx::Column;
    let column = row.columns().iter().find(|c| c.name().eq_ignore_ascii_case(name))?;
    text(row, column.ordinal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_whatever_stands_around_them() {
        assert_eq!(of_version("8.0.36-0ubuntu0.22.04.1"), (8, 0, 36));
        assert_eq!(of_version("5.5.5-10.11.19-MariaDB-0+deb12u1"), (10, 11, 19));
        assert_eq!(of_version("nonsense"), (0, 0, 0));
        let asked = squeezed("SHOW /* warroom */ GLOBAL STATUS LIKE 'x'");
        assert_eq!(asked, squeezed("SHOW GLOBAL STATUS LIKE ?"));
        let digest = "SELECT DISTINCTROW `r` . `trx_mysql_thread_id` , `b` . `trx_mysql_thread_id` FROM \
             `information_schema` . `INNODB_LOCK_WAITS` `w` JOIN";
        let ours = RARELY.map(squeezed);
        assert!(ours.contains(&squeezed("KILL CONNECTION ?")) && ours.contains(&squeezed(digest)), "{ours:?}");
        assert!(has_password("mysql://u:p@h/") && !has_password("mysql://u@h:3306/"));
    }
}
