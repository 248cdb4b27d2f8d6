//! Sessions ended from the screen: not without the flag, not without the words, not the wrong one; and noted.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};
use tokio::sync::oneshot;
use warroom::signals::Roots;
use warroom::signals::database::config::{DatabaseConfig, MysqlConfig, SecretUrl};
use warroom::signals::database::ending::{Ended, Ending, How};
use warroom::signals::database::pane::{endable, explainable};
use warroom::signals::database::plan::Question;
use warroom::signals::database::sources::sources;
use warroom::signals::source::Asker;

use crate::support::mariadb::MariaDb;
use crate::support::postgres::Postgres;
use crate::support::program::Home;
use crate::support::tty::Tty;
use crate::support::watched::Watched;

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Goes down row by row from the top, pressing `key` on each, until `want` is on the screen: which rows are above depends on what
/// else runs on this machine.
fn reach(tty: &mut Tty, key: &str, want: &str) {
    // On a busy machine an answer may come after the cursor has gone on: then from the top again.
    for _ in 0..4 {
        tty.keys("\x1b[H");
        std::thread::sleep(Duration::from_millis(100));
        for down in 0..12 {
            if down > 0 {
                tty.keys("j");
            }
            for _ in 0..2 {
                // As a person types: what comes in one burst with its Enter may be taken for something pasted.
                match key.strip_suffix('\r') {
                    Some(name) => {
                        tty.keys(name);
                        std::thread::sleep(Duration::from_millis(600));
                        tty.keys("\r");
                    }
                    None => tty.keys(key),
                }
                std::thread::sleep(Duration::from_millis(300));
                let text = tty.text();
                if text.contains(want) {
                    return;
                }
                // A question or the list of commands that is still open.
                if key.ends_with('\r') {
                    tty.keys("\x1b");
                    std::thread::sleep(Duration::from_millis(150));
                }
            }
        }
    }
    tty.wait_for(want);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_blocker_is_ended_only_with_the_flag_and_only_after_it_was_typed_and_the_incident_log_says_so() {
    let server = Postgres::start("");
    let url = server.url("test");
    let mut admin = PgConnection::connect(&url).await.expect("answers");
    run(&mut admin, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)").await;
    let home = Home::new();
    home.configure(&format!("[[database.postgres]]\nname = \"orders\"\nurl = \"{url}\"\n"));

    let mut holder = PgConnection::connect(&url).await.expect("answers");
    let pid: i32 = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut holder).await.expect("a pid").get(0);
    run(&mut holder, "BEGIN; UPDATE t SET n = 1").await;
    let mut waiter = PgConnection::connect(&url).await.expect("answers");
    let waiter_pid: i32 = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut waiter).await.expect("a pid").get(0);
    let waiting = tokio::spawn(async move {
        let done = sqlx::raw_sql("UPDATE t SET n = 2").execute(&mut waiter).await;
        (done.map(|d| d.rows_affected()).map_err(|e| e.to_string()), waiter)
    });
    let alive = async |admin: &mut PgConnection, pid: i32| -> bool {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        sqlx::query(AssertSqlSafe(sql)).fetch_one(admin).await.expect("a count").get::<i64, _>(0) == 1
    };

    // Without the flag the key ends nothing, help does not name it, and the SQL can be had all the same.
    tokio::task::block_in_place(|| {
        let mut tty = Tty::start(&home, &[], (160, 45));
        tty.wait_for(&format!("blocked by pid {pid}"));
        tty.keys("3z");
        reach(&mut tty, "y", "SQL that ends this session:");
        tty.keys(":kill");
        tty.wait_for("needs --allow-kill");
        tty.keys("\x1b");
        tty.wait_gone("needs --allow-kill");
        tty.keys("q");
        tty.ended();
    });
    assert!(alive(&mut admin, pid).await);

    tokio::task::block_in_place(|| {
        let mut tty = Tty::start(&home, &["--allow-kill"], (160, 45));
        tty.wait_for(&format!("blocked by pid {pid}"));
        // The wrong words do nothing.
        tty.keys("3z");
        reach(&mut tty, ":kill\r", &format!("type cancel {pid} or terminate {pid}"));
        tty.keys("terminate 1\r");
        tty.wait_for("nothing done");
        // The one who waits: its statement, and no more.
        reach(&mut tty, ":kill\r", &format!("type cancel {waiter_pid}"));
        tty.keys(&format!("cancel {waiter_pid}\r"));
        tty.wait_for("blocked: none");
    });
    let (said, mut waiter) = waiting.await.expect("it ends");
    assert!(said.expect_err("cancelled").contains("canceling statement due to user request"));
    assert!(alive(&mut admin, waiter_pid).await && alive(&mut admin, pid).await);

    let waiting = tokio::spawn(async move {
        sqlx::raw_sql("UPDATE t SET n = 3")
            .execute(&mut waiter)
            .await
            .map(|d| d.rows_affected())
            .map_err(|e| e.to_string())
    });
    tokio::task::block_in_place(|| {
        let mut tty = Tty::start(&home, &["--allow-kill"], (160, 45));
        tty.wait_for(&format!("blocked by pid {pid}"));
        tty.keys("3z");
        reach(&mut tty, ":kill\r", &format!("terminate {pid}:"));
        tty.keys(&format!("terminate {pid}\r"));
        tty.wait_for("blocked: none");
        // The connection can be given back, and taken again.
        tty.keys("B");
        tty.wait_for("given back");
        std::thread::sleep(Duration::from_millis(500));
    });
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'warroom/%'";
    assert_eq!(sqlx::query(ours).fetch_one(&mut admin).await.expect("a count").get::<i64, _>(0), 0);
    assert_eq!(waiting.await.expect("it goes on"), Ok(1));
    assert!(!alive(&mut admin, pid).await);
    let notes = home.run(&["query", "notes", "--json"]).out;
    for want in [
        format!("cancelled the statement of pid {waiter_pid} of orders"),
        format!("terminated pid {pid} of orders"),
        "UPDATE t SET n = 1".into(),
    ] {
        assert!(notes.contains(&want), "no {want} in\n{notes}");
    }
    // What was done stands in the restore record.
    let text = home.run(&["export"]).good();
    let restore = text.split("\n## ").find(|s| s.starts_with("Restore record")).expect("the section");
    for done in [format!("| `cancel {waiter_pid} of orders` | 0 |"), format!("| `terminate {pid} of orders` | 0 |")] {
        assert!(restore.contains(&done), "no {done} in\n{restore}");
    }
}

