//! Records of the servers' own logs: PostgreSQL in any of its forms, MySQL's and MariaDB's slow and error logs.
//!
//! Works on a record that a log format has taken apart already, so that standard error, CSV, JSON and what a cloud wraps
//! around them are one thing here. Only English messages are known.

use serde_json::Value;

use super::{About, Slow, Wrote, clip};
use crate::signals::database::event::{DatabaseEvent, DeadlockSide, LineRef, PLAN, Refused, TEXT, Told, What};
use crate::signals::database::fingerprint::fingerprint;
use crate::timeline::Ts;

/// What a record of a server's own log tells.
pub enum Read {
    /// A statement that took long.
    Slow(Slow),
    /// A connection that was turned away.
    Refused(Refused),
    /// Anything else.
    Told(What, String),
}

impl About {
    fn text(&self, names: &[&str]) -> &str {
        names.iter().find_map(|n| self.fields.iter().find(|(k, _)| k == n)?.1.as_str()).unwrap_or_default()
    }

    fn number(&self, names: &[&str]) -> Option<f64> {
        names.iter().find_map(|n| {
            let v = &self.fields.iter().find(|(k, _)| k == n)?.1;
            v.as_f64().or_else(|| v.as_str()?.parse().ok())
        })
    }

    fn pid(&self) -> i32 {
        self.number(&["pid", "thread_id", "id", "processId", "properties.processId"]).map_or(0, |n| n as i32)
    }
}

/// Completes what was read: who, where, for which request.
pub fn event(read: Read, about: &About, from: &LineRef) -> DatabaseEvent {
    match read {
        Read::Slow(mut s) => {
            s.pid = about.pid();
            s.application = about.text(&["application", "application_name"]).into();
            super::slow(s, from)
        }
        Read::Refused(r) => {
            let user = if about.server == Wrote::Postgres { about.text(&["user"]) } else { "" };
            DatabaseEvent::Refused(Refused { user: user.into(), from: Some(from.clone()), ..r })
        }
        Read::Told(what, statement) => {
            let statement = if statement.is_empty() { about.text(&["statement"]).to_owned() } else { statement };
            let pid = match &what {
                What::LockWait { .. } | What::LockGot { .. } => process(&about.message).unwrap_or(about.pid()),
                _ => about.pid(),
            };
            DatabaseEvent::Told(Told {
                at: None,
                pid,
                user: about.text(&["user"]).into(),
                db: about.text(&["database", "dbname", "schema"]).into(),
                application: about.text(&["application", "application_name"]).into(),
                request_id: fingerprint(&statement).request_id(),
                statement: clip(&statement, TEXT),
                what,
                from: from.clone(),
            })
        }
    }
}

