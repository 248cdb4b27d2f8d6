//! Which process of this box a session's client is: from the port of the client's end to who holds that socket.
//!
//! Looks only while a session holds others up or a transaction open, and seldom: finding who holds a socket means
//! looking through the descriptors of all processes. Others' descriptors are seen by root only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use compact_str::CompactString;

use crate::signals::Roots;
use crate::signals::database::event::{Activity, Session};

/// Least time between two looks through all processes.
const EVERY: Duration = Duration::from_secs(5);
/// How long one may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// A transaction in which nothing has happened for so long makes one ask whose it is.
const IDLE_MS: u64 = 2_000;
/// Connections read of each table, and descriptors of each process.
const SOCKETS: usize = 20_000;
const DESCRIPTORS: usize = 4_096;
/// Ports remembered.
const KNOWN: usize = 1_000;

/// Remembers who is behind which port.
pub struct Clients {
    roots: Roots,
    /// By the client's port and the session's number, which go together as long as the connection stands.
    known: BTreeMap<(u16, i32), Option<CompactString>>,
    looked: Option<Instant>,
}

impl Clients {
    /// Knows nobody yet.
    pub fn new(roots: &Roots) -> Clients {
        Clients { roots: roots.clone(), known: BTreeMap::new(), looked: None }
    }

    /// Puts in the clients' processes where they matter and can be told. `server` is the server's port.
    pub async fn name(&mut self, look: &mut Activity, server: u16) {
        let matters = |s: &Session| {
            let holds = s.is_idle_in_tx() && s.state_age_ms.unwrap_or(0) >= IDLE_MS;
            holds || look.sessions.iter().any(|w| w.blocked_by.contains(&s.pid))
        };
        let wanted: Vec<(u16, i32, Option<IpAddr>)> = look
            .sessions
            .iter()
            .filter(|s| matters(s))
            .filter_map(|s| Some((s.client_port?, s.pid, s.client.as_ref().and_then(|c| c.parse().ok()))))
            .collect();
        let unknown: Vec<_> = wanted.iter().filter(|(port, pid, _)| !self.known.contains_key(&(*port, *pid))).collect();
        if !unknown.is_empty() && self.looked.is_none_or(|t| t.elapsed() >= EVERY) {
            let ports: Vec<(u16, i32, Option<IpAddr>)> = unknown.into_iter().copied().collect();
            let roots = self.roots.clone();
            let found = tokio::task::spawn_blocking(move || find(&roots, server, ports)).await.unwrap_or_default();
            if self.known.len() > KNOWN {
                self.known.clear();
            }
            self.known.extend(found);
            self.looked = Some(Instant::now());
        }
        for s in &mut look.sessions {
            if let Some(port) = s.client_port {
                s.client_process = self.known.get(&(port, s.pid)).cloned().flatten();
            }
        }
    }
}

type Found = Vec<((u16, i32), Option<CompactString>)>;

fn find(roots: &Roots, server: u16, wanted: Vec<(u16, i32, Option<IpAddr>)>) -> Found {
    let table = |name: &str| std::fs::read_to_string(roots.proc.join("net").join(name)).unwrap_or_default();
    let sockets: Vec<Socket> =
        [table("tcp"), table("tcp6")].iter().flat_map(|t| t.lines().skip(1).take(SOCKETS)).filter_map(socket).collect();
    let inode = |port: u16, ip: Option<IpAddr>| {
        let of = |s: &&Socket| s.port == port && s.to == server && ip.is_none_or(|ip| s.ip == ip);
        sockets.iter().find(of).map(|s| s.inode)
    };
    let inodes: Vec<_> = wanted.iter().map(|(port, pid, ip)| ((*port, *pid), inode(*port, *ip))).collect();
    let asked: BTreeSet<u64> = inodes.iter().filter_map(|(_, inode)| *inode).collect();
    // A client of another box: no need to look through our processes.
    let holders = if asked.is_empty() { BTreeMap::new() } else { holders(roots, &asked) };
    inodes.into_iter().map(|(key, inode)| (key, inode.and_then(|i| holders.get(&i).cloned()))).collect()
}

