//! `warroom replay`: a recording, or raw log files, on the same screen.

use crate::app::cursor::Cursor;
use crate::app::filtering;
use crate::app::travel;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use super::discovery::Offers;
use super::effects::{IncidentLock, Shell, keep_drafts, last_words};
use super::event_loop::Loop;
use super::left::Left;
use super::left::coverage::Coverage;
use super::live::{parse_filter, store_in};
use super::past::Loader;
use super::replay_log::ReplayLog;
use super::settings::settings;
use super::signals::Signals;
use super::terminal::Terminal;
use crate::app::arrival::Arrival;
use crate::app::overlays::Overlay;
use crate::app::playhead::Player;
use crate::app::state::State;
use crate::cli::{ReplayArgs, ReplayedArgs, UsageError};
use crate::config::Config;
use crate::signals::Roots;
use crate::signals::incident::sources::place::log_path;
use crate::signals::incident::sources::store::IncidentStore;
use crate::signals::source::StreamClock;
use crate::signals::{Envelope, Event};
use crate::stream::past::Past;
use crate::stream::queue;
use crate::stream::replay::{self, Part, Summary};
use crate::timeline::{TimeRange, Ts, time_text};
use crate::ui::Level;

/// What is replayed.
#[derive(Clone, Debug)]
pub enum Input {
    /// A recording.
    Recording(PathBuf),
    /// Raw logs and exports.
    Left(Box<Left>),
}

impl Input {
    /// From the command line, where one of both is given.
    pub fn new(recording: Option<PathBuf>, logs: Vec<PathBuf>) -> Input {
        match recording {
            Some(path) => Input::Recording(path),
            None => Input::Left(Box::new(Left { logs, ..Left::default() })),
        }
    }

    /// As [`Input::new`], with exports and a window.
    pub fn of(args: &ReplayedArgs) -> anyhow::Result<Input> {
        let (recording, logs) = (args.recording.clone(), args.logs.clone());
        if recording.is_some() {
            return Ok(Input::new(recording, logs));
        }
        let zone = match &args.log_zone {
            Some(name) => Some(TimeZone::get(name).map_err(|_| {
                UsageError(format!("no time zone is called {name:?}; one is Europe/Berlin, another UTC"))
            })?),
            None => None,
        };
        let all = [&logs[..], &args.deploys, &args.sadf, &args.prometheus].concat();
        let window = window(args, &all, zone.as_ref().unwrap_or(&TimeZone::UTC))?;
        let (deploys, sadf, prometheus) = (args.deploys.clone(), args.sadf.clone(), args.prometheus.clone());
        Ok(Input::Left(Box::new(Left { logs, deploys, sadf, prometheus, window, zone, with_bytes: false })))
    }

    /// Where windows onto its far past are read from, once it has been read with this.
    pub fn past(&self) -> Past {
        match self {
            Input::Recording(_) => Past::Book(Arc::default()),
            Input::Left(_) => Past::Nothing,
        }
    }

    /// Reads all of it and hands on envelopes; `to` returns false to stop.
    pub fn read(&self, to: &mut dyn FnMut(Vec<Envelope>) -> bool) -> Result<Summary, anyhow::Error> {
        self.read_noting(&Past::Nothing, to)
    }

    /// As [`Input::read`], noting for `past` where which times stand.
    pub fn read_noting(
        &self,
        past: &Past,
        to: &mut dyn FnMut(Vec<Envelope>) -> bool,
    ) -> Result<Summary, anyhow::Error> {
        self.read_part(past, Part::All, to)
    }

    fn read_part(
        &self,
        past: &Past,
        part: Part,
        to: &mut dyn FnMut(Vec<Envelope>) -> bool,
    ) -> Result<Summary, anyhow::Error> {
        let book = match past {
            Past::Book(book) => Some(&**book),
            _ => None,
        };
        match self {
            Input::Recording(path) => Ok(replay::read_part(path, book, part, to)?),
            Input::Left(left) => left.read(to),
        }
    }
}

/// A time as it was typed, seen from the newest of the files.
fn window(left: &ReplayedArgs, files: &[PathBuf], zone: &TimeZone) -> anyhow::Result<Option<TimeRange>> {
    if left.from.is_none() && left.to.is_none() {
        return Ok(None);
    }
    let newest = files.iter().filter_map(|f| f.metadata().and_then(|m| m.modified()).ok()).max();
    let newest = newest.and_then(|t| jiff::Timestamp::try_from(t).ok()).map(Ts::from_jiff);
    let now = StreamClock::start().wall();
    let near = newest.unwrap_or(now);
    let at = |text: &Option<String>, none: Ts| match text {
        Some(text) => time_text::parse_told(text, near, now, zone).map_err(UsageError),
        None => Ok(none),
    };
    let range = TimeRange { start: at(&left.from, Ts::MIN)?, end: at(&left.to, Ts::MAX)? };
    if range.start >= range.end {
        anyhow::bail!(UsageError(format!(
            "nothing lies from {} to {}: the first must be earlier",
            range.start, range.end
        )));
    }
    Ok(Some(range))
}

