//! All that is known of the machine, as of any playhead.
//!
//! Keeps headline figures as series, whole samples and process tables for two hours, mounts for two hours, OOM kills for
//! long. "Full in" is worked out here from what mounts held, never by the source, so that replay comes to the same.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use super::event::{DeletedFile, HostEvent, HostSample, Mount, OomKill, OwnCost, Part, ProcessTable};
use super::process_tables::ProcessTables;
use crate::timeline::{Entry, History, Seq, Series, SourceId, TimeRange, Ts};

/// Samples kept: two hours at one a second.
const SAMPLES: usize = 7_200;
/// Mount tables kept: two hours at one every ten seconds.
const MOUNT_TABLES: usize = 720;
/// Paths of mounts remembered.
const PATHS: usize = 256;
/// OOM kills kept.
const KILLS: usize = 256;
/// The slope of a mount is the lesser of those over these two spans: one large file is no trend, nor is a trend that has
/// ended.
const SLOPES: [Duration; 2] = [Duration::from_secs(900), Duration::from_secs(120)];
/// A mount watched for less has no slope.
const SLOPE_LEAST: Duration = Duration::from_secs(60);

/// Headline figures over time; percent unless said otherwise.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct HostSeries {
    /// User and system together.
    pub cpu: Series,
    pub user: Series,
    pub system: Series,
    pub iowait: Series,
    pub steal: Series,
    /// Of the limit that counts: the container's or the machine's.
    pub memory: Series,
    pub swap: Series,
    /// PSI, "some".
    pub psi_cpu: Series,
    pub psi_memory: Series,
    pub psi_io: Series,
    /// Read and written, bytes a second, over the disks shown.
    pub disk: Series,
    /// Received and sent, bytes a second.
    pub net: Series,
}

/// The history of the machine.
#[derive(Clone, Debug)]
pub struct HostHistory {
    /// Headline figures.
    pub series: HostSeries,
    samples: History<HostSample>,
    processes: ProcessTables,
    mounts: History<Vec<Mount>>,
    deleted: History<(Vec<DeletedFile>, u32)>,
    kills: History<OomKill>,
    own: History<OwnCost>,
    /// When a mount was first seen to be writable.
    writable: BTreeMap<CompactString, Ts>,
}

impl Default for HostHistory {
    fn default() -> HostHistory {
        HostHistory {
            series: HostSeries::default(),
            samples: History::new(SAMPLES),
            processes: ProcessTables::default(),
            mounts: History::new(MOUNT_TABLES),
            deleted: History::new(120),
            kills: History::new(KILLS),
            own: History::new(720),
            writable: BTreeMap::new(),
        }
    }
}

/// CPU as of a moment.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct CpuNow {
    /// When it was sampled.
    pub at: Ts,
    /// User and system, percent of all cores.
    pub busy_pct: f64,
    /// Idle with a disk request under way.
    pub iowait_pct: f64,
    /// Taken by the hypervisor.
    pub steal_pct: f64,
    /// Cores of the machine.
    pub cores: usize,
}

/// Memory as of a moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct MemoryNow {
    /// When it was sampled.
    pub at: Ts,
    /// In use.
    pub used_bytes: u64,
    /// The limit that counts.
    pub total_bytes: u64,
    /// That limit is the container's.
    pub of_container: bool,
}

/// The mount that is in most trouble.
#[derive(Clone, Debug, PartialEq)]
pub struct MountNow {
    /// When it was looked at.
    pub at: Ts,
    /// The mount.
    pub mount: Mount,
    /// When it is full, at the pace of the last minutes.
    pub full_in: Option<Duration>,
}

