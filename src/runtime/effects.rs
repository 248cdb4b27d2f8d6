//! Carries out what `update` wished for: notes, incident, recorder, files, commands, connections.

mod incident;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::discovery::Offers;
use super::replay_log::ReplayLog;
use crate::app::arrival::Arrival;
use crate::app::effect::{Effect, NoteChange};
use crate::signals::database::ending::{Ended, Ending};
use crate::signals::database::plan::{Plan, Question, Wanted};
use crate::signals::incident::event::IncidentSeverity;
use crate::signals::incident::sources::store::{IncidentStore, NoteEdit, StoreError};
use crate::signals::logs::store::LogStore;
use crate::stream::recorder::{Recorder, RecorderStatus};
use crate::stream::supervisor::Supervisor;
use crate::timeline::Ts;
use crate::ui::Level;

pub use incident::{keep_drafts, last_words};

/// The incident log, which `:notes-to` may exchange.
pub type IncidentLock = Arc<tokio::sync::RwLock<Arc<IncidentStore>>>;

/// How long databases may take leave before Ctrl-Z stops us.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a plan is waited for.
const EXPLAIN: Duration = Duration::from_secs(8);

/// The way to the outside. Each effect runs in a task of its own; answers come back as arrivals.
#[derive(Clone)]
pub struct Shell {
    /// Where answers go.
    pub answers: mpsc::Sender<Arrival>,
    /// The incident log.
    pub incident: Option<IncidentLock>,
    /// What is replayed, where something is: it says which incident is meant.
    pub replay: Option<Arc<ReplayLog>>,
    /// The recorder, when live.
    pub recorder: Option<Recorder>,
    /// The sources, when live.
    pub supervisor: Option<Supervisor>,
    /// Reads log files, for writing lines out.
    pub store: LogStore,
    /// What discovery found.
    pub offers: Offers,
    /// Whether sessions of databases may be ended.
    pub allow_kill: bool,
    /// The newest state of the unfinished note; one task writes it, so that an older one never comes after.
    pub drafts: watch::Sender<Option<String>>,
}

impl Shell {
    /// How the recorder is doing.
    pub fn recorder_status(&self) -> RecorderStatus {
        self.recorder.as_ref().map(Recorder::status).unwrap_or_default()
    }

    /// Before the process is stopped: database connections are given up.
    pub fn suspend(&self) {
        if let Some(s) = &self.supervisor {
            s.suspend(GOODBYE);
        }
    }

    /// After `fg`.
    pub fn resume(&self) {
        if let Some(s) = &self.supervisor {
            s.resume();
        }
    }

