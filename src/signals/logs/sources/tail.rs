//! Follows one path through everything that happens to log files; a state machine driven by [`Tail::poll`].
//!
//! Owns the open descriptors and the offsets. Does not wait, and does not know who listens. It reads with `pread` and
//! never writes. A generation is one file (device, inode) between two breaks; a descriptor whose name is gone is read
//! for another minute, because writers go on writing to a renamed file until somebody tells them.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use compact_str::CompactString;

use super::batch::Batcher;
use super::lines::{LineBuffer, Piece};
use super::seed;
use crate::signals::logs::event::{LogEvent, LogOpened};
use crate::timeline::Ts;

/// Bytes read at once.
const READ: usize = 256 * 1024;
/// Bytes at the head and before the read position that are compared, to notice a file rewritten in place.
const GUARD: usize = 256;
/// How long a descriptor is read after its name went to another file.
const LINGER: Duration = Duration::from_secs(60);
/// Of a file that takes the place of another one, at most this much is told as new.
const CATCH_UP: u64 = 64 << 20;

/// Where events go: an observed time for seeds (`None`: now), the event. False: nobody listens any more.
pub type Emit<'a> = dyn FnMut(Option<Ts>, LogEvent) -> bool + 'a;

/// How a look went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// The file is there and read to its end.
    Fine,
    /// It is not, or not readable: the sentence to show. What was open is still read.
    Trouble(String),
    /// Nobody listens.
    Closed,
}

/// How a path is followed.
#[derive(Clone, Debug, Default)]
pub struct TailOptions {
    /// How far back lines are counted at the start.
    pub seed: Duration,
    /// Format by name.
    pub format: Option<String>,
    /// Fields that hold the request ID.
    pub request_id: Vec<CompactString>,
    /// Whether a file that is there at the first look is new, and told from its first byte.
    pub from_start: bool,
}

struct Open {
    file: File,
    id: (u64, u64),
    generation: u32,
    lines: LineBuffer,
    batcher: Batcher,
    head: Vec<u8>,
    guard: Vec<u8>,
    /// Length and time of change at the last look.
    seen: (u64, i64, i64),
    /// When its name was seen to belong to another file.
    left: Option<Ts>,
}

enum Growth {
    Fine,
    Rewritten { was: u64, is: u64 },
    Closed,
}

/// A path being followed.
pub struct Tail {
    path: PathBuf,
    options: TailOptions,
    generations: Arc<AtomicU32>,
    current: Option<Open>,
    old: Vec<Open>,
    looked: bool,
}

impl Tail {
    /// Follows `path`; generation numbers come from `generations`, which several tails of one source may share.
    pub fn new(path: impl Into<PathBuf>, options: TailOptions, generations: Arc<AtomicU32>) -> Tail {
        Tail { path: path.into(), options, generations, current: None, old: Vec::new(), looked: false }
    }

    /// The path that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the file that is open now.
    pub fn file_id(&self) -> Option<(u64, u64)> {
        self.current.as_ref().map(|o| o.id)
    }

