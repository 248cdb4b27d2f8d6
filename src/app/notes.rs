//! Notes: one key from seeing to noting, changing them later, and coming back to the screen that one was begun on.

use super::action::Action;
use super::cursor::{self, Cursor};
use super::effect::{Draft, Effect, NoteChange};
use super::filtering;
use super::overlays::Overlay;
use super::overlays::pick::{self, Pick, Picking};
use super::overlays::writing::Writing;
use super::pane::Pane;
use super::state::State;
use super::{screen, travel, update};
use crate::signals::incident;
use crate::signals::incident::event::{Evidence, HypothesisState, NoteKind, Ran, RecordId, Screen};
use crate::signals::incident::kinds;
use crate::timeline::redact::redact;
use crate::timeline::request_id::best_id;
use crate::timeline::time::short;
use crate::timeline::{Filter, Ts, time_text};
use crate::ui::{Level, Selected};

/// Opens the note line with the selected row as evidence. Touches nothing else: the tail goes on.
pub fn begin(state: &mut State, text: &str) -> Vec<Effect> {
    let writing = Writing::new(text, &before(state), cited(state), Some(screen_now(state)));
    state.view.overlays.push(Overlay::Note(Box::new(writing)));
    Vec::new()
}

/// Opens the line with the words of a note, to give it others.
pub fn rewrite(state: &mut State, note: RecordId) -> Vec<Effect> {
    let ledger = state.shown().incident.ledger(Ts::MAX);
    let Some(now) = ledger.note(note) else { return Vec::new() };
    let text = kinds::typed(now.note.kind, &now.note.text);
    let mut writing = Writing::new(&text, &before(state), None, None);
    writing.edits = Some(note);
    state.view.overlays.push(Overlay::Note(Box::new(writing)));
    Vec::new()
}

/// The row that goes with a note: one that somebody went to. The newest line of a tail that is followed is merely what came
/// last. A note speaks for itself, so none of the incident log goes with another.
fn cited(state: &State) -> Option<Selected> {
    match state.view.focus {
        Pane::Incident => None,
        Pane::Logs if state.logs.follows() => None,
        _ => update::selected(state),
    }
}

fn before(state: &State) -> Vec<String> {
    state.view.typed.get("note").cloned().unwrap_or_default()
}

/// How the screen stands.
fn screen_now(state: &State) -> Screen {
    let pane = state.view.focus;
    let row = cursor::focused(state).and_then(|row| u32::try_from(row).ok());
    Screen {
        at: state.now(),
        pane: Some(pane.kind()),
        zoom: state.view.zoom,
        filter: state.view.filter.to_string(),
        row: row.filter(|r| *r != u32::MAX),
    }
}

/// A note of what happens now, without a row: off to disk. It stays in memory until it is there. `ran` is what was done.
pub fn save(state: &mut State, text: &str, ran: Option<Ran>) -> Vec<Effect> {
    let screen = screen_now(state);
    let evidence = evidence(state, None);
    keep(state, text, None, evidence, Some(screen), ran)
}

/// The same of what the screen says already, and more to the point than that a note was saved.
pub fn save_told(state: &mut State, text: &str, ran: Option<Ran>) -> Vec<Effect> {
    let mut effects = save(state, text, ran);
    for effect in &mut effects {
        if let Effect::SaveNote(draft) = effect {
            draft.told = true;
            state.unsaved.iter_mut().filter(|d| d.number == draft.number).for_each(|d| d.told = true);
        }
    }
    effects
}

/// What was being written is finished.
pub fn finish(state: &mut State, writing: Writing) -> Vec<Effect> {
    let text = writing.text();
    if let Some(note) = writing.edits {
        let (kind, words) = kinds::parse(&text);
        if words.is_empty() {
            return vec![Effect::KeepDraft(None)];
        }
        state.view.notes += 1;
        state.view.written += 1;
        let draft = Draft {
            number: state.view.notes,
            kind,
            text: words.to_owned(),
            event_at: state.now(),
            evidence: Vec::new(),
            screen: None,
            ran: None,
            told: false,
            edits: Some(note),
        };
        state.unsaved.push(draft.clone());
        return vec![Effect::SaveNote(draft)];
    }
    let (kind, words) = kinds::parse(&text);
    let cited = writing.selected.as_ref();
    let row_at = cited.filter(|_| writing.at_row()).and_then(|s| s.at);
    let evidence = evidence(state, cited);
    let mut effects = keep(state, &text, row_at, evidence, writing.screen, None);
    if kind == NoteKind::Report && !words.is_empty() {
        effects.extend(offer(state, words));
    }
    effects
}

