//! The last deadlock, out of InnoDB's report of itself.

use compact_str::CompactString;

use super::session::{Server, Session as Conn, number, text};
use super::trouble::Trouble;
use crate::signals::database::event::{DeadlockSide, TEXT};

/// Deadlocks counted by the server since it started; `None` where it does not count them, or may not tell.
pub async fn count(conn: &mut Conn, server: &Server) -> Result<Option<u64>, Trouble> {
    let (sql, column) = if server.mariadb {
        ("SHOW /* warroom */ GLOBAL STATUS LIKE 'Innodb_deadlocks'", 1)
    } else {
        ("SELECT /* warroom */ COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'", 0)
    };
    match conn.rows(sql).await {
        Ok(rows) => Ok(rows.first().and_then(|r| number(r, column))),
        Err(e) if e.is_denied() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Who was in the last one. Asked only when the count has risen: the report may be large.
pub async fn last(conn: &mut Conn) -> Result<Vec<DeadlockSide>, Trouble> {
    match conn.rows("SHOW /* warroom */ ENGINE INNODB STATUS").await {
        Ok(rows) => Ok(rows.first().and_then(|r| text(r, 2)).map(|t| sides(&t)).unwrap_or_default()),
        Err(e) if e.is_denied() => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The transactions of the section `LATEST DETECTED DEADLOCK`; the report tells of two.
fn sides(report: &str) -> Vec<DeadlockSide> {
    let Some((_, section)) = report.split_once("LATEST DETECTED DEADLOCK") else { return Vec::new() };
    let section = section.split_once("\nTRANSACTIONS\n").map_or(section, |(s, _)| s);
    let mut out: Vec<(CompactString, DeadlockSide)> = Vec::new();
    let mut inside = false;
    let mut victim = None;
    for line in section.lines() {
        if let Some(mark) = line.strip_prefix("*** ") {
            inside = false;
            if let Some((n, _)) = mark.strip_prefix('(').and_then(|m| m.split_once(") TRANSACTION")) {
                out.push((n.into(), DeadlockSide::default()));
            } else if let Some(n) = mark.strip_prefix("WE ROLL BACK TRANSACTION (") {
                victim = Some(CompactString::from(n.trim_end_matches(')')));
            }
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
    for (n, side) in &mut out {
        side.victim = victim.as_ref() == Some(n);
        side.query = side.query.chars().take(TEXT).collect();
    }
    out.into_iter().map(|(_, side)| side).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_statements_and_the_one_that_lost_are_read_from_the_report() {
        let report = "x\n------------------------\nLATEST DETECTED DEADLOCK\n------------------------\n2026-01-01 10:00:00 0x7f\n\
            *** (1) TRANSACTION:\nTRANSACTION 24, ACTIVE 3 sec starting index read\nmysql tables in use 1, locked 1\n\
            MariaDB thread id 6, OS thread handle 140, query id 32 localhost root Updating\nUPDATE t\nSET n = 2\n\
            *** WAITING FOR THIS LOCK TO BE GRANTED:\nRECORD LOCKS space id 5\n\
            *** (2) TRANSACTION:\nTRANSACTION 25, ACTIVE 2 sec\n\
            MySQL thread id 7, OS thread handle 141, query id 33 localhost root Updating\nDELETE FROM t WHERE id = 1\n\
            *** (2) HOLDS THE LOCK(S):\nRECORD LOCKS\n*** WE ROLL BACK TRANSACTION (2)\n------------\nTRANSACTIONS\n\
            ---TRANSACTION 9\nMySQL thread id 99\nSELECT 1\n";
        let got: Vec<_> = sides(report).into_iter().map(|s| (s.pid, s.query, s.victim)).collect();
        assert_eq!(
            got,
            [(6, "UPDATE t\nSET n = 2".to_owned(), false), (7, "DELETE FROM t WHERE id = 1".to_owned(), true)]
        );
        assert!(sides("nothing of the kind").is_empty());
    }
}
