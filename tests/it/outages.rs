//! What goes wrong with a PostgreSQL, one after another on one real server, watched through one connection: what the
//! verdict says, which row is first, and that a recording of it shows the same with no server.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use warroom::signals::database::config::{DatabaseConfig, PostgresConfig};
use warroom::signals::database::pane::explainable;
use warroom::signals::database::plan::{Plan, Question, Wanted};
use warroom::signals::database::sources::sources;
use warroom::signals::source::Asker;
use warroom::signals::{Roots, Source};

use crate::support::postgres::Postgres;
use crate::support::sampler::Sampler;
use crate::support::watched::Watched;

fn source(url: &str) -> Box<dyn Source> {
    let postgres = PostgresConfig { name: Some("orders".into()), ..PostgresConfig::at(url) };
    let config = DatabaseConfig { postgres: vec![postgres], ..DatabaseConfig::default() };
    sources(&config, &Roots::default()).remove(0).source
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the throwaway server answers")
}

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// A session and its number.
async fn session(url: &str) -> (PgConnection, i32) {
    let mut conn = connect(url).await;
    let pid = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut conn).await.expect("a pid").get(0);
    (conn, pid)
}

/// One that has begun a transaction with `sql` and sits there.
async fn holds(url: &str, sql: &str) -> (PgConnection, i32) {
    let (mut conn, pid) = session(url).await;
    run(&mut conn, &format!("BEGIN; {sql}")).await;
    (conn, pid)
}

/// One that runs `sql` and is expected to wait.
async fn waits(url: &str, sql: &str) -> (i32, JoinHandle<Option<String>>) {
    let (mut conn, pid) = session(url).await;
    let sql = sql.to_owned();
    let task = tokio::spawn(async move {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await;
        done.err().map(|e| e.to_string())
    });
    (pid, task)
}

async fn ask(asker: &Asker, wanted: Wanted) -> Result<Plan, String> {
    let (answer, said) = oneshot::channel();
    asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
    tokio::time::timeout(Duration::from_secs(10), said).await.expect("an answer").expect("not dropped")
}

