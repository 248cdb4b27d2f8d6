//! One look at the machine: reads the small files, keeps the counters, gives a sample of what happened in between.

use std::collections::BTreeMap;

use super::cgroup::{CgroupReader, Throttling};
use super::cpu::CpuCounters;
use super::disk::DiskCounters;
use super::memory::VmCounters;
use super::network::NetCounters;
use super::pressure::StallCounters;
use super::{cpu, disk, memory, network, pressure, read};
use crate::signals::Roots;
use crate::signals::host::event::{HostSample, Pressure};

/// Counters of one look.
#[derive(Clone, Debug, Default)]
struct Counters {
    cpu: CpuCounters,
    vm: VmCounters,
    disks: BTreeMap<String, DiskCounters>,
    net: NetCounters,
    throttling: Option<Throttling>,
    stalls: Option<StallCounters>,
}

/// Looks at the machine again and again.
pub struct Sampler {
    roots: Roots,
    cgroup: Option<CgroupReader>,
    before: Option<Counters>,
}

impl Sampler {
    /// Nothing is read yet but where our limits are.
    pub fn new(roots: &Roots) -> Sampler {
        Sampler { roots: roots.clone(), cgroup: CgroupReader::find(roots), before: None }
    }

    /// Looks; `seconds` is the time since the look before. The first look gives `None`, for there is nothing to compare
    /// with. Fails when there is no readable `/proc/stat`.
    pub fn look(&mut self, seconds: f64) -> Result<Option<HostSample>, String> {
        let proc = &self.roots.proc;
        let stat = proc.join("stat");
        let text = |name: &str| read::text(&proc.join(name)).unwrap_or_default();
        let cpu = read::text(&stat)
            .and_then(|t| cpu::parse_stat(&t))
            .ok_or_else(|| format!("cannot read {}: is procfs mounted and visible here?", stat.display()))?;
        let limits = self.cgroup.as_ref().and_then(|c| c.read(self.before.as_ref().and_then(|b| b.throttling)));
        let pressure = pressure::read(&self.roots);
        let after = Counters {
            cpu,
            vm: memory::parse_vmstat(&text("vmstat")),
            disks: disk::parse(&text("diskstats"), &self.roots),
            net: network::read(&self.roots),
            throttling: limits.map(|(_, t)| t),
            stalls: pressure.map(|(_, totals)| totals),
        };
        let sample = self.before.as_ref().map(|before| {
            let (memory, mut swap) = memory::parse_meminfo(&text("meminfo"));
            memory::swap_rates(&mut swap, &before.vm, &after.vm, seconds);
            HostSample {
                cpu: cpu::modes(&before.cpu, &after.cpu),
                cores_user_system_iowait_steal_pct: cpu::cores(&before.cpu, &after.cpu),
                load_1_5_15: cpu::parse_load(&text("loadavg")),
                running: after.cpu.running,
                blocked: after.cpu.blocked,
                memory,
                swap,
                pressure: pressure.map(|(mean, totals)| Pressure {
                    since_last: before.stalls.map(|b| pressure::since(&b, &totals, seconds)),
                    ..mean
                }),
                disks: disk::rates(&before.disks, &after.disks, seconds),
                network: network::rates(&before.net, &after.net, seconds),
                cgroup: limits.map(|(l, _)| l),
                oom_kills_since_boot: after.vm.oom_kills,
                untold: Vec::new(),
            }
        });
        self.before = Some(after);
        Ok(sample)
    }

