//! What servers' own logs say is wrong, grouped and ranked: a row for each kind, and the sentences of the verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use super::down;
use super::event::{Told, What};
use super::history::{DatabaseHistory, minute};
use super::words::{bytes, counted, deadlock_side};
use crate::timeline::time::short;
use crate::timeline::{RequestId, SourceId, TimeRange, Ts};
use crate::ui::{Level, Verdict};

/// A row stays for so long, dim once it is older than a minute.
const STAYS: Duration = Duration::from_secs(300);
/// Rows of the list.
const ROWS: usize = 20;
/// Logins that fail in a minute before a word is said.
const LOGINS: u64 = 5;
/// Cancelled statements of a minute that are grave.
const CANCELLED: u64 = 10;
/// Bytes of temporary files in a minute that are worth a word.
const TEMPORARY: u64 = 256 << 20;

/// Kinds in the order of their weight.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The drive is full.
    Disk,
    /// The server died or puts its data in order.
    Crash,
    /// It puts its data in order after that.
    Recovery,
    /// It was told to stop.
    Stopped,
    /// Connections are turned away.
    Refused,
    /// A deadlock.
    Deadlock,
    /// A replica's slot was given up.
    Slot,
    /// The archive fails.
    Archiver,
    /// Statements are cancelled.
    Cancelled,
    /// Connections are ended.
    Ended,
    /// SQLite's file is held.
    Busy,
    /// Logins fail.
    Login,
    /// Checkpoints come too often.
    Checkpoints,
    /// Statements spill.
    Temporary,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Trouble<'a> {
    /// What it is.
    pub kind: Kind,
    /// When it was last told.
    pub at: Ts,
    /// How often, in the last five minutes.
    pub count: u64,
    /// How often in the last minute.
    pub lately: u64,
    /// What to say of it, without number and time.
    pub text: String,
    /// The newest telling; of connections turned away there is none.
    pub newest: Option<&'a Told>,
    /// Whether it carries the filtered request.
    pub belongs: bool,
    /// Bytes of temporary files in the last minute.
    pub spilled: u64,
    /// Whether nothing was told of it in the last minute.
    pub past: bool,
}

/// The rows at `now`: what is told of now before what is past, grave kinds first.
pub fn list<'a>(history: &'a DatabaseHistory, now: Ts, request: Option<&RequestId>) -> Vec<Trouble<'a>> {
    let range = TimeRange::ending(now + Duration::from_nanos(1), STAYS);
    let lately = minute(now).start;
    // Several logs may tell of the same thing: the one that tells most of it is shown.
    let mut by: BTreeMap<(Kind, String, SourceId), Trouble> = BTreeMap::new();
    for e in history.told.within(range, now) {
        let t = &e.value;
        let Some((kind, key, text)) = words(t) else { continue };
        let one = |kind| Trouble {
            kind,
            at: e.at,
            count: 0,
            lately: 0,
            text: String::new(),
            newest: None,
            belongs: false,
            spilled: 0,
            past: false,
        };
        let row = by.entry((kind, key, t.from.source)).or_insert_with(|| one(kind));
        row.count += 1;
        row.lately += u64::from(e.at >= lately);
        if let What::TempFile { bytes } = t.what
            && e.at >= lately
        {
            row.spilled += bytes;
        }
        row.belongs |= request.is_some_and(|id| carries(t, id));
        if e.at >= row.at {
            (row.at, row.text, row.newest) = (e.at, text, Some(t));
        }
    }
    for e in history.logged_refusals(range, now) {
        let (source, r) = &e.value;
        let row = by.entry((Kind::Refused, r.message.clone(), *source)).or_insert_with(|| Trouble {
            kind: Kind::Refused,
            at: e.at,
            count: 0,
            lately: 0,
            text: format!("connections refused: {} {}", r.sqlstate, r.message),
            newest: None,
            belongs: false,
            spilled: 0,
            past: false,
        });
        row.count += 1;
        row.lately += u64::from(e.at >= lately);
        row.at = row.at.max(e.at);
    }
    let mut out: BTreeMap<(Kind, String), Trouble> = BTreeMap::new();
    for ((kind, key, _), mut row) in by {
        row.past = row.lately == 0;
        match out.get(&(kind, key.clone())) {
            Some(other) if (other.lately, other.count) >= (row.lately, row.count) => {}
            _ => {
                out.insert((kind, key), row);
            }
        }
    }
    let mut out: Vec<Trouble> = out.into_values().collect();
    // Who was in a deadlock is told in the server's log; the application's line of it adds nothing.
    if out.iter().any(|t| t.kind == Kind::Deadlock && sides(t).is_some_and(|s| !s.is_empty())) {
        out.retain(|t| t.kind != Kind::Deadlock || sides(t).is_some_and(|s| !s.is_empty()));
    }
    out.sort_by_key(|t| (t.past, t.kind, std::cmp::Reverse(t.at)));
    out.truncate(ROWS);
    out
}

