//! Real rotations of real files, looked at through the store: no line lost, none doubled.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warroom::signals::logs::event::LogEvent;
use warroom::signals::logs::row::LogRow;
use warroom::signals::logs::sources;
use warroom::signals::logs::sources::tail::{Polled, Tail, TailOptions};
use warroom::signals::logs::store::{
    Anchor, Ask, LogArrival, LogFeed, LogQuery, LogStore, Pattern, Slot, StoreOptions, read_logs,
};
use warroom::signals::source::{Lanes, StreamClock};
use warroom::signals::{Declared, Event, Out};
use warroom::timeline::{Filter, Severity, SourceId, TimeRange, Ts};

fn store() -> LogStore {
    LogStore::new(Box::new(|_| {}), StoreOptions { background: 0, ..StoreOptions::default() })
}

pub fn rows_query(anchor: Anchor, before: usize, after: usize) -> LogQuery {
    LogQuery {
        request: 1,
        slot: Slot::View,
        filter: Filter::default(),
        sources: None,
        min_severity: None,
        visible_until: Ts::MAX,
        screen: 40,
        ask: Ask::Rows { anchor, before, after },
    }
}

/// All parts of an answer as one; its rows in the order of places.
fn answer(store: &LogStore, query: &LogQuery) -> LogArrival {
    let parts = Mutex::new(Vec::new());
    store.answer(query, &|part| parts.lock().unwrap().push(part));
    let mut parts = parts.into_inner().unwrap();
    let mut last = parts.pop().unwrap();
    assert!(last.done);
    last.rows.extend(parts.into_iter().flat_map(|p| p.rows));
    last.rows.sort_by_key(|r| (r.placed, r.key));
    last
}

fn texts(rows: &[LogRow]) -> Vec<String> {
    rows.iter().map(|r| String::from_utf8_lossy(&r.raw).into_owned()).collect()
}

/// A path that is followed into a store, looked at when the test says so.
struct Followed {
    dir: TempDir,
    tail: Tail,
    store: LogStore,
    now: Ts,
    seams: Vec<String>,
    seeds: usize,
}

impl Followed {
    fn new(prepare: impl FnOnce(&Path)) -> Followed {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let tail = Tail::new(dir.path().join("app.log"), TailOptions::default(), Arc::default());
        let mut f = Followed { dir, tail, store: store(), now: Ts::from_secs(1_000), seams: Vec::new(), seeds: 0 };
        f.look();
        f
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn look(&mut self) -> Polled {
        self.wait(Duration::from_millis(250))
    }

    fn wait(&mut self, passed: Duration) -> Polled {
        self.now = self.now + passed;
        let (store, seams, now, seeds) = (&self.store, &mut self.seams, self.now, &mut self.seeds);
        self.tail.poll(now, &mut |observed, event| {
            if let LogEvent::Seam { why, .. } = &event {
                seams.push(why.clone());
            }
            *seeds += usize::from(observed.is_some());
            store.observe(SourceId(1), "app", observed.unwrap_or(now), &event, false);
            store.settle();
            true
        })
    }

    fn lines(&self) -> Vec<String> {
        texts(&answer(&self.store, &rows_query(Anchor::End, usize::MAX, 0)).rows)
    }
}

fn numbered(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

fn expected(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("line {n}")).collect()
}

#[test]
fn lines_from_before_the_start_and_appended_ones_are_all_there_once() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), numbered(0..100)).unwrap());
    f.append("app.log", &numbered(100..150));
    f.look();
    f.append("app.log", &numbered(150..200));
    f.look();
    f.look();
    assert_eq!(f.lines(), expected(0..200));
}

#[test]
fn a_file_that_is_renamed_and_created_again_loses_nothing_even_what_is_written_to_the_old_one_later() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), numbered(0..3)).unwrap());
    f.append("app.log", &numbered(3..5));
    fs::rename(f.path("app.log"), f.path("app.log.1")).unwrap();
    f.append("app.log.1", &numbered(5..6));
    f.look();
    f.append("app.log", &numbered(7..9));
    f.append("app.log.1", &numbered(6..7));
    f.look();
    assert_eq!(f.seams, ["renamed to app.log.1"]);
    f.append("app.log", &numbered(9..10));
    f.look();
    let mut lines = f.lines();
    lines.sort();
    assert_eq!(lines, expected(0..10));
}

