//! The command line, through the real program: what is printed where, in which order, with which exit code.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::support::program::{Home, ended, until};

const API: &str = r#"{"ts":"2026-03-14T13:55:58.123456789Z","level":"info","msg":"start GET /orders","request_id":"7f3ac21004d15e88","path":"/orders"}
{"ts":"2026-03-14T13:55:59Z","level":"error","msg":"pool timeout","request_id":"7f3ac21004d15e88","status":503}
{"ts":"2026-03-14T13:56:00Z","level":"info","msg":"ok","request_id":"bbbb0000cc112233"}
{"ts":"2026-03-14T13:56:02Z","level":"debug","msg":"idle"}
"#;

const WORKER: &str = "\
2026-03-14 13:55:58.500 ERROR [main] Thrown: request 7f3ac21004d15e88 failed
java.lang.IllegalStateException: no row
\tat com.shop.Orders.get(Orders.java:81)
\tat com.shop.Main.run(Main.java:12)
Caused by: java.sql.SQLException: timeout
\t... 2 more
2026-03-14 13:56:01.000 INFO [main] next
";

fn logs() -> Home {
    let home = Home::new();
    home.file("api.log", API);
    home.file("worker.log", WORKER);
    home
}

const BOTH: [&str; 5] = ["query", "logs", "--logs", "api.log", "worker.log"];

fn both<'a>(more: &[&'a str]) -> Vec<&'a str> {
    BOTH.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn log_records_are_printed_oldest_first_with_their_fields_in_the_documented_order() {
    let home = logs();
    let text = home.run(&both(&["--json"])).good();
    let first = text.lines().next().expect("a record");
    assert_eq!(
        first,
        r#"{"ts":"2026-03-14T13:55:58.123456789Z","severity":"INFO","source":"api","line":1,"offset":0,"format":"json","request_id":"7f3ac21004d15e88","message":"start GET /orders","fields":{"request_id":"7f3ac21004d15e88","path":"/orders"}}"#
    );
    let all = crate::support::program::objects(&text);
    let places: Vec<_> = all.iter().map(|r| (r["source"].as_str(), r["line"].as_u64())).collect();
    let (api, worker) = (Some("api"), Some("worker"));
    assert_eq!(
        places,
        [(api, Some(1)), (worker, Some(1)), (api, Some(2)), (api, Some(3)), (worker, Some(7)), (api, Some(4))]
    );
    assert_eq!(all[5]["request_id"], json!(null));
    assert_eq!(all[5]["offset"], json!(API.rfind("{\"ts\"")));
}

#[test]
fn a_folded_stack_trace_is_part_of_its_record() {
    let record = &logs().run(&both(&["--json", "--filter", "source=worker level=error"])).objects()[0];
    let message = record["message"].as_str().expect("a message");
    assert!(message.starts_with("Thrown: request 7f3a"), "{message}");
    assert!(message.ends_with("Caused by: java.sql.SQLException: timeout\n\t... 2 more"), "{message}");
}

#[test]
fn a_request_is_found_across_files_in_order_of_time() {
    let found = logs().run(&both(&["--json", "--filter", "request_id=7f3ac21004d15e88"])).objects();
    let places: Vec<_> = found.iter().map(|r| (r["source"].as_str(), r["line"].as_u64())).collect();
    assert_eq!(places, [(Some("api"), Some(1)), (Some("worker"), Some(1)), (Some("api"), Some(2))]);
}

