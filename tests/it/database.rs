//! A real metrics page over a real socket, read by the real source.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use warroom::signals::database::config::{DatabaseConfig, MetricsConfig, SecretUrl};
use warroom::signals::database::event::DatabaseEvent;
use warroom::signals::database::sources::sources;
use warroom::signals::{Event, Roots};
use warroom::timeline::SourceState;
use warroom::timeline::source::Declaration;

use crate::support::out::{self, Run};

/// Serves one answer after another, the last one for ever.
async fn serve(pages: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let next = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let page = pages[next.fetch_add(1, Ordering::Relaxed).min(pages.len() - 1)].clone();
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(page.as_bytes()).await;
            });
        }
    });
    format!("http://user:s3cret@{address}/metrics")
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn watch(url: String) -> Run {
    let page = MetricsConfig { name: "shop".into(), url: SecretUrl(url), interval: 0.2, pools: Vec::new() };
    let config = DatabaseConfig { metrics: vec![page], ..DatabaseConfig::default() };
    out::start(sources(&config, &Roots::default()).remove(0).source)
}

#[tokio::test]
async fn a_pool_that_runs_dry_is_read_off_a_metrics_page() {
    let page = |used, waiting, timeouts| {
        ok(&format!(
            "# TYPE db_pool_connections gauge\ndb_pool_connections{{state=\"used\"}} {used}\n\
             db_pool_connections{{state=\"idle\"}} {}\ndb_pool_max_connections 20\ndb_pool_waiting {waiting}\n\
             db_pool_acquire_timeouts_total {timeouts}\ndb_pool_oldest_wait_seconds 3.9\n",
            20 - used
        ))
    };
    let mut run = watch(serve(vec![page(3, 0, 5), page(20, 7, 9)]).await);
    let figures = run
        .until("a full pool", Duration::from_secs(10), |e| match e {
            Event::Database(DatabaseEvent::PoolFigures(p)) if p.used == Some(20) => Some(p.clone()),
            _ => None,
        })
        .await;
    assert_eq!((figures.pool.as_str(), figures.max, figures.waiting), ("shop", Some(20), Some(7)));
    assert_eq!((figures.timeouts, figures.oldest_wait_ms), (Some(4), Some(3_900.0)));
    run.stop().await;
}

#[tokio::test]
async fn a_page_without_pools_a_huge_one_and_a_broken_one_are_explained_without_the_password() {
    let mut run = watch(serve(vec![ok("up 1\n")]).await);
    let why = run
        .until("a degraded state", Duration::from_secs(10), |e| match e {
            Event::Stream(Declaration::State { state: SourceState::Degraded { why }, .. }) => Some(why.clone()),
            _ => None,
        })
        .await;
    assert!(why.contains("no pool among its metrics"), "{why}");
    run.stop().await;

    let huge = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x 1\n".repeat(2 << 20));
    let broken = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    for (page, want) in [(huge, "larger than 4 MiB"), (broken, "answers 500")] {
        let run = watch(serve(vec![page]).await);
        let error = run.task.await.expect("no panic").expect_err("it failed");
        assert!(error.retry && error.message.contains(want) && !error.message.contains("s3cret"), "{}", error.message);
    }
}
