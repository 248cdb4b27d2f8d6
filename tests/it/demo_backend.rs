//! The demo's backend, seen only from outside: its files, its pages, its shell command.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use warroom::demo::{Demo, DemoOptions, start};

/// Two broken backends at a time would fight for two cores.
pub static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_deploy_runs_the_pool_dry_and_its_rollback_heals_it() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let temp = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let demo = start(DemoOptions {
        folder: Some(temp.path().into()),
        deploy_after: Duration::from_secs(3),
        rollback_at: Some(Duration::from_secs(14)),
        ..DemoOptions::default()
    })
    .await
    .unwrap();
    let meter = Meter::start(&format!("started in {:?}, {:?}", begun.elapsed(), demo.fitted));
    assert!(demo.fitted.healthy_load() < 0.2 && demo.fitted.broken_load() > 1.5, "{:?}", demo.fitted);
    assert!(demo.folder.starts_with(temp.path()));

    // Healthy: requests are answered, none fails, nobody has to wait long.
    let mut before_deploy = Page::default();
    until("1.4.2 in the deploy log", 8, || {
        if !deployed(&demo, "1.4.2", "deploy", "start") {
            before_deploy = Page::get(demo.address);
        }
        deployed(&demo, "1.4.2", "deploy", "ok")
    });
    let meter = meter.lap("healthy");
    assert!(before_deploy.requests("200") >= 20.0, "{}", before_deploy.text);
    assert_eq!(before_deploy.requests("5"), 0.0, "{}", before_deploy.text);
    assert_eq!(before_deploy.value("db_pool_connections{state=\"idle\"}"), 10.0);
    assert!(deployed(&demo, "1.4.1", "deploy", "ok") && deployed(&demo, "1.4.2", "migration", "ok"));

    // Broken: the pool is used up, people wait and get 503, in both files under the same ID.
    until("a pool that is used up", 8, || {
        let page = Page::get(demo.address);
        page.value("db_pool_connections{state=\"used\"}") == page.value("db_pool_max_connections")
            && page.value("db_pool_waiting") > 0.0
            && page.value("db_pool_oldest_wait_seconds") > 0.5
            && page.value("db_pool_acquire_timeouts_total") > 0.0
    });
    until("a failing health check", 8, || status(demo.address, "/healthz") == 503);
    let mut failed = Value::Null;
    until("a 503 in the log", 8, || {
        failed = find(&demo.log, |line| line["status"] == 503);
        !failed.is_null()
    });
    assert_eq!(failed["level"], "ERROR");
    assert_eq!(failed["version"], "1.4.2");
    assert!(failed["error"].as_str().unwrap().contains("timed out"), "{failed}");
    assert!(failed["duration_ms"].as_f64().unwrap() >= 1900.0, "{failed}");
    let id = failed["request_id"].as_str().unwrap();
    let access = fs::read_to_string(&demo.access_log).unwrap();
    assert!(access.lines().any(|l| l.contains("\" 503 ") && l.ends_with(id)), "{id} is not in the access log");

    until("a slow statement and a stack trace", 12, || {
        let slow = find(&demo.log, |line| line["target"] == "sqlx::query");
        let thrown = find(&demo.log, |line| line["stack"].is_string());
        if slow.is_null() || thrown.is_null() {
            return false;
        }
        assert_eq!(slow["message"], "slow statement: execution time exceeded alert threshold");
        assert!(slow["db.statement"].as_str().unwrap().contains("FROM orders WHERE user_id = $1"), "{slow}");
        assert!(slow["elapsed_secs"].as_f64().unwrap() >= 0.2 && slow["request_id"].is_string(), "{slow}");
        assert!(slow["version"].is_null() && thrown["version"] == "1.4.2" && thrown["status"] == 500, "{thrown}");
        assert!(thrown["stack"].as_str().unwrap().lines().count() > 3, "{thrown}");
        true
    });

    // Healed: by itself, at the time that was asked for.
    until("the rollback", 20, || deployed(&demo, "1.4.1", "rollback", "start"));
    let meter = meter.lap("broken");
    let rollback = Instant::now();
    until("the end of the rollback", 10, || deployed(&demo, "1.4.1", "rollback", "ok"));
    until("a healthy service", 10, || {
        let page = Page::get(demo.address);
        page.value("db_pool_waiting") == 0.0 && status(demo.address, "/healthz") == 200
    });
    assert!(rollback.elapsed() < Duration::from_secs(10), "recovered after {:?}", rollback.elapsed());
    let failures = Page::get(demo.address).requests("5");
    let served = Page::get(demo.address).requests("200");
    until("forty requests after it", 10, || Page::get(demo.address).requests("200") >= served + 40.0);
    assert_eq!(Page::get(demo.address).requests("5"), failures);
    meter.lap("healed");

    let (folder, stopping) = (demo.folder.clone(), Instant::now());
    demo.stop().await;
    eprintln!("stopped in {:?}", stopping.elapsed());
    assert!(!folder.exists());
    until("no thread of it", 3, || threads().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rollback_command_works_from_a_shell_and_dropping_a_broken_demo_leaves_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let temp = tempfile::tempdir().unwrap();
    let parent = temp.path().join("it's a folder");
    fs::create_dir(&parent).unwrap();
    let begin =
        || start(DemoOptions { folder: Some(parent.clone()), deploy_after: Duration::ZERO, ..Default::default() });

    let demo = begin().await.unwrap();
    until("1.4.2", 8, || deployed(&demo, "1.4.2", "deploy", "ok"));
    let shell = std::process::Command::new("sh").args(["-c", &demo.rollback_command]).status().unwrap();
    assert!(shell.success());
    until("the rollback", 10, || deployed(&demo, "1.4.1", "rollback", "ok"));
    until("a healthy service", 10, || status(demo.address, "/healthz") == 200);
    assert_eq!(find(&demo.deploy_log, |line| line["kind"] == "rollback")["by"], "on-call");
    drop(demo);
    assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);

    let demo = begin().await.unwrap();
    until("requests that wait", 10, || Page::get(demo.address).value("db_pool_waiting") > 0.0);
    let dropping = Instant::now();
    drop(demo);
    assert!(dropping.elapsed() < Duration::from_secs(3), "dropped in {:?}", dropping.elapsed());
    assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
    until("no thread of it", 3, || threads().is_empty());

    // A start that is given up half-way leaves nothing either.
    assert!(tokio::time::timeout(Duration::from_millis(150), begin()).await.is_err());
    assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_the_list_of_sessions_names_the_request_that_holds_a_connection() {
    let _alone = ONE_AT_A_TIME.lock().await;
    // In the system's temporary folder: the server's user must get through to it.
    let begin = || start(DemoOptions { deploy_after: Duration::ZERO, postgres: true, ..DemoOptions::default() });
    let begun = Instant::now();
    let demo = begin().await.unwrap();
    let meter = Meter::start(&format!("started in {:?}, {:?}", begun.elapsed(), demo.fitted));
    until("requests that wait", 10, || Page::get(demo.address).value("db_pool_waiting") > 0.0);
    let mut db = PgConnection::connect(demo.database_url.as_deref().unwrap()).await.unwrap();
    let sessions: Vec<String> = sqlx::query_scalar(
        "SELECT query FROM pg_stat_activity WHERE application_name = 'api 1.4.2' AND state = 'active'",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let named =
        sessions.iter().find_map(|q| q.split_once("request_id='")?.1.split_once('\'')).expect("an active session");
    let log = fs::read_to_string(&demo.log).unwrap();
    assert!(log.contains(named.0), "{} is not in the log", named.0);
    let statements: i64 =
        sqlx::query_scalar("SELECT sum(calls)::bigint FROM pg_stat_statements").fetch_one(&mut db).await.unwrap();
    assert!(statements > 10);
    drop(db);

    let shell = std::process::Command::new("sh").args(["-c", &demo.rollback_command]).status().unwrap();
    assert!(shell.success());
    until("the rollback", 15, || deployed(&demo, "1.4.1", "rollback", "ok"));
    until("a healthy service", 10, || status(demo.address, "/healthz") == 200);
    meter.lap("without the server");
    let (folder, server) = (demo.folder.clone(), server_of(&demo));
    assert!(Path::new(&format!("/proc/{server}")).exists());
    demo.stop().await;
    assert!(!folder.exists() && !Path::new(&format!("/proc/{server}")).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kill_9_the_server_ends_by_itself_and_the_next_start_removes_the_folder() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let temp = tempfile::tempdir().unwrap();
    let told = temp.path().join("folder");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "demo_backend::a_demo_that_another_test_kills"])
        .env("WARROOM_TEST_TELL_FOLDER", &told)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("a demo in another process", 20, || told.exists());
    let folder = std::path::PathBuf::from(fs::read_to_string(&told).unwrap());
    let server = fs::read_to_string(folder.join("pg/data/postmaster.pid")).unwrap();
    let server = Path::new("/proc").join(server.lines().next().unwrap());
    assert!(server.exists());
    warroom::demo::clean_stale(None);
    assert!(folder.exists() && server.exists(), "a living demo was cleaned");
    child.kill().unwrap();
    child.wait().unwrap();
    until("the end of the server", 5, || !server.exists());
    warroom::demo::clean_stale(None);
    assert!(!folder.exists());
}

