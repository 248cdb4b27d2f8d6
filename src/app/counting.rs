//! Counts that take a while: hits of a search, records that are muted. One at a time, in the background, bounded by the
//! store; the newest one counts.

use std::time::Duration;

use super::effect::Effect;
use super::filtering;
use super::state::State;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::store::scan::thousands;
use crate::signals::logs::store::{Ask, LogArrival, LogQuery, Slot};
use crate::timeline::{Filter, Ts};
use crate::ui::Level;

/// What is being counted, and by which question.
#[derive(Clone, Debug, PartialEq)]
pub struct Counting {
    request: u64,
    what: What,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum What {
    /// Hits, and how many lie before this place.
    Hits((Ts, RowKey)),
    /// What the n-th muted thing hides.
    Mute(usize),
    /// Whose clock is off.
    Skews,
    /// How many hits lie the other way, and whether the row under the cursor is one.
    Beyond { forward: bool, here: bool },
}

/// A count is made again when lines came or the playhead moved, but not more often than this.
const OFTEN: Duration = Duration::from_secs(5);
/// And not more often than so many times as long as it took.
const SPARE: u32 = 10;

/// How many records pass the filter, and how many there are. What was counted stands until it is counted again.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    filter: Filter,
    /// Playhead and lines of the history when counting began.
    of: (Ts, u64),
    /// When counting began, and how long it took once it is over.
    begun: Ts,
    took: Option<Duration>,
    /// The question that is out, and whether it is about all records.
    out: Option<(u64, bool)>,
    /// Records, and whether that is all of them.
    pass: Option<(u64, bool)>,
    all: Option<(u64, bool)>,
    /// Questions asked so far.
    number: u64,
}

impl Passing {
    /// `588 of 4,500`, with `≥` before what may be more.
    pub fn words(&self) -> Option<String> {
        let said = |(n, whole): (u64, bool)| format!("{}{}", if whole { "" } else { "≥" }, thousands(n));
        let pass = said(self.pass?);
        Some(self.all.map_or_else(|| pass.clone(), |all| format!("{pass} of {}", said(all))))
    }

    fn arrive(&mut self, answer: &LogArrival, clock: Ts) {
        let Some((_, all)) = self.out.filter(|(request, _)| *request == answer.request) else { return };
        if let Some(count) = answer.count {
            let value = Some((count.records, answer.done && count.whole));
            match all {
                // A part of a count that was made before says less than that one.
                true if answer.done || self.all.is_none_or(|(_, whole)| !whole) => self.all = value,
                false if answer.done || self.pass.is_none_or(|(_, whole)| !whole) => self.pass = value,
                _ => {}
            }
        }
        if answer.done {
            self.out = (!all).then_some((0, true));
            self.took = all.then(|| clock.since(self.begun));
        }
    }
}

/// What is not known of how many records pass the filter; `None` without a filter and while an answer is awaited.
pub fn wants_passing(state: &mut State) -> Option<Box<LogQuery>> {
    if state.view.filter.is_empty() {
        state.view.passing = Passing { number: state.view.passing.number, ..Passing::default() };
        return None;
    }
    let filter = state.logs.unmuted(&state.view.filter);
    let until = if state.player.is_live() { Ts::MAX } else { state.now() };
    let (clock, of) = (state.player.clock, (until, state.timeline.logs.totals().0));
    let p = &mut state.view.passing;
    if p.filter != filter {
        *p = Passing { filter: filter.clone(), number: p.number, ..Passing::default() };
    }
    let all = match (p.out, p.took) {
        // The second half of a count.
        (Some((0, all)), _) => all,
        (Some(_), _) => return None,
        (None, None) => false,
        (None, Some(took)) if p.of != of && clock.since(p.begun) >= OFTEN.max(took * SPARE) => false,
        (None, Some(_)) => return None,
    };
    if !all {
        (p.of, p.begun, p.took) = (of, clock, None);
    }
    // Numbers of its own: a search that is out is known by being the newest of the others.
    p.number += 1;
    let request = p.number;
    p.out = Some((request, all));
    Some(Box::new(LogQuery {
        request,
        slot: Slot::Passing,
        filter: if all { Filter::default() } else { filter },
        sources: None,
        min_severity: None,
        visible_until: p.of.0,
        screen: 1,
        ask: Ask::Count { pattern: None, at: Default::default() },
    }))
}