    /// Carries out one effect.
    pub fn run(&self, effect: Effect) {
        let me = self.clone();
        match effect {
            Effect::SaveNote(draft) => {
                tokio::spawn(async move { me.save_note(draft).await });
            }
            Effect::KeepDraft(text) => {
                self.drafts.send_replace(text);
            }
            Effect::OpenIncident(title) => {
                let replay = self.replay.clone();
                me.incident_task(move |store| async move {
                    let known = match &replay {
                        Some(replay) => Some(replay.incident(&store).await?),
                        None => store.current().await?.map(|i| i.id),
                    };
                    match known {
                        Some(id) => store.set_title(id, &title).await?,
                        None => drop(store.open_incident(&title, None).await?),
                    }
                    Ok("incident saved".into())
                });
            }
            Effect::ChangeNote(note, change) => me.incident_task(move |store| async move {
                let said = match change {
                    NoteChange::State(state) => {
                        store.set_hypothesis(note, state).await?;
                        format!("hypothesis {state}")
                    }
                    NoteChange::Evidence(evidence) => {
                        let sort = if evidence.against { "against" } else { "for" };
                        store.edit(note, NoteEdit { evidence: vec![*evidence], ..NoteEdit::default() }).await?;
                        format!("evidence {sort} the hypothesis saved")
                    }
                    NoteChange::Delete => {
                        store.delete(note).await?;
                        "note deleted; its versions stay in the log".into()
                    }
                };
                Ok(said)
            }),
            Effect::SetRole(role, name) => me.with_open_incident(move |store, id| async move {
                store.set_role(id, role, &name).await?;
                Ok(if name.is_empty() { format!("{role} given up") } else { format!("{role}: {name}") })
            }),
            Effect::SetServices(services) => me.with_open_incident(move |store, id| async move {
                store.set_services(id, &services).await?;
                Ok(format!("services: {}", services.join(", ")))
            }),
            Effect::Resume(id) => me.incident_task(move |store| async move {
                store.resume(id).await?;
                Ok("notes go to this incident from now on".into())
            }),
            Effect::Merge(from, into) => me.incident_task(move |store| async move {
                store.merge(from, into).await?;
                Ok("merged: its notes count for the other one from now on".into())
            }),
            Effect::Export { path, seen, incident } => {
                tokio::spawn(async move {
                    let said = me.export(path, *seen, incident).await;
                    match said {
                        Ok(text) => me.answer(Arrival::Exported(text)).await,
                        Err(e) => me.say(Level::Bad, format!("{e:#}")).await,
                    }
                });
            }
            Effect::SetSeverity(n) => me.with_open_incident(move |store, id| async move {
                let severity = format!("SEV{n}").parse::<IncidentSeverity>().map_err(StoreError::Refused)?;
                store.set_severity(id, severity).await?;
                Ok(format!("severity SEV{n} saved"))
            }),
            Effect::SetStatus(status) => me.with_open_incident(move |store, id| async move {
                let status = status.parse().map_err(StoreError::Refused)?;
                store.set_status(id, status, None).await?;
                Ok(format!("status {status} saved"))
            }),
            Effect::Milestone(kind, at) => me.with_open_incident(move |store, id| async move {
                store.milestone(id, kind, at).await?;
                Ok(format!("milestone {kind} saved: {}", at.jiff().strftime("%F %T UTC")))
            }),
            Effect::NotesTo { path, open, known } => {
                tokio::spawn(async move { me.notes_to(path, open, known).await });
            }
            Effect::Record(path) => me.record(path),
            Effect::WriteLines { path, filter, all, until, how } => {
                tokio::task::spawn_blocking(move || {
                    let written = super::lines::write(&me.store, &path, &filter, &all, until, how);
                    let said = super::lines::said(written, &path);
                    let _ = me.answers.blocking_send(Arrival::Say(said.0, said.1));
                });
            }
            Effect::WriteRows { path, rows, how } => {
                tokio::task::spawn_blocking(move || {
                    let said = super::lines::said(super::lines::write_rows(&path, &rows, how), &path);
                    let _ = me.answers.blocking_send(Arrival::Say(said.0, said.1));
                });
            }
            Effect::Run { name, command } => {
                tokio::spawn(async move { me.run_command(name, command).await });
            }
            Effect::Connect(i) => {
                tokio::spawn(async move {
                    let (level, text, running) = me.offers.take(i, me.supervisor.as_ref());
                    me.say(level, text).await;
                    me.answer(me.offers.arrival()).await;
                    if running.is_empty() {
                        return;
                    }
                    for source in running {
                        let _ = source.await;
                    }
                    me.offers.let_go(i);
                    me.answer(me.offers.arrival()).await;
                });
            }
            Effect::Explain(wanted) => {
                tokio::spawn(async move {
                    let said = me.explain(wanted).await.map(Box::new);
                    me.answer(Arrival::Explained(said)).await;
                });
            }
            Effect::End(ending) => {
                tokio::spawn(async move {
                    let began = Instant::now();
                    let said = me.end(&ending).await.map(|ended| ended.said);
                    me.answer(Arrival::Ended { ending, said, took: began.elapsed() }).await;
                });
            }
            Effect::GiveBack(given) => {
                if let Some(s) = &self.supervisor {
                    s.give_back(given);
                }
            }
            Effect::SaveConfig => {
                tokio::spawn(async move {
                    let said = me.offers.save_config();
                    me.say(said.0, said.1).await;
                });
            }
            Effect::SaveFilter { name, text } => {
                tokio::task::spawn_blocking(move || {
                    let saved = match super::filters::path() {
                        Some(path) => super::filters::save(&path, &name, &text).map(|()| path),
                        None => Err(anyhow::anyhow!("no home folder to save a filter in; set HOME")),
                    };
                    let said = match saved {
                        Ok(path) => (Level::Calm, format!("filter {name} saved in {}", path.display())),
                        Err(e) => (Level::Bad, format!("filter {name} holds for this session only: {e:#}")),
                    };
                    let _ = me.answers.blocking_send(Arrival::Say(said.0, said.1));
                });
            }
            Effect::TakeOlder => {
                tokio::task::spawn_blocking(move || {
                    let (taken, failed) = me.store.take_older();
                    let said = match (failed.first(), taken.names.len()) {
                        (Some(why), n) => (Level::Bad, format!("{n} taken in; {why}")),
                        (None, 0) => (Level::Calm, "no rotated files beside the logs that are not read already".into()),
                        (None, 1) => (Level::Calm, format!("taken in: {}", taken.words())),
                        (None, n) => (Level::Calm, format!("{n} files taken in: {}", taken.words())),
                    };
                    let _ = me.answers.blocking_send(Arrival::Say(said.0, said.1));
                });
            }
            // The loop does these itself.
            Effect::AskLogs(_)
            | Effect::Copy { .. }
            | Effect::CopyScreen
            | Effect::UseTheme(_)
            | Effect::RedrawAll
            | Effect::OpenEditor { .. }
            | Effect::EditNote(_)
            | Effect::PlaceLater(..)
            | Effect::Suspend
            | Effect::Quit => {}
        }
    }

