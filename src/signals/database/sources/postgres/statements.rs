//! What statements cost between two looks: differences of the server's counters, read without their texts.
//!
//! Reading texts makes the server load its whole text file, so they are asked for rarely, all missing ones at once, and
//! more rarely when that was slow. Statements seen running give their text for nothing.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use compact_str::CompactString;

use super::session::{Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{Activity, DatabaseEvent, STATEMENTS, StatementDelta, Statements, TEXT};

/// Least time between two readings of texts.
const TEXTS_EVERY: Duration = Duration::from_secs(60);
/// A reading of texts slower than this doubles that time.
const TEXTS_SLOW: Duration = Duration::from_millis(500);
/// Statements whose text is wanted.
const TEXTS_TOP: usize = 20;

/// The extension as it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// As written: `1.10`.
    pub version_text: CompactString,
    /// The same in numbers.
    pub version: (u32, u32),
    /// Its schema, quoted.
    pub schema: String,
}

/// Looks for the extension in this database.
pub async fn find(conn: &mut Conn) -> Result<Option<Extension>, Trouble> {
    const SQL: &str = "SELECT /* warroom */ e.extversion, quote_ident(n.nspname) FROM pg_extension e \
         JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";
    Ok(conn.rows(SQL.into()).await?.first().and_then(|row| {
        let version_text: CompactString = text(row, 0)?.into();
        let mut parts = version_text.split('.').map(|p| p.parse().unwrap_or(0));
        let version = (parts.next()?, parts.next().unwrap_or(0));
        Some(Extension { version_text, version, schema: text(row, 1)? })
    }))
}

/// Which statement of whom: user, database, number, top level.
type Key = (u32, u32, i64, bool);

/// Counters of one statement since the server's counters began.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Calls completed.
    pub calls: u64,
    /// Milliseconds together.
    pub total: f64,
    /// Milliseconds on average.
    pub mean: f64,
    /// Population standard deviation in milliseconds.
    pub stddev: f64,
    /// Longest call in milliseconds.
    pub max: f64,
    /// Rows.
    pub rows: u64,
}

/// Remembers the counters of the look before.
#[derive(Default)]
pub struct StatementPoll {
    extension: Option<Extension>,
    /// Why there is nothing to read.
    lack: Option<&'static str>,
    before: HashMap<Key, Counters>,
    looked: Option<Instant>,
    /// Last reset and number of entries thrown out, as the server tells them.
    marks: (String, String),
    known: HashSet<i64>,
    texts_after: Option<Instant>,
    texts_gap: Duration,
}

impl StatementPoll {
    /// A connection was opened, on which this extension was found.
    pub fn reconnected(&mut self, extension: Option<Extension>) {
        self.lack = extension.is_none().then_some(
            "no statement statistics here; to have them: CREATE EXTENSION pg_stat_statements \
             (and shared_preload_libraries = 'pg_stat_statements')",
        );
        self.extension = extension;
    }

