//! One frame without a terminal: drawn, its wants met, drawn again, until nothing is missing.

use crate::app::{looking, travel};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::replay::{Input, fold};
use crate::app::arrival::Arrival;
use crate::app::arrive::arrive;
use crate::app::playhead::{Player, Playhead};
use crate::app::screen::screen;
use crate::app::state::{Settings, State};
use crate::signals::logs::store::{LogArrival, LogStore, StoreOptions};
use crate::signals::{Envelope, Event};
use crate::stream::past::Past;
use crate::stream::replay::Part;
use crate::timeline::{TimeRange, Ts};
use crate::ui::Theme;

/// Longest wait for rows of one frame.
const PATIENCE: Duration = Duration::from_secs(30);

/// A state with a store behind it, for drawing single frames.
pub struct Still {
    /// The folded state.
    pub state: State,
    /// Reads its rows.
    pub store: LogStore,
    answers: Receiver<LogArrival>,
    /// Where windows onto the far past come from.
    pub past: Past,
}

impl Still {
    /// Nothing folded yet.
    pub fn new(settings: Settings) -> Still {
        Still::with(settings, Past::Nothing)
    }

    /// As [`Still::new`]; the far past, and lines that the store does not hold, come from `past`.
    fn with(settings: Settings, past: Past) -> Still {
        let (to, answers) = channel();
        let store = LogStore::new(
            Box::new(move |a| {
                let _ = to.send(a);
            }),
            StoreOptions { recall: past.lines(), ..StoreOptions::default() },
        );
        Still { state: State::new(Player::live(Ts(0)), settings), store, answers, past }
    }

    /// Folds all of `input`; the playhead stands at the end.
    pub fn read(input: &Input, settings: Settings) -> anyhow::Result<Still> {
        let past = input.past();
        let mut still = Still::with(settings, past.clone());
        let summary = fold(input, &past, Part::All, |envelope| still.take(envelope, true))?;
        if let Some(trouble) = summary.trouble() {
            eprintln!("warroom: {trouble}");
        }
        let (start, end) = still.state.timeline.span.unwrap_or((Ts(0), Ts(0)));
        still.stand(TimeRange::new(start, end), end);
        Ok(still)
    }

    /// Folds one envelope; `replay` says that log lines come from a recording and not from files that are there.
    pub fn take(&mut self, envelope: &Envelope, replay: bool) {
        self.state.apply(envelope);
        if let Event::Logs(event) = &envelope.event {
            let name = self.state.timeline.source_name(envelope.source);
            self.store.observe(envelope.source, name, envelope.observed, event, replay);
        }
    }

    /// From now on a replay of what happened in `span`, with the playhead at `at`.
    pub fn stand(&mut self, span: TimeRange, at: Ts) {
        self.state.player = Player::replay(span, Some(at), span.end);
        travel::follow_playhead(&mut self.state);
    }

    /// Moves the playhead.
    pub fn at(&mut self, at: Ts) {
        self.state.player.head = Playhead::Still(self.state.player.now());
        travel::go_to(&mut self.state, at);
        travel::follow_playhead(&mut self.state);
    }

    /// Asks the store on behalf of effects, and waits for the answers.
    pub fn carry_out(&mut self, effects: Vec<crate::app::effect::Effect>) {
        for effect in effects {
            if let crate::app::effect::Effect::AskLogs(query) = effect {
                self.ask(*query);
            }
        }
    }

    fn ask(&mut self, query: crate::signals::logs::store::LogQuery) {
        let (request, slot) = (query.request, query.slot);
        self.store.ask(query);
        let until = Instant::now() + PATIENCE;
        while let Ok(answer) = self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let done = answer.done && answer.request == request && answer.slot == slot;
            arrive(&mut self.state, Arrival::Logs(Box::new(answer)));
            if done {
                return;
            }
        }
    }

    /// Draws until no row is missing.
    pub fn frame(&mut self, theme: &Theme, width: u16, height: u16) -> Buffer {
        self.store.settle();
        let area = Rect::new(0, 0, width, height);
        self.state.view.area = area;
        let mut buffer = Buffer::empty(area);
        while let Some(ask) = self.state.want_window() {
            let window = super::past::load(&self.past, ask);
            arrive(&mut self.state, window);
        }
        for _ in 0..50 {
            buffer.reset();
            let layout = screen(&self.state, theme, area, &mut buffer);
            let rows = layout.log_height as usize;
            self.state.view.layout = layout;
            match self.state.logs.wants(rows).filter(|_| rows > 0) {
                Some(query) => self.ask(query),
                None => match looking::wants(&mut self.state) {
                    none if none.is_empty() => break,
                    wanted => wanted.into_iter().for_each(|query| self.ask(*query)),
                },
            }
        }
        buffer
    }
}
