//! `warroom record --past`: what a box still has of a time, in one recording. The box's own tools stand at the boundary:
//! `journalctl` and `sadf` are scripts that print what the real ones print, and say how they were called.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::program::{Home, names};

/// What `journalctl --output=json --all` prints: a unit, the kernel, a message that is bytes, a secret.
const JOURNAL: &str = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795183351123456","__MONOTONIC_TIMESTAMP":"99","_BOOT_ID":"aa","PRIORITY":"3","MESSAGE":"upstream payments refused, password=hunter22","_SYSTEMD_UNIT":"shop.service","_PID":"321","_HOSTNAME":"web-1","SYSLOG_IDENTIFIER":"shop"}
{"__REALTIME_TIMESTAMP":"1795183353000000","PRIORITY":"6","MESSAGE":[104,105,27,91,51,49,109,255],"_SYSTEMD_UNIT":"shop.service","_PID":"321"}
{"__REALTIME_TIMESTAMP":"1795183355000000","PRIORITY":"4","MESSAGE":"Out of memory: Killed process 321 (shop) total-vm:1kB, anon-rss:900kB","_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"kernel"}
"#;

/// One of the looks that `sadf -j FILE -- -A` of sysstat 12.6 prints, with what we do not read left out.
fn look(time: &str, user: &str, used: u32) -> String {
    format!(
        r#"{{"timestamp": {{"date": "2026-11-20", "time": "{time}", "utc": 1, "interval": 60}},
"cpu-load": [{{"cpu": "all", "usr": {user}, "nice": 1.00, "sys": 19.00, "iowait": 2.00, "steal": 0.00, "irq": 0.00, "soft": 0.50, "guest": 0.00, "gnice": 0.00, "idle": 40.00}},
 {{"cpu": "0", "usr": {user}, "nice": 1.00, "sys": 19.00, "iowait": 2.00, "steal": 0.00, "irq": 0.00, "soft": 0.50, "guest": 0.00, "gnice": 0.00, "idle": 40.00}}],
"process-and-context-switch": {{"proc": 15.00, "cswch": 3885.00}},
"memory": {{"memfree": 5112712, "avail": 6000000, "memused": {used}, "memused-percent": 50.00, "buffers": 55092, "cached": 934264, "commit": 2666864, "commit-percent": 10.80, "dirty": 72256, "swpfree": 0, "swpused": 0, "swpused-percent": 0.00}},
"queue": {{"runq-sz": 3, "plist-sz": 210, "ldavg-1": 2.50, "ldavg-5": 1.20, "ldavg-15": 0.90, "blocked": 1}},
"disk": [{{"disk-device": "vda", "tps": 3.00, "rd_sec": 0.00, "wr_sec": 8.00, "rkB": 10.00, "wkB": 400.00, "areq-sz": 4.00, "aqu-sz": 0.10, "await": 1.50, "util-percent": 12.00}}],
"network": {{"net-dev": [{{"iface": "eth0", "rxpck": 10.00, "txpck": 9.00, "rxkB": 5.00, "txkB": 4.00, "rxcmp": 0.00, "txcmp": 0.00, "rxmcst": 0.00, "ifutil-percent": 0.00}}]}}}}"#
    )
}

fn tool(home: &Home, name: &str, script: &str) {
    std::fs::create_dir_all(home.path("bin")).expect("a folder");
    let path = home.file(&format!("bin/{name}"), script);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it may be run");
}

/// A box at 14:05 of a day with an outage: its logs, one of them rotated and packed, a deploy log, and its tools.
fn the_box() -> Home {
    let home = Home::new();
    let line = |time: &str, status: u32, id: u32| {
        format!(
            "{{\"ts\":\"2026-11-20T{time}Z\",\"level\":\"{}\",\"msg\":\"order {id}\",\"status\":{status},\"token\":\"Bearer abcdef0123456789abcdef\"}}\n",
            if status == 200 { "info" } else { "error" }
        )
    };
    let old: String = (0..50).map(|s| line(&format!("14:00:{s:02}"), 200, s)).collect();
    let new: String = (0..50).map(|s| line(&format!("14:02:{s:02}"), 503, 100 + s)).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, old.as_bytes()).expect("packed");
    std::fs::write(home.path("app.log.1.gz"), packed.finish().expect("packed")).expect("written");
    home.file("app.log", &new);
    home.file(
        "deploys.jsonl",
        "{\"ts\":\"2026-11-20T14:01:30Z\",\"kind\":\"deploy\",\"service\":\"shop\",\"version\":\"1.4.2\",\"status\":\"ok\"}\n",
    );
    home.configure(&format!("[logs]\nfiles = [{:?}]\n", home.path("app.log")));
    home.file("journal.json", JOURNAL);
    home.file("sadf.json", &format!(
        "{{\"sysstat\": {{\"hosts\": [{{\"nodename\": \"web-1\", \"sysname\": \"Linux\", \"release\": \"6.1\", \"machine\": \"x86_64\", \"number-of-cpus\": 1, \"file-date\": \"2026-11-20\", \"file-utc-time\": \"00:00:01\", \"timezone\": \"UTC\", \"statistics\": [{}]}}]}}}}\n",
        [look("13:00:00", "3.00", 900_000), look("14:00:00", "29.50", 4_000_000), look("14:02:00", "77.50", 5_000_000)].join(",\n")
    ));
    tool(&home, "journalctl", "#!/bin/sh\necho \"$@\" >> \"$HOME/journalctl.called\"\ncat \"$HOME/journal.json\"\n");
    tool(
        &home,
        "sadf",
        "#!/bin/sh\necho \"$@\" >> \"$HOME/sadf.called\"\n[ -f \"$2\" ] || exit 2\ncat \"$HOME/sadf.json\"\n",
    );
    home
}

