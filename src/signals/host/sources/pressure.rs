//! `/proc/pressure/*`: the share of time in which tasks waited, over the last ten seconds and since the look before.

use super::read;
use crate::signals::Roots;
use crate::signals::host::event::{Pressure, Stalls, tenth};

/// The kernel's running totals: microseconds of waiting since boot.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct StallCounters {
    cpu_some: u64,
    memory_full: u64,
    io_full: u64,
}

/// Reads the three files; `None` on a kernel that has none, or has them switched off (`psi=0`). What was waited since a
/// look before is left to [`since`].
pub fn read(roots: &Roots) -> Option<(Pressure, StallCounters)> {
    let of = |name: &str| read::text(&roots.proc.join("pressure").join(name));
    let cpu = of("cpu")?;
    let memory = of("memory").unwrap_or_default();
    let io = of("io").unwrap_or_default();
    let mean = Pressure {
        cpu_some_pct: avg10(&cpu, "some"),
        memory_some_pct: avg10(&memory, "some"),
        memory_full_pct: avg10(&memory, "full"),
        io_some_pct: avg10(&io, "some"),
        io_full_pct: avg10(&io, "full"),
        since_last: None,
    };
    let totals = StallCounters {
        cpu_some: total(&cpu, "some"),
        memory_full: total(&memory, "full"),
        io_full: total(&io, "full"),
    };
    Some((mean, totals))
}

/// The share of `seconds` that was waited between two looks.
pub fn since(a: &StallCounters, b: &StallCounters, seconds: f64) -> Stalls {
    let share = |a, b| tenth((read::per_second(a, b, seconds) / 1e4).min(100.0));
    Stalls {
        cpu_some_pct: share(a.cpu_some, b.cpu_some),
        memory_full_pct: share(a.memory_full, b.memory_full),
        io_full_pct: share(a.io_full, b.io_full),
    }
}

fn avg10(text: &str, line: &str) -> f32 {
    tenth(word(text, line, "avg10=").and_then(|w| w.parse().ok()).unwrap_or(0.0))
}

fn total(text: &str, line: &str) -> u64 {
    word(text, line, "total=").and_then(|w| w.parse().ok()).unwrap_or(0)
}

/// What stands behind `key` in the line that begins with `line`.
fn word<'a>(text: &'a str, line: &str, key: &str) -> Option<&'a str> {
    let found = text.lines().find(|l| l.split(' ').next() == Some(line))?;
    found.split(' ').find_map(|w| w.strip_prefix(key))
}
