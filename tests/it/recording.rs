//! Recordings as files: what a full disk, a limit or a second run does to them.

use std::sync::Arc;
use std::time::Duration;

use warroom::signals::database::event::{Activity, DatabaseEvent, Session, StatementDelta, Statements};
use warroom::signals::host::event::{DiskIo, HostEvent, HostSample, Pressure, ProcessRow, ProcessTable};
use warroom::signals::logs::event::{LogAppended, LogEvent};
use warroom::signals::{Envelope, Event};
use warroom::stream::recorder::{Recorder, RecorderOptions};
use warroom::stream::recording::{Encoder, Stream};
use warroom::stream::replay::{Summary, read};
use warroom::timeline::counts::Counts;
use warroom::timeline::source::Declaration;
use warroom::timeline::{OriginId, Severity, SourceDecl, SourceId, SourceKind, Ts};

use crate::support::made::Made;
use crate::support::program::{Home, names};

fn envelope(seq: u64, source: u32, event: Event) -> Envelope {
    let observed = Ts::from_secs(1_700_000_000 + seq as i64);
    Envelope { seq, origin: OriginId(0), source: SourceId(source), observed, mono: seq * 1_000_000_000, event }
}

fn origin(host: &str) -> Event {
    Event::Stream(Declaration::Origin {
        host: host.into(),
        boot_id: "b".into(),
        zone: "UTC".into(),
        version: "0".into(),
        run: 7,
    })
}

fn source(id: u32, name: &str) -> Event {
    let decl = SourceDecl { id: SourceId(id), kind: SourceKind::Logs, name: name.into(), detail: name.into() };
    Event::Stream(Declaration::Source(decl))
}

/// A batch of one line of `len` letters that no compression makes small.
fn letters(seq: u64, len: usize) -> Event {
    let mut state = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes: Vec<u8> = (1..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'!' + (state % 90) as u8
        })
        .collect();
    bytes.push(b'\n');
    Event::Logs(LogEvent::Appended(LogAppended {
        start: seq * len as u64,
        end: (seq + 1) * len as u64,
        lines: 1,
        format: "text".into(),
        bytes: Some(bytes.into()),
        ..LogAppended::default()
    }))
}

fn read_all(path: &std::path::Path) -> (Vec<Envelope>, Summary) {
    let mut all = Vec::new();
    let summary = read(path, &mut |batch| {
        all.extend(batch);
        true
    })
    .expect("a recording");
    (all, summary)
}

#[test]
fn a_recording_that_is_saved_within_a_limit_keeps_the_newest_and_says_what_is_missing() {
    let home = Home::new();
    let recorder = Recorder::start(RecorderOptions::default()).expect("a recorder");
    let first: Arc<[Envelope]> = vec![envelope(1, 0, origin("web-1")), envelope(2, 1, source(1, "api"))].into();
    recorder.offer(&first);
    for seq in 3..403 {
        recorder.offer(&vec![envelope(seq, 1, letters(seq, 30_000))].into());
    }
    let path = home.path("cut.wr");
    let bytes = recorder.save_within(path.clone(), 2_000_000).expect("saved");
    assert_eq!(bytes, path.metadata().expect("a file").len());
    assert!(bytes <= 2_000_000 && bytes > 1_000_000, "{bytes}");
    let (all, summary) = read_all(&path);
    assert_eq!(all.last().map(|e| e.seq), Some(402));
    assert!(matches!(&all[1].event, Event::Stream(Declaration::Source(d)) if d.name == "api"));
    // Declarations are there twice where their frame left: once as the preamble.
    let lines = all.iter().filter(|e| matches!(e.event, Event::Logs(_))).count() as u64;
    assert_eq!((summary.missing, summary.damage.orphans), (402 - lines, 0));
    recorder.finish(Duration::from_secs(5));
}

