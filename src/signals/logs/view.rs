//! What the log pane shows: filter, place, resident rows, cursor, progress. Pure: it reads nothing, it *wants*.
//!
//! Rows are resident a few screens each way round what is shown; the cursor is a row's identity, never a number, so
//! that new lines never move the line under it. *Following* shows the newest rows as of the playhead.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::row::{LogRow, RowKey};
use super::store::{Anchor, Ask, LogArrival, LogQuery, Pattern, Slot, Upto};
use crate::timeline::{Filter, SourceId, Ts};

/// Screens kept each way.
const SCREENS: usize = 4;
/// Lines of an unfolded record that are shown.
pub const UNFOLDED: usize = 200;
/// A playhead that moves further at once has jumped; one that moves less is playing.
const JUMP: Duration = Duration::from_secs(15);

type Place = (Ts, RowKey);

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
    upto: Upto,
    scrolled: bool,
    cursor: Option<Place>,
    top: Option<Place>,
    height: usize,
    unfolded: BTreeSet<RowKey>,
    anchor: Option<Anchor>,
    changed: bool,
    out: Option<(u64, Purpose)>,
    requests: u64,
    progress: Option<f64>,
    search: Option<(String, regex::bytes::Regex)>,
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
        // Rows that pass stay until the answer comes; the others would be a lie.
        let filter = self.filter.clone();
        self.rows.retain(|r| filter.matches(r));
        self.load(anchor);
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
            self.scrolled = false;
            self.load(Anchor::End);
        } else if !live && now.since(before) > JUMP {
            self.scrolled = false;
            self.load(Anchor::End);
        } else {
            self.changed = true;
        }
    }

    /// Lines were appended somewhere.
    pub fn data_changed(&mut self) {
        self.changed = true;
    }

    /// A file was opened. It has lines of its own that may be older than anything read so far.
    pub fn opened(&mut self) {
        match self.selected().map(place) {
            // What is to be read anyway is read with it.
            _ if self.scrolled && self.anchor.is_some() => {}
            Some((t, key)) if self.scrolled => self.load(Anchor::Row(key, t)),
            _ => self.load(Anchor::End),
        }
    }

    fn load(&mut self, anchor: Anchor) {
        self.anchor = Some(anchor);
        self.out = None;
        self.progress = None;
        self.context_rows.clear();
        self.context_done.clear();
    }

    /// What is missing for a pane of `height` rows, if anything is and nothing is being read.
    pub fn wants(&mut self, height: usize) -> Option<LogQuery> {
        let height = height.max(1);
        self.height = height;
        if self.out.is_some() {
            return None;
        }
        if let Some(anchor) = self.anchor.take() {
            let end = anchor == Anchor::End;
            let (before, after) = if end { (3 * height, 0) } else { (2 * height, 2 * height) };
            return Some(self.ask(Purpose::Anew(false), Ask::Rows { anchor, before, after }));
        }
        let shown = self.window(height);
        if !self.at_start && shown.start < height {
            let anchor = self.rows.first().map_or(Anchor::End, |r| Anchor::Row(r.key, r.placed));
            return Some(self.ask(Purpose::Older, Ask::Rows { anchor, before: 2 * height, after: 0 }));
        }
        if !self.at_end
            && self.rows.len() - shown.end < height
            && let Some(last) = self.rows.last()
        {
            let anchor = Anchor::Row(last.key, last.placed);
            return Some(self.ask(Purpose::Newer, Ask::Rows { anchor, before: 0, after: 2 * height + 1 }));
        }
        if self.changed && self.at_end {
            self.changed = false;
            let anchor = Anchor::Since(std::mem::take(&mut self.upto));
            let ask = Ask::Rows { anchor, before: SCREENS * height, after: 0 };
            return Some(self.ask(Purpose::Since(Vec::new()), ask));
        }
        if self.context > 0
            && !self.filter.is_empty()
            && let Some(row) = self.selected()
            && !self.context_rows.contains(&row.key)
            && !self.context_done.contains(&row.key)
        {
            let (key, n) = (row.key, self.context);
            let ask = Ask::Rows { anchor: Anchor::Row(key, row.placed), before: n, after: n + 1 };
            let query = self.ask(Purpose::Context(key), ask);
            return Some(LogQuery { filter: Filter::default(), sources: Some(vec![key.source]), ..query });
        }
        None
    }

    fn ask(&mut self, purpose: Purpose, ask: Ask) -> LogQuery {
        self.requests += 1;
        self.out = Some((self.requests, purpose));
        LogQuery {
            request: self.requests,
            slot: Slot::View,
            filter: self.filter.clone(),
            sources: None,
            min_severity: None,
            visible_until: self.now,
            screen: self.height,
            ask,
        }
    }

    /// Takes in an answer or a part of one; one that nobody waits for any more is dropped.
    pub fn arrive(&mut self, a: LogArrival) {
        let Some((_, mut purpose)) = self.out.take_if(|(request, _)| *request == a.request) else { return };
        self.progress = (!a.done && a.total_bytes > 0).then(|| a.scanned_bytes as f64 / a.total_bytes as f64);
        match &mut purpose {
            Purpose::Anew(replaced) => {
                if !*replaced && (a.done || !a.rows.is_empty()) {
                    *replaced = true;
                    self.rows.clear();
                }
                self.merge(a.rows);
                if a.done {
                    (self.at_start, self.at_end, self.upto) = (a.at_start, a.at_end, a.upto);
                }
            }
            Purpose::Older => {
                self.merge(a.rows);
                self.at_start = a.at_start;
            }
            Purpose::Newer => {
                self.merge(a.rows);
                if a.done {
                    (self.at_end, self.upto) = (a.at_end, a.upto);
                }
            }
            Purpose::Since(kept) => {
                kept.extend(a.rows);
                if a.done {
                    let new = std::mem::take(kept);
                    match (a.gap, self.scrolled) {
                        (false, _) => self.merge(new),
                        // More came than is kept: only the newest are of use here …
                        (true, false) => {
                            self.rows.clear();
                            self.merge(new);
                            self.at_start = false;
                        }
                        // … or none of them.
                        (true, true) => self.at_end = false,
                    }
                    self.upto = a.upto;
                }
            }
            Purpose::Context(of) => {
                let shown: BTreeSet<RowKey> = self.rows.iter().map(|r| r.key).collect();
                self.context_rows.extend(a.rows.iter().map(|r| r.key).filter(|k| !shown.contains(k)));
                self.context_done.insert(*of);
                self.merge(a.rows);
            }
        }
        if !a.done {
            self.out = Some((a.request, purpose));
        }
        self.trim();
    }

    fn merge(&mut self, new: Vec<LogRow>) {
        for row in new {
            let at = self.rows.partition_point(|r| place(r) < place(&row));
            match self.rows.get_mut(at) {
                Some(same) if same.key == row.key => *same = row,
                _ => self.rows.insert(at, row),
            }
        }
    }

    /// Gives up rows far from what is shown.
    fn trim(&mut self) {
        let keep = SCREENS * self.height.max(1);
        let shown = self.window(self.height);
        if self.rows.len() - shown.end > keep {
            self.rows.truncate(shown.end + keep);
            self.at_end = false;
        }
        if shown.start > keep {
            self.rows.drain(..shown.start - keep);
            self.at_start = false;
        }
    }

    /// Screen lines that a row takes.
    pub fn lines_of(&self, row: &LogRow) -> usize {
        if self.unfolded.contains(&row.key) { 1 + (row.folded as usize).min(UNFOLDED) } else { 1 }
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
            Some(cursor) if self.scrolled => Some(self.rows.partition_point(|r| place(r) < cursor).min(last)),
            _ => Some(last),
        }
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<&LogRow> {
        self.rows.get(self.cursor_index()?)
    }

    /// Whether the newest rows are shown as they come.
    pub fn follows(&self) -> bool {
        !self.scrolled
    }

    /// Moves the cursor by rows. Past the last row it follows again; a huge step back goes to the very first row.
    pub fn move_by(&mut self, by: isize) {
        if by <= isize::MIN / 4 {
            self.scrolled = true;
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
        let before = self.window(self.height).start;
        self.top = self.rows.get(before).map(place);
        self.cursor = self.rows.get(index).map(place);
        self.scrolled = true;
        let now = self.window(self.height).start;
        self.top = self.rows.get(now).map(place);
    }

    /// To the newest row, and follow.
    pub fn end(&mut self) {
        if !self.at_end || self.rows.is_empty() {
            self.load(Anchor::End);
        }
        self.scrolled = false;
        (self.cursor, self.top) = (None, None);
        self.changed = true;
    }

    /// To the first row at or after `at`.
    pub fn go_to(&mut self, at: Ts) {
        self.scrolled = true;
        (self.cursor, self.top) = (Some((at, RowKey { source: SourceId(0), generation: 0, offset: 0 })), None);
        self.load(Anchor::At(at));
    }

    /// The cursor goes to this row, wherever it is; it is read round about.
    pub fn show(&mut self, row: LogRow) {
        let to = place(&row);
        match self.rows.binary_search_by_key(&to, place) {
            Ok(index) => self.put_cursor(index),
            Err(_) => {
                self.rows = vec![row];
                (self.at_start, self.at_end) = (false, false);
                self.scrolled = true;
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

    /// Shows or hides the folded lines of the row under the cursor.
    pub fn unfold(&mut self) {
        if let Some(key) = self.selected().map(|r| r.key)
            && !self.unfolded.remove(&key)
        {
            self.unfolded.insert(key);
        }
    }

    /// Whether a row's folded lines are shown.
    pub fn is_unfolded(&self, key: &RowKey) -> bool {
        self.unfolded.contains(key)
    }

    /// What is searched for: text, or `/a regular expression/`; in any case where it has no capital. Empty: nothing.
    pub fn set_search(&mut self, text: &str) {
        let body = text.strip_prefix('/').and_then(|t| t.strip_suffix('/')).filter(|t| !t.is_empty());
        let source = body.map_or_else(|| regex::escape(text), str::to_owned);
        let build = |source: &str| {
            regex::bytes::RegexBuilder::new(source)
                .case_insensitive(!text.chars().any(char::is_uppercase))
                .size_limit(1 << 20)
                .build()
        };
        self.search = match text {
            "" => None,
            // A regular expression that is no such thing (yet) is text.
            _ => build(&source).or_else(|_| build(&regex::escape(text))).ok().map(|r| (text.to_owned(), r)),
        };
    }

    /// What is searched for, as the store understands it.
    pub fn search_pattern(&self) -> Option<Pattern> {
        self.search.as_ref().map(|(_, r)| Pattern::Regex(r.clone()))
    }

    /// What is searched for, for marking hits.
    pub fn search_regex(&self) -> Option<&regex::bytes::Regex> {
        self.search.as_ref().map(|(_, r)| r)
    }

    /// More or fewer unfiltered lines of the same source round the hit under the cursor.
    pub fn change_context(&mut self, by: i32) {
        self.context = self.context.saturating_add_signed(by as isize).min(50);
        let context = std::mem::take(&mut self.context_rows);
        self.rows.retain(|r| !context.contains(&r.key));
        self.context_done.clear();
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

    /// Whether rows are still to come before it can be said that there are none. What is appended meanwhile is no
    /// reason to wait: once none passed, none does until one comes.
    pub fn is_waiting(&self) -> bool {
        self.anchor.is_some() || matches!(self.out, Some((_, Purpose::Anew(_))))
    }

    /// What the view does, for the pane's title.
    pub fn mode_text(&self) -> String {
        let mut text = match (self.scrolled, self.live) {
            (false, true) => "follow".to_owned(),
            (false, false) => "up to the playhead".to_owned(),
            (true, _) => "G follows".to_owned(),
        };
        if !self.filter.is_empty() {
            text.push_str(&format!(" · {}", self.filter));
        }
        if let Some((search, _)) = &self.search {
            text.push_str(&format!(" · /{search}"));
        }
        if self.context > 0 {
            text.push_str(&format!(" · ±{} lines", self.context));
        }
        text
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
pub(super) mod tests;
