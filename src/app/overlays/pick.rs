//! Short lists that something is chosen from: what to do with a note, a hypothesis to weigh evidence for, incidents, and
//! the steps of a checklist. The lines are made from the state, so that they never show what is no longer so; the cursor
//! stays on what its line stands for.

use crossterm::event::KeyCode;

use super::line::Line;
use super::{BoxLine, Overlay, lists};
use crate::app::cursor::Cursor;
use crate::app::effect::{Effect, NoteChange};
use crate::app::keymap::Key;
use crate::app::state::State;
use crate::app::{filtering, notes, travel, update};
use crate::signals::incident::checklist::Checklist;
use crate::signals::incident::event::{Evidence, HypothesisState, Incident, NoteKind, RecordId};
use crate::timeline::{Filter, RequestId, Ts};
use crate::ui::{Level, Role, RowKey};

/// What is chosen from.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// What can be done with a note.
    Note(RecordId),
    /// A hypothesis that this speaks for or against. The row that it was taken from may be the note of one itself: that
    /// one is not in the list.
    Weigh(Box<Evidence>, Option<RecordId>),
    /// Incidents of the log.
    Incidents,
    /// Another incident that this one is a part of.
    MergeInto(RecordId),
    /// Checklists.
    Checklists,
    /// Steps of the checklist with this number.
    Steps(usize),
    /// What a report of a user names.
    Offer {
        /// A request.
        request: Option<RequestId>,
        /// A time.
        at: Option<Ts>,
    },
}

/// The overlay.
#[derive(Clone, Debug, PartialEq)]
pub struct Picking {
    /// What is chosen from.
    pub what: Pick,
    /// The line under the cursor.
    pub cursor: Cursor,
}

impl Picking {
    /// With the cursor on the first line.
    pub fn new(what: Pick) -> Picking {
        Picking { what, cursor: Cursor::at(0) }
    }
}

/// What a line does: its key, its words, and what it leads to.
struct Choice {
    key: char,
    words: &'static str,
    does: Does,
}

enum Does {
    Rewrite,
    Editor,
    Settle(HypothesisState),
    Delete,
}

fn choices(state: &State, note: RecordId) -> Vec<Choice> {
    let ledger = state.shown().incident.ledger(Ts::MAX);
    let Some(now) = ledger.note(note) else { return Vec::new() };
    let c = |key, words, does| Choice { key, words, does };
    let mut all = vec![c('e', "change its words", Does::Rewrite), c('E', "change them in your editor", Does::Editor)];
    if let Some(stands) = now.hypothesis() {
        let settle = [
            (HypothesisState::Confirmed, 'y', "confirmed: it was so"),
            (HypothesisState::Refuted, 'n', "refuted: it was not so"),
            (HypothesisState::Open, 'o', "open again"),
        ];
        let others = settle.into_iter().filter(|(s, ..)| *s != stands);
        all.extend(others.map(|(s, key, words)| c(key, words, Does::Settle(s))));
    }
    all.push(c('D', "delete it; earlier versions stay in the log", Does::Delete));
    all
}

/// Open hypotheses of the incident, oldest first; without the one whose own row is weighed.
fn open_hypotheses(state: &State, own: Option<RecordId>) -> Vec<(RecordId, String, usize, usize)> {
    let now = state.now();
    let ledger = state.shown().incident.ledger(now);
    let Some(incident) = ledger.current().or(ledger.latest()) else { return Vec::new() };
    let notes = ledger.notes_of(incident.id);
    let open = notes.iter().filter(|n| n.hypothesis() == Some(HypothesisState::Open) && Some(n.note.root()) != own);
    open.map(|n| {
        let against = n.note.evidence.iter().filter(|e| e.against).count();
        (n.note.root(), n.note.text.clone(), n.note.evidence.len() - against, against)
    })
    .collect()
}

/// Incidents of the log, the newest first.
fn incidents(state: &State) -> Vec<Incident> {
    let ledger = state.shown().incident.ledger(Ts::MAX);
    let mut all: Vec<Incident> = ledger.incidents.into_values().filter(|i| i.merged_into.is_none()).collect();
    all.extend(state.own.incidents.iter().cloned());
    all.sort_by_key(|i| std::cmp::Reverse((i.opened_at, i.id)));
    all.dedup_by_key(|i| i.id);
    all
}

