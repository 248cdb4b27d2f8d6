//! The terms of the filter: which are on, which are switched off for now.

use crate::app::effect::Effect;
use crate::app::filtering;
use crate::app::state::State;
use crate::timeline::Filter;

/// All terms, those that are on first, each with whether it is on.
pub fn terms(state: &State) -> Vec<(Filter, bool)> {
    let on = state.view.filter.terms().into_iter().map(|t| (t, true));
    on.chain(state.view.suspended.iter().map(|t| (t.clone(), false))).collect()
}

/// Switches the term on or off.
pub fn toggle(state: &mut State, index: usize) -> Vec<Effect> {
    let Some((term, is_on)) = terms(state).into_iter().nth(index) else { return Vec::new() };
    state.view.suspended.retain(|t| *t != term);
    let filter = if is_on {
        state.view.suspended.push(term.clone());
        state.view.filter.without(&term)
    } else {
        state.view.filter.and(&term)
    };
    filtering::set_filter(state, filter)
}

/// Forgets the term.
pub fn remove(state: &mut State, index: usize) -> Vec<Effect> {
    let Some((term, is_on)) = terms(state).into_iter().nth(index) else { return Vec::new() };
    state.view.suspended.retain(|t| *t != term);
    if !is_on {
        return Vec::new();
    }
    let filter = state.view.filter.without(&term);
    filtering::set_filter(state, filter)
}

/// `F`: everything is shown for now; once more, and the same terms hold again.
pub fn suspend_or_resume(state: &mut State) -> Vec<Effect> {
    if !state.view.filter.is_empty() {
        state.view.suspended = state.view.filter.terms();
        let n = state.view.suspended.len();
        let terms = if n == 1 { "the term is" } else { "the terms are" };
        state.say(crate::ui::Level::Calm, format!("everything is shown; {terms} kept, F brings back the filter"));
        return filtering::set_filter(state, Filter::default());
    }
    let suspended = std::mem::take(&mut state.view.suspended);
    if suspended.is_empty() {
        state.say(crate::ui::Level::Calm, "nothing is filtered; & writes a filter");
        return Vec::new();
    }
    let filter = suspended.iter().fold(Filter::default(), |all, t| all.and(t));
    filtering::set_filter(state, filter)
}
