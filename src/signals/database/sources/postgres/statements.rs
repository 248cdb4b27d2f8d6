//! What statements cost between two looks: differences of the server's counters, read without their texts.
//!
//! Reading texts makes the server load its whole text file, so they are asked for rarely, all missing ones at once, and
//! more rarely when that was slow. Statements seen running give their text for nothing.
//!
//! Of many entries most are of statements that ran once, long ago. Writing them out costs the server as much again as
//! finding them, so those that have taken next to nothing since the counters began are left out of most looks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use sqlx::Row;

use super::super::counters::{Counters, Key, difference};
use super::session::{Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{Activity, DatabaseEvent, STATEMENTS, TEXT};

/// Least time between two readings of texts.
const TEXTS_EVERY: Duration = Duration::from_secs(60);
/// A reading of texts slower than this doubles that time.
const TEXTS_SLOW: Duration = Duration::from_millis(500);
/// Statements whose text is wanted: all that are told of, because reading one text costs as much as reading all.
const TEXTS_TOP: usize = STATEMENTS;
/// From so many entries on, those below [`WORTH_MS`] are left out of all looks but one every so often.
const MANY: usize = 1_000;
/// What a statement must have taken in all, in milliseconds: below, it can neither be slow nor weigh in the list.
const WORTH_MS: f64 = 1.0;
/// How often all of many entries are read, so that a statement that comes up has its counters from before.
const WHOLE_EVERY: Duration = Duration::from_secs(600);
/// Least and most time between two looks.
const EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// A look may take the server this share of the time until the next: 10 ms every 5 s.
const DUTY: f32 = 0.002;

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

/// Remembers the counters of the look before.
#[derive(Default)]
pub struct StatementPoll {
    extension: Option<Extension>,
    /// Why there is nothing to read.
    lack: Option<&'static str>,
    before: HashMap<Key, Counters>,
    looked: Option<Instant>,
    /// When all entries were read last.
    whole: Option<Instant>,
    /// Server milliseconds of the last looks.
    costs: VecDeque<f32>,
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
        // What answers now may be another server: differences to the one before would be nonsense.
        (self.before, self.looked, self.whole) = (HashMap::new(), None, None);
        self.costs.clear();
    }

    /// Time until the next look: longer where looking costs the server much.
    pub fn every(&self) -> Duration {
        let mut costs: Vec<f32> = self.costs.iter().copied().collect();
        costs.sort_by(f32::total_cmp);
        let typical = costs.get(costs.len() / 2).copied().unwrap_or(0.0);
        Duration::from_secs_f32((typical / 1e3 / DUTY).round().clamp(EVERY.0.as_secs_f32(), EVERY.1.as_secs_f32()))
    }

    /// Version of the extension that is read.
    pub fn version(&self) -> Option<CompactString> {
        self.extension.as_ref().map(|e| e.version_text.clone())
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
        let all = self.before.len() < MANY || self.whole.is_none_or(|t| began.duration_since(t) > WHOLE_EVERY);
        let read = match self.read(conn, &ext, all).await {
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
        let Read { counters: now, marks, server_ms } = read;
        if !all {
            // A look at all of them is rare, and says nothing of the next.
            self.costs.push_back(server_ms);
        }
        if self.costs.len() > 5 {
            self.costs.pop_front();
        }
        let interval = self.looked.map(|t| began.duration_since(t));
        let mut events = Vec::new();
        let mut reset = false;
        if let Some(interval) = interval {
            let mut s = difference(&self.before, &now, self.marks == marks && ext.version >= (1, 9));
            s.reset |= self.marks.0 != marks.0;
            if s.reset {
                s.deltas.clear();
            }
            s.interval_ms = interval.as_millis() as u64;
            s.cost_ms = began.elapsed().as_secs_f32() * 1e3;
            s.server_ms = server_ms;
            s.entries = if all { now.len() } else { self.before.len().max(now.len()) } as u32;
            reset = s.reset;
            let unknown: Vec<i64> =
                s.deltas.iter().take(TEXTS_TOP).map(|d| d.queryid).filter(|id| !self.known.contains(id)).collect();
            events.push(DatabaseEvent::Statements(s));
            events.extend(self.texts(conn, &ext, &unknown).await?);
        }
        if all || reset {
            self.before = now;
            self.whole = all.then_some(began);
        } else {
            self.before.extend(now);
        }
        self.marks = marks;
        self.looked = Some(began);
        Ok(events)
    }

    async fn read(&self, conn: &mut Conn, ext: &Extension, all: bool) -> Result<Read, Trouble> {
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
        let mut server_ms = 0.0;
        for row in conn.rows(counters_sql(ext, all)).await? {
            if row.len() == 1 {
                server_ms = number(&row, 0).unwrap_or(0.0);
                continue;
            }
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
        Ok(Read { counters: map, marks, server_ms })
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

/// What one look read.
struct Read {
    counters: HashMap<Key, Counters>,
    marks: (String, String),
    server_ms: f32,
}

/// Columns by the extension's version, which may be older than the server's; then what that took the server, as a row of
/// one column.
fn counters_sql(ext: &Extension, all: bool) -> String {
    let (total, of) = if ext.version >= (1, 8) { ("total_exec_time", "_exec_time") } else { ("total_time", "_time") };
    let top = if ext.version >= (1, 9) { "toplevel" } else { "true" };
    let worth = if all { String::new() } else { format!(" WHERE {total} >= {WORTH_MS}") };
    format!(
        "SELECT /* warroom */ userid, dbid, queryid, {top}, calls, {total}, mean{of}, stddev{of}, max{of}, rows \
         FROM {}.pg_stat_statements(false){worth}; \
         SELECT /* warroom */ (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::float8",
        ext.schema
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_the_version_of_the_extension() {
        let sql =
            |version| counters_sql(&Extension { version_text: "".into(), version, schema: "public".into() }, false);
        assert!(sql((1, 7)).contains(" total_time") && !sql((1, 7)).contains("toplevel"));
        assert!(sql((1, 8)).contains("mean_exec_time") && !sql((1, 8)).contains("toplevel"));
        assert!(sql((1, 12)).contains("toplevel"));
        assert!(sql((1, 7)).contains("WHERE total_time >= 1;") && sql((1, 12)).contains("WHERE total_exec_time >= 1;"));
    }

    #[test]
    fn counters_that_are_dear_to_read_are_read_more_rarely_and_one_dear_reading_changes_nothing() {
        let every = |costs: &[f32]| {
            StatementPoll { costs: costs.iter().copied().collect(), ..StatementPoll::default() }.every().as_secs()
        };
        assert_eq!(every(&[]), 5);
        assert_eq!(every(&[4.0, 9.0, 400.0, 5.0, 6.0]), 5);
        assert_eq!(every(&[20.0; 5]), 10);
        assert_eq!(every(&[400.0; 5]), 30);
    }
}
