//! Where a recording goes: one file, or a folder of segments that stays within an age and a size.
//!
//! Owns names, locks, and what is removed or thinned out when there is too much; knows nothing of frames but how to
//! read a segment again to thin it out.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RecorderConfig;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::stream::recording::{Encoder, Frame, Reader, encode_clock, encode_gap, encode_segment};
use crate::timeline::counts::Counts;
use crate::timeline::{Severity, Ts};

/// What frames are written to.
pub trait Medium: Write + Send {
    /// Takes back what stands behind the first `len` bytes, and goes on writing there.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Comes back when all of it would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes files; tests put one in its place that is full at a given byte.
pub trait Disk: fmt::Debug + Send + Sync {
    /// A new file that only its owner may read; never one that is there already.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Medium>>;
}

/// The machine's.
#[derive(Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Medium>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(options.open(path)?))
    }
}

/// How much of a folder of segments is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Segments older than this are removed.
    pub age: Duration,
    /// Bytes of all segments together; the oldest are removed.
    pub bytes: u64,
    /// Bytes of segments that hold every log line. Of those before them only batches with an error or with a line that a
    /// note points at keep their text; the counts by second stay.
    pub logs: u64,
    /// A segment closes after this time of the recording, or with this size.
    pub segment: (Duration, u64),
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            age: Duration::from_secs(24 * 3_600),
            bytes: 512 << 20,
            logs: 256 << 20,
            segment: (Duration::from_secs(3_600), 64 << 20),
        }
    }
}

impl Retention {
    /// As configured; no less than an hour and a megabyte.
    pub fn of(config: &RecorderConfig) -> Retention {
        let standard = Retention::default();
        let bytes = (u64::from(config.keep_mb) << 20).max(1 << 20);
        Retention {
            age: Duration::from_secs(u64::from(config.keep_hours.max(1)) * 3_600),
            bytes,
            logs: u64::from(config.logs_mb) << 20,
            segment: (standard.segment.0, standard.segment.1.min(bytes / 4)),
        }
    }
}

/// Ending of a segment whose log lines were thinned out.
const THIN: &str = ".thin.wr";

/// A closed segment.
#[derive(Clone, Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
    /// How old it was when it was taken in, by its file's time, and when that was on the clock that nobody sets.
    age: (Duration, Instant),
    thin: bool,
}

impl Segment {
    fn of(path: PathBuf) -> Option<Segment> {
        let meta = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let age = meta.modified().ok().and_then(|m| m.elapsed().ok()).unwrap_or_default();
        let thin = path.to_string_lossy().ends_with(THIN);
        Some(Segment { path, bytes: meta.len(), age: (age, Instant::now()), thin })
    }

    fn age(&self) -> Duration {
        self.age.0 + self.age.1.elapsed()
    }
}

/// A folder of segments that one recorder writes to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held for as long as it is written to.
    _lock: File,
    keep: Retention,
    number: u64,
    closed: Arc<Mutex<Vec<Segment>>>,
    /// Files that are no more, for whoever remembers places in them.
    removed: Arc<Mutex<Vec<PathBuf>>>,
    /// One tidies up at a time.
    tidying: Arc<Mutex<()>>,
}

