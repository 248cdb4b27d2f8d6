//! What deviates on the machine as of a moment, worst first: the sentences the pane opens with.
//!
//! Thresholds are about shortage, not use: a busy CPU that nobody waits for is no finding. Pressure (PSI) decides where the
//! kernel has it; load, iowait and available memory stand in where it has not.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::amount::{bytes, of, pct};
use super::event::{HostSample, OomKill, Stalls};
use super::history::{HostHistory, MountNow};
use crate::timeline::time::short;
use crate::timeline::{Entry, TimeRange, Ts};

/// One thing that deviates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Wrong, not only worth a look.
    pub bad: bool,
    /// What is short: one of `data oom memory disk io cpu steal network processes`.
    pub about: &'static str,
    /// A sentence with numbers.
    pub text: String,
}

/// How long an OOM kill stays the first thing to say.
const OOM_STAYS: Duration = Duration::from_secs(15 * 60);
/// A sample older than this is stale: the source has missed several.
pub const STALE: Duration = Duration::from_secs(5);

/// A shortage that is neither clear nor over for so long is none.
const SETTLES: Duration = Duration::from_secs(120);
/// Where there is no pressure, the CPU is busy or not over this time.
const BUSY_OVER: Duration = Duration::from_secs(10);

/// Above this share of ten seconds in which some task waited, CPU is short; it is over below [`CPU_OVER_PCT`].
const CPU_PCT: f32 = 40.0;
const CPU_OVER_PCT: f32 = 25.0;
/// Above this share of ten seconds in which all tasks waited, memory is short.
const MEMORY_PCT: f32 = 5.0;
/// The same for IO.
const IO_PCT: f32 = 10.0;
/// Below this the CPU is idle.
const IDLE_PCT: f32 = 25.0;
/// The kernel's mean of ten seconds counts only while these seconds still hold some of it.
const STILL: Duration = Duration::from_secs(3);

/// Everything that deviates at `now`, worst first, then in the order in which it should be looked at.
pub fn findings(h: &HostHistory, now: Ts, zone: &TimeZone) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut add = |bad, about, text: String| out.push(Finding { bad, about, text });
    let recent = TimeRange { start: now - OOM_STAYS, end: Ts(now.0.saturating_add(1)) };
    let kills: Vec<_> = h.oom_kills(recent, now).collect();
    if let Some(text) = oom(&kills, now) {
        add(true, "oom", text);
    }
    let mounts = h.mounts(now);
    if let Some(e) = h.latest(now).filter(|e| now.since(e.at) <= STALE) {
        figures(&e.value, still(h, e.at), cpu_short(h, now), &mut add);
    }
    for m in &mounts {
        if let Some((bad, text)) = mount(h, m, now, zone) {
            add(bad, "disk", text);
        }
    }
    if let Some((_, t)) = h.processes(now).filter(|(at, _)| now.since(*at) <= STALE * 3) {
        if t.uninterruptible >= 4 {
            add(false, "processes", format!("{} processes stuck in state D", t.uninterruptible));
        }
        if t.zombies >= 20 {
            add(false, "processes", format!("{} zombies", t.zombies));
        }
    }
    out.sort_by_key(|f| !f.bad);
    out
}

/// `OOM killed java (pid 81) 2 m ago in checkout.service`.
fn oom(kills: &[&Entry<OomKill>], now: Ts) -> Option<String> {
    let last = kills.last()?;
    let total: u64 = kills.iter().map(|k| u64::from(k.value.kills)).sum();
    let k = &last.value;
    let ago = short(now.since(last.at));
    let mut text = match (&k.victim, k.pid) {
        (Some(victim), Some(pid)) => format!("OOM killed {victim} (pid {pid}) {ago} ago"),
        (Some(victim), None) => format!("OOM killed {victim} {ago} ago"),
        (None, _) => format!("OOM kill {ago} ago, victim unknown (kernel log not readable)"),
    };
    if let Some(cgroup) = &k.cgroup {
        text.push_str(&format!(" in {cgroup}"));
    }
    if k.by_cgroup_limit {
        text.push_str(", at its own limit");
    }
    if total > 1 {
        text.push_str(&format!("; {total} kills in {}", short(OOM_STAYS)));
    }
    Some(text)
}

