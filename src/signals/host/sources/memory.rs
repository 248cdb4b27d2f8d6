//! `/proc/meminfo` and `/proc/vmstat`: memory, swap, and the kernel's count of OOM kills.

use super::read::{keyed, per_second};
use crate::signals::host::event::{Memory, Swap};

/// Counters of `/proc/vmstat`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct VmCounters {
    /// Pages read from swap.
    pub swapped_in: u64,
    /// Pages written to swap.
    pub swapped_out: u64,
    /// OOM kills since boot; `None` before kernel 4.13.
    pub oom_kills: Option<u64>,
}

/// Reads `/proc/vmstat`.
pub fn parse_vmstat(text: &str) -> VmCounters {
    VmCounters {
        swapped_in: keyed(text, "pswpin").unwrap_or(0),
        swapped_out: keyed(text, "pswpout").unwrap_or(0),
        oom_kills: keyed(text, "oom_kill"),
    }
}

/// Reads `/proc/meminfo`. Kernels without `MemAvailable` (before 3.14) get free plus cache.
pub fn parse_meminfo(text: &str) -> (Memory, Swap) {
    let kb = |key: &str| keyed(text, key).map(|k| k.saturating_mul(1024));
    let of = |key: &str| kb(key).unwrap_or(0);
    let cache = (of("Cached") + of("Buffers") + of("SReclaimable")).saturating_sub(of("Shmem"));
    let total = of("MemTotal");
    let available = kb("MemAvailable").unwrap_or(of("MemFree") + cache).min(total);
    let memory = Memory {
        total_bytes: total,
        used_bytes: total - available,
        available_bytes: available,
        cache_bytes: cache,
        dirty_bytes: of("Dirty"),
    };
    let swap_total = of("SwapTotal");
    let swap =
        Swap { total_bytes: swap_total, used_bytes: swap_total.saturating_sub(of("SwapFree")), ..Swap::default() };
    (memory, swap)
}

/// Adds the rates between two looks.
pub fn swap_rates(swap: &mut Swap, a: &VmCounters, b: &VmCounters, seconds: f64) {
    let page = procfs::page_size() as f64;
    swap.in_bytes_per_s = (per_second(a.swapped_in, b.swapped_in, seconds) * page) as u64;
    swap.out_bytes_per_s = (per_second(a.swapped_out, b.swapped_out, seconds) * page) as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_is_what_cannot_be_had() {
        let (m, s) = parse_meminfo(
            "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nBuffers: 10 kB\nCached: 300 kB\n\
             SwapCached: 5 kB\nShmem: 20 kB\nSReclaimable: 30 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n",
        );
        assert_eq!([m.used_bytes, m.cache_bytes, s.used_bytes], [600, 320, 30].map(|k| k * 1024));
        let (old, _) = parse_meminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nCached: 300 kB\n");
        assert_eq!(old.available_bytes, 400 * 1024);
    }
}
