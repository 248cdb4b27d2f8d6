//! What the flight recorder leaves behind: recordings in the state folder, saved when a run ends against its will, kept
//! within a budget, and offered at the next start.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::stream::recorder::Recorder;
use crate::timeline::Ts;

/// What all saved recordings together may take.
pub const BUDGET: u64 = 64 << 20;
/// Less room than this is not worth a recording.
const LEAST: u64 = 256 << 10;

/// A saved recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was saved.
    pub at: Ts,
}

/// What saving came to.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The new recording.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Older recordings that were removed to stay within the budget.
    pub removed: usize,
}

/// Where saved recordings lie.
pub fn folder() -> anyhow::Result<PathBuf> {
    Ok(crate::config::state_folder().context("no home folder: set HOME")?.join("recordings"))
}

/// What lies in `folder`, newest first. One that cannot be looked at is left out.
pub fn list(folder: &Path) -> Vec<Saved> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<Saved> = entries
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == "wr"))
        .filter_map(|e| {
            let meta = e.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let since = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            let at = Ts(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
            Some(Saved { path: e.path(), bytes: meta.len(), at })
        })
        .collect();
    all.sort_by(|a, b| (b.at, &b.path).cmp(&(a.at, &a.path)));
    all
}

/// Saves what the recorder holds in memory, the newest part of it where there is not room for all.
pub fn save(recorder: &Recorder, now: Ts) -> anyhow::Result<Kept> {
    save_to(&folder()?, recorder, now)
}

fn save_to(folder: &Path, recorder: &Recorder, now: Ts) -> anyhow::Result<Kept> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let disk =
        rustix::fs::statvfs(folder).with_context(|| format!("cannot look at the disk of {}", folder.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    let limit = room(free, disk.f_blocks * disk.f_frsize);
    anyhow::ensure!(
        limit >= LEAST,
        "the disk has only {} MB free, which is left to those who need it more",
        free >> 20
    );
    let name = format!("{}-{}.wr", now.jiff().strftime("%Y%m%dT%H%M%SZ"), std::process::id());
    let path = folder.join(name);
    let bytes = recorder.save_within(path.clone(), limit).map_err(anyhow::Error::msg)?;
    // Only now, when the new one is safe.
    let removed = retain(folder, &path);
    Ok(Kept { path, bytes, removed })
}

/// Bytes that may be written where `free` of `size` bytes are free: the budget, and never so much that less than a tenth
/// of the disk, or a gigabyte if that is less, stays free.
fn room(free: u64, size: u64) -> u64 {
    free.saturating_sub((size / 10).min(1 << 30)).min(BUDGET)
}

/// Removes the oldest recordings until the rest is within the budget; never `newest`. Returns how many.
fn retain(folder: &Path, newest: &Path) -> usize {
    let mut left = BUDGET;
    let mut removed = 0;
    let all = list(folder);
    // The one just saved counts first, whatever its time.
    let (new, old): (Vec<_>, Vec<_>) = all.into_iter().partition(|s| s.path == newest);
    for saved in new.into_iter().chain(old) {
        if saved.bytes <= left || saved.path == newest {
            left = left.saturating_sub(saved.bytes);
        } else {
            left = 0;
            removed += usize::from(std::fs::remove_file(&saved.path).is_ok());
        }
    }
    removed
}

/// One line about what was saved, for standard error.
pub fn said(result: &anyhow::Result<Kept>) -> String {
    match result {
        Ok(kept) => {
            let older = match kept.removed {
                0 => String::new(),
                n => format!("; {n} older one(s) were removed to stay within {} MB", BUDGET >> 20),
            };
            format!("the recording so far is saved: warroom replay {}{older}", kept.path.display())
        }
        Err(e) => format!("the recording so far could not be saved: {e:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_small_disk_and_a_gigabyte_of_a_large_one_stay_free() {
        assert_eq!(room(5 << 30, 100 << 30), BUDGET);
        assert_eq!(room((1 << 30) + (10 << 20), 100 << 30), 10 << 20);
        assert_eq!(room(1 << 30, 100 << 30), 0);
        assert_eq!(room(150 << 20, 1000 << 20), 50 << 20);
    }

    #[test]
    fn the_oldest_recordings_leave_when_all_together_are_over_the_budget() {
        let folder = tempfile::tempdir().expect("a folder");
        for (i, mb) in [30u64, 20, 30, 10].into_iter().enumerate() {
            let path = folder.path().join(format!("{i}.wr"));
            let file = std::fs::File::create(&path).expect("a file");
            file.set_len(mb << 20).expect("a size");
            let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000 + i as u64);
            file.set_modified(at).expect("a time");
        }
        std::fs::write(folder.path().join("notes.txt"), "not ours").expect("a file");
        let removed = retain(folder.path(), &folder.path().join("3.wr"));
        let names: Vec<_> = list(folder.path()).iter().map(|s| s.path.file_name().unwrap().to_owned()).collect();
        assert_eq!((removed, names), (1, vec!["3.wr".into(), "2.wr".into(), "1.wr".into()]));
        assert!(folder.path().join("notes.txt").exists());
    }
}