fn keep(
    state: &mut State,
    text: &str,
    row_at: Option<Ts>,
    evidence: Vec<Evidence>,
    screen: Option<Screen>,
    ran: Option<Ran>,
) -> Vec<Effect> {
    let (kind, text) = kinds::parse(text);
    if text.is_empty() {
        return vec![Effect::KeepDraft(None)];
    }
    state.view.notes += 1;
    state.view.written += u64::from(ran.is_none());
    let now = state.now();
    // What somebody saw happened when the row did that was chosen; what somebody thinks, did or was told happens now.
    let event_at = row_at.unwrap_or(now);
    let number = state.view.notes;
    let draft =
        Draft { number, kind, text: text.to_owned(), event_at, evidence, screen, ran, told: false, edits: None };
    state.unsaved.push(draft.clone());
    vec![Effect::SaveNote(draft)]
}

fn evidence(state: &State, selected: Option<&Selected>) -> Vec<Evidence> {
    selected_evidence(state, selected).into_iter().collect()
}

/// The selected row as evidence; the filter alone where no row is selected.
pub fn selected_evidence(state: &State, selected: Option<&Selected>) -> Option<Evidence> {
    let filter = state.view.filter.to_string();
    let range = state.view.layout.strip.map(|(_, range)| range);
    let pane = Some(state.view.focus.kind());
    match selected {
        Some(s) => Some(Evidence {
            pane,
            source: s.source.clone(),
            at: s.at,
            text: Some(proof(s, state.view.focus)).filter(|t| !t.trim().is_empty()).unwrap_or_else(|| unseen(state)),
            request_id: s.request_id.clone(),
            filter,
            range,
            against: false,
        }),
        None if !filter.is_empty() => {
            Some(Evidence { pane, filter, range, text: unseen(state), ..Evidence::default() })
        }
        None => None,
    }
}

/// What the focused pane says of itself in a few words: what was seen where no row was.
fn unseen(state: &State) -> String {
    let pane = update::with_pane(state, |cx, pane| screen::glance(state, cx, pane));
    format!("no row was selected; the pane said: {}", pane.text)
}

/// Characters of the line that tells what was seen.
const SEEN: usize = 500;

/// The row in one line as it was seen, a log record with its fields: a message such as `request finished` alone proves
/// nothing. Below it what a reader cannot look up later: the whole statement and its plan.
fn proof(s: &Selected, pane: Pane) -> String {
    let mut text = s.text.clone();
    if pane == Pane::Logs {
        for (name, value) in &s.fields {
            let is_id = s.request_id.as_ref().is_some_and(|id| id.0 == value.as_str());
            if value.is_empty() || value.contains('\n') || is_id || s.text.contains(value.as_str()) {
                continue;
            }
            let quote = if value.contains(char::is_whitespace) { "\"" } else { "" };
            text.push_str(&format!(" {name}={quote}{value}{quote}"));
        }
    }
    // Before it is cut: half a secret no longer looks like one.
    text = redact(&text).into_owned();
    if text.chars().count() > SEEN {
        text = text.chars().take(SEEN).chain("…".chars()).collect();
    }
    for name in ["statement", "query", "plan", "command", "raw"] {
        for (_, value) in s.fields.iter().filter(|(n, v)| n == name && !v.is_empty() && !s.text.contains(v.as_str())) {
            text.push_str(&format!("\n{name}: {value}"));
        }
    }
    text
}

