//! Databases and pools at an instant, to be compared with another.

use super::history::DatabaseHistory;
use super::pools;
use super::slow::{self, Ask};
use crate::timeline::Ts;
use crate::timeline::figure::{Figure, MEAN_OVER, Trouble, Unit};

/// Statements given per instant.
const STATEMENTS: usize = 12;

/// Figures at `now`: pools and sessions as last seen within a minute, statements of the minute before.
pub fn figures(history: &DatabaseHistory, now: Ts) -> Vec<Figure> {
    let mut out = Vec::new();
    for pool in pools::pools(history, now).into_iter().filter(|p| !p.stale) {
        let mut put = |what: &str, n: Option<f64>, unit, noise| {
            let name = format!("pool {}: {what}", pool.name);
            out.extend(n.map(|n| Figure::number("Database", name, n, unit, noise)));
        };
        put("in use", pool.used.map(f64::from), Unit::Count, 2.0);
        put("waiting", pool.waiting.map(f64::from), Unit::Count, 0.5);
        put("wait for a connection", pool.acquire_ms, Unit::Millis, 5.0);
        put("gave up in a minute", Some(pool.timeouts as f64), Unit::Count, 0.5);
    }
    for server in history.servers.values() {
        let Some(look) = server.look(now).filter(|l| now.since(l.at) <= MEAN_OVER) else { continue };
        let counts = &look.figures.counts;
        let sessions: [(&str, u32, f64); 5] = [
            ("sessions", counts.clients, 3.0),
            ("active", counts.active, 2.0),
            ("idle in transaction", counts.idle_in_tx + counts.aborted, 1.0),
            ("waiting for locks", counts.waiting, 0.5),
            ("idle", counts.idle, 3.0),
        ];
        for (what, n, noise) in sessions {
            let figure =
                Figure::number("Database", format!("{}: {what}", server.name(now)), f64::from(n), Unit::Count, noise);
            out.push(if what == "idle" { figure.trouble(Trouble::Neither) } else { figure });
        }
    }
    let statements: Vec<_> = slow::list(history, now, Ask::default())
        .into_iter()
        .filter(|r| !r.past && r.statement.is_some())
        .take(STATEMENTS)
        .collect();
    for row in &statements {
        out.push(Figure::number("Statements, time taken", row.title(), row.typical_ms(), Unit::Millis, 5.0));
    }
    for row in statements.iter().filter(|r| r.calls > 0) {
        let figure = Figure::number("Statements, calls a second", row.title(), row.rate, Unit::PerSecond, 1.0);
        out.push(figure.trouble(Trouble::Neither));
    }
    out
}
