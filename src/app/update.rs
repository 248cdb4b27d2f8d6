//! Actions: a table of contents. Each arm calls a slice, the view state, or one small function below.

use std::time::Duration;

use super::action::Action;
use super::effect::Effect;
use super::overlays::line::Line;
use super::overlays::palette::Palette;
use super::overlays::top::TopValues;
use super::overlays::{MenuKind, Overlay};
use super::pane::Pane;
use super::state::State;
use super::{commands, facts, notes, screen};
use crate::signals::logs::store::{Ask, LogQuery, Pattern, Slot};
use crate::timeline::facts::MarkKind;
use crate::timeline::{Filter, RequestId, Severity, Ts};
use crate::ui::{Level, PaneCx, Selected, Theme};

/// Does what the user wants. Total: every action does something sensible in every state.
pub fn update(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Note => notes::begin(state, ""),
        Action::OpenIncident
        | Action::SetSeverity
        | Action::SetStatus
        | Action::Milestone
        | Action::NotesTo
        | Action::Theme
        | Action::Rollback => commands::run(state, action, ""),
        Action::FilterRequest => filter_request(state),
        Action::EditFilter => edit_filter(state),
        Action::ClearFilter => set_filter(state, Filter::default()),
        Action::Search => open_line(state, "search", |line| Overlay::Search(line)),
        Action::SearchNext => search(state, true),
        Action::SearchPrevious => search(state, false),
        Action::NextError => find(state, Pattern::AtLeast(Severity::Error), true, "error"),
        Action::PreviousError => find(state, Pattern::AtLeast(Severity::Error), false, "error"),
        Action::NextChange => next_change(state, true),
        Action::PreviousChange => next_change(state, false),
        Action::NextOfRequest => of_request(state, true),
        Action::PreviousOfRequest => of_request(state, false),
        Action::TopValues => count_values(state, None),
        Action::Pause => pause(state),
        Action::Live => go_live(state),
        Action::StepBack => step(state, -1),
        Action::StepOn => step(state, 1),
        Action::MinuteBack => step(state, -60),
        Action::MinuteOn => step(state, 60),
        Action::TenBack => step(state, -600),
        Action::TenOn => step(state, 600),
        Action::GoToTime => open_line(state, "time", |line| Overlay::Time { line, error: None }),
        Action::SetMark => set_mark(state),
        Action::NextMark => next_mark(state),
        Action::PinTime => pin(state),
        Action::Faster => change_speed(state, true),
        Action::Slower => change_speed(state, false),
        Action::Zone => next_zone(state),
        Action::Down => move_by(state, 1),
        Action::Up => move_by(state, -1),
        Action::PageDown => page(state, 1),
        Action::PageUp => page(state, -1),
        Action::Home => move_by(state, isize::MIN / 2),
        Action::End => end(state),
        Action::Open => open(state),
        Action::Back => back(state),
        Action::Unfold => {
            state.logs.unfold();
            Vec::new()
        }
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
        Action::CopyRow => copy(state, 'r'),
        Action::CopyMenu => menu(state, MenuKind::Copy),
        Action::Write => menu(state, MenuKind::Write),
        Action::Offers => overlay(state, Overlay::Offers { cursor: 0 }),
        Action::Help => overlay(state, Overlay::Help { top: 0 }),
        Action::Palette => {
            let before = state.view.typed.get("palette").cloned().unwrap_or_default();
            overlay(state, Overlay::Palette(Palette::new(&before)))
        }
        Action::Redraw => vec![Effect::RedrawAll],
        Action::Suspend => vec![Effect::Suspend],
        Action::Quit => quit(state),
    }
}

fn overlay(state: &mut State, overlay: Overlay) -> Vec<Effect> {
    state.view.overlays.push(overlay);
    Vec::new()
}

fn open_line(state: &mut State, kind: &'static str, make: impl Fn(Line) -> Overlay) -> Vec<Effect> {
    let before = state.view.typed.get(kind).cloned().unwrap_or_default();
    overlay(state, make(Line::new("", &before)))
}

fn menu(state: &mut State, kind: MenuKind) -> Vec<Effect> {
    overlay(state, Overlay::Menu { kind, cursor: 0 })
}

