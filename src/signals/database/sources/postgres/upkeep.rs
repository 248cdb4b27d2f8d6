//! What a server does besides its statements: temporary files, checkpoints, age of transactions, autovacuum, standbys.
//!
//! Looked at seldom. Nothing here reads a table, measures a file or takes a lock. Each part that a server or a right does
//! not give is left out; the others are told all the same.

use std::time::Instant;

use sqlx::postgres::PgRow;

use super::session::{Server, Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{DatabaseEvent, Replica, STANDBYS, Standby, Upkeep};

/// Counters of the look before.
#[derive(Clone, Debug, Default)]
pub struct UpkeepPoll {
    before: Option<(Instant, [u64; 3])>,
}

impl UpkeepPoll {
    /// Looks once.
    pub async fn look(&mut self, conn: &mut Conn, server: &Server) -> Result<Vec<DatabaseEvent>, Trouble> {
        let began = Instant::now();
        let mut events = Vec::new();
        let Some(row) = only(conn.rows(own_sql(server.version_num)).await)? else { return Ok(events) };
        let n = |i| number::<u64>(&row, i).unwrap_or(0);
        let counted = [n(0), n(1), n(2)];
        let mut up = Upkeep {
            oldest_xids: n(3),
            oldest_db: text(&row, 4).unwrap_or_default().into(),
            freeze_at: n(5),
            vacuums: (number(&row, 6).unwrap_or(0), number(&row, 7).unwrap_or(0)),
            slot_bytes: n(8),
            slot: text(&row, 9).unwrap_or_default().into(),
            ..Upkeep::default()
        };
        if let Some((at, before)) = self.before {
            let delta = |i: usize| counted[i].saturating_sub(before[i]);
            up.interval_ms = began.duration_since(at).as_millis() as u64;
            (up.temp_bytes, up.checkpoints_timed, up.checkpoints_forced) = (delta(0), delta(1), delta(2));
        }
        self.before = Some((began, counted));
        if server.standby {
            if let Some(row) = only(conn.rows(STANDBY.into()).await)? {
                events.push(DatabaseEvent::Replica(replica(&row)));
            }
        } else {
            let rows = match conn.rows(standbys_sql()).await {
                Err(e) if e.code().is_some() => Vec::new(),
                rows => rows?,
            };
            up.standbys = rows.iter().map(standby).collect();
        }
        up.cost_ms = began.elapsed().as_secs_f32() * 1e3;
        events.push(DatabaseEvent::Upkeep(up));
        Ok(events)
    }
}

/// The one row; what the server refuses is nothing, what breaks the connection is trouble.
fn only(rows: Result<Vec<PgRow>, Trouble>) -> Result<Option<PgRow>, Trouble> {
    match rows {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(Trouble::TooSlow) => Ok(None),
        Err(e) if e.code().is_some_and(|c| c.starts_with("42") || c.starts_with("0A") || c.starts_with("55")) => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Checkpoints moved to a view of their own in 17.
fn own_sql(version: u32) -> String {
    let (view, timed, forced) = if version >= 170_000 {
        ("pg_stat_checkpointer", "num_timed", "num_requested")
    } else {
        ("pg_stat_bgwriter", "checkpoints_timed", "checkpoints_req")
    };
    let slots = "FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL";
    let kept = "pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, \
         restart_lsn)";
    format!(
        "SELECT /* warroom */ (SELECT sum(temp_bytes)::int8 FROM pg_stat_database), (SELECT {timed} FROM {view}), \
         (SELECT {forced} FROM {view}), age(d.datfrozenxid), d.datname, \
         current_setting('autovacuum_freeze_max_age'), \
         (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'), \
         current_setting('autovacuum_max_workers'), \
         (SELECT greatest(max({kept}), 0)::int8 {slots}), \
         (SELECT slot_name {slots} ORDER BY restart_lsn LIMIT 1) \
         FROM pg_database d WHERE d.datallowconn ORDER BY age(d.datfrozenxid) DESC LIMIT 1"
    )
}

const STANDBY: &str = "SELECT /* warroom */ \
     CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 \
       ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::int8 END, \
     EXISTS (SELECT FROM pg_stat_wal_receiver)::text, (NOT pg_is_wal_replay_paused())::text";

fn replica(row: &PgRow) -> Replica {
    let yes = |i| text(row, i).as_deref() == Some("true");
    Replica { behind_s: number(row, 0), receiving: yes(1), applying: yes(2), error: String::new() }
}

fn standbys_sql() -> String {
    format!(
        "SELECT /* warroom */ coalesce(nullif(application_name, ''), host(client_addr), pid::text), state, \
         (extract(epoch FROM replay_lag) * 1000)::int8, \
         greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::int8 \
         FROM pg_stat_replication ORDER BY replay_lsn NULLS FIRST LIMIT {STANDBYS}"
    )
}

fn standby(row: &PgRow) -> Standby {
    Standby {
        name: text(row, 0).unwrap_or_default().into(),
        state: text(row, 1).unwrap_or_default().into(),
        behind_ms: number(row, 2),
        behind_bytes: number(row, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_read_where_each_version_keeps_them() {
        assert!(own_sql(160_004).contains("pg_stat_bgwriter") && own_sql(160_004).contains("checkpoints_req"));
        assert!(own_sql(170_000).contains("pg_stat_checkpointer") && own_sql(180_000).contains("num_requested"));
    }
}
