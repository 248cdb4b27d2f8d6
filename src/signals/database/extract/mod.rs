//! What log lines tell of databases: slow statements, pools that ran dry, connections turned away.
//!
//! [`NEEDLES`] are what a batch is searched for; [`extract`] reads one line in which a needle was found. Both are used
//! by `stream::derive`. Nothing here reads a clock; a line without a time gives a fact without one.

pub mod json;
pub mod server;
pub mod text;

use std::borrow::Cow;

use compact_str::CompactString;
use serde_json::Value;

use crate::signals::database::event::{DatabaseEvent, LineRef, PoolFigures, PoolFrom, SlowStatement, TEXT, What};
use crate::signals::database::fingerprint::fingerprint;
use crate::timeline::{RequestId, Ts};

/// What a needle announces.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// sqlx's own line about a slow statement.
    Sqlx,
    /// PostgreSQL's `duration: … ms`.
    Duration,
    /// A field of a JSON record that may hold a statement.
    JsonSql,
    /// Hibernate's slow query line.
    Hibernate,
    /// Rails: name, milliseconds, statement.
    Rails,
    /// Django: seconds, statement, arguments.
    Django,
    /// HikariCP's figures.
    Hikari,
    /// SQLAlchemy's pool is full.
    QueuePool,
    /// Somebody gave up waiting for a connection.
    PoolTimeout,
    /// The server had no slot, or was not up.
    NoSlot,
    /// A record of PostgreSQL's own log.
    Postgres,
    /// A line of MySQL's or MariaDB's error log, or one of a client's that repeats what the server said.
    Mysql,
    /// The figures of a record of MySQL's or MariaDB's slow log.
    SlowLog,
    /// InnoDB's account of a deadlock begins.
    Innodb,
    /// SQLite's file was held by somebody else.
    Sqlite,
}

impl Hint {
    /// Whether the needle is of a server's own log: the log's format then says where the record ends.
    pub fn is_server(self) -> bool {
        matches!(self, Hint::Duration | Hint::NoSlot | Hint::Postgres | Hint::Mysql | Hint::SlowLog)
    }
}

/// What a batch is searched for, and what it announces.
pub const NEEDLES: &[(&str, Hint)] = &[
    ("slow statement: execution time exceeded", Hint::Sqlx),
    ("duration: ", Hint::Duration),
    ("\"sql\"", Hint::JsonSql),
    ("\"statement\"", Hint::JsonSql),
    ("db.statement\"", Hint::JsonSql),
    ("db.query.text\"", Hint::JsonSql),
    ("\"query\"", Hint::JsonSql),
    ("SlowQuery: ", Hint::Hibernate),
    ("Slow query took ", Hint::Hibernate),
    ("ms)  SELECT", Hint::Rails),
    ("ms)  UPDATE", Hint::Rails),
    ("ms)  INSERT", Hint::Rails),
    ("ms)  DELETE", Hint::Rails),
    ("; args=(", Hint::Django),
    (" - Pool stats (total=", Hint::Hikari),
    ("Connection is not available, request timed out after", Hint::Hikari),
    ("QueuePool limit of size ", Hint::QueuePool),
    ("pool timed out while waiting for an open connection", Hint::PoolTimeout),
    ("timeout exceeded when trying to connect", Hint::PoolTimeout),
    ("Timeout acquiring a connection", Hint::PoolTimeout),
    ("Timed out fetching a new connection from the connection pool", Hint::PoolTimeout),
    ("could not obtain a connection from the pool within", Hint::PoolTimeout),
    ("sorry, too many clients already", Hint::NoSlot),
    ("remaining connection slots are reserved", Hint::NoSlot),
    ("too many connections for ", Hint::NoSlot),
    ("the database system is ", Hint::NoSlot),
    ("Lock on ", Hint::Postgres),
    ("deadlock detected", Hint::Postgres),
    ("canceling statement due to ", Hint::Postgres),
    ("terminating connection ", Hint::Postgres),
    ("authentication failed for user", Hint::Postgres),
    ("no pg_hba.conf entry for", Hint::Postgres),
    ("FATAL:  role ", Hint::Postgres),
    ("FATAL:  database ", Hint::Postgres),
    ("No space left on device", Hint::Postgres),
    ("Disk quota exceeded", Hint::Postgres),
    (" was terminated by signal ", Hint::Postgres),
    ("database system was ", Hint::Postgres),
    ("database system is ready", Hint::Postgres),
    (" shutdown request", Hint::Postgres),
    ("all server processes terminated", Hint::Postgres),
    ("archive command ", Hint::Postgres),
    ("failed too many times", Hint::Postgres),
    ("replication slot ", Hint::Postgres),
    ("requested WAL segment ", Hint::Postgres),
    ("checkpoints are occurring too frequently", Hint::Postgres),
    ("temporary file: path ", Hint::Postgres),
    ("# Query_time: ", Hint::SlowLog),
    ("Too many connections", Hint::Mysql),
    ("max_user_connections", Hint::Mysql),
    ("many connection errors", Hint::Mysql),
    ("Access denied for user ", Hint::Mysql),
    ("Deadlock found when trying to get lock", Hint::Mysql),
    ("Lock wait timeout exceeded", Hint::Mysql),
    ("maximum statement execution time exceeded", Hint::Mysql),
    ("max_statement_time exceeded", Hint::Mysql),
    ("Disk is full", Hint::Mysql),
    ("error number 28", Hint::Mysql),
    ("' is full", Hint::Mysql),
    ("got signal ", Hint::Mysql),
    ("got exception ", Hint::Mysql),
    ("Starting crash recovery", Hint::Mysql),
    ("was not shutdown normally", Hint::Mysql),
    ("ready for connections", Hint::Mysql),
    (": Normal shutdown", Hint::Mysql),
    ("Received SHUTDOWN from user", Hint::Mysql),
    ("database is locked", Hint::Sqlite),
    ("database table is locked", Hint::Sqlite),
    ("SQLITE_BUSY", Hint::Sqlite),
    ("SQLITE_LOCKED", Hint::Sqlite),
];

