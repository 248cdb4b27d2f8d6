//! What the log pane shows: filter, place, resident rows, cursor, progress. Pure: it reads nothing, it *wants*.
//!
//! Rows are resident a few screens each way round what is shown; the cursor is a row's identity, never a number, so
//! that new lines never move the line under it. *Following* shows the newest rows as of the playhead.

mod away;
mod errors;
mod marked;
mod passing;
mod resident;
mod search;
mod shown;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::look::Look;
use super::mutes::{Mute, Mutes};
use super::repeats::{Place, REACH, Repeats, Run};
use super::row::{LogRow, RowKey};
use super::store::{Anchor, Older, Upto};
use crate::timeline::{Filter, SourceId, Ts};
use away::Away;
pub use marked::Marked;
pub use passing::Passed;
use search::Search;

/// Screens kept each way.
const SCREENS: usize = 4;
/// Lines of an unfolded record that are shown.
pub const UNFOLDED: usize = 200;
/// Rows asked for at once at most, where they collapse.
const MOST: usize = 1_024;
/// Questions for older rows that may all collapse before the user moves again.
const BARREN: u32 = 24;
/// A playhead that moves further at once has jumped; one that moves less is playing.
const JUMP: Duration = Duration::from_secs(15);

fn place(row: &LogRow) -> Place {
    (row.placed, row.key)
}

/// What a question that is out was asked for.
#[derive(Clone, Debug)]
enum Purpose {
    /// All rows anew; whether the first part has replaced the old ones.
    Anew(bool),
    Older,
    Newer,
    /// What came since; kept until it is known whether anything was left out.
    Since(Vec<LogRow>),
    /// Neighbours of a hit, unfiltered.
    Context(RowKey),
}

/// The rows of the log pane.
#[derive(Clone, Debug, Default)]
pub struct LogView {
    filter: Filter,
    now: Ts,
    live: bool,
    rows: Vec<LogRow>,
    at_start: bool,
    at_end: bool,
    older: Option<Older>,
    upto: Upto,
    scrolled: bool,
    /// Not drawn since rows came last.
    unseen: bool,
    cursor: Option<Place>,
    top: Option<Place>,
    height: usize,
    unfolded: BTreeSet<RowKey>,
    anchor: Option<Anchor>,
    changed: bool,
    out: Option<(u64, Purpose)>,
    requests: u64,
    progress: Option<f64>,
    /// How rows look.
    pub look: Look,
    search: Search,
    repeats: Repeats,
    /// The place of the last row that came, collapsed or not, with none missing before it.
    reach: Option<Place>,
    mutes: Mutes,
    marked: BTreeMap<Place, Marked>,
    passing: passing::Passing,
    away: Away,
    errors: errors::Errors,
    /// How the newest row that came of each source was read.
    formats: BTreeMap<SourceId, &'static str>,
    /// Questions for older rows in a row that all collapsed.
    barren: u32,
    /// Columns for messages and rows for lines, as drawn last.
    drawn: Cell<(u16, u16)>,
    heights: RefCell<BTreeMap<RowKey, usize>>,
    neutralised: BTreeMap<RowKey, u32>,
    context: usize,
    context_rows: BTreeSet<RowKey>,
    context_done: BTreeSet<RowKey>,
}

impl LogView {
    /// An empty one that follows.
    pub fn new() -> LogView {
        LogView { now: Ts::MAX, live: true, anchor: Some(Anchor::End), ..LogView::default() }
    }

    /// Rows that pass `filter` from now on. The cursor stays near where it was.
    pub fn set_filter(&mut self, filter: Filter) {
        if filter == self.filter {
            return;
        }
        self.filter = filter;
        let anchor = match self.selected().map(place) {
            Some((t, key)) if self.scrolled => Anchor::Row(key, t),
            _ => Anchor::End,
        };
        self.refilter(anchor);
    }

    /// Rows that pass stay until the answer comes; the others would be a lie.
    fn refilter(&mut self, anchor: Anchor) {
        let filter = self.mutes.under(&self.filter);
        self.rows.retain(|r| filter.matches(r));
        self.away.sifted();
        self.load(anchor);
    }

