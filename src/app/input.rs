//! Presses, clicks and pastes become actions, or go into what is being typed.

use crate::app::cursor;
use crate::app::filtering;
use crate::app::travel;
use crate::app::update;
use crossterm::event::KeyCode;

use super::action::Action;
use super::effect::{Effect, WriteAs};
use super::keymap::Key;
use super::overlays::line::Typed;
use super::overlays::{MenuKind, Overlay, WriteWhat};
use super::state::State;
use super::{overlays, typed};
use crate::signals::database::plan::Wanted;
use crate::ui::Level;

/// What comes from the terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A key.
    Key(Key),
    /// Pasted text.
    Paste(String),
    /// A click at column, row.
    Click(u16, u16),
    /// The wheel at column, row; up or down.
    Wheel(u16, u16, bool),
}

/// Turns one input into what it means here.
pub fn input(state: &mut State, input: Input) -> Vec<Effect> {
    match input {
        Input::Key(key) => press(state, key),
        Input::Paste(text) => paste(state, &text),
        Input::Click(x, y) => click(state, x, y),
        Input::Wheel(x, y, up) => {
            if let Some((pane, _)) = state.view.layout.panes.iter().find(|(_, r)| r.contains((x, y).into()))
                && state.view.overlays.is_empty()
            {
                state.view.focus = *pane;
            }
            let action = if up { Action::Up } else { Action::Down };
            let mut effects = Vec::new();
            for _ in 0..3 {
                effects.extend(update::update(state, action));
            }
            effects
        }
    }
}

fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let quit = key.ctrl && key.code == KeyCode::Char('c');
    match state.view.overlays.last_mut() {
        None if quit => update::update(state, Action::Quit),
        None => match state.settings.keymap.panes(key) {
            Some(action) => update::update(state, action),
            None => Vec::new(),
        },
        Some(Overlay::ReallyQuit { .. }) => match key.code {
            KeyCode::Char('q') => vec![Effect::Quit],
            KeyCode::Char('c') if key.ctrl => vec![Effect::Quit],
            KeyCode::Char('w') => {
                state.view.overlays.pop();
                update::update(state, Action::Write)
            }
            _ => {
                state.view.overlays.pop();
                Vec::new()
            }
        },
        // Any other key leaves it.
        Some(Overlay::Consent { offer, .. }) => {
            let offer = *offer;
            state.view.overlays.pop();
            if key.code == KeyCode::Char('y') && !key.ctrl && !key.alt {
                vec![Effect::Connect(offer)]
            } else {
                Vec::new()
            }
        }
        Some(overlay) => {
            if let Overlay::Note(writing) = overlay {
                if key.ctrl && key.code == KeyCode::Char('o') {
                    return vec![Effect::EditNote(writing.text())];
                }
                if writing.key(key) {
                    return typed::typed(state, Typed::Changed);
                }
            }
            if let Some(line) = overlay.line() {
                let what = line.key(key);
                return typed::typed(state, what);
            }
            if quit {
                state.view.overlays.pop();
                return Vec::new();
            }
            let own =
                menu_key(state, key).or_else(|| term_key(state, key)).or_else(|| overlays::pick::press(state, key));
            let own =
                own.or_else(|| overlays::detail::press(state, key)).or_else(|| overlays::rates::press(state, key));
            if let Some(effects) = own {
                return effects;
            }
            if matches!(state.view.overlays.last(), Some(Overlay::Compare { .. }))
                && let Some(action) = state.settings.keymap.panes(key).filter(|a| a.moves_time())
            {
                return update::update(state, action);
            }
            if let Some(Overlay::Plan { plan, .. }) = state.view.overlays.last()
                && state.settings.keymap.panes(key) == Some(Action::CopyRow)
                && let Some(text) = plan.copy.clone()
            {
                return vec![Effect::Copy { what: "CREATE INDEX", text }];
            }
            if state.settings.keymap.panes(key) == Some(Action::Explain)
                && let Some(Overlay::Plan { plan, sure, .. }) = state.view.overlays.last_mut()
                && plan.can_run
            {
                return match std::mem::replace(sure, true) {
                    // ANALYZE is asked for twice: a plan is read, and then once more.
                    false => Vec::new(),
                    true => vec![Effect::Explain(Wanted { run: true, ..plan.wanted.clone() })],
                };
            }
            match state.settings.keymap.lists(key) {
                Some(action) => overlays::lists::act(state, action),
                // The key that opened an overlay closes it, and so does q.
                None if matches!(key.code, KeyCode::Char('q' | '?')) => {
                    state.view.overlays.pop();
                    Vec::new()
                }
                None => Vec::new(),
            }
        }
    }
}

