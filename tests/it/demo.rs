//! The demo end to end without a screen: it breaks, its recording shows how and why, it heals, and it leaves nothing.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::demo_backend::ONE_AT_A_TIME;
use crate::support::program::{Home, ended, kill, names, until};

fn start(home: &Home, args: &[&str]) -> Child {
    let demo = ["demo", "--headless"];
    let mut command = home.command(&[&demo[..], args].concat());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

fn query(home: &Home, what: &str, more: &[&str]) -> Vec<Value> {
    let base = ["query", what, "--recording", "outage.wr", "--json"];
    home.run(&[&base[..], more].concat()).objects()
}

/// When something was seen, as text that orders like its times.
fn ts(record: &Value) -> &str {
    record["ts"].as_str().expect("a time")
}

fn changed<'a>(all: &'a [Value], kind: &str, version: &str, status: &str) -> &'a str {
    let one = all.iter().find(|c| c["kind"] == kind && c["version"] == version && c["status"] == status);
    ts(one.unwrap_or_else(|| panic!("no {kind} of {version} {status} in {all:#?}")))
}

#[tokio::test]
async fn the_recording_of_a_headless_demo_shows_the_deploy_the_full_pool_the_slow_query_the_503s_and_the_recovery() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let home = Home::new();
    let began = Instant::now();
    let args = ["--for", "30s", "--deploy-at", "6s", "--rollback-at", "19s", "--record", "outage.wr"];
    let mut demo = start(&home, &args);
    let status = ended(&mut demo, Duration::from_secs(90));
    assert!(status.success(), "{status}");
    assert!(began.elapsed() >= Duration::from_secs(30), "it ran as long as it was told to");
    nothing_is_left(&home);

    let deploys = query(&home, "deploys", &[]);
    let deployed = changed(&deploys, "deploy", "1.4.2", "ok");
    let rolled_back = changed(&deploys, "rollback", "1.4.1", "ok");
    assert!(deployed < rolled_back);
    let after = |records: &[Value], t: &str| records.iter().filter(|r| ts(r) > t).cloned().collect::<Vec<_>>();
    let before = |records: &[Value], t: &str| records.iter().filter(|r| ts(r) < t).cloned().collect::<Vec<_>>();

    // The pool: idle, then at its limit with people waiting, then idle again.
    let db = query(&home, "db", &[]);
    let pool: Vec<Value> =
        db.iter().filter(|e| e["kind"] == "pool_figures" && e["from"] == "metrics").cloned().collect();
    let full = |p: &&Value| p["used"] == p["max"] && p["waiting"].as_u64() > Some(0);
    assert_eq!(before(&pool, deployed).iter().find(full), None);
    let limit = pool.iter().find(full).expect("the pool at its limit");
    assert!(limit["max"] == 10 && ts(limit) > deployed && ts(limit) < rolled_back, "{limit}");
    let last = pool.last().expect("pool figures");
    assert!(last["waiting"] == 0 && last["used"].as_u64() < Some(5), "{last}");

    // The slow statement, which the service's own log told of, under a request's ID.
    let slow: Vec<&Value> = db.iter().filter(|e| e["kind"] == "slow_statement").collect();
    // On a busy machine one of before may have been slow, too; the deploy makes them the rule.
    let (early, late) = slow.iter().partition::<Vec<&&Value>, _>(|s| ts(s) < deployed);
    assert!(early.len() * 5 < late.len(), "{} slow statements before the deploy, {} after it", early.len(), late.len());
    let first = late.first().expect("a slow statement");
    assert!(first["statement"].as_str().is_some_and(|s| s.contains("FROM orders WHERE user_id")), "{first}");
    assert!(first["duration_ms"].as_f64() >= Some(200.0) && first["request_id"].is_string(), "{first}");

    // 503s, and the request of one of them in both files.
    let failed = query(&home, "logs", &["--filter", "status=503 source=app"]);
    assert!(failed.len() > 10 && before(&failed, deployed).is_empty(), "{} x 503", failed.len());
    let id = failed[0]["request_id"].as_str().expect("a request ID");
    let filter = format!("request_id={id}");
    let request = query(&home, "logs", &["--filter", &filter]);
    let mut sources: Vec<&str> = request.iter().filter_map(|r| r["source"].as_str()).collect();
    sources.sort();
    sources.dedup();
    assert_eq!(sources, ["access", "app"], "{request:#?}");
    let thrown = query(&home, "logs", &["--filter", "status=500 source=app"]);
    let stack = thrown.first().and_then(|t| t["fields"]["stack"].as_str()).expect("a stack trace");
    assert!(stack.lines().count() > 2 && stack.contains("KeyError"), "{stack}");

    // The probe: good, failing, good again.
    let health = query(&home, "health", &[]);
    let probes: Vec<Value> = health.iter().filter(|h| h["what"] == "probed").cloned().collect();
    assert!(before(&probes, deployed).iter().all(|p| p["ok"] == true), "{probes:#?}");
    assert!(probes.iter().any(|p| p["ok"] == false && p["status"] == 503), "{probes:#?}");
    assert_eq!(probes.last().expect("probes")["ok"], true);

    // Healed: the last seconds are calm, and people are served in them.
    let calm = after(&query(&home, "logs", &["--filter", "source=app level>=debug"]), rolled_back);
    let end = ts(calm.last().expect("lines after the rollback"));
    let tail = query(&home, "logs", &["--filter", "source=access status=200", "--from", "-4s"]);
    assert!(tail.len() > 20, "{} requests served in the last four seconds before {end}", tail.len());
    assert_eq!(query(&home, "logs", &["--filter", "status>=500", "--from", "-4s"]).len(), 0);

    // The same on the screen: the verdicts of the outage, and afterwards.
    let screen = |at: &str| home.run(&["screen", "outage.wr", "--size", "130x40", "--at", at]).good();
    let worst = screen(ts(&pool[pool.iter().rposition(|p| full(&p)).expect("it")]));
    for part in ["10/10", "▲1.4.2", "503", "SELECT id, status"] {
        assert!(worst.contains(part), "{part}:\n{worst}");
    }
    let last = screen(end);
    assert!(last.contains("rollback") || last.contains("1.4.1"), "{last}");
    assert!(!last.contains("10/10"), "{last}");
}

