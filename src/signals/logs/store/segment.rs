//! Where the bytes of a generation lie: a file, memory, or a packed file (see [`super::packed`]).
//!
//! A segment is read only. A file keeps its descriptor, so that one that was renamed or deleted stays readable.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::packed::{self, Packed};
use super::spool::Spool;
use super::{held, rotated};
use crate::signals::logs::event::LogOpened;
use crate::timeline::{SourceId, Ts};

/// Bytes that can be read by offset.
pub trait Segment: Send + Sync + Debug {
    /// Bytes there are now.
    fn len(&self) -> u64;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buf` with the bytes from `at` on; how many there were.
    fn read_into(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// The bytes of `range`, fewer where the segment ends before it does.
    fn read_at(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let len = range.end.min(self.len()).saturating_sub(range.start);
        let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = self.read_into(range.start, &mut buf)?;
        buf.truncate(read);
        Ok(buf)
    }
    /// The file, where it is one: for advice about what will be read.
    fn file(&self) -> Option<&File> {
        None
    }
    /// The packed file, where it is one.
    fn packed(&self) -> Option<&Packed> {
        None
    }
}

/// A file and its descriptor.
#[derive(Debug)]
pub struct FileSegment(pub Arc<File>);

impl Segment for FileSegment {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |m| m.len())
    }

    fn read_into(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.0.read_at(&mut buf[done..], at + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.0)
    }
}

/// Where lines of a recording are read again that are held in memory no more.
pub trait Recall: Send + Sync + Debug {
    /// The bytes of `range` of a generation of a source, observed within `observed`; `None` when they are not there.
    fn recall(&self, source: SourceId, generation: u32, range: Range<u64>, observed: (Ts, Ts)) -> Option<Vec<u8>>;
}

/// A piece of a stream that is held in memory, or was and can be recalled.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Offset of its first byte.
    pub start: u64,
    /// Offset behind its last byte.
    pub end: u64,
    /// Lines in it.
    pub lines: u32,
    /// First and last event time in it, or the observed time.
    pub span: (Ts, Ts),
    /// When it was observed, first and last.
    pub observed: (Ts, Ts),
    /// Its bytes; `None` where they have to be recalled.
    pub bytes: Option<Arc<[u8]>>,
}

/// Neighbouring pieces that are recalled become one up to this size and time.
const RECALLED: (u64, Duration) = (256 << 10, Duration::from_secs(30));

/// Pieces in order of offset, with holes where some were not kept.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    all: VecDeque<Piece>,
    /// How many of the oldest are to be recalled.
    recalled: usize,
    /// Runs without a hole, in order.
    runs: VecDeque<Range<u64>>,
}

/// A part of what was asked for.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes that are here, and which of them.
    Here(Arc<[u8]>, Range<usize>),
    /// Bytes to be recalled: a whole piece, when it was observed, and which bytes of it.
    Recalled(Range<u64>, (Ts, Ts), Range<usize>),
}

impl Pieces {
    /// Adds a piece that begins at or after the end of the last one.
    pub fn push(&mut self, piece: Piece) {
        match self.runs.back_mut() {
            Some(run) if run.end == piece.start => run.end = piece.end,
            _ => self.runs.push_back(piece.start..piece.end),
        }
        self.all.push_back(piece);
    }

    /// Where the oldest piece begins.
    pub fn first(&self) -> Option<u64> {
        self.all.front().map(|p| p.start)
    }

    /// How many pieces are here, and how many bytes in them.
    pub fn size(&self) -> (usize, u64) {
        let here = self.all.iter().skip(self.recalled);
        (self.all.len() - self.recalled, here.map(|p| p.end - p.start).sum())
    }

    /// Takes out the oldest piece.
    pub fn evict(&mut self) -> Option<Piece> {
        let p = self.all.pop_front()?;
        self.recalled = self.recalled.saturating_sub(1);
        if let Some(run) = self.runs.front_mut() {
            run.start = p.end;
            if run.is_empty() {
                self.runs.pop_front();
            }
        }
        Some(p)
    }

    /// Gives up the bytes of the oldest piece that is here, to be recalled from now on; how many they were.
    pub fn forget(&mut self) -> Option<u64> {
        let p = self.all.get_mut(self.recalled)?;
        p.bytes = None;
        let (start, end, lines, span, observed) = (p.start, p.end, p.lines, p.span, p.observed);
        match self.recalled.checked_sub(1).and_then(|i| self.all.get_mut(i)) {
            Some(before)
                if before.end == start
                    && end - before.start <= RECALLED.0
                    && observed.1.since(before.observed.0) <= RECALLED.1
                    && before.observed.0 <= observed.0 =>
            {
                before.end = end;
                before.lines += lines;
                before.span = (before.span.0.min(span.0), before.span.1.max(span.1));
                before.observed.1 = before.observed.1.max(observed.1);
                self.all.remove(self.recalled);
            }
            _ => self.recalled += 1,
        }
        Some(end - start)
    }

    /// Runs without a hole, in order.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> {
        self.runs.iter().cloned()
    }

    /// What `range` is made of, when all of it is here or can be recalled.
    pub fn parts(&self, range: Range<u64>) -> Option<Vec<Part>> {
        let mut i = self.all.partition_point(|p| p.end <= range.start);
        let mut at = range.start;
        let mut out = Vec::new();
        while at < range.end {
            let p = self.all.get(i)?;
            if p.start > at {
                return None;
            }
            let part = (at - p.start) as usize..(range.end.min(p.end) - p.start) as usize;
            at = p.end.min(range.end);
            out.push(match &p.bytes {
                Some(bytes) => Part::Here(Arc::clone(bytes), part),
                None => Part::Recalled(p.start..p.end, p.observed, part),
            });
            i += 1;
        }
        Some(out)
    }
}

/// How packed files are read.
#[derive(Clone, Debug)]
pub struct Unpack {
    /// Bytes that the blocks of all of them may take in memory.
    pub memory: u64,
    /// Folder where the blocks that do not fit are kept.
    pub spool: Option<PathBuf>,
    /// Whether a file is unpacked to its end when it is opened, instead of by a thread meanwhile.
    pub at_once: bool,
}

/// Opens a file for reading by offset, packed or not.
pub fn open(file: Arc<File>, unpack: &Unpack) -> Arc<dyn Segment> {
    if packed::packing(&file).is_some() {
        let spool = unpack.spool.as_deref().and_then(|dir| Spool::new(dir).ok());
        if let Some(packed) = Packed::new(Arc::clone(&file), unpack.memory, spool) {
            return Arc::new(packed);
        }
    }
    Arc::new(FileSegment(file))
}

/// Finds the file of a generation: held open by who read it, at its path, or beside it under the name it was rotated to.
/// It must be the same file (device and inode) with the same head, or at least have the same head. `head` are first bytes
/// where the event that opened the generation could not have a hash of them. Of packed files only the head is unpacked.
pub fn find(opened: &LogOpened, head: &[u8], overwritten: bool, unpack: &Unpack) -> Option<(Arc<dyn Segment>, Ts)> {
    let path = PathBuf::from(opened.path.as_ref()?);
    let same_head = |file: &Arc<File>| -> Option<bool> {
        let wanted = opened.head.map_or(head.len(), |(_, len)| len as usize);
        if wanted == 0 {
            return None;
        }
        let bytes = if packed::packing(file).is_some() {
            packed::head(file, wanted).ok()?
        } else {
            FileSegment(Arc::clone(file)).read_at(0..wanted as u64).ok()?
        };
        Some(match opened.head {
            Some((hash, _)) => bytes.len() == wanted && crc32c::crc32c(&bytes) == hash,
            None => bytes == head,
        })
    };
    let fits = |file: Arc<File>, in_place: bool| -> Option<(Arc<dyn Segment>, Ts)> {
        let meta = file.metadata().ok().filter(|m| m.is_file())?;
        let id = opened.file == Some((meta.dev(), meta.ino()));
        if id && overwritten && in_place {
            return None;
        }
        let fits = match same_head(&file) {
            Some(same) => same,
            None => id && !overwritten,
        };
        fits.then(|| (open(file, unpack), rotated::modified(&meta)))
    };
    let open =
        |path: &Path| path.metadata().ok().filter(|m| m.is_file()).and_then(|_| File::open(path).ok()).map(Arc::new);
    if !overwritten && let Some(found) = opened.file.and_then(held::open).and_then(|file| fits(file, true)) {
        return Some(found);
    }
    if let Some(found) = open(&path).and_then(|file| fits(file, true)) {
        return Some(found);
    }
    let mut beside = rotated::siblings(&path);
    // A packed copy is the last resort: it costs time. Else the newest first.
    beside.reverse();
    beside.sort_by_key(|r| r.packed);
    beside.iter().find_map(|r| fits(open(&r.path)?, false))
}
