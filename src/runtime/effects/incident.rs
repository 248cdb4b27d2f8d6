//! Effects on the incident log: notes and changes, drafts of notes that are not finished, the post-mortem.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use super::{IncidentLock, Shell, private};
use crate::app::arrival::Arrival;
use crate::app::effect::Draft;
use crate::runtime::postmortem::{self, Format};
use crate::runtime::replay_log::ReplayLog;
use crate::runtime::settings;
use crate::signals::incident::event::{IncidentEvent, RecordId};
use crate::signals::incident::report::ReportOptions;
use crate::signals::incident::report::window::Seen;
use crate::signals::incident::sources::draft::{self, NoteDraft};
use crate::signals::incident::sources::store::{IncidentStore, NoteEdit, Saved, StoreError};
use crate::ui::Level;

/// How often the unfinished note is written at most.
const DRAFT_EVERY: Duration = Duration::from_millis(500);
/// How long one note may take on the way out.
const LAST_CHANCE: Duration = Duration::from_secs(2);
/// How long between two tries to put a note on disk.
const AGAIN: Duration = Duration::from_secs(3);

impl Shell {
    pub(super) async fn store(&self) -> Option<Arc<IncidentStore>> {
        match &self.incident {
            Some(lock) => Some(Arc::clone(&*lock.read().await)),
            None => None,
        }
    }

