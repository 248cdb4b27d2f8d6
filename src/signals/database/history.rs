//! All that is known of databases and pools, as of any playhead.
//!
//! Owns what came in, bounded and shared where it repeats; conclusions are drawn in `slow`, `blocked`, `pools` and
//! `verdict`. What a server says of itself is kept in `history/server`; whether it turns connections away is told by
//! `history/refused`.

mod refused;
mod server;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;

use self::server::LOOKS;
use super::OWN_APPLICATION;
use super::event::{
    Activity, DatabaseEvent, DeadlockSide, PoolFigures, PoolFrom, Refused, Replica, Session, SlowStatement, SqliteFile,
    Titles, Told, What,
};
use super::fingerprint::{fingerprint, hash};
use crate::timeline::{History, RequestId, Seq, Series, SourceId, TimeRange, Ts};

pub use refused::Past;
pub use server::{Look, Seen, Server};

/// Slow statements out of log lines kept.
const SLOW: usize = 8_000;
/// Records of servers' own logs kept.
const TOLD: usize = 2_000;
/// Plans out of logs kept.
const PLANS: usize = 500;
/// Newest slow statements that a line may be the second telling of, and how far apart both may say they lasted.
const TWICE: (usize, f64) = (32, 10.0);
/// Statements known by number.
const TEXTS: usize = 5_000;
/// Looks at process titles kept: two hours at one in 2 s.
const TITLES: usize = 3_600;
/// Older titles say nothing of now.
const TITLES_FRESH: Duration = Duration::from_secs(15);
/// Pools known by name.
const POOLS: usize = 64;

/// A statement: its text, its shape and whom it belongs to. Shared by all who ran it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// As it was seen, cut.
    pub text: String,
    /// Number of its shape.
    pub fingerprint: u64,
    /// The request that its comments name.
    pub request_id: Option<RequestId>,
    /// One of our own.
    pub ours: bool,
}

impl Statement {
    /// Whether it may be several statements sent at once: a session shows them all while it runs any of them.
    pub fn may_be_several(&self) -> bool {
        self.text.trim_end_matches([';', ' ', '\n', '\t', '\r']).contains(';')
    }
}

/// A slow statement out of a log line.
#[derive(Clone, Debug, PartialEq)]
pub struct Slow {
    /// Milliseconds.
    pub duration_ms: f64,
    /// What ran.
    pub statement: Arc<Statement>,
    /// The request it belongs to.
    pub request_id: Option<RequestId>,
    /// Rows.
    pub rows: Option<u64>,
    /// Rows looked at.
    pub examined: Option<u64>,
    /// Milliseconds that went into waiting for locks.
    pub lock_ms: Option<f64>,
    /// The session; 0 where it was not told.
    pub pid: i32,
    /// What the application calls itself.
    pub application: CompactString,
    /// The line.
    pub from: super::event::LineRef,
}

/// A plan out of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Shape of the statement it is of.
    pub fingerprint: u64,
    /// How long that one took, in milliseconds.
    pub duration_ms: f64,
    /// The plan, as the server wrote it.
    pub plan: Arc<str>,
}

/// One pool, as one source reports it.
#[derive(Clone, Debug)]
pub struct Pool {
    /// What it said.
    pub figures: History<PoolFigures>,
    /// Connections handed out, over time.
    pub used: Series,
    /// Callers that wait, over time.
    pub waiting: Series,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool { figures: History::new(LOOKS), used: Series::default(), waiting: Series::default() }
    }
}

/// A text behind a statement's number, and since when it is known.
#[derive(Clone, Debug)]
struct KnownText {
    observed: Ts,
    statement: Arc<Statement>,
}

/// The history of databases.
#[derive(Clone, Debug)]
pub struct DatabaseHistory {
    /// Servers by source.
    pub servers: BTreeMap<SourceId, Server>,
    /// Pools by source and name.
    pub pools: BTreeMap<(SourceId, CompactString), Pool>,
    /// Slow statements out of log lines.
    pub slow: History<Slow>,
    /// Plans out of log lines.
    pub plans: History<Planned>,
    /// What servers' own logs told beside slow statements.
    pub told: History<Told>,
    /// Connections turned away or cut, by whom (a server's source, or a log's).
    pub refused: History<(SourceId, Refused)>,
    /// What process titles said of the servers of this box.
    pub titles: History<Titles>,
    /// SQLite files by source: name, and what was seen of them.
    pub files: BTreeMap<SourceId, (CompactString, History<SqliteFile>)>,
    /// Lines that told something but were too many to carry.
    pub unread: History<u32>,
    /// Pools beyond those that can be kept.
    pub pools_refused: u64,
    texts: BTreeMap<(SourceId, i64), KnownText>,
    /// Statements already taken apart, by the hash of their text. Looked up, never walked through.
    shared: HashMap<u64, Arc<Statement>>,
    /// Source, session, shape, milliseconds and whether with a plan, of the newest slow statements.
    newest: VecDeque<(SourceId, i32, u64, f64, bool)>,
}

