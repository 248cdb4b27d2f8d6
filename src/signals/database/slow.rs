//! The slow list: what runs now, what the server's counters say of the last minute, and what log lines say, in one
//! order.
//!
//! A statement that hangs stands in no counter, so running ones count with the time they have taken so far. The order
//! is that of the last even second: rows do not jump while they are looked at. What a row says is `slow/row`.

mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::row::LATELY;
use super::history::{DatabaseHistory, Statement, minute};
use super::verdict::several;
use crate::timeline::{RequestId, SourceId, TimeRange, Ts};

pub use row::{Basis, Belongs, SlowRow};

/// Running for so long means hanging: such a statement comes first.
pub const HUNG_MS: u64 = 5_000;
/// The order settles at most every so often.
const SETTLE: Duration = Duration::from_secs(2);
/// Time over which a baseline is taken, and how much of the newest is left out.
const BASELINE: (Duration, Duration) = (Duration::from_secs(1_800), Duration::from_secs(120));
/// What a line told of stays in the list for so long, dim once it is older than a minute.
const STAYS: Duration = Duration::from_secs(300);
/// When nothing was told in that time: so far back, which is what a start looks back over.
const REACHES: Duration = Duration::from_secs(1_800);
/// Rows of the list.
const ROWS: usize = 50;

/// What is asked of the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The filtered request.
    pub request: Option<&'a RequestId>,
    /// Its time span.
    pub span: Option<TimeRange>,
    /// When the trouble began; baselines end there.
    pub since: Option<Ts>,
    /// Servers whose newest look says nothing of now any more: nothing runs there, as far as is known.
    pub past: &'a [SourceId],
}

/// A row's place: its server where several are watched, and its shape. A log does not say which server wrote it.
type Place = (Option<SourceId>, u64);

/// The list at `now`: hanging statements first, then by the time they took in the last minute.
pub fn list(history: &DatabaseHistory, now: Ts, ask: Ask) -> Vec<SlowRow> {
    let mut rows: BTreeMap<Place, SlowRow> = BTreeMap::new();
    let settled = now.floor(SETTLE);
    counters(history, now, settled, ask, &mut rows);
    lines(history, now, settled, ask, &mut rows);
    running(history, now, settled, ask, &mut rows);
    past(history, now, ask, &mut rows);
    rows.values_mut().for_each(|r| r.past |= r.is_over(now));
    let total =
        |basis| rows.values().filter(|r| r.basis == basis && !r.new && !r.past).map(|r| r.total_ms).sum::<f64>();
    let (counted, told) = (total(Basis::Counters), total(Basis::Lines));
    let mut rows: Vec<SlowRow> = rows.into_values().filter(|r| !r.statement.as_ref().is_some_and(|s| s.ours)).collect();
    // What takes next to nothing and has no words yet says nothing.
    rows.retain(|r| r.statement.is_some() || r.running > 0 || r.new || r.total_ms >= counted / 100.0);
    let planned: BTreeSet<u64> = history.plans.upto(now).map(|e| e.value.fingerprint).collect();
    for r in &mut rows {
        r.planned = planned.contains(&r.key);
        let all = if r.basis == Basis::Counters { counted } else { told };
        r.share = (r.calls > 0 && !r.new && !r.past && all > 0.0).then(|| r.total_ms / all);
        let seconds = now.signed_secs(r.first).clamp(5.0, 60.0);
        r.rate = r.calls as f64 / seconds;
        r.p95_of_intervals();
        if !r.durations.is_empty() {
            r.durations.sort_by(f64::total_cmp);
            let i = (r.durations.len() * 95).div_ceil(100).saturating_sub(1);
            r.p95_ms = (r.durations.len() >= 5).then(|| r.durations[i]);
        }
    }
    // The time span is a guess; it says nothing once something carries the ID.
    if rows.iter().any(|r| r.belongs == Belongs::Yes) {
        rows.iter_mut().filter(|r| r.belongs == Belongs::Maybe).for_each(|r| r.belongs = Belongs::No);
    }
    rows.sort_by(|a, b| {
        let rank = b.rank.0.cmp(&a.rank.0).then(b.rank.1.total_cmp(&a.rank.1));
        a.past.cmp(&b.past).then(rank).then(a.key.cmp(&b.key)).then(a.source.cmp(&b.source))
    });
    rows.truncate(ROWS);
    rows
}