/// When a step was ticked, in the incident that is worked on.
fn ticked(state: &State, list: &Checklist) -> Vec<Option<Ts>> {
    let ledger = state.shown().incident.ledger(state.now());
    let incident = ledger.current().or(ledger.latest()).map(|i| i.id);
    let notes = incident.map(|id| ledger.notes_of(id)).unwrap_or_default();
    let at = |step| notes.iter().find(|n| list.is_ticked_by(step, n.note.kind, &n.note.text)).map(|n| n.note.event_at);
    list.steps.iter().map(at).collect()
}

/// Incidents that this one can be a part of.
fn others(state: &State, id: RecordId) -> Vec<Incident> {
    incidents(state).into_iter().filter(|i| i.id != id).collect()
}

/// What the lines that can be chosen stand for.
pub fn keys(state: &State, what: &Pick) -> Vec<RowKey> {
    let key = |name: String| RowKey(name.into());
    let ids = |all: Vec<Incident>| all.into_iter().map(|i| key(i.id.to_string())).collect();
    let places = |n: usize| (0..n).map(|i| key(i.to_string())).collect();
    match what {
        Pick::Note(note) => choices(state, *note).into_iter().map(|c| key(c.key.into())).collect(),
        Pick::Weigh(_, own) => open_hypotheses(state, *own).into_iter().map(|(id, ..)| key(id.to_string())).collect(),
        Pick::Incidents => ids(incidents(state)),
        Pick::MergeInto(id) => ids(others(state, *id)),
        // These stand where the configuration or the report has them.
        Pick::Checklists => places(state.settings.checklists.len()),
        Pick::Steps(n) => places(state.settings.checklists.get(*n).map_or(0, |l| l.steps.len())),
        Pick::Offer { request, at } => places(usize::from(request.is_some()) + usize::from(at.is_some())),
    }
}

