//! The command palette: every action by name, found by what its name or sentence contains.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};

use super::line::Line;
use crate::app::action::{ACTIONS, Action};

/// A name being typed and what it fits.
#[derive(Clone, Debug)]
pub struct Palette {
    /// `name arguments`.
    pub line: Line,
    /// Fitting actions, best first.
    pub fits: Vec<Action>,
    /// The one under the cursor.
    pub cursor: usize,
    /// What this run does not allow: found by its whole name alone, and then it says what it needs.
    pub without: Option<Action>,
}

impl Palette {
    /// With everything in it, but for what is left out.
    pub fn new(before: &[String], without: Option<Action>) -> Palette {
        let mut p = Palette { line: Line::new("", before), fits: Vec::new(), cursor: 0, without };
        p.refit();
        p
    }

    /// The text changed.
    pub fn refit(&mut self) {
        self.fit();
        let asked = Action::named(self.line.text().split(' ').next().unwrap_or(""));
        let without = self.without.filter(|a| asked != Some(*a));
        self.fits.retain(|a| Some(*a) != without);
    }

    fn fit(&mut self) {
        let typed = self.line.text().split(' ').next().unwrap_or("").to_owned();
        self.cursor = 0;
        if let Some(exact) = Action::named(&typed) {
            self.fits = vec![exact];
            self.fits
                .extend(ACTIONS.iter().map(|r| r.action).filter(|a| *a != exact && a.row().name.starts_with(&typed)));
            return;
        }
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(self.line.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut scored: Vec<(u32, usize, Action)> = ACTIONS
            .iter()
            .enumerate()
            .filter_map(|(i, row)| {
                let mut score =
                    |text: &str| pattern.score(nucleo_matcher::Utf32Str::new(text, &mut buffer), &mut matcher);
                let name = score(row.name).map(|s| s * 3);
                let best = name.max(score(row.sentence))?;
                Some((best, i, row.action))
            })
            .collect();
        scored.sort_by_key(|&(score, i, _)| (std::cmp::Reverse(score), i));
        self.fits = scored.into_iter().map(|(_, _, a)| a).collect();
    }

    /// The chosen action and what was typed behind its name.
    pub fn chosen(&self) -> Option<(Action, String)> {
        let argument = self.line.text().split_once(' ').map_or("", |(_, rest)| rest).trim().to_owned();
        self.fits.get(self.cursor).map(|a| (*a, argument))
    }

    /// Completes the name under the cursor.
    pub fn complete(&mut self) {
        if let Some(action) = self.fits.get(self.cursor) {
            let name = format!("{} ", action.row().name);
            self.line.set(&name);
            self.refit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_with_an_argument_is_first() {
        let mut p = Palette::new(&[], None);
        p.line.set("rollback api");
        p.refit();
        assert_eq!(p.chosen(), Some((Action::Rollback, "api".into())));
    }

    #[test]
    fn letters_in_order_find_a_name() {
        let mut p = Palette::new(&[], None);
        p.line.set("topv");
        p.refit();
        assert_eq!(p.fits.first(), Some(&Action::TopValues));
    }
}
