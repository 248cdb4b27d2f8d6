//! One look at the sessions of a MySQL or MariaDB server: who does what, who waits for whom.
//!
//! One query a look. Who waits for which row is asked only while somebody waits; holders of metadata locks only where
//! the server can tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use compact_str::CompactString;
use sqlx::mysql::MySqlRow;

use super::super::shape::shape;
use super::session::{Server, Session as Conn, named, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{Activity, Session, TEXT};

/// Pairs of who waits for whom that are read.
const PAIRS: usize = 30_000;

/// What a look found, and whether somebody waits for a lock whose holder the server does not tell.
pub struct Looked {
    /// The sessions.
    pub activity: Activity,
    /// Somebody waits for a metadata lock, and nobody is known to hold it.
    pub holder_unseen: bool,
}

/// Looks once.
pub async fn look(conn: &mut Conn, server: &Server) -> Result<Looked, Trouble> {
    let began = Instant::now();
    let rows = conn.rows(sql(server)).await?;
    let mut sessions: Vec<Session> = rows.iter().map(|row| session(row, server)).collect();
    let mut hidden = 0;
    if server.sees_all {
        waits(conn, server, &mut sessions).await?;
    } else {
        let row = conn.rows("SHOW /* warroom */ GLOBAL STATUS LIKE 'Threads_connected'").await?;
        let all: u32 = row.first().and_then(|r| number(r, 1)).unwrap_or(0);
        hidden = all.saturating_sub(1).saturating_sub(sessions.len() as u32);
    }
    let holder_unseen = sessions.iter().any(|s| s.wait.as_deref() == Some(METADATA) && s.blocked_by.is_empty());
    let mut activity = shape(sessions);
    activity.counts.clients += hidden;
    activity.counts.hidden += hidden;
    activity.max_connections = server.max_connections;
    activity.cost_ms = began.elapsed().as_secs_f32() * 1e3;
    // The server does not tell what it worked; the whole time is the most it can have been.
    activity.server_ms = activity.cost_ms;
    Ok(Looked { activity, holder_unseen })
}

const METADATA: &str = "Lock:table metadata";
const ROW: &str = "Lock:row";

fn sql(server: &Server) -> String {
    let ms = if server.mariadb { "p.TIME_MS" } else { "p.TIME * 1000" };
    // From 8.0.22 on a list that takes no lock of the whole server.
    let list = if !server.mariadb && server.number >= (8, 0, 22) && server.performance_schema && server.sees_all {
        "performance_schema.processlist"
    } else {
        "information_schema.PROCESSLIST"
    };
    let (columns, join) = if server.sees_all {
        let age = |c: &str| format!("TIMESTAMPDIFF(MICROSECOND, t.{c}, NOW(6)) DIV 1000");
        (
            format!("{}, t.trx_state, {}", age("trx_started"), age("trx_wait_started")),
            "LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID",
        )
    } else {
        ("NULL, NULL, NULL".to_owned(), "")
    };
    format!(
        "SELECT /* warroom */ p.ID, p.USER, p.HOST, p.DB, p.COMMAND, {ms}, p.STATE, LEFT(p.INFO, {TEXT}), {columns} \
         FROM {list} p {join} WHERE p.ID <> CONNECTION_ID()"
    )
}

fn session(row: &MySqlRow, server: &Server) -> Session {
    let user = text(row, 1).unwrap_or_default();
    let host = text(row, 2).unwrap_or_default();
    let command = text(row, 4).unwrap_or_default();
    // The time of the server's own threads can be negative.
    let age = number::<f64>(row, 5).map(|ms| ms.max(0.0) as u64);
    let xact_age_ms = number::<i64>(row, 8).map(|ms| u64::try_from(ms).unwrap_or(0));
    let trx = text(row, 9);
    let told = text(row, 6).unwrap_or_default();
    let own = matches!(user.as_str(), "system user" | "event_scheduler")
        || command == "Daemon"
        || command.starts_with("Binlog Dump")
        || command.starts_with("Slave_");
    let state = match command.as_str() {
        // Not let in yet.
        "Connect" if !own => None,
        "Sleep" if trx.is_some() => Some("idle in transaction"),
        "Sleep" => Some("idle"),
        _ => Some("active"),
    };
    let wait = match (trx.as_deref(), waited_for(&told)) {
        (Some("LOCK WAIT"), _) => Some(CompactString::from(ROW)),
        (_, Some(lock)) => Some(format!("Lock:{lock}").into()),
        _ => None,
    };
    let (client, client_port) = match host.rsplit_once(':') {
        Some((ip, port)) => (Some(ip.into()), port.parse().ok()),
        None => ((!host.is_empty() && host != "localhost").then(|| host.as_str().into()), None),
    };
    let idle = command == "Sleep";
    let _ = server;
    Session {
        pid: number::<i64>(row, 0).and_then(|id| i32::try_from(id).ok()).unwrap_or(-1),
        query_age_ms: age.filter(|_| !idle),
        xact_age_ms,
        state_age_ms: age,
        state: state.map(CompactString::from),
        wait,
        user: user.into(),
        db: text(row, 3).unwrap_or_default().into(),
        client,
        client_port,
        query: text(row, 7).unwrap_or_default(),
        backend: if own { "server thread".into() } else { "client backend".into() },
        ..Session::default()
    }
}

/// `table metadata` of `Waiting for table metadata lock`.
fn waited_for(state: &str) -> Option<&str> {
    state.strip_prefix("Waiting for ")?.strip_suffix(" lock")
}

/// Puts in who waits for whom.
async fn waits(conn: &mut Conn, server: &Server, sessions: &mut Vec<Session>) -> Result<(), Trouble> {
    let mut pairs: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    if sessions.iter().any(|s| s.wait.as_deref() == Some(ROW)) {
        let (table, waiter, blocker) = if server.mariadb || server.number < (8, 0, 0) {
            ("information_schema.INNODB_LOCK_WAITS", "requesting_trx_id", "blocking_trx_id")
        } else {
            ("performance_schema.data_lock_waits", "REQUESTING_ENGINE_TRANSACTION_ID", "BLOCKING_ENGINE_TRANSACTION_ID")
        };
        let sql = format!(
            "SELECT /* warroom */ DISTINCT r.trx_mysql_thread_id, b.trx_mysql_thread_id FROM {table} w \
             JOIN information_schema.INNODB_TRX r ON r.trx_id = w.{waiter} \
             JOIN information_schema.INNODB_TRX b ON b.trx_id = w.{blocker} LIMIT {PAIRS}"
        );
        match conn.rows(sql).await {
            Ok(rows) => rows.iter().for_each(|r| {
                if let (Some(waiter), Some(blocker)) = (number(r, 0), number(r, 1)) {
                    pairs.entry(waiter).or_default().insert(blocker);
                }
            }),
            // Seen to wait, not for whom: no right to performance_schema.
            Err(e) if e.is_denied() => {}
            Err(e) => return Err(e),
        }
    }
    if sessions.iter().any(|s| s.wait.as_deref() == Some(METADATA)) {
        metadata(conn, server, sessions, &mut pairs).await?;
    }
    for s in sessions.iter_mut() {
        s.blocked_by = pairs.remove(&s.pid).unwrap_or_default().into_iter().filter(|b| *b != s.pid).collect();
    }
    // Thread 0 is a transaction that was prepared (XA) by a session that is gone.
    if sessions.iter().any(|s| s.blocked_by.contains(&0)) {
        sessions.push(Session {
            pid: 0,
            state: Some("prepared transaction".into()),
            query: "prepared transaction (XA RECOVER lists it)".into(),
            backend: "prepared transaction".into(),
            ..Session::default()
        });
    }
    Ok(())
}

/// Who holds metadata locks that others wait for.
///
/// MySQL tells waiters and holders of the same table. MariaDB's plugin tells only who holds what: those are taken to
/// hold up a waiter whose statement names the table.
async fn metadata(
    conn: &mut Conn,
    server: &Server,
    sessions: &[Session],
    pairs: &mut BTreeMap<i32, BTreeSet<i32>>,
) -> Result<(), Trouble> {
    if server.mariadb && server.metadata_lock_info {
        let sql = "SELECT /* warroom */ THREAD_ID, TABLE_NAME FROM information_schema.METADATA_LOCK_INFO \
             WHERE LOCK_TYPE = 'Table metadata lock' LIMIT 5000";
        let rows = conn.rows(sql).await?;
        let held: Vec<(i32, String)> = rows.iter().filter_map(|r| Some((number(r, 0)?, text(r, 1)?))).collect();
        for s in sessions.iter().filter(|s| s.wait.as_deref() == Some(METADATA)) {
            let holders = held.iter().filter(|(pid, table)| *pid != s.pid && names(&s.query, table));
            pairs.entry(s.pid).or_default().extend(holders.map(|(pid, _)| *pid));
        }
        untie(sessions, pairs);
    } else if !server.mariadb && server.number >= (5, 7, 0) && server.performance_schema {
        let sql = "SELECT /* warroom */ DISTINCT w.PROCESSLIST_ID, h.PROCESSLIST_ID \
             FROM performance_schema.metadata_locks p \
             JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = p.OBJECT_TYPE \
               AND g.OBJECT_SCHEMA = p.OBJECT_SCHEMA AND g.OBJECT_NAME = p.OBJECT_NAME AND g.LOCK_STATUS = 'GRANTED' \
             JOIN performance_schema.threads w ON w.THREAD_ID = p.OWNER_THREAD_ID \
             JOIN performance_schema.threads h ON h.THREAD_ID = g.OWNER_THREAD_ID \
             WHERE p.OBJECT_TYPE = 'TABLE' AND p.LOCK_STATUS = 'PENDING' AND g.OWNER_THREAD_ID <> p.OWNER_THREAD_ID \
             LIMIT 30000";
        match conn.rows(sql).await {
            Ok(rows) => rows.iter().for_each(|r| {
                if let (Some(waiter), Some(holder)) = (number(r, 0), number(r, 1)) {
                    pairs.entry(waiter).or_default().insert(holder);
                }
            }),
            Err(e) if e.is_denied() => {}
            Err(e) => return Err(e),
        }
        untie(sessions, pairs);
    }
    Ok(())
}

/// A change of a table holds its weaker lock while it waits for the full one, so it and those behind it would each
/// seem to wait for the other: who waits for a change does not hold it up.
fn untie(sessions: &[Session], pairs: &mut BTreeMap<i32, BTreeSet<i32>>) {
    let waits: BTreeMap<i32, u64> = sessions
        .iter()
        .filter(|s| s.wait.as_deref() == Some(METADATA))
        .map(|s| (s.pid, s.query_age_ms.unwrap_or(0)))
        .collect();
    for (waiter, blockers) in pairs.iter_mut() {
        let Some(own) = waits.get(waiter) else { continue };
        // Of two that wait, only the one that has waited longer can stand before the other.
        blockers.retain(|b| waits.get(b).is_none_or(|other| (other, *waiter) > (own, *b)));
    }
}

/// Whether a statement names a table, as a word of its own.
fn names(statement: &str, table: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let text = statement.to_lowercase();
    let table = table.to_lowercase();
    !table.is_empty()
        && text.match_indices(&table).any(|(i, _)| {
            !text[..i].chars().next_back().is_some_and(part)
                && !text[i + table.len()..].chars().next().is_some_and(part)
        })
}

/// How a replica keeps up; `None` where the server is none, or may not tell.
pub async fn replica(
    conn: &mut Conn,
    server: &Server,
) -> Result<Option<crate::signals::database::event::Replica>, Trouble> {
    let sql = match server {
        s if s.mariadb => "SHOW ALL SLAVES STATUS",
        s if s.number >= (8, 0, 22) => "SHOW REPLICA STATUS",
        _ => "SHOW SLAVE STATUS",
    };
    let rows = match conn.rows(sql).await {
        Ok(rows) => rows,
        Err(e) if e.is_denied() => return Ok(None),
        Err(e) => return Err(e),
    };
    let all = rows.iter().map(|row| {
        let either = |a: &str, b: &str| named(row, a).or_else(|| named(row, b)).unwrap_or_default();
        let errors = [named(row, "Last_IO_Error"), named(row, "Last_SQL_Error")];
        let error: String = errors.into_iter().flatten().find(|e| !e.is_empty()).unwrap_or_default();
        crate::signals::database::event::Replica {
            behind_s: either("Seconds_Behind_Master", "Seconds_Behind_Source").parse().ok(),
            receiving: either("Slave_IO_Running", "Replica_IO_Running") == "Yes",
            applying: either("Slave_SQL_Running", "Replica_SQL_Running") == "Yes",
            error: error.chars().take(300).collect(),
        }
    });
    Ok(all.max_by_key(|r| (!r.receiving || !r.applying, r.behind_s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_by_a_whole_word_only() {
        assert!(names("ALTER TABLE `shop`.`Orders` ADD x int", "orders"));
        assert!(!names("SELECT * FROM orders_old", "orders") && !names("SELECT * FROM preorders", "orders"));
        assert_eq!(waited_for("Waiting for table metadata lock"), Some("table metadata"));
        assert_eq!(waited_for("Sending data"), None);
    }

    #[test]
    fn those_behind_a_change_of_a_table_wait_for_it_and_it_waits_for_the_holder_only() {
        let s = |pid, age, waits: bool| Session {
            pid,
            query_age_ms: Some(age),
            wait: waits.then(|| METADATA.into()),
            ..Session::default()
        };
        let sessions = [s(1, 0, false), s(2, 9_000, true), s(3, 5_000, true), s(4, 5_000, true)];
        let all = |of: &[i32]| of.iter().copied().collect::<BTreeSet<i32>>();
        let mut pairs = BTreeMap::from([(2, all(&[1, 3, 4])), (3, all(&[1, 2, 4])), (4, all(&[1, 2, 3]))]);
        untie(&sessions, &mut pairs);
        assert_eq!(pairs, BTreeMap::from([(2, all(&[1])), (3, all(&[1, 2])), (4, all(&[1, 2, 3]))]));
    }

    #[test]
    fn each_server_is_asked_in_the_words_it_knows() {
        let of =
            |mariadb, number| Server { mariadb, number, performance_schema: true, sees_all: true, ..Server::default() };
        assert!(sql(&of(true, (10, 11, 0))).contains("TIME_MS"));
        assert!(sql(&of(false, (5, 7, 40))).contains("information_schema.PROCESSLIST"));
        assert!(sql(&of(false, (8, 4, 0))).contains("performance_schema.processlist"));
        assert!(!sql(&Server { sees_all: false, ..of(true, (10, 11, 0)) }).contains("INNODB_TRX"));
    }
}
