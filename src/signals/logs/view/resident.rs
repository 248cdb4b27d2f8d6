//! Which rows are resident: what is wanted of the store, one question at a time, and what comes in answer.

use std::collections::BTreeSet;

use super::{BARREN, LogView, MOST, Purpose, SCREENS, place};
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::store::{self, Anchor, Ask, LogArrival, LogQuery, Slot};
use crate::timeline::Filter;

impl LogView {
    pub(super) fn load(&mut self, anchor: Anchor) {
        self.anchor = Some(anchor);
        self.out = None;
        self.progress = None;
        self.barren = 0;
        self.context_rows.clear();
        self.context_done.clear();
    }

    /// Whether rows are being read.
    pub fn is_asking(&self) -> bool {
        self.out.is_some()
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
        if !self.at_start && shown.start < height && self.barren < BARREN {
            let anchor = self.rows.first().map_or(Anchor::End, |r| Anchor::Row(r.key, r.placed));
            // Where all of it collapses, more is asked for.
            let before = ((2 * height) << self.barren.min(4)).min(MOST.max(2 * height));
            return Some(self.ask(Purpose::Older, Ask::Rows { anchor, before, after: 0 }));
        }
        if !self.at_end
            && self.rows.len() - shown.end < height
            && let Some(last) = self.rows.last()
        {
            // Rows of others may lie within what the last one stands for.
            let (t, key) = self.reach.filter(|r| *r >= place(last)).unwrap_or_else(|| self.repeats.end(last));
            let anchor = Anchor::Row(key, t);
            return Some(self.ask(Purpose::Newer, Ask::Rows { anchor, before: 0, after: 2 * height + 1 }));
        }
        // Scrolled far back what comes is only counted, and only where the history cannot say how much it is.
        if self.changed && (self.at_end || self.counts_news()) {
            self.changed = false;
            let anchor = Anchor::Since(std::mem::take(&mut self.upto));
            // While it follows, what scrolls past between two looks is not made into rows: what is shown, and as much
            // above it as is always resident.
            let before = if self.scrolled { SCREENS } else { 2 } * height;
            let ask = Ask::Rows { anchor, before, after: 0 };
            return Some(self.ask(Purpose::Since(Vec::new()), ask));
        }
        self.unseen = false;
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

    pub(super) fn ask(&mut self, purpose: Purpose, ask: Ask) -> LogQuery {
        self.requests += 1;
        self.out = Some((self.requests, purpose));
        LogQuery {
            request: self.requests,
            slot: Slot::View,
            filter: self.mutes.under(&self.filter),
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
                    self.reach = None;
                    self.repeats.clear();
                }
                self.merge(a.rows);
                if a.done {
                    (self.at_start, self.at_end, self.upto) = (a.at_start, a.at_end, a.upto);
                    self.older = a.older;
                }
            }
            Purpose::Older => {
                let (before, came) = (self.rows.len(), !a.rows.is_empty());
                self.merge(a.rows);
                self.barren = if came && self.rows.len() <= before { self.barren + 1 } else { 0 };
                self.at_start = a.at_start;
                if a.done {
                    self.older = a.older;
                }
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
                    self.away.came(&new, a.gap);
                    match (a.gap, self.scrolled) {
                        _ if !self.at_end => {}
                        (false, _) => self.merge(new),
                        // More came than is kept: only the newest are of use here …
                        (true, false) => {
                            self.rows.clear();
                            self.reach = None;
                            self.repeats.clear();
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

    pub(super) fn merge(&mut self, new: Vec<LogRow>) {
        for row in new {
            self.reach = self.reach.max(Some(place(&row)));
            self.notice(&row);
            if row.format != store::scan::ABSENT {
                self.formats.insert(row.key.source, row.format);
            }
            let at = self.rows.partition_point(|r| place(r) < place(&row));
            match self.rows.get_mut(at) {
                Some(same) if same.key == row.key => *same = row,
                _ => self.rows.insert(at, row),
            }
        }
        // Neighbours of a hit are wanted one by one.
        if self.context == 0 {
            let shown = self.height;
            self.repeats.collapse(&mut self.rows, shown);
        }
    }

    /// Gives up rows far from what is shown.
    pub(super) fn trim(&mut self) {
        let keep = SCREENS * self.height.max(1);
        let shown = self.window(self.height);
        if self.rows.len() - shown.end > keep {
            self.rows.truncate(shown.end + keep);
            self.reach = self.rows.last().map(place);
            self.at_end = false;
        }
        if shown.start > keep {
            self.rows.drain(..shown.start - keep);
            self.at_start = false;
        }
    }
}
