//! Builds what panes may know of each other, once a frame, from read-only methods of the histories.

use std::time::Duration;

use super::state::State;
use crate::signals::incident::kinds;
use crate::timeline::facts::{Facts, Mark, MarkKind, Pending, Trouble};
use crate::timeline::{SourceKind, SourceState, TimeRange, Ts};

/// Notes that are kept in memory because the log does not take them.
fn pending(state: &State) -> Vec<Pending> {
    let drafts = state.unsaved.iter().filter(|_| state.own.not_on_disk.is_some());
    drafts.map(|d| Pending { at: d.event_at, text: kinds::typed(d.kind, &d.text) }).collect()
}

/// Where a note goes that is written now. A replay's go to the incident of its recording.
fn writes_into(state: &State) -> Option<String> {
    let live = !state.player.is_replay();
    live.then(|| state.timeline.incident.current(Ts::MAX)).flatten().map(|open| open.incident.title)
}

/// The facts of this frame; `width` is that of the screen.
pub fn facts(state: &State, width: u16) -> Facts {
    let t = state.shown();
    let now = state.now();
    let window = window(state, width);
    let mut marks: Vec<Mark> = Vec::new();
    marks.extend(t.deploys.marks(window, now));
    marks.extend(t.health.marks(window, now));
    marks.extend(t.incident.marks(now).into_iter().filter(|m| window.contains(m.at)));
    marks.extend(t.host_at(now).1.oom_kills(window, now).map(|e| Mark {
        at: e.at,
        kind: MarkKind::Alert,
        label: "OOM".into(),
    }));
    marks.extend(state.view.marks.iter().filter(|m| window.contains(**m)).map(|&at| Mark {
        at,
        kind: MarkKind::User,
        label: String::new(),
    }));
    marks.extend(state.view.pinned.filter(|at| window.contains(*at)).map(|at| Mark {
        at,
        kind: MarkKind::User,
        label: "pin".to_owned(),
    }));
    marks.extend(t.restarts(now).filter(|(at, _)| window.contains(*at)).map(|(at, host)| Mark {
        at,
        kind: MarkKind::Seam,
        label: format!("a new run on {host}"),
    }));
    marks.sort_by_key(|m| (m.at, m.kind));
    let request = state.view.filter.request_id().cloned();
    let (troubles, starting) = sources(state, now);
    Facts {
        pending: pending(state),
        writes_into: writes_into(state),
        over: super::over::proposal(state),
        marks,
        window: Some(window),
        filter: state.view.filter.clone(),
        request_span: request.as_ref().and(state.view.request_span),
        request,
        errors_per_sec: t.logs.error_rate(now),
        errors_baseline: t.logs.error_baseline(now),
        errors_since: t.logs.errors_since(now),
        last_deploy: t.deploys.last_deploy(now),
        incident_since: t.incident.current(now).map(|i| i.incident.since()),
        host: t.host_at(now).0.to_owned(),
        troubles,
        starting,
        offered: state.own.offers.iter().filter(|o| !o.taken).filter_map(|o| o.port).collect(),
        behind: (!state.player.is_live()).then(|| state.player.clock.since(now)),
    }
}

/// Sources in trouble, and those that have not answered yet.
fn sources(state: &State, now: Ts) -> (Vec<Trouble>, Vec<(SourceKind, String)>) {
    let (mut troubles, mut starting) = (Vec::new(), Vec::new());
    for source in state.shown().sources.values() {
        let Some((since, what)) = source.state(now) else { continue };
        let (why, next_try, failed) = match what {
            SourceState::Failed { why, next_try } => (why, *next_try, true),
            SourceState::Degraded { why } => (why, None, false),
            SourceState::Starting => {
                starting.push((source.decl.kind, source.decl.name.clone()));
                continue;
            }
            SourceState::Ok | SourceState::Ended => continue,
        };
        let (kind, name) = (source.decl.kind, source.decl.name.clone());
        troubles.push(Trouble { kind, name, why: why.clone(), since: *since, next_try, failed });
    }
    (troubles, starting)
}

/// The span that the strip and the small charts show. Live it ends just after the clock and moves a whole column at a
/// time, so that nothing wobbles; looking back further than it reaches, it follows the playhead. In replay it is the
/// recording.
pub fn window(state: &State, width: u16) -> TimeRange {
    if let Some(span) = state.player.recorded {
        let end = span.end.max(span.start + Duration::from_secs(1));
        return TimeRange::new(span.start, end + Duration::from_millis(1));
    }
    let len = Duration::from_secs(state.settings.window_secs.max(10));
    let column = len / u32::from(width.saturating_sub(20).max(10));
    let column = Duration::from_secs(column.as_secs().max(1));
    let fit = |t: Ts| t.floor(column) + column;
    let clock_end = fit(state.player.clock);
    let end = if state.now() >= clock_end - len { clock_end } else { fit(state.now() + len / 4) };
    TimeRange::ending(end, len)
}
