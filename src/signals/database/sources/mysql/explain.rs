//! Asks for the plan of one statement, over the source's one connection, and never runs the statement.
//!
//! What runs has its text; of what only its shape is known a sample is asked for (MySQL 8). `EXPLAIN` may run what stands
//! in a derived table, and waits for whoever changes a table: so only a single reading statement, not while anybody waits
//! to change a table that it names, under limits for locks and time.

use super::session::{Server, Session as Conn, text};
use super::trouble::Trouble;
use crate::signals::database::plan::{self, Plan, Wanted};
use crate::signals::database::sources::connected::{Failed, Reason};
use crate::signals::database::statement::Reading;
use crate::signals::database::statement::mysql::reading;

impl From<Trouble> for Failed<Trouble> {
    fn from(e: Trouble) -> Failed<Trouble> {
        match &e {
            Trouble::TooSlow => {
                Failed::Said("no plan: a lock it needs is held, or planning took longer than the limit".into())
            }
            Trouble::Sql(sqlx::Error::Database(d)) if e.refusal().is_none() => {
                let hint = match e.number() {
                    Some(1142 | 1143 | 1044 | 1345) => "; GRANT SELECT on that table to our user",
                    Some(1046 | 1146 | 1049) => "; it may be in another database",
                    Some(1064) => "; its text may be cut or rewritten by the server's statistics",
                    _ => "",
                };
                Failed::Said(format!("no plan: {}{hint}", d.message()))
            }
            _ => Failed::Broken(e),
        }
    }
}

/// The plan of `wanted`.
pub async fn explain(conn: &mut Conn, server: &Server, wanted: &Wanted) -> Result<Plan, Failed<Trouble>> {
    let said = |why: &str| Err(Failed::Said(format!("no plan: {why}")));
    if wanted.run {
        return said("statements are run to measure on PostgreSQL only");
    }
    let (mut statement, mut db) = (wanted.statement.clone(), wanted.db.clone());
    let mut about = vec!["planned, not run; cost is the rows that are looked at".to_owned()];
    let mut r = reading(&statement);
    if r.as_ref().is_ok_and(|r| r.parameters > 0) {
        let Some((found, of)) = sample(conn, server, wanted).await? else {
            return said(
                "only its shape is known: select it while it runs, or let the slow log tell it with its values",
            );
        };
        about.push("of a sample that the server kept; other values may have another plan".to_owned());
        (statement, db) = (found, of);
        r = reading(&statement);
    }
    let r = match r {
        Ok(r) if r.parameters == 0 => r,
        Ok(_) => return said("the server's sample of it has no values"),
        Err(why) => return said(&why),
    };
    if let Some(why) = locked(conn, &r).await? {
        return said(&why);
    }
    if !db.is_empty() {
        conn.rows(format!("USE `{}`", db.replace('`', "``"))).await?;
    }
    let limit = if server.mariadb { "SET STATEMENT max_statement_time = 2, lock_wait_timeout = 0 FOR " } else { "" };
    let rows = conn.rows(format!("{limit}EXPLAIN /* warroom */ FORMAT=JSON {}", r.sql)).await?;
    let json = rows.first().and_then(|row| text(row, 0));
    let Some(mut plan) = json.as_deref().and_then(|json| plan::mysql::read(json, &db)) else {
        return said("the server's answer cannot be read; it may speak MySQL only in part");
    };
    plan::mysql::advise(&mut plan);
    plan.statement = r.sql;
    plan.about = about;
    plan.wanted = wanted.clone();
    Ok(plan)
}

/// A statement with its values that the server kept for a shape, and its database: MySQL from 8.0 on.
async fn sample(
    conn: &mut Conn,
    server: &Server,
    wanted: &Wanted,
) -> Result<Option<(String, String)>, Failed<Trouble>> {
    let Some(sql) = sample_sql(server, wanted.queryid) else { return Ok(None) };
    match conn.rows(sql).await {
        Ok(rows) => Ok(rows
            .first()
            .and_then(|row| Some((text(row, 0).filter(|t| !t.is_empty())?, text(row, 1).unwrap_or_default())))),
        Err(e) if e.is_denied() => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn sample_sql(server: &Server, queryid: Option<i64>) -> Option<String> {
    (!server.mariadb && server.number >= (8, 0, 0) && server.performance_schema).then_some(())?;
    Some(format!(
        "SELECT /* warroom */ QUERY_SAMPLE_TEXT, SCHEMA_NAME FROM performance_schema.events_statements_summary_by_digest \
         WHERE LEFT(DIGEST, 16) = '{:016x}' ORDER BY QUERY_SAMPLE_SEEN DESC LIMIT 1",
        queryid?
    ))
}

/// Whether somebody changes a table that it names, or waits to.
async fn locked(conn: &mut Conn, r: &Reading) -> Result<Option<String>, Failed<Trouble>> {
    const SQL: &str = "SELECT /* warroom */ ID, INFO FROM information_schema.PROCESSLIST \
         WHERE STATE LIKE 'Waiting for table%lock' OR STATE LIKE 'Waiting for%metadata lock' \
         OR STATE LIKE 'altering table%' OR STATE LIKE 'copy to tmp table%' LIMIT 1000";
    let rows = conn.rows(SQL).await?;
    Ok(rows.iter().find_map(|row| {
        let (pid, info) = (text(row, 0)?, text(row, 1)?);
        // Somebody who waits to change it, or waits behind one who does.
        let words: Vec<String> =
            info.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).map(str::to_lowercase).collect();
        let changes = ["alter", "drop", "truncate", "rename", "optimize", "create", "lock"];
        let first = words.iter().find(|w| !w.is_empty())?;
        let named = changes.contains(&first.as_str())
            && words.iter().skip(1).any(|w| w.len() > 1 && r.names(w) && w != "table");
        named.then(|| {
            format!("session {pid} changes a table of it, or waits to ({first}), and EXPLAIN would queue behind it")
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_asked_of_servers_that_keep_one() {
        let of = |mariadb, number| Server { mariadb, number, performance_schema: true, ..Server::default() };
        assert!(sample_sql(&of(false, (8, 0, 36)), Some(0x1f)).unwrap().contains("'000000000000001f'"));
        assert!(sample_sql(&of(false, (8, 4, 0)), Some(-1)).unwrap().contains("'ffffffffffffffff'"));
        assert_eq!(sample_sql(&of(false, (5, 7, 44)), Some(1)), None);
        assert_eq!(sample_sql(&of(true, (10, 11, 0)), Some(1)), None);
    }
}
