//! Finds, without being told: git checkouts and `current` symlinks under the services that run.
//!
//! Reads only `cwd` links and the terminal number of processes; never an environment, never a command line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::signals::Roots;

/// Checkouts and links that are taken at most.
const MOST: usize = 8;
/// Processes looked at, at most.
const PROCESSES: usize = 4_096;
/// How many folders above a working folder are looked at.
const UP: usize = 4;

/// What was found, each sorted by path, at most eight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Folders that hold `.git`.
    pub checkouts: Vec<PathBuf>,
    /// Symlinks named `current` beside the folder of releases that a service runs in.
    pub symlinks: Vec<PathBuf>,
}

/// Looks at the working folders of processes that have no terminal: a person's shell in a checkout is no service.
pub fn look(roots: &Roots) -> Found {
    let mut folders = BTreeSet::new();
    let processes = fs::read_dir(&roots.proc).into_iter().flatten().flatten();
    let numbers = processes.filter(|e| e.file_name().to_str().is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())));
    for process in numbers.take(PROCESSES) {
        let dir = process.path();
        if let Ok(cwd) = fs::read_link(dir.join("cwd"))
            && cwd.parent().is_some()
            && !folders.contains(&cwd)
            && fs::read_to_string(dir.join("stat")).is_ok_and(|s| terminal(&s) == Some(0))
        {
            folders.insert(cwd);
        }
    }
    let (mut checkouts, mut symlinks) = (BTreeSet::new(), BTreeSet::new());
    for cwd in &folders {
        for dir in cwd.ancestors().take(UP).filter(|d| d.parent().is_some()) {
            if dir.join(".git/logs/HEAD").is_file() {
                checkouts.insert(dir.to_owned());
            }
            // releases/20260314/… is run through the link beside `releases`.
            let link = dir.join("current");
            if fs::symlink_metadata(&link).is_ok_and(|m| m.is_symlink()) && leads_to(&link, cwd) {
                symlinks.insert(link);
            }
        }
    }
    Found { checkouts: checkouts.into_iter().take(MOST).collect(), symlinks: symlinks.into_iter().take(MOST).collect() }
}

fn leads_to(link: &Path, cwd: &Path) -> bool {
    match (fs::canonicalize(link), fs::canonicalize(cwd)) {
        (Ok(target), Ok(cwd)) => cwd.starts_with(&target) || target.parent() == cwd.parent(),
        _ => false,
    }
}

/// The controlling terminal of a `/proc/PID/stat` line (proc(5), field 7); 0 is none.
fn terminal(stat: &str) -> Option<i64> {
    // The command in field 2 may hold spaces and brackets: count from the last one.
    stat.rsplit_once(')')?.1.split_whitespace().nth(4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn checkouts_and_links_of_services_are_found_and_those_of_shells_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        let roots = Roots::under(&base);
        for d in
            ["proc/10", "proc/11", "srv/shop/.git/logs", "srv/shop/app", "home/ann/.git/logs", "srv/api/releases/7"]
        {
            fs::create_dir_all(base.join(d)).unwrap();
        }
        fs::create_dir_all(base.join("proc/12")).unwrap();
        for d in ["srv/shop", "home/ann"] {
            fs::write(base.join(d).join(".git/logs/HEAD"), "").unwrap();
        }
        symlink("releases/7", base.join("srv/api/current")).unwrap();
        for (pid, cwd, tty) in [(10, "srv/shop/app", 0), (11, "home/ann", 34816), (12, "srv/api/releases/7", 0)] {
            let p = base.join(format!("proc/{pid}"));
            symlink(base.join(cwd), p.join("cwd")).unwrap();
            fs::write(p.join("stat"), format!("{pid} (a b) c) S 1 1 1 {tty} -1 0")).unwrap();
        }
        let found = look(&roots);
        assert_eq!(found.checkouts, [base.join("srv/shop")]);
        assert_eq!(found.symlinks, [base.join("srv/api/current")]);
    }
}
