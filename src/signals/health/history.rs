//! All that is known of health, as of any playhead: per probe its results, its latency, and when it turned.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{HealthEvent, Probe};
use crate::timeline::facts::{Mark, MarkKind};
use crate::timeline::{History, Seq, Series, SourceId, TimeRange, Ts};

/// Results kept of one probe: nearly three hours at one every five seconds.
pub const RESULTS: usize = 2_000;
/// Turns kept of one probe.
pub const TURNS: usize = 500;
/// Probes kept; results of further names are counted and dropped.
pub const PROBES: usize = 64;

/// From right to wrong or back.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Whether it was right from then on.
    pub ok: bool,
    /// The reason of the first wrong answer; empty when right.
    pub reason: String,
    /// Whether there was a result before: the first one of all turns nothing.
    pub first: bool,
    observed: Ts,
}

/// One probe.
#[derive(Clone, Debug)]
pub struct ProbeHistory {
    results: History<Probe>,
    latency: Series,
    failed: Series,
    /// Whether the result before the first one held was well, where that is known.
    carried: Option<bool>,
    turns: BTreeMap<(Ts, Seq), Turn>,
    turns_evicted: u64,
}

/// How a probe stands at a playhead.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeState<'a> {
    /// The newest result.
    pub probe: &'a Probe,
    /// Since when it has been right, or wrong, without a break.
    pub since: Ts,
    /// Whether `since` is only the first result there is: it may have been so for longer.
    pub since_first: bool,
    /// Why it failed first; the reason may have changed since. Empty when right.
    pub first_reason: &'a str,
    /// How old the newest result is.
    pub age: Duration,
    /// Turns within the last half hour.
    pub flaps: usize,
}

impl ProbeState<'_> {
    /// Whether its newest result is too old to speak for the present: three intervals and a bit.
    pub fn stale(&self) -> bool {
        self.age > Duration::from_millis(u64::from(self.probe.interval_ms) * 3) + Duration::from_secs(5)
    }
}

impl ProbeHistory {
    fn new() -> ProbeHistory {
        ProbeHistory {
            results: History::new(RESULTS),
            latency: Series::default(),
            failed: Series::default(),
            carried: None,
            turns: BTreeMap::new(),
            turns_evicted: 0,
        }
    }

    fn apply(&mut self, seq: Seq, observed: Ts, probe: &Probe) {
        let (at, key) = (probe.at, (probe.at, seq));
        let before = self.results.all().rev().find(|e| (e.at, e.seq) < key).map(|e| e.value.ok).or(self.carried);
        // A result that came late may move the turn behind it.
        let behind = self.results.all().rev().take_while(|e| (e.at, e.seq) > key).last().cloned();
        if before != Some(probe.ok) {
            let first = before.is_none();
            self.turns.insert(key, Turn { ok: probe.ok, reason: probe.reason(), first, observed });
        }
        if let Some(next) = behind {
            let next_key = (next.at, next.seq);
            if next.value.ok == probe.ok {
                self.turns.remove(&next_key);
            } else {
                let turn =
                    Turn { ok: next.value.ok, reason: next.value.reason(), first: false, observed: next.observed };
                self.turns.insert(next_key, turn);
            }
        }
        while self.turns.len() > TURNS {
            self.turns.pop_first();
            self.turns_evicted += 1;
        }
        if probe.ok {
            // Of a failure the time says only how long somebody waited: a gap.
            self.latency.push(at, probe.latency_ms);
        } else {
            self.failed.push(at, 1.0);
        }
        self.results.push(at, observed, seq, probe.clone());
    }

