//! Two real servers of different makes, both in trouble at once: neither is taken for the other.

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row};

use crate::support::mariadb::MariaDb;
use crate::support::postgres::Postgres;
use crate::support::program::Home;
use crate::support::tty::Tty;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_same_lock_on_two_servers_is_two_trees_and_that_of_the_one_that_dies_goes_with_it() {
    let (orders, carts) = (Postgres::start(""), MariaDb::start(&[]));
    let (at_orders, at_carts) = (orders.url("test"), carts.url("root"));
    let tables = "CREATE TABLE shop.t (id int PRIMARY KEY, n int); INSERT INTO shop.t VALUES (1, 0)";

    let mut holder = PgConnection::connect(&at_orders).await.expect("answers");
    for sql in [&format!("CREATE SCHEMA shop; {tables}"), "BEGIN; UPDATE shop.t SET n = 1"] {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut holder).await.expect(sql);
    }
    let pid: i32 = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut holder).await.expect("a pid").get(0);
    let mut waiter = PgConnection::connect(&at_orders).await.expect("answers");
    // The server dies under it.
    let waits = tokio::spawn(async move { drop(sqlx::raw_sql("UPDATE shop.t SET n = 2").execute(&mut waiter).await) });

    let mut other = MySqlConnection::connect(&at_carts).await.expect("answers");
    for sql in [&format!("CREATE DATABASE shop; {tables}"), "BEGIN; UPDATE shop.t SET n = 1"] {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut other).await.expect(sql);
    }
    let id: i64 =
        sqlx::query("SELECT CAST(CONNECTION_ID() AS SIGNED)").fetch_one(&mut other).await.expect("a number").get(0);
    let mut second = MySqlConnection::connect(&at_carts).await.expect("answers");
    let also = tokio::spawn(async move { drop(sqlx::raw_sql("UPDATE shop.t SET n = 2").execute(&mut second).await) });

    let home = Home::new();
    home.configure(&format!(
        "[[database.postgres]]\nname = \"orders\"\nurl = \"{at_orders}\"\n\
         [[database.mysql]]\nname = \"carts\"\nurl = \"{at_carts}\"\n"
    ));
    tokio::task::block_in_place(|| {
        let mut tty = Tty::start(&home, &[], (170, 45));
        tty.keys("3z");
        let trees = [format!("orders  pid {pid} blocks: 1 waits"), format!("carts  pid {id} blocks: 1 waits")];
        tty.wait("a tree of each", |text| trees.iter().all(|t| text.contains(t)));
        tty.wait("the statement of each", |text| {
            let of = |name: &str| text.lines().any(|l| l.contains("run 1") && l.contains(name));
            of("orders") && of("carts")
        });
        orders.stop();
        tty.wait("only one", |text| !text.contains("orders  pid") && text.contains(&trees[1]));
        tty.keys("q");
        tty.ended();
    });
    waits.abort();
    also.abort();
}
