//! Space and inodes of every real mount. `statvfs` on a dead file server never returns, so it runs on a thread of its own
//! with a deadline; a mount that let a thread hang is shown as silent and asked again only when that thread is back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::read;
use crate::signals::Roots;
use crate::signals::host::event::{Mount, tenth};
use crate::timeline::Ts;

/// How long one mount may take to answer.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// Threads that may hang at once; then only mounts that answer are asked.
const HANGING: usize = 8;
/// Mounts looked at.
const MOUNTS: usize = 64;

/// What `statvfs` says.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Space {
    pub total_bytes: u64,
    pub free_bytes: u64,
    pub available_bytes: u64,
    pub inodes: u64,
    pub inodes_free: u64,
}

/// Asks one mount; may hang.
pub type Ask = Arc<dyn Fn(&Path) -> std::io::Result<Space> + Send + Sync>;

/// The operating system's answer.
pub fn ask() -> Ask {
    Arc::new(|path| {
        let s = rustix::fs::statvfs(path)?;
        let unit = if s.f_frsize > 0 { s.f_frsize } else { s.f_bsize };
        Ok(Space {
            total_bytes: s.f_blocks.saturating_mul(unit),
            free_bytes: s.f_bfree.saturating_mul(unit),
            available_bytes: s.f_bavail.saturating_mul(unit),
            inodes: s.f_files,
            inodes_free: s.f_ffree,
        })
    })
}

/// File systems that hold no data, or cannot fill.
const PSEUDO: [&str; 29] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "nfsd",
    "erofs",
];

/// Reads `/proc/self/mountinfo`: real mounts, one per device (the shortest path), sorted by path. Memory file systems
/// only where programs put things: `/tmp`, `/run`, `/dev/shm`. An overlay only as the root.
pub fn parse(text: &str, ignore: &[String]) -> Vec<Mount> {
    let mut by_device: BTreeMap<String, Mount> = BTreeMap::new();
    for line in text.lines() {
        let Some((head, tail)) = line.split_once(" - ") else { continue };
        let head: Vec<&str> = head.split(' ').collect();
        let tail: Vec<&str> = tail.split(' ').collect();
        let (Some(number), Some(path), Some(options)) = (head.get(2), head.get(4), head.get(5)) else { continue };
        let (Some(fs), Some(device)) = (tail.first(), tail.get(1)) else { continue };
        let path = read::unescape_mount(path);
        let memory = *fs == "tmpfs" && !["/tmp", "/run", "/dev/shm"].contains(&path.as_str());
        let ignored = ignore.iter().any(|i| Path::new(&path).starts_with(i));
        if PSEUDO.contains(fs) || memory || ignored || (*fs == "overlay" && path != "/") {
            continue;
        }
        let ro = |o: &str| o.split(',').any(|w| w == "ro");
        let mount = Mount {
            device: read::unescape_mount(device).into(),
            fs: (*fs).into(),
            read_only: ro(options) || tail.get(2).is_some_and(|o| ro(o)),
            path: path.into(),
            ..Mount::default()
        };
        match by_device.get_mut(*number) {
            // A bind mount of one file (`/etc/hosts` in a container) is as good as the folder it lies in.
            Some(known) if known.path.len() <= mount.path.len() => {}
            Some(known) => *known = mount,
            None => {
                by_device.insert((*number).to_owned(), mount);
            }
        }
    }
    let mut out: Vec<Mount> = by_device.into_values().collect();
    out.sort_by(|a, b| a.path.cmp(&b.path));
    // Mounted over one another: programs see one of them, and statvfs answers for that one.
    out.dedup_by(|a, b| a.path == b.path);
    out.truncate(MOUNTS);
    out
}

struct Silent {
    since: Ts,
    answer: Receiver<(usize, std::io::Result<Space>)>,
}

/// Looks at mounts again and again.
pub struct Mounts {
    roots: Roots,
    ignore: Vec<String>,
    ask: Ask,
    deadline: Duration,
    silent: BTreeMap<String, Silent>,
    last: BTreeMap<String, Mount>,
}

