//! The plan of one statement, by `EXPLAIN QUERY PLAN` over a connection that is opened for it and closed again.
//!
//! The file is opened for reading only and `query_only`, and the index of its WAL for reading only as well: such a
//! connection can neither write nor checkpoint. A file in WAL mode that nobody has open is read as immutable, because
//! SQLite would otherwise make a `-wal` and a `-shm` for it; nobody being there to write, it does not change.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use super::file::{beside, look};
use crate::signals::database::plan::{Node, Plan, Wanted};
use crate::signals::database::statement::reading;

/// How long a lock may be waited for.
const LOCK: Duration = Duration::from_millis(100);
/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// A file of so many bytes has tables worth an index.
const LARGE: u64 = 10 << 20;

/// The plan, or a sentence that says why there is none.
pub async fn explain(path: &Path, wanted: &Wanted) -> Result<Plan, String> {
    let said = |why: String| format!("no plan: {why}");
    let r = reading(&wanted.statement).map_err(said)?;
    let seen = look(path).map_err(said)?;
    let (wal, shm) = (beside(path, "-wal").exists(), beside(path, "-shm").exists());
    let immutable = match (seen.journal.as_str(), wal, shm) {
        ("wal", true, true) => false,
        ("wal", true, false) => {
            return Err(said("its WAL was left behind by a crash; the application has to open it first".into()));
        }
        ("wal", false, _) => true,
        _ if seen.journal_bytes > 0 => {
            return Err(said("a transaction is being written, or was left behind by a crash (-journal exists)".into()));
        }
        _ => false,
    };
    let asked = tokio::time::timeout(DEADLINE, ask(path, &r.sql, immutable, shm));
    let rows = asked.await.map_err(|_| said("no answer within 2 s".into()))?.map_err(|e| said(e.to_string()))?;
    Ok(plan(&wanted.statement, &rows, seen.bytes + seen.wal_bytes))
}

/// Rows of the plan: own number, number of the one above, words.
async fn ask(path: &Path, sql: &str, immutable: bool, shm: bool) -> Result<Vec<(i64, i64, String)>, sqlx::Error> {
    let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let options = match (immutable, shm) {
        (true, _) => SqliteConnectOptions::new().filename(path).immutable(true),
        (false, true) => SqliteConnectOptions::new().filename(format!("file:{name}?mode=ro&readonly_shm=1")),
        (false, false) => SqliteConnectOptions::new().filename(path),
    };
    let options = options.read_only(true).busy_timeout(LOCK).pragma("query_only", "ON").disable_statement_logging();
    let mut conn = options.connect().await?;
    let asked = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(&mut conn).await;
    let _ = conn.close().await;
    asked?.iter().map(|r| Ok((r.try_get(0)?, r.try_get(1)?, r.try_get(3)?))).collect()
}

fn plan(statement: &str, rows: &[(i64, i64, String)], bytes: u64) -> Plan {
    let mut plan = Plan {
        statement: statement.to_owned(),
        about: vec!["EXPLAIN QUERY PLAN: SQLite tells no costs; it was not run".into()],
        ..Plan::default()
    };
    let mut depths: Vec<(i64, usize)> = Vec::new();
    for (id, above, what) in rows {
        let depth = depths.iter().find(|(n, _)| n == above).map_or(0, |(_, d)| d + 1);
        depths.push((*id, depth));
        // `SCAN t` reads all of it; `SCAN t USING COVERING INDEX …` all of an index.
        let table = what.strip_prefix("SCAN ").filter(|t| !t.contains(" USING ") && !t.contains("CONSTANT ROW"));
        if let Some(table) = table.filter(|_| bytes >= LARGE) {
            let table = table.split(' ').next().unwrap_or(table);
            plan.findings.push(format!("reads all of {table}, in a file of {} MB: no index serves it", bytes >> 20));
        }
        plan.nodes.push(Node { depth, what: what.clone(), costliest: table.is_some(), ..Node::default() });
    }
    plan
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sqlx::sqlite::SqliteJournalMode;

    use super::*;
    use crate::timeline::SourceId;

    fn wanted(sql: &str) -> Wanted {
        Wanted { source: SourceId(1), statement: sql.into(), ..Wanted::default() }
    }

    #[tokio::test]
    async fn a_plan_is_read_beside_an_application_that_writes_and_from_a_file_nobody_has_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop #1.sqlite");
        let options =
            SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let mut conn = options.connect().await.unwrap();
        for sql in
            ["CREATE TABLE t (a, b)", "CREATE INDEX t_a ON t (a)", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (1, 2)"]
        {
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        }
        let before = fs::read(beside(&path, "-shm")).unwrap();
        let plan = explain(&path, &wanted("SELECT * FROM t WHERE b = ?")).await.unwrap();
        assert_eq!(plan.nodes[0].what, "SCAN t");
        let plan = explain(&path, &wanted("SELECT * FROM t WHERE a = $1")).await.unwrap();
        assert_eq!(plan.nodes[0].what, "SEARCH t USING INDEX t_a (a=?)");
        assert_eq!(fs::read(beside(&path, "-shm")).unwrap(), before, "the index of the WAL was written to");
        sqlx::raw_sql("COMMIT").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(explain(&path, &wanted("SELECT * FROM t")).await.is_ok());
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a file was left behind");
        let refused = explain(&path, &wanted("DELETE FROM t")).await.unwrap_err();
        assert!(refused.contains("DELETE writes"), "{refused}");
    }
}
