//! How many lines rows take, what is muted and collapsed, and the words for it.

use super::{LogView, Mute, Repeats, Run, UNFOLDED, place};
use crate::signals::logs::beside::whole;
use crate::signals::logs::mutes::Mutes;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::store::Anchor;
use crate::timeline::Filter;
use crate::ui::{pieces, text};

/// Lines that a wrapped row takes at most; Enter shows all of it.
pub const WRAPPED: usize = 12;
/// Heights remembered.
const HEIGHTS: usize = 2_000;

impl LogView {
    /// Screen lines that a row takes.
    pub fn lines_of(&self, row: &LogRow) -> usize {
        let folded = if self.unfolded.contains(&row.key) { (row.folded as usize).min(UNFOLDED) } else { 0 };
        if !self.look.wrap {
            return 1 + folded;
        }
        if let Some(n) = self.heights.borrow().get(&row.key) {
            return n + folded;
        }
        let n = self.wrapped(row).len();
        let mut heights = self.heights.borrow_mut();
        if heights.len() >= HEIGHTS {
            heights.clear();
        }
        heights.insert(row.key, n);
        n + folded
    }

    /// The lines of a wrapped row.
    pub fn wrapped(&self, row: &LogRow) -> Vec<String> {
        let width = usize::from(self.drawn.get().0).max(20);
        let (mut lines, all) = pieces::cut(&whole(row, &self.look), width, WRAPPED);
        if let Some(last) = lines.last_mut().filter(|_| !all) {
            last.pop();
            last.push('…');
        }
        lines
    }

    /// The pane is drawn with so many columns for messages and so many lines for rows.
    pub fn measure(&self, columns: u16, lines: u16) {
        if self.drawn.get().0 != columns {
            self.heights.borrow_mut().clear();
        }
        self.drawn.set((columns, lines));
    }

    /// Lines there were for rows when the pane was drawn last.
    pub fn drawn_lines(&self) -> u16 {
        self.drawn.get().1
    }

    /// Time of the last row that a row stands for.
    pub fn end_of(&self, row: &LogRow) -> crate::timeline::Ts {
        self.repeats.end(row).0
    }

    /// Whether nothing is left out between two rows.
    pub fn shows_all(&self) -> bool {
        self.filter.is_empty() && self.mutes.all().is_empty()
    }

    /// Sources are placed otherwise from now on: everything is read anew, round the time where the cursor is.
    pub fn moved(&mut self) {
        match self.selected().map(|r| r.placed) {
            Some(t) if self.scrolled => self.go_to(t),
            _ => self.reload(),
        }
    }

    /// The look was changed.
    pub fn relook(&mut self) {
        self.heights.borrow_mut().clear();
    }

    /// Scrolls messages by so many columns, no further than the longest of them.
    pub fn scroll_by(&mut self, by: isize) {
        let longest = self.rows.iter().map(|r| text::width(&whole(r, &self.look))).max().unwrap_or(0);
        self.look.scroll = self.look.scroll.saturating_add_signed(by).min(longest.saturating_sub(8));
    }

    /// Rows that say the same collapse from now on, or do no more; which of the two.
    pub fn toggle_repeats(&mut self) -> bool {
        let on = !self.repeats.on;
        self.repeats = Repeats::default();
        self.repeats.on = on;
        self.reload();
        self.repeats.on
    }

    /// How rows of a source were read, where any came.
    pub fn format_of(&self, source: crate::timeline::SourceId) -> Option<&'static str> {
        self.formats.get(&source).copied()
    }

    /// What has collapsed into a row.
    pub fn run(&self, key: &RowKey) -> Option<&Run> {
        self.repeats.run(key)
    }

    /// Mutes something, or takes that back; whether it is muted now.
    pub fn toggle_mute(&mut self, mute: Mute) -> bool {
        let muted = self.mutes.toggle(mute);
        let anchor = match self.selected().map(place) {
            Some((t, key)) if self.scrolled => Anchor::Row(key, t),
            _ => Anchor::End,
        };
        self.refilter(anchor);
        muted
    }

    /// What is muted.
    pub fn mutes(&self) -> &Mutes {
        &self.mutes
    }

    /// What a muted thing hides was counted.
    pub fn mute_counted(&mut self, index: usize, records: u64, more: bool) {
        self.mutes.counted(index, records, more);
    }

    /// `filter` without what is muted.
    pub fn unmuted(&self, filter: &Filter) -> Filter {
        self.mutes.under(filter)
    }

    /// A row came: what in it could have harmed a terminal is counted.
    pub(super) fn notice(&mut self, row: &LogRow) {
        let raw = String::from_utf8_lossy(&row.raw);
        let n: usize = raw.lines().map(text::neutralised).sum();
        if n > 0 {
            if self.neutralised.len() >= HEIGHTS {
                self.neutralised.clear();
            }
            self.neutralised.insert(row.key, n as u32);
        }
    }

    /// Characters that were made harmless in a row.
    pub fn neutralised(&self, key: &RowKey) -> u32 {
        self.neutralised.get(key).copied().unwrap_or(0)
    }

    /// Characters that were made harmless in the resident rows of a source.
    pub fn neutralised_of(&self, source: crate::timeline::SourceId) -> u64 {
        let own = self.rows.iter().filter(|r| r.key.source == source);
        own.map(|r| u64::from(self.neutralised(&r.key))).sum()
    }

    /// What the view does, for the pane's title; `passing` says how many records pass the filter.
    pub fn mode_text(&self, passing: Option<&str>) -> String {
        let mut parts = vec![match (self.scrolled, self.live) {
            (false, true) => "follow".to_owned(),
            (false, false) => "up to the playhead".to_owned(),
            (true, _) => "G follows".to_owned(),
        }];
        if !self.filter.is_empty() {
            let count = passing.map_or(String::new(), |p| format!(" {p}"));
            parts.push(format!("{}{count}", self.filter));
        }
        parts.extend(self.search_text());
        parts.extend(self.mutes.words());
        if self.repeats.on {
            parts.push("repeats collapsed".to_owned());
        }
        if self.context > 0 {
            parts.push(format!("±{} lines", self.context));
        }
        parts.extend(self.look.words());
        parts.join(" · ")
    }
}
