//! A PostgreSQL that restarts, and one that another takes the place of, at the same address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::net::{TcpListener, TcpStream};
use warroom::signals::database::config::{DatabaseConfig, PostgresConfig};
use warroom::signals::database::sources::sources;
use warroom::signals::{Roots, Source};

use crate::support::postgres::Postgres;
use crate::support::watched::Watched;

fn source(url: &str) -> Box<dyn Source> {
    let postgres = PostgresConfig { name: Some("orders".into()), ..PostgresConfig::at(url) };
    let config = DatabaseConfig { postgres: vec![postgres], ..DatabaseConfig::default() };
    sources(&config, &Roots::default()).remove(0).source
}

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// An address that leads to whoever serves at present, as a load balancer's does.
async fn address(serves: Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let to = serves.load(Ordering::Relaxed);
            tokio::spawn(async move {
                if let Ok(mut to) = TcpStream::connect(("127.0.0.1", to)).await {
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_and_a_promoted_standby_at_the_same_address_are_survived_without_a_false_figure() {
    let primary = Postgres::start("");
    let url = primary.url("test");
    let mut admin = PgConnection::connect(&url).await.expect("answers");
    if primary.has_statements() {
        run(&mut admin, "CREATE EXTENSION pg_stat_statements").await;
    }
    run(&mut admin, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)").await;
    let serves = Arc::new(AtomicU16::new(primary.socket().1));
    let door = address(Arc::clone(&serves)).await;
    let mut seen =
        Watched::start_again(source(&url.replace(&format!(":{}/", primary.socket().1), &format!(":{door}/"))));
    seen.verdict("none slow").await;

    // A restart: lost in words, back by itself.
    primary.stop();
    let verdict = seen.verdict("server ").await;
    assert!(["cut the connection", "does not answer", "refuses"].iter().any(|w| verdict.contains(w)), "{verdict}");
    seen.replays_the_same();
    primary.again();
    seen.verdict("none slow").await;

    // A standby, seen from both sides.
    let standby = primary.follower(if primary.has_statements() {
        "shared_preload_libraries = 'pg_stat_statements'\n"
    } else {
        ""
    });
    let mut beside = Watched::start_again(source(&standby.url("test")));
    beside.verdict("none slow").await;
    let is = |w: &Watched, standby: bool| {
        w.on_row("slots ", |h, cx| {
            h.servers.values().any(|s| s.info.latest(cx.now).is_some_and(|i| i.value.standby == standby))
        })
    };
    assert!(is(&beside, true) && is(&seen, false));
    seen.until("the standby", |w, _| {
        w.on_row("slots ", |h, cx| {
            h.servers.values().any(|s| {
                s.upkeep
                    .latest(cx.now)
                    .is_some_and(|u| u.value.standbys.iter().any(|s| s.name == "follower" && s.state == "streaming"))
            })
        })
    })
    .await;

    // Replay that stands still is said of the standby, by its name.
    let mut c = PgConnection::connect(&standby.url("test")).await.expect("answers");
    run(&mut c, "SELECT pg_wal_replay_pause()").await;
    let verdict = beside.verdict("replica orders does not apply").await;
    assert!(verdict.contains("does not apply what it receives"), "{verdict}");
    beside.replays_the_same();
    run(&mut c, "SELECT pg_wal_replay_resume()").await;

    // The primary dies; the standby is promoted, and the address leads to it. Its counters are no continuation.
    let mut c2 = PgConnection::connect(&standby.url("test")).await.expect("answers");
    for _ in 0..500 {
        run(&mut c2, "SELECT count(*) FROM t").await;
    }
    primary.stop();
    seen.verdict("server ").await;
    standby.promote();
    serves.store(standby.socket().1, Ordering::Relaxed);
    let verdict = seen.verdict("none slow").await;
    assert!(!verdict.contains("deadlock"), "{verdict}");
    seen.until("a server of its own again", |w, _| is(w, false)).await;
    beside.until("the same on the standing connection", |w, _| is(w, false)).await;
    seen.replays_the_same();
    seen.run.stop().await;
    beside.run.stop().await;
}
