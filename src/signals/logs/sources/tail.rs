//! Follows one path through everything that happens to log files; a state machine driven by [`Tail::poll`].
//!
//! Owns the open descriptors and the offsets. Does not wait, and does not know who listens. A generation is one file
//! (device, inode) between two breaks; a descriptor whose name is gone is read as long as something comes from it, because
//! writers go on writing to a renamed file until somebody tells them. Whole generations that came and went between two
//! looks are found beside the path (see `missed.rs`).

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use compact_str::CompactString;

use super::batch::Batcher;
use super::missed::{Beside, Rate, TICK, born, lost};
use super::open::{Growth, Open, first_data, is_binary, line_start, read_range};
use super::seed;
use crate::signals::logs::event::{LogEvent, LogOpened};
use crate::signals::logs::store::packed;
use crate::signals::logs::store::read::irregular;
use crate::signals::logs::store::scan::counted;
use crate::timeline::Ts;

/// How long a descriptor is read after its name went to another file and nothing more came from it.
const LINGER: Duration = Duration::from_secs(60);
/// Descriptors kept of files whose name is gone.
const OLD: usize = 16;
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

/// A path being followed.
pub struct Tail {
    path: PathBuf,
    options: TailOptions,
    generations: Arc<AtomicU32>,
    current: Option<Open>,
    /// Files whose name went to another one, and since when.
    old: Vec<(Open, Ts)>,
    beside: Beside,
    rate: Rate,
    /// When the path was looked at last, by the clock of files.
    looked: Option<Ts>,
    /// Lines that the last look told.
    came: u64,
}

impl Tail {
    /// Follows `path`; generation numbers come from `generations`, which several tails of one source may share.
    pub fn new(path: impl Into<PathBuf>, options: TailOptions, generations: Arc<AtomicU32>) -> Tail {
        let (current, old, beside, rate) = (None, Vec::new(), Beside::default(), Rate::default());
        Tail { path: path.into(), options, generations, current, old, beside, rate, looked: None, came: 0 }
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
        let before = self.told();
        let polled = self.look(now, emit);
        self.came = self.told().saturating_sub(before);
        self.rate.came(now, self.came);
        self.looked = Some(wall());
        polled
    }

    /// Lines that the last look told.
    pub fn came(&self) -> u64 {
        self.came
    }

    /// Lines told by what is open.
    fn told(&self) -> u64 {
        self.current.iter().chain(self.old.iter().map(|(o, _)| o)).map(|o| o.told).sum()
    }

