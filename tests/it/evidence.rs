//! What a server tells and what its log tells, in one pane; and one of two servers that no longer answers.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::support::postgres::Postgres;
use crate::support::program::{Home, kill};
use crate::support::tty::Tty;

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// A connection of an application that has a name.
async fn connect(server: &Postgres, application: &str) -> (PgConnection, i32) {
    let url = format!("{}?application_name={application}", server.url("test"));
    let mut conn = PgConnection::connect(&url).await.expect("the throwaway server answers");
    let pid = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut conn).await.expect("a pid").get(0);
    (conn, pid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_deadlock_comes_with_both_statements_from_the_log_and_slow_statements_with_their_application() {
    let server = Postgres::start("log_line_prefix = '%m [%p] %q%u@%d/%a '\nlog_min_duration_statement = 250\n");
    let (mut one, a) = connect(&server, "cart").await;
    run(&mut one, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)").await;
    let home = Home::new();
    home.configure(&format!("[[database.postgres]]\nname = \"orders\"\nurl = \"{}\"\n", server.url("test")));
    let log = server.log();
    let log = log.to_str().expect("text");
    let mut tty = Tty::start(&home, &[log], (200, 45));
    tokio::task::block_in_place(|| {
        tty.keys("3z");
        tty.wait_for("none slow");
    });

    let (mut two, b) = connect(&server, "checkout").await;
    run(&mut one, "BEGIN; UPDATE t SET n = 1 WHERE id = 1").await;
    run(&mut two, "BEGIN; UPDATE t SET n = 2 WHERE id = 2").await;
    let other = tokio::spawn(async move {
        let sql = "UPDATE t SET n = 22 WHERE id = 1 /* request_id:req-8 */";
        let lost = sqlx::raw_sql(sql).execute(&mut two).await.is_err();
        (two, lost)
    });
    tokio::task::block_in_place(|| tty.wait_for("1 session waits"));
    let lost = sqlx::raw_sql("UPDATE t SET n = 11 WHERE id = 2").execute(&mut one).await.is_err();
    let broken = Instant::now();
    run(&mut one, "ROLLBACK").await;
    let (mut two, also) = other.await.expect("it ends");
    assert!(lost != also, "one of them lost");
    run(&mut two, "ROLLBACK").await;
    let text = tokio::task::block_in_place(|| {
        tty.wait("both sides of the deadlock", |text| {
            let both = [a, b].iter().all(|pid| text.contains(&format!("pid {pid}")));
            text.contains("1 deadlock in 60 s") && both && text.contains("n = 22") && text.contains("n = 11")
        })
    });
    assert!(broken.elapsed() < Duration::from_secs(6), "{:?}\n{text}", broken.elapsed());

    // The application's name stands in the prefix only.
    run(&mut two, "SELECT pg_sleep(0.4), 'slow one'").await;
    let told = Instant::now();
    loop {
        let rows = tokio::task::block_in_place(|| home.run(&["query", "db", "--logs", log, "--json"]).objects());
        if let Some(row) = rows.iter().find(|r| r["statement"].as_str().is_some_and(|s| s.contains("slow one"))) {
            assert_eq!((row["application"].as_str(), row["kind"].as_str()), (Some("checkout"), Some("slow_statement")));
            break;
        }
        assert!(told.elapsed() < Duration::from_secs(10), "{rows:#?}");
    }

    // What hangs stands in no counter and in no log, and comes first all the same.
    let hangs =
        tokio::spawn(async move { drop(sqlx::raw_sql("SELECT count(pg_sleep(60)) AS hangs").execute(&mut two).await) });
    let text = tokio::task::block_in_place(|| {
        tty.wait("the hanging one before the slow one", |text| {
            let row = |words: &str| text.lines().skip(4).position(|l| l.contains(words));
            matches!((row("AS hangs"), row("'slow one'")), (Some(a), Some(b)) if a < b)
        })
    });
    assert!(text.contains("run 1"), "{text}");
    run(&mut one, &format!("SELECT pg_terminate_backend({b})")).await;
    hangs.await.expect("it ends");
    tokio::task::block_in_place(|| {
        tty.keys("q");
        tty.ended();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_server_that_hangs_slows_neither_the_other_nor_the_screen_and_is_said() {
    let (good, bad) = (Postgres::start(""), Postgres::start(""));
    let (mut admin, _) = connect(&bad, "admin").await;
    let home = Home::new();
    let entry =
        |name: &str, s: &Postgres| format!("[[database.postgres]]\nname = \"{name}\"\nurl = \"{}\"\n", s.url("test"));
    home.configure(&format!("{}{}", entry("orders", &good), entry("audit", &bad)));
    let mut tty = Tty::start(&home, &[], (160, 45));
    tokio::task::block_in_place(|| {
        tty.keys("3z");
        tty.wait("both of them", |text| text.contains("orders") && text.contains("audit"));
    });
    // The session that serves us, and everything that could let us in again.
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'warroom/%'";
    let ours: i32 = sqlx::query(sql).fetch_one(&mut admin).await.expect("our session").get(0);
    let stop = rustix::process::Signal::STOP;
    let master = bad.master();
    kill(master, stop);
    kill(ours as u32, stop);

    let (mut holder, pid) = connect(&good, "holder").await;
    run(&mut holder, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    run(&mut holder, "BEGIN; DELETE FROM t").await;
    let (mut waiter, _) = connect(&good, "waiter").await;
    let waits = tokio::spawn(async move { drop(sqlx::raw_sql("DELETE FROM t").execute(&mut waiter).await) });
    let began = Instant::now();
    let text = tokio::task::block_in_place(|| tty.wait_for(&format!("pid {pid} blocks: 1 waits")));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}\n{text}", began.elapsed());
    tokio::task::block_in_place(|| {
        tty.wait("the one that hangs, by name and with the reason", |text| {
            text.lines().any(|l| l.contains("audit") && (l.contains("no answer") || l.contains("does not answer")))
        });
        let pressed = Instant::now();
        tty.keys("?");
        tty.wait_for("keys");
        assert!(pressed.elapsed() < Duration::from_secs(1), "{:?}", pressed.elapsed());
        tty.keys("\x1b");
    });
    kill(ours as u32, rustix::process::Signal::CONT);
    kill(master, rustix::process::Signal::CONT);
    run(&mut holder, "COMMIT").await;
    waits.await.expect("it goes on");
    tokio::task::block_in_place(|| {
        tty.wait("it answers again", |text| !text.contains("no answer") && !text.contains("does not answer"));
        tty.keys("q");
        tty.ended();
    });
}
