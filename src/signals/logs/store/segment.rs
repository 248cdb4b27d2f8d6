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

use super::packed::{self, Packed};
use super::spool::Spool;
use super::{held, rotated};
use crate::signals::logs::event::LogOpened;
use crate::timeline::Ts;

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

/// A piece of a stream that is held in memory.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Offset of its first byte.
    pub start: u64,
    /// Lines in it.
    pub lines: u32,
    /// First and last event time in it, or the observed time.
    pub span: (Ts, Ts),
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Pieces in order of offset, with holes where some were not kept.
#[derive(Clone, Debug, Default)]
pub struct Pieces(VecDeque<Piece>);

impl Pieces {
    /// Adds a piece that begins at or after the end of the last one.
    pub fn push(&mut self, piece: Piece) {
        self.0.push_back(piece);
    }

    /// Where the oldest piece begins.
    pub fn first(&self) -> Option<u64> {
        self.0.front().map(|p| p.start)
    }

    /// How many pieces there are, and how many bytes in them.
    pub fn size(&self) -> (usize, u64) {
        (self.0.len(), self.0.iter().map(|p| p.bytes.len() as u64).sum())
    }

    /// Takes out the oldest piece.
    pub fn evict(&mut self) -> Option<Piece> {
        self.0.pop_front()
    }

    /// Runs without a hole, in order.
    pub fn runs(&self) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for p in &self.0 {
            let end = p.start + p.bytes.len() as u64;
            match runs.last_mut() {
                Some(run) if run.end == p.start => run.end = end,
                _ => runs.push(p.start..end),
            }
        }
        runs
    }

    /// Appends the bytes of `range` to `out` when all of them are here; else `out` is spoilt.
    pub fn read(&self, range: Range<u64>, out: &mut Vec<u8>) -> Option<()> {
        let mut i = self.0.partition_point(|p| p.start + p.bytes.len() as u64 <= range.start);
        let mut at = range.start;
        while at < range.end {
            let p = self.0.get(i)?;
            if p.start > at {
                return None;
            }
            let from = (at - p.start) as usize;
            let to = ((range.end - p.start) as usize).min(p.bytes.len());
            out.extend_from_slice(&p.bytes[from..to]);
            at = p.start + to as u64;
            i += 1;
        }
        Some(())
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
