//! Real rotations of real files, looked at through the store: no line lost, none doubled.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use warroom::signals::logs::event::LogEvent;
use warroom::signals::logs::row::LogRow;
use warroom::signals::logs::sources::tail::{Polled, Tail, TailOptions};
use warroom::signals::logs::store::{
    Anchor, Ask, LogArrival, LogFeed, LogQuery, LogStore, Slot, StoreOptions, read_logs,
};
use warroom::timeline::{Filter, SourceId, TimeRange, Ts};

fn store() -> LogStore {
    LogStore::new(Box::new(|_| {}), StoreOptions { background: 0, ..StoreOptions::default() })
}

fn rows_query(anchor: Anchor, before: usize, after: usize) -> LogQuery {
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
    assert_eq!(f.seams, ["written anew in place; lines written just before may be lost"]);
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
        if count % 10_007 == 0 {
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