    /// Reads all there is and notices what happened to the path since the last look.
    pub fn poll(&mut self, now: Ts, emit: &mut Emit) -> Polled {
        let mut i = 0;
        while i < self.old.len() {
            let o = &mut self.old[i];
            if let Growth::Closed = o.read(now, emit) {
                return Polled::Closed;
            }
            if o.left.is_some_and(|left| now.since(left) >= LINGER) {
                let mut gone = self.old.remove(i);
                let rest = gone.lines.rest();
                if !gone.tell(rest, now, emit) {
                    return Polled::Closed;
                }
            } else {
                i += 1;
            }
        }
        if let Some(cur) = &mut self.current {
            match cur.read(now, emit) {
                Growth::Fine => {}
                Growth::Closed => return Polled::Closed,
                Growth::Rewritten { was, is } => {
                    if !self.rewritten(was, is, now, emit) {
                        return Polled::Closed;
                    }
                }
            }
        }
        let first = !std::mem::replace(&mut self.looked, true);
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(e) => return Polled::Trouble(self.missing(&e)),
        };
        if !meta.is_file() {
            return Polled::Trouble(format!("{} is not a regular file; give a file or a command", self.path.display()));
        }
        if self.file_id() == Some((meta.dev(), meta.ino())) {
            return Polled::Fine;
        }
        match File::open(&self.path).and_then(|f| f.metadata().map(|m| (f, m))) {
            Ok((file, meta)) => self.replace(file, &meta, first && !self.options.from_start, now, emit),
            Err(e) => Polled::Trouble(self.missing(&e)),
        }
    }

    fn missing(&self, e: &io::Error) -> String {
        let path = self.path.display();
        let held = if self.current.is_some() { "; what was open is still read" } else { "" };
        match e.kind() {
            io::ErrorKind::NotFound if self.current.is_some() => format!("{path} is gone{held}"),
            io::ErrorKind::NotFound => format!("{path} is not there (yet); it is read as soon as it appears"),
            io::ErrorKind::PermissionDenied => {
                format!("may not read {path}{held}; try sudo, or: setfacl -m u:$USER:r {path}")
            }
            _ => format!("cannot read {path}: {e}{held}"),
        }
    }

    /// The path leads to another file than before, or to a first one.
    fn replace(&mut self, file: File, meta: &Metadata, seeded: bool, now: Ts, emit: &mut Emit) -> Polled {
        let mut batcher = None;
        if let Some(mut old) = self.current.take() {
            if let Growth::Closed = old.read(now, emit) {
                return Polled::Closed;
            }
            let why = self.why_replaced(&old.file);
            if !emit(None, LogEvent::Seam { generation: old.generation, why }) {
                return Polled::Closed;
            }
            old.left = Some(now);
            batcher = Some(Batcher::new(Some(old.batcher.format().name()).filter(|_| self.options.format.is_some())));
            self.old.push(old);
            if self.old.len() > 4 {
                self.old.remove(0);
            }
        }
        let mut batcher = batcher.unwrap_or_else(|| Batcher::new(self.options.format.as_deref()));
        let len = meta.len();
        let start = if seeded {
            line_start(&file, len)
        } else if len > CATCH_UP {
            line_start(&file, len - CATCH_UP)
        } else {
            0
        };
        let sample = read_range(&file, start.saturating_sub(64 << 10), start).unwrap_or_default();
        let cut = memchr::memchr(b'\n', &sample).map_or(0, |i| i + 1);
        let first = read_range(&file, 0, start.min(4_096)).unwrap_or_default();
        batcher.learn(&first, &sample[cut..], now);
        let open = Open::new(file, meta, self.generations.fetch_add(1, Ordering::Relaxed), start, batcher);
        self.begin(open, seeded, now, emit)
    }

    fn begin(&mut self, mut open: Open, seeded: bool, now: Ts, emit: &mut Emit) -> Polled {
        let start = open.lines.end();
        let head = (!open.head.is_empty()).then(|| {
            let head = read_range(&open.file, 0, 4_096.min(open.seen.0)).unwrap_or_default();
            (crc32c::crc32c(&head), head.len() as u32)
        });
        // Of a link its target: the link may lead elsewhere when somebody wants to read this file again.
        let link = fs::symlink_metadata(&self.path).is_ok_and(|m| m.file_type().is_symlink());
        let path = if link { self.path.canonicalize().ok() } else { None }.unwrap_or_else(|| self.path.clone());
        let opened = LogOpened {
            generation: open.generation,
            path: Some(path.to_string_lossy().into_owned()),
            file: Some(open.id),
            size: start,
            head,
            format: self.options.format.as_deref().map(CompactString::from),
            request_id: self.options.request_id.clone(),
        };
        if !emit(None, LogEvent::Opened(opened)) {
            return Polled::Closed;
        }
        if seeded && !self.options.seed.is_zero() {
            let since = now - self.options.seed;
            if !seed::seed(&open.file, open.generation, start, since, now, &open.batcher, emit) {
                return Polled::Closed;
            }
        }
        let grown = open.read(now, emit);
        self.current = Some(open);
        if let Growth::Closed = grown { Polled::Closed } else { Polled::Fine }
    }

    /// The file was truncated or written anew in place.
    fn rewritten(&mut self, was: u64, is: u64, now: Ts, emit: &mut Emit) -> bool {
        let Some(mut old) = self.current.take() else { return true };
        let rest = old.lines.rest();
        let why = if is < was {
            format!("truncated from {was} to {is} bytes; lines written just before may be lost")
        } else {
            "written anew in place; lines written just before may be lost".to_owned()
        };
        if !old.tell(rest, now, emit) || !emit(None, LogEvent::Seam { generation: old.generation, why }) {
            return false;
        }
        let Ok(meta) = old.file.metadata() else { return true };
        let mut batcher = old.batcher;
        batcher.begin();
        let open = Open::new(old.file, &meta, self.generations.fetch_add(1, Ordering::Relaxed), 0, batcher);
        self.begin(open, false, now, emit) != Polled::Closed
    }

    /// Where the old file went, as far as the system tells.
    fn why_replaced(&self, old: &File) -> String {
        if fs::symlink_metadata(&self.path).is_ok_and(|m| m.file_type().is_symlink()) {
            let target = fs::read_link(&self.path).unwrap_or_default();
            return format!("link now points to {}", target.display());
        }
        match fs::read_link(format!("/proc/self/fd/{}", old.as_raw_fd())) {
            Ok(name) if name.to_string_lossy().ends_with(" (deleted)") => "deleted and created again".to_owned(),
            Ok(name) if name != self.path => match name.file_name() {
                Some(name) => format!("renamed to {}", name.to_string_lossy()),
                None => "replaced by another file".to_owned(),
            },
            _ => "replaced by another file".to_owned(),
        }
    }
}

