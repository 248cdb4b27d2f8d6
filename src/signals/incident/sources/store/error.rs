//! What can go wrong with the log, in words: what failed, on what, what to try.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why something could not be written to or read from the incident log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room: `ENOSPC`, `EDQUOT` or `SQLITE_FULL`.
    #[error("no space left for the incident log {path}: free some, or give another place with --log or incident.path")]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// No right to write, or a read-only file system.
    #[error("cannot write the incident log {path} ({why}): give a place you may write to with --log or incident.path")]
    ReadOnly {
        /// The log.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Another writer kept it for too long.
    #[error("the incident log {path} was locked by another program for {} s: try again, or see who has it open with fuser", .waited.as_secs())]
    Locked {
        /// The log.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// Not readable as what it should be.
    #[error(
        "the incident log {path} is damaged ({why}): move it aside (with its -wal file) and go on with a new one; sqlite3 can `.recover` the old one"
    )]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A database, but not ours.
    #[error("{path} is not an incident log of warroom: give another place with --log or incident.path")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error(
        "the incident log {path} has format {found}, this warroom knows {known}: use the newer warroom, or another place with --log"
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// Format of the file.
        found: i64,
        /// Newest format known here.
        known: i64,
    },
    /// Neither a setting nor a home folder.
    #[error("no place for the incident log: set incident.path, HOME or XDG_STATE_HOME, or create /var/lib/warroom")]
    NoPlace,
    /// An incident or note that is not there.
    #[error("no {what} {id} in the incident log: `warroom incident list` and `warroom incident show` print the IDs")]
    Unknown {
        /// `incident` or `note`.
        what: &'static str,
        /// As it was asked for.
        id: String,
    },
    /// Refused because it cannot be so.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("the incident log {path} cannot be {doing}: {why}")]
    Other {
        /// The log.
        path: PathBuf,
        /// `read`, `written`, `opened`.
        doing: &'static str,
        /// What the system said.
        why: String,
    },
}

impl StoreError {
    /// Whether the same thing may work later with nobody doing anything, or with some space freed: worth keeping the
    /// note in memory and trying again.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            StoreError::Full { .. }
                | StoreError::Locked { .. }
                | StoreError::ReadOnly { .. }
                | StoreError::Other { .. }
        )
    }

    pub(super) fn from_sqlx(path: &Path, doing: &'static str, waited: Duration, e: &sqlx::Error) -> StoreError {
        let path = path.to_owned();
        let why = e.to_string();
        if let sqlx::Error::Io(e) = e {
            return StoreError::from_io(&path, doing, e);
        }
        let code = e.as_database_error().and_then(|e| e.code()?.parse::<i32>().ok());
        // Primary result codes, https://www.sqlite.org/rescode.html; the low byte of the extended one.
        match code.map(|c| c & 0xff) {
            Some(13) => StoreError::Full { path },
            Some(8) => StoreError::ReadOnly { path, why },
            Some(5 | 6) => StoreError::Locked { path, waited },
            Some(11 | 26) => StoreError::Corrupt { path, why },
            // An I/O error or a file that cannot be opened is what a full disk looks like when the -wal or -shm file
            // could not be made.
            Some(10 | 14) if no_room(&path) => StoreError::Full { path },
            Some(14) if doing == "written" => StoreError::ReadOnly { path, why },
            _ => StoreError::Other { path, doing, why },
        }
    }

    pub(crate) fn from_io(path: &Path, doing: &'static str, e: &io::Error) -> StoreError {
        let (path, why) = (path.to_owned(), e.to_string());
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, why },
            _ => StoreError::Other { path, doing, why },
        }
    }
}

/// Whether the file system has less than the 64 KiB that SQLite needs for its helper files.
fn no_room(path: &Path) -> bool {
    path.parent()
        .and_then(|dir| rustix::fs::statvfs(dir).ok())
        .is_some_and(|v| v.f_bavail * v.f_frsize < 65_536 || v.f_favail == 0 && v.f_files > 0)
}