fn carries(statement: &Statement, id: Option<&RequestId>, own: Option<&RequestId>) -> bool {
    id.is_some_and(|id| {
        own == Some(id) || statement.request_id.as_ref() == Some(id) || statement.text.contains(id.0.as_str())
    })
}

fn counters(history: &DatabaseHistory, now: Ts, settled: Ts, ask: Ask, rows: &mut BTreeMap<Place, SlowRow>) {
    for (source, server) in &history.servers {
        let of = several(history).then_some(*source);
        for e in server.statements.within(minute(now), now) {
            let interval = TimeRange::ending(e.at, Duration::from_millis(e.value.interval_ms));
            for d in &e.value.deltas {
                let statement = history.text(*source, d.queryid, now);
                let key = statement.map_or_else(|| unknown(*source, d.queryid), |s| s.fingerprint);
                let row = rows.entry((of, key)).or_insert_with(|| SlowRow::new(of, key));
                row.basis = Basis::Counters;
                row.queryid = Some(d.queryid);
                row.new |= d.new;
                row.calls += d.calls;
                row.total_ms += d.total_ms;
                if now.since(e.at) < LATELY {
                    row.lately = (row.lately.0 + d.calls, row.lately.1 + d.total_ms);
                }
                row.max_ms = row.max_ms.max(d.max_ms);
                *row.rows.get_or_insert(0) += d.rows;
                if !d.new {
                    row.intervals.push((d.p95_ms.unwrap_or(d.mean_ms), d.calls));
                    row.p95_ms = d.p95_ms.or(row.p95_ms);
                }
                row.first = row.first.min(interval.start);
                row.saw(e.at, statement);
                row.belong(statement.is_some_and(|s| carries(s, ask.request, None)), ask.span, interval);
                if e.at <= settled && !d.new {
                    row.rank.1 += d.total_ms;
                }
            }
        }
        baselines(history, *source, now, ask, rows);
    }
}

/// The median of the means of earlier intervals, so that a slow start of the trouble does not count as normal; and how
/// often it was called in them.
fn baselines(history: &DatabaseHistory, source: SourceId, now: Ts, ask: Ask, rows: &mut BTreeMap<Place, SlowRow>) {
    let Some(server) = history.servers.get(&source) else { return };
    let end = ask.since.map_or(now - BASELINE.1, |s| s.min(now - Duration::from_secs(60)));
    // Half an hour holds 18,000 figures, and this runs every frame: hence no map, and no order but that of the middle.
    let mut means: Vec<(i64, Vec<f64>)> = rows
        .values()
        .filter(|r| r.is_of(source))
        .filter_map(|r| r.queryid)
        .map(|id| (id, Vec::with_capacity(360)))
        .collect();
    means.sort_by_key(|(id, _)| *id);
    means.dedup_by_key(|(id, _)| *id);
    let find = |means: &[(i64, Vec<f64>)], id: i64| means.binary_search_by_key(&id, |(id, _)| *id).ok();
    let mut seconds = 0.0;
    for e in server.statements.within(TimeRange::ending(end, BASELINE.0), now).filter(|e| !e.value.reset) {
        seconds += e.value.interval_ms as f64 / 1e3;
        for d in e.value.deltas.iter().filter(|d| !d.new) {
            if let Some(i) = find(&means, d.queryid) {
                means[i].1.push(d.mean_ms);
            }
        }
    }
    for row in rows.values_mut().filter(|r| r.is_of(source)) {
        if let Some(i) = row.queryid.and_then(|id| find(&means, id)).filter(|i| !means[*i].1.is_empty()) {
            let of = &mut means[i].1;
            let middle = of.len() / 2;
            row.baseline_ms = Some(*of.select_nth_unstable_by(middle, f64::total_cmp).1);
            row.usual_gap = Some(seconds / of.len() as f64);
        }
    }
}

