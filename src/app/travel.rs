//! Moving the playhead: every pane goes with it.

use std::time::Duration;

use super::effect::Effect;
use super::facts;
use super::overlays::Overlay;
use super::state::State;
use crate::timeline::facts::MarkKind;
use crate::timeline::{SourceState, Ts};
use crate::ui::Level;

/// Every pane moves to `at`.
pub fn go_to(state: &mut State, at: Ts) -> Vec<Effect> {
    remember_pause(state);
    // Whoever went somewhere while the recording was still read wants to stay there.
    state.view.go_when_loaded = None;
    state.player.go_to(at);
    state.logs.go_to(at);
    follow_playhead(state);
    Vec::new()
}

/// The same for a time that somebody asked for: where the screen holds nothing of it, the nearest edge is shown, and that
/// is said.
pub fn go_to_asked(state: &mut State, at: Ts) -> Vec<Effect> {
    let effects = go_to(state, at);
    let zone = &state.settings.zone;
    let said = match state.player.recorded {
        Some(span) if at.secs() < span.start.secs() || at.secs() > span.end.secs() => {
            let (from, to) = match span.start.date_hms(zone).get(..10) == span.end.date_hms(zone).get(..10) {
                true => (span.start.hms(zone), span.end.hms(zone)),
                false => (span.start.date_hms(zone), span.end.date_hms(zone)),
            };
            let edge = if at < span.start { "beginning" } else { "end" };
            let so_far = if state.player.growing { " as far as it is read" } else { "" };
            let asked = at.date_hms(zone);
            format!("{asked}: the recording{so_far} holds {from} to {to}; shown is its {edge}")
        }
        None if at > state.player.clock => format!("{} lies ahead; shown is now", at.date_hms(zone)),
        _ => return effects,
    };
    state.say(Level::Warn, said);
    effects
}

pub(super) fn step(state: &mut State, seconds: i64) -> Vec<Effect> {
    remember_pause(state);
    state.player.step(seconds);
    follow_playhead(state);
    Vec::new()
}

pub(super) fn pause(state: &mut State) -> Vec<Effect> {
    remember_pause(state);
    state.player.toggle();
    follow_playhead(state);
    Vec::new()
}

pub(super) fn go_live(state: &mut State) -> Vec<Effect> {
    state.player.go_live();
    state.view.paused_at = None;
    state.logs.end();
    follow_playhead(state);
    Vec::new()
}

fn remember_pause(state: &mut State) {
    if state.player.is_live() {
        state.view.paused_at = Some(state.timeline.logs.totals());
    }
}

/// The log pane goes where the playhead is.
pub fn follow_playhead(state: &mut State) {
    let live = state.player.is_live();
    if live {
        state.view.paused_at = None;
    }
    state.logs.set_playhead(if live { Ts::MAX } else { state.now() }, live);
}

pub(super) fn change_speed(state: &mut State, faster: bool) -> Vec<Effect> {
    if !state.player.is_replay() {
        state.say(Level::Warn, "only a replay has a speed");
        return Vec::new();
    }
    state.player.change_speed(faster);
    let speed = state.player.speed();
    state.say(Level::Calm, format!("{speed}x"));
    Vec::new()
}

pub(super) fn set_mark(state: &mut State) -> Vec<Effect> {
    let at = state.now();
    // A hundred marks are more than anyone can find again.
    if state.view.marks.len() >= 100 {
        state.view.marks.remove(0);
    }
    state.view.marks.push(at);
    state.view.marks.sort();
    state.say(Level::Calm, format!("mark at {}; ' goes to marks", at.hms(&state.settings.zone)));
    Vec::new()
}

/// The next mark behind the playhead; after the last one, the first.
pub(super) fn next_mark(state: &mut State) -> Vec<Effect> {
    let now = state.now();
    let horizon = state.horizon();
    let t = &state.timeline;
    // Packages of last year are no place to go to: marks count from where the strip or the stream begins.
    let seen = t.span.map_or(now, |(start, _)| start);
    let start = facts::window(state, state.view.area.width).start.min(seen);
    let all = crate::timeline::TimeRange::new(start, horizon + Duration::from_nanos(1));
    let mut marks: Vec<(Ts, MarkKind, String)> = t
        .deploys
        .marks(all, horizon)
        .into_iter()
        .chain(t.health.marks(all, horizon))
        .chain(t.incident.marks(horizon))
        .map(|m| (m.at, m.kind, m.label))
        .chain(state.view.pinned.map(|at| (at, MarkKind::User, "your pin".to_owned())))
        .chain(state.view.marks.iter().map(|&at| (at, MarkKind::User, "your mark".into())))
        .collect();
    marks.sort();
    let later = marks.iter().find(|(at, _, _)| *at > now).cloned();
    let from_start = if later.is_none() { "no later mark; the first one again: " } else { "" };
    match later.or_else(|| marks.first().cloned()) {
        Some((at, kind, label)) => {
            let glyph = state.settings.glyphs.mark(kind);
            state.say(Level::Calm, format!("{from_start}{glyph} {label}"));
            go_to(state, at)
        }
        None => {
            state.say(Level::Warn, "no marks yet; m sets one");
            Vec::new()
        }
    }
}

