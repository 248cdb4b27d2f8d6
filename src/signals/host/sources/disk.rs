//! `/proc/diskstats`: what each whole disk did between two looks.

use std::collections::BTreeMap;

use super::read::per_second;
use crate::signals::Roots;
use crate::signals::host::event::{DiskIo, tenth};

/// Disks shown.
const SHOWN: usize = 4;

/// Counters of one disk since boot.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    requests: u64,
    sectors_read: u64,
    sectors_written: u64,
    /// Milliseconds that requests took, added up.
    waited_ms: u64,
    /// Milliseconds with at least one request under way.
    busy_ms: u64,
}

/// Reads `/proc/diskstats`, whole disks only: those that sysfs lists as block devices, without loops and RAM disks.
pub fn parse(text: &str, roots: &Roots) -> BTreeMap<String, DiskCounters> {
    let blocks = roots.sys.join("block");
    let listed = blocks.is_dir();
    let mut out = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(2);
        let Some(name) = words.next() else { continue };
        if ["loop", "ram", "zram", "sr", "fd"]
            .iter()
            .any(|p| name.strip_prefix(p).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())))
        {
            continue;
        }
        // sysfs writes `cciss!c0d0` for `cciss/c0d0`.
        if listed && !blocks.join(name.replace('/', "!")).exists() {
            continue;
        }
        let n: Vec<u64> = words.map(|w| w.parse().unwrap_or(0)).collect();
        let at = |i: usize| n.get(i).copied().unwrap_or(0);
        let counters = DiskCounters {
            requests: at(0).saturating_add(at(4)),
            sectors_read: at(2),
            sectors_written: at(6),
            waited_ms: at(3).saturating_add(at(7)),
            busy_ms: at(9),
        };
        out.insert(name.to_owned(), counters);
    }
    out
}

/// The busiest disks between two looks.
pub fn rates(a: &BTreeMap<String, DiskCounters>, b: &BTreeMap<String, DiskCounters>, seconds: f64) -> Vec<DiskIo> {
    let mut out: Vec<DiskIo> = b
        .iter()
        .filter_map(|(name, b)| {
            let a = a.get(name)?;
            let requests = b.requests.saturating_sub(a.requests);
            let waited = b.waited_ms.saturating_sub(a.waited_ms);
            Some(DiskIo {
                name: name.into(),
                // A sector of diskstats is 512 bytes whatever the disk says.
                read_bytes_per_s: (per_second(a.sectors_read, b.sectors_read, seconds) * 512.0) as u64,
                write_bytes_per_s: (per_second(a.sectors_written, b.sectors_written, seconds) * 512.0) as u64,
                await_ms: tenth(if requests > 0 { waited as f64 / requests as f64 } else { 0.0 }),
                util_pct: tenth((per_second(a.busy_ms, b.busy_ms, seconds) / 10.0).min(100.0)),
            })
        })
        .collect();
    out.sort_by(|x, y| y.util_pct.total_cmp(&x.util_pct).then_with(|| x.name.cmp(&y.name)));
    out.truncate(SHOWN);
    out
}