fn focus(state: &mut State, pane: Pane) -> Vec<Effect> {
    state.view.focus = pane;
    Vec::new()
}

// --- the filter

/// Everything is filtered by `filter` from now on.
pub fn set_filter(state: &mut State, filter: Filter) -> Vec<Effect> {
    state.logs.set_filter(filter.clone());
    state.view.filter = filter;
    state.view.request_span = None;
    if state.view.filter.request_id().is_none() {
        return Vec::new();
    }
    // Panes that know no IDs mark the time span of the request instead.
    let request = next_request(state);
    ask(state, request, Slot::Span, Ask::Span)
}

fn edit_filter(state: &mut State) -> Vec<Effect> {
    let before = state.view.typed.get("filter").cloned().unwrap_or_default();
    let line = Line::new(&state.view.filter.to_string(), &before);
    let before = state.view.filter.clone();
    overlay(state, Overlay::Filter { line, error: None, before })
}

/// `f`: this row's request. Without an ID: the same path within two seconds, said to be a guess.
fn filter_request(state: &mut State) -> Vec<Effect> {
    let Some(selected) = selected(state) else {
        state.say(Level::Warn, "nothing is selected; move to a row with j and k, or type & and an ID");
        return Vec::new();
    };
    if let Some(id) = &selected.request_id {
        let filter = Filter::request(id);
        state.say(Level::Calm, format!("request {id} in all panes; Esc shows everything again"));
        return set_filter(state, filter);
    }
    let path = selected
        .fields
        .iter()
        .find(|(n, _)| matches!(n.as_str(), "path" | "uri" | "url" | "http.path" | "url.path" | "route"));
    match (path, selected.at) {
        (Some((name, path)), Some(at)) => {
            let quoted = path.replace('\\', "\\\\").replace('"', "\\\"");
            let filter = Filter::parse(&format!("{name}=\"{quoted}\""));
            state.say(
                Level::Warn,
                format!(
                    "no request ID on this row. A guess: the same path, ±2 s round {}",
                    at.hms(&state.settings.zone)
                ),
            );
            state.player.go_to(at + Duration::from_secs(2));
            match filter {
                Ok(f) => set_filter(state, f),
                Err(_) => Vec::new(),
            }
        }
        _ => {
            state.say(Level::Warn, "no request ID on this row, and no path to guess from; & filters by text or field");
            Vec::new()
        }
    }
}

/// Pasted on the panes: an ID filters at once, other text goes into the filter to be looked at.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let text = text.trim();
    if let Some(id) = RequestId::parse_typed(text).filter(|id| id.0.len() >= 8 && !text.contains(char::is_whitespace)) {
        state.say(Level::Calm, format!("pasted request {id}"));
        return set_filter(state, Filter::request(&id));
    }
    let line = text.lines().next().unwrap_or("");
    let quoted = format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""));
    let before = state.view.filter.clone();
    overlay(state, Overlay::Filter { line: Line::new(&quoted, &[]), error: None, before })
}

// --- finding

/// The next or previous hit of the search.
pub fn search(state: &mut State, forward: bool) -> Vec<Effect> {
    match state.logs.search_pattern() {
        Some(pattern) => find(state, pattern, forward, "hit"),
        None => open_line(state, "search", |line| Overlay::Search(line)),
    }
}

fn find(state: &mut State, pattern: Pattern, forward: bool, word: &'static str) -> Vec<Effect> {
    state.view.focus = Pane::Logs;
    let request = next_request(state);
    state.view.finding = Some(word);
    let from = match state.logs.selected() {
        Some(row) => (row.placed, Some(row.key)),
        None => (state.now(), None),
    };
    ask(state, request, Slot::Find, Ask::Find { pattern, from, forward })
}

/// A question to the log store under the active filter and as of the playhead.
fn ask(state: &State, request: u64, slot: Slot, ask: Ask) -> Vec<Effect> {
    vec![Effect::AskLogs(Box::new(LogQuery {
        request,
        slot,
        filter: state.view.filter.clone(),
        sources: None,
        min_severity: None,
        visible_until: if state.player.is_live() { Ts::MAX } else { state.horizon() },
        screen: state.view.layout.log_height.max(1) as usize,
        ask,
    }))]
}

