//! A real PostgreSQL, watched through the real source: what it shows, and that it is never in the way.

use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use warroom::signals::database::blocked;
use warroom::signals::database::config::{DatabaseConfig, PostgresConfig};
use warroom::signals::database::event::{Activity, DatabaseEvent, TitledServer, Titles};
use warroom::signals::database::history::DatabaseHistory;
use warroom::signals::database::sources::{sources, titles};
use warroom::signals::{Event, Roots, Source};
use warroom::timeline::facts::Facts;
use warroom::timeline::source::Declaration;
use warroom::timeline::{SourceId, SourceState, Ts};
use warroom::ui::{Glyphs, PaneCx, Theme};

use crate::support::out::{self, Run};
use crate::support::postgres::{Postgres, is_root, owner_name};
use crate::support::program::Home;

const LIMIT: Duration = Duration::from_secs(20);

fn source(url: &str) -> Box<dyn Source> {
    let postgres = PostgresConfig { name: Some("test".into()), ..PostgresConfig::at(url) };
    let config = DatabaseConfig { postgres: vec![postgres], ..DatabaseConfig::default() };
    sources(&config, &Roots::default()).remove(0).source
}

/// Processes that relay to a server's socket.
fn relays(server: &Postgres) -> Vec<u32> {
    let (folder, port) = server.socket();
    let of = format!("relay-peer\0{}/.s.PGSQL.{port}\0", folder.display());
    let pids = std::fs::read_dir("/proc").expect("procfs").flatten();
    let pids = pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.ends_with(&of))).collect()
}

/// As what nobody connected may be seen any more, within two seconds.
async fn nobody_of_ours(admin: &mut PgConnection, server: &Postgres) {
    for _ in 0..40 {
        if ours(admin).await == 0 && relays(server).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} connections and the relays {:?} are left", ours(admin).await, relays(server));
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the throwaway server answers")
}

async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// How many connections of ours the server counts.
async fn ours(conn: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'warroom/%'";
    sqlx::query(sql).fetch_one(conn).await.expect("a count").get(0)
}

