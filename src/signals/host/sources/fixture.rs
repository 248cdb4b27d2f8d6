//! Trees of fake procfs, sysfs and etc below a temporary folder.

use std::path::{Path, PathBuf};

use crate::signals::Roots;

pub(crate) struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::under(self.dir.path())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file, with its folders.
    pub(crate) fn put(&self, path: &str, text: impl AsRef<[u8]>) -> &Tree {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A process with its `stat`, `cmdline` and `cgroup`.
    pub(crate) fn process(&self, pid: u32, name: &str, state: char, ticks: u64, rss_pages: u64) -> &Tree {
        let stat = format!(
            "{pid} ({name}) {state} 1 {pid} {pid} 0 -1 4194304 0 0 0 0 {ticks} 0 0 0 20 0 1 0 100 0 {rss_pages} 0\n"
        );
        self.put(&format!("proc/{pid}/stat"), stat)
    }

    /// A symbolic link.
    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) -> &Tree {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }
}
