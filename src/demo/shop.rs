//! The shop's database: schema, rows, the statements of the order list, and the index that everything hangs on.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

/// Users with an account; asking for a higher number asks for a missing user.
pub(super) const USERS: u64 = 40_000;
/// Rows written by one statement while filling: between two of them a start can be given up.
const CHUNK: u64 = 50_000;

/// The newest orders of a user.
pub(super) const NEWEST: &str =
    "SELECT id, status, total_cents, created_at FROM orders WHERE user_id = ? ORDER BY created_at DESC LIMIT 20";
/// What a user spent.
pub(super) const TOTALS: &str =
    "SELECT count(*) AS orders, coalesce(sum(total_cents), 0) AS spent FROM orders WHERE user_id = ?";
/// How many orders of a user are where.
pub(super) const BY_STATUS: &str = "SELECT status, count(*) AS orders FROM orders WHERE user_id = ? GROUP BY status";
/// One order.
pub(super) const ORDER: &str = "SELECT id, user_id, status, total_cents, items FROM orders WHERE id = ?";
/// One user's address.
pub(super) const EMAIL: &str = "SELECT email FROM users WHERE id = ?";
/// A new cart.
pub(super) const NEW_CART: &str =
    "INSERT INTO carts (user_id, created_at) VALUES (?, unixepoch()) RETURNING id";
/// What a health check asks.
pub(super) const PING: &str = "SELECT id FROM users WHERE id = ?";

/// What 1.4.2 brings.
pub(super) const DROP_INDEX: &str = "DROP INDEX orders_user_id";
/// What takes it back.
pub(super) const CREATE_INDEX: &str = "CREATE INDEX orders_user_id ON orders (user_id)";

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status TEXT NOT NULL,
        total_cents INTEGER NOT NULL, created_at INTEGER NOT NULL, items TEXT NOT NULL);
    CREATE TABLE carts (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, created_at INTEGER NOT NULL);
";

const FILL_USERS: &str = "
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO users SELECT i, 'user' || i || '@example.com', 'User ' || i FROM n";

// `||` binds tighter than `%`. Products of primes spread users and prices without a random source: equal rows on every run.
const FILL_ORDERS: &str = "
    WITH RECURSIVE n(i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
    INSERT INTO orders SELECT i, i * 7919 % ?3 + 1,
        CASE i % 11 WHEN 0 THEN 'returned' WHEN 1 THEN 'open' WHEN 2 THEN 'paid' ELSE 'sent' END,
        i * 104729 % 19900 + 100, 1700000000 + i * 37,
        '[{\"sku\":\"A-' || (i % 4999) || '\",\"qty\":' || (i % 4 + 1) || ',\"cents\":' || (i * 389 % 9900 + 100)
        || '},{\"sku\":\"B-' || (i % 811) || '\",\"qty\":1,\"gift\":false}]'
    FROM n";

/// How every connection to the file is opened. Nothing is synced: the file is thrown away.
pub(super) fn connect_options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(5))
        // 2 MB a connection: a scan reads the file, as it would on a small server, and memory stays bounded.
        .pragma("cache_size", "-2000")
        .thread_name(|n| format!("demo-sqlite-{n}"))
        .disable_statement_logging()
}

/// Makes the tables and the users; no orders and no index yet.
pub(super) async fn create(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut db = connect_options(file).connect().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut db).await?;
    sqlx::query(FILL_USERS).bind(USERS as i64).execute(&mut db).await?;
    Ok(db)
}

/// Adds the orders `from + 1 ..= to`.
pub(super) async fn add_orders(db: &mut SqliteConnection, from: u64, to: u64) -> Result<(), sqlx::Error> {
    let mut at = from;
    while at < to {
        let next = (at + CHUNK).min(to);
        let chunk = sqlx::query(FILL_ORDERS).bind(at as i64).bind(next as i64).bind(USERS as i64);
        chunk.execute(&mut *db).await?;
        at = next;
    }
    Ok(())
}

/// Makes the index and switches to WAL, as the service needs it.
pub(super) async fn finish(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(CREATE_INDEX).execute(&mut *db).await?;
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *db).await?;
    Ok(())
}

/// Runs one schema change over a connection of its own, as a migration tool does.
pub(super) async fn migrate(file: &Path, statement: &'static str) -> Result<(), sqlx::Error> {
    use sqlx::Connection;
    let mut db = connect_options(file).journal_mode(SqliteJournalMode::Wal).connect().await?;
    sqlx::query(statement).execute(&mut db).await?;
    db.close().await
}

/// The statements of one order list, in their order.
pub(super) const LIST: [&str; 3] = [NEWEST, TOTALS, BY_STATUS];

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    async fn plan(db: &mut SqliteConnection) -> String {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {NEWEST}"))).bind(1_i64);
        plan.fetch_all(db).await.unwrap().iter().map(|row| row.get::<String, _>("detail")).collect()
    }

    #[tokio::test]
    async fn without_its_index_an_order_list_reads_the_whole_table() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("shop.sqlite");
        let mut db = create(&file).await.unwrap();
        add_orders(&mut db, 0, 500).await.unwrap();
        finish(&mut db).await.unwrap();
        assert!(plan(&mut db).await.contains("USING INDEX orders_user_id"));
        let items: String = sqlx::query_scalar("SELECT items FROM orders WHERE id = 500").fetch_one(&mut db).await.unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&items).unwrap()[1]["sku"].is_string(), "{items}");
        migrate(&file, DROP_INDEX).await.unwrap();
        assert!(plan(&mut db).await.contains("SCAN orders"));
        migrate(&file, CREATE_INDEX).await.unwrap();
        assert!(plan(&mut db).await.contains("USING INDEX orders_user_id"));
    }
}
