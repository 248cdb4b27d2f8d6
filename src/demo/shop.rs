//! The shop's tables, rows and statements, and the index that everything hangs on.

use super::store::{Ended, Link, Store};

/// Users with an account; asking for a higher number asks for a missing user.
pub(super) const USERS: u64 = 40_000;
/// Rows written by one statement while filling: between two of them a start can be given up.
const CHUNK: u64 = 50_000;

/// The newest orders of a user.
pub(super) const NEWEST: &str =
    "SELECT id, status, total_cents, created_at FROM orders WHERE user_id = $1 ORDER BY created_at DESC LIMIT 20";
/// What a user spent.
pub(super) const TOTALS: &str = "SELECT count(*) AS orders, CAST(coalesce(sum(total_cents), 0) AS BIGINT) AS spent \
    FROM orders WHERE user_id = $1";
/// How many orders of a user are where.
pub(super) const BY_STATUS: &str = "SELECT status, count(*) AS orders FROM orders WHERE user_id = $1 GROUP BY status";
/// The statements of one order list, in their order.
pub(super) const LIST: [&str; 3] = [NEWEST, TOTALS, BY_STATUS];
/// One order.
pub(super) const ORDER: &str = "SELECT id, user_id, status, total_cents, items FROM orders WHERE id = $1";
/// One user's address.
pub(super) const EMAIL: &str = "SELECT email FROM users WHERE id = $1";
/// A new cart.
pub(super) const NEW_CART: &str = "INSERT INTO carts (user_id) VALUES ($1) RETURNING id";
/// What a health check asks.
pub(super) const PING: &str = "SELECT id FROM users WHERE id = $1";

/// What 1.4.2 brings.
pub(super) const DROP_INDEX: &str = "DROP INDEX orders_user_id";
/// What takes it back.
pub(super) const CREATE_INDEX: &str = "CREATE INDEX orders_user_id ON orders (user_id)";

const SQLITE_SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status TEXT NOT NULL,
        total_cents INTEGER NOT NULL, created_at INTEGER NOT NULL, items TEXT NOT NULL);
    CREATE TABLE carts (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,
        created_at INTEGER NOT NULL DEFAULT (unixepoch()));
";

// Unlogged: filled twice as fast, and lost in a crash, which is when the whole server is.
const POSTGRES_SCHEMA: &str = "
    CREATE UNLOGGED TABLE users (id BIGINT PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL);
    CREATE UNLOGGED TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, status TEXT NOT NULL,
        total_cents BIGINT NOT NULL, created_at BIGINT NOT NULL, items TEXT NOT NULL);
    CREATE UNLOGGED TABLE carts (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id BIGINT NOT NULL,
        created_at BIGINT NOT NULL DEFAULT extract(epoch FROM now())::bigint);
";

/// The numbers `$1 + 1 ..= $2` as `n(i)`, with the statement that takes them.
macro_rules! from_numbers {
    (sqlite, $insert:literal) => {
        concat!("WITH RECURSIVE n(i) AS (SELECT $1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) ", $insert)
    };
    (postgres, $insert:literal) => {
        concat!("WITH n(i) AS (SELECT generate_series($1::bigint + 1, $2::bigint)) ", $insert)
    };
}

macro_rules! fill_users {
    ($store:ident) => {
        from_numbers!($store, "INSERT INTO users SELECT i, 'user' || i || '@example.com', 'User ' || i FROM n")
    };
}

// Products of primes spread users and prices without a random source: equal rows on every run. In SQLite `||` binds
// tighter than `%`, hence the parentheses.
macro_rules! fill_orders {
    ($store:ident) => {
        from_numbers!(
            $store,
            "INSERT INTO orders SELECT i, i * 7919 % $3 + 1,
            CASE i % 11 WHEN 0 THEN 'returned' WHEN 1 THEN 'open' WHEN 2 THEN 'paid' ELSE 'sent' END,
            i * 104729 % 19900 + 100, 1700000000 + i * 37,
            '[{\"sku\":\"A-' || (i % 4999) || '\",\"qty\":' || (i % 4 + 1) || ',\"cents\":' || (i * 389 % 9900 + 100)
            || '},{\"sku\":\"B-' || (i % 811) || '\",\"qty\":1,\"gift\":false}]'
            FROM n"
        )
    };
}