const PAST: [&str; 8] =
    ["record", "--past", "--from", "2026-11-20T14:00:00Z", "--to", "2026-11-20T14:05:00Z", "-o", "past.wr"];

fn gather(home: &Home, before: &str) -> Output {
    let path = format!("{}:{}", home.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = std::process::Command::new("sh");
    command.env_clear().envs(home.variables()).env("PATH", path).current_dir(home.path(""));
    command.env("W", env!("CARGO_BIN_EXE_warroom"));
    command.args(["-c", &format!("{before} exec \"$W\" \"$@\""), "sh"]).args(PAST).output().expect("a shell")
}

fn query(home: &Home, what: &str, more: &[&str]) -> Vec<serde_json::Value> {
    let args = [&["query", what, "--recording", "past.wr", "--json"], more].concat();
    home.run(&args).objects()
}

#[test]
fn the_journal_logs_with_their_rotated_siblings_and_deploys_of_a_past_time_come_into_one_recording() {
    let home = the_box();
    let done = gather(&home, "");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("secrets taken out") && said.contains("sysstat of 2026-11-20"), "{said}");
    let called = std::fs::read_to_string(home.path("journalctl.called")).expect("it was called");
    assert!(
        called.contains("--output=json")
            && called.contains("--since=@1795183200")
            && called.contains("--until=@1795183500"),
        "{called}"
    );
    // Lines of the file, of the packed one, and of the journal, the kernel's with it; bytes that are no text are harmless.
    let lines = query(&home, "logs", &[]);
    let count = |source: &str| lines.iter().filter(|l| l["source"] == source).count();
    assert_eq!((count("app"), count("journal")), (100, 3), "{lines:?}");
    let journal: Vec<String> = lines.iter().filter(|l| l["source"] == "journal").map(ToString::to_string).collect();
    assert!(journal[0].contains("upstream payments refused") && journal[2].contains("Out of memory"), "{journal:?}");
    let bytes = std::fs::read(home.path("past.wr")).expect("a recording");
    assert!(
        !lines.iter().any(|l| l.to_string().contains("hunter22") || l.to_string().contains("abcdef0123456789abcdef"))
    );
    assert_eq!(bytes[..4], [0xF7, b'W', b'R', 1]);
    assert_eq!(query(&home, "deploys", &[]).len(), 1);
    // It replays, and nothing is left beside it.
    let frame = home.run(&["screen", "past.wr", "--at", "2026-11-20T14:02:40Z", "--size", "140x40"]).good();
    assert!(frame.contains("shop 1.4.2") && frame.contains("order 1"), "{frame}");
    let beside: Vec<String> = names(&home.path("")).into_iter().filter(|n| n.starts_with("past.wr")).collect();
    assert_eq!(beside, ["past.wr"]);
    // A second time nothing is overwritten.
    let again = gather(&home, "");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("past.wr"));
    assert_eq!(std::fs::read(home.path("past.wr")).expect("a recording"), bytes);
}

#[test]
fn a_journal_that_cannot_be_read_and_tools_that_fail_are_said_and_the_rest_is_gathered() {
    for (script, word) in [
        (
            "#!/bin/sh\necho 'No journal files were opened due to insufficient permissions.' >&2\nexit 1\n",
            "insufficient permissions",
        ),
        ("#!/bin/sh\nexit 0\n", "group systemd-journal"),
    ] {
        let home = the_box();
        tool(&home, "journalctl", script);
        let done = gather(&home, "");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.contains(word), "{said}");
        assert_eq!(query(&home, "logs", &[]).len(), 100);
    }
}

/// The folder of the box's own logs is another one for this run only.
#[test]
#[ignore = "needs a mount namespace"]
fn sysstat_of_the_days_of_the_window_comes_with_it() {
    let home = the_box();
    std::fs::create_dir_all(home.path("var_log/sysstat")).expect("a folder");
    home.file("var_log/sysstat/sa20", "of the real one only sadf knows the form");
    let alone = "unshare -m true 2>/dev/null && N='unshare -m' || N='unshare -rm';";
    let inside = "exec $N sh -c 'mount --bind \"$HOME/var_log\" /var/log && exec \"$W\" \"$@\"' sh \"$@\";";
    let done = gather(&home, &format!("{alone} {inside}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let called = std::fs::read_to_string(home.path("sadf.called")).expect("it was called");
    assert_eq!(called.trim(), "-j /var/log/sysstat/sa20 -- -A");
    let samples = query(&home, "host", &[]);
    let busy: Vec<String> = samples.iter().map(ToString::to_string).collect();
    assert_eq!(samples.len(), 2, "the looks of the window, not that of an hour before: {busy:?}");
    assert!(busy[1].contains("78.5"), "{busy:?}");
    let frame = home.run(&["screen", "past.wr", "--at", "2026-11-20T14:02:20Z", "--size", "140x40"]).good();
    assert!(frame.contains("vda") || frame.contains("CPU"), "{frame}");
    assert_eq!(names(&home.path("")).into_iter().filter(|n| n.starts_with("past.wr")).count(), 1);
}
