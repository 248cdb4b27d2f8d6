//! What the log pane shows: filter, anchor, resident rows, the row under the cursor. Pure: it says which rows it wants
//! and takes them in when they arrive.
//!
//! Rows keep their place: new lines never move the row under the cursor, and what is resident is bounded.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

use super::row::{LogRow, RowKey};
use super::store::{Anchor, Ask, LogArrival, LogQuery, Pattern, Slot, Upto};
use crate::timeline::{Filter, Ts};
use crate::ui::widgets::scroll;

/// Screens kept resident on each side of the visible one.
const SCREENS: usize = 4;

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
enum Waiting {
    /// A whole new set of rows; the cursor goes to the last one at or before this time, or to the end.
    Fresh(Option<Ts>),
    /// Rows before the first one.
    Older,
    /// Rows after the last one.
    Newer,
}

/// The view of the log pane.
#[derive(Clone, Debug, Default)]
pub struct LogView {
    filter: Filter,
    search: String,
    pattern: Option<Regex>,
    rows: Vec<LogRow>,
    cursor: usize,
    top: usize,
    height: usize,
    follow: bool,
    at_start: bool,
    at_end: bool,
    visible_until: Option<Ts>,
    upto: Upto,
    stale: bool,
    fresh: Option<Option<Ts>>,
    waiting: Option<(u64, Waiting)>,
    requests: u64,
    progress: Option<f64>,
}

impl LogView {
    /// Following the end, nothing resident.
    pub fn new() -> LogView {
        LogView { follow: true, fresh: Some(None), ..LogView::default() }
    }

    /// Rows are filtered by `filter` from now on; the place on the time axis stays.
    pub fn set_filter(&mut self, filter: Filter) {
        if filter == self.filter {
            return;
        }
        self.filter = filter;
        let at = if self.follow { None } else { self.selected().map(|r| r.placed) };
        self.fresh = Some(at);
    }

    /// Where the playhead is: nothing observed after it is shown. Live it is [`Ts::MAX`].
    pub fn set_playhead(&mut self, now: Ts, live: bool) {
        let before = self.visible_until.replace(now);
        match before {
            Some(b) if b == now => {}
            // Forward: what became visible is added at the end.
            Some(b) if b < now => self.stale = true,
            _ => {
                if live {
                    self.stale = true;
                } else {
                    self.follow = true;
                    self.fresh = Some(None);
                }
            }
        }
    }

    /// The sources said something.
    pub fn data_changed(&mut self) {
        self.stale = true;
    }

    /// What must be read so that `height` rows can be shown; `None` while enough is here or on its way.
    pub fn wants(&mut self, height: usize) -> Option<LogQuery> {
        self.height = height;
        self.settle();
        let resident = (height * SCREENS).clamp(50, 1_000);
        if let Some(at) = self.fresh.take() {
            let anchor = at.map_or(Anchor::End, Anchor::At);
            let after = if at.is_some() { resident / 2 } else { 0 };
            return Some(self.ask(Waiting::Fresh(at), anchor, resident, after));
        }
        if self.waiting.is_some() {
            return None;
        }
        if self.follow && self.stale {
            self.stale = false;
            return Some(match self.rows.is_empty() && self.upto.is_empty() {
                true => self.ask(Waiting::Fresh(None), Anchor::End, resident, 0),
                false => self.ask(Waiting::Newer, Anchor::Since(self.upto.clone()), resident, 0),
            });
        }
        if self.top < height && !self.at_start && !self.rows.is_empty() {
            let first = &self.rows[0];
            let anchor = Anchor::Row(first.key, first.placed);
            return Some(self.ask(Waiting::Older, anchor, resident / 2, 0));
        }
        let below = self.rows.len().saturating_sub(self.top + height);
        if !self.follow && below < height && (!self.at_end || self.stale) && !self.rows.is_empty() {
            self.stale = false;
            let last = &self.rows[self.rows.len() - 1];
            let anchor = Anchor::Row(last.key, last.placed);
            return Some(self.ask(Waiting::Newer, anchor, 0, resident / 2 + 1));
        }
        None
    }

    fn ask(&mut self, waiting: Waiting, anchor: Anchor, before: usize, after: usize) -> LogQuery {
        self.requests += 1;
        self.waiting = Some((self.requests, waiting));
        LogQuery {
            request: self.requests,
            slot: Slot::View,
            filter: self.filter.clone(),
            sources: None,
            min_severity: None,
            visible_until: self.visible_until.unwrap_or(Ts::MAX),
            screen: self.height.max(1),
            ask: Ask::Rows { anchor, before, after },
        }
    }

