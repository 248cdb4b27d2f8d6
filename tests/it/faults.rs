//! What befalls recordings: cut off, damaged, killed, out of room, a clock that is set, two writers, a reader beside the
//! writer. On real files, made as the recorder makes them.
//!
//! `WARROOM_KILLS` sets how often the writer is killed: 500 times by `./test --machine`, a few dozen times without it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use warroom::signals::host::event::HostEvent;
use warroom::signals::incident::event::IncidentEvent;
use warroom::signals::logs::event::LogEvent;
use warroom::signals::{Envelope, Event};
use warroom::stream::recorder::{Disk, Medium, RealDisk, Recorder, RecorderOptions, Retention};
use warroom::stream::recording::{Encoder, Frame, Reader, Segment, encode_fields, encode_segment};
use warroom::stream::replay::{Summary, read};
use warroom::timeline::Ts;

use crate::support::made::Made;
use crate::support::program::Home;

const BEGIN: i64 = 1_773_500_400;

/// Ten minutes of a busy box, half a second a frame, with what they hold: (bytes, end of each frame, envelopes).
fn whole() -> &'static (Vec<u8>, Vec<Envelope>) {
    static MADE: OnceLock<(Vec<u8>, Vec<Envelope>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let segment = Segment { format: 1, program: "made".into(), redacted: true };
        let mut bytes = encode_segment(&segment, Ts(0));
        bytes.extend(encode_fields());
        let mut encoder = Encoder::default();
        let mut all = Vec::new();
        Made { rows: 4, ..Made::new("web-1", 5, BEGIN, 600) }.each(|batch| {
            encoder.events(&batch).iter().for_each(|f| bytes.extend(&f.bytes));
            all.extend(batch);
        });
        (bytes, all)
    })
}

fn read_bytes(bytes: &[u8]) -> (BTreeSet<u64>, warroom::stream::recording::Damage) {
    let mut reader = Reader::new(bytes);
    let mut seqs = BTreeSet::new();
    while let Some(frame) = reader.next_frame().expect("memory cannot fail") {
        if let Frame::Events(all) = frame {
            seqs.extend(all.iter().map(|e| e.seq));
        }
    }
    (seqs, reader.damage().clone())
}

fn read_file(path: &Path) -> (Vec<Envelope>, Summary) {
    let mut all = Vec::new();
    let summary = read(path, &mut |batch| {
        all.extend(batch);
        true
    });
    (all, summary.expect("a recording"))
}

#[test]
fn cut_off_at_any_byte_of_its_last_eight_thousand_a_recording_holds_all_frames_before_the_cut() {
    let (bytes, all) = whole();
    // Where frames end, and how many envelopes stand before.
    let (mut ends, mut count) = (Vec::new(), 0);
    let (mut starts, mut generation) = (Vec::new(), None);
    let mut reader = Reader::new(&bytes[..]);
    while let Some(frame) = reader.next_frame().expect("memory cannot fail") {
        if reader.generation().is_some() && reader.generation() != generation {
            generation = reader.generation();
            starts.push(reader.last_frame().start as usize);
        }
        if let Frame::Events(e) = frame {
            count += e.len();
            ends.push((reader.last_frame().end as usize, count));
        }
    }
    assert_eq!(count, all.len());
    // Reading begins where the chains of what is cut begin.
    let tail = bytes.len() - 8_192;
    let begin = starts.iter().rev().copied().find(|start| *start < tail).unwrap_or(0);
    let held = |upto: usize, decoded: bool| {
        let mut reader = Reader::new(&bytes[begin..upto]);
        if !decoded {
            reader = reader.only(|_| false);
        }
        let mut n = 0;
        let mut last = 0;
        while let Some(frame) = reader.next_frame().expect("memory cannot fail") {
            if let Frame::Events(e) = frame {
                n += e.len();
            }
            last = reader.last_frame().end as usize;
        }
        (n, last + begin, reader.damage().bytes as usize)
    };
    let (base, _, _) = held(tail, true);
    let before = ends.iter().rfind(|(end, _)| *end <= tail).expect("a frame").1;
    for cut in tail..=bytes.len() {
        // Every cut is stepped through; what the frames hold is looked at in some, which takes longer.
        let decoded = cut % 97 == 0;
        let (n, last, damaged) = held(cut, decoded);
        let (end, count) = *ends.iter().rfind(|(end, _)| *end <= cut).expect("a frame");
        assert_eq!((last, damaged), (end, cut - end), "cut at {cut}");
        if decoded {
            assert_eq!(n - base, count - before, "cut at {cut}");
        }
    }
}

