//! Follows one small text file by polling: appends, rename-and-create rotation, truncation, a file that appears later.
//!
//! Not for application logs: no batches, no watches; a `stat` a poll is all it costs.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::timeline::Ts;

/// How much of the end of a file is read at the start, in bytes.
pub const BACK: u64 = 1 << 20;
/// How much is read in one poll, in bytes; the rest waits for the next.
const STEP: usize = 2 << 20;
/// Longest line; more is cut off.
const LINE: usize = 64 << 10;

/// A followed file.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    open: Option<Open>,
    /// Whether a file was ever opened: a later one is new as a whole.
    began: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    id: (u64, u64),
    offset: u64,
    partial: Vec<u8>,
    /// The line that the reading began within is not whole.
    skip: bool,
}

/// What one poll found.
#[derive(Debug, Default, PartialEq)]
pub struct Polled {
    /// Whole lines, oldest first, without their ends; bytes that are no UTF-8 replaced.
    pub lines: Vec<String>,
    /// Whether there is a file at the path.
    pub present: bool,
    /// Whether these lines were there before the following began.
    pub old: bool,
    /// When the file was last written to.
    pub modified: Option<Ts>,
}

impl Tail {
    /// Will follow `path`.
    pub fn new(path: impl Into<PathBuf>) -> Tail {
        Tail { path: path.into(), open: None, began: false }
    }

    /// The followed path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what came since. The first poll of a file that was there at the start reads its last [`BACK`] bytes.
    pub fn poll(&mut self) -> io::Result<Polled> {
        let mut out = Polled { old: !self.began, ..Polled::default() };
        let there = match std::fs::metadata(&self.path) {
            Ok(meta) => Some(meta),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        out.present = there.is_some();
        out.modified = there.as_ref().and_then(|m| m.modified().ok()).map(ts);
        if let Some(open) = &mut self.open {
            // The rest of a file that was renamed away is read before its successor.
            open.read(&mut out.lines)?;
            let moved = there.as_ref().is_none_or(|m| (m.dev(), m.ino()) != open.id);
            if moved && open.at_end()? {
                open.flush(&mut out.lines);
                self.open = None;
            }
        }
        if self.open.is_none() && there.is_some() {
            let file = File::open(&self.path)?;
            let meta = file.metadata()?;
            let offset = if self.began { 0 } else { meta.len().saturating_sub(BACK) };
            // One byte earlier tells whether the first line is whole.
            let offset = offset.saturating_sub(1);
            let id = (meta.dev(), meta.ino());
            let mut open = Open { file, id, offset, partial: Vec::new(), skip: offset > 0 };
            open.read(&mut out.lines)?;
            self.open = Some(open);
        }
        self.began = true;
        Ok(out)
    }
}

impl Open {
    fn at_end(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() <= self.offset)
    }

    fn read(&mut self, lines: &mut Vec<String>) -> io::Result<()> {
        if self.file.metadata()?.len() < self.offset {
            // Truncated in place: it begins again.
            self.offset = 0;
            self.partial.clear();
            self.skip = false;
        }
        let mut buf = vec![0; 64 << 10];
        let mut left = STEP;
        while left > 0 {
            let n = self.file.read_at(&mut buf, self.offset)?;
            if n == 0 {
                break;
            }
            self.offset += n as u64;
            left = left.saturating_sub(n);
            self.split(&buf[..n], lines);
        }
        Ok(())
    }

    fn split(&mut self, mut bytes: &[u8], lines: &mut Vec<String>) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.keep(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.flush(lines);
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn flush(&mut self, lines: &mut Vec<String>) {
        let line = std::mem::take(&mut self.partial);
        if !std::mem::take(&mut self.skip) {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if !line.trim().is_empty() {
                lines.push(line.to_owned());
            }
        }
    }
}

/// A tail that outlives a run of its source, polled off the runtime's threads: a dead network file system hangs.
#[derive(Clone, Debug)]
pub struct SharedTail(Arc<Mutex<Tail>>);

impl SharedTail {
    /// Will follow `path`.
    pub fn new(path: impl Into<PathBuf>) -> SharedTail {
        SharedTail(Arc::new(Mutex::new(Tail::new(path))))
    }

    /// As [`Tail::poll`].
    pub async fn poll(&self) -> io::Result<Polled> {
        let tail = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || tail.lock().unwrap_or_else(PoisonError::into_inner).poll())
            .await
            .map_err(io::Error::other)?
    }
}

/// A file's time as an event time.
pub fn ts(t: SystemTime) -> Ts {
    match t.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(d) => Ts(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)),
        Err(e) => Ts(-i64::try_from(e.duration().as_nanos()).unwrap_or(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &str) {
        File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn nothing_is_lost_or_doubled_across_rename_truncation_and_a_late_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deploys.jsonl");
        let mut tail = Tail::new(&path);
        assert!(!tail.poll().unwrap().present);
        append(&path, "one\ntw");
        assert_eq!(tail.poll().unwrap().lines, ["one"]);
        append(&path, "o\n");
        assert_eq!(tail.poll().unwrap().lines, ["two"]);
        append(&path, "three\n");
        fs::rename(&path, dir.path().join("deploys.jsonl.1")).unwrap();
        append(&path, "four\n");
        let mut lines = tail.poll().unwrap().lines;
        lines.extend(tail.poll().unwrap().lines);
        assert_eq!(lines, ["three", "four"]);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert!(tail.poll().unwrap().lines.is_empty());
        append(&path, "five\n");
        assert_eq!(tail.poll().unwrap().lines, ["five"]);
    }

    #[test]
    fn of_a_long_file_only_whole_lines_of_its_end_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let line = "x".repeat(99);
        append(&path, &format!("{line}\n").repeat(30_000));
        let polled = Tail::new(&path).poll().unwrap();
        assert!(polled.old);
        assert_eq!(polled.lines.len() as u64, BACK / 100);
        assert!(polled.lines.iter().all(|l| l.len() == 99));
    }
}
