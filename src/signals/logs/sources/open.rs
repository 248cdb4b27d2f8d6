//! One open log file: its descriptor, how far it was read, and whether what was read still stands there.
//!
//! Reads with `pread` and never writes. A piece that was read is believed only when the file is still the same one after
//! it: a file that is cut and filled again while it is read would else give lines of two generations in one.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use super::batch::Batcher;
use super::lines::{LineBuffer, Piece};
use super::tail::Emit;
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::store::held;
use crate::signals::logs::store::rotated::modified;
use crate::timeline::Ts;

/// Bytes read at once.
const READ: usize = 256 * 1024;
/// Bytes at the head and before the read position that are compared, to notice a file rewritten in place.
const GUARD: usize = 256;

/// How reading went.
pub enum Growth {
    /// To the end.
    Fine,
    /// The file was cut, or written anew in place; lengths.
    Rewritten { was: u64, is: u64 },
    /// It cannot be read now.
    Failed(io::Error),
    /// Nobody listens.
    Closed,
}

/// A file being read.
pub struct Open {
    pub file: Arc<File>,
    /// Device and inode.
    pub id: (u64, u64),
    pub generation: u32,
    pub lines: LineBuffer,
    pub batcher: Batcher,
    pub head: Vec<u8>,
    guard: Vec<u8>,
    /// Length and time of the last write, at the last look.
    pub seen: (u64, Ts),
    /// When something new was read.
    pub grown: Ts,
    /// Lines told so far.
    pub told: u64,
}

impl Open {
    /// From `start` on.
    pub fn new(file: Arc<File>, meta: &Metadata, generation: u32, start: u64, batcher: Batcher, now: Ts) -> Open {
        let head = read_range(&file, 0, (GUARD as u64).min(meta.len())).unwrap_or_default();
        let guard = read_range(&file, start.saturating_sub(GUARD as u64), start).unwrap_or_default();
        let id = (meta.dev(), meta.ino());
        held::announce(id, &file);
        let (lines, seen) = (LineBuffer::at(start), (meta.len(), Ts::MIN));
        Open { file, id, generation, lines, batcher, head, guard, seen, grown: now, told: 0 }
    }