    /// Why there are no figures, if there are none.
    pub fn lack(&self) -> Option<&'static str> {
        self.lack
    }

    /// Statements seen running need no reading of their text.
    pub fn seen(&mut self, look: &Activity) {
        self.known.extend(look.sessions.iter().filter(|s| !s.query.is_empty()).filter_map(|s| s.queryid));
        // Bounded: forgetting costs one more reading of texts.
        if self.known.len() > 20_000 {
            self.known.clear();
        }
    }

    /// Looks once; nothing where there is nothing to read.
    pub async fn look(&mut self, conn: &mut Conn) -> Result<Vec<DatabaseEvent>, Trouble> {
        let Some(ext) = self.extension.clone() else { return Ok(Vec::new()) };
        let began = Instant::now();
        let read = match self.read(conn, &ext).await {
            Ok(read) => read,
            // Not loaded (55000), no right (42501), other columns than its version says (42703 and the like): do
            // without it rather than fail.
            Err(e) if e.code().is_some_and(|c| c.starts_with("55") || c.starts_with("42")) => {
                self.extension = None;
                self.lack = Some("pg_stat_statements is there but cannot be read: is it in shared_preload_libraries?");
                return Ok(Vec::new());
            }
            Err(e) => return Err(e),
        };
        let (now, marks) = read;
        let interval = self.looked.map(|t| began.duration_since(t));
        let mut events = Vec::new();
        if let Some(interval) = interval {
            let mut s = difference(&self.before, &now, self.marks == marks && ext.version >= (1, 9));
            s.reset |= self.marks.0 != marks.0;
            if s.reset {
                s.deltas.clear();
            }
            s.interval_ms = interval.as_millis() as u64;
            s.cost_ms = began.elapsed().as_secs_f32() * 1e3;
            let unknown: Vec<i64> =
                s.deltas.iter().take(TEXTS_TOP).map(|d| d.queryid).filter(|id| !self.known.contains(id)).collect();
            events.push(DatabaseEvent::Statements(s));
            events.extend(self.texts(conn, &ext, &unknown).await?);
        }
        self.before = now;
        self.marks = marks;
        self.looked = Some(began);
        Ok(events)
    }

    async fn read(
        &self,
        conn: &mut Conn,
        ext: &Extension,
    ) -> Result<(HashMap<Key, Counters>, (String, String)), Trouble> {
        let marks = if ext.version >= (1, 9) {
            let sql = format!(
                "SELECT /* warroom */ stats_reset::text, dealloc::text FROM {}.pg_stat_statements_info",
                ext.schema
            );
            let rows = conn.rows(sql).await?;
            rows.first().map(|r| (text(r, 0).unwrap_or_default(), text(r, 1).unwrap_or_default())).unwrap_or_default()
        } else {
            Default::default()
        };
        let mut map = HashMap::new();
        for row in conn.rows(counters_sql(ext)).await? {
            let Some(queryid) = number::<i64>(&row, 2) else { continue };
            let key = (
                number(&row, 0).unwrap_or(0),
                number(&row, 1).unwrap_or(0),
                queryid,
                text(&row, 3).as_deref() != Some("f"),
            );
            let f = |i| number::<f64>(&row, i).unwrap_or(0.0);
            let counters = Counters {
                calls: number(&row, 4).unwrap_or(0),
                total: f(5),
                mean: f(6),
                stddev: f(7),
                max: f(8),
                rows: number(&row, 9).unwrap_or(0),
            };
            map.insert(key, counters);
        }
        Ok((map, marks))
    }

    async fn texts(&mut self, conn: &mut Conn, ext: &Extension, ids: &[i64]) -> Result<Vec<DatabaseEvent>, Trouble> {
        if ids.is_empty() || self.texts_after.is_some_and(|t| Instant::now() < t) {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let sql = format!(
            "SELECT /* warroom */ queryid, left(query, {TEXT}) FROM {}.pg_stat_statements(true) WHERE queryid IN ({list})",
            ext.schema
        );
        let read = conn.rows(sql).await;
        if self.texts_gap < TEXTS_EVERY {
            self.texts_gap = TEXTS_EVERY;
        }
        if began.elapsed() > TEXTS_SLOW || read.is_err() {
            self.texts_gap = (self.texts_gap * 2).min(Duration::from_secs(3_600));
        }
        self.texts_after = Some(Instant::now() + self.texts_gap);
        let rows = match read {
            Err(Trouble::TooSlow) => return Ok(Vec::new()),
            Err(e) if e.code().is_some_and(|c| c.starts_with("22")) => return Ok(Vec::new()),
            rows => rows?,
        };
        let mut out = Vec::new();
        for row in &rows {
            if let (Some(queryid), Some(text)) = (number(row, 0), text(row, 1))
                && self.known.insert(queryid)
            {
                out.push(DatabaseEvent::Text { queryid, text });
            }
        }
        Ok(out)
    }
}

/// Columns by the extension's version, which may be older than the server's.
fn counters_sql(ext: &Extension) -> String {
    let (total, of) = if ext.version >= (1, 8) { ("total_exec_time", "_exec_time") } else { ("total_time", "_time") };
    let top = if ext.version >= (1, 9) { "toplevel" } else { "true" };
    format!(
        "SELECT /* warroom */ userid, dbid, queryid, {top}, calls, {total}, mean{of}, stddev{of}, max{of}, rows \
         FROM {}.pg_stat_statements(false)",
        ext.schema
    )
}

