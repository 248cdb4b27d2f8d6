//! `warroom`: the live screen.

use crate::app::filtering;
use crate::app::travel;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;

use super::discovery::Offers;
use super::effects::{IncidentLock, Shell, keep_drafts, last_chance};
use super::event_loop::{Ending, Loop};
use super::session::Session;
use super::settings::settings;
use super::terminal::Terminal;
use crate::app::arrival::Arrival;
use crate::app::playhead::Player;
use crate::app::state::State;
use crate::cli::{LiveArgs, ScreenOptions, UsageError};
use crate::config::Config;
use crate::signals::Roots;
use crate::signals::incident::sources::draft;
use crate::signals::logs::store::{LogStore, StoreOptions};
use crate::timeline::Filter;

/// What a live screen is made of, for `warroom` and for the demo.
pub struct Live {
    /// What is watched.
    pub config: Config,
    /// Log files of the command line.
    pub files: Vec<PathBuf>,
    /// Commands of the command line.
    pub commands: Vec<String>,
    /// Whether to look around the box.
    pub discover: bool,
    /// Record to this file.
    pub record: Option<PathBuf>,
    /// First filter.
    pub filter: Filter,
    /// How it looks.
    pub screen: ScreenOptions,
    /// Whether this is the demo.
    pub demo: bool,
}

/// The live screen from the command line.
pub async fn live(args: LiveArgs) -> anyhow::Result<ExitCode> {
    let (config, _) = Config::find(args.config.as_deref())?;
    let discover = args.files.is_empty() && args.commands.is_empty() && config.names_no_source();
    let filter = parse_filter(args.filter.as_deref())?;
    run(Live {
        config,
        files: args.files,
        commands: args.commands,
        discover,
        record: args.record,
        filter,
        screen: args.screen,
        demo: false,
    })
    .await
}

/// A filter of the command line.
pub fn parse_filter(text: Option<&str>) -> anyhow::Result<Filter> {
    let text = text.unwrap_or("");
    Filter::parse(text).map_err(|e| UsageError(format!("cannot read the filter {text:?}: {e}")).into())
}

/// A log store whose answers go where all answers go.
pub fn store(answers: &mpsc::Sender<Arrival>) -> LogStore {
    let answers = answers.clone();
    LogStore::new(
        Box::new(move |arrival| {
            let _ = answers.blocking_send(Arrival::Logs(Box::new(arrival)));
        }),
        StoreOptions::default(),
    )
}

