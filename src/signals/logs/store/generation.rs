//! One generation of a source as the store knows it: what was appended when, and where its bytes lie.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use jiff::tz::TimeZone;

use super::directory::Directory;
use super::index_memory::IndexMemory;
use super::masked::Masked;
use super::segment::{self, Part, Piece, Pieces, Recall, Segment, Unpack};
use crate::signals::logs::event::{ALL, LogAppended, LogOpened};
use crate::signals::logs::formats::{self, Context, Format};
use crate::timeline::{SourceId, Ts};

/// Steps of growth kept in full; older ones become coarser.
const STEPS: usize = 65_536;
/// First bytes kept, to know a copy of the file again.
const HEAD: usize = 512;

/// Lines that are known of but not readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Their bytes.
    pub range: Range<u64>,
    /// How many.
    pub lines: u64,
    /// First and last time.
    pub span: (Ts, Ts),
}

/// A part of a generation, readable or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Bytes are there.
    Bytes(Range<u64>),
    /// Lines are known of, their bytes are not here.
    Gone(Gone),
}

impl Extent {
    /// Its offsets.
    pub fn range(&self) -> Range<u64> {
        match self {
            Extent::Bytes(r) => r.clone(),
            Extent::Gone(g) => g.range.clone(),
        }
    }
}

#[derive(Debug)]
enum Backing {
    Unopened,
    Missing,
    Found(Arc<dyn Segment>),
}

impl Backing {
    /// What it is, once that has been found out.
    fn known(&self) -> Option<Option<Arc<dyn Segment>>> {
        match self {
            Backing::Unopened => None,
            Backing::Missing => Some(None),
            Backing::Found(s) => Some(Some(Arc::clone(s))),
        }
    }
}

#[derive(Debug)]
struct Inner {
    pieces: Pieces,
    /// Not attached to events, or evicted.
    gone: Vec<Gone>,
    /// (observed, end) after each step.
    growth: Vec<(Ts, u64)>,
    end: u64,
    head: Vec<u8>,
    backing: Backing,
    overwritten: bool,
    format: Option<&'static dyn Format>,
    near: Option<Ts>,
    /// In these bytes no line begins: a very long one goes on.
    bare: Range<u64>,
}

/// What generations are read with.
#[derive(Clone, Debug)]
pub struct Means {
    /// Zone of stamps that name none.
    pub zone: TimeZone,
    /// How packed files are read.
    pub unpack: Unpack,
    /// What the directories of all of them may take.
    pub memory: Arc<IndexMemory>,
    /// Where lines of a recording are read again.
    pub recall: Option<Arc<dyn Recall>>,
}

/// One generation.
#[derive(Debug)]
pub struct Generation {
    /// Its source.
    pub source: SourceId,
    /// Its source's name.
    pub name: CompactString,
    /// How it began.
    pub opened: LogOpened,
    /// When it began.
    pub observed: Ts,
    /// Zone of stamps without one.
    pub zone: TimeZone,
    /// What is known of its blocks.
    pub directory: Directory,
    inner: Mutex<Inner>,
    opening: Mutex<()>,
    unpack: Unpack,
    recall: Option<Arc<dyn Recall>>,
    seen: AtomicU64,
    moved: AtomicI64,
}

impl Generation {
    /// A generation that was just opened.
    pub fn new(source: SourceId, name: &str, opened: LogOpened, observed: Ts, means: Means) -> Generation {
        let format = opened.format.as_deref().and_then(formats::by_name);
        let backing = if opened.path.is_some() { Backing::Unopened } else { Backing::Missing };
        let inner = Inner {
            pieces: Pieces::default(),
            gone: Vec::new(),
            growth: Vec::new(),
            end: opened.size,
            head: Vec::new(),
            backing,
            overwritten: false,
            format,
            near: None,
            bare: 0..0,
        };
        Generation {
            source,
            name: name.into(),
            seen: AtomicU64::new(opened.size),
            moved: AtomicI64::new(0),
            opened,
            observed,
            zone: means.zone,
            directory: Directory::new(means.memory),
            inner: Mutex::new(inner),
            opening: Mutex::new(()),
            unpack: means.unpack,
            recall: means.recall,
        }
    }

    /// Its records are placed so many nanoseconds later (or earlier) than they say. A wish of whoever looks, not a fact.
    pub fn place_later(&self, by: i64) {
        self.moved.store(by, Ordering::Relaxed);
    }

