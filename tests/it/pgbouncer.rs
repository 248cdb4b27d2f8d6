//! A real PgBouncer before a real PostgreSQL, its pool starved on purpose.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot;
use warroom::signals::Roots;
use warroom::signals::database::config::{DatabaseConfig, PgbouncerConfig, PostgresConfig, SecretUrl};
use warroom::signals::database::plan::{Question, Wanted};
use warroom::signals::database::sources::sources;

use crate::support::bouncer::Bouncer;
use crate::support::postgres::Postgres;
use crate::support::watched::Watched;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_starved_pool_is_the_verdict_with_how_many_wait_and_for_how_long() {
    let server = Postgres::start("");
    let bouncer = Bouncer::start(&server, "test", 2, "extra_float_digits");
    bouncer.answers().await;
    let url = SecretUrl(bouncer.url("stats", "pgbouncer"));
    let one = PgbouncerConfig {
        name: Some("bouncer".into()),
        url,
        password_env: None,
        password_command: None,
        interval: 1.0,
    };
    let config = DatabaseConfig { pgbouncer: vec![one], ..DatabaseConfig::default() };
    let mut seen = Watched::start(sources(&config, &Roots::default()).remove(0).source);

    let mut clients = Vec::new();
    for _ in 0..7 {
        let mut client = PgConnection::connect(&bouncer.url("test", "shop")).await.expect("the pooler answers");
        clients.push(tokio::spawn(async move { drop(sqlx::raw_sql("SELECT pg_sleep(6)").execute(&mut client).await) }));
    }
    let verdict = seen.verdict("5 waiting").await;
    assert!(verdict.contains("exhausted (2/2, 5 waiting"), "{verdict}");
    let pane = seen.until("the longest wait", |_, pane| pane.contains("oldest 2")).await;
    assert!(pane.contains("wait 5"), "{pane}");
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(seen.run.stop().await < Duration::from_secs(1));

    let closed = PgbouncerConfig {
        name: None,
        url: SecretUrl(bouncer.url("test", "pgbouncer")),
        password_env: None,
        password_command: None,
        interval: 1.0,
    };
    let config = DatabaseConfig { pgbouncer: vec![closed], ..DatabaseConfig::default() };
    let error = Watched::start(sources(&config, &Roots::default()).remove(0).source).run.task.await;
    let error = error.expect("no panic").expect_err("not a stats user");
    assert!(error.message.contains("stats_users"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_transaction_pooling_sessions_are_seen_and_plans_come_and_nothing_is_left_on_the_poolers_connections() {
    let server = Postgres::start("");
    let mut admin = PgConnection::connect(&server.url("test")).await.expect("answers");
    let make = "CREATE TABLE orders (id int PRIMARY KEY, user_id int); \
         INSERT INTO orders SELECT i, i % 5000 FROM generate_series(1, 150000) i; ANALYZE";
    sqlx::raw_sql(make).execute(&mut admin).await.expect("made");
    // One that turns away what it does not know, and one that was told to ignore it.
    for ignored in ["extra_float_digits", "extra_float_digits, options"] {
        let bouncer = Bouncer::start(&server, "test", 2, ignored);
        bouncer.answers().await;
        let one = PostgresConfig { name: Some("pooled".into()), ..PostgresConfig::at(bouncer.url("test", "shop")) };
        let config = DatabaseConfig { postgres: vec![one], ..DatabaseConfig::default() };
        let source = sources(&config, &Roots::default()).remove(0).source;
        let asker = source.asker().expect("it answers");
        let mut seen = Watched::start(source);
        seen.verdict("none slow").await;
        for sql in [
            "SELECT * FROM orders WHERE user_id = 7",
            "SELECT * FROM orders WHERE user_id = $1",
            "SELECT * FROM nowhere WHERE a = $1",
            "SELECT * FROM orders WHERE user_id = $1",
        ] {
            let (answer, said) = oneshot::channel();
            let wanted = Wanted { statement: sql.into(), ..Wanted::default() };
            asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
            match said.await.expect("not dropped") {
                Ok(plan) => {
                    assert_eq!(plan.copy.as_deref(), Some("CREATE INDEX CONCURRENTLY ON public.orders (user_id);"))
                }
                Err(why) => assert!(sql.contains("nowhere") && why.contains("does not exist"), "{sql}: {why}"),
            }
        }
        // A pooler keeps no settings of ours: they go with each statement, so that a limit holds all the same.
        let held = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(held).execute(&mut admin).await.expect("held");
        let (answer, said) = oneshot::channel();
        let wanted = Wanted { statement: "SELECT count(*) FROM orders".into(), ..Wanted::default() };
        let began = std::time::Instant::now();
        asker.send(Question::Plan { wanted, answer }).await.expect("the source runs");
        let why = said.await.expect("not dropped").expect_err("held");
        assert!(why.contains("exclusive lock on orders") && began.elapsed() < Duration::from_secs(2), "{why}");
        sqlx::raw_sql("ROLLBACK").execute(&mut admin).await.expect("let go");
        seen.verdict("none slow").await;
        seen.run.stop().await;
        let mut client = PgConnection::connect(&bouncer.url("test", "shop")).await.expect("answers");
        let left =
            sqlx::raw_sql("SELECT name FROM pg_prepared_statements").fetch_all(&mut client).await.expect("a list");
        assert!(left.is_empty(), "{} are left", left.len());
    }
}