async fn end(asker: &Asker, ending: Ending) -> Result<Ended, String> {
    let (answer, said) = oneshot::channel();
    asker.send(Question::End { ending, answer }).await.expect("the source runs");
    tokio::time::timeout(Duration::from_secs(10), said).await.expect("an answer").expect("not dropped")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_asked_for_plans_and_ends_the_session_that_was_seen_and_no_other() {
    let server = MariaDb::start(&["--performance-schema=ON"]);
    let url = server.url("root");
    let mut admin = MySqlConnection::connect(&url).await.expect("answers");
    let sql = "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id int PRIMARY KEY, user_id int, note varchar(20)); \
         INSERT INTO orders SELECT seq, seq % 5000, 'x' FROM seq_1_to_150000; ANALYZE TABLE orders";
    sqlx::raw_sql(sql).execute(&mut admin).await.expect("made");
    let mysql = MysqlConfig {
        name: Some("shop".into()),
        url: SecretUrl(url.clone()),
        password_env: None,
        password_command: None,
        option_file: None,
        interval: 1.0,
    };
    let config = DatabaseConfig { mysql: vec![mysql], ..DatabaseConfig::default() };
    let source = sources(&config, &Roots::default()).remove(0).source;
    let asker = source.asker().expect("it answers");
    let mut seen = Watched::start(source);
    seen.verdict("none slow").await;

    // What runs has its values: a plan, the whole table, an index to copy.
    let mut busy = MySqlConnection::connect(&format!("{url}shop")).await.expect("answers");
    let running = tokio::spawn(async move {
        let sql = "SELECT SLEEP(8) + count(note) FROM orders WHERE user_id = 7";
        let done = sqlx::raw_sql(sql).execute(&mut busy).await;
        (done.is_err(), busy)
    });
    seen.until("the statement", |_, pane| pane.contains("count(note)")).await;
    let wanted = seen.on_row("count(note)", explainable).expect("it can be explained");
    assert_eq!(wanted.db, "shop");
    let (answer, said) = oneshot::channel();
    asker.send(Question::Plan { wanted: wanted.clone(), answer }).await.expect("the source runs");
    let plan = said.await.expect("not dropped").expect("a plan");
    let index = "CREATE INDEX orders_user_id ON shop.orders (user_id) ALGORITHM=INPLACE LOCK=NONE;";
    assert_eq!(plan.copy.as_deref(), Some(index), "{plan:#?}");
    assert!(plan.nodes.iter().any(|n| n.costliest && n.what.contains("Whole table orders")), "{plan:#?}");
    for (sql, why) in [
        ("UPDATE orders SET note = 'y'", "UPDATE writes"),
        ("SELECT 1; DROP TABLE orders", "several"),
        ("SELECT `note` FROM `orders` WHERE `user_id` = ?", "only its shape is known"),
        ("SELECT * FROM nowhere", "doesn't exist"),
    ] {
        let (answer, said) = oneshot::channel();
        let wanted = warroom::signals::database::plan::Wanted { statement: sql.into(), ..wanted.clone() };
        asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
        let why_not = said.await.expect("not dropped").expect_err(sql);
        assert!(why_not.contains(why), "{sql}: {why_not}");
    }

    // Another user's, another client's, a younger statement: not touched. Then the right one.
    let ending = seen.on_row("count(note)", endable).expect("it can be ended");
    for wrong in [
        Ending { user: "somebody".into(), ..ending.clone() },
        Ending { client_port: Some(1), ..ending.clone() },
        Ending { query_age_ms: Some(3_600_000), ..ending.clone() },
        Ending { pid: 999_999, ..ending.clone() },
    ] {
        let why = end(&asker, wrong.clone()).await.expect_err("not this one");
        assert!(why.starts_with("not done:"), "{why}");
    }
    let done = end(&asker, ending.clone()).await.expect("cancelled");
    assert!(done.said.contains("cancelled the statement of session"), "{done:?}");
    let (_, mut busy) = running.await.expect("it ends");
    let alive = sqlx::raw_sql("SELECT 1").execute(&mut busy).await;
    assert!(alive.is_ok(), "the session goes on");
    let done = end(&asker, Ending { how: How::Terminate, query_age_ms: None, ..ending }).await.expect("terminated");
    assert!(done.said.contains("terminated session"), "{done:?}");
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut busy).await.is_err());

    // While somebody waits to change the table, nothing of ours queues behind him.
    sqlx::raw_sql("BEGIN; SELECT * FROM shop.orders LIMIT 1").execute(&mut admin).await.expect("open");
    let mut ddl = MySqlConnection::connect(&url).await.expect("answers");
    let ddl =
        tokio::spawn(
            async move { drop(sqlx::raw_sql("ALTER TABLE shop.orders ADD COLUMN m int").execute(&mut ddl).await) },
        );
    seen.verdict("1 session waits for a lock").await;
    let (answer, said) = oneshot::channel();
    asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
    let began = std::time::Instant::now();
    let why = said.await.expect("not dropped").expect_err("a change is queued");
    assert!(why.contains("waits to (alter)") && began.elapsed() < Duration::from_secs(2), "{why}");
    sqlx::raw_sql("COMMIT").execute(&mut admin).await.expect("closed");
    ddl.await.expect("it goes on");
    seen.run.stop().await;
}