#[tokio::test]
async fn what_a_killed_demo_leaves_the_next_one_removes_and_its_recording_can_be_read() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let home = Home::new();
    let mut demo = start(&home, &["--for", "60s", "--deploy-at", "0s", "--record", "outage.wr"]);
    let pid = demo.id();
    let recorded = home.path("outage.wr");
    until("the demo runs and records", Duration::from_secs(60), || {
        std::fs::metadata(&recorded).is_ok_and(|m| m.len() > 8_000) && !names(&home.path("tmp")).is_empty()
    });
    kill(pid, Signal::KILL);
    ended(&mut demo, Duration::from_secs(10));
    let left = names(&home.path("tmp"));
    assert!(left.iter().any(|n| n.starts_with("warroom-demo-")), "a killed process cannot clean up: {left:?}");
    // Any prefix of a recording is a recording.
    assert!(!query(&home, "logs", &[]).is_empty());
    assert!(!query(&home, "deploys", &[]).is_empty());

    let mut next = start(&home, &["--for", "1s"]);
    let status = ended(&mut next, Duration::from_secs(60));
    assert!(status.success(), "{status}");
    nothing_is_left(&home);
}

#[tokio::test]
async fn a_demo_ended_by_a_signal_leaves_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let demos = [Signal::TERM, Signal::INT, Signal::HUP].map(|signal| {
        let home = Home::new();
        let demo = start(&home, &["--for", "60s", "--deploy-at", "50s"]);
        (signal, home, demo)
    });
    for (signal, home, mut demo) in demos {
        until("the demo runs", Duration::from_secs(60), || {
            names(&home.path("tmp")).iter().any(|n| home.path("tmp").join(n).join("app.log").exists())
        });
        kill(demo.id(), signal);
        ended(&mut demo, Duration::from_secs(20));
        nothing_is_left(&home);
    }
}

/// No file in its temporary folder, and no process that was started with it.
fn nothing_is_left(home: &Home) {
    assert_eq!(names(&home.path("tmp")), [""; 0]);
    let tmp = format!("TMPDIR={}", home.path("tmp").display());
    let of_it = |pid: &str| {
        let environ = std::fs::read(Path::new("/proc").join(pid).join("environ")).unwrap_or_default();
        environ.split(|b| *b == 0).any(|v| v == tmp.as_bytes())
    };
    let left: Vec<String> = names(Path::new("/proc"))
        .into_iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()) && of_it(name))
        .collect();
    assert_eq!(left, [""; 0], "processes of the demo");
}
