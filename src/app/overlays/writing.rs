//! A note being written: a line at the bottom, and above it the lines that are finished already.

use crossterm::event::KeyCode;

use super::line::Line;
use crate::app::keymap::Key;
use crate::signals::incident::event::{NoteKind, RecordId, Screen};
use crate::signals::incident::kinds;
use crate::ui::Selected;

/// Most lines of one note.
const LINES: usize = 500;

/// The overlay.
#[derive(Clone, Debug)]
pub struct Writing {
    /// Lines before the one that is typed.
    pub above: Vec<String>,
    /// The line that is typed.
    pub line: Line,
    /// What was selected when it began: evidence.
    pub selected: Option<Selected>,
    /// How the screen stood then.
    pub screen: Option<Screen>,
    /// The note that gets these words; none for a new one.
    pub edits: Option<RecordId>,
}

impl Writing {
    /// With `text`, whose last line is the one that is typed; `before` is what was written before.
    pub fn new(text: &str, before: &[String], selected: Option<Selected>, screen: Option<Screen>) -> Writing {
        let mut writing = Writing { above: Vec::new(), line: Line::new("", before), selected, screen, edits: None };
        writing.set(text);
        writing
    }

    /// Replaces all of it.
    pub fn set(&mut self, text: &str) {
        let mut lines: Vec<&str> = text.lines().take(LINES).collect();
        self.line.set(lines.pop().unwrap_or_default());
        self.above = lines.into_iter().map(str::to_owned).collect();
    }

    /// All of it.
    pub fn text(&self) -> String {
        let lines = self.above.iter().map(String::as_str).chain([self.line.text()]);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Whether the note is about the time of its row: somebody saw it.
    pub fn at_row(&self) -> bool {
        kinds::parse(&self.text()).0 == NoteKind::Observation
    }

    /// Pastes; line breaks are kept.
    pub fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut parts = text.trim_end_matches('\n').split('\n').peekable();
        while let Some(part) = parts.next() {
            self.line.paste(part);
            if parts.peek().is_some() {
                self.split();
            }
        }
    }

    /// The line is finished and another one begins: what stands behind the cursor goes with it.
    fn split(&mut self) {
        if self.above.len() + 1 >= LINES {
            return;
        }
        let chars: Vec<char> = self.line.text().chars().collect();
        let at = self.line.cursor().min(chars.len());
        self.above.push(chars[..at].iter().collect());
        let tail: String = chars[at..].iter().collect();
        self.line.set(&tail);
        self.line.home();
    }

    /// A key that is about lines: `^J` or Alt-Enter begins another one, Backspace at the beginning of one joins it to the
    /// one above, Up takes the one above back. True when it was.
    pub fn key(&mut self, key: Key) -> bool {
        match (key.code, key.ctrl, key.alt) {
            (KeyCode::Enter, _, true) | (KeyCode::Char('j'), true, _) => self.split(),
            (KeyCode::Backspace, false, false) if self.line.cursor() == 0 && !self.above.is_empty() => {
                let upper = self.above.pop().unwrap_or_default();
                let at = upper.chars().count();
                self.line.set(&format!("{upper}{}", self.line.text()));
                self.line.go_to(at);
            }
            (KeyCode::Up, ..) if !self.above.is_empty() => {
                let upper = self.above.pop().unwrap_or_default();
                let lower = self.line.text().to_owned();
                let joined = if lower.is_empty() { upper } else { format!("{upper} {lower}") };
                self.line.set(&joined);
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(w: &mut Writing, keys: &str) {
        for key in keys.split(' ') {
            let key = key.parse().expect("a key");
            if !w.key(key) {
                w.line.key(key);
            }
        }
    }

    #[test]
    fn a_note_has_several_lines_and_they_can_be_joined_again() {
        let mut w = Writing::new("", &[], None, None);
        press(&mut w, "a b ctrl-j c alt-enter d");
        assert_eq!(w.text(), "ab\nc\nd");
        press(&mut w, "backspace backspace");
        assert_eq!(w.text(), "ab\nc");
        press(&mut w, "ctrl-a backspace");
        assert_eq!((w.text().as_str(), w.line.cursor()), ("abc", 2));
        w.paste("x\r\ny\nz\n");
        assert_eq!(w.text(), "abx\ny\nzc");
        assert_eq!(Writing::new("one\ntwo", &[], None, None).text(), "one\ntwo");
    }
}