#[test]
fn a_file_cut_by_copytruncate_keeps_its_earlier_lines_from_the_copy() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), numbered(0..50)).unwrap());
    f.append("app.log", &numbered(50..60));
    f.look();
    fs::copy(f.path("app.log"), f.path("app.log.1")).unwrap();
    fs::write(f.path("app.log"), "").unwrap();
    f.append("app.log", &numbered(60..61));
    f.look();
    f.append("app.log", &numbered(61..65));
    f.look();
    assert_eq!(f.seams.len(), 1);
    assert!(f.seams[0].starts_with("truncated from"), "{:?}", f.seams);
    assert_eq!(f.lines(), expected(0..65));
}

#[test]
fn a_file_cut_and_already_longer_than_before_at_the_next_look_is_noticed() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), "").unwrap());
    f.append("app.log", &numbered(0..5));
    f.look();
    fs::write(f.path("app.log"), numbered(100..200)).unwrap();
    f.look();
    assert_eq!(f.seams, ["written anew in place"]);
    // No copy lies beside it: what was seen is still held in memory.
    assert_eq!(f.lines(), [expected(0..5), expected(100..200)].concat());
}

#[test]
fn a_file_deleted_and_created_again_is_read_to_its_end_and_then_from_the_new_start() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), numbered(0..3)).unwrap());
    let mut held = OpenOptions::new().append(true).open(f.path("app.log")).unwrap();
    fs::remove_file(f.path("app.log")).unwrap();
    assert!(matches!(f.look(), Polled::Trouble(why) if why.contains("is gone")));
    held.write_all(b"line 3\n").unwrap();
    f.look();
    f.append("app.log", &numbered(4..6));
    assert_eq!(f.look(), Polled::Fine);
    assert_eq!(f.seams, ["deleted and created again"]);
    assert_eq!(f.lines(), expected(0..6));
}

#[test]
fn a_link_that_switches_is_followed() {
    let mut f = Followed::new(|dir| {
        fs::write(dir.join("a.log"), numbered(0..2)).unwrap();
        fs::write(dir.join("b.log"), numbered(3..4)).unwrap();
        std::os::unix::fs::symlink("a.log", dir.join("app.log")).unwrap();
    });
    f.append("a.log", &numbered(2..3));
    std::os::unix::fs::symlink("b.log", f.path("new")).unwrap();
    fs::rename(f.path("new"), f.path("app.log")).unwrap();
    f.look();
    assert_eq!(f.seams, ["link now points to b.log"]);
    assert_eq!(f.lines(), expected(0..4));
}

#[test]
fn a_file_that_appears_later_is_read_from_its_first_byte() {
    let mut f = Followed::new(|_| {});
    assert!(matches!(f.look(), Polled::Trouble(why) if why.contains("not there (yet)")));
    f.append("app.log", &numbered(0..3));
    assert_eq!(f.look(), Polled::Fine);
    assert_eq!(f.lines(), expected(0..3));
}

#[test]
fn a_half_line_is_one_row_before_and_after_it_is_completed() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), "whole\nha").unwrap());
    f.append("app.log", "lf");
    f.look();
    assert_eq!(f.lines(), ["whole"], "it may still be completed");
    f.wait(Duration::from_secs(3));
    assert_eq!(f.lines(), ["whole", "half"]);
    f.append("app.log", " done\nnext\n");
    f.look();
    assert_eq!(f.lines(), ["whole", "half done", "next"]);
}