/// Title and lines; the first, as many as there are [`keys`], can be chosen.
pub fn lines(state: &State, p: &Picking) -> (String, Vec<BoxLine>) {
    let zone = &state.settings.zone;
    let plain = |text: String| vec![(Role::Text, text)];
    match &p.what {
        Pick::Note(note) => {
            let line = |c: Choice| vec![(Role::Key, format!("{}  ", c.key)), (Role::Text, c.words.to_owned())];
            let mut lines: Vec<BoxLine> = choices(state, *note).into_iter().map(line).collect();
            let ledger = state.shown().incident.ledger(Ts::MAX);
            if let Some(now) = ledger.note(*note) {
                lines.push(Vec::new());
                let about = |name: &str, value: String| vec![(Role::Dim, format!("{name:<12}")), (Role::Text, value)];
                lines.extend(
                    now.note
                        .text
                        .lines()
                        .take(8)
                        .enumerate()
                        .map(|(i, l)| about(if i == 0 { now.note.kind.word() } else { "" }, l.to_owned())),
                );
                lines.push(about("at", format!("{}, by {}", now.note.event_at.date_hms(zone), now.note.author)));
                let written = now.first.entered_at.date_hms(zone);
                let edited = if now.first.id == now.note.id {
                    String::new()
                } else {
                    format!(", changed {}", now.note.entered_at.date_hms(zone))
                };
                lines.push(about("written", format!("{written}{edited}")));
                if let Some(state) = now.hypothesis() {
                    lines.push(about("state", format!("{state} since {}", now.state_since.date_hms(zone))));
                }
                for e in &now.note.evidence {
                    let sign = if e.against { "against" } else { "evidence" };
                    lines.push(about(sign, format!("{} {}", e.source, e.text.lines().next().unwrap_or_default())));
                }
                if let Some(ran) = &now.note.ran {
                    lines.push(about("ran", ran.command.lines().next().unwrap_or_default().to_owned()));
                }
            }
            ("Note: Esc leaves it as it is".into(), lines)
        }
        Pick::Weigh(_, own) => {
            let line = |(_, text, yes, no): (RecordId, String, usize, usize)| {
                let text = text.lines().collect::<Vec<_>>().join(" ");
                vec![(Role::Key, format!("?  +{yes} -{no}  ")), (Role::Text, text)]
            };
            let lines = open_hypotheses(state, *own).into_iter().map(line).collect();
            ("The row speaks for (Enter, +) or against (-)".into(), lines)
        }
        Pick::Incidents | Pick::MergeInto(_) => {
            let current = state.shown().incident.current(state.now()).map(|i| i.incident.id);
            let (listed, title) = match p.what {
                Pick::MergeInto(id) => (others(state, id), "It is a part of"),
                _ => (incidents(state), "Incidents: Enter takes one up again, m makes it a part of another"),
            };
            let line = |i: Incident| {
                let sign = if Some(i.id) == current { state.settings.glyphs.cursor } else { " " };
                let facts =
                    format!("{sign} {:<4} {:<13} {}  ", i.severity_word(), i.status.word(), i.opened_at.date_hms(zone));
                vec![(Role::Dim, facts), (Role::Text, i.title)]
            };
            let lines: Vec<BoxLine> = listed.into_iter().map(line).collect();
            let none = vec![vec![(Role::Dim, "none; a writes the first note, :incident TITLE opens one".into())]];
            (title.into(), if lines.is_empty() { none } else { lines })
        }
        Pick::Checklists => {
            let line = |l: &Checklist| {
                let done = ticked(state, l).iter().flatten().count();
                vec![
                    (Role::Text, format!("{:<34}", l.title)),
                    (Role::Dim, format!("{done} of {} ticked", l.steps.len())),
                ]
            };
            ("Checklists".into(), state.settings.checklists.iter().map(line).collect())
        }
        Pick::Steps(n) => {
            let Some(list) = state.settings.checklists.get(*n) else { return (String::new(), Vec::new()) };
            let done = ticked(state, list);
            let mut section = "";
            let mut lines = Vec::new();
            for (step, done) in list.steps.iter().zip(&done) {
                // Only the first step of a section says it: every line can be chosen.
                let head = if step.section == section { "" } else { step.section.as_str() };
                section = &step.section;
                let tick = done.map_or("[ ]         ".to_owned(), |at| format!("[x] {}", at.hms(zone)));
                let role = if done.is_some() { Role::Dim } else { Role::Text };
                let mut line = vec![(Role::Key, format!("{tick}  ")), (role, step.text.clone())];
                if let Some(command) = &step.command {
                    line.push((Role::Dim, format!("  r: {}", command.lines().next().unwrap_or_default())));
                }
                if !head.is_empty() {
                    line.push((Role::Dim, format!("   · {head}")));
                }
                lines.push(line);
            }
            (format!("{}: Enter ticks, r runs the command", list.title), lines)
        }
        Pick::Offer { request, at } => {
            let mut lines = Vec::new();
            lines.extend(request.as_ref().map(|id| plain(format!("filter everything by request {id}"))));
            lines.extend(at.map(|at| plain(format!("go to {}", at.date_hms(zone)))));
            ("The report names".into(), lines)
        }
    }
}

/// A key that means something here; `None` lets the list have it.
pub fn press(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    let Some(Overlay::Pick(p)) = state.view.overlays.last() else { return None };
    let (p, KeyCode::Char(c)) = (p.clone(), key.code) else { return None };
    if let Pick::Note(note) = &p.what {
        let row = choices(state, *note).iter().position(|x| x.key == c)?;
        state.view.overlays.pop();
        return Some(choose(state, *p, row));
    }
    if !matches!((&p.what, c), (Pick::Weigh(..), '+' | '-') | (Pick::Steps(_), 'r' | ' ') | (Pick::Incidents, 'm')) {
        return None;
    }
    if lists::has_gone(state) {
        return Some(Vec::new());
    }
    let row = lists::row(state)?;
    match &p.what {
        Pick::Weigh(evidence, own) => {
            state.view.overlays.pop();
            Some(weigh(state, evidence, *own, row, c == '-'))
        }
        Pick::Steps(n) if c == 'r' => Some(run(state, *n, row)),
        Pick::Steps(n) => Some(tick(state, *n, row)),
        _ => {
            let id = incidents(state).get(row)?.id;
            state.view.overlays.pop();
            Some(update::overlay(state, Overlay::Pick(Box::new(Picking::new(Pick::MergeInto(id))))))
        }
    }
}

