//! The process table: `/proc/PID/stat` once per process and look; everything else only for rows that are shown, and the
//! cgroup of processes not seen before.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use compact_str::CompactString;

use super::{read, unit};
use crate::signals::Roots;
use crate::signals::host::event::{ProcessRow, ProcessTable, UnitUse, tenth};

/// Rows by CPU, and rows by memory.
const BY_CPU: usize = 15;
const BY_MEMORY: usize = 15;
/// Units shown.
const UNITS: usize = 12;
/// Bytes of a command line kept.
const COMMAND: usize = 160;

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Kernel's short name.
    pub name: String,
    /// State letter.
    pub state: char,
    /// Parent.
    pub ppid: u32,
    /// Clock ticks on a CPU since it started.
    pub ticks: u64,
    /// Clock ticks after boot at which it started.
    pub start: u64,
    /// Resident pages.
    pub rss_pages: u64,
}

/// Reads the line of `/proc/PID/stat`. The name stands in parentheses and may hold anything, parentheses too.
pub fn parse_stat(text: &[u8]) -> Option<Stat> {
    let open = memchr::memchr(b'(', text)?;
    let close = memchr::memrchr(b')', text)?;
    let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next()?.chars().next()?;
    let ppid = words.next()?.parse().ok()?;
    // utime and stime are fields 14 and 15, starttime 22, rss 24; ppid was 4.
    let utime: u64 = words.nth(9)?.parse().ok()?;
    let stime: u64 = words.next()?.parse().ok()?;
    let start = words.nth(6)?.parse().ok()?;
    let rss = words.nth(1)?.parse::<i64>().ok()?;
    Some(Stat { name, state, ppid, ticks: utime.saturating_add(stime), start, rss_pages: rss.max(0) as u64 })
}

struct Known {
    start: u64,
    ticks: u64,
    unit: Option<CompactString>,
    look: u64,
}

struct Seen {
    pid: u32,
    stat: Stat,
    cpu: Option<f64>,
    unit: Option<CompactString>,
}

/// Looks at processes again and again.
pub struct Processes {
    proc: PathBuf,
    users: HashMap<u32, CompactString>,
    known: HashMap<u32, Known>,
    look: u64,
    buf: Vec<u8>,
}

impl Processes {
    /// Reads the names of users; no process yet.
    pub fn new(roots: &Roots) -> Processes {
        let passwd = read::text(&roots.etc.join("passwd")).unwrap_or_default();
        let users = passwd.lines().filter_map(|l| {
            let mut parts = l.split(':');
            let name = parts.next()?;
            Some((parts.nth(1)?.parse().ok()?, name.into()))
        });
        Processes {
            proc: roots.proc.clone(),
            users: users.collect(),
            known: HashMap::new(),
            look: 0,
            buf: Vec::with_capacity(4096),
        }
    }

