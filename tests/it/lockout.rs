//! A table that somebody holds for himself alone, while the whole program is used: nothing of ours ever waits for it.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::postgres::Postgres;
use crate::support::program::Home;
use crate::support::sampler::Sampler;
use crate::support::tty::Tty;

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Uses every pane and the EXPLAIN key for `hold` while the table is held, then while a change of it is queued.
async fn used_while_held(hold: Duration) {
    let server = Postgres::start("max_connections = 60\n");
    let url = server.url("test");
    let mut admin = PgConnection::connect(&url).await.expect("answers");
    run(&mut admin, "CREATE TABLE orders (id int PRIMARY KEY, user_id int) PARTITION BY RANGE (id)").await;
    run(&mut admin, "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (1000000)").await;
    run(&mut admin, "INSERT INTO orders SELECT i, i % 100 FROM generate_series(1, 200000) i").await;
    run(&mut admin, "CREATE VIEW recent AS SELECT * FROM orders WHERE id > 100; ANALYZE").await;
    if server.has_statements() {
        run(&mut admin, "CREATE EXTENSION pg_stat_statements").await;
    }
    let home = Home::new();
    home.configure(&format!("[[database.postgres]]\nname = \"orders\"\nurl = \"{url}\"\n"));
    let mut tty = Tty::start(&home, &[], (160, 45));
    tty.wait_for("none slow");
    let sampler = Sampler::start(&url);

    let mut holder = PgConnection::connect(&url).await.expect("answers");
    run(&mut holder, "BEGIN; LOCK TABLE orders, orders_1 IN ACCESS EXCLUSIVE MODE").await;
    let mut waiters = Vec::new();
    for sql in [
        "SELECT count(*) FROM orders WHERE user_id = 7",
        "SELECT * FROM orders_1 WHERE id = 7",
        "SELECT * FROM recent",
        "UPDATE orders SET user_id = 1 WHERE id = 3",
    ] {
        let mut c = PgConnection::connect(&url).await.expect("answers");
        waiters.push(tokio::spawn(async move {
            let _ = sqlx::raw_sql(sql).execute(&mut c).await;
        }));
    }
    tokio::task::block_in_place(|| {
        tty.wait_for("4 sessions wait");
        let (mut refused, mut by_view) = (false, false);
        let end = Instant::now() + hold;
        // Every pane, then the database and its rows, each explained.
        // Which rows are above depends on what else runs on this machine: on until the held one was come by.
        while Instant::now() < end || !refused && Instant::now() < end + Duration::from_secs(30) {
            for key in ["1", "2", "4", "5", "6", "3", "z"] {
                tty.keys(key);
                std::thread::sleep(Duration::from_millis(60));
            }
            tty.keys("jjjjjjjjjjjj");
            for _ in 0..13 {
                tty.keys("x");
                // A busy machine takes its time; rows without a statement answer nothing.
                let mut text = String::new();
                for _ in 0..6 {
                    std::thread::sleep(Duration::from_millis(120));
                    text = tty.text();
                    if ["lock on orders", "a lock it needs", "no plan"].iter().any(|said| text.contains(said)) {
                        break;
                    }
                }
                refused |= text.contains("exclusive lock on orders");
                by_view |= text.contains("a lock it needs is held");
                tty.keys("\x1b");
                std::thread::sleep(Duration::from_millis(40));
                tty.keys("k");
            }
            tty.keys("z");
        }
        let text = tty.text();
        assert!(refused, "a plan of what is held is refused with the reason:\n{text}");
        assert!(by_view || refused);
    });
    run(&mut holder, "ROLLBACK").await;
    for w in waiters {
        w.await.expect("it goes on");
    }

    // Held by nobody but queued for: the same.
    run(&mut holder, "BEGIN; SELECT count(*) FROM orders").await;
    let mut ddl = PgConnection::connect(&url).await.expect("answers");
    let ddl = tokio::spawn(async move {
        let _ = sqlx::raw_sql("ALTER TABLE orders ADD COLUMN m int").execute(&mut ddl).await;
    });
    tokio::task::block_in_place(|| {
        tty.keys("3");
        tty.wait_for("1 session waits");
        tty.keys("jjx");
        std::thread::sleep(Duration::from_secs(1));
    });
    run(&mut holder, "COMMIT").await;
    ddl.await.expect("it goes on");
    let seen = sampler.stop().await;
    assert!(seen.samples as f64 > hold.as_secs_f64() * 10.0, "{seen:?}");
    assert!(seen.active > 0, "it was looked at all the time: {seen:?}");
    assert_eq!(seen.connections, 1, "{seen:?}");
    assert!(seen.waited_ms <= 150.0, "{seen:?}");
    tokio::task::block_in_place(|| {
        // A plan of some other row may be open.
        tty.keys("\x1b");
        std::thread::sleep(Duration::from_millis(100));
        tty.keys("q");
        tty.ended();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn with_a_table_held_by_somebody_all_panes_and_explain_never_wait_for_a_lock_nor_open_a_second_connection() {
    used_while_held(Duration::from_secs(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[ignore = "a minute: ./test --machine runs it"]
async fn the_same_for_a_minute() {
    used_while_held(Duration::from_secs(60)).await;
}
