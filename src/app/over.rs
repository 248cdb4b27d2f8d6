//! Is it over? When errors and checks have been back to what is usual for long enough, "mitigated" is proposed, with the
//! time since when. It is never set by itself.
//!
//! What is pinned are the two that make an outage: errors in the logs, and health checks. An incident in which neither
//! was ever bad proposes nothing: then somebody looks at something else.

use std::time::Duration;

use super::effect::Effect;
use super::state::State;
use crate::signals::incident::event::{MilestoneKind, Status};
use crate::signals::logs::episodes::Stage;
use crate::timeline::time::short;
use crate::timeline::{TimeRange, Ts};
use crate::ui::Level;

/// Since when all is well, and what that is in words; `None` while it is not, or was never otherwise, or when somebody
/// has said so already.
pub fn proposal(state: &State) -> Option<(Ts, String)> {
    let (t, now) = (state.shown(), state.now());
    let incident = t.incident.current(now)?.incident;
    let settled = [MilestoneKind::Mitigated, MilestoneKind::Resolved].iter().any(|k| incident.reached(*k).is_some());
    if settled || !matches!(incident.status, Status::Investigating | Status::Identified) {
        return None;
    }
    let outage = t.logs.last_outage(now);
    if outage.is_some_and(|e| matches!(e.stage, Stage::On | Stage::Unheard)) {
        return None;
    }
    let checks = t.health.states(now);
    if checks.iter().any(|c| !c.probe.ok && !c.stale()) {
        return None;
    }
    let begun = incident.since() - Duration::from_secs(600);
    let errors = outage.map(|e| e.until()).filter(|at| *at >= begun);
    let turned = checks.iter().filter_map(|c| t.health.probe(&c.probe.name));
    let passed = turned
        .flat_map(|p| {
            p.turns(TimeRange::new(begun, now), now).filter(|(_, turn)| turn.ok && !turn.first).map(|(at, _)| at)
        })
        .max();
    let since = errors.max(passed)?;
    let calm = now.since(since);
    if calm < state.settings.calm {
        return None;
    }
    let what = match (errors, passed) {
        (Some(_), Some(_)) => "errors and checks",
        (Some(_), None) => "errors",
        _ => "checks",
    };
    Some((since, format!("{what} back to usual for {}", short(calm))))
}

/// The proposal is taken: mitigated at the time it names.
pub fn take(state: &mut State) -> Vec<Effect> {
    match proposal(state) {
        Some((since, _)) => vec![Effect::Milestone(MilestoneKind::Mitigated, since)],
        None => {
            let calm = short(state.settings.calm);
            state.say(Level::Warn, format!("nothing is proposed: errors or checks are not back to usual for {calm}; :milestone mitigated TIME records it all the same"));
            Vec::new()
        }
    }
}
