//! `/proc/pressure/*`: the share of time in which tasks waited, over the last ten seconds.

use super::read;
use crate::signals::Roots;
use crate::signals::host::event::{Pressure, tenth};

/// Reads the three files; `None` on a kernel that has none, or has them switched off (`psi=0`).
pub fn read(roots: &Roots) -> Option<Pressure> {
    let of = |name: &str| {
        read::text(&roots.proc.join("pressure").join(name)).map(|t| (avg10(&t, "some"), avg10(&t, "full")))
    };
    let (cpu, _) = of("cpu")?;
    let (memory_some, memory_full) = of("memory").unwrap_or_default();
    let (io_some, io_full) = of("io").unwrap_or_default();
    Some(Pressure {
        cpu_some_pct: cpu,
        memory_some_pct: memory_some,
        memory_full_pct: memory_full,
        io_some_pct: io_some,
        io_full_pct: io_full,
    })
}

fn avg10(text: &str, line: &str) -> f32 {
    let found = text.lines().find(|l| l.split(' ').next() == Some(line));
    let word = found.and_then(|l| l.split(' ').find_map(|w| w.strip_prefix("avg10=")));
    tenth(word.and_then(|w| w.parse().ok()).unwrap_or(0.0))
}
