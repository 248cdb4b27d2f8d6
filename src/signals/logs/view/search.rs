//! Searching: what for, how many hits there are and which one this is, and rows round hits.

use super::LogView;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::store::{Count, Pattern};
use crate::timeline::Ts;

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    what: Option<(String, regex::bytes::Regex)>,
    hits: Option<Hits>,
}

/// How many hits there are.
#[derive(Copy, Clone, Debug)]
struct Hits {
    count: Count,
    /// The hit that `count.before` belongs to.
    at: RowKey,
    /// Lines came since, or not all was looked at yet.
    more: bool,
}

impl Search {
    /// Lines came: there may be more hits.
    pub(super) fn grown(&mut self) {
        if let Some(h) = &mut self.hits {
            h.more = true;
        }
    }
}

impl LogView {
    /// What is searched for: text, or `/a regular expression/`; in any case where it has no capital. Empty: nothing.
    pub fn set_search(&mut self, text: &str) {
        let body = text.strip_prefix('/').and_then(|t| t.strip_suffix('/')).filter(|t| !t.is_empty());
        let source = body.map_or_else(|| regex::escape(text), str::to_owned);
        // The store reads the pattern itself, too, so that it says all there is to say.
        let flag = if text.chars().any(char::is_uppercase) { "" } else { "(?i)" };
        let build =
            |source: &str| regex::bytes::RegexBuilder::new(&format!("{flag}{source}")).size_limit(1 << 20).build();
        self.search.hits = None;
        self.search.what = match text {
            "" => None,
            // A regular expression that is no such thing (yet) is text.
            _ => build(&source).or_else(|_| build(&regex::escape(text))).ok().map(|r| (text.to_owned(), r)),
        };
    }

    /// What is searched for, as the store understands it.
    pub fn search_pattern(&self) -> Option<Pattern> {
        self.search.what.as_ref().map(|(_, r)| Pattern::Regex(r.clone()))
    }

    /// What is searched for, for marking hits.
    pub fn search_regex(&self) -> Option<&regex::bytes::Regex> {
        self.search.what.as_ref().map(|(_, r)| r)
    }

    /// More or fewer unfiltered lines of the same source round the hit under the cursor.
    pub fn change_context(&mut self, by: i32) {
        self.context = self.context.saturating_add_signed(by as isize).min(50);
        let context = std::mem::take(&mut self.context_rows);
        self.rows.retain(|r| !context.contains(&r.key));
        self.context_done.clear();
    }

    /// `/pool · hit 3 of 41`, with `+` where there may be more.
    pub fn search_text(&self) -> Option<String> {
        let (text, _) = self.search.what.as_ref()?;
        let hits = self.search.hits.map_or(String::new(), |h| {
            let of = format!("{}{}", h.count.records, if h.more || !h.count.whole { "+" } else { "" });
            match self.selected().map(|r| r.key) == Some(h.at) {
                true => format!(" · hit {} of {of}", h.count.before + 1),
                false => format!(" · {of} hits"),
            }
        });
        Some(format!("/{text}{hits}"))
    }

    /// A hit was found: which one it is, where that follows from the one before. False: it has to be counted.
    pub fn stepped(&mut self, from: Option<RowKey>, to: &LogRow, forward: bool) -> bool {
        match &mut self.search.hits {
            Some(h) if Some(h.at) == from && h.count.whole && (forward || h.count.before > 0) => {
                let before = if forward { h.count.before + 1 } else { h.count.before - 1 };
                // What came since is a hit as well.
                h.count.records = h.count.records.max(before + 1);
                (h.count.before, h.at) = (before, to.key);
                true
            }
            _ => false,
        }
    }

    /// Hits were counted, or some of them so far.
    pub fn counted(&mut self, count: Count, at: (Ts, RowKey), done: bool) {
        if self.search.what.is_some() {
            self.search.hits = Some(Hits { count, at: at.1, more: !done });
        }
    }
}