/// The letters of a menu.
fn menu_key(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    let Some(Overlay::Menu { kind, .. }) = state.view.overlays.last() else { return None };
    let KeyCode::Char(c) = key.code else { return None };
    let kind = *kind;
    let line = kind.lines().iter().position(|(k, _)| *k == c)?;
    state.view.overlays.pop();
    Some(choose_menu(state, kind, line))
}

/// Keys on the terms of the filter.
fn term_key(state: &mut State, key: Key) -> Option<Vec<Effect>> {
    let Some(Overlay::Terms { cursor }) = state.view.overlays.last_mut() else { return None };
    let at = *cursor;
    match key.code {
        KeyCode::Char(' ') => Some(overlays::terms::toggle(state, at)),
        KeyCode::Char('-') | KeyCode::Delete => {
            *cursor = at.saturating_sub(1);
            Some(overlays::terms::remove(state, at))
        }
        KeyCode::Char('&') => {
            state.view.overlays.pop();
            Some(update::update(state, Action::EditFilter))
        }
        KeyCode::Char('X') => {
            state.view.overlays.pop();
            Some(Vec::new())
        }
        _ => None,
    }
}

/// A line of a menu was chosen.
pub fn choose_menu(state: &mut State, kind: MenuKind, line: usize) -> Vec<Effect> {
    match (kind, kind.lines().get(line).map(|(k, _)| *k)) {
        (MenuKind::Copy, Some(what)) => update::copy(state, what),
        (MenuKind::Write, Some('r')) => ask_path(state, WriteWhat::Recording),
        (MenuKind::Write, Some('p')) => ask_path(state, WriteWhat::PostMortem),
        (MenuKind::Write, Some('l')) => ask_path(state, WriteWhat::Lines(WriteAs::Text)),
        (MenuKind::Write, Some('j')) => ask_path(state, WriteWhat::Lines(WriteAs::Json)),
        (MenuKind::Write, Some('u')) => ask_path(state, WriteWhat::Lines(WriteAs::AsItStands)),
        (MenuKind::Write, Some('m')) if state.logs.marked().next().is_none() => {
            state.say(Level::Warn, "no row is marked; M marks one");
            Vec::new()
        }
        (MenuKind::Write, Some('m')) => ask_path(state, WriteWhat::Marked),
        _ => Vec::new(),
    }
}

fn ask_path(state: &mut State, what: WriteWhat) -> Vec<Effect> {
    let stamp = state.now().jiff().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = match what {
        WriteWhat::Recording => format!("warroom-{stamp}.wr"),
        WriteWhat::PostMortem => format!("post-mortem-{stamp}"),
        WriteWhat::Lines(WriteAs::Json) => format!("warroom-{stamp}.jsonl"),
        WriteWhat::Lines(_) | WriteWhat::Marked => format!("warroom-{stamp}.log"),
    };
    let line = overlays::line::Line::new(&name, &[]);
    state.view.overlays.push(Overlay::Path { line, what });
    Vec::new()
}

fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    if let Some(Overlay::Note(writing)) = state.view.overlays.last_mut() {
        writing.paste(text);
        return typed::typed(state, Typed::Changed);
    }
    if let Some(line) = state.view.overlays.last_mut().and_then(Overlay::line) {
        line.paste(text);
        return typed::typed(state, Typed::Changed);
    }
    // Pasted on the panes: a request ID filters by itself; anything else goes into the filter to be looked at first.
    filtering::paste(state, text)
}

fn click(state: &mut State, x: u16, y: u16) -> Vec<Effect> {
    if !state.view.overlays.is_empty() {
        return Vec::new();
    }
    let at = (x, y).into();
    if let Some((_, action)) = state.view.layout.hints.iter().find(|(r, _)| r.contains(at)) {
        return update::update(state, *action);
    }
    if let Some((rect, range)) = state.view.layout.strip
        && rect.contains(at)
    {
        let piece = range.slice((x - rect.x) as usize, rect.width as usize);
        return travel::go_to(state, piece.start);
    }
    if let Some((pane, spot)) = state.view.layout.rows.iter().find(|(_, s)| s.area.contains(at)).copied() {
        state.view.focus = pane;
        return update::put_cursor(state, spot.index);
    }
    if let Some((pane, _)) = state.view.layout.panes.iter().find(|(_, r)| r.contains(at)) {
        state.view.focus = *pane;
        cursor::settle(state);
    }
    Vec::new()
}

/// Whether a press would begin something typed, so that a burst behind it is text.
pub fn is_typing(state: &State) -> bool {
    matches!(
        state.view.overlays.last(),
        Some(
            Overlay::Note(_)
                | Overlay::Filter(_)
                | Overlay::Search(_)
                | Overlay::Time { .. }
                | Overlay::Palette(_)
                | Overlay::Path { .. }
                | Overlay::Confirm { .. }
                | Overlay::End { .. }
        )
    )
}