    /// Looks; `seconds` since the look before, `boot_s` the time of boot. CPU percentages are unknown in the first look;
    /// in later ones a process that began in between counts with all it has used.
    pub fn look(&mut self, seconds: f64, boot_s: i64) -> Result<ProcessTable, String> {
        let dir = fs::read_dir(&self.proc).map_err(|e| format!("cannot list {}: {e}", self.proc.display()))?;
        self.look += 1;
        let hz = procfs::ticks_per_second() as f64;
        let mut table = ProcessTable { interval_ms: (seconds * 1000.0) as u32, ..ProcessTable::default() };
        let mut seen = Vec::with_capacity(self.known.len() + 8);
        for entry in dir.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            // It may have ended since the listing.
            if !read::bytes_into(&entry.path().join("stat"), &mut self.buf) {
                continue;
            }
            let Some(stat) = parse_stat(&self.buf) else { continue };
            table.total += 1;
            match stat.state {
                'R' => table.running += 1,
                'D' => table.uninterruptible += 1,
                'Z' => table.zombies += 1,
                _ => {}
            }
            let before = self.known.get(&pid).filter(|k| k.start == stat.start);
            let ticks = before.map_or(0, |k| k.ticks);
            let unit = match before {
                Some(k) => k.unit.clone(),
                None => self.unit(pid),
            };
            let cpu = (self.look > 1 && seconds > 0.0)
                .then(|| stat.ticks.saturating_sub(ticks) as f64 / hz / seconds * 100.0);
            let known = Known { start: stat.start, ticks: stat.ticks, unit: unit.clone(), look: self.look };
            self.known.insert(pid, known);
            seen.push(Seen { pid, stat, cpu, unit });
        }
        self.known.retain(|_, k| k.look == self.look);
        table.units = units(&seen);
        table.rows = top(seen).into_iter().map(|s| self.row(s, boot_s, hz)).collect();
        Ok(table)
    }

    fn unit(&self, pid: u32) -> Option<CompactString> {
        let text = read::text(&self.proc.join(pid.to_string()).join("cgroup"))?;
        unit::of_cgroup(&text).map(CompactString::from)
    }

    fn row(&mut self, s: Seen, boot_s: i64, hz: f64) -> ProcessRow {
        let dir = self.proc.join(s.pid.to_string());
        let uid = fs::metadata(&dir).map(|m| m.uid()).ok();
        let user = match uid {
            Some(uid) => self.users.get(&uid).cloned().unwrap_or_else(|| CompactString::from(uid.to_string())),
            None => CompactString::default(),
        };
        let mut command = String::new();
        if read::bytes_into(&dir.join("cmdline"), &mut self.buf) {
            let end = self.buf.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
            self.buf.truncate(end.min(COMMAND));
            self.buf.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
            command.push_str(String::from_utf8_lossy(&self.buf).trim_end_matches('\u{fffd}'));
        }
        if command.is_empty() {
            command.clone_from(&s.stat.name);
        }
        // A service manager moves a process to its unit just after it has made it: look again at those we show.
        let unit = match s.unit {
            Some(unit) => Some(unit),
            None => {
                let unit = self.unit(s.pid);
                if let Some(k) = self.known.get_mut(&s.pid) {
                    k.unit.clone_from(&unit);
                }
                unit
            }
        };
        ProcessRow {
            pid: s.pid,
            started_s: boot_s.saturating_add((s.stat.start as f64 / hz) as i64),
            ppid: s.stat.ppid,
            user,
            cpu_pct_of_one_core: s.cpu.map(tenth),
            rss_bytes: s.stat.rss_pages.saturating_mul(procfs::page_size()),
            state: s.stat.state,
            name: s.stat.name.into(),
            command: command.into(),
            unit,
        }
    }
}

/// The busiest that do anything, and the biggest of all; in order of CPU, then of memory, then of PID. Processes that
/// neither work nor take memory (idle kernel threads) are never among them.
fn top(mut seen: Vec<Seen>) -> Vec<Seen> {
    let cpu = |s: &Seen| tenth(s.cpu.unwrap_or(0.0));
    let bigger = |a: &Seen, b: &Seen| b.stat.rss_pages.cmp(&a.stat.rss_pages).then(a.pid.cmp(&b.pid));
    seen.sort_by(bigger);
    let biggest = seen.iter().take(BY_MEMORY).take_while(|s| s.stat.rss_pages > 0).map(|s| s.pid).collect::<Vec<_>>();
    seen.sort_by(|a, b| cpu(b).total_cmp(&cpu(a)).then_with(|| bigger(a, b)));
    let mut place = 0;
    seen.retain(|s| {
        place += 1;
        (place <= BY_CPU && cpu(s) > 0.0) || biggest.contains(&s.pid)
    });
    seen
}