/// Kinds of events that can be gone to, as they are typed.
const KINDS: [(&str, &[MarkKind]); 8] = [
    ("deploy", &[MarkKind::Deploy]),
    ("restart", &[MarkKind::Restart]),
    ("change", &[MarkKind::Change, MarkKind::Deploy, MarkKind::Restart]),
    ("alert", &[MarkKind::Alert]),
    ("probe", &[MarkKind::ProbeFailed, MarkKind::ProbeRecovered]),
    ("note", &[MarkKind::Note]),
    ("milestone", &[MarkKind::Milestone]),
    ("mark", &[MarkKind::User]),
];

/// To the nearest event of a kind behind the playhead, or before it.
pub(super) fn event_of_kind(state: &mut State, kind: &str, later: bool) -> Vec<Effect> {
    let kind = kind.trim().trim_end_matches('s');
    let horizon = state.horizon();
    let t = &state.timeline;
    let all = crate::timeline::TimeRange::new(Ts::MIN, horizon + Duration::from_nanos(1));
    let known = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kinds)| *kinds);
    let mut found: Vec<(Ts, String)> = match (known, kind) {
        (Some(kinds), _) => t
            .deploys
            .marks(all, horizon)
            .into_iter()
            .chain(t.health.marks(all, horizon))
            .chain(t.incident.marks(horizon))
            .filter(|m| kinds.contains(&m.kind))
            .map(|m| (m.at, m.label))
            .chain(state.view.marks.iter().filter(|_| kind == "mark").map(|&at| (at, "your mark".into())))
            .collect(),
        (None, "kill") => {
            let kills = t.host.oom_kills(all, horizon);
            kills.map(|k| (k.value.at.unwrap_or(k.observed), "killed for memory".into())).collect()
        }
        (None, "gap") => {
            let mut gaps = Vec::new();
            for s in t.sources.values() {
                let failed = s.states.iter().filter(|(_, state)| matches!(state, SourceState::Failed { .. }));
                gaps.extend(failed.map(|(at, _)| (*at, format!("{} failed", s.decl.name))));
            }
            gaps
        }
        _ => {
            let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).chain(["kill", "gap"]).collect();
            state.say(Level::Warn, format!("which kind? {}", names.join(", ")));
            return Vec::new();
        }
    };
    found.sort();
    let now = state.now();
    let hit = match later {
        true => found.iter().find(|(at, _)| *at > now),
        false => found.iter().rev().find(|(at, _)| *at < now),
    };
    match hit.cloned() {
        Some((at, label)) => {
            state.say(Level::Calm, format!("{kind} {label}"));
            go_to(state, at)
        }
        None => {
            let way = if later { "later" } else { "earlier" };
            state.say(Level::Warn, format!("no {way} {kind}; there are {}", found.len()));
            Vec::new()
        }
    }
}

/// Pins the instant; elsewhere shows the two side by side; under the comparison, or where it stands, lets the pin go.
pub(super) fn pin(state: &mut State) -> Vec<Effect> {
    let comparing = matches!(state.view.overlays.last(), Some(Overlay::Compare { .. }));
    let text = match state.view.pinned {
        None => {
            let at = state.now();
            state.view.pinned = Some(at);
            format!(
                "pinned {}; c elsewhere compares the two instants, ' comes back to it",
                at.hms(&state.settings.zone)
            )
        }
        Some(at) if !comparing && at != state.now() => {
            state.view.overlays.push(Overlay::Compare { top: 0 });
            return Vec::new();
        }
        Some(_) => {
            if comparing {
                state.view.overlays.pop();
            }
            state.view.pinned = None;
            "pin let go".into()
        }
    };
    state.say(Level::Calm, text);
    Vec::new()
}

pub(super) fn next_zone(state: &mut State) -> Vec<Effect> {
    use crate::timeline::source::Declaration;
    let s = &mut state.settings;
    let recorded = match &state.timeline.origin {
        Some(Declaration::Origin { zone, .. }) => jiff::tz::TimeZone::get(zone).ok().map(|z| (z, zone.clone())),
        _ => None,
    };
    let mut choices = vec![(jiff::tz::TimeZone::UTC, "UTC".to_owned()), (s.local_zone.clone(), "local".to_owned())];
    choices.extend(recorded.map(|(z, name)| (z, format!("{name} (recorded)"))));
    let at = choices.iter().position(|(_, n)| *n == s.zone_name).map_or(0, |i| (i + 1) % choices.len());
    (s.zone, s.zone_name) = choices.swap_remove(at);
    let text = format!("times in {}", s.zone_name);
    state.say(Level::Calm, text);
    Vec::new()
}

pub(super) fn next_change(state: &mut State, forward: bool) -> Vec<Effect> {
    let (now, horizon) = (state.now(), state.horizon());
    let found = if forward {
        state.timeline.deploys.next_change(now, horizon)
    } else {
        state.timeline.deploys.previous_change(now, horizon)
    };
    match found {
        Some(at) => go_to(state, at),
        None => {
            state.say(Level::Warn, if forward { "no later change" } else { "no earlier change" });
            Vec::new()
        }
    }
}
