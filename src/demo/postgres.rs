//! The throwaway PostgreSQL of `--postgres`: made by `initdb` in the demo's folder, reached by a socket there, ended with
//! the demo.
//!
//! PostgreSQL refuses to run as root; then it runs as the user `postgres` through `setpriv`. It is started from the
//! demo's thread, so it shares the demo's one core, and it is told to end when that thread dies (`setpriv --pdeathsig`),
//! also after `kill -9`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::DemoError;

const USER: &str = "shop";
const DATABASE: &str = "postgres";
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest path of a Unix socket, less the name in the folder.
const SOCKET_FOLDER_LIMIT: usize = 107 - "/.s.PGSQL.5432".len();

/// For a database that may be lost, watched by somebody who wants to see everything.
const SETTINGS: [&str; 16] = [
    "listen_addresses=",
    // Only its own user and root may connect: there is no password.
    "unix_socket_permissions=0700",
    "port=5432",
    "max_connections=40",
    "shared_buffers=64MB",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "jit=off",
    // A scan takes one connection's share of the one core, no more.
    "max_parallel_workers_per_gather=0",
    "max_parallel_maintenance_workers=0",
    "track_io_timing=on",
    "log_min_duration_statement=200",
    "log_line_prefix=%m [%p] %a ",
    "log_timezone=UTC",
];

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(super) struct Postgres {
    server: Child,
    socket: PathBuf,
}

impl Postgres {
    /// Makes and starts a server below `folder`; returns once it takes connections.
    pub(super) async fn start(folder: &Path) -> Result<Postgres, DemoError> {
        let bin = find_binaries().ok_or_else(|| failed("initdb and postgres are neither on PATH nor in /usr/lib"))?;
        let home = folder.join("pg");
        if home.as_os_str().len() > SOCKET_FOLDER_LIMIT {
            return Err(failed(format!("{} is too long for a socket's path; set TMPDIR", home.display())));
        }
        let shell = Runner::new(folder, &home)?;
        let data = home.join("data");
        let mut initdb = shell.command(&bin.join("initdb"));
        initdb.args(["-A", "trust", "-N", "--no-locale", "-E", "UTF8", "-U", USER, "-D"]).arg(&data);
        let output = initdb.output().map_err(|e| failed(format!("initdb: {e}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("initdb said: {}", said.lines().next_back().unwrap_or("nothing"))));
        }
        // The extension is a package of its own on some systems; without it the server still serves.
        for preload in ["shared_preload_libraries=pg_stat_statements", "shared_preload_libraries="] {
            let mut postgres = shell.command(&bin.join("postgres"));
            postgres.arg("-D").arg(&data).arg("-k").arg(&home);
            for setting in SETTINGS.iter().chain([&preload]) {
                postgres.args(["-c", setting]);
            }
            let log = File::create(folder.join("postgres.log")).map_err(|e| failed(e.to_string()))?;
            postgres.stdout(Stdio::null()).stderr(log);
            let server = postgres.spawn().map_err(|e| failed(format!("postgres: {e}")))?;
            let mut running = Postgres { server, socket: home.clone() };
            if running.answers().await? {
                return Ok(running);
            }
        }
        let log = fs::read_to_string(folder.join("postgres.log")).unwrap_or_default();
        Err(failed(format!("it ended at once: {}", log.lines().next_back().unwrap_or("without a word"))))
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(5432)
            .username(USER)
            .database(DATABASE)
            .ssl_mode(PgSslMode::Disable)
            .disable_statement_logging()
    }

    /// For the source that watches it: `postgres://shop@localhost/postgres?host=FOLDER`.
    pub(super) fn url(&self) -> String {
        let mut host = String::new();
        for byte in self.socket.to_string_lossy().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => host.push(char::from(byte)),
                other => host.push_str(&format!("%{other:02X}")),
            }
        }
        format!("postgres://{USER}@localhost:5432/{DATABASE}?host={host}")
    }

    /// Waits for the first connection; false when the server ended instead.
    async fn answers(&mut self) -> Result<bool, DemoError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Ok(mut link) = self.options().connect().await {
                // Refused where the extension is not installed.
                let _ = sqlx::raw_sql("CREATE EXTENSION pg_stat_statements").execute(&mut link).await;
                let _ = link.close().await;
                return Ok(true);
            }
            if self.server.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Ok(false);
            }
            if Instant::now() > deadline {
                return Err(failed(format!("no connection within {} s", START_TIMEOUT.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Immediate shutdown: nothing in it is worth a checkpoint.
        if let Some(pid) = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::QUIT);
        }
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if self.server.try_wait().map_or(true, |ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Ends the server that a killed demo left running in `folder`.
pub(super) fn end_stale(folder: &Path) {
    let Ok(text) = fs::read_to_string(folder.join("pg/data/postmaster.pid")) else { return };
    let Some(pid) = text.lines().next().and_then(|l| l.trim().parse().ok()) else { return };
    let ours = || {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let (command, folder) = (String::from_utf8_lossy(&command).into_owned(), folder.to_string_lossy());
        command.contains(folder.as_ref()) && command.contains("postgres")
    };
    let deadline = Instant::now() + Duration::from_secs(3);
    // The number may belong to another process by now.
    while ours() && Instant::now() < deadline {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, Signal::QUIT);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How the server's programs are run: through `setpriv` where it is there, as another user when we are root.
struct Runner {
    setpriv: Option<PathBuf>,
    root: bool,
    home: PathBuf,
}

impl Runner {
    /// Makes the server's folder, owned by the user it will run as.
    fn new(folder: &Path, home: &Path) -> Result<Runner, DemoError> {
        let root = rustix::process::geteuid().is_root();
        let runner = Runner { setpriv: on_path("setpriv"), root, home: home.to_owned() };
        let io = |e: std::io::Error| failed(format!("{}: {e}", home.display()));
        fs::DirBuilder::new().mode(0o700).create(home).map_err(io)?;
        if root {
            if runner.setpriv.is_none() {
                return Err(failed("it refuses to run as root, and setpriv (util-linux) is missing"));
            }
            let Some((uid, gid)) = postgres_user() else {
                return Err(failed("it refuses to run as root, and there is no user postgres"));
            };
            // Its user must get through the demo's folder, and see nothing in it by name.
            fs::set_permissions(folder, Permissions::from_mode(0o711)).map_err(io)?;
            std::os::unix::fs::chown(home, Some(uid), Some(gid)).map_err(io)?;
        }
        Ok(runner)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                if self.root {
                    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                }
                command.args(["--pdeathsig", "QUIT"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        // Not our terminal and not our folder: a stray signal or message must not reach the screen.
        command.stdin(Stdio::null()).current_dir(&self.home).env_remove("PGDATA");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// The folder with both programs: from PATH, else the highest version where distributions put them.
fn find_binaries() -> Option<PathBuf> {
    let complete = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let from_path = std::env::var_os("PATH").and_then(|path| std::env::split_paths(&path).find(|f| complete(f)));
    from_path.or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|e| e.path().join("bin"));
        let number = |bin: &Path| -> u32 {
            let version = bin.parent().and_then(Path::file_name).and_then(|n| n.to_str());
            version.and_then(|v| v.parse().ok()).unwrap_or(0)
        };
        versions.filter(|bin| complete(bin)).max_by_key(|bin| number(bin))
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Number of the user `postgres` and of its group.
fn postgres_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = users.lines().find(|l| l.starts_with("postgres:"))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn failed(why: impl Into<String>) -> DemoError {
    DemoError::Postgres(why.into())
}
