//! Three layers stand between a caller and the tables: the application's pool, the pooler, the server. All three are
//! real and watched at once by the real program; one after the other runs dry, and the one verdict names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::bouncer::Bouncer;
use crate::support::postgres::Postgres;
use crate::support::program::Home;
use crate::support::tty::Tty;

/// Connections of the server that clients can have.
const SLOTS: u32 = 20;

/// An application: callers that ask its pool for connections, and a page with its figures as HikariCP names them.
struct Application {
    pool: PgPool,
    waiting: Arc<AtomicU32>,
    page: String,
}

impl Application {
    /// One with at most `most` connections.
    async fn start(url: &str, most: u32) -> Application {
        let options = PgPoolOptions::new().max_connections(most).acquire_timeout(Duration::from_secs(120));
        let pool = options.connect_lazy(url).expect("an address");
        let waiting = Arc::new(AtomicU32::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let page = format!("http://{}/metrics", listener.local_addr().expect("an address"));
        let (of, queue) = (pool.clone(), Arc::clone(&waiting));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let idle = of.num_idle() as u32;
                let body = [
                    ("hikaricp_connections_active", of.size().saturating_sub(idle)),
                    ("hikaricp_connections_idle", idle),
                    ("hikaricp_connections_max", most),
                    ("hikaricp_connections_pending", queue.load(Ordering::Relaxed)),
                ];
                let body: String = body.iter().map(|(name, n)| format!("{name}{{pool=\"orders\"}} {n}\n")).collect();
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Application { pool, waiting, page }
    }

    /// Callers that each want a connection for a statement that takes long.
    fn callers(&self, n: usize) -> Vec<JoinHandle<()>> {
        let one = || {
            let (pool, waiting) = (self.pool.clone(), Arc::clone(&self.waiting));
            tokio::spawn(async move {
                waiting.fetch_add(1, Ordering::Relaxed);
                let conn = pool.acquire().await;
                waiting.fetch_sub(1, Ordering::Relaxed);
                if let Ok(mut conn) = conn {
                    let _ = sqlx::raw_sql("SELECT pg_sleep(60) AS checkout").execute(&mut *conn).await;
                }
            })
        };
        (0..n).map(|_| one()).collect()
    }
}

/// The three layers, and the program that watches them in a terminal with the database pane alone on it.
struct Layers {
    server: Postgres,
    _bouncer: Bouncer,
    application: Application,
    tty: Tty,
    _home: Home,
}

impl Layers {
    async fn start(pooler: u32, application: u32) -> Layers {
        let reserved = 3;
        let server = Postgres::start(&format!(
            "max_connections = {}\nsuperuser_reserved_connections = {reserved}\n",
            SLOTS + reserved
        ));
        let mut admin = PgConnection::connect(&server.url("test")).await.expect("the server answers");
        sqlx::raw_sql("CREATE ROLE shop LOGIN").execute(&mut admin).await.expect("a role that is no superuser");
        let bouncer = Bouncer::start(&server, "shop", pooler, "extra_float_digits");
        bouncer.answers().await;
        let application = Application::start(&bouncer.url("shop", "shop"), application).await;
        let home = Home::new();
        home.configure(&format!(
            "[[database.postgres]]\nname = \"orders-db\"\nurl = \"{}\"\n[[database.pgbouncer]]\nname = \"bouncer\"\n\
             url = \"{}\"\n[[database.metrics]]\nname = \"api\"\nurl = \"{}\"\ninterval = 0.5\n",
            server.url("test"),
            bouncer.url("stats", "pgbouncer"),
            application.page,
        ));
        let mut tty = Tty::start(&home, &[], (160, 45));
        tokio::task::block_in_place(|| {
            tty.keys("3z");
            tty.wait("all three", |text| text.contains("none slow") && text.contains("slots"));
        });
        Layers { server, _bouncer: bouncer, application, tty, _home: home }
    }

    /// Waits for the verdict that has `words`; gives it, and the row below it.
    fn verdict(&mut self, words: &[&str]) -> (String, String) {
        let is = |line: &str| words.iter().all(|w| line.contains(w));
        let text = tokio::task::block_in_place(|| self.tty.wait(&words.join(" … "), |text| text.lines().any(is)));
        let mut lines = text.lines().skip_while(|l| !is(l)).map(|l| l.trim_matches([' ', '▌']).to_owned());
        (lines.next().expect("the verdict"), lines.next().expect("a row"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_pooler_that_is_exhausted_is_named_while_the_application_and_the_server_have_connections_left() {
    let mut layers = Layers::start(2, 15).await;
    let callers = layers.application.callers(9);
    let (verdict, row) = layers.verdict(&["pooler shop/shop exhausted (2/2, 7 waiting", "pg_sleep"]);
    assert!(verdict.contains(&format!("/{SLOTS} free)")), "{verdict}");
    assert!(!verdict.contains("application pool"), "{verdict}");
    assert!(row.starts_with("pooler shop/shop") && row.contains("2/2") && row.contains("wait 7"), "{row}");
    callers.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_applications_pool_that_is_exhausted_is_named_while_the_pooler_and_the_server_have_connections_left() {
    let mut layers = Layers::start(10, 3).await;
    let callers = layers.application.callers(8);
    let (verdict, row) = layers.verdict(&["application pool orders exhausted (3/3, 5 waiting", "pg_sleep"]);
    assert!(verdict.contains(&format!("/{SLOTS} free)")), "{verdict}");
    assert!(!verdict.contains("pooler"), "{verdict}");
    assert!(row.starts_with("application orders") && row.contains("3/3") && row.contains("wait 5"), "{row}");
    callers.iter().for_each(JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_server_that_is_exhausted_is_named_with_both_pools_that_wait_behind_it() {
    let mut layers = Layers::start(15, 8).await;
    // The application and its pooler have some connections, then somebody else takes all others.
    let mut callers = layers.application.callers(4);
    layers.verdict(&["none slow"]);
    let mut others = Vec::new();
    while let Ok(conn) = PgConnection::connect(&layers.server.url("shop")).await {
        others.push(conn);
    }
    callers.extend(layers.application.callers(10));
    // The fourth session of the pooler and all others, ours among them.
    let full = format!("server full {SLOTS}/{SLOTS}, 15 idle; pooler shop/shop and pool orders wait behind it; end ");
    let (verdict, row) = layers.verdict(&[&full]);
    assert!(verdict.contains("raise max_connections"), "whole, at 160 columns: {verdict}");
    let text = layers.tty.text();
    assert!(text.lines().any(|l| l.contains("19  held by shop@postgres from 127.0.0.1")), "{text}");
    assert!(row.starts_with("pooler shop/shop") && row.contains("4/15") && row.contains("wait 4"), "{row}");
    callers.iter().for_each(JoinHandle::abort);
}