    /// Takes rows in. Answers to older questions are dropped.
    pub fn arrive(&mut self, answer: LogArrival) {
        let Some((request, waiting)) = self.waiting.clone() else { return };
        if answer.request != request {
            return;
        }
        let share = answer.scanned_bytes as f64 / answer.total_bytes.max(1) as f64;
        self.progress = (!answer.done).then_some(share.min(1.0));
        let under = self.selected().map(|r| r.key);
        let shown = self.rows.get(self.top).map(|r| r.key);
        match &waiting {
            Waiting::Fresh(at) => {
                self.rows.clear();
                self.at_end = at.is_none() || answer.at_end;
                self.at_start = answer.at_start;
                self.add(answer.rows);
                self.cursor = match at {
                    None => self.rows.len().saturating_sub(1),
                    Some(at) => self.rows.partition_point(|r| r.placed <= *at).saturating_sub(1),
                };
                self.top = self.cursor.saturating_sub(self.height / 2);
                self.upto = answer.upto;
                if !answer.done {
                    // Later parts are more of the same set.
                    self.waiting = Some((request, Waiting::Older));
                    return self.settle();
                }
            }
            Waiting::Older => {
                self.at_start |= answer.at_start;
                self.add(answer.rows);
                self.keep_place(under, shown);
                self.upto.extend(answer.upto);
            }
            Waiting::Newer => {
                if answer.gap {
                    self.rows.clear();
                    self.at_start = false;
                }
                if !self.follow {
                    self.at_end |= answer.at_end;
                }
                self.add(answer.rows);
                self.keep_place(under, shown);
                self.upto.extend(answer.upto);
            }
        }
        if answer.done {
            self.waiting = None;
        }
        self.settle();
        self.trim();
    }

    /// Merges rows in order; one that is there already is not added again.
    fn add(&mut self, rows: Vec<LogRow>) {
        if rows.is_empty() {
            return;
        }
        self.rows.extend(rows);
        self.rows.sort_by_key(|r| (r.placed, r.key));
        self.rows.dedup_by_key(|r| r.key);
    }

    fn keep_place(&mut self, under: Option<RowKey>, shown: Option<RowKey>) {
        let index = |rows: &[LogRow], key: Option<RowKey>| key.and_then(|k| rows.iter().position(|r| r.key == k));
        if let Some(i) = index(&self.rows, under) {
            self.cursor = i;
        }
        if let Some(i) = index(&self.rows, shown) {
            self.top = i;
        }
    }

    /// Cursor and first shown row inside their bounds; following, the end is shown.
    fn settle(&mut self) {
        let last = self.rows.len().saturating_sub(1);
        if self.follow {
            self.cursor = last;
            self.top = self.rows.len().saturating_sub(self.height);
        }
        self.cursor = self.cursor.min(last);
        self.top = scroll::window(self.rows.len(), self.height, self.cursor, self.top);
    }

    /// Rows far from the cursor go.
    fn trim(&mut self) {
        let keep = self.height.max(1) * SCREENS;
        if self.top > 2 * keep {
            let cut = self.top - keep;
            self.rows.drain(..cut);
            self.top -= cut;
            self.cursor -= cut;
            self.at_start = false;
        }
        let end = self.top + self.height + 2 * keep;
        if self.rows.len() > end {
            self.rows.truncate(self.top + self.height + keep);
            self.at_end = false;
        }
    }

    /// Moves the cursor; going up leaves the end, reaching the end again follows.
    pub fn move_by(&mut self, by: isize) {
        if by < 0 {
            if self.follow && !self.rows.is_empty() {
                self.follow = false;
                self.at_end = true;
            }
            let want = self.cursor as isize + by;
            self.cursor = want.max(0) as usize;
            if by <= isize::MIN / 2 {
                // Home: the very first row, wherever it lies.
                self.fresh = Some(Some(Ts::MIN));
            }
        } else {
            let last = self.rows.len().saturating_sub(1);
            let want = (self.cursor as isize).saturating_add(by) as usize;
            self.cursor = want.min(last);
            if want >= last && self.at_end {
                self.follow = true;
                self.stale = true;
            }
        }
        self.settle();
    }

    /// To the end, and follow.
    pub fn end(&mut self) {
        if !self.follow || !self.at_end {
            self.fresh = Some(None);
        }
        self.follow = true;
        self.stale = true;
    }

    /// To a time; the cursor goes to the last row at or before it.
    pub fn go_to(&mut self, at: Ts) {
        self.follow = false;
        self.fresh = Some(Some(at));
    }

    /// To a row that was found.
    pub fn show(&mut self, row: LogRow) {
        self.follow = false;
        match self.rows.iter().position(|r| r.key == row.key) {
            Some(i) => self.cursor = i,
            None => {
                self.fresh = Some(Some(row.placed));
                self.rows = vec![row];
                self.cursor = 0;
            }
        }
        self.settle();
    }