/// Statements that frameworks log at every call count as slow from here on, in milliseconds.
const SLOW_MS: f64 = 100.0;

/// A statement out of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slow {
    /// Milliseconds.
    pub duration_ms: f64,
    /// The statement.
    pub statement: String,
    /// Rows returned or changed.
    pub rows: Option<u64>,
    /// Rows looked at.
    pub examined: Option<u64>,
    /// Milliseconds of it that went into waiting for locks.
    pub lock_ms: Option<f64>,
    /// The plan it ran with, as the log has it.
    pub plan: String,
    /// The session; 0 when it is not told.
    pub pid: i32,
    /// What the application calls itself.
    pub application: CompactString,
}

/// What a line told, and what else it says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Its event time.
    pub time: Option<Ts>,
    /// Its request, where that was looked for.
    pub request_id: Option<RequestId>,
    /// Its message, without time, severity and fields.
    pub message: String,
    /// Its other fields.
    pub fields: Vec<(CompactString, Value)>,
    /// Which server wrote it.
    pub server: Wrote,
    /// Whether it says that a connection ends with it.
    pub fatal: bool,
}

/// Who wrote a line.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Wrote {
    /// PostgreSQL itself.
    Postgres,
    /// MySQL or MariaDB itself.
    Mysql,
    /// Anybody else.
    #[default]
    Other,
}

