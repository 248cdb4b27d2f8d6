//! Dependencies at an instant, to be compared with another.

use super::history::HealthHistory;
use crate::timeline::Ts;
use crate::timeline::figure::{Figure, Unit};

/// Per probe that is not stale at `now`: how it answers, and how fast where it does.
pub fn figures(history: &HealthHistory, now: Ts) -> Vec<Figure> {
    let mut out = Vec::new();
    for state in history.states(now).into_iter().filter(|s| !s.stale()) {
        let words = if state.probe.ok { "ok".to_owned() } else { state.probe.reason() };
        out.push(Figure::words("Health", state.probe.name.as_str(), words));
        if state.probe.ok {
            let name = format!("{}: answers in", state.probe.name);
            out.push(Figure::number("Health", name, state.probe.latency_ms, Unit::Millis, 20.0));
        }
    }
    out
}
