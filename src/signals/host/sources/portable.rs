//! The machine through `sysinfo`, where there is no procfs (the laptop of the person on call). Knows less.

use std::time::Instant;

use sysinfo::{
    CpuRefreshKind, MemoryRefreshKind, Networks, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, RefreshKind,
    System, UpdateKind,
};

use crate::signals::host::event::{CpuModes, HostSample, Memory, Network, ProcessRow, ProcessTable, Swap, tenth};

/// Looks through `sysinfo` again and again.
pub struct Portable {
    system: System,
    networks: Networks,
    looked: Instant,
}

impl Portable {
    /// Takes the first look, which later ones are compared with.
    pub fn new() -> Result<Portable, String> {
        let kind = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram().with_swap());
        let system = System::new_with_specifics(kind).map_err(|e| e.to_string())?;
        let networks = Networks::new_with_refreshed_list().map_err(|e| e.to_string())?;
        let mut out = Portable { system, networks, looked: Instant::now() };
        out.refresh_processes();
        Ok(out)
    }

    /// The machine since the look before. User and system are not told apart: all work counts as user.
    pub fn sample(&mut self, seconds: f64) -> HostSample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let s = &self.system;
        let load = System::load_average().ok();
        let rate = |bytes: u64| if seconds > 0.0 { (bytes as f64 / seconds) as u64 } else { 0 };
        let outer = || self.networks.iter().filter(|(name, _)| !name.to_string_lossy().starts_with("lo"));
        HostSample {
            cpu: CpuModes { user_pct: tenth(f64::from(s.global_cpu_usage())), ..CpuModes::default() },
            cores_user_system_iowait_steal_pct: s
                .cpus()
                .iter()
                .map(|c| [c.usage().round().clamp(0.0, 100.0) as u8, 0, 0, 0])
                .collect(),
            load_1_5_15: load.map_or([0.0; 3], |l| [l.one, l.five, l.fifteen].map(tenth)),
            memory: Memory {
                total_bytes: s.total_memory(),
                used_bytes: s.total_memory().saturating_sub(s.available_memory()),
                available_bytes: s.available_memory(),
                ..Memory::default()
            },
            swap: Swap { total_bytes: s.total_swap(), used_bytes: s.used_swap(), ..Swap::default() },
            network: Network {
                rx_bytes_per_s: rate(outer().map(|(_, n)| n.received()).sum()),
                tx_bytes_per_s: rate(outer().map(|(_, n)| n.transmitted()).sum()),
                ..Network::default()
            },
            ..HostSample::default()
        }
    }

    fn refresh_processes(&mut self) {
        let kind =
            ProcessRefreshKind::nothing().with_cpu().with_memory().with_cmd(UpdateKind::OnlyIfNotSet).without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        self.looked = Instant::now();
    }

    /// The thirty busiest processes since the look before.
    pub fn processes(&mut self) -> ProcessTable {
        let before = self.looked;
        self.refresh_processes();
        let interval_ms = u32::try_from(self.looked.duration_since(before).as_millis()).unwrap_or(u32::MAX);
        let mut table = ProcessTable { interval_ms, ..ProcessTable::default() };
        for p in self.system.processes().values() {
            table.total += 1;
            let state = match p.status() {
                ProcessStatus::Run => 'R',
                ProcessStatus::UninterruptibleDiskSleep => 'D',
                ProcessStatus::Zombie => 'Z',
                ProcessStatus::Stop => 'T',
                ProcessStatus::Idle => 'I',
                _ => 'S',
            };
            match state {
                'R' => table.running += 1,
                'D' => table.uninterruptible += 1,
                'Z' => table.zombies += 1,
                _ => {}
            }
            let name = p.name().to_string_lossy();
            let command: String = p.cmd().iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ");
            table.rows.push(ProcessRow {
                pid: p.pid().as_u32(),
                started_s: i64::try_from(p.start_time()).unwrap_or(0),
                ppid: p.parent().map_or(0, |p| p.as_u32()),
                cpu_pct_of_one_core: Some(tenth(f64::from(p.cpu_usage()))),
                rss_bytes: p.memory(),
                state,
                command: command.chars().take(160).collect::<String>().into(),
                name: name.as_ref().into(),
                ..ProcessRow::default()
            });
        }
        let cpu = |r: &ProcessRow| r.cpu_pct_of_one_core.unwrap_or(0.0);
        table
            .rows
            .sort_by(|a, b| cpu(b).total_cmp(&cpu(a)).then(b.rss_bytes.cmp(&a.rss_bytes)).then(a.pid.cmp(&b.pid)));
        table.rows.truncate(30);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_memory_and_this_process() {
        let mut p = Portable::new().unwrap();
        let s = p.sample(1.0);
        assert!(s.cores() > 0 && s.memory.total_bytes > s.memory.used_bytes);
        assert!(p.processes().total > 0);
    }
}
