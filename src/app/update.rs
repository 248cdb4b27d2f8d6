//! Actions: a table of contents. Each arm calls a slice, the view state, or one small function below.

use super::action::Action;
use super::cursor::{self, Cursor};
use super::effect::Effect;
use super::overlays::detail::Detail;
use super::overlays::line::Line;
use super::overlays::palette::Palette;
use super::overlays::pick::{Pick, Picking};
use super::overlays::{MenuKind, Overlay, lists, terms};
use super::pane::Pane;
use super::state::State;
use super::{commands, counting, facts, filtering, looking, notes, over, screen, travel};
use crate::signals::database;
use crate::signals::logs::store::Pattern;
use crate::timeline::Severity;
use crate::ui::{Level, NOWHERE, PaneCx, Selected, Theme};

/// Does what the user wants. Total: every action does something sensible in every state.
pub fn update(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Note => notes::begin(state, ""),
        Action::OpenIncident
        | Action::SetSeverity
        | Action::SetStatus
        | Action::Milestone
        | Action::SetRole
        | Action::SetServices
        | Action::NotesTo
        | Action::SaveFilter
        | Action::UseFilter
        | Action::NextOf
        | Action::PreviousOf
        | Action::Theme
        | Action::Rollback => commands::run(state, action, ""),
        Action::Incidents => pick(state, Pick::Incidents),
        Action::Checklists => pick(state, Pick::Checklists),
        Action::Weigh => notes::weigh(state),
        Action::Over => over::take(state),
        Action::PostMortem => super::input::choose_menu(state, MenuKind::Write, 1),
        Action::FilterRequest => filtering::filter_request(state),
        Action::EditFilter => filtering::edit_filter(state),
        Action::ClearFilter => terms::suspend_or_resume(state),
        Action::Terms => overlay(state, Overlay::Terms { cursor: 0 }),
        Action::Search => open_line(state, "search", Overlay::Search),
        Action::SearchNext => filtering::search(state, true),
        Action::SearchPrevious => filtering::search(state, false),
        Action::NextError => filtering::find(state, Pattern::AtLeast(Severity::Error), true, "error"),
        Action::PreviousError => filtering::find(state, Pattern::AtLeast(Severity::Error), false, "error"),
        Action::NextChange => travel::next_change(state, true),
        Action::PreviousChange => travel::next_change(state, false),
        Action::NextOfRequest => filtering::of_request(state, true),
        Action::PreviousOfRequest => filtering::of_request(state, false),
        Action::TopValues => filtering::count_values(state, None),
        Action::Pause => travel::pause(state),
        Action::Live => travel::go_live(state),
        Action::StepBack => travel::step(state, -1),
        Action::StepOn => travel::step(state, 1),
        Action::MinuteBack => travel::step(state, -60),
        Action::MinuteOn => travel::step(state, 60),
        Action::TenBack => travel::step(state, -600),
        Action::TenOn => travel::step(state, 600),
        Action::GoToTime => open_line(state, "time", |line| Overlay::Time { line, error: None }),
        Action::SetMark => travel::set_mark(state),
        Action::NextMark => travel::next_mark(state),
        Action::PinTime => travel::pin(state),
        Action::Faster => travel::change_speed(state, true),
        Action::Slower => travel::change_speed(state, false),
        Action::Zone => travel::next_zone(state),
        Action::Down => move_by(state, 1),
        Action::Up => move_by(state, -1),
        Action::PageDown => page(state, 1),
        Action::PageUp => page(state, -1),
        Action::Home => move_by(state, isize::MIN / 2),
        Action::End => end(state),
        Action::Open => open(state),
        Action::Back => back(state),
        Action::Unfold if state.view.focus == Pane::Incident => notes::actions(state),
        Action::Unfold => {
            state.logs.unfold();
            Vec::new()
        }
        Action::ScrollLeft => looking::scroll(state, -1),
        Action::ScrollRight => looking::scroll(state, 1),
        Action::Wrap => looking::wrap(state),
        Action::Times => looking::times(state),
        Action::Columns => overlay(state, Overlay::Columns { cursor: Cursor::at(0) }),
        Action::Older => vec![Effect::TakeOlder],
        Action::Repeats => looking::repeats(state),
        Action::Mute => overlay(state, Overlay::Mutes { cursor: Cursor::at(0) }),
        Action::MarkRow => looking::mark_row(state),
        Action::NextMarkedRow => looking::next_marked(state),
        Action::Histogram => looking::toggle_histogram(state),
        Action::Closer => looking::zoom(state, true),
        Action::Farther => looking::zoom(state, false),
        Action::Brush => looking::brush(state),
        Action::MoreContext => {
            state.logs.change_context(1);
            Vec::new()
        }
        Action::LessContext => {
            state.logs.change_context(-1);
            Vec::new()
        }
        Action::Zoom => {
            state.view.zoom = !state.view.zoom;
            Vec::new()
        }
        Action::FocusLogs => focus(state, Pane::Logs),
        Action::FocusHost => focus(state, Pane::Host),
        Action::FocusDatabase => focus(state, Pane::Database),
        Action::FocusDeploys => focus(state, Pane::Deploys),
        Action::FocusHealth => focus(state, Pane::Health),
        Action::FocusIncident => focus(state, Pane::Incident),
        Action::FocusNext => focus(state, state.view.focus.turn(true)),
        Action::FocusPrevious => focus(state, state.view.focus.turn(false)),
        Action::Explain => explain(state),
        Action::EndSession => end_session(state),
        Action::GiveBack => give_back(state),
        Action::CopyRow => copy_row(state),
        Action::CopyMenu => menu(state, MenuKind::Copy),
        Action::Write => menu(state, MenuKind::Write),
        Action::Offers => overlay(state, Overlay::Offers { cursor: Cursor::at(0) }),
        Action::SourceRates => {
            overlay(state, Overlay::Rates { cursor: Cursor::at(0) });
            counting::skews(state)
        }
        Action::SaveConfig => vec![Effect::SaveConfig],
        Action::Help => overlay(state, Overlay::Help { top: 0 }),
        Action::Palette => {
            let before = state.view.typed.get("palette").cloned().unwrap_or_default();
            let without = (!state.settings.allow_kill).then_some(Action::EndSession);
            overlay(state, Overlay::Palette(Palette::new(&before, without)))
        }
        Action::Redraw => vec![Effect::RedrawAll],
        Action::Suspend => vec![Effect::Suspend],
        Action::Quit => quit(state),
    }
}

