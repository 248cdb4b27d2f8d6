//! The main loop: owns the state, hears signals, keys, answers and the stream, and draws when something changed.

use crate::app::{looking, travel};
use std::time::{Duration, Instant};

use crossterm::event::{Event as Tty, EventStream};
use futures_util::{FutureExt, StreamExt};
use ratatui::buffer::Buffer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::bursts::{inputs, marks_pastes};
use super::effects::Shell;
use super::hangup::hangup;
use super::pace::Pace;
use super::past::Loader;
use super::signals::Signals;
use super::terminal::Terminal;
use crate::app::arrival::Arrival;
use crate::app::arrive::arrive;
use crate::app::effect::Effect;
use crate::app::input::input;
use crate::app::notes;
use crate::app::playhead::Playhead;
use crate::app::screen::screen;
use crate::app::state::State;
use crate::signals::Event;
use crate::signals::logs::store::LogStore;
use crate::signals::source::StreamClock;
use crate::stream::order::Batch;
use crate::stream::queue;
use crate::timeline::{TimeRange, Ts, time_text};
use crate::ui::{Level, Theme};

/// How the loop ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user left.
    Quit,
    /// SIGTERM or SIGINT from outside.
    Terminated,
    /// The terminal is gone.
    Lost,
}

/// Everything the loop works with.
pub struct Loop {
    /// The state; the loop is its only owner.
    pub state: State,
    /// Colours.
    pub theme: Theme,
    /// The terminal.
    pub terminal: Terminal,
    /// The ordered stream; `None` in a replay.
    pub stream: Option<queue::Receiver>,
    /// Answers.
    pub answers: mpsc::Receiver<Arrival>,
    /// What runs effects.
    pub shell: Shell,
    /// Reads log files.
    pub store: LogStore,
    /// Loads windows onto the far past; `None` where there is nothing to load from.
    pub past: Option<Loader>,
    /// Wall clock.
    pub clock: StreamClock,
    /// Listened for since before the terminal was taken, so that none is lost in between.
    pub signals: Signals,
    /// An editor that the terminal is to be lent to.
    pub editor: Option<tokio::process::Command>,
}

/// A frame waits for the past that it is to show, for at most so long; without it panes would say that nothing was seen.
const HOLD: Duration = Duration::from_millis(200);
/// The same of rows that are being read: nearly always they are there after some milliseconds, and the frame would show new
/// counts without the lines that were counted, which then came one frame later.
const ROWS: Duration = Duration::from_millis(15);
/// Between two looks while it waits.
const LOOK: Duration = Duration::from_millis(5);

/// What happened in one turn.
enum Turn {
    Tty(Option<std::io::Result<Tty>>),
    Batch(Option<Batch>),
    Answer(Arrival),
    Term,
    Lost,
    Continue,
    Drained,
    Tick,
}

