//! Counts the sessions of PostgreSQL servers of this box from the titles of their processes: no connection, no slot.
//!
//! Reads procfs below [`Roots`] and nothing of a process's environment. Where the server's data folder may be entered
//! (root, or the server's own user) its `postmaster.pid` tells the port.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use tokio_util::sync::CancellationToken;

use crate::signals::database::event::{DatabaseEvent, GROUPS, TITLED, TitleGroup, TitledServer, Titles};
use crate::signals::database::titles::{count, parse};
use crate::signals::{BoxFuture, Declared, Event, Out, Roots, Source, SourceError};
use crate::timeline::{SourceDecl, SourceId, SourceKind, SourceState};

/// What the source is called.
pub const NAME: &str = "process titles";
/// Between two looks, and between two while no such server runs.
const EVERY: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(10);
/// For so long a process that is no server's is not looked at again.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// Processes listed.
const PROCESSES: usize = 20_000;

/// The source with its declaration.
pub fn declared(roots: &Roots) -> Declared {
    Declared {
        decl: SourceDecl {
            id: SourceId::default(),
            kind: SourceKind::Database,
            name: NAME.into(),
            detail: roots.proc.display().to_string(),
        },
        source: Box::new(TitlesSource { roots: roots.clone() }),
    }
}

struct TitlesSource {
    roots: Roots,
}

impl Source for TitlesSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            out.state(SourceState::Ok).await;
            let mut looker = Looker::new(&self.roots);
            let mut before = 0;
            loop {
                let looked = tokio::task::spawn_blocking(move || {
                    let titles = looker.look(Instant::now());
                    (titles, looker)
                });
                let (titles, back) =
                    looked.await.map_err(|e| SourceError::retry(format!("a look at processes: {e}")))?;
                looker = back;
                let found = titles.servers.len();
                // That the last one has gone is a fact too.
                if found > 0 || before > 0 {
                    out.sample(Event::Database(DatabaseEvent::Titles(titles)));
                }
                before = found;
                tokio::select! {
                    () = cancel.cancelled() => return Ok(()),
                    () = tokio::time::sleep(if found > 0 { EVERY } else { SELDOM }) => {}
                }
            }
        })
    }
}

/// What is remembered from look to look.
pub struct Looker {
    proc: std::path::PathBuf,
    /// Processes that are no server's, and since when that is believed.
    others: HashSet<u32>,
    forget_at: Instant,
    /// Title of each session, and since when it has been that.
    since: HashMap<u32, (String, Instant)>,
}

/// What `/proc/PID/stat` says.
struct Stat {
    server: bool,
    parent: u32,
}

impl Looker {
    /// Has seen nothing yet.
    pub fn new(roots: &Roots) -> Looker {
        Looker { proc: roots.proc.clone(), others: HashSet::new(), forget_at: Instant::now(), since: HashMap::new() }
    }

    /// Looks once; `now` is what durations are counted to.
    pub fn look(&mut self, now: Instant) -> Titles {
        let began = Instant::now();
        if now >= self.forget_at {
            self.others.clear();
            self.forget_at = now + KNOWN_FOR;
        }
        let mut masters: BTreeMap<u32, TitledServer> = BTreeMap::new();
        let mut sessions: Vec<(u32, u32, String)> = Vec::new();
        let pids = fs::read_dir(&self.proc).into_iter().flatten().flatten().take(PROCESSES);
        for pid in pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok()) {
            if self.others.contains(&pid) {
                continue;
            }
            let folder = self.proc.join(pid.to_string());
            let Some(stat) = stat(&folder).filter(|s| s.server) else {
                self.others.insert(pid);
                continue;
            };
            let Some(title) = title(&folder) else { continue };
            if title.starts_with("postgres: ") {
                sessions.push((pid, stat.parent, title));
            } else if masters.len() < TITLED {
                masters.insert(pid, server(&folder, pid, &title));
            }
        }
        // Who may not enter its folder: one server and one socket belong together.
        if masters.len() == 1
            && let Some(server) = masters.values_mut().next().filter(|s| s.port.is_none())
        {
            server.port = only_socket(&self.proc);
        }
        let mut groups: BTreeMap<u32, BTreeMap<[CompactString; 4], (u32, u64)>> = BTreeMap::new();
        let mut since = HashMap::with_capacity(sessions.len());
        for (pid, parent, title) in sessions {
            let Some(server) = masters.get_mut(&parent) else { continue };
            let Some(t) = parse(&title) else { continue };
            count(&mut server.counts, t.state);
            let key = [t.state, t.user, t.db, t.client].map(CompactString::from);
            let begin = self.since.remove(&pid).filter(|(known, _)| *known == title).map_or(now, |(_, begin)| begin);
            let group = groups.entry(parent).or_default().entry(key).or_default();
            group.0 += 1;
            group.1 = group.1.max(now.saturating_duration_since(begin).as_secs());
            since.insert(pid, (title, begin));
        }
        self.since = since;
        for (pid, groups) in groups {
            let Some(server) = masters.get_mut(&pid) else { continue };
            server.groups = groups
                .into_iter()
                .map(|([state, user, db, client], (count, longest_s))| TitleGroup {
                    state,
                    user,
                    db,
                    client,
                    count,
                    longest_s,
                })
                .collect();
            // Who waits, who holds a transaction open, who works, who is idle; of each the most first.
            server.groups.sort_by_key(|g| (g.rank(), std::cmp::Reverse(g.count)));
            server.unlisted = server.groups.iter().skip(GROUPS).map(|g| g.count).sum();
            server.groups.truncate(GROUPS);
        }
        Titles { servers: masters.into_values().collect(), cost_ms: began.elapsed().as_secs_f32() * 1e3 }
    }
}