fn of_request(state: &mut State, forward: bool) -> Vec<Effect> {
    let id = selected(state).and_then(|s| s.request_id).or_else(|| state.view.filter.request_id().cloned());
    match id {
        Some(id) => find(state, Pattern::Filter(Filter::request(&id)), forward, "record of this request"),
        None => {
            state.say(Level::Warn, "no request ID on this row");
            Vec::new()
        }
    }
}

fn next_change(state: &mut State, forward: bool) -> Vec<Effect> {
    let (now, horizon) = (state.now(), state.horizon());
    let found = if forward {
        state.timeline.deploys.next_change(now, horizon)
    } else {
        state.timeline.deploys.previous_change(now, horizon)
    };
    match found {
        Some(at) => go_to(state, at),
        None => {
            state.say(Level::Warn, if forward { "no later change" } else { "no earlier change" });
            Vec::new()
        }
    }
}

/// Asks for the fields of the window, or for the values of one.
pub fn count_values(state: &mut State, field: Option<String>) -> Vec<Effect> {
    let request = next_request(state);
    let range = facts::window(state, state.view.area.width);
    let split = state.timeline.deploys.last_deploy(state.now()).map(|(at, _, _)| at);
    state.view.overlays.push(Overlay::Top(TopValues::asking(request, field.clone(), split)));
    let what = match field {
        None => Ask::Fields { range },
        Some(field) => Ask::TopValues { range, field, split },
    };
    ask(state, request, Slot::Top, what)
}

fn next_request(state: &mut State) -> u64 {
    state.view.requests += 1;
    state.view.requests
}

// --- time

/// Every pane moves to `at`.
pub fn go_to(state: &mut State, at: Ts) -> Vec<Effect> {
    remember_pause(state);
    state.player.go_to(at);
    state.logs.go_to(at);
    follow_playhead(state);
    Vec::new()
}

fn step(state: &mut State, seconds: i64) -> Vec<Effect> {
    remember_pause(state);
    state.player.step(seconds);
    follow_playhead(state);
    Vec::new()
}

fn pause(state: &mut State) -> Vec<Effect> {
    remember_pause(state);
    state.player.toggle();
    follow_playhead(state);
    Vec::new()
}

fn go_live(state: &mut State) -> Vec<Effect> {
    state.player.go_live();
    state.view.paused_at = None;
    state.logs.end();
    follow_playhead(state);
    Vec::new()
}

fn remember_pause(state: &mut State) {
    if state.player.is_live() {
        state.view.paused_at = Some(state.timeline.logs.totals());
    }
}

/// The log pane goes where the playhead is.
pub fn follow_playhead(state: &mut State) {
    let live = state.player.is_live();
    if live {
        state.view.paused_at = None;
    }
    state.logs.set_playhead(if live { Ts::MAX } else { state.now() }, live);
}

fn change_speed(state: &mut State, faster: bool) -> Vec<Effect> {
    if !state.player.is_replay() {
        state.say(Level::Warn, "only a replay has a speed");
        return Vec::new();
    }
    state.player.change_speed(faster);
    let speed = state.player.speed();
    state.say(Level::Calm, format!("{speed}x"));
    Vec::new()
}

fn set_mark(state: &mut State) -> Vec<Effect> {
    let at = state.now();
    // A hundred marks are more than anyone can find again.
    if state.view.marks.len() >= 100 {
        state.view.marks.remove(0);
    }
    state.view.marks.push(at);
    state.view.marks.sort();
    state.say(Level::Calm, format!("mark at {}; ' goes to marks", at.hms(&state.settings.zone)));
    Vec::new()
}