impl Loop {
    /// Runs until the user leaves or the terminal is gone.
    pub async fn run(&mut self) -> anyhow::Result<Ending> {
        let mut keys = EventStream::new();
        let mut cont = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        let mut hangup = std::pin::pin!(hangup());
        let drained = self.terminal.drained.clone();
        let (mut buffer, mut spare) = (Buffer::empty(self.terminal.size()), Buffer::default());
        self.state.view.area = buffer.area;
        let mut pace = Pace::default();
        let (mut held, mut rowless) = (None::<Instant>, None::<Instant>);
        let mut marks = std::env::var("TERM").is_ok_and(|term| marks_pastes(&term));
        loop {
            if pace.is_near(Instant::now(), self.is_playing()) {
                self.ask_for_rows();
            }
            if let Some(past) = &self.past
                && let Some(ask) = self.state.want_window()
            {
                past.ask(ask);
            }
            let awaited = self.past.is_some() && self.state.awaits_past();
            let hold = awaited && held.get_or_insert_with(Instant::now).elapsed() < HOLD;
            if let Some(wait) = pace.due(Instant::now(), self.terminal.is_busy(), self.is_playing())
                && wait.is_zero()
                && !hold
                && (pace.is_pressed()
                    || !self.state.logs.is_asking()
                    || rowless.get_or_insert_with(Instant::now).elapsed() >= ROWS)
            {
                rowless = None;
                held = held.filter(|_| awaited);
                std::mem::swap(&mut buffer, &mut spare);
                self.draw(&mut buffer, &mut pace)?;
                continue;
            }
            let stream_open = self.stream.is_some();
            let wait = pace.wait(Instant::now(), self.clock.wall(), self.terminal.is_busy(), self.is_playing());
            let wait = if hold || rowless.is_some() { wait.max(LOOK) } else { wait };
            let turn = tokio::select! {
                biased;
                _ = self.signals.term.recv() => Turn::Term,
                _ = self.signals.int.recv() => Turn::Term,
                _ = self.signals.hup.recv() => Turn::Lost,
                () = &mut hangup => Turn::Lost,
                _ = cont.recv() => Turn::Continue,
                event = keys.next() => Turn::Tty(event),
                Some(answer) = self.answers.recv() => Turn::Answer(answer),
                batch = recv(&mut self.stream), if stream_open => Turn::Batch(batch),
                () = drained.notified() => Turn::Drained,
                () = tokio::time::sleep(wait) => Turn::Tick,
            };
            self.state.tick(self.clock.wall());
            let mut effects = Vec::new();
            match turn {
                Turn::Term => return Ok(Ending::Terminated),
                Turn::Lost | Turn::Tty(None) => return Ok(Ending::Lost),
                // An error from the terminal that repeats is a terminal that is gone.
                Turn::Tty(Some(Err(_))) => return Ok(Ending::Lost),
                Turn::Continue => {
                    self.terminal.forget();
                    pace.key(Instant::now());
                }
                Turn::Tty(Some(Ok(first))) => {
                    let mut burst = vec![first];
                    while burst.len() < 4_096
                        && let Some(Some(Ok(next))) = keys.next().now_or_never()
                    {
                        burst.push(next);
                    }
                    if burst.iter().any(|e| matches!(e, Tty::Resize(..))) {
                        self.terminal.forget();
                        self.state.view.area = self.terminal.size();
                    }
                    for one in inputs(burst, &self.state, &mut marks) {
                        effects.extend(input(&mut self.state, one));
                    }
                    pace.key(Instant::now());
                }
                Turn::Answer(answer) => {
                    effects.extend(arrive(&mut self.state, answer));
                    while let Ok(next) = self.answers.try_recv() {
                        effects.extend(arrive(&mut self.state, next));
                    }
                    pace.data(Instant::now());
                }
                Turn::Batch(None) => {
                    self.loaded();
                    pace.data(Instant::now());
                }
                Turn::Batch(Some(batch)) => {
                    self.apply(&batch);
                    // What has piled up is folded before the next frame, within a bound so that keys stay quick.
                    let until = Instant::now() + Duration::from_millis(8);
                    while Instant::now() < until
                        && let Some(Ok(more)) = self.stream.as_mut().map(queue::Receiver::try_recv)
                    {
                        self.apply(&more);
                    }
                    pace.data(Instant::now());
                }
                Turn::Drained => pace.drained(Instant::now()),
                Turn::Tick => pace.data(Instant::now()),
            }
            for effect in effects {
                if self.carry_out(effect, &mut pace)? {
                    return Ok(Ending::Quit);
                }
            }
            if let Some(editor) = self.editor.take() {
                // The old stream would take the editor's keys.
                keys = EventStream::new();
                self.lend(editor).await?;
                if let Some(path) = self.state.own.editing.take() {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    let _ = std::fs::remove_file(&path);
                    for effect in notes::edited(&mut self.state, &text) {
                        self.carry_out(effect, &mut pace)?;
                    }
                }
                pace.key(Instant::now());
            }
        }
    }

    /// Lends the terminal to an editor until it ends; meanwhile what comes is taken in and nothing is drawn.
    async fn lend(&mut self, mut editor: tokio::process::Command) -> anyhow::Result<()> {
        self.terminal.give_back();
        let said = match editor.spawn() {
            Ok(mut child) => loop {
                let stream_open = self.stream.is_some();
                tokio::select! {
                    ended = child.wait() => break ended.err().map(|e| format!("the editor: {e}")),
                    batch = recv(&mut self.stream), if stream_open => match batch {
                        Some(batch) => self.apply(&batch),
                        None => self.loaded(),
                    },
                }
            },
            Err(e) => {
                let name = editor.as_std().get_program().to_string_lossy().into_owned();
                Some(format!("cannot start the editor {name}: {e}; set EDITOR to one that is installed"))
            }
        };
        self.terminal.take_again()?;
        self.state.tick(self.clock.wall());
        if let Some(why) = said {
            self.state.say(Level::Bad, why);
        }
        Ok(())
    }

    fn is_playing(&self) -> bool {
        matches!(self.state.player.head, Playhead::Playing { .. })
    }

    fn apply(&mut self, batch: &Batch) {
        for envelope in batch.iter() {
            self.state.apply(envelope);
            if let Event::Logs(event) = &envelope.event {
                let name = self.state.timeline.source_name(envelope.source);
                self.store.observe(envelope.source, name, envelope.observed, event, self.state.player.is_replay());
            }
        }
        if let Some((start, end)) = self.state.timeline.span {
            let before = self.state.now();
            self.state.player.extend(TimeRange::new(start, end));
            if self.state.player.is_replay() && self.state.now() != before {
                // Whoever stands at the end goes on with it, and the rows with him.
                travel::follow_playhead(&mut self.state);
            }
            self.go_early(end);
        }
    }

