//! Packed log files, read as if they were not: gzip, zstd, xz and bzip2.
//!
//! What is unpacked is packed again in blocks of its own, which can be read in any order, and kept within a share of
//! [`MEMORY`]: the newest bytes always, and those round the place that was asked for last. What does not fit is unpacked
//! anew when somebody asks for it, or lies in a spool when the user gave a folder for it. The file keeps its descriptor.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::segment::Segment;
use super::spool::Spool;

/// Extensions of packed files.
pub const EXTENSIONS: [&str; 4] = ["gz", "zst", "xz", "bz2"];
/// Bytes that blocks of all packed files may take in memory together.
pub const MEMORY: u64 = 64 << 20;
/// Unpacked bytes in a block.
const BLOCK: usize = 256 << 10;
/// Unpacked blocks that are kept as they are, because the next question is for them, too.
const HOT: usize = 8;
/// Memory that an xz file may ask for, in KiB.
const XZ_MEMORY: u32 = 128 << 10;

/// How a file is packed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip, also several members one behind the other.
    Gzip,
    /// Zstandard, also several frames.
    Zstd,
    /// xz, also several streams.
    Xz,
    /// bzip2, also several streams.
    Bzip2,
}

/// What a name says.
pub fn by_name(path: &Path) -> Option<Packing> {
    match path.extension()?.to_str()? {
        "gz" => Some(Packing::Gzip),
        "zst" => Some(Packing::Zstd),
        "xz" => Some(Packing::Xz),
        "bz2" => Some(Packing::Bzip2),
        _ => None,
    }
}

/// What the first bytes say, which no log begins with.
pub fn by_magic(head: &[u8]) -> Option<Packing> {
    match head {
        [0x1F, 0x8B, 8, ..] => Some(Packing::Gzip),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Packing::Zstd),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some(Packing::Bzip2),
        _ => None,
    }
}

/// How the file is packed, by its first bytes. A file that is only named like a packed one is read as it stands.
pub fn packing(file: &File) -> Option<Packing> {
    let mut head = [0; 8];
    let n = file.read_at(&mut head, 0).unwrap_or(0);
    by_magic(&head[..n])
}

/// Reads a file from its beginning without moving the offset that its descriptor shares; counts what it read.
struct From0 {
    file: Arc<File>,
    at: u64,
    read: Arc<AtomicU64>,
}

impl Read for From0 {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        self.read.store(self.at, Ordering::Relaxed);
        Ok(n)
    }
}

fn decoder(packing: Packing, file: &Arc<File>, read: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let from = BufReader::with_capacity(128 << 10, From0 { file: Arc::clone(file), at: 0, read: Arc::clone(read) });
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(from)?),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(from, true, XZ_MEMORY)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(from)),
    })
}

/// The unpacked bytes of a file from its beginning on.
pub fn reader(file: &Arc<File>) -> io::Result<Box<dyn Read + Send>> {
    let packing = packing(file).ok_or(io::ErrorKind::InvalidData)?;
    decoder(packing, file, &Arc::default())
}

/// The first `most` unpacked bytes of a file, fewer where it has no more or is damaged.
pub fn head(file: &Arc<File>, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match reader(file)?.take(most as u64).read_to_end(&mut bytes) {
        Err(e) if bytes.is_empty() => Err(e),
        _ => Ok(bytes),
    }
}

/// Bytes that the blocks of all packed files take in memory, and how many such files there are.
static TAKEN: AtomicU64 = AtomicU64::new(0);
static FILES: AtomicU64 = AtomicU64::new(0);

/// A way through the file that stands before block `next`.
struct Way {
    from: Box<dyn Read + Send>,
    next: u64,
}

#[derive(Default)]
struct Kept {
    /// Packed anew, by number.
    blocks: BTreeMap<u64, Box<[u8]>>,
    bytes: u64,
    /// Blocks from this one on are the newest, and stay.
    newest: u64,
    /// Unpacked, the one used last at the end.
    hot: Vec<(u64, Arc<[u8]>)>,
    spool: Option<Spool>,
}

