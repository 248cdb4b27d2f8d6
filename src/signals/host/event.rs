//! What can happen to a machine: samples, the process table, mounts, OOM kills, and what watching it costs.
//!
//! Everything here goes into recordings. Percentages and milliseconds are rounded to a tenth, so that JSON stays short
//! and an encoded event compares equal to its original. Counters are already rates: between two looks, per second.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::signals::tagged::tag_first;
use crate::timeline::Ts;

/// Facts about the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", tag = "kind")]
pub enum HostEvent {
    /// The machine in figures; every second.
    Sample(Box<HostSample>),
    /// The busiest and the biggest processes; every two seconds, less often when looking is dear.
    Processes(Box<ProcessTable>),
    /// All real mounts; every ten seconds.
    Mounts {
        /// Sorted by path.
        mounts: Vec<Mount>,
    },
    /// Files that were deleted and still fill a disk because a process holds them; every minute.
    OpenDeleted {
        /// Largest first, at most twenty, none under a mebibyte.
        files: Vec<DeletedFile>,
        /// Processes whose descriptors may not be read.
        unreadable: u32,
    },
    /// The kernel killed something to get memory back.
    OomKill(OomKill),
    /// What watching costs; every five seconds.
    OwnCost(OwnCost),
}
tag_first!(HostEvent, "kind", {
    "sample" => Sample,
    "processes" => Processes,
    "oom_kill" => OomKill,
    "own_cost" => OwnCost,
});

/// Rounds to a tenth; what is not a number becomes zero.
pub fn tenth(value: f64) -> f32 {
    if value.is_finite() { ((value * 10.0).round() / 10.0) as f32 } else { 0.0 }
}

/// The machine in figures, between this look and the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSample {
    /// All cores together; 100 is all of them.
    pub cpu: CpuModes,
    /// Per core in whole percent: user, system, iowait, steal.
    pub cores_user_system_iowait_steal_pct: Vec<[u8; 4]>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load_1_5_15: [f32; 3],
    /// Processes that want a CPU right now.
    pub running: u32,
    /// Processes that wait for a disk right now.
    pub blocked: u32,
    /// Memory of the machine.
    pub memory: Memory,
    /// Swap of the machine.
    pub swap: Swap,
    /// Pressure stall information; `None` on kernels without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// The busiest disks, at most four, busiest first.
    pub disks: Vec<DiskIo>,
    /// All physical interfaces together.
    pub network: Network,
    /// Limits of the container we are in, when we are in one that has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupLimits>,
    /// OOM kills since boot, as the kernel counts; `None` on kernels before 4.13.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kills_since_boot: Option<u64>,
    /// Parts that the export which this was read from does not tell: their zeros mean nothing. Empty for what was watched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Part>,
}

/// Parts of a sample that an export of other programs may lack.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// CPU modes and cores.
    Cpu,
    /// Load averages.
    Load,
    /// Memory and swap.
    Memory,
    /// Interfaces.
    Network,
    /// Pressure stall information.
    Pressure,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 5] = [Part::Cpu, Part::Load, Part::Memory, Part::Network, Part::Pressure];
}

impl HostSample {
    /// Whether it tells anything of this part.
    pub fn tells(&self, part: Part) -> bool {
        !self.untold.contains(&part)
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores_user_system_iowait_steal_pct.len()
    }

    /// What runs out first: bytes used and the limit, and whether the limit is the container's.
    pub fn memory_used_of(&self) -> (u64, u64, bool) {
        match self.cgroup.as_ref().and_then(|c| Some((c.memory_used_bytes?, c.memory_limit_bytes?))) {
            Some((used, limit)) if limit < self.memory.total_bytes => (used, limit, true),
            _ => (self.memory.used_bytes, self.memory.total_bytes, false),
        }
    }
}

