//! Plans asked of a real PostgreSQL over the source's one connection, in good times and in bad.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::oneshot;
use warroom::signals::Roots;
use warroom::signals::database::config::{DatabaseConfig, PostgresConfig};
use warroom::signals::database::plan::{Plan, Question, Wanted};
use warroom::signals::database::sources::sources;
use warroom::signals::source::Asker;
use warroom::timeline::SourceId;

use crate::support::postgres::Postgres;
use crate::support::watched::Watched;

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the throwaway server answers")
}

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

async fn ask(asker: &Asker, statement: &str) -> (Result<Plan, String>, Duration) {
    let (answer, said) = oneshot::channel();
    let wanted =
        Wanted { source: SourceId(1), statement: statement.into(), db: "postgres".into(), ..Wanted::default() };
    let began = Instant::now();
    asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
    let said = tokio::time::timeout(Duration::from_secs(10), said).await.expect("an answer").expect("not dropped");
    (said, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_names_the_scan_and_the_index_and_nothing_of_ours_ever_waits_for_a_lock() {
    let server = Postgres::start("");
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE TABLE orders (id int PRIMARY KEY, user_id int, note text)").await;
    run(&mut admin, "INSERT INTO orders SELECT i, i % 5000, 'x' FROM generate_series(1, 150000) i").await;
    run(&mut admin, "CREATE TABLE small (a int); INSERT INTO small VALUES (1)").await;
    run(&mut admin, "VACUUM ANALYZE orders").await;
    let sleeper = "CREATE FUNCTION sleeps() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(30)'";
    run(&mut admin, sleeper).await;

    let postgres = PostgresConfig { name: Some("test".into()), ..PostgresConfig::at(url.clone()) };
    let config = DatabaseConfig { postgres: vec![postgres], ..DatabaseConfig::default() };
    let source = sources(&config, &Roots::default()).remove(0).source;
    let asker = source.asker().expect("it answers");
    let mut seen = Watched::start(source);
    seen.verdict("none slow").await;

    let index = "CREATE INDEX CONCURRENTLY ON public.orders (user_id);";
    let (plan, took) = ask(&asker, "SELECT note FROM orders WHERE user_id = 7").await;
    let plan = plan.expect("a plan");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(plan.copy.as_deref(), Some(index), "{plan:#?}");
    assert!(plan.findings[0].contains("all of public.orders is read (150,000 rows"), "{:?}", plan.findings);
    assert!(plan.nodes.iter().any(|n| n.costliest && n.what.contains("Seq Scan on public.orders")), "{plan:#?}");

    // As statistics have it: with $n, twice, because nothing may be left behind by the first.
    for _ in 0..2 {
        let plan =
            ask(&asker, "SELECT note FROM orders WHERE user_id = $1 AND id > $2").await.0.expect("a generic plan");
        assert!(plan.nodes.iter().any(|n| n.details.iter().any(|d| d.contains("$1"))), "{plan:#?}");
        assert!(plan.about[1].contains("generic"), "{:?}", plan.about);
    }
    // What writes is slow because of how it finds its rows: that is planned, as a statement that only reads.
    for sql in ["UPDATE orders SET note = $3 WHERE user_id = $1", "DELETE FROM orders WHERE user_id = 7"] {
        let plan = ask(&asker, sql).await.0.expect("a plan of the search");
        assert!(plan.statement.starts_with("SELECT 1 FROM orders WHERE user_id = ") && !plan.can_run, "{plan:#?}");
        assert!(plan.about.iter().any(|a| a.contains("the change itself is not planned")), "{plan:#?}");
    }
    for (sql, why) in [
        ("INSERT INTO orders VALUES (0)", "INSERT writes"),
        ("UPDATE orders SET note = 'y'; DROP TABLE orders", "several statements"),
        ("SELECT 1; DROP TABLE orders", "several statements"),
        ("SELECT * FROM nowhere WHERE a = $1", "\"nowhere\" does not exist"),
        ("SELECT sleeps()", "planning took longer than 2 s"),
    ] {
        let (said, took) = ask(&asker, sql).await;
        let said = said.expect_err(sql);
        assert!(said.contains(why) && took < Duration::from_secs(4), "{sql}: {said} ({took:?})");
    }

    // What the index would bring, where hypopg is there to say it; and nothing of it stays.
    if server.has_extension("hypopg") {
        run(&mut admin, "CREATE EXTENSION hypopg").await;
        for sql in ["SELECT note FROM orders WHERE user_id = 7", "SELECT note FROM orders WHERE user_id = $1"] {
            let plan = ask(&asker, sql).await.0.expect("a plan");
            assert!(
                plan.findings.iter().any(|f| f.contains("times less") && f.ends_with("says hypopg")),
                "{:?}",
                plan.findings
            );
            assert!(plan.nodes.iter().any(|n| n.costliest && n.what.contains("Seq Scan")), "as it is: {plan:#?}");
        }
    }

    // Run to measure, because it was asked for; never what writes, locks rows, or calls what may do something.
    let measure = async |sql: &str| {
        let (answer, said) = oneshot::channel();
        let wanted = Wanted { statement: sql.into(), run: true, ..Wanted::default() };
        asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
        tokio::time::timeout(Duration::from_secs(10), said).await.expect("an answer").expect("not dropped")
    };
    let plan = measure("SELECT count(note) FROM orders WHERE user_id = 7").await.expect("a plan");
    assert!(plan.nodes.iter().any(|n| n.measured.is_some_and(|(rows, ms)| rows == 30.0 && ms > 0.0)), "{plan:#?}");
    run(&mut admin, "CREATE SEQUENCE s; CREATE FUNCTION does() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    for (sql, why) in [
        ("INSERT INTO orders VALUES (0)", "INSERT writes"),
        ("UPDATE orders SET note = 'y'; DROP TABLE orders", "several statements"),
        ("SELECT note FROM orders WHERE user_id = $1", "no values"),
        ("SELECT pg_terminate_backend (1)", "calls pg_terminate_backend()"),
        ("SELECT nextval('s')", "calls nextval()"),
        ("SELECT public.does()", "calls does()"),
        ("SELECT note FROM orders WHERE id = 1 FOR UPDATE", "read-only"),
        ("SELECT count(*) FROM orders a, orders b, orders c", "longer than 2 s"),
    ] {
        let said = measure(sql).await.expect_err(sql);
        assert!(said.contains(why), "{sql}: {said}");
    }

    // Held, and queued for: told, not waited for.
    let mut holder = connect(&url).await;
    run(&mut holder, "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await;
    let (said, took) = ask(&asker, "SELECT note FROM orders WHERE user_id = $1").await;
    assert!(said.expect_err("held").contains("holds an exclusive lock on orders"));
    assert!(took < Duration::from_secs(1), "{took:?}");
    run(&mut holder, "ROLLBACK; BEGIN; SELECT count(*) FROM orders").await;
    let mut changer = connect(&url).await;
    let change = tokio::spawn(async move {
        let _ = sqlx::raw_sql("ALTER TABLE orders ADD COLUMN m int").execute(&mut changer).await;
    });
    seen.verdict("1 session waits").await;
    let (said, took) = ask(&asker, "SELECT note FROM public.orders WHERE user_id = 7").await;
    let said = said.expect_err("queued");
    assert!(said.contains("waits for an exclusive lock on orders") && took < Duration::from_secs(1), "{said} {took:?}");
    assert!(ask(&asker, "SELECT * FROM small").await.0.is_ok(), "other tables are explained all the same");
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'warroom/%'";
    let n: i64 = sqlx::query(ours).fetch_one(&mut admin).await.expect("a count").get(0);
    assert_eq!(n, 1);
    run(&mut holder, "COMMIT").await;
    change.await.expect("it goes on");
    seen.verdict("none slow").await;

    // Explaining has not ended the looks, and the blocker's end can be had as SQL.
    run(&mut holder, "BEGIN; UPDATE small SET a = 2").await;
    let pid: i32 = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut holder).await.expect("a pid").get(0);
    let url2 = url.clone();
    let waiter = tokio::spawn(async move {
        let mut c = connect(&url2).await;
        let _ = sqlx::raw_sql("UPDATE small SET a = 3").execute(&mut c).await;
    });
    seen.verdict(&format!("blocked by pid {pid}")).await;
    let sql = seen.on_row(&format!("pid {pid} blocks"), warroom::signals::database::pane::terminate).expect("SQL");
    assert!(sql.contains(&format!("pid = {pid} AND backend_start = '")), "{sql}");
    let wrong = sql.replace(" AND backend_start = '2", " AND backend_start = '1");
    let hits = sqlx::raw_sql(AssertSqlSafe(wrong)).fetch_all(&mut admin).await.expect("it runs").len();
    assert_eq!(hits, 0, "another session with this number is not hit");
    let hits = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut admin).await.expect("it runs").len();
    assert_eq!(hits, 1);
    waiter.await.expect("it goes on");
    seen.run.stop().await;
}
