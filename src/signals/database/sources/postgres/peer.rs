//! Connects as another user of the operating system, whom the server knows by who holds the socket's other end.
//!
//! Only a process of that user can do it. So we start ourselves once more under that user's number
//! (`warroom relay-peer`), and hand it one end of a local connection; it connects to the server and passes bytes. The
//! other end is the driver's. When the driver lets go, or we die in whatever way, the kernel closes our end, the relay
//! reads the end and is gone. It serves this one connection and never another.

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::process::{Child, Command};

use super::trouble::Trouble;
use crate::signals::Roots;
use crate::signals::roots::Account;

/// How long the relay may take to say why it ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What passes the bytes of one connection; ends with it.
#[derive(Debug)]
pub struct Relay {
    child: Child,
}

impl Relay {
    /// Waits for its end, which the closed connection brings about.
    pub async fn ended(mut self) {
        let _ = tokio::time::timeout(LAST_WORDS, self.child.wait()).await;
    }

    /// Why it ended, when it did so by itself.
    async fn last_words(&mut self) -> Option<String> {
        let mut said = Vec::new();
        let stderr = self.child.stderr.take()?;
        let _ = tokio::time::timeout(LAST_WORDS, stderr.take(1_000).read_to_end(&mut said)).await;
        let said = String::from_utf8_lossy(&said);
        let said = said.trim().trim_start_matches("warroom: ");
        (!said.is_empty()).then(|| said.to_owned())
    }
}

/// How to become the user whom the server is to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// We are that user.
    Direct,
    /// We are root, and a child of ours becomes that user.
    Relay(Account),
}

/// Finds the way to become `user`; the error says what is needed instead.
pub fn way(user: &str, own_uid: u32, roots: &Roots) -> Result<Way, String> {
    let Some(account) = roots.account(user) else {
        return Err(format!("this box has no user {user} (in {})", roots.etc.join("passwd").display()));
    };
    match own_uid {
        uid if uid == account.uid => Ok(Way::Direct),
        0 => Ok(Way::Relay(account)),
        _ => Err(format!("only root and {user} itself may be {user}: sudo -u {user} warroom, or sudo warroom")),
    }
}

/// The server's socket that the options name.
pub fn socket(options: &PgConnectOptions) -> Option<PathBuf> {
    let folder = match options.get_socket() {
        Some(folder) => folder.clone(),
        None => Some(options.get_host()).filter(|h| h.starts_with('/'))?.into(),
    };
    Some(folder.join(format!(".s.PGSQL.{}", options.get_port())))
}

/// Connects through a relay that runs as `account`.
pub async fn connect(
    options: PgConnectOptions,
    account: &Account,
    roots: &Roots,
    deadline: Duration,
) -> Result<(PgConnection, Relay), Trouble> {
    let Some(server) = socket(&options) else {
        return Err(Trouble::Peer(
            "peer needs the server's socket: url = \"postgres:///postgres?host=/run/postgresql\"".into(),
        ));
    };
    // A name that begins with NUL leaves no file behind; the driver adds the port as the server's own sockets have it.
    let name = format!("warroom-relay-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
    let listener = listen(&format!("{name}/.s.PGSQL.{}", options.get_port())).map_err(sqlx::Error::Io)?;
    let options = options.socket(format!("\0{name}")).ssl_mode(PgSslMode::Disable);
    let relay = tokio::time::timeout(deadline, start(listener, account, roots, &server));
    let (conn, relay) = tokio::join!(super::session::connect(options), relay);
    let mut relay = match relay {
        Ok(started) => started?,
        Err(_) => return Err(conn.err().unwrap_or(Trouble::Silent("connecting"))),
    };
    match conn {
        Ok(conn) => Ok((conn, relay)),
        // The server's own words first; else what kept the relay from reaching it.
        Err(e) if e.code().is_some() => Err(e),
        Err(e) => Err(relay.last_words().await.map_or(e, Trouble::Unreached)),
    }
}

fn listen(name: &str) -> std::io::Result<UnixListener> {
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Takes the driver's one connection and gives it to a relay. Anybody on the box can connect to such a name, and would
/// be a superuser through it: only this process is let in.
async fn start(listener: UnixListener, account: &Account, roots: &Roots, server: &Path) -> Result<Relay, Trouble> {
    let stream = loop {
        let (stream, _) = listener.accept().await.map_err(sqlx::Error::Io)?;
        let peer = stream.peer_cred().map_err(sqlx::Error::Io)?;
        if peer.pid().and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id()) {
            break stream;
        }
    };
    drop(listener);
    let stream = stream.into_std().map_err(sqlx::Error::Io)?;
    let child = Command::new(&roots.program)
        .arg("relay-peer")
        .arg(server)
        // Groups of root's are given up by the same call that changes the user.
        .uid(account.uid)
        .gid(account.gid)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C and Ctrl-Z of our terminal are ours.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    match child {
        Ok(child) => Ok(Relay { child }),
        Err(e) => Err(Trouble::Peer(format!(
            "cannot run as {}: {e}; may {} read and execute the file of this program? (chmod o+rx), or: sudo -u {} warroom",
            account.name, account.name, account.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_user_itself_may_be_that_user_and_others_are_told_what_to_type() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        std::fs::create_dir_all(&roots.etc).unwrap();
        std::fs::write(roots.etc.join("passwd"), "root:x:0:0::/:/bin/sh\npostgres:x:26:27::/var/lib:/bin/sh\n")
            .unwrap();
        assert_eq!(way("postgres", 26, &roots), Ok(Way::Direct));
        let account = Account { name: "postgres".into(), uid: 26, gid: 27 };
        assert_eq!(way("postgres", 0, &roots), Ok(Way::Relay(account)));
        assert!(way("postgres", 1_000, &roots).unwrap_err().contains("sudo -u postgres warroom"));
        assert!(way("nobody", 0, &roots).unwrap_err().contains("no user nobody"));
    }
}