fn lines(history: &DatabaseHistory, now: Ts, settled: Ts, ask: Ask, rows: &mut BTreeMap<Place, SlowRow>) {
    told(history, minute(now), now, settled, ask, rows);
}

/// What lines told of in the minutes before the last, of statements that nothing was heard of since.
fn past(history: &DatabaseHistory, now: Ts, ask: Ask, rows: &mut BTreeMap<Place, SlowRow>) {
    let mut before = BTreeMap::new();
    for reach in [STAYS, REACHES] {
        let range = TimeRange::new(now - reach, minute(now).start);
        told(history, range, now, now, ask, &mut before);
        if !before.is_empty() || !rows.is_empty() {
            break;
        }
    }
    for (place, mut row) in before {
        row.past = true;
        if !rows.keys().any(|(_, shape)| *shape == place.1) {
            rows.insert(place, row);
        }
    }
}

fn told(
    history: &DatabaseHistory,
    range: TimeRange,
    now: Ts,
    settled: Ts,
    ask: Ask,
    rows: &mut BTreeMap<Place, SlowRow>,
) {
    for e in history.slow.within(range, now) {
        let s = &e.value;
        let key = s.statement.fingerprint;
        // Where one server alone knows the statement, the line is taken to be of it.
        let mut known = rows.keys().filter(|(_, shape)| *shape == key);
        let of = known.next().filter(|_| known.next().is_none()).and_then(|(of, _)| *of);
        let row = rows.entry((of, key)).or_insert_with(|| SlowRow::new(of, key));
        let ran = TimeRange::ending(e.at, Duration::from_nanos((s.duration_ms.clamp(0.0, 1e9) * 1e6) as u64));
        let named = ask.request.is_some_and(|id| !id.0.is_empty() && s.application.contains(id.0.as_str()));
        row.belong(named || carries(&s.statement, ask.request, s.request_id.as_ref()), ask.span, ran);
        if !s.application.is_empty() {
            row.application = s.application.clone();
        }
        row.line = Some(s.from.clone());
        if s.request_id.is_some() {
            row.request_id = s.request_id.clone();
        }
        row.saw(e.at, Some(&s.statement));
        // Counters know all calls; lines only the slow ones. They are not added up.
        if row.basis == Basis::Counters {
            continue;
        }
        row.basis = Basis::Lines;
        row.calls += 1;
        row.total_ms += s.duration_ms;
        if now.since(e.at) < LATELY {
            row.lately = (row.lately.0 + 1, row.lately.1 + s.duration_ms);
        }
        row.max_ms = row.max_ms.max(s.duration_ms);
        row.first = row.first.min(e.at);
        row.durations.push(s.duration_ms);
        if let Some(n) = s.rows {
            *row.rows.get_or_insert(0) += n;
        }
        if e.at <= settled {
            row.rank.1 += s.duration_ms;
        }
    }
}

fn running(history: &DatabaseHistory, now: Ts, settled: Ts, ask: Ask, rows: &mut BTreeMap<Place, SlowRow>) {
    for (source, server) in &history.servers {
        let Some(look) = server.look(now).filter(|l| now.since(l.at) < Duration::from_secs(30)) else { continue };
        if ask.past.contains(source) {
            continue;
        }
        let of = several(history).then_some(*source);
        for s in look.sessions.iter().filter(|s| s.session.is_active() && s.session.is_client() && !s.statement.ours) {
            let by_number = s.session.queryid.and_then(|id| history.text(*source, id, now));
            let key = match (&s.statement, by_number) {
                (_, Some(known)) => known.fingerprint,
                (seen, None) if !seen.text.is_empty() => seen.fingerprint,
                _ => continue,
            };
            let age = s.session.query_age_ms.unwrap_or(0);
            let row = rows.entry((of, key)).or_insert_with(|| SlowRow::new(of, key));
            row.running += 1;
            // Of several statements sent at once the one that runs is known by its number only.
            let shown = match by_number {
                Some(known) if s.statement.may_be_several() => Some(known).filter(|_| row.statement.is_none()),
                _ => Some(&s.statement),
            };
            row.saw(look.at, shown);
            row.queryid = row.queryid.or(s.session.queryid);
            row.application = s.session.application.clone();
            row.belong(
                carries(&s.statement, ask.request, None)
                    || ask.request.is_some_and(|id| s.session.application.contains(id.0.as_str())),
                ask.span,
                TimeRange::ending(look.at, Duration::from_millis(age)),
            );
            if s.statement.request_id.is_some() {
                row.request_id = s.statement.request_id.clone();
            }
            if age >= row.oldest_ms {
                row.oldest_ms = age;
                row.wait = s.session.wait.clone();
            }
            // As old as it was at the last even second, seen or not: a look may be almost a second older. One that began
            // later does not count in the order yet.
            let ahead = settled.since(look.at).min(SETTLE).as_millis() as u64;
            let then = (age + ahead).saturating_sub(look.at.since(settled).as_millis() as u64);
            row.rank.0 |= then >= HUNG_MS;
            row.rank.1 += then as f64;
        }
    }
}