#[test]
fn a_tail_of_zeros_as_a_power_cut_leaves_it_costs_what_it_covers_and_no_more() {
    let (bytes, _) = whole();
    let home = Home::new();
    // Where whole frames end, in the middle of one, and behind the end of everything.
    for (from, zeros) in [(bytes.len() * 2 / 3, bytes.len() / 3), (bytes.len() - 5, 4_096), (bytes.len(), 1 << 20)] {
        let (cut, _) = read_bytes(&bytes[..from]);
        let filled: Vec<u8> = bytes[..from].iter().copied().chain(std::iter::repeat_n(0, zeros)).collect();
        let (held, damage) = read_bytes(&filled);
        assert!(!cut.is_empty() && held == cut, "{from}: {} of {}", held.len(), cut.len());
        assert!(damage.bytes >= zeros as u64, "{damage:?}");
        let path = home.path("zeros.wr");
        std::fs::write(&path, &filled).expect("written");
        let said = home.run(&["recording", "check", "zeros.wr"]);
        assert!(said.code != Some(0) && said.out.contains("damage"), "{said:?}");
        assert_eq!(std::fs::read(&path).expect("it is there"), filled, "checking changes nothing");
    }
}

#[test]
fn sixty_four_bytes_flipped_at_a_thousand_places_cost_at_most_a_minute_of_a_stream_and_are_told() {
    let (bytes, all) = whole();
    let second = |seq: u64| {
        let i = all.binary_search_by_key(&seq, |e| e.seq).expect("an envelope of it");
        all[i].observed.secs()
    };
    let kind = |e: &Envelope| match &e.event {
        Event::Host(HostEvent::Processes(_)) => 1,
        Event::Host(_) => 0,
        Event::Database(_) | Event::Health(_) => 2,
        Event::Logs(_) => 3,
        _ => 4,
    };
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut worst, mut lost_all, mut worst_count) = (0, 0u64, 0);
    // Reading it whole a thousand times takes long: each place is read with three minutes round it.
    let mut starts: Vec<usize> = vec![0];
    let mut reader = Reader::new(&bytes[..]);
    let mut generation = None;
    while reader.next_frame().expect("memory cannot fail").is_some() {
        if reader.generation().is_some() && reader.generation() != generation {
            generation = reader.generation();
            starts.push(reader.last_frame().start as usize);
        }
    }
    starts.push(bytes.len());
    let mut parts = std::collections::BTreeMap::new();
    for round in 0..1_000 {
        let at = next(bytes.len() as u64 - 64) as usize;
        let i = starts.partition_point(|s| *s <= at);
        let (from, to) = (starts[i.saturating_sub(2)], starts[(i + 1).min(starts.len() - 1)]);
        let mut part = bytes[from..to].to_vec();
        let whole_part = parts.entry((from, to)).or_insert_with(|| read_bytes(&part).0).clone();
        for b in &mut part[at - from..(at - from + 64).min(to - from)] {
            *b ^= 1 + (next(255) as u8);
        }
        let (seqs, damage) = read_bytes(&part);
        assert!(seqs.is_subset(&whole_part), "round {round}: something else was read");
        let lost: Vec<u64> = whole_part.difference(&seqs).copied().collect();
        lost_all += lost.len() as u64;
        worst_count = worst_count.max(lost.len());
        for stream in 0..5 {
            let of: Vec<i64> = lost
                .iter()
                .filter(|s| kind(&all[all.binary_search_by_key(*s, |e| e.seq).expect("of it")]) == stream)
                .map(|s| second(*s))
                .collect();
            let span = of.iter().max().zip(of.iter().min()).map_or(0, |(b, a)| b - a + 1);
            worst = worst.max(span);
            assert!(span <= 61, "round {round}: {span} s of stream {stream} lost");
        }
        assert!(lost.is_empty() || damage.bytes > 0, "round {round}: nothing is said of it");
        if let (Some(place), Some(first)) = (damage.places.first(), lost.iter().map(|s| second(*s)).min()) {
            assert!(place.after.secs() <= first + 1, "round {round}: {place:?}, lost from {first}");
        }
    }
    println!(
        "1,000 x 64 B of {} kB: worst {worst} s of one stream and {worst_count} events, {:.1} events on average, of {}",
        bytes.len() >> 10,
        lost_all as f64 / 1_000.0,
        all.len()
    );
    assert!(worst > 0, "the places hit something");
}