/// Runs a live screen to its end.
pub async fn run(live: Live) -> anyhow::Result<ExitCode> {
    let (mut settings, theme) = settings(&live.config, &live.screen)?;
    settings.demo = live.demo;
    let roots = Roots::default();
    let terminal = Terminal::take(live.config.screen.mouse && !live.screen.no_mouse)?;
    die_first();
    let mut session = Session::start(&live.config, &roots, live.record.clone())?;
    let (answers_to, answers) = mpsc::channel(256);
    let store = store(&answers_to);
    let offers = Offers::default();
    let sources = session.configured(&live.config, &roots, &live.files, &live.commands);
    session.add(sources);
    if live.discover {
        let (offers, supervisor, to) = (offers.clone(), session.supervisor.clone(), answers_to.clone());
        let config = live.config.clone();
        tokio::spawn(async move {
            let looked = offers.clone();
            let found = tokio::task::spawn_blocking(move || looked.look(&config)).await.unwrap_or_default();
            for source in found {
                supervisor.start(source);
            }
            let _ = to.send(offers.arrival()).await;
        });
    }
    find_drafts(&session, &roots, &answers_to);
    super::attach::offer(session.recorder.clone());
    let mut state = State::new(Player::live(session.clock.wall()), settings);
    travel::follow_playhead(&mut state);
    let first = filtering::set_filter(&mut state, live.filter);
    let incident: IncidentLock = Arc::new(tokio::sync::RwLock::new(Arc::clone(&session.incident)));
    let shell = Shell {
        answers: answers_to,
        drafts: keep_drafts(Some(Arc::clone(&incident))),
        incident: Some(Arc::clone(&incident)),
        recorder: Some(session.recorder.clone()),
        supervisor: Some(session.supervisor.clone()),
        store: store.clone(),
        offers,
    };
    for effect in first {
        shell.run(effect);
    }
    let (_closed, empty) = mpsc::channel(1);
    let stream = std::mem::replace(&mut session.stream, empty);
    let mut the_loop = Loop {
        state,
        theme,
        terminal,
        stream: Some(stream),
        answers,
        shell,
        store,
        clock: session.clock,
        editor: None,
    };
    let ending = the_loop.run().await;
    the_loop.terminal.give_back();
    let unsaved = std::mem::take(&mut the_loop.state.unsaved);
    if let Some(stream) = the_loop.stream.take() {
        session.stream = stream;
    }
    drop(the_loop);
    let kept = last_chance(Some(incident), unsaved).await;
    if kept > 0 {
        say(&format!("{kept} note(s) could not be saved; they are kept as drafts, and the next start offers them"));
    }
    // The note just saved and the last lines are still on their way to the recorder.
    session.supervisor.stop();
    let until = tokio::time::Instant::now() + Duration::from_millis(300);
    while let Ok(Some(_)) = tokio::time::timeout_at(until, session.stream.recv()).await {}
    let code = ending.as_ref().map(|ending| leave(&session, *ending));
    session.recorder.finish(Duration::from_secs(2));
    match code {
        Ok(code) => Ok(code),
        Err(_) => ending.map(|_| ExitCode::FAILURE),
    }
}

/// To standard error, which may be a terminal that is gone: then nobody hears it, and that is all.
fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "warroom: {text}");
}

/// What is said and saved on the way out.
fn leave(session: &Session, ending: Ending) -> ExitCode {
    match ending {
        Ending::Quit => return ExitCode::SUCCESS,
        Ending::Terminated | Ending::Lost => {}
    }
    if session.recorder.status().path.is_none() {
        match save_on_the_way_out(session) {
            Ok(path) => say(&format!("the recording so far is saved as {}; warroom replay plays it", path.display())),
            Err(e) => say(&format!("the recording so far could not be saved: {e}")),
        }
    }
    ExitCode::from(if ending == Ending::Lost { 129 } else { 143 })
}

/// Saves the flight recorder to the user's state folder, unless the disk is nearly full: then the room is left to those
/// who need it more.
fn save_on_the_way_out(session: &Session) -> anyhow::Result<PathBuf> {
    let folder = crate::config::state_folder().context("no home folder: set HOME")?.join("recordings");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let disk =
        rustix::fs::statvfs(&folder).with_context(|| format!("cannot look at the disk of {}", folder.display()))?;
    let free = disk.f_bavail * disk.f_frsize;
    let least = (1u64 << 30).min(disk.f_blocks * disk.f_frsize / 10);
    anyhow::ensure!(
        free > least + (64 << 20),
        "the disk has only {} MB free, which is left to those who need it more",
        free >> 20
    );
    let name = session.clock.wall().jiff().strftime("%Y%m%dT%H%M%SZ.wr").to_string();
    let path = folder.join(name);
    session.recorder.save(path.clone(), false).map_err(anyhow::Error::msg)?;
    Ok(path)
}

/// When memory runs out this program goes before anything it watches.
fn die_first() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "800");
}

/// Unfinished notes of runs that crashed come back.
fn find_drafts(session: &Session, roots: &Roots, answers: &mpsc::Sender<Arrival>) {
    let (path, proc, to) = (session.incident.path().to_owned(), roots.proc.clone(), answers.clone());
    tokio::task::spawn_blocking(move || {
        for file in draft::abandoned_drafts(&path, &proc) {
            if let Ok(Some(note)) = draft::load_draft(&file) {
                let _ = draft::clear_draft(&file);
                let _ = to.blocking_send(Arrival::DraftFound(note.line()));
                return;
            }
        }
    });
}
