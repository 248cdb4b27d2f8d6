//! Databases and poolers that listen on this box, with what their process titles tell without connecting.

use std::collections::BTreeMap;

use super::Offer;
use super::procs::{Proc, Procs};
use super::sockets::{Sockets, Tcp};

/// What we know how to watch, or will: by name of the process that listens, and by usual port where that cannot be seen.
const KINDS: [(&str, &[&str], u16); 4] = [
    ("postgres", &["postgres", "postmaster"], 5432),
    ("pgbouncer", &["pgbouncer"], 6432),
    ("mysql", &["mysqld", "mariadbd"], 3306),
    ("redis", &["redis-server", "valkey-server"], 6379),
];

/// One offer for each kind and port, in the order of kinds, then by port.
pub fn offers(procs: &Procs, sockets: &Sockets) -> Vec<Offer> {
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
    let backends = backends(procs);
    let mut out: Vec<Offer> = Vec::new();
    for ((kind, port), (owner, _)) in &found {
        let (name, _, _) = KINDS[*kind];
        let mut what = format!("{name} on :{port}");
        let first = !out.iter().any(|o| o.what.starts_with("postgres"));
        if name == "postgres" && first && backends.total > 0 {
            what.push_str(&format!(", {backends} (from process titles)"));
        }
        let reason = match owner {
            Some(p) => format!("{} (pid {}) listens", p.name, p.pid),
            None => "its usual port listens and such a process runs".into(),
        };
        out.push(Offer { what: format!("{what}; not connected"), reason, snippet: snippet(name, *port, None) });
    }
    for (path, _) in sockets.unix.iter().filter(|(path, _)| path.contains("/.s.PGSQL.")) {
        let Some((dir, port)) = path.split_once("/.s.PGSQL.") else { continue };
        let Ok(port) = port.parse::<u16>() else { continue };
        let reason = format!(
            "socket {path}: also as the system's user postgres, through peer authentication, which is a superuser"
        );
        match out.iter_mut().find(|o| o.what.starts_with("postgres") && o.what.contains(&format!(":{port}"))) {
            Some(known) => {
                known.reason = format!("{}; {reason}", known.reason);
                known.snippet = snippet("postgres", port, Some(dir));
            }
            None => {
                let titles =
                    if backends.total > 0 { format!(", {backends} (from process titles)") } else { String::new() };
                let what = format!("postgres on {path}{titles}; not connected");
                out.push(Offer { what, reason, snippet: snippet("postgres", port, Some(dir)) });
            }
        }
    }
    out
}

fn snippet(kind: &str, port: u16, socket_dir: Option<&str>) -> String {
    let url = match (kind, socket_dir) {
        ("postgres", Some(dir)) => {
            let dir = dir.replace('/', "%2F");
            format!("postgres:///postgres?host={dir}&port={port}")
        }
        ("pgbouncer", _) => format!("postgres://localhost:{port}/pgbouncer"),
        (kind, _) => format!("{kind}://localhost:{port}/"),
    };
    if kind == "redis" {
        return format!("[[health.probe]]\nname = \"redis\"\ntcp = \"localhost:{port}\"\n");
    }
    format!("[[database.postgres]]\nname = \"{kind}\"\nurl = \"{url}\"\n")
}

/// Client backends of PostgreSQL by state, as their titles say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backends {
    /// Client backends in all.
    pub total: u32,
    /// `idle`, `idle in transaction`, `idle in transaction (aborted)`, else the command: `SELECT`, `UPDATE waiting`.
    pub by_state: BTreeMap<String, u32>,
}

/// `97 backends, 31 idle in transaction, 12 active, 4 waiting for a lock`.
impl std::fmt::Display for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of =
            |pick: &dyn Fn(&str) -> bool| self.by_state.iter().filter(|(s, _)| pick(s)).map(|(_, n)| n).sum::<u32>();
        let in_transaction = of(&|s| s.starts_with("idle in transaction"));
        let idle = of(&|s| s == "idle");
        let waiting = of(&|s| s.ends_with(" waiting"));
        write!(f, "{} backends", self.total)?;
        for (n, word) in [
            (in_transaction, "idle in transaction"),
            (self.total - in_transaction - idle, "active"),
            (waiting, "waiting for a lock"),
        ] {
            if n > 0 {
                write!(f, ", {n} {word}")?;
            }
        }
        Ok(())
    }
}

/// Counts PostgreSQL's client backends from titles like `postgres: 14/main: shop orders 10.0.0.4(51234) SELECT`.
/// Background processes (`checkpointer`, `walwriter`, …) have no host and are left out.
pub fn backends(procs: &Procs) -> Backends {
    let mut out = Backends::default();
    for p in &procs.list {
        if let Some(state) = p.title.strip_prefix("postgres: ").and_then(state_of) {
            out.total += 1;
            *out.by_state.entry(state).or_default() += 1;
        }
    }
    out
}

/// The state after user, database and host. The host, `[local]` or `address(port)`, is what marks a client backend.
fn state_of(title: &str) -> Option<String> {
    let words: Vec<&str> = title.split_whitespace().collect();
    let host =
        words.iter().position(|w| *w == "[local]" || (w.ends_with(')') && w.contains('(') && !w.starts_with('(')))?;
    // Cluster name, user and database stand before; a walsender has a host too, but is no client.
    if host < 2 || words[0] == "walsender" || words.iter().take(host).any(|w| *w == "walsender") {
        return None;
    }
    let state = words[host + 1..].join(" ");
    Some(if state.is_empty() { "starting".into() } else { state })
}
