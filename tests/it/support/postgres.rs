//! A throwaway PostgreSQL: its own folder, socket and port; gone when dropped.
//!
//! The binaries are looked for on PATH and under `/usr/lib/postgresql/*/bin`. Where they are missing the test fails and
//! says so. The server refuses to run as root, so root becomes `postgres` for it.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
    settings: String,
}

impl Postgres {
    /// Makes a cluster and starts it with `extra` lines of configuration.
    pub fn start(extra: &str) -> Postgres {
        Postgres::start_as("test", "trust", extra)
    }

    /// One that lets in, through its socket, only the user of the operating system that a role is named after: its
    /// superuser is named after the user it runs as.
    pub fn start_peer(extra: &str) -> Postgres {
        Postgres::start_as(&owner_name(), "peer", extra)
    }

    fn start_as(superuser: &str, local: &str, extra: &str) -> Postgres {
        let bin = binaries();
        let dir = tempfile::Builder::new().prefix("warroom-pg-").tempdir().expect("a temp folder");
        if is_root() {
            let owner = Command::new("chown").arg("postgres:").arg(dir.path()).status().expect("chown runs");
            assert!(owner.success(), "the folder of the throwaway PostgreSQL can be given to the user postgres");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let data = dir.path().join("data");
        let local = format!("--auth-local={local}");
        let args = ["--auth-host=trust", &local, "-N", "--no-locale", "-E", "UTF8", "-U", superuser, "-D"];
        ran(&bin, "initdb", args.iter().map(OsStr::new).chain([data.as_os_str()]));
        let preload = if library(&bin) { "shared_preload_libraries = 'pg_stat_statements'\n" } else { "" };
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nfsync = off\n\
             shared_buffers = 16MB\n{preload}{extra}\n",
            dir.path().display()
        );
        let server = Postgres { bin, dir, port, settings };
        server.boot();
        server
    }

    fn boot(&self) {
        let data = self.data();
        // Written beside the data by us, read by the server: no need to own the folder.
        let conf = format!("{}\n", self.settings);
        let write = format!("cat > {}/postgresql.auto.conf", data.display());
        let mut shell = self.as_owner("sh");
        shell.arg("-c").arg(write).stdin(std::process::Stdio::piped());
        let mut child = shell.spawn().expect("sh runs");
        std::io::Write::write_all(child.stdin.as_mut().expect("a pipe"), conf.as_bytes()).expect("written");
        assert!(child.wait().expect("sh ends").success());
        let log = self.dir.path().join("log");
        let args = [
            OsStr::new("-D"),
            data.as_os_str(),
            OsStr::new("-w"),
            OsStr::new("-l"),
            log.as_os_str(),
            OsStr::new("start"),
        ];
        ran(&self.bin, "pg_ctl", args);
    }

    /// Stops at once, as a crash would.
    pub fn stop(&self) {
        let data = self.data();
        let args = [OsStr::new("-D"), data.as_os_str(), OsStr::new("-m"), OsStr::new("immediate"), OsStr::new("stop")];
        let _ = output(&self.bin, "pg_ctl", args);
    }

    /// Starts again after [`Postgres::stop`].
    pub fn again(&self) {
        self.boot();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn as_owner(&self, program: &str) -> Command {
        owner(Path::new(program))
    }

    /// The address for a role.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/postgres", self.port)
    }

    /// The log it writes.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Number of its first process.
    pub fn master(&self) -> u32 {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        text.lines().next().and_then(|l| l.parse().ok()).expect("a process number")
    }

    /// The folder of its socket, and its port.
    pub fn socket(&self) -> (&Path, u16) {
        (self.dir.path(), self.port)
    }

    /// From the next reading of its configuration on it lets this role in with a password only.
    pub fn wants_password(&self, role: &str) {
        let hba = self.data().join("pg_hba.conf");
        let write = format!(
            "{{ echo 'host all {role} 127.0.0.1/32 scram-sha-256'; cat {0}; }} > {0}.new && mv {0}.new {0}",
            hba.display()
        );
        assert!(self.as_owner("sh").arg("-c").arg(write).status().expect("sh runs").success());
    }

