//! What local processes talk to: connections to the same remote address are offered as TCP probes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Offer;
use super::procs::Procs;
use super::sockets::{End, Sockets};

/// Peers offered.
const MOST: usize = 12;
/// Ports below which the far end is a server rather than a client's chosen port.
const CHOSEN: u16 = 32_768;

/// Names of ports that people know by name.
const KNOWN: [(u16, &str); 14] = [
    (53, "dns"),
    (80, "http"),
    (389, "ldap"),
    (443, "https"),
    (1433, "mssql"),
    (2181, "zookeeper"),
    (3306, "mysql"),
    (5432, "postgres"),
    (5672, "amqp"),
    (6379, "redis"),
    (6432, "pgbouncer"),
    (9092, "kafka"),
    (9200, "elasticsearch"),
    (27017, "mongodb"),
];

/// Remote ends of outgoing connections, most connections first.
pub fn offers(procs: &Procs, sockets: &Sockets) -> Vec<Offer> {
    let ours: BTreeSet<u16> = sockets.listening().map(|t| t.local.port).collect();
    let mut peers: BTreeMap<End, (u32, BTreeSet<&str>)> = BTreeMap::new();
    for t in sockets.established() {
        // A connection to a port we listen on came from outside.
        if ours.contains(&t.local.port) || t.remote.port >= CHOSEN || here(t.remote.ip) || t.remote.ip == t.local.ip {
            continue;
        }
        let peer = peers.entry(t.remote).or_default();
        peer.0 += 1;
        peer.1.extend(procs.of_socket(t.inode).map(|p| p.name.as_str()));
    }
    let mut peers: Vec<_> = peers.into_iter().collect();
    peers.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(&b.0)));
    peers.truncate(MOST);
    peers.into_iter().map(|(end, (n, who))| offer(end, n, &who)).collect()
}

fn here(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

fn offer(end: End, n: u32, who: &BTreeSet<&str>) -> Offer {
    let service = KNOWN.iter().find(|(port, _)| *port == end.port).map(|(_, name)| *name);
    let connections = if n == 1 { "1 connection".to_owned() } else { format!("{n} connections") };
    let from = if who.is_empty() {
        String::new()
    } else {
        format!(" from {}", who.iter().copied().collect::<Vec<_>>().join(", "))
    };
    let name = service.map_or_else(|| end.to_string(), |s| format!("{s} {}", end.ip));
    Offer {
        what: match service {
            Some(s) => format!("{s} at {end}"),
            None => end.to_string(),
        },
        reason: format!("{connections}{from}"),
        snippet: format!("[[health.probe]]\nname = \"{name}\"\ntcp = \"{end}\"\n"),
        ..Offer::default()
    }
}