/// A report of a user names a request or a time: it is offered to look there.
fn offer(state: &mut State, words: &str) -> Vec<Effect> {
    let request = best_id(words.as_bytes());
    let zone = state.settings.zone.clone();
    let trim = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let at = words.split_whitespace().map(trim).filter(|w| w.contains(':') && w.len() >= 4).find_map(|w| {
        let at = time_text::parse(&w, state.horizon(), &zone).ok()?;
        (at <= state.horizon()).then_some(at)
    });
    if request.is_some() || at.is_some() {
        let picking = Picking::new(Pick::Offer { request, at });
        state.view.overlays.push(Overlay::Pick(Box::new(picking)));
    }
    Vec::new()
}

/// The screen as it was when the selected note was begun; a milestone is gone to.
pub fn reopen(state: &mut State) -> Vec<Effect> {
    let ask = |cx: &crate::ui::PaneCx, _| incident::pane::screen_of(&state.shown().incident, cx);
    let Some(screen) = update::with_pane(state, ask) else { return Vec::new() };
    let filter = Filter::parse(&screen.filter).unwrap_or_default();
    let mut effects = filtering::set_filter(state, filter);
    if let Some(pane) = screen.pane.and_then(|kind| Pane::ALL.into_iter().find(|p| p.kind() == kind)) {
        state.view.focus = pane;
        if let Some(row) = screen.row {
            state.view.cursor[pane as usize] = Cursor::at(row as usize);
        }
        state.view.zoom = screen.zoom;
    }
    effects.extend(travel::go_to(state, screen.at));
    cursor::settle(state);
    let at = screen.at.hms(&state.settings.zone);
    let back =
        if state.player.is_replay() { String::new() } else { format!("; {} leads back to live", live_key(state)) };
    state.say(Level::Calm, format!("as it was at {at}{back}"));
    effects
}

fn live_key(state: &State) -> String {
    state.settings.keymap.key_of(Action::Live).map_or("live".into(), |k| k.to_string())
}

/// What can be done with the selected note.
pub fn actions(state: &mut State) -> Vec<Effect> {
    let ask = |cx: &crate::ui::PaneCx, _| incident::pane::note_of(&state.shown().incident, cx);
    match update::with_pane(state, ask) {
        Some(note) => update::overlay(state, Overlay::Pick(Box::new(Picking::new(Pick::Note(note))))),
        None => {
            state.say(Level::Warn, "no note is selected: j and k go to one");
            Vec::new()
        }
    }
}

/// The selected row as evidence for or against an open hypothesis.
pub fn weigh(state: &mut State) -> Vec<Effect> {
    let selected = update::selected(state);
    let Some(evidence) = selected_evidence(state, selected.as_ref()) else {
        state.say(Level::Warn, "no row is selected that could be evidence");
        return Vec::new();
    };
    let own = match state.view.focus {
        Pane::Incident => update::with_pane(state, |cx, _| incident::pane::note_of(&state.shown().incident, cx)),
        _ => None,
    };
    let what = Pick::Weigh(Box::new(evidence), own);
    if pick::keys(state, &what).is_empty() {
        let any = state.shown().incident.current(state.now()).is_some_and(|i| !i.open_hypotheses.is_empty());
        let why = match any {
            true => "a hypothesis is no evidence for itself: select the row that speaks for it or against it",
            false => "no hypothesis is open: a and ? write one",
        };
        state.say(Level::Warn, why);
        return Vec::new();
    }
    update::overlay(state, Overlay::Pick(Box::new(Picking::new(what))))
}

/// A change of a note as an effect, said when it is on disk.
pub fn change(note: RecordId, change: NoteChange) -> Vec<Effect> {
    vec![Effect::ChangeNote(note, change)]
}

/// Confirms, refutes or reopens.
pub fn settle(note: RecordId, state: HypothesisState) -> Vec<Effect> {
    change(note, NoteChange::State(state))
}