    /// A server that follows this one, with `extra` lines of configuration.
    pub fn follower(&self, extra: &str) -> Postgres {
        let dir = tempfile::Builder::new().prefix("warroom-pg-").tempdir().expect("a temp folder");
        if is_root() {
            let owner = Command::new("chown").arg("postgres:").arg(dir.path()).status().expect("chown runs");
            assert!(owner.success());
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let data = dir.path().join("data");
        let from = self.port.to_string();
        let args = ["-h", "127.0.0.1", "-U", "test", "-X", "stream", "-c", "fast", "-R", "-N", "-p", &from, "-D"];
        ran(&self.bin, "pg_basebackup", args.iter().map(OsStr::new).chain([data.as_os_str()]));
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nfsync = off\n\
             shared_buffers = 16MB\nprimary_conninfo = 'host=127.0.0.1 port={from} user=test application_name=follower'\n\
             {extra}\n",
            dir.path().display()
        );
        let server = Postgres { bin: self.bin.clone(), dir, port, settings };
        server.boot();
        server
    }

    /// Makes a server that follows another one its own.
    pub fn promote(&self) {
        let data = self.data();
        ran(&self.bin, "pg_ctl", [OsStr::new("-D"), data.as_os_str(), OsStr::new("-w"), OsStr::new("promote")]);
    }

    /// Whether an extension can be created on this installation.
    pub fn has_extension(&self, name: &str) -> bool {
        let out = Command::new(self.bin.join("pg_config")).arg("--sharedir").output().expect("pg_config runs");
        let share = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        Path::new(&share).join(format!("extension/{name}.control")).exists()
    }

    /// Whether statement statistics can be had from this installation.
    pub fn has_statements(&self) -> bool {
        library(&self.bin)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The user that servers run as.
pub fn owner_name() -> String {
    if is_root() {
        return "postgres".into();
    }
    let uid = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").expect("the users of this box");
    let own = users.lines().find(|l| l.split(':').nth(2) == Some(&uid));
    own.and_then(|l| l.split(':').next()).expect("we have a name").to_owned()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command, as `postgres` when we are root.
fn owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut c = Command::new("setpriv");
    c.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    c
}

fn output<'a>(bin: &Path, program: &str, args: impl IntoIterator<Item = &'a OsStr>) -> Output {
    owner(&bin.join(program))
        .args(args)
        .current_dir("/")
        .output()
        .unwrap_or_else(|e| panic!("{program} does not run: {e}"))
}

fn ran<'a>(bin: &Path, program: &str, args: impl IntoIterator<Item = &'a OsStr>) {
    // Not `output`: the server inherits the pipe and would keep it open.
    let status = owner(&bin.join(program))
        .args(args)
        .current_dir("/")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap_or_else(|e| panic!("{program} does not run: {e}"));
    assert!(status.success(), "{program} failed: {status}");
}

fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("bin"))
        .collect();
    // The newest one first; by number, so that 9 is not newer than 15.
    dirs.sort_by_key(|d| {
        let version =
            d.parent().and_then(|p| p.file_name()).and_then(|n| n.to_str()).and_then(|n| n.parse::<f32>().ok());
        std::cmp::Reverse((version.unwrap_or(0.0) * 10.0) as u32)
    });
    let found = std::env::split_paths(&path)
        .chain(dirs)
        .find(|d| d.join("initdb").exists() && d.join("pg_ctl").exists())
        .unwrap_or_else(|| {
            panic!(
                "initdb and pg_ctl are neither on PATH nor under /usr/lib/postgresql/*/bin: install PostgreSQL's \
                 server (Debian and Ubuntu: apt-get install postgresql), which ./test does"
            )
        });
    // A link on PATH leads to where the other programs and the extensions are.
    found.join("initdb").canonicalize().ok().and_then(|p| Some(p.parent()?.to_owned())).unwrap_or(found)
}

fn library(bin: &Path) -> bool {
    let bin = bin.join("pg_config");
    let lib = Command::new(bin).arg("--pkglibdir").output().ok().and_then(|o| String::from_utf8(o.stdout).ok());
    lib.is_some_and(|l| Path::new(l.trim()).join("pg_stat_statements.so").exists())
}
