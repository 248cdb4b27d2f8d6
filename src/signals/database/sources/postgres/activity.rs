//! One look at the sessions: who does what, who waits for whom.
//!
//! One query a look, counted on our side. `pg_blocking_pids` is asked for those that wait for a lock only, because it
//! holds the lock manager for a moment.

use std::time::Instant;

use compact_str::CompactString;
use sqlx::postgres::PgRow;

use super::super::shape::shape;
use super::session::{Server, Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{Activity, Session, TEXT};
use crate::timeline::Ts;

/// Looks once.
pub async fn look(conn: &mut Conn, server: &Server) -> Result<Activity, Trouble> {
    let began = Instant::now();
    let mut raw = false;
    let rows = match conn.rows(sql(server.version_num, false)).await {
        // 22021, 22P05: a statement of another database that our encoding cannot hold.
        Err(e) if matches!(e.code().as_deref(), Some("22021" | "22P05")) => {
            conn.take_raw_text().await?;
            raw = true;
            conn.rows(sql(server.version_num, true)).await?
        }
        rows => rows?,
    };
    let server_ms = rows.iter().filter_map(|r| number::<f32>(r, 18)).fold(0.0, f32::max);
    let mut sessions: Vec<Session> = rows.iter().map(|row| session(row, raw)).collect();
    if sessions.iter().any(|s| s.blocked_by.contains(&0)) {
        sessions.extend(prepared(conn).await?);
    }
    let mut look = shape(sessions);
    look.max_connections = server.max_connections;
    look.reserved = server.reserved;
    look.server_ms = server_ms;
    look.cost_ms = began.elapsed().as_secs_f32() * 1e3;
    Ok(look)
}

/// Deadlocks counted by the server since its counters began.
pub async fn deadlocks(conn: &mut Conn) -> Result<u64, Trouble> {
    const SQL: &str = "SELECT /* warroom */ coalesce(sum(deadlocks), 0)::int8 FROM pg_stat_database";
    Ok(conn.rows(SQL.into()).await?.first().and_then(|r| number(r, 0)).unwrap_or(0))
}

fn sql(version: u32, raw: bool) -> String {
    let queryid = if version >= 140_000 { "a.query_id" } else { "NULL" };
    let leader = if version >= 130_000 { "a.leader_pid" } else { "NULL" };
    let query = if raw {
        // `left` looks at characters, which here may be none: bytes are cut, and told as hexadecimal digits.
        format!("encode(substr(textsend(a.query), 1, {TEXT}), 'hex')")
    } else {
        format!("left(a.query, CASE WHEN a.state = 'idle' THEN 200 ELSE {TEXT} END)")
    };
    let age = |c: &str| format!("(extract(epoch FROM clock_timestamp() - a.{c}) * 1000)::int8");
    format!(
        "SELECT /* warroom */ a.pid, (extract(epoch FROM a.backend_start) * 1000000)::int8, \
         (extract(epoch FROM a.query_start) * 1000000)::int8, {}, {}, {}, a.state, a.wait_event_type, a.wait_event, \
         a.usename, a.datname, a.application_name, host(a.client_addr), {queryid}, {leader}, a.backend_type, \
         {query}, CASE WHEN a.wait_event_type = 'Lock' THEN array_to_string(pg_blocking_pids(a.pid), ',') END, \
         (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::float8, a.client_port \
         FROM pg_stat_activity a WHERE a.datid IS NOT NULL AND a.pid <> pg_backend_pid() \
         AND a.datname IS DISTINCT FROM 'rdsadmin'",
        age("query_start"),
        age("xact_start"),
        age("state_change"),
    )
}

fn session(row: &PgRow, raw: bool) -> Session {
    let small = |i| text(row, i).map(CompactString::from);
    let micros = |i| number::<i64>(row, i).map(|us| Ts(us.saturating_mul(1_000)));
    let age = |i| number::<i64>(row, i).map(|ms| u64::try_from(ms).unwrap_or(0));
    let wait = match (text(row, 7), text(row, 8)) {
        (Some(class), Some(event)) => Some(CompactString::from(format!("{class}:{event}"))),
        _ => None,
    };
    let blocked_by = text(row, 17).unwrap_or_default();
    Session {
        pid: number(row, 0).unwrap_or(0),
        backend_start: micros(1),
        query_start: micros(2),
        query_age_ms: age(3),
        xact_age_ms: age(4),
        state_age_ms: age(5),
        state: small(6),
        wait,
        user: small(9).unwrap_or_default(),
        db: small(10).unwrap_or_default(),
        application: small(11).unwrap_or_default(),
        client: small(12),
        // -1 for a local socket.
        client_port: number(row, 19),
        client_process: None,
        queryid: number(row, 13),
        // A parallel worker is its leader's: folded away in `shape`.
        backend: match number::<i32>(row, 14) {
            Some(_) => "parallel worker".into(),
            None => small(15).unwrap_or_default(),
        },
        query: text(row, 16).map(|t| if raw { of_hex(&t) } else { t }).unwrap_or_default(),
        blocked_by: blocked_by.split(',').filter_map(|p| p.parse().ok()).collect(),
    }
}

/// Text out of hexadecimal digits; bytes that are not UTF-8 become U+FFFD.
fn of_hex(hex: &str) -> String {
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
    let bytes: Vec<u8> = hex.as_bytes().chunks_exact(2).map(|p| digit(p[0]) << 4 | digit(p[1])).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The oldest prepared transaction, as session 0: it holds locks and nobody sits there.
async fn prepared(conn: &mut Conn) -> Result<Option<Session>, Trouble> {
    const SQL: &str = "SELECT /* warroom */ gid, owner, database, \
         (extract(epoch FROM clock_timestamp() - prepared) * 1000)::int8 FROM pg_prepared_xacts ORDER BY prepared LIMIT 1";
    Ok(conn.rows(SQL.into()).await?.first().map(|row| Session {
        pid: 0,
        state: Some("prepared transaction".into()),
        query: text(row, 0).map(|gid| format!("prepared transaction '{gid}'")).unwrap_or_default(),
        user: text(row, 1).unwrap_or_default().into(),
        db: text(row, 2).unwrap_or_default().into(),
        xact_age_ms: number(row, 3),
        backend: "prepared transaction".into(),
        ..Session::default()
    }))
}
