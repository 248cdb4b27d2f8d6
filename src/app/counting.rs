//! Counts that take a while: hits of a search, records that are muted. One at a time, in the background, bounded by the
//! store; the newest one counts.

use super::effect::Effect;
use super::filtering;
use super::state::State;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::store::{Ask, LogArrival, Slot};
use crate::timeline::Ts;

/// What is being counted, and by which question.
#[derive(Clone, Debug, PartialEq)]
pub struct Counting {
    request: u64,
    what: What,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum What {
    /// Hits, and how many lie before this place.
    Hits((Ts, RowKey)),
    /// What the n-th muted thing hides.
    Mute(usize),
    /// Whose clock is off.
    Skews,
}

/// A hit was found, after `from`: says which one it is, or has them counted.
pub fn hit(state: &mut State, from: Option<RowKey>, row: &LogRow) -> Vec<Effect> {
    if state.logs.stepped(from, row, state.view.forward) {
        return Vec::new();
    }
    let Some(pattern) = state.logs.search_pattern() else { return Vec::new() };
    let at = (row.placed, row.key);
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Hits(at) });
    filtering::ask(state, request, Slot::Count, Ask::Count { pattern: Some(pattern), at })
}

/// Has the records counted that the n-th muted thing hides.
pub fn muted(state: &mut State, index: usize) -> Vec<Effect> {
    let Some(term) = state.logs.mutes().all().get(index).map(|m| m.term.clone()) else { return Vec::new() };
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Mute(index) });
    let mut effects = filtering::ask(state, request, Slot::Count, Ask::Count { pattern: None, at: Default::default() });
    for effect in &mut effects {
        if let Effect::AskLogs(query) = effect {
            query.filter = state.view.filter.and(&term);
        }
    }
    effects
}

/// Has the clocks of log sources compared, by the requests of the window that is shown, whatever is filtered.
pub fn skews(state: &mut State) -> Vec<Effect> {
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Skews });
    let range = super::facts::window(state, state.view.area.width);
    let mut effects = filtering::ask(state, request, Slot::Count, Ask::Skews { range });
    for effect in &mut effects {
        if let Effect::AskLogs(query) = effect {
            query.filter = crate::timeline::Filter::default();
        }
    }
    effects
}

/// A count came, or a part of it.
pub fn arrive(state: &mut State, answer: &LogArrival) {
    let Some(counting) = state.view.counting.clone().filter(|c| c.request == answer.request) else { return };
    if counting.what == What::Skews {
        state.view.skews = answer.skews.clone();
    }
    if let Some(count) = answer.count {
        match counting.what {
            What::Hits(at) => state.logs.counted(count, at, answer.done),
            What::Skews => {}
            What::Mute(i) => state.logs.mute_counted(i, count.records, !(answer.done && count.whole)),
        }
    }
    if answer.done {
        state.view.counting = None;
    }
}
