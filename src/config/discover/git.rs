//! Git checkouts under the folders that processes work in or run from: their reflog is a deploy log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::FoundCheckout;
use super::procs::Procs;
use crate::signals::host::sources::read;

/// Folders that shells and tools work in without being deployed there are left out by what runs in them.
const NOT_DEPLOYED: [&str; 16] = [
    "bash",
    "zsh",
    "fish",
    "sh",
    "dash",
    "tmux: server",
    "tmux",
    "screen",
    "sshd",
    "vim",
    "nvim",
    "less",
    "git",
    "cargo",
    "ssh",
    "man",
];
/// Checkouts told.
const MOST: usize = 20;
/// Folders looked up from where a process works.
const UP: usize = 6;

/// Checkouts under running processes, by path.
pub fn checkouts(procs: &Procs) -> Vec<FoundCheckout> {
    let mut looked: BTreeMap<PathBuf, Option<PathBuf>> = BTreeMap::new();
    let mut out: BTreeMap<PathBuf, FoundCheckout> = BTreeMap::new();
    for p in procs.list.iter().filter(|p| !NOT_DEPLOYED.contains(&p.name.as_str())) {
        for dir in [&p.cwd, &p.exe].into_iter().flatten().filter(|d| **d != Path::new("/")) {
            let found = looked.entry(dir.clone()).or_insert_with(|| above(dir));
            // What runs for a unit, talks to somebody or runs out of the checkout is deployed; a `tail` there is not.
            let deployed = |path: &Path| {
                p.unit.is_some() || !p.sockets.is_empty() || p.exe.as_ref().is_some_and(|e| e.starts_with(path))
            };
            if let Some(path) = found
                && deployed(path)
                && out.len() < MOST
                && !out.contains_key(path)
            {
                let head = head(path).unwrap_or_default();
                out.insert(path.clone(), FoundCheckout { path: path.clone(), process: p.name.clone(), head });
            }
        }
    }
    out.into_values().collect()
}

fn above(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().take(UP).find(|d| d.join(".git").exists()).map(Path::to_owned)
}

/// Branch, or the beginning of the commit. A worktree's `.git` is a file that says where the rest is.
fn head(checkout: &Path) -> Option<String> {
    let mut git = checkout.join(".git");
    if fs::metadata(&git).ok()?.is_file() {
        git = checkout.join(read::text(&git)?.strip_prefix("gitdir:")?.trim());
    }
    let head = read::text(&git.join("HEAD"))?;
    let head = head.trim();
    Some(match head.strip_prefix("ref: refs/heads/") {
        Some(branch) => branch.to_owned(),
        None => head.chars().take(12).collect(),
    })
}
