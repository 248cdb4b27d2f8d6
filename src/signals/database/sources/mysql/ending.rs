//! Ends a session, or the statement it runs, if it is still the one that was seen.
//!
//! The server does not tell when a session began, and never gives a number twice while it runs; so number, user, client
//! and, to cancel, the time the statement has taken must be as they were seen.

use super::session::{Server, Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::ending::{Ended, Ending, How};
use crate::signals::database::sources::connected::Failed;

/// Carries it out.
pub async fn end(conn: &mut Conn, server: &Server, e: &Ending) -> Result<Ended, Failed<Trouble>> {
    let said = |why: String| Err(Failed::Said(format!("not done: {why}")));
    if e.pid <= 0 {
        return said("that is no session".into());
    }
    let ms = if server.mariadb { "TIME_MS" } else { "TIME * 1000" };
    let sql = format!(
        "SELECT /* warroom */ USER, HOST, COMMAND, {ms} FROM information_schema.PROCESSLIST \
         WHERE ID = {} AND ID <> CONNECTION_ID()",
        e.pid
    );
    let rows = conn.rows(sql).await?;
    let Some(row) = rows.first() else { return said(format!("session {} is gone", e.pid)) };
    let (user, host) = (text(row, 0).unwrap_or_default(), text(row, 1).unwrap_or_default());
    let is = Now {
        user: &user,
        host: &host,
        runs: text(row, 2).is_some_and(|c| c != "Sleep"),
        age_ms: number::<f64>(row, 3).unwrap_or(0.0),
    };
    if let Some(why) = differs(e, &is) {
        return said(format!("session {} {why}", e.pid));
    }
    let (sql, done) = match e.how {
        How::Cancel => (format!("KILL QUERY {}", e.pid), "cancelled the statement of"),
        How::Terminate => (format!("KILL CONNECTION {}", e.pid), "terminated"),
    };
    match conn.rows(sql).await {
        Ok(_) => Ok(Ended { said: format!("{done} session {} of {}", e.pid, e.server) }),
        Err(t) if t.number() == Some(1094) => said(format!("session {} is gone", e.pid)),
        Err(t) if matches!(t.number(), Some(1095 | 1227)) => {
            let right = if server.mariadb { "CONNECTION ADMIN" } else { "CONNECTION_ADMIN" };
            said(format!(
                "we lack the right: GRANT {right} ON *.* TO {}; then B twice, because a connection has the rights it \
                 was opened with",
                server.account
            ))
        }
        Err(t) => Err(t.into()),
    }
}

/// A session as it is now.
struct Now<'a> {
    user: &'a str,
    host: &'a str,
    runs: bool,
    age_ms: f64,
}

/// Why it is not the one that was seen.
fn differs(e: &Ending, now: &Now) -> Option<&'static str> {
    let seen = match (&e.client, e.client_port) {
        (Some(client), Some(port)) => format!("{client}:{port}"),
        (Some(client), None) => client.to_string(),
        (None, _) => String::new(),
    };
    if now.user != e.user.as_str() || (!seen.is_empty() && now.host != seen) {
        return Some("is another session now");
    }
    // A statement only grows older; one that is younger than it was seen is another one.
    let younger = e.query_age_ms.is_some_and(|ms| now.age_ms + 1_000.0 < ms as f64);
    if e.how == How::Cancel && (!now.runs || younger) {
        return Some("does not run that statement any more");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_another_client_and_a_younger_statement_are_not_the_one_that_was_seen() {
        let e = Ending {
            pid: 7,
            user: "app".into(),
            client: Some("10.0.0.1".into()),
            client_port: Some(5000),
            query_age_ms: Some(9_000),
            ..Ending::default()
        };
        let why =
            |how, user, host, runs, age_ms| differs(&Ending { how, ..e.clone() }, &Now { user, host, runs, age_ms });
        assert_eq!(why(How::Cancel, "app", "10.0.0.1:5000", true, 9_500.0), None);
        assert_eq!(why(How::Terminate, "app", "10.0.0.1:5000", false, 0.0), None);
        assert!(why(How::Terminate, "app", "10.0.0.1:5001", true, 9_500.0).unwrap().contains("another session"));
        assert!(why(How::Terminate, "root", "10.0.0.1:5000", true, 9_500.0).unwrap().contains("another session"));
        assert!(why(How::Cancel, "app", "10.0.0.1:5000", true, 20.0).unwrap().contains("any more"));
        assert!(why(How::Cancel, "app", "10.0.0.1:5000", false, 9_500.0).unwrap().contains("any more"));
    }
}
