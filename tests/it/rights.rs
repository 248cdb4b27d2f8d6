//! `warroom check` over real servers: what a plain role sees, what it lacks, and the SQL that would give it.

use sqlx::{Connection, MySqlConnection, PgConnection};

use crate::support::mariadb::MariaDb;
use crate::support::postgres::Postgres;
use crate::support::program::Home;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_prints_for_each_database_what_its_role_sees_lacks_and_the_grants() {
    let pg = Postgres::start("");
    let my = MariaDb::start(&[]);
    let mut c = PgConnection::connect(&pg.url("test")).await.expect("answers");
    sqlx::raw_sql("CREATE ROLE plain LOGIN").execute(&mut c).await.expect("made");
    let mut c = MySqlConnection::connect(&my.url("root")).await.expect("answers");
    sqlx::raw_sql("CREATE USER plain@'127.0.0.1' IDENTIFIED BY 's3cret'").execute(&mut c).await.expect("made");
    let home = Home::new();
    let file = home.path("shop.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut c = sqlx::SqliteConnection::connect_with(&options).await.expect("made");
    sqlx::raw_sql("CREATE TABLE t (a)").execute(&mut c).await.expect("made");
    let config = format!(
        "[[database.sqlite]]\npath = \"{}\"\n[[database.postgres]]\nname = \"orders\"\nurl = \"{}\"\n[[database.mysql]]\nname = \"shop\"\nurl = \"{}\"\n\
         password_command = \"echo s3cret\"\n",
        file.display(),
        pg.url("plain"),
        my.url("plain")
    );
    let path = home.file("two.toml", &config);
    let said = home.run(&["check", "--config", &path.display().to_string()]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    let said = said.out + &said.err;
    for want in [
        "MEND  database orders: plain does not see statements and states of other sessions: GRANT pg_monitor TO \"plain\";",
        "MEND  database orders: plain does not see what each statement costs: CREATE EXTENSION pg_stat_statements;",
        "ok    database orders: plain does not see plans of statements over any table (optional): GRANT pg_read_all_data",
        "MEND  database shop: 'plain'@'127.0.0.1' does not see sessions of others, and who holds up whom: GRANT PROCESS ON *.* TO 'plain'@'127.0.0.1';",
        "performance_schema = ON below [mysqld], and a restart",
        "(optional): GRANT SLAVE MONITOR ON *.* TO 'plain'@'127.0.0.1';",
        "(optional): INSTALL SONAME 'metadata_lock_info';",
        "shop.sqlite: seen are its size and free pages; plans of statements that read; busy errors",
        "shop.sqlite: does not show readers that go on while somebody writes (optional): PRAGMA journal_mode = WAL",
    ] {
        assert!(said.contains(want), "no {want:?} in\n{said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
}
