//! What a burst from the terminal is: keys typed ahead on a slow link, or text pasted where the terminal marks no pastes.
//!
//! A paste that the terminal marks (bracketed paste) is a paste, always. A burst without marks is text when
//!
//! - nothing but one ID stands in it (a `traceparent`, a UUID), or
//! - it has a line break with more behind it, or 24 characters and more, and nobody would have typed it ahead: no key in
//!   it opens an input (`&`, `/`, `:`, `a`, `g` …) behind at most three other keys that mean something here. Where pastes
//!   are known to be marked (one came marked, or the terminal is one of those that do), it is typed ahead however many
//!   keys stand before the one that opens an input, and a burst is text only when one of its characters is no key here.
//!
//! Everything else is keys, each on its own. A key held down is keys. While something is being typed all of it goes there.

use crossterm::event::{Event, KeyCode, KeyEventKind, MouseButton, MouseEventKind};

use crate::app::action::Action;
use crate::app::input::{Input, is_typing};
use crate::app::keymap::Key;
use crate::app::state::State;
use crate::timeline::RequestId;

/// Characters that nobody types ahead without opening an input.
const LONG: usize = 24;
/// Keys that one presses before opening an input, where pastes may come unmarked.
const BEFORE: usize = 3;
/// The shortest ID that is taken for one by itself.
const ID: usize = 16;
/// Beginnings of `TERM` of terminals that mark pastes.
const MARKING: &[&str] =
    &["xterm", "tmux", "screen", "alacritty", "foot", "rxvt-unicode", "vte", "konsole", "wezterm", "contour"];

/// Whether a terminal of this name marks pastes.
pub fn marks_pastes(term: &str) -> bool {
    MARKING.iter().any(|m| term.starts_with(m))
}

/// Terminal events as inputs; `marks` says whether pastes are known to be marked, and is set when one is.
pub fn inputs(events: Vec<Event>, state: &State, marks: &mut bool) -> Vec<Input> {
    let text: Option<String> = events.iter().map(character).collect();
    if let Some(text) = text
        && !is_typing(state)
        && is_text(&text, state, *marks)
    {
        return vec![Input::Paste(text)];
    }
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::Key(k) if k.kind != KeyEventKind::Release => out.push(Input::Key(Key::from(k))),
            Event::Paste(text) => {
                *marks = true;
                out.push(Input::Paste(text));
            }
            Event::Mouse(m) => match m.kind {
                MouseEventKind::Down(MouseButton::Left) => out.push(Input::Click(m.column, m.row)),
                MouseEventKind::ScrollUp => out.push(Input::Wheel(m.column, m.row, true)),
                MouseEventKind::ScrollDown => out.push(Input::Wheel(m.column, m.row, false)),
                _ => {}
            },
            _ => {}
        }
    }
    out
}

/// The character of a key that could be one of a text.
fn character(event: &Event) -> Option<char> {
    let Event::Key(k) = event else { return None };
    if k.kind == KeyEventKind::Release {
        return None;
    }
    let key = Key::from(*k);
    match key.code {
        KeyCode::Char(c) if !key.ctrl && !key.alt => Some(c),
        KeyCode::Enter => Some('\n'),
        KeyCode::Tab => Some('\t'),
        _ => None,
    }
}

/// Whether a burst without marks is text; see above.
fn is_text(text: &str, state: &State, marks: bool) -> bool {
    if text.chars().all(|c| text.starts_with(c)) {
        return false;
    }
    if is_id(text.trim()) {
        return true;
    }
    let lines = text.trim_end_matches('\n').contains('\n');
    if !lines && text.chars().count() < LONG {
        return false;
    }
    let action = |c: char| {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            c => KeyCode::Char(c),
        };
        state.settings.keymap.panes(Key::plain(code))
    };
    let opens = |c: char| {
        use Action::{EditFilter, GoToTime, Note, Palette, Search};
        matches!(action(c), Some(Note | EditFilter | Search | GoToTime | Palette))
    };
    let before: Vec<char> = text.chars().take_while(|c| !opens(*c)).collect();
    let keys = before.iter().all(|c| action(*c).is_some());
    let opened = before.len() < text.chars().count();
    !(keys && (marks || opened && before.len() <= BEFORE))
}

/// One word that is an ID: mostly digits, hexadecimal letters and dashes.
fn is_id(text: &str) -> bool {
    text.len() >= ID
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && text.bytes().filter(u8::is_ascii_digit).count() * 4 >= text.len()
        && RequestId::parse_typed(text).is_some()
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyEvent, KeyModifiers};

    use super::*;
    use crate::app::tests::world::World;

    fn burst(text: &str, marks: bool) -> Vec<Input> {
        let code = |c| if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
        let events = text.chars().map(|c| Event::Key(KeyEvent::new(code(c), KeyModifiers::NONE))).collect();
        inputs(events, &World::live("14:00:10").state, &mut marks.clone())
    }

    #[test]
    fn what_is_typed_ahead_and_opens_an_input_is_keys_whether_or_not_pastes_are_marked() {
        for text in [
            "jj&level>=error status>=500",
            "jj&level>=error status>=500\n",
            "/pool timed out again\nnn",
            "jjkkGjjkk",
            "G1z/a b",
        ] {
            for marks in [false, true] {
                assert_eq!(burst(text, marks).len(), text.chars().count(), "{text:?} {marks}");
            }
        }
        assert_eq!(burst("jjjjjjkkkk&level>=error status", true).len(), 30, "nobody pastes without marks there");
        assert_eq!(burst(&"j".repeat(60), false).len(), 60, "a key held down");
    }

    #[test]
    fn an_id_and_lines_of_a_log_without_marks_are_a_paste() {
        for text in [
            "00-aaaabbbbccccddddaaaabbbbcccc1111-00f067aa0ba902b7-01",
            "550e8400-e29b-41d4-a716-446655440000",
            "2026-03-14T14:00:00Z ERROR pool timed out",
            "{\"msg\":\n\"x\"}",
        ] {
            assert_eq!(burst(text, false), [Input::Paste(text.to_owned())], "{text:?}");
        }
    }

    #[test]
    fn a_marked_paste_says_that_the_terminal_marks_them() {
        let mut marks = false;
        let world = World::live("14:00:10");
        assert_eq!(inputs(vec![Event::Paste("x".into())], &world.state, &mut marks), [Input::Paste("x".into())]);
        assert!(marks && marks_pastes("xterm-256color") && marks_pastes("tmux-256color") && !marks_pastes("linux"));
    }
}