    /// Everything is read anew, round where the cursor is.
    fn reload(&mut self) {
        match self.selected().map(place) {
            Some((t, key)) if self.scrolled => {
                // Also where it stood at the very first row, before which others may come.
                self.cursor = Some((t, key));
                self.load(Anchor::Row(key, t));
            }
            _ => self.load(Anchor::End),
        }
    }

    /// The playhead moved, or follows the clock again. `now` is [`Ts::MAX`] when live.
    pub fn set_playhead(&mut self, now: Ts, live: bool) {
        let (before, was_live) = (self.now, self.live);
        (self.now, self.live) = (now, live);
        if now == before {
            return;
        }
        if was_live && !live && self.scrolled && self.selected().is_some_and(|r| r.placed <= now) {
            // Paused while looking at something older: it stays.
            return;
        }
        if now < before {
            self.rows.retain(|r| r.placed <= now);
            self.scroll(false);
            self.load(Anchor::End);
        } else if live || now.since(before) > JUMP {
            // What lies between was not appended just now: it has to be read.
            self.scroll(false);
            self.load(Anchor::End);
        } else {
            self.changed = true;
        }
    }

    /// Lines were appended somewhere.
    pub fn data_changed(&mut self) {
        self.changed = true;
        self.search.grown();
    }

    /// Following ends, or begins again.
    fn scroll(&mut self, away: bool) {
        if away != self.scrolled {
            self.turned();
        }
        self.scrolled = away;
    }

    /// A file was opened. It has lines of its own that may be older than anything read so far.
    pub fn opened(&mut self) {
        // What is to be read anyway is read with it.
        if !self.scrolled || self.anchor.is_none() {
            self.reload();
        }
    }

    /// Resident rows.
    pub fn rows(&self) -> &[LogRow] {
        &self.rows
    }

    /// Which resident rows a pane of `height` lines shows; the row under the cursor is always among them.
    pub fn window(&self, height: usize) -> Range<usize> {
        if self.rows.is_empty() || height == 0 {
            return 0..0;
        }
        let cursor = self.cursor_index().unwrap_or(self.rows.len() - 1);
        // The first row that may stand at the top so that `last` is still seen.
        let lowest = |last: usize| {
            let (mut start, mut left) = (last, height.saturating_sub(self.lines_of(&self.rows[last])));
            while start > 0 && self.lines_of(&self.rows[start - 1]) <= left {
                start -= 1;
                left -= self.lines_of(&self.rows[start]);
            }
            start
        };
        let full = lowest(self.rows.len() - 1);
        let start = match self.top {
            Some(top) if self.scrolled => {
                let top = self.rows.partition_point(|r| place(r) < top);
                top.clamp(lowest(cursor), cursor.max(lowest(cursor))).min(full)
            }
            _ if self.scrolled => lowest((cursor + height / 2).min(self.rows.len() - 1)).min(cursor),
            _ => full,
        };
        let (mut end, mut left) = (start, height);
        while end < self.rows.len() && left > 0 {
            left = left.saturating_sub(self.lines_of(&self.rows[end]));
            end += 1;
        }
        start..end
    }

    /// Number of the row under the cursor among the resident ones.
    pub fn cursor_index(&self) -> Option<usize> {
        let last = self.rows.len().checked_sub(1)?;
        match self.cursor {
            Some(cursor) if self.scrolled => {
                let at = self.rows.partition_point(|r| place(r) < cursor);
                if self.rows.get(at).is_some_and(|r| place(r) == cursor) {
                    return Some(at);
                }
                // A row that has collapsed is where the one stands that stands for it: of its source, where it is known.
                let source = cursor.1.source;
                let own = |i: &usize| self.rows[*i].key.source == source || i + 1 == at;
                let held = (0..at).rev().take(REACH).filter(own).find(|i| self.repeats.end(&self.rows[*i]) >= cursor);
                Some(held.unwrap_or(at).min(last))
            }
            _ => Some(last),
        }
    }

    /// The row under the cursor; none while it follows and what is newest is not known, because nobody looked.
    pub fn selected(&self) -> Option<&LogRow> {
        self.rows.get(self.cursor_index()?).filter(|_| self.scrolled || !self.unseen)
    }

    /// The pane is not on the screen, and nothing is read for it: keys typed ahead must not act on the row that was the
    /// newest when it was seen last.
    pub fn hidden(&mut self) {
        self.unseen = true;
    }