async fn activity(run: &mut Run, what: &str, mut ok: impl FnMut(&Activity) -> bool) -> Activity {
    run.until(what, LIMIT, |e| match e {
        Event::Database(DatabaseEvent::Activity(a)) if ok(a) => Some(a.clone()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_statements_and_the_root_of_a_lock_are_seen_through_exactly_one_connection() {
    let server = Postgres::start("max_connections = 20\n");
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders SELECT i, 0 FROM generate_series(1, 100) i").await;
    if server.has_statements() {
        run(&mut admin, "CREATE EXTENSION pg_stat_statements").await;
    }

    let mut seen = out::start(source(&url));
    let (version, extensions) = seen
        .until("server information", LIMIT, |e| match e {
            Event::Database(DatabaseEvent::ServerInfo(i)) => Some((i.version.clone(), i.extensions.clone())),
            _ => None,
        })
        .await;
    assert!(!version.is_empty());
    assert_eq!(extensions.len(), usize::from(server.has_statements()));
    let first = activity(&mut seen, "a look", |_| true).await;
    assert_eq!((first.counts.clients, first.max_connections, first.reserved), (1, 20, 3));
    assert!(first.sessions.iter().all(|s| !s.application.starts_with("warroom")), "we are not in our own list");

    // Three levels: a transaction left open, an update behind it, and an update behind that.
    let (mut holder, mut second, mut third) = (connect(&url).await, connect(&url).await, connect(&url).await);
    run(&mut holder, "SET application_name = 'holder'; BEGIN; UPDATE orders SET n = 1 WHERE id = 1").await;
    let second = tokio::spawn(async move {
        run(&mut second, "BEGIN; UPDATE orders SET n = 1 WHERE id = 2; UPDATE orders SET n = 2 WHERE id = 1; COMMIT")
            .await;
    });
    activity(&mut seen, "one who waits", |a| a.counts.waiting == 1).await;
    let third = tokio::spawn(async move { run(&mut third, "UPDATE orders SET n = 3 WHERE id = 2").await });
    let began = Instant::now();
    let look = activity(&mut seen, "two who wait", |a| a.counts.waiting == 2).await;
    assert!(began.elapsed() < Duration::from_secs(4), "a chain shows within seconds: {:?}", began.elapsed());

    let mut history = DatabaseHistory::default();
    history.apply(1, SourceId(1), Ts(1), &DatabaseEvent::Activity(look.clone()));
    let roots = blocked::roots(SourceId(1), None, history.servers[&SourceId(1)].look(Ts(1)).expect("the look"));
    assert_eq!((roots.len(), roots[0].blocked), (1, 2), "{roots:#?}");
    let root = roots[0].seen.expect("the root is listed");
    assert_eq!(
        (root.session.application.as_str(), root.session.state.as_deref()),
        ("holder", Some("idle in transaction"))
    );
    assert!(root.statement.text.contains("UPDATE orders SET n = 1"), "{}", root.statement.text);
    assert_eq!(ours(&mut admin).await, 1);

    run(&mut holder, "COMMIT").await;
    second.await.expect("goes on");
    third.await.expect("goes on");

    if server.has_statements() {
        for _ in 0..30 {
            run(&mut admin, "SELECT count(*) FROM orders WHERE n = 5").await;
        }
        // Its text comes with a session that ran it, or is asked for.
        let (mut ids, mut texts) = (Vec::new(), Vec::new());
        let text = seen
            .until("the text of the counted statement", LIMIT, |e| {
                match e {
                    Event::Database(DatabaseEvent::Statements(s)) => {
                        ids.extend(s.deltas.iter().filter(|d| d.calls >= 30).map(|d| d.queryid));
                    }
                    Event::Database(DatabaseEvent::Text { queryid, text }) => texts.push((*queryid, text.clone())),
                    Event::Database(DatabaseEvent::Activity(a)) => {
                        texts.extend(a.sessions.iter().filter_map(|s| Some((s.queryid?, s.query.clone()))));
                    }
                    _ => {}
                }
                texts.iter().find(|(id, _)| ids.contains(id)).map(|(_, text)| text.clone())
            })
            .await;
        assert!(text.contains("SELECT count(*) FROM orders WHERE n = "), "{text}");
    }
    assert_eq!(ours(&mut admin).await, 1);
    let took = seen.stop().await;
    assert!(took < Duration::from_millis(500), "cancelling gives up at once, not after {took:?}");
    for _ in 0..50 {
        if ours(&mut admin).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the connection was not given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_catalog_of_tables_never_makes_us_wait() {
    let server = Postgres::start("");
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE TABLE a (b int)").await;
    let (mut reader, mut ddl, mut app) = (connect(&url).await, connect(&url).await, connect(&url).await);
    run(&mut reader, "BEGIN; SELECT * FROM a").await;
    // An ALTER in the queue, and everyone else behind it.
    let ddl = tokio::spawn(async move { run(&mut ddl, "ALTER TABLE a ADD c int").await });
    let mut seen = out::start(source(&url));
    activity(&mut seen, "the ALTER in the queue", |a| a.counts.waiting == 1).await;
    let app = tokio::spawn(async move { run(&mut app, "SELECT * FROM a").await });
    let look = activity(&mut seen, "a reader behind the ALTER", |a| a.counts.waiting == 2).await;
    let wait =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'warroom/%' AND wait_event_type = 'Lock'";
    for _ in 0..5 {
        let n: i64 = sqlx::query(wait).fetch_one(&mut admin).await.expect("a count").get(0);
        assert_eq!(n, 0);
        let next = activity(&mut seen, "the next look", |_| true).await;
        assert!(next.cost_ms < 500.0, "a look took {} ms", next.cost_ms);
    }
    let mut history = DatabaseHistory::default();
    history.apply(1, SourceId(1), Ts(1), &DatabaseEvent::Activity(look));
    let roots = blocked::roots(SourceId(1), None, history.servers[&SourceId(1)].look(Ts(1)).expect("the look"));
    assert_eq!((roots[0].blocked, roots[0].waiters.len()), (2, 2), "{roots:#?}");
    let first = &roots[0].waiters[0];
    assert!(
        first.seen.statement.text.starts_with("ALTER") && first.blocked == 1,
        "the queued ALTER is called out: {first:?}"
    );
    run(&mut reader, "COMMIT").await;
    ddl.await.expect("goes on");
    app.await.expect("goes on");
    seen.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_free_slot_is_a_finding_and_a_restart_is_survived() {
    let server = Postgres::start("max_connections = 6\nsuperuser_reserved_connections = 2\n");
    let mut admin = connect(&server.url("test")).await;
    run(&mut admin, "CREATE ROLE app LOGIN; CREATE ROLE watch LOGIN IN ROLE pg_monitor").await;
    let watch = server.url("watch");

    // Pool usage: four of the four slots that are not reserved (the superuser's own connection is one of them).
    let mut hogs = Vec::new();
    for _ in 0..2 {
        hogs.push(connect(&server.url("app")).await);
    }
    let mut seen = out::start(source(&watch));
    let look = activity(&mut seen, "the pool", |a| a.counts.clients == 3).await;
    assert_eq!((look.max_connections, look.reserved, look.counts.idle), (6, 2, 3));
    seen.stop().await;

    hogs.push(retry(&server.url("app")).await);
    let mut refused = out::start(source(&watch));
    let (code, message) = refused
        .until("a refusal", LIMIT, |e| match e {
            Event::Database(DatabaseEvent::Refused(r)) => Some((r.sqlstate.clone(), r.message.clone())),
            _ => None,
        })
        .await;
    assert_eq!(code, "53300", "{message}");
    let error = refused.task.await.expect("no panic").expect_err("it failed");
    assert!(error.retry && error.message.contains("53300"), "{}", error.message);

    // As the supervisor does: the same source is run again, until it works.
    drop(hogs);
    // The server frees their slots one after another.
    let held = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    while sqlx::query_scalar::<_, i64>(held).fetch_one(&mut admin).await.expect("a count") > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut seen = out::start(source(&watch));
    activity(&mut seen, "a look once there is room", |_| true).await;

    server.stop();
    let lost = seen
        .until("the loss of the connection", LIMIT, |e| match e {
            Event::Database(DatabaseEvent::Refused(r)) => Some(r.lost),
            _ => None,
        })
        .await;
    assert!(lost);
    assert!(seen.task.await.expect("no panic").expect_err("it failed").retry);
    let down = out::start(source(&watch));
    let error = down.task.await.expect("no panic").expect_err("nobody there");
    assert!(error.retry && error.message.contains("is the server running"), "{}", error.message);
    server.again();
    let mut seen = out::start(source(&watch));
    activity(&mut seen, "a look after the restart", |_| true).await;
    seen.stop().await;
}

/// A slot that was just given back may take the server a moment to free.
async fn retry(url: &str) -> PgConnection {
    for _ in 0..100 {
        if let Ok(c) = PgConnection::connect(url).await {
            return c;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no slot came free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_role_is_told_the_grant_it_lacks_and_mistakes_are_explained() {
    let server = Postgres::start("");
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE ROLE plain LOGIN; CREATE TABLE t (a int)").await;
    let mut seen = out::start(source(&server.url("plain")));
    let why = seen
        .until("a degraded state", LIMIT, |e| match e {
            Event::Stream(Declaration::State { state: SourceState::Degraded { why }, .. }) => Some(why.clone()),
            _ => None,
        })
        .await;
    assert!(why.contains("GRANT pg_monitor TO \"plain\""), "{why}");
    let look = activity(&mut seen, "a look", |_| true).await;
    assert_eq!(look.counts.hidden, 1, "others are counted though their state is hidden: {look:?}");
    seen.stop().await;

    let missing = server.url("test").replace("/postgres", "/nowhere").replace("postgres://", "postgres:");
    let missing = missing.replace("postgres:", "postgres://");
    let run = out::start(source(&missing));
    let error = run.task.await.expect("no panic").expect_err("no such database");
    assert!(!error.retry && error.message.contains("name a database that exists"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_no_utf8_does_not_cost_the_look() {
    let server = Postgres::start("");
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await;
    let mut other = connect(&url.replace("/postgres", "/latin")).await;
    // Arrives as the byte 0xE9 in a list that is otherwise UTF-8.
    run(&mut other, "SET application_name = 'other'; SELECT 'caf\u{e9}'").await;
    let mut seen = out::start(source(&url));
    let look =
        activity(&mut seen, "the session of the other database", |a| a.sessions.iter().any(|s| s.db == "latin")).await;
    let s = look.sessions.iter().find(|s| s.db == "latin").expect("found");
    assert!(s.query.contains("caf\u{fffd}"), "{}", s.query);
    seen.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_superuser_is_reached_by_peer_authentication_through_a_relay_that_ends_with_the_connection() {
    let server = Postgres::start_peer("max_connections = 10\nsuperuser_reserved_connections = 3\n");
    let user = owner_name();
    let mut admin = connect(&server.url(&user)).await;
    let (folder, port) = server.socket();
    let url = format!("postgres:///postgres?host={}&port={port}&user={user}", folder.display());
    // A copy that the server's user may run, wherever this was built.
    let bin = tempfile::Builder::new().prefix("warroom-bin-").tempdir().expect("a temp folder");
    let program = bin.path().join("warroom");
    std::fs::copy(env!("CARGO_BIN_EXE_warroom"), &program).expect("a copy of the program");
    for path in [bin.path(), &program] {
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, all).expect("anybody may run it");
    }
    let postgres = PostgresConfig { peer: Some(user.clone()), ..PostgresConfig::at(url.clone()) };
    let config = DatabaseConfig { postgres: vec![postgres], ..DatabaseConfig::default() };
    let roots = Roots { program, ..Roots::default() };
    let peer = || {
        out::start(
            sources(&config, &roots).into_iter().find(|s| s.decl.detail.starts_with("postgres:")).expect("it").source,
        )
    };

    let mut seen = peer();
    let info = seen
        .until("server information", LIMIT, |e| match e {
            Event::Database(DatabaseEvent::ServerInfo(i)) => Some(i.clone()),
            _ => None,
        })
        .await;
    assert_eq!((info.role.as_str(), info.superuser, info.local_port), (user.as_str(), true, Some(port)));
    activity(&mut seen, "a look", |a| a.counts.clients == 1).await;
    assert_eq!(ours(&mut admin).await, 1);
    if is_root() {
        let pids = relays(&server);
        assert_eq!(pids.len(), 1, "one relay for one connection");
        let status = std::fs::read_to_string(format!("/proc/{}/status", pids[0])).expect("its status");
        let line = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        let account = roots.account(&user).expect("the user");
        assert_eq!(line("Uid:").split('\t').collect::<Vec<_>>(), vec![account.uid.to_string(); 4]);
        assert_eq!(line("Groups:"), "", "root's groups are given up");
    }
    seen.stop().await;
    nobody_of_ours(&mut admin, &server).await;

    // Without a free slot the superuser still gets in; with the server gone, the sentence says so.
    run(&mut admin, "CREATE ROLE app LOGIN").await;
    let mut app = Vec::new();
    while let Ok(c) = PgConnection::connect(&server.url("app")).await {
        app.push(c);
    }
    let mut seen = peer();
    let look = activity(&mut seen, "a look at the full server", |_| true).await;
    assert_eq!(look.counts.clients, look.max_connections - look.reserved, "{look:?}");
    // That slot is kept for whoever repairs it: it is given back after one look.
    assert!(look.given_back && look.every_ms == 60_000, "{look:?}");
    nobody_of_ours(&mut admin, &server).await;
    seen.stop().await;
    server.stop();
    let seen = peer();
    let error =
        tokio::time::timeout(LIMIT, seen.task).await.expect("it ends").expect("no panic").expect_err("still gone");
    assert!(error.retry && error.message.contains("is the server running"), "{error}");
    assert!(relays(&server).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_killed_leaves_no_relay_and_no_connection() {
    let server = Postgres::start_peer("max_connections = 10\n");
    let user = owner_name();
    let mut admin = connect(&server.url(&user)).await;
    let (folder, port) = server.socket();
    let home = Home::new();
    home.configure(&format!(
        "[[database.postgres]]\nname = \"test\"\npeer = \"{user}\"\n\
         url = \"postgres:///postgres?host={}&port={port}&user={user}\"\n",
        folder.display()
    ));
    let mut child =
        home.command(&["record", "-o", "x.wr"]).stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let mut connected = false;
    for _ in 0..200 {
        connected = connected || ours(&mut admin).await == 1;
        if connected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(connected, "it connects");
    assert_eq!(relays(&server).len(), usize::from(is_root()));
    child.kill().expect("killed");
    child.wait().expect("gone");
    nobody_of_ours(&mut admin, &server).await;
}

/// The pane as text, over a history, at its end.
fn pane(history: &DatabaseHistory, facts: &Facts, now: Ts) -> String {
    let theme = Theme::monochrome();
    let cx = PaneCx {
        theme: &theme,
        glyphs: &Glyphs::UNICODE,
        now,
        zone: &jiff::tz::TimeZone::UTC,
        facts,
        focused: false,
        zoomed: false,
        cursor: 0,
        live: true,
    };
    let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 14));
    warroom::signals::database::pane::draw(history, &cx, buffer.area, &mut buffer);
    warroom::ui::frame::to_text(&buffer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_counted_from_process_titles_without_a_connection_also_when_no_slot_is_free() {
    let server = Postgres::start("max_connections = 12\nsuperuser_reserved_connections = 3\n");
    let url = server.url("test");
    let (_, port) = server.socket();
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE ROLE app LOGIN").await;
    run(&mut admin, "CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1, 0)").await;
    run(&mut admin, "GRANT ALL ON orders TO app").await;
    let app = server.url("app");
    let mut holder = connect(&app).await;
    run(&mut holder, "BEGIN; UPDATE orders SET n = 1").await;
    let mut waiter = connect(&app).await;
    let waiting = tokio::spawn(async move { run(&mut waiter, "UPDATE orders SET n = 2").await });

    let mut seen = out::start(titles::declared(&Roots::default()).source);
    let mut history = DatabaseHistory::default();
    let ours = |t: &Titles| t.servers.iter().find(|s| s.port == Some(port)).cloned();
    let look = seen
        .until("a waiting session", LIMIT, |e| match e {
            Event::Database(DatabaseEvent::Titles(t)) => ours(t).filter(|s| s.counts.waiting == 1),
            _ => None,
        })
        .await;
    assert_eq!((look.counts.clients, look.counts.idle_in_tx, look.counts.active), (3, 1, 1), "{look:#?}");
    assert!(!look.version.is_empty());
    let first: Vec<_> = look.groups.iter().map(|g| (g.state.as_str(), g.user.as_str(), g.db.as_str())).collect();
    assert_eq!(first[..2], [("UPDATE waiting", "app", "postgres"), ("idle in transaction", "app", "postgres")]);
    let only = |s: TitledServer| DatabaseEvent::Titles(Titles { servers: vec![s], cost_ms: 0.0 });
    history.apply(1, SourceId(9), Ts(1), &only(look));
    let text = pane(&history, &Facts { offered: vec![port], ..Facts::default() }, Ts(1));
    let want = format!(
        "on :{port}, 3 backends, 1 idle in transaction, 1 waiting for a lock, 1 active (from process titles); not connected"
    );
    assert!(text.lines().next().is_some_and(|l| l.contains(&want)), "{text}");
    assert!(text.contains("[Enter] connect as …"), "{text}");

    // The last slot goes; then we are refused, and the titles go on telling.
    let mut all = Vec::new();
    while let Ok(c) = PgConnection::connect(&app).await {
        all.push(c);
    }
    let mut refused_us = out::start(source(&app));
    let refused = refused_us
        .until("a refusal", LIMIT, |e| match e {
            Event::Database(e @ DatabaseEvent::Refused(r)) if r.sqlstate == "53300" => Some(e.clone()),
            _ => None,
        })
        .await;
    let look = seen
        .until("a full server", LIMIT, |e| match e {
            Event::Database(DatabaseEvent::Titles(t)) => ours(t).filter(|s| s.counts.idle as usize >= all.len()),
            _ => None,
        })
        .await;
    history.apply(2, SourceId(1), Ts(2), &refused);
    history.apply(3, SourceId(9), Ts(3), &only(look));
    let text = pane(&history, &Facts::default(), Ts(3));
    let verdict = text.lines().next().expect("a verdict");
    assert!(verdict.contains("server refuses connections: 53300"), "{text}");
    assert!(verdict.contains("1 idle in transaction, 1 waiting for a lock, 1 active"), "{text}");
    assert!(text.contains(&format!("{} idle  app@postgres from 127.0.0.1", all.len())), "{text}");

    run(&mut holder, "COMMIT").await;
    waiting.await.expect("goes on");
    server.stop();
    seen.until("a server that is gone", LIMIT, |e| match e {
        Event::Database(DatabaseEvent::Titles(t)) if ours(t).is_none() => Some(()),
        _ => None,
    })
    .await;
    seen.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_counters_of_every_version_of_the_extension_that_this_server_has_are_read() {
    let server = Postgres::start("");
    if !server.has_statements() {
        return;
    }
    let url = server.url("test");
    let mut admin = connect(&url).await;
    // The extension is often older than the server; the newest ones only add columns that are not read here.
    let versions = "SELECT version FROM pg_available_extension_versions WHERE name = 'pg_stat_statements' \
         AND string_to_array(version, '.')::int[] BETWEEN '{1,7}' AND '{1,12}' ORDER BY 1";
    let rows = sqlx::raw_sql(versions).fetch_all(&mut admin).await.expect("versions");
    let versions: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
    assert!(versions.len() >= 2, "{versions:?}");
    let mut all = Vec::new();
    for version in versions {
        let db = format!("v{}", version.replace('.', "_"));
        run(&mut admin, &format!("CREATE DATABASE {db}")).await;
        let url = url.replace("/postgres", &format!("/{db}"));
        let mut conn = connect(&url).await;
        run(
            &mut conn,
            &format!("CREATE SCHEMA \"Odd\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Odd\" VERSION '{version}'"),
        )
        .await;
        all.push(tokio::spawn(async move {
            let mut seen = out::start(source(&url));
            let told = seen
                .until("the version", LIMIT, |e| match e {
                    Event::Database(DatabaseEvent::ServerInfo(i)) => Some(i.extensions.clone()),
                    _ => None,
                })
                .await;
            assert_eq!(told, [("pg_stat_statements".into(), version.as_str().into())]);
            activity(&mut seen, "a look", |_| true).await;
            for _ in 0..40 {
                run(&mut conn, "SELECT pg_sleep(0.02)").await;
            }
            let delta = seen
                .until("the counted statement", LIMIT, |e| match e {
                    Event::Database(DatabaseEvent::Statements(s)) => {
                        s.deltas.iter().find(|d| d.calls >= 20 && d.mean_ms > 15.0).cloned()
                    }
                    _ => None,
                })
                .await;
            assert!(
                delta.mean_ms < 200.0 && delta.rows == delta.calls && delta.max_ms >= delta.mean_ms,
                "{version}: {delta:?}"
            );
            seen.stop().await;
        }));
    }
    for one in all {
        one.await.expect("each version is read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_counters_those_of_statements_that_took_nothing_are_left_out_and_the_others_stay_right() {
    let server = Postgres::start("pg_stat_statements.track = all\n");
    if !server.has_statements() {
        return;
    }
    let url = server.url("test");
    let mut admin = connect(&url).await;
    run(&mut admin, "CREATE EXTENSION pg_stat_statements; CREATE TABLE wide (c0 int, c1 int, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int, c8 int, c9 int, c10 int)").await;
    let many = "DO $$ DECLARE cols text; BEGIN FOR i IN 1..1500 LOOP \
         SELECT string_agg('c' || b, ', ') INTO cols FROM generate_series(0, 10) b WHERE i & (1 << b) <> 0; \
         EXECUTE 'SELECT ' || cols || ' FROM wide'; END LOOP; END $$";
    run(&mut admin, many).await;
    let mut seen = out::start(source(&url));
    activity(&mut seen, "a look", |_| true).await;
    // Before all of them are known, and after: each call counts once.
    let mut calls = 0;
    for round in 0..2 {
        for _ in 0..10 {
            run(&mut admin, "SELECT pg_sleep(0.02)").await;
        }
        while calls < 10 * (round + 1) {
            let told = seen
                .until("the statement's calls", LIMIT, |e| match e {
                    Event::Database(DatabaseEvent::Statements(s)) => Some(s.clone()),
                    _ => None,
                })
                .await;
            assert!(told.entries >= 1_500 && !told.reset && told.server_ms > 0.0, "{told:?}");
            let slept = told.deltas.iter().find(|d| d.mean_ms > 15.0 && d.mean_ms < 200.0);
            calls += slept.map_or(0, |d| d.calls);
        }
        assert_eq!(calls, 10 * (round + 1));
    }
    seen.stop().await;
}
