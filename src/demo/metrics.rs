//! What the service counts, as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use super::release::Release;

/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Requests by route, method and status; latencies by route.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(&'static str, &'static str, u16), u64>,
    latency: BTreeMap<&'static str, Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    sum: f64,
    count: u64,
}

impl Metrics {
    pub(super) fn request(&self, route: &'static str, method: &'static str, status: u16, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(|e| e.into_inner());
        *counts.requests.entry((route, method, status)).or_default() += 1;
        let latency = counts.latency.entry(route).or_default();
        let seconds = took.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            latency.buckets[bucket] += 1;
        }
        latency.sum += seconds;
        latency.count += 1;
    }

    /// The whole page. Without a running version there is no pool to speak of.
    pub(super) fn render(&self, release: Option<&Release>, lost_lines: u64) -> String {
        let mut out = String::with_capacity(8 << 10);
        let counts = self.0.lock().unwrap_or_else(|e| e.into_inner());
        out.push_str("# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n");
        for ((route, method, status), n) in &counts.requests {
            let _ =
                writeln!(out, "http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {n}");
        }
        out.push_str("# HELP http_request_duration_seconds Time from request to answer.\n");
        out.push_str("# TYPE http_request_duration_seconds histogram\n");
        for (route, latency) in &counts.latency {
            latency.render(route, &mut out);
        }
        drop(counts);
        metric(&mut out, "log_lines_lost_total", "counter", "Log lines that could not be written.", lost_lines as f64);
        if let Some(release) = release {
            render_pool(release, &mut out);
        }
        out
    }
}

impl Histogram {
    fn render(&self, route: &str, out: &mut String) {
        const NAME: &str = "http_request_duration_seconds";
        let mut below = 0;
        for (bound, n) in BOUNDS.iter().zip(self.buckets) {
            below += n;
            let _ = writeln!(out, "{NAME}_bucket{{route=\"{route}\",le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(out, "{NAME}_bucket{{route=\"{route}\",le=\"+Inf\"}} {}", self.count);
        let _ = writeln!(out, "{NAME}_sum{{route=\"{route}\"}} {:.6}", self.sum);
        let _ = writeln!(out, "{NAME}_count{{route=\"{route}\"}} {}", self.count);
    }
}

fn render_pool(release: &Release, out: &mut String) {
    let usage = release.usage();
    let _ = writeln!(out, "# TYPE app_info gauge\napp_info{{version=\"{}\"}} 1", release.version.text());
    out.push_str("# HELP db_pool_connections Open connections.\n# TYPE db_pool_connections gauge\n");
    let _ = writeln!(out, "db_pool_connections{{state=\"used\"}} {}", usage.used);
    let _ = writeln!(out, "db_pool_connections{{state=\"idle\"}} {}", usage.idle);
    metric(out, "db_pool_max_connections", "gauge", "Connections the pool may open.", f64::from(usage.max));
    metric(out, "db_pool_waiting", "gauge", "Requests that wait for a connection.", usage.waiting as f64);
    let oldest = usage.oldest_wait.as_secs_f64();
    metric(out, "db_pool_oldest_wait_seconds", "gauge", "How long the first of them has waited.", oldest);
    let timeouts = release.timeouts() as f64;
    metric(out, "db_pool_acquire_timeouts_total", "counter", "Requests that got no connection in time.", timeouts);
}

fn metric(out: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_buckets_count_everything_below_their_bound() {
        let metrics = Metrics::default();
        for ms in [3, 40, 40, 20_000] {
            metrics.request("/orders", "GET", 200, Duration::from_millis(ms));
        }
        let page = metrics.render(None, 0);
        for line in [
            "http_requests_total{route=\"/orders\",method=\"GET\",status=\"200\"} 4",
            "http_request_duration_seconds_bucket{route=\"/orders\",le=\"0.005\"} 1",
            "http_request_duration_seconds_bucket{route=\"/orders\",le=\"0.05\"} 3",
            "http_request_duration_seconds_bucket{route=\"/orders\",le=\"10\"} 3",
            "http_request_duration_seconds_bucket{route=\"/orders\",le=\"+Inf\"} 4",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        }
    }
}
