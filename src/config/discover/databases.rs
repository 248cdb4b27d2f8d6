//! Databases and poolers that listen on this box, with what their process titles tell without connecting.

use std::collections::BTreeMap;

use super::procs::{Proc, Procs};
use super::sockets::{Sockets, Tcp};
use super::{Consent, Offer};
use crate::signals::Roots;
use crate::signals::database::event::SessionCounts;
use crate::signals::database::titles;

/// The system's user whom a packaged PostgreSQL lets in as the superuser of the same name.
const SUPERUSER: &str = "postgres";

/// What we know how to watch, or will: by name of the process that listens, and by usual port where that cannot be seen.
const KINDS: [(&str, &[&str], u16); 4] = [
    ("postgres", &["postgres", "postmaster"], 5432),
    ("pgbouncer", &["pgbouncer"], 6432),
    ("mysql", &["mysqld", "mariadbd"], 3306),
    ("redis", &["redis-server", "valkey-server"], 6379),
];

/// SQLite files offered.
const FILES: usize = 4;

/// The SQLite files that services have open. Those of browsers, desktops and package managers are none of ours.
pub fn files(procs: &Procs) -> Vec<Offer> {
    let mut found: BTreeMap<&std::path::Path, &Proc> = BTreeMap::new();
    let foreign = ["/home/", "/var/cache/", "/var/lib/PackageKit", "/usr/"];
    // Another warroom has its incident log open.
    for p in procs.list.iter().filter(|p| p.name != "warroom") {
        for path in &p.sqlite {
            let text = path.to_string_lossy();
            let hidden = text.split('/').any(|part| part.starts_with('.'));
            if !hidden && !foreign.iter().any(|f| text.starts_with(f)) && !text.contains(['"', '\\', '\n']) {
                found.entry(path).or_insert(p);
            }
        }
    }
    let offer = |(path, p): (&std::path::Path, &Proc)| Offer {
        what: format!("sqlite {}; not watched", path.display()),
        reason: format!("{} (pid {}) has it open", p.name, p.pid),
        snippet: format!("[[database.sqlite]]\npath = \"{}\"\n", path.display()),
        ..Offer::default()
    };
    found.into_iter().take(FILES).map(offer).collect()
}

/// One offer for each kind and port, in the order of kinds, then by port.
pub fn offers(procs: &Procs, sockets: &Sockets, roots: &Roots) -> Vec<Offer> {
    let mut found: BTreeMap<(usize, u16), (Option<&Proc>, &Tcp)> = BTreeMap::new();
    for t in sockets.listening() {
        let owner = procs.of_socket(t.inode);
        let kind = KINDS.iter().position(|(_, names, port)| match owner {
            Some(p) => names.contains(&p.name.as_str()),
            // Not root: the port, and a process of that name somewhere, have to do.
            None => *port == t.local.port && procs.list.iter().any(|p| names.contains(&p.name.as_str())),
        });
        if let Some(kind) = kind {
            found.entry((kind, t.local.port)).or_insert((owner, t));
        }
    }
    let mut out: Vec<Offer> = Vec::new();
    let mut titles = Titles::new(procs);
    for ((kind, port), (owner, _)) in &found {
        let (name, _, _) = KINDS[*kind];
        let reason = match owner {
            Some(p) => format!("{} (pid {}) listens", p.name, p.pid),
            None => "its usual port listens and such a process runs".into(),
        };
        if name == "postgres" {
            let folder = sockets.unix.iter().find_map(|(path, _)| {
                let (folder, n) = path.split_once("/.s.PGSQL.")?;
                (n.parse() == Ok(*port)).then_some(folder)
            });
            out.extend(postgres(*port, &format!(":{port}"), &reason, folder, &titles.next(), roots));
        } else if name == "mysql" {
            let maria = owner.is_some_and(|p| p.name == "mariadbd");
            out.push(mysql(maria, &format!(":{port}"), &reason, mysql_socket(sockets), Some(*port), roots));
        } else {
            let what = format!("{name} on :{port}; not connected");
            out.push(Offer { what, reason, snippet: snippet(name, *port), ..Offer::default() });
        }
    }
    // A MySQL that listens on a socket only.
    if !found.keys().any(|(kind, _)| KINDS[*kind].0 == "mysql")
        && let Some(path) = mysql_socket(sockets)
        && let Some(p) = procs.list.iter().find(|p| matches!(p.name.as_str(), "mysqld" | "mariadbd"))
    {
        out.push(mysql(p.name == "mariadbd", path, "listens on that socket only", Some(path), None, roots));
    }
    // Servers that listen on a socket only.
    for (path, _) in &sockets.unix {
        let Some((folder, port)) = path.split_once("/.s.PGSQL.") else { continue };
        let Ok(port) = port.parse::<u16>() else { continue };
        if !out.iter().any(|o| o.port == Some(port)) {
            out.extend(postgres(port, path, "listens on that socket only", Some(folder), &titles.next(), roots));
        }
    }
    out
}

/// What the titles say, told once: with several servers the titles are told of the first.
struct Titles(Option<String>);

impl Titles {
    fn new(procs: &Procs) -> Titles {
        let backends = backends(procs);
        Titles((backends.clients > 0).then(|| format!(", {} (from process titles)", titles::told(&backends))))
    }

    fn next(&mut self) -> String {
        self.0.take().unwrap_or_default()
    }
}