fn sides<'a>(t: &Trouble<'a>) -> Option<&'a [super::event::DeadlockSide]> {
    match &t.newest?.what {
        What::Deadlock { sides } => Some(sides),
        _ => None,
    }
}

fn carries(t: &Told, id: &RequestId) -> bool {
    let id_text = id.0.as_str();
    if id_text.is_empty() {
        return false;
    }
    let inside = match &t.what {
        What::Deadlock { sides } => sides.iter().any(|s| s.query.contains(id_text)),
        _ => false,
    };
    inside || t.request_id.as_ref() == Some(id) || t.statement.contains(id_text) || t.application.contains(id_text)
}

/// Kind, what makes rows one, and what to say. Waits for locks are told elsewhere.
fn words(t: &Told) -> Option<(Kind, String, String)> {
    let statement = || one_line(&t.statement);
    let shape = || format!("{:x}", super::fingerprint::fingerprint(&t.statement).hash);
    let whom = || match (t.user.is_empty(), t.db.is_empty()) {
        (true, _) => String::new(),
        (_, true) => format!(" of {}", t.user),
        _ => format!(" of {}@{}", t.user, t.db),
    };
    Some(match &t.what {
        What::LockWait { .. } | What::LockGot { .. } | What::Ready => return None,
        What::DiskFull { why } => (Kind::Disk, String::new(), format!("disk is full: {why}")),
        What::Crashed { why } => (Kind::Crash, String::new(), crash(why, &t.statement)),
        What::Stopping { why } => (Kind::Stopped, why.to_string(), format!("server is told to stop: {why}")),
        What::Recovering { .. } => (Kind::Recovery, String::new(), "crash recovery: it puts its data in order".into()),
        What::Deadlock { sides } if sides.is_empty() => (Kind::Deadlock, String::new(), "deadlock".into()),
        What::Deadlock { sides } => {
            let told: Vec<String> = sides.iter().map(deadlock_side).collect();
            let mut shapes: Vec<u64> = sides.iter().map(|s| super::fingerprint::fingerprint(&s.query).hash).collect();
            shapes.sort_unstable();
            (Kind::Deadlock, format!("{shapes:x?}"), format!("deadlock: {}", told.join(" and ")))
        }
        What::Slot { why } => (Kind::Slot, why.clone(), format!("replication slot: {why}")),
        What::Archiver { .. } => (Kind::Archiver, String::new(), "archiver fails: changes pile up on the drive".into()),
        What::Cancelled { why } => {
            (Kind::Cancelled, format!("{why} {}", shape()), format!("cancelled ({why}): {}", statement()))
        }
        What::Ended { why } => (Kind::Ended, why.to_string(), format!("connection{} ended ({why})", whom())),
        What::Busy { why } => (Kind::Busy, String::new(), format!("SQLite busy: {why}")),
        What::Login { why } => (Kind::Login, why.clone(), format!("login refused: {why}")),
        What::Checkpoints { apart_s } => (
            Kind::Checkpoints,
            String::new(),
            format!("checkpoints {apart_s} s apart: max_wal_size is too small for what is written"),
        ),
        What::TempFile { bytes: n } => {
            (Kind::Temporary, shape(), format!("temporary file {}: {}", bytes(*n), statement()))
        }
    })
}

