//! A writer that never stops, at 100,000 lines a second, while its file is rotated, cut, deleted and packed: every line
//! arrives exactly once where it can be had at all; what cannot is no more than the seam says; and all that arrived can
//! still be scrolled to.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use warroom::signals::logs::event::LogEvent;
use warroom::signals::logs::sources::tail::{Polled, Tail, TailOptions};
use warroom::signals::logs::store::{LogStore, StoreOptions};
use warroom::timeline::{Filter, SourceId, TimeRange, Ts};

/// Lines a second.
const RATE: u64 = 100_000;

/// Writes numbered lines to `app.log` as a program does that is told to open its log again some time after a rotation.
struct Writer {
    written: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(path: PathBuf) -> Writer {
        let (written, reopen, stop) =
            (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (count, again, end) = (Arc::clone(&written), Arc::clone(&reopen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let open = || OpenOptions::new().append(true).create(true).open(&path).unwrap();
            let (mut file, began, mut n) = (open(), Instant::now(), 0u64);
            let mut text = String::new();
            while !end.load(Ordering::Relaxed) {
                if again.swap(false, Ordering::Relaxed) {
                    file = open();
                }
                let due = (began.elapsed().as_secs_f64() * RATE as f64) as u64;
                text.clear();
                // Half of the writes end inside a line, as those of a buffered writer do.
                while n < due.min(n + 400) {
                    text.push_str(&format!("line {n} of a program that has much to say\n"));
                    n += 1;
                }
                let half = text.len() / 2;
                file.write_all(&text.as_bytes()[..half]).unwrap();
                file.write_all(&text.as_bytes()[half..]).unwrap();
                count.store(n, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Writer { written, reopen, stop, thread }
    }

    fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Waits until it has done so.
    fn reopened(&self) {
        self.reopen();
        while self.reopen.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(2));
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.written.load(Ordering::Relaxed)
    }
}

/// What arrived.
struct Reader {
    tail: Tail,
    store: LogStore,
    bytes: BTreeMap<u32, (u64, Vec<u8>)>,
    seams: Vec<String>,
    now: fn() -> Ts,
}

fn wall() -> Ts {
    Ts::from_jiff(jiff::Timestamp::now())
}

impl Reader {
    fn new(path: &Path) -> Reader {
        let tail = Tail::new(path, TailOptions { from_start: true, ..TailOptions::default() }, Arc::default());
        let store = LogStore::new(Box::new(|_| {}), StoreOptions { recent: 1 << 20, ..StoreOptions::default() });
        Reader { tail, store, bytes: BTreeMap::new(), seams: Vec::new(), now: wall }
    }

    fn look(&mut self) -> Polled {
        let now = (self.now)();
        let (store, bytes, seams) = (&self.store, &mut self.bytes, &mut self.seams);
        self.tail.poll(now, &mut |_, event| {
            store.observe(SourceId(1), "app", now, &event, false);
            match event {
                LogEvent::Appended(a) => {
                    let (end, held) = bytes.entry(a.generation).or_insert((a.start, Vec::new()));
                    assert_eq!(*end, a.start, "pieces of a generation follow each other");
                    held.extend_from_slice(a.bytes.as_deref().unwrap());
                    *end = a.end;
                }
                LogEvent::Seam { why, .. } => seams.push(why),
                LogEvent::Opened(_) => {}
            }
            true
        })
    }

    fn look_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.look();
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How often each line arrived.
    fn lines(&self, written: u64) -> Vec<u32> {
        let mut seen = vec![0; written as usize];
        for (_, held) in self.bytes.values() {
            for line in held.split(|b| *b == b'\n') {
                if let Some(n) = number(line) {
                    seen[n as usize] += 1;
                }
            }
        }
        seen
    }

    /// Lines that the seams say may be lost.
    fn said_lost(&self) -> u64 {
        let number = |seam: &String| {
            let rest = seam.split("up to ").nth(1)?;
            rest.split(' ').next()?.replace(',', "").parse::<u64>().ok()
        };
        self.seams.iter().filter_map(number).sum()
    }

    /// Every line that arrived can be scrolled to, once; the rest that was written cannot.
    fn assert_reachable(&self, seen: &[u32]) {
        let mut found = vec![0u32; seen.len()];
        self.store.scan_all(&Filter::default(), TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |row| {
            row.raw.split(|b| *b == b'\n').filter_map(number).for_each(|n| found[n as usize] += 1);
            ControlFlow::Continue(())
        });
        let differ: Vec<usize> = (0..seen.len()).filter(|i| seen[*i] != found[*i]).collect();
        assert!(differ.is_empty(), "{} lines differ, the first is {}; {:?}", differ.len(), differ[0], self.seams);
    }
}

/// The number of a whole line.
fn number(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("line ")?;
    text.strip_suffix(" of a program that has much to say")?.parse().ok()
}

fn dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    (dir, path)
}

/// Ends the writer, reads the rest, and asserts that no line is missing or doubled.
fn assert_exactly_once(writer: Writer, mut reader: Reader) {
    let written = writer.end();
    reader.look();
    reader.look();
    let seen = reader.lines(written);
    let (missing, doubled) = (seen.iter().filter(|n| **n == 0).count(), seen.iter().filter(|n| **n > 1).count());
    assert_eq!((missing, doubled), (0, 0), "of {written}; {:?}", reader.seams);
    assert!(written > RATE / 2, "the writer was held up: {written}");
    assert_eq!(reader.said_lost(), 0, "{:?}", reader.seams);
    reader.assert_reachable(&seen);
}

/// `app.log` becomes `app.log.1`, and so on; the writer opens a new one some milliseconds later.
fn rotate(path: &Path, keep: u32, writer: &Writer) {
    let name = |n: u32| path.with_extension(format!("log.{n}"));
    for n in (1..keep).rev() {
        let _ = fs::rename(name(n), name(n + 1));
    }
    fs::rename(path, name(1)).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    writer.reopened();
}

#[test]
fn lines_that_are_appended_arrive_once() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    reader.look_for(Duration::from_millis(1_500));
    assert_exactly_once(writer, reader);
}

#[test]
fn lines_arrive_once_while_the_file_is_renamed_again_and_again() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    for _ in 0..5 {
        reader.look_for(Duration::from_millis(250));
        rotate(&path, 9, &writer);
    }
    reader.look_for(Duration::from_millis(200));
    assert!(reader.seams.iter().all(|s| s.starts_with("renamed to app.log.1")), "{:?}", reader.seams);
    assert_eq!(reader.seams.len(), 5);
    assert_exactly_once(writer, reader);
}

#[test]
fn lines_of_files_that_were_rotated_away_between_two_looks_arrive_once() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    for _ in 0..2 {
        reader.look_for(Duration::from_millis(300));
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(60));
            rotate(&path, 9, &writer);
        }
    }
    reader.look_for(Duration::from_millis(200));
    assert_eq!(
        reader.seams.iter().filter(|s| s.contains("between two looks; read there")).count(),
        4,
        "{:?}",
        reader.seams
    );
    assert_exactly_once(writer, reader);
}

