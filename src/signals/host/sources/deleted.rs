//! Deleted files that processes still hold open: space that `df` counts and `du` cannot find.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::read;
use crate::signals::Roots;
use crate::signals::host::event::DeletedFile;

/// Smaller ones are not worth a line.
const LEAST: u64 = 1 << 20;
/// Files told.
const FILES: usize = 20;

/// Goes through the descriptors of all processes until `deadline`. Returns the largest deleted files, largest first, and
/// how many processes could not be looked into for lack of rights or of time.
pub fn look(roots: &Roots, deadline: Instant) -> (Vec<DeletedFile>, u32) {
    let mut files: Vec<((u64, u64), DeletedFile)> = Vec::new();
    let mut unread = 0;
    let Ok(dir) = fs::read_dir(&roots.proc) else { return (Vec::new(), 0) };
    for entry in dir.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        if Instant::now() >= deadline {
            unread += 1;
            continue;
        }
        match fs::read_dir(entry.path().join("fd")) {
            Ok(fds) => fds.flatten().for_each(|fd| files.extend(deleted(&fd.path(), pid))),
            // One that ended meanwhile is not missing.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => unread += 1,
            Err(_) => {}
        }
    }
    // The same file held by parent and child is one file.
    files.sort_by(|a, b| b.1.size_bytes.cmp(&a.1.size_bytes).then(a.0.cmp(&b.0)).then(a.1.pid.cmp(&b.1.pid)));
    files.dedup_by_key(|f| f.0);
    files.truncate(FILES);
    let name = |pid: u32| read::text(&roots.proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    let told = files.into_iter().map(|(_, f)| DeletedFile { process: name(f.pid).trim().into(), ..f });
    (told.collect(), unread)
}

fn deleted(fd: &Path, pid: u32) -> Option<((u64, u64), DeletedFile)> {
    let target = fs::read_link(fd).ok()?;
    let path = target.to_str()?.strip_suffix(" (deleted)")?;
    let inner = ["/memfd:", "/dev/", "/SYSV", "/i915", "/[aio]", "/anon_hugepage"];
    if inner.iter().any(|p| path.starts_with(p)) {
        return None;
    }
    let (inode, size_bytes) = size(fd)?;
    (size_bytes >= LEAST).then(|| (inode, DeletedFile { path: path.into(), size_bytes, pid, ..DeletedFile::default() }))
}

/// Device and inode, and bytes on disk; follows the descriptor, not the name.
fn size(fd: &Path) -> Option<((u64, u64), u64)> {
    use std::os::unix::fs::MetadataExt;
    let m = fs::metadata(fd).ok()?;
    m.is_file().then(|| ((m.dev(), m.ino()), m.blocks().saturating_mul(512)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::host::sources::fixture::Tree;
    use std::time::Duration;

    #[test]
    fn a_deleted_log_is_told_once_with_the_process_that_holds_it() {
        let t = Tree::new();
        // A link named "… (deleted)" that can be followed stands for what the kernel shows.
        let gone = t.path("var/log/app.log (deleted)");
        t.put("var/log/app.log (deleted)", vec![1u8; 3 << 20]);
        t.put("proc/81/comm", "java\n").link("proc/81/fd/4", &gone).link("proc/81/fd/5", t.path("etc/hosts"));
        t.put("proc/82/comm", "child\n").link("proc/82/fd/4", &gone);
        let (files, unread) = look(&t.roots(), Instant::now() + Duration::from_secs(5));
        assert_eq!((files.len(), unread), (1, 0));
        assert_eq!((files[0].pid, files[0].process.as_str()), (81, "java"));
        assert!(files[0].path.ends_with("app.log") && files[0].size_bytes >= 3 << 20);
        let (none, unread) = look(&t.roots(), Instant::now());
        assert_eq!((none.len(), unread), (0, 2), "out of time is said, not hidden");
    }
}