/// What happened between two readings. `complete` says that no entry was thrown out or reset in between, so that one
/// that was not there before has all its calls in the interval.
pub fn difference(before: &HashMap<Key, Counters>, now: &HashMap<Key, Counters>, complete: bool) -> Statements {
    let mut by_id: HashMap<i64, (StatementDelta, f64)> = HashMap::new();
    let mut backwards = 0;
    for (key, n) in now {
        let (b, new) = match before.get(key) {
            Some(b) if n.calls < b.calls || n.total + 1e-6 < b.total => {
                backwards += 1;
                continue;
            }
            Some(b) => (*b, false),
            None => (Counters::default(), !complete),
        };
        let calls = n.calls - b.calls;
        if calls == 0 {
            continue;
        }
        let total = n.total - b.total;
        let mean = total / calls as f64;
        // Sum of squares out of count, mean and population deviation, before and after.
        let squares = |c: &Counters| c.calls as f64 * (c.stddev * c.stddev + c.mean * c.mean);
        let sum = (squares(n) - squares(&b)).max(calls as f64 * mean * mean);
        let (d, squared) = by_id.entry(key.2).or_default();
        d.queryid = key.2;
        d.calls += calls;
        d.total_ms += total;
        d.max_ms = d.max_ms.max(n.max);
        d.rows += n.rows.saturating_sub(b.rows);
        d.new |= new;
        *squared += sum;
    }
    let mut s = Statements { entries: now.len() as u32, ..Statements::default() };
    s.reset = backwards * 2 > before.len();
    let mut deltas: Vec<StatementDelta> = by_id
        .into_values()
        .map(|(mut d, squares)| {
            d.mean_ms = d.total_ms / d.calls as f64;
            d.stddev_ms = (squares / d.calls as f64 - d.mean_ms * d.mean_ms).max(0.0).sqrt();
            d.p95_ms = if d.new { None } else { p95(d.calls, d.mean_ms, d.stddev_ms) };
            d
        })
        .collect();
    for d in deltas.iter().filter(|d| !d.new) {
        s.calls += d.calls;
        s.total_ms += d.total_ms;
    }
    for d in &mut deltas {
        d.share = if d.new || s.total_ms <= 0.0 { 0.0 } else { d.total_ms / s.total_ms };
    }
    deltas.sort_by(|a, b| {
        (a.new, b.total_ms, a.queryid).partial_cmp(&(b.new, a.total_ms, b.queryid)).unwrap_or(std::cmp::Ordering::Equal)
    });
    deltas.truncate(STATEMENTS);
    s.deltas = deltas;
    s
}

/// The 95th percentile of a log-normal with this mean and deviation. Only for 20 calls or more and a deviation of at
/// most twice the mean: on ragged or two-humped times it would be a lie.
pub fn p95(calls: u64, mean: f64, stddev: f64) -> Option<f64> {
    if calls < 20 || mean <= 0.0 || stddev > 2.0 * mean {
        return None;
    }
    let variance = (1.0 + (stddev / mean).powi(2)).ln();
    Some((mean.ln() - variance / 2.0 + 1.6449 * variance.sqrt()).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: &[f64]) -> Counters {
        let n = durations.len() as f64;
        let total: f64 = durations.iter().sum();
        let mean = total / n;
        let stddev = (durations.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        let max = durations.iter().copied().fold(0.0, f64::max);
        Counters { calls: durations.len() as u64, total, mean, stddev, max, rows: durations.len() as u64 }
    }

    #[test]
    fn the_intervals_mean_and_deviation_come_out_of_cumulative_counters() {
        let (calm, sick) = (vec![10.0; 100], [150.0, 190.0, 230.0, 190.0]);
        let all: Vec<f64> = calm.iter().chain(&sick).copied().collect();
        let key = (1, 1, 7, true);
        let s = difference(&HashMap::from([(key, of(&calm))]), &HashMap::from([(key, of(&all))]), true);
        let d = &s.deltas[0];
        assert_eq!((d.calls, d.rows), (4, 4));
        assert!((d.mean_ms - 190.0).abs() < 1e-6 && (d.stddev_ms - of(&sick).stddev).abs() < 1e-6, "{d:?}");
        assert!((d.share - 1.0).abs() < 1e-9);
    }

    #[test]
    fn counters_that_went_back_are_a_gap_never_a_negative_number_or_a_spike() {
        let key = (1, 1, 7, true);
        let s = difference(&HashMap::from([(key, of(&[5.0; 50]))]), &HashMap::from([(key, of(&[5.0; 3]))]), true);
        assert!(s.reset && s.deltas.is_empty());
    }

    #[test]
    fn a_statement_without_a_baseline_is_marked_and_takes_no_share() {
        let s = difference(&HashMap::new(), &HashMap::from([((1, 1, 7, true), of(&[5.0; 50]))]), false);
        assert!(s.deltas[0].new && s.deltas[0].share == 0.0 && s.total_ms == 0.0);
    }

    #[test]
    fn a_percentile_is_only_given_where_it_is_honest() {
        assert_eq!(p95(19, 10.0, 1.0), None);
        assert_eq!(p95(100, 10.0, 30.0), None);
        assert!((p95(100, 10.0, 0.0).unwrap() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn columns_follow_the_version_of_the_extension() {
        let sql = |version| counters_sql(&Extension { version_text: "".into(), version, schema: "public".into() });
        assert!(sql((1, 7)).contains(" total_time") && !sql((1, 7)).contains("toplevel"));
        assert!(sql((1, 8)).contains("mean_exec_time") && !sql((1, 8)).contains("toplevel"));
        assert!(sql((1, 12)).contains("toplevel"));
    }
}
