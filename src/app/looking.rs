//! How the rows of the log pane are looked at: scrolled, wrapped, with which columns and times, collapsed, muted, marked.

use super::effect::Effect;
use super::pane::Pane;
use super::state::State;
use super::{counting, facts, filtering};
use crate::signals::logs::histogram::{self, zoomed};
use crate::signals::logs::look::Column;
use crate::signals::logs::mutes::Mute;
use crate::signals::logs::store::LogQuery;
use crate::timeline::Filter;
use crate::timeline::time::short;
use crate::ui::Level;

/// Columns of one step sideways.
const STEP: isize = 16;

/// Messages move sideways.
pub fn scroll(state: &mut State, steps: isize) -> Vec<Effect> {
    state.view.focus = Pane::Logs;
    if state.logs.look.wrap {
        state.say(Level::Calm, "messages are wrapped; W lays them on one line each");
        return Vec::new();
    }
    state.logs.scroll_by(steps * STEP);
    Vec::new()
}

/// Messages take as many lines as they need, or one.
pub fn wrap(state: &mut State) -> Vec<Effect> {
    state.logs.look.wrap = !state.logs.look.wrap;
    state.logs.relook();
    Vec::new()
}

/// The next form of times.
pub fn times(state: &mut State) -> Vec<Effect> {
    let (times, words) = state.logs.look.times.next();
    state.logs.look.times = times;
    state.say(Level::Calm, words);
    Vec::new()
}

/// Rows that say the same collapse, or do no more.
pub fn repeats(state: &mut State) -> Vec<Effect> {
    let on = state.logs.toggle_repeats();
    state.say(
        Level::Calm,
        if on { "repeats collapse; o unfolds one, u all of them" } else { "every row stands for itself again" },
    );
    Vec::new()
}

/// Marks the row under the cursor, or takes its mark away.
pub fn mark_row(state: &mut State) -> Vec<Effect> {
    match state.logs.mark() {
        Some(true) => state.say(Level::Calm, "row marked; \" goes to marked rows"),
        Some(false) => state.say(Level::Calm, "mark taken away"),
        None => state.say(Level::Warn, "no row to mark"),
    }
    Vec::new()
}

/// Goes to the next marked row.
pub fn next_marked(state: &mut State) -> Vec<Effect> {
    state.view.focus = Pane::Logs;
    match state.logs.next_marked(true).map(|m| m.row.clone()) {
        Some(row) => {
            if !state.player.is_live() && row.visible > state.now() {
                state.player.go_to(row.visible);
                super::travel::follow_playhead(state);
            }
            state.logs.show(row);
        }
        None => state.say(Level::Warn, "no other marked row; M marks one"),
    }
    Vec::new()
}

/// The histogram of the zoomed pane comes or goes.
pub fn toggle_histogram(state: &mut State) -> Vec<Effect> {
    state.logs.look.histogram = !state.logs.look.histogram;
    if state.logs.look.histogram && !state.view.zoom {
        state.say(Level::Calm, "the histogram is shown while the logs are zoomed: z");
    }
    Vec::new()
}

/// What is to be asked beside the rows of the log pane: each when it is due, and answered by itself.
pub fn wants(state: &mut State) -> Vec<Box<LogQuery>> {
    let all = [wants_histogram(state), counting::wants_passing(state), wants_kinds(state)];
    all.into_iter().flatten().collect()
}

/// What the verdict of the logs lacks while errors are above their usual rate.
fn wants_kinds(state: &mut State) -> Option<Box<LogQuery>> {
    let now = state.now();
    let since = state.shown().logs.errors_since(now);
    state.logs.wants_kinds(since, now).map(Box::new)
}

/// What the histogram of the zoomed logs lacks while a filter is set.
fn wants_histogram(state: &mut State) -> Option<Box<LogQuery>> {
    let shown = state.logs.look.histogram && state.view.zoom && state.view.focus == Pane::Logs;
    let width = state.view.area.width;
    if !shown {
        return None;
    }
    let (window, now) = (facts::window(state, width), state.now());
    histogram::wants(&mut state.logs, &state.timeline.logs, window, width, now).map(Box::new)
}

/// The histogram shows less, round the row under the cursor, or more.
pub fn zoom(state: &mut State, closer: bool) -> Vec<Effect> {
    let window = facts::window(state, state.view.area.width);
    let at = state.logs.selected().map_or(state.now(), |r| r.placed);
    let look = &mut state.logs.look;
    look.span = zoomed(look.span.unwrap_or(window), window, at, closer);
    let shown = look.span.unwrap_or(window).len();
    state.say(Level::Calm, format!("histogram of {}", short(shown)));
    Vec::new()
}

