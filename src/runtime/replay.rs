//! `warroom replay`: a recording, or raw log files, on the same screen.

use crate::app::filtering;
use crate::app::travel;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::discovery::Offers;
use super::effects::{Shell, keep_drafts};
use super::event_loop::Loop;
use super::live::{parse_filter, store};
use super::past::Loader;
use super::settings::settings;
use super::signals::Signals;
use super::terminal::Terminal;
use crate::app::arrival::Arrival;
use crate::app::playhead::Player;
use crate::app::state::State;
use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::store::{LogFeed, read_logs};
use crate::signals::source::{Observation, StreamClock};
use crate::signals::{Envelope, Event};
use crate::stream::order::Numbering;
use crate::stream::past::Past;
use crate::stream::queue;
use crate::stream::replay::{self, Summary};
use crate::timeline::source::Declaration;
use crate::timeline::{SourceId, TimeRange, Ts};
use crate::ui::Level;

/// What is replayed.
#[derive(Clone, Debug)]
pub enum Input {
    /// A recording.
    Recording(PathBuf),
    /// Raw log files.
    Logs(Vec<PathBuf>),
}

impl Input {
    /// From the command line, where one of both is given.
    pub fn new(recording: Option<PathBuf>, logs: Vec<PathBuf>) -> Input {
        match recording {
            Some(path) => Input::Recording(path),
            None => Input::Logs(logs),
        }
    }

    /// Where windows onto its far past are read from, once it has been read with this.
    pub fn past(&self) -> Past {
        match self {
            Input::Recording(_) => Past::Book(Arc::default()),
            Input::Logs(_) => Past::Nothing,
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
        let book = match past {
            Past::Book(book) => Some(&**book),
            _ => None,
        };
        match self {
            Input::Recording(path) => Ok(replay::read_noting(path, book, to)?),
            Input::Logs(paths) => {
                let mut numbering = Numbering::default();
                let mut go_on = true;
                let origin = Declaration::Origin {
                    host: String::new(),
                    boot_id: String::new(),
                    zone: "UTC".into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    run: 0,
                };
                let mut waiting = vec![Observation {
                    source: SourceId(0),
                    observed: Ts::MIN,
                    mono: 0,
                    event: Event::Stream(origin),
                    room: None,
                }];
                read_logs(paths, &mut |feed| {
                    if !go_on {
                        return;
                    }
                    let (source, observed, event) = match feed {
                        LogFeed::Source(decl) => (decl.id, Ts::MIN, Event::Stream(Declaration::Source(decl))),
                        LogFeed::Event(source, at, event) => (source, at, Event::Logs(event)),
                    };
                    if let Event::Stream(_) = &event {
                        // Declarations have no time of their own: they wait for the first line.
                        waiting.push(Observation { source, observed, mono: 0, event, room: None });
                        return;
                    }
                    let mut batch = Vec::new();
                    for o in waiting.drain(..) {
                        numbering.number(Observation { observed, ..o }, &mut batch);
                    }
                    numbering.number(Observation { source, observed, mono: 0, event, room: None }, &mut batch);
                    // What the lines tell has been read; they themselves stay in their file.
                    for e in &mut batch {
                        if let Event::Logs(LogEvent::Appended(a)) = &mut e.event {
                            a.bytes = None;
                        }
                    }
                    go_on = to(batch);
                })
                .map_err(anyhow::Error::msg)?;
                Ok(Summary::default())
            }
        }
    }
}

/// `warroom replay`.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let (config, _) = Config::find(None)?;
    let (settings, theme) = settings(&config, &args.screen)?;
    let filter = parse_filter(args.filter.as_deref())?;
    let input = Input::new(args.recording, args.logs);
    // The first frame of envelopes is read before the screen is taken, so that a wrong file is said in the shell.
    let mut first = None;
    input.read(&mut |batch| {
        let found = batch.iter().find(|e| !is_declaration(e)).map(|e| e.observed);
        first = first.or(found);
        first.is_none()
    })?;
    let start = first.ok_or_else(|| anyhow::anyhow!("nothing with a time in it was found to replay"))?;
    let signals = Signals::listen()?;
    let terminal = Terminal::take(config.screen.mouse && !args.screen.no_mouse)?;
    let clock = StreamClock::start();
    let (answers_to, answers) = mpsc::channel(256);
    let store = store(&answers_to, &config.logs);
    let (to, stream) = queue::queue();
    let said = answers_to.clone();
    let past = input.past();
    let noted = past.clone();
    std::thread::Builder::new().name("replay".into()).spawn(move || {
        let result = input.read_noting(&noted, &mut |batch| to.blocking_send(batch.into()));
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
    travel::follow_playhead(&mut state);
    filtering::set_filter(&mut state, filter);
    let past = Some(Loader::start(past, answers_to.clone()));
    let shell = Shell {
        answers: answers_to,
        incident: None,
        drafts: keep_drafts(None),
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
    the_loop.run().await?;
    Ok(ExitCode::SUCCESS)
}

/// Whether an envelope only declares something.
pub fn is_declaration(e: &Envelope) -> bool {
    matches!(e.event, Event::Stream(_))
}

/// The whole input folded, noting for `past` where which times stand; for commands without a screen.
pub fn fold(input: &Input, past: &Past, mut each: impl FnMut(&Envelope)) -> anyhow::Result<Summary> {
    let each = &mut each;
    input.read_noting(past, &mut |batch| {
        batch.iter().for_each(&mut *each);
        true
    })
}

/// Shared by those who keep batches.
pub type Shared = Arc<[Envelope]>;
