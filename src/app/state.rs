//! The one state: what events made of the world, and what the user wants to see of it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use ratatui::layout::Rect;

use super::arrival::{OfferRow, SavedRow};
use super::counting::Counting;
use super::cursor::Cursor;
use super::effect::Draft;
use super::keymap::Keymap;
use super::overlays::Overlay;
use super::pane::Pane;
use super::playhead::Player;
use super::screen::ScreenLayout;
use super::windows::Windows;
use crate::signals::Timeline;
use crate::signals::deploys::config::DeploysConfig;
use crate::signals::incident::checklist::{self, Checklist};
use crate::signals::incident::event::Incident;
use crate::signals::logs::skew::Skew;
use crate::signals::logs::store::StoreFigures;
use crate::signals::logs::view::LogView;
use crate::stream::recorder::RecorderStatus;
use crate::timeline::{Filter, SourceId, TimeRange, Ts};
use crate::ui::{Glyphs, Level, NOWHERE};

/// All of it. Owned by the main loop.
#[derive(Clone, Debug)]
pub struct State {
    /// What events made.
    pub timeline: Timeline,
    /// What of the far past is loaded.
    pub windows: Windows,
    /// Where on the time axis the screen stands.
    pub player: Player,
    /// Rows of the log pane.
    pub logs: LogView,
    /// What the user sees and how.
    pub view: View,
    /// What the configuration says.
    pub settings: Settings,
    /// Notes that are not on disk yet: in memory, tried again.
    pub unsaved: Vec<Draft>,
    /// Commands that run now.
    pub running: Vec<String>,
    /// What the runtime told of itself.
    pub own: Own,
}

/// What the user sees and how.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The pane that keys go to.
    pub focus: Pane,
    /// Whether it has the whole screen.
    pub zoom: bool,
    /// The cursor of each pane; that of the logs is the log view's own.
    pub cursor: [Cursor; 6],
    /// The one filter.
    pub filter: Filter,
    /// Terms that are switched off for now.
    pub suspended: Vec<Filter>,
    /// Fields of the records in the window and how many have them, as last asked for.
    pub fields: Vec<(String, u64)>,
    /// What lies over the panes, topmost last.
    pub overlays: Vec<Overlay>,
    /// The user's own marks.
    pub marks: Vec<Ts>,
    /// Second playhead.
    pub pinned: Option<Ts>,
    /// Bottom line: how bad, what, since when.
    pub message: Option<(Level, String, Ts)>,
    /// Where everything was drawn last.
    pub layout: ScreenLayout,
    /// The whole screen.
    pub area: Rect,
    /// What was typed before, per kind of input.
    pub typed: BTreeMap<&'static str, Vec<String>>,
    /// Log lines and errors at the moment of pausing, for the count of what came since.
    pub paused_at: Option<(u64, u64)>,
    /// Number of the last note.
    pub notes: u64,
    /// Notes that somebody wrote here; that a command was run is noted by itself.
    pub written: u64,
    /// So many of them had been written when a post-mortem last was.
    pub exported: u64,
    /// Number of the last question to the log store.
    pub requests: u64,
    /// From the first to the last record of the filtered request.
    pub request_span: Option<TimeRange>,
    /// A typed time to go to once the recording is read.
    pub go_when_loaded: Option<String>,
    /// What is being looked for, in a word.
    pub finding: Option<&'static str>,
    /// Whether it is looked for later, or earlier.
    pub forward: bool,
    /// Clocks of log sources that seem to be off, as of when the list of sources was opened.
    pub skews: Vec<Skew>,
    /// Nanoseconds that rows of sources are placed later than they say.
    pub moved: BTreeMap<SourceId, i64>,
    /// How many records pass the filter.
    pub passing: super::counting::Passing,
    /// What is being counted.
    pub counting: Option<Counting>,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys.
    pub keymap: Keymap,
    /// Unicode or ASCII.
    pub glyphs: Glyphs,
    /// Zone that times are shown in.
    pub zone: TimeZone,
    /// Name of that zone for the header.
    pub zone_name: String,
    /// This machine's zone.
    pub local_zone: TimeZone,
    /// How services are rolled back.
    pub deploys: DeploysConfig,
    /// Name of the theme.
    pub theme: String,
    /// How much the strip shows when live, in seconds.
    pub window_secs: u64,
    /// Filters saved by name.
    pub filters: BTreeMap<String, String>,
    /// Whether this is the demo.
    pub demo: bool,
    /// Whether sessions of databases may be ended from here.
    pub allow_kill: bool,
    /// Checklists: the user's own and those built in.
    pub checklists: Vec<Checklist>,
    /// For how long all must be well before it is proposed that it is over.
    pub calm: std::time::Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            keymap: Keymap::default(),
            glyphs: Glyphs::UNICODE,
            zone: TimeZone::UTC,
            zone_name: "UTC".into(),
            local_zone: TimeZone::UTC,
            deploys: DeploysConfig::default(),
            theme: "dark".into(),
            window_secs: 900,
            filters: BTreeMap::new(),
            demo: false,
            allow_kill: false,
            checklists: checklist::all(&[]),
            calm: std::time::Duration::from_secs(300),
        }
    }
}

/// What the runtime told of itself.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The recorder.
    pub recorder: RecorderStatus,
    /// The log store and its index.
    pub logs: StoreFigures,
    /// What could be connected.
    pub offers: Vec<OfferRow>,
    /// What cannot be seen.
    pub cannot_see: Vec<String>,
    /// What is watched unasked.
    pub watched: Vec<String>,
    /// Recordings that earlier runs left behind, newest first.
    pub recordings: Vec<SavedRow>,
    /// Incidents of the log besides those that the stream told of.
    pub incidents: Vec<Incident>,
    /// The file that a note is written in while the user's editor has it.
    pub editing: Option<std::path::PathBuf>,
    /// Why notes do not reach the disk, while they do not.
    pub not_on_disk: Option<String>,
    /// Share of the recording that is read; `None` when live.
    pub loading: Option<f64>,
    /// Whether the database connections were given back.
    pub given_back: bool,
    /// Why the recording is not whole.
    pub recording_trouble: Option<String>,
}

impl State {
    /// Empty, with the playhead given.
    pub fn new(player: Player, settings: Settings) -> State {
        State {
            timeline: Timeline::default(),
            windows: Windows::default(),
            player,
            logs: LogView::new(),
            // The incident pane begins at its newest row.
            view: View {
                cursor: std::array::from_fn(|i| Cursor::at(if i == Pane::Incident as usize { NOWHERE } else { 0 })),
                ..View::default()
            },
            settings,
            unsaved: Vec::new(),
            running: Vec::new(),
            own: Own::default(),
        }
    }

    /// The playhead.
    pub fn now(&self) -> Ts {
        self.player.now()
    }

    /// A line for the bottom of the screen.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        self.view.message = Some((level, text.into(), self.player.clock));
    }
}