fn unknown(source: SourceId, queryid: i64) -> u64 {
    super::fingerprint::hash(format!("{}:{queryid}", source.0).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::*;
    use crate::signals::database::fingerprint::fingerprint;

    fn delta(queryid: i64, calls: u64, mean: f64) -> StatementDelta {
        StatementDelta { queryid, calls, total_ms: mean * calls as f64, mean_ms: mean, ..StatementDelta::default() }
    }

    fn interval(deltas: Vec<StatementDelta>) -> DatabaseEvent {
        DatabaseEvent::Statements(Statements { interval_ms: 5_000, deltas, ..Statements::default() })
    }

    fn line(text: &str, ms: f64, id: Option<&str>) -> DatabaseEvent {
        DatabaseEvent::SlowStatement(SlowStatement {
            duration_ms: ms,
            statement: text.into(),
            fingerprint: fingerprint(text).hash,
            request_id: id.map(|i| RequestId(i.into())),
            ..SlowStatement::default()
        })
    }

    fn busy(text: &str, age: u64) -> DatabaseEvent {
        let s = Session {
            pid: 7,
            state: Some("active".into()),
            query: text.into(),
            query_age_ms: Some(age),
            ..Session::default()
        };
        DatabaseEvent::Activity(Activity { sessions: vec![s], ..Activity::default() })
    }

    fn history(events: &[(i64, DatabaseEvent)]) -> DatabaseHistory {
        let mut h = DatabaseHistory::default();
        for (i, (t, e)) in events.iter().enumerate() {
            h.apply(i as u64 + 1, SourceId(1), Ts::from_secs(*t), e);
        }
        h
    }

    #[test]
    fn a_hanging_statement_comes_first_although_no_counter_knows_it() {
        let h = history(&[
            (100, interval(vec![delta(1, 1_000, 50.0)])),
            (100, DatabaseEvent::Text { queryid: 1, text: "SELECT a FROM b".into() }),
            (101, busy("UPDATE c SET d = 1", 6_000)),
        ]);
        let rows = list(&h, Ts::from_secs(102), Ask::default());
        assert_eq!(rows.iter().map(SlowRow::title).collect::<Vec<_>>(), ["UPDATE c SET d = 1", "SELECT a FROM b"]);
        assert_eq!((rows[0].basis, rows[0].oldest_ms, rows[1].calls), (Basis::Running, 6_000, 1_000));
    }

    #[test]
    fn a_statement_is_first_from_the_even_second_on_at_which_it_has_run_for_five_seconds_whenever_it_was_looked_at() {
        // It began at 100.9; looks come at tenths of a second.
        for phase in 0..10 {
            let look = |second: i64| Ts(second * 1_000_000_000 + phase * 100_000_000);
            let mut h = history(&[(100, interval(vec![delta(1, 1_000, 50.0)]))]);
            for (i, at) in (101..=108).map(look).enumerate() {
                let age = at.since(Ts(100_900_000_000)).as_millis() as u64;
                h.apply(i as u64 + 10, SourceId(1), at, &busy("UPDATE c SET d = 1", age));
            }
            let hangs = |second| list(&h, Ts::from_secs(second), Ask::default())[0].running == 1;
            assert_eq!([104, 105, 106, 107].map(hangs), [false, false, true, true], "looks at .{phase}");
        }
    }

    #[test]
    fn counters_lines_and_running_sessions_of_one_shape_are_one_row_counted_once() {
        let h = history(&[
            (100, interval(vec![delta(1, 10, 500.0)])),
            (100, DatabaseEvent::Text { queryid: 1, text: "SELECT a FROM b WHERE c = $1".into() }),
            (101, line("SELECT a FROM b WHERE c = 5", 900.0, None)),
            (101, busy("SELECT a FROM b WHERE c = 6", 1_500)),
        ]);
        let rows = list(&h, Ts::from_secs(101), Ask::default());
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].basis, rows[0].calls, rows[0].running), (Basis::Counters, 10, 1));
    }

    #[test]
    fn time_and_share_are_of_the_same_minute_and_only_what_is_slow_now_is_called_slow() {
        let of = |calls, mean, p95| StatementDelta { p95_ms: Some(p95), ..delta(1, calls, mean) };
        let at = |from: i64, to: i64, d: &StatementDelta| -> Vec<(i64, DatabaseEvent)> {
            let two = |s| (s, interval(vec![d.clone(), delta(2, 1_000, 1.0)]));
            (from..to).step_by(5).map(two).collect()
        };
        let row = |events: &[(i64, DatabaseEvent)], now| {
            let rows = list(&history(events), Ts::from_secs(now), Ask::default());
            rows.into_iter().find(|r| r.queryid == Some(1)).unwrap()
        };
        let (sick, well) = (of(100, 4_000.0, 5_000.0), of(500, 0.04, 0.05));
        // 20 seconds after it recovered most of the minute is still that of the trouble: so is the figure beside the share.
        let recovered = row(&[at(100, 130, &sick), at(130, 150, &well)].concat(), 149);
        assert!(recovered.share.unwrap() > 0.9 && recovered.typical_ms() == 5_000.0 && recovered.is_p95());
        assert!(!recovered.is_slow() && recovered.present_ms() < 1.0, "{}", recovered.present_ms());
        // Few calls took nearly all the time: the mean says so, the percentile does not.
        let few = row(&[at(100, 105, &of(20, 4_000.0, 5_000.0)), at(105, 150, &well)].concat(), 149);
        assert_eq!(few.p95_ms, Some(0.05));
        assert!(!few.is_p95() && few.typical_ms() == few.mean_ms().unwrap() && few.typical_ms() > 10.0);
        // When it becomes slow that is told at once.
        let onset = row(&[at(100, 145, &well), at(145, 150, &of(20, 4_000.0, 5_000.0))].concat(), 149);
        assert!(onset.typical_ms() == 5_000.0 && onset.is_p95());
        // After that minute nothing of it is left.
        let later = row(&[at(100, 130, &sick), at(130, 195, &well)].concat(), 194);
        assert!(later.share.unwrap() < 0.1 && later.typical_ms() == 0.05);
    }

    #[test]
    fn the_order_settles_on_even_seconds() {
        let h = history(&[(100, line("SELECT a", 500.0, None)), (103, line("SELECT b FROM c", 900.0, None))]);
        let first = |t| list(&h, Ts::from_secs(t), Ask::default())[0].title();
        assert_eq!(first(103), "SELECT a");
        assert_eq!(first(104), "SELECT b FROM c");
    }

    #[test]
    fn a_slow_statement_stays_for_five_minutes_below_what_is_slow_now_and_for_half_an_hour_when_nothing_is() {
        let h = history(&[(100, line("SELECT a", 900.0, None)), (200, line("SELECT b FROM c", 300.0, None))]);
        let rows = list(&h, Ts::from_secs(210), Ask::default());
        let told: Vec<_> = rows.iter().map(|r| (r.title(), r.past, r.share)).collect();
        assert_eq!(told, [("SELECT b FROM c".into(), false, Some(1.0)), ("SELECT a".into(), true, None)]);
        let titles = |t| list(&h, Ts::from_secs(t), Ask::default()).iter().map(SlowRow::title).collect::<Vec<_>>();
        assert_eq!(titles(450), ["SELECT b FROM c"]);
        assert_eq!(titles(520).len(), 2);
        assert!(list(&h, Ts::from_secs(520), Ask::default()).iter().all(|r| r.past));
        assert!(titles(2_100).is_empty());
    }

    #[test]
    fn what_carries_the_request_is_marked_and_without_any_its_time_span_is() {
        let h = history(&[(100, line("SELECT a", 500.0, Some("7f3a"))), (100, line("SELECT b FROM c", 900.0, None))]);
        let id = RequestId("7f3a".into());
        let span = Some(TimeRange::new(Ts::from_secs(99), Ts::from_secs(100)));
        let marks = |id: &RequestId| {
            let ask = Ask { request: Some(id), span, ..Ask::default() };
            list(&h, Ts::from_secs(102), ask).iter().map(|r| (r.title(), r.belongs)).collect::<Vec<_>>()
        };
        assert_eq!(marks(&id), [("SELECT b FROM c".into(), Belongs::No), ("SELECT a".into(), Belongs::Yes)]);
        assert!(marks(&RequestId("none".into())).iter().all(|m| m.1 == Belongs::Maybe));
    }

    #[test]
    fn a_baseline_is_what_it_took_before_and_nothing_after_the_playhead_counts() {
        let mut events: Vec<_> = (0..100).map(|i| (i * 5, interval(vec![delta(1, 100, 80.0)]))).collect();
        events.push((500, interval(vec![delta(1, 100, 4_900.0)])));
        let h = history(&events);
        let row = |t| list(&h, Ts::from_secs(t), Ask::default()).remove(0);
        assert_eq!(row(500).baseline_ms, Some(80.0));
        assert!(row(499).mean_ms().unwrap() < 81.0);
    }

    #[test]
    fn one_call_that_ended_with_the_trouble_is_no_rise_for_a_minute_where_it_used_to_be_called_all_the_time() {
        // Every 5 s until it was held up, then the one call that was; and one that is called once a minute at all times.
        let deltas = |i| match i {
            0..100 if i % 12 == 0 => vec![delta(1, 100, 0.026), delta(2, 1, 10.0)],
            0..100 => vec![delta(1, 100, 0.026)],
            112 => vec![delta(1, 1, 40_000.0)],
            120 => vec![delta(2, 1, 5_000.0)],
            _ => Vec::new(),
        };
        let h = history(&(0..=120).map(|i| (i * 5, interval(deltas(i)))).collect::<Vec<_>>());
        let worse = |t, id| {
            let rows = list(&h, Ts::from_secs(t), Ask::default());
            rows.iter().find(|r| r.queryid == Some(id)).map(|r| (r.worse(), r.past))
        };
        assert_eq!([562, 575].map(|t| worse(t, 1)), [Some((true, false)); 2]);
        assert_eq!(worse(576, 1).map(|w| w.1), Some(true), "of before, and said to be");
        assert_eq!([602, 630, 659].map(|t| worse(t, 2)), [Some((true, false)); 3]);
    }

    #[test]
    fn our_own_statements_are_no_load_whether_the_log_names_us_or_not() {
        let own = |application: &str, text: &str| {
            let mut event = line(text, 900.0, None);
            if let DatabaseEvent::SlowStatement(s) = &mut event {
                s.application = application.into();
                s.plan = "Seq Scan on b".into();
            }
            event
        };
        let h = history(&[
            (100, own("warroom/0.1.0", "EXPLAIN (FORMAT JSON, VERBOSE) SELECT a")),
            (100, own("", "EXPLAIN /* warroom */ (FORMAT JSON, VERBOSE) SELECT b FROM c")),
            (101, own("psql", "EXPLAIN (FORMAT JSON, VERBOSE) SELECT d FROM e")),
        ]);
        let rows = list(&h, Ts::from_secs(102), Ask::default());
        assert_eq!(
            rows.iter().map(SlowRow::title).collect::<Vec<_>>(),
            ["EXPLAIN (FORMAT JSON, VERBOSE) SELECT d FROM e"]
        );
        assert_eq!(h.plans.upto(Ts::MAX).count(), 1);
    }
}