    /// Seconds since the epoch at which the machine booted; 0 before the first look.
    pub fn boot_s(&self) -> i64 {
        self.before.as_ref().map_or(0, |b| b.cpu.boot_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::host::event::Stalls;
    use crate::signals::host::sources::fixture::Tree;

    fn box_without_psi() -> Tree {
        let t = Tree::new();
        t.put("proc/stat", "cpu 100 0 100 800 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0\nbtime 1000\nprocs_running 2\n")
            .put("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\n")
            .put("proc/vmstat", "pswpin 0\npswpout 10\noom_kill 3\n")
            .put("proc/loadavg", "1.50 0.70 0.20 2/300 4242\n")
            .put(
                "proc/diskstats",
                "8 0 sda 10 0 100 50 10 0 200 50 0 1000 100\n8 1 sda1 10 0 100 50 10 0 200 50 0 9 9\n",
            )
            .put("sys/block/sda/size", "1")
            .put(
                "proc/net/dev",
                "h\nh\n eth0: 1000 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n",
            )
            .put("proc/net/snmp", "Tcp: InSegs RetransSegs\nTcp: 100 7\n");
        t
    }

    #[test]
    fn rates_are_those_between_two_looks_and_a_kernel_without_psi_has_none() {
        let t = box_without_psi();
        let mut s = Sampler::new(&t.roots());
        assert_eq!(s.look(0.0).unwrap(), None);
        t.put("proc/stat", "cpu 150 0 110 840 0 0 0 0\ncpu0 150 0 110 840 0 0 0 0\nbtime 1000\nprocs_running 5\n")
            .put("proc/vmstat", "pswpin 0\npswpout 12\noom_kill 4\n")
            .put("proc/diskstats", "8 0 sda 10 0 100 50 20 0 2248 90 0 2000 100\n8 1 sda1 9 9 9 9 9 9 9 9 9 9 9\n")
            .put("proc/net/dev", "h\nh\n eth0: 3000 1 0 0 0 0 0 0 900 1 0 6 0 0 0 0\n")
            .put("proc/net/snmp", "Tcp: InSegs RetransSegs\nTcp: 100 11\n");
        let x = s.look(2.0).unwrap().unwrap();
        assert_eq!((x.cpu.user_pct, x.cpu.system_pct, x.cores(), x.running), (50.0, 10.0, 1, 5));
        assert_eq!(x.disks.len(), 1, "a partition is not a disk");
        let d = &x.disks[0];
        assert_eq!((d.write_bytes_per_s, d.await_ms, d.util_pct), (2048 * 512 / 2, 4.0, 50.0));
        assert_eq!((x.network.rx_bytes_per_s, x.network.tx_bytes_per_s), (1000, 200));
        assert_eq!((x.network.drops_per_s, x.network.retransmits_per_s), (3.0, 2.0));
        assert_eq!(x.swap.out_bytes_per_s, procfs::page_size());
        assert_eq!((x.pressure, x.oom_kills_since_boot, s.boot_s()), (None, Some(4), 1000));
    }

    #[test]
    fn the_share_waited_since_the_look_before_is_told_beside_the_mean_of_ten_seconds() {
        let t = box_without_psi();
        let put = |name: &str, mean: &str, some: u64, full: u64| {
            let line = |what, total| format!("{what} avg10={mean} avg60=0.00 avg300=0.00 total={total}\n");
            t.put(&format!("proc/pressure/{name}"), format!("{}{}", line("some", some), line("full", full)));
        };
        for name in ["cpu", "memory", "io"] {
            put(name, "60.21", 5_000_000, 4_000_000);
        }
        let mut s = Sampler::new(&t.roots());
        assert_eq!(s.look(0.0).unwrap(), None);
        put("cpu", "60.21", 5_060_000, 4_000_000);
        put("memory", "3.00", 9_000_000, 4_500_000);
        // Back to nothing: the counter was reset, which is no waiting.
        put("io", "0.50", 1_000, 0);
        let p = s.look(1.0).unwrap().unwrap().pressure.unwrap();
        assert_eq!((p.cpu_some_pct, p.memory_some_pct, p.memory_full_pct, p.io_full_pct), (60.2, 3.0, 3.0, 0.5));
        let stalls = Stalls { cpu_some_pct: 6.0, memory_full_pct: 50.0, io_full_pct: 0.0 };
        assert_eq!(p.since_last, Some(stalls));
    }

    #[test]
    fn a_sample_survives_json_unchanged_and_short() {
        let t = box_without_psi();
        let mut s = Sampler::new(&t.roots());
        let _ = s.look(0.0);
        let sample = s.look(1.0).unwrap().unwrap();
        let json = serde_json::to_string(&sample).unwrap();
        assert_eq!(serde_json::from_str::<HostSample>(&json).unwrap(), sample);
        assert!(json.len() < 1_000, "{} bytes: {json}", json.len());
    }

    #[test]
    fn no_procfs_is_an_error_that_says_where_it_looked() {
        let t = Tree::new();
        let e = Sampler::new(&t.roots()).look(1.0).unwrap_err();
        assert!(e.contains("proc/stat"), "{e}");
    }
}
