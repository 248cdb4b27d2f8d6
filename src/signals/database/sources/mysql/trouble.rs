//! What can go wrong with a MySQL or MariaDB server, and how to say it: what failed, on what, what to try.

use compact_str::CompactString;
use sqlx::mysql::MySqlDatabaseError;

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
    /// The password could not be had: why, and what to try.
    Secret(String),
}

impl From<sqlx::Error> for Trouble {
    fn from(e: sqlx::Error) -> Trouble {
        // Lock wait timeout; the time limit of MariaDB, of MySQL; interrupted.
        match number(&e) {
            Some(1205 | 1969 | 3024 | 1317) => Trouble::TooSlow,
            _ => Trouble::Sql(e),
        }
    }
}

/// The server's number for an error, where it was the server that failed.
pub fn number(e: &sqlx::Error) -> Option<u16> {
    e.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

impl Trouble {
    /// The server's number, where it gave one.
    pub fn number(&self) -> Option<u16> {
        match self {
            Trouble::Sql(e) => number(e),
            _ => None,
        }
    }

    /// We lack a right for what we asked: not the global one, not the table's, not the column's.
    pub fn is_denied(&self) -> bool {
        matches!(self.number(), Some(1227 | 1142 | 1143 | 1044))
    }

    fn message(&self) -> String {
        match self {
            Trouble::TooSlow => "the server's time limit ended our statement".into(),
            Trouble::Silent(what) => format!("no answer within 5 s while {what}"),
            Trouble::Sql(sqlx::Error::Database(d)) => d.message().to_owned(),
            Trouble::Sql(e) => e.to_string(),
            Trouble::Secret(why) => why.clone(),
        }
    }
}

impl Reason for Trouble {
    /// No free slot, going down, nobody there, connection cut.
    fn refusal(&self) -> Option<(CompactString, String)> {
        match self {
            Trouble::TooSlow | Trouble::Secret(_) => None,
            Trouble::Silent(_) | Trouble::Sql(sqlx::Error::Io(_)) => Some((CompactString::default(), self.message())),
            Trouble::Sql(e) => {
                let n = number(e)?;
                // Too many connections (of all, of the user, of the account), no memory for a thread; shutting down,
                // killed; blocked for errors.
                let finding = matches!(n, 1040 | 1203 | 1226 | 1041 | 1135 | 1053 | 1927 | 3169 | 4031 | 1129);
                finding.then(|| (n.to_string().into(), self.message()))
            }
        }
    }

    fn explain(&self, place: &str) -> SourceError {
        let said = self.message();
        let retry = |hint: &str| SourceError::retry(format!("{place}: {said}; {hint}"));
        let fatal = |hint: &str| SourceError::fatal(format!("{place}: {said}; {hint}"));
        let e = match self {
            Trouble::Sql(e) => e,
            Trouble::Secret(_) => return SourceError::fatal(format!("{place}: {said}")),
            _ => return retry("is the server overloaded, or a firewall in between?"),
        };
        match (e, number(e)) {
            (_, Some(1040 | 1203 | 1226)) => SourceError::retry(format!(
                "{place} refuses connections: {said}; one more is kept for a user with CONNECTION ADMIN (MariaDB), \
                 CONNECTION_ADMIN (MySQL 8) or SUPER"
            )),
            (_, Some(1045 | 1698)) => fatal(
                "check user and password (url, password_env, password_command, option_file, MYSQL_PWD, ~/.my.cnf); root of \
                 a packaged server is let in through the socket only, and only root of the system",
            ),
            (_, Some(1130)) => fatal("the server has no such user for our address: CREATE USER 'warroom'@'%'"),
            (_, Some(1129)) => retry("run mysqladmin flush-hosts on the server"),
            (_, Some(1049)) => fatal("name a database that exists at the end of the url, or none"),
            (_, Some(1044 | 1142 | 1143 | 1227)) => retry("the user lacks a right: GRANT PROCESS ON *.* to it"),
            (_, Some(_)) => retry("trying again"),
            (sqlx::Error::Tls(_), _) => retry(
                "the server may want or lack TLS: try ssl-mode=DISABLED (trusted network), ssl-mode=REQUIRED, or \
                 ssl-ca=FILE in the url",
            ),
            (sqlx::Error::Configuration(_), _) => fatal("write mysql://user@host:3306/"),
            (sqlx::Error::Protocol(_), _) if said.contains("rsa") || said.contains("RSA") => fatal(
                "this user's password may not go over a plain connection: ssl-mode=REQUIRED, or the server's socket",
            ),
            (sqlx::Error::Protocol(_), _) if said.contains("authentication plugin") => {
                fatal("let the user have a password of mysql_native_password, ed25519 is not known here")
            }
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                retry("nothing listens there: is the server running, is the port right?")
            }
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::NotFound => {
                retry("no such socket: is the server running, does socket= name its socket?")
            }
            (sqlx::Error::Io(_), _) => retry("the connection broke: is the server up and the network whole?"),
            _ => retry("trying again"),
        }
    }
}
