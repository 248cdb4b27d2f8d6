//! Blocks of packed files on disk, for who asked for it with `--spool`: a file without a name, that only this program can
//! read and that is gone with it, however it ends.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that one spool may take.
pub const MOST: u64 = 16 << 30;
/// Of the disk so much stays free: a tenth, and at least this.
const FREE: u64 = 1 << 30;
/// Bytes written between two looks at what is free.
const LOOK: u64 = 16 << 20;

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Blocks by number, each with its checksum.
#[derive(Debug)]
pub struct Spool {
    file: File,
    end: u64,
    looked: u64,
    /// Offset, length, checksum.
    blocks: BTreeMap<u64, (u64, u32, u32)>,
}

impl Spool {
    /// A spool in `dir`; an error names the folder and says why not, and what to try.
    pub fn new(dir: &Path) -> Result<Spool, String> {
        let fail = |e: io::Error| format!("cannot spool in {}: {e}; give a folder that can be written", dir.display());
        if !dir.metadata().map_err(fail)?.is_dir() {
            return Err(format!("cannot spool in {}: it is no folder", dir.display()));
        }
        if !has_room(dir) {
            return Err(format!("cannot spool in {}: less than a tenth or 1 GB of its disk is free", dir.display()));
        }
        Spool::make(dir).map_err(fail)
    }

    /// Wherever that is, and however full.
    pub(super) fn make(dir: &Path) -> io::Result<Spool> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".warroom-{}-{number}.spool", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        // Without a name it cannot be left behind.
        std::fs::remove_file(&path)?;
        Ok(Spool { file, end: 0, looked: 0, blocks: BTreeMap::new() })
    }

    /// Keeps a block; false when there is no room for it, or the disk says no.
    pub fn put(&mut self, n: u64, bytes: &[u8]) -> bool {
        if self.blocks.contains_key(&n) {
            return true;
        }
        if self.end >= self.looked + LOOK {
            self.looked = self.end;
            if !rustix::fs::fstatvfs(&self.file).is_ok_and(|s| leaves_room(&s)) {
                return false;
            }
        }
        if self.end + bytes.len() as u64 > MOST || self.file.write_all_at(bytes, self.end).is_err() {
            return false;
        }
        self.blocks.insert(n, (self.end, bytes.len() as u32, crc32c::crc32c(bytes)));
        self.end += bytes.len() as u64;
        true
    }

    /// A block as it was kept; `None` when it was not, or is not what it was.
    pub fn get(&self, n: u64) -> Option<Vec<u8>> {
        let (at, len, sum) = *self.blocks.get(&n)?;
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        (crc32c::crc32c(&bytes) == sum).then_some(bytes)
    }
}

fn leaves_room(s: &rustix::fs::StatVfs) -> bool {
    let free = s.f_bavail.saturating_mul(s.f_frsize);
    free >= FREE && free >= s.f_blocks.saturating_mul(s.f_frsize) / 10
}

/// Whether the disk of `dir` has room for what nobody needs.
pub fn has_room(dir: &Path) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|s| leaves_room(&s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_has_no_name_and_gives_back_only_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::make(dir.path()).unwrap();
        assert!(spool.put(3, b"three") && spool.put(4, b"four"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(spool.get(3).as_deref(), Some(&b"three"[..]));
        spool.file.write_all_at(b"T", 0).unwrap();
        assert_eq!((spool.get(3), spool.get(9)), (None, None));
        assert!(Spool::new(&dir.path().join("no")).unwrap_err().contains("cannot spool"));
    }
}
