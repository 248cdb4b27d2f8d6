//! The filter being edited: its line, what is wrong with it, what its last word could become.

use super::line::Line;
use crate::app::complete::{Completion, complete};
use crate::app::state::State;
use crate::signals::logs::row::LogRow;
use crate::timeline::Filter;
use crate::timeline::filter::FilterError;

/// The filter being edited.
#[derive(Clone, Debug)]
pub struct FilterLine {
    /// The text.
    pub line: Line,
    /// Why it cannot be read yet, and where.
    pub error: Option<FilterError>,
    /// The filter to return to on Esc.
    pub before: Filter,
    /// What the word under the cursor could become.
    pub completion: Completion,
    /// Rows that were resident when the line was opened: where values come from.
    sample: Vec<LogRow>,
    /// The text that the completion was made for.
    typed: String,
}

impl FilterLine {
    /// Begins with `text`; `earlier` is what was typed before.
    pub fn new(text: &str, earlier: &[String], before: Filter, sample: Vec<LogRow>) -> FilterLine {
        let line = Line::new(text, earlier);
        FilterLine { line, error: None, before, completion: Completion::default(), sample, typed: text.to_owned() }
    }

    /// The text changed: what could it become?
    pub fn recomplete(&mut self, state: &State) {
        self.typed = self.line.text().to_owned();
        self.completion = complete(state, &self.sample, &self.typed, self.line.cursor());
    }

    /// Puts the next candidate into the line, or the one before.
    pub fn turn(&mut self, by: isize) {
        let n = self.completion.items.len() as isize;
        if n == 0 {
            return;
        }
        let at = match self.completion.at {
            Some(at) => (at as isize + by).rem_euclid(n),
            None if by < 0 => n - 1,
            None => 0,
        } as usize;
        self.completion.at = Some(at);
        let head: String = self.typed.chars().take(self.completion.from).collect();
        self.line.set(&format!("{head}{}", self.completion.items[at].text));
    }
}
