//! A small real backend that breaks, for the first run and for end-to-end tests.
//!
//! Owns a folder, a thread and everything on it: an HTTP service over a database, the people who load it, and a
//! deploy that goes wrong. It knows nothing of the screen; the ordinary sources watch it from outside, through its
//! files and pages.
//!
//! # Why it breaks, and why it breaks everywhere
//! Version 1.4.2 drops the index on `orders(user_id)`. Every order list then reads the whole table, three times.
//! The backend has one core to itself, as a small container would have: its thread is pinned and the database's threads
//! inherit that, so a broken backend costs the machine one core at most and the screen stays alive on two
//! (`machine.rs`). At the start one list is timed without its index, and rows and request rate are chosen so that
//! lists without an index ask for about twice what that core can give, while with the index they ask for
//! a hundredth of it (`fit.rs`). The pool then runs dry by arithmetic: ten connections, each held ten times as long as its
//! work takes, and more requests than connections come free. Nothing is printed that did not happen.
//!
//! # What it leaves
//! Nothing: the folder goes with [`Demo::stop`] and with drop. After `kill -9` the next start removes it
//! ([`clean_stale`]).

mod backend;
mod clients;
mod deploys;
mod error;
mod fit;
mod folder;
mod handlers;
mod log;
mod machine;
mod metrics;
mod postgres;
mod release;
mod rng;
mod service;
mod shop;
mod store;
mod thrown;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use error::DemoError;
pub use fit::Fitted;
pub use folder::clean_stale;

/// The name of the service in its deploy log, and the word to type before a rollback.
pub const SERVICE: &str = "api";
/// The version that works.
pub const GOOD: &str = "1.4.1";
/// The version that drops an index and throws on a missing user.
pub const BAD: &str = "1.4.2";

/// How to run the demo. Times count from the moment [`start`] returns.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// In which folder the demo makes its own one; `None` means the system's temporary folder.
    pub folder: Option<PathBuf>,
    /// When the bad version is deployed.
    pub deploy_after: Duration,
    /// When it is rolled back by itself; `None` leaves that to [`Demo::rollback_command`].
    pub rollback_at: Option<Duration>,
    /// Decides who asks for what; equal seeds send equal requests (their times still depend on the machine).
    pub seed: u64,
    /// Keep the rows in a throwaway PostgreSQL instead of SQLite; needs its programs, and takes some seconds longer.
    pub postgres: bool,
}

impl Default for DemoOptions {
    fn default() -> DemoOptions {
        DemoOptions { folder: None, deploy_after: Duration::from_secs(20), rollback_at: None, seed: 1, postgres: false }
    }
}

/// A running backend: where to look at it. Dropping it stops it and removes its folder, which takes some tenths of
/// a second; [`Demo::stop`] does the same without blocking.
#[derive(Debug)]
pub struct Demo {
    /// The folder that holds everything below, and nothing else.
    pub folder: PathBuf,
    /// The service's log: JSON lines with request IDs.
    pub log: PathBuf,
    /// The access log: combined format, the request ID at the end of the line.
    pub access_log: PathBuf,
    /// The deploy log: JSON lines.
    pub deploy_log: PathBuf,
    /// Where the service listens, on loopback.
    pub address: SocketAddr,
    /// Answers 200 while a query gets through in a second, else 503.
    pub health_url: String,
    /// Prometheus text: requests by route and status, latency, and the connection pool.
    pub metrics_url: String,
    /// Where the demo's own incident log belongs; not created here.
    pub incident_path: PathBuf,
    /// A shell command that asks the running demo for a rollback; it returns at once.
    pub rollback_command: String,
    /// What the load was fitted to.
    pub fitted: Fitted,
    /// How to connect to the throwaway PostgreSQL, when one was asked for; its log is `postgres.log` in the folder.
    pub database_url: Option<String>,
    running: Running,
}

/// Starts the backend and returns once it answers, typically after one second.
///
/// # Errors
/// When there is no room for it, or something it needs is refused; nothing is left behind then.
pub async fn start(options: DemoOptions) -> Result<Demo, DemoError> {
    let cancel = CancellationToken::new();
    let (ready, started) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("demo".into())
        .spawn({
            let cancel = cancel.clone();
            move || backend::run(options, cancel, ready)
        })
        .map_err(DemoError::Thread)?;
    // From here on every way out, a dropped future included, ends the thread.
    let running = Running { cancel, thread: Some(thread) };
    let up = started.await.map_err(|_| DemoError::Died)??;
    let path = |name: &str| up.folder.join(name);
    Ok(Demo {
        log: path(log::APP_LOG),
        access_log: path(log::ACCESS_LOG),
        deploy_log: path(deploys::DEPLOY_LOG),
        incident_path: path("incident.sqlite"),
        rollback_command: format!("touch {}", shell_quoted(&path(deploys::ROLLBACK_REQUEST).to_string_lossy())),
        health_url: format!("http://{}/healthz", up.address),
        metrics_url: format!("http://{}/metrics", up.address),
        address: up.address,
        fitted: up.fitted,
        database_url: up.database_url,
        folder: up.folder,
        running,
    })
}

impl Demo {
    /// Ends everything and waits until no thread, process or file is left.
    pub async fn stop(mut self) {
        self.running.cancel.cancel();
        if let Some(thread) = self.running.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// The thread, ended when this goes.
#[derive(Debug)]
struct Running {
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// `text` as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_quote_in_its_name_stays_one_word() {
        assert_eq!(shell_quoted("/tmp/it's"), r"'/tmp/it'\''s'");
    }
}
