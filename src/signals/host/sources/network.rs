//! `/proc/net/dev` and `/proc/net/snmp`: all physical interfaces together, and TCP segments sent again.

use super::read;
use crate::signals::Roots;
use crate::signals::host::event::{Network, tenth};

/// Interfaces whose packets are seen again on another one, or never leave the box.
const INNER: [&str; 9] = ["lo", "veth", "docker", "br-", "virbr", "cali", "flannel", "cni", "lxc"];

/// Counters since boot.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct NetCounters {
    rx_bytes: u64,
    tx_bytes: u64,
    drops: u64,
    retransmits: u64,
}

/// Reads both files; what cannot be read counts as nothing.
pub fn read(roots: &Roots) -> NetCounters {
    let mut out = NetCounters::default();
    let text = read::text(&roots.proc.join("net/dev")).unwrap_or_default();
    for line in text.lines().skip(2) {
        let Some((name, rest)) = line.split_once(':') else { continue };
        if INNER.iter().any(|p| name.trim().starts_with(p)) {
            continue;
        }
        let n: Vec<u64> = rest.split_ascii_whitespace().map(|w| w.parse().unwrap_or(0)).collect();
        let at = |i: usize| n.get(i).copied().unwrap_or(0);
        out.rx_bytes = out.rx_bytes.wrapping_add(at(0));
        out.tx_bytes = out.tx_bytes.wrapping_add(at(8));
        out.drops = out.drops.wrapping_add(at(2)).wrapping_add(at(3)).wrapping_add(at(10)).wrapping_add(at(11));
    }
    out.retransmits = read::text(&roots.proc.join("net/snmp")).and_then(|t| tcp(&t, "RetransSegs")).unwrap_or(0);
    out
}

/// A field of the `Tcp:` pair of lines, names above values.
fn tcp(text: &str, field: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|l| l.starts_with("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let i = names.split_ascii_whitespace().position(|w| w == field)?;
    values.split_ascii_whitespace().nth(i)?.parse().ok()
}

/// Between two looks.
pub fn rates(a: &NetCounters, b: &NetCounters, seconds: f64) -> Network {
    Network {
        rx_bytes_per_s: read::per_second(a.rx_bytes, b.rx_bytes, seconds) as u64,
        tx_bytes_per_s: read::per_second(a.tx_bytes, b.tx_bytes, seconds) as u64,
        drops_per_s: tenth(read::per_second(a.drops, b.drops, seconds)),
        retransmits_per_s: tenth(read::per_second(a.retransmits, b.retransmits, seconds)),
    }
}
