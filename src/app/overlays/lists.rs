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
    let offers = state.own.offers.len();
    let terms = terms::terms(state).len();
    let sources = rates::len(state);
    let (columns, mutes) = (looking::choices(state).len(), looking::mutable(state).len());
    let picks = match state.view.overlays.last() {
        Some(Overlay::Pick(p)) => pick::len(state, &p.what),
        _ => 0,
    };
    let shift =
        |at: usize, len: usize| (at as isize).saturating_add(by).clamp(0, len.saturating_sub(1) as isize) as usize;
    match state.view.overlays.last_mut() {
        // Their length is known when they are drawn; the box stops at its end.
        Some(Overlay::Help { top } | Overlay::Compare { top } | Overlay::Plan { top, .. }) => *top = shift(*top, 2_000),
        Some(Overlay::Detail(d)) => d.move_by(by),
        Some(Overlay::Top(t)) => t.cursor = shift(t.cursor, t.len()),
        Some(Overlay::Menu { kind, cursor }) => *cursor = shift(*cursor, kind.lines().len()),
        Some(Overlay::Offers { cursor }) => *cursor = shift(*cursor, offers),
        Some(Overlay::Terms { cursor }) => *cursor = shift(*cursor, terms),
        Some(Overlay::Rates { cursor }) => *cursor = shift(*cursor, sources),
        Some(Overlay::Columns { cursor }) => *cursor = shift(*cursor, columns),
        Some(Overlay::Mutes { cursor }) => *cursor = shift(*cursor, mutes),
        Some(Overlay::Pick(p)) => p.cursor = shift(p.cursor, picks),
        _ => {}
    }
    Vec::new()
}

fn open(state: &mut State) -> Vec<Effect> {
    if let Some(Overlay::Terms { cursor }) = state.view.overlays.last() {
        let cursor = *cursor;
        return terms::toggle(state, cursor);
    }
    match state.view.overlays.pop() {
        Some(Overlay::Menu { kind, cursor }) => input::choose_menu(state, kind, cursor),
        Some(Overlay::Offers { cursor }) => take(state, cursor),
        Some(Overlay::Top(top)) => open_top(state, top),
        Some(Overlay::Rates { cursor }) => rates::open(state, cursor),
        // The list stays: one column hardly ever is all.
        Some(Overlay::Columns { cursor }) => {
            state.view.overlays.push(Overlay::Columns { cursor });
            looking::choose(state, cursor)
        }
        Some(Overlay::Mutes { cursor }) => looking::mute(state, cursor),
        Some(Overlay::Pick(p)) => pick::choose(state, *p),
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