    /// Commits a note, and tries again for as long as it does not work.
    pub(super) async fn save_note(&self, d: Draft) {
        let (number, edits) = (d.number, d.edits);
        let note = note_of(d);
        if self.replay.as_ref().is_some_and(|r| !r.is_whole()) {
            let why = "waits until the recording is read, which may hold its incident".into();
            self.answer(Arrival::NoteFailed { why }).await;
        }
        loop {
            let Some(store) = self.store().await else {
                let why = "there is no incident log to write to".into();
                return self.answer(Arrival::NoteRefused { number, why }).await;
            };
            match commit(&store, self.replay.as_deref(), note.clone(), edits).await {
                Ok(saved) => {
                    self.noted(&store).await;
                    return self.answer(Arrival::NoteSaved { number, redacted: saved.redacted }).await;
                }
                // Trying again cannot help: the text goes back to whoever wrote it.
                Err(StoreError::Refused(why)) => return self.answer(Arrival::NoteRefused { number, why }).await,
                Err(e) => self.answer(Arrival::NoteFailed { why: e.to_string() }).await,
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(super) fn incident_task<F, Fut>(self, f: F)
    where
        F: FnOnce(Arc<IncidentStore>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<String, StoreError>> + Send,
    {
        tokio::spawn(async move {
            let Some(store) = self.store().await else {
                return self.say(Level::Warn, "there is no incident log to write to".into()).await;
            };
            let said = async {
                // What is changed while a recording is replayed must be in the log before it can be.
                if let Some(replay) = &self.replay {
                    replay.incident(&store).await?;
                }
                f(Arc::clone(&store)).await
            };
            match said.await {
                Ok(text) => {
                    self.noted(&store).await;
                    self.say(Level::Calm, text).await;
                }
                Err(e) => self.say(Level::Bad, e.to_string()).await,
            }
        });
    }

    pub(super) fn with_open_incident<F, Fut>(self, f: F)
    where
        F: FnOnce(Arc<IncidentStore>, RecordId) -> Fut + Send + 'static,
        Fut: Future<Output = Result<String, StoreError>> + Send,
    {
        let replay = self.replay.clone();
        self.incident_task(move |store| async move {
            if let Some(replay) = &replay {
                let id = replay.incident(&store).await?;
                return f(store, id).await;
            }
            match store.current().await? {
                Some(open) => f(store, open.id).await,
                None => Err(StoreError::Refused("no incident is open; `:incident TITLE` opens one".into())),
            }
        });
    }

    /// In a replay nobody reads the log again: what was written is told to the screen.
    pub(super) async fn noted(&self, store: &IncidentStore) {
        if let Some(replay) = &self.replay
            && let Ok(records) = replay.known(store).await
        {
            self.answer(Arrival::Noted(records)).await;
        }
    }

    /// Writes the post-mortem in all formats; in a live session without a recording on disk that, too, so that its rows
    /// can be looked up.
    pub(super) async fn export(&self, path: PathBuf, mut seen: Seen, incident: RecordId) -> anyhow::Result<String> {
        let named = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{end}"));
            PathBuf::from(name)
        };
        let store = self.store().await.context("there is no incident log to read")?;
        let mut records = match &self.replay {
            Some(replay) => replay.all(),
            None => Vec::new(),
        };
        let known: BTreeSet<_> = records.iter().map(IncidentEvent::id).collect();
        let more = store.records(incident).await?;
        records.extend(more.into_iter().filter(|e| !known.contains(&e.id())));
        let unticked = postmortem::unticked(&settings::checklists(), incident, &records);
        let mut options = ReportOptions { unticked, ..ReportOptions::default() };
        if let Some(replay) = &self.replay {
            (options.recording, options.logs) = (replay.recording.clone(), replay.logs.clone());
        } else if let Some(recorder) = self.recorder.clone() {
            let on_disk = recorder.status().path.clone();
            let saved = named("wr");
            options.recording = Some(match on_disk {
                Some(path) => path.display().to_string(),
                None => {
                    let to = saved.clone();
                    let done = tokio::task::spawn_blocking(move || recorder.save(to, false)).await?;
                    done.map_err(anyhow::Error::msg)?;
                    saved.display().to_string()
                }
            });
        }
        options.fingerprint = options.recording.as_ref().and_then(|p| postmortem::fingerprint(Path::new(p)));
        let (logs, mut files) = (self.store.clone(), Vec::new());
        for format in Format::ALL {
            files.push((format, private(&named(format.extension()))?));
        }
        tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            postmortem::count(&logs, incident, &records, &mut seen);
            for (format, mut file) in files {
                let text = postmortem::text(format, incident, &records, &seen, &options);
                file.write_all(text.context("the incident has no records")?.as_bytes())?;
            }
            Ok(())
        })
        .await??;
        Ok(format!("written: {}, .html and .json", named("md").display()))
    }

    /// Notes go to `path` from now on. The incident `open` goes on there: what the screen knows of it, and what its log
    /// holds, are copied; what stands in both is written once.
    pub(super) async fn notes_to(&self, path: PathBuf, open: Option<RecordId>, known: Vec<IncidentEvent>) {
        let Some(lock) = &self.incident else { return };
        let before = Arc::clone(&*lock.read().await);
        let after = Arc::new(IncidentStore::open(&path).by(before.who().author.clone()));
        let open = match &self.replay {
            Some(replay) => replay.incident(&before).await.ok(),
            None => open,
        };
        let carried = async {
            carry_on(&before, &after, open, &known).await?;
            match open {
                // Another one may be open there already.
                Some(id) if self.replay.is_none() && after.current().await?.is_some_and(|i| i.id != id) => {
                    after.resume(id).await
                }
                _ => Ok(()),
            }
        };
        if let Err(e) = carried.await {
            let text = format!("notes still go to {}: {e}", before.path().display());
            return self.say(Level::Bad, text).await;
        }
        *lock.write().await = Arc::clone(&after);
        // A note may have reached the former log meanwhile.
        let late = carry_on(&before, &after, open, &[]).await;
        if let Some(s) = &self.supervisor {
            s.start(crate::signals::incident::sources::declared(&path));
        }
        let goes_on = if open.is_some() { "; the incident goes on there" } else { "" };
        match late {
            Ok(()) => self.say(Level::Warn, format!("notes go to {} from now on{goes_on}", path.display())).await,
            Err(e) => self.say(Level::Bad, e.to_string()).await,
        }
    }
}

/// Copies an incident from log to log.
async fn carry_on(
    from: &IncidentStore,
    to: &IncidentStore,
    open: Option<RecordId>,
    known: &[IncidentEvent],
) -> Result<(), StoreError> {
    let mut records = known.to_vec();
    if let Some(id) = open {
        // A log that cannot even be read any more takes nothing from what is known.
        let held = from.records(id).await.unwrap_or_default();
        let ids: BTreeSet<RecordId> = known.iter().map(IncidentEvent::id).collect();
        records.extend(held.into_iter().filter(|e| !ids.contains(&e.id())));
    }
    to.import(&records).await.map(drop)
}

/// The note as the log takes it.
fn note_of(d: Draft) -> NoteDraft {
    let mut note = NoteDraft::new(d.kind, d.text);
    note.event_at = Some(d.event_at);
    (note.evidence, note.screen, note.ran) = (d.evidence, d.screen, d.ran);
    note
}

/// The one task that keeps the unfinished note on disk: the newest text, at most twice a second.
pub fn keep_drafts(incident: Option<IncidentLock>) -> watch::Sender<Option<String>> {
    let (to, mut newest) = watch::channel(None);
    let Some(lock) = incident else { return to };
    tokio::spawn(async move {
        while newest.changed().await.is_ok() {
            let text = newest.borrow_and_update().clone();
            let path = draft::draft_path(lock.read().await.path());
            // Under a full disk the draft fails softly: the note itself says so when it is saved.
            let _ = tokio::task::spawn_blocking(move || match text {
                Some(text) => draft::save_draft(&path, &NoteDraft::typed(&text)),
                None => draft::clear_draft(&path),
            })
            .await;
            tokio::time::sleep(DRAFT_EVERY).await;
        }
    });
    to
}

/// Puts a note, or other words for one, into the log; in a replay under the incident of the recording.
async fn commit(
    store: &IncidentStore,
    replay: Option<&ReplayLog>,
    mut note: NoteDraft,
    edits: Option<RecordId>,
) -> Result<Saved, StoreError> {
    if let Some(id) = edits {
        let edit = NoteEdit { text: Some(note.text), kind: Some(note.kind), ..NoteEdit::default() };
        return store.edit(id, edit).await;
    }
    if let Some(replay) = replay {
        note.incident = Some(replay.incident(store).await?);
        note.recording = Some(replay.key());
    }
    store.add_note(note).await
}

/// On the way out: notes that are not on disk get a last chance, and what fails is kept as a draft, which is said.
pub async fn last_words(incident: Option<IncidentLock>, replay: Option<&ReplayLog>, unsaved: Vec<Draft>) {
    let Some(lock) = incident else { return };
    let store = Arc::clone(&*lock.read().await);
    // Nobody reads on: what is known of the recording now is all there will be.
    if let Some(replay) = replay {
        replay.whole();
    }
    let mut kept = 0;
    for d in unsaved {
        let edits = d.edits;
        let note = note_of(d);
        let saved = tokio::time::timeout(LAST_CHANCE, commit(&store, replay, note.clone(), edits)).await;
        if !matches!(saved, Ok(Ok(_))) {
            let path = format!("{}-{kept}", draft::draft_path(store.path()).display());
            let _ = draft::save_draft(Path::new(&path), &note);
            kept += 1;
        }
    }
    if kept > 0 {
        // Standard error may be a terminal that is gone: then nobody hears it.
        let said = "could not be saved; kept as drafts, which the next start offers";
        let _ = writeln!(std::io::stderr(), "warroom: {kept} note(s) {said}");
    }
}