    /// How it stands at `now`; `None` before its first result.
    pub fn state(&self, now: Ts) -> Option<ProbeState<'_>> {
        let newest = self.results.latest(now)?;
        let probe = &newest.value;
        let mut visible = self.turns.range(..=(now, Seq::MAX)).rev().filter(|(_, t)| t.observed <= now);
        let turn = visible.find(|(_, t)| t.ok == probe.ok);
        // A range ends before its end; what turned at this very instant counts.
        let half_hour = TimeRange::ending(Ts(now.0.saturating_add(1)), Duration::from_secs(1_800));
        let flaps = self.turns(half_hour, now).filter(|(_, t)| !t.first).count();
        Some(ProbeState {
            probe,
            since: turn.map_or(newest.at, |((at, _), _)| *at),
            since_first: turn.is_none_or(|(_, t)| t.first),
            first_reason: turn.map_or("", |(_, t)| t.reason.as_str()),
            age: now.since(newest.at),
            flaps,
        })
    }

    /// Turns inside `range`, visible at `now`, oldest first, each with its time.
    pub fn turns(&self, range: TimeRange, now: Ts) -> impl Iterator<Item = (Ts, &Turn)> {
        let (from, to) = ((range.start.min(range.end), 0), (range.end, 0));
        self.turns.range(from..to).filter(move |(_, t)| t.observed <= now).map(|((at, _), t)| (*at, t))
    }

    /// Failures over time: 1 where there was one.
    pub fn failed(&self) -> &Series {
        &self.failed
    }

    fn before(&self, at: Ts) -> ProbeHistory {
        let turns: BTreeMap<(Ts, Seq), Turn> = self.turns.range(..(at, 0)).map(|(k, t)| (*k, t.clone())).collect();
        ProbeHistory {
            carried: turns.values().next_back().map(|t| t.ok),
            turns,
            latency: self.latency.before(at),
            failed: self.failed.before(at),
            ..ProbeHistory::new()
        }
    }

    /// Milliseconds that right answers took.
    pub fn latency(&self) -> &Series {
        &self.latency
    }

    /// Every result that is kept.
    pub fn results(&self) -> &History<Probe> {
        &self.results
    }
}

/// The history of health.
#[derive(Clone, Debug, Default)]
pub struct HealthHistory {
    probes: BTreeMap<String, ProbeHistory>,
    refused: u64,
}

