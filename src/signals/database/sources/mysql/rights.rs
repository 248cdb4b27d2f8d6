//! What our user may see of a MySQL or MariaDB server, and what would let it see more.

use super::session::{Server, Session as Conn, text};
use super::trouble::Trouble;
use crate::signals::database::event::Right;

/// One for each thing that depends on a right, or on a setting; and whether our connection may be the one that is kept
/// beyond the others.
pub async fn rights(conn: &mut Conn, server: &Server) -> Result<(Vec<Right>, bool), Trouble> {
    let rows = match conn.rows("SHOW GRANTS").await {
        Ok(rows) => rows,
        Err(e) if e.is_denied() => Vec::new(),
        Err(e) => return Err(e),
    };
    let grants: Vec<String> = rows.iter().filter_map(|r| text(r, 0)).collect();
    let global = grants.iter().filter_map(|g| g.strip_prefix("GRANT ")?.split_once(" ON *.*"));
    let spare = ["SUPER", "CONNECTION ADMIN", "CONNECTION_ADMIN", "ALL PRIVILEGES"];
    let may = global.into_iter().any(|(rights, _)| rights.split(", ").any(|r| spare.contains(&r)));
    Ok((of(server, &grants), may))
}

fn of(server: &Server, grants: &[String]) -> Vec<Right> {
    let account = &server.account;
    // `GRANT PROCESS, SLAVE MONITOR ON *.* TO …`; what is granted on a schema has its name in backquotes.
    let on = |place: &str, right: &str| {
        grants.iter().filter_map(|g| g.strip_prefix("GRANT ")?.split_once(" ON ")).any(|(rights, rest)| {
            rest.replace('`', "").starts_with(&format!("{place} "))
                && rights.split(", ").any(|r| r == right || r.starts_with("ALL PRIVILEGES"))
        })
    };
    let replica = if server.mariadb && server.number >= (10, 5, 0) { "SLAVE MONITOR" } else { "REPLICATION CLIENT" };
    let digests = on("*.*", "SELECT") || on("performance_schema.*", "SELECT");
    let right =
        |shows: &str, has: bool, grant: String, optional: bool| Right { shows: shows.into(), has, grant, optional };
    let mut out = vec![
        right(
            "sessions of others, and who holds up whom",
            server.sees_all,
            format!("GRANT PROCESS ON *.* TO {account};"),
            false,
        ),
        right(
            "what each statement costs",
            digests && server.performance_schema,
            if server.performance_schema {
                format!("GRANT SELECT ON performance_schema.* TO {account};")
            } else {
                "performance_schema = ON below [mysqld], and a restart".into()
            },
            false,
        ),
        right(
            "how far a replica is behind",
            on("*.*", replica) || on("*.*", "REPLICATION CLIENT"),
            format!("GRANT {replica} ON *.* TO {account};"),
            true,
        ),
    ];
    if server.mariadb {
        let sql = "INSTALL SONAME 'metadata_lock_info';".into();
        out.push(right("who holds a metadata lock", server.metadata_lock_info, sql, true));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_as_the_server_writes_them() {
        let server = Server {
            mariadb: true,
            number: (10, 11, 0),
            account: "'w'@'%'".into(),
            sees_all: true,
            performance_schema: true,
            metadata_lock_info: true,
            ..Server::default()
        };
        let lacks = |grants: &[&str]| {
            let grants: Vec<String> = grants.iter().map(|g| (*g).to_owned()).collect();
            of(&server, &grants).into_iter().filter(|r| !r.has).map(|r| r.grant).collect::<Vec<_>>()
        };
        let all =
            ["GRANT PROCESS, SLAVE MONITOR ON *.* TO `w`@`%`", "GRANT SELECT ON `performance_schema`.* TO `w`@`%`"];
        assert_eq!(lacks(&all), [""; 0]);
        assert_eq!(lacks(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]), [""; 0]);
        let none = lacks(&["GRANT USAGE ON *.* TO `w`@`%`", "GRANT SELECT ON `shop`.* TO `w`@`%`"]);
        assert_eq!(
            none,
            ["GRANT SELECT ON performance_schema.* TO 'w'@'%';", "GRANT SLAVE MONITOR ON *.* TO 'w'@'%';"]
        );
    }
}
