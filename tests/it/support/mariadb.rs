//! A throwaway MariaDB: its own folder, socket and port; gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::postgres::is_root;

pub struct MariaDb {
    dir: TempDir,
    port: u16,
    extra: Vec<String>,
    child: Option<Child>,
}

impl MariaDb {
    /// Makes a server and starts it with `extra` options. Its user `root` has no password.
    pub fn start(extra: &[&str]) -> MariaDb {
        let dir = tempfile::Builder::new().prefix("warroom-my-").tempdir().expect("a temp folder");
        if is_root() {
            let owner = Command::new("chown").arg("mysql:").arg(dir.path()).status().expect("chown runs");
            assert!(owner.success(), "the folder of the throwaway MariaDB can be given to the user mysql");
        }
        let made = owner("mariadb-install-db")
            .arg("--no-defaults")
            .arg(format!("--datadir={}", dir.path().join("data").display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("mariadb-install-db runs: apt-get install mariadb-server, which ./test does");
        assert!(made.success(), "mariadb-install-db failed: {made}");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let extra = extra.iter().map(|e| (*e).to_owned()).collect();
        let mut server = MariaDb { dir, port, extra, child: None };
        server.again();
        server
    }

    /// Starts, also after [`MariaDb::stop`].
    pub fn again(&mut self) {
        let dir = self.dir.path();
        let child = owner("mariadbd")
            .arg("--no-defaults")
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", dir.join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"])
            .args(["--skip-name-resolve", "--innodb-lock-wait-timeout=30"])
            .args(&self.extra)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mariadbd runs");
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < end, "the throwaway MariaDB does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for a user.
    pub fn url(&self, user: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}/", self.port)
    }

    /// The same through its socket.
    pub fn socket_url(&self, user: &str) -> String {
        format!("mysql://{user}@localhost/?socket={}", self.socket().display())
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The command, as `mysql` when we are root: the server refuses to run as root.
fn owner(program: &str) -> Command {
    let program = ["/usr/sbin", "/usr/bin"].map(|d| Path::new(d).join(program)).into_iter().find(|p| p.exists());
    let program =
        program.expect("MariaDB's server is not installed: apt-get install mariadb-server, which ./test does");
    if !is_root() {
        return Command::new(program);
    }
    let mut c = Command::new("setpriv");
    c.args(["--reuid=mysql", "--regid=mysql", "--clear-groups", "--pdeathsig=KILL"]).arg(program);
    c
}