/// Where CPU time went, in percent.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuModes {
    /// Programs, nice ones and guests included.
    pub user_pct: f32,
    /// The kernel, interrupts included.
    pub system_pct: f32,
    /// Idle with a disk request under way. Not work: low pressure and high iowait is an idle box with a slow disk.
    pub iowait_pct: f32,
    /// Taken by the hypervisor for others.
    pub steal_pct: f32,
}

impl CpuModes {
    /// Work done here: user and system.
    pub fn busy_pct(&self) -> f32 {
        self.user_pct + self.system_pct
    }
}

/// Memory in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// All there is.
    pub total_bytes: u64,
    /// What cannot be had: total minus available.
    pub used_bytes: u64,
    /// What programs could still get without swapping, as the kernel estimates.
    pub available_bytes: u64,
    /// Page cache, buffers and reclaimable slab, without shared memory.
    pub cache_bytes: u64,
    /// Waiting to be written to disk.
    pub dirty_bytes: u64,
}

/// Swap in bytes, and how fast it moves.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Swap {
    /// All there is; 0 without swap.
    pub total_bytes: u64,
    /// In use.
    pub used_bytes: u64,
    /// Read back.
    pub in_bytes_per_s: u64,
    /// Written out.
    pub out_bytes_per_s: u64,
}

/// Share of the last ten seconds in which some, or all (full), tasks waited for a resource.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Pressure {
    pub cpu_some_pct: f32,
    pub memory_some_pct: f32,
    pub memory_full_pct: f32,
    pub io_some_pct: f32,
    pub io_full_pct: f32,
    /// The same since the sample before, of the kernel's running totals: a mean of ten seconds speaks of a shortage for
    /// seconds after it has ended. `None` where only the mean is known, as in recordings of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_last: Option<Stalls>,
}

/// Share of the time between two samples in which some, or all (full), tasks waited for a resource.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Stalls {
    pub cpu_some_pct: f32,
    pub memory_full_pct: f32,
    pub io_full_pct: f32,
}

/// One disk between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskIo {
    /// Kernel name: `sda`, `nvme0n1`.
    pub name: CompactString,
    /// Read.
    pub read_bytes_per_s: u64,
    /// Written.
    pub write_bytes_per_s: u64,
    /// Mean time of a finished request, queueing included.
    pub await_ms: f32,
    /// Share of time with a request under way; 100 means busy, not necessarily full, on disks that work in parallel.
    pub util_pct: f32,
}

/// The network between two looks.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Received.
    pub rx_bytes_per_s: u64,
    /// Sent.
    pub tx_bytes_per_s: u64,
    /// Packets dropped or faulty, both ways.
    pub drops_per_s: f32,
    /// TCP segments sent again.
    pub retransmits_per_s: f32,
}

/// What the container allows, the strictest along the path from its cgroup to the root.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CgroupLimits {
    /// 1 or 2.
    pub version: u8,
    /// Memory limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Memory used without inactive file pages: what counts when the limit is near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// CPU limit in cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota_cores: Option<f32>,
    /// Share of scheduling periods in which the limit was hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_pct: Option<f32>,
    /// OOM kills in this cgroup since it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
}

/// The process table at one instant: counts over all, rows of the busiest and the biggest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessTable {
    /// All processes that could be seen, kernel threads included.
    pub total: u32,
    /// In state R.
    pub running: u32,
    /// In state D: waiting for a disk or a dead file server, cannot be killed.
    pub uninterruptible: u32,
    /// In state Z: ended, not collected by their parent.
    pub zombies: u32,
    /// Milliseconds since the look before: what CPU percentages are a share of.
    pub interval_ms: u32,
    /// At most thirty rows: busiest first, then biggest, then by PID.
    pub rows: Vec<ProcessRow>,
    /// Use by unit or container over all processes, at most twelve, in the same order; empty where there is none.
    pub units: Vec<UnitUse>,
}