/// Whether tasks still wait for a resource.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Still {
    cpu: bool,
    memory: bool,
    io: bool,
}

/// What was waited for in the seconds up to the sample of `at`. The kernel's mean goes on for ten seconds after a shortage has
/// ended; what was waited since the sample before does not. A quarter of what is called short is still some of it: single
/// calm seconds within a shortage end nothing. Where only the mean is known, a CPU that is idle is waited for by nobody, and
/// of memory and IO there is nothing to doubt the mean by.
fn still(h: &HostHistory, at: Ts) -> Still {
    let last = || h.samples(at).take_while(|e| at.since(e.at) < STILL).map(|e| &e.value);
    let mean = |figures: &mut dyn Iterator<Item = f32>| {
        let (sum, n) = figures.fold((0.0, 0.0f32), |(sum, n), v| (sum + v, n + 1.0));
        (n > 0.0).then(|| sum / n)
    };
    let waited = |of: fn(&Stalls) -> f32| {
        mean(&mut last().filter_map(|s| s.pressure.and_then(|p| p.since_last)).map(|stalls| of(&stalls)))
    };
    let busy = || mean(&mut last().map(|s| s.cpu.busy_pct() + s.cpu.steal_pct));
    Still {
        cpu: waited(|s| s.cpu_some_pct).map_or_else(|| busy().is_none_or(|b| b >= IDLE_PCT), |w| w >= CPU_PCT / 4.0),
        memory: waited(|s| s.memory_full_pct).is_none_or(|w| w >= MEMORY_PCT / 4.0),
        io: waited(|s| s.io_full_pct).is_none_or(|w| w >= IO_PCT / 4.0),
    }
}

/// Whether work waits for a CPU. Pressure, which the kernel takes over ten seconds, decides: how busy the CPU is in one
/// second does not. Short from 40 % on until below 25 %, or until nothing waits any more; where there is no pressure, by the
/// load of the last minute while the CPU is busy. What the samples of the last minutes say is all that counts, so that a
/// seek comes to the same.
fn cpu_short(h: &HostHistory, now: Ts) -> bool {
    let decides = |e: &Entry<HostSample>| {
        let s = &e.value;
        let load = s.load_1_5_15[0] / s.cores().max(1) as f32;
        let (on, off) = match s.pressure {
            Some(_) if !still(h, e.at).cpu => (false, true),
            Some(p) => (p.cpu_some_pct >= CPU_PCT, p.cpu_some_pct < CPU_OVER_PCT),
            None => (load >= 2.0, load < 1.5),
        };
        (on || off).then_some(on)
    };
    let lately = h.samples(now).take_while(|e| now.since(e.at) <= SETTLES);
    let short = lately.filter_map(decides).next().unwrap_or(false);
    let has_pressure = h.latest(now).is_some_and(|e| e.value.pressure.is_some());
    // A load that waits for disks is no shortage of CPU.
    let busy = || {
        let last = h.samples(now).take_while(|e| now.since(e.at) <= BUSY_OVER);
        let (sum, n) =
            last.fold((0.0, 0.0f32), |(sum, n), e| (sum + e.value.cpu.busy_pct() + e.value.cpu.steal_pct, n + 1.0));
        n > 0.0 && sum / n >= 70.0
    };
    short && (has_pressure || busy())
}