/// Started by the test above in a process of its own; by itself it has nothing to do.
#[tokio::test]
async fn a_demo_that_another_test_kills() {
    let Some(tell) = std::env::var_os("WARROOM_TEST_TELL_FOLDER") else { return };
    let demo = start(DemoOptions { postgres: true, ..DemoOptions::default() }).await.unwrap();
    let half = Path::new(&tell).with_extension("new");
    fs::write(&half, demo.folder.to_str().unwrap()).unwrap();
    fs::rename(&half, &tell).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// The process number of a demo's PostgreSQL.
fn server_of(demo: &Demo) -> String {
    let file = fs::read_to_string(demo.folder.join("pg/data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().to_owned()
}

/// One look at `/metrics`.
#[derive(Default)]
struct Page {
    text: String,
    values: BTreeMap<String, f64>,
}

impl Page {
    fn get(address: SocketAddr) -> Page {
        let text = get(address, "/metrics");
        let values = text
            .lines()
            .filter(|l| !l.starts_with('#'))
            .filter_map(|l| l.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        Page { text, values }
    }

    /// NaN when it is missing: no comparison with it holds.
    fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(f64::NAN)
    }

    /// Customers' requests whose status begins like this.
    fn requests(&self, status: &str) -> f64 {
        let wanted = format!("status=\"{status}");
        let ours = |name: &str| name.starts_with("http_requests_total") && !name.contains("/healthz");
        self.values.iter().filter(|(name, _)| ours(name) && name.contains(&wanted)).map(|(_, n)| n).sum()
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status(address: SocketAddr, path: &str) -> u16 {
    get(address, path)[9..12].parse().unwrap()
}

/// The first line of a JSON log that fits. A last line without its end is not looked at.
fn find(log: &Path, fits: impl Fn(&Value) -> bool) -> Value {
    let text = fs::read_to_string(log).unwrap();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(|l| serde_json::from_str(l).unwrap()).find(fits).unwrap_or(Value::Null)
}

fn deployed(demo: &Demo, version: &str, kind: &str, status: &str) -> bool {
    let is = |line: &Value| line["version"] == version && line["kind"] == kind && line["status"] == status;
    !find(&demo.deploy_log, is).is_null()
}

fn until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "waited {seconds} s for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Names and CPU ticks (hundredths of a second) of the demo's threads in this process.
fn threads() -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name).to_owned();
        let fields: Vec<u64> = tail.split_whitespace().skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
        if name == "demo" || name.starts_with("demo-sqlite") {
            found.push((name, fields.iter().sum()));
        }
    }
    found
}

/// CPU of the whole test process, told phase by phase on standard error (shown with `--nocapture`).
struct Meter {
    since: Instant,
    ticks: u64,
}

impl Meter {
    fn start(text: &str) -> Meter {
        eprintln!("{text}");
        Meter { since: Instant::now(), ticks: Meter::ticks() }
    }

    fn lap(self, phase: &str) -> Meter {
        let ticks = Meter::ticks();
        let seconds = self.since.elapsed().as_secs_f64();
        eprintln!("{phase}: {:.2} cores over {seconds:.1} s", (ticks - self.ticks) as f64 / 100.0 / seconds);
        Meter { since: Instant::now(), ticks }
    }

    fn ticks() -> u64 {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let tail = stat.rsplit_once(')').map_or("", |(_, tail)| tail);
        tail.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum()
    }
}