/// The two ways in: as ourselves, and as the user whom the server trusts with everything.
fn postgres(port: u16, place: &str, reason: &str, folder: Option<&str>, titles: &str, roots: &Roots) -> Vec<Offer> {
    let mut out = Vec::new();
    let own_uid = roots.own_uid();
    let account = roots.account(SUPERUSER);
    // Who is that user already has one way in, not two.
    if account.is_none() || own_uid != account.as_ref().map(|a| a.uid) {
        let url = match folder {
            Some(folder) => format!("postgres:///postgres?host={}&port={port}", folder.replace('/', "%2F")),
            None => format!("postgres://localhost:{port}/postgres"),
        };
        out.push(Offer {
            what: format!("postgres on {place}{titles}; not connected"),
            reason: format!("as the role of your own name; {reason}"),
            snippet: format!("[[database.postgres]]\nname = \"postgres\"\nurl = \"{url}\"\n"),
            port: Some(port),
            ..Offer::default()
        });
    }
    let (Some(folder), Some(account)) = (folder, account) else { return out };
    let url = format!("postgres:///postgres?host={}&port={port}&user={SUPERUSER}", folder.replace('/', "%2F"));
    let how = format!("through {folder}/.s.PGSQL.{port}, as the system's user {SUPERUSER} (uid {})", account.uid);
    let hindrance = (own_uid != Some(0) && own_uid != Some(account.uid))
        .then(|| format!("only root and {SUPERUSER} itself may be {SUPERUSER}: sudo -u {SUPERUSER} warroom"));
    let relayed =
        if own_uid == Some(0) { ": a child of warroom under that user passes bytes and ends with it" } else { "" };
    let lines = [
        ("role", format!("{SUPERUSER}: a superuser, to whom the server allows everything")),
        ("how", format!("{how}{relayed}; no password")),
        ("session", "read-only; a statement ends after 1 s, waits 0.1 s for a lock; one connection".into()),
        ("slot", "on a full server it takes one of the slots kept for superusers, until warroom ends".into()),
        ("changes", "nothing: no extension, no setting, no file".into()),
    ];
    out.push(Offer {
        what: format!("postgres on {place}{} as the superuser {SUPERUSER}", if out.is_empty() { titles } else { "" }),
        reason: match &hindrance {
            Some(why) => why.clone(),
            None => format!("peer authentication: the system's user {SUPERUSER} needs no password; asks first"),
        },
        snippet: format!("[[database.postgres]]\nname = \"postgres\"\nurl = \"{url}\"\npeer = \"{SUPERUSER}\"\n"),
        port: Some(port),
        consent: Some(Consent {
            question: format!("Connect as {SUPERUSER}, a superuser?"),
            lines: lines.map(|(name, text)| (name.to_owned(), text)).to_vec(),
            act: format!("connect as the superuser {SUPERUSER}"),
        }),
        hindrance,
    });
    out
}

/// The socket of a MySQL or MariaDB server, as the packages name it.
fn mysql_socket(sockets: &Sockets) -> Option<&str> {
    let known = ["/mysqld.sock", "/mysql.sock", "/mariadb.sock"];
    sockets.unix.iter().map(|(path, _)| path.as_str()).find(|p| known.iter().any(|k| p.ends_with(k)))
}

/// As the user of our own name, with the password of `~/.my.cnf` if it has one; root is asked first.
fn mysql(maria: bool, place: &str, reason: &str, socket: Option<&str>, port: Option<u16>, roots: &Roots) -> Offer {
    let name = if maria { "mariadb" } else { "mysql" };
    let url = match (socket, port) {
        (Some(path), _) => format!("mysql://localhost/?socket={path}"),
        (None, port) => format!("mysql://127.0.0.1:{}/", port.unwrap_or(3306)),
    };
    let root = roots.own_uid() == Some(0);
    let through = socket.map_or_else(|| place.to_owned(), |s| format!("through {s}"));
    let lines = [
        ("user", "root: a user to whom the server allows everything".to_owned()),
        ("how", format!("{through}; the password of ~/.my.cnf or MYSQL_PWD, or none where the server knows root")),
        ("session", "read-only; a SELECT ends after 1 s, waits 1 s for a lock; one connection".into()),
        ("slot", "on a full server it takes the one kept for administrators, until warroom ends".into()),
        ("changes", "nothing: no plugin, no setting, no file".into()),
    ];
    Offer {
        what: format!("{name} on {place}; not connected"),
        reason: format!("as the user of your own name; {reason}"),
        snippet: format!("[[database.mysql]]\nname = \"{name}\"\nurl = \"{url}\"\n"),
        consent: root.then(|| Consent {
            question: format!("Connect to {name} as root, who may do everything there?"),
            lines: lines.map(|(name, text)| (name.to_owned(), text)).to_vec(),
            act: format!("connect to {name} as root"),
        }),
        ..Offer::default()
    }
}

fn snippet(kind: &str, port: u16) -> String {
    match kind {
        "pgbouncer" => {
            format!("[[database.pgbouncer]]\nname = \"pgbouncer\"\nurl = \"postgres://localhost:{port}/pgbouncer\"\n")
        }
        kind => format!("[[health.probe]]\nname = \"{kind}\"\ntcp = \"localhost:{port}\"\n"),
    }
}

/// Client sessions of PostgreSQL by state, from the titles of its processes.
pub fn backends(procs: &Procs) -> SessionCounts {
    let mut counts = SessionCounts::default();
    for t in procs.list.iter().filter_map(|p| titles::parse(&p.title)) {
        titles::count(&mut counts, t.state);
    }
    counts
}
