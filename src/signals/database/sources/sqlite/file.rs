//! What the files of a SQLite database say without SQLite: sizes, the header, and the first page of the WAL's index.
//!
//! Nothing is opened through SQLite for this, so no lock is taken, no `-wal` or `-shm` comes into being, nothing is
//! recovered and nothing checkpointed. Offsets are those of the file format's description.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::signals::database::event::SqliteFile;

/// Bytes of the header.
const HEADER: usize = 100;
/// Bytes of the WAL's index that are read: two copies of its header, and what was checkpointed.
const INDEX: usize = 136;

/// The path with an ending behind it: `shop.sqlite-wal`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Looks at the files; the error says what failed, on what.
pub fn look(path: &Path) -> Result<SqliteFile, String> {
    let shown = path.display();
    let mut header = [0; HEADER];
    let mut file = File::open(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let bytes = file.metadata().map_err(|e| format!("cannot read {shown}: {e}"))?.len();
    if bytes == 0 {
        return Ok(SqliteFile { journal: "empty".into(), ..SqliteFile::default() });
    }
    file.read_exact(&mut header).map_err(|e| format!("cannot read the header of {shown}: {e}"))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(format!("{shown} is no SQLite database, or it is encrypted"));
    }
    let u16_at = |at: usize| u32::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let u32_at = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let page_size = match u16_at(16) {
        1 => 65_536,
        n => n,
    };
    let wal = header[18] == 2;
    let size = |ending| fs::metadata(beside(path, ending)).map_or(0, |m| m.len());
    let (frames, checkpointed) = index(path).unwrap_or_default();
    Ok(SqliteFile {
        bytes,
        page_size,
        pages: u32::try_from(bytes / u64::from(page_size.max(1))).unwrap_or(u32::MAX),
        free_pages: u32_at(36),
        journal: if wal { "wal".into() } else { "rollback".into() },
        wal_bytes: size("-wal"),
        journal_bytes: size("-journal"),
        frames,
        checkpointed,
    })
}

/// Frames in the WAL, and how many of them have been put into the file.
fn index(path: &Path) -> Option<(u32, u32)> {
    let mut head = [0; INDEX];
    File::open(beside(path, "-shm")).ok()?.read_exact(&mut head).ok()?;
    let at = |i: usize| u32::from_ne_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    // Both copies agree, else it is being written.
    (head[..48] == head[48..96]).then(|| (at(16), at(96).min(at(16))))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
    use sqlx::{ConnectOptions, Connection};

    use super::*;

    async fn made(path: &Path, mode: SqliteJournalMode) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(mode);
        let mut conn = options.connect().await.unwrap();
        for sql in ["CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, zeroblob(20000))"] {
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        }
        conn
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut all: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    }

    #[tokio::test]
    async fn a_file_in_use_tells_its_size_and_its_wal_and_looking_at_it_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.sqlite");
        let conn = made(&path, SqliteJournalMode::Wal).await;
        let seen = look(&path).unwrap();
        assert_eq!((seen.page_size, seen.journal.as_str()), (4_096, "wal"));
        assert!(seen.wal_bytes > 20_000 && seen.frames > 4 && seen.checkpointed == 0, "{seen:?}");
        conn.close().await.unwrap();
        // The last one to leave has put everything into the file and taken the WAL away; it stays away.
        let seen = look(&path).unwrap();
        assert!(seen.bytes >= 24_576 && seen.pages >= 6 && seen.wal_bytes == 0 && seen.frames == 0, "{seen:?}");
        assert_eq!(names(dir.path()), ["shop.sqlite"]);
    }

    #[tokio::test]
    async fn other_journals_are_told_apart_and_other_files_are_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        made(&path, SqliteJournalMode::Delete).await.close().await.unwrap();
        assert_eq!(look(&path).unwrap().journal, "rollback");
        let other = dir.path().join("notes.txt");
        fs::write(&other, "x".repeat(200)).unwrap();
        assert!(look(&other).unwrap_err().ends_with("is no SQLite database, or it is encrypted"));
        assert!(look(&dir.path().join("none")).unwrap_err().starts_with("cannot read "));
    }
}
