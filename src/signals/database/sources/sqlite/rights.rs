//! What can be read of a SQLite database by who we are, for `warroom check`: files have no roles, only permissions.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::file::{beside, look};
use crate::signals::database::event::Right;

/// What is seen of the database at `path`, and what is not, with what would change it. Nothing of a file that cannot be
/// read at all: that is its source's to say.
pub fn rights(path: &Path) -> Vec<Right> {
    let Ok(seen) = look(path) else { return Vec::new() };
    let mut all = vec![Right { shows: "its size and free pages".into(), has: true, ..Right::default() }];
    let denied = |ending| matches!(File::open(beside(path, ending)), Err(e) if e.kind() == ErrorKind::PermissionDenied);
    let there = |ending| beside(path, ending).exists();
    let wal = seen.journal == "wal";
    let closed: Vec<String> =
        ["-wal", "-shm"].into_iter().filter(|e| denied(e)).map(|e| beside(path, e).display().to_string()).collect();
    let grant = format!("setfacl -m u:$USER:r {}", closed.join(" "));
    if wal {
        let has = closed.is_empty();
        let shows = "growth of its WAL, and whether a reader holds checkpoints back".into();
        all.push(Right { shows, has, grant: grant.clone(), optional: false });
    }
    let (has, grant) = match () {
        () if !closed.is_empty() => (false, grant),
        () if wal && there("-wal") && !there("-shm") => {
            (false, "its WAL was left behind by a crash: the application has to open it first".into())
        }
        () => (true, String::new()),
    };
    all.push(Right { shows: "plans of statements that read".into(), has, grant, optional: closed.is_empty() });
    if !wal {
        all.push(Right {
            shows: "readers that go on while somebody writes".into(),
            has: false,
            grant: "PRAGMA journal_mode = WAL, for the application to decide: with a rollback journal a writer locks \
                    readers out"
                .into(),
            optional: true,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
    use sqlx::{ConnectOptions, Connection};

    use super::*;

    #[tokio::test]
    async fn what_a_file_shows_depends_on_its_journal_and_on_what_lies_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.sqlite");
        let open = |mode| SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(mode);
        let mut conn = open(SqliteJournalMode::Wal).connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (a)").execute(&mut conn).await.unwrap();
        assert!(rights(&path).iter().all(|r| r.has), "{:?}", rights(&path));
        // As a crash leaves it: a WAL and no index of it.
        let left = dir.path().join("left.sqlite");
        for ending in ["", "-wal"] {
            std::fs::copy(beside(&path, ending), beside(&left, ending)).unwrap();
        }
        let lacks: Vec<Right> = rights(&left).into_iter().filter(|r| !r.has).collect();
        assert!(matches!(lacks.as_slice(), [r] if r.shows.contains("plans") && r.grant.contains("crash")), "{lacks:?}");
        conn.close().await.unwrap();
        open(SqliteJournalMode::Delete).connect().await.unwrap().close().await.unwrap();
        let lacks: Vec<Right> = rights(&path).into_iter().filter(|r| !r.has).collect();
        assert!(matches!(lacks.as_slice(), [r] if r.optional && r.grant.contains("WAL")), "{lacks:?}");
        assert!(rights(&dir.path().join("none")).is_empty());
    }
}