/// A record of PostgreSQL's log.
pub fn postgres(about: &About) -> Option<Read> {
    let m = about.message.as_str();
    if let Some(rest) = m.strip_prefix("duration: ") {
        return duration(rest).map(Read::Slow);
    }
    let detail = about.text(&["detail"]);
    let told = |what| Some(Read::Told(what, String::new()));
    let line = || clip(m.lines().next().unwrap_or_default(), 200);
    let after = |needle: &str| m.split_once(needle).map(|(_, rest)| rest);
    if m.starts_with("process ") {
        if let Some(rest) = after(" still waiting for ") {
            let (on, ms) = waited(rest)?;
            return told(What::LockWait { on, ms, holders: holders(detail) });
        }
        let (on, ms) = waited(after(" acquired ")?)?;
        return told(What::LockGot { on, ms });
    }
    if m.starts_with("deadlock detected") {
        return told(What::Deadlock { sides: sides(detail, about.pid()) });
    }
    if let Some(why) = m.strip_prefix("canceling statement due to ") {
        let why = why.split(" at character ").next().unwrap_or(why);
        return told(What::Cancelled { why: clip(why.lines().next()?, 60).into() });
    }
    if let Some(why) = m.strip_prefix("terminating connection due to ") {
        return told(What::Ended { why: clip(why.lines().next()?, 60).into() });
    }
    if let Some(r) = refused(m) {
        return Some(Read::Refused(r));
    }
    if ["No space left on device", "Disk quota exceeded"].iter().any(|n| m.contains(n)) {
        return told(What::DiskFull { why: line() });
    }
    if m.contains("was terminated by signal ") || m.starts_with("terminating connection because of crash") {
        let statement = detail.strip_prefix("Failed process was running: ").unwrap_or_default().to_owned();
        return Some(Read::Told(What::Crashed { why: line() }, statement));
    }
    if [
        "database system was interrupted",
        "database system was not properly shut down",
        "all server processes terminated",
    ]
    .iter()
    .any(|n| m.starts_with(n))
    {
        return told(What::Recovering { last_up: after("last known up at ").and_then(utc) });
    }
    if let Some(why) = m.strip_prefix("received ").filter(|why| why.ends_with(" shutdown request")) {
        return told(What::Stopping { why: clip(why, 60).into() });
    }
    if m.starts_with("database system is ready to accept") {
        return told(What::Ready);
    }
    if m.starts_with("archive command ") || m.starts_with("archiving ") && m.contains(" failed too many times") {
        return told(What::Archiver { why: line() });
    }
    let slot = m.contains("replication slot \"") && (m.contains("invalidat") || m.contains("to release"));
    if slot || m.starts_with("requested WAL segment ") {
        return told(What::Slot { why: line() });
    }
    if let Some(rest) = m.strip_prefix("checkpoints are occurring too frequently (") {
        return told(What::Checkpoints { apart_s: rest.split(' ').next()?.parse().ok()? });
    }
    if m.starts_with("temporary file: path ") {
        return told(What::TempFile { bytes: after(", size ")?.trim().parse().ok()? });
    }
    let missing = (m.starts_with("role \"") || m.starts_with("database \"")) && m.ends_with(" does not exist");
    if m.contains("authentication failed for user") || m.contains("no pg_hba.conf entry for") || missing && about.fatal
    {
        return told(What::Login { why: line() });
    }
    None
}

/// `2026-11-20 14:02:31 UTC`; other zones go by abbreviations that mean several things.
fn utc(text: &str) -> Option<Ts> {
    let text = text.trim().strip_suffix(" UTC").or_else(|| text.trim().strip_suffix(" GMT"))?;
    let time = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    Some(Ts::from_jiff(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
}

/// A connection turned away; also as the application's own line repeats it.
pub fn refused(m: &str) -> Option<Refused> {
    let (at, sqlstate) = [
        ("sorry, too many clients already", "53300"),
        ("remaining connection slots are reserved", "53300"),
        ("too many connections for ", "53300"),
        ("the database system is starting up", "57P03"),
        ("the database system is shutting down", "57P03"),
        ("the database system is in recovery mode", "57P03"),
        ("the database system is not ", "57P03"),
    ]
    .iter()
    .find_map(|(n, code)| Some((m.find(n)?, *code)))?;
    let end = m[at..].find(['\n', '"']).map_or(m.len(), |i| at + i);
    // `too many connections for role "shop"`: the name's own quotes stay.
    let end = if m[at..].starts_with("too many") { m[at..].find('\n').map_or(m.len(), |i| at + i) } else { end };
    let message = clip(&m[at..end], 200);
    Some(Refused { sqlstate: sqlstate.into(), message, ..Refused::default() })
}

/// After `duration: `: `N ms  statement: …`, `N ms  execute <name>: …` or `N ms  plan:` with the plan below.
pub fn duration(rest: &str) -> Option<Slow> {
    let (number, rest) = rest.split_once(" ms")?;
    let duration_ms = number.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0)?;
    let rest = rest.trim_start();
    if let Some(plan) = rest.strip_prefix("plan:") {
        let (statement, plan) = explained(plan.trim())?;
        return Some(Slow { duration_ms, statement, plan: clip(&plan, PLAN), ..Slow::default() });
    }
    let statement = match rest.strip_prefix("statement: ") {
        Some(s) => s,
        None => rest.strip_prefix("execute ")?.split_once(": ")?.1,
    };
    Some(Slow { duration_ms, statement: statement.to_owned(), ..Slow::default() })
}

/// auto_explain's two usual forms: text with `Query Text: …` first, or JSON. The statement, and the plan below it.
fn explained(text: &str) -> Option<(String, String)> {
    if text.starts_with('{') {
        let json: Value = serde_json::from_str(text).ok()?;
        return Some((json.get("Query Text")?.as_str()?.to_owned(), text.to_owned()));
    }
    let rest = text.strip_prefix("Query Text: ")?;
    // The plan begins at the first line with a cost; the statement may have several lines before it.
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        let node = line.contains("(cost=") || line.starts_with("Query Parameters: ");
        if node && at > 0 {
            let plan = &rest[at..];
            return Some((rest[..at].trim_end().to_owned(), plan.trim_end().to_owned()));
        }
        at += line.len();
    }
    Some((rest.trim_end().to_owned(), String::new()))
}