    /// By how many nanoseconds its records are placed later than they say.
    pub fn moved(&self) -> i64 {
        self.moved.load(Ordering::Relaxed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an appended batch; gives back the bytes that are now held in memory.
    pub fn append(&self, a: &LogAppended, observed: Ts) -> u64 {
        let mut inner = self.inner();
        let span = a.span.unwrap_or((observed, observed));
        // Counts of lines from before the start: no lines of this stream, so none that are missing.
        if a.seed {
            return 0;
        }
        // It came before: an envelope that is repeated changes nothing.
        if a.end <= inner.end {
            return 0;
        }
        if inner.format.is_none() && a.format != "text" {
            inner.format = formats::by_name(&a.format);
        }
        let at = inner.growth.last().map_or(observed, |(t, _)| observed.max(*t));
        inner.end = a.end;
        self.seen.store(a.end, Ordering::Relaxed);
        match inner.growth.last_mut() {
            Some((t, end)) if *t == at => *end = a.end,
            _ => inner.growth.push((at, a.end)),
        }
        if inner.growth.len() > STEPS {
            // Every other step of the older half: its lines become visible a little later than they were.
            let mut i = 0;
            inner.growth.retain(|_| {
                i += 1;
                i > STEPS / 2 || i % 2 == 0
            });
        }
        let Some(bytes) = &a.bytes else {
            inner.lose(Gone { range: a.start..a.end, lines: a.lines.into(), span });
            return 0;
        };
        if inner.head.len() < HEAD && a.start == inner.head.len() as u64 {
            let more = bytes.len().min(HEAD - inner.head.len());
            inner.head.extend_from_slice(&bytes[..more]);
        }
        let (start, end, observed) = (a.start, a.start + bytes.len() as u64, (observed, observed));
        inner.pieces.push(Piece { start, end, lines: a.lines, span, observed, bytes: Some(Arc::clone(bytes)) });
        bytes.len() as u64
    }

    /// Takes over what `other` was told before it was known how it began.
    pub fn adopt(&self, other: &Generation) {
        let old = other.inner();
        let mut inner = self.inner();
        (inner.pieces, inner.gone, inner.growth) = (old.pieces.clone(), old.gone.clone(), old.growth.clone());
        inner.head.clone_from(&old.head);
        inner.format = inner.format.or(old.format);
        inner.end = inner.end.max(old.end);
        self.seen.store(inner.end, Ordering::Relaxed);
    }

    /// Gives up the oldest piece held in memory; its size and, when nothing else holds its lines, their number.
    pub fn evict(&self) -> Option<(u64, u64)> {
        let mut inner = self.inner();
        if self.recall.is_some() {
            return inner.pieces.forget().map(|size| (size, 0));
        }
        let p = inner.pieces.evict()?;
        let size = p.end - p.start;
        let elsewhere = match &inner.backing {
            Backing::Missing => false,
            // A copy that was made before the file was cut may lack the end.
            Backing::Found(copy) if inner.overwritten => copy.len() >= p.start + size,
            _ => true,
        };
        let lost = if elsewhere { 0 } else { u64::from(p.lines) };
        inner.lose(Gone { range: p.start..p.start + size, lines: p.lines.into(), span: p.span });
        Some((size, lost))
    }

    /// The file was truncated: what stands in it now belongs to the next generation. A copy may lie beside it. Gives
    /// back how many pieces are held in memory, and how many bytes: perhaps nothing else has them now.
    pub fn overwritten(&self) -> (usize, u64) {
        let mut inner = self.inner();
        if std::mem::replace(&mut inner.overwritten, true) {
            return (0, 0);
        }
        if !matches!(inner.backing, Backing::Missing) {
            inner.backing = Backing::Unopened;
        }
        inner.bare = 0..0;
        self.directory.clear();
        inner.pieces.size()
    }

    /// Remembers that no line begins in `range`.
    pub fn learn_bare(&self, range: Range<u64>) {
        let bare = &mut self.inner().bare;
        let start = if range.start <= bare.end && bare.start < range.start { bare.start } else { range.start };
        *bare = start..range.end;
    }

    /// Where the bytes end from `at` on in which no line begins, when that is known; never more than `end`.
    pub fn bare_until(&self, at: u64, end: u64) -> Option<u64> {
        let bare = &self.inner().bare;
        bare.contains(&at).then(|| bare.end.min(end))
    }

    /// Whether the file was truncated since.
    pub fn is_overwritten(&self) -> bool {
        self.inner().overwritten
    }

    /// Its lines are of this format, as somebody found who read them before; false when it is known to be another one.
    pub fn believe(&self, format: &'static dyn Format) -> bool {
        self.inner().format.get_or_insert(format).name() == format.name()
    }

    /// What it is now that was found for it, without looking for it.
    pub fn found(&self) -> Option<Arc<dyn Segment>> {
        self.inner().backing.known().flatten()
    }

    /// Sum and length of its first bytes, as far as they are known.
    pub fn head(&self) -> Option<(u32, u32)> {
        let inner = self.inner();
        let own = (!inner.head.is_empty()).then(|| (crc32c::crc32c(&inner.head), inner.head.len() as u32));
        self.opened.head.or(own)
    }

    /// Device and inode of all files it is known to lie in: that it was opened as, and that it is read from.
    pub fn files(&self) -> impl Iterator<Item = (u64, u64)> {
        let meta = self.found().and_then(|s| s.file().and_then(|f| f.metadata().ok()));
        self.opened.file.into_iter().chain(meta.map(|m| (m.dev(), m.ino())))
    }

    /// Opens the file, if that has not been done. Does IO, and holds nothing that [`Generation::append`] waits for.
    pub fn resolve(&self) -> Option<Arc<dyn Segment>> {
        let _one_at_a_time = {
            if let Some(known) = self.inner().backing.known() {
                return known;
            }
            self.opening.lock().unwrap_or_else(PoisonError::into_inner)
        };
        loop {
            let (head, overwritten) = {
                let inner = self.inner();
                if let Some(known) = inner.backing.known() {
                    return known;
                }
                (inner.head.clone(), inner.overwritten)
            };
            let found = segment::find(&self.opened, &head, overwritten, &self.unpack);
            let mut inner = self.inner();
            // Truncated while it was being opened: look again, with that in mind.
            if inner.overwritten != overwritten {
                continue;
            }
            inner.backing = match found {
                Some((segment, modified)) => {
                    inner.near.get_or_insert(modified);
                    if let Some(packed) = segment.packed().filter(|p| self.unpack.at_once && p.claim()) {
                        drop(inner);
                        packed.unpack(|| true);
                        inner = self.inner();
                    }
                    // Of a recording its log shows no more than the recording would.
                    Backing::Found(if self.recall.is_some() { Arc::new(Masked(segment)) } else { segment })
                }
                None => Backing::Missing,
            };
        }
    }

    /// End of what was observed by `until`. Lines from before the opening are visible by their own time.
    pub fn visible_end(&self, until: Ts) -> u64 {
        if self.seen.load(Ordering::Relaxed) == ALL {
            self.resolve();
        }
        let inner = self.inner();
        if inner.growth.last().is_none_or(|(t, _)| *t <= until) {
            return if inner.end == ALL { inner.unpacked() } else { inner.end };
        }
        let i = inner.growth.partition_point(|(t, _)| *t <= until);
        i.checked_sub(1).map_or(self.opened.size, |i| inner.growth[i].1)
    }

    /// End of what was ever observed; of a packed file what has been unpacked so far.
    pub fn end(&self) -> u64 {
        match self.seen.load(Ordering::Relaxed) {
            ALL => self.inner().unpacked(),
            end => end,
        }
    }

    /// When the byte at `offset` was observed; for lines from before the opening, the opening.
    pub fn observed_at(&self, offset: u64) -> Ts {
        let inner = self.inner();
        if offset < self.opened.size {
            return inner.near.unwrap_or(self.observed).min(self.observed);
        }
        let i = inner.growth.partition_point(|(_, end)| *end <= offset);
        inner.growth.get(i).map_or(self.observed, |(t, _)| *t)
    }

    /// When the byte at `offset` became visible; `None` for lines from before the opening, which are by their own time.
    pub fn visible_from(&self, offset: u64) -> Option<Ts> {
        (offset >= self.opened.size).then(|| self.observed_at(offset))
    }

    /// What there is below `end`, in order of offset.
    pub fn extents(&self, end: u64) -> Vec<Extent> {
        let covered = self.resolve().map_or(0, |segment| end.min(segment.len()));
        if covered == end && end > 0 {
            return vec![Extent::Bytes(0..end)];
        }
        let inner = self.inner();
        let mut all: Vec<Extent> = Vec::new();
        // A copy may be shorter than what was seen: what follows is held in memory.
        let mut read = 0..covered;
        for run in inner.pieces.runs() {
            if run.start <= read.end {
                read.end = read.end.max(run.end);
            } else {
                all.push(Extent::Bytes(run));
            }
        }
        if read.end > read.start {
            all.push(Extent::Bytes(read.clone()));
        }
        all.extend(inner.gone.iter().filter(|g| g.range.start >= covered).cloned().map(Extent::Gone));
        all.sort_by_key(|e| e.range().start);
        all.retain_mut(|e| match e {
            Extent::Bytes(r) => {
                r.end = r.end.min(end);
                r.start < r.end
            }
            Extent::Gone(g) => g.range.start < end,
        });
        all
    }

    /// The bytes of `range`, fewer where they are not there.
    pub fn read(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_into(range, &mut bytes);
        bytes
    }

    /// The same into a buffer that is used again and again; what was in it goes.
    pub fn read_into(&self, range: Range<u64>, buf: &mut Vec<u8>) {
        let held = {
            let pieces = &self.inner().pieces;
            pieces.first().filter(|first| range.start >= *first).and_then(|_| pieces.parts(range.clone()))
        };
        if let Some(parts) = held {
            buf.clear();
            buf.reserve(usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0));
            if self.put(parts, buf).is_some() {
                return;
            }
        }
        let Some(segment) = self.resolve() else { return buf.clear() };
        let len = range.end.min(segment.len()).saturating_sub(range.start);
        // Only what it grows by is zeroed.
        buf.resize(usize::try_from(len).unwrap_or(0), 0);
        let read = segment.read_into(range.start, buf).unwrap_or(0);
        buf.truncate(read);
        let from = range.start + read as u64;
        if from < range.end && from >= segment.len() {
            let parts = self.inner().pieces.parts(from..range.end);
            if parts.is_none_or(|parts| self.put(parts, buf).is_none()) {
                buf.truncate(read);
            }
        }
    }

    /// Appends `parts` to `buf`; where one of them cannot be recalled `buf` is spoilt. May do IO.
    fn put(&self, parts: Vec<Part>, buf: &mut Vec<u8>) -> Option<()> {
        for part in parts {
            match part {
                Part::Here(bytes, wanted) => buf.extend_from_slice(bytes.get(wanted)?),
                Part::Recalled(range, observed, wanted) => {
                    let bytes = self.recall.as_ref()?.recall(self.source, self.opened.generation, range, observed)?;
                    buf.extend_from_slice(bytes.get(wanted)?);
                }
            }
        }
        Some(())
    }

    /// The format of its lines; found from a sample at its end the first time.
    pub fn format(&self) -> &'static dyn Format {
        if let Some(f) = self.inner().format {
            return f;
        }
        let plain = formats::FORMATS[formats::FORMATS.len() - 1];
        let Some(end) = self.extents(u64::MAX).iter().rev().find_map(|e| match e {
            Extent::Bytes(r) => Some(r.clone()),
            Extent::Gone(_) => None,
        }) else {
            return plain;
        };
        let sample = self.read(end.end.saturating_sub(64 << 10).max(end.start)..end.end);
        let cut = if end.end - end.start > 64 << 10 { memchr::memchr(b'\n', &sample).map_or(0, |i| i + 1) } else { 0 };
        let (format, _) = formats::detect_file(&self.read(0..4_096), &sample[cut..], &self.context());
        // Ten lines of text may be the banner of a program that logs JSON.
        if format.name() != "text" || memchr::memchr_iter(b'\n', &sample).count() > 100 {
            self.inner().format = Some(format);
        }
        format
    }

