//! A small world for tests: a state fed with hand-made events, a log store that answers at once, and hands on the keys.

use std::cell::RefCell;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::arrival::Arrival;
use crate::app::arrive::arrive;
use crate::app::effect::Effect;
use crate::app::input::{Input, input};
use crate::app::keymap::Key;
use crate::app::overlays::Overlay;
use crate::app::playhead::Player;
use crate::app::screen::screen;
use crate::app::state::{Settings, State};
use crate::app::travel::follow_playhead;
use crate::signals::logs::event::{LogAppended, LogEvent, LogOpened};
use crate::signals::logs::store::{LogArrival, LogStore, StoreOptions};
use crate::signals::{Envelope, Event};
use crate::timeline::counts::Counts;
use crate::timeline::source::Declaration;
use crate::timeline::{OriginId, Severity, SourceDecl, SourceId, SourceKind, SourceState, TimeRange, Ts};
use crate::ui::Theme;

/// A time of the day on which everything happens.
pub fn t(hms: &str) -> Ts {
    Ts::from_jiff(format!("2026-03-14T{hms}Z").parse().expect("a time"))
}

pub const API: SourceId = SourceId(1);
pub const NGINX: SourceId = SourceId(2);
pub const HOST: SourceId = SourceId(3);
pub const POOL: SourceId = SourceId(4);
pub const DEPLOYS: SourceId = SourceId(5);
pub const HEALTH: SourceId = SourceId(6);
pub const INCIDENT: SourceId = SourceId(7);

pub struct World {
    pub state: State,
    store: LogStore,
    seq: u64,
    ends: std::collections::BTreeMap<SourceId, u64>,
    size: (u16, u16),
}

impl World {
    /// Live, with nothing watched yet.
    pub fn live(now: &str) -> World {
        World::with(Player::live(t(now)))
    }

    /// A replay of this span that plays from its start.
    pub fn replay(from: &str, to: &str) -> World {
        World::with(Player::replay(TimeRange::new(t(from), t(to)), None, t("20:00:00")))
    }

    fn with(player: Player) -> World {
        let options = StoreOptions { zone: TimeZone::UTC, background: 0, ..StoreOptions::default() };
        let mut world = World {
            state: State::new(player, Settings::default()),
            store: LogStore::new(Box::new(|_| {}), options),
            seq: 0,
            ends: Default::default(),
            size: (120, 36),
        };
        follow_playhead(&mut world.state);
        world
    }

    // --- events

    pub fn event(&mut self, source: SourceId, observed: Ts, event: Event) {
        self.seq += 1;
        let mono = self.seq;
        let e = Envelope { seq: self.seq, origin: OriginId(0), source, observed, mono, event };
        self.state.apply(&e);
        if let Event::Logs(event) = &e.event {
            self.store.observe(source, self.state.timeline.source_name(source), observed, event, true);
        }
    }

    pub fn origin(&mut self, at: Ts, host: &str) {
        let origin = Declaration::Origin {
            host: host.into(),
            boot_id: "b".into(),
            zone: "Europe/Berlin".into(),
            version: "0".into(),
            run: 0,
        };
        self.event(SourceId(0), at, Event::Stream(origin));
    }

    pub fn source(&mut self, at: Ts, id: SourceId, kind: SourceKind, name: &str, detail: &str) {
        let decl = SourceDecl { id, kind, name: name.into(), detail: detail.into() };
        self.event(id, at, Event::Stream(Declaration::Source(decl)));
        self.source_state(at, id, SourceState::Ok);
        if kind == SourceKind::Logs {
            let opened = LogOpened::default();
            self.event(id, at, Event::Logs(LogEvent::Opened(opened)));
        }
    }

    pub fn source_state(&mut self, at: Ts, source: SourceId, state: SourceState) {
        self.event(source, at, Event::Stream(Declaration::State { source, state }));
    }

