//! The running processes as far as one look at their folders shows: name, title, unit, folders, open files, sockets.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::signals::Roots;
use crate::signals::host::sources::{read, unit};

/// Descriptors looked at per process; a proxy may hold a hundred thousand.
const DESCRIPTORS: usize = 512;
/// Processes looked at.
const PROCESSES: usize = 5_000;

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proc {
    /// Process ID.
    pub pid: u32,
    /// Kernel's short name.
    pub name: String,
    /// Command line, or the title that the process gave itself.
    pub title: String,
    /// Systemd unit or container.
    pub unit: Option<String>,
    /// Folder it works in, if that can be seen.
    pub cwd: Option<PathBuf>,
    /// Folder of its program, if that can be seen.
    pub exe: Option<PathBuf>,
    /// Regular files open for writing.
    pub writes: Vec<PathBuf>,
    /// SQLite files it has open, by their names: those that end like one, or that have a WAL open beside them.
    pub sqlite: Vec<PathBuf>,
    /// Inodes of its sockets.
    pub sockets: BTreeSet<u64>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Procs {
    /// By PID; kernel threads and ourselves left out.
    pub list: Vec<Proc>,
    /// Processes whose open files we may not see.
    pub closed: u32,
    /// Processes not looked into because time was up.
    pub late: u32,
}

impl Procs {
    /// Reads them until `deadline`.
    pub fn read(roots: &Roots, deadline: Instant) -> Procs {
        let mut out = Procs::default();
        let own = fs::read_link(roots.proc.join("self")).ok().and_then(|p| p.to_str()?.parse::<u32>().ok());
        let Ok(dir) = fs::read_dir(&roots.proc) else { return out };
        let mut pids: Vec<u32> = dir.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
        pids.sort_unstable();
        for (i, &pid) in pids.iter().enumerate() {
            if Instant::now() >= deadline || i >= PROCESSES {
                out.late = (pids.len() - i) as u32;
                break;
            }
            if Some(pid) != own {
                out.list.extend(one(&roots.proc.join(pid.to_string()), pid, &mut out.closed));
            }
        }
        out
    }

    /// The process that holds a socket.
    pub fn of_socket(&self, inode: u64) -> Option<&Proc> {
        self.list.iter().find(|p| p.sockets.contains(&inode))
    }
}

fn one(dir: &Path, pid: u32, closed: &mut u32) -> Option<Proc> {
    let mut title = String::new();
    fs::File::open(dir.join("cmdline")).ok()?.take(512).read_to_string(&mut title).ok()?;
    if title.is_empty() {
        return None; // a kernel thread, or a process that has ended
    }
    let mut p = Proc {
        pid,
        name: read::text(&dir.join("comm")).unwrap_or_default().trim_end().to_owned(),
        title: title.replace('\0', " ").trim_end().to_owned(),
        unit: read::text(&dir.join("cgroup")).and_then(|t| unit::of_cgroup(&t)),
        cwd: fs::read_link(dir.join("cwd")).ok(),
        exe: fs::read_link(dir.join("exe")).ok().and_then(|e| e.parent().map(Path::to_owned)),
        ..Proc::default()
    };
    match fs::read_dir(dir.join("fd")) {
        Ok(fds) => {
            for fd in fds.flatten().take(DESCRIPTORS) {
                let Ok(target) = fs::read_link(fd.path()) else { continue };
                match target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()) {
                    Some(inode) => {
                        p.sockets.insert(inode);
                    }
                    None if sqlite(&target).is_some() => p.sqlite.extend(sqlite(&target)),
                    None if target.is_absolute() && logs_like(&target) && writable(dir, &fd.file_name()) => {
                        p.writes.push(target);
                    }
                    None => {}
                }
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => *closed += 1,
        Err(_) => {}
    }
    p.sqlite.sort();
    p.sqlite.dedup();
    p.writes.sort();
    p.writes.dedup();
    Some(p)
}

/// The SQLite file that an open file is, or belongs to: `shop.sqlite`, `shop.db-wal`.
fn sqlite(path: &Path) -> Option<PathBuf> {
    let text = path.to_str().filter(|t| t.starts_with('/') && !t.ends_with(" (deleted)"))?;
    let main = ["-wal", "-shm", "-journal"].iter().find_map(|e| text.strip_suffix(e));
    let named = || [".sqlite", ".sqlite3", ".db3"].iter().any(|e| text.ends_with(e)).then_some(text);
    main.or_else(named).map(PathBuf::from)
}

/// Only such paths are asked how they were opened: it costs a read each.
fn logs_like(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    ["log", "json", "jsonl", "out", "err"].contains(&ending)
        || path.components().any(|c| c.as_os_str() == "log" || c.as_os_str() == "logs")
}

/// Whether a descriptor is open for writing: the last octal digit of its flags is the access mode.
fn writable(dir: &Path, fd: &std::ffi::OsStr) -> bool {
    let info = read::text(&dir.join("fdinfo").join(fd)).unwrap_or_default();
    let flags = info.lines().find_map(|l| l.strip_prefix("flags:"));
    flags.and_then(|f| f.trim().chars().last()).is_some_and(|mode| ['1', '2'].contains(&mode))
}