fn units(seen: &[Seen]) -> Vec<UnitUse> {
    let mut sums: HashMap<&str, (u32, f64, u64)> = HashMap::new();
    for s in seen {
        if let Some(unit) = &s.unit {
            let sum = sums.entry(unit).or_default();
            *sum = (sum.0 + 1, sum.1 + s.cpu.unwrap_or(0.0), sum.2.saturating_add(s.stat.rss_pages));
        }
    }
    let mut out: Vec<UnitUse> = sums
        .into_iter()
        .map(|(unit, (processes, cpu, pages))| UnitUse {
            unit: unit.into(),
            processes,
            cpu_pct_of_one_core: tenth(cpu),
            rss_bytes: pages.saturating_mul(procfs::page_size()),
        })
        .collect();
    out.sort_by(|a, b| {
        let cpu = b.cpu_pct_of_one_core.total_cmp(&a.cpu_pct_of_one_core);
        cpu.then(b.rss_bytes.cmp(&a.rss_bytes)).then_with(|| a.unit.cmp(&b.unit))
    });
    out.truncate(UNITS);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::host::sources::fixture::Tree;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let s = parse_stat(b"81 (a) b (c)) D 7 1 1 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 4400 99999 250 1").unwrap();
        assert_eq!((s.name.as_str(), s.state, s.ppid), ("a) b (c)", 'D', 7));
        assert_eq!((s.ticks, s.start, s.rss_pages), (42, 4400, 250));
        assert_eq!(parse_stat(b"81 (cut"), None);
    }

    #[test]
    fn cpu_is_of_one_core_and_unknown_at_first() {
        let t = Tree::new();
        t.put("etc/passwd", "root:x:0:0::/:/bin/sh\n").process(81, "java", 'S', 0, 1000).process(7, "idle", 'Z', 0, 0);
        t.put("proc/81/cmdline", b"java\0-jar\0shop.jar\0").put("proc/81/cgroup", "0::/system.slice/shop.service\n");
        let mut p = Processes::new(&t.roots());
        assert_eq!(p.look(0.0, 1_000).unwrap().rows[0].cpu_pct_of_one_core, None);
        let two_cores = 4 * procfs::ticks_per_second();
        t.process(81, "java", 'R', two_cores, 1000);
        let table = p.look(2.0, 1_000).unwrap();
        assert_eq!((table.total, table.running, table.zombies), (2, 1, 1));
        let r = &table.rows[0];
        assert_eq!((r.cpu_pct_of_one_core, r.command.as_str()), (Some(200.0), "java -jar shop.jar"));
        assert_eq!(r.unit.as_deref(), Some("shop.service"));
        assert_eq!(r.started_s, 1_000 + 100 / procfs::ticks_per_second() as i64);
        assert_eq!(table.units[0].processes, 1);
    }

    #[test]
    fn a_pid_used_again_does_not_inherit_what_the_old_process_had_used() {
        let t = Tree::new();
        t.process(81, "old", 'S', 1_000_000, 1);
        let mut p = Processes::new(&t.roots());
        p.look(0.0, 0).unwrap();
        let hz = procfs::ticks_per_second();
        t.put("proc/81/stat", format!("81 (new) R 1 1 1 0 -1 0 0 0 0 0 {hz} 0 0 0 20 0 1 0 999 0 1 0"));
        assert_eq!(p.look(1.0, 0).unwrap().rows[0].cpu_pct_of_one_core, Some(100.0));
    }

    #[test]
    fn the_biggest_are_shown_beside_the_busiest() {
        let t = Tree::new();
        for pid in 1..=60 {
            t.process(pid, "p", 'S', u64::from(pid), 61 - u64::from(pid));
        }
        let mut p = Processes::new(&t.roots());
        p.look(0.0, 0).unwrap();
        for pid in 1..=60 {
            t.process(pid, "p", 'S', u64::from(pid) * 2, 61 - u64::from(pid));
        }
        let rows = p.look(1.0, 0).unwrap().rows;
        assert_eq!(rows.len(), 30);
        assert_eq!(rows[0].pid, 60, "busiest first");
        assert!(rows.iter().any(|r| r.pid == 1), "the biggest is there");
    }
}
