//! Finds pools on a metrics page by the names that common libraries give them.

use std::collections::BTreeMap;

use regex::Regex;

use super::parse::Sample;
use crate::signals::database::config::PoolMapping;
use crate::signals::database::event::PoolLayer;

/// What a metric says of a pool.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Figure {
    Used,
    Idle,
    /// Open connections, used and idle.
    Open,
    Max,
    Waiting,
    OldestWaitS,
    TimeoutsTotal,
    /// Sum of all waits, in seconds times the factor's inverse.
    WaitSumS,
    WaitSumMs,
    WaitSumNs,
    /// Number of waits.
    WaitCount,
    /// Used or idle, by a label of this name.
    ByState(&'static str),
}

/// Metrics known by their whole name: name, figure.
const KNOWN: &[(&str, Figure)] = {
    use Figure::*;
    &[
        // HikariCP by Micrometer
        ("hikaricp_connections_active", Used),
        ("hikaricp_connections_idle", Idle),
        ("hikaricp_connections", Open),
        ("hikaricp_connections_max", Max),
        ("hikaricp_connections_pending", Waiting),
        ("hikaricp_connections_timeout_total", TimeoutsTotal),
        ("hikaricp_connections_acquire_seconds_sum", WaitSumS),
        ("hikaricp_connections_acquire_seconds_count", WaitCount),
        // HikariCP by its own collector
        ("hikaricp_active_connections", Used),
        ("hikaricp_idle_connections", Idle),
        ("hikaricp_max_connections", Max),
        ("hikaricp_pending_threads", Waiting),
        ("hikaricp_connection_timeout_total", TimeoutsTotal),
        // OpenTelemetry, present and older names
        ("db_client_connection_count", ByState("state")),
        ("db_client_connections_usage", ByState("state")),
        ("db_client_connection_max", Max),
        ("db_client_connections_max", Max),
        ("db_client_connection_pending_requests", Waiting),
        ("db_client_connections_pending_requests", Waiting),
        ("db_client_connection_timeouts_total", TimeoutsTotal),
        ("db_client_connections_timeouts_total", TimeoutsTotal),
        ("db_client_connection_wait_time_seconds_sum", WaitSumS),
        ("db_client_connection_wait_time_seconds_count", WaitCount),
        ("db_client_connections_wait_time_milliseconds_sum", WaitSumMs),
        ("db_client_connections_wait_time_milliseconds_count", WaitCount),
        // Go database/sql
        ("go_sql_in_use_connections", Used),
        ("go_sql_idle_connections", Idle),
        ("go_sql_open_connections", Open),
        ("go_sql_max_open_connections", Max),
        ("go_sql_wait_count_total", WaitCount),
        ("go_sql_wait_duration_seconds_total", WaitSumS),
        ("go_sql_stats_connections_in_use", Used),
        ("go_sql_stats_connections_idle", Idle),
        ("go_sql_stats_connections_open", Open),
        ("go_sql_stats_connections_max_open", Max),
        ("go_sql_stats_connections_waited_for", WaitCount),
        ("go_sql_stats_connections_blocked_seconds", WaitSumS),
        // PgBouncer's exporter
        ("pgbouncer_pools_server_active_connections", Used),
        ("pgbouncer_pools_server_idle_connections", Idle),
        ("pgbouncer_pools_client_waiting_connections", Waiting),
        ("pgbouncer_pools_client_maxwait_seconds", OldestWaitS),
        ("pgbouncer_databases_pool_size", Max),
        // The exporters of PostgreSQL and MySQL: the server's own connections
        ("pg_stat_activity_count", Used),
        ("pg_settings_max_connections", Max),
        ("mysql_global_status_threads_connected", Used),
        ("mysql_global_variables_max_connections", Max),
        // Npgsql, .NET's own counters and OpenTelemetry's older names there
        ("npgsql_db_client_connections_usage", ByState("state")),
        ("npgsql_db_client_connections_max", Max),
        ("npgsql_db_client_connections_pending_requests", Waiting),
        ("npgsql_db_client_connections_timeouts", TimeoutsTotal),
        ("npgsql_busy_connections", Used),
        ("npgsql_idle_connections", Idle),
        ("db_client_connections_timeouts", TimeoutsTotal),
        ("db_client_connection_timeouts", TimeoutsTotal),
        // SQLAlchemy's QueuePool: what may be open is its size and the overflow
        ("sqlalchemy_pool_size", Max),
        ("sqlalchemy_pool_max_overflow", Max),
        ("sqlalchemy_pool_checked_out", Used),
        ("sqlalchemy_pool_checked_in", Idle),
        // Tomcat and c3p0
        ("tomcat_jdbc_connections_active", Used),
        ("jdbc_connections_active", Used),
        ("jdbc_connections_idle", Idle),
        ("jdbc_connections_max", Max),
        ("c3p0_num_busy_connections", Used),
        ("c3p0_num_idle_connections", Idle),
        ("c3p0_max_pool_size", Max),
    ]
};