    /// What its times are completed from.
    pub fn context(&self) -> Context {
        let near = self.inner().near.unwrap_or(self.observed);
        Context { zone: self.zone.clone(), near }
    }

    /// Says when the file was last written, for a generation read from an old file.
    pub fn set_near(&self, near: Ts) {
        self.inner().near = Some(near);
    }
}

impl Inner {
    /// Bytes of a packed file that can be read.
    fn unpacked(&self) -> u64 {
        self.backing.known().flatten().map_or(0, |s| s.len())
    }

    fn lose(&mut self, lost: Gone) {
        match self.gone.last_mut() {
            Some(g) if g.range.end == lost.range.start => {
                g.range.end = lost.range.end;
                g.lines += lost.lines;
                g.span = (g.span.0.min(lost.span.0), g.span.1.max(lost.span.1));
            }
            Some(g) if lost.range.start < g.range.end => {
                let i = self.gone.partition_point(|g| g.range.start < lost.range.start);
                self.gone.insert(i, lost);
            }
            _ => self.gone.push(lost),
        }
        if self.gone.len() > 4_096 {
            // Bounded: two neighbours become one.
            let b = self.gone.remove(1);
            let a = &mut self.gone[0];
            a.range.end = b.range.end.max(a.range.end);
            a.lines += b.lines;
            a.span.1 = a.span.1.max(b.span.1);
        }
    }
}