/// Makes the tables and the users; no orders and no index yet.
pub(super) async fn create(store: &Store, ended: &Ended) -> Result<Link, sqlx::Error> {
    let mut link = store.connect("demo admin", ended).await?;
    let (schema, users) = match store {
        Store::Sqlite(_) => (SQLITE_SCHEMA, fill_users!(sqlite)),
        Store::Postgres(_) => (POSTGRES_SCHEMA, fill_users!(postgres)),
    };
    link.execute(schema).await?;
    link.run(users, &[0, USERS as i64]).await?;
    Ok(link)
}

/// Adds the orders `from + 1 ..= to`.
pub(super) async fn add_orders(link: &mut Link, from: u64, to: u64) -> Result<(), sqlx::Error> {
    let fill = match link {
        Link::Sqlite(_) => fill_orders!(sqlite),
        Link::Postgres(_) => fill_orders!(postgres),
    };
    let mut at = from;
    while at < to {
        let next = (at + CHUNK).min(to);
        link.run(fill, &[at as i64, next as i64, USERS as i64]).await?;
        at = next;
    }
    Ok(())
}

/// Makes the index and sets the database up as the service needs it.
pub(super) async fn finish(link: &mut Link) -> Result<(), sqlx::Error> {
    link.execute(CREATE_INDEX).await?;
    match link {
        Link::Sqlite(_) => link.execute("PRAGMA journal_mode = WAL").await,
        Link::Postgres(_) => link.execute("ANALYZE").await,
    }
}

/// Runs one schema change over a connection of its own, as a migration tool does.
pub(super) async fn migrate(store: &Store, statement: &'static str, ended: &Ended) -> Result<(), sqlx::Error> {
    let mut link = store.connect("migrate", ended).await?;
    link.execute(statement).await?;
    link.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    // Over a new connection each time: EXPLAIN runs nothing, so it does not notice that the schema changed.
    async fn plan(store: &Store) -> String {
        let mut link = store.connect("test", &Ended::default()).await.unwrap();
        let plan = "EXPLAIN QUERY PLAN SELECT id FROM orders WHERE user_id = $1";
        link.run(plan, &[1]).await.unwrap()[0].text(3).to_owned()
    }

    #[tokio::test]
    async fn without_its_index_an_order_list_reads_the_whole_table() {
        let temp = tempfile::tempdir().unwrap();
        let (store, ended) = (Store::Sqlite(temp.path().join("shop.sqlite")), Ended::default());
        let mut link = create(&store, &ended).await.unwrap();
        add_orders(&mut link, 0, 500).await.unwrap();
        finish(&mut link).await.unwrap();
        assert!(plan(&store).await.contains("INDEX orders_user_id"));
        migrate(&store, DROP_INDEX, &ended).await.unwrap();
        assert_eq!(plan(&store).await, "SCAN orders");
        migrate(&store, CREATE_INDEX, &ended).await.unwrap();
        assert!(plan(&store).await.contains("INDEX orders_user_id"));
    }

    #[tokio::test]
    async fn rows_hold_whole_order_lines() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::Sqlite(temp.path().join("shop.sqlite"));
        let mut link = create(&store, &Ended::default()).await.unwrap();
        add_orders(&mut link, 0, 500).await.unwrap();
        let rows = link.run(ORDER, &[500]).await.unwrap();
        assert_eq!((rows[0].int(0), rows[0].text(2)), (500, "sent"));
        let items: serde_json::Value = serde_json::from_str(rows[0].text(4)).unwrap();
        assert_eq!(items[0]["sku"], "A-500");
    }
}
