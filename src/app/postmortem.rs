//! What the histories tell of an incident's window, for its post-mortem: when errors rose and fell back, which checks
//! failed, what was changed, what the kernel killed, and series for the charts. Requests are counted from the logs
//! themselves, elsewhere.

use std::time::Duration;

use crate::signals::Timeline;
use crate::signals::deploys::event::ChangeKind;
use crate::signals::deploys::rows::{Row, RowState};
use crate::signals::incident::event::{Incident, MilestoneKind};
use crate::signals::incident::metrics::Clue;
use crate::signals::incident::report::chart::Chart;
use crate::signals::incident::report::window::{PARTS, Seen, SeenKind, SeenRow};
use crate::signals::logs::episodes::{Episode, Stage};
use crate::timeline::time::spelled;
use crate::timeline::{Severity, SourceKind, SourceState, TimeRange, Ts};

/// Rows of the machines' account that are kept; curated ones first.
const ROWS: usize = 2_000;
/// A sample further away than this says nothing of an instant.
const NEAR: Duration = Duration::from_secs(15);

/// Everything that `t` tells of `window`.
pub fn seen(t: &Timeline, incident: &Incident, window: TimeRange) -> Seen {
    let Some((first, last)) = t.span else { return Seen::default() };
    let held = Some(TimeRange::new(first, last));
    // The seed counts lines of before the stream: nothing is cut off at its beginning.
    let known = t.logs.counted().map_or(first, |c| c.start.min(first));
    let range = TimeRange::new(window.start.max(known), window.end.min(last).max(window.start.max(known)));
    if range.is_empty() {
        let utc = |t: Ts| t.date_hms(&jiff::tz::TimeZone::UTC);
        let (from, to, known) = (utc(window.start), utc(window.end), utc(known));
        let nothing = format!(
            "nothing of the incident's time, {from} to {to} UTC: what was given is from {known} to {} UTC",
            utc(last)
        );
        return Seen { held, missing: vec![nothing], ..Seen::default() };
    }
    let mut seen = Seen { range: Some(range), held, ..Seen::default() };
    errors(t, incident, range, &mut seen);
    changes(t, range, last, &mut seen);
    checks(t, range, last, &mut seen);
    kernel(t, range, last, &mut seen);
    recording(t, range, last, &mut seen);
    charts(t, range, last, &mut seen);
    seen.changes_read = t.sources.values().any(|s| s.decl.kind == SourceKind::Deploys);
    seen.sources = t.sources.values().map(|s| s.decl.name.clone()).filter(|n| !n.is_empty()).collect();
    seen.sources.sort();
    seen.sources.dedup();
    seen.rows.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
    if seen.rows.len() > ROWS {
        let more = seen.rows.len() - ROWS;
        let mut over = more;
        seen.rows.retain(|r| {
            let goes = !r.curated && over > 0;
            over -= usize::from(goes);
            !goes
        });
        seen.rows.truncate(ROWS);
        seen.missing.push(format!("{more} lesser events of the machines are left out"));
    }
    seen
}

fn row(at: Ts, kind: SeenKind, what: String, source: &str) -> SeenRow {
    SeenRow { at, kind, what, source: source.into(), by: None, curated: true, mends: false, whole_second: false }
}

/// When errors rose above what is usual, and when they were back: the episode that holds the start of the incident, or
/// the longest one.
fn errors(t: &Timeline, incident: &Incident, range: TimeRange, seen: &mut Seen) {
    let last = t.span.map_or(range.end, |(_, last)| last);
    // Known by the end of all that was recorded: that an outage was over may show after the window.
    let known = t.logs.outages(last);
    let known = known.iter().filter(|e| e.since <= range.end && e.until() >= range.start);
    let ended = |e: &Episode| matches!(e.stage, Stage::Calming | Stage::Over).then(|| e.until());
    let episodes: Vec<(Ts, Option<Ts>)> =
        known.map(|e| (e.since, ended(e).filter(|until| *until <= range.end))).collect();
    let begun = incident.reached(MilestoneKind::Started).unwrap_or(incident.opened_at);
    let holds = |e: &&(Ts, Option<Ts>)| e.0 <= begun && e.1.is_none_or(|end| end >= begun);
    let length = |e: &(Ts, Option<Ts>)| e.1.unwrap_or(range.end).since(e.0);
    let main = episodes.iter().find(holds).or_else(|| episodes.iter().max_by_key(|e| length(e))).copied();
    for (since, until) in &episodes {
        let rose = row(*since, SeenKind::Errors, "errors in the logs rose above what is usual".into(), "logs");
        seen.rows.push(SeenRow { whole_second: true, ..rose });
        if let Some(until) = until {
            let what = format!("errors in the logs were back to what is usual after {}", spelled(until.since(*since)));
            seen.rows.push(row(*until, SeenKind::Errors, what, "logs"));
        }
    }
    if let Some((since, until)) = main {
        // Errors are counted by the second.
        let rose = Clue::new(since, "errors in the logs rose above what is usual");
        seen.clues.onset = Some(Clue { whole_second: true, ..rose });
        seen.over = until;
    }
}