#[test]
fn at_an_earlier_playhead_later_bytes_are_not_there() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), "").unwrap());
    f.append("app.log", &numbered(0..2));
    f.look();
    let then = f.now;
    f.append("app.log", &numbered(2..4));
    f.wait(Duration::from_secs(1));
    let query = LogQuery { visible_until: then, ..rows_query(Anchor::End, 100, 0) };
    assert_eq!(texts(&answer(&f.store, &query).rows), expected(0..2));
}

#[test]
fn what_came_since_an_answer_is_told_once() {
    let mut f = Followed::new(|dir| fs::write(dir.join("app.log"), numbered(0..3)).unwrap());
    let first = answer(&f.store, &rows_query(Anchor::End, 100, 0));
    f.append("app.log", &numbered(3..5));
    f.look();
    let second = answer(&f.store, &rows_query(Anchor::Since(first.upto), 100, 0));
    assert_eq!((texts(&second.rows), second.gap), (expected(3..5), false));
    f.append("app.log", &numbered(5..50));
    f.look();
    let third = answer(&f.store, &rows_query(Anchor::Since(second.upto), 10, 0));
    assert_eq!((texts(&third.rows), third.gap), (expected(40..50), true));
}

#[test]
fn a_million_lines_are_walked_back_page_by_page_without_loss_or_repetition() {
    let dir = tempfile::tempdir().unwrap();
    let n = 1_000_000u32;
    let path = dir.path().join("big.log");
    fs::write(&path, numbered(0..n)).unwrap();
    let store = store();
    store.open_files(&[path]).unwrap();
    let mut anchor = Anchor::End;
    let mut at = n;
    // Every page near the end, then far jumps: each page must end right before the one after it.
    for _ in 0..50 {
        let page = answer(&store, &rows_query(anchor, 200, 0));
        assert_eq!(texts(&page.rows), expected(at - 200..at));
        at -= 200;
        anchor = Anchor::Row(page.rows[0].key, page.rows[0].placed);
    }
    let mut count = 0u32;
    let everything = TimeRange::new(Ts::MIN, Ts::MAX);
    store.scan_all(&Filter::default(), everything, &mut |row| {
        assert_eq!(row.line, Some(u64::from(count) + 1));
        if count.is_multiple_of(10_007) {
            assert_eq!(row.message, format!("line {count}"));
        }
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(count, n);
    assert!(store.figures().held == 0, "nothing of a file is held in memory");
}

#[test]
fn a_row_in_the_middle_gives_what_lies_before_and_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, numbered(0..100_000)).unwrap();
    let store = store();
    store.open_files(&[path]).unwrap();
    let page = answer(&store, &rows_query(Anchor::End, 50_000, 0));
    let middle = &page.rows[0];
    let around = answer(&store, &rows_query(Anchor::Row(middle.key, middle.placed), 3, 4));
    assert_eq!(texts(&around.rows), expected(49_997..50_004));
}

#[test]
fn packed_files_are_read_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (gz, zst) = (dir.path().join("a.log.1.gz"), dir.path().join("b.log.zst"));
    let mut packed = Vec::new();
    for part in [numbered(0..10), numbered(10..20)] {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        e.write_all(part.as_bytes()).unwrap();
        packed.extend(e.finish().unwrap());
    }
    fs::write(&gz, packed).unwrap();
    fs::write(&zst, zstd::encode_all(numbered(20..30).as_bytes(), 1).unwrap()).unwrap();
    let store = store();
    store.open_files(&[gz.clone(), zst]).unwrap();
    let mut lines = texts(&answer(&store, &rows_query(Anchor::End, 100, 0)).rows);
    lines.sort();
    assert_eq!(lines, {
        let mut e = expected(0..30);
        e.sort();
        e
    });
    let missing = dir.path().join("no.log");
    assert!(store.open_files(&[gz, missing]).unwrap_err().contains("no.log"));
}

