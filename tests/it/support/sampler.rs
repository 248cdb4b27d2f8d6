//! Looks at a PostgreSQL every 20 ms from outside: how many connections of ours there are, and whether one waits for a
//! lock, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};
use tokio::task::JoinHandle;

/// What was seen over all samples.
#[derive(Copy, Clone, Debug, Default)]
pub struct Seen {
    /// Samples taken.
    pub samples: u64,
    /// The most connections of ours at once.
    pub connections: i64,
    /// The longest that one of them had waited for a lock, in milliseconds.
    pub waited_ms: f64,
    /// Samples in which one of them ran a statement, or had within a second: a look takes a millisecond or two.
    pub active: u64,
}

pub struct Sampler {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

const SQL: &str = "SELECT count(*), count(*) FILTER (WHERE a.state = 'active' OR a.state_change > clock_timestamp() - interval '1 s'), \
     coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(l.waitstart, a.query_start)) * 1000) \
       FILTER (WHERE l.pid IS NOT NULL), 0)::float8 \
     FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted \
     WHERE a.application_name LIKE 'warroom/%'";

impl Sampler {
    pub fn start(url: &str) -> Sampler {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, end) = (url.to_owned(), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut conn = PgConnection::connect(&url).await.expect("the throwaway server answers");
            let mut seen = Seen::default();
            while !end.load(Ordering::Relaxed) {
                let row = sqlx::query(SQL).fetch_one(&mut conn).await.expect("a sample");
                seen.samples += 1;
                seen.connections = seen.connections.max(row.get(0));
                seen.active += u64::from(row.get::<i64, _>(1) > 0);
                seen.waited_ms = seen.waited_ms.max(row.get(2));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            seen
        });
        Sampler { stop, task }
    }

    /// What was seen until now.
    pub async fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no panic")
    }
}
