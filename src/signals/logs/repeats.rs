//! Rows that say the same again and again, collapsed into the first of them with a count and a span.
//!
//! The same is what differs only in words that hold digits: numbers, IDs, times, in one source. Rows collapse into the
//! first of them where at most [`REACH`] shown rows lie between, so that lines of other sources do not keep them apart and
//! nothing collapses into a row that is out of sight. Rows that collapsed are not held; unfolding reads them again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::kinds::status;
use super::row::{LogRow, RowKey};
use crate::timeline::Ts;

/// Place of a row in the merged order.
pub type Place = (Ts, RowKey);

/// Characters of a message that are compared.
const COMPARED: usize = 300;
/// Shown rows that may lie between two that collapse, at most; fewer where fewer are shown at a time.
pub const REACH: usize = 200;
/// Unfolded spans remembered.
const OPEN: usize = 100;

/// Rows that collapsed into one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many, the one that is shown among them.
    pub count: u64,
    /// The last of them.
    pub until: Place,
}

/// Which rows stand for how many.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    /// Whether rows collapse at all.
    pub on: bool,
    runs: BTreeMap<RowKey, Run>,
    hashes: BTreeMap<RowKey, u64>,
    open: Vec<Opened>,
}

/// Rows that were unfolded.
#[derive(Copy, Clone, Debug)]
struct Opened {
    first: Place,
    last: Place,
    /// Only rows that say this; all of them where it is `None`.
    said: Option<u64>,
}

fn place(row: &LogRow) -> Place {
    (row.placed, row.key)
}

impl Repeats {
    /// What a row stands for, when it is more than itself.
    pub fn run(&self, key: &RowKey) -> Option<&Run> {
        self.runs.get(key)
    }

    /// The place of the last row that this one stands for.
    pub fn end(&self, row: &LogRow) -> Place {
        self.runs.get(&row.key).map_or_else(|| place(row), |r| r.until)
    }

    /// What has collapsed into `row` does not any more.
    pub fn unfold(&mut self, row: &LogRow) {
        let (first, last, said) = (place(row), self.end(row), Some(self.hash(row)));
        self.open(Opened { first, last, said });
    }

    /// The row at this place stands for itself from now on.
    pub fn unfold_at(&mut self, at: Place) {
        self.open(Opened { first: at, last: at, said: None });
    }

    fn open(&mut self, opened: Opened) {
        self.open.push(opened);
        if self.open.len() > OPEN {
            self.open.remove(0);
        }
    }

    /// The unfolded span that a row lies in collapses again; whether it lay in one.
    pub fn fold(&mut self, row: &LogRow) -> bool {
        let (before, at, said) = (self.open.len(), place(row), self.hash(row));
        let holds = |o: &Opened| o.first < o.last && o.first <= at && at <= o.last && o.said.is_none_or(|s| s == said);
        self.open.retain(|o| !holds(o));
        self.open.len() < before
    }

    /// Nothing has collapsed yet; what was unfolded stays so.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.hashes.clear();
    }

    /// Collapses `rows`, which are in order; `shown` of them are seen at a time.
    pub fn collapse(&mut self, rows: &mut Vec<LogRow>, shown: usize) {
        if !self.on {
            return;
        }
        let reach = shown.clamp(1, REACH);
        // Where the row stands that a saying collapses into.
        let mut firsts: BTreeMap<u64, usize> = BTreeMap::new();
        let mut out: Vec<LogRow> = Vec::with_capacity(rows.len());
        for row in rows.drain(..) {
            let said = self.hash(&row);
            if self.is_open(place(&row), said) {
                firsts.remove(&said);
                out.push(row);
                continue;
            }
            let first = firsts.get(&said).filter(|i| out.len() - **i <= reach).and_then(|i| out.get(*i));
            match first.map(|first| (first.key, place(first))) {
                Some((key, at)) => self.absorb(key, at, &row),
                None => {
                    firsts.insert(said, out.len());
                    out.push(row);
                }
            }
        }
        *rows = out;
        if self.hashes.len() > rows.len() * 2 + 64 {
            let kept: std::collections::BTreeSet<RowKey> = rows.iter().map(|r| r.key).collect();
            self.hashes.retain(|k, _| kept.contains(k));
            // One that was given up still knows which of these rows are its own when it comes again.
            let oldest = rows.first().map(place);
            self.runs.retain(|k, run| kept.contains(k) || Some(run.until) >= oldest);
        }
    }

    fn absorb(&mut self, first: RowKey, at: Place, row: &LogRow) {
        let more = self.runs.remove(&row.key).unwrap_or(Run { count: 1, until: place(row) });
        let run = self.runs.entry(first).or_insert(Run { count: 1, until: at });
        // One that came twice was counted when it came first.
        if more.until > run.until {
            *run = Run { count: run.count + more.count, until: more.until };
        }
        self.hashes.remove(&row.key);
    }

    fn is_open(&self, at: Place, said: u64) -> bool {
        self.open.iter().any(|o| o.first <= at && at <= o.last && o.said.is_none_or(|s| s == said))
    }

    fn hash(&mut self, row: &LogRow) -> u64 {
        *self.hashes.entry(row.key).or_insert_with(|| {
            // Fixed keys: the same rows collapse in every run of the program.
            let mut h = DefaultHasher::new();
            (row.key.source, row.severity, row.format, status(row)).hash(&mut h);
            let message = row.message.lines().next().filter(|m| !m.trim().is_empty());
            match message {
                Some(m) => mask(m).hash(&mut h),
                None => mask(&String::from_utf8_lossy(&row.raw[..row.raw.len().min(COMPARED)])).hash(&mut h),
            }
            for (name, value) in &row.fields {
                if matches!(name.as_str(), "error" | "err" | "exception" | "method" | "path" | "uri" | "url" | "route")
                {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    (name.as_str(), mask(value.split('?').next().unwrap_or_default())).hash(&mut h);
                }
            }
            h.finish()
        })
    }
}

