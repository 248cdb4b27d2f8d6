//! Where the machine is read from: parameters, so that tests do not read this one.

use std::path::PathBuf;

/// Roots of everything that discovery and the host source read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// procfs.
    pub proc: PathBuf,
    /// sysfs (cgroups live under it).
    pub sys: PathBuf,
    /// Configuration of the box.
    pub etc: PathBuf,
    /// The usual log folder.
    pub var_log: PathBuf,
    /// `/var/lib`.
    pub var_lib: PathBuf,
    /// Runtime folder: sockets, pid files.
    pub run: PathBuf,
    /// This program, to start it again as another user.
    pub program: PathBuf,
}

/// The running program, also where its file has been exchanged or lies in a folder that other users may not enter.
const PROGRAM: &str = "/proc/self/exe";

/// A user of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
}

impl Default for Roots {
    fn default() -> Roots {
        Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            etc: "/etc".into(),
            var_log: "/var/log".into(),
            var_lib: "/var/lib".into(),
            run: "/run".into(),
            program: PROGRAM.into(),
        }
    }
}

impl Roots {
    /// Everything below one folder, for tests.
    pub fn under(dir: impl Into<PathBuf>) -> Roots {
        let dir = dir.into();
        Roots {
            proc: dir.join("proc"),
            sys: dir.join("sys"),
            etc: dir.join("etc"),
            var_log: dir.join("var/log"),
            var_lib: dir.join("var/lib"),
            run: dir.join("run"),
            program: PROGRAM.into(),
        }
    }

    /// The local user of that name, as `/etc/passwd` has it.
    pub fn account(&self, name: &str) -> Option<Account> {
        let text = std::fs::read_to_string(self.etc.join("passwd")).ok()?;
        text.lines().find_map(|line| {
            let mut parts = line.split(':');
            let found = parts.next()? == name;
            let (uid, gid) = (parts.nth(1)?.parse().ok()?, parts.next()?.parse().ok()?);
            found.then(|| Account { name: name.to_owned(), uid, gid })
        })
    }

    /// The user we act as: the effective one of `/proc/self/status`.
    pub fn own_uid(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.proc.join("self/status")).ok()?;
        text.lines().find_map(|l| l.strip_prefix("Uid:")?.split_ascii_whitespace().nth(1)?.parse().ok())
    }
}
