//! A note that is being written: kept in a file beside the log, so that a crash does not lose it.
//!
//! Every process has its own file (user and process in the name, mode 0600). The runtime saves it at most every 500 ms
//! while somebody types and clears it after the note is on the disk; at the start it asks for the drafts of processes
//! that are gone. A draft has the ID that its note will have, so that one saved twice is written once.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::{StoreError, clean_evidence};
use crate::signals::incident::event::{Evidence, HypothesisState, NoteKind, Ran, RecordId, Screen};
use crate::signals::incident::kinds;
use crate::timeline::Ts;

/// A note before it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteDraft {
    /// The ID that the note will have.
    pub id: RecordId,
    /// What sort of statement.
    pub kind: NoteKind,
    /// For a hypothesis; open when absent.
    #[serde(default)]
    pub state: Option<HypothesisState>,
    /// The words.
    pub text: String,
    /// When it happened; when it is saved, if absent.
    #[serde(default)]
    pub event_at: Option<Ts>,
    /// Who writes; the store's own author if absent.
    #[serde(default)]
    pub author: Option<String>,
    /// What goes with it, unredacted: that happens when it is written.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// How the screen stood.
    #[serde(default)]
    pub screen: Option<Screen>,
    /// The command that it tells of.
    #[serde(default)]
    pub ran: Option<Ran>,
    /// The recording that is replayed while it is written.
    #[serde(default)]
    pub recording: Option<String>,
    /// Which incident; the open one if absent.
    #[serde(default)]
    pub incident: Option<RecordId>,
}

impl NoteDraft {
    /// From a typed line with its prefix. Makes an ID: reads clock and random source.
    pub fn typed(line: &str) -> NoteDraft {
        let (kind, text) = kinds::parse(line);
        NoteDraft::new(kind, text)
    }

    /// From a kind and its words. Makes an ID: reads clock and random source.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> NoteDraft {
        NoteDraft {
            id: RecordId::fresh(),
            kind,
            state: None,
            text: text.into(),
            event_at: None,
            author: None,
            evidence: Vec::new(),
            screen: None,
            ran: None,
            recording: None,
            incident: None,
        }
    }

    /// The line to put back in the editor.
    pub fn line(&self) -> String {
        kinds::typed(self.kind, &self.text)
    }

    /// The same note with another typed line.
    pub fn retyped(&self, line: &str) -> NoteDraft {
        let (kind, text) = kinds::parse(line);
        NoteDraft { kind, text: text.to_owned(), ..self.clone() }
    }
}

/// The draft file of this process beside the log at `log`.
pub fn draft_path(log: &Path) -> PathBuf {
    named(log, &format!(".draft-{}-{}", rustix::process::geteuid().as_raw(), std::process::id()))
}

fn named(log: &Path, suffix: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes the draft in one step: after a crash there is the old one or the new one, whole. On an error (a full disk) the
/// old one stays and nothing else is lost; go on typing and try again.
pub fn save_draft(path: &Path, draft: &NoteDraft) -> Result<(), StoreError> {
    let said = |e: std::io::Error| StoreError::from_io(path, "written", &e);
    let kept = NoteDraft { evidence: clean_evidence(&draft.evidence).0, ..draft.clone() };
    let bytes = serde_json::to_vec(&kept).map_err(|e| said(e.into()))?;
    let new = named(path, ".new");
    let write = || {
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700).create(dir)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        drop(file);
        fs::rename(&new, path)
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&new);
        said(e)
    })
}

/// Reads a draft; `None` when there is none. One that cannot be understood is an error, and stays.
pub fn load_draft(path: &Path) -> Result<Option<NoteDraft>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| StoreError::from_io(path, "read", &e.into())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::from_io(path, "read", &e)),
    }
}

/// Removes a draft; it may be gone already.
pub fn clear_draft(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::from_io(path, "written", &e)),
        _ => Ok(()),
    }
}

/// Drafts of this user beside the log whose process is gone, oldest first. `proc` is the procfs to look in.
pub fn abandoned_drafts(log: &Path, proc: &Path) -> Vec<PathBuf> {
    let own = format!(".draft-{}-", rustix::process::geteuid().as_raw());
    let (Some(dir), Some(name)) = (log.parent(), log.file_name().and_then(|n| n.to_str())) else { return Vec::new() };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<(i64, PathBuf)> = entries
        .flatten()
        .filter_map(|e| {
            let file = e.file_name();
            // `PID`, or `PID-N` for notes that a program could not save on its way out.
            let rest = file.to_str()?.strip_prefix(name)?.strip_prefix(&own)?;
            let pid = rest.split('-').next()?.parse::<u32>().ok()?;
            let gone = !proc.join(pid.to_string()).exists();
            gone.then(|| (e.metadata().map_or(0, |m| m.mtime()), e.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_survives_the_process_that_wrote_it_and_is_found_by_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let (log, proc) = (dir.path().join("state/incidents.db"), dir.path().join("proc"));
        let mut draft = NoteDraft::typed("? the index is gone");
        draft.evidence.push(Evidence { text: "seq scan on orders".into(), ..Evidence::default() });
        let path = draft_path(&log);
        save_draft(&path, &draft).unwrap();
        save_draft(&path, &draft.retyped("? the index is gone since 1.4.2")).unwrap();

        fs::create_dir_all(proc.join(std::process::id().to_string())).unwrap();
        assert_eq!(abandoned_drafts(&log, &proc), Vec::<PathBuf>::new(), "its process lives");
        fs::remove_dir_all(&proc).unwrap();
        assert_eq!(abandoned_drafts(&log, &proc), std::slice::from_ref(&path));
        let found = load_draft(&path).unwrap().unwrap();
        assert_eq!((found.id, found.line().as_str()), (draft.id, "? the index is gone since 1.4.2"));
        assert_eq!(found.evidence, draft.evidence);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        clear_draft(&path).unwrap();
        clear_draft(&path).unwrap();
        assert_eq!(load_draft(&path).unwrap(), None);
    }

    #[test]
    fn a_draft_that_cannot_be_written_leaves_the_last_one_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("draft");
        let draft = NoteDraft::typed("first");
        save_draft(&path, &draft).unwrap();
        // A folder in the way of the new file stands for every error while writing.
        fs::create_dir(dir.path().join("draft.new")).unwrap();
        assert!(save_draft(&path, &draft.retyped("second")).is_err());
        assert_eq!(load_draft(&path).unwrap().unwrap().text, "first");
    }
}
