//! What our role may see of a PostgreSQL server, and what would let it see more.

use super::session::Server;
use crate::signals::database::event::Right;

/// One for each thing that depends on a right; `counted` says whether statement statistics can be read.
pub fn rights(server: &Server, counted: bool) -> Vec<Right> {
    let role = format!("\"{}\"", server.role.replace('"', "\"\""));
    let member = |name: &str| server.superuser || server.roles.iter().any(|r| r == name);
    let right =
        |shows: &str, has: bool, grant: String, optional: bool| Right { shows: shows.into(), has, grant, optional };
    let read = if server.version_num >= 140_000 {
        format!("GRANT pg_read_all_data TO {role};")
    } else {
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};")
    };
    let mut out = vec![
        right(
            "statements and states of other sessions",
            server.sees_all,
            format!("GRANT pg_monitor TO {role};"),
            false,
        ),
        right(
            "what each statement costs",
            counted,
            "CREATE EXTENSION pg_stat_statements; -- with shared_preload_libraries = 'pg_stat_statements'".into(),
            false,
        ),
        right("plans of statements over any table", member("pg_read_all_data"), read, true),
    ];
    if server.version_num >= 160_000 {
        let grant = format!("GRANT pg_use_reserved_connections TO {role}; -- with reserved_connections = 2");
        out.push(right("a connection when all slots are taken", member("pg_use_reserved_connections"), grant, true));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_role_is_told_each_grant_and_newer_servers_have_more_of_them() {
        let plain = Server { role: "we\"b".into(), version_num: 150_000, ..Server::default() };
        let told: Vec<String> = rights(&plain, true).into_iter().filter(|r| !r.has).map(|r| r.grant).collect();
        assert_eq!(told, ["GRANT pg_monitor TO \"we\"\"b\";", "GRANT pg_read_all_data TO \"we\"\"b\";"]);
        let newer = Server { version_num: 160_000, ..plain.clone() };
        assert!(rights(&newer, true).iter().any(|r| r.grant.contains("pg_use_reserved_connections")));
        assert!(rights(&Server { superuser: true, sees_all: true, ..newer }, true).iter().all(|r| r.has));
    }
}