#[test]
fn files_read_without_a_recording_can_be_looked_at_as_of_any_playhead() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, numbered(0..10)).unwrap();
    let store = store();
    let mut lines = 0;
    read_logs(&[path], &mut |fed| {
        if let LogFeed::Event(source, observed, event) = fed {
            if let LogEvent::Appended(a) = &event {
                lines += a.lines;
            }
            store.observe(source, "a", observed, &event, true);
        }
    })
    .unwrap();
    assert_eq!(lines, 10);
    assert_eq!(texts(&answer(&store, &rows_query(Anchor::End, 100, 0)).rows), expected(0..10));
}

fn stamped(source: &str, ms: &[u32]) -> String {
    ms.iter()
        .map(|ms| format!("2026-11-21T14:03:{:02}.{:03}Z INFO {source} at {ms}\n", ms / 1_000, ms % 1_000))
        .collect()
}

#[test]
fn files_are_merged_by_time_and_lines_of_one_instant_by_source_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.log"), dir.path().join("b.log"));
    // Every file has lines out of order by a few milliseconds, as several writers make them.
    fs::write(&a, stamped("a", &[0, 20, 10, 30, 30, 5_000])).unwrap();
    fs::write(&b, stamped("b", &[5, 10, 25, 30, 4_000, 6_000])).unwrap();
    let store = store();
    store.open_files(&[a, b]).unwrap();
    let wanted = ["a0", "b5", "a10", "b10", "a20", "b25", "a30", "a30", "b30", "b4000", "a5000", "b6000"];
    let short = |rows: &[LogRow]| -> Vec<String> { texts(rows).iter().map(|t| t[30..].replace(" at ", "")).collect() };
    let last = answer(&store, &rows_query(Anchor::End, 100, 0));
    assert_eq!(short(&last.rows), wanted);
    let mut rows = Vec::new();
    store.scan_all(&Filter::default(), TimeRange::new(Ts::MIN, Ts::MAX), &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    assert_eq!(short(&rows), wanted);
    let from = Ts::from_jiff("2026-11-21T14:03:00.010Z".parse().unwrap());
    let to = Ts::from_jiff("2026-11-21T14:03:00.030Z".parse().unwrap());
    rows.clear();
    store.scan_all(&Filter::default(), TimeRange::new(from, to), &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    assert_eq!(short(&rows), ["a10", "b10", "a20", "b25"]);
}

#[test]
fn a_request_is_found_in_many_files_and_every_find_goes_on_from_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in ["api", "db", "web"] {
        let path = dir.path().join(format!("{name}.log"));
        let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
        for i in 0..20_000u64 {
            let (s, ms) = (i / 10, i % 10 * 100);
            let level = if i % 5_000 == 4_999 { "error" } else { "info" };
            writeln!(
                out,
                r#"{{"ts":"2026-11-21T{:02}:{:02}:{:02}.{ms:03}Z","level":"{level}","msg":"m{i}","request_id":"req-{}"}}"#,
                10 + s / 3_600,
                s / 60 % 60,
                s % 60,
                i / 4
            )
            .unwrap();
        }
        out.into_inner().unwrap();
        paths.push(path);
    }
    let store = store();
    store.open_files(&paths).unwrap();
    let filter = Filter::parse("request_id=req-777").unwrap();
    let query = LogQuery { filter: filter.clone(), ..rows_query(Anchor::End, 100, 0) };
    let found = answer(&store, &query);
    assert_eq!(found.rows.len(), 12);
    assert!(found.at_start && found.rows.windows(2).all(|p| p[0].placed <= p[1].placed));
    let errors = |from, forward| {
        let ask = Ask::Find { pattern: Pattern::AtLeast(Severity::Error), from, forward };
        let query = LogQuery { slot: Slot::Find, ask, ..rows_query(Anchor::End, 0, 0) };
        answer(&store, &query).found
    };
    let mut from = (Ts::MAX, None);
    let mut seen = Vec::new();
    while let Some(row) = errors(from, false) {
        from = (row.placed, Some(row.key));
        seen.push(format!("{} {}", row.source, row.message));
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(seen[..3], ["web m19999", "db m19999", "api m19999"]);
    let next = errors(from, true).unwrap();
    assert_eq!(format!("{} {}", next.source, next.message), "db m4999");
    let range = TimeRange::new(Ts::MIN, Ts::MAX);
    let ask = Ask::TopValues { range, field: "level".into(), split: None };
    let top = answer(&store, &LogQuery { slot: Slot::Top, ask, ..rows_query(Anchor::End, 0, 0) }).top.unwrap();
    assert_eq!((top.records, top.share), (60_000, 1.0));
    assert_eq!((top.values[1].value.as_str(), top.values[1].count, top.values[1].errors), ("ERROR", 12, 12));
}

#[test]
fn a_stack_trace_over_a_block_border_is_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    let mut text = String::new();
    for i in 0..4_000 {
        text.push_str(&format!(
            "2026-11-21T{:02}:{:02}:{:02}.000Z ERROR failed {i}\n",
            14 + i / 3_600,
            i / 60 % 60,
            i % 60
        ));
        for depth in 0..5 {
            text.push_str(&format!("    at some.package.Class{depth}.method(Class.java:{i})\n"));
        }
    }
    fs::write(&path, text).unwrap();
    let store = store();
    store.open_files(&[path]).unwrap();
    let (mut records, mut line) = (0, 1);
    store.scan_all(&Filter::default(), TimeRange::new(Ts::MIN, Ts::MAX), &mut |row| {
        assert_eq!((row.folded, row.line), (5, Some(line)), "{}", row.message);
        records += 1;
        line += 6;
        ControlFlow::Continue(())
    });
    assert_eq!(records, 4_000);
}

