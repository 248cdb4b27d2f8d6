//! List keys inside an overlay: move, open, back.

use super::top::{Answer, TopValues};
use super::{Overlay, pick, rates, terms};
use crate::app::action::Action;
use crate::app::arrival::OfferRow;
use crate::app::effect::Effect;
use crate::app::filtering;
use crate::app::input;
use crate::app::looking;
use crate::app::state::State;
use crate::signals::logs::requests;
use crate::timeline::Filter;
use crate::ui::{Level, RowKey};

/// One list action on the topmost overlay.
pub fn act(state: &mut State, action: Action) -> Vec<Effect> {
    if action == Action::Back {
        state.view.overlays.pop();
        return Vec::new();
    }
    let page = state.view.area.height.saturating_sub(4).max(1) as isize;
    let by = match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::Home => isize::MIN / 2,
        Action::End => isize::MAX / 2,
        Action::Open => return open(state),
        _ => return Vec::new(),
    };
    let terms = terms::terms(state).len();
    let keys = keys(state);
    let shift =
        |at: usize, len: usize| (at as isize).saturating_add(by).clamp(0, len.saturating_sub(1) as isize) as usize;
    match state.view.overlays.last_mut() {
        // Their length is known when they are drawn; the box stops at its end.
        Some(Overlay::Help { top } | Overlay::Compare { top } | Overlay::Plan { top, .. }) => *top = shift(*top, 2_000),
        Some(Overlay::Detail(d)) => d.move_by(by),
        Some(Overlay::Top(t)) => t.cursor = shift(t.cursor, t.len()),
        Some(Overlay::Menu { kind, cursor }) => *cursor = shift(*cursor, kind.lines().len()),
        Some(
            Overlay::Offers { cursor }
            | Overlay::Rates { cursor }
            | Overlay::Columns { cursor }
            | Overlay::Mutes { cursor },
        ) => *cursor = cursor.moved(&keys, by),
        Some(Overlay::Terms { cursor }) => *cursor = shift(*cursor, terms),
        Some(Overlay::Pick(p)) => p.cursor = p.cursor.moved(&keys, by),
        _ => {}
    }
    Vec::new()
}

/// What the lines of the topmost list stand for, where their order changes by itself; none in the other lists.
fn keys(state: &State) -> Vec<RowKey> {
    let key = |name: &str| RowKey(name.into());
    match state.view.overlays.last() {
        Some(Overlay::Rates { .. }) => rates::keys(state),
        Some(Overlay::Offers { .. }) => state.own.offers.iter().map(|o| key(&o.what)).collect(),
        Some(Overlay::Columns { .. }) => looking::choices(state).iter().map(|c| key(c.name())).collect(),
        Some(Overlay::Mutes { .. }) => looking::mutable(state).iter().map(|m| key(&m.mute.label)).collect(),
        Some(Overlay::Pick(p)) => pick::keys(state, &p.what),
        _ => Vec::new(),
    }
}

/// The line under the cursor of the topmost list, where its order changes by itself; `None` when that line has gone.
pub fn row(state: &State) -> Option<usize> {
    let cursor = match state.view.overlays.last()? {
        Overlay::Offers { cursor }
        | Overlay::Rates { cursor }
        | Overlay::Columns { cursor }
        | Overlay::Mutes { cursor } => cursor,
        Overlay::Pick(p) => &p.cursor,
        _ => return None,
    };
    cursor.row(&keys(state))
}

/// The line that the cursor of a list lies on when it opens is the one that it stays on.
pub fn settle(state: &mut State) {
    let keys = keys(state);
    match state.view.overlays.last_mut() {
        Some(
            Overlay::Offers { cursor }
            | Overlay::Rates { cursor }
            | Overlay::Columns { cursor }
            | Overlay::Mutes { cursor },
        ) => *cursor = cursor.settled(&keys),
        Some(Overlay::Pick(p)) => p.cursor = p.cursor.settled(&keys),
        _ => {}
    }
}

/// Whether the line that the cursor was on has gone from the topmost list; it is said.
pub fn has_gone(state: &mut State) -> bool {
    let gone = row(state).is_none() && !keys(state).is_empty();
    if gone {
        state.say(Level::Warn, "the line that the cursor was on has gone: j and k go to another");
    }
    gone
}

fn open(state: &mut State) -> Vec<Effect> {
    if let Some(Overlay::Terms { cursor }) = state.view.overlays.last() {
        let cursor = *cursor;
        return terms::toggle(state, cursor);
    }
    if has_gone(state) {
        return Vec::new();
    }
    // In an empty list there is nothing at all to open.
    let row = row(state).unwrap_or(0);
    match state.view.overlays.pop() {
        Some(Overlay::Menu { kind, cursor }) => input::choose_menu(state, kind, cursor),
        Some(Overlay::Offers { .. }) => take(state, row),
        Some(Overlay::Top(top)) => open_top(state, top),
        Some(Overlay::Rates { .. }) => rates::open(state, row),
        // The list stays: one column hardly ever is all.
        Some(columns @ Overlay::Columns { .. }) => {
            state.view.overlays.push(columns);
            looking::choose(state, row)
        }
        Some(Overlay::Mutes { .. }) => looking::mute(state, row),
        Some(Overlay::Pick(p)) => pick::choose(state, *p, row),
        _ => Vec::new(),
    }
}

/// An offer was chosen: taken at once, or asked about first.
fn take(state: &mut State, offer: usize) -> Vec<Effect> {
    match state.own.offers.get(offer) {
        None => Vec::new(),
        Some(OfferRow { taken: false, hindrance: None, consent: Some(consent), .. }) => {
            state.view.overlays.push(Overlay::Consent { offer, consent: consent.clone() });
            Vec::new()
        }
        Some(_) => vec![Effect::Connect(offer)],
    }
}

/// A field was chosen: count its values. A value was chosen: filter by it.
fn open_top(state: &mut State, top: TopValues) -> Vec<Effect> {
    let Some(chosen) = top.chosen().map(str::to_owned) else { return Vec::new() };
    match (&top.answer, &top.field) {
        (Some(Answer::Fields(_)), _) => filtering::count_values(state, Some(chosen)),
        (Some(Answer::Values(_)), Some(field)) => match Filter::parse(&term(field, &chosen)) {
            Ok(term) => {
                let filter = state.view.filter.and(&term);
                filtering::set_filter(state, filter)
            }
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The filter term for a counted value. Paths are counted by route: without their query, IDs as `:id`.
pub fn term(field: &str, value: &str) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    if requests::is_path(field) && value.starts_with('/') {
        let route = regex::escape(value).replace(":id", "[^/?]+");
        return format!("{field}~\"{}\"", quoted(&format!("^{route}([?].*)?$")));
    }
    format!("{field}=\"{}\"", quoted(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_filters_all_its_paths_and_a_value_itself() {
        for (field, value) in [("path", "/orders/:id"), ("path", "/a.b"), ("user", "say \"hi\" \\")] {
            let filter = Filter::parse(&term(field, value)).expect("a filter");
            assert!(!filter.is_empty(), "{filter}");
        }
        assert!(term("path", "/orders/:id").contains("[^/?]+"));
    }
}
