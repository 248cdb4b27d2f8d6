//! A one-line input on the bottom line, so that typing never hides the tail.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, Input, TextArea};

use crate::app::keymap::Key;

/// What a key did to the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// The text may have changed.
    Changed,
    /// Enter.
    Done,
    /// Esc or Ctrl-C.
    Cancelled,
    /// Up or Down, for whoever shows a list above.
    Move(i32),
    /// Tab, or back with Shift-Tab, for whoever completes.
    Complete(isize),
}

/// A line being typed, with what was typed before.
#[derive(Clone, Debug)]
pub struct Line {
    area: TextArea<'static>,
    before: Vec<String>,
    at: usize,
}

impl Line {
    /// Starts with `text`, the cursor at its end; `before` is what earlier lines held, oldest first.
    pub fn new(text: &str, before: &[String]) -> Line {
        let mut area = TextArea::new(vec![text.to_owned()]);
        area.move_cursor(CursorMove::End);
        Line { area, before: before.to_vec(), at: before.len() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// Column of the cursor, in characters.
    pub fn cursor(&self) -> usize {
        self.area.cursor().1
    }

    /// Replaces the text.
    pub fn set(&mut self, text: &str) {
        let (before, at) = (std::mem::take(&mut self.before), self.at);
        *self = Line::new(text, &before);
        self.at = at;
    }

    /// Pastes: line breaks become spaces, so that a pasted log line is one line.
    pub fn paste(&mut self, text: &str) {
        self.area.insert_str(text.replace(['\r', '\n'], " ").trim_end());
    }

    /// The cursor goes to the beginning.
    pub fn home(&mut self) {
        self.area.move_cursor(CursorMove::Head);
    }

    /// The cursor goes to a column, in characters.
    pub fn go_to(&mut self, column: usize) {
        self.area.move_cursor(CursorMove::Jump(0, u16::try_from(column).unwrap_or(u16::MAX)));
    }

    /// Brings back what was typed before (`-1`), or goes on towards the newest; behind that stands an empty line.
    pub fn recall(&mut self, by: i32) {
        let at = (self.at as i64 + i64::from(by)).clamp(0, self.before.len() as i64) as usize;
        if at != self.at {
            self.at = at;
            let text = self.before.get(at).cloned().unwrap_or_default();
            self.set(&text);
        }
    }

    /// One key. `^A ^E ^W ^U ^K` edit, `^R` brings back what was typed before, `^C` cancels the line.
    pub fn key(&mut self, key: Key) -> Typed {
        match (key.code, key.ctrl) {
            (KeyCode::Enter, _) => Typed::Done,
            (KeyCode::Esc, _) | (KeyCode::Char('c'), true) => Typed::Cancelled,
            (KeyCode::Up, _) => Typed::Move(-1),
            (KeyCode::Down, _) => Typed::Move(1),
            (KeyCode::Tab, _) => Typed::Complete(1),
            (KeyCode::BackTab, _) => Typed::Complete(-1),
            (KeyCode::Char('u'), true) => {
                self.area.delete_line_by_head();
                Typed::Changed
            }
            (KeyCode::Char('r'), true) => {
                if !self.before.is_empty() {
                    self.at = self.at.checked_sub(1).unwrap_or(self.before.len() - 1);
                    let text = self.before[self.at].clone();
                    self.set(&text);
                }
                Typed::Changed
            }
            // A newline from the text area's own shortcuts would make a second line.
            (KeyCode::Char('m' | 'j'), true) => Typed::Done,
            _ => {
                let mut modifiers = KeyModifiers::NONE;
                modifiers.set(KeyModifiers::CONTROL, key.ctrl);
                modifiers.set(KeyModifiers::ALT, key.alt);
                self.area.input(Input::from(KeyEvent::new(key.code, modifiers)));
                Typed::Changed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut Line, keys: &str) {
        for key in keys.split(' ') {
            line.key(key.parse().expect("a key"));
        }
    }

    #[test]
    fn the_usual_editing_keys_work() {
        let mut line = Line::new("one two", &[]);
        press(&mut line, "ctrl-w x ctrl-a Z ctrl-e !");
        assert_eq!(line.text(), "Zone x!");
        press(&mut line, "ctrl-u");
        assert_eq!(line.text(), "");
    }

    #[test]
    fn what_was_typed_before_comes_back_newest_first() {
        let mut line = Line::new("", &["old".into(), "new".into()]);
        press(&mut line, "ctrl-r");
        assert_eq!(line.text(), "new");
        press(&mut line, "ctrl-r");
        assert_eq!(line.text(), "old");
    }

    #[test]
    fn a_pasted_line_break_does_not_end_the_line() {
        let mut line = Line::new("", &[]);
        line.paste("a\nb\r\n");
        assert_eq!(line.text(), "a b");
    }
}
