//! The rotated siblings of a log file: `app.log.1`, `app.log.2.gz`, `app.log-20261121.zst`, `app-20261121.log.xz`.
//!
//! Finds them by name alone, and says how large and how old they are. Opens none of them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::packed;
use crate::timeline::Ts;

/// Entries of a folder that are looked at, and siblings that are told, at the most.
const ENTRIES: usize = 50_000;
const MOST: usize = 1_000;

/// A file that a log was rotated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Where it lies.
    pub path: PathBuf,
    /// Device and inode.
    pub id: (u64, u64),
    /// Bytes on disk, packed where it is packed.
    pub len: u64,
    /// When it was last written; packers keep the time of what they packed.
    pub modified: Ts,
    /// Whether its name says that it is packed.
    pub packed: bool,
}

/// Time of the last write.
pub fn modified(meta: &std::fs::Metadata) -> Ts {
    Ts(meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()))
}

/// The rotated siblings of the log at `path`, oldest first.
pub fn siblings(path: &Path) -> Vec<Rotated> {
    let Some(base) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else { return Vec::new() };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<(Rotated, u64)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .take(ENTRIES)
        .filter_map(|e| {
            let number = tag(&base, &e.file_name().to_string_lossy())?;
            let meta = e.metadata().ok().filter(|m| m.is_file())?;
            let (path, id) = (e.path(), (meta.dev(), meta.ino()));
            let packed = packed::by_name(&path).is_some();
            Some((Rotated { path, id, len: meta.len(), modified: modified(&meta), packed }, number))
        })
        .collect();
    // Numbers below a million count rotations back; above they are dates.
    let age = |n: u64| if n < 1_000_000 { -(n as i64) } else { i64::try_from(n).unwrap_or(i64::MAX) };
    found.sort_by(|(a, m), (b, n)| (a.modified, age(*m), &a.path).cmp(&(b.modified, age(*n), &b.path)));
    let from = found.len().saturating_sub(MOST);
    found.drain(from..).map(|(r, _)| r).collect()
}

/// The digits that `name` has besides `base` when it is a rotated `base`.
fn tag(base: &str, name: &str) -> Option<u64> {
    let name = packed::EXTENSIONS.iter().find_map(|e| name.strip_suffix(e)?.strip_suffix('.')).unwrap_or(name);
    let mut tags = vec![name.strip_prefix(base)];
    if let Some((stem, extension)) = base.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
        tags.push(name.strip_prefix(stem).and_then(|n| n.strip_suffix(extension)?.strip_suffix('.')));
    }
    let tag = tags.into_iter().flatten().find(|t| t.starts_with(['.', '-', '_']))?;
    if matches!(&tag[1..], "old" | "prev") {
        return Some(1);
    }
    let digits =
        tag.bytes().filter(u8::is_ascii_digit).fold(0u64, |n, d| n.wrapping_mul(10).wrapping_add((d - b'0').into()));
    let only =
        tag.bytes().all(|b| b.is_ascii_digit() || b"-_.:T".contains(&b)) && tag.bytes().any(|b| b.is_ascii_digit());
    only.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_known_in_every_usual_form_and_neighbours_are_not() {
        for name in [
            "app.log.1",
            "app.log.12.gz",
            "app.log-20261121",
            "app.log-20261121.gz",
            "app.log-20261121-1795190000.zst",
            "app.log.2026-11-21_14.xz",
            "app.log.3.bz2",
            "app.log.old",
            "app-20261121.log.gz",
            "app.1.log",
        ] {
            assert!(tag("app.log", name).is_some(), "{name}");
        }
        for name in
            ["app.log", "app-error.log", "app.log.swp", "application.log.1", "app.log.gz.tmp", "app.logs.1", "1"]
        {
            assert!(tag("app.log", name).is_none(), "{name}");
        }
    }

    #[test]
    fn the_oldest_comes_first_by_time_and_by_number_where_times_are_equal() {
        let dir = tempfile::tempdir().unwrap();
        let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        for (name, later) in [("a.log.1", 0), ("a.log.2.gz", 0), ("a.log.10", 0), ("a.log.3", 5), ("a.log", 9)] {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(at + std::time::Duration::from_secs(later)).unwrap();
        }
        let found = siblings(&dir.path().join("a.log"));
        let names: Vec<_> = found.iter().map(|r| r.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.log.10", "a.log.2.gz", "a.log.1", "a.log.3"]);
        assert_eq!(found.iter().map(|r| r.packed).collect::<Vec<_>>(), [false, true, false, false]);
    }
}
