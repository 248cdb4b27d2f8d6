//! A real MariaDB, watched through the real source: what the pane says, and that it is never in the way.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use warroom::signals::database::config::{DatabaseConfig, MysqlConfig, SecretUrl};
use warroom::signals::database::sources::sources;
use warroom::signals::{Roots, Source};

use crate::support::mariadb::MariaDb;
use crate::support::program::Home;
use crate::support::tty::Tty;
use crate::support::watched::{LIMIT, Watched};

fn source(url: &str) -> Box<dyn Source> {
    let mysql = MysqlConfig {
        name: Some("test".into()),
        url: SecretUrl(url.into()),
        password_env: None,
        password_command: url.contains("warroom@").then(|| "echo s3cret".into()),
        option_file: None,
        interval: 1.0,
    };
    let config = DatabaseConfig { mysql: vec![mysql], ..DatabaseConfig::default() };
    sources(&config, &Roots::default()).remove(0).source
}

async fn connect(url: &str) -> MySqlConnection {
    MySqlConnection::connect(url).await.expect("the throwaway server answers")
}

async fn run(conn: &mut MySqlConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

async fn id(conn: &mut MySqlConnection) -> i64 {
    sqlx::query("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(conn).await.expect("a number").get(0)
}

/// Runs a statement on a connection of its own that is expected to wait.
async fn waits(url: &str, sql: &'static str) -> (i64, tokio::task::JoinHandle<()>) {
    let mut conn = connect(url).await;
    let pid = id(&mut conn).await;
    (pid, tokio::spawn(async move { drop(sqlx::raw_sql(sql).execute(&mut conn).await) }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_up_whom_by_rows_and_by_changes_of_tables_what_statements_cost_and_who_was_in_a_deadlock() {
    let server = MariaDb::start(&["--performance-schema=ON"]);
    let url = server.url("root");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE DATABASE shop").await;
    run(&mut admin, "CREATE TABLE shop.orders (id int PRIMARY KEY, n int) ENGINE=InnoDB").await;
    run(&mut admin, "INSERT INTO shop.orders VALUES (1, 0), (2, 0)").await;
    run(&mut admin, "CREATE USER warroom@'127.0.0.1' IDENTIFIED BY 's3cret'").await;
    run(&mut admin, "GRANT PROCESS, SLAVE MONITOR ON *.* TO warroom@'127.0.0.1'").await;
    run(&mut admin, "GRANT SELECT ON performance_schema.* TO warroom@'127.0.0.1'").await;

    let mut seen = Watched::start(source(&server.url("warroom")));
    seen.verdict("none slow").await;

    // A row, with a chain of two behind it.
    let mut holder = connect(&url).await;
    let holds = id(&mut holder).await;
    run(&mut holder, "BEGIN; UPDATE shop.orders SET n = 1 WHERE id = 1").await;
    let (second, a) =
        waits(&url, "BEGIN; UPDATE shop.orders SET n = 3 WHERE id = 2; UPDATE shop.orders SET n = 2 WHERE id = 1")
            .await;
    seen.verdict("1 session waits").await;
    let (third, b) = waits(&url, "UPDATE shop.orders SET n = 4 WHERE id = 2").await;
    let verdict = seen.verdict("2 sessions wait").await;
    assert!(verdict.contains(&format!("blocked by pid {holds} (idle in transaction")), "{verdict}");
    let pane = seen.pane();
    let rows: Vec<&str> = pane.lines().filter(|l| l.contains("pid ")).skip(1).collect();
    assert!(rows[0].contains(&format!("pid {holds} blocks: 2 wait")), "{pane}");
    assert!(rows[1].contains(&format!("pid {second} ")) && rows[2].contains(&format!("pid {third} ")), "{pane}");
    let ours = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'warroom'";
    let n: i64 = sqlx::query(ours).fetch_one(&mut admin).await.expect("a count").get(0);
    assert_eq!(n, 1);
    run(&mut holder, "ROLLBACK").await;
    tokio::time::timeout(LIMIT, async { tokio::join!(a, b) }).await.expect("they go on").0.expect("well");

    // A change of the table behind an open transaction, and a reader behind the change: whom nobody tells, at first.
    run(&mut holder, "BEGIN; SELECT * FROM shop.orders").await;
    let (changes, a) = waits(&url, "ALTER TABLE shop.orders ADD COLUMN m int").await;
    let verdict = seen.verdict("who holds it is not told").await;
    assert!(verdict.contains("1 session waits for a lock (table metadata)"), "{verdict}");
    seen.degraded("INSTALL SONAME 'metadata_lock_info'").await;
    let (reads, b) = waits(&url, "SELECT COUNT(*) FROM shop.orders").await;
    run(&mut admin, "INSTALL SONAME 'metadata_lock_info'").await;
    let mut again = Watched::start(source(&server.url("warroom")));
    let verdict = again.verdict("2 sessions wait").await;
    assert!(verdict.contains(&format!("blocked by pid {holds} (idle in transaction")), "{verdict}");
    let pane = again.pane();
    let row = |pid| pane.lines().position(|l| !l.contains("blocked by") && l.contains(&format!("pid {pid} ")));
    assert!(row(holds) < row(changes) && row(changes) < row(reads) && row(reads).is_some(), "{pane}");
    again.run.stop().await;
    run(&mut holder, "COMMIT").await;
    tokio::time::timeout(LIMIT, async { tokio::join!(a, b) }).await.expect("they go on").0.expect("well");

    // What statements cost.
    for _ in 0..3 {
        run(&mut admin, "SELECT SLEEP(0.35)").await;
    }
    let text = "SELECT `SLEEP` (?)";
    let has = |pane: &str| pane.lines().any(|l| l.to_lowercase().contains("sleep") && l.contains("35"));
    let pane = seen.until(text, |_, pane| has(pane)).await;
    assert!(!pane.contains("performance_schema"), "what we ask ourselves is not listed: {pane}");

    // A deadlock.
    let mut one = connect(&url).await;
    run(&mut one, "BEGIN; UPDATE shop.orders SET n = 5 WHERE id = 1").await;
    let (_, other) =
        waits(&url, "BEGIN; UPDATE shop.orders SET n = 6 WHERE id = 2; UPDATE shop.orders SET n = 7 WHERE id = 1")
            .await;
    seen.verdict("1 session waits").await;
    let _ = sqlx::raw_sql("UPDATE shop.orders SET n = 8 WHERE id = 2").execute(&mut one).await;
    drop(one);
    let _ = other.await;
    let verdict = seen.verdict("1 deadlock in 60 s").await;
    assert!(verdict.contains("(rolled back) UPDATE shop.orders SET n =") && verdict.contains(" and pid "), "{verdict}");
    assert!(seen.run.stop().await < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slot_kept_for_the_administrator_of_a_full_server_is_given_back_after_one_look() {
    let server = MariaDb::start(&["--max-connections=10"]);
    let mut admin = connect(&server.url("root")).await;
    run(&mut admin, "CREATE USER app@'127.0.0.1'").await;
    run(&mut admin, "CREATE USER warroom@'127.0.0.1' IDENTIFIED BY 's3cret'").await;
    run(&mut admin, "GRANT PROCESS, CONNECTION ADMIN ON *.* TO warroom@'127.0.0.1'").await;
    let mut app = Vec::new();
    for _ in 0..9 {
        app.push(connect(&server.url("app")).await);
    }
    let mut seen = Watched::start(source(&server.url("warroom")));
    let pane = seen.until("the slot given back", |_, pane| pane.contains("was given back after a look")).await;
    assert!(pane.contains("server full: 10 of 10 slots"), "{pane}");
    seen.degraded("gave it back; looks again every 60 s").await;
    // The administrator gets in, now and later.
    for _ in 0..10 {
        let again = MySqlConnection::connect(&server.url("root")).await.expect("the last door is open");
        again.close().await.expect("a goodbye");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ours = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'warroom'";
    assert_eq!(sqlx::query(ours).fetch_one(&mut admin).await.expect("a number").get::<i64, _>(0), 0);
    seen.run.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_user_a_full_server_a_stopped_replica_and_a_dead_server_are_each_said_in_words() {
    let mut server = MariaDb::start(&["--max-connections=10", "--server-id=7"]);
    let url = server.url("root");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE USER app@'127.0.0.1'").await;
    run(&mut admin, "CREATE USER warroom@'127.0.0.1' IDENTIFIED BY 's3cret'").await;

    let mut plain = Watched::start(source(&server.url("warroom")));
    plain.degraded("GRANT PROCESS, SLAVE MONITOR ON *.* TO 'warroom'@'127.0.0.1'").await;
    plain.until("hidden sessions", |_, pane| pane.contains("hidden 1")).await;
    plain.run.stop().await;

    run(&mut admin, "GRANT PROCESS, SLAVE MONITOR ON *.* TO warroom@'127.0.0.1'").await;
    run(&mut admin, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='r'; START SLAVE").await;
    let mut seen = Watched::start(source(&server.url("warroom")));
    seen.degraded("performance_schema = ON below [mysqld]").await;
    let verdict = seen.verdict("replica test does not receive from its primary").await;
    assert!(verdict.contains("onnect"), "why, in the server's words: {verdict}");
    run(&mut admin, "STOP SLAVE; RESET SLAVE ALL").await;

    let mut app = Vec::new();
    for _ in 0..8 {
        app.push(connect(&server.url("app")).await);
    }
    let verdict = seen.verdict("server full").await;
    assert!(verdict.contains("10 of 10 slots"), "{verdict}");
    let late = Watched::start(source(&server.url("app")));
    let error = late.run.task.await.expect("no panic").expect_err("no slot is left");
    assert!(error.retry && error.message.contains("refuses connections: Too many connections"), "{}", error.message);
    drop(app);

    let through = MySqlConnection::connect(&server.socket_url("root")).await;
    drop(through);
    server.stop();
    seen.verdict("server does not answer").await;
    let error = seen.run.task.await.expect("no panic").expect_err("the server is gone");
    assert!(error.retry && !error.message.contains("s3cret"), "{}", error.message);
    server.again();
    let mut back = Watched::start(source(&server.url("warroom")));
    back.verdict("none slow").await;
    back.run.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_log_tells_the_database_pane_what_was_written_before_the_start_and_what_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("slow.log");
    std::fs::write(&log, "").expect("written");
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
    std::fs::set_permissions(folder.path(), open(0o777)).expect("the server's user may write there");
    std::fs::set_permissions(&log, open(0o666)).expect("the server's user may write it");
    let file = format!("--slow-query-log-file={}", log.display());
    let server = MariaDb::start(&["--slow-query-log=1", "--long-query-time=0.1", &file]);
    let mut conn = connect(&server.url("root")).await;
    run(&mut conn, "SELECT SLEEP(0.3), 'before;\n# Query_time: 9' /* request_id:req-71 */").await;
    let path = log.to_str().expect("text");
    for configured in [false, true] {
        let home = Home::new();
        let entry = format!("[logs]\nfiles = [\"{path}\"]\n");
        home.configure(if configured { &entry } else { "" });
        let args: &[&str] = if configured { &[] } else { &[path] };
        let mut tty = Tty::start(&home, args, (160, 45));
        let text = tokio::task::block_in_place(|| {
            tty.keys("3z");
            tty.wait_for("SELECT SLEEP(0.3), 'before;")
        });
        let first = text.lines().find(|l| l.contains("SLEEP(0.3)")).unwrap_or_default();
        assert!(first.trim_start_matches(['▌', ' ']).starts_with("30") && first.contains(" ms "), "{text}");
        run(&mut conn, "SELECT SLEEP(0.4) AS after_it /* request_id:req-72 */").await;
        tokio::task::block_in_place(|| {
            tty.wait_for("after_it");
            tty.keys("q");
            tty.ended();
        });
    }
}