    /// A time asked for on the command line that stands for itself can be gone to as soon as it has been read.
    fn go_early(&mut self, end: Ts) {
        let asked = self.state.view.go_when_loaded.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        // What was seen in that second comes a moment behind it.
        if asked.is_some_and(|at| Ts::from_jiff(at) + Duration::from_secs(2) < end) {
            self.go_as_asked();
        }
    }

    /// All of the recording is read.
    fn loaded(&mut self) {
        self.stream = None;
        self.state.own.loading = None;
        self.state.player.growing = false;
        self.go_as_asked();
    }

    fn go_as_asked(&mut self) {
        let Some(text) = self.state.view.go_when_loaded.take() else { return };
        let state = &mut self.state;
        state.player.head = Playhead::Still(state.player.now());
        match time_text::parse_near(&text, state.horizon(), &state.settings.zone) {
            Ok(at) => {
                travel::go_to_asked(state, at);
            }
            Err(why) => state.say(Level::Warn, format!("--at {text:?}: {why}")),
        }
    }

    fn ask_for_rows(&mut self) {
        let height = self.state.view.layout.log_height as usize;
        if height == 0 {
            self.state.logs.hidden();
        } else if let Some(query) = self.state.logs.wants(height) {
            self.store.ask(query);
        }
        for query in looking::wants(&mut self.state) {
            self.store.ask(*query);
        }
    }

    fn draw(&mut self, buffer: &mut Buffer, pace: &mut Pace) -> anyhow::Result<()> {
        let area = self.terminal.size();
        if buffer.area != area {
            *buffer = Buffer::empty(area);
        } else {
            buffer.reset();
        }
        self.state.view.area = area;
        self.state.own.recorder = self.shell.recorder_status();
        let logs = self.store.figures();
        if logs.content != self.state.own.logs.content {
            self.state.logs.opened();
        }
        self.state.own.logs = logs;
        let layout = screen(&self.state, &self.theme, area, buffer);
        let sent = self.terminal.show(buffer, layout.cursor)?;
        self.state.view.layout = layout;
        pace.drawn(Instant::now(), sent);
        Ok(())
    }

    /// Does one effect; true to leave.
    fn carry_out(&mut self, effect: Effect, pace: &mut Pace) -> anyhow::Result<bool> {
        match effect {
            Effect::Quit => return Ok(true),
            Effect::AskLogs(query) => self.store.ask(*query),
            Effect::PlaceLater(source, by) => self.store.place_later(source, by),
            Effect::RedrawAll => self.terminal.forget(),
            // The channel to the terminal's thread holds one: what waits for a slow link must not stop the loop.
            Effect::Copy { .. } | Effect::CopyScreen if self.terminal.is_busy() => {
                self.state
                    .say(Level::Warn, "the terminal is still busy with the last frame; nothing was copied, try again");
            }
            Effect::Copy { what, text } => {
                let bytes = super::clipboard::sequence(&text);
                self.terminal.send(bytes)?;
                let size = text.len();
                self.state.say(Level::Calm, format!("{what}: {size} bytes sent to the terminal"));
            }
            Effect::CopyScreen => {
                let mut buffer = Buffer::empty(self.terminal.size());
                screen(&self.state, &self.theme, buffer.area, &mut buffer);
                let text = crate::ui::frame::to_text(&buffer);
                self.terminal.send(super::clipboard::sequence(&text))?;
                self.state.say(Level::Calm, "this screen: sent to the terminal");
            }
            Effect::UseTheme(name) => {
                match super::settings::load(&name, crate::ui::theme::ColorDepth::detect(|k| std::env::var(k).ok())) {
                    Ok(theme) => {
                        self.state.settings.theme = theme.name.clone();
                        self.theme = theme;
                        self.terminal.forget();
                    }
                    Err(e) => self.state.say(Level::Warn, e.to_string()),
                }
            }
            Effect::OpenEditor { path, line } => {
                match super::editor::command(|name| std::env::var(name).ok(), &path, line) {
                    Ok(command) => self.editor = Some(command),
                    Err(why) => self.state.say(Level::Warn, why),
                }
            }
            Effect::EditNote(text) => match super::editor::for_note(|name| std::env::var(name).ok(), &text) {
                Ok((path, command)) => {
                    self.state.own.editing = Some(path);
                    self.editor = Some(command);
                }
                Err(why) => self.state.say(Level::Warn, why),
            },
            Effect::Suspend => {
                self.shell.suspend();
                self.terminal.give_back();
                let _ = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
                // Stopped here until fg.
                self.terminal.take_again()?;
                self.shell.resume();
            }
            other => self.shell.run(other),
        }
        pace.key(Instant::now());
        Ok(false)
    }
}

async fn recv(stream: &mut Option<queue::Receiver>) -> Option<Batch> {
    match stream {
        Some(rx) => rx.recv().await,
        None => std::future::pending().await,
    }
}
