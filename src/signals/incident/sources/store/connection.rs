//! Connections to the log: creating the file with the right mode, schema and migrations, reading without writing.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::StoreError;

/// How long a writer waits for another one.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// `warr` in the header of the file, so that another program's database is not taken for a log.
const APPLICATION_ID: i64 = 0x7761_7272;

/// Each step brings the schema from its index to the next format. Steps are never changed, only added.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE record (
        id         INTEGER PRIMARY KEY AUTOINCREMENT, -- order of the log; never used twice
        uuid       TEXT NOT NULL UNIQUE,
        incident   TEXT NOT NULL,
        record     TEXT NOT NULL,                     -- opened, updated, note, milestone
        root       TEXT NOT NULL,                     -- uuid of the first version of the thing
        event_at   INTEGER NOT NULL,                  -- UTC, nanoseconds
        entered_at INTEGER NOT NULL,                  -- UTC, nanoseconds
        author     TEXT NOT NULL,
        host       TEXT NOT NULL,
        body       TEXT NOT NULL                      -- the record as JSON
    ) STRICT;
    CREATE INDEX record_of_incident ON record (incident, id);
    CREATE INDEX record_of_root ON record (root, id);
    CREATE INDEX record_facts ON record (id) WHERE record <> 'note';
    PRAGMA application_id = 2002874994;
    PRAGMA user_version = 1;
"];

/// Newest format known here.
pub(super) const FORMAT: i64 = MIGRATIONS.len() as i64;

/// An open log and the file behind it.
pub(super) struct Open {
    pub conn: SqliteConnection,
    file: (u64, u64),
}

impl Open {
    /// Whether `path` is still the file that was opened, and not gone or replaced.
    pub fn is_current(&self, path: &Path) -> bool {
        identity(path) == Some(self.file)
    }
}

/// Device and inode; `None` when there is no such file.
pub(crate) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Opens for writing, creating folder, file and schema as needed.
pub(super) async fn for_writing(path: &Path) -> Result<Open, StoreError> {
    create(path).map_err(|e| StoreError::from_io(path, "written", &e))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let began = Instant::now();
    loop {
        let tried = async {
            let file = identity(path);
            let mut conn = options.connect().await?;
            migrate(path, &mut conn).await.map(|()| file.map(|file| Open { conn, file }))
        };
        match tried.await {
            Ok(Some(open)) => return Ok(open),
            Ok(None) => {
                return Err(StoreError::Other { path: path.into(), doing: "written", why: "it is gone".into() });
            }
            // Turning on WAL takes a lock that SQLite does not wait for: two first writers at once meet here.
            Err(OpenError::Sql(e)) => match StoreError::from_sqlx(path, "written", began.elapsed(), &e) {
                StoreError::Locked { .. } if began.elapsed() < BUSY => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                e => return Err(e),
            },
            Err(OpenError::Said(e)) => return Err(e),
        }
    }
}

/// Opens for reading; `None` when there is no log yet. Creates nothing but SQLite's own helper files.
pub(super) async fn for_reading(path: &Path) -> Result<Option<Open>, StoreError> {
    let Some(file) = identity(path) else { return Ok(None) };
    let options =
        SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY).disable_statement_logging();
    let mut open = None;
    // A log on a medium that cannot be written has no -shm file and cannot get one; with no -wal beside it nothing is
    // lost by reading it as it stands.
    for immutable in [false, true] {
        let tried = async {
            let mut conn = options.clone().immutable(immutable).connect().await?;
            let format: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut conn).await?;
            Ok::<_, sqlx::Error>((conn, format))
        };
        match tried.await {
            Ok(found) => {
                open = Some(found);
                break;
            }
            Err(_) if !immutable && fs::metadata(wal(path)).map_or(0, |m| m.len()) == 0 => {}
            Err(e) => return Err(StoreError::from_sqlx(path, "read", BUSY, &e)),
        }
    }
    let Some((conn, format)) = open else { return Ok(None) };
    match format {
        // Just being created by somebody: no schema yet.
        0 => Ok(None),
        f if f > FORMAT => Err(StoreError::Newer { path: path.into(), found: f, known: FORMAT }),
        _ => Ok(Some(Open { conn, file })),
    }
}

fn wal(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Folder 0700 and file 0600, or 0660 where the folder is already shared with a group. SQLite gives its helper files
/// the mode of the file.
fn create(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let shared = fs::metadata(dir)?.mode() & 0o020 != 0;
    let mode = if shared { 0o660 } else { 0o600 };
    match fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        // Set again: the umask usually takes the group's right to write.
        Ok(file) => file.set_permissions(fs::Permissions::from_mode(mode)),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

enum OpenError {
    Sql(sqlx::Error),
    Said(StoreError),
}

impl From<sqlx::Error> for OpenError {
    fn from(e: sqlx::Error) -> OpenError {
        OpenError::Sql(e)
    }
}

/// Brings the schema up to date and turns on WAL. Another program's file is left as it is, journal mode and all.
async fn migrate(path: &Path, conn: &mut SqliteConnection) -> Result<(), OpenError> {
    // Outside a transaction each of these may see another moment, so only "all is well" is believed here.
    let found = format_of(conn).await?;
    if found.format != FORMAT || found.application != APPLICATION_ID {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        let found = format_of(&mut tx).await?;
        let new = found == Format::default();
        if !new && found.application != APPLICATION_ID {
            return Err(OpenError::Said(StoreError::Foreign { path: path.into() }));
        }
        if found.format > FORMAT {
            let (found, known) = (found.format, FORMAT);
            return Err(OpenError::Said(StoreError::Newer { path: path.into(), found, known }));
        }
        for step in MIGRATIONS.iter().skip(usize::try_from(found.format).unwrap_or(0)) {
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
    // WAL needs memory that all writers share, which a network file system does not give.
    let mode = if is_on_network(path) { "PRAGMA journal_mode = DELETE" } else { "PRAGMA journal_mode = WAL" };
    sqlx::raw_sql(mode).execute(conn).await?;
    Ok(())
}

/// Magic numbers of file systems that lie on another machine: NFS, CIFS, SMB2, 9P, AFS, Ceph, GFS2, OCFS2, Lustre, FUSE
/// (behind which sshfs stands).
const NETWORK: &[u64] = &[
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x0116_1970,
    0x7461_636f,
    0x0bd0_0bd0,
    0x6573_5546,
];

/// Whether the file, or the folder it will be in, lies on a network file system.
pub fn is_on_network(path: &Path) -> bool {
    let there = |p: &Path| rustix::fs::statfs(p).ok().map(|s| s.f_type as u64 & 0xffff_ffff);
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    there(path).or_else(|| there(dir)).is_some_and(is_network)
}

/// Whether a magic number is that of a network file system.
fn is_network(kind: u64) -> bool {
    NETWORK.contains(&kind)
}

/// What the header of a file says of it; all zero in a new one.
#[derive(Default, PartialEq, Eq)]
struct Format {
    format: i64,
    application: i64,
    tables: i64,
}

async fn format_of(conn: &mut SqliteConnection) -> Result<Format, sqlx::Error> {
    Ok(Format {
        format: sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *conn).await?,
        application: sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *conn).await?,
        tables: sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut *conn).await?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_known_by_their_magic_numbers() {
        let (nfs, cifs, ext4, tmpfs, overlay) = (0x6969, 0xff53_4d42, 0xef53, 0x0102_1994, 0x794c_7630);
        assert_eq!([nfs, cifs, ext4, tmpfs, overlay].map(is_network), [true, true, false, false, false]);
        assert!(!is_on_network(Path::new("/proc/version")));
    }
}
