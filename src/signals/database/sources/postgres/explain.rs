//! Asks for the plan of one statement, over the source's one connection, and never runs the statement.
//!
//! `EXPLAIN` takes locks on the tables before it looks at rights, and it may run functions while it plans. So: only
//! what the scanner calls a single reading statement; not while anybody holds or queues for an exclusive lock on a
//! table it names; inside a read-only transaction that is rolled back; under limits for locks and time.

use super::session::{Server, Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::plan::{self, Plan, Table, Wanted};
use crate::signals::database::statement::{Reading, reading};

/// Bytes at which servers cut the statements of sessions, unless told otherwise.
const CUT_AT: usize = 1_023;

/// Why there is no plan.
pub enum Failed {
    /// A sentence for the user; the connection is sound.
    Said(String),
    /// The connection is not.
    Broken(Trouble),
}

impl From<Trouble> for Failed {
    fn from(e: Trouble) -> Failed {
        match &e {
            Trouble::TooSlow => {
                Failed::Said("no plan: a lock it needs is held (limit 0.1 s), or planning took longer than 2 s".into())
            }
            Trouble::Sql(sqlx::Error::Database(d)) if e.refusal().is_none() => {
                Failed::Said(hint(&d.code().unwrap_or_default(), d.message()))
            }
            _ => Failed::Broken(e),
        }
    }
}

fn hint(code: &str, said: &str) -> String {
    let hint = match code {
        "42501" => "the role may not read that table: GRANT pg_read_all_data TO it (14 and newer)",
        "42P01" | "3F000" => "it may be in another database, or outside of our search_path",
        "42P18" | "42P02" | "42601" => "its text may be cut or rewritten by the server's statistics",
        _ => "",
    };
    if hint.is_empty() { format!("no plan: {said}") } else { format!("no plan: {said}; {hint}") }
}

/// The plan of `wanted`.
pub async fn explain(conn: &mut Conn, server: &Server, wanted: &Wanted) -> Result<Plan, Failed> {
    let said = |why: &str| Err(Failed::Said(format!("no plan: {why}")));
    if wanted.statement.len() == CUT_AT {
        return said("the statement is cut at 1023 bytes; raise track_activity_query_size on the server");
    }
    let own = conn.rows("SELECT /* warroom */ current_database()".into()).await?;
    let own = own.first().and_then(|r| text(r, 0)).unwrap_or_default();
    if !wanted.db.is_empty() && wanted.db != own {
        return said(&format!("it runs in the database {}, and the connection is to {own}", wanted.db));
    }
    let r = match reading(&wanted.statement) {
        Ok(r) => r,
        Err(why) => return said(&why),
    };
    if let Some(why) = locked(conn, &r).await? {
        return said(&why);
    }
    let mut about = vec!["planned, not run".to_owned()];
    let (sql, after) = if r.parameters == 0 {
        (format!("EXPLAIN (FORMAT JSON, VERBOSE) {}", r.sql), "")
    } else {
        about.push(
            "a generic plan, for any values; the one that was slow may have been made for its own values".to_owned(),
        );
        if server.version_num >= 160_000 {
            (format!("EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) {}", r.sql), "")
        } else if conn.is_pooled() {
            return said("a statement with $n cannot be planned through a pooler before PostgreSQL 16");
        } else {
            let nulls = vec!["NULL"; r.parameters as usize].join(", ");
            (
                format!(
                    "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE warroom_plan AS {}; \
                     EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE warroom_plan({nulls})",
                    r.sql
                ),
                "DEALLOCATE warroom_plan",
            )
        }
    };
    let rows = conn.planning(sql, r.parameters == 0, after).await?;
    let json = rows.iter().filter_map(|row| text(row, 0)).find(|t| t.trim_start().starts_with('['));
    let Some(mut plan) = json.as_deref().and_then(plan::read) else {
        return said("the server's answer cannot be read; it may speak PostgreSQL only in part");
    };
    plan.statement = r.sql;
    plan.about = about;
    let mut tables: Vec<Table> = Vec::new();
    for name in plan.nodes.iter().filter_map(|n| n.scans.clone()).take(8) {
        if !tables.iter().any(|t| t.name == name) {
            tables.extend(table(conn, name).await?);
        }
    }
    plan::advise(&mut plan, &tables);
    Ok(plan)
}

/// Whether a table it names, or one that a table of it is a part of, is held or waited for with an exclusive lock.
async fn locked(conn: &mut Conn, r: &Reading) -> Result<Option<String>, Failed> {
    const SQL: &str = "WITH RECURSIVE l AS (SELECT pid, granted, relation FROM pg_locks \
           WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation' AND pid IS DISTINCT FROM pg_backend_pid() \
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())), \
         up AS (SELECT pid, granted, relation FROM l \
           UNION SELECT up.pid, up.granted, i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.relation) \
         SELECT /* warroom */ c.relname, up.pid, up.granted::text FROM up \
           JOIN pg_class c ON c.oid = up.relation AND c.relkind IN ('r', 'p', 'm', 'v', 'f') LIMIT 1000";
    let rows = conn.rows(SQL.into()).await?;
    Ok(rows.iter().find_map(|row| {
        let name = text(row, 0).filter(|name| r.names(name))?;
        let pid: i32 = number(row, 1).unwrap_or(0);
        let does = if text(row, 2).as_deref() == Some("true") { "holds" } else { "waits for" };
        Some(format!("pid {pid} {does} an exclusive lock on {name}, and EXPLAIN would queue behind it"))
    }))
}

/// What the catalog knows of a table; reading it locks nothing of the table's.
async fn table(conn: &mut Conn, name: (String, String)) -> Result<Option<Table>, Failed> {
    let quoted = |s: &str| format!("'{}'", s.replace('\'', "''"));
    let (schema, table) = (quoted(&name.0), quoted(&name.1));
    let rows = conn
        .rows(format!(
            "SELECT /* warroom */ c.reltuples::float8, c.relpages, (SELECT string_agg(DISTINCT a.attname, chr(10)) \
               FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
               WHERE i.indrelid = c.oid AND i.indisvalid) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {schema} AND c.relname = {table}"
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (count, pages, leads) =
        (number::<f64>(row, 0).unwrap_or(0.0), number::<f64>(row, 1).unwrap_or(0.0), text(row, 2).unwrap_or_default());
    let rows = conn
        .rows(format!(
            "SELECT /* warroom */ attname, n_distinct::float8 FROM pg_stats \
             WHERE schemaname = {schema} AND tablename = {table} LIMIT 500"
        ))
        .await?;
    let distinct = rows.iter().filter_map(|r| Some((text(r, 0)?, number(r, 1)?))).collect();
    let leads = leads.lines().map(str::to_owned).collect();
    Ok(Some(Table { name, rows: count.max(0.0), pages, distinct, leads }))
}
