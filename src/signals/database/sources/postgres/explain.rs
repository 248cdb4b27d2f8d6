//! Asks for the plan of one statement, over the source's one connection, and never runs the statement.
//!
//! `EXPLAIN` takes locks on the tables before it looks at rights, and it may run functions while it plans. So: only
//! what the scanner calls a single reading statement; not while anybody holds or queues for an exclusive lock on a
//! table it names; inside a read-only transaction that is rolled back; under limits for locks and time.

use sqlx::postgres::PgRow;

use super::session::{Planning, Server, Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::plan::{self, Plan, Table, Wanted};
use crate::signals::database::sources::connected::{Failed, Reason};
use crate::signals::database::statement::writing::rows_of;
use crate::signals::database::statement::{Reading, reading};

/// Bytes at which servers cut the statements of sessions, unless told otherwise.
const CUT_AT: usize = 1_023;

impl From<Trouble> for Failed<Trouble> {
    fn from(e: Trouble) -> Failed<Trouble> {
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
pub async fn explain(conn: &mut Conn, server: &Server, wanted: &Wanted) -> Result<Plan, Failed<Trouble>> {
    let said = |why: &str| Err(Failed::Said(format!("no plan: {why}")));
    if wanted.statement.len() == CUT_AT {
        return said("the statement is cut at 1023 bytes; raise track_activity_query_size on the server");
    }
    let own = conn.rows("SELECT /* warroom */ current_database()".into()).await?;
    let own = own.first().and_then(|r| text(r, 0)).unwrap_or_default();
    if !wanted.db.is_empty() && wanted.db != own {
        return said(&format!("it runs in the database {}, and the connection is to {own}", wanted.db));
    }
    // Of a statement that writes: the search for the rows it would change, which is what makes it slow.
    let search = rows_of(&wanted.statement);
    let r = match reading(search.as_ref().unwrap_or(&wanted.statement)) {
        Ok(_) if search.is_some() && wanted.run => return said("it writes, so it is not run"),
        Ok(r) => r,
        Err(why) => return said(&why),
    };
    if let Some(why) = locked(conn, &r).await? {
        return said(&why);
    }
    if wanted.run {
        if r.parameters > 0 {
            return said("a statement with $n has no values to run it with");
        }
        if let Some(name) = volatile(conn, &r).await? {
            return said(&format!(
                "it calls {name}(), which may do something each time it is called, so it is not run"
            ));
        }
    }
    let steps = match steps(&r, server.version_num, wanted.run) {
        Ok(steps) => steps,
        Err(why) => return said(why),
    };
    let rows = conn.planning(steps).await?;
    let Some(mut plan) = read(&rows) else {
        return said("the server's answer cannot be read; it may speak PostgreSQL only in part");
    };
    plan.about.push(if wanted.run {
        "run once to measure, in a transaction that only reads and was rolled back".to_owned()
    } else {
        "planned, not run".to_owned()
    });
    if search.is_some() {
        plan.about.push("of the search for the rows that it would change: the change itself is not planned".to_owned());
    }
    if r.parameters > 0 {
        plan.about.push(
            "a generic plan, for any values; the one that was slow may have been made for its own values".to_owned(),
        );
    }
    plan.can_run = r.parameters == 0 && search.is_none();
    plan.wanted = wanted.clone();
    let mut tables: Vec<Table> = Vec::new();
    for name in plan.nodes.iter().filter_map(|n| n.scans.clone()).take(8) {
        if !tables.iter().any(|t| t.name == name) {
            tables.extend(table(conn, name).await?);
        }
    }
    plan::advise(&mut plan, &tables);
    if let Some(index) = plan.copy.clone() {
        hypothetical(conn, server, &r, &index, &mut plan).await?;
    }
    plan.statement = r.sql;
    Ok(plan)
}

/// How the server is to be asked, by its version.
fn steps(r: &Reading, version: u32, run: bool) -> Result<Planning, &'static str> {
    let options = if run { "ANALYZE, FORMAT JSON, VERBOSE" } else { "FORMAT JSON, VERBOSE" };
    Ok(match (r.parameters, version) {
        (0, _) => Planning::Whole(format!("EXPLAIN /* warroom */ ({options}) {}", r.sql)),
        (_, v) if v >= 160_000 => {
            Planning::Generic(format!("EXPLAIN /* warroom */ (FORMAT JSON, VERBOSE, GENERIC_PLAN) {}", r.sql))
        }
        (_, v) if v < 120_000 => return Err("a statement with $n can be planned from PostgreSQL 12 on"),
        (n, _) => {
            let nulls = vec!["NULL"; n as usize].join(", ");
            Planning::Prepared {
                prepare: format!(
                    "SET /* warroom */ LOCAL plan_cache_mode = force_generic_plan; PREPARE /* warroom */ warroom_plan AS {}",
                    r.sql
                ),
                explain: format!("EXPLAIN /* warroom */ (FORMAT JSON, VERBOSE) EXECUTE warroom_plan({nulls})"),
            }
        }
    })
}

fn read(rows: &[PgRow]) -> Option<Plan> {
    let json = rows.iter().filter_map(|row| text(row, 0)).find(|t| t.trim_start().starts_with('['))?;
    plan::read(&json)
}

/// A function that the statement may call and that is not known to only compute.
async fn volatile(conn: &mut Conn, r: &Reading) -> Result<Option<String>, Failed<Trouble>> {
    let called: Vec<String> = r.called().iter().map(|n| format!("'{}'", n.replace('\'', "''"))).collect();
    if called.is_empty() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT /* warroom */ proname FROM pg_proc WHERE provolatile = 'v' AND proname IN ({}) LIMIT 1",
        called.join(", ")
    );
    Ok(conn.rows(sql).await?.first().and_then(|row| text(row, 0)))
}

/// What the plan would cost with the index that is proposed, where the extension hypopg is there to say so. Such an
/// index exists in our session only, and is forgotten at once.
async fn hypothetical(
    conn: &mut Conn,
    server: &Server,
    r: &Reading,
    index: &str,
    plan: &mut Plan,
) -> Result<(), Failed<Trouble>> {
    const FIND: &str = "SELECT /* warroom */ quote_ident(n.nspname) FROM pg_extension e \
         JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'";
    let Some(schema) = conn.rows(FIND.into()).await?.first().and_then(|row| text(row, 0)) else { return Ok(()) };
    let sql = index.trim_end_matches(';').replace("CREATE INDEX CONCURRENTLY", "CREATE INDEX").replace('\'', "''");
    let Ok(steps) = steps(r, server.version_num, false) else { return Ok(()) };
    let make = format!("SELECT /* warroom */ {schema}.hypopg_create_index('{sql}')");
    let size = format!(
        "SELECT /* warroom */ pg_size_pretty({schema}.hypopg_relation_size(indexrelid)) FROM {schema}.hypopg_list_indexes LIMIT 1"
    );
    let reset = format!("SELECT /* warroom */ {schema}.hypopg_reset()");
    match conn.supposing(make, steps, size, reset).await {
        Ok((rows, size)) => {
            let with = read(&rows).map(|p| plan::total(&p));
            let size = size.first().and_then(|row| text(row, 0)).unwrap_or_default();
            if let Some(with) = with {
                plan.findings.push(plan::supposed(plan::total(plan), with, &size));
            }
            Ok(())
        }
        // Without a right to it, or one of another version: the proposal stands without a figure.
        Err(e) if matches!(e, Trouble::TooSlow) || e.code().is_some_and(|c| !c.starts_with("57")) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Whether a table it names, or one that a table of it is a part of, is held or waited for with an exclusive lock.
async fn locked(conn: &mut Conn, r: &Reading) -> Result<Option<String>, Failed<Trouble>> {
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
async fn table(conn: &mut Conn, name: (String, String)) -> Result<Option<Table>, Failed<Trouble>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sql: &str, version: u32) -> Vec<String> {
        match steps(&reading(sql).unwrap(), version, false) {
            Ok(Planning::Whole(sql) | Planning::Generic(sql)) => vec![sql],
            Ok(Planning::Prepared { prepare, explain }) => vec![prepare, explain],
            Err(why) => vec![why.to_owned()],
        }
    }

    #[test]
    fn a_statement_with_parameters_is_asked_for_in_the_words_of_each_version() {
        let sql = "SELECT a FROM b WHERE c = $1 AND d > $2";
        for version in [120_019, 130_015, 140_012, 150_007] {
            let told = asked(sql, version);
            assert!(told[0].contains("force_generic_plan; PREPARE /* warroom */ warroom_plan AS SELECT a"), "{told:?}");
            assert_eq!(told[1], "EXPLAIN /* warroom */ (FORMAT JSON, VERBOSE) EXECUTE warroom_plan(NULL, NULL)");
        }
        for version in [160_003, 170_000, 180_000] {
            assert_eq!(
                asked(sql, version),
                [format!("EXPLAIN /* warroom */ (FORMAT JSON, VERBOSE, GENERIC_PLAN) {sql}")]
            );
        }
        assert_eq!(asked(sql, 110_020), ["a statement with $n can be planned from PostgreSQL 12 on"]);
        assert_eq!(asked("SELECT 1", 120_000), ["EXPLAIN /* warroom */ (FORMAT JSON, VERBOSE) SELECT 1"]);
    }
}