/// A connection as this box has it.
struct Socket {
    ip: IpAddr,
    port: u16,
    to: u16,
    inode: u64,
}

fn socket(line: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (ip, port) = words.get(1)?.split_once(':')?;
    let port_of = |hex| u16::from_str_radix(hex, 16).ok();
    let to = port_of(words.get(2)?.split_once(':')?.1)?;
    let inode = words.get(9)?.parse().ok().filter(|n| *n != 0)?;
    let established = *words.get(3)? == "01";
    established.then_some(Socket { ip: address(ip)?, port: port_of(port)?, to, inode })
}

/// Words in the machine's own byte order.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |i: usize| u32::from_str_radix(hex.get(i * 8..i * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    if hex.len() == 8 {
        return word(0).map(IpAddr::from);
    }
    let mut bytes = [0_u8; 16];
    for i in 0..4 {
        bytes[i * 4..i * 4 + 4].copy_from_slice(&word(i)?);
    }
    let v6 = Ipv6Addr::from(bytes);
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
}

/// Who holds these sockets: `shop.service (python), pid 81`.
fn holders(roots: &Roots, asked: &BTreeSet<u64>) -> BTreeMap<u64, CompactString> {
    let end = Instant::now() + PATIENCE;
    let mut out = BTreeMap::new();
    let pids = std::fs::read_dir(&roots.proc).into_iter().flatten().flatten();
    for pid in pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok()) {
        if out.len() == asked.len() || Instant::now() >= end {
            break;
        }
        let folder = roots.proc.join(pid.to_string());
        let fds = std::fs::read_dir(folder.join("fd")).into_iter().flatten().flatten().take(DESCRIPTORS);
        let inodes = fds.filter_map(|fd| {
            let target = std::fs::read_link(fd.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
        });
        for inode in inodes.filter(|i| asked.contains(i)) {
            let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            let (name, groups) = (read("comm"), read("cgroup"));
            let unit = groups.lines().find_map(|l| l.rsplit('/').find(|part| part.ends_with(".service")));
            let name = unit.map_or_else(|| name.trim().to_owned(), |unit| format!("{unit} ({})", name.trim()));
            out.entry(inode).or_insert_with(|| format!("{name}, pid {pid}").into());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_process_behind_a_clients_port_is_named_with_its_unit_where_it_matters() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        let proc = &roots.proc;
        std::fs::create_dir_all(proc.join("81/fd")).unwrap();
        std::fs::create_dir_all(proc.join("net")).unwrap();
        std::fs::write(proc.join("81/comm"), "python\n").unwrap();
        std::fs::write(proc.join("81/cmdline"), "python\0app.py").unwrap();
        std::fs::write(proc.join("81/cgroup"), "0::/system.slice/shop.service\n").unwrap();
        std::os::unix::fs::symlink("socket:[900]", proc.join("81/fd/3")).unwrap();
        // From 127.0.0.1:50000 to 127.0.0.1:5432, and the server's end of it.
        let end = |local: &str, remote: &str, inode: u32| format!("0: {local} {remote} 01 0:0 0:0 0 0 0 {inode} 1\n");
        let table = end("0100007F:1538", "0100007F:C350", 901) + &end("0100007F:C350", "0100007F:1538", 900);
        std::fs::write(proc.join("net/tcp"), format!("head\n{table}")).unwrap();
        let s = |pid, state: &str, age, port| Session {
            pid,
            state: Some(state.into()),
            state_age_ms: Some(age),
            client: Some("127.0.0.1".into()),
            client_port: Some(port),
            ..Session::default()
        };
        let sessions = vec![
            s(7, "idle in transaction", 9_000, 50_000),
            s(8, "idle", 9_000, 50_000),
            s(9, "idle in transaction", 9_000, 50_001),
        ];
        let mut look = Activity { sessions, ..Activity::default() };
        Clients::new(&roots).name(&mut look, 5_432).await;
        let told: Vec<_> = look.sessions.iter().map(|s| s.client_process.as_deref()).collect();
        assert_eq!(told, [Some("shop.service (python), pid 81"), None, None]);
    }
}
