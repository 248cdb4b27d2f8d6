//! How a server is reached: the url, a service file, and a password from wherever the configuration says.
//!
//! `PGPASSWORD`, `~/.pgpass` and the other variables of libpq are read by the driver. The driver knows no services; their
//! file is read here. What the url says itself always wins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::super::secret;
use super::trouble::Trouble;

/// The options for `url`. `variable` reads the environment.
pub async fn options(
    url: &str,
    password_env: Option<&str>,
    password_command: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<PgConnectOptions, Trouble> {
    let mut options = PgConnectOptions::from_str(url)?;
    let said = Said::of(url);
    if let Some(name) = said.service.clone().or_else(|| variable("PGSERVICE")) {
        let service = service(&name, &variable).map_err(Trouble::Secret)?;
        options = apply(options, &service, &said).map_err(Trouble::Secret)?;
    }
    if !said.password
        && let Some(password) =
            secret::named(password_env, password_command, variable).await.map_err(Trouble::Secret)?
    {
        options = options.password(&password);
    }
    Ok(options)
}

/// What a url says itself.
#[derive(Debug, Default, PartialEq)]
struct Said {
    service: Option<String>,
    user: bool,
    password: bool,
    host: bool,
    port: bool,
    database: bool,
    ssl: bool,
}

impl Said {
    fn of(url: &str) -> Said {
        let rest = url.split_once("://").map_or(url, |(_, r)| r);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, database) = rest.rsplit_once('/').unwrap_or((rest, ""));
        let (who, place) = place.rsplit_once('@').unwrap_or(("", place));
        let parameter = |names: &[&str]| {
            query
                .split('&')
                .filter_map(|p| p.split_once('='))
                .find(|(k, _)| names.contains(k))
                .map(|(_, v)| v.to_owned())
        };
        Said {
            service: parameter(&["service"]),
            user: !who.split(':').next().unwrap_or("").is_empty() || parameter(&["user"]).is_some(),
            password: who.contains(':') || parameter(&["password"]).is_some(),
            host: !place.split(':').next().unwrap_or("").is_empty() || parameter(&["host", "hostaddr"]).is_some(),
            port: place.contains(':') || parameter(&["port"]).is_some(),
            database: !database.is_empty() || parameter(&["dbname"]).is_some(),
            ssl: parameter(&["sslmode", "ssl-mode"]).is_some(),
        }
    }
}

/// What the service file says under a name; the user's own file comes first.
fn service(name: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<BTreeMap<String, String>, String> {
    let own = variable("PGSERVICEFILE").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".pg_service.conf")));
    let shared = PathBuf::from(variable("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".into()));
    let files: Vec<PathBuf> = own.into_iter().chain([shared.join("pg_service.conf")]).collect();
    let found = files.iter().find_map(|path| section(&std::fs::read_to_string(path).ok()?, name));
    found.ok_or_else(|| {
        let looked: Vec<String> = files.iter().map(|p| p.display().to_string()).collect();
        format!("there is no service [{name}] in {}", looked.join(" or "))
    })
}

fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
        if let Some(of) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            found = (of == name).then(BTreeMap::new);
        } else if let (Some(map), Some((key, value))) = (&mut found, line.split_once('=')) {
            map.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    found
}

fn apply(mut o: PgConnectOptions, service: &BTreeMap<String, String>, said: &Said) -> Result<PgConnectOptions, String> {
    let of = |key: &str, said: bool| service.get(key).filter(|v| !said && !v.is_empty());
    if let Some(host) = of("host", said.host).or_else(|| of("hostaddr", said.host)) {
        o = o.host(host);
    }
    if let Some(port) = of("port", said.port) {
        o = o.port(port.parse().map_err(|_| format!("the service's port {port:?} is no number"))?);
    }
    if let Some(user) = of("user", said.user) {
        o = o.username(user);
    }
    if let Some(password) = of("password", said.password) {
        o = o.password(password);
    }
    if let Some(database) = of("dbname", said.database) {
        o = o.database(database);
    }
    if let Some(mode) = of("sslmode", said.ssl) {
        o = o.ssl_mode(PgSslMode::from_str(mode).map_err(|_| format!("the service's sslmode {mode:?} is not known"))?);
    }
    if let Some(file) = of("sslrootcert", false) {
        o = o.ssl_root_cert(file);
    }
    Ok(o)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_fills_in_what_the_url_leaves_open_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services");
        let text = "# all\n[other]\nhost=no\n[orders]\nhost=db-1\nport=6543\nuser=watch\ndbname=orders\npassword=s3cret\n[x]\nhost=no\n";
        std::fs::write(&file, text).unwrap();
        let path = file.display().to_string();
        let variable = |name: &str| (name == "PGSERVICEFILE").then(|| path.clone());
        let o = options("postgres:///?service=orders", None, None, variable).await.unwrap();
        let told = |o: &PgConnectOptions| {
            (o.get_host().to_owned(), o.get_port(), o.get_username().to_owned(), o.get_database().map(str::to_owned))
        };
        assert_eq!(told(&o), ("db-1".into(), 6543, "watch".into(), Some("orders".into())));
        let o = options("postgres://me@db-2/mine?service=orders", None, None, variable).await.unwrap();
        assert_eq!(told(&o), ("db-2".into(), 6543, "me".into(), Some("mine".into())));
        let of_env = |name: &str| if name == "PGSERVICE" { Some("orders".into()) } else { variable(name) };
        assert_eq!(told(&options("postgres://", None, None, of_env).await.unwrap()).0, "db-1");
        let Err(Trouble::Secret(why)) = options("postgres:///?service=none", None, None, variable).await else {
            panic!()
        };
        assert!(why.contains("[none]") && !why.contains("s3cret"), "{why}");
    }

    #[test]
    fn what_a_url_says_is_read_off_it() {
        let all = Said::of("postgres://u:p@h:1/d?sslmode=require");
        assert!(all.user && all.password && all.host && all.port && all.database && all.ssl);
        assert_eq!(Said::of("postgres://"), Said::default());
        let socket = Said::of("postgres:///d?host=/run&user=x");
        assert!(socket.host && socket.user && socket.database && !socket.password);
    }
}