fn figures(s: &HostSample, still: Still, short: bool, add: &mut impl FnMut(bool, &'static str, String)) {
    let (used, total, of_container) = s.memory_used_of();
    let share = if total == 0 { 0.0 } else { used as f64 / total as f64 * 100.0 };
    let psi = s.pressure.unwrap_or_default();
    let swapping = s.swap.in_bytes_per_s.saturating_add(s.swap.out_bytes_per_s);
    let thrash = (still.memory && psi.memory_full_pct >= MEMORY_PCT) || (swapping > 4 << 20 && share > 85.0);
    if total > 0 && (thrash || share >= 95.0) {
        let whose = if of_container { " (container limit)" } else { "" };
        let mut text = format!("memory short: {}{whose}", of(used, total));
        if swapping > 64 << 10 {
            text.push_str(&format!(", swapping {}/s", bytes(swapping)));
        }
        if still.memory && psi.memory_full_pct >= 0.5 {
            text.push_str(&format!("; everything waits for memory {} % of the time (psi)", pct(psi.memory_full_pct)));
        }
        add(thrash || share >= 98.0, "memory", text);
    }
    if still.io && psi.io_full_pct >= IO_PCT {
        add(
            psi.io_full_pct >= 25.0,
            "io",
            format!("stalled on IO: psi io full {} %{}", pct(psi.io_full_pct), slowest(s)),
        );
    } else if s.pressure.is_none() && s.cpu.iowait_pct >= 25.0 {
        add(
            s.cpu.iowait_pct >= 50.0,
            "io",
            format!("waiting for IO: iowait {} %{}", pct(s.cpu.iowait_pct), slowest(s)),
        );
    }
    if let Some(c) = s.cgroup.filter(|c| c.throttled_pct.is_some_and(|t| t >= 10.0)) {
        let (hit, quota) = (c.throttled_pct.unwrap_or(0.0), c.cpu_quota_cores.unwrap_or(0.0));
        let text = format!("CPU held back by its limit of {quota} cores in {} % of periods", pct(hit));
        add(hit >= 30.0, "cpu", text);
    }
    let cores = s.cores().max(1) as f32;
    if short {
        let load = format!("load {} on {cores} cores", s.load_1_5_15[0]);
        let text = match s.pressure {
            Some(p) => format!("CPU short: {} %, psi cpu {} %, {load}", pct(s.cpu.busy_pct()), pct(p.cpu_some_pct)),
            None => format!("CPU short: {} %, {load}", pct(s.cpu.busy_pct())),
        };
        add(true, "cpu", text);
    }
    if s.cpu.steal_pct >= 5.0 {
        let text = format!("CPU steal {} %: the hypervisor gives it to others", pct(s.cpu.steal_pct));
        add(s.cpu.steal_pct >= 20.0, "steal", text);
    }
    if s.network.retransmits_per_s >= 50.0 {
        add(false, "network", format!("TCP sends {} segments/s again", pct(s.network.retransmits_per_s)));
    }
    if s.network.drops_per_s >= 10.0 {
        add(false, "network", format!("network drops {} packets/s", pct(s.network.drops_per_s)));
    }
}

/// The disk that answers slowest, when it is slow.
fn slowest(s: &HostSample) -> String {
    let worst = s.disks.iter().filter(|d| d.await_ms >= 20.0).max_by(|a, b| a.await_ms.total_cmp(&b.await_ms));
    worst.map_or(String::new(), |d| format!(", {} answers in {} ms", d.name, pct(d.await_ms)))
}

/// What is wrong with a mount, and whether it is bad; `None` when nothing is.
pub fn mount(h: &HostHistory, m: &MountNow, now: Ts, zone: &TimeZone) -> Option<(bool, String)> {
    let path = &m.mount.path;
    if let Some(since) = m.mount.silent_since {
        let at = since.hms(zone);
        return Some((true, format!("{path} not answering since {} ({})", &at[..5], m.mount.device)));
    }
    if m.mount.read_only && h.was_writable(path, now) {
        return Some((true, format!("{path} has become read-only: look at the kernel's log")));
    }
    if m.mount.read_only {
        return None;
    }
    let (space, inodes) = (m.mount.used_pct(), m.mount.inodes_used_pct);
    let soon = m.full_in.filter(|d| *d < Duration::from_secs(6 * 3600));
    let soon_enough = soon.is_some_and(|d| d < Duration::from_secs(3600) || space >= 80.0);
    if space >= 90.0 || soon_enough {
        let mut text = format!("disk {path} {} % full", space.floor());
        match soon {
            Some(d) if m.mount.available_bytes > 0 => text.push_str(&format!(", full in {}", short(d))),
            _ => text.push_str(&format!(", {} left", bytes(m.mount.available_bytes))),
        }
        let bad = space >= 97.0 || soon.is_some_and(|d| d < Duration::from_secs(3600));
        return Some((bad, text));
    }
    (inodes >= 90.0).then(|| (inodes >= 97.0, format!("disk {path} has {} % of its inodes in use", inodes.floor())))
}
