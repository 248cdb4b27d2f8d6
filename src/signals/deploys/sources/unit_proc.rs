//! Generations of a unit's main process: another oldest process in its cgroup is a restart.
//!
//! For boxes without a readable journal. It sees only what still runs, so a restart between two looks is seen when its
//! successor lives, and the reason never.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::event::{Change, ChangeKind};
use crate::signals::Roots;
use crate::timeline::Ts;

/// Units looked at, at most.
const UNITS: usize = 512;
/// Processes of one unit looked at, at most.
const PROCESSES: usize = 256;

/// The main process of a unit: its number, and when it began in clock ticks since boot.
type Generation = (u32, u64);

/// Remembers the main process of every unit.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    proc: PathBuf,
    slices: Vec<PathBuf>,
    known: BTreeMap<String, Generation>,
}

impl Generations {
    /// On the box under `roots`.
    pub fn new(roots: &Roots) -> Generations {
        let slices = ["fs/cgroup/system.slice", "fs/cgroup/systemd/system.slice"].map(|p| roots.sys.join(p));
        Generations { proc: roots.proc.clone(), slices: slices.to_vec(), known: BTreeMap::new() }
    }

    /// Whether there are units to look at.
    pub fn watchable(&self) -> bool {
        self.slices.iter().any(|s| s.is_dir())
    }

    /// Looks once. The first look tells every unit's start, later ones those whose main process is another.
    pub fn look(&mut self) -> Vec<Change> {
        let Some(boot) = boot_time(&self.proc) else { return Vec::new() };
        let mut changes = Vec::new();
        for (unit, now) in self.units() {
            let before = self.known.insert(unit.clone(), now);
            if before == Some(now) || before.is_some_and(|b| now.1 < b.1) {
                continue;
            }
            let ticks = procfs::ticks_per_second().max(1);
            let at = Ts(boot.0.saturating_add((u128::from(now.1) * 1_000_000_000 / u128::from(ticks)) as i64));
            let mut change = Change::new(at, ChangeKind::Restart, unit);
            if let Some((pid, _)) = before {
                change.detail = Some(format!("process {pid} gave way to {}", now.0));
            }
            changes.push(change);
        }
        while self.known.len() > 2 * UNITS {
            self.known.pop_first();
        }
        changes.sort_by(|a, b| (a.at, &a.service).cmp(&(b.at, &b.service)));
        changes
    }

    fn units(&self) -> BTreeMap<String, Generation> {
        let mut units = BTreeMap::new();
        for entry in self.slices.iter().flat_map(fs::read_dir).flatten().flatten().take(4 * UNITS) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".service") || name.starts_with("systemd-") || units.len() >= UNITS {
                continue;
            }
            let listed = fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default();
            let pids = listed.lines().filter_map(|l| l.trim().parse::<u32>().ok()).take(PROCESSES);
            let oldest = pids.filter_map(|pid| Some((start(&self.proc, pid)?, pid))).min();
            if let Some((start, pid)) = oldest {
                units.insert(name, (pid, start));
            }
        }
        units
    }
}

/// When a process began, in clock ticks since boot (proc(5), field 22).
fn start(proc: &Path, pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn boot_time(proc: &Path) -> Option<Ts> {
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    let line = stat.lines().find_map(|l| l.strip_prefix("btime "))?;
    Some(Ts::from_secs(line.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(roots: &Roots, pid: u32, start: u64) {
        let dir = roots.proc.join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        let zeros = "0 ".repeat(18);
        fs::write(dir.join("stat"), format!("{pid} (a (b) c) S {zeros}{start} 0 0")).unwrap();
    }

    #[test]
    fn another_main_process_is_a_restart_and_another_worker_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::under(dir.path());
        let unit = roots.sys.join("fs/cgroup/system.slice/app.service");
        fs::create_dir_all(&unit).unwrap();
        fs::create_dir_all(&roots.proc).unwrap();
        fs::write(roots.proc.join("stat"), "cpu 1 2\nbtime 1700000000\n").unwrap();
        for (pid, start) in [(10, 500), (11, 600), (12, 900), (13, 901)] {
            process(&roots, pid, start);
        }
        let procs = |list: &str| fs::write(unit.join("cgroup.procs"), list).unwrap();
        let mut g = Generations::new(&roots);
        procs("10\n11\n");
        let first = g.look();
        assert_eq!((first.len(), first[0].service.as_str()), (1, "app.service"));
        let ticks = procfs::ticks_per_second() as i64;
        assert_eq!(first[0].at.millis(), 1_700_000_000_000 + 500 * 1_000 / ticks);
        procs("10\n12\n");
        assert!(g.look().is_empty());
        procs("");
        assert!(g.look().is_empty());
        procs("13\n12\n");
        assert_eq!(g.look()[0].detail.as_deref(), Some("process 10 gave way to 12"));
    }
}
