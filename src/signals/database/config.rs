//! What a user may set for databases and pools.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The `[database]` section of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Whether this signal is watched at all.
    pub enabled: bool,
    /// PostgreSQL servers to look at; one connection each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub postgres: Vec<PostgresConfig>,
    /// MySQL and MariaDB servers to look at; one connection each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mysql: Vec<MysqlConfig>,
    /// PgBouncers to look at through their consoles; one connection each, which takes no slot of a server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pgbouncer: Vec<PgbouncerConfig>,
    /// SQLite files of applications, looked at from outside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sqlite: Vec<SqliteConfig>,
    /// Metrics pages on which applications or poolers report their pools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricsConfig>,
}

impl Default for DatabaseConfig {
    fn default() -> DatabaseConfig {
        DatabaseConfig {
            enabled: true,
            postgres: Vec::new(),
            mysql: Vec::new(),
            pgbouncer: Vec::new(),
            sqlite: Vec::new(),
            metrics: Vec::new(),
        }
    }
}

/// One PostgreSQL server: `[[database.postgres]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Short name for the screen; `db@host` when it is left out.
    #[serde(default)]
    pub name: Option<String>,
    /// `postgres://user:password@host:port/db`; a password may come from what `password_env` or `password_command` name,
    /// from `PGPASSWORD` or `~/.pgpass` instead. `postgres:///?service=NAME` takes host, port, user, database and password
    /// from `~/.pg_service.conf` or `PGSERVICEFILE`, where it says no other itself; `PGSERVICE` names one as well.
    pub url: SecretUrl,
    /// Connect as this user of the operating system, whom the server knows without a password (peer authentication).
    /// The url must name the folder of the server's socket (`host=/run/postgresql`). Needs root, or being that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The environment variable that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// A command for `sh -c` whose first line of output is the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_command: Option<String>,
    /// Seconds between looks, 1 to 60; the source itself goes slower when looking gets expensive.
    #[serde(default = "one_second")]
    pub interval: f64,
}

impl PostgresConfig {
    /// A server at this address, everything else as it is by itself.
    pub fn at(url: impl Into<String>) -> PostgresConfig {
        PostgresConfig {
            name: None,
            url: SecretUrl(url.into()),
            peer: None,
            password_env: None,
            password_command: None,
            interval: one_second(),
        }
    }
}

/// One MySQL or MariaDB server: `[[database.mysql]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlConfig {
    /// Short name for the screen; `db@host` when it is left out.
    #[serde(default)]
    pub name: Option<String>,
    /// `mysql://user@host:3306/`, or `mysql://user@localhost/?socket=/run/mysqld/mysqld.sock`. The password may stand
    /// there, or come from what the next three name, from `MYSQL_PWD`, or from `~/.my.cnf`, in that order.
    pub url: SecretUrl,
    /// The environment variable that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// A command for `sh -c` whose first line of output is the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_command: Option<String>,
    /// An option file whose `[client]` section holds `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option_file: Option<PathBuf>,
    /// Seconds between looks, 1 to 60; the source itself goes slower when looking gets expensive.
    #[serde(default = "one_second")]
    pub interval: f64,
}

/// One PgBouncer: `[[database.pgbouncer]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgbouncerConfig {
    /// Short name for the screen; `pgbouncer@host` when it is left out.
    #[serde(default)]
    pub name: Option<String>,
    /// `postgres://stats@host:6432/pgbouncer`; the role must be one of `stats_users` or `admin_users`.
    pub url: SecretUrl,
    /// The environment variable that holds the password; `PGPASSWORD` and `~/.pgpass` are read, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// A command for `sh -c` whose first line of output is the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_command: Option<String>,
    /// Seconds between looks, 1 to 60.
    #[serde(default = "one_second")]
    pub interval: f64,
}

/// One SQLite file of an application: `[[database.sqlite]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// Short name for the screen; the file's when it is left out.
    #[serde(default)]
    pub name: Option<String>,
    /// The file. It is read, and opened through SQLite for plans only, read-only.
    pub path: PathBuf,
    /// Seconds between looks, 1 to 60.
    #[serde(default = "two_seconds")]
    pub interval: f64,
}

