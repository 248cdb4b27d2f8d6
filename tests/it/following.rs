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

use crate::logs::rows_query;
use tempfile::TempDir;
use warroom::signals::logs::event::LogEvent;
use warroom::signals::logs::sources::tail::{Polled, Tail, TailOptions};
use warroom::signals::logs::store::{Anchor, LogStore, StoreOptions};
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
        let store = LogStore::new(Box::new(|_| {}), StoreOptions { recent: 4 << 20, ..StoreOptions::default() });
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

/// Runs the test that asks for it once more as a user that is not root; false when it is one already.
fn as_nobody(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let this = std::env::current_exe().unwrap();
    let ran = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .env("HOME", "/nonexistent")
        .output()
        .expect("setpriv is there");
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    true
}

#[test]
fn a_permission_that_is_lost_is_told_with_its_remedy_and_nothing_is_missing_when_it_is_back() {
    use std::os::unix::fs::PermissionsExt;
    if as_nobody("following::a_permission_that_is_lost_is_told_with_its_remedy_and_nothing_is_missing_when_it_is_back")
    {
        return;
    }
    let (dir, path) = dir();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let text = |n: u64| format!("line {n} of a program that has much to say\n");
    let told = |polled: Polled| matches!(polled, Polled::Trouble(why) if why.contains("may not read") && why.contains("setfacl"));
    let mut reader = Reader::new(&path);
    // Not readable from the start.
    fs::write(&path, text(0)).unwrap();
    mode(&path, 0o000);
    assert!(told(reader.look()));
    mode(&path, 0o644);
    assert_eq!(reader.look(), Polled::Fine);
    // The file that takes its place may not be read; what was open still is.
    let mut old = OpenOptions::new().append(true).open(&path).unwrap();
    fs::rename(&path, path.with_extension("log.1")).unwrap();
    fs::write(&path, text(2)).unwrap();
    mode(&path, 0o000);
    assert!(told(reader.look()));
    old.write_all(text(1).as_bytes()).unwrap();
    assert!(told(reader.look()));
    assert_eq!(reader.lines(3), [1, 1, 0]);
    mode(&path, 0o644);
    assert_eq!(reader.look(), Polled::Fine);
    // The folder is shut; the descriptor is not.
    let mut new = OpenOptions::new().append(true).open(&path).unwrap();
    mode(dir.path(), 0o000);
    new.write_all(text(3).as_bytes()).unwrap();
    assert!(told(reader.look()));
    mode(dir.path(), 0o755);
    assert_eq!(reader.look(), Polled::Fine);
    let seen = reader.lines(4);
    assert_eq!(seen, [1, 1, 1, 1]);
    reader.assert_reachable(&seen);
}

#[test]
fn what_is_no_file_is_told_with_what_to_give_instead() {
    let (dir, path) = dir();
    let mut reader = Reader::new(dir.path());
    assert!(matches!(reader.look(), Polled::Trouble(why) if why.contains("is a folder") && why.contains("/*.log")));
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut reader = Reader::new(&path);
    assert!(matches!(reader.look(), Polled::Trouble(why) if why.contains("is a pipe") && why.contains("cat ")));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "line 0 of a program that has much to say\n").unwrap();
    assert_eq!(reader.look(), Polled::Fine);
    assert_eq!(reader.lines(1), [1]);
}

