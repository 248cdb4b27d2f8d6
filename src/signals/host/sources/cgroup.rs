//! What the container we run in allows: memory and CPU limits of cgroup v2, v1 and hybrid trees.
//!
//! The cgroup looked at is that of process 1: in a container that is the container, on a machine it is the root, which
//! has no limits. Our own cgroup would be a login session, whose limit says nothing of the machine.

use std::path::{Path, PathBuf};

use super::read;
use crate::signals::Roots;
use crate::signals::host::event::{CgroupLimits, tenth};

/// A v1 file without a limit holds the largest multiple of a page; nothing real is that large.
const NO_LIMIT: u64 = 1 << 60;

/// Counters of the CPU limit since the cgroup was made.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    periods: u64,
    throttled: u64,
}

/// Where limits are found; worked out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupReader {
    /// From the innermost cgroup outwards; v2 files.
    v2: Vec<PathBuf>,
    v1_memory: Vec<PathBuf>,
    v1_cpu: Vec<PathBuf>,
}

impl CgroupReader {
    /// Looks for the cgroup of process 1; `None` when there is no cgroup tree.
    pub fn find(roots: &Roots) -> Option<CgroupReader> {
        let text = read::text(&roots.proc.join("1/cgroup")).or_else(|| read::text(&roots.proc.join("self/cgroup")))?;
        let base = roots.sys.join("fs/cgroup");
        let mut out = CgroupReader { v2: Vec::new(), v1_memory: Vec::new(), v1_cpu: Vec::new() };
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let has = |c: &str| controllers.split(',').any(|x| x == c);
            if controllers.is_empty() {
                // Hybrid trees mount v2 aside, without controllers.
                if base.join("cgroup.controllers").exists() {
                    out.v2 = outwards(&base, path);
                }
            } else if has("memory") {
                out.v1_memory = outwards(&base.join("memory"), path);
            } else if has("cpu") {
                let joint = base.join("cpu,cpuacct");
                out.v1_cpu = outwards(&if joint.is_dir() { joint } else { base.join("cpu") }, path);
            }
        }
        (!(out.v2.is_empty() && out.v1_memory.is_empty() && out.v1_cpu.is_empty())).then_some(out)
    }

    /// The strictest limits, and the counters that throttling is worked out from.
    pub fn read(&self, before: Option<Throttling>) -> Option<(CgroupLimits, Throttling)> {
        let (mut limits, throttling) = if self.v2.is_empty() { self.read_v1() } else { self.read_v2() };
        if limits.memory_limit_bytes.is_none() && limits.cpu_quota_cores.is_none() {
            return None;
        }
        if let (Some(a), true) = (before, limits.cpu_quota_cores.is_some()) {
            let periods = throttling.periods.saturating_sub(a.periods);
            let hit = throttling.throttled.saturating_sub(a.throttled);
            limits.throttled_pct = Some(tenth(if periods > 0 { hit as f64 / periods as f64 * 100.0 } else { 0.0 }));
        }
        Some((limits, throttling))
    }

    fn read_v2(&self) -> (CgroupLimits, Throttling) {
        let mut out = CgroupLimits { version: 2, ..CgroupLimits::default() };
        let mut throttling = Throttling::default();
        for dir in &self.v2 {
            if let Some(limit) = read::number(&dir.join("memory.max"))
                && out.memory_limit_bytes.is_none_or(|l| limit < l)
            {
                let stat = read::text(&dir.join("memory.stat")).unwrap_or_default();
                let inactive = read::keyed(&stat, "inactive_file").unwrap_or(0);
                out.memory_limit_bytes = Some(limit);
                out.memory_used_bytes = read::number(&dir.join("memory.current")).map(|u| u.saturating_sub(inactive));
                let events = read::text(&dir.join("memory.events")).unwrap_or_default();
                out.oom_kills = read::keyed(&events, "oom_kill");
            }
            let quota = read::text(&dir.join("cpu.max")).and_then(|t| {
                let mut words = t.split_whitespace().map(|w| w.parse::<f64>().ok());
                let (quota, period) = (words.next()??, words.next()??);
                (period > 0.0).then_some(quota / period)
            });
            take_quota(&mut out, &mut throttling, quota, dir);
        }
        (out, throttling)
    }

    fn read_v1(&self) -> (CgroupLimits, Throttling) {
        let mut out = CgroupLimits { version: 1, ..CgroupLimits::default() };
        let mut throttling = Throttling::default();
        for dir in &self.v1_memory {
            let limit = read::number(&dir.join("memory.limit_in_bytes")).filter(|&l| l < NO_LIMIT);
            if let Some(limit) = limit
                && out.memory_limit_bytes.is_none_or(|l| limit < l)
            {
                let stat = read::text(&dir.join("memory.stat")).unwrap_or_default();
                let inactive = read::keyed(&stat, "total_inactive_file").unwrap_or(0);
                out.memory_limit_bytes = Some(limit);
                out.memory_used_bytes =
                    read::number(&dir.join("memory.usage_in_bytes")).map(|u| u.saturating_sub(inactive));
                let control = read::text(&dir.join("memory.oom_control")).unwrap_or_default();
                out.oom_kills = read::keyed(&control, "oom_kill");
            }
        }
        for dir in &self.v1_cpu {
            // -1 is no limit and does not parse.
            let quota = read::number(&dir.join("cpu.cfs_quota_us")).zip(read::number(&dir.join("cpu.cfs_period_us")));
            let quota = quota.filter(|&(_, p)| p > 0).map(|(q, p)| q as f64 / p as f64);
            take_quota(&mut out, &mut throttling, quota, dir);
        }
        (out, throttling)
    }
}