/// A part of that count came.
pub fn passing(state: &mut State, answer: &LogArrival) {
    let clock = state.player.clock;
    state.view.passing.arrive(answer, clock);
}

/// No hit lies further on: how many lie the other way is counted.
pub fn beyond(state: &mut State) -> Vec<Effect> {
    let Some(pattern) = state.logs.search_pattern() else { return Vec::new() };
    let Some(row) = state.logs.selected() else { return Vec::new() };
    let at = (row.placed, row.key);
    let here = state.logs.search_regex().is_some_and(|r| r.is_match(&row.raw));
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Beyond { forward: state.view.forward, here } });
    filtering::ask(state, request, Slot::Count, Ask::Count { pattern: Some(pattern), at })
}

/// A hit was found, after `from`: says which one it is, or has them counted.
pub fn hit(state: &mut State, from: Option<RowKey>, row: &LogRow) -> Vec<Effect> {
    if state.logs.stepped(from, row, state.view.forward) {
        return Vec::new();
    }
    let Some(pattern) = state.logs.search_pattern() else { return Vec::new() };
    let at = (row.placed, row.key);
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Hits(at) });
    filtering::ask(state, request, Slot::Count, Ask::Count { pattern: Some(pattern), at })
}

/// Has the records counted that the n-th muted thing hides.
pub fn muted(state: &mut State, index: usize) -> Vec<Effect> {
    let Some(term) = state.logs.mutes().all().get(index).map(|m| m.term.clone()) else { return Vec::new() };
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Mute(index) });
    let mut effects = filtering::ask(state, request, Slot::Count, Ask::Count { pattern: None, at: Default::default() });
    for effect in &mut effects {
        if let Effect::AskLogs(query) = effect {
            query.filter = state.view.filter.and(&term);
        }
    }
    effects
}

/// Has the clocks of log sources compared, by the requests of the window that is shown, whatever is filtered.
pub fn skews(state: &mut State) -> Vec<Effect> {
    let request = filtering::next_request(state);
    state.view.counting = Some(Counting { request, what: What::Skews });
    let range = super::facts::window(state, state.view.area.width);
    let mut effects = filtering::ask(state, request, Slot::Count, Ask::Skews { range });
    for effect in &mut effects {
        if let Effect::AskLogs(query) = effect {
            query.filter = crate::timeline::Filter::default();
        }
    }
    effects
}

/// A count came, or a part of it.
pub fn arrive(state: &mut State, answer: &LogArrival) {
    let Some(counting) = state.view.counting.clone().filter(|c| c.request == answer.request) else { return };
    if counting.what == What::Skews {
        state.view.skews = answer.skews.clone();
    }
    if let Some(count) = answer.count {
        match counting.what {
            What::Hits(at) => state.logs.counted(count, at, answer.done),
            What::Skews => {}
            What::Beyond { forward, here } => {
                let other =
                    if forward { count.before } else { (count.records - count.before).saturating_sub(here.into()) };
                let (way, more) = (if forward { "above" } else { "below" }, if count.whole { "" } else { "≥" });
                let said = match (count.records, here) {
                    (0, _) => format!("no hit{}", if count.whole { "" } else { " so far" }),
                    (1, true) => "no further hit; this is the only one".to_owned(),
                    (all, _) => {
                        format!("no further hit; {more}{} {way}, {more}{} in all", thousands(other), thousands(all))
                    }
                };
                state.say(Level::Warn, said);
            }
            What::Mute(i) => state.logs.mute_counted(i, count.records, !(answer.done && count.whole)),
        }
    }
    if answer.done {
        state.view.counting = None;
    }
}