/// Runs `script` in a shell of its own, where `$W` is the program.
fn shell(home: &Home, script: &str) -> std::process::Output {
    let mut command = std::process::Command::new("sh");
    command.env_clear().envs(home.variables()).env("W", env!("CARGO_BIN_EXE_warroom")).current_dir(home.path(""));
    command.args(["-c", script]).output().expect("a shell")
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_frame_leaves_a_recording_of_whole_frames() {
    let home = Home::new();
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    };
    let lines: String = (0..9_600).map(|n| format!("{n} {:x}{:x}{:x}\n", noise(), noise(), noise())).collect();
    home.file("more.log", &lines);
    home.file(
        "slow.sh",
        "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sed -n \"$((i * 600 + 1)),$((i * 600 + 600))p\" more.log; sleep 0.15; done",
    );
    // No file of this shell may be larger than 100 kB, and what is over it is an error as on a full disk.
    let out = shell(&home, "trap '' XFSZ; ulimit -f 200; exec $W record -o a.wr --for 3s -c 'sh slow.sh'");
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(err.contains("not on disk"), "{err}");
    let bytes = std::fs::read(home.path("a.wr")).expect("a recording");
    assert!(bytes.len() > 300, "{}", bytes.len());
    let (all, summary) = read_all(&home.path("a.wr"));
    assert_eq!((summary.damage.bytes, summary.trouble()), (0, None), "{err}");
    assert!(!all.is_empty());
    assert_eq!(names(&home.path("state")), [""; 0]);
}

/// Two runs on one host with half an hour between them, and one on another host during the second.
fn three_runs(home: &Home) {
    Made::new("web-1", 11, BEGIN, 600).write(&home.path("b.wr"));
    Made::new("web-1", 12, BEGIN + 2_400, 600).write(&home.path("a.wr"));
    Made::new("db-2", 13, BEGIN + 2_400, 600).write(&home.path("c.wr"));
}

const BEGIN: i64 = 1_773_500_400;

#[test]
fn recordings_of_several_runs_and_hosts_show_all_of_them_behind_one_another_or_in_a_folder() {
    let home = Home::new();
    three_runs(&home);
    let bytes = |name: &str| std::fs::read(home.path(name)).expect("a recording");
    std::fs::write(home.path("all.wr"), [bytes("b.wr"), bytes("a.wr"), bytes("c.wr")].concat()).expect("written");
    std::fs::create_dir(home.path("segments")).expect("a folder");
    for name in ["a.wr", "b.wr", "c.wr"] {
        std::fs::write(home.path("segments").join(name), bytes(name)).expect("written");
    }
    let count = |what: &str, name: &str| home.run(&["query", what, "--recording", name, "--json"]).objects().len();
    for what in ["logs", "host", "db", "deploys", "health", "sources"] {
        let each = count(what, "a.wr") + count(what, "b.wr") + count(what, "c.wr");
        assert_eq!((count(what, "all.wr"), count(what, "segments")), (each, each), "{what}");
    }
    let frame = |name: &str, at: i64, more: &[&str]| {
        let at = Ts::from_secs(BEGIN + at).to_string();
        home.run(&[&["screen", name, "--at", &at, "--size", "130x40"], more].concat()).good()
    };
    for at in [300, 2_700] {
        assert_eq!(frame("all.wr", at, &[]), frame("segments", at, &[]));
    }
    // Each run shows at its time, the gap between them is said, and which of the hosts this is.
    let seam = frame("all.wr", 2_402, &["--pane", "logs"]);
    assert!(seam.contains("nothing was recorded for 30 m before this"), "{seam}");
    let host = frame("all.wr", 2_700, &["--pane", "host"]);
    assert!(host.contains("web-1 of 2 hosts"), "{host}");
    let between = frame("all.wr", 1_500, &["--pane", "database"]);
    assert!(!between.contains("no route"), "{between}");
}

#[test]
fn envelopes_of_one_run_that_come_in_two_recordings_count_once() {
    let home = Home::new();
    let made = Made::new("web-1", 11, BEGIN, 120);
    made.clone().write(&home.path("whole.wr"));
    // The second recording holds the second minute again, and its own beginning.
    let mut all = made.envelopes();
    let half = all.len() / 2;
    let declared: Vec<Envelope> = all.iter().take(14).cloned().collect();
    let rest = all.split_off(half);
    let mut bytes = std::fs::read(home.path("whole.wr")).expect("a recording");
    let segment = warroom::stream::recording::Segment { format: 1, program: "made".into(), redacted: true };
    bytes.extend(warroom::stream::recording::encode_segment(&segment, Ts(0)));
    bytes.extend(warroom::stream::recording::encode_events(&declared));
    bytes.extend(warroom::stream::recording::encode_events(&rest));
    std::fs::write(home.path("both.wr"), bytes).expect("written");
    for what in ["logs", "host", "db", "health"] {
        let count = |name: &str| home.run(&["query", what, "--recording", name, "--json"]).objects().len();
        assert_eq!(count("both.wr"), count("whole.wr"), "{what}");
    }
}