/// Runs a source until `enough` lines have come; gives the lines and the error it ended with.
async fn run(mut declared: Declared, enough: usize, mut restarts: usize) -> (Vec<String>, Vec<LogEvent>, String) {
    let (must, mut musts) = mpsc::channel(64);
    let (sample, _samples) = mpsc::channel(64);
    let (logs, mut batches) = mpsc::channel(64);
    let out = Out::new(SourceId(1), StreamClock::start(), Lanes { must, sample, logs });
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let source = tokio::spawn(async move {
        loop {
            match declared.source.run(&out, cancel.clone()).await {
                Err(e) if e.retry && restarts > 0 => restarts -= 1,
                Err(e) => return e.message,
                Ok(()) => return String::new(),
            }
        }
    });
    tokio::spawn(async move { while musts.recv().await.is_some() {} });
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    while lines.len() < enough {
        let next = tokio::time::timeout(Duration::from_secs(20), batches.recv()).await.expect("lines come");
        let Some(Event::Logs(event)) = next.map(|o| o.event) else { break };
        if let LogEvent::Appended(a) = &event
            && let Some(bytes) = a.bytes.as_ref().filter(|_| !a.seed)
        {
            lines.extend(String::from_utf8_lossy(bytes).lines().map(str::to_owned));
        }
        events.push(event);
    }
    stop.cancel();
    batches.close();
    (lines, events, source.await.unwrap())
}

#[tokio::test]
async fn a_command_that_ends_is_started_again_from_the_last_line_without_doubling_any() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    // Gives the last ten lines at each start, as `tail` does, and ends; the log grows meanwhile.
    fs::write(&log, numbered(0..10)).unwrap();
    let command = format!(
        "tail -n 10 {log}; n=$(wc -l < {log}); for i in 0 1 2 3; do echo line $((n + i)) >> {log}; done",
        log = log.display()
    );
    let (lines, events, _) = run(sources::command("x", &command), 22, 4).await;
    assert_eq!(lines[..22], expected(0..22));
    assert!(events.iter().any(|e| matches!(e, LogEvent::Seam { why, .. } if why.starts_with("command ended"))));
}

