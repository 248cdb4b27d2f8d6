//! What this program costs, read from its own `/proc/self`.

use super::{processes, read};
use crate::signals::Roots;
use crate::signals::host::event::{OwnCost, tenth};

/// Counters of this process.
#[derive(Copy, Clone, Debug)]
struct Counters {
    ticks: u64,
    read: u64,
    written: u64,
}

/// Looks at this process again and again.
pub struct Own {
    roots: Roots,
    before: Option<Counters>,
}

impl Own {
    /// Nothing is read yet.
    pub fn new(roots: &Roots) -> Own {
        Own { roots: roots.clone(), before: None }
    }

    /// Cost since the look before; `None` the first time, and where there is no procfs.
    pub fn look(&mut self, seconds: f64, longest_look_ms: f64) -> Option<OwnCost> {
        let dir = self.roots.proc.join("self");
        let stat = processes::parse_stat(read::text(&dir.join("stat"))?.as_bytes())?;
        let io = read::text(&dir.join("io")).unwrap_or_default();
        let of = |key: &str| read::keyed(&io, key).unwrap_or(0);
        let after = Counters { ticks: stat.ticks, read: of("rchar"), written: of("wchar") };
        let before = self.before.replace(after)?;
        let hz = procfs::ticks_per_second() as f64;
        Some(OwnCost {
            cpu_pct_of_one_core: tenth(read::per_second(before.ticks, after.ticks, seconds) / hz * 100.0),
            rss_bytes: stat.rss_pages.saturating_mul(procfs::page_size()),
            written_bytes_per_s: read::per_second(before.written, after.written, seconds) as u64,
            read_bytes_per_s: read::per_second(before.read, after.read, seconds) as u64,
            longest_look_ms: tenth(longest_look_ms),
        })
    }
}
