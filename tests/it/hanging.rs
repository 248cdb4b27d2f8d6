//! A statement that hangs comes first, before those that took far more time together and have ended.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use warroom::signals::Roots;
use warroom::signals::database::config::{DatabaseConfig, PostgresConfig};
use warroom::signals::database::slow::{self, Ask};
use warroom::signals::database::sources::sources;
use warroom::timeline::{TimeRange, Ts};

use crate::support::postgres::Postgres;
use crate::support::watched::Watched;

const HANGS: &str = "SELECT pg_sleep(600) AS hangs";
const BUSY: &str = "SELECT pg_sleep(0.9), 'busy'";

async fn connect(server: &Postgres) -> PgConnection {
    PgConnection::connect(&server.url("test")).await.expect("the throwaway server answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_hangs_is_first_within_two_seconds_of_having_run_for_five() {
    let server = Postgres::start("");
    let mut admin = connect(&server).await;
    sqlx::raw_sql("CREATE EXTENSION pg_stat_statements").execute(&mut admin).await.expect("it is installed");
    let mut busy = Vec::new();
    for _ in 0..20 {
        let mut conn = connect(&server).await;
        busy.push(tokio::spawn(async move { while sqlx::raw_sql(BUSY).execute(&mut conn).await.is_ok() {} }));
    }
    let one = PostgresConfig { name: Some("orders".into()), ..PostgresConfig::at(server.url("test")) };
    let config = DatabaseConfig { postgres: vec![one], ..DatabaseConfig::default() };
    let mut seen = Watched::start(sources(&config, &Roots::default()).remove(0).source);
    // Counted: together they take 18 seconds a second.
    seen.until("the busy ones", |_, pane| pane.contains("/s ") && pane.contains("pg_sleep")).await;
    let mut conn = connect(&server).await;
    let hangs = tokio::spawn(async move { drop(sqlx::raw_sql(HANGS).execute(&mut conn).await) });
    seen.until("it has hung for long", |w, _| {
        let looks = w.history.servers.values().flat_map(|s| s.looks(TimeRange { start: Ts::MIN, end: Ts::MAX }));
        looks.flat_map(|l| &l.sessions).any(|s| s.statement.text == HANGS && s.session.query_age_ms > Some(9_000))
    })
    .await;
    busy.iter().for_each(tokio::task::JoinHandle::abort);
    hangs.abort();
    seen.run.stop().await;

    // The list as it stood at each even second, when its order settles.
    let history = &seen.history;
    let all = || history.servers.values().flat_map(|s| s.looks(TimeRange { start: Ts::MIN, end: Ts::MAX }));
    let began = all().flat_map(|l| &l.sessions).find(|s| s.statement.text == HANGS).and_then(|s| s.session.query_start);
    let began = began.expect("a session that hangs");
    let (first, last) = (all().next().expect("a look").at, all().last().expect("a look").at);
    let title = |now: Ts| slow::list(history, now, Ask::default()).first().map(slow::SlowRow::title);
    let mut seconds = (first.secs()..=last.secs()).filter(|s| s % 2 == 0).map(Ts::from_secs);
    let before = began.floor(Duration::from_secs(2)) + Duration::from_secs(4);
    assert_ne!(title(before).as_deref(), Some(HANGS), "it has not run for five seconds and is not the first");
    let top = seconds.find(|now| title(*now).as_deref() == Some(HANGS)).expect("it came first");
    // Looks that come late on a busy machine make it later by as much.
    let gaps = all().zip(all().skip(1)).map(|(a, b)| b.at.signed_secs(a.at)).fold(1.0, f64::max);
    let age = top.signed_secs(began);
    assert!((5.0..=6.0 + gaps).contains(&age), "first after {age} s, looks up to {gaps} s apart");
}