#[test]
fn lines_of_files_that_were_rotated_and_packed_between_two_looks_arrive_once() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    reader.look_for(Duration::from_millis(300));
    for n in 1..=3 {
        std::thread::sleep(Duration::from_millis(60));
        let plain = path.with_extension(format!("log-2026112{n}"));
        fs::rename(&path, &plain).unwrap();
        writer.reopened();
        if n < 3 {
            pack(&plain);
        }
    }
    reader.look_for(Duration::from_millis(200));
    assert_exactly_once(writer, reader);
}

/// As `gzip` does: the time of the file stays, the file goes.
fn pack(plain: &Path) {
    let meta = plain.metadata().unwrap();
    let packed = PathBuf::from(format!("{}.gz", plain.display()));
    let mut to = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
    std::io::copy(&mut File::open(plain).unwrap(), &mut to).unwrap();
    to.finish().unwrap().set_modified(meta.modified().unwrap()).unwrap();
    fs::remove_file(plain).unwrap();
}

#[test]
fn a_file_deleted_and_created_again_is_read_to_its_end_and_from_its_start() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    for _ in 0..4 {
        reader.look_for(Duration::from_millis(200));
        fs::remove_file(&path).unwrap();
        reader.look_for(Duration::from_millis(60));
        writer.reopened();
    }
    reader.look_for(Duration::from_millis(200));
    assert_eq!(reader.seams.len(), 4, "{:?}", reader.seams);
    assert_exactly_once(writer, reader);
}