/// The next mark behind the playhead; after the last one, the first.
fn next_mark(state: &mut State) -> Vec<Effect> {
    let now = state.now();
    let horizon = state.horizon();
    let all = crate::timeline::TimeRange::new(Ts::MIN, horizon + Duration::from_nanos(1));
    let t = &state.timeline;
    let mut marks: Vec<(Ts, MarkKind, String)> = t
        .deploys
        .marks(all, horizon)
        .into_iter()
        .chain(t.health.marks(all, horizon))
        .chain(t.incident.marks(horizon))
        .map(|m| (m.at, m.kind, m.label))
        .chain(state.view.marks.iter().map(|&at| (at, MarkKind::User, "your mark".into())))
        .collect();
    marks.sort();
    let next = marks.iter().find(|(at, _, _)| *at > now).or_else(|| marks.first()).cloned();
    match next {
        Some((at, kind, label)) => {
            let glyph = state.settings.glyphs.mark(kind);
            state.say(Level::Calm, format!("{glyph} {label}"));
            go_to(state, at)
        }
        None => {
            state.say(Level::Warn, "no marks yet; m sets one");
            Vec::new()
        }
    }
}

fn pin(state: &mut State) -> Vec<Effect> {
    state.view.pinned = match state.view.pinned {
        Some(_) => None,
        None => Some(state.now()),
    };
    let text = match state.view.pinned {
        Some(at) => format!("pinned {}", at.hms(&state.settings.zone)),
        None => "pin let go".into(),
    };
    state.say(Level::Calm, text);
    Vec::new()
}

fn next_zone(state: &mut State) -> Vec<Effect> {
    use crate::timeline::source::Declaration;
    let s = &mut state.settings;
    let recorded = match &state.timeline.origin {
        Some(Declaration::Origin { zone, .. }) => jiff::tz::TimeZone::get(zone).ok().map(|z| (z, zone.clone())),
        _ => None,
    };
    let mut choices = vec![(jiff::tz::TimeZone::UTC, "UTC".to_owned()), (s.local_zone.clone(), "local".to_owned())];
    choices.extend(recorded.map(|(z, name)| (z, format!("{name} (recorded)"))));
    let at = choices.iter().position(|(_, n)| *n == s.zone_name).map_or(0, |i| (i + 1) % choices.len());
    (s.zone, s.zone_name) = choices.swap_remove(at);
    let text = format!("times in {}", s.zone_name);
    state.say(Level::Calm, text);
    Vec::new()
}

// --- moving

fn move_by(state: &mut State, by: isize) -> Vec<Effect> {
    let pane = state.view.focus;
    if pane == Pane::Logs {
        state.logs.move_by(by);
        return Vec::new();
    }
    let total = state.view.layout.totals[pane as usize];
    let cursor = &mut state.view.cursor[pane as usize];
    *cursor = (*cursor as isize).saturating_add(by).clamp(0, total.saturating_sub(1) as isize) as usize;
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

/// The cursor of a pane goes to a row that was clicked.
pub fn put_cursor(state: &mut State, pane: Pane, index: usize) -> Vec<Effect> {
    if pane == Pane::Logs {
        state.logs.select_index(index);
    } else {
        state.view.cursor[pane as usize] = index;
    }
    Vec::new()
}

// --- looking, copying, leaving

/// The row under the cursor of the focused pane.
pub fn selected(state: &State) -> Option<Selected> {
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
        cursor: state.cursor(pane),
        live: state.player.is_live(),
    };
    screen::select(state, &cx, pane)
}

fn open(state: &mut State) -> Vec<Effect> {
    match selected(state) {
        Some(selected) => overlay(state, Overlay::Detail { selected, top: 0 }),
        None => Vec::new(),
    }
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
        return set_filter(state, filter);
    } else if state.view.zoom {
        state.view.zoom = false;
    }
    Vec::new()
}

/// Copies what the letter of the copy menu stands for.
pub fn copy(state: &mut State, what: char) -> Vec<Effect> {
    let row = selected(state);
    let (name, text) = match what {
        'r' => ("row", row.map(|r| r.text)),
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
        None => {
            state.say(Level::Warn, format!("there is no {name} here to copy"));
            Vec::new()
        }
    }
}

fn quit(state: &mut State) -> Vec<Effect> {
    if state.unsaved.is_empty() {
        return vec![Effect::Quit];
    }
    let what = format!("{} note(s) are not on disk", state.unsaved.len());
    overlay(state, Overlay::ReallyQuit { what })
}