/// Ends of names, with or without an application's own beginning: pgxpool's, and what applications make up.
const ENDS: &[(&str, Figure)] = {
    use Figure::*;
    &[
        ("pgxpool_acquired_connections", Used),
        ("pgxpool_idle_connections", Idle),
        ("pgxpool_max_connections", Max),
        ("pgxpool_acquired_conns", Used),
        ("pgxpool_idle_conns", Idle),
        ("pgxpool_max_conns", Max),
        ("pgxpool_acquires_total", WaitCount),
        ("pgxpool_acquire_count", WaitCount),
        ("pgxpool_acquire_duration_nanoseconds_total", WaitSumNs),
        ("pgxpool_acquire_duration_ns", WaitSumNs),
        ("pgxpool_canceled_acquires_total", TimeoutsTotal),
        ("pool_connections", ByState("state")),
        ("pool_max_connections", Max),
        ("pool_connections_max", Max),
        ("pool_max_size", Max),
        ("pool_size_max", Max),
        ("pool_max", Max),
        ("pool_size", Open),
        ("pool_total_count", Open),
        ("pool_idle_count", Idle),
        ("pool_waiting_count", Waiting),
        ("pool_open_connections", Open),
        ("pool_connections_in_use", Used),
        ("pool_in_use_connections", Used),
        ("pool_in_use", Used),
        ("pool_used", Used),
        ("pool_active", Used),
        ("pool_active_connections", Used),
        ("pool_connections_active", Used),
        ("pool_checked_out", Used),
        ("pool_checkedout", Used),
        ("pool_idle", Idle),
        ("pool_idle_connections", Idle),
        ("pool_connections_idle", Idle),
        ("pool_checked_in", Idle),
        ("pool_available", Idle),
        ("pool_waiting", Waiting),
        ("pool_waiters", Waiting),
        ("pool_pending", Waiting),
        ("pool_pending_requests", Waiting),
        ("pool_oldest_wait_seconds", OldestWaitS),
        ("pool_max_wait_seconds", OldestWaitS),
        ("pool_acquire_timeouts_total", TimeoutsTotal),
        ("pool_checkout_timeouts_total", TimeoutsTotal),
        ("pool_checkout_timeout_total", TimeoutsTotal),
        ("pool_timeouts_total", TimeoutsTotal),
        ("pool_timeout_total", TimeoutsTotal),
        ("pool_acquire_seconds_sum", WaitSumS),
        ("pool_acquire_seconds_count", WaitCount),
        ("pool_wait_seconds_sum", WaitSumS),
        ("pool_wait_seconds_count", WaitCount),
    ]
};

/// Labels that name a pool, most telling first.
const NAMES: &[&str] = &[
    "pool",
    "pool_name",
    "db_client_connection_pool_name",
    "pool.name",
    "db_name",
    "db",
    "database",
    "name",
    "datname",
];

