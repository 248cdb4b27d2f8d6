//! Passwords from everywhere they may come from, none of which ever shows: not in the title of a process, not in a
//! recording, not in what is printed.

use std::process::Stdio;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::support::mariadb::MariaDb;
use crate::support::postgres::Postgres;
use crate::support::program::{Home, names};

const SECRET: &str = "hunter2-very-seeded";

/// Titles and arguments of all processes, but for those of who looks.
fn titles() -> String {
    let pids = names(std::path::Path::new("/proc"));
    let of = |pid: &String| std::fs::read(format!("/proc/{pid}/cmdline")).ok();
    pids.iter().filter_map(of).map(|b| String::from_utf8_lossy(&b).replace('\0', " ") + "\n").collect()
}

/// Runs `warroom record` for a moment with this configuration and environment; gives whether it connected, and all it
/// left and said.
fn recorded(home: &Home, config: &str, variables: &[(&str, String)], name: &str) -> (bool, String) {
    home.configure(config);
    let path = home.path(&format!("{name}.wr"));
    let mut command = home.command(&["record", "--for", "3s", "-o", &path.display().to_string()]);
    command.envs(variables.iter().map(|(k, v)| (*k, v.as_str()))).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(1_200));
    let seen = titles();
    let out = child.wait_with_output().expect("it ends");
    let printed = home.run(&["query", "db", "--json", "--recording", &path.display().to_string()]);
    let all = home.run(&["query", "sources", "--recording", &path.display().to_string()]);
    let raw = std::fs::read(&path).expect("a recording");
    let text = format!(
        "{seen}{}{}{}{}{}{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
        printed.out,
        printed.err,
        all.out,
        all.err,
        String::from_utf8_lossy(&raw)
    );
    (printed.out.contains("server_info"), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_a_password_works_and_none_of_them_shows_it() {
    let pg = Postgres::start("password_encryption = 'scram-sha-256'\n");
    let mut admin = PgConnection::connect(&pg.url("test")).await.expect("answers");
    let make = format!("CREATE ROLE watch LOGIN PASSWORD '{SECRET}'; GRANT pg_monitor TO watch");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut admin).await.expect("made");
    pg.wants_password("watch");
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut admin).await.expect("reloaded");
    assert!(PgConnection::connect(&pg.url("watch")).await.is_err(), "it does want one");
    let my = MariaDb::start(&[]);
    let mut c = sqlx::MySqlConnection::connect(&my.url("root")).await.expect("answers");
    let make = format!("CREATE USER watch@'127.0.0.1' IDENTIFIED BY '{SECRET}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut c).await.expect("made");
    // The server's own statistics and lists must not hold it when it is looked at.
    drop((admin, c));

    let port = pg.socket().1;
    let url = pg.url("watch");
    let none: Vec<(&str, String)> = Vec::new();
    let postgres = |more: &str| format!("[[database.postgres]]\nname = \"orders\"\nurl = \"{url}\"\n{more}");
    let mysql = |more: &str| format!("[[database.mysql]]\nname = \"shop\"\nurl = \"{}\"\n{more}", my.url("watch"));
    let mut tried = Vec::new();
    tokio::task::block_in_place(|| {
        {
            let mut run = |name: &'static str,
                           config: String,
                           variables: Vec<(&'static str, String)>,
                           files: Vec<(&'static str, String)>| {
                tried.push((
                    name,
                    std::thread::spawn(move || {
                        let home = Home::new();
                        for (file, text) in files {
                            let path = home.file(file, &text);
                            let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                            std::fs::set_permissions(path, own).expect("only for us");
                        }
                        let variables: Vec<(&str, String)> = variables
                            .into_iter()
                            .map(|(k, v)| (k, v.replace("HOME/", &format!("{}/", home.path("").display()))))
                            .collect();
                        let config = config.replace("HOME/", &format!("{}/", home.path("").display()));
                        recorded(&home, &config, &variables, name)
                    }),
                ));
            };
            let pgpass = || format!("127.0.0.1:{port}:*:watch:{SECRET}\n");
            let cnf = || format!("[client]\npassword = {SECRET}\n");
            run("url", postgres("").replace("watch@", &format!("watch:{SECRET}@")), none.clone(), vec![]);
            run("PGPASSWORD", postgres(""), vec![("PGPASSWORD", SECRET.into())], vec![]);
            run("pgpass", postgres(""), none.clone(), vec![(".pgpass", pgpass())]);
            run(
                "PGPASSFILE",
                postgres(""),
                vec![("PGPASSFILE", "HOME/elsewhere".into())],
                vec![("elsewhere", pgpass())],
            );
            let service =
                format!("[orders]\nhost=127.0.0.1\nport={port}\nuser=watch\ndbname=postgres\npassword={SECRET}\n");
            let by_service = "[[database.postgres]]\nname = \"orders\"\nurl = \"postgres://\"\n".to_owned();
            run("PGSERVICE", by_service, vec![("PGSERVICE", "orders".into())], vec![(".pg_service.conf", service)]);
            run("password_env", postgres("password_env = \"OURS\"\n"), vec![("OURS", SECRET.into())], vec![]);
            run(
                "password_command",
                postgres("password_command = \"cat HOME/secret\"\n"),
                none.clone(),
                vec![("secret", format!("{SECRET}\n"))],
            );
            run("MYSQL_PWD", mysql(""), vec![("MYSQL_PWD", SECRET.into())], vec![]);
            run("my.cnf", mysql(""), none.clone(), vec![(".my.cnf", cnf())]);
            run("option_file", mysql("option_file = \"HOME/options\"\n"), none.clone(), vec![("options", cnf())]);
            run("mysql_env", mysql("password_env = \"OURS\"\n"), vec![("OURS", SECRET.into())], vec![]);
            run(
                "mysql_command",
                mysql("password_command = \"cat HOME/secret\"\n"),
                none.clone(),
                vec![("secret", format!("{SECRET}\n"))],
            );
            // And one that is wrong: the error names no password either.
            run("wrong", postgres("").replace("watch@", &format!("watch:{SECRET}-not@")), none.clone(), vec![]);
            for (name, task) in tried {
                let (connected, text) = task.join().expect("no panic");
                let tail: String = text.chars().rev().take(1_500).collect::<Vec<_>>().into_iter().rev().collect();
                assert_eq!(connected, name != "wrong", "{name}: {tail}");
                assert!(!text.contains(SECRET), "{name} shows the password");
            }
        }
    });
}
