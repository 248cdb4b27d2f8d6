//! What can go wrong with a server, and how to say it: what failed, on what, what to try.

use compact_str::CompactString;

use crate::signals::SourceError;
use crate::signals::database::sources::connected::Reason;

/// Why a statement or a connection failed.
#[derive(Debug)]
pub enum Trouble {
    /// The server's own time limit ended the statement: nothing is broken.
    TooSlow,
    /// No answer within our deadline.
    Silent(&'static str),
    /// The driver or the server says why.
    Sql(sqlx::Error),
    /// We cannot become the user whom the server is to see: why, and what is needed.
    Peer(String),
    /// The password, or the service, could not be had: why, and what to try.
    Secret(String),
    /// We became that user, and the server could not be reached: in the system's words.
    Unreached(String),
}

impl From<sqlx::Error> for Trouble {
    fn from(e: sqlx::Error) -> Trouble {
        // 57014 query_canceled (statement_timeout), 55P03 lock_not_available (lock_timeout).
        match code(&e).as_deref() {
            Some("57014" | "55P03") => Trouble::TooSlow,
            _ => Trouble::Sql(e),
        }
    }
}

/// The server's code for an error, where it was the server that failed.
pub fn code(e: &sqlx::Error) -> Option<CompactString> {
    e.as_database_error().and_then(|d| d.code()).map(|c| CompactString::from(&*c))
}

impl Trouble {
    /// The server's code, where it gave one.
    pub fn code(&self) -> Option<CompactString> {
        match self {
            Trouble::Sql(e) => code(e),
            _ => None,
        }
    }

    fn message(&self) -> String {
        match self {
            Trouble::TooSlow => "the server's time limit ended our statement".into(),
            Trouble::Silent(what) => format!("no answer within 5 s while {what}"),
            Trouble::Sql(sqlx::Error::Database(d)) => d.message().to_owned(),
            Trouble::Sql(e) => e.to_string(),
            Trouble::Peer(why) | Trouble::Secret(why) | Trouble::Unreached(why) => why.clone(),
        }
    }
}

impl Reason for Trouble {
    /// No free slot, starting up or going down, nobody there, connection cut.
    fn refusal(&self) -> Option<(CompactString, String)> {
        match self {
            Trouble::TooSlow | Trouble::Peer(_) | Trouble::Secret(_) => None,
            Trouble::Unreached(said) => Some((CompactString::default(), said.clone())),
            Trouble::Silent(_) | Trouble::Sql(sqlx::Error::Io(_)) => Some((CompactString::default(), self.message())),
            Trouble::Sql(e) => {
                let code = code(e)?;
                let finding = matches!(code.as_str(), "53300" | "53200" | "53100") || code.starts_with("57P");
                finding.then(|| (code, self.message()))
            }
        }
    }

    fn explain(&self, place: &str) -> SourceError {
        let said = self.message();
        let retry = |hint: &str| SourceError::retry(format!("{place}: {said}; {hint}"));
        let fatal = |hint: &str| SourceError::fatal(format!("{place}: {said}; {hint}"));
        let e = match self {
            Trouble::Sql(e) => e,
            Trouble::Peer(_) | Trouble::Secret(_) => return SourceError::fatal(format!("{place}: {said}")),
            Trouble::Unreached(_) => return retry("is the server running, does host= name its socket folder?"),
            _ => return retry("is the server overloaded, or a firewall in between?"),
        };
        match (e, code(e).as_deref()) {
            (_, Some("53300")) => SourceError::retry(format!(
                "{place} refuses connections: 53300 {said}; a superuser, or a role with \
                 pg_use_reserved_connections (16+), may still get in"
            )),
            (_, Some(c)) if c.starts_with("57P") => retry("it is starting, stopping or was told to cut us off"),
            (_, Some("28P01" | "28000")) => {
                fatal("check user and password (url, ~/.pgpass, PGPASSWORD) and pg_hba.conf on the server")
            }
            (_, Some("3D000")) => fatal("name a database that exists at the end of the url; `psql -l` lists them"),
            (_, Some("42501")) => retry("the role lacks a right: GRANT pg_monitor to it"),
            (_, Some(_)) => retry("this may be a server that speaks PostgreSQL only in part"),
            (sqlx::Error::Tls(_), _) => retry(
                "the server may want or lack TLS: try sslmode=disable (trusted network), sslmode=require, or \
                 sslrootcert=FILE in the url; old servers without ECDHE suites cannot be reached",
            ),
            (sqlx::Error::Configuration(_), _) => fatal("write postgres://user@host:5432/database"),
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                retry("nothing listens there: is the server running, is the port right?")
            }
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::NotFound => {
                retry("no such socket: is the server running, does host= name its socket folder?")
            }
            (sqlx::Error::Io(_), _) => retry("the connection broke: is the server up and the network whole?"),
            _ => retry("trying again"),
        }
    }
}