/// Whether the process is a PostgreSQL server's, and its parent.
fn stat(folder: &Path) -> Option<Stat> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let (name, rest) = text.split_once('(')?.1.rsplit_once(") ")?;
    let parent = rest.split(' ').nth(1)?.parse().ok()?;
    Some(Stat { server: matches!(name, "postgres" | "postmaster"), parent })
}

fn title(folder: &Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(folder.join("cmdline")).ok()?.take(1_024).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The server behind a command line such as `/usr/lib/postgresql/14/bin/postgres -D … -c config_file=…`.
fn server(folder: &Path, pid: u32, command: &str) -> TitledServer {
    // The server works in its data folder.
    let data = folder.join("cwd");
    let version = fs::read_to_string(data.join("PG_VERSION")).ok().map(|v| v.trim().to_owned());
    let program = command.split(' ').next().unwrap_or_default();
    let of_path = || {
        let numbers = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        program.split('/').map(|part| part.trim_start_matches("pgsql-")).find(numbers).map(str::to_owned)
    };
    let of_file = || fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().nth(3)?.trim().parse().ok();
    let of_words = || {
        let words: Vec<&str> = command.split(' ').collect();
        let named = words.iter().find_map(|w| w.trim_start_matches("--").strip_prefix("port="));
        let flag = words.iter().position(|w| *w == "-p").and_then(|i| words.get(i + 1).copied());
        named.or(flag)?.parse().ok()
    };
    TitledServer {
        pid,
        version: version.or_else(of_path).unwrap_or_default().into(),
        port: of_file().or_else(of_words),
        ..TitledServer::default()
    }
}

/// The port of the only socket of a PostgreSQL server on this box.
fn only_socket(proc: &Path) -> Option<u16> {
    let text = fs::read_to_string(proc.join("net/unix")).ok()?;
    let ports = text.lines().filter_map(|l| l.rsplit_once("/.s.PGSQL.")?.1.trim().parse::<u16>().ok());
    let mut ports: Vec<u16> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    if let [port] = ports[..] { Some(port) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Proc(tempfile::TempDir);

    impl Proc {
        fn put(&self, pid: u32, name: &str, parent: u32, title: &str) {
            let dir = self.0.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("stat"), format!("{pid} ({name}) S {parent} 1 1 0")).unwrap();
            fs::write(dir.join("cmdline"), title).unwrap();
        }

        fn looker(&self) -> Looker {
            Looker::new(&Roots::under(self.0.path()))
        }
    }

    #[test]
    fn sessions_belong_to_their_server_and_are_known_to_have_been_so_for_a_time() {
        let p = Proc(tempfile::tempdir().unwrap());
        p.put(9, "nginx", 1, "nginx: worker");
        p.put(50, "postgres", 1, "/usr/lib/postgresql/14/bin/postgres\0-D\0/var/lib/postgresql/14/main\0");
        p.put(60, "postgres", 1, "/opt/pgsql-9.6/bin/postgres\0-p\x005433\0");
        fs::create_dir_all(p.0.path().join("proc/50/cwd")).unwrap();
        fs::write(p.0.path().join("proc/50/cwd/postmaster.pid"), "50\n/var/lib/x\n1700000000\n5432\n/run\n").unwrap();
        p.put(51, "postgres", 50, "postgres: 14/main: shop orders 10.0.0.4(51234) idle in transaction");
        p.put(52, "postgres", 50, "postgres: 14/main: shop orders 10.0.0.4(51235) idle in transaction");
        p.put(53, "postgres", 50, "postgres: 14/main: shop orders 10.0.0.4(51236) UPDATE waiting");
        p.put(54, "postgres", 50, "postgres: 14/main: checkpointer");
        p.put(61, "postgres", 60, "postgres: a b [local] idle");
        let mut looker = p.looker();
        let t0 = Instant::now();
        looker.look(t0);
        p.put(52, "postgres", 50, "postgres: 14/main: shop orders 10.0.0.4(51235) COMMIT");
        let t = looker.look(t0 + Duration::from_secs(40));
        assert_eq!(t.servers.len(), 2);
        let (a, b) = (&t.servers[0], &t.servers[1]);
        assert_eq!((a.version.as_str(), a.port, a.counts.clients), ("14", Some(5432), 3));
        assert_eq!((b.version.as_str(), b.port, b.counts.idle), ("9.6", Some(5433), 1));
        let told: Vec<_> = a.groups.iter().map(|g| (g.state.as_str(), g.count, g.longest_s)).collect();
        assert_eq!(told, [("UPDATE waiting", 1, 40), ("idle in transaction", 1, 40), ("COMMIT", 1, 0)]);
        fs::remove_dir_all(p.0.path().join("proc/50")).unwrap();
        assert_eq!(looker.look(t0).servers.len(), 1, "a server that is gone takes its sessions along");
    }

    #[test]
    fn groups_beyond_the_most_are_counted_and_not_listed() {
        let p = Proc(tempfile::tempdir().unwrap());
        p.put(50, "postgres", 1, "postgres -D x");
        for i in 0..100 {
            p.put(100 + i, "postgres", 50, &format!("postgres: shop db{i} [local] idle"));
        }
        let t = p.looker().look(Instant::now());
        assert_eq!((t.servers[0].groups.len(), t.servers[0].unlisted), (GROUPS, 100 - GROUPS as u32));
        assert_eq!((t.servers[0].version.as_str(), t.servers[0].port), ("", None));
        fs::create_dir_all(p.0.path().join("proc/net")).unwrap();
        fs::write(p.0.path().join("proc/net/unix"), "Num\n0: 2 0 1 1 1 7 /run/postgresql/.s.PGSQL.5433\n").unwrap();
        assert_eq!(p.looker().look(Instant::now()).servers[0].port, Some(5433), "one server, one socket");
    }
}