impl HostHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &HostEvent) {
        let _ = source;
        match event {
            HostEvent::Sample(s) => self.sample(seq, observed, s),
            HostEvent::Processes(t) => self.processes.push(seq, observed, t),
            HostEvent::Mounts { mounts } => {
                for m in mounts.iter().filter(|m| !m.read_only) {
                    if self.writable.len() < PATHS || self.writable.contains_key(&m.path) {
                        let first = self.writable.entry(m.path.clone()).or_insert(observed);
                        *first = observed.min(*first);
                    }
                }
                self.mounts.push(observed, observed, seq, mounts.clone());
            }
            HostEvent::OpenDeleted { files, unreadable } => {
                self.deleted.push(observed, observed, seq, (files.clone(), *unreadable));
            }
            HostEvent::OomKill(k) => self.kills.push(k.at.unwrap_or(observed), observed, seq, k.clone()),
            HostEvent::OwnCost(c) => self.own.push(observed, observed, seq, *c),
        }
    }

    fn sample(&mut self, seq: Seq, at: Ts, s: &HostSample) {
        let share = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 * 100.0 };
        let (used, total, _) = s.memory_used_of();
        let f = &mut self.series;
        let disks = s.disks.iter().map(|d| (d.read_bytes_per_s as f64) + (d.write_bytes_per_s as f64)).sum();
        for (part, series, v) in [
            (Some(Part::Cpu), &mut f.cpu, f64::from(s.cpu.busy_pct())),
            (Some(Part::Cpu), &mut f.user, f64::from(s.cpu.user_pct)),
            (Some(Part::Cpu), &mut f.system, f64::from(s.cpu.system_pct)),
            (Some(Part::Cpu), &mut f.iowait, f64::from(s.cpu.iowait_pct)),
            (Some(Part::Cpu), &mut f.steal, f64::from(s.cpu.steal_pct)),
            (Some(Part::Memory), &mut f.memory, share(used, total)),
            (Some(Part::Memory), &mut f.swap, share(s.swap.used_bytes, s.swap.total_bytes)),
            (None, &mut f.disk, disks),
            (Some(Part::Network), &mut f.net, s.network.rx_bytes_per_s as f64 + s.network.tx_bytes_per_s as f64),
        ] {
            if part.is_none_or(|part| s.tells(part)) {
                series.push(at, v);
            }
        }
        if let Some(p) = s.pressure {
            f.psi_cpu.push(at, f64::from(p.cpu_some_pct));
            f.psi_memory.push(at, f64::from(p.memory_some_pct));
            f.psi_io.push(at, f64::from(p.io_some_pct));
        }
        self.samples.push(at, at, seq, s.clone());
    }

    /// The newest sample as of `now`, however old; its entry says when it was taken.
    pub fn latest(&self, now: Ts) -> Option<&Entry<HostSample>> {
        self.samples.latest(now)
    }

    /// Samples as of `now`, newest first.
    pub fn samples(&self, now: Ts) -> impl Iterator<Item = &Entry<HostSample>> {
        self.samples.upto(now)
    }

    /// The newest process table as of `now`, and when it was taken.
    pub fn processes(&self, now: Ts) -> Option<(Ts, ProcessTable)> {
        self.processes.as_of(now)
    }

    /// The newest mount table as of `now`, each with the time until it is full; sorted by path.
    pub fn mounts(&self, now: Ts) -> Vec<MountNow> {
        let Some(e) = self.mounts.latest(now) else { return Vec::new() };
        e.value.iter().map(|m| MountNow { at: e.at, mount: m.clone(), full_in: self.full_in(m, e.at) }).collect()
    }

    /// When a mount is full at its recent pace. `None` when it does not fill, is silent, has been watched for less than a
    /// minute, or has more than a week left.
    fn full_in(&self, m: &Mount, at: Ts) -> Option<Duration> {
        if m.silent_since.is_some() || m.read_only {
            return None;
        }
        let mut pace = f64::INFINITY;
        for span in SLOPES {
            pace = pace.min(self.bytes_per_second(m, TimeRange::ending(at, span))?);
        }
        let left = m.available_bytes as f64 / pace;
        (left < 7.0 * 86_400.0).then(|| Duration::from_secs_f64(left))
    }

    /// Growth between the first look inside `range` and the mount as given at its end; `None` when there was none.
    fn bytes_per_second(&self, m: &Mount, range: TimeRange) -> Option<f64> {
        let (first, used) = self.mounts.within(range, range.end).find_map(|e| {
            let then = e.value.iter().find(|o| o.path == m.path && o.device == m.device)?;
            (then.total_bytes == m.total_bytes && then.silent_since.is_none()).then_some((e.at, then.used_bytes))
        })?;
        let (seconds, grown) = (range.end.since(first), m.used_bytes.checked_sub(used)?);
        (seconds >= SLOPE_LEAST && grown > 0).then(|| grown as f64 / seconds.as_secs_f64())
    }

    /// Whether a mount was writable at some earlier look: then read-only is news.
    pub fn was_writable(&self, path: &str, now: Ts) -> bool {
        self.writable.get(path).is_some_and(|first| *first <= now)
    }

    /// What stays of the time before `at`, the beginning of a minute: figures by the minute, and what is kept for long.
    /// Everything else of a window onto the past is to be folded behind it.
    pub fn before(&self, at: Ts) -> HostHistory {
        let f = &self.series;
        HostHistory {
            series: HostSeries {
                cpu: f.cpu.before(at),
                user: f.user.before(at),
                system: f.system.before(at),
                iowait: f.iowait.before(at),
                steal: f.steal.before(at),
                memory: f.memory.before(at),
                swap: f.swap.before(at),
                psi_cpu: f.psi_cpu.before(at),
                psi_memory: f.psi_memory.before(at),
                psi_io: f.psi_io.before(at),
                disk: f.disk.before(at),
                net: f.net.before(at),
            },
            kills: self.kills.clone(),
            writable: self.writable.clone(),
            ..HostHistory::default()
        }
    }

    /// Up to when something was let go that a window onto the past brings back.
    pub fn let_go_upto(&self) -> Option<Ts> {
        self.samples.evicted_upto().max(self.processes.evicted_upto()).max(self.mounts.evicted_upto())
    }

    /// The mount closest to trouble: silent first, then soonest full within a day, then fullest by space or inodes.
    pub fn fullest_mount(&self, now: Ts) -> Option<MountNow> {
        self.mounts(now).into_iter().max_by(|a, b| {
            let rank = |m: &MountNow| {
                let fill = f64::from(m.mount.used_pct().max(m.mount.inodes_used_pct));
                let soon = m.full_in.filter(|d| d.as_secs() < 86_400).map_or(0.0, |d| 1e5 - d.as_secs_f64());
                if m.mount.silent_since.is_some() { 1e9 } else { fill.max(soon) }
            };
            // On a tie the one that comes first by path.
            rank(a).total_cmp(&rank(b)).then_with(|| b.mount.path.cmp(&a.mount.path))
        })
    }

    /// Deleted files still held open, largest first, and how many processes could not be looked into.
    pub fn open_deleted(&self, now: Ts) -> Option<(&[DeletedFile], u32)> {
        self.deleted.latest(now).map(|e| (e.value.0.as_slice(), e.value.1))
    }

    /// OOM kills placed inside `range` and visible at `now`, oldest first.
    pub fn oom_kills(&self, range: TimeRange, now: Ts) -> impl Iterator<Item = &Entry<OomKill>> {
        self.kills.within(range, now)
    }

    /// The newest OOM kill as of `now`.
    pub fn last_oom_kill(&self, now: Ts) -> Option<&Entry<OomKill>> {
        self.kills.latest(now)
    }

    /// CPU as of `now`.
    pub fn cpu(&self, now: Ts) -> Option<CpuNow> {
        let e = self.latest(now)?;
        let c = e.value.cpu;
        Some(CpuNow {
            at: e.at,
            busy_pct: f64::from(c.busy_pct()),
            iowait_pct: f64::from(c.iowait_pct),
            steal_pct: f64::from(c.steal_pct),
            cores: e.value.cores(),
        })
    }

    /// Memory as of `now`.
    pub fn memory(&self, now: Ts) -> Option<MemoryNow> {
        let e = self.latest(now)?;
        let (used_bytes, total_bytes, of_container) = e.value.memory_used_of();
        Some(MemoryNow { at: e.at, used_bytes, total_bytes, of_container })
    }

    /// What this program costs, as of `now`.
    pub fn own_cost(&self, now: Ts) -> Option<OwnCost> {
        self.own.latest(now).map(|e| e.value)
    }

    /// Facts that fell off the far end: samples, process tables, mount tables, OOM kills.
    pub fn evicted(&self) -> [u64; 4] {
        [self.samples.evicted(), self.processes.evicted(), self.mounts.evicted(), self.kills.evicted()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(used: u64) -> HostEvent {
        let root = Mount {
            path: "/".into(),
            total_bytes: 1_000,
            used_bytes: used,
            available_bytes: 1_000 - used,
            ..Mount::default()
        };
        HostEvent::Mounts { mounts: vec![root] }
    }

    #[test]
    fn a_mount_that_fills_says_when_it_is_full_and_one_that_does_not_says_nothing() {
        let mut h = HostHistory::default();
        for i in 0..=12u64 {
            h.apply(i + 1, SourceId(1), Ts::from_secs(i as i64 * 10), &mounts(400 + i * 10));
        }
        let early = h.fullest_mount(Ts::from_secs(30)).unwrap();
        assert_eq!(early.full_in, None, "half a minute is no trend");
        let late = h.fullest_mount(Ts::from_secs(125)).unwrap();
        assert_eq!(late.full_in, Some(Duration::from_secs(480)));
        h.apply(14, SourceId(1), Ts::from_secs(130), &mounts(300));
        assert_eq!(h.fullest_mount(Ts::from_secs(130)).unwrap().full_in, None);
    }

    #[test]
    fn a_kill_found_in_the_kernel_log_is_placed_when_it_happened_but_not_known_before_it_was_read() {
        let mut h = HostHistory::default();
        let kill = OomKill { at: Some(Ts::from_secs(50)), kills: 1, ..OomKill::default() };
        h.apply(1, SourceId(1), Ts::from_secs(100), &HostEvent::OomKill(kill));
        assert!(h.last_oom_kill(Ts::from_secs(60)).is_none());
        assert_eq!(h.last_oom_kill(Ts::from_secs(100)).map(|e| e.at), Some(Ts::from_secs(50)));
    }

    #[test]
    fn the_containers_limit_is_the_denominator_when_it_is_lower() {
        let mut h = HostHistory::default();
        let mut s = HostSample::default();
        s.memory.total_bytes = 64 << 30;
        s.memory.used_bytes = 8 << 30;
        s.cgroup = Some(crate::signals::host::event::CgroupLimits {
            version: 2,
            memory_limit_bytes: Some(1 << 30),
            memory_used_bytes: Some(1 << 29),
            ..Default::default()
        });
        h.apply(1, SourceId(1), Ts::from_secs(1), &HostEvent::Sample(Box::new(s)));
        let m = h.memory(Ts::from_secs(1)).unwrap();
        assert_eq!((m.used_bytes, m.total_bytes, m.of_container), (1 << 29, 1 << 30, true));
        assert_eq!(h.series.memory.as_of(Ts::from_secs(1)).map(|x| x.1), Some(50.0));
    }
}