/// A pool as a page has it: totals, not differences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Its name; empty when the page has only one and does not name it.
    pub pool: String,
    /// Connections handed out.
    pub used: Option<f64>,
    /// Connections open and free.
    pub idle: Option<f64>,
    /// Connections at most.
    pub max: Option<f64>,
    /// Callers that wait.
    pub waiting: Option<f64>,
    /// Longest wait at present, in seconds.
    pub oldest_wait_s: Option<f64>,
    /// Callers that gave up, since the application began.
    pub timeouts_total: Option<f64>,
    /// Sum of waits in seconds, since the application began.
    pub wait_sum_s: Option<f64>,
    /// Number of waits, since the application began.
    pub wait_count: Option<f64>,
    /// Open connections, used and idle.
    pub open: Option<f64>,
    /// Where it stands.
    pub layer: PoolLayer,
}

impl Reading {
    fn put(&mut self, figure: Figure, sample: &Sample) {
        let (field, factor) = match figure {
            Figure::Used => (&mut self.used, 1.0),
            Figure::Idle => (&mut self.idle, 1.0),
            Figure::Open => (&mut self.open, 1.0),
            Figure::Max => (&mut self.max, 1.0),
            Figure::Waiting => (&mut self.waiting, 1.0),
            Figure::OldestWaitS => (&mut self.oldest_wait_s, 1.0),
            Figure::TimeoutsTotal => (&mut self.timeouts_total, 1.0),
            Figure::WaitSumS => (&mut self.wait_sum_s, 1.0),
            Figure::WaitSumMs => (&mut self.wait_sum_s, 1e-3),
            Figure::WaitSumNs => (&mut self.wait_sum_s, 1e-9),
            Figure::WaitCount => (&mut self.wait_count, 1.0),
            Figure::ByState(label) => match sample.label(label).or_else(|| sample.label("status")) {
                Some("used" | "in_use" | "active" | "busy" | "acquired" | "checked_out" | "checkedout") => {
                    (&mut self.used, 1.0)
                }
                Some("idle" | "free" | "available" | "checked_in") => (&mut self.idle, 1.0),
                Some("max") => (&mut self.max, 1.0),
                Some("waiting" | "pending") => (&mut self.waiting, 1.0),
                None => (&mut self.open, 1.0),
                Some(_) => return,
            },
        };
        // Several samples of one pool (one per user, say) add up; a longest wait does not.
        let v = sample.value * factor;
        *field = Some(match (*field, figure) {
            (None, _) => v,
            (Some(a), Figure::OldestWaitS) => a.max(v),
            (Some(a), _) => a + v,
        });
    }

    /// Fills in what follows from the rest; false when it is no pool after all.
    fn complete(&mut self) -> bool {
        if self.used.is_none() {
            self.used = self.open.zip(self.idle).map(|(o, i)| (o - i).max(0.0));
        }
        if self.idle.is_none() {
            self.idle = self.open.zip(self.used).map(|(o, u)| (o - u).max(0.0));
        }
        self.used.is_some() && (self.max.is_some() || self.idle.is_some() || self.waiting.is_some())
    }
}

/// Mapping from the configuration, compiled.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    rules: Vec<(Regex, Figure)>,
}

impl Mapping {
    /// Compiles; the error names the field and the expression.
    pub fn compile(pool: &PoolMapping) -> Result<Mapping, String> {
        let fields = [
            ("used", &pool.used, Figure::Used),
            ("idle", &pool.idle, Figure::Idle),
            ("max", &pool.max, Figure::Max),
            ("waiting", &pool.waiting, Figure::Waiting),
            ("oldest_wait_seconds", &pool.oldest_wait_seconds, Figure::OldestWaitS),
            ("timeouts_total", &pool.timeouts_total, Figure::TimeoutsTotal),
        ];
        let mut rules = Vec::new();
        for (field, pattern, figure) in fields {
            if let Some(pattern) = pattern {
                let regex = Regex::new(pattern).map_err(|e| format!("pool {}: {field}: {e}", pool.name))?;
                rules.push((regex, figure));
            }
        }
        Ok(Mapping { name: pool.name.clone(), rules })
    }
}