#[test]
fn a_damaged_recording_says_where_and_its_screen_shows_what_is_left() {
    let home = Home::new();
    let (bytes, _) = whole();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0x5a);
    std::fs::write(home.path("hit.wr"), &damaged).expect("written");
    let check = home.run(&["recording", "check", "hit.wr"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    assert!(check.out.contains("DAMAGE  at byte") && check.out.contains(" to 15:0"), "{}", check.out);
    let frame = home.run(&["screen", "hit.wr", "--size", "120x36"]);
    assert!(frame.err.contains("damaged bytes stepped over (15:"), "{}", frame.err);
    // A tail of zeros, as file systems leave it after a power cut.
    let mut zeros = bytes[..bytes.len() - 3_000].to_vec();
    zeros.extend(vec![0; 1 << 20]);
    std::fs::write(home.path("zeros.wr"), &zeros).expect("written");
    let (seqs, damage) = read_bytes(&zeros);
    assert!(seqs.len() + 100 > whole().1.len() && damage.bytes >= 1 << 20, "{} {damage:?}", seqs.len());
    assert!(home.run(&["screen", "zeros.wr", "--size", "120x36"]).good().contains("REPLAY"));
}

/// A disk that is full at a byte, and has room again when it is told so. It takes a part of what does not fit, as disks
/// do.
#[derive(Debug, Default)]
struct Full {
    /// Bytes there is room for.
    room: AtomicU64,
    written: AtomicU64,
}

struct FullFile {
    disk: Arc<Full>,
    file: Box<dyn Medium>,
    len: u64,
}

#[derive(Debug)]
struct FullDisk(Arc<Full>);

impl Disk for FullDisk {
    fn create(&self, path: &Path) -> std::io::Result<Box<dyn Medium>> {
        Ok(Box::new(FullFile { disk: Arc::clone(&self.0), file: RealDisk.create(path)?, len: 0 }))
    }
}

impl Write for FullFile {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let room = self.disk.room.load(Ordering::SeqCst).saturating_sub(self.len);
        if room == 0 {
            return Err(std::io::Error::from_raw_os_error(28));
        }
        let n = self.file.write(&buf[..buf.len().min(room as usize)])?;
        self.len += n as u64;
        self.disk.written.store(self.len, Ordering::SeqCst);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Medium for FullFile {
    fn cut(&mut self, len: u64) -> std::io::Result<()> {
        self.len = len;
        self.file.cut(len)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.file.sync()
    }
}

/// Everything to the recorder, a minute at a time, no faster than it takes it.
fn offer(recorder: &Recorder, all: &[Envelope]) {
    for some in all.chunks(40) {
        recorder.offer(&some.into());
        recorder.past(Ts(0), Ts(0)).expect("an answer to what was asked behind them");
    }
    assert_eq!(recorder.status().dropped, 0);
}

#[test]
fn no_space_at_any_write_leaves_whole_frames_and_nothing_is_lost_once_there_is_room_again() {
    let home = Home::new();
    let made = Made { rows: 6, ..Made::new("web-1", 5, BEGIN, 120) }.envelopes();
    let run = |name: &str, room: u64, again: bool| {
        let full = Arc::new(Full::default());
        full.room.store(room, Ordering::SeqCst);
        let path = home.path(name);
        let options = RecorderOptions {
            path: Some(path.clone()),
            disk: Arc::new(FullDisk(Arc::clone(&full))),
            ..RecorderOptions::default()
        };
        let Ok(recorder) = Recorder::start(options) else { return None };
        let (first, second) = made.split_at(made.len() / 2);
        offer(&recorder, first);
        if again {
            full.room.store(u64::MAX, Ordering::SeqCst);
        }
        offer(&recorder, second);
        recorder.finish(Duration::from_secs(5));
        let size = std::fs::metadata(&path).expect("a file").len();
        Some((path, size))
    };
    let (path, size) = run("whole.wr", u64::MAX, false).expect("room");
    let whole: Vec<u64> = sorted(&read_file(&path).0);
    assert_eq!(whole.len(), made.len());
    // A write is a frame: at every one of the first half there is no room at all, or for a half of it.
    let mut rooms = Vec::new();
    let mut reader = Reader::new(std::fs::File::open(&path).expect("a file"));
    reader.next_frame().expect("read");
    while reader.last_frame().end < size / 2 && reader.next_frame().expect("read").is_some() {
        let frame = reader.last_frame();
        rooms.extend([frame.start, (frame.start + frame.end) / 2]);
    }
    let mut begun = 0;
    for (i, room) in rooms.into_iter().enumerate() {
        let name = format!("full-{i}.wr");
        let Some((path, _)) = run(&name, room, false) else { continue };
        begun += 1;
        let (all, summary) = read_file(&path);
        assert_eq!((summary.damage.bytes, summary.damage.orphans), (0, 0), "room for {room}");
        let seqs = sorted(&all);
        assert!(seqs.iter().all(|s| whole.binary_search(s).is_ok()));
        let Some((path, _)) = run(&format!("again-{i}.wr"), room, true) else { continue };
        let (all, summary) = read_file(&path);
        assert_eq!((sorted(&all), summary.trouble()), (whole.clone(), None), "room for {room}, then more");
    }
    assert!(begun >= 60, "{begun}");
    // No room even for its first frame: said at the start, and no file is left.
    assert!(run("none.wr", 20, false).is_none() && !home.path("none.wr").exists());
}

fn sorted(all: &[Envelope]) -> Vec<u64> {
    let seqs: BTreeSet<u64> = all.iter().map(|e| e.seq).collect();
    seqs.into_iter().collect()
}

#[test]
fn on_a_full_disk_log_lines_go_first_and_that_is_said() {
    let home = Home::new();
    let full = Arc::new(Full::default());
    full.room.store(20_000, Ordering::SeqCst);
    let path = home.path("full.wr");
    let options = RecorderOptions {
        path: Some(path.clone()),
        ring: 400 << 10,
        disk: Arc::new(FullDisk(Arc::clone(&full))),
        ..RecorderOptions::default()
    };
    let recorder = Recorder::start(options).expect("a recorder");
    let made = Made { rows: 4, lines: 60, ..Made::new("web-1", 5, BEGIN, 600) }.envelopes();
    offer(&recorder, &made[..made.len() * 3 / 4]);
    let status = recorder.status();
    let error = status.error.clone().unwrap_or_default();
    assert!(status.shed > 0 && error.contains("No space") && error.contains("log lines first"), "{status:?}");
    full.room.store(u64::MAX, Ordering::SeqCst);
    offer(&recorder, &made[made.len() * 3 / 4..]);
    let shed = recorder.status().shed;
    recorder.finish(Duration::from_secs(5));
    let (all, summary) = read_file(&path);
    assert_eq!(
        (summary.damage.bytes, summary.damage.orphans, summary.missing),
        (0, 0, shed),
        "{:?}",
        summary.trouble()
    );
    let count = |all: &[Envelope], of: fn(&Event) -> bool| all.iter().filter(|e| of(&e.event)).count();
    let logs = |e: &Event| matches!(e, Event::Logs(LogEvent::Appended(_)));
    let samples = |e: &Event| matches!(e, Event::Host(HostEvent::Sample(_)));
    assert_eq!(count(&all, samples), count(&made, samples), "the figures of the machine are all there");
    assert!(count(&all, logs) < count(&made, logs), "log lines are not");
    let check = home.run(&["recording", "check", "full.wr"]);
    assert!(check.out.contains("log lines were let go first"), "{}", check.out);
}

#[test]
fn a_clock_that_is_set_by_an_hour_either_way_is_told_and_the_order_stays() {
    let home = Home::new();
    for (hours, word) in [(1i64, "forward by 1 h"), (-1, "back by 1 h")] {
        let path = home.path(&format!("step{hours}.wr"));
        let recorder = Recorder::start(RecorderOptions { path: Some(path.clone()), ..RecorderOptions::default() })
            .expect("a recorder");
        let mut made = Made { rows: 4, ..Made::new("web-1", 5, BEGIN, 240) }.envelopes();
        // Half way the wall clock is set; the monotonic one goes on. The last quarter has it right again.
        let (a, b) = (made.len() / 2, made.len() * 3 / 4);
        for e in &mut made[a..b] {
            e.observed = Ts(e.observed.0 + hours * 3_600_000_000_000);
        }
        offer(&recorder, &made);
        recorder.finish(Duration::from_secs(5));
        let (all, summary) = read_file(&path);
        assert_eq!((sorted(&all).len(), summary.clock_steps), (made.len(), 2));
        let of = |all: &[Envelope]| -> Vec<(u64, Ts)> {
            let samples = all.iter().filter(|e| matches!(e.event, Event::Host(HostEvent::Sample(_))));
            samples.map(|e| (e.seq, e.observed)).collect()
        };
        assert_eq!(of(&all), of(&made), "in the order of the sequence, whatever the clock said");
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        let check = home.run(&["recording", "check", name]);
        assert!(check.out.contains(&format!("CLOCK   the clock was set {word}")), "{}", check.out);
        // It still plays.
        let frame = home.run(&["screen", name, "--size", "120x36"]);
        assert!(frame.err.contains("the clock of the box was set 2 times"), "{}", frame.err);
        assert!(frame.good().contains("web-1"));
    }
    // Summer time begins and ends between two samples of UTC: nothing happens.
    for start in [1_774_746_000 - 60, 1_792_890_000 - 60] {
        let path = home.path(&format!("dst{start}.wr"));
        Made { rows: 2, ..Made::new("web-1", 5, start, 120) }.write(&path);
        let (all, summary) = read_file(&path);
        assert_eq!((summary.trouble(), summary.clock_steps), (None, 0));
        let samples = all.iter().filter(|e| matches!(e.event, Event::Host(HostEvent::Sample(_)))).count();
        assert_eq!(samples, 120);
    }
}

#[test]
fn a_folder_takes_one_recorder_and_closes_segments_that_each_can_be_read_alone() {
    let home = Home::new();
    let folder = home.path("flight/");
    let keep = Retention { segment: (Duration::from_secs(60), 64 << 20), ..Retention::default() };
    let options = RecorderOptions { path: Some(folder.clone()), keep, ..RecorderOptions::default() };
    let recorder = Recorder::start(options.clone()).expect("a recorder");
    let refused = Recorder::start(options.clone()).err().expect("the folder is taken");
    assert!(refused.contains("another warroom records"), "{refused}");
    let made = Made { rows: 4, ..Made::new("web-1", 5, BEGIN, 300) }.envelopes();
    offer(&recorder, &made);
    recorder.finish(Duration::from_secs(5));
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("a folder")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|x| x == "wr"))
        .collect();
    files.sort();
    assert!((5..=6).contains(&files.len()), "{files:?}");
    for file in &files {
        let (all, summary) = read_file(file);
        assert_eq!(summary.trouble(), None, "{}", file.display());
        let mut declared = all.iter().filter(|e| matches!(e.event, Event::Stream(_))).count();
        declared += usize::from(all.iter().any(|e| matches!(e.event, Event::Logs(LogEvent::Opened(_)))));
        assert!(declared >= 14, "{declared} in {}", file.display());
    }
    let (all, summary) = read_file(&folder);
    assert_eq!((sorted(&all).len(), summary.trouble()), (made.len(), None));
    // What is torn stays as it is: the next recorder begins a segment of its own.
    let torn = files.last().expect("a segment");
    let bytes = std::fs::read(torn).expect("read");
    std::fs::write(torn, &bytes[..bytes.len() - 5]).expect("written");
    drop(recorder);
    let until = Instant::now() + Duration::from_secs(5);
    let next = loop {
        match Recorder::start(options.clone()) {
            Ok(next) => break next,
            Err(e) => assert!(Instant::now() < until, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    offer(&next, &Made { rows: 2, ..Made::new("web-1", 6, BEGIN + 600, 5) }.envelopes());
    next.finish(Duration::from_secs(5));
    assert_eq!(std::fs::read(torn).expect("read").len(), bytes.len() - 5);
}

#[test]
fn who_reads_a_recording_while_it_is_written_sees_whole_frames_only_and_more_each_time() {
    let home = Home::new();
    let path = home.path("live.wr");
    let recorder = Recorder::start(RecorderOptions { path: Some(path.clone()), ..RecorderOptions::default() })
        .expect("a recorder");
    let made = Made { rows: 4, ..Made::new("web-1", 5, BEGIN, 200) }.envelopes();
    let mut seen = 0;
    for part in made.chunks(made.len() / 20) {
        offer(&recorder, part);
        let (all, summary) = read_file(&path);
        let now = sorted(&all).len();
        assert!(now > seen && summary.damage.orphans == 0, "{now} after {seen}");
        seen = now;
    }
    assert_eq!(seen, made.len());
    recorder.finish(Duration::from_secs(5));
}

/// The writer that is killed: this test, run by itself in a child process. It says which note is safe.
#[test]
#[ignore = "run as a child by the next one"]
fn writes_until_it_is_killed() {
    let Ok(path) = std::env::var("WARROOM_KILL_PATH") else { return };
    let written = a_note();
    let options = RecorderOptions { path: Some(path.into()), ..RecorderOptions::default() };
    let recorder = Recorder::start(options).expect("a recorder");
    let made = Made { rows: 10, ..Made::new("web-1", 5, BEGIN, 100_000) };
    let mut out = std::io::stdout();
    let mut note = 0u32;
    made.each(|mut batch| {
        let last = batch.last().cloned();
        if let Some(mut e) = last {
            e.seq = 1_000_000_000 + u64::from(note);
            e.event = Event::Incident(written.clone());
            batch.push(e);
        }
        recorder.offer(&batch.into());
        // Behind the note in the recorder's queue: when this is answered the note has been synced.
        if recorder.past(Ts(0), Ts(0)).is_ok() {
            let _ = writeln!(out, "\nsaved {note}");
            let _ = out.flush();
            note += 1;
        }
    });
}

/// The first note of the golden recording.
fn a_note() -> IncidentEvent {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/outage.wr");
    let note = read_file(&golden).0.into_iter().find_map(|e| match e.event {
        Event::Incident(note @ IncidentEvent::Note(_)) => Some(note),
        _ => None,
    });
    note.expect("a note")
}

#[test]
fn a_recorder_that_is_killed_at_any_moment_leaves_every_note_that_was_said_to_be_saved() {
    let kills: u32 = std::env::var("WARROOM_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(40);
    let home = Home::new();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let (mut notes, mut torn) = (0u64, 0u32);
    for round in 0..kills {
        let path = home.path(&format!("killed-{round}.wr"));
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "faults::writes_until_it_is_killed", "--include-ignored", "--nocapture"])
            .env("WARROOM_KILL_PATH", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // From when the recording is there, at any phase of its first writes.
        let until = Instant::now() + Duration::from_secs(20);
        while !path.metadata().is_ok_and(|m| m.len() > 300) {
            assert!(Instant::now() < until, "no recording");
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(random % 50_000));
        child.kill().expect("killed");
        let out = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&out.stdout);
        let saved = said.lines().filter_map(|l| l.strip_prefix("saved ")?.parse::<u32>().ok()).max();
        let (all, summary) = read_file(&path);
        let found: BTreeSet<u64> =
            all.iter().filter(|e| matches!(e.event, Event::Incident(_))).map(|e| e.seq - 1_000_000_000).collect();
        for n in 0..saved.map_or(0, |n| n + 1) {
            assert!(found.contains(&u64::from(n)), "round {round}: note {n} is gone: {:?}", summary.trouble());
        }
        notes += u64::from(saved.map_or(0, |n| n + 1));
        torn += u32::from(summary.damage.bytes > 0);
        assert_eq!(summary.damage.orphans, 0);
        let _ = std::fs::remove_file(&path);
    }
    println!("{kills} kills: {notes} notes saved and found, {torn} unfinished ends");
    assert!(notes > 0);
}