/// A note is on disk.
pub fn saved(state: &mut State, number: u64, redacted: bool) -> Vec<Effect> {
    // How a command ended is the news, not that it was noted.
    let told = state.unsaved.iter().any(|d| d.number == number && (d.told || d.ran.is_some()));
    state.unsaved.retain(|d| d.number != number);
    if state.unsaved.is_empty() {
        state.own.not_on_disk = None;
    }
    if redacted {
        state.say(Level::Calm, "note saved; something that looked like a secret was taken out");
    } else if !told {
        state.say(Level::Calm, "note saved");
    }
    let writing = state.view.overlays.iter().any(|o| matches!(o, Overlay::Note(_)));
    if writing || !state.unsaved.is_empty() { Vec::new() } else { vec![Effect::KeepDraft(None)] }
}

/// A note was refused for good: its text is back on the line to be changed.
pub fn refused(state: &mut State, number: u64, why: &str) {
    let Some(i) = state.unsaved.iter().position(|d| d.number == number) else { return };
    let draft = state.unsaved.remove(i);
    state.say(Level::Bad, format!("not saved: {why}"));
    let mut writing = Writing::new(&kinds::typed(draft.kind, &draft.text), &[], None, draft.screen);
    writing.edits = draft.edits;
    state.view.overlays.push(Overlay::Note(Box::new(writing)));
}

/// A note is not on disk: it stays in memory, the header says so, and it is tried again.
pub fn failed(state: &mut State, why: String) {
    let said = match state.unsaved.len() {
        0 | 1 => "1 note is NOT ON DISK".to_owned(),
        n => format!("{n} notes are NOT ON DISK"),
    };
    state.say(Level::Bad, format!("{said}: {why}; kept and tried again, :notes-to PATH writes elsewhere"));
    state.own.not_on_disk = Some(why);
}

/// The text that comes back from the user's editor.
pub fn edited(state: &mut State, text: &str) -> Vec<Effect> {
    if let Some(Overlay::Note(writing)) = state.view.overlays.last_mut() {
        writing.set(text.trim_end());
        return vec![Effect::KeepDraft(Some(writing.text()))];
    }
    begin(state, text.trim_end())
}

/// A command has ended: it is said, and it is in the incident log, as a line of the restore record.
pub fn ran(state: &mut State, name: &str, run: Ran) -> Vec<Effect> {
    if let Some(i) = state.running.iter().position(|r| r == name) {
        state.running.remove(i);
    }
    let took = short(std::time::Duration::from_millis(run.took_ms));
    let ending = match run.code {
        Some(0) => format!("{name} done in {took}"),
        Some(n) => {
            // The last line is what it died of.
            let last = run.output.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
            format!("{name} FAILED with exit code {n} after {took}: {}", last.trim())
        }
        None => format!("{name} was ended by a signal after {took}"),
    };
    state.say(if run.code == Some(0) { Level::Calm } else { Level::Bad }, ending.clone());
    let is_step = state.settings.checklists.iter().any(|l| name.starts_with(&format!("{}: ", l.title)));
    let sign = if is_step && run.code == Some(0) { "[x]" } else { "!" };
    let screen = screen_now(state);
    keep(state, &format!("{sign} {ending}"), None, Vec::new(), Some(screen), Some(run))
}

/// Notes go to another file from now on, and what is known of the incident that is worked on goes there with them.
pub fn elsewhere(state: &State, path: std::path::PathBuf) -> Vec<Effect> {
    let incident = &state.timeline.incident;
    let open = incident.ledger(Ts::MAX).current().map(|i| i.id);
    let known = open.map(|id| incident.records_of(id)).unwrap_or_default();
    vec![Effect::NotesTo { path, open, known }]
}

/// The post-mortem of the incident that is worked on, or was last, to files named `path`.
pub fn export(state: &mut State, path: std::path::PathBuf) -> Vec<Effect> {
    let timeline = &state.timeline;
    let ledger = timeline.incident.ledger(Ts::MAX);
    let Some(incident) = ledger.current().or_else(|| ledger.latest()) else {
        state.say(Level::Warn, "no incident to write of: a writes the first note");
        return Vec::new();
    };
    let window = crate::signals::incident::report::window::window(incident, &ledger.notes_of(incident.id));
    let seen = super::postmortem::seen(timeline, incident, window);
    let incident = incident.id;
    state.say(Level::Calm, "writing the post-mortem …");
    vec![Effect::Export { path, seen: Box::new(seen), incident }]
}
