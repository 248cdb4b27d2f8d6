//! What a finished or changed line means.

use crate::app::filtering;
use crate::app::travel;
use std::path::PathBuf;

use super::effect::{Effect, WriteAs};
use super::overlays::line::Typed;
use super::overlays::{Overlay, WriteWhat};
use super::state::State;
use super::{commands, notes};
use crate::signals::database::ending::{Ending, How};
use crate::timeline::filter::{Clock, FilterError};
use crate::timeline::{Filter, RequestId, Ts, time_text};
use crate::ui::Level;

/// Lines kept per kind of input.
const REMEMBERED: usize = 100;

/// A key changed, ended or cancelled the topmost line.
pub fn typed(state: &mut State, what: Typed) -> Vec<Effect> {
    match what {
        Typed::Changed => changed(state),
        Typed::Cancelled => cancelled(state),
        Typed::Done => done(state),
        Typed::Move(by) => {
            match state.view.overlays.last_mut() {
                Some(Overlay::Palette(p)) => {
                    p.cursor =
                        (p.cursor as i64 + i64::from(by)).clamp(0, p.fits.len().saturating_sub(1) as i64) as usize;
                    return Vec::new();
                }
                // Elsewhere there is no list to move in: what was typed before comes back.
                Some(other) => match other.line() {
                    Some(line) => line.recall(by),
                    None => return Vec::new(),
                },
                None => return Vec::new(),
            }
            changed(state)
        }
        Typed::Complete(by) => match state.view.overlays.last_mut() {
            Some(Overlay::Palette(p)) => {
                p.complete();
                Vec::new()
            }
            Some(Overlay::Filter(f)) => {
                f.turn(by);
                // The candidates stay, so that Tab goes on to the next one.
                try_filter(state)
            }
            _ => Vec::new(),
        },
    }
}