/// A command as `journalctl --since` or `ssh box tail`: gives all lines of the second it is asked from on, goes on for a
/// while and ends badly, while the log grows. Some lines are equal to the letter.
#[tokio::test]
async fn commands_that_break_again_and_again_are_taken_up_without_losing_or_doubling_a_line() {
    const LINES: u32 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, "").unwrap();
    let script = dir.path().join("fake");
    // Counting and reading must see the same end.
    fs::write(
        &script,
        "since=$1\nn=$(wc -l < log)\nhead -n $n log | awk -v since=$since '$1 >= since'\nsleep 0.03\n\
         m=$(wc -l < log)\nhead -n $m log | tail -n +$((n + 1))\nexit 1\n",
    )
    .unwrap();
    let writer = {
        let log = log.clone();
        std::thread::spawn(move || {
            let mut out = OpenOptions::new().append(true).open(log).unwrap();
            for chunk in 0..LINES / 500 {
                let text: String = (chunk * 500..(chunk + 1) * 500)
                    .map(|n| {
                        let at = format!("2027-01-01T10:{:02}:{:02}Z", n / 8_000 / 60, n / 8_000 % 60);
                        if n % 50 == 7 { format!("{at} INFO alive\n") } else { format!("{at} INFO line {n}\n") }
                    })
                    .collect();
                out.write_all(text.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        })
    };
    let command = format!("cd {}; sh fake {{since}}", dir.path().display());
    let (lines, events, _) = run(sources::command("x", &command), LINES as usize, 200).await;
    writer.join().unwrap();
    let wanted = fs::read_to_string(&log).unwrap();
    let wanted: Vec<&str> = wanted.lines().collect();
    assert_eq!(lines.len(), wanted.len());
    let wrong = lines.iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "{:?}", wrong.map(|i| (&lines[i], wanted[i])));
    let ended = events.iter().filter(|e| matches!(e, LogEvent::Seam { .. })).count();
    assert!(ended >= 3, "it ended {ended} times");
}

#[tokio::test]
async fn a_command_that_fails_says_why_in_the_last_line_of_its_errors() {
    let (_, _, why) = run(sources::command("", "echo one; echo first >&2; echo no such pod >&2; exit 3"), 2, 0).await;
    assert!(why.contains("exit status: 3") && why.ends_with("no such pod"), "{why}");
}

#[tokio::test]
async fn the_whole_process_group_of_a_command_ends_with_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let command = format!("sh -c 'echo $$ > {}; echo up; exec sleep 1000' | cat", pid.display());
    run(sources::command("", &command), 1, 0).await;
    let pid = fs::read_to_string(pid).unwrap();
    let gone =
        |pid: &str| fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |s| s.contains(") Z "));
    for _ in 0..200 {
        if gone(&pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {pid} is still there");
}

#[tokio::test]
async fn standard_input_is_read_to_its_end_with_its_last_unfinished_line() {
    let (lines, _, _) = run(sources::stdin(Box::new(std::io::Cursor::new(b"one\ntwo\nthree".to_vec()))), 3, 0).await;
    assert_eq!(lines, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_file_source_tells_the_past_as_counts_and_the_present_as_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    let now = jiff::Timestamp::now();
    let past: String =
        (0..100).rev().map(|i| format!("{} INFO past {i}\n", now - jiff::SignedDuration::from_secs(i * 60))).collect();
    fs::write(&path, past).unwrap();
    let file = sources::file(&path);
    assert_eq!(file.decl.name, "app");
    let writer = path.clone();
    tokio::spawn(async move {
        for n in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut f = OpenOptions::new().append(true).open(&writer).unwrap();
            f.write_all(numbered(n..n + 1).as_bytes()).unwrap();
        }
    });
    let (lines, events, _) = run(file, 20, 0).await;
    assert_eq!(lines, expected(0..20));
    let seeds: Vec<_> =
        events.iter().filter_map(|e| if let LogEvent::Appended(a) = e { a.seed.then_some(a) } else { None }).collect();
    let seeded: u64 = seeds.iter().flat_map(|a| &a.counts).map(|(_, c)| c.total()).sum();
    assert!((29..=31).contains(&seeded), "half an hour of one line a minute: {seeded}");
    // For what they tell other panes: the stream drops them.
    assert!(seeds.iter().all(|a| a.bytes.as_ref().is_some_and(|b| b.len() <= 1 << 20)));
}