/// Number of the row, from the top, that has these words.
fn row(pane: &str, words: &str) -> Option<usize> {
    pane.lines().skip(1).position(|l| l.contains(words))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_go_wrong_is_the_verdict_its_cause_is_the_first_row_and_a_recording_shows_the_same() {
    let server = Postgres::start(
        "max_connections = 230\nmax_prepared_transactions = 5\ntrack_activity_query_size = 1048576\nautovacuum = off\n",
    );
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE ROLE app LOGIN; CREATE ROLE watch LOGIN; GRANT pg_monitor, pg_read_all_data TO watch")
        .await;
    run(
        &mut admin,
        "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 50) i",
    )
    .await;
    run(&mut admin, "CREATE TABLE big AS SELECT i AS id, i % 5000 AS user_id FROM generate_series(1, 1000000) i").await;
    run(&mut admin, "CREATE INDEX big_user ON big (user_id); ANALYZE big; GRANT ALL ON t, big TO app").await;
    let source = source(&server.url("watch"));
    let asker = source.asker().expect("it answers");
    let mut seen = Watched::start(source);
    let sampler = Sampler::start(&url);
    seen.verdict("none slow").await;

    // An open transaction that holds nobody up is a leak once it has lasted; meanwhile other things go wrong.
    let (mut leaker, leaks) = holds(&url, "SELECT 1").await;
    let leaked = Instant::now();

    // One behind another.
    let (mut holder, h) = holds(&url, "UPDATE t SET n = 1 WHERE id = 1").await;
    let began = Instant::now();
    let (second, a) =
        waits(&url, "BEGIN; UPDATE t SET n = 2 WHERE id = 2; UPDATE t SET n = 2 WHERE id = 1; COMMIT").await;
    let verdict = seen.verdict("1 session waits").await;
    assert!(began.elapsed() < Duration::from_secs(3), "seen within seconds: {:?}", began.elapsed());
    assert!(verdict.starts_with(&format!("blocked by pid {h} (idle in transaction")), "{verdict}");
    assert!(seen.first_row().contains(&format!("pid {h} blocks: 1 wait")), "{}", seen.pane());
    seen.replays_the_same();

    // Three levels; and 200 on one row.
    let (third, b) = waits(&url, "UPDATE t SET n = 3 WHERE id = 2").await;
    let verdict = seen.verdict("2 sessions wait").await;
    assert!(verdict.contains(&format!("blocked by pid {h} ")), "{verdict}");
    let pane = seen.pane();
    let at = |pid: i32| row(&pane, &format!("pid {pid} "));
    assert!(at(h) < at(second) && at(second) < at(third) && at(third).is_some(), "{pane}");
    assert!(pane.lines().any(|l| l.contains(&format!("pid {second} ")) && l.contains("holds up 1")), "{pane}");
    seen.replays_the_same();
    let mut crowd = Vec::new();
    for _ in 0..198 {
        crowd.push(waits(&url, "UPDATE t SET n = 4 WHERE id = 1").await.1);
    }
    let verdict = seen.verdict("200 sessions wait").await;
    assert!(verdict.contains(&format!("blocked by pid {h} ")), "{verdict}");
    assert!(seen.first_row().contains(&format!("pid {h} blocks: 200 wait")), "{}", seen.pane());
    seen.replays_the_same();
    run(&mut holder, "COMMIT").await;
    for task in [a, b].into_iter().chain(crowd) {
        assert_eq!(task.await.expect("it goes on"), None);
    }

    // Two hold the same table for sharing: both are named, because ending one frees nobody.
    let (mut one, s1) = holds(&url, "LOCK TABLE t IN SHARE MODE").await;
    let (mut two, s2) = holds(&url, "LOCK TABLE t IN SHARE MODE").await;
    let (_, w) = waits(&url, "UPDATE t SET n = 5 WHERE id = 3").await;
    let verdict = seen.verdict("1 session waits").await;
    assert!([s1, s2].iter().all(|pid| verdict.contains(&format!("pid {pid}"))), "{verdict}");
    assert!(seen.first_row().contains(" blocks: 1 wait"), "{}", seen.pane());
    seen.replays_the_same();
    run(&mut one, "COMMIT").await;
    run(&mut two, "COMMIT").await;
    assert_eq!(w.await.expect("it goes on"), None);

    // A prepared transaction that nobody sits at.
    run(&mut one, "BEGIN; UPDATE t SET n = 6 WHERE id = 4; PREPARE TRANSACTION 'order-7'").await;
    let (_, w) = waits(&url, "UPDATE t SET n = 7 WHERE id = 4").await;
    let verdict = seen.verdict("blocked by prepared transaction 'order-7'").await;
    assert!(verdict.contains("1 session waits"), "{verdict}");
    assert!(seen.first_row().contains("order-7"), "{}", seen.pane());
    let sql = seen.on_row("blocks: 1 wait", warroom::signals::database::pane::terminate);
    assert_eq!(sql.as_deref(), Some("ROLLBACK PREPARED 'order-7';"));
    seen.replays_the_same();
    run(&mut admin, "ROLLBACK PREPARED 'order-7'").await;
    assert_eq!(w.await.expect("it goes on"), None);

    // A change of the table queued behind a reader, and everybody behind the change.
    let (mut reader, r) = holds(&url, "SELECT count(*) FROM t").await;
    let (ddl, d) = waits(&url, "ALTER TABLE t ADD COLUMN m int").await;
    seen.verdict("1 session waits").await;
    let (behind, w) = waits(&url, "SELECT count(*) FROM t").await;
    let verdict = seen.verdict("2 sessions wait").await;
    assert!(verdict.contains(&format!("blocked by pid {r} ")), "{verdict}");
    let pane = seen.pane();
    let at = |pid: i32| row(&pane, &format!("pid {pid} "));
    assert!(at(r) < at(ddl) && at(ddl) < at(behind) && at(behind).is_some(), "{pane}");
    assert!(pane.lines().any(|l| l.contains("holds up 1") && l.contains("ALTER TABLE t")), "{pane}");
    seen.replays_the_same();
    run(&mut reader, "COMMIT").await;
    assert_eq!((d.await.expect("on"), w.await.expect("on")), (None, None));

    // The leak has lasted by now.
    let verdict = seen.verdict("idle in transaction, longest").await;
    assert!(
        verdict.contains("1 idle in transaction, longest") && verdict.contains(&format!("pid {leaks}")),
        "{verdict}"
    );
    assert!(leaked.elapsed() >= Duration::from_secs(10), "not before it has lasted 10 s");
    assert!(
        seen.first_row().contains("blocked: none") || seen.pane().contains(&format!("pid {leaks} idle in transaction")),
        "{}",
        seen.pane()
    );
    seen.replays_the_same();
    run(&mut leaker, "COMMIT").await;

    // A statement that an index served, until somebody dropped it.
    let sql =
        "SELECT sum(c) FROM generate_series(1, 60) g, LATERAL (SELECT count(*) AS c FROM big WHERE user_id = g) x";
    run(&mut admin, sql).await;
    seen.verdict("none slow").await;
    run(&mut admin, "DROP INDEX big_user").await;
    let busy = url.clone();
    let slow = tokio::spawn(async move {
        let mut conn = connect(&busy).await;
        for _ in 0..40 {
            if sqlx::raw_sql(sql).execute(&mut conn).await.is_err() {
                return;
            }
        }
    });
    let verdict = seen.verdict("slow ").await;
    assert!(verdict.contains("SELECT sum(c) FROM generate_series"), "{verdict}");
    assert!(seen.first_row().contains("SELECT sum(c) FROM generate_series"), "{}", seen.pane());
    let wanted = seen.on_row("SELECT sum(c) FROM", explainable).expect("it can be explained");
    let asked = Instant::now();
    let plan = ask(&asker, wanted).await.expect("a plan");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(plan.copy.as_deref(), Some("CREATE INDEX CONCURRENTLY ON public.big (user_id);"), "{plan:#?}");
    seen.replays_the_same();
    slow.abort();
    let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT sum(c)%' AND pid <> pg_backend_pid()";
    run(&mut admin, ends).await;

    // A statement of a megabyte, one in another encoding: the look goes on.
    run(&mut admin, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await;
    let mut other = connect(&url.replace("/postgres", "/latin")).await;
    run(&mut other, "SELECT 'caf\u{e9}'").await;
    let long = format!("SELECT pg_sleep(4), '{}'", "\u{e9}".repeat(400_000));
    let (_, w) = waits(&url, &long).await;
    let mut raw = Watched::start(self::source(&url));
    raw.until("the other one's text, as far as it is text", |_, pane| pane.contains("SELECT pg_sleep(4)")).await;
    raw.run.stop().await;
    seen.until("the long statement", |_, pane| pane.contains("SELECT pg_sleep(4)")).await;
    seen.replays_the_same();
    w.abort();

    // Rights that are taken away while we look, and given again: said, counted, on the same connection.
    run(&mut admin, "REVOKE pg_monitor FROM watch").await;
    seen.degraded("GRANT pg_monitor TO \"watch\"").await;
    seen.until("hidden sessions", |_, pane| pane.contains("hidden ")).await;
    seen.replays_the_same();
    run(&mut admin, "GRANT pg_monitor TO watch").await;
    seen.until("all of it again", |w, pane| {
        !pane.contains("hidden ") && !format!("{:?}", w.state).contains("pg_monitor")
    })
    .await;

    // Clocks that disagree by an hour, either way.
    for ahead in [3_600, -3_600] {
        let (mut holder, h) = holds(&url, "UPDATE t SET n = 1 WHERE id = 9").await;
        let (_, w) = waits(&url, "UPDATE t SET n = 2 WHERE id = 9").await;
        let mut skewed = Watched::start(self::source(&url));
        skewed.ahead = ahead;
        let verdict = skewed.verdict("1 session waits").await;
        assert!(verdict.starts_with(&format!("blocked by pid {h} (idle in transaction")), "{verdict}");
        assert!(!verdict.contains("3600") && !verdict.contains("1 h") && !verdict.contains("60 m"), "{verdict}");
        skewed.replays_the_same();
        skewed.run.stop().await;
        run(&mut holder, "COMMIT").await;
        assert_eq!(w.await.expect("on"), None);
    }

    // A deadlock, within three seconds by the counter.
    let (mut one, _) = holds(&url, "UPDATE t SET n = 1 WHERE id = 20").await;
    let (_, other) = waits(&url, "BEGIN; UPDATE t SET n = 2 WHERE id = 21; UPDATE t SET n = 2 WHERE id = 20").await;
    seen.verdict("1 session waits").await;
    let lost = sqlx::raw_sql("UPDATE t SET n = 1 WHERE id = 21").execute(&mut one).await.is_err();
    let broken = Instant::now();
    drop(one);
    let told = other.await.expect("it ends");
    assert!(lost || told.is_some_and(|e| e.contains("deadlock")), "one of them lost");
    let verdict = seen.verdict("1 deadlock in 60 s").await;
    assert!(broken.elapsed() < Duration::from_secs(4), "{:?}: {verdict}", broken.elapsed());
    seen.replays_the_same();

    let watched = sampler.stop().await;
    assert!(watched.samples > 300 && watched.active > 0, "{watched:?}");
    // Those of the skewed clocks are a second one each, for a moment.
    assert!(watched.connections <= 2 && watched.waited_ms <= 150.0, "{watched:?}");

    // No free slot: a warning while it comes, then a refusal.
    let mut all = Vec::new();
    while let Ok(c) = PgConnection::connect(&server.url("app")).await {
        all.push(c);
    }
    let verdict = seen.verdict("server full").await;
    assert!(verdict.contains("227 of 227 slots"), "{verdict}");
    seen.replays_the_same();
    let mut refused = Watched::start(self::source(&server.url("watch")));
    let verdict = refused.verdict("server refuses connections").await;
    assert!(verdict.contains("53300"), "{verdict}");
    refused.replays_the_same();
    drop(all);
    seen.run.stop().await;
}
