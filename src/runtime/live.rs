//! `warroom`: the live screen.

use crate::app::filtering;
use crate::app::travel;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::discovery::Offers;
use super::effects::{IncidentLock, Shell, keep_drafts, last_words};
use super::event_loop::{Ending, Loop};
use super::flight;
use super::past::Loader;
use super::session::Session;
use super::settings::settings;
use super::signals::Signals;
use super::terminal::{self, Terminal};
use crate::app::arrival::{Arrival, SavedRow};
use crate::app::playhead::Player;
use crate::app::state::State;
use crate::cli::{LiveArgs, ScreenOptions, UsageError};
use crate::config::Config;
use crate::signals::Roots;
use crate::signals::incident::sources::draft;
use crate::signals::logs::config::LogsConfig;
use crate::signals::logs::store::spool::Spool;
use crate::signals::logs::store::{LogStore, Recall, StoreOptions, index_cache};
use crate::stream::past::Past;
use crate::stream::queue;
use crate::timeline::filter::Clock;
use crate::timeline::{Filter, Ts};

/// A saved recording is offered in the first line for so long; afterwards `s` still lists it.
const OFFERED: Duration = Duration::from_secs(7 * 86_400);

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
    /// Whether sessions of databases may be ended from the screen.
    pub allow_kill: bool,
}

/// The live screen from the command line.
pub async fn live(args: LiveArgs) -> anyhow::Result<ExitCode> {
    let (mut config, _) = Config::find(args.screen.config.as_deref())?;
    config.logs.index_memory_mb = args.index_memory.unwrap_or(config.logs.index_memory_mb);
    config.logs.spool = args.spool.or(config.logs.spool);
    config.logs.index_cache = args.index_cache.or(config.logs.index_cache);
    // Better now than when somebody needs what should have been kept.
    if let Some(dir) = &config.logs.spool {
        Spool::new(dir).map_err(UsageError)?;
    }
    if let Some(dir) = &config.logs.index_cache {
        index_cache::prepare(dir).map_err(UsageError)?;
    }
    if let [file] = args.files.as_slice()
        && let Some(meant) = mistyped(file)
    {
        let file = file.display();
        let text =
            format!("there is no file {file:?}; did you mean `warroom {meant}`? For a file that comes later: ./{file}");
        return Err(UsageError(text).into());
    }
    let names = crate::cli::subcommands();
    let is_name = |f: &&std::path::PathBuf| !f.exists() && f.to_str().is_some_and(|w| names.iter().any(|n| n == w));
    if let Some(name) = args.files.iter().find(is_name) {
        let name = name.display();
        let text = format!(
            "{name} is a subcommand and comes first: `warroom {name}`; there is no file of that name. \
             For a file that comes later: ./{name}"
        );
        return Err(UsageError(text).into());
    }
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
        allow_kill: args.allow_kill,
    })
    .await
}

/// The subcommand that was meant by a bare word that is no file: one letter off, or two letters changed places.
fn mistyped(file: &std::path::Path) -> Option<String> {
    let word = file.to_str().filter(|w| w.len() >= 3 && w.chars().all(|c| c.is_ascii_lowercase()))?;
    if file.exists() {
        return None;
    }
    let names = crate::cli::subcommands();
    names.into_iter().find(|name| is_near(word, name))
}

/// Whether one letter was left out, put in or changed, or two neighbours changed places.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (left, right) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    match (left, right) {
        ([x, y], [p, q]) => x == q && y == p,
        _ => left.len() <= 1 && right.len() <= 1 && a != b,
    }
}

/// A filter of the command line; `@NAME` is one that was saved.
pub fn parse_filter(text: Option<&str>) -> anyhow::Result<Filter> {
    parse_filter_at(text, None)
}

/// The same; with a clock, times may be given as they are typed on the screen.
pub fn parse_filter_at(text: Option<&str>, clock: Option<Clock<'_>>) -> anyhow::Result<Filter> {
    let text = text.unwrap_or("");
    let saved =
        if text.contains('@') { super::filters::path().map(|p| super::filters::load(&p)).transpose()? } else { None };
    let text = &Filter::expand(text, &saved.unwrap_or_default())
        .map_err(|e| UsageError(format!("cannot read the filter {text:?}: {e}")))?;
    let parsed = clock.map_or_else(|| Filter::parse(text), |clock| Filter::parse_at(text, clock));
    parsed.map_err(|e| UsageError(format!("cannot read the filter {text:?}: {e}")).into())
}

/// A log store whose answers go where all answers go.
pub fn store(answers: &mpsc::Sender<Arrival>, config: &LogsConfig) -> LogStore {
    store_in(answers, config, None, None)
}