/// `ShareLock on transaction 741 after 300.183 ms`.
fn waited(rest: &str) -> Option<(compact_str::CompactString, f64)> {
    let (on, ms) = rest.rsplit_once(" after ")?;
    Some((clip(on, 120).into(), ms.strip_suffix(" ms")?.parse().ok()?))
}

/// `process 23298 …`.
fn process(m: &str) -> Option<i32> {
    m.strip_prefix("process ")?.split(' ').next()?.parse().ok()
}

/// `Processes holding the lock: 4121, 4122. Wait queue: 4123.`
fn holders(detail: &str) -> Vec<i32> {
    let list = detail.split_once("holding the lock: ").map_or("", |(_, l)| l);
    let list = list.split('.').next().unwrap_or_default();
    list.split(", ").filter_map(|p| p.trim().parse().ok()).take(20).collect()
}

/// `Process P waits for …` lines, then `Process P: statement` for each of them, over several lines.
fn sides(detail: &str, reporter: i32) -> Vec<DeadlockSide> {
    let mut out: Vec<DeadlockSide> = Vec::new();
    let mut first = None;
    for line in detail.lines() {
        let head = line.trim_start_matches('\t').strip_prefix("Process ").and_then(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            Some((rest[..digits].parse::<i32>().ok()?, &rest[digits..]))
        });
        match head {
            Some((pid, rest)) if rest.starts_with(" waits for ") => {
                first = first.or(Some(pid));
            }
            Some((pid, rest)) if rest.starts_with(": ") && out.len() < 8 => {
                out.push(DeadlockSide { pid, query: rest[2..].to_owned(), victim: false });
            }
            _ => {
                if let Some(last) = out.last_mut().filter(|s| s.query.len() < TEXT) {
                    last.query.push('\n');
                    last.query.push_str(line);
                }
            }
        }
    }
    // Who reports it is who was ended; the server lists that one first.
    let victim = if reporter != 0 { Some(reporter) } else { first };
    for side in &mut out {
        side.victim = Some(side.pid) == victim;
        side.query = clip(&side.query, TEXT);
    }
    out
}

/// A record of MySQL's or MariaDB's slow log.
pub fn slow_log(about: &About) -> Option<Slow> {
    let statement = about.message.trim().trim_end_matches(';').trim();
    let count = |names: &[&str]| about.number(names).filter(|n| *n >= 0.0).map(|n| n as u64);
    // `# administrator command: Ping`
    let command = about.fields.iter().any(|(n, _)| n == "command");
    (!statement.is_empty() && !command).then(|| Slow {
        duration_ms: about.number(&["duration_ms"]).unwrap_or(0.0),
        statement: statement.to_owned(),
        rows: count(&["rows_sent"]).filter(|n| *n > 0).or_else(|| count(&["rows_affected", "rows_sent"])),
        examined: count(&["rows_examined"]),
        lock_ms: about.number(&["lock_time"]).map(|s| s * 1e3),
        plan: clip(about.text(&["explain"]), PLAN),
        ..Slow::default()
    })
}

