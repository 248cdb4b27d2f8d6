//! The newest errors among the rows that came, for the kinds of errors in the verdict: a sample that does not change with
//! every frame, and does not shrink to the one error that happens to be at hand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::signals::logs::kinds::{kind, shares};
use crate::signals::logs::repeats::Place;
use crate::signals::logs::row::LogRow;
use crate::timeline::{Severity, Ts};

/// Errors remembered.
const MOST: usize = 1_000;
/// The sample is so many of the newest errors …
const LAST: usize = 100;
/// … and all of the last seconds.
const SPAN: Duration = Duration::from_secs(10);
/// The words stand for so long.
const SETTLED: Duration = Duration::from_secs(2);

/// Kinds of errors by place.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    kinds: BTreeMap<Place, String>,
    said: RefCell<Option<(Ts, String)>>,
}

impl Errors {
    /// A row came.
    pub(super) fn came(&mut self, row: &LogRow) {
        if row.severity < Some(Severity::Error) || self.kinds.contains_key(&(row.placed, row.key)) {
            return;
        }
        self.kinds.insert((row.placed, row.key), kind(row));
        if self.kinds.len() > MOST {
            self.kinds.pop_first();
        }
    }

    /// Another filter: what it lets through comes anew.
    pub(super) fn clear(&mut self) {
        *self = Errors::default();
    }

    /// `pool timed out (98 %), KeyError (2 %) of the last 120`; empty where none is known. It changes every two seconds
    /// of `now` at most.
    pub(super) fn words(&self, now: Ts) -> String {
        let settled = now.floor(SETTLED);
        if let Some((_, said)) = self.said.borrow().as_ref().filter(|(at, _)| *at == settled) {
            return said.clone();
        }
        let upto = || self.kinds.iter().rev().skip_while(|((at, _), _)| *at > now);
        let Some(newest) = upto().next().map(|((at, _), _)| *at) else { return String::new() };
        let sample = upto().enumerate().take_while(|(i, ((at, _), _))| *i < LAST || newest.since(*at) < SPAN);
        let said = shares(sample.map(|(_, (_, kind))| (kind.clone(), 1)), true);
        *self.said.borrow_mut() = Some((settled, said.clone()));
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::view::tests::row;

    fn error(i: i64, said: &str) -> LogRow {
        LogRow { severity: Some(Severity::Error), message: said.into(), ..row(i) }
    }

    #[test]
    fn kinds_of_errors_stand_for_two_seconds_and_never_for_the_last_error_alone() {
        let mut errors = Errors::default();
        for i in 0..150 {
            errors.came(&error(i, if i % 10 == 0 { "KeyError: x" } else { "pool timed out" }));
        }
        let now = Ts::from_secs(148);
        assert_eq!(errors.words(now), "pool timed out (90 %), KeyError (10 %) of the last 100");
        // Many of another kind at once: shown when the time has come.
        for i in 0..500 {
            errors.came(&error(150 + i / 250, &format!("disk full {i}")).clone_at(i));
        }
        assert_eq!(
            errors.words(now + Duration::from_secs(1)),
            "pool timed out (90 %), KeyError (10 %) of the last 100"
        );
        let later = errors.words(now + Duration::from_secs(4));
        assert!(later.starts_with("disk full # (98 %)"), "{later}");
        // A playhead that went back sees what was there.
        assert!(errors.words(Ts::from_secs(20)).ends_with("of the last 21"));
    }

    impl LogRow {
        fn clone_at(&self, i: i64) -> LogRow {
            let mut row = self.clone();
            row.key.offset = 1_000 + i as u64;
            row
        }
    }
}
