//! What came and went between two looks: generations that were rotated away before they were seen, copies that hold what
//! was written before a file was cut, and how much is lost for good.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::open::{Open, read_range};
use crate::signals::logs::store::packed;
use crate::signals::logs::store::rotated::{self, Rotated};
use crate::signals::logs::store::scan::counted;
use crate::timeline::Ts;

/// Span that the rate of a source is taken over.
const SPAN: Duration = Duration::from_secs(10);
/// Times of files are this coarse.
pub const TICK: Duration = Duration::from_millis(10);
/// Fewer lines than this are not said to be lost on the strength of a rate alone.
const FEW: u64 = 20;

/// Lines that were told, by look: what a gap of so much time may have cost.
#[derive(Debug, Default)]
pub struct Rate {
    looks: VecDeque<(Ts, u64)>,
}

impl Rate {
    /// `lines` came with the look at `now`.
    pub fn came(&mut self, now: Ts, lines: u64) {
        if lines > 0 {
            self.looks.push_back((now, lines));
        }
        while self.looks.front().is_some_and(|(t, _)| now.since(*t) > SPAN) {
            self.looks.pop_front();
        }
    }

    /// Lines that may come in `gap`, at twice the usual rate; 0 when few or none came lately.
    pub fn in_gap(&self, gap: Duration, now: Ts) -> u64 {
        let Some((first, _)) = self.looks.front().filter(|(t, _)| now.since(*t) <= SPAN) else { return 0 };
        let last = self.looks.back().map_or(*first, |(t, _)| *t);
        let lines: u64 = self.looks.iter().map(|(_, n)| n).sum();
        let span = last.since(*first).max(Duration::from_millis(250)).as_secs_f64();
        (lines as f64 / span * gap.as_secs_f64() * 2.0).ceil() as u64
    }
}

/// `; up to 1,204 lines may be lost with …`, or nothing.
pub fn lost(rate: &Rate, gap: Duration, now: Ts, with: &str) -> String {
    match rate.in_gap(gap + TICK, now) {
        n if n < FEW => String::new(),
        n => format!("; up to {} may be lost{with}", counted(n, "line")),
    }
}

/// When a file was made, as far as its file system knows.
pub fn born(file: &File) -> Option<Ts> {
    let made = file.metadata().ok()?.created().ok()?;
    let d = made.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(d.as_nanos()).ok().map(Ts)
}

/// The files beside a log that were there already.
#[derive(Debug, Default)]
pub struct Beside {
    known: BTreeSet<(u64, u64)>,
}

impl Beside {
    /// Remembers what lies beside `path` now.
    pub fn look(&mut self, path: &Path) {
        self.known = rotated::siblings(path).iter().map(|r| r.id).collect();
    }

    /// What lies beside `path` that was not there at the last [`Beside::look`] and was written to no earlier than `old`,
    /// which was read until now; oldest first. Neither itself, renamed, nor a copy of it is among them; the second part
    /// says whether there is such a copy, packed perhaps.
    pub fn new_ones(&self, path: &Path, old: &Open) -> (Vec<(Rotated, Arc<File>)>, bool) {
        let news = rotated::siblings(path).into_iter().filter(|r| !self.known.contains(&r.id) && r.id != old.id);
        let recent = news.filter(|r| r.modified >= old.seen.1);
        let opened = recent.filter_map(|r| File::open(&r.path).ok().map(|f| (r, Arc::new(f))));
        let (copies, missed): (Vec<_>, Vec<_>) = opened.partition(|(_, file)| old.begins(file));
        (missed, !copies.is_empty())
    }

    /// The copy of what was read until now, when one lies beside `path` that was not there before.
    pub fn copy_of(&self, path: &Path, old: &Open) -> Option<(Rotated, Arc<File>)> {
        let news = rotated::siblings(path).into_iter().rev().filter(|r| r.id != old.id && !self.known.contains(&r.id));
        let opened = news.filter_map(|r| File::open(&r.path).ok().map(|f| (r, Arc::new(f))));
        opened.take(8).find(|(r, file)| {
            if packed::packing(file).is_some() { old.begins(file) } else { r.len > 0 && old.stands_in(file) }
        })
    }
}

impl Open {
    /// Whether `file`, packed or not, begins as this one does.
    fn begins(&self, file: &Arc<File>) -> bool {
        let head = if packed::packing(file).is_some() {
            packed::head(file, self.head.len()).unwrap_or_default()
        } else {
            read_range(file, 0, self.head.len() as u64).unwrap_or_default()
        };
        !self.head.is_empty() && head == self.head
    }
}