/// A line of MySQL's or MariaDB's error log, or of a client that repeats what the server said. `ours`: the server's own.
pub fn mysql(m: &str, ours: bool) -> Option<Read> {
    let told = |what| Some(Read::Told(what, String::new()));
    let tail = |needle: &str| m.find(needle).map(|at| clip(m[at..].lines().next().unwrap_or_default(), 200));
    if let Some(message) =
        ["Too many connections", "max_user_connections' active connections", "many connection errors"]
            .iter()
            .find_map(|n| tail(n))
    {
        let message = message.trim_end_matches(['"', '\'', ')', '}', ' ']).to_owned();
        return Some(Read::Refused(Refused { sqlstate: "1040".into(), message, ..Refused::default() }));
    }
    if let Some(why) = tail("Access denied for user ") {
        return told(What::Login { why });
    }
    if m.contains("Deadlock found when trying to get lock") {
        return told(What::Deadlock { sides: Vec::new() });
    }
    if m.contains("Lock wait timeout exceeded") {
        return told(What::Cancelled { why: "lock wait timeout".into() });
    }
    if m.contains("maximum statement execution time exceeded") || m.contains("max_statement_time exceeded") {
        return told(What::Cancelled { why: "statement timeout".into() });
    }
    if !ours {
        return None;
    }
    if let Some(why) =
        ["Disk is full", "No space left on device", "error number 28", "' is full"].iter().find_map(|n| {
            m.contains(n).then(|| {
                // `[ERROR] [MY-012639] [InnoDB] Write to file …`
                let mut said = m.split_once("] ").map_or(m, |(_, s)| s);
                while let Some((_, rest)) = said.strip_prefix('[').and_then(|s| s.split_once("] ")) {
                    said = rest;
                }
                clip(said.lines().next().unwrap_or_default(), 200)
            })
        })
    {
        return told(What::DiskFull { why });
    }
    if let Some(why) = tail("got signal ").or_else(|| tail("got exception ")) {
        return told(What::Crashed { why });
    }
    if m.contains("Starting crash recovery") || m.contains("was not shutdown normally") {
        return told(What::Recovering { last_up: None });
    }
    if m.contains(": Normal shutdown") || m.contains("Received SHUTDOWN from user") {
        return told(What::Stopping { why: "normal shutdown".into() });
    }
    m.contains("ready for connections").then_some(Read::Told(What::Ready, String::new()))
}

/// InnoDB's account of a deadlock, from `Transactions deadlock detected` to `WE ROLL BACK TRANSACTION (n)`.
pub fn innodb(dump: &str) -> Read {
    let mut out: Vec<(&str, DeadlockSide)> = Vec::new();
    let (mut inside, mut victim) = (false, "");
    for line in dump.lines() {
        if let Some((_, mark)) = line.split_once("*** ") {
            inside = false;
            if let Some((n, _)) = mark.strip_prefix('(').and_then(|m| m.split_once(") TRANSACTION")) {
                out.push((n, DeadlockSide::default()));
            } else if let Some(n) = mark.strip_prefix("WE ROLL BACK TRANSACTION (") {
                victim = n.split(')').next().unwrap_or_default();
            }
        } else if line.contains("[Note] InnoDB") {
            inside = false;
        } else if let Some((_, side)) = out.last_mut() {
            if let Some((_, rest)) = line.split_once("thread id ").filter(|_| side.pid == 0) {
                side.pid = rest.split([',', ' ']).next().and_then(|n| n.parse().ok()).unwrap_or(0);
                inside = true;
            } else if inside && side.query.len() < TEXT && !line.trim().is_empty() {
                side.query += if side.query.is_empty() { "" } else { "\n" };
                side.query += line;
            }
        }
    }
    let sides = out.into_iter().take(8).map(|(n, side)| DeadlockSide {
        victim: n == victim,
        query: clip(&side.query, TEXT),
        ..side
    });
    Read::Told(What::Deadlock { sides: sides.collect() }, String::new())
}