impl SqliteConfig {
    /// The name it goes by.
    pub fn short(&self) -> String {
        let file = || self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned();
        self.name.clone().unwrap_or_else(file)
    }
}

/// One metrics page in the Prometheus text format: `[[database.metrics]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Short name for the screen.
    pub name: String,
    /// Where the page is.
    pub url: SecretUrl,
    /// Seconds between looks, 1 to 60.
    #[serde(default = "one_second")]
    pub interval: f64,
    /// Pools whose metrics have names of their own; the common libraries are known without.
    #[serde(default)]
    pub pools: Vec<PoolMapping>,
}

/// Which metrics make up a pool: regular expressions over `name{label="value",…}`, labels in the order of the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolMapping {
    /// What to call the pool.
    pub name: String,
    /// Connections handed out.
    #[serde(default)]
    pub used: Option<String>,
    /// Connections open and free.
    #[serde(default)]
    pub idle: Option<String>,
    /// Connections at most.
    #[serde(default)]
    pub max: Option<String>,
    /// Callers that wait.
    #[serde(default)]
    pub waiting: Option<String>,
    /// Longest wait at present, in seconds.
    #[serde(default)]
    pub oldest_wait_seconds: Option<String>,
    /// Callers that gave up, a counter.
    #[serde(default)]
    pub timeouts_total: Option<String>,
}

fn one_second() -> f64 {
    1.0
}

fn two_seconds() -> f64 {
    2.0
}

/// An address that may hold a password; it is never shown with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(pub String);

impl SecretUrl {
    /// The address without user, password and query: `postgres://db-1:5432/orders`.
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        // A password may hold an unescaped slash or @: cut at the last @ before anything is shown.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
    }

    /// The role it names, as it is written there; empty where it names none.
    pub fn user(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        match place.rsplit_once('@') {
            Some((who, _)) => who.split(':').next().unwrap_or_default(),
            None => options.split('&').find_map(|o| o.strip_prefix("user=")).unwrap_or_default(),
        }
    }

    /// Whether it leads to this box: a socket, or the loopback interface.
    pub fn is_local(&self) -> bool {
        let socket = ["host=/", "host=%2F", "host=%2f", "socket="].iter().any(|w| self.0.contains(w));
        let shown = self.shown();
        let host = shown.split_once("://").map_or(shown.as_str(), |(_, r)| r).split('/').next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
        let socket = socket || name.starts_with("%2F") || name.starts_with("%2f");
        socket || name.is_empty() || name == "localhost" || name == "::1" || name.starts_with("127.")
    }

    /// The name a server goes by when none is given: `orders@db-1`.
    pub fn short(&self) -> String {
        let shown = self.shown();
        let rest = shown.split_once("://").map_or(shown.as_str(), |(_, r)| r);
        let (host, db) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.rsplit_once(':').map_or(host, |(h, _)| h);
        let host = if host.is_empty() { "local" } else { host };
        if db.is_empty() { host.to_owned() } else { format!("{db}@{host}") }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_whatever_is_in_it() {
        for url in ["postgres://u:s3cret@db-1:5432/orders", "postgres://u:s3c/r@et@db-1/orders?password=s3cret"] {
            let url = SecretUrl(url.into());
            assert!(!format!("{url:?}").contains("s3c"), "{url:?}");
            assert_eq!(url.short(), "orders@db-1");
        }
        assert_eq!(SecretUrl("postgres:///orders?host=/run/postgresql".into()).short(), "orders@local");
    }

    #[test]
    fn a_socket_and_the_loopback_are_this_box_and_nothing_else_is() {
        let local = |url: &str| SecretUrl(url.into()).is_local();
        for url in [
            "postgres:///x?host=%2Frun",
            "postgres://u:p@localhost:5433/x",
            "postgres://u@127.0.0.1/x",
            "postgres://[::1]:5432/x",
        ] {
            assert!(local(url), "{url}");
        }
        assert!(!local("postgres://u:p@db-1:5432/x") && !local("postgres://10.0.0.1/x"));
    }
}