    /// Log lines of one source, appended together: time, severity and the rest of a JSON line.
    pub fn lines(&mut self, source: SourceId, lines: &[(Ts, Severity, String)]) {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return };
        let mut counts: Vec<(i64, Counts)> = Vec::new();
        let mut bytes = String::new();
        for (at, severity, rest) in lines {
            match counts.last_mut() {
                Some((second, counts)) if *second == at.secs() => counts.add(Some(*severity), 1),
                _ => {
                    let mut one = Counts::default();
                    one.add(Some(*severity), 1);
                    counts.push((at.secs(), one));
                }
            }
            bytes.push_str(&format!("{{\"ts\":\"{at}\",\"level\":\"{}\",{rest}}}\n", severity.name()));
        }
        let start = *self.ends.entry(source).or_default();
        let end = start + bytes.len() as u64;
        self.ends.insert(source, end);
        let appended = LogAppended {
            start,
            end,
            lines: lines.len() as u32,
            counts,
            span: Some((first.0, last.0)),
            format: "json".into(),
            bytes: Some(bytes.into_bytes().into()),
            ..LogAppended::default()
        };
        self.event(source, last.0, Event::Logs(LogEvent::Appended(appended)));
    }

    /// One line that belongs to a request.
    pub fn line(&mut self, source: SourceId, at: &str, severity: Severity, id: &str, message: &str) {
        let id = if id.is_empty() { String::new() } else { format!("\"request_id\":\"{id}\",") };
        self.lines(source, &[(t(at), severity, format!("{id}\"msg\":\"{message}\""))]);
    }

    // --- hands

    /// Presses keys, named as in the configuration; what the log store is asked is answered at once, other effects are
    /// given back.
    pub fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut rest = Vec::new();
        for key in keys.split(' ') {
            let key: Key = key.parse().expect("a key");
            let effects = input(&mut self.state, Input::Key(key));
            rest.extend(self.carry_out(effects));
            self.settle();
        }
        rest
    }

    /// Types text, letter by letter.
    pub fn write(&mut self, text: &str) -> Vec<Effect> {
        let mut rest = Vec::new();
        for c in text.chars() {
            let key = Key { code: crossterm::event::KeyCode::Char(c), ctrl: false, alt: false };
            let effects = input(&mut self.state, Input::Key(key));
            rest.extend(self.carry_out(effects));
        }
        self.settle();
        rest
    }

    pub fn give(&mut self, what: Input) -> Vec<Effect> {
        let effects = input(&mut self.state, what);
        let rest = self.carry_out(effects);
        self.settle();
        rest
    }

    /// The clock moves on.
    pub fn tick(&mut self, clock: Ts) {
        self.state.tick(clock);
        self.settle();
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::AskLogs(query) => {
                    let answers = RefCell::new(Vec::<LogArrival>::new());
                    self.store.answer(&query, &|a| answers.borrow_mut().push(a));
                    for answer in answers.into_inner() {
                        let more = arrive(&mut self.state, Arrival::Logs(Box::new(answer)));
                        rest.extend(self.carry_out(more));
                    }
                }
                Effect::PlaceLater(source, by) => self.store.place_later(source, by),
                other => rest.push(other),
            }
        }
        rest
    }

    // --- eyes

    pub fn sized(mut self, width: u16, height: u16) -> World {
        self.size = (width, height);
        self.settle();
        self
    }

    /// Draws and reads what is missing until nothing is.
    pub fn settle(&mut self) {
        self.frame(&Theme::monochrome());
    }

    pub fn frame(&mut self, theme: &Theme) -> Buffer {
        let area = Rect::new(0, 0, self.size.0, self.size.1);
        self.state.view.area = area;
        let mut buffer = Buffer::empty(area);
        for _ in 0..20 {
            buffer.reset();
            let layout = screen(&self.state, theme, area, &mut buffer);
            let rows = layout.log_height as usize;
            self.state.view.layout = layout;
            let rows = (rows > 0).then(|| self.state.logs.wants(rows)).flatten().map(Box::new);
            let beside = crate::app::looking::wants(&mut self.state);
            let wanted: Vec<_> = rows.into_iter().chain(beside).map(Effect::AskLogs).collect();
            if wanted.is_empty() {
                break;
            }
            self.carry_out(wanted);
        }
        buffer
    }

    pub fn text(&mut self) -> String {
        crate::ui::frame::to_text(&self.frame(&Theme::monochrome()))
    }

    /// The bottom line.
    pub fn bottom(&mut self) -> String {
        self.text().lines().last().unwrap_or_default().trim().to_owned()
    }

    /// Names of what lies over the panes, topmost last.
    pub fn overlays(&self) -> Vec<&'static str> {
        let name = |o: &Overlay| match o {
            Overlay::Note(_) => "note",
            Overlay::Pick(_) => "pick",
            Overlay::Filter(_) => "filter",
            Overlay::Terms { .. } => "terms",
            Overlay::Search(_) => "search",
            Overlay::Time { .. } => "time",
            Overlay::Palette(_) => "palette",
            Overlay::Path { .. } => "path",
            Overlay::Confirm { .. } => "confirm",
            Overlay::End { .. } => "end",
            Overlay::Help { .. } => "help",
            Overlay::Detail(_) => "detail",
            Overlay::Compare { .. } => "compare",
            Overlay::Plan { .. } => "plan",
            Overlay::Top(_) => "top",
            Overlay::Menu { .. } => "menu",
            Overlay::Offers { .. } => "offers",
            Overlay::Consent { .. } => "consent",
            Overlay::Rates { .. } => "rates",
            Overlay::Columns { .. } => "columns",
            Overlay::Mutes { .. } => "mutes",
            Overlay::ReallyQuit { .. } => "really quit",
        };
        self.state.view.overlays.iter().map(name).collect()
    }

    /// Messages of the rows on the screen of the log pane that a person would read.
    pub fn rows(&mut self) -> Vec<String> {
        self.settle();
        self.state.logs.rows().iter().map(|r| r.message.clone()).collect()
    }
}
