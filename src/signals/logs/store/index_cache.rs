//! The index on disk, for who asked for it with `--index-cache`: one file for each log file in a folder of the user's.
//!
//! It is believed only of the very same file: device, inode, head, and either the same length and time of the last write,
//! or longer with the same bytes before the old end, of which the rest is then indexed. Of anything else it is deleted.
//! Only the user can read it, the folder is kept below `MOST` bytes, and nothing is written to a disk that is nearly full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::directory::written::VERSION;
use super::generation::Generation;
use super::rotated::modified;
use super::{Shared, lock, spool};
use crate::signals::logs::formats;

/// Bytes that all files of the cache may take.
const MOST: u64 = 2 << 30;
/// A log file smaller than this is indexed anew in no time.
const LEAST: u64 = 4 << 20;
/// Bytes of the head, and before the old end, that must be the same.
const GUARD: u64 = 4_096;
/// Between two savings.
const AGAIN: Duration = Duration::from_secs(60);
const MAGIC: &[u8; 8] = b"wr-index";
const EXTENSION: &str = "warroom-index";

/// What was saved of which file.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// By device and inode: bytes that were indexed.
    files: std::collections::BTreeMap<(u64, u64), u64>,
    at: Option<Instant>,
}

/// What must be the same for an index to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    id: (u64, u64),
    len: u64,
    modified: i64,
    head: u32,
    /// Of the bytes before `len`.
    guard: u32,
}

fn sum_of(file: &File, start: u64, end: u64) -> io::Result<u32> {
    let mut bytes = vec![0; (end - start) as usize];
    file.read_exact_at(&mut bytes, start)?;
    Ok(crc32c::crc32c(&bytes))
}

impl Identity {
    /// Of `file` as it was when it had `len` bytes.
    fn of(file: &File, len: u64) -> io::Result<Identity> {
        let meta = file.metadata()?;
        let head = sum_of(file, 0, GUARD.min(len))?;
        let guard = sum_of(file, len.saturating_sub(GUARD), len)?;
        Ok(Identity { id: (meta.dev(), meta.ino()), len, modified: modified(&meta).0, head, guard })
    }

    fn numbers(&self) -> [u64; 6] {
        let sums = u64::from(self.head) << 32 | u64::from(self.guard);
        [self.id.0, self.id.1, self.len, self.modified as u64, sums, u64::from(VERSION)]
    }
}

fn path_of(dir: &Path, id: (u64, u64)) -> PathBuf {
    dir.join(format!("{:x}-{:x}.{EXTENSION}", id.0, id.1))
}

