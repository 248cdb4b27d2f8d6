//! Where the bytes of a generation lie: a file, memory, or memory that a compressed file was unpacked into.
//!
//! A segment is read only. A file keeps its descriptor, so that one that was renamed or deleted stays readable.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
}

/// A file and its descriptor.
#[derive(Debug)]
pub struct FileSegment(pub File);

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

/// The contents of a `.gz` or `.zst` file, unpacked into memory up to a bound.
#[derive(Debug)]
pub struct Unpacked {
    bytes: Vec<u8>,
    /// Whether there was more than the bound.
    pub cut: bool,
}

impl Unpacked {
    /// Unpacks `file`, whose name says how it is packed; at most `most` bytes. `None` when it is not packed.
    pub fn open(path: &Path, most: u64) -> Option<io::Result<Unpacked>> {
        let packed = path.extension()?.to_str()?;
        let unpack = |reader: Box<dyn Read>| {
            let mut bytes = Vec::new();
            // What could be read of a damaged file is worth more than nothing.
            match reader.take(most + 1).read_to_end(&mut bytes) {
                Err(e) if bytes.is_empty() => return Err(e),
                _ => {}
            }
            let cut = bytes.len() as u64 > most;
            if cut {
                let end = memchr::memrchr(b'\n', &bytes[..most as usize]).map_or(most as usize, |i| i + 1);
                bytes.truncate(end);
            }
            Ok(Unpacked { bytes, cut })
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) => return Some(Err(e)),
        };
        Some(match packed {
            // logrotate and others append one gzip member to another.
            "gz" => unpack(Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(file)))),
            "zst" => zstd::Decoder::new(file).and_then(|d| unpack(Box::new(d))),
            _ => return None,
        })
    }
}

impl Segment for Unpacked {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_into(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes.get(at as usize..).unwrap_or_default();
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        Ok(n)
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

/// Finds the file of a generation: at its path, or beside it under the name it was rotated to. It must be the same
/// file (device and inode) with the same head, or at least have the same head. `head` are first bytes where the event
/// that opened the generation could not have a hash of them.
pub fn find(opened: &LogOpened, head: &[u8], overwritten: bool, most: u64) -> Option<(Arc<dyn Segment>, Ts)> {
    let path = PathBuf::from(opened.path.as_ref()?);
    let same_head = |segment: &dyn Segment| -> Option<bool> {
        if let Some((hash, len)) = opened.head {
            let bytes = segment.read_at(0..u64::from(len)).ok()?;
            return Some(bytes.len() == len as usize && crc32c::crc32c(&bytes) == hash);
        }
        if head.is_empty() {
            return None;
        }
        Some(segment.read_at(0..head.len() as u64).ok()? == head)
    };
    let fits = |path: &Path, at_path: bool| -> Option<(Arc<dyn Segment>, Ts)> {
        let meta = path.metadata().ok().filter(|m| m.is_file())?;
        let id = opened.file == Some((meta.dev(), meta.ino()));
        let modified = Ts::from_secs(meta.mtime());
        if let Some(unpacked) = Unpacked::open(path, most) {
            let unpacked = unpacked.ok()?;
            return (id || same_head(&unpacked) == Some(true)).then_some((Arc::new(unpacked) as _, modified));
        }
        if id && overwritten && at_path {
            return None;
        }
        let segment = FileSegment(File::open(path).ok()?);
        let fits = match same_head(&segment) {
            Some(same) => same,
            None => id && !overwritten,
        };
        fits.then_some((Arc::new(segment) as _, modified))
    };
    if let Some(found) = fits(&path, true) {
        return Some(found);
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let stem = name.split('.').next().filter(|s| !s.is_empty()).unwrap_or(&name).to_owned();
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .take(2_000)
        .map(|e| e.path())
        .filter(|p| *p != path && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&stem)))
        .collect();
    // A packed copy is the last resort: unpacking costs time and memory.
    beside.sort_by_key(|p| (p.extension().is_some_and(|e| e == "gz" || e == "zst"), p.clone()));
    beside.iter().find_map(|p| fits(p, false))
}