pub(super) fn overlay(state: &mut State, overlay: Overlay) -> Vec<Effect> {
    state.view.overlays.push(overlay);
    lists::settle(state);
    Vec::new()
}

pub(super) fn open_line(state: &mut State, kind: &'static str, make: impl Fn(Line) -> Overlay) -> Vec<Effect> {
    let before = state.view.typed.get(kind).cloned().unwrap_or_default();
    overlay(state, make(Line::new("", &before)))
}

fn pick(state: &mut State, what: Pick) -> Vec<Effect> {
    overlay(state, Overlay::Pick(Box::new(Picking::new(what))))
}

fn menu(state: &mut State, kind: MenuKind) -> Vec<Effect> {
    overlay(state, Overlay::Menu { kind, cursor: 0 })
}

fn focus(state: &mut State, pane: Pane) -> Vec<Effect> {
    state.view.focus = pane;
    cursor::settle(state);
    Vec::new()
}

// --- moving

fn move_by(state: &mut State, by: isize) -> Vec<Effect> {
    if state.view.focus == Pane::Logs {
        state.logs.move_by(by);
        return Vec::new();
    }
    cursor::move_by(state, by);
    Vec::new()
}

fn page(state: &mut State, pages: isize) -> Vec<Effect> {
    let page = state.view.layout.page(state.view.focus) as isize;
    move_by(state, page.saturating_mul(pages))
}