    /// Whether the newest rows are shown as they come.
    pub fn follows(&self) -> bool {
        !self.scrolled
    }

    /// Moves the cursor by rows. Past the last row it follows again; a huge step back goes to the very first row.
    pub fn move_by(&mut self, by: isize) {
        if by <= isize::MIN / 4 {
            self.scroll(true);
            (self.cursor, self.top) = (Some((Ts::MIN, RowKey::default())), None);
            if !self.at_start {
                self.load(Anchor::At(Ts::MIN));
            }
            return;
        }
        let Some(at) = self.cursor_index() else { return };
        if by > 0 && at + 1 >= self.rows.len() && self.at_end {
            return self.end();
        }
        self.put_cursor(at.saturating_add_signed(by).min(self.rows.len() - 1));
    }

    fn put_cursor(&mut self, index: usize) {
        self.barren = 0;
        let before = self.window(self.height).start;
        self.top = self.rows.get(before).map(place);
        self.cursor = self.rows.get(index).map(place);
        self.scroll(true);
        let now = self.window(self.height).start;
        self.top = self.rows.get(now).map(place);
    }

    /// To the newest row, and follow.
    pub fn end(&mut self) {
        self.barren = 0;
        if !self.at_end || self.rows.is_empty() {
            self.load(Anchor::End);
        }
        self.scroll(false);
        (self.cursor, self.top) = (None, None);
        self.changed = true;
    }

    /// To the first row at or after `at`.
    pub fn go_to(&mut self, at: Ts) {
        self.scroll(true);
        (self.cursor, self.top) = (Some((at, RowKey { source: SourceId(0), generation: 0, offset: 0 })), None);
        self.load(Anchor::At(at));
    }

    /// The cursor goes to this row, wherever it is; it is read round about.
    pub fn show(&mut self, row: LogRow) {
        let to = place(&row);
        if self.repeats.on {
            self.repeats.unfold_at(to);
        }
        match self.rows.binary_search_by_key(&to, place) {
            Ok(index) => self.put_cursor(index),
            Err(_) => {
                self.rows = vec![row];
                (self.at_start, self.at_end) = (false, false);
                self.scroll(true);
                (self.cursor, self.top) = (Some(to), None);
                self.load(Anchor::Row(to.1, to.0));
            }
        }
    }

    /// The cursor goes to a row that was drawn, by its number among the resident ones.
    pub fn select_index(&mut self, index: usize) {
        if index < self.rows.len() {
            self.put_cursor(index);
        }
    }

    /// Shows or hides the folded lines of the row under the cursor, or the rows that have collapsed into it.
    pub fn unfold(&mut self) {
        let Some(row) = self.selected().cloned() else { return };
        let (at, key) = (place(&row), row.key);
        if self.repeats.run(&key).is_some() {
            self.repeats.unfold(&row);
            self.scroll(true);
            (self.cursor, self.top) = (Some(at), None);
            self.load(Anchor::Row(key, at.0));
        } else if self.repeats.fold(&row) {
            self.load(Anchor::Row(key, at.0));
        } else if !self.unfolded.remove(&key) {
            self.unfolded.insert(key);
        }
        self.heights.borrow_mut().clear();
    }

    /// Whether a row's folded lines are shown.
    pub fn is_unfolded(&self, key: &RowKey) -> bool {
        self.unfolded.contains(key)
    }

    /// Whether a row is there only as context.
    pub fn is_context(&self, key: &RowKey) -> bool {
        self.context_rows.contains(key)
    }

    /// The filter of the rows.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Share that was looked at of what has to be looked at, while rows are being read.
    pub fn progress(&self) -> Option<f64> {
        self.progress
    }

    /// Rotated files that could be taken in, where the first row of all is among the first `shown`.
    pub fn older(&self, shown: &Range<usize>) -> Option<&Older> {
        self.older.as_ref().filter(|_| self.at_start && shown.start == 0)
    }

    /// Whether rows are still to come before it can be said that there are none. What is appended meanwhile is no
    /// reason to wait: once none passed, none does until one comes.
    pub fn is_waiting(&self) -> bool {
        self.anchor.is_some() || matches!(self.out, Some((_, Purpose::Anew(_))))
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
pub(super) mod tests;