/// A packed file.
pub struct Packed {
    file: Arc<File>,
    packing: Packing,
    size: u64,
    /// Packed bytes gone through the first time.
    read: Arc<AtomicU64>,
    /// And on the way that readers take again; the block they want at its end.
    reread: Arc<AtomicU64>,
    len: AtomicU64,
    done: AtomicBool,
    claimed: AtomicBool,
    /// Blocks that were unpacked again because they had been given up.
    again: AtomicU64,
    /// Whether somebody waits for that.
    waited_for: AtomicU64,
    kept: Mutex<Kept>,
    /// Whoever goes through the file for the first time holds this.
    first: Mutex<Option<Way>>,
    /// And who does again.
    way: Mutex<Option<Way>>,
    trouble: Mutex<Option<String>>,
    memory: u64,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("packing", &self.packing).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.kept().bytes, Ordering::Relaxed);
        FILES.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Packed {
    /// A packed file of which nothing has been unpacked yet; `None` when it is not packed. `memory` is what all packed
    /// files may take together; with `spool` what does not fit is kept there.
    pub fn new(file: Arc<File>, memory: u64, spool: Option<Spool>) -> Option<Packed> {
        let packing = packing(&file)?;
        let size = file.metadata().map_or(0, |m| m.len());
        FILES.fetch_add(1, Ordering::Relaxed);
        Some(Packed {
            file,
            packing,
            size,
            read: Arc::default(),
            reread: Arc::default(),
            len: AtomicU64::new(0),
            done: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
            again: AtomicU64::new(0),
            waited_for: AtomicU64::new(0),
            kept: Mutex::new(Kept { newest: u64::MAX, spool, ..Kept::default() }),
            first: Mutex::new(None),
            way: Mutex::new(None),
            trouble: Mutex::new(None),
            memory,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    /// Whether all of it was gone through once.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// For who unpacks it: true for the first one who asks.
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::Relaxed)
    }

    /// Whether somebody unpacks it, or did.
    pub fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Relaxed)
    }

    /// The share of the packed bytes that was gone through, while that goes on: the first time, or again because
    /// somebody waits for what had been given up.
    pub fn share(&self) -> Option<f64> {
        let of = |n: &AtomicU64| (n.load(Ordering::Relaxed) as f64 / self.size.max(1) as f64).min(1.0);
        if !self.is_done() {
            return Some(of(&self.read));
        }
        (self.waited_for.load(Ordering::Relaxed) > 0).then(|| of(&self.reread))
    }

    /// Blocks that had to be unpacked again.
    pub fn again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// Why not all of it could be read: a damaged or cut file.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Bytes that its blocks take in memory.
    pub fn taken(&self) -> u64 {
        self.kept().bytes
    }

    /// Unpacks the next blocks, as far as `more` wants; whether there are any left.
    pub fn unpack(&self, mut more: impl FnMut() -> bool) -> bool {
        let mut way = lock(&self.first);
        while !self.is_done() {
            if !more() {
                return true;
            }
            let next = self.len.load(Ordering::Relaxed) / BLOCK as u64;
            match self.go_to(&mut way, next, &self.read) {
                Ok(bytes) => {
                    let end = bytes.len() < BLOCK;
                    let len = next * BLOCK as u64 + bytes.len() as u64;
                    if !bytes.is_empty() {
                        self.keep(next, &bytes);
                    }
                    self.len.store(len, Ordering::Release);
                    if end {
                        self.finish(&mut way, None);
                    }
                }
                Err(e) => self.finish(&mut way, Some(e)),
            }
        }
        false
    }

    fn finish(&self, way: &mut Option<Way>, error: Option<io::Error>) {
        *way = None;
        if let Some(e) = error {
            *lock(&self.trouble) = Some(format!("damaged or cut off: {e}"));
        }
        // A quarter of the room is the newest blocks' for ever.
        let mut kept = self.kept();
        let (mut sum, mut newest) = (0, u64::MAX);
        for (n, block) in kept.blocks.iter().rev() {
            sum += block.len() as u64;
            if sum > self.room() / 4 {
                break;
            }
            newest = *n;
        }
        kept.newest = newest;
        drop(kept);
        self.done.store(true, Ordering::Release);
    }

    /// Goes through the file up to block `n`, from the beginning when it stands behind it, and keeps what lies on the
    /// way. What could be read before an error is given back; the error comes with the next call.
    fn go_to(&self, way: &mut Option<Way>, n: u64, read: &Arc<AtomicU64>) -> io::Result<Vec<u8>> {
        if way.as_ref().is_none_or(|w| w.next > n) {
            *way = Some(Way { from: decoder(self.packing, &self.file, read)?, next: 0 });
        }
        let Some(w) = way.as_mut() else { return Ok(Vec::new()) };
        loop {
            let mut bytes = Vec::with_capacity(BLOCK);
            let got = (&mut w.from).take(BLOCK as u64).read_to_end(&mut bytes);
            match got {
                Err(e) if bytes.is_empty() => return Err(e),
                // What could be read of a damaged file is worth more than nothing.
                Err(e) => *lock(&self.trouble) = Some(format!("damaged or cut off: {e}")),
                Ok(_) => {}
            }
            w.next += 1;
            if w.next > n {
                return Ok(bytes);
            }
            self.again.fetch_add(1, Ordering::Relaxed);
            self.keep_near(w.next - 1, &bytes, n);
            if bytes.len() < BLOCK {
                return Ok(Vec::new());
            }
        }
    }

    /// Bytes that this file's blocks may take.
    fn room(&self) -> u64 {
        self.memory / FILES.load(Ordering::Relaxed).max(1)
    }

    fn keep(&self, n: u64, bytes: &[u8]) {
        self.keep_near(n, bytes, n);
    }

    /// Packs a block and keeps it; of what is kept that goes which lies farthest from block `focus`.
    fn keep_near(&self, n: u64, bytes: &[u8], focus: u64) {
        let Ok(packed) = zstd::bulk::compress(bytes, 1) else { return };
        let mut kept = self.kept();
        if let Some(spool) = &mut kept.spool
            && !spool.put(n, &packed)
        {
            // No room there, or an error: from now on without it.
            kept.spool = None;
        }
        let size = packed.len() as u64;
        if let Some(old) = kept.blocks.insert(n, packed.into_boxed_slice()) {
            kept.bytes -= old.len() as u64;
            TAKEN.fetch_sub(old.len() as u64, Ordering::Relaxed);
        }
        kept.bytes += size;
        TAKEN.fetch_add(size, Ordering::Relaxed);
        let room = self.room();
        while kept.bytes > room {
            let first = kept.blocks.first_key_value().map(|(n, _)| *n);
            let last = kept.blocks.range(..kept.newest).next_back().map(|(n, _)| *n);
            let goes = match (first, last) {
                (Some(a), Some(b)) if a.abs_diff(focus) < b.abs_diff(focus) => b,
                (Some(a), Some(_)) => a,
                // Only the newest are left.
                (Some(a), None) => a,
                _ => break,
            };
            if let Some(old) = kept.blocks.remove(&goes) {
                kept.bytes -= old.len() as u64;
                TAKEN.fetch_sub(old.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// The unpacked bytes of block `n`.
    fn block(&self, n: u64) -> io::Result<Arc<[u8]>> {
        {
            let mut kept = self.kept();
            if let Some(i) = kept.hot.iter().position(|(hot, _)| *hot == n) {
                let found = kept.hot.remove(i);
                kept.hot.push(found);
                return Ok(Arc::clone(&kept.hot[kept.hot.len() - 1].1));
            }
            let at_hand = match kept.blocks.get(&n) {
                Some(packed) => Some(zstd::bulk::decompress(packed, BLOCK)?),
                None => kept.spool.as_ref().and_then(|s| s.get(n)).and_then(|p| zstd::bulk::decompress(&p, BLOCK).ok()),
            };
            if let Some(bytes) = at_hand {
                return Ok(kept.warm(n, bytes.into()));
            }
        }
        self.waited_for.fetch_add(1, Ordering::Relaxed);
        let found = self.again_to(n);
        self.waited_for.fetch_sub(1, Ordering::Relaxed);
        found
    }

    fn again_to(&self, n: u64) -> io::Result<Arc<[u8]>> {
        let mut way = lock(&self.way);
        // Somebody else may have come by while this one waited.
        if let Some(packed) = self.kept().blocks.get(&n) {
            return Ok(zstd::bulk::decompress(packed, BLOCK)?.into());
        }
        let bytes = self.go_to(&mut way, n, &self.reread)?;
        self.again.fetch_add(1, Ordering::Relaxed);
        self.keep_near(n, &bytes, n);
        Ok(self.kept().warm(n, bytes.into()))
    }
}

impl Kept {
    fn warm(&mut self, n: u64, bytes: Arc<[u8]>) -> Arc<[u8]> {
        self.hot.retain(|(hot, _)| *hot != n);
        if self.hot.len() >= HOT {
            self.hot.remove(0);
        }
        self.hot.push((n, Arc::clone(&bytes)));
        bytes
    }
}

impl Segment for Packed {
    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    fn read_into(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let wanted: Range<u64> = at..(at + buf.len() as u64).min(self.len());
        let mut done = 0;
        while at + (done as u64) < wanted.end {
            let here = at + done as u64;
            let bytes = self.block(here / BLOCK as u64)?;
            let from = (here % BLOCK as u64) as usize;
            let n = (bytes.len().saturating_sub(from)).min(buf.len() - done).min((wanted.end - here) as usize);
            if n == 0 {
                break;
            }
            buf[done..done + n].copy_from_slice(&bytes[from..from + n]);
            done += n;
        }
        Ok(done)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }

    fn packed(&self) -> Option<&Packed> {
        Some(self)
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