/// The pools on a page: configured ones by their mapping, the rest by the names of common libraries; sorted by name.
pub fn pools<'a>(samples: impl Iterator<Item = Sample<'a>>, mappings: &[Mapping]) -> Vec<Reading> {
    // Keyed by the family of names as well, so that two libraries on one page do not add up.
    let mut found: BTreeMap<(String, String), Reading> = BTreeMap::new();
    for s in samples.filter(|s| s.value.is_finite()) {
        let mapped = mappings.iter().find_map(|m| {
            let (_, figure) = m.rules.iter().find(|(r, _)| r.is_match(s.written))?;
            Some((m.name.clone(), *figure))
        });
        if let Some((name, figure)) = mapped {
            found.entry((String::new(), name.clone())).or_insert_with(|| named(name)).put(figure, &s);
            continue;
        }
        let Some((family, figure)) = known(s.name) else { continue };
        let layer = layer(s.name);
        // A server's connections are one pool, whatever databases and states the exporter splits them into.
        let pool = match layer {
            PoolLayer::Server => "server".to_owned(),
            _ => NAMES.iter().find_map(|n| s.label(n)).unwrap_or_default().to_owned(),
        };
        let reading = found.entry((family, pool.clone())).or_insert_with(|| named(pool));
        reading.layer = layer;
        reading.put(figure, &s);
    }
    let mut out: Vec<Reading> = found.into_values().filter_map(|mut r| r.complete().then_some(r)).collect();
    out.sort_by(|a, b| a.pool.cmp(&b.pool));
    out
}

fn named(pool: String) -> Reading {
    Reading { pool, ..Reading::default() }
}

/// Where a pool stands whose figures have this name.
fn layer(name: &str) -> PoolLayer {
    match name {
        n if n.starts_with("pgbouncer_") => PoolLayer::Pooler,
        n if ["pg_stat_", "pg_settings_", "mysql_global_"].iter().any(|p| n.starts_with(p)) => PoolLayer::Server,
        _ => PoolLayer::Application,
    }
}

fn known(name: &str) -> Option<(String, Figure)> {
    if let Some((_, figure)) = KNOWN.iter().find(|(n, _)| *n == name) {
        return Some((name.split('_').next().unwrap_or_default().to_owned(), *figure));
    }
    // `jvm_memory_pool_used`, `thread_pool_size`, `http_client_pool_…` are pools of something else.
    let stranger = ["jvm", "memory", "thread", "http", "buffer", "redis", "worker"].iter().any(|w| name.contains(w));
    let database = ["db", "sql", "pg", "conn", "postgres", "mysql", "database"].iter().any(|w| name.contains(w));
    if stranger || !database {
        return None;
    }
    let (end, figure) = ENDS.iter().filter(|(end, _)| name.ends_with(end)).max_by_key(|(end, _)| end.len())?;
    Some((name[..name.len() - end.len()].to_owned(), *figure))
}

#[cfg(test)]
mod tests {
    use super::super::parse::samples;
    use super::*;

    fn read(page: &str) -> Vec<Reading> {
        pools(samples(page), &[])
    }

    fn figures(r: &Reading) -> [Option<f64>; 4] {
        [r.used, r.idle, r.max, r.waiting]
    }

    #[test]
    fn the_demos_own_metrics_are_a_pool() {
        let page = "db_pool_connections{state=\"used\"} 20\ndb_pool_connections{state=\"idle\"} 0\n\
                    db_pool_max_connections 20\ndb_pool_waiting 7\ndb_pool_acquire_timeouts_total 3\n\
                    db_pool_oldest_wait_seconds 3.9\n";
        let pools = read(page);
        assert_eq!(pools.len(), 1);
        assert_eq!(figures(&pools[0]), [Some(20.0), Some(0.0), Some(20.0), Some(7.0)]);
        assert_eq!((pools[0].oldest_wait_s, pools[0].timeouts_total), (Some(3.9), Some(3.0)));
    }