/// `warroom replay`.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let (config, _) = Config::find(args.screen.config.as_deref())?;
    let (settings, theme) = settings(&config, &args.screen)?;
    let filter = parse_filter(args.filter.as_deref())?;
    let input = Input::of(&args.replayed)?;
    let (raw, window, zone) = match &input {
        Input::Left(left) => (true, left.window, left.zone.clone()),
        Input::Recording(_) => (false, None, None),
    };
    // The first frame of envelopes is read before the screen is taken, so that a wrong file is said in the shell.
    let mut first = None;
    input.read(&mut |batch| {
        let found = batch.iter().find(|e| !is_declaration(e)).map(|e| e.observed);
        first = first.or(found);
        first.is_none()
    })?;
    let start = first.ok_or_else(|| match window {
        Some(w) => anyhow::anyhow!(
            "nothing was found from {} to {}: choose another --from and --to, with a date where it was another day",
            w.start,
            w.end
        ),
        None => anyhow::anyhow!("nothing with a time in it was found to replay"),
    })?;
    let log = Arc::new(ReplayLog::new(&input));
    let path = match args.sidecar {
        true => ReplayLog::sidecar(&input),
        false => log_path(&config.incident, &Roots::default()).ok(),
    };
    let incident: Option<IncidentLock> = path.map(|p| {
        let store = IncidentStore::open(p).signed(config.incident.author.as_deref());
        Arc::new(tokio::sync::RwLock::new(Arc::new(store)))
    });
    let signals = Signals::listen()?;
    let terminal = Terminal::take(config.screen.mouse && !args.screen.no_mouse)?;
    let clock = StreamClock::start();
    let (answers_to, answers) = mpsc::channel(256);
    let past = input.past();
    let store = store_in(&answers_to, &config.logs, zone, past.lines());
    let (to, stream) = queue::queue();
    let said = answers_to.clone();
    let noted = past.clone();
    let (told, beside, runtime) = (Arc::clone(&log), incident.clone(), tokio::runtime::Handle::current());
    let zone_shown = settings.zone.clone();
    std::thread::Builder::new().name("replay".into()).spawn(move || {
        let mut coverage = Coverage::default();
        let result = input.read_noting(&noted, &mut |batch| {
            coverage.take(&batch);
            told.see(&batch);
            to.blocking_send(batch.into())
        });
        told.whole();
        let watched = coverage.lines(window, &zone_shown);
        let _ = said.blocking_send(Arrival::Found { offers: Vec::new(), cannot_see: Vec::new(), watched });
        if let Some(store) = beside
            && let Ok(records) = runtime.block_on(async { told.known(&Arc::clone(&*store.read().await)).await })
            && !records.is_empty()
        {
            let _ = said.blocking_send(Arrival::Noted(records));
        }
        let arrival = match result {
            Ok(summary) => summary.trouble().map(|t| Arrival::Say(Level::Warn, t)),
            Err(e) => Some(Arrival::Say(Level::Bad, format!("{e:#}"))),
        };
        let _ = said.blocking_send(Arrival::Loading(1.0));
        if let Some(arrival) = arrival {
            let _ = said.blocking_send(arrival);
        }
    })?;
    let mut state = State::new(Player::replay(TimeRange::new(start, start), None, clock.wall()), settings);
    state.own.loading = Some(0.0);
    state.player.growing = true;
    state.view.go_when_loaded = args.at;
    if raw {
        // What is known of which time is the first question here; any key goes on.
        state.view.overlays.push(Overlay::Offers { cursor: Cursor::at(0) });
    }
    travel::follow_playhead(&mut state);
    filtering::set_filter(&mut state, filter);
    let past = Some(Loader::start(past, answers_to.clone()));
    let shell = Shell {
        answers: answers_to,
        drafts: keep_drafts(incident.clone()),
        incident: incident.clone(),
        replay: Some(Arc::clone(&log)),
        recorder: None,
        supervisor: None,
        store: store.clone(),
        offers: Offers::default(),
        allow_kill: false,
    };
    let mut the_loop = Loop {
        state,
        theme,
        terminal,
        stream: Some(stream),
        answers,
        shell,
        store,
        past,
        clock,
        signals,
        editor: None,
    };
    let ending = the_loop.run().await;
    the_loop.terminal.give_back();
    let unsaved = std::mem::take(&mut the_loop.state.unsaved);
    drop(the_loop);
    last_words(incident, Some(&log), unsaved).await;
    ending.map(|_| ExitCode::SUCCESS)
}

/// Whether an envelope only declares something.
pub fn is_declaration(e: &Envelope) -> bool {
    matches!(e.event, Event::Stream(_))
}

/// Envelopes handed from thread to thread at once.
const TOGETHER: usize = 256;

/// The input folded, or that part of a recording, noting for `past` where which times stand; for commands without a screen.
pub fn fold(input: &Input, past: &Past, part: Part, mut each: impl FnMut(&Envelope)) -> anyhow::Result<Summary> {
    // Decoding is most of the work: it has a thread of its own where one can be had.
    std::thread::scope(|scope| {
        let (to, batches) = std::sync::mpsc::sync_channel::<Vec<Envelope>>(4);
        let decode = move || {
            // A frame holds a few: waking the other thread for each costs more than they do.
            let mut ready = Vec::with_capacity(TOGETHER);
            let summary = input.read_part(past, part, &mut |batch| {
                ready.extend(batch);
                let full = ready.len() >= TOGETHER;
                !full || to.send(std::mem::replace(&mut ready, Vec::with_capacity(TOGETHER))).is_ok()
            });
            let _ = to.send(ready);
            summary
        };
        match std::thread::Builder::new().name("decode".into()).spawn_scoped(scope, decode) {
            Ok(decoding) => {
                batches.iter().flatten().for_each(|e| each(&e));
                decoding.join().unwrap_or_else(|_| Err(anyhow::anyhow!("reading the recording broke off")))
            }
            Err(_) => input.read_part(past, part, &mut |batch| {
                batch.iter().for_each(&mut each);
                true
            }),
        }
    })
}

/// Shared by those who keep batches.
pub type Shared = Arc<[Envelope]>;