/// The line `row` was chosen; the overlay has been taken away.
pub fn choose(state: &mut State, p: Picking, row: usize) -> Vec<Effect> {
    match &p.what {
        Pick::Note(note) => {
            let Some(choice) = choices(state, *note).into_iter().nth(row) else { return Vec::new() };
            match choice.does {
                Does::Rewrite => notes::rewrite(state, *note),
                Does::Editor => {
                    notes::rewrite(state, *note);
                    match state.view.overlays.last() {
                        Some(Overlay::Note(w)) => vec![Effect::EditNote(w.text())],
                        _ => Vec::new(),
                    }
                }
                Does::Settle(to) => notes::settle(*note, to),
                Does::Delete => notes::change(*note, NoteChange::Delete),
            }
        }
        Pick::Weigh(evidence, own) => weigh(state, evidence, *own, row, false),
        Pick::Incidents => incidents(state).get(row).map(|i| vec![Effect::Resume(i.id)]).unwrap_or_default(),
        Pick::MergeInto(id) => {
            others(state, *id).get(row).map(|into| vec![Effect::Merge(*id, into.id)]).unwrap_or_default()
        }
        Pick::Checklists => update::overlay(state, Overlay::Pick(Box::new(Picking::new(Pick::Steps(row))))),
        Pick::Steps(n) => {
            let n = *n;
            state.view.overlays.push(Overlay::Pick(Box::new(p)));
            tick(state, n, row)
        }
        Pick::Offer { request, at } => match (request, at, row) {
            (Some(id), _, 0) => filtering::set_filter(state, Filter::request(id)),
            (_, Some(at), _) => travel::go_to(state, *at),
            _ => Vec::new(),
        },
    }
}

fn weigh(state: &mut State, evidence: &Evidence, own: Option<RecordId>, row: usize, against: bool) -> Vec<Effect> {
    let Some((note, ..)) = open_hypotheses(state, own).into_iter().nth(row) else { return Vec::new() };
    notes::change(note, NoteChange::Evidence(Box::new(Evidence { against, ..evidence.clone() })))
}

/// Ticks a step: a note of its own, with the time. One that is ticked stays so.
fn tick(state: &mut State, n: usize, row: usize) -> Vec<Effect> {
    let Some(list) = state.settings.checklists.get(n).cloned() else { return Vec::new() };
    let Some(step) = list.steps.get(row) else { return Vec::new() };
    if ticked(state, &list).get(row).is_some_and(Option::is_some) {
        state.say(Level::Warn, "ticked already; its note can be deleted in pane 6");
        return Vec::new();
    }
    let keys = keys(state, &Pick::Steps(n));
    if let Some(Overlay::Pick(p)) = state.view.overlays.last_mut() {
        p.cursor = p.cursor.moved(&keys, 1);
    }
    notes::save(state, &format!("{} {}", NoteKind::Step.prefix(), list.note(step)), None)
}

/// Runs the command of a step after the word `run` has been typed.
fn run(state: &mut State, n: usize, at: usize) -> Vec<Effect> {
    if state.player.is_replay() {
        state.say(Level::Warn, "a replay runs no commands: this is the past");
        return Vec::new();
    }
    let Some(list) = state.settings.checklists.get(n) else { return Vec::new() };
    let Some((step, command)) = list.steps.get(at).and_then(|s| Some((s, s.command.clone()?))) else {
        state.say(Level::Warn, "this step has no command; Enter or space ticks it");
        return Vec::new();
    };
    let called = list.note(step);
    let confirm = Overlay::Confirm { line: Line::new("", &[]), name: "run".into(), command, called };
    state.view.overlays.push(confirm);
    Vec::new()
}
