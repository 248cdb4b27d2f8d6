//! OOM kills: the kernel's counter says that, its log says whom.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::unit;
use crate::signals::Roots;
use crate::signals::host::event::OomKill;
use crate::timeline::Ts;

/// Kills told from what the kernel's log held before we came.
const SEED: usize = 20;
/// Records read in one look.
const RECORDS: usize = 2_000;

/// The kernel's log as a device, wherever procfs is: `/dev/kmsg` for `/proc`.
pub fn kmsg_path(roots: &Roots) -> PathBuf {
    roots.proc.parent().unwrap_or(Path::new("/")).join("dev/kmsg")
}

/// Looks for kills again and again.
pub struct OomWatch {
    kmsg: Option<File>,
    counted: Option<u64>,
    /// Kills the counter has told that no line has named yet, and for how many looks.
    unnamed: (u64, u32),
    first: bool,
}

impl OomWatch {
    /// Opens the kernel's log where that is allowed; without it only the number of kills is known.
    pub fn new(kmsg: &Path) -> OomWatch {
        let open =
            std::fs::OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(kmsg);
        OomWatch { kmsg: open.ok(), counted: None, unnamed: (0, 0), first: true }
    }

    /// Whether victims can be named.
    pub fn names_victims(&self) -> bool {
        self.kmsg.is_some()
    }

    /// Kills since the look before. The first look tells those the kernel's log still holds. One that is only counted is
    /// told after a second look, so that its line has time to come.
    pub fn look(&mut self, counter: Option<u64>, boot_s: i64) -> Vec<OomKill> {
        let mut kills = self.read_log(boot_s);
        let counted = match (self.counted, counter) {
            (Some(a), Some(b)) => b.saturating_sub(a),
            _ => 0,
        };
        self.counted = counter.or(self.counted);
        if self.first {
            self.first = false;
            let extra = kills.len().saturating_sub(SEED);
            kills.drain(..extra);
            return kills;
        }
        let open = (self.unnamed.0 + counted).saturating_sub(kills.len() as u64);
        let age = if open == 0 { 0 } else { self.unnamed.1 + 1 };
        self.unnamed = (open, age);
        if open > 0 && (age > 2 || self.kmsg.is_none()) {
            self.unnamed = (0, 0);
            kills.push(OomKill { kills: u32::try_from(open).unwrap_or(u32::MAX), ..OomKill::default() });
        }
        kills
    }

    fn read_log(&mut self, boot_s: i64) -> Vec<OomKill> {
        let mut kills = Vec::new();
        let Some(log) = &mut self.kmsg else { return kills };
        let mut buf = vec![0u8; 8192];
        let mut text = Vec::new();
        for _ in 0..RECORDS {
            match log.read(&mut buf) {
                Ok(0) => break,
                Ok(n) => text.extend_from_slice(&buf[..n]),
                // EPIPE: records were overwritten before we read them; the next read goes on behind the hole.
                Err(e) if e.kind() == ErrorKind::BrokenPipe || e.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        for line in String::from_utf8_lossy(&text).lines() {
            take_line(line, boot_s, &mut kills);
        }
        kills
    }
}

/// One record of the kernel's log: `priority,sequence,microseconds since boot,flags;message`.
fn take_line(line: &str, boot_s: i64, kills: &mut Vec<OomKill>) {
    let Some((head, message)) = line.split_once(';') else { return };
    let micros = head.split(',').nth(2).and_then(|m| m.parse::<i64>().ok());
    let at = micros.map(|us| Ts(Ts::from_secs(boot_s).0.saturating_add(us.saturating_mul(1000))));
    if let Some(rest) = message.strip_prefix("oom-kill:") {
        // Kernel 5.0 on; the "Killed process" line follows and adds the size.
        let field = |key: &str| rest.split(',').find_map(|w| w.strip_prefix(key)?.strip_prefix('='));
        let cgroup = field("task_memcg").and_then(|p| unit::of_path(p).or_else(|| (p != "/").then(|| p.to_owned())));
        kills.push(OomKill {
            at,
            kills: 1,
            victim: field("task").map(Into::into),
            pid: field("pid").and_then(|p| p.parse().ok()),
            cgroup: cgroup.map(Into::into),
            rss_bytes: None,
            by_cgroup_limit: field("constraint") == Some("CONSTRAINT_MEMCG"),
        });
    } else if let Some((before, rest)) = message.split_once("Killed process ") {
        let pid = rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|p| p.parse().ok());
        let name = rest.split_once('(').and_then(|(_, r)| r.split_once(')')).map(|(n, _)| n);
        let rss = rest.split_once("anon-rss:").and_then(|(_, r)| r.split_once("kB")).and_then(|(n, _)| n.parse().ok());
        let rss = rss.map(|kb: u64| kb.saturating_mul(1024));
        match kills.last_mut().filter(|k| k.pid == pid && k.rss_bytes.is_none()) {
            Some(known) => known.rss_bytes = rss,
            None => kills.push(OomKill {
                at,
                kills: 1,
                victim: name.map(Into::into),
                pid,
                cgroup: None,
                rss_bytes: rss,
                by_cgroup_limit: before.contains("emory cgroup"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::host::sources::fixture::Tree;
    use std::io::Write;

    const KILL: &str = "\
4,1200,5000000,-;java invoked oom-killer: gfp_mask=0x100cca, order=0
6,1201,5000100,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/x,task_memcg=/system.slice/checkout.service,task=java,pid=81,uid=1000
3,1202,5000200,-;Memory cgroup out of memory: Killed process 81 (java) total-vm:9000kB, anon-rss:4096kB, file-rss:0kB, UID:1000
";

    #[test]
    fn a_kill_names_its_victim_its_unit_and_its_moment_once() {
        let t = Tree::new();
        t.put("dev/kmsg", KILL);
        let mut w = OomWatch::new(&kmsg_path(&t.roots()));
        let seen = w.look(Some(7), 1_000);
        assert_eq!(seen.len(), 1);
        let k = &seen[0];
        assert_eq!(
            (k.victim.as_deref(), k.pid, k.cgroup.as_deref()),
            (Some("java"), Some(81), Some("checkout.service"))
        );
        assert_eq!((k.at, k.rss_bytes, k.by_cgroup_limit), (Some(Ts(1_005_000_100_000)), Some(4 << 20), true));
        assert_eq!(w.look(Some(7), 1_000), []);
        let mut log = std::fs::OpenOptions::new().append(true).open(t.path("dev/kmsg")).unwrap();
        writeln!(log, "3,1300,9000000,-;Out of memory: Killed process 90 (ruby) total-vm:1kB, anon-rss:8kB").unwrap();
        let older = w.look(Some(8), 1_000);
        assert_eq!((older[0].victim.as_deref(), older[0].by_cgroup_limit), (Some("ruby"), false));
        assert_eq!(w.look(Some(8), 1_000), [], "counted and named is one kill");
    }

    #[test]
    fn without_the_kernel_log_kills_are_still_counted() {
        let t = Tree::new();
        let mut w = OomWatch::new(&kmsg_path(&t.roots()));
        assert!(!w.names_victims());
        assert_eq!(w.look(Some(7), 0), [], "what was before we came is history");
        assert_eq!(w.look(Some(9), 0), [OomKill { kills: 2, ..OomKill::default() }]);
        assert_eq!(w.look(Some(9), 0), []);
    }
}