fn take_quota(out: &mut CgroupLimits, throttling: &mut Throttling, quota: Option<f64>, dir: &Path) {
    let Some(cores) = quota else { return };
    if out.cpu_quota_cores.is_none_or(|q| cores < f64::from(q)) {
        let stat = read::text(&dir.join("cpu.stat")).unwrap_or_default();
        out.cpu_quota_cores = Some(((cores * 100.0).round() / 100.0) as f32);
        throttling.periods = read::keyed(&stat, "nr_periods").unwrap_or(0);
        throttling.throttled = read::keyed(&stat, "nr_throttled").unwrap_or(0);
    }
}

/// The folders from `path` below `base` outwards to `base` itself. A container often mounts only its own part of the
/// tree: then the path leads nowhere, and the base is the container.
fn outwards(base: &Path, path: &str) -> Vec<PathBuf> {
    let mut dir = base.join(path.trim_start_matches('/').trim_start_matches("../"));
    let mut out = Vec::new();
    loop {
        if dir.is_dir() {
            out.push(dir.clone());
        }
        if dir == *base || !dir.pop() || !dir.starts_with(base) {
            return out;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::host::sources::fixture::Tree;

    #[test]
    fn a_v2_container_is_bound_by_the_strictest_limit_on_the_way_up() {
        let t = Tree::new();
        t.put("proc/1/cgroup", "0::/kubepods/pod1\n")
            .put("sys/fs/cgroup/cgroup.controllers", "cpu memory")
            .put("sys/fs/cgroup/kubepods/pod1/memory.max", "max")
            .put("sys/fs/cgroup/kubepods/pod1/cpu.max", "150000 100000")
            .put("sys/fs/cgroup/kubepods/pod1/cpu.stat", "usage_usec 1\nnr_periods 100\nnr_throttled 40\n")
            .put("sys/fs/cgroup/kubepods/memory.max", "1000")
            .put("sys/fs/cgroup/kubepods/memory.current", "900")
            .put("sys/fs/cgroup/kubepods/memory.stat", "active_file 3\ninactive_file 300\n")
            .put("sys/fs/cgroup/kubepods/memory.events", "oom 4\noom_kill 2\n");
        let (l, _) =
            CgroupReader::find(&t.roots()).unwrap().read(Some(Throttling { periods: 50, throttled: 20 })).unwrap();
        assert_eq!((l.memory_limit_bytes, l.memory_used_bytes, l.oom_kills), (Some(1000), Some(600), Some(2)));
        assert_eq!((l.cpu_quota_cores, l.throttled_pct), (Some(1.5), Some(40.0)));
    }

    #[test]
    fn a_v1_container_that_sees_only_its_own_part_of_the_tree_is_read_at_the_mount() {
        let t = Tree::new();
        t.put("proc/1/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
            .put("sys/fs/cgroup/memory/memory.limit_in_bytes", "2048")
            .put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1024")
            .put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
            .put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
        let (l, _) = CgroupReader::find(&t.roots()).unwrap().read(None).unwrap();
        assert_eq!((l.version, l.memory_limit_bytes, l.memory_used_bytes), (1, Some(2048), Some(1024)));
        assert_eq!(l.cpu_quota_cores, None);
    }

    #[test]
    fn a_machine_without_limits_has_none() {
        let t = Tree::new();
        t.put("proc/1/cgroup", "0::/init.scope\n")
            .put("sys/fs/cgroup/cgroup.controllers", "cpu memory")
            .put("sys/fs/cgroup/init.scope/memory.max", "max");
        assert!(CgroupReader::find(&t.roots()).unwrap().read(None).is_none());
        let v1 = Tree::new();
        v1.put("proc/1/cgroup", "4:memory:/\n")
            .put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        assert!(CgroupReader::find(&v1.roots()).unwrap().read(None).is_none());
    }
}