#[test]
fn a_line_of_a_gigabyte_neither_stalls_nor_fills_memory() {
    let (_dir, path) = dir();
    let gigabyte = 1u64 << 30;
    fs::write(&path, "2026-11-21T10:00:00Z INFO before\n2026-11-21T10:00:01Z INFO long needle-at-start ").unwrap();
    let options = TailOptions { from_start: true, ..TailOptions::default() };
    let mut tail = Tail::new(&path, options, Arc::default());
    let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
    let (mut told, mut largest) = (0u64, 0);
    let mut look = |tail: &mut Tail| {
        let now = wall();
        tail.poll(now, &mut |_, event| {
            store.observe(SourceId(1), "app", now, &event, false);
            if let LogEvent::Appended(a) = event {
                told += a.end - a.start;
                largest = largest.max(a.end - a.start);
            }
            true
        });
        told
    };
    look(&mut tail);
    let began = Instant::now();
    // A hole costs no disk, and is read as any bytes are.
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.set_len(gigabyte).unwrap();
    assert!(look(&mut tail) > gigabyte - (2 << 20));
    let search = |text: &str| {
        let mut rows = Vec::new();
        let filter = Filter::parse(text).unwrap();
        store.scan_all(&filter, TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |row| {
            rows.push((row.raw.len(), row.message.chars().take(4).collect::<String>()));
            ControlFlow::Continue(())
        });
        rows
    };
    // While it has no end yet, too.
    assert_eq!(search("before").len(), 1);
    file.write_all(b" needle-at-end\n2026-11-21T10:00:02Z INFO after\n").unwrap();
    look(&mut tail);
    assert_eq!(search("after")[0].1, "afte");
    let rows = search("needle-at-end");
    assert_eq!((rows.len(), rows[0].1.as_str()), (1, "long"), "a record is searched to its end");
    assert!(rows[0].0 <= 16 << 20, "{}", rows[0].0);
    assert_eq!(search("needle-at-start").len(), 1);
    assert!(largest <= 2 << 20 && store.figures().held < 80 << 20, "{largest}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap();
    assert!(peak < 500 << 10, "{peak} kB");
    println!("{:?}, peak {} MB", began.elapsed(), peak >> 10);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

fn rows(store: &LogStore) -> Vec<String> {
    let mut rows = Vec::new();
    store.scan_all(&Filter::default(), TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |row| {
        rows.push(row.message.to_string());
        ControlFlow::Continue(())
    });
    rows
}

/// What is offered at the start of everything.
fn offered(store: &LogStore) -> Option<Vec<String>> {
    let found = std::cell::RefCell::new(None);
    let query = rows_query(Anchor::End, 10_000, 0);
    store.answer(&query, &|a| *found.borrow_mut() = a.older);
    found.into_inner().map(|o| o.names)
}

#[test]
fn rotated_files_are_offered_and_come_before_the_log_only_when_they_are_asked_for() {
    let (dir, path) = dir();
    let lines = |n: std::ops::Range<u32>| n.map(|n| format!("line {n}\n")).collect::<String>();
    let beside = |name: &str| dir.path().join(name);
    fs::write(beside("app.log.3"), lines(0..10)).unwrap();
    pack(&beside("app.log.3"));
    fs::write(beside("app.log.2.zst"), zstd::encode_all(lines(10..20).as_bytes(), 1).unwrap()).unwrap();
    fs::write(beside("app.log.1"), lines(20..30)).unwrap();
    fs::write(&path, lines(30..40)).unwrap();
    for (i, name) in ["app.log.3.gz", "app.log.2.zst", "app.log.1", "app.log"].into_iter().enumerate() {
        let at = std::time::SystemTime::now() - Duration::from_secs(1_000 - i as u64);
        File::options().write(true).open(beside(name)).unwrap().set_modified(at).unwrap();
    }
    let store = LogStore::new(Box::new(|_| {}), StoreOptions { background: 0, ..StoreOptions::default() });
    let numbers = Arc::new(std::sync::atomic::AtomicU32::new(1_000));
    let mut tail = Tail::new(&path, TailOptions::default(), numbers);
    let look = |tail: &mut Tail| {
        tail.poll(wall(), &mut |_, event| {
            store.observe(SourceId(1), "app", wall(), &event, false);
            store.settle();
            true
        })
    };
    look(&mut tail);
    assert_eq!(rows(&store).len(), 10, "nothing is read unasked");
    assert_eq!(offered(&store).unwrap(), ["app.log.3.gz", "app.log.2.zst", "app.log.1"]);
    // What was read under another name is no offer; nor is it taken twice once it is packed.
    fs::rename(beside("app.log.1"), beside("app.log.2")).unwrap();
    fs::rename(&path, beside("app.log.1")).unwrap();
    fs::write(&path, lines(40..50)).unwrap();
    look(&mut tail);
    fs::rename(beside("app.log.1"), beside("app.log-20261121")).unwrap();
    pack(&beside("app.log-20261121"));
    let (taken, failed) = store.take_older();
    assert_eq!((taken.names.len(), failed), (3, Vec::new()), "{taken:?}");
    assert_eq!(rows(&store), (0..50).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert_eq!(store.take_older().0.names.len(), 0);
    // One that cannot be unpacked is told.
    fs::write(beside("app.log.9.gz"), [0x1F, 0x8B, 8, 0, 1, 2, 3]).unwrap();
    let (taken, failed) = store.take_older();
    assert!(taken.names.is_empty() && failed[0].contains("app.log.9.gz"), "{failed:?}");
}

#[test]
fn a_packed_file_is_readable_while_it_is_unpacked_and_whole_afterwards() {
    let (_dir, path) = dir();
    let text: String = (0..300_000).map(|n| format!("time=2026-11-21T10:00:00Z msg=\"line {n}\"\n")).collect();
    fs::write(&path, text).unwrap();
    pack(&path);
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
    store.open_files(&[packed]).unwrap();
    let began = Instant::now();
    let mut last = 0;
    while store.figures().bytes == 0 || store.figures().unpacking.is_some() {
        let now = store.figures().bytes;
        assert!(now >= last && began.elapsed() < Duration::from_secs(60));
        last = now;
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(store.figures().content > 0, "the screen is told to look again");
    let rows = rows(&store);
    assert_eq!((rows.len(), rows[0].as_str(), rows[299_999].as_str()), (300_000, "line 0", "line 299999"));
}