    /// Asks a source for a plan; never longer than [`EXPLAIN`].
    async fn explain(&self, wanted: Wanted) -> Result<Plan, String> {
        let Some(supervisor) = &self.supervisor else {
            return Err("no server to ask from here: explain on the screen that is connected".into());
        };
        let Some(asker) = supervisor.asker(wanted.source) else {
            return Err("no plan: this source is not asked for plans".into());
        };
        let (answer, said) = tokio::sync::oneshot::channel();
        if asker.try_send(Question::Plan { wanted, answer }).is_err() {
            return Err("no plan: another one is being asked for, or the server does not answer".into());
        }
        match tokio::time::timeout(EXPLAIN, said).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err("no plan: the connection broke".into()),
            Err(_) => Err(format!("no plan: no answer within {} s; is the server connected?", EXPLAIN.as_secs())),
        }
    }

    /// Asks a source to end a session; never longer than [`EXPLAIN`].
    async fn end(&self, ending: &Ending) -> Result<Ended, String> {
        // The last of several doors: the screen has asked, and the way there is closed without the flag.
        if !self.allow_kill {
            return Err("not done: warroom was started without --allow-kill".into());
        }
        let asker = self.supervisor.as_ref().and_then(|s| s.asker(ending.source));
        let Some(asker) = asker else { return Err("not done: no server to ask from here".into()) };
        let (answer, said) = tokio::sync::oneshot::channel();
        if asker.try_send(Question::End { ending: ending.clone(), answer }).is_err() {
            return Err("not done: the server is being asked something else, or does not answer".into());
        }
        match tokio::time::timeout(EXPLAIN, said).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err("whether it was done is not known: the connection broke".into()),
            Err(_) => Err(format!("whether it was done is not known: no answer within {} s", EXPLAIN.as_secs())),
        }
    }

    async fn answer(&self, arrival: Arrival) {
        let _ = self.answers.send(arrival).await;
    }

    async fn say(&self, level: Level, text: String) {
        self.answer(Arrival::Say(level, text)).await;
    }

    fn record(self, path: Option<PathBuf>) {
        let Some(recorder) = self.recorder.clone() else { return };
        tokio::task::spawn_blocking(move || {
            let path = path.unwrap_or_else(|| PathBuf::from("warroom.wr"));
            let said = match recorder.save(path.clone(), true) {
                Ok(bytes) => (Level::Calm, format!("recording to {} ({bytes} bytes from before)", path.display())),
                Err(e) => (Level::Bad, e),
            };
            let _ = self.answers.blocking_send(Arrival::Say(said.0, said.1));
        });
    }

    async fn run_command(&self, name: String, command: String) {
        let started = Instant::now();
        let run = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(&command)
            // A group of its own: neither a lost terminal nor Ctrl-Z may cut a rollback in half.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .await;
        let (code, output) = match run {
            Ok(out) => {
                let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
                text.push_str(&String::from_utf8_lossy(&out.stderr));
                let from = text.char_indices().rev().nth(400).map_or(0, |(i, _)| i);
                (out.status.code(), text[from..].to_owned())
            }
            Err(e) => (Some(127), format!("cannot run sh: {e}")),
        };
        self.answer(Arrival::Ran { name, command, code, took: started.elapsed(), output }).await;
    }
}

/// A new file that nobody else may read: what is written out may hold what only this user may see.
pub fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The clock, for those who are not in the loop.
pub fn wall() -> Ts {
    crate::signals::source::StreamClock::start().wall()
}