/// Copies the file and cuts it, as logrotate does with `copytruncate`.
fn copy_and_cut(path: &Path, keep: u32) {
    let name = |n: u32| path.with_extension(format!("log.{n}"));
    for n in (1..keep).rev() {
        let _ = fs::rename(name(n), name(n + 1));
    }
    fs::copy(path, name(1)).unwrap();
    OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
}

fn assert_bounded(writer: Writer, mut reader: Reader, most: u64) {
    let written = writer.end();
    reader.look();
    reader.look();
    let seen = reader.lines(written);
    let lost = seen.iter().filter(|n| **n == 0).count() as u64;
    let doubled = seen.iter().filter(|n| **n > 1).count();
    assert_eq!(doubled, 0, "of {written}; {:?}", reader.seams);
    let said = reader.said_lost();
    assert!(lost <= said && said <= most, "lost {lost}, said {said}: {:?}", reader.seams);
    reader.assert_reachable(&seen);
}

#[test]
fn of_a_file_that_is_copied_and_cut_no_more_is_lost_than_is_said() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    for round in 0..5 {
        reader.look_for(Duration::from_millis(if round == 3 { 30 } else { 250 }));
        copy_and_cut(&path, 9);
        // At the next look it may already be longer than it was.
        std::thread::sleep(Duration::from_millis(if round == 3 { 300 } else { 20 * round }));
    }
    reader.look_for(Duration::from_millis(200));
    assert_eq!(reader.seams.len(), 5, "{:?}", reader.seams);
    assert!(reader.seams.iter().any(|s| s.contains("read from the copy app.log.1")), "{:?}", reader.seams);
    assert_bounded(writer, reader, RATE * 3);
}

#[test]
fn of_a_file_that_is_cut_without_a_copy_no_more_is_lost_than_is_said_and_what_was_seen_stays() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    for _ in 0..4 {
        reader.look_for(Duration::from_millis(200));
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    }
    reader.look_for(Duration::from_millis(200));
    assert_eq!(reader.seams.len(), 4, "{:?}", reader.seams);
    assert_bounded(writer, reader, RATE * 2);
}

#[test]
fn files_deleted_before_they_were_seen_are_told_with_what_they_may_have_held() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    reader.look_for(Duration::from_millis(600));
    for _ in 0..3 {
        // Only one old file is kept.
        rotate(&path, 1, &writer);
        std::thread::sleep(Duration::from_millis(80));
    }
    reader.look_for(Duration::from_millis(200));
    assert!(reader.seams.iter().any(|s| s.contains("files deleted before they could be read")), "{:?}", reader.seams);
    assert_bounded(writer, reader, RATE);
}

#[test]
fn copies_made_twice_between_two_looks_are_both_read() {
    let (_dir, path) = dir();
    let writer = Writer::start(path.clone());
    let mut reader = Reader::new(&path);
    reader.look_for(Duration::from_millis(300));
    for _ in 0..3 {
        copy_and_cut(&path, 9);
        std::thread::sleep(Duration::from_millis(60));
    }
    reader.look_for(Duration::from_millis(200));
    assert_eq!(
        reader.seams.iter().filter(|s| s.contains("between two looks; read there")).count(),
        2,
        "{:?}",
        reader.seams
    );
    assert_bounded(writer, reader, RATE * 2);
}

#[test]
fn a_writer_that_does_not_append_leaves_a_hole_that_is_not_read() {
    let (_dir, path) = dir();
    let mut file = File::create(&path).unwrap();
    let mut reader = Reader::new(&path);
    file.write_all("line 0 of a program that has much to say\n".repeat(20_000).as_bytes()).unwrap();
    reader.look();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    file.write_all(b"line 1 of a program that has much to say\n").unwrap();
    assert!(path.metadata().unwrap().len() > 800_000 && path.metadata().unwrap().blocks() < 200);
    reader.look();
    assert_eq!(reader.lines(2), [20_000, 1]);
    let told: usize = reader.bytes.values().map(|(_, b)| b.len()).sum();
    assert_eq!(told, 20_001 * "line 0 of a program that has much to say\n".len());
}