/// The first `most` characters of a text.
fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// Reads a line in which the needle of `hint` begins at `at`. `line` may go on over continuation lines. `about` is
/// what a log format knows of the line; it is asked only when the line tells something. `id` looks for the line's request,
/// and is asked only when the statement does not name one.
pub fn extract(
    line: &[u8],
    at: usize,
    hint: Hint,
    from: &LineRef,
    about: impl Fn() -> About,
    id: impl Fn(&About) -> Option<RequestId>,
) -> Option<DatabaseEvent> {
    let complete = |event, object, about: &About| complete(event, object, from, about, || id(about));
    let hint = match hint {
        Hint::Innodb => {
            let event = server::event(server::innodb(&String::from_utf8_lossy(line)), &About::default(), from);
            return Some(complete(event, None, &about()));
        }
        Hint::SlowLog => {
            let about = about();
            let read = server::Read::Slow(server::slow_log(&about)?);
            return Some(complete(server::event(read, &about, from), None, &about));
        }
        Hint::Postgres | Hint::Mysql | Hint::Duration | Hint::NoSlot => {
            let about = about();
            let read = match (hint, about.server) {
                (_, Wrote::Postgres) => server::postgres(&about),
                (Hint::Mysql, wrote) => server::mysql(&plain(line), wrote == Wrote::Mysql),
                // The drive of a MySQL server may be full as well.
                (Hint::Postgres, Wrote::Mysql) => server::mysql(&plain(line), true),
                (Hint::NoSlot, _) => server::refused(&plain(line)).map(server::Read::Refused),
                (Hint::Postgres, _) => repeated(&plain(line)),
                _ => None,
            };
            match read {
                Some(read) => return Some(complete(server::event(read, &about, from), None, &about)),
                None if hint == Hint::Duration && about.server == Wrote::Other => hint,
                None => return None,
            }
        }
        Hint::Sqlite => {
            let (about, text) = (about(), plain(line));
            let at = ["database is locked", "database table is locked", "SQLITE_BUSY", "SQLITE_LOCKED"];
            let at = at.iter().filter_map(|n| text.find(n)).min()?;
            let why = clip(text[at..].lines().next()?.split('"').next()?.trim_end_matches(['}', ']', ')']), 80);
            let event = server::event(server::Read::Told(What::Busy { why }, String::new()), &about, from);
            return Some(complete(event, None, &about));
        }
        other => other,
    };
    let object = line.trim_ascii_start().starts_with(b"{").then(|| json::Object::parse(line)).flatten();
    let said = match &object {
        Some(o) if !o.message().is_empty() => Cow::Borrowed(o.message()),
        // What stands long before the needle is of no use; pool names stand just before it.
        _ => plain(&line[at.saturating_sub(256).min(line.len())..]),
    };
    // The needle may stand in another field than the message: `"error":"QueuePool limit …"`.
    let either = |read: fn(&str) -> Option<PoolFigures>| read(&said).or_else(|| read(&plain(line)));
    let event = match hint {
        Hint::Sqlx if object.is_none() => slow(text::sqlx(&said)?, from),
        Hint::Sqlx | Hint::JsonSql => slow(object.as_ref()?.slow()?, from),
        Hint::Duration => slow(text::duration(&said)?, from),
        Hint::Hibernate => slow(text::hibernate(&said)?, from),
        Hint::Rails => slow(text::rails(&said).filter(|s| s.duration_ms >= SLOW_MS)?, from),
        Hint::Django => slow(text::django(&said).filter(|s| s.duration_ms >= SLOW_MS)?, from),
        Hint::Hikari => DatabaseEvent::PoolFigures(either(text::hikari)?),
        Hint::QueuePool => DatabaseEvent::PoolFigures(either(text::queue_pool)?),
        Hint::PoolTimeout => DatabaseEvent::PoolFigures(PoolFigures { timeouts: Some(1), ..PoolFigures::default() }),
        _ => return None,
    };
    Some(complete(event, object.as_ref(), &about()))
}

/// What an application's line repeats of PostgreSQL's words.
fn repeated(text: &str) -> Option<server::Read> {
    let told = |what| Some(server::Read::Told(what, String::new()));
    if text.contains("deadlock detected") {
        return told(What::Deadlock { sides: Vec::new() });
    }
    let (_, why) = text.split_once("canceling statement due to ")?;
    let end = why.find(|c: char| !(c.is_ascii_alphabetic() || c == ' ' || c == '-')).unwrap_or(why.len());
    told(What::Cancelled { why: clip(&why[..end], 60).into() })
}

fn slow(s: Slow, from: &LineRef) -> DatabaseEvent {
    let statement = clip(s.statement.trim(), TEXT);
    let shape = fingerprint(&statement);
    DatabaseEvent::SlowStatement(SlowStatement {
        at: None,
        duration_ms: s.duration_ms,
        fingerprint: shape.hash,
        request_id: shape.request_id(),
        statement,
        rows: s.rows,
        examined: s.examined,
        lock_ms: s.lock_ms,
        pid: s.pid,
        application: s.application,
        plan: s.plan,
        from: from.clone(),
    })
}

fn complete(
    mut event: DatabaseEvent,
    object: Option<&json::Object>,
    from: &LineRef,
    told: &About,
    id: impl Fn() -> Option<RequestId>,
) -> DatabaseEvent {
    let time = object.and_then(json::Object::time).or(told.time);
    match &mut event {
        DatabaseEvent::SlowStatement(s) => {
            s.at = time;
            let line = object.and_then(json::Object::request_id);
            // What a comment in the statement says is surer than what stands somewhere in the line.
            s.request_id = line.or(s.request_id.take()).or_else(id);
        }
        DatabaseEvent::Told(t) => {
            t.at = time;
            t.request_id = t.request_id.take().or_else(id);
        }
        DatabaseEvent::PoolFigures(p) => {
            p.at = time;
            p.from = PoolFrom::Log;
            p.line = Some(from.clone());
            if p.pool.is_empty() {
                p.pool = from.name.clone();
            }
        }
        DatabaseEvent::Refused(r) => r.from = Some(from.clone()),
        _ => {}
    }
    event
}

/// A line as text, without colours.
fn plain(line: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(line);
    if !text.contains('\x1b') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(i) = rest.find('\x1b') {
        out.push_str(&rest[..i]);
        let tail = &rest[i + 1..];
        let end = tail.find(|c: char| c.is_ascii_alphabetic()).map_or(tail.len(), |e| e + 1);
        rest = &tail[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}