impl Open {
    fn new(file: File, meta: &Metadata, generation: u32, start: u64, batcher: Batcher) -> Open {
        let head = read_range(&file, 0, (GUARD as u64).min(meta.len())).unwrap_or_default();
        let guard = read_range(&file, start.saturating_sub(GUARD as u64), start).unwrap_or_default();
        Open {
            file,
            id: (meta.dev(), meta.ino()),
            generation,
            lines: LineBuffer::at(start),
            batcher,
            head,
            guard,
            seen: (meta.len(), 0, 0),
            left: None,
        }
    }

    /// Emits everything up to the end of the file.
    fn read(&mut self, now: Ts, emit: &mut Emit) -> Growth {
        let Ok(meta) = self.file.metadata() else { return Growth::Fine };
        let seen = (meta.len(), meta.mtime(), meta.mtime_nsec());
        let pos = self.lines.end();
        if meta.len() < pos || (seen != self.seen && !self.same()) {
            return Growth::Rewritten { was: pos, is: meta.len() };
        }
        self.seen = seen;
        let mut buf = vec![0; if meta.len() > pos { READ } else { 0 }];
        loop {
            let n = match self.file.read_at(&mut buf, self.lines.end()) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            self.keep_guard(&buf[..n]);
            self.lines.push(&buf[..n], now);
            let piece = self.lines.whole();
            if !self.tell(piece, now, emit) {
                return Growth::Closed;
            }
        }
        let stale = self.lines.stale(now);
        if self.tell(stale, now, emit) { Growth::Fine } else { Growth::Closed }
    }

    fn tell(&mut self, piece: Option<Piece>, now: Ts, emit: &mut Emit) -> bool {
        piece.is_none_or(|p| emit(None, LogEvent::Appended(self.batcher.appended(self.generation, p, now))))
    }

    fn keep_guard(&mut self, read: &[u8]) {
        if self.head.len() < GUARD && self.lines.end() == self.head.len() as u64 {
            self.head.extend_from_slice(&read[..read.len().min(GUARD - self.head.len())]);
        }
        let keep = GUARD.saturating_sub(read.len()).min(self.guard.len());
        self.guard.drain(..self.guard.len() - keep);
        self.guard.extend_from_slice(&read[read.len().saturating_sub(GUARD)..]);
    }

    /// Whether what was read before is still what stands there.
    fn same(&self) -> bool {
        let pos = self.lines.end();
        let at = |start: u64, want: &[u8]| {
            want.is_empty() || read_range(&self.file, start, start + want.len() as u64).is_ok_and(|b| b == want)
        };
        at(0, &self.head) && at(pos - self.guard.len() as u64, &self.guard)
    }
}

/// Bytes of a file from `start` to `end`, fewer where it is shorter.
pub fn read_range(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], start + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buf.truncate(done);
    Ok(buf)
}

/// Start of the line that `at` lies in; at most 1 MiB back, else `at` itself.
pub fn line_start(file: &File, at: u64) -> u64 {
    let mut end = at;
    while end > 0 && at - end < 1 << 20 {
        let start = end.saturating_sub(64 << 10);
        let Ok(bytes) = read_range(file, start, end) else { return at };
        if let Some(i) = memchr::memrchr(b'\n', &bytes) {
            return start + i as u64 + 1;
        }
        end = start;
    }
    if end == 0 { 0 } else { at }
}
