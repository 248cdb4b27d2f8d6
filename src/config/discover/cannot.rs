//! What was not seen, why, and what would show it.

use super::Found;
use super::procs::Procs;
use crate::signals::Roots;

/// One sentence for each blind spot.
pub fn sentences(roots: &Roots, procs: &Procs, found: &Found) -> Vec<String> {
    let mut out = Vec::new();
    if procs.list.is_empty() {
        out.push(format!("processes: nothing readable below {}", roots.proc.display()));
    }
    if procs.closed > 0 {
        out.push(format!(
            "open files and sockets of {} processes of other users (not root): sudo warroom",
            procs.closed
        ));
    }
    if procs.late > 0 {
        out.push(format!("{} processes: not looked into, time was up", procs.late));
    }
    let shut: Vec<String> = found.logs.iter().filter(|l| !l.readable).map(|l| l.path.display().to_string()).collect();
    if let Some(first) = shut.first() {
        let more = if shut.len() > 1 { format!(" and {} more", shut.len() - 1) } else { String::new() };
        out.push(format!("log {first}{more}: no right to read: sudo warroom, or sudo setfacl -m u:$USER:r {first}"));
    }
    if found.logs_left_out > 0 {
        out.push(format!("{} more log files, written to longer ago: name them to follow them", found.logs_left_out));
    }
    if roots.run.join("systemd/system").is_dir() && found.commands.is_empty() {
        out.push("the journal: not readable: sudo usermod -aG adm,systemd-journal $USER, then log in again".into());
    }
    if !roots.proc.join("pressure/cpu").exists() {
        out.push("pressure (PSI): this kernel has none, or it is switched off (boot with psi=1)".into());
    }
    out
}
