//! What log lines tell of databases: slow statements, pools that ran dry, connections turned away.
//!
//! [`NEEDLES`] are what a batch is searched for; [`extract`] reads one line in which a needle was found. Both are used
//! by `stream::derive`. Nothing here reads a clock; a line without a time gives a fact without one.

pub mod json;
pub mod text;

use std::borrow::Cow;

use crate::signals::database::event::{DatabaseEvent, LineRef, PoolFigures, PoolFrom, Refused, SlowStatement, TEXT};
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
    /// The server had no slot.
    NoSlot,
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
    /// Rows.
    pub rows: Option<u64>,
}

/// What a line told, and what else it says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Its event time.
    pub time: Option<Ts>,
    /// Its request.
    pub request_id: Option<RequestId>,
}

/// Reads a line in which the needle of `hint` begins at `at`. `line` may go on over continuation lines. `about` is
/// what a log format knows of the line; it is asked only when the line tells something.
pub fn extract(
    line: &[u8],
    at: usize,
    hint: Hint,
    from: &LineRef,
    about: impl FnOnce() -> About,
) -> Option<DatabaseEvent> {
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
        Hint::NoSlot => DatabaseEvent::Refused(Refused {
            sqlstate: "53300".into(),
            message: text::no_slot(&said).or_else(|| text::no_slot(&plain(line)))?,
            ..Refused::default()
        }),
    };
    Some(complete(event, object.as_ref(), from, about))
}

fn slow(s: Slow, from: &LineRef) -> DatabaseEvent {
    let statement: String = s.statement.trim().chars().take(TEXT).collect();
    let shape = fingerprint(&statement);
    DatabaseEvent::SlowStatement(SlowStatement {
        at: None,
        duration_ms: s.duration_ms,
        fingerprint: shape.hash,
        request_id: shape.request_id(),
        statement,
        rows: s.rows,
        from: from.clone(),
    })
}

fn complete(
    mut event: DatabaseEvent,
    object: Option<&json::Object>,
    from: &LineRef,
    about: impl FnOnce() -> About,
) -> DatabaseEvent {
    let told = about();
    let time = object.and_then(json::Object::time).or(told.time);
    match &mut event {
        DatabaseEvent::SlowStatement(s) => {
            s.at = time;
            let line = object.and_then(json::Object::request_id).or(told.request_id);
            s.request_id = line.or(s.request_id.take());
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