    /// Emits everything up to the end of the file.
    pub fn read(&mut self, now: Ts, emit: &mut Emit) -> Growth {
        let meta = match self.file.metadata() {
            Ok(meta) => meta,
            Err(e) => return Growth::Failed(e),
        };
        let seen = (meta.len(), modified(&meta));
        let pos = self.lines.end();
        if meta.len() < pos || (seen != self.seen && !self.same()) {
            return Growth::Rewritten { was: pos, is: meta.len() };
        }
        self.seen = seen;
        let mut buf = vec![0; usize::try_from(meta.len() - pos).unwrap_or(READ).min(READ)];
        loop {
            let pos = self.lines.end();
            let n = match self.file.read_at(&mut buf, pos) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Growth::Failed(e),
            };
            let len = self.file.metadata().map_or(0, |m| m.len());
            if len < pos + n as u64 || !self.same() {
                return Growth::Rewritten { was: pos, is: len };
            }
            self.take(&buf[..n], now);
            let piece = self.lines.whole();
            if !self.tell(piece, now, emit) {
                return Growth::Closed;
            }
        }
        let stale = self.lines.stale(now);
        if self.tell(stale, now, emit) { Growth::Fine } else { Growth::Closed }
    }

    /// Takes in bytes that follow what was read.
    pub fn take(&mut self, bytes: &[u8], now: Ts) {
        self.grown = now;
        self.keep_guard(bytes);
        self.lines.push(bytes, now);
    }

    /// Passes a piece on; false when nobody listens.
    pub fn tell(&mut self, piece: Option<Piece>, now: Ts, emit: &mut Emit) -> bool {
        piece.is_none_or(|p| {
            let event = self.batcher.appended(self.generation, p, now);
            self.told += u64::from(event.lines);
            emit(None, LogEvent::Appended(event))
        })
    }

    /// Passes on what is left, a half line, too: nothing more will come.
    pub fn end(&mut self, now: Ts, emit: &mut Emit) -> bool {
        let rest = self.lines.rest();
        self.tell(rest, now, emit)
    }

    fn keep_guard(&mut self, read: &[u8]) {
        if self.head.len() < GUARD && self.lines.end() == self.head.len() as u64 {
            self.head.extend_from_slice(&read[..read.len().min(GUARD - self.head.len())]);
        }
        let keep = GUARD.saturating_sub(read.len()).min(self.guard.len());
        self.guard.drain(..self.guard.len() - keep);
        self.guard.extend_from_slice(&read[read.len().saturating_sub(GUARD)..]);
    }

    /// Whether what was read before is still what stands there. A read that fails says nothing.
    fn same(&self) -> bool {
        self.stands_in(&self.file)
    }

    /// Whether what was read stands in `other` at the same place: a copy of it, or itself.
    pub fn stands_in(&self, other: &File) -> bool {
        let pos = self.lines.end();
        let at = |start: u64, want: &[u8]| {
            want.is_empty() || read_range(other, start, start + want.len() as u64).map_or(true, |b| b == want)
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

/// Bytes that are looked at to tell whether a file holds text.
const SAMPLE: u64 = 8 << 10;

/// Whether a file holds no text: its beginning (its end, where it begins with a hole) has control bytes for more than
/// three of ten, or for one of twenty with NUL among them. A log with a stray NUL is text.
pub fn is_binary(file: &File) -> bool {
    let mut sample = read_range(file, 0, SAMPLE).unwrap_or_default();
    if sample.iter().all(|b| *b == 0) {
        let len = file.metadata().map_or(0, |m| m.len());
        sample = read_range(file, len.saturating_sub(SAMPLE), len).unwrap_or_default();
    }
    let control = |b: &&u8| b.is_ascii_control() && !matches!(**b, b'\n' | b'\r' | b'\t' | 0x1b);
    let (all, control) = (sample.len(), sample.iter().filter(control).count());
    control * 10 > all * 3 || control * 20 > all && sample.contains(&0)
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

/// Where the first byte stands that is not NUL: a writer that does not append goes on at its old place after the file was
/// cut, and leaves a hole before it.
pub fn first_data(file: &File) -> u64 {
    let Ok(first) = read_range(file, 0, 1) else { return 0 };
    if first != [0] {
        return 0;
    }
    let mut at = rustix::fs::seek(file, rustix::fs::SeekFrom::Data(0)).unwrap_or(0);
    let most = at + (16 << 20);
    while at < most {
        match read_range(file, at, at + (64 << 10)) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => match bytes.iter().position(|b| *b != 0) {
                Some(i) => return at + i as u64,
                None => at += bytes.len() as u64,
            },
            Err(_) => break,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::tail::{Polled, Tail, TailOptions};
    use super::*;

    #[test]
    fn a_binary_file_is_said_and_not_shown_and_a_log_with_a_stray_nul_or_a_hole_is_shown() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut n = 88_172_645_463_325_252_u64;
        let mut random = || {
            n ^= n << 13;
            n ^= n >> 7;
            n ^= n << 17;
            (n >> 24) as u8
        };
        let noise: Vec<u8> = (0..20_000).map(|_| random()).collect();
        let log = b"2026-03-14T14:00:00Z ERROR pool timed out\n".repeat(200);
        let stray = [&log[..], b"\0 one\n", &log[..]].concat();
        let hole = [&vec![0; 20_000][..], &log[..]].concat();
        let elf = [b"\x7fELF\x02\x01\x01".to_vec(), vec![0; 9], [3, 0, 62, 0].repeat(100)].concat();
        for (what, binary) in [(noise, true), (elf, true), (log, false), (stray, false), (hole, false), (vec![], false)]
        {
            let path = dir.path().join("core.bin");
            std::fs::write(&path, &what).expect("written");
            for (format, shown) in [(None, !binary), (Some("text".to_owned()), true)] {
                let options = TailOptions { format, ..TailOptions::default() };
                let mut events = 0;
                let mut tail = Tail::new(&path, options, Arc::default());
                let polled = tail.poll(Ts::from_secs(1), &mut |_, _| {
                    events += 1;
                    true
                });
                assert_eq!((polled == Polled::Fine, events > 0), (shown, shown), "{polled:?} {}", what.len());
                if let Polled::Trouble(why) = polled {
                    assert!(why.contains("core.bin: binary, not shown"), "{why}");
                }
            }
        }
    }
}
