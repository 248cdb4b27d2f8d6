//! Watches one PgBouncer through its console: one connection, which takes no slot of any server.
//!
//! The console knows the simple protocol only, and closes the connection on anything else: one bare connection, and
//! every value comes as text. Columns are taken by name, because they change between versions.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use compact_str::CompactString;
use sqlx::postgres::PgRow;
use sqlx::{Column, ConnectOptions, Connection, PgConnection, Row};
use tokio_util::sync::CancellationToken;

use super::connected::{self, Connected};
use super::postgres::options::options;
use super::postgres::session::{connect, text};
use super::postgres::trouble::Trouble;
use crate::signals::database::config::{PgbouncerConfig, SecretUrl};
use crate::signals::database::event::{DatabaseEvent, PoolFigures, PoolLayer};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// No answer for so long means that there will be none.
const DEADLINE: Duration = Duration::from_secs(5);
/// Pools told of in one look, those in trouble first.
const POOLS: usize = 40;

/// One PgBouncer.
pub struct PgbouncerSource {
    config: PgbouncerConfig,
}

impl PgbouncerSource {
    /// For the pooler in `config`.
    pub fn new(config: PgbouncerConfig) -> PgbouncerSource {
        PgbouncerSource { config }
    }
}

impl Connected for PgbouncerSource {
    type Session = PgConnection;
    type Trouble = Trouble;

    fn url(&self) -> &SecretUrl {
        &self.config.url
    }

    async fn open(&self) -> Result<PgConnection, Trouble> {
        let (env, command) = (self.config.password_env.as_deref(), self.config.password_command.as_deref());
        let options = options(&self.config.url.0, env, command, |name| std::env::var(name).ok())
            .await?
            .application_name(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        connect(options).await
    }

    async fn watch(&mut self, out: &Out, conn: &mut PgConnection) -> Result<(), Trouble> {
        let every = Duration::try_from_secs_f64(self.config.interval).unwrap_or(Duration::from_secs(1));
        let every = every.clamp(Duration::from_secs(1), Duration::from_secs(60));
        let mut waited = BTreeMap::new();
        let mut told = false;
        loop {
            let sizes = sizes(&show(conn, "SHOW DATABASES").await?);
            let waits = waits(&show(conn, "SHOW STATS").await?);
            let mut pools = pools(&show(conn, "SHOW POOLS").await?, &sizes);
            for p in &mut pools {
                let db = p.pool.split('/').next().unwrap_or_default();
                let now = waits.get(db).copied();
                p.acquire_ms = now.zip(waited.get(db).copied()).and_then(|(n, b)| mean(b, n));
            }
            waited = waits;
            for p in pools {
                out.sample(Event::Database(DatabaseEvent::PoolFigures(p)));
            }
            if !std::mem::replace(&mut told, true) {
                out.state(SourceState::Ok).await;
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn close(conn: PgConnection) {
        let _ = conn.close().await;
    }
}

/// One row of the console's answers, by column.
type Line = BTreeMap<String, String>;

async fn show(conn: &mut PgConnection, what: &'static str) -> Result<Vec<Line>, Trouble> {
    let ask = sqlx::raw_sql(what).fetch_all(conn);
    match tokio::time::timeout(DEADLINE, ask).await {
        Ok(rows) => Ok(rows?.iter().map(line).collect()),
        Err(_) => Err(Trouble::Silent("answering a statement")),
    }
}

fn line(row: &PgRow) -> Line {
    let cell = |i: usize| Some((row.columns().get(i)?.name().to_owned(), text(row, i)?));
    (0..row.len()).filter_map(cell).collect()
}

fn number<T: FromStr>(line: &Line, name: &str) -> Option<T> {
    line.get(name)?.parse().ok()
}

/// Size of the pools of each database.
fn sizes(databases: &[Line]) -> BTreeMap<String, u32> {
    databases.iter().filter_map(|d| Some((d.get("name")?.clone(), number(d, "pool_size")?))).collect()
}

/// Microseconds clients waited for a server connection, and transactions, of each database.
fn waits(stats: &[Line]) -> BTreeMap<String, (u64, u64)> {
    let one =
        |s: &Line| Some((s.get("database")?.clone(), (number(s, "total_wait_time")?, number(s, "total_xact_count")?)));
    stats.iter().filter_map(one).collect()
}

/// Mean wait of the transactions between two looks, in milliseconds.
fn mean(before: (u64, u64), now: (u64, u64)) -> Option<f64> {
    let calls = now.1.checked_sub(before.1).filter(|n| *n > 0)?;
    Some(now.0.checked_sub(before.0)? as f64 / 1e3 / calls as f64)
}

/// One pool for each database and user that has one; the console's own is none.
fn pools(rows: &[Line], sizes: &BTreeMap<String, u32>) -> Vec<PoolFigures> {
    let mut out: Vec<PoolFigures> = Vec::new();
    for row in rows {
        let Some(db) = row.get("database").filter(|d| *d != "pgbouncer") else { continue };
        let user = row.get("user").map_or("", String::as_str);
        let n = |name| number::<u32>(row, name).unwrap_or(0);
        let wait_us =
            number::<f64>(row, "maxwait").unwrap_or(0.0) * 1e6 + number::<f64>(row, "maxwait_us").unwrap_or(0.0);
        let idle = n("sv_idle") + n("sv_used");
        out.push(PoolFigures {
            pool: CompactString::from(format!("{db}/{user}")),
            layer: PoolLayer::Pooler,
            used: Some(n("sv_active") + n("sv_tested") + n("sv_login")),
            idle: Some(idle),
            max: sizes.get(db).copied(),
            waiting: Some(n("cl_waiting")),
            oldest_wait_ms: Some(wait_us / 1e3),
            ..PoolFigures::default()
        });
    }
    out.sort_by(|a, b| b.waiting.cmp(&a.waiting).then(b.used.cmp(&a.used)).then(a.pool.cmp(&b.pool)));
    out.truncate(POOLS);
    out
}

impl Source for PgbouncerSource {
    fn holds_connection(&self) -> bool {
        true
    }

    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let console = "its console is the database pgbouncer, open to stats_users and admin_users of pgbouncer.ini";
            let watched = connected::run(self, out, &cancel).await;
            watched.map_err(|e| SourceError { message: format!("{}; {console}", e.message), ..e })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[(&str, &str)]) -> Line {
        cells.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_starved_pool_comes_first_and_columns_of_other_versions_do_not_matter() {
        let sizes = sizes(&[of(&[("name", "shop"), ("pool_size", "3"), ("load_balance_hosts", "")])]);
        let rows = [
            of(&[("database", "pgbouncer"), ("user", "pgbouncer"), ("cl_active", "1")]),
            of(&[("database", "shop"), ("user", "calm"), ("sv_idle", "2"), ("cl_waiting", "0")]),
            of(&[
                ("database", "shop"),
                ("user", "api"),
                ("cl_waiting", "7"),
                ("sv_active", "3"),
                ("maxwait", "3"),
                ("maxwait_us", "990000"),
            ]),
        ];
        let got = pools(&rows, &sizes);
        assert_eq!(got.iter().map(|p| p.pool.as_str()).collect::<Vec<_>>(), ["shop/api", "shop/calm"]);
        let p = &got[0];
        assert_eq!((p.used, p.max, p.waiting, p.oldest_wait_ms), (Some(3), Some(3), Some(7), Some(3_990.0)));
        assert_eq!(mean((1_000, 10), (5_000, 12)), Some(2.0));
        assert_eq!(mean((5_000, 12), (1_000, 1)), None);
    }
}