/// The text with every word that holds a digit as `#`; a word is letters, digits, `_` and `-`.
pub fn mask(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.char_indices().take(COMPARED).last().map_or("", |(i, c)| &text[..i + c.len_utf8()]);
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        match &rest[..end] {
            "" => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
            word => {
                out.push_str(if word.bytes().any(|b| b.is_ascii_digit()) { "#" } else { word });
                rest = &rest[end..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::view::tests::row;

    fn said(message: &str, i: i64) -> LogRow {
        LogRow { message: message.into(), ..row(i) }
    }

    #[test]
    fn numbers_and_ids_are_masked_and_words_are_not() {
        assert_eq!(mask("GET /orders/81?user=7 503 in 12ms"), "GET /orders/#?user=# # in #");
        assert_eq!(mask("job 550e8400-e29b-41d4-a716-446655440000 of order-service"), "job # of order-service");
        assert_eq!(mask("日本 7"), "日本 #");
    }

    #[test]
    fn neighbours_that_say_the_same_collapse_and_an_older_or_repeated_part_changes_no_count() {
        let mut r = Repeats { on: true, ..Repeats::default() };
        let mut rows = vec![said("start", 1), said("timeout 3", 2), said("timeout 4", 3), said("end", 4)];
        r.collapse(&mut rows, 20);
        assert_eq!(rows.iter().map(|r| r.message.as_str()).collect::<Vec<_>>(), ["start", "timeout 3", "end"]);
        assert_eq!(r.run(&rows[1].key).map(|r| r.count), Some(2));
        assert!(r.run(&rows[0].key).is_none());
        // The last one comes again with more behind it.
        let mut rows = vec![rows.remove(1), said("timeout 4", 3), said("timeout 5", 5)];
        r.collapse(&mut rows, 20);
        assert_eq!((rows.len(), r.run(&rows[0].key).map(|r| r.count)), (1, Some(3)));
        // And older ones before it.
        rows.insert(0, said("timeout 1", 0));
        r.collapse(&mut rows, 20);
        assert_eq!(r.run(&rows[0].key), Some(&Run { count: 4, until: (Ts::from_secs(5), row(5).key) }));
        // Another severity is not the same.
        let mut worse = said("timeout 6", 6);
        worse.severity = Some(crate::timeline::Severity::Error);
        rows.push(worse);
        r.collapse(&mut rows, 20);
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn what_was_unfolded_stays_unfolded_until_it_is_folded_again() {
        let mut r = Repeats { on: true, ..Repeats::default() };
        let all = || (0..5).map(|i| said("again", i)).collect::<Vec<_>>();
        let mut rows = all();
        r.collapse(&mut rows, 20);
        r.unfold(&rows[0].clone());
        r.clear();
        let mut rows = all();
        r.collapse(&mut rows, 20);
        assert_eq!(rows.len(), 5);
        assert!(r.fold(&rows[2].clone()));
        r.collapse(&mut rows, 20);
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn lines_of_one_source_collapse_although_those_of_others_lie_between_and_unfold_in_their_places() {
        let mut r = Repeats { on: true, ..Repeats::default() };
        let of = |source: u32, message: &str, i: i64| {
            let mut row = said(message, i);
            row.key.source = crate::timeline::SourceId(source);
            row
        };
        let all = || {
            let pair = |i: i64| [of(1, &format!("timeout {i}"), 2 * i), of(2, &format!("GET /{i} 200"), 2 * i + 1)];
            (0..5).flat_map(pair).collect::<Vec<_>>()
        };
        let mut rows = all();
        r.collapse(&mut rows, 20);
        assert_eq!(rows.iter().map(|r| r.message.as_str()).collect::<Vec<_>>(), ["timeout 0", "GET /0 200"]);
        let run = *r.run(&rows[0].key).expect("a run");
        assert_eq!((run.count, run.until.0), (5, Ts::from_secs(8)), "first time, count and span");
        r.unfold(&rows[0].clone());
        r.clear();
        let mut rows = all();
        r.collapse(&mut rows, 20);
        let shown: Vec<_> = rows.iter().map(|r| r.message.as_str()).collect();
        assert_eq!(shown, ["timeout 0", "GET /0 200", "timeout 1", "timeout 2", "timeout 3", "timeout 4"]);
        // Out of sight is out of reach.
        let mut rows: Vec<_> = (0..30).map(|i| of(1, &"x".repeat(i + 1), i as i64)).collect();
        rows.insert(0, of(1, "timeout 1", -1));
        rows.push(of(1, "timeout 2", 40));
        r.collapse(&mut rows, 20);
        assert_eq!(rows.len(), 32);
    }
}
