//! Rotated files beside the logs that are read: offered, and taken in as content when somebody asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::generation::Generation;
use super::rotated::{Rotated, siblings};
use super::{LogStore, lock, read};
use crate::signals::logs::event::LogOpened;
use crate::timeline::SourceId;

/// Sources that are looked at for an offer, at the most.
const SOURCES: usize = 64;
/// Files taken in at once, newest first, at the most.
const MOST: usize = 200;

/// Files that could be taken in, or were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Older {
    /// Their names, oldest first.
    pub names: Vec<String>,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Older {
    /// `app.log.3.gz to app.log.1, 12.0 MB`.
    pub fn words(&self) -> String {
        let names = match self.names.as_slice() {
            [] => return "none".to_owned(),
            [one] => one.clone(),
            [first, .., last] => format!("{first} to {last}"),
        };
        let mb = self.bytes as f64 / 1e6;
        if mb < 0.1 { format!("{names}, {} kB", self.bytes.div_ceil(1_000)) } else { format!("{names}, {mb:.1} MB") }
    }

    fn take(&mut self, r: &Rotated) {
        self.names.push(r.path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        self.bytes += r.len;
    }
}

/// The siblings of each source's log that none of its generations lies in, oldest first.
fn unread(generations: &[Arc<Generation>]) -> Vec<(SourceId, Vec<Rotated>)> {
    let mut paths: BTreeMap<SourceId, PathBuf> = BTreeMap::new();
    let mut files: BTreeSet<(u64, u64)> = BTreeSet::new();
    let newest = |g: &&Arc<Generation>| g.opened.path.is_some();
    for g in generations.iter().filter(newest) {
        // The log itself comes last; what was taken in before lies beside it.
        paths.insert(g.source, PathBuf::from(g.opened.path.clone().unwrap_or_default()));
        files.extend(g.files());
    }
    let beside = paths.iter().take(SOURCES).map(|(source, path)| {
        let mut found = siblings(path);
        found.retain(|r| !files.contains(&r.id) && r.len > 0);
        (*source, found)
    });
    beside.filter(|(_, found)| !found.is_empty()).collect()
}

/// What could be taken in. Looks at names only.
pub fn offer(generations: &[Arc<Generation>]) -> Option<Older> {
    let mut all = Older::default();
    unread(generations).iter().flat_map(|(_, found)| found).for_each(|r| all.take(r));
    (!all.names.is_empty()).then_some(all)
}

impl LogStore {
    /// Takes in the rotated files beside all logs as content: their lines come before those of the log they belong to.
    /// Copies of what is read anyway are left out. The second part says which could not be read, and why.
    pub fn take_older(&self) -> (Older, Vec<String>) {
        let (mut taken, mut failed) = (Older::default(), Vec::new());
        for (source, found) in unread(&self.shared.generations(None)) {
            let known = self.shared.generations(Some(&[source]));
            let Some(newest) = known.last() else { continue };
            let lowest = known.iter().map(|g| g.opened.generation).min().unwrap_or(0);
            let heads: BTreeSet<(u32, u32)> = known.iter().filter_map(|g| g.head()).collect();
            for (i, r) in found.iter().rev().take(MOST).enumerate() {
                let opened = match open(r, &heads) {
                    Ok(Some(opened)) => opened,
                    Ok(None) => continue,
                    Err(why) => {
                        failed.push(why);
                        continue;
                    }
                };
                // Below all there are, so that of equal times the older file's come first.
                let generation = lowest.checked_sub(i as u32 + 1).unwrap_or(u32::MAX - i as u32);
                let (format, request_id) = (newest.opened.format.clone(), newest.opened.request_id.clone());
                let opened = LogOpened { generation, format, request_id, ..opened };
                let mut all = lock(&self.shared.known);
                if let Some(entry) = all.sources.get_mut(&source) {
                    entry.open_older(source, opened, r.modified, &self.shared);
                    taken.take(r);
                }
            }
        }
        taken.names.reverse();
        self.shared.content.fetch_add(1, Ordering::Relaxed);
        self.shared.asked.notify_all();
        (taken, failed)
    }
}

/// How a rotated file is opened; `None` when it begins as one that is read already.
fn open(r: &Rotated, heads: &BTreeSet<(u32, u32)>) -> Result<Option<LogOpened>, String> {
    let fail = |e: std::io::Error| format!("cannot read {}: {e}", r.path.display());
    let file = Arc::new(File::open(&r.path).map_err(fail)?);
    let meta = file.metadata().map_err(fail)?;
    let (head, size) = read::head(&r.path, &file, &meta)?;
    let same = |(hash, len): &(u32, u32)| head.get(..*len as usize).is_some_and(|h| crc32c::crc32c(h) == *hash);
    if head.is_empty() || heads.iter().any(same) {
        return Ok(None);
    }
    Ok(Some(LogOpened {
        generation: 0,
        path: Some(r.path.to_string_lossy().into_owned()),
        file: Some((meta.dev(), meta.ino())),
        size,
        head: Some((crc32c::crc32c(&head), head.len() as u32)),
        format: None,
        request_id: Vec::new(),
    }))
}