/// The document is true: what was written from it alone sees the same frames.
#[test]
fn a_reader_written_from_the_document_lists_the_same_frames() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read(root.join("tests/recordings").join(name)).unwrap();
    let damage = |whole: &[u8]| {
        let mut damaged = whole.to_vec();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 40].fill(0);
        damaged.truncate(whole.len() - 7);
        damaged
    };
    let (plain, chained) = (read("outage.wr"), read("outage-codec1.wr"));
    let home = Home::new();
    for (name, bytes) in [
        ("plain-damaged.wr", damage(&plain)),
        ("chained-damaged.wr", damage(&chained)),
        ("plain.wr", plain),
        ("chained.wr", chained),
    ] {
        let path = home.path(name);
        std::fs::write(&path, &bytes).unwrap();
        let done = std::process::Command::new("python3")
            .arg(root.join("tests/recordings/frames.py"))
            .arg(&path)
            .output()
            .expect("python3 is needed: ./test installs it");
        assert!(done.status.success(), "{done:?}");
        let list = String::from_utf8(done.stdout).unwrap();
        // Our reader hands on neither what describes the fields nor what builds on damage.
        let silent = |l: &&str| l.split(' ').nth(1) == Some("5") || l.ends_with("orphan");
        let listed = list.lines().filter(|l| !silent(l)).count();
        let orphans = list
            .lines()
            .filter(|l| l.ends_with("orphan"))
            .filter_map(|l| l.split(' ').nth_back(1)?.parse::<u64>().ok());
        let orphans: u64 = orphans.sum();
        let mut reader = warroom::stream::recording::Reader::new(bytes.as_slice());
        let mut read = 0;
        while reader.next_frame().unwrap().is_some() {
            read += 1;
        }
        assert_eq!((listed, orphans), (read, reader.damage().orphans), "{name}");
        assert!(name != "chained-damaged.wr" || orphans > 0, "the damage hits a chain");
        let said = String::from_utf8(done.stderr).unwrap();
        let bytes = reader.damage().bytes;
        assert_eq!(said.trim(), format!("{bytes} bytes belong to no good frame"), "{name}");
    }
}

#[test]
fn a_folder_of_segments_is_checked_cut_joined_and_printed_as_it_is_replayed() {
    let home = Home::new();
    let outage = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/outage.wr");
    let outage = outage.to_str().unwrap();
    std::fs::create_dir(home.path("night")).unwrap();
    let span = |name: &str, part: [&str; 2]| {
        home.run(&[&["recording", "cut", outage, "-o", name], &part[..]].concat()).good();
    };
    span("night/b.wr", ["--to", "09:14:20"]);
    span("night/a.wr", ["--from", "09:14:20"]);
    let check = home.run(&["recording", "check", "night/"]).good();
    assert!(check.contains("from 2026-11-21T09:13:4") && check.contains("recorded on web-2"), "{check}");
    home.run(&["recording", "join", "night", "-o", "one.wr"]).good();
    home.run(&["recording", "cut", "night", "--from", "09:14:10", "--to", "09:14:30", "-o", "middle.wr"]).good();
    let lines = |file: &str| home.run(&["query", "logs", "--recording", file, "--json"]).good().lines().count();
    assert!(lines(outage) > 0 && lines("one.wr") == lines(outage), "{} of {}", lines("one.wr"), lines(outage));
    assert!(lines("middle.wr") > 0 && lines("middle.wr") < lines(outage));
    assert!(home.run(&["recording", "cat", "night", "--signal", "deploys"]).good().contains("1.4.2"));
    std::fs::create_dir(home.path("empty")).unwrap();
    assert!(!home.run(&["recording", "check", "empty"]).err.contains("os error 21"));
}

