//! Reads pool figures off a metrics page of an application or a pooler.
//!
//! One request in flight, two seconds at most, four MiB at most; a page that takes longer than the interval costs the
//! looks behind it.

pub mod parse;
pub mod recognise;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::recognise::{Mapping, Reading};
use crate::signals::database::config::MetricsConfig;
use crate::signals::database::event::{DatabaseEvent, PoolFigures, PoolFrom};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// How long a page may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How large it may be.
const LARGEST: usize = 4 << 20;
/// Pools carried from one page.
const POOLS: usize = 32;
/// Looks in a row that may fail before the source counts as failed.
const PATIENCE: u32 = 3;

/// One metrics page.
pub struct MetricsSource {
    config: MetricsConfig,
    before: BTreeMap<String, Reading>,
}

impl MetricsSource {
    /// For the page in `config`.
    pub fn new(config: MetricsConfig) -> MetricsSource {
        MetricsSource { config, before: BTreeMap::new() }
    }

    async fn watch(&mut self, out: &Out) -> Result<(), SourceError> {
        let place = self.config.url.shown();
        let mappings: Vec<Mapping> = self
            .config
            .pools
            .iter()
            .map(|p| Mapping::compile(p).map_err(|e| SourceError::fatal(format!("{place}: {e}"))))
            .collect::<Result<_, _>>()?;
        let client = client().map_err(|e| SourceError::fatal(format!("{place}: no HTTP client: {e}")))?;
        let every = Duration::try_from_secs_f64(self.config.interval).unwrap_or(Duration::from_secs(1));
        let mut beat = tokio::time::interval(every.clamp(Duration::from_millis(200), Duration::from_secs(60)));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut failed, mut told) = (0, None);
        loop {
            beat.tick().await;
            let page = match tokio::time::timeout(DEADLINE, fetch(&client, &self.config.url.0)).await {
                Ok(page) => page,
                Err(_) => Err("no answer within 2 s".into()),
            };
            let page = match page {
                Ok(page) => page,
                Err(e) => {
                    failed += 1;
                    if failed >= PATIENCE {
                        return Err(SourceError::retry(format!(
                            "{place}: {e}; is the application up, and is this the address of its metrics page?"
                        )));
                    }
                    continue;
                }
            };
            failed = 0;
            let pools = recognise::pools(parse::samples(&page), &mappings);
            let state = match pools.len() {
                0 => SourceState::Degraded {
                    why: format!("{place}: no pool among its metrics; name them under [[database.metrics.pools]]"),
                },
                n if n > POOLS => {
                    SourceState::Degraded { why: format!("{place}: {n} pools, the first {POOLS} are shown") }
                }
                _ => SourceState::Ok,
            };
            if told.as_ref() != Some(&state) {
                out.state(state.clone()).await;
                told = Some(state);
            }
            for now in pools.into_iter().take(POOLS) {
                let figures = figures(&self.config.name, &now, self.before.get(&now.pool));
                out.sample(Event::Database(DatabaseEvent::PoolFigures(figures)));
                self.before.insert(now.pool.clone(), now);
            }
        }
    }
}

/// Counters become differences; one that went back (a restart) gives none.
fn figures(page: &str, now: &Reading, before: Option<&Reading>) -> PoolFigures {
    let count = |v: Option<f64>| v.filter(|v| *v >= 0.0).map(|v| v as u32);
    let grown = |f: fn(&Reading) -> Option<f64>| {
        let (now, before) = (f(now)?, f(before?)?);
        (now >= before).then_some(now - before)
    };
    let waits = grown(|r| r.wait_count).filter(|n| *n > 0.0);
    let pool = if now.pool.is_empty() { page.into() } else { now.pool.as_str().into() };
    PoolFigures {
        pool,
        from: PoolFrom::Metrics,
        layer: now.layer,
        used: count(now.used),
        idle: count(now.idle),
        max: count(now.max),
        waiting: count(now.waiting),
        oldest_wait_ms: now.oldest_wait_s.map(|s| s * 1e3),
        timeouts: grown(|r| r.timeouts_total).map(|n| n as u64),
        acquire_ms: grown(|r| r.wait_sum_s).zip(waits).map(|(s, n)| s * 1e3 / n),
        ..PoolFigures::default()
    }
}

/// A client that also works on a box without a bundle of certificates.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Another source may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::limited(2))
            .pool_max_idle_per_host(1)
    };
    builder().build().or_else(|_| {
        let roots =
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|c| reqwest::Certificate::from_der(c).ok());
        builder().tls_certs_only(roots).build()
    })
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<String, String> {
    // The error's own text would repeat the address, and with it a password.
    let mut answer = client.get(url).send().await.map_err(|e| root_cause(&e.without_url()))?;
    if !answer.status().is_success() {
        return Err(format!("answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| root_cause(&e.without_url()))? {
        if body.len() + chunk.len() > LARGEST {
            return Err("the page is larger than 4 MiB".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn root_cause(e: &dyn std::error::Error) -> String {
    let mut last = e;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

impl Source for MetricsSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                () = cancel.cancelled() => Ok(()),
                done = self.watch(out) => done,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_differences_and_a_restart_gives_none() {
        let reading = |timeouts, sum, count| Reading {
            pool: "p".into(),
            used: Some(1.0),
            timeouts_total: Some(timeouts),
            wait_sum_s: Some(sum),
            wait_count: Some(count),
            ..Reading::default()
        };
        let f = figures("page", &reading(7.0, 3.0, 20.0), Some(&reading(4.0, 1.0, 10.0)));
        assert_eq!((f.timeouts, f.acquire_ms), (Some(3), Some(200.0)));
        let f = figures("page", &reading(1.0, 0.1, 1.0), Some(&reading(4.0, 1.0, 10.0)));
        assert_eq!((f.timeouts, f.acquire_ms), (None, None));
        assert_eq!(figures("page", &reading(1.0, 0.1, 1.0), None).timeouts, None);
    }
}
