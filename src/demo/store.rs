//! The database under the service: SQLite in a file, or a throwaway PostgreSQL. One set of statements runs on both.
//!
//! Owns connections, pools and rows; what is asked of them is in [`shop`](super::shop).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Postgres, Row as _, Sqlite, TypeInfo};

/// A flag that stops SQLite's running statements within a millisecond.
pub(super) type Ended = Arc<AtomicBool>;

/// Where the rows are.
#[derive(Clone, Debug)]
pub(super) enum Store {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// One connection of its own, outside any pool.
#[derive(Debug)]
pub(super) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The service's connections.
#[derive(Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// One of them, lent; it goes back when dropped.
#[derive(Debug)]
pub(super) enum Lease {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Int(i64),
    Text(String),
}

/// One row, its values in the order of the statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row(Vec<Cell>);

impl Store {
    /// The name for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Store::Sqlite(_) => "sqlite",
            Store::Postgres(_) => "postgresql",
        }
    }

    /// Opens a connection outside any pool; its statements stop when `ended` is set.
    pub(super) async fn connect(&self, name: &str, ended: &Ended) -> Result<Link, sqlx::Error> {
        Ok(match self {
            Store::Sqlite(file) => {
                let mut link = sqlite_options(file).connect().await?;
                stop_when(&mut link, ended).await?;
                Link::Sqlite(link)
            }
            Store::Postgres(options) => Link::Postgres(options.clone().application_name(name).connect().await?),
        })
    }

    /// Opens a pool of `size`; one connection is proven, the others follow at once.
    pub(super) async fn pool(
        &self,
        name: &str,
        size: u32,
        acquire_timeout: Duration,
        ended: &Ended,
    ) -> Result<Pool, sqlx::Error> {
        Ok(match self {
            Store::Sqlite(file) => {
                let ended = ended.clone();
                let options = pool_options::<Sqlite>(size, acquire_timeout).after_connect(move |link, _| {
                    let ended = ended.clone();
                    Box::pin(async move { stop_when(link, &ended).await })
                });
                Pool::Sqlite(options.connect_with(sqlite_options(file).journal_mode(SqliteJournalMode::Wal)).await?)
            }
            Store::Postgres(options) => {
                let connect = options.as_ref().clone().application_name(name);
                Pool::Postgres(pool_options(size, acquire_timeout).connect_with(connect).await?)
            }
        })
    }

    /// Ends what the connections called `name` do just now. SQLite's are told by their flag.
    pub(super) async fn terminate(&self, name: &str, ended: &Ended) -> Result<(), sqlx::Error> {
        ended.store(true, Ordering::Relaxed);
        if let Store::Postgres(options) = self {
            let mut link = options.clone().application_name("demo admin").connect().await?;
            let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
            sqlx::query(terminate).bind(name).execute(&mut link).await?;
            link.close().await?;
        }
        Ok(())
    }
}

impl Link {
    /// Runs one or more statements without parameters.
    pub(super) async fn execute(&mut self, statements: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Link::Sqlite(link) => sqlx::raw_sql(statements).execute(link).await.map(drop),
            Link::Postgres(link) => sqlx::raw_sql(statements).execute(link).await.map(drop),
        }
    }

    /// Runs one statement, its parameters `$1`, `$2` and so on; the rows it returns.
    pub(super) async fn run(&mut self, statement: &'static str, binds: &[i64]) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Link::Sqlite(link) => {
                let query = binds.iter().fold(sqlx::query(statement), |query, bind| query.bind(bind));
                query.fetch_all(link).await.map(|rows| rows.iter().map(sqlite_row).collect())
            }
            Link::Postgres(link) => {
                let query = binds.iter().fold(sqlx::query(statement), |query, bind| query.bind(bind));
                query.fetch_all(link).await.map(|rows| rows.iter().map(postgres_row).collect())
            }
        }
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Link::Sqlite(link) => link.close().await,
            Link::Postgres(link) => link.close().await,
        }
    }
}

impl Pool {
    pub(super) async fn acquire(&self) -> Result<Lease, sqlx::Error> {
        match self {
            Pool::Sqlite(pool) => pool.acquire().await.map(Lease::Sqlite),
            Pool::Postgres(pool) => pool.acquire().await.map(Lease::Postgres),
        }
    }

    /// Open connections, and how many of them are idle.
    pub(super) fn size(&self) -> (u32, usize) {
        match self {
            Pool::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Pool::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }

    /// Takes no more requests and returns once all connections came back and were closed.
    pub(super) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl Lease {
    /// Runs one statement with one parameter. PostgreSQL gets the request ID in a comment, so that its list of
    /// sessions says whose statement runs; `request_id` must hold letters, digits and dashes only.
    pub(super) async fn run(
        &mut self,
        statement: &'static str,
        bind: i64,
        request_id: &str,
    ) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Lease::Sqlite(link) => {
                let rows = sqlx::query(statement).bind(bind).fetch_all(&mut **link).await?;
                Ok(rows.iter().map(sqlite_row).collect())
            }
            Lease::Postgres(link) => {
                let commented = format!("{statement} /*request_id='{request_id}'*/");
                // Not persistent: a text that never comes again must not fill the cache of prepared statements.
                let query = sqlx::query(AssertSqlSafe(commented)).persistent(false).bind(bind);
                let rows = query.fetch_all(&mut **link).await?;
                Ok(rows.iter().map(postgres_row).collect())
            }
        }
    }
}

impl Row {
    /// The integer in `column`; zero when there is none.
    pub(super) fn int(&self, column: usize) -> i64 {
        match self.0.get(column) {
            Some(Cell::Int(value)) => *value,
            _ => 0,
        }
    }

    /// The text in `column`; empty when there is none.
    pub(super) fn text(&self, column: usize) -> &str {
        match self.0.get(column) {
            Some(Cell::Text(value)) => value,
            _ => "",
        }
    }
}

fn sqlite_options(file: &std::path::Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        // Nothing is synced: the file is thrown away.
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(5))
        // 2 MB a connection: a scan reads the file, as it would on a small server, and memory stays bounded.
        .pragma("cache_size", "-2000")
        .thread_name(|n| format!("demo-sqlite-{n}"))
        .disable_statement_logging()
}

fn pool_options<DB: sqlx::Database>(size: u32, acquire_timeout: Duration) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(size)
        .min_connections(size)
        .acquire_timeout(acquire_timeout)
        // The service logs its own waits, with the request ID; the library's would go to our own log.
        .acquire_slow_threshold(Duration::from_secs(3600))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Looks at the flag every 20,000 steps of SQLite's machine, which is about every millisecond.
async fn stop_when(link: &mut SqliteConnection, ended: &Ended) -> Result<(), sqlx::Error> {
    let ended = ended.clone();
    link.lock_handle().await?.set_progress_handler(20_000, move || !ended.load(Ordering::Relaxed));
    Ok(())
}

fn sqlite_row(row: &SqliteRow) -> Row {
    let cell = |column: usize| {
        let text = || row.try_get(column).unwrap_or_default();
        row.try_get(column).map_or_else(|_| Cell::Text(text()), Cell::Int)
    };
    Row((0..row.len()).map(cell).collect())
}

fn postgres_row(row: &PgRow) -> Row {
    let cell = |column: &sqlx::postgres::PgColumn| match column.type_info().name() {
        "INT8" => Cell::Int(row.try_get(column.ordinal()).unwrap_or_default()),
        _ => Cell::Text(row.try_get(column.ordinal()).unwrap_or_default()),
    };
    Row(row.columns().iter().map(cell).collect())
}