/// A range of time begins at the row under the cursor, or ends there and becomes a part of the filter.
pub fn brush(state: &mut State) -> Vec<Effect> {
    let Some(at) = state.logs.selected().filter(|_| state.view.focus == Pane::Logs).map(|r| r.placed) else {
        state.say(Level::Warn, "no log row to begin a range at");
        return Vec::new();
    };
    let Some(from) = state.logs.look.brush.take() else {
        state.logs.look.brush = Some(at);
        let text = format!("a range begins at {}; b at another row ends it", at.hms_millis(&state.settings.zone));
        state.say(Level::Calm, text);
        return Vec::new();
    };
    let (from, to) = (from.min(at), from.max(at));
    match Filter::parse(&format!("(time>={from} time<={to})")) {
        Ok(term) => {
            let zone = &state.settings.zone;
            let said = format!("rows from {} to {}; Esc takes it back", from.hms_millis(zone), to.hms_millis(zone));
            state.say(Level::Calm, said);
            let filter = state.view.filter.and(&term);
            filtering::set_filter(state, filter)
        }
        Err(_) => Vec::new(),
    }
}

/// A line of the list of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A column that rows have anyway.
    Column(Column, &'static str),
    /// A field that can have one.
    Field(String, usize),
}

impl Choice {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Choice::Column(_, name) => name,
            Choice::Field(name, _) => name,
        }
    }
}

/// What the list of columns offers: the usual ones, then fields, those that have a column first, then by how many
/// resident rows have them.
pub fn choices(state: &State) -> Vec<Choice> {
    let mut out: Vec<Choice> = Column::ALL.iter().map(|(c, name)| Choice::Column(*c, name)).collect();
    let mut names: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for row in state.logs.rows() {
        for (name, _) in &row.fields {
            *names.entry(name).or_default() += 1;
        }
    }
    let own = &state.logs.look.fields;
    out.extend(own.iter().map(|f| Choice::Field(f.to_string(), names.get(f.as_str()).copied().unwrap_or(0))));
    let mut others: Vec<_> = names.into_iter().filter(|(n, _)| !own.iter().any(|f| f == n)).collect();
    others.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    out.extend(others.into_iter().take(60).map(|(n, count)| Choice::Field(n.to_owned(), count)));
    out
}

/// Shows or hides what stands on a line of the list of columns.
pub fn choose(state: &mut State, index: usize) -> Vec<Effect> {
    match choices(state).into_iter().nth(index) {
        Some(Choice::Column(column, _)) => state.logs.look.toggle(column),
        Some(Choice::Field(name, _)) => {
            state.logs.look.toggle_field(&name);
        }
        None => {}
    }
    state.logs.relook();
    Vec::new()
}

/// A line of the list of what is muted or could be.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutable {
    /// What it would mute, or mutes.
    pub mute: Mute,
    /// Whether it does.
    pub muted: bool,
}

/// Lines like the one under the cursor, its source, and what is muted already.
pub fn mutable(state: &State) -> Vec<Mutable> {
    let muted = state.logs.mutes().all();
    let row = state.logs.selected().filter(|_| state.view.focus == Pane::Logs);
    let fresh = row.into_iter().flat_map(|row| [Mute::kind(row), Mute::source(&row.source)]).flatten();
    let fresh = fresh.filter(|f| !muted.iter().any(|m| m.term == f.term));
    let fresh = fresh.map(|mute| Mutable { mute, muted: false });
    fresh.chain(muted.iter().map(|m| Mutable { mute: m.clone(), muted: true })).collect()
}

/// Mutes what stands on a line of that list, or lets it be heard again.
pub fn mute(state: &mut State, index: usize) -> Vec<Effect> {
    let Some(chosen) = mutable(state).into_iter().nth(index) else { return Vec::new() };
    let label = chosen.mute.label.clone();
    if state.logs.toggle_mute(chosen.mute) {
        state.say(Level::Warn, format!("muted: {label}; U takes it back"));
        counting::muted(state, state.logs.mutes().all().len() - 1)
    } else {
        state.say(Level::Calm, format!("heard again: {label}"));
        Vec::new()
    }
}

/// Lines of a source in the window of the strip, whatever is filtered.
pub fn lines_of(state: &State, source: &str) -> Option<u64> {
    let window = facts::window(state, state.view.area.width);
    let logs = &state.timeline.logs;
    let (_, s) = logs.sources().find(|(id, _)| logs.name(*id) == source)?;
    Some(s.sum(window, state.now()).total())
}