pub(super) fn crash(why: &str, statement: &str) -> String {
    let during = if statement.is_empty() { String::new() } else { format!(", during {}", one_line(statement)) };
    format!("server crashed: {why}{during}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the server itself is down with: a full drive, a crash, the recovery after it.
pub fn down(history: &DatabaseHistory, rows: &[Trouble], now: Ts) -> Option<Verdict> {
    let told = |range| history.told.within(range, now).map(|e| (e.at, &e.value));
    let range = TimeRange::ending(now + Duration::from_nanos(1), STAYS);
    if let Some(row) = rows.iter().find(|r| r.kind == Kind::Disk && !r.past) {
        let since = told(range).find(|(_, t)| matches!(t.what, What::DiskFull { .. })).map_or(row.at, |(at, _)| at);
        let text = format!("the server's {}{}, for {}", row.text, often(row.lately), short(now.since(since)));
        return Some(Verdict::new(Level::Bad, text));
    }
    down::verdict(history, now)
}

/// What hurts and is told nowhere else: slots, the archive, cancelled statements, logins.
pub fn hurting(rows: &[Trouble]) -> Option<Verdict> {
    let fresh = |kind: Kind| rows.iter().filter(move |r| r.kind == kind && !r.past);
    let sum = |kind: Kind| fresh(kind).map(|r| r.lately).sum::<u64>();
    let first = |kind: Kind| fresh(kind).max_by_key(|r| r.lately);
    if let Some(row) = first(Kind::Slot) {
        return Some(Verdict::new(Level::Bad, row.text.clone()));
    }
    if let Some(row) = first(Kind::Archiver) {
        let n = sum(Kind::Archiver);
        return Some(Verdict::new(Level::Warn, format!("{}{}", row.text, often(n))));
    }
    if let Some(row) = first(Kind::Busy) {
        let n = sum(Kind::Busy);
        let level = if n >= CANCELLED { Level::Bad } else { Level::Warn };
        return Some(Verdict::new(level, format!("{}{}", row.text, often(n))));
    }
    if let Some(row) = first(Kind::Cancelled) {
        let n = sum(Kind::Cancelled);
        let level = if n >= CANCELLED { Level::Bad } else { Level::Warn };
        let is = if n == 1 { "statement" } else { "statements" };
        let text = row.text.replacen("cancelled (", &format!("{} {is} cancelled in 60 s (", counted(n)), 1);
        return Some(Verdict::new(level, text));
    }
    if let Some(row) = first(Kind::Ended) {
        return Some(Verdict::new(Level::Warn, format!("{}{}", row.text, often(sum(Kind::Ended)))));
    }
    if let Some(row) = first(Kind::Login).filter(|_| sum(Kind::Login) >= LOGINS) {
        let why = row.text.strip_prefix("login refused: ").unwrap_or(&row.text);
        let text = format!("{} logins refused in 60 s, most: {why}", counted(sum(Kind::Login)));
        return Some(Verdict::new(Level::Warn, text));
    }
    None
}

/// `, 12 in 60 s`; once is not worth saying.
fn often(n: u64) -> String {
    if n > 1 { format!(", {} in 60 s", counted(n)) } else { String::new() }
}

/// What is worth a word when nothing else is.
pub fn small(rows: &[Trouble]) -> Option<Verdict> {
    let fresh = |kind: Kind| rows.iter().filter(move |r| r.kind == kind && !r.past);
    if let Some(row) = fresh(Kind::Checkpoints).next() {
        return Some(Verdict::new(Level::Warn, row.text.clone()));
    }
    let spilled: u64 = fresh(Kind::Temporary).map(|r| r.spilled).sum();
    let most = fresh(Kind::Temporary).max_by_key(|r| r.spilled).filter(|_| spilled >= TEMPORARY)?;
    let statement = most.newest.map(|t| one_line(&t.statement)).unwrap_or_default();
    Some(Verdict::new(
        Level::Warn,
        format!("{} of temporary files in 60 s: work_mem is too small for {statement}", bytes(spilled)),
    ))
}
