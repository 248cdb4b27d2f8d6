//! Log files that are written to, and the journal.
//!
//! Two ways lead to a file: a process holds it open for writing, or it lies in one of the usual folders and was written to
//! within a day. Rotated, compressed and binary files are never taken.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::procs::Procs;
use super::{FoundCommand, FoundLog};
use crate::signals::Roots;
use crate::timeline::Ts;

/// Files taken at most.
pub const MOST: usize = 40;
/// Files in the usual folders that nobody has written to for longer are history.
const RECENT: Duration = Duration::from_secs(24 * 3600);
/// How deep the log folder is walked, and how many entries are looked at.
const DEPTH: usize = 3;
const ENTRIES: usize = 4_000;
/// Folders that hold no lines, and package logs, which are deploys rather than logs.
const NOT_LOGS: [&str; 8] = ["journal", "sysstat", "sa", "atop", "apt", "dpkg.log", "alternatives.log", "installer"];

/// The log files, newest written first, and how many more there were.
pub fn files(roots: &Roots, procs: &Procs, deadline: Instant) -> (Vec<FoundLog>, usize) {
    let mut found: BTreeMap<PathBuf, FoundLog> = BTreeMap::new();
    for p in &procs.list {
        for path in &p.writes {
            if let Some(log) = look(path, Some(p.unit.as_deref().unwrap_or(&p.name)), roots) {
                found.entry(path.clone()).or_insert(log);
            }
        }
    }
    let newest = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Ts::from_secs(newest.saturating_sub(RECENT).as_secs() as i64);
    let mut left = ENTRIES;
    walk(&roots.var_log, DEPTH, &mut left, deadline, &mut |path| {
        if let Some(log) = look(path, None, roots).filter(|l| l.written >= since && l.size_bytes > 0) {
            found.entry(path.to_owned()).or_insert(log);
        }
    });
    let mut out: Vec<FoundLog> = found.into_values().collect();
    // Logs that may not be read are told last, so that they never push out one that may.
    out.sort_by(|a, b| b.readable.cmp(&a.readable).then(b.written.cmp(&a.written)).then_with(|| a.path.cmp(&b.path)));
    let left_out = out.len().saturating_sub(MOST);
    out.truncate(MOST);
    (out, left_out)
}

fn walk(dir: &Path, depth: usize, left: &mut usize, deadline: Instant, each: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.flatten().take(*left).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for e in entries {
        if *left == 0 || Instant::now() >= deadline {
            return;
        }
        *left -= 1;
        let Ok(kind) = e.file_type() else { continue };
        if NOT_LOGS.iter().any(|n| e.file_name() == *n) {
            continue;
        }
        if kind.is_dir() && depth > 1 {
            walk(&e.path(), depth - 1, left, deadline, each);
        } else if kind.is_file() && named_like_a_log(&e.path()) {
            each(&e.path());
        }
    }
}

/// By name alone: not rotated, not compressed, not one of the binary files that lie among logs.
fn named_like_a_log(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return false };
    const BINARY: [&str; 8] = ["wtmp", "btmp", "lastlog", "faillog", "utmp", "tallylog", "wtmp.db", "lastlog2.db"];
    const ENDINGS: [&str; 9] = ["gz", "xz", "zst", "bz2", "lz4", "zip", "old", "journal", "db"];
    if BINARY.contains(&name) || name.starts_with('.') {
        return false;
    }
    match name.rsplit_once('.').map(|(_, e)| e) {
        // `syslog.1`, `app.log-20260101`: rotated.
        Some(e) => !ENDINGS.contains(&e) && !e.bytes().all(|b| b.is_ascii_digit()) && !e.contains("-20"),
        None => !name.contains("-20"),
    }
}

/// A regular file whose beginning holds no NUL; `None` for anything else.
fn look(path: &Path, writer: Option<&str>, roots: &Roots) -> Option<FoundLog> {
    if !named_like_a_log(path) {
        return None;
    }
    let m = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut head = [0u8; 512];
    let (readable, n) = match fs::File::open(path) {
        Ok(mut f) => (true, f.read(&mut head).unwrap_or(0)),
        Err(_) => (false, 0),
    };
    if head[..n].contains(&0) {
        return None;
    }
    let written = m.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(FoundLog {
        path: path.to_owned(),
        name: name(path, roots),
        size_bytes: m.len(),
        written: Ts(i64::try_from(written.as_nanos()).unwrap_or(i64::MAX)),
        writer: writer.map(str::to_owned),
        readable,
    })
}

/// `nginx/access` and `app` rather than `access.log`: the file without its ending, behind its folder unless that is the
/// log folder itself.
fn name(path: &Path, roots: &Roots) -> String {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    match path.parent().filter(|p| **p != roots.var_log).and_then(Path::file_name) {
        Some(folder) if folder != "log" && folder != "logs" && folder != stem.as_str() => {
            format!("{}/{stem}", folder.to_string_lossy())
        }
        _ => stem,
    }
}

/// The journal, when there is one that we may read.
pub fn commands(roots: &Roots) -> Vec<FoundCommand> {
    let journals = [roots.var_log.join("journal"), roots.run.join("log/journal")];
    let readable = |dir: &PathBuf| {
        let Ok(machines) = fs::read_dir(dir) else { return false };
        machines.flatten().any(|m| fs::File::open(m.path().join("system.journal")).is_ok())
    };
    let Some(dir) = journals.iter().find(|d| readable(d)) else { return Vec::new() };
    let argv = ["journalctl", "-f", "-o", "json", "--since", "-30min"].map(str::to_owned).to_vec();
    vec![FoundCommand { name: "journal".into(), argv, reason: format!("{} can be read", dir.display()) }]
}