#[test]
fn a_recording_is_checked_cut_joined_and_printed_without_being_touched() {
    let home = Home::new();
    let outage = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/outage.wr");
    let whole = std::fs::read(&outage).unwrap();
    let outage = outage.to_str().unwrap();
    let check = home.run(&["recording", "check", outage]).good();
    assert!(check.contains("recorded on web-2") && check.contains("secrets were taken out"), "{check}");

    let range = ["--from", "09:14:00", "--to", "09:14:20"];
    home.run(&[&["recording", "cut", outage, "-o", "part.wr"], &range[..]].concat()).good();
    let of = |file: &str| -> Vec<serde_json::Value> {
        let printed = home.run(&["recording", "cat", file, "--signal", "health"]).good();
        printed.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let (all, part) = (of(outage), of("part.wr"));
    let inside: Vec<_> = all
        .iter()
        .filter(|e| (1_795_252_440_000_000_000..1_795_252_460_000_000_000).contains(&e["observed"].as_i64().unwrap()))
        .cloned()
        .collect();
    assert!(!inside.is_empty() && part == inside, "{} of {}", part.len(), all.len());
    // Two instants of the part look as they do in the whole, but for what was counted before it.
    let notes = |file: &str| home.run(&["query", "notes", "--recording", file, "--to", "09:14:20", "--json"]).good();
    assert_eq!(notes("part.wr"), notes(outage));
    let deploys =
        |file: &str| home.run(&["query", "deploys", "--recording", file, "--to", "09:14:20", "--json"]).good();
    assert_eq!(deploys("part.wr"), deploys(outage));

    home.run(&["recording", "cut", outage, "--from", "09:14:20", "-o", "rest.wr"]).good();
    home.run(&["recording", "join", "rest.wr", "part.wr", "-o", "both.wr"]).good();
    let lines =
        |file: &str| home.run(&["query", "logs", "--recording", file, "--from", "09:14:01", "--json"]).objects().len();
    assert_eq!(lines("both.wr"), lines(outage));
    assert_eq!(std::fs::read(outage).unwrap(), whole);

    assert!(home.run(&["recording", "join", "part.wr", "-o", "both.wr"]).refused(1).contains("both.wr"));
    let nothing = home.run(&["recording", "cut", outage, "--from", "2030-01-01 00:00", "-o", "none.wr"]).refused(1);
    assert!(nothing.contains("nothing in that time"), "{nothing}");
    assert!(!home.path("none.wr").exists(), "no empty file is left");
    std::fs::write(home.path("torn.wr"), &whole[..whole.len() - 5]).unwrap();
    let torn = home.run(&["recording", "check", "torn.wr"]);
    assert!(torn.code == Some(3) && torn.out.contains("DAMAGE"), "{torn:?}");

    // What is made of a damaged one says that something is missing.
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 100].fill(7);
    std::fs::write(home.path("damaged.wr"), &damaged).unwrap();
    for made in [["cut", "damaged.wr"], ["redact", "damaged.wr"], ["join", "damaged.wr"]] {
        let out = format!("of-{}.wr", made[0]);
        let said = home.run(&["recording", made[0], made[1], "-o", &out]);
        assert!(said.code == Some(0) && said.err.contains("damaged bytes stepped over"), "{said:?}");
        let check = home.run(&["recording", "check", &out]);
        assert!(check.code == Some(3) && check.out.contains("bytes of the recording that this"), "{check:?}");
    }
}

