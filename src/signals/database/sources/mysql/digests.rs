//! What statements cost a MySQL or MariaDB server between two looks: differences of its digest counters.
//!
//! Texts are read rarely, and only of statements on screen.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::super::counters::{Counters, Key, difference};
use super::session::{Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{DatabaseEvent, TEXT};

/// Least time between two readings of texts.
const TEXTS_EVERY: Duration = Duration::from_secs(5);
/// Statements whose text is wanted.
const TEXTS_TOP: usize = 20;
/// Texts remembered to have been read.
const KNOWN: usize = 20_000;

/// Remembers the counters of the look before.
#[derive(Default)]
pub struct Digests {
    /// Why there is nothing to read, as the user is told.
    lack: Option<String>,
    off: bool,
    before: HashMap<Key, Counters>,
    looked: Option<Instant>,
    known: HashSet<i64>,
    texts_after: Option<Instant>,
}

impl Digests {
    /// A connection was opened; `on` says whether the server keeps counters at all.
    pub fn reconnected(&mut self, on: bool) {
        self.off = !on;
        // What answers now may be another server: differences to the one before would be nonsense.
        (self.before, self.looked) = (HashMap::new(), None);
        self.lack = (!on).then(|| {
            "performance_schema is off, so there are no figures per statement, only what runs now; to have them: \
             performance_schema = ON below [mysqld], and a restart"
                .into()
        });
    }

    /// Why there are no figures, if there are none.
    pub fn lack(&self) -> Option<&str> {
        self.lack.as_deref()
    }

    /// Looks once; nothing where there is nothing to read. `account` is whom a missing right would be granted to.
    pub async fn look(&mut self, conn: &mut Conn, account: &str) -> Result<Vec<DatabaseEvent>, Trouble> {
        if self.off {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let rows = match conn.rows(COUNTERS).await {
            Ok(rows) => rows,
            Err(e) if e.is_denied() => {
                self.off = true;
                self.lack =
                    Some(format!("no figures per statement; run: GRANT SELECT ON performance_schema.* TO {account}"));
                return Ok(Vec::new());
            }
            Err(e) => return Err(e),
        };
        let mut now: HashMap<Key, Counters> = HashMap::with_capacity(rows.len());
        for row in &rows {
            let Some(id) = text(row, 0).as_deref().and_then(of_digest) else { continue };
            let ms = |i| number::<f64>(row, i).unwrap_or(0.0) / 1e9;
            let c = now.entry((0, 0, id, true)).or_default();
            c.calls += number::<u64>(row, 1).unwrap_or(0);
            c.total += ms(2);
            c.max = c.max.max(ms(3));
            c.rows += number::<u64>(row, 4).unwrap_or(0);
            c.mean = c.total / c.calls.max(1) as f64;
        }
        let mut events = Vec::new();
        if let Some(looked) = self.looked {
            // Entries only go away when all do.
            let complete = now.len() >= self.before.len();
            let mut s = difference(&self.before, &now, complete);
            s.reset |= !complete;
            if s.reset {
                s.deltas.clear();
            }
            // The server keeps no deviation: none is told, and no percentile guessed from it.
            for d in &mut s.deltas {
                (d.stddev_ms, d.p95_ms) = (0.0, None);
            }
            s.interval_ms = began.duration_since(looked).as_millis() as u64;
            s.cost_ms = began.elapsed().as_secs_f32() * 1e3;
            let unknown: Vec<i64> =
                s.deltas.iter().take(TEXTS_TOP).map(|d| d.queryid).filter(|id| !self.known.contains(id)).collect();
            events.push(DatabaseEvent::Statements(s));
            events.extend(self.texts(conn, &unknown).await?);
        }
        self.before = now;
        self.looked = Some(began);
        Ok(events)
    }

    async fn texts(&mut self, conn: &mut Conn, ids: &[i64]) -> Result<Vec<DatabaseEvent>, Trouble> {
        if ids.is_empty() || self.texts_after.is_some_and(|t| Instant::now() < t) {
            return Ok(Vec::new());
        }
        self.texts_after = Some(Instant::now() + TEXTS_EVERY);
        let list: Vec<String> = ids.iter().map(|id| format!("'{id:016x}'")).collect();
        let sql = format!(
            "SELECT /* warroom */ DIGEST, LEFT(DIGEST_TEXT, {TEXT}) \
             FROM performance_schema.events_statements_summary_by_digest WHERE LEFT(DIGEST, 16) IN ({}) LIMIT 100",
            list.join(",")
        );
        let rows = match conn.rows(sql).await {
            Err(Trouble::TooSlow) => return Ok(Vec::new()),
            rows => rows?,
        };
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        let mut out = Vec::new();
        for row in &rows {
            if let (Some(queryid), Some(text)) = (text(row, 0).as_deref().and_then(of_digest), text(row, 1))
                && self.known.insert(queryid)
            {
                let text = if conn.is_ours(&text) { format!("/* warroom */ {text}") } else { text };
                out.push(DatabaseEvent::Text { queryid, text });
            }
        }
        Ok(out)
    }
}

const COUNTERS: &str = "SELECT /* warroom */ DIGEST, COUNT_STAR, SUM_TIMER_WAIT, MAX_TIMER_WAIT, \
     SUM_ROWS_SENT + SUM_ROWS_AFFECTED FROM performance_schema.events_statements_summary_by_digest \
     WHERE DIGEST IS NOT NULL";

/// A digest as a number: its first 16 hexadecimal digits.
fn of_digest(digest: &str) -> Option<i64> {
    u64::from_str_radix(digest.get(..16)?, 16).ok().map(u64::cast_signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_and_its_number_lead_to_each_other() {
        let digest = "f1a2b3c4d5e6f708aabbccddeeff0011";
        assert_eq!(format!("{:016x}", of_digest(digest).unwrap()), digest[..16]);
        assert_eq!(of_digest("short"), None);
    }
}