/// The same; stamps that name no zone are of `zone`, or of this box's.
pub fn store_in(
    answers: &mpsc::Sender<Arrival>,
    config: &LogsConfig,
    zone: Option<jiff::tz::TimeZone>,
    recall: Option<Arc<dyn Recall>>,
) -> LogStore {
    let answers = answers.clone();
    let index_memory = u64::from(config.index_memory_mb) << 20;
    let (spool, index_cache) = (config.spool.clone(), config.index_cache.clone());
    LogStore::new(
        Box::new(move |arrival| {
            let _ = answers.blocking_send(Arrival::Logs(Box::new(arrival)));
        }),
        StoreOptions {
            index_memory,
            spool,
            index_cache,
            zone: zone.unwrap_or_else(|| StoreOptions::default().zone),
            recall,
            ..StoreOptions::default()
        },
    )
}

/// Runs a live screen to its end.
pub async fn run(live: Live) -> anyhow::Result<ExitCode> {
    let (mut settings, theme) = settings(&live.config, &live.screen)?;
    settings.demo = live.demo;
    settings.allow_kill = live.allow_kill;
    let roots = Roots::default();
    let signals = Signals::listen()?;
    let terminal = Terminal::take(live.config.screen.mouse && !live.screen.no_mouse)?;
    die_first();
    let mut session = Session::start(&live.config, &roots, live.record.clone())?;
    keep_after_a_panic(&session);
    let (answers_to, answers) = mpsc::channel(256);
    let store = store(&answers_to, &live.config.logs);
    let offers = Offers::default();
    let sources = session.configured(&live.config, &roots, &live.files, &live.commands);
    session.add(sources);
    offers.said(&live.config, &live.files, &live.commands);
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
    find_recordings(&answers_to, session.clock.wall());
    super::attach::offer(session.recorder.clone());
    let mut state = State::new(Player::live(session.clock.wall()), settings);
    travel::follow_playhead(&mut state);
    let first = filtering::set_filter(&mut state, live.filter);
    let incident: IncidentLock = Arc::new(tokio::sync::RwLock::new(Arc::clone(&session.incident)));
    let past = Some(Loader::start(Past::Recorder(session.recorder.clone()), answers_to.clone()));
    let shell = Shell {
        answers: answers_to,
        drafts: keep_drafts(Some(Arc::clone(&incident))),
        incident: Some(Arc::clone(&incident)),
        recorder: Some(session.recorder.clone()),
        replay: None,
        supervisor: Some(session.supervisor.clone()),
        store: store.clone(),
        offers,
        allow_kill: live.allow_kill,
    };
    for effect in first {
        shell.run(effect);
    }
    let (_closed, empty) = queue::queue();
    let stream = std::mem::replace(&mut session.stream, empty);
    let mut the_loop = Loop {
        state,
        theme,
        terminal,
        stream: Some(stream),
        answers,
        shell,
        store,
        past,
        clock: session.clock,
        signals,
        editor: None,
    };
    let ending = the_loop.run().await;
    the_loop.terminal.give_back();
    let unsaved = std::mem::take(&mut the_loop.state.unsaved);
    if let Some(stream) = the_loop.stream.take() {
        session.stream = stream;
    }
    drop(the_loop);
    last_words(Some(incident), None, unsaved).await;
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
        say(&flight::said(&flight::save(&session.recorder, session.clock.wall())));
    }
    ExitCode::from(if ending == Ending::Lost { 129 } else { 143 })
}

/// A panic of the main thread saves what the recorder holds, as SIGTERM does: it is the run whose recording is wanted
/// most.
fn keep_after_a_panic(session: &Session) {
    let (recorder, clock) = (session.recorder.clone(), session.clock);
    terminal::after_a_panic(move || match recorder.status().path {
        Some(_) => recorder.finish(Duration::from_secs(2)),
        None => say(&flight::said(&flight::save(&recorder, clock.wall()))),
    });
}

/// Recordings that earlier runs left behind are offered.
fn find_recordings(answers: &mpsc::Sender<Arrival>, now: Ts) {
    let to = answers.clone();
    tokio::task::spawn_blocking(move || {
        let rows: Vec<SavedRow> = flight::folder()
            .map(|f| flight::list(&f))
            .unwrap_or_default()
            .into_iter()
            .map(|s| SavedRow { path: s.path, bytes: s.bytes, at: s.at, fresh: now.since(s.at) < OFFERED })
            .collect();
        if !rows.is_empty() {
            let _ = to.blocking_send(Arrival::Recordings(rows));
        }
    });
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