    #[test]
    fn common_libraries_are_known_by_their_names() {
        let cases = [
            (
                "hikaricp_connections{pool=\"p\"} 10\nhikaricp_connections_active{pool=\"p\"} 9\n\
                 hikaricp_connections_idle{pool=\"p\"} 1\nhikaricp_connections_max{pool=\"p\"} 10\n\
                 hikaricp_connections_pending{pool=\"p\"} 4\n",
                [Some(9.0), Some(1.0), Some(10.0), Some(4.0)],
            ),
            (
                "db_client_connection_count{state=\"used\",pool_name=\"p\"} 3\n\
                 db_client_connection_count{state=\"idle\",pool_name=\"p\"} 2\ndb_client_connection_max{pool_name=\"p\"} 5\n\
                 db_client_connection_pending_requests{pool_name=\"p\"} 1\n",
                [Some(3.0), Some(2.0), Some(5.0), Some(1.0)],
            ),
            (
                "go_sql_open_connections{db_name=\"p\"} 8\ngo_sql_in_use_connections{db_name=\"p\"} 6\n\
                 go_sql_max_open_connections{db_name=\"p\"} 8\n",
                [Some(6.0), Some(2.0), Some(8.0), None],
            ),
            (
                "pgbouncer_pools_server_active_connections{database=\"p\",user=\"a\"} 3\n\
                 pgbouncer_pools_server_active_connections{database=\"p\",user=\"b\"} 1\n\
                 pgbouncer_pools_server_idle_connections{database=\"p\",user=\"a\"} 0\n\
                 pgbouncer_pools_client_waiting_connections{database=\"p\",user=\"a\"} 7\n",
                [Some(4.0), Some(0.0), None, Some(7.0)],
            ),
            (
                "shop_pgxpool_acquired_connections{db=\"p\"} 2\nshop_pgxpool_max_connections{db=\"p\"} 4\n",
                [Some(2.0), None, Some(4.0), None],
            ),
            (
                "onyx_db_pool_checked_out{pool=\"p\"} 5\nonyx_db_pool_size{pool=\"p\"} 5\nonyx_db_pool_max{pool=\"p\"} 15\n",
                [Some(5.0), Some(0.0), Some(15.0), None],
            ),
        ];
        for (page, want) in cases {
            let pools = read(page);
            assert_eq!(pools.len(), 1, "{page}");
            assert_eq!(figures(&pools[0]), want, "{page}");
            assert_eq!(pools[0].pool, "p");
        }
    }

    #[test]
    fn pools_of_other_things_are_left_alone() {
        let page = "jvm_memory_pool_used 5\njvm_memory_pool_max 9\nhttp_client_connection_pool_size 3\n\
                    thread_pool_active 2\nexecutor_pool_max 9\n";
        assert_eq!(read(page), []);
    }

    #[test]
    fn a_mapping_from_the_configuration_comes_first() {
        let mapping = PoolMapping {
            name: "main".into(),
            used: Some("^odd\\{kind=\"out\"".into()),
            max: Some("^odd_limit$".into()),
            ..PoolMapping::default()
        };
        let mappings = [Mapping::compile(&mapping).unwrap()];
        let pools = pools(samples("odd{kind=\"out\"} 4\nodd{kind=\"in\"} 9\nodd_limit 6\n"), &mappings);
        assert_eq!((pools[0].pool.as_str(), pools[0].used, pools[0].max), ("main", Some(4.0), Some(6.0)));
        let bad = PoolMapping { name: "x".into(), used: Some("(".into()), ..PoolMapping::default() };
        assert!(Mapping::compile(&bad).unwrap_err().contains("pool x: used"));
    }
}