impl Folder {
    /// Takes a folder; an error in words where another recorder has it.
    pub fn take(path: &Path, keep: Retention) -> Result<Folder, String> {
        let shown = path.display();
        std::fs::create_dir_all(path).map_err(|e| format!("cannot make the folder {shown}: {e}"))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(".lock"));
        let lock = lock.map_err(|e| format!("cannot write to {shown}: {e}"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(format!(
                    "another warroom records to {shown}; name another folder, or look at it with `warroom replay {shown}`"
                ));
            }
            // A file server without locks: the names of segments still tell two writers apart.
            Err(std::fs::TryLockError::Error(_)) => {}
        }
        let mut closed: Vec<Segment> = std::fs::read_dir(path)
            .map_err(|e| format!("cannot list {shown}: {e}"))?
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|x| x == "wr"))
            .filter_map(Segment::of)
            .collect();
        closed.sort_by(|a, b| a.path.cmp(&b.path));
        let closed = Arc::new(Mutex::new(closed));
        Ok(Folder {
            path: path.to_owned(),
            _lock: lock,
            keep,
            number: 0,
            closed,
            removed: Arc::default(),
            tidying: Arc::default(),
        })
    }

    /// Whether a segment that began at `began` and has `bytes` is to be closed at `now`.
    pub fn is_full(&self, began: Ts, now: Ts, bytes: u64) -> bool {
        let (age, size) = self.keep.segment;
        bytes >= size || now.since(began) >= age || began.since(now) >= age
    }

    /// Name of the next segment, which begins at `at`.
    pub fn next(&mut self, at: Ts) -> PathBuf {
        self.number += 1;
        let stamp = at.jiff().strftime("%Y%m%dT%H%M%SZ");
        self.path.join(format!("{stamp}-{}-{:04}.wr", std::process::id(), self.number))
    }

    /// A segment is closed; what is too much is removed and thinned out on a thread of its own.
    pub fn closed(&self, path: PathBuf) {
        let Some(segment) = Segment::of(path) else { return };
        let mut all = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(segment);
        drop(all);
        let (closed, removed, keep) = (Arc::clone(&self.closed), Arc::clone(&self.removed), self.keep.clone());
        let tidying = Arc::clone(&self.tidying);
        let tidy = move || {
            let _one = tidying.lock().unwrap_or_else(PoisonError::into_inner);
            tidy(&closed, &removed, &keep);
        };
        let _ = std::thread::Builder::new().name("retention".into()).spawn(tidy);
    }

    /// Files that were removed since this was asked last.
    pub fn removed(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.removed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Removes what is too old or too much, and thins out log lines.
fn tidy(closed: &Mutex<Vec<Segment>>, removed: &Mutex<Vec<PathBuf>>, keep: &Retention) {
    let mut gone = Vec::new();
    {
        let mut all = closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Room for the one that is being written.
        let most = keep.bytes.saturating_sub(keep.segment.1);
        while let Some(oldest) = all.first() {
            let total: u64 = all.iter().map(|s| s.bytes).sum();
            if total <= most && oldest.age() <= keep.age {
                break;
            }
            let _ = std::fs::remove_file(&oldest.path);
            gone.push(all.remove(0).path);
        }
    }
    let next = || {
        let all = closed.lock().unwrap_or_else(PoisonError::into_inner);
        let full: u64 = all.iter().filter(|s| !s.thin).map(|s| s.bytes).sum();
        all.iter().find(|s| !s.thin).filter(|_| full > keep.logs).map(|s| s.path.clone())
    };
    while let Some(path) = next() {
        let thin = thinned(&path);
        let mut all = closed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(segment) = all.iter_mut().find(|s| s.path == path) else { continue };
        // What cannot be thinned out stays as it is; the budget of all segments still holds.
        if let Ok(made) = thin {
            let _ = std::fs::remove_file(&path);
            segment.bytes = made.metadata().map_or(0, |m| m.len());
            segment.path = made;
            gone.push(path);
        }
        segment.thin = true;
    }
    removed.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
}

/// Writes a segment again beside itself, without the text of log batches in which nothing went wrong and to which no note
/// points. Returns its name.
fn thinned(path: &Path) -> io::Result<PathBuf> {
    let name = path.to_string_lossy();
    let made = PathBuf::from(format!("{}{THIN}", name.strip_suffix(".wr").unwrap_or(&name)));
    // Gone before it is begun, should an earlier try have been killed.
    let part = made.with_extension("part");
    let _ = std::fs::remove_file(&part);
    let touched = touched(path)?;
    let mut out = RealDisk.create(&part)?;
    let mut encoder = Encoder::default();
    let mut reader = Reader::new(File::open(path)?);
    while let Some(frame) = reader.next_frame()? {
        match frame {
            Frame::Segment(s) => {
                encoder.restart();
                out.write_all(&encode_segment(&s, Ts(0)))?;
            }
            Frame::Gap(g) => out.write_all(&encode_gap(&g, 0, Ts(0)))?,
            Frame::Clock(c) => out.write_all(&encode_clock(&c, 0))?,
            Frame::Events(mut envelopes) => {
                envelopes.iter_mut().for_each(|e| thin(e, &touched));
                for frame in encoder.events(&envelopes) {
                    out.write_all(&frame.bytes)?;
                }
            }
        }
    }
    out.sync()?;
    std::fs::rename(&part, &made)?;
    Ok(made)
}

/// What notes of a segment point at: request IDs and lines, as text.
fn touched(path: &Path) -> io::Result<Vec<String>> {
    let mut out = Vec::new();
    let incident = |text: &str| text.contains("\"signal\":\"incident\"");
    let mut reader = Reader::new(File::open(path)?).only(incident);
    while let Some(frame) = reader.next_frame()? {
        let Frame::Events(envelopes) = frame else { continue };
        for e in envelopes {
            let Ok(text) = serde_json::to_string(&e.event) else { continue };
            let ids = crate::timeline::request_id::find_ids(text.as_bytes());
            out.extend(ids.into_iter().map(|f| f.id.0.to_string()));
        }
    }
    out.sort();
    out.dedup();
    out.truncate(1_000);
    Ok(out)
}

fn thin(e: &mut Envelope, touched: &[String]) {
    let Event::Logs(LogEvent::Appended(a)) = &mut e.event else { return };
    let mut counts = Counts::default();
    a.counts.iter().for_each(|(_, c)| counts.merge(c));
    let pointed_at = |bytes: &[u8]| touched.iter().any(|t| memchr::memmem::find(bytes, t.as_bytes()).is_some());
    if counts.at_least(Severity::Error) == 0 && !a.bytes.as_deref().is_some_and(pointed_at) {
        a.bytes = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::event::LogAppended;
    use crate::stream::recording::Segment as Head;
    use crate::timeline::{OriginId, SourceId};

    fn lines(seq: u64, severity: Severity) -> Envelope {
        let mut counts = Counts::default();
        counts.add(Some(severity), 2);
        let text = "one line\nand another\n";
        let a = LogAppended {
            end: text.len() as u64,
            lines: 2,
            counts: vec![(1, counts)],
            format: "text".into(),
            bytes: Some(text.as_bytes().into()),
            ..LogAppended::default()
        };
        let event = Event::Logs(LogEvent::Appended(a));
        Envelope { seq, origin: OriginId(0), source: SourceId(1), observed: Ts::from_secs(1), mono: 0, event }
    }

    fn segment(path: &Path, bytes: u64) {
        let head = encode_segment(&Head { format: 1, program: "test".into(), redacted: true }, Ts(0));
        let mut all = head;
        let mut encoder = Encoder::default();
        for f in encoder.events(&[lines(1, Severity::Info), lines(2, Severity::Error)]) {
            all.extend(f.bytes);
        }
        std::fs::write(path, &all).expect("written");
        // What a segment weighs is what its file weighs; a hole at its end is damage to nobody.
        File::options().write(true).open(path).and_then(|f| f.set_len(bytes.max(all.len() as u64))).expect("a size");
    }

    #[test]
    fn the_oldest_segments_leave_and_log_lines_leave_before_them_unless_something_went_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |n: u32| folder.path().join(format!("2026-{n}.wr"));
        (1..=6).for_each(|n| segment(&path(n), 10_000));
        let keep = Retention {
            age: Duration::from_secs(3_600),
            bytes: 45_000,
            logs: 20_000,
            segment: (Duration::from_secs(60), 5_000),
        };
        let all = Mutex::new((1..=6).filter_map(|n| Segment::of(path(n))).collect::<Vec<_>>());
        let removed = Mutex::new(Vec::new());
        tidy(&all, &removed, &keep);
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["2026-3.thin.wr", "2026-4.thin.wr", "2026-5.wr", "2026-6.wr"]);
        assert_eq!(removed.lock().expect("the list").len(), 4);
        let mut reader = Reader::new(File::open(folder.path().join("2026-3.thin.wr")).expect("a file"));
        let mut kept = Vec::new();
        while let Some(frame) = reader.next_frame().expect("read") {
            let Frame::Events(all) = frame else { continue };
            kept.extend(all.iter().map(|e| match &e.event {
                Event::Logs(LogEvent::Appended(a)) => (e.seq, a.bytes.as_ref().map_or(0, |b| b.len()), a.counts.len()),
                _ => unreachable!("only log lines were written"),
            }));
        }
        assert_eq!(kept, [(1, 0, 1), (2, 21, 1)]);
    }

    #[test]
    fn a_second_recorder_is_refused_a_folder_until_the_first_has_left_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Folder::take(folder.path(), Retention::default()).expect("free");
        let refused = Folder::take(folder.path(), Retention::default()).expect_err("taken");
        assert!(refused.contains("another warroom records"), "{refused}");
        drop(first);
        Folder::take(folder.path(), Retention::default()).expect("free again");
    }
}
