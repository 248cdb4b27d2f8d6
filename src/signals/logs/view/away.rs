//! What came since one scrolled away from the newest rows.

use std::cell::Cell;

use super::LogView;
use crate::signals::logs::history::LogsHistory;
use crate::signals::logs::row::LogRow;
use crate::timeline::Severity;

/// Counts, since following ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Away {
    /// Lines and errors of the history when it was first seen that nobody follows.
    since: Cell<Option<(u64, u64)>>,
    rows: u64,
    errors: u64,
    more: bool,
}

impl Away {
    /// Rows that pass the filter came; `gap` when some were left out.
    pub(super) fn came(&mut self, rows: &[LogRow], gap: bool) {
        self.rows += rows.len() as u64;
        self.errors += rows.iter().filter(|r| r.severity >= Some(Severity::Error)).count() as u64;
        self.more |= gap;
    }

    /// Others are looked for from here on: rows of before say nothing of these.
    pub(super) fn sifted(&mut self) {
        (self.rows, self.errors, self.more) = (0, 0, false);
    }
}

impl LogView {
    /// Whether what comes must be looked at to be counted: the history knows no filter.
    pub(super) fn counts_news(&self) -> bool {
        self.scrolled && self.live && !self.shows_all()
    }

    /// Following begins or ends here: nothing has come yet.
    pub(super) fn turned(&mut self) {
        self.away = Away::default();
    }

    /// `↓ 214 new, 3 errors`: what came since following ended; `None` while it follows, or when nothing came.
    pub fn news(&self, history: &LogsHistory, down: &str) -> Option<String> {
        if !self.scrolled || !self.live {
            return None;
        }
        let totals = history.totals();
        let since = self.away.since.get().unwrap_or(totals);
        self.away.since.set(Some(since));
        let (lines, errors, more) = if self.shows_all() {
            (totals.0.saturating_sub(since.0), totals.1.saturating_sub(since.1), "")
        } else {
            (self.away.rows, self.away.errors, if self.away.more { "+" } else { "" })
        };
        let errors = match errors {
            0 => String::new(),
            1 => ", 1 error".to_owned(),
            n => format!(", {n} errors"),
        };
        (lines > 0).then(|| format!("{down} {lines}{more} new{errors}"))
    }
}