fn changes(t: &Timeline, range: TimeRange, now: Ts, seen: &mut Seen) {
    let rows = t.deploys.rows(now);
    for r in rows.iter().filter(|r| range.contains(r.first)) {
        let kind = if r.change.kind == ChangeKind::Rollback { SeenKind::Rollback } else { SeenKind::Change };
        let curated = !matches!(r.change.kind, ChangeKind::Package | ChangeKind::Checkout);
        let by = r.change.by.clone();
        let kind_mends = matches!(r.change.kind, ChangeKind::Deploy | ChangeKind::Rollback | ChangeKind::Restart);
        let mends = kind_mends && r.state != RowState::Failed;
        seen.rows.push(SeenRow { by, curated, mends, ..row(r.first, kind, change_words(r), "deploys") });
    }
    let Some(onset) = seen.clues.onset.as_ref().map(|c| c.at) else { return };
    if let Some((suspect, lag)) = t.deploys.suspect(&rows, onset) {
        let when = if suspect.first.secs() == onset.secs() {
            "in the second in which errors began".to_owned()
        } else if lag.as_secs() == 0 {
            "as errors began".to_owned()
        } else {
            format!("{} before errors began", spelled(lag))
        };
        seen.clues.change = Some(Clue::new(suspect.first, format!("{}, {when}", change_words(suspect))));
    }
}

fn change_words(r: &Row) -> String {
    let c = r.change;
    let mut what = format!("{} {}", c.kind, c.service);
    if !c.version.is_empty() {
        what.push_str(&format!(" {}", c.version));
    }
    if let Some(previous) = c.previous.as_ref().filter(|p| !p.is_empty()) {
        what.push_str(&format!(" (from {previous})"));
    }
    if r.count > 1 {
        what.push_str(&format!(", {} times", r.count));
    }
    match r.state {
        RowState::Failed => what.push_str(", failed"),
        RowState::Unfinished => what.push_str(", its end is not known"),
        _ => {}
    }
    let took = r.ended.since(r.first);
    if took >= Duration::from_secs(1) && r.count <= 1 {
        what.push_str(&format!(", took {}", spelled(took)));
    }
    what
}

fn checks(t: &Timeline, range: TimeRange, now: Ts, seen: &mut Seen) {
    let mut first: Option<Clue> = None;
    for state in t.health.states(now) {
        let name = &state.probe.name;
        let Some(probe) = t.health.probe(name) else { continue };
        for (at, turn) in probe.turns(range, now).filter(|(_, turn)| !(turn.first && turn.ok)) {
            let what = match turn.ok {
                true => format!("check {name} passes again"),
                false => format!("check {name} fails: {}", turn.reason),
            };
            if !turn.ok && first.as_ref().is_none_or(|f| at < f.at) {
                first = Some(Clue::new(at, format!("check {name} failed")));
            }
            seen.rows.push(row(at, SeenKind::Health, what, name));
        }
    }
    seen.clues.detected = first;
}

fn kernel(t: &Timeline, range: TimeRange, now: Ts, seen: &mut Seen) {
    let (host, history) = t.host_at(now);
    for e in history.oom_kills(range, now) {
        let victim = e.value.victim.as_ref().map_or("a process".to_owned(), ToString::to_string);
        let more = if e.value.kills > 1 { format!(", {} kills", e.value.kills) } else { String::new() };
        let what = format!("the kernel killed {victim} for want of memory{more}");
        seen.rows.push(row(e.at, SeenKind::Memory, what, host));
    }
}

/// Gaps of the recording and sources in trouble: of what was not seen, too, the reader must know.
fn recording(t: &Timeline, range: TimeRange, now: Ts, seen: &mut Seen) {
    for (at, host) in t.restarts(now).filter(|(at, _)| range.contains(*at)) {
        let what = format!("a new run of warroom begins on {host}; what lies before it was not recorded");
        seen.rows.push(row(at, SeenKind::Recording, what, "warroom"));
    }
    for source in t.sources.values().filter(|s| s.decl.kind != SourceKind::Incident) {
        for (at, state) in source.states.iter().filter(|(at, _)| range.contains(*at)) {
            let why = match state {
                SourceState::Failed { why, .. } => format!("source {} failed: {why}", source.decl.name),
                SourceState::Degraded { why } => format!("source {}: {why}", source.decl.name),
                _ => continue,
            };
            let row = row(*at, SeenKind::Recording, why, "warroom");
            seen.rows.push(SeenRow { curated: false, ..row });
        }
        if source.dropped > 0 {
            seen.missing.push(format!("{} samples of {} were lost", source.dropped, source.decl.name));
        }
    }
}

fn charts(t: &Timeline, range: TimeRange, now: Ts, seen: &mut Seen) {
    let seconds = range.len().as_secs_f64() / PARTS as f64;
    let counted = t.logs.counted();
    let errors = t.logs.columns(range, PARTS, now);
    let values: Vec<Option<f64>> = errors
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let part = range.slice(i, PARTS);
            let known = counted.is_some_and(|k| part.end > k.start && part.start <= k.end);
            known.then(|| c.at_least(Severity::Error) as f64 / seconds.max(0.001))
        })
        .collect();
    push(seen, "errors in the logs a second", range, values);
    let sampled = |at: Ts, of: Ts| at.since(of) <= NEAR.max(Duration::from_secs_f64(seconds));
    let cpu = (0..PARTS).map(|i| {
        let at = range.slice(i, PARTS).end;
        let cpu = t.host_at(at).1.cpu(at)?;
        sampled(at, cpu.at).then_some(cpu.busy_pct)
    });
    let cpu = cpu.collect();
    push(seen, "CPU, per cent of all cores", range, cpu);
}

fn push(seen: &mut Seen, title: &str, range: TimeRange, values: Vec<Option<f64>>) {
    if values.iter().any(Option::is_some) {
        seen.charts.push(Chart { title: title.into(), range, values, marks: Vec::new() });
    }
}
