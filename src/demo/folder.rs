//! The demo's folder: made for one run, gone after it, and found again when a run was killed.
//!
//! Its name holds the process and that process's start time; a lock file in it is held (flock) while the run lives. A
//! folder is stale when its process is gone (or is another one by now) *and* its lock is free: the first covers the
//! moment between making the folder and locking it, the second covers a temporary folder shared between
//! containers, where process numbers mean nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::DemoError;

const PREFIX: &str = "warroom-demo-";
const LOCK: &str = "lock";
/// The database at its largest, its index and its log, and the log files with one rotation.
const NEEDED_MB: u64 = 300;

/// Holds the folder; dropping it removes the folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes a new folder of this process in `parent`.
    pub(super) fn create(parent: &Path) -> Result<Folder, DemoError> {
        let failed = |error: io::Error| DemoError::Folder { folder: parent.to_owned(), error };
        let space = rustix::fs::statvfs(parent).map_err(|e| failed(e.into()))?;
        let free_mb = space.f_bavail.saturating_mul(space.f_frsize) / 1_000_000;
        if free_mb < NEEDED_MB {
            return Err(DemoError::NoSpace { folder: parent.to_owned(), needed_mb: NEEDED_MB, free_mb });
        }
        let pid = std::process::id();
        let started = process_start(pid).unwrap_or(0);
        // Several demos of one process are told apart by a count.
        for count in 0..1000 {
            let path = parent.join(format!("{PREFIX}{pid}-{started}-{count}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(failed(e)),
                Ok(()) => {}
            }
            let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.join(LOCK));
            let locked = lock.and_then(|lock| {
                flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
                Ok(lock)
            });
            return match locked {
                Ok(lock) => Ok(Folder { path, _lock: lock }),
                Err(e) => {
                    let _ = fs::remove_dir_all(&path);
                    Err(failed(e))
                }
            };
        }
        Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A file may still be made while the first try runs (a database thread in its last statement).
        for _ in 0..10 {
            match fs::remove_dir_all(&self.path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                _ => return,
            }
        }
    }
}

/// Removes what demos of this user left in `parent` (`None`: the system's temporary folder) when they were killed.
/// Returns how many folders went. [`super::start`] calls this by itself.
pub fn clean_stale(parent: Option<&Path>) -> usize {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    let Ok(entries) = fs::read_dir(&parent) else { return 0 };
    let mine = rustix::process::getuid().as_raw();
    let mut removed = 0;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(owner) else { continue };
        let path = entry.path();
        // Never through a symlink that somebody else put into a shared folder.
        let ours = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir() && m.uid() == mine);
        if ours && !alive(owner) && lock_is_free(&path) {
            super::postgres::end_stale(&path);
            removed += usize::from(fs::remove_dir_all(&path).is_ok());
        }
    }
    removed
}

/// Process and its start time, from a folder's name.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    let (pid, started) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next()?.parse::<u32>().ok()?;
    parts.next().is_none().then_some((pid, started))
}

fn alive((pid, started): (u32, u64)) -> bool {
    if cfg!(target_os = "linux") {
        return process_start(pid) == Some(started);
    }
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn lock_is_free(folder: &Path) -> bool {
    let lock = OpenOptions::new()
        .write(true)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0))
        .open(folder.join(LOCK));
    match lock {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

/// When a process started, in ticks since boot (field 22 of `/proc/PID/stat`); none when it is gone, or dead and only
/// not collected by its parent yet, as happens in containers whose first process collects nobody.
fn process_start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses itself.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_a_living_one_is_never_cleaned() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::create(temp.path()).unwrap();
        let second = Folder::create(temp.path()).unwrap();
        assert_ne!(folder.path(), second.path());
        assert_eq!(clean_stale(Some(temp.path())), 0);
        assert!(folder.path().join(LOCK).exists());
        drop((folder, second));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn folders_of_dead_demos_are_removed_and_all_else_is_left() {
        let temp = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            fs::create_dir(temp.path().join(name)).unwrap();
            fs::write(temp.path().join(name).join(LOCK), "").unwrap();
        };
        // This process lives, but did not start at tick 1: the number was given out again.
        make(&format!("{PREFIX}{}-1-0", std::process::id()));
        make("warroom-demo-notes");
        make("other");
        let held = format!("{PREFIX}999999999-1-0");
        make(&held);
        let lock = OpenOptions::new().write(true).open(temp.path().join(&held).join(LOCK)).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(clean_stale(Some(temp.path())), 1);
        let mut left: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        let mut expected = ["other", "warroom-demo-notes", held.as_str()];
        expected.sort();
        assert_eq!(left, expected);
        drop(lock);
        assert_eq!(clean_stale(Some(temp.path())), 1);
    }

    #[test]
    fn a_dead_process_that_nobody_collected_does_not_count_as_living() {
        let mut child = std::process::Command::new("true").stdin(std::process::Stdio::null()).spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while process_start(child.id()).is_some() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        assert!(stat.contains(") Z "), "{stat}");
        assert_eq!(process_start(child.id()), None);
        child.wait().unwrap();
    }

    #[test]
    fn a_missing_parent_is_named_in_the_error() {
        let error = Folder::create(Path::new("/nonexistent/demo")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/demo") && error.contains("TMPDIR"), "{error}");
    }
}
