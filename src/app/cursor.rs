//! The cursor of a pane or of a list over it: it stays on what it was put on, not on a place in a list whose order changes.
//!
//! Owns where the cursor is; what a row stands for is told by the slices. A function of the keys pressed and of the
//! playhead alone, and so the same in replay.

use super::pane::Pane;
use super::screen;
use super::state::State;
use super::update::with_pane;
use crate::ui::{NOWHERE, PaneCx, RowKey};

/// Where it is: on which row, and in which place that row was when it was put there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    place: usize,
    /// What the row stands for, and how many rows above it stand for the same.
    on: Option<(RowKey, usize)>,
}

impl Cursor {
    /// In a place, whatever stands there; beyond the end means on the last row.
    pub fn at(place: usize) -> Cursor {
        Cursor { place, on: None }
    }

    /// On the row that is in this place now.
    pub fn on(keys: &[RowKey], place: usize) -> Cursor {
        let on = keys.get(place).map(|key| (key.clone(), keys[..place].iter().filter(|k| *k == key).count()));
        Cursor { place, on }
    }

    /// Its row among these; `None` when that has gone.
    pub fn row(&self, keys: &[RowKey]) -> Option<usize> {
        let last = keys.len().checked_sub(1)?;
        let Some((key, nth)) = &self.on else { return Some(self.place.min(last)) };
        // Fewer rows of the same: the last of them.
        keys.iter().enumerate().filter(|(_, k)| *k == key).map(|(i, _)| i).take(nth + 1).last()
    }

    /// So many of these rows on. From a row that has gone it comes to what stands in its place.
    pub fn moved(&self, keys: &[RowKey], by: isize) -> Cursor {
        let last = keys.len().saturating_sub(1);
        let place = match self.row(keys) {
            Some(row) => row.saturating_add_signed(by).min(last),
            None if by.unsigned_abs() == 1 => self.place.min(last),
            None => self.place.saturating_add_signed(by).min(last),
        };
        Cursor::on(keys, place)
    }

    /// What it lies on from the beginning is what it stays on.
    pub fn settled(&self, keys: &[RowKey]) -> Cursor {
        if self.on.is_none() { Cursor::on(keys, self.place) } else { self.clone() }
    }
}

/// The row under the cursor of a pane as it would be drawn, or [`NOWHERE`].
pub fn row(state: &State, cx: &PaneCx, pane: Pane) -> usize {
    let cursor = &state.view.cursor[pane as usize];
    match cursor {
        Cursor { place, on: None } if *place < NOWHERE => *place,
        _ => cursor.row(&screen::keys(state, cx, pane)).unwrap_or(NOWHERE),
    }
}

/// The row under the cursor of the focused pane; `None` when it has gone, or there is none.
pub fn focused(state: &State) -> Option<usize> {
    let keys = keys(state);
    state.view.cursor[state.view.focus as usize].row(&keys)
}

/// Whether the focused pane has rows and that under the cursor is none of them any more.
pub fn is_lost(state: &State) -> bool {
    let keys = keys(state);
    !keys.is_empty() && state.view.cursor[state.view.focus as usize].row(&keys).is_none()
}

/// Moves it by so many rows of the focused pane.
pub fn move_by(state: &mut State, by: isize) {
    let keys = keys(state);
    let cursor = &state.view.cursor[state.view.focus as usize];
    state.view.cursor[state.view.focus as usize] = cursor.moved(&keys, by);
}

/// Puts it on the row that is in this place of the focused pane.
pub fn put(state: &mut State, place: usize) {
    state.view.cursor[state.view.focus as usize] = Cursor::on(&keys(state), place);
}

/// What it lies on from the beginning is what it stays on, once keys go to the pane.
pub fn settle(state: &mut State) {
    let cursor = &state.view.cursor[state.view.focus as usize];
    // The newest row of all stays the newest.
    if cursor.on.is_none() && cursor.place < NOWHERE {
        let place = cursor.place;
        put(state, place);
    }
}

fn keys(state: &State) -> Vec<RowKey> {
    with_pane(state, |cx, pane| screen::keys(state, cx, pane))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<RowKey> {
        names.iter().map(|n| RowKey((*n).into())).collect()
    }

    #[test]
    fn it_stays_on_its_row_while_the_order_changes_and_is_nowhere_while_that_is_gone() {
        let cursor = Cursor::on(&keys(&["a", "b", "c"]), 1);
        assert_eq!(cursor.row(&keys(&["c", "a", "b"])), Some(2));
        assert_eq!(cursor.row(&keys(&["c", "a"])), None);
        assert_eq!(cursor.row(&keys(&["b", "c", "a"])), Some(0));
    }

    #[test]
    fn of_rows_that_stand_for_the_same_it_keeps_to_its_own_and_then_to_the_other() {
        let cursor = Cursor::on(&keys(&["a", "b", "a"]), 2);
        assert_eq!(cursor.row(&keys(&["b", "a", "a"])), Some(2));
        assert_eq!(cursor.row(&keys(&["a", "b"])), Some(0));
    }
}
