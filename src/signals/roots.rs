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
        }
    }
}
