//! One running version of the service and its connection pool, measured as it is used.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::store::{Ended, Lease, Pool, Store};

/// Connections of the pool, all opened at the start.
pub(super) const POOL_SIZE: u32 = 10;
/// How long a request waits for one of them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long closing a pool may take before it is left to itself.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Which code runs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Good,
    Bad,
}

impl Version {
    pub(super) fn text(self) -> &'static str {
        match self {
            Version::Good => super::GOOD,
            Version::Bad => super::BAD,
        }
    }
}

/// A version that takes requests.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) version: Version,
    store: Store,
    pool: Pool,
    /// Set when the version is ended: running statements stop at their next step, as when a process ends.
    ended: Ended,
    waits: Waits,
    timeouts: AtomicU64,
}

/// The pool at one moment.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(super) struct PoolUsage {
    pub(super) used: u32,
    pub(super) idle: u32,
    pub(super) max: u32,
    pub(super) waiting: usize,
    pub(super) oldest_wait: Duration,
}

impl Release {
    /// Opens the pool; one connection is proven, the others follow at once.
    pub(super) async fn open(store: &Store, version: Version) -> Result<Release, sqlx::Error> {
        let ended = Ended::default();
        let pool = store.pool(&session_name(version), POOL_SIZE, ACQUIRE_TIMEOUT, &ended).await?;
        let store = store.clone();
        Ok(Release { version, store, pool, ended, waits: Waits::default(), timeouts: AtomicU64::new(0) })
    }

    /// A connection, and how long it took to get.
    pub(super) async fn acquire(&self) -> (Result<Lease, sqlx::Error>, Duration) {
        let wait = self.waits.begin();
        let result = self.pool.acquire().await;
        let waited = wait.begun.elapsed();
        drop(wait);
        if matches!(result, Err(sqlx::Error::PoolTimedOut)) {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
        }
        (result, waited)
    }

    pub(super) fn usage(&self) -> PoolUsage {
        let (size, idle) = self.pool.size();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(size);
        let (waiting, oldest_wait) = self.waits.now();
        PoolUsage { used: size - idle, idle, max: POOL_SIZE, waiting, oldest_wait }
    }

    /// Requests that got no connection in time, since this version started.
    pub(super) fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Lets the requests that wait and run here finish, then closes: closing at once would turn away those that wait.
    pub(super) async fn drain(&self) {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT * 2;
        while self.waits.now().0 > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = tokio::time::timeout(CLOSE_TIMEOUT * 2, self.pool.close()).await;
    }

    /// Stops running statements and closes.
    pub(super) async fn end(&self) {
        let end = async {
            // A server that cannot be told lets its statements run out, and closing waits for them.
            let _ = self.store.terminate(&session_name(self.version), &self.ended).await;
            self.pool.close().await;
        };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, end).await;
    }
}

/// What the connections of a version are called in the database's list of sessions.
fn session_name(version: Version) -> String {
    format!("{} {}", super::SERVICE, version.text())
}

/// Who waits for a connection, by order of arrival. A wait that lasts no time at all is seen by nobody.
#[derive(Debug, Default)]
struct Waits {
    since: Mutex<BTreeMap<u64, Instant>>,
    next: AtomicU64,
}

impl Waits {
    fn begin(&self) -> Wait<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        self.lock().insert(number, begun);
        Wait { waits: self, number, begun }
    }

    fn now(&self) -> (usize, Duration) {
        let since = self.lock();
        (since.len(), since.first_key_value().map_or(Duration::ZERO, |(_, begun)| begun.elapsed()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.since.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// One who waits; gone from the list when dropped, also when the request is given up.
struct Wait<'a> {
    waits: &'a Waits,
    number: u64,
    begun: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waits.lock().remove(&self.number);
    }
}