/// Whether the folder can be used; it is made when it is not there. An error says why not, and what to try.
pub fn prepare(dir: &Path) -> Result<(), String> {
    let fail =
        |e: io::Error| format!("cannot keep the index in {}: {e}; give a folder that can be written", dir.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
    let probe = dir.join(format!(".warroom-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe).map_err(fail)?;
    fs::remove_file(&probe).map_err(fail)
}

/// Files of which an index is worth keeping.
fn worth(generation: &Generation) -> Option<Arc<dyn super::segment::Segment>> {
    let segment = generation.found().filter(|s| s.packed().is_none() && s.len() >= LEAST)?;
    (!generation.is_overwritten()).then_some(segment)
}

/// Reads what was kept of `generation`, before it is indexed. False when nothing was, or it was of another file.
pub fn load(dir: &Path, generation: &Generation) -> bool {
    let Some(segment) = worth(generation) else { return false };
    let Some(file) = segment.file() else { return false };
    let Ok(meta) = file.metadata() else { return false };
    let path = path_of(dir, (meta.dev(), meta.ino()));
    let Ok(mut from) = File::open(&path) else { return false };
    let mut bytes = Vec::with_capacity(from.metadata().map_or(0, |m| m.len().min(MOST)) as usize);
    let read = (&mut from).take(MOST).read_to_end(&mut bytes).is_ok();
    if read && take(&bytes, file, generation).is_some() {
        return true;
    }
    tracing::info!(path = %path.display(), "an index that does not fit its file any more is deleted");
    let _ = fs::remove_file(&path);
    false
}

/// Magic, identity, format, sum, directory.
fn take(bytes: &[u8], file: &File, generation: &Generation) -> Option<()> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (numbers, rest) = rest.split_at_checked(6 * 8)?;
    let (sum, rest) = rest.split_at_checked(4)?;
    if crc32c::crc32c_append(crc32c::crc32c(numbers), rest) != u32::from_le_bytes(sum.try_into().ok()?) {
        return None;
    }
    let was: Vec<u64> = numbers.chunks_exact(8).filter_map(|b| b.try_into().ok().map(u64::from_le_bytes)).collect();
    let len = was[2];
    let now = file.metadata().ok()?;
    if now.len() < len {
        return None;
    }
    let mut is = Identity::of(file, len).ok()?;
    if now.len() > len {
        is.modified = was[3] as i64;
    }
    if is.numbers()[..] != was[..] {
        return None;
    }
    let (n, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*n))?;
    generation.believe(formats::by_name(std::str::from_utf8(name).ok()?)?).then_some(())?;
    generation.directory.read(rest).then_some(())
}

/// Keeps what is known of `generation`, in place of what was kept. Gives back how many bytes of lines were indexed.
pub fn save(dir: &Path, generation: &Generation) -> io::Result<Option<u64>> {
    let Some(segment) = worth(generation) else { return Ok(None) };
    let Some(file) = segment.file() else { return Ok(None) };
    let identity = Identity::of(file, segment.len())?;
    let (directory, indexed) = generation.directory.write();
    let name = generation.format().name().as_bytes();
    let mut body = vec![name.len() as u8];
    body.extend_from_slice(name);
    body.extend_from_slice(&directory);
    let numbers: Vec<u8> = identity.numbers().iter().flat_map(|n| n.to_le_bytes()).collect();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&numbers), &body);
    let path = path_of(dir, identity.id);
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&new);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut to| {
        to.write_all(MAGIC)?;
        to.write_all(&numbers)?;
        to.write_all(&sum.to_le_bytes())?;
        to.write_all(&body)?;
        fs::rename(&new, &path)
    });
    if let Err(e) = written {
        let _ = fs::remove_file(&new);
        return Err(e);
    }
    bound(dir)?;
    Ok(Some(indexed))
}

/// Deletes what was not written for longest, until the rest is within its bound.
fn bound(dir: &Path) -> io::Result<()> {
    let entries = fs::read_dir(dir)?.flatten().filter(|e| e.path().extension().is_some_and(|x| x == EXTENSION));
    let mut all: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|e| e.metadata().ok().map(|m| (m.modified().unwrap_or(SystemTime::UNIX_EPOCH), m.len(), e.path())))
        .collect();
    all.sort();
    let mut sum: u64 = all.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in all {
        if sum <= MOST {
            break;
        }
        fs::remove_file(&path)?;
        sum -= len;
    }
    Ok(())
}

/// Loads what was kept of files that are new here; keeps what was learnt, now and then.
pub(super) fn look(shared: &Shared, generations: &[Arc<Generation>]) {
    let Some(dir) = &shared.options.index_cache else { return };
    let mut saved = lock(&shared.saved);
    for g in generations {
        let Some(id) = g.opened.file.filter(|id| !saved.files.contains_key(id)) else { continue };
        if g.found().is_some() {
            load(dir, g);
            saved.files.insert(id, g.directory.size().1);
        }
    }
    let due = saved.at.is_none_or(|at| at.elapsed() >= AGAIN);
    let done = !shared.indexing.load(Ordering::Relaxed);
    drop(saved);
    if due && done {
        keep(shared, generations);
    }
}

