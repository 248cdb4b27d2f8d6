//! Recordings as files: what a full disk, a limit or a second run does to them.

use std::sync::Arc;
use std::time::Duration;

use warroom::signals::logs::event::{LogAppended, LogEvent};
use warroom::signals::{Envelope, Event};
use warroom::stream::recorder::{Recorder, RecorderOptions};
use warroom::stream::replay::{Summary, read};
use warroom::timeline::source::Declaration;
use warroom::timeline::{OriginId, SourceDecl, SourceId, SourceKind, Ts};

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
        generation: 0,
        start: seq * len as u64,
        end: (seq + 1) * len as u64,
        lines: 1,
        unknown: 0,
        counts: Vec::new(),
        span: None,
        format: "text".into(),
        seed: false,
        bytes: Some(bytes.into()),
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
    let whole = std::fs::read(root.join("tests/recordings/outage.wr")).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0);
    damaged.truncate(whole.len() - 7);
    let home = Home::new();
    for (name, bytes) in [("whole.wr", whole), ("damaged.wr", damaged)] {
        let path = home.path(name);
        std::fs::write(&path, &bytes).unwrap();
        let done = std::process::Command::new("python3")
            .arg(root.join("tests/recordings/frames.py"))
            .arg(&path)
            .output()
            .expect("python3 is needed: ./test installs it");
        assert!(done.status.success(), "{done:?}");
        let listed = String::from_utf8(done.stdout).unwrap().lines().count();
        let mut reader = warroom::stream::recording::Reader::new(bytes.as_slice());
        let mut read = 0;
        while reader.next_frame().unwrap().is_some() {
            read += 1;
        }
        assert_eq!(listed, read, "{name}");
        let said = String::from_utf8(done.stderr).unwrap();
        let bytes = reader.damage().bytes;
        assert_eq!(said.trim(), format!("{bytes} bytes belong to no good frame"), "{name}");
    }
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
