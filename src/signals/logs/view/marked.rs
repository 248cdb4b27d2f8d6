//! Rows that the user marked, to find them again.

use super::{LogView, place};
use crate::signals::logs::repeats::Place;
use crate::signals::logs::row::RowKey;

/// Rows marked at a time; the oldest mark goes first.
const MOST: usize = 200;

/// A marked row, to be shown again.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The row as it was when it was marked.
    pub row: crate::signals::logs::row::LogRow,
    number: u64,
}

impl LogView {
    /// Marks the row under the cursor, or takes its mark away; whether it is marked now.
    pub fn mark(&mut self) -> Option<bool> {
        let row = self.selected()?.clone();
        if self.marked.remove(&place(&row)).is_some() {
            return Some(false);
        }
        let number = self.marked.values().map(|m| m.number).max().unwrap_or(0) + 1;
        self.marked.insert(place(&row), Marked { row, number });
        if self.marked.len() > MOST
            && let Some(oldest) = self.marked.iter().min_by_key(|(_, m)| m.number).map(|(p, _)| *p)
        {
            self.marked.remove(&oldest);
        }
        Some(true)
    }

    /// Whether a row is marked.
    pub fn is_marked(&self, key: &RowKey) -> bool {
        self.marked.keys().any(|(_, k)| k == key)
    }

    /// Marked rows in order of time.
    pub fn marked(&self) -> impl Iterator<Item = &Marked> {
        self.marked.values()
    }

    /// The next marked row after the cursor (or before it); behind the last one the first.
    pub fn next_marked(&self, forward: bool) -> Option<&Marked> {
        let at: Option<Place> = self.selected().map(place);
        let others = || self.marked.iter().filter(|(p, _)| Some(**p) != at);
        let found =
            if forward { others().find(|(p, _)| Some(**p) > at) } else { others().rfind(|(p, _)| Some(**p) < at) };
        found.or_else(|| if forward { others().next() } else { others().next_back() }).map(|(_, m)| m)
    }
}