    /// The row with this number goes under the cursor.
    pub fn select_index(&mut self, index: usize) {
        self.follow = false;
        self.at_end = self.at_end || index + 1 >= self.rows.len();
        self.cursor = index;
        self.settle();
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<&LogRow> {
        self.rows.get(self.cursor)
    }

    /// Resident rows from the first shown one on, with the number of that one.
    pub fn shown(&self) -> (usize, &[LogRow]) {
        let top = self.top.min(self.rows.len());
        (top, &self.rows[top..])
    }

    /// Number of the row under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Rows resident.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row is resident.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the end is followed.
    pub fn follows(&self) -> bool {
        self.follow
    }

    /// Share of the reading that is done, while something is read.
    pub fn progress(&self) -> Option<f64> {
        if self.waiting.is_some() || self.fresh.is_some() { Some(self.progress.unwrap_or(0.0)) } else { None }
    }

    /// Names of exceptions among the resident rows with their counts, most frequent first.
    pub fn exceptions(&self) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in &self.rows {
            if let Some((_, name)) = row.fields.iter().find(|(n, _)| n == "exception")
                && let Some(name) = name.as_str()
            {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        let mut all: Vec<_> = counts.into_iter().collect();
        all.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), name.clone()));
        all
    }

    /// What the title says: whether it follows, by what it is filtered.
    pub fn mode_text(&self) -> String {
        let mut text = if self.follow { "follow".to_owned() } else { "G follows".to_owned() };
        if !self.filter.is_empty() {
            text.push_str(&format!(" · {}", self.filter));
        }
        if !self.search.is_empty() {
            text.push_str(&format!(" · /{}", self.search));
        }
        text
    }

    /// Searches for text, or for `/a regular expression/`; in any case where the text has no capital. Empty clears.
    pub fn set_search(&mut self, text: &str) {
        self.search = text.to_owned();
        let body = text.strip_prefix('/').and_then(|t| t.strip_suffix('/')).filter(|t| !t.is_empty());
        let source = body.map_or_else(|| regex::escape(text), str::to_owned);
        self.pattern = if text.is_empty() {
            None
        } else {
            RegexBuilder::new(&source)
                .case_insensitive(!text.chars().any(char::is_uppercase))
                .size_limit(1 << 20)
                .build()
                .ok()
        };
    }

    /// What is searched for.
    pub fn search_pattern(&self) -> Option<Pattern> {
        self.pattern.clone().map(Pattern::Regex)
    }

    /// What is searched for, to be shown in rows.
    pub fn highlight(&self) -> Option<&Regex> {
        self.pattern.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::SourceId;

    fn row(i: i64) -> LogRow {
        LogRow {
            key: RowKey { source: SourceId(1), generation: 0, offset: i as u64 },
            placed: Ts::from_secs(i),
            time: Some(Ts::from_secs(i)),
            inferred: false,
            severity: None,
            source: "app".into(),
            format: "text",
            line: None,
            folded: 0,
            message: format!("line {i}"),
            fields: Vec::new(),
            request_id: None,
            raw: format!("line {i}").into_bytes().into(),
        }
    }

    fn answer(view: &LogView, rows: std::ops::Range<i64>) -> LogArrival {
        LogArrival {
            request: view.requests,
            rows: rows.map(row).collect(),
            done: true,
            at_end: true,
            ..LogArrival::default()
        }
    }

    fn under_cursor(view: &LogView) -> &str {
        view.selected().map_or("-", |r| &r.message)
    }

    #[test]
    fn new_lines_do_not_move_the_row_under_the_cursor() {
        let mut v = LogView::new();
        v.wants(10).expect("first rows");
        v.arrive(answer(&v, 0..50));
        assert_eq!(under_cursor(&v), "line 49");
        v.move_by(-5);
        v.data_changed();
        assert_eq!(under_cursor(&v), "line 44");
        let (top, _) = v.shown();
        while v.wants(10).is_some() {
            v.arrive(answer(&v, 0..80));
        }
        assert_eq!(under_cursor(&v), "line 44");
        assert_eq!(v.shown().0, top);
    }

    #[test]
    fn following_shows_the_newest_line() {
        let mut v = LogView::new();
        v.wants(10).expect("first rows");
        v.arrive(answer(&v, 0..50));
        v.data_changed();
        let query = v.wants(10).expect("newer rows");
        assert!(matches!(query.ask, Ask::Rows { anchor: Anchor::Since(_) | Anchor::End, .. }));
        v.arrive(answer(&v, 50..60));
        assert_eq!(under_cursor(&v), "line 59");
    }

    #[test]
    fn an_answer_to_an_older_question_is_dropped() {
        let mut v = LogView::new();
        v.wants(10).expect("first rows");
        let late = answer(&v, 0..5);
        v.set_filter(Filter::parse("x").expect("a filter"));
        v.wants(10).expect("rows under the new filter");
        v.arrive(late);
        assert!(v.is_empty());
    }
}
