//! The kinds of the newest errors, for the verdict: a sample that depends on the playhead alone, neither on what was looked
//! at before nor on which rows are at hand, and that does not change with every frame.

use std::time::Duration;

use super::LogView;
use crate::signals::logs::store::{Ask, LogArrival, LogQuery, Slot};
use crate::timeline::{Filter, Severity, TimeRange, Ts};

/// The words stand for so long.
const SETTLED: Duration = Duration::from_secs(2);
/// The sample reaches so far back, however few they are.
const SPAN: Duration = Duration::from_secs(120);
/// Words that are older than this are of another time.
const STALE: Duration = Duration::from_secs(20);

/// What is known of kinds of errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    /// The newest words, and up to when they are true.
    said: Option<(Ts, String)>,
    /// The question that is out, and up to when it asks.
    out: Option<(u64, Ts)>,
}

impl LogView {
    /// What must be asked for the words at `now`, where errors are above their usual rate since `since`; every two
    /// seconds of `now` at most.
    pub fn wants_kinds(&mut self, since: Option<Ts>, now: Ts) -> Option<LogQuery> {
        let Some(since) = since else {
            self.errors = Errors::default();
            return None;
        };
        let range = TimeRange::new(since.max(now - SPAN), settled(since, now));
        let known = self.errors.said.as_ref().is_some_and(|(upto, _)| *upto == range.end);
        if known || self.errors.out.is_some() {
            return None;
        }
        self.requests += 1;
        self.errors.out = Some((self.requests, range.end));
        Some(LogQuery {
            request: self.requests,
            slot: Slot::Kinds,
            filter: Filter::default(),
            sources: None,
            min_severity: Some(Severity::Error),
            visible_until: self.now,
            screen: 0,
            ask: Ask::Kinds { range },
        })
    }

    /// Takes in words; stale ones are dropped, and so are parts that only tell progress.
    pub fn kinds_came(&mut self, answer: &LogArrival) {
        if !answer.done {
            return;
        }
        if let Some((_, upto)) = self.errors.out.take_if(|(request, _)| *request == answer.request) {
            self.errors.said = Some((upto, answer.kinds.clone()));
        }
    }

    /// `pool timed out (98 %), KeyError (2 %) of the last 100`; the words from a moment ago while newer ones are awaited,
    /// empty where none are known.
    pub fn error_kinds(&self, since: Ts, now: Ts) -> &str {
        let fresh = |upto: Ts| upto <= settled(since, now) && upto > since && now.since(upto) < STALE;
        self.errors.said.as_ref().filter(|(upto, _)| fresh(*upto)).map_or("", |(_, said)| said)
    }
}

/// Up to when a sample goes: whole steps, but for the first moments of trouble.
fn settled(since: Ts, now: Ts) -> Ts {
    let step = now.floor(SETTLED);
    if step > since { step } else { now.floor(SETTLED / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_once_for_two_seconds_and_words_of_another_time_are_not_shown() {
        let mut view = LogView::new();
        let at = |s: i64| Ts::from_secs(s);
        assert!(view.wants_kinds(None, at(100)).is_none());
        let asked = view.wants_kinds(Some(at(90)), at(101)).expect("a question");
        let Ask::Kinds { range } = asked.ask else { panic!("{:?}", asked.ask) };
        assert_eq!(range, TimeRange::new(at(90), at(100)));
        assert!(view.wants_kinds(Some(at(90)), at(101)).is_none(), "one at a time");
        let answer =
            |request, kinds: &str| LogArrival { request, kinds: kinds.into(), done: true, ..LogArrival::default() };
        view.kinds_came(&answer(asked.request + 7, "of something else"));
        view.kinds_came(&LogArrival { request: asked.request, ..LogArrival::default() });
        assert_eq!(view.error_kinds(at(90), at(101)), "", "progress");
        view.kinds_came(&answer(asked.request, "KeyError (100 %)"));
        assert_eq!(view.error_kinds(at(90), at(101)), "KeyError (100 %)");
        assert!(view.wants_kinds(Some(at(90)), at(101)).is_none(), "known");
        // While newer words are awaited these stand; they do not before their time, nor long after, nor for other trouble.
        assert!(view.wants_kinds(Some(at(90)), at(103)).is_some());
        assert_eq!(view.error_kinds(at(90), at(103)), "KeyError (100 %)");
        assert_eq!(view.error_kinds(at(90), at(95)), "");
        assert_eq!(view.error_kinds(at(90), at(140)), "");
        assert_eq!(view.error_kinds(at(102), at(103)), "");
    }
}
