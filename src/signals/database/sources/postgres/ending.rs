//! Ends a session, or the statement it runs, if it is still the one that was seen.
//!
//! The check and the deed are one statement: number, beginning of the session and, to cancel, beginning of the statement
//! must all be as they were seen.

use super::session::{Session as Conn, text};
use super::trouble::Trouble;
use crate::signals::database::ending::{Ended, Ending, How};
use crate::signals::database::sources::connected::Failed;

/// Carries it out.
pub async fn end(conn: &mut Conn, e: &Ending) -> Result<Ended, Failed<Trouble>> {
    let said = |why: String| Err(Failed::Said(format!("not done: {why}")));
    let Some(sql) = sql(e) else {
        return said(format!("it is not known when pid {} began, so it cannot be told from another one", e.pid));
    };
    let rows = match conn.rows(sql).await {
        Ok(rows) => rows,
        Err(t) if t.code().as_deref() == Some("42501") => {
            return said(
                "the role lacks the right: GRANT pg_signal_backend TO it; sessions of superusers end by a superuser only"
                    .into(),
            );
        }
        Err(t) => return Err(t.into()),
    };
    let done = match e.how {
        How::Cancel => "cancelled the statement of",
        How::Terminate => "terminated",
    };
    match rows.first().and_then(|r| text(r, 0)).as_deref() {
        Some("true") => Ok(Ended { said: format!("{done} pid {} of {}", e.pid, e.server) }),
        Some(_) => said(format!("the server could not signal pid {}", e.pid)),
        None if e.how == How::Cancel => {
            said(format!("pid {} does not run that statement any more, or is another session now", e.pid))
        }
        None => said(format!("pid {} is gone, or is another session now", e.pid)),
    }
}

fn sql(e: &Ending) -> Option<String> {
    let micros = |t: crate::timeline::Ts| t.0.div_euclid(1_000);
    let is = |column: &str, at: i64| format!(" AND (extract(epoch FROM {column}) * 1000000)::int8 = {at}");
    let began = is("backend_start", micros(e.backend_start?));
    let (does, running) = match e.how {
        How::Cancel => (
            "pg_cancel_backend",
            e.query_start.map(|t| is("query_start", micros(t))).unwrap_or_default() + " AND state <> 'idle'",
        ),
        How::Terminate => ("pg_terminate_backend", String::new()),
    };
    Some(format!(
        "SELECT /* warroom */ {does}(pid)::text FROM pg_stat_activity \
         WHERE pid = {} AND pid <> pg_backend_pid(){began}{running}",
        e.pid
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Ts;

    #[test]
    fn a_session_is_named_by_its_beginning_and_a_statement_by_its_own_as_well() {
        let e = Ending { pid: 41, backend_start: Some(Ts(1_700_000_000_123_456_789)), ..Ending::default() };
        let cancel = Ending { query_start: Some(Ts(1_700_000_001_000_000_000)), ..e.clone() };
        let told = sql(&cancel).unwrap();
        assert!(
            told.contains("pg_cancel_backend")
                && told.contains("1700000000123456")
                && told.contains("1700000001000000")
        );
        let told = sql(&Ending { how: How::Terminate, ..e.clone() }).unwrap();
        assert!(
            told.contains("pg_terminate_backend") && told.contains("pid = 41") && !told.contains("query_start"),
            "{told}"
        );
        assert_eq!(sql(&Ending { backend_start: None, ..e }), None);
    }
}