    fn look(&mut self, now: Ts, emit: &mut Emit) -> Polled {
        let mut i = 0;
        while i < self.old.len() {
            let (o, left) = &mut self.old[i];
            // Cut or failing: nothing more is to be had of it.
            let over = match o.read(now, emit) {
                Growth::Closed => return Polled::Closed,
                Growth::Fine => now.since(o.grown.max(*left)) >= LINGER,
                Growth::Rewritten { .. } | Growth::Failed(_) => true,
            };
            if over || self.old.len() > OLD {
                let (mut gone, _) = self.old.remove(i);
                if !gone.end(now, emit) {
                    return Polled::Closed;
                }
            } else {
                i += 1;
            }
        }
        let mut trouble = None;
        // One that was empty at first is known by what comes first.
        if self.current.as_ref().is_some_and(|cur| cur.lines.end() == 0 && self.is_binary(&cur.file)) {
            self.current = None;
        }
        if let Some(cur) = &mut self.current {
            match cur.read(now, emit) {
                Growth::Fine => {}
                Growth::Closed => return Polled::Closed,
                Growth::Failed(e) => trouble = Some(e),
                Growth::Rewritten { was, is } => {
                    if !self.rewritten(was, is, now, emit) {
                        return Polled::Closed;
                    }
                }
            }
        }
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(e) => return Polled::Trouble(self.missing(&e)),
        };
        if !meta.is_file() {
            return Polled::Trouble(irregular(&self.path, &meta));
        }
        if self.file_id() == Some((meta.dev(), meta.ino())) {
            return match trouble {
                Some(e) => Polled::Trouble(format!("cannot read {}: {e}; it is tried again", self.path.display())),
                None => Polled::Fine,
            };
        }
        match File::open(&self.path).and_then(|f| f.metadata().map(|m| (f, m))) {
            Ok((file, _)) if self.is_binary(&file) => {
                let path = self.path.display();
                Polled::Trouble(format!("{path}: binary, not shown; -c 'strings {path}' shows the text in it"))
            }
            Ok((file, meta)) => {
                let seeded = self.looked.is_none() && !self.options.from_start;
                self.replace(Arc::new(file), &meta, seeded, now, emit)
            }
            Err(e) => Polled::Trouble(self.missing(&e)),
        }
    }

    /// Whether a file holds no text; one whose format was named is taken at its word.
    fn is_binary(&self, file: &File) -> bool {
        self.options.format.is_none() && is_binary(file)
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
    fn replace(&mut self, file: Arc<File>, meta: &Metadata, seeded: bool, now: Ts, emit: &mut Emit) -> Polled {
        let mut format = self.options.format.clone();
        if let Some(mut old) = self.current.take() {
            if let Growth::Closed = old.read(now, emit) {
                return Polled::Closed;
            }
            format = format.filter(|_| self.options.format.is_some());
            let (missed, copied) = self.beside.new_ones(&self.path, &old);
            let missed: Vec<_> = missed.into_iter().filter(|(r, _)| r.id != (meta.dev(), meta.ino())).collect();
            // What was unlinked before it was seen lies between the last line here and the birth of what comes next; but
            // not while this one, which is older, is still there.
            let next = missed.first().map_or(&file, |(_, f)| f);
            let unlinked = !copied && old.file.metadata().is_ok_and(|m| m.nlink() == 0);
            let mut why = self.why_replaced(&old.file);
            if let Some(born) = born(next).filter(|_| unlinked) {
                let gap = born.since(old.seen.1.max(self.looked.unwrap_or(Ts::MIN)));
                if gap > 2 * TICK {
                    why += &lost(&self.rate, gap, now, " with files deleted before they could be read");
                }
            }
            if !emit(None, LogEvent::Seam { generation: old.generation, why }) {
                return Polled::Closed;
            }
            self.old.push((old, now));
            for (r, file) in missed {
                let name = r.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let why = format!("rotated to {name} between two looks; read there");
                match self.whole(&r.path, file, now, emit) {
                    Some(generation) if emit(None, LogEvent::Seam { generation, why }) => {}
                    _ => return Polled::Closed,
                }
            }
        }
        self.beside.look(&self.path);
        let mut batcher = Batcher::new(format.as_deref());
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
        let open = Open::new(file, meta, self.number(), start, batcher, now);
        // Of a link its target: the link may lead elsewhere when somebody wants to read this file again.
        let link = fs::symlink_metadata(&self.path).is_ok_and(|m| m.file_type().is_symlink());
        let path = if link { self.path.canonicalize().ok() } else { None }.unwrap_or_else(|| self.path.clone());
        match self.begin(open, &path, seeded, now, emit) {
            Some(open) => {
                self.current = Some(open);
                Polled::Fine
            }
            None => Polled::Closed,
        }
    }

    fn number(&self) -> u32 {
        self.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// A generation that was never seen under the path: it is read from its first byte. Gives back its number.
    fn whole(&mut self, path: &Path, file: Arc<File>, now: Ts, emit: &mut Emit) -> Option<u32> {
        let meta = file.metadata().ok()?;
        let batcher = Batcher::new(self.options.format.as_deref());
        let open = Open::new(Arc::clone(&file), &meta, self.number(), 0, batcher, now);
        let generation = open.generation;
        if packed::packing(&file).is_none() {
            let open = self.begin(open, path, false, now, emit)?;
            self.old.push((open, now));
            return Some(generation);
        }
        let mut open = open;
        open.head = packed::head(&file, 4_096).unwrap_or_default();
        self.opened(&open, path, emit).then_some(())?;
        let mut from = packed::reader(&file).ok()?;
        let mut buf = vec![0; 256 << 10];
        while let Some(n) = from.read(&mut buf).ok().filter(|n| *n > 0) {
            open.take(&buf[..n], now);
            let piece = open.lines.whole();
            open.tell(piece, now, emit).then_some(())?;
        }
        open.end(now, emit).then_some(generation)
    }

    /// Says that a generation begins.
    fn opened(&self, open: &Open, path: &Path, emit: &mut Emit) -> bool {
        let head = (!open.head.is_empty()).then(|| {
            let plain = packed::packing(&open.file).is_none();
            let read = || read_range(&open.file, 0, 4_096.min(open.seen.0)).unwrap_or_default();
            let head = if plain { read() } else { open.head.clone() };
            (crc32c::crc32c(&head), head.len() as u32)
        });
        let opened = LogOpened {
            generation: open.generation,
            path: Some(path.to_string_lossy().into_owned()),
            file: Some(open.id),
            size: open.lines.end(),
            head,
            format: self.options.format.as_deref().map(CompactString::from),
            request_id: self.options.request_id.clone(),
        };
        emit(None, LogEvent::Opened(opened))
    }

    /// A generation begins: says so, counts its past when that is wanted, and reads it. `None`: nobody listens.
    fn begin(&mut self, mut open: Open, path: &Path, seeded: bool, now: Ts, emit: &mut Emit) -> Option<Open> {
        let start = open.lines.end();
        self.opened(&open, path, emit).then_some(())?;
        if seeded && !self.options.seed.is_zero() {
            let since = now - self.options.seed;
            seed::seed(&open.file, open.generation, start, since, now, &open.batcher, emit).then_some(())?;
        }
        match open.read(now, emit) {
            Growth::Closed => None,
            _ => Some(open),
        }
    }

    /// The file was truncated or written anew in place.
    fn rewritten(&mut self, was: u64, is: u64, now: Ts, emit: &mut Emit) -> bool {
        let Some(mut old) = self.current.take() else { return true };
        let mut why =
            if is < was { format!("truncated from {was} to {is} bytes") } else { "written anew in place".to_owned() };
        // What was written after the last look stands in the copy, if one was made; what came after the copy is lost.
        let mut from = self.looked.unwrap_or(Ts::MIN);
        if let Some((copy, file)) = self.beside.copy_of(&self.path, &old) {
            let Some(more) = rest_of(&mut old, &file, now, emit) else { return false };
            let name = copy.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            why += &match more {
                0 => format!("; {name} is a copy of it"),
                n => format!("; {} read from the copy {name}", counted(n, "line")),
            };
            from = from.max(copy.modified);
        }
        why += &lost(&self.rate, wall().since(from), now, "");
        let (missed, _) = self.beside.new_ones(&self.path, &old);
        if !old.end(now, emit) || !emit(None, LogEvent::Seam { generation: old.generation, why }) {
            return false;
        }
        for (r, file) in missed {
            let name = r.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why = format!("copied to {name} and truncated between two looks; read there");
            match self.whole(&r.path, file, now, emit) {
                Some(generation) if emit(None, LogEvent::Seam { generation, why }) => {}
                _ => return false,
            }
        }
        self.beside.look(&self.path);
        let Ok(meta) = old.file.metadata() else { return true };
        let mut batcher = old.batcher;
        batcher.begin();
        let start = first_data(&old.file);
        let open = Open::new(old.file, &meta, self.number(), start, batcher, now);
        let path = self.path.clone();
        self.current = self.begin(open, &path, false, now, emit);
        self.current.is_some()
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

/// Reads on from where `old` stands in its copy; how many lines that gave. `None`: nobody listens.
fn rest_of(old: &mut Open, copy: &Arc<File>, now: Ts, emit: &mut Emit) -> Option<u64> {
    let told = old.told;
    let mut buf = vec![0; 256 << 10];
    if packed::packing(copy).is_some() {
        let Ok(mut from) = packed::reader(copy) else { return Some(0) };
        let read = io::copy(&mut (&mut from).take(old.lines.end()), &mut io::sink()).unwrap_or(0);
        if read < old.lines.end() {
            return Some(0);
        }
        while let Some(n) = from.read(&mut buf).ok().filter(|n| *n > 0) {
            old.take(&buf[..n], now);
            let piece = old.lines.whole();
            old.tell(piece, now, emit).then_some(())?;
        }
    } else {
        while let Some(bytes) =
            read_range(copy, old.lines.end(), old.lines.end() + (256 << 10)).ok().filter(|b| !b.is_empty())
        {
            old.take(&bytes, now);
            let piece = old.lines.whole();
            old.tell(piece, now, emit).then_some(())?;
        }
    }
    Some(old.told - told)
}

/// The clock that files are stamped by.
fn wall() -> Ts {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ts(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}
