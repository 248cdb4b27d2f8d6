//! Probes against small real servers on loopback: right, wrong, hanging, resetting, slow and encrypted.
//!
//! `tls/` holds an authority and a server certificate for 127.0.0.1 made for this test; its key guards nothing.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warroom::signals::health::config::HealthConfig;
use warroom::signals::health::event::{HealthEvent, Probe};
use warroom::signals::health::history::HealthHistory;
use warroom::signals::health::sources::sources;
use warroom::signals::source::{Lanes, Observation, StreamClock};
use warroom::signals::{Event, Out, Roots, SourceError};
use warroom::timeline::facts::MarkKind;
use warroom::timeline::{SourceId, TimeRange, Ts};

use crate::support::mariadb::MariaDb;

/// A server that hands every connection to `answer`.
async fn serve<F, R>(answer: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    at
}

/// Reads a request's head and answers with `text`.
async fn reply(mut stream: TcpStream, text: String) -> String {
    let mut head = vec![0; 4_096];
    let n = stream.read(&mut head).await.unwrap_or(0);
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
    // Not closed before the other side is done with it.
    tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0])).await.ok();
    String::from_utf8_lossy(&head[..n]).into_owned()
}

fn page(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// The probes of a configuration, running.
struct Running {
    said: mpsc::Receiver<Observation>,
    ended: mpsc::Receiver<Result<(), SourceError>>,
    cancel: CancellationToken,
}

impl Running {
    fn start(probes: &str) -> Running {
        let config: HealthConfig = toml::from_str(probes).unwrap();
        // Samples and what must get through come out of one channel here.
        let (tx, said) = mpsc::channel(1_000);
        let lanes = Lanes { must: tx.clone(), sample: tx, logs: mpsc::channel(1).0 };
        let clock = StreamClock::start();
        let cancel = CancellationToken::new();
        let (end, ended) = mpsc::channel(8);
        for (i, mut d) in sources(&config, &Roots::under("/nowhere")).into_iter().enumerate() {
            let out = Out::new(SourceId(i as u32 + 1), clock, lanes.clone());
            let (inner, end) = (cancel.clone(), end.clone());
            tokio::spawn(async move {
                let result = d.source.run(&out, inner).await;
                let _ = end.send(result).await;
            });
        }
        Running { said, ended, cancel }
    }

    async fn probe(&mut self) -> (Ts, Probe) {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.said.recv()).await;
            let said = next.expect("no result for 20 s").expect("the probes ended");
            if let Event::Health(HealthEvent::Probed(probe)) = said.event {
                return (said.observed, probe);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The first result of one probe with a deadline of 400 ms.
async fn once(config: &str) -> Probe {
    Running::start(&format!("[[probe]]\nname = \"p\"\ntimeout = \"400ms\"\n{config}\n")).probe().await.1
}

#[tokio::test]
async fn a_right_answer_has_its_status_its_time_and_the_programs_name_in_the_request() {
    let (tx, mut heads) = mpsc::channel(1);
    let at = serve(move |s| {
        let tx = tx.clone();
        async move {
            let head = reply(s, page("200 OK", "all is well")).await;
            let _ = tx.send(head).await;
        }
    })
    .await;
    let p = once(&format!(
        "url = \"http://localhost:{}/healthz?full=1\"\nexpect_body = \"/all is (well|fine)/\"",
        at.port()
    ))
    .await;
    assert!(p.ok, "{:?}", p.error);
    assert_eq!((p.status, p.body_match, p.target.contains("full")), (Some(200), Some(true), false));
    assert!(p.latency_ms > 0.0 && p.phases.dns.is_some() && p.phases.first_byte.is_some());
    let head = heads.recv().await.unwrap().to_lowercase();
    assert!(head.starts_with("get /healthz?full=1 http/1.1") && head.contains("user-agent: warroom/"), "{head}");
}

#[tokio::test]
async fn every_way_to_fail_is_told_in_words() {
    let sick = serve(|s| async { drop(reply(s, page("503 Service Unavailable", "pool timeout")).await) }).await;
    let p = once(&format!("url = \"http://{sick}/\"")).await;
    assert_eq!((p.ok, p.status, p.reason().as_str()), (false, Some(503), "503"));
    assert!(once(&format!("url = \"http://{sick}/\"\nexpect_status = [200, 503]")).await.ok);

    let wrong = serve(|s| async { drop(reply(s, page("200 OK", "maintenance")).await) }).await;
    let p = once(&format!("url = \"http://{wrong}/\"\nexpect_body = \"ok\"")).await;
    assert_eq!((p.reason().as_str(), p.body_match), ("200 without \"ok\" in the body", Some(false)));

    let moved = "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n";
    let moved = serve(move |s| async move { drop(reply(s, moved.into()).await) }).await;
    assert_eq!(once(&format!("url = \"http://{moved}/\"")).await.reason(), "302, moved to /login");

    let hangs = serve(|mut s| async move {
        // Takes the request and never answers.
        while s.read(&mut [0; 512]).await.is_ok_and(|n| n > 0) {}
    })
    .await;
    let p = once(&format!("url = \"http://{hangs}/\"")).await;
    assert_eq!((p.reason().as_str(), p.status), ("no answer in 400 ms", None));
    assert!(p.latency_ms >= 400.0);

    let slow = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
    let slow = serve(move |s| async move { drop(reply(s, slow.into()).await) }).await;
    assert_eq!(
        once(&format!("url = \"http://{slow}/\"")).await.reason(),
        "answer not whole after 400 ms (10 bytes came)"
    );

    // Closed with a request unread, which the kernel turns into a reset.
    let resets = serve(|s| async move {
        s.peek(&mut [0]).await.unwrap();
        drop(s);
    })
    .await;
    assert_eq!(once(&format!("url = \"http://{resets}/\"")).await.reason(), "connection reset");

    let closed = serve(|mut s| async move { drop(s.read(&mut [0; 4_096]).await) }).await;
    assert_eq!(once(&format!("url = \"http://{closed}/\"")).await.reason(), "connection closed early");

    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(once(&format!("url = \"http://{gone}/\"")).await.reason(), "connection refused");
    assert_eq!(once(&format!("tcp = \"{gone}\"")).await.reason(), "connection refused");
    // Refused by the resolver itself, so that no name server is needed to fail.
    let name = once("tcp = \"no..host:80\"").await.reason();
    assert!(name.starts_with("name not found"), "{name}");
}

#[tokio::test]
async fn a_port_that_takes_connections_is_healthy_by_tcp() {
    let at = serve(|s| async move { drop(s) }).await;
    let p = once(&format!("tcp = \"{at}\"")).await;
    assert!(p.ok && p.phases.connect.is_some(), "{:?}", p.error);
}

/// An address of this box that is not loopback, where it has one: MariaDB counts no errors of loopback.
fn own_address() -> std::net::IpAddr {
    let route = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|s| s.connect("203.0.113.1:9").map(|()| s));
    route.and_then(|s| s.local_addr()).map_or([127, 0, 0, 1].into(), |a| a.ip())
}

#[tokio::test]
async fn probes_of_a_mariadb_port_are_no_connection_errors_and_never_block_the_host() {
    let server = MariaDb::start(&[
        "--bind-address=0.0.0.0",
        "--skip-name-resolve=0",
        "--performance-schema=ON",
        "--max-connect-errors=3",
    ]);
    let mut root = MySqlConnection::connect(&server.socket_url("root")).await.unwrap();
    sqlx::raw_sql("CREATE USER app@'%'").execute(&mut root).await.unwrap();
    let counted = async |conn: &mut MySqlConnection, name: &str| -> u64 {
        let sql = format!("SHOW GLOBAL STATUS LIKE '{name}'");
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(conn).await.unwrap();
        row.get::<String, _>(1).parse().unwrap()
    };
    let before = counted(&mut root, "Connections").await;
    let at = SocketAddr::new(own_address(), server.port());
    let mut r = Running::start(&format!("[[probe]]\ntcp = \"{at}\"\ninterval = \"100ms\"\n"));
    for _ in 0..20 {
        let (_, p) = r.probe().await;
        assert!(p.ok && p.latency_ms < 1_000.0, "{:?}", p.error);
    }
    drop(r);
    // One conversation to read the first words, which ends in a refusal; the server heard of no other.
    assert_eq!(counted(&mut root, "Connections").await - before, 1);
    let errors =
        sqlx::raw_sql("SELECT CAST(COALESCE(SUM(SUM_CONNECT_ERRORS), 0) AS CHAR) FROM performance_schema.host_cache");
    assert_eq!(errors.fetch_one(&mut root).await.unwrap().get::<String, _>(0), "0");
    MySqlConnection::connect(&format!("mysql://app@{at}/")).await.expect("the host is let in");
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_fails_in_its_own_words() {
    let full = serve(|mut s| async move {
        let said = b"\xff\x10\x04#08004Too many connections";
        let _ = s.write_all(&[&[said.len() as u8, 0, 0, 0], &said[..]].concat()).await;
        let _ = s.read(&mut [0; 64]).await;
    })
    .await;
    assert_eq!(once(&format!("tcp = \"{full}\"")).await.reason(), "1040 Too many connections");
    let ssh = serve(|mut s| async move {
        let _ = s.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        let _ = s.read(&mut [0; 64]).await;
    })
    .await;
    assert!(once(&format!("tcp = \"{ssh}\"")).await.ok);
}

#[tokio::test]
async fn a_hanging_target_is_never_asked_twice_at_once() {
    let hangs = serve(|mut s| async move { while s.read(&mut [0; 512]).await.is_ok_and(|n| n > 0) {} }).await;
    let mut r =
        Running::start(&format!("[[probe]]\nurl = \"http://{hangs}/\"\ninterval = \"100ms\"\ntimeout = \"250ms\"\n"));
    let mut ends = Ts::MIN;
    for _ in 0..4 {
        let (_, p) = r.probe().await;
        assert!(p.at >= ends, "asked again {:?} before the last answer", ends.since(p.at));
        ends = p.at + Duration::from_micros((p.latency_ms * 1_000.0) as u64 - 1_000);
    }
}

#[tokio::test]
async fn an_outage_is_marked_where_it_begins_and_where_it_ends() {
    let status = Arc::new(AtomicU16::new(200));
    let shared = Arc::clone(&status);
    let at = serve(move |s| {
        let now = shared.load(Ordering::Relaxed);
        async move { drop(reply(s, page(&format!("{now} X"), "")).await) }
    })
    .await;
    let mut r = Running::start(&format!("[[probe]]\nname = \"api\"\nurl = \"http://{at}/\"\ninterval = \"100ms\"\n"));
    let (mut history, mut turns) = (HealthHistory::default(), Vec::new());
    for seq in 1..200 {
        let (observed, p) = r.probe().await;
        if turns.last() != p.status.as_ref() {
            turns.extend(p.status);
        }
        history.apply(seq, SourceId(1), observed, &HealthEvent::Probed(p));
        match turns.len() {
            1 => status.store(503, Ordering::Relaxed),
            2 => status.store(200, Ordering::Relaxed),
            _ => break,
        }
    }
    let marks = history.marks(TimeRange::new(Ts::MIN, Ts::MAX), Ts::MAX);
    let kinds: Vec<_> = marks.iter().map(|m| (m.kind, m.label.as_str())).collect();
    assert_eq!(kinds, [(MarkKind::ProbeFailed, "api"), (MarkKind::ProbeRecovered, "api")]);
}

#[tokio::test]
async fn a_probe_that_cannot_ask_at_all_says_what_to_write() {
    for (config, word) in [
        ("name = \"a\"", "exactly one of `url` and `tcp`"),
        ("url = \"ftp://x\"", "http:// or https://"),
        ("tcp = \"redis\"", "host:port"),
        ("url = \"http://x\"\nexpect_body = \"/(/\"", "regular expression"),
        ("url = \"https://x\"\nca = \"/no/such.pem\"", "PEM"),
    ] {
        let mut r = Running::start(&format!("[[probe]]\n{config}\n"));
        let end = tokio::time::timeout(Duration::from_secs(20), r.ended.recv()).await.unwrap().unwrap().unwrap_err();
        assert!(end.message.contains(word) && !end.retry, "{end}");
    }
}

/// Answers one HTTPS request after the other with 200.
fn serve_tls() -> SocketAddr {
    let cert = include_bytes!("tls/server.der").to_vec().into();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(include_bytes!("tls/server.key.der").to_vec());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut connection) = rustls::ServerConnection::new(Arc::clone(&config)) else { return };
            let mut stream = stream;
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            if tls.read(&mut [0; 4_096]).is_ok() {
                let _ = tls.write_all(page("200 OK", "ok").as_bytes());
            }
        }
    });
    at
}

#[tokio::test]
async fn over_tls_the_end_of_the_certificate_is_told_and_an_unknown_authority_refused() {
    let at = serve_tls();
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/ca.pem");
    let ask = async |more: &str| {
        let config = format!("[[probe]]\nname = \"tls\"\ntimeout = \"10s\"\nurl = \"https://{at}/\"\n{more}\n");
        Running::start(&config).probe().await.1
    };
    let p = ask(&format!("ca = {ca:?}")).await;
    assert!(p.ok, "{:?}", p.error);
    assert!(p.tls_expires.unwrap().to_string().starts_with("2125-06-15T08:06:49"), "{:?}", p.tls_expires);
    let stranger = ask("").await;
    assert_eq!((stranger.ok, stranger.reason().as_str()), (false, "certificate: UnknownIssuer"));
}
