//! `/proc/stat` and `/proc/loadavg`: where CPU time went, in total and per core.

use crate::signals::host::event::{CpuModes, tenth};

/// Clock ticks of one core, or of all together, since boot.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    user: u64,
    system: u64,
    idle: u64,
    iowait: u64,
    steal: u64,
}

/// What `/proc/stat` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuCounters {
    /// All cores together.
    pub all: Ticks,
    /// Each core that is online, in order of number.
    pub cores: Vec<Ticks>,
    /// Seconds since the epoch at which the machine booted.
    pub boot_s: i64,
    /// Processes that want a CPU.
    pub running: u32,
    /// Processes that wait for a disk.
    pub blocked: u32,
}

/// Reads `/proc/stat`; `None` when it has no `cpu` line.
pub fn parse_stat(text: &str) -> Option<CpuCounters> {
    let mut out = CpuCounters::default();
    let mut found = false;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        let mut number = || words.next().and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
        match key {
            "btime" => out.boot_s = number() as i64,
            "procs_running" => out.running = number() as u32,
            "procs_blocked" => out.blocked = number() as u32,
            "cpu" => {
                out.all = ticks(number);
                found = true;
            }
            core if core.starts_with("cpu") => out.cores.push(ticks(number)),
            _ => {}
        }
    }
    found.then_some(out)
}

/// user nice system idle iowait irq softirq steal; guest time is already inside user and nice.
fn ticks(mut number: impl FnMut() -> u64) -> Ticks {
    let [user, nice, system, idle, iowait, irq, softirq, steal] = std::array::from_fn(|_| number());
    Ticks {
        user: user.saturating_add(nice),
        system: system.saturating_add(irq).saturating_add(softirq),
        idle,
        iowait,
        steal,
    }
}

/// Shares between two looks: user, system, iowait, steal in percent. iowait may run backwards; that counts as none.
fn shares(a: &Ticks, b: &Ticks) -> [f64; 4] {
    let d = |f: fn(&Ticks) -> u64| f(b).saturating_sub(f(a)) as f64;
    let parts = [d(|t| t.user), d(|t| t.system), d(|t| t.iowait), d(|t| t.steal)];
    let all = parts.iter().sum::<f64>() + d(|t| t.idle);
    parts.map(|p| if all > 0.0 { p / all * 100.0 } else { 0.0 })
}

/// The machine between two looks.
pub fn modes(a: &CpuCounters, b: &CpuCounters) -> CpuModes {
    let [user, system, iowait, steal] = shares(&a.all, &b.all).map(tenth);
    CpuModes { user_pct: user, system_pct: system, iowait_pct: iowait, steal_pct: steal }
}

/// Each core between two looks; a core that came online in between shows nothing yet.
pub fn cores(a: &CpuCounters, b: &CpuCounters) -> Vec<[u8; 4]> {
    let pair = |(i, after): (usize, &Ticks)| {
        shares(a.cores.get(i).unwrap_or(after), after).map(|p| p.round().clamp(0.0, 100.0) as u8)
    };
    b.cores.iter().enumerate().map(pair).collect()
}

/// The three load averages.
pub fn parse_load(text: &str) -> [f32; 3] {
    let mut words = text.split_ascii_whitespace().map(|w| w.parse::<f64>().unwrap_or(0.0));
    std::array::from_fn(|_| words.next().map_or(0.0, |v| ((v * 100.0).round() / 100.0) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_and_iowait_are_told_apart_from_work() {
        let a = parse_stat("cpu 100 0 100 1000 50 0 0 0 0 0\ncpu0 100 0 100 1000 50 0 0 0\nbtime 7\n").unwrap();
        let b = parse_stat("cpu 150 2 110 1010 60 5 5 8 0 0\ncpu0 150 2 110 1010 60 5 5 8\nprocs_running 3\n").unwrap();
        let m = modes(&a, &b);
        assert_eq!([m.user_pct, m.system_pct, m.iowait_pct, m.steal_pct], [52.0, 20.0, 10.0, 8.0]);
        assert_eq!(cores(&a, &b), [[52, 20, 10, 8]]);
        assert_eq!((a.boot_s, b.running), (7, 3));
    }

    #[test]
    fn counters_that_run_backwards_show_nothing_rather_than_nonsense() {
        let a = parse_stat("cpu 100 0 100 1000 50 0 0 9").unwrap();
        assert_eq!(modes(&a, &parse_stat("cpu 1 0 1 1 1 0 0 1").unwrap()), CpuModes::default());
        assert!(parse_stat("intr 5").is_none());
    }
}