#[test]
fn from_is_in_the_range_and_to_is_not() {
    let home = logs();
    let between = |from: &str, to: &str| {
        let found = home.run(&both(&["--json", "--from", from, "--to", to])).objects();
        found.iter().map(|r| r["message"].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(between("2026-03-14T13:55:59Z", "2026-03-14T13:56:01Z"), ["pool timeout", "ok"]);
    // Times without a day count from the end of what was read, and so do lengths of time.
    assert_eq!(between("13:55:59", "13:56:01"), ["pool timeout", "ok"]);
    assert_eq!(between("-2s", "2026-03-14T13:56:02Z"), ["ok", "next"]);
    assert_eq!(between("14:00", "15:00"), [""; 0]);
}

#[test]
fn without_json_a_record_is_a_line_and_no_control_code_reaches_the_terminal() {
    let home = Home::new();
    home.file("hostile.log", "2026-03-14T13:55:58Z ERROR \x1b]52;c;aGk=\x07\x1b[2J\u{9b}31mred\u{202e}evil\n");
    let out = home.run(&["query", "logs", "--logs", "hostile.log"]).good();
    assert!(out.contains("red") && out.contains("evil"), "{out:?}");
    let wrong = out.trim_end_matches('\n').chars().find(|c| c.is_control() || *c == '\u{202e}');
    assert_eq!(wrong, None, "{out:?}");
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_what_cannot_be_done_with_1_and_both_print_no_data() {
    let home = logs();
    home.file("bad.toml", "[screen]\ncolour = 1\n");
    home.file("clash.toml", "[keys]\nzoom = [\"a\"]\n");
    for (args, says) in [
        (&["query", "logs", "--logs", "api.log", "--filter", "level>>"][..], "cannot read the filter \"level>>\""),
        (&["query", "logs", "--logs", "api.log", "--from", "brunch"], "14:02"),
        (&["query", "logs", "--config", "bad.toml"], "colour"),
        (&["replay", "--logs", "api.log", "--config", "bad.toml"], "colour"),
        (&["screen", "--logs", "api.log", "--config", "bad.toml"], "colour"),
        (&["demo", "--headless", "--for", "1s", "--config", "bad.toml"], "colour"),
        (&["query", "logs", "--config", "clash.toml"], "both note and zoom"),
        (&["query", "logs", "--config", "absent.toml"], "cannot read the configuration absent.toml: No such file"),
        (&["query", "gossip"], "possible values: logs, host, db, deploys, health, notes, sources"),
        (&["screen", "--logs", "api.log", "--size", "huge"], "write columns x rows, like 120x40"),
        (&["screen", "--logs", "api.log", "--zone", "Mars/Base"], "Europe/Berlin"),
        (&["screen", "--logs", "api.log", "--theme", "pink"], "high-contrast"),
        (&["screen", "--logs", "api.log", "--pane", "attic"], "database"),
        (&["screen", "--logs", "api.log", "--at", "brunch"], "14:02"),
        (&["replay"], "<RECORDING>"),
        (&["demo", "--headless"], "--for"),
        (&["demo", "--for", "a while"], "write 60s, 2m or 1m30s"),
        (&["note"], "<TEXT>"),
    ] {
        let err = home.run(args).refused(2);
        assert!(err.contains(says), "{args:?}: {err}");
    }
    for (args, says) in [
        (&["query", "logs", "--logs", "absent.log"][..], "absent.log: No such file"),
        (&["query", "logs", "--recording", "absent.wr"], "cannot open absent.wr: No such file"),
        (&["query", "logs", "--recording", "api.log"], "`warroom replay --logs api.log`"),
        (&["replay", "api.log"], "`warroom replay --logs api.log`"),
        (&["record", "-o", "api.log", "worker.log"], "never overwrites"),
        (&["attach"], "warroom"),
        (&["incident", "show"], "no incident"),
        (&["export"], "no incident"),
    ] {
        let err = home.run(args).refused(1);
        assert!(err.contains(says), "{args:?}: {err}");
        assert!(err.matches("os error").count() < 2, "a cause is said once: {err}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = logs();
    home.file("long.log", &API.repeat(2_000));
    home.run(&["note", "something to show"]).good();
    for args in [
        &["query", "logs", "--logs", "long.log", "--json"][..],
        &["query", "notes", "--json"],
        &["completions", "bash"],
        &["man"],
        &["themes"],
        &["incident", "show"],
        &["incident", "list"],
        &["export"],
        &["screen", "--logs", "api.log", "--format", "svg"],
        &["note", "nobody listens"],
    ] {
        let mut child = home
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let status = ended(&mut child, Duration::from_secs(30));
        let mut err = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
        assert!(status.success() && !err.contains("panicked"), "{args:?} {status}: {err}");
    }
}

#[test]
fn a_note_from_the_shell_is_in_the_query_and_in_the_incident() {
    let home = Home::new();
    let done = home.run(&["note", "? the index is gone", "--at", "2026-03-14T13:56:30Z", "--evidence", "Seq Scan"]);
    assert!(done.err.contains("warroom incident title"), "{}", done.err);
    assert!(done.good().starts_with("2026-03-14T13:56:30Z "));
    home.run(&["incident", "title", "orders answer 503"]).good();
    home.run(&["note", "--kind", "action", "--at", "2026-03-14T13:50:00Z", "looked at the graphs"]).good();
    home.feed(&["note", "-"], "= roll back 1.4.2\n").good();

    let all = home.run(&["query", "notes", "--json"]).objects();
    let stamps: Vec<_> = all.iter().map(|r| r["ts"].as_str().expect("a time")).collect();
    assert!(stamps.is_sorted(), "oldest first: {stamps:?}");
    let notes: Vec<_> = all.iter().filter(|r| r["record"] == "note").map(|r| (&r["kind"], &r["text"])).collect();
    let note = |kind: &str, text: &str| (json!(kind), json!(text));
    let expected = [
        note("action", "looked at the graphs"),
        note("hypothesis", "the index is gone"),
        note("decision", "roll back 1.4.2"),
    ];
    assert_eq!(notes, expected.iter().map(|(k, t)| (k, t)).collect::<Vec<_>>());

    let list = home.run(&["incident", "list", "--json"]).objects();
    assert_eq!((list.len(), &list[0]["title"]), (1, &json!("orders answer 503")));
    let shown = home.run(&["incident", "show", "--utc"]).good();
    for part in ["orders answer 503", "2026-03-14 13:56:30", "?    the index is gone  [open]  (anna)", "| Seq Scan"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let export = home.run(&["export"]).good();
    assert!(export.contains("roll back 1.4.2"), "{export}");
}

#[test]
fn a_deploy_is_one_line_in_the_deploy_log_and_comes_out_of_the_query() {
    let home = Home::new();
    let log = home.path("deploys.jsonl");
    let log = log.to_str().expect("UTF-8");
    let deploy = ["deploy", "api", "1.4.2", "--previous", "1.4.1", "--by", "ci", "--log", log];
    let done = home.run(&[&deploy[..], &["--at", "2026-03-14T13:55:58Z"]].concat());
    assert!(done.err.contains("deploy of api 1.4.2: ok"), "{}", done.err);
    assert_eq!(done.good(), "");
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(log).expect("the log")).expect("JSON");
    assert_eq!(
        line,
        json!({"ts": "2026-03-14T13:55:58Z", "kind": "deploy", "status": "ok", "service": "api", "version": "1.4.2",
               "prev": "1.4.1", "by": "ci"})
    );
    let found = home.run(&["query", "deploys", "--json", "--filter", "service=api"]).objects();
    assert_eq!(
        (found.len(), &found[0]["ts"], &found[0]["version"]),
        (1, &json!("2026-03-14T13:55:58Z"), &json!("1.4.2"))
    );
}

#[test]
fn a_live_look_names_its_sources_and_one_that_is_not_there() {
    let home = logs();
    let absent = home.path("absent.log");
    home.configure(&format!("[logs]\nfiles = [{:?}, {absent:?}]", home.path("api.log")));
    let all = home.run(&["query", "sources", "--json"]).objects();
    let declared: Vec<_> =
        all.iter().filter(|r| r["declared"] == "source").filter_map(|r| r["source"].as_str()).collect();
    let mut names = declared.clone();
    names.sort();
    assert_eq!(names, ["absent", "api", "deploy log", "incident"]);
    let why = all.iter().find(|r| r["source"] == "absent" && r["declared"] == "state").expect("its state");
    assert!(why["state"]["why"].as_str().is_some_and(|w| w.contains("not there")), "{why}");
    let found = home.run(&["query", "logs", "--json", "--filter", "request_id=bbbb0000cc112233"]).objects();
    assert_eq!((found.len(), &found[0]["message"]), (1, &json!("ok")));
}

#[test]
fn a_frame_is_printed_as_text_with_colours_and_as_a_picture() {
    let home = logs();
    let screen = |more: &[&str]| {
        let base = ["screen", "--logs", "api.log", "worker.log", "--size", "80x24", "--at", "2026-03-14T13:56:00Z"];
        home.run(&[&base[..], more].concat()).good()
    };
    let text = screen(&[]);
    assert_eq!(text.lines().count(), 24);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    for part in ["REPLAY 13:56:00 UTC", "7f3a…5e88 start GET /orders", "13:55:59.000 E api", "+5 ▸"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("I worker") && !text.contains("idle"), "what came after the playhead is not there:\n{text}");
    assert!(!text.contains('\x1b'));
    let ansi = screen(&["--format", "ansi"]);
    assert!(ansi.contains("\x1b["));
    let svg = screen(&["--format", "svg"]);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{}", &svg[..200]);
    let ascii = screen(&["--ascii"]);
    let fancy = ascii.chars().find(|c| !c.is_ascii() && *c != '…');
    assert_eq!(fancy, None, "{ascii}");
    let one = screen(&["--filter", "request_id=bbbb0000cc112233"]);
    assert!(one.contains("ok") && !one.contains("pool timeout"), "{one}");
    let local = screen(&["--zone", "Europe/Berlin"]);
    assert!(local.contains("14:56:00"), "{local}");
}

#[test]
fn without_a_terminal_it_says_so_and_what_to_use_instead() {
    let home = logs();
    // A file that is called like a subcommand is written with a path.
    home.file("demo", API);
    for args in [&["api.log"][..], &["./demo"], &["replay", "--logs", "api.log"]] {
        let err = home.run(args).refused(1);
        assert!(
            err.contains("standard output is not a terminal") && err.contains("`warroom query`"),
            "{args:?}: {err}"
        );
    }
    let out = home.run(&["query", "logs", "--logs", "./demo"]).good();
    assert_eq!(out.lines().count(), 4, "{out}");
}

#[test]
fn themes_completions_and_the_man_page_are_data_on_standard_output() {
    let home = Home::new();
    let themes = home.run(&["themes"]).good();
    for theme in ["dark", "light", "high-contrast", "monochrome"] {
        assert!(themes.lines().any(|l| l == theme), "{themes}");
    }
    let bash = home.run(&["completions", "bash"]).good();
    assert!(bash.contains("complete -F _warroom") && bash.contains("--rollback-at"));
    let man = home.run(&["man"]).good();
    assert!(man.contains(".TH warroom 1") && man.contains("Exit codes: 0 done"), "{man}");
    let help = home.run(&["--help"]).good();
    assert!(help.contains("Exit codes: 0 done") && help.contains("./demo"), "{help}");
}

#[test]
fn check_ends_with_3_when_something_is_to_be_mended_and_names_it() {
    let home = logs();
    let absent = home.path("absent.log");
    home.configure(&format!("[logs]\nfiles = [{absent:?}]\n[[health.probe]]\nname = \"shop\"\ntcp = \"127.0.0.1:1\""));
    let done = home.run(&["check"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    let bad: Vec<_> = done.out.lines().filter(|l| l.starts_with("MEND")).collect();
    assert!(bad.iter().any(|l| l.contains("absent.log")), "{bad:?}");
    assert!(bad.iter().any(|l| l.contains("no database is watched")), "{bad:?}");
    assert!(bad.iter().any(|l| l.contains("shop (127.0.0.1:1): the dependency fails: connection refused")), "{bad:?}");
    assert!(done.out.contains("configuration") && done.out.contains("is sound"), "{}", done.out);
    home.file("broken.toml", "[logs\n");
    assert!(home.run(&["check", "--config", "broken.toml"]).refused(2).contains("broken.toml"));
}

#[test]
fn a_recorder_without_a_screen_ends_on_sigterm_with_everything_on_disk() {
    let home = logs();
    let mut child = home
        .command(&["record", "-o", "flight.wr", "api.log", "worker.log"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    until("the recording has begun", Duration::from_secs(20), || {
        std::fs::metadata(home.path("flight.wr")).is_ok_and(|m| m.len() > 500)
    });
    std::fs::OpenOptions::new()
        .append(true)
        .open(home.path("api.log"))
        .and_then(|mut f| std::io::Write::write_all(&mut f, API.replace("pool timeout", "came live").as_bytes()))
        .expect("more lines");
    until("the new lines are in the recording", Duration::from_secs(20), || {
        let done = home.run(&["query", "logs", "--recording", "flight.wr", "--json"]);
        done.out.contains("came live")
    });
    crate::support::program::kill(child.id(), rustix::process::Signal::TERM);
    let status = ended(&mut child, Duration::from_secs(20));
    let mut err = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
    assert!(status.success() && err.contains("0 events lost"), "{status} {err}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(home.path("flight.wr")).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o600, "a recording may hold secrets");
    // It is a recording of its own: the logs may be gone.
    std::fs::remove_file(home.path("worker.log")).expect("removed");
    let sources = home.run(&["query", "sources", "--recording", "flight.wr", "--json"]).objects();
    assert!(sources.iter().any(|s| s["source"] == "api"), "{sources:?}");
}
