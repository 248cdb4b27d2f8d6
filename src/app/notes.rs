//! Notes: one key from seeing to noting.

use super::effect::{Draft, Effect};
use super::overlays::Overlay;
use super::overlays::line::Line;
use super::state::State;
use super::update;
use crate::signals::incident::event::{Evidence, NoteKind};
use crate::signals::incident::kinds;
use crate::ui::{Level, Selected};

/// Opens the one-line note with the selected row as evidence. Touches nothing else: the tail goes on.
pub fn begin(state: &mut State, text: &str) -> Vec<Effect> {
    let selected = update::selected(state);
    let before = state.view.typed.get("note").cloned().unwrap_or_default();
    state.view.overlays.push(Overlay::Note { line: Line::new(text, &before), selected });
    Vec::new()
}

/// A note is finished: off to disk with its evidence. It stays in memory until it is there.
pub fn save(state: &mut State, text: &str, selected: Option<Selected>) -> Vec<Effect> {
    let (kind, text) = kinds::parse(text);
    if text.is_empty() {
        return vec![Effect::KeepDraft(None)];
    }
    state.view.notes += 1;
    let now = state.now();
    // What somebody saw happened when the row did; what somebody did or decided happens now, whatever is selected.
    let done_now = matches!(kind, NoteKind::Action | NoteKind::Decision);
    let event_at = selected.as_ref().and_then(|s| s.at).filter(|_| !done_now).unwrap_or(now);
    let draft =
        Draft { number: state.view.notes, kind, text: text.to_owned(), event_at, evidence: evidence(state, selected) };
    state.unsaved.push(draft.clone());
    vec![Effect::SaveNote(draft)]
}

fn evidence(state: &State, selected: Option<Selected>) -> Vec<Evidence> {
    let filter = state.view.filter.to_string();
    let range = state.view.layout.strip.map(|(_, range)| range);
    match selected {
        Some(s) => vec![Evidence {
            pane: Some(state.view.focus.kind()),
            source: s.source,
            at: s.at,
            text: s.text,
            request_id: s.request_id,
            filter,
            range,
            against: false,
        }],
        None if !filter.is_empty() => {
            vec![Evidence { pane: Some(state.view.focus.kind()), filter, range, ..Evidence::default() }]
        }
        None => Vec::new(),
    }
}

/// A note is on disk.
pub fn saved(state: &mut State, number: u64, redacted: bool) -> Vec<Effect> {
    state.unsaved.retain(|d| d.number != number);
    if state.unsaved.is_empty() {
        state.own.not_on_disk = None;
    }
    state.say(
        Level::Calm,
        if redacted { "note saved; something that looked like a secret was taken out" } else { "note saved" },
    );
    let writing = state.view.overlays.iter().any(|o| matches!(o, Overlay::Note { .. }));
    if writing || !state.unsaved.is_empty() { Vec::new() } else { vec![Effect::KeepDraft(None)] }
}

/// A note was refused for good: its text is back on the line to be changed.
pub fn refused(state: &mut State, number: u64, why: &str) {
    let Some(i) = state.unsaved.iter().position(|d| d.number == number) else { return };
    let draft = state.unsaved.remove(i);
    state.say(Level::Bad, format!("not saved: {why}"));
    state
        .view
        .overlays
        .push(Overlay::Note { line: Line::new(&kinds::typed(draft.kind, &draft.text), &[]), selected: None });
}

/// A note is not on disk: it stays in memory, the header says so, and it is tried again.
pub fn failed(state: &mut State, number: u64, why: String) {
    state.say(
        Level::Bad,
        format!("note {number} is NOT ON DISK: {why}; it is kept and tried again, :notes-to PATH writes elsewhere"),
    );
    state.own.not_on_disk = Some(why);
}