fn end(state: &mut State) -> Vec<Effect> {
    if state.view.focus == Pane::Logs {
        state.logs.end();
        return Vec::new();
    }
    move_by(state, isize::MAX / 2)
}

/// The cursor of the focused pane goes to a row that was clicked.
pub fn put_cursor(state: &mut State, index: usize) -> Vec<Effect> {
    if state.view.focus == Pane::Logs {
        state.logs.select_index(index);
    } else {
        cursor::put(state, index);
    }
    Vec::new()
}

// --- looking, copying, leaving

/// Nothing is done to the row that has come into the place of another.
const GONE: &str = "the row that the cursor was on has gone: j and k go to another";

/// The row under the cursor of the focused pane.
pub fn selected(state: &State) -> Option<Selected> {
    with_pane(state, |cx, pane| screen::select(state, cx, pane))
}

/// Asks something of the focused pane.
pub(super) fn with_pane<T>(state: &State, ask: impl FnOnce(&PaneCx, Pane) -> T) -> T {
    let facts = facts::facts(state, state.view.area.width);
    let theme = Theme::monochrome();
    let pane = state.view.focus;
    let cx = PaneCx {
        theme: &theme,
        glyphs: &state.settings.glyphs,
        now: state.now(),
        zone: &state.settings.zone,
        facts: &facts,
        focused: true,
        zoomed: state.view.zoom,
        cursor: NOWHERE,
        live: state.player.is_live(),
    };
    ask(&PaneCx { cursor: cursor::row(state, &cx, pane), ..cx }, pane)
}

/// Opens the row; one that stands for a database nobody is connected to leads to the ways to connect.
fn open(state: &mut State) -> Vec<Effect> {
    if state.view.focus == Pane::Database
        && let Some(port) = with_pane(state, |cx, _| database::pane::connectable(&state.shown().database, cx))
        && let Some(offer) =
            state.own.offers.iter().position(|o| !o.taken && o.port.is_some() && (port.is_none() || o.port == port))
    {
        return overlay(state, Overlay::Offers { cursor: Cursor::at(offer) });
    }
    if state.view.focus == Pane::Incident {
        return notes::reopen(state);
    }
    let Some(selected) = selected(state) else {
        if cursor::is_lost(state) {
            state.say(Level::Warn, GONE);
        }
        return Vec::new();
    };
    let row = state.logs.selected().filter(|_| state.view.focus == Pane::Logs);
    let detail = Detail::new(selected, row);
    overlay(state, Overlay::Detail(Box::new(detail)))
}

/// Asks for the plan of the selected statement.
fn explain(state: &mut State) -> Vec<Effect> {
    if state.player.is_replay() {
        state.say(Level::Warn, "a replay cannot explain: it has no server to ask");
        return Vec::new();
    }
    let ask = |cx: &PaneCx, pane| match pane {
        Pane::Database => database::pane::explainable(&state.timeline.database, cx),
        _ => Err("no statement is selected: 3 goes to the database, j and k to a statement".to_owned()),
    };
    match with_pane(state, ask) {
        Ok(wanted) => {
            state.say(Level::Calm, "asking for the plan …");
            vec![Effect::Explain(wanted)]
        }
        Err(why) => {
            let why = if cursor::is_lost(state) { GONE.to_owned() } else { why };
            state.say(Level::Warn, why);
            Vec::new()
        }
    }
}

/// Asks whose end is wished for to be typed; without `--allow-kill` only the SQL for it can be had.
fn end_session(state: &mut State) -> Vec<Effect> {
    if !state.settings.allow_kill {
        let y = state.settings.keymap.keys_of(Action::CopyRow).first().map(ToString::to_string).unwrap_or_default();
        state.say(
            Level::Warn,
            format!("nothing is ended from here without --allow-kill; {y} copies the SQL that would"),
        );
        return Vec::new();
    }
    if state.player.is_replay() || !state.player.is_live() {
        state.say(Level::Warn, "sessions are ended as they are now: go back to live first");
        return Vec::new();
    }
    let ending = with_pane(state, |cx, pane| match pane {
        Pane::Database => database::pane::endable(&state.timeline.database, cx),
        _ => None,
    });
    match ending {
        Some(ending) => overlay(state, Overlay::End { line: Line::new("", &[]), ending: Box::new(ending) }),
        None => {
            let why = match cursor::is_lost(state) {
                true => GONE,
                false => "no session is selected: 3 goes to the database, j and k to a session",
            };
            state.say(Level::Warn, why);
            Vec::new()
        }
    }
}

