//! How much memory there is on this box, and how much of it the index may take.

use std::path::Path;

/// What it takes at the most when nothing is said, and whatever is said.
pub const INDEX_MEMORY: u64 = 64 << 20;
/// The most that can be asked for.
pub const INDEX_MOST: u64 = 256 << 20;

/// Bytes for the index where `wanted` were asked for: never more than [`INDEX_MOST`], than a quarter of what the control
/// group may use, or of what is available.
pub fn index_memory(wanted: u64) -> u64 {
    let quarters = [group_limit(Path::new("/")), available()];
    quarters.into_iter().flatten().map(|bytes| bytes / 4).fold(wanted.min(INDEX_MOST), u64::min)
}

/// `MemAvailable` of the box.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1_024)
}

/// What programs could still get: of the box, or of the control group that lets them have least. Page cache of a group
/// counts as to be had where the kernel says how much of it is not in use.
pub fn memory_left() -> Option<u64> {
    [available(), group_left(Path::new("/"))].into_iter().flatten().min()
}

fn group_left(root: &Path) -> Option<u64> {
    let left = |dir: &Path, limit: u64| {
        let number = |file: &str| std::fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
        let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
        let stat = std::fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
        let cache = stat.lines().find_map(|l| {
            let l = l.strip_prefix("total_").unwrap_or(l);
            l.strip_prefix("inactive_file ")?.trim().parse::<u64>().ok()
        });
        Some(limit.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
    };
    least(root, left)
}

/// The least limit of this process's control group and those above it, of either version.
fn group_limit(root: &Path) -> Option<u64> {
    least(root, |_, limit| Some(limit))
}

/// The least of what `of` makes of the limits of this process's control group and those above it.
fn least(root: &Path, of: impl Fn(&Path, u64) -> Option<u64>) -> Option<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            c if c.split(',').any(|c| c == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mount = root.join(mount);
        let group = mount.join(path.trim_start_matches('/'));
        for dir in group.ancestors().take_while(|d| d.starts_with(&mount)) {
            // `max` is no number.
            let limit = std::fs::read_to_string(dir.join(file)).ok().and_then(|t| t.trim().parse().ok());
            least = [least, limit.and_then(|limit| of(dir, limit))].into_iter().flatten().min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("proc/self/cgroup", "0::/a.slice/b.service\n");
        put("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
        put("sys/fs/cgroup/a.slice/memory.max", "1073741824\n");
        assert_eq!(group_limit(root.path()), Some(1 << 30));
        put("sys/fs/cgroup/a.slice/memory.current", "1073000000\n");
        put("sys/fs/cgroup/a.slice/memory.stat", "anon 1\ninactive_file 1000000\n");
        assert_eq!(group_left(root.path()), Some((1 << 30) - 1_072_000_000));
        put("proc/self/cgroup", "5:cpu,memory:/b\n4:cpu:/\n");
        put("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "4096\n");
        assert_eq!(group_limit(root.path()), Some(4_096));
        put("sys/fs/cgroup/memory/b/memory.usage_in_bytes", "4000\n");
        assert_eq!(group_left(root.path()), Some(96));
        assert!(memory_left().is_some());
        assert!(index_memory(u64::MAX) <= INDEX_MOST);
    }
}