#[test]
fn recordings_of_one_run_that_overlap_join_to_all_that_any_of_them_holds() {
    let home = Home::new();
    // Long enough that a reader would give up waiting for the earlier part, were it written behind the later one.
    Made::new("web-1", 1, 1_773_500_400, 2_400).record(&home.path("whole.wr"));
    let cut = |from: &str, to: &str, name: &str| {
        home.run(&["recording", "cut", "whole.wr", "--from", from, "--to", to, "-o", name]).good();
    };
    cut("2026-03-14 15:00:00", "2026-03-14 15:25:00", "first.wr");
    cut("2026-03-14 15:20:00", "2026-03-14 15:41:00", "last.wr");
    cut("2026-03-14 15:10:00", "2026-03-14 15:10:30", "middle.wr");
    let events = |name: &str| -> Vec<(u64, String)> {
        let printed = home.run(&["recording", "cat", name]).good();
        let mut all: Vec<(u64, String)> = printed
            .lines()
            .map(|l| (serde_json::from_str::<serde_json::Value>(l).unwrap()["seq"].as_u64().unwrap(), l.to_owned()))
            .collect();
        all.sort();
        all
    };
    let seen = |name: &str| home.run(&["query", "logs", "--recording", name, "--json"]).objects().len();
    let whole = (events("whole.wr"), seen("whole.wr"));
    assert!(whole.0.len() > 8_000 && whole.1 == 3 * 2_400, "{} events, {} lines", whole.0.len(), whole.1);
    for (n, files) in
        [["whole.wr", "middle.wr"], ["middle.wr", "whole.wr"], ["last.wr", "first.wr"], ["whole.wr", "whole.wr"]]
            .iter()
            .enumerate()
    {
        let joined = format!("joined{n}.wr");
        let said = home.run(&["recording", "join", files[0], files[1], "-o", &joined]);
        assert!(said.code == Some(0) && said.err.contains("stood in more than one"), "{said:?}");
        assert_eq!((events(&joined), seen(&joined)), whole, "{files:?}");
    }
    let both = home.run(&["recording", "check", "joined0.wr"]).good();
    assert!(both.contains("from 2026-03-14T15:00:00") && both.contains(", 39 m"), "{both}");
    // A part says what it holds, not since when its sources were declared.
    let part = home.run(&["recording", "check", "middle.wr"]).good();
    assert!(part.contains("from 2026-03-14T15:10:00") && part.contains("29"), "{part}");
    // One that holds several runs is not taken apart.
    Made::new("web-2", 2, 1_773_500_400, 60).record(&home.path("other.wr"));
    home.run(&["recording", "join", "middle.wr", "other.wr", "-o", "two.wr"]).good();
    let refused = home.run(&["recording", "join", "two.wr", "whole.wr", "-o", "three.wr"]).refused(1);
    assert!(refused.contains("two.wr holds several runs") && !home.path("three.wr").exists(), "{refused}");
}

