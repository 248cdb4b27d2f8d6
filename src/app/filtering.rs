//! What the one filter does on every pane, and looking for rows under it.

use std::time::Duration;

use super::effect::Effect;
use super::facts;
use super::overlays::Overlay;
use super::overlays::filter_line::FilterLine;
use super::overlays::top::TopValues;
use super::pane::Pane;
use super::state::State;
use super::update::{open_line, overlay, selected};
use crate::signals::logs::store::{Ask, LogQuery, Pattern, Slot};
use crate::timeline::{Filter, RequestId, Ts};
use crate::ui::Level;

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

pub(super) fn edit_filter(state: &mut State) -> Vec<Effect> {
    let before = state.view.typed.get("filter").cloned().unwrap_or_default();
    let filter = state.view.filter.clone();
    // Behind a blank the next term can be written at once.
    let text = if filter.is_empty() { String::new() } else { format!("{filter} ") };
    overlay(state, Overlay::Filter(Box::new(FilterLine::new(&text, &before, filter, state.logs.rows().to_vec()))));
    // The fields of the window, for the names that can be completed.
    let request = next_request(state);
    let range = facts::window(state, state.view.area.width);
    ask(state, request, Slot::Top, Ask::Fields { range })
}

/// `f`: this row's request. Without an ID: the same path within two seconds, said to be a guess.
pub(super) fn filter_request(state: &mut State) -> Vec<Effect> {
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
            let near = Duration::from_secs(2);
            let text = format!("{name}=\"{quoted}\" time>={} time<={}", at - near, at + near);
            let Ok(filter) = Filter::parse(&text) else { return Vec::new() };
            let effects = set_filter(state, filter);
            state.say(
                Level::Warn,
                "no request ID on this row. A guess: the same path within 2 s, all files; Esc takes it back",
            );
            effects
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
    overlay(state, Overlay::Filter(Box::new(FilterLine::new(&quoted, &[], before, state.logs.rows().to_vec()))))
}

/// The next or previous hit of the search.
pub fn search(state: &mut State, forward: bool) -> Vec<Effect> {
    match state.logs.search_pattern() {
        Some(pattern) => find(state, pattern, forward, "hit"),
        None => open_line(state, "search", Overlay::Search),
    }
}

pub(super) fn find(state: &mut State, pattern: Pattern, forward: bool, word: &'static str) -> Vec<Effect> {
    state.view.focus = Pane::Logs;
    let request = next_request(state);
    state.view.finding = Some(word);
    state.view.forward = forward;
    let from = match state.logs.selected() {
        Some(row) => (row.placed, Some(row.key)),
        None => (state.now(), None),
    };
    ask(state, request, Slot::Find, Ask::Find { pattern, from, forward })
}

/// A question to the log store under the active filter and as of the playhead.
pub(super) fn ask(state: &State, request: u64, slot: Slot, ask: Ask) -> Vec<Effect> {
    vec![Effect::AskLogs(Box::new(LogQuery {
        request,
        slot,
        filter: state.logs.unmuted(&state.view.filter),
        sources: None,
        min_severity: None,
        visible_until: if state.player.is_live() { Ts::MAX } else { state.horizon() },
        screen: state.view.layout.log_height.max(1) as usize,
        ask,
    }))]
}

pub(super) fn of_request(state: &mut State, forward: bool) -> Vec<Effect> {
    let id = selected(state).and_then(|s| s.request_id).or_else(|| state.view.filter.request_id().cloned());
    match id {
        Some(id) => find(state, Pattern::Filter(Filter::request(&id)), forward, "record of this request"),
        None => {
            state.say(Level::Warn, "no request ID on this row");
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

pub(super) fn next_request(state: &mut State) -> u64 {
    state.view.requests += 1;
    state.view.requests
}