impl Mounts {
    /// Nothing is asked yet.
    pub fn new(roots: &Roots, ignore: &[String], ask: Ask, deadline: Duration) -> Mounts {
        Mounts {
            roots: roots.clone(),
            ignore: ignore.to_vec(),
            ask,
            deadline,
            silent: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// Asks every mount that is not hanging; `now` is since when one that does not answer is silent.
    pub fn look(&mut self, now: Ts) -> Vec<Mount> {
        let table = read::text(&self.roots.proc.join("self/mountinfo")).unwrap_or_default();
        let mut mounts = parse(&table, &self.ignore);
        // A silent one is asked again when its thread came back, or when it is no longer mounted.
        self.silent.retain(|path, s| {
            let pending = matches!(s.answer.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
            pending && mounts.iter().any(|m| m.path == path.as_str())
        });
        let mut next = 0;
        while next < mounts.len() {
            let paths: Vec<(usize, String)> = (next..mounts.len())
                .filter(|&i| !self.silent.contains_key(mounts[i].path.as_str()))
                .map(|i| (i, mounts[i].path.to_string()))
                .collect();
            if paths.is_empty() || self.silent.len() >= HANGING {
                break;
            }
            next = self.round(&mut mounts, paths, now);
        }
        let mut out = Vec::with_capacity(mounts.len());
        for mut m in mounts {
            if let Some(s) = self.silent.get(m.path.as_str()) {
                if let Some(last) = self.last.get(m.path.as_str()) {
                    m = last.clone();
                }
                m.silent_since = Some(s.since);
            } else if m.total_bytes == 0 {
                continue;
            }
            out.push(m);
        }
        self.last = out.iter().map(|m| (m.path.to_string(), m.clone())).collect();
        out
    }

    /// One thread asks the mounts in turn until all have answered or one hangs; returns where to go on.
    fn round(&mut self, mounts: &mut [Mount], paths: Vec<(usize, String)>, now: Ts) -> usize {
        let (send, answer) = channel();
        let ask = self.ask.clone();
        let asked = paths.clone();
        let worker = std::thread::Builder::new().name("host-statvfs".into()).stack_size(128 * 1024).spawn(move || {
            for (i, path) in asked {
                // Nobody listens once a mount before this one was given up: then end.
                if send.send((i, ask(Path::new(&path)))).is_err() {
                    return;
                }
            }
        });
        if worker.is_err() {
            return mounts.len();
        }
        for (i, path) in paths {
            let until = Instant::now() + self.deadline;
            match answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((_, Ok(space))) => fill(&mut mounts[i], &space),
                Ok((_, Err(_))) => {}
                Err(RecvTimeoutError::Disconnected) => return mounts.len(),
                Err(RecvTimeoutError::Timeout) => {
                    self.silent.insert(path, Silent { since: now, answer });
                    return i + 1;
                }
            }
        }
        mounts.len()
    }
}

fn fill(m: &mut Mount, s: &Space) {
    m.total_bytes = s.total_bytes;
    m.used_bytes = s.total_bytes.saturating_sub(s.free_bytes);
    m.available_bytes = s.available_bytes;
    m.inodes_used_pct = match s.inodes {
        0 => 0.0,
        n => tenth(n.saturating_sub(s.inodes_free) as f64 / n as f64 * 100.0),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::host::sources::fixture::Tree;
    use std::sync::Mutex;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:5 / /proc rw - proc proc rw
24 22 0:30 / /mnt/nfs rw - nfs4 files:/export rw
25 22 8:17 / /var/lib/my\\040data ro - xfs /dev/sdb1 ro
26 22 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
27 22 0:40 / /snap/x ro - squashfs /dev/loop1 ro
28 22 0:41 / /run/user/1000 rw - tmpfs tmpfs rw
";

    #[test]
    fn only_what_can_fill_is_looked_at_once_per_device() {
        let m = parse(TABLE, &[]);
        let paths: Vec<_> = m.iter().map(|m| (m.path.as_str(), m.read_only)).collect();
        assert_eq!(paths, [("/", false), ("/mnt/nfs", false), ("/var/lib/my data", true)]);
        assert_eq!(parse(TABLE, &["/mnt".into()]).len(), 2);
    }

    #[test]
    fn a_dead_file_server_is_silent_and_the_others_still_answer() {
        let t = Tree::new();
        t.put("proc/self/mountinfo", TABLE);
        let (release, hang) = channel::<()>();
        let hang = Mutex::new(hang);
        let ask: Ask = Arc::new(move |path| {
            if path == Path::new("/mnt/nfs") {
                let _ = hang.lock().unwrap().recv();
            }
            Ok(Space { total_bytes: 100, free_bytes: 40, available_bytes: 30, inodes: 10, inodes_free: 5 })
        });
        let mut mounts = Mounts::new(&t.roots(), &[], ask, Duration::from_millis(20));
        for at in [14, 24] {
            let seen = mounts.look(Ts::from_secs(at));
            let silent: Vec<_> = seen.iter().map(|m| (m.used_bytes, m.silent_since)).collect();
            assert_eq!(silent, [(60, None), (0, Some(Ts::from_secs(14))), (60, None)], "silent since the first time");
        }
        assert_eq!(mounts.silent.len(), 1, "one hanging thread, however often we look");
        drop(release);
        // The thread is back by itself; ask until it is seen to be.
        let mut seen = mounts.look(Ts::from_secs(34));
        for _ in 0..500 {
            if seen[1].silent_since.is_none() {
                break;
            }
            std::thread::yield_now();
            seen = mounts.look(Ts::from_secs(34));
        }
        assert_eq!(seen[1].silent_since, None);
    }
}