/// Keeps all that was learnt since the last time.
pub(super) fn keep(shared: &Shared, generations: &[Arc<Generation>]) {
    let Some(dir) = shared.options.index_cache.as_ref().filter(|dir| spool::has_room(dir)) else { return };
    let mut saved = lock(&shared.saved);
    for g in generations {
        let Some(id) = g.opened.file else { continue };
        if g.directory.size().1 == saved.files.get(&id).copied().unwrap_or(0) {
            continue;
        }
        match save(dir, g) {
            Ok(Some(indexed)) => {
                saved.files.insert(id, indexed);
                saved.at = Some(Instant::now());
            }
            Ok(None) => {}
            Err(e) => tracing::warn!("cannot keep the index of {:?} in {}: {e}", g.opened.path, dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::signals::logs::store::{LogStore, StoreOptions};
    use crate::timeline::{Filter, TimeRange, Ts};

    fn lines(from: u64, to: u64) -> String {
        (from..to)
            .map(|n| {
                format!(
                    "time=2026-11-21T10:{:02}:{:02}Z level=info request_id=req-{n:08} msg=served\n",
                    n / 60 % 60,
                    n % 60
                )
            })
            .collect()
    }

    fn store(log: &Path, dir: &Path) -> LogStore {
        let cache = Some(dir.to_owned());
        let store = LogStore::new(
            Box::new(|_| {}),
            StoreOptions { background: 0, index_cache: cache, ..StoreOptions::default() },
        );
        store.open_files(&[log.to_owned()]).unwrap();
        store.settle();
        store
    }

    fn generation(store: &LogStore) -> Arc<Generation> {
        store.shared.generations(None).remove(0)
    }

    fn found(store: &LogStore, id: &str) -> usize {
        let (mut n, filter) = (0, Filter::parse(&format!("request_id={id}")).unwrap());
        store.scan_all(&filter, TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |_| {
            n += 1;
            ControlFlow::Continue(())
        });
        n
    }

    #[test]
    fn an_index_is_taken_up_again_extended_and_thrown_away_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (log, cache) = (dir.path().join("app.log"), dir.path().join("cache"));
        prepare(&cache).unwrap();
        fs::write(&log, lines(0, 100_000)).unwrap();
        let first = store(&log, &cache);
        assert!(!load(&cache, &generation(&first)), "nothing was kept yet");
        let read = first.index_all();
        assert!(read > 6_000_000);
        let indexed = save(&cache, &generation(&first)).unwrap().unwrap();
        let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        drop(first);

        let again = store(&log, &cache);
        assert!(load(&cache, &generation(&again)));
        assert_eq!(generation(&again).directory.size().1, indexed);
        assert!(again.index_all() == 0, "nothing is left to be indexed but the last block");
        assert_eq!(
            (found(&again, "req-00000007"), found(&again, "req-00099999"), found(&again, "req-00100001")),
            (1, 1, 0)
        );
        drop(again);

        OpenOptions::new().append(true).open(&log).unwrap().write_all(lines(100_000, 120_000).as_bytes()).unwrap();
        let grown = store(&log, &cache);
        assert!(load(&cache, &generation(&grown)));
        let rest = grown.index_all();
        assert!(rest > 1_000_000 && rest < 3_000_000, "only what is new is read: {rest}");
        assert_eq!((found(&grown, "req-00000007"), found(&grown, "req-00100001")), (1, 1));
        save(&cache, &generation(&grown)).unwrap().unwrap();
        drop(grown);

        // The same inode, length and head, other lines.
        let other = lines(0, 1) + &lines(200_001, 320_000);
        let file = OpenOptions::new().write(true).open(&log).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        file.write_all_at(other.as_bytes(), 0).unwrap();
        let replaced = store(&log, &cache);
        assert!(!load(&cache, &generation(&replaced)));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0, "what is of no use is deleted");
        assert_eq!((found(&replaced, "req-00000007"), found(&replaced, "req-00300001")), (0, 1));
    }

    #[test]
    fn an_index_with_a_changed_byte_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.log");
        fs::write(&log, lines(0, 70_000)).unwrap();
        let first = store(&log, dir.path());
        first.index_all();
        save(dir.path(), &generation(&first)).unwrap().unwrap();
        let path = path_of(dir.path(), generation(&first).opened.file.unwrap());
        // It would keep it again.
        drop(first);
        let good = fs::read(&path).unwrap();
        for at in [0, 20, 60, 100, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&path, &bad).unwrap();
            assert!(!load(dir.path(), &generation(&store(&log, dir.path()))), "{at}");
        }
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(!load(dir.path(), &generation(&store(&log, dir.path()))));
    }
}