/// Lets go of the database connections, or takes them again.
fn give_back(state: &mut State) -> Vec<Effect> {
    if state.player.is_replay() {
        state.say(Level::Warn, "a replay holds no connection");
        return Vec::new();
    }
    state.own.given_back = !state.own.given_back;
    let given = state.own.given_back;
    state.say(
        Level::Warn,
        if given { "database connections given back; B takes them again" } else { "connecting again …" },
    );
    vec![Effect::GiveBack(given)]
}

/// One step back: search, newest filter term, zoom. Overlays are taken away before this is reached.
fn back(state: &mut State) -> Vec<Effect> {
    if state.view.message.take().is_some_and(|(level, _, _)| level == Level::Bad) {
        return Vec::new();
    }
    if state.logs.search_pattern().is_some() {
        state.logs.set_search("");
    } else if !state.view.filter.is_empty() {
        let filter = state.view.filter.without_newest();
        return filtering::set_filter(state, filter);
    } else if state.view.zoom {
        state.view.zoom = false;
    }
    Vec::new()
}

/// Copies the row; of a session that holds others up, or a transaction open, the SQL that would end it.
fn copy_row(state: &mut State) -> Vec<Effect> {
    let ends = with_pane(state, |cx, pane| match pane {
        Pane::Database => database::pane::terminate(&state.timeline.database, cx),
        _ => None,
    });
    match ends {
        Some(text) => vec![Effect::Copy { what: "SQL that ends this session", text }],
        None => copy(state, 'r'),
    }
}

/// Copies what the letter of the copy menu stands for.
pub fn copy(state: &mut State, what: char) -> Vec<Effect> {
    let row = selected(state);
    let (name, text) = match what {
        // Of a log row the whole line as it stands in its source, folded lines and all.
        'r' => match state.logs.selected().filter(|_| state.view.focus == Pane::Logs) {
            Some(log) => ("row", Some(String::from_utf8_lossy(&log.raw).into_owned())),
            None => ("row", row.map(|r| r.text)),
        },
        'i' => (
            "request ID",
            row.and_then(|r| r.request_id).or(state.view.filter.request_id().cloned()).map(|id| id.to_string()),
        ),
        't' => ("time", row.and_then(|r| r.at).or(Some(state.now())).map(|t| t.to_string())),
        'f' => ("filter", Some(state.view.filter.to_string()).filter(|f| !f.is_empty())),
        's' => return vec![Effect::CopyScreen],
        _ => return Vec::new(),
    };
    match text {
        Some(text) => vec![Effect::Copy { what: name, text }],
        None if name == "row" && cursor::is_lost(state) => {
            state.say(Level::Warn, GONE);
            Vec::new()
        }
        None => {
            state.say(Level::Warn, format!("there is no {name} here to copy"));
            Vec::new()
        }
    }
}

fn quit(state: &mut State) -> Vec<Effect> {
    // The demo's folder goes with it, and with it the log of what was noted there.
    let demo = state.settings.demo && state.own.recorder.path.is_none() && state.view.written > state.view.exported;
    let what = match (state.unsaved.len(), state.running.first()) {
        (0, None) if demo => "the demo's notes go with it".to_owned(),
        (0, None) => return vec![Effect::Quit],
        (0, Some(name)) => format!("{name} still runs; it goes on, and its end will not be noted"),
        (1, _) => "a note is not on disk".to_owned(),
        (n, _) => format!("{n} notes are not on disk"),
    };
    overlay(state, Overlay::ReallyQuit { what })
}