#[test]
fn a_recording_shows_no_secret_of_a_log_that_still_lies_where_it_was() {
    let home = Home::new();
    let line = |n: u32| format!("2026-11-21T21:29:{:02}Z INFO login {n} password=hunter2longer\n", n % 60);
    home.file("app.log", &(0..10).map(line).collect::<String>());
    let recorded = shell(
        &home,
        "(sleep 2; i=10; while [ $i -lt 20 ]; do \
           echo \"2026-11-21T21:29:${i}Z INFO login $i password=hunter2longer\" >> app.log; i=$((i+1)); done) & \
         \"$W\" record -o app.wr --for 6s app.log; wait",
    );
    assert!(recorded.status.success(), "{recorded:?}");
    let ask = |args: &[&str]| home.run(&[&["query", "logs", "--recording", "app.wr"], args].concat()).good();
    let screen = |_: ()| home.run(&["screen", "app.wr"]).good();
    for said in [ask(&[]), ask(&["--raw"]), ask(&["--json"]), screen(())] {
        assert!(said.contains("login 19") && said.contains("*************"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert!(ask(&["--raw"]).contains("login 3 "), "what was there before it began is shown while the log is there");
    assert_eq!(ask(&["--filter", "hunter2longer"]), "", "nor is it found");
    std::fs::rename(home.path("app.log"), home.path("gone.log")).unwrap();
    let without = ask(&["--raw"]);
    assert!(without.contains("login 19 password=*************") && !without.contains("hunter2"), "{without}");
}

#[test]
fn a_recording_that_kept_secrets_is_redacted_into_another() {
    let home = Home::new();
    home.file("api.log", "INFO password=hunter2secret\n");
    home.configure("[recorder]\nredact = false");
    home.run(&["record", "-o", "raw.wr", "--for", "1s", "-c", "cat api.log"]).good();
    let check = home.run(&["recording", "check", "raw.wr"]);
    assert!(check.out.contains("NOT redacted"), "{check:?}");
    assert!(home.run(&["recording", "cat", "raw.wr"]).good().contains("hunter2secret"), "the test needs a secret");
    home.run(&["recording", "redact", "raw.wr", "-o", "clean.wr"]).good();
    assert!(!home.run(&["recording", "cat", "clean.wr"]).good().contains("hunter2secret"));
    assert!(home.run(&["recording", "check", "clean.wr"]).good().contains("secrets were taken out"));
}

/// A stream of numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// The rows of the busiest of 600 processes: their figures wander, and with them their order.
fn table(noise: &mut Noise, all: &mut [ProcessRow]) -> ProcessTable {
    for (i, p) in all.iter_mut().enumerate() {
        // A few dozen work, the others sleep.
        if i < 40 && noise.below(3) > 0 {
            p.cpu_pct_of_one_core = Some((noise.below(60) * (40 - i as u64)) as f32 / 10.0);
            p.rss_bytes = p.rss_bytes.saturating_add(noise.below(64) * 4_096);
        }
    }
    let mut rows: Vec<ProcessRow> = all.to_vec();
    rows.sort_by(|a, b| {
        let cpu = |r: &ProcessRow| r.cpu_pct_of_one_core.unwrap_or(0.0);
        cpu(b).total_cmp(&cpu(a)).then(a.pid.cmp(&b.pid))
    });
    rows.truncate(30);
    ProcessTable { total: 600, running: 4, interval_ms: 2_000, rows, ..ProcessTable::default() }
}

fn machine(noise: &mut Noise) -> HostSample {
    let mut s = HostSample { load_1_5_15: [noise.below(800) as f32 / 100.0, 3.1, 2.2], ..HostSample::default() };
    s.cpu.user_pct = noise.below(900) as f32 / 10.0;
    s.cpu.system_pct = noise.below(200) as f32 / 10.0;
    s.cpu.iowait_pct = noise.below(50) as f32 / 10.0;
    s.cores_user_system_iowait_steal_pct =
        (0..16).map(|_| [noise.below(90) as u8, noise.below(20) as u8, noise.below(4) as u8, 0]).collect();
    s.memory.total_bytes = 64 << 30;
    s.memory.used_bytes = (40 << 30) + noise.below(1 << 20) * 4_096;
    s.memory.available_bytes = s.memory.total_bytes - s.memory.used_bytes;
    s.memory.cache_bytes = (10 << 30) + noise.below(1 << 16) * 4_096;
    s.memory.dirty_bytes = noise.below(1 << 12) * 4_096;
    s.pressure = Some(Pressure { cpu_some_pct: noise.below(300) as f32 / 10.0, ..Pressure::default() });
    s.disks = (0..2)
        .map(|i| DiskIo {
            name: format!("nvme{i}n1").as_str().into(),
            read_bytes_per_s: noise.below(1 << 14) * 4_096,
            write_bytes_per_s: noise.below(1 << 14) * 4_096,
            await_ms: noise.below(50) as f32 / 10.0,
            util_pct: noise.below(1_000) as f32 / 10.0,
        })
        .collect();
    s.network.rx_bytes_per_s = noise.below(1 << 24);
    s.network.tx_bytes_per_s = noise.below(1 << 24);
    s
}

fn sessions(noise: &mut Noise, at: Ts) -> Activity {
    let sessions = (0..20)
        .map(|i| Session {
            pid: 4_000 + i,
            query_start: Some(Ts(at.0 - noise.below(1 << 30) as i64)),
            query_age_ms: Some(noise.below(2_000)),
            state: Some("active".into()),
            user: "app".into(),
            db: "orders".into(),
            application: "api".into(),
            client: Some("10.0.3.17".into()),
            query: format!("SELECT id, total FROM orders WHERE user_id = ${} AND state = $2", noise.below(5)),
            ..Session::default()
        })
        .collect();
    Activity { sessions, max_connections: 200, every_ms: 2_000, ..Activity::default() }
}

fn top_statements(noise: &mut Noise) -> Statements {
    let deltas = (0..50)
        .map(|i| StatementDelta {
            queryid: 7_700_000_000_000_000 + i,
            // Most of the top fifty of a busy server run a few times between two looks.
            calls: noise.below(40),
            total_ms: noise.below(20_000) as f64 / 10.0,
            mean_ms: noise.below(500) as f64 / 10.0,
            rows: noise.below(400),
            share: noise.below(100) as f64 / 100.0,
            ..StatementDelta::default()
        })
        .collect();
    Statements { interval_ms: 5_000, calls: noise.below(9_000), deltas, entries: 812, ..Statements::default() }
}

/// What an hour takes on disk, from ten minutes of it, frames of half a second as the recorder makes them.
#[test]
fn a_machine_of_pure_noise_databases_and_log_lines_stay_within_their_bars_on_disk() {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut all: Vec<ProcessRow> = (0..600)
        .map(|i| ProcessRow {
            pid: 1_000 + i * 3,
            started_s: 1_699_000_000 + i64::from(i),
            ppid: 1,
            user: "app".into(),
            cpu_pct_of_one_core: Some(0.0),
            rss_bytes: (20 << 20) + noise.below(1 << 14) * 4_096,
            state: 'S',
            name: "worker".into(),
            command: format!("/srv/app/bin/worker --queue q{i} --config /etc/app/worker-{i}.yaml").as_str().into(),
            unit: Some(format!("app-{}.service", i % 12).as_str().into()),
        })
        .collect();
    let mut encoder = Encoder::default();
    let (mut metrics, mut services, mut logs, mut lines, mut seq, mut offset) = (0usize, 0usize, 0usize, 0u64, 0, 0u64);
    for half in 0..1_200i64 {
        let at = Ts::from_millis(1_700_000_000_000 + half * 500 + 3);
        let mut batch = Vec::new();
        let mut put = |event: Event| {
            seq += 1;
            let mono = half as u64 * 500_000_000 + noise_ns(seq);
            batch.push(Envelope { seq, origin: OriginId(0), source: SourceId(2), observed: at, mono, event });
        };
        if half % 2 == 0 {
            put(Event::Host(HostEvent::Sample(Box::new(machine(&mut noise)))));
        }
        if half % 4 == 0 {
            put(Event::Host(HostEvent::Processes(Box::new(table(&mut noise, &mut all)))));
            put(Event::Database(DatabaseEvent::Activity(sessions(&mut noise, at))));
        }
        if half % 10 == 0 {
            put(Event::Database(DatabaseEvent::Statements(top_statements(&mut noise))));
        }
        let mut text = String::new();
        for n in 0..100u64 {
            let id = (u128::from(noise.below(u64::MAX)) << 64) | u128::from(noise.below(u64::MAX));
            text.push_str(&format!(
                "{{\"ts\":\"{}\",\"level\":\"info\",\"logger\":\"http\",\"msg\":\"request done\",\"request_id\":\"{id:032x}\",\"route\":\"/orders/{{id}}\",\"status\":200,\"ms\":{}}}\n",
                Ts(at.0 + n as i64 * 5_000_000),
                noise.below(400)
            ));
        }
        let mut counts = Counts::default();
        counts.add(Some(Severity::Info), 100);
        let start = offset;
        offset += text.len() as u64;
        lines += 100;
        put(Event::Logs(LogEvent::Appended(LogAppended {
            start,
            end: offset,
            lines: 100,
            counts: vec![(at.secs(), counts)],
            span: Some((at, at)),
            format: "json".into(),
            bytes: Some(text.into_bytes().into()),
            ..LogAppended::default()
        })));
        for frame in encoder.events(&batch) {
            match frame.stream {
                Some(Stream::Machine | Stream::Processes) => metrics += frame.bytes.len(),
                Some(Stream::Services) => services += frame.bytes.len(),
                Some(Stream::Logs) => logs += frame.bytes.len(),
                None => {}
            }
        }
    }
    let hour = |bytes: usize| bytes as f64 * 6.0 / 1e6;
    let line = logs as f64 / lines as f64;
    println!(
        "an hour: machine and processes {:.2} MB (all noise, bar 1.5), databases {:.2} MB (bar 2); a log line {line:.1} B of {} (bar 40)",
        hour(metrics),
        hour(services),
        offset / lines
    );
    // Every figure of all 16 cores and of 27 processes is noise here; a box as boxes are takes less (benches/README.md).
    assert!(hour(metrics) <= 1.5, "machine and processes: {:.2} MB an hour", hour(metrics));
    assert!(hour(services) <= 2.0, "databases: {:.2} MB an hour", hour(services));
    assert!(line <= 40.0, "{line:.1} B a line");
}

fn noise_ns(seq: u64) -> u64 {
    seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 900_000
}

/// Golden recordings of every codec hold the same: what was written once is read for ever.
#[test]
fn the_golden_recordings_of_both_codecs_hold_the_same_events() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let (plain, summary) = read_all(&folder.join("outage.wr"));
    let (mut chained, again) = read_all(&folder.join("outage-codec1.wr"));
    chained.sort_by_key(|e| e.seq);
    let mut plain = plain;
    plain.sort_by_key(|e| e.seq);
    assert_eq!((summary.trouble(), again.trouble()), (None, None));
    assert!(plain == chained, "{} and {} events", plain.len(), chained.len());
}