fn changed(state: &mut State) -> Vec<Effect> {
    match state.view.overlays.last_mut() {
        Some(Overlay::Note(writing)) => vec![Effect::KeepDraft(Some(writing.text()))],
        Some(Overlay::Filter(_)) => {
            recomplete(state);
            try_filter(state)
        }
        Some(Overlay::Palette(p)) => {
            p.refit();
            Vec::new()
        }
        Some(Overlay::Time { error, .. }) => {
            *error = None;
            Vec::new()
        }
        Some(Overlay::Search(line)) => {
            let text = line.text().to_owned();
            state.logs.set_search(&text);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn recomplete(state: &mut State) {
    // Taken off for a moment: completing looks at the rest of the state.
    match state.view.overlays.pop() {
        Some(Overlay::Filter(mut f)) => {
            f.recomplete(state);
            state.view.overlays.push(Overlay::Filter(f));
        }
        Some(other) => state.view.overlays.push(other),
        None => {}
    }
}

/// The filter acts while it is typed; one that cannot be read yet leaves the last good one.
fn try_filter(state: &mut State) -> Vec<Effect> {
    let read = match state.view.overlays.last() {
        Some(Overlay::Filter(f)) => read_filter(state, f.line.text()),
        _ => return Vec::new(),
    };
    let (filter, error) = match read {
        Ok(filter) => (Some(filter), None),
        Err(e) => (None, Some(e)),
    };
    // What stands before the mistake holds meanwhile, and nothing that nobody meant: not half of a word as a text.
    let filter = filter.or_else(|| match state.view.overlays.last() {
        Some(Overlay::Filter(f)) => {
            let upto = error.as_ref().map_or(0, |e| e.column.saturating_sub(1));
            let head: String = f.line.text().chars().take(upto).collect();
            let end = head.rfind(char::is_whitespace).unwrap_or(0);
            read_filter(state, &head[..end]).ok()
        }
        _ => None,
    });
    if let Some(Overlay::Filter(f)) = state.view.overlays.last_mut() {
        f.error = error;
    }
    filter.map_or(Vec::new(), |f| filtering::set_filter(state, f))
}

/// A filter as typed now: times are seen from the playhead.
fn read_filter(state: &State, text: &str) -> Result<Filter, FilterError> {
    let text = &Filter::expand(text, &state.settings.filters)?;
    Filter::parse_at(text, Clock { now: state.now(), zone: &state.settings.zone })
}

fn cancelled(state: &mut State) -> Vec<Effect> {
    match state.view.overlays.pop() {
        Some(Overlay::Note(_)) => vec![Effect::KeepDraft(None)],
        Some(Overlay::Filter(f)) => filtering::set_filter(state, f.before),
        Some(Overlay::Search(_)) => {
            state.logs.set_search("");
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn remember(state: &mut State, kind: &'static str, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    let list = state.view.typed.entry(kind).or_default();
    list.retain(|t| t != text);
    list.push(text.to_owned());
    if list.len() > REMEMBERED {
        list.remove(0);
    }
}

fn done(state: &mut State) -> Vec<Effect> {
    match state.view.overlays.pop() {
        Some(Overlay::Note(writing)) => {
            remember(state, "note", &writing.text());
            notes::finish(state, *writing)
        }
        Some(Overlay::Filter(mut f)) => {
            let text = f.line.text().trim().to_owned();
            match read_filter(state, &text) {
                Ok(filter) => {
                    remember(state, "filter", &text);
                    filtering::set_filter(state, typed_filter(&text).unwrap_or(filter))
                }
                Err(e) => {
                    f.error = Some(e);
                    state.view.overlays.push(Overlay::Filter(f));
                    Vec::new()
                }
            }
        }
        Some(Overlay::Search(line)) => {
            remember(state, "search", line.text());
            let text = line.text().to_owned();
            state.logs.set_search(&text);
            filtering::search(state, true)
        }
        Some(Overlay::Time { line, .. }) => match time_asked(state, line.text()) {
            Ok(at) => {
                remember(state, "time", line.text());
                travel::go_to_asked(state, at)
            }
            Err(why) => {
                state.view.overlays.push(Overlay::Time { line, error: Some(why) });
                Vec::new()
            }
        },
        Some(Overlay::Palette(p)) => match p.chosen() {
            Some((action, argument)) => {
                remember(state, "palette", p.line.text());
                commands::run(state, action, &argument)
            }
            // The line says so itself, and what was typed stays to be mended.
            None => {
                state.view.overlays.push(Overlay::Palette(p));
                Vec::new()
            }
        },
        Some(Overlay::Path { line, what }) => write(state, line.text().trim(), what),
        Some(Overlay::Confirm { line, name, command, called }) => {
            if line.text().trim() == name {
                state.say(Level::Calm, format!("{called} …"));
                state.running.push(called.clone());
                vec![Effect::Run { name: called, command }]
            } else {
                state.say(Level::Warn, format!("not run: {:?} is not {name:?}", line.text()));
                Vec::new()
            }
        }
        Some(Overlay::End { line, ending }) => {
            let typed = line.text().trim();
            match [How::Cancel, How::Terminate].into_iter().find(|how| ending.phrase(*how) == typed) {
                Some(how) if state.settings.allow_kill => {
                    state.say(Level::Warn, format!("{} …", ending.phrase(how)));
                    vec![Effect::End(Box::new(Ending { how, ..*ending }))]
                }
                _ => {
                    let (a, b) = (ending.phrase(How::Cancel), ending.phrase(How::Terminate));
                    state.say(Level::Warn, format!("nothing done: {typed:?} is neither {a:?} nor {b:?}"));
                    Vec::new()
                }
            }
        }
        _ => Vec::new(),
    }
}

/// A bare ID typed or pasted into the filter (a whole `traceparent` as well) is a request.
fn typed_filter(text: &str) -> Option<Filter> {
    let one_word = !text.trim().contains(char::is_whitespace);
    let id = RequestId::parse_typed(text)?;
    (one_word && looks_like_id(&id)).then(|| Filter::request(&id))
}

/// At least eight characters with a digit among them, nothing but letters, digits, dashes and underscores.
fn looks_like_id(id: &RequestId) -> bool {
    let s = id.0.as_str();
    s.len() >= 8
        && s.bytes().any(|b| b.is_ascii_digit())
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn write(state: &mut State, path: &str, what: WriteWhat) -> Vec<Effect> {
    if path.is_empty() {
        return Vec::new();
    }
    let path = PathBuf::from(path);
    match what {
        WriteWhat::Marked => {
            let rows = state.logs.marked().map(|m| m.row.clone()).collect();
            vec![Effect::WriteRows { path, rows, how: WriteAs::Text }]
        }
        WriteWhat::Recording => vec![Effect::Record(Some(path))],
        WriteWhat::PostMortem => notes::export(state, path),
        WriteWhat::Lines(how) => {
            let all = state.view.filter.clone();
            let until = if state.player.is_live() { Ts::MAX } else { state.now() };
            vec![Effect::WriteLines { path, filter: state.logs.unmuted(&all), all, until, how }]
        }
    }
}

/// A typed time. Steps count from the playhead; a time of day is the latest one that the screen can show, so that going
/// forward inside a recording does not land a day before it. In a recording it is the one nearest to its end, as for
/// `replay --at`: what lies outside is said when it is gone to.
pub(super) fn time_asked(state: &State, text: &str) -> Result<Ts, String> {
    let step = text.trim_start().starts_with(['+', '-']);
    let from = if step { state.now() } else { state.horizon() };
    match state.player.is_replay() {
        true => time_text::parse_near(text, from, &state.settings.zone),
        false => time_text::parse(text, from, &state.settings.zone),
    }
}