impl ProcessTable {
    /// In the order in which they are shown.
    pub fn sort_by_use(&mut self) {
        self.rows.sort_by(|a, b| {
            let cpu = |r: &ProcessRow| r.cpu_pct_of_one_core.unwrap_or(0.0);
            cpu(b).total_cmp(&cpu(a)).then(b.rss_bytes.cmp(&a.rss_bytes)).then(a.pid.cmp(&b.pid))
        });
        self.units.sort_by(|a, b| {
            let cpu = b.cpu_pct_of_one_core.total_cmp(&a.cpu_pct_of_one_core);
            cpu.then(b.rss_bytes.cmp(&a.rss_bytes)).then_with(|| a.unit.cmp(&b.unit))
        });
    }

    /// In the order that changes least from one table to the next: processes by PID, units by name.
    pub fn sort_by_name(&mut self) {
        self.rows.sort_by_key(|r| r.pid);
        self.units.sort_by(|a, b| a.unit.cmp(&b.unit));
    }
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessRow {
    /// Process ID.
    pub pid: u32,
    /// Start, seconds since the epoch; with the PID it names a process for good.
    pub started_s: i64,
    /// Parent.
    pub ppid: u32,
    /// Owner's name, or number.
    pub user: CompactString,
    /// Percent of one core; `None` in the first look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_pct_of_one_core: Option<f32>,
    /// Resident memory, shared pages included.
    pub rss_bytes: u64,
    /// One letter, as the kernel gives it: R S D Z T I.
    pub state: char,
    /// The kernel's short name, at most 15 bytes.
    pub name: CompactString,
    /// The command line, at most 160 bytes; equal to the name where it cannot be read. May hold secrets: redacted at
    /// capture.
    pub command: CompactString,
    /// Systemd unit or container, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<CompactString>,
}

/// What one unit or container uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitUse {
    /// `checkout.service`, `docker 1f3a9c0b2d4e`.
    pub unit: CompactString,
    /// Its processes.
    pub processes: u32,
    /// Percent of one core.
    pub cpu_pct_of_one_core: f32,
    /// Sum of resident memory; shared pages are counted once per process.
    pub rss_bytes: u64,
}

/// One mounted file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Where.
    pub path: CompactString,
    /// What: a device, `server:/export`.
    pub device: CompactString,
    /// File system: `ext4`, `nfs4`.
    pub fs: CompactString,
    /// Size.
    pub total_bytes: u64,
    /// In use, counted as `df` does.
    pub used_bytes: u64,
    /// Left for ordinary users.
    pub available_bytes: u64,
    /// Inodes in use; 0 where the file system has no fixed number.
    pub inodes_used_pct: f32,
    /// Mounted read-only.
    pub read_only: bool,
    /// Since when it does not answer; figures are then the last known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Ts>,
}

impl Mount {
    /// Space in use as `df` shows it: of what ordinary users could have.
    pub fn used_pct(&self) -> f32 {
        let reachable = self.used_bytes.saturating_add(self.available_bytes);
        if reachable == 0 { 0.0 } else { (self.used_bytes as f64 / reachable as f64 * 100.0) as f32 }
    }
}

/// A deleted file that a process keeps alive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeletedFile {
    /// Path it had.
    pub path: CompactString,
    /// Size it still takes.
    pub size_bytes: u64,
    /// Who holds it.
    pub pid: u32,
    /// Its name.
    pub process: CompactString,
}

/// One OOM kill, or several of which only the number is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OomKill {
    /// When the kernel wrote it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Ts>,
    /// How many kills this stands for.
    pub kills: u32,
    /// Name of the victim; `None` when the kernel's log cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub victim: Option<CompactString>,
    /// Its PID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its unit or container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CompactString>,
    /// Anonymous memory it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// The limit was the cgroup's, not the machine's.
    pub by_cgroup_limit: bool,
}

/// What this program costs the machine.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnCost {
    /// Percent of one core.
    pub cpu_pct_of_one_core: f32,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Bytes handed to write calls: recording, terminal, sockets.
    pub written_bytes_per_s: u64,
    /// Bytes asked for by read calls.
    pub read_bytes_per_s: u64,
    /// Longest look at the machine since the last time, in milliseconds.
    pub longest_look_ms: f32,
}
