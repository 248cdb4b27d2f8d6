//! A real PgBouncer before a real PostgreSQL, its pool starved on purpose.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use warroom::signals::Roots;
use warroom::signals::database::config::{DatabaseConfig, PgbouncerConfig, SecretUrl};
use warroom::signals::database::sources::sources;

use crate::support::postgres::{Postgres, is_root};
use crate::support::watched::Watched;

struct Bouncer {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Bouncer {
    fn start(server: &Postgres, pool: u32) -> Bouncer {
        let dir = tempfile::Builder::new().prefix("warroom-pgb-").tempdir().expect("a temp folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let ini = dir.path().join("pgbouncer.ini");
        let users = dir.path().join("users.txt");
        std::fs::write(&users, "\"test\" \"\"\n\"stats\" \"\"\n").expect("written");
        let (_, to) = server.socket();
        std::fs::write(
            &ini,
            format!(
                "[databases]\nshop = host=127.0.0.1 port={to} dbname=postgres user=test pool_size={pool}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
                 stats_users = stats\npool_mode = transaction\nignore_startup_parameters = extra_float_digits\n",
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

    fn url(&self, user: &str, db: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{db}", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_starved_pool_is_the_verdict_with_how_many_wait_and_for_how_long() {
    let server = Postgres::start("");
    let bouncer = Bouncer::start(&server, 2);
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", bouncer.port)).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let url = SecretUrl(bouncer.url("stats", "pgbouncer"));
    let one = PgbouncerConfig {
        name: Some("bouncer".into()),
        url,
        password_env: None,
        password_command: None,
        interval: 1.0,
    };
    let config = DatabaseConfig { pgbouncer: vec![one], ..DatabaseConfig::default() };
    let mut seen = Watched::start(sources(&config, &Roots::default()).remove(0).source);

    let mut clients = Vec::new();
    for _ in 0..7 {
        let mut client = PgConnection::connect(&bouncer.url("test", "shop")).await.expect("the pooler answers");
        clients.push(tokio::spawn(async move { drop(sqlx::raw_sql("SELECT pg_sleep(6)").execute(&mut client).await) }));
    }
    let verdict = seen.verdict("5 waiting").await;
    assert!(verdict.contains("full 2/2, 5 waiting"), "{verdict}");
    let pane = seen.until("the longest wait", |_, pane| pane.contains("oldest 2")).await;
    assert!(pane.contains("wait 5"), "{pane}");
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(seen.run.stop().await < Duration::from_secs(1));

    let closed = PgbouncerConfig {
        name: None,
        url: SecretUrl(bouncer.url("test", "pgbouncer")),
        password_env: None,
        password_command: None,
        interval: 1.0,
    };
    let config = DatabaseConfig { pgbouncer: vec![closed], ..DatabaseConfig::default() };
    let error = Watched::start(sources(&config, &Roots::default()).remove(0).source).run.task.await;
    let error = error.expect("no panic").expect_err("not a stats user");
    assert!(error.message.contains("stats_users"), "{}", error.message);
}