impl HealthHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &HealthEvent) {
        let _ = source;
        let HealthEvent::Probed(probe) = event;
        if self.probes.len() >= PROBES && !self.probes.contains_key(&probe.name) {
            self.refused += 1;
            return;
        }
        self.probes.entry(probe.name.clone()).or_insert_with(ProbeHistory::new).apply(seq, observed, probe);
    }

    /// What stays of the time before `at`, the beginning of a minute: when probes turned, and figures by the minute.
    pub fn before(&self, at: Ts) -> HealthHistory {
        let probes = self.probes.iter().map(|(name, p)| (name.clone(), p.before(at))).collect();
        HealthHistory { probes, refused: self.refused }
    }

    /// Up to when results were let go that a window onto the past brings back.
    pub fn let_go_upto(&self) -> Option<Ts> {
        self.probes.values().filter_map(|p| p.results.evicted_upto()).max()
    }

    /// Whether there is no result at all, visible or not.
    pub fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    /// One probe by name.
    pub fn probe(&self, name: &str) -> Option<&ProbeHistory> {
        self.probes.get(name)
    }

    /// Every probe with its state at `now`, those that fail first, then by name. The order is that of `now` rounded down
    /// to two seconds, so that rows do not dance.
    pub fn states(&self, now: Ts) -> Vec<ProbeState<'_>> {
        let settled = now.floor(Duration::from_secs(2));
        let mut all: Vec<(bool, ProbeState<'_>)> = self
            .probes
            .values()
            .filter_map(|p| {
                let state = p.state(now)?;
                Some((p.state(settled).map_or(state.probe.ok, |s| s.probe.ok), state))
            })
            .collect();
        all.sort_by(|a, b| (a.0, &a.1.probe.name).cmp(&(b.0, &b.1.probe.name)));
        all.into_iter().map(|(_, s)| s).collect()
    }

    /// Marks for the time axis inside `range`, in order of time: each probe when it begins to fail and when it recovers.
    pub fn marks(&self, range: TimeRange, now: Ts) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        for (name, probe) in &self.probes {
            marks.extend(probe.turns(range, now).filter(|(_, t)| !t.ok || !t.first).map(|(at, t)| Mark {
                at,
                kind: if t.ok { MarkKind::ProbeRecovered } else { MarkKind::ProbeFailed },
                label: name.clone(),
            }));
        }
        marks.sort_by(|a, b| (a.at, &a.label).cmp(&(b.at, &b.label)));
        marks
    }

    /// Results of probes beyond the [`PROBES`] that are kept.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(s: i64) -> Ts {
        Ts::from_secs(1_000_000 + s)
    }

    fn result(s: i64, status: u16) -> Probe {
        Probe {
            at: t(s),
            name: "api".into(),
            ok: status == 200,
            status: Some(status),
            latency_ms: 80.0,
            interval_ms: 5_000,
            ..Probe::default()
        }
    }

    fn history(results: &[(i64, u16)]) -> HealthHistory {
        let mut h = HealthHistory::default();
        for (i, (s, status)) in results.iter().enumerate() {
            h.apply(i as u64 + 1, SourceId(1), t(*s), &HealthEvent::Probed(result(*s, *status)));
        }
        h
    }

    #[test]
    fn failing_is_counted_from_its_first_failure_even_when_the_reason_changes() {
        let h = history(&[(0, 200), (5, 503), (10, 502), (15, 503)]);
        let s = h.probe("api").unwrap().state(t(16)).unwrap();
        assert_eq!((s.since, s.first_reason, s.since_first), (t(5), "503", false));
        let before = h.probe("api").unwrap().state(t(4)).unwrap();
        assert!(before.probe.ok && before.since_first);
        assert!(h.probe("api").unwrap().state(t(-1)).is_none());
    }

    #[test]
    fn a_result_that_comes_late_moves_the_turn_to_where_it_belongs() {
        let mut h = history(&[(0, 200), (10, 503), (15, 503)]);
        h.apply(9, SourceId(1), t(20), &HealthEvent::Probed(result(5, 503)));
        let range = TimeRange::new(t(-10), t(30));
        let marks = |now| h.marks(range, now).iter().map(|m| m.at).collect::<Vec<_>>();
        assert_eq!(marks(t(20)), [t(5)]);
        h.apply(10, SourceId(1), t(21), &HealthEvent::Probed(result(7, 200)));
        let kinds: Vec<_> = h.marks(range, t(21)).iter().map(|m| (m.at, m.kind)).collect();
        assert_eq!(
            kinds,
            [(t(5), MarkKind::ProbeFailed), (t(7), MarkKind::ProbeRecovered), (t(10), MarkKind::ProbeFailed)]
        );
    }

    #[test]
    fn the_first_right_answer_is_no_recovery_and_flaps_are_counted() {
        let h = history(&[(0, 200), (5, 503), (10, 200), (15, 503), (20, 200)]);
        assert_eq!(h.marks(TimeRange::new(t(0), t(60)), t(60)).len(), 4);
        assert_eq!(h.probe("api").unwrap().state(t(20)).unwrap().flaps, 4);
    }

    #[test]
    fn failing_probes_stand_first_and_the_order_settles_every_two_seconds() {
        let mut h = history(&[(0, 200)]);
        let mut b = result(0, 200);
        b.name = "b".into();
        h.apply(2, SourceId(2), t(0), &HealthEvent::Probed(b.clone()));
        b.at = t(3);
        (b.ok, b.status) = (false, Some(500));
        h.apply(3, SourceId(2), t(3), &HealthEvent::Probed(b));
        let names = |now| h.states(now).iter().map(|s| s.probe.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(t(3)), ["api", "b"]);
        assert_eq!(names(t(4)), ["b", "api"]);
    }

    #[test]
    fn histories_are_bounded_whatever_comes() {
        let mut h = HealthHistory::default();
        for i in 0..(PROBES as i64 + 10) {
            let mut p = result(i, 200);
            p.name = format!("p{i}");
            h.apply(i as u64 + 1, SourceId(1), t(i), &HealthEvent::Probed(p));
        }
        assert_eq!((h.states(t(999)).len(), h.refused()), (PROBES, 10));
        let flapping: Vec<(i64, u16)> = (0..3_000).map(|i| (i, if i % 2 == 0 { 200 } else { 503 })).collect();
        let h = history(&flapping);
        let p = h.probe("api").unwrap();
        assert_eq!((p.results.len(), p.turns.len()), (RESULTS, TURNS));
    }
}