impl Default for DatabaseHistory {
    fn default() -> DatabaseHistory {
        DatabaseHistory {
            servers: BTreeMap::new(),
            pools: BTreeMap::new(),
            slow: History::new(SLOW),
            plans: History::new(PLANS),
            told: History::new(TOLD),
            refused: History::new(500),
            titles: History::new(TITLES),
            files: BTreeMap::new(),
            unread: History::new(1_000),
            pools_refused: 0,
            texts: BTreeMap::new(),
            shared: HashMap::new(),
            newest: VecDeque::new(),
        }
    }
}

impl DatabaseHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &DatabaseEvent) {
        match event {
            DatabaseEvent::ServerInfo(info) => {
                self.servers.entry(source).or_default().info.push(observed, observed, seq, info.clone());
            }
            DatabaseEvent::Activity(a) => self.activity(seq, source, observed, a),
            DatabaseEvent::Statements(s) => {
                self.servers.entry(source).or_default().statements.push(observed, observed, seq, s.clone());
            }
            DatabaseEvent::Text { queryid, text } => {
                let statement = self.statement(text, None);
                self.know(source, *queryid, observed, statement);
            }
            DatabaseEvent::Refused(r) => self.refused.push(observed, observed, seq, (source, r.clone())),
            DatabaseEvent::Deadlocks { delta, sides } => {
                let told = (*delta, sides.clone());
                self.servers.entry(source).or_default().deadlocks.push(observed, observed, seq, told);
            }
            DatabaseEvent::Replica(r) => {
                self.servers.entry(source).or_default().replica.push(observed, observed, seq, r.clone());
            }
            DatabaseEvent::Upkeep(u) => {
                self.servers.entry(source).or_default().upkeep.push(observed, observed, seq, u.clone());
            }
            DatabaseEvent::PoolFigures(p) => self.pool(seq, source, observed, p),
            DatabaseEvent::SlowStatement(s) => self.slow(seq, observed, s),
            // What becomes of our own statements is no trouble of the server's.
            DatabaseEvent::Told(t) if is_ours(&t.application, &t.statement) && t.what.is_of_statement() => {}
            DatabaseEvent::Told(t) => self.told.push(t.at.unwrap_or(observed), observed, seq, t.clone()),
            DatabaseEvent::Sqlite { name, file } => {
                let kept = self.files.entry(source).or_insert_with(|| (name.clone(), History::new(LOOKS / 2)));
                kept.1.push(observed, observed, seq, file.clone());
            }
            DatabaseEvent::Titles(t) => self.titles.push(observed, observed, seq, t.clone()),
            DatabaseEvent::Unread { lines } => self.unread.push(observed, observed, seq, *lines),
        }
    }

    fn slow(&mut self, seq: Seq, observed: Ts, s: &SlowStatement) {
        // Looking is no load.
        if is_ours(&s.application, &s.statement) {
            return;
        }
        let statement = self.statement(&s.statement, Some(s.fingerprint));
        let at = s.at.unwrap_or(observed);
        if !s.plan.is_empty() {
            let plan = s.plan.as_str().into();
            let planned = Planned { fingerprint: statement.fingerprint, duration_ms: s.duration_ms, plan };
            self.plans.push(at, observed, seq, planned);
        }
        // auto_explain and log_min_duration_statement tell of one execution in two records.
        let this = (s.from.source, s.pid, statement.fingerprint, s.duration_ms, !s.plan.is_empty());
        let twice = self.newest.iter().position(|n| {
            (n.0, n.1, n.2) == (this.0, this.1, this.2) && n.4 != this.4 && (n.3 - this.3).abs() <= TWICE.1
        });
        if let Some(i) = twice.filter(|_| s.pid != 0) {
            self.newest.remove(i);
            return;
        }
        self.newest.push_back(this);
        if self.newest.len() > TWICE.0 {
            self.newest.pop_front();
        }
        let slow = Slow {
            duration_ms: s.duration_ms,
            request_id: s.request_id.clone().or_else(|| statement.request_id.clone()),
            statement,
            rows: s.rows,
            examined: s.examined,
            lock_ms: s.lock_ms,
            pid: s.pid,
            application: s.application.clone(),
            from: s.from.clone(),
        };
        self.slow.push(at, observed, seq, slow);
    }

    /// The newest plan out of a log that is of this shape, as of `now`.
    pub fn plan(&self, fingerprint: u64, now: Ts) -> Option<&Planned> {
        self.plans.upto(now).map(|e| &e.value).find(|p| p.fingerprint == fingerprint)
    }

    fn activity(&mut self, seq: Seq, source: SourceId, observed: Ts, a: &Activity) {
        let mut sessions = Vec::with_capacity(a.sessions.len());
        for s in &a.sessions {
            let statement = self.statement(&s.query, None);
            if let Some(id) = s.queryid
                && !statement.text.is_empty()
                && !statement.may_be_several()
            {
                self.know(source, id, observed, statement.clone());
            }
            sessions.push(Seen { session: Session { query: String::new(), ..s.clone() }, statement });
        }
        let figures = Activity { sessions: Vec::new(), ..a.clone() };
        let look = Look { at: observed, figures, sessions, thinned: false };
        self.servers.entry(source).or_default().push(seq, look);
    }

    fn pool(&mut self, seq: Seq, source: SourceId, observed: Ts, p: &PoolFigures) {
        let key = (source, p.pool.clone());
        if !self.pools.contains_key(&key) && self.pools.len() >= POOLS {
            self.pools_refused += 1;
            return;
        }
        let at = p.at.unwrap_or(observed);
        let pool = self.pools.entry(key).or_default();
        if let Some(used) = p.used {
            pool.used.push(at, f64::from(used));
        }
        if let Some(waiting) = p.waiting {
            pool.waiting.push(at, f64::from(waiting));
        }
        pool.figures.push(at, observed, seq, p.clone());
    }

    fn know(&mut self, source: SourceId, queryid: i64, observed: Ts, statement: Arc<Statement>) {
        let known = self.texts.entry((source, queryid)).or_insert_with(|| KnownText { observed, statement });
        known.observed = known.observed.min(observed);
        while self.texts.len() > TEXTS {
            self.texts.pop_first();
        }
    }

    /// The statement for a text, taken apart once for all who ran it.
    fn statement(&mut self, text: &str, number: Option<u64>) -> Arc<Statement> {
        let key = hash(text.as_bytes());
        if let Some(known) = self.shared.get(&key).filter(|s| s.text == text) {
            return known.clone();
        }
        let shape = fingerprint(text);
        let statement = Arc::new(Statement {
            request_id: shape.request_id(),
            fingerprint: number.unwrap_or(shape.hash),
            ours: is_ours("", text),
            text: text.to_owned(),
        });
        // Letting go costs sharing, never a fact.
        if self.shared.len() > TEXTS {
            self.shared.clear();
        }
        self.shared.insert(key, statement.clone());
        statement
    }

    /// The statement behind a server's number, if it was known by `now`.
    pub fn text(&self, source: SourceId, queryid: i64, now: Ts) -> Option<&Arc<Statement>> {
        self.texts.get(&(source, queryid)).filter(|t| t.observed <= now).map(|t| &t.statement)
    }

    /// What stays of the time before `at`, the beginning of a minute: figures by the minute, and what is kept for long.
    /// Everything else of a window onto the past is to be folded behind it.
    pub fn before(&self, at: Ts) -> DatabaseHistory {
        let pool = |p: &Pool| Pool { used: p.used.before(at), waiting: p.waiting.before(at), ..Pool::default() };
        DatabaseHistory {
            servers: self.servers.iter().map(|(id, s)| (*id, s.before(at))).collect(),
            pools: self.pools.iter().map(|(key, p)| (key.clone(), pool(p))).collect(),
            refused: self.refused.clone(),
            told: self.told.clone(),
            unread: self.unread.clone(),
            pools_refused: self.pools_refused,
            texts: self.texts.clone(),
            ..DatabaseHistory::default()
        }
    }

    /// Up to when something was let go that a window onto the past brings back.
    pub fn let_go_upto(&self) -> Option<Ts> {
        let servers = self.servers.values().map(|s| s.let_go_upto.max(s.statements.evicted_upto()));
        let pools = self.pools.values().map(|p| p.figures.evicted_upto());
        servers.chain(pools).max().flatten().max(self.slow.evicted_upto())
    }

    /// What process titles say at `now`; nothing when they have not been read for a while.
    pub fn titles(&self, now: Ts) -> &[super::event::TitledServer] {
        let fresh = self.titles.latest(now).filter(|e| now.since(e.at) < TITLES_FRESH);
        fresh.map_or(&[], |e| e.value.servers.as_slice())
    }

    /// Whether anything was ever said by `now`, the titles of processes aside.
    pub fn is_silent(&self, now: Ts) -> bool {
        self.servers.values().all(|s| s.look(now).is_none())
            && self.pools.values().all(|p| p.figures.latest(now).is_none())
            && self.slow.latest(now).is_none()
            && self.refused.latest(now).is_none()
            && self.told.latest(now).is_none()
            && self.files.values().all(|(_, f)| f.latest(now).is_none())
    }

    /// Deadlocks in the minute before `now`, and who was in the last one that is told of. A server's counter, its log and
    /// the application's log may tell of the same ones: the largest number of them counts.
    pub fn deadlocks(&self, now: Ts) -> (u64, &[DeadlockSide]) {
        let range = minute(now);
        let mut logged: BTreeMap<SourceId, u64> = BTreeMap::new();
        let all = self.servers.values().flat_map(|s| s.deadlocks.within(range, now));
        let (mut n, mut last): (u64, Option<(Ts, &[DeadlockSide])>) = (0, None);
        for e in all {
            n += e.value.0;
            if !e.value.1.is_empty() && last.is_none_or(|(at, _)| at <= e.at) {
                last = Some((e.at, &e.value.1));
            }
        }
        for e in self.told.within(range, now) {
            if let What::Deadlock { sides } = &e.value.what {
                *logged.entry(e.value.from.source).or_default() += 1;
                // The log has both statements whole.
                if !sides.is_empty() && last.is_none_or(|(at, _)| at <= e.at + Duration::from_secs(5)) {
                    last = Some((e.at, sides));
                }
            }
        }
        let n = logged.into_values().max().unwrap_or(0).max(n);
        (n, last.map_or(&[], |(_, sides)| sides))
    }

    /// How the replica that is furthest behind keeps up, as told in the minute before `now`.
    pub fn replica(&self, now: Ts) -> Option<(&Server, &Replica)> {
        let fresh = |s: &'_ Server| s.replica.latest(now).is_some_and(|e| now.since(e.at) < Duration::from_secs(60));
        let told = self.servers.values().filter(|s| fresh(s)).filter_map(|s| Some((s, &s.replica.latest(now)?.value)));
        told.max_by_key(|(_, r)| (!r.receiving || !r.applying, r.behind_s))
    }

    /// Lines that could not be carried in the minute before `now`.
    pub fn unread(&self, now: Ts) -> u64 {
        self.unread.within(minute(now), now).map(|e| u64::from(e.value)).sum()
    }

    /// Facts that fell off the far end of any history.
    pub fn evicted(&self) -> u64 {
        self.slow.evicted() + self.servers.values().map(|s| s.evicted).sum::<u64>() + self.pools_refused
    }

    /// Whether a pool's figures come from log lines only.
    pub fn from_log(figures: &PoolFigures) -> bool {
        figures.from == PoolFrom::Log
    }
}

/// Whether a statement is one of our own: each of them bears a comment that says so.
fn is_ours(application: &str, statement: &str) -> bool {
    application.starts_with(OWN_APPLICATION) || statement.contains("/* warroom */")
}

/// The minute that ends with `now`, `now` included.
pub fn minute(now: Ts) -> TimeRange {
    TimeRange::ending(now + Duration::from_nanos(1), Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn look(n: usize, text: &str) -> DatabaseEvent {
        let session = |pid| Session { pid, query: text.into(), state: Some("active".into()), ..Session::default() };
        DatabaseEvent::Activity(Activity { sessions: (0..n as i32).map(session).collect(), ..Activity::default() })
    }

    #[test]
    fn equal_statements_are_kept_once() {
        let mut h = DatabaseHistory::default();
        h.apply(1, SourceId(1), Ts(1), &look(2, "SELECT 1"));
        h.apply(2, SourceId(1), Ts(2), &look(1, "SELECT 1"));
        let server = &h.servers[&SourceId(1)];
        let (a, b) = (server.look(Ts(1)).unwrap(), server.look(Ts(2)).unwrap());
        assert!(Arc::ptr_eq(&a.sessions[0].statement, &b.sessions[0].statement));
    }
}
