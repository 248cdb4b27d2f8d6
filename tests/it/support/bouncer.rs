//! A throwaway PgBouncer before a throwaway PostgreSQL; gone when dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::postgres::{Postgres, is_root};

/// A pooler with one database, `shop`; its console is open to `stats`.
pub struct Bouncer {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Bouncer {
    /// One that goes on to the server as `user`, over at most `pool` connections.
    pub fn start(server: &Postgres, user: &str, pool: u32, ignored: &str) -> Bouncer {
        let dir = tempfile::Builder::new().prefix("warroom-pgb-").tempdir().expect("a temp folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let ini = dir.path().join("pgbouncer.ini");
        let users = dir.path().join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"\"\n\"stats\" \"\"\n")).expect("written");
        let (_, to) = server.socket();
        std::fs::write(
            &ini,
            format!(
                "[databases]\nshop = host=127.0.0.1 port={to} dbname=postgres user={user} pool_size={pool}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
                 stats_users = stats\npool_mode = transaction\nignore_startup_parameters = {ignored}\n",
                users.display()
            ),
        )
        .expect("written");
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|p| std::path::Path::new(p).exists());
        let program = program.expect("pgbouncer is not installed: apt-get install pgbouncer, which ./test does");
        let mut command = Command::new(program);
        if is_root() {
            let owner = Command::new("chown").args(["-R", "postgres:"]).arg(dir.path()).status().expect("chown runs");
            assert!(owner.success());
            command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", program]);
        }
        let child = command.arg("-q").arg(&ini).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        Bouncer { child, port, _dir: dir }
    }

    /// Waits until it takes connections.
    pub async fn answers(&self) {
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The address of a database for a user.
    pub fn url(&self, user: &str, db: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{db}", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
