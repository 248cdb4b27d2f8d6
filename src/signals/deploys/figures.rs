//! What ran at an instant, to be compared with another.

use std::collections::BTreeSet;

use super::history::DeploysHistory;
use crate::timeline::Ts;
use crate::timeline::figure::{Figure, Trouble};

/// Versions in force at `now`, by service.
pub fn figures(history: &DeploysHistory, now: Ts) -> Vec<Figure> {
    let services: BTreeSet<&str> = history.rows(now).iter().map(|r| r.change.service.as_str()).collect();
    services
        .into_iter()
        .filter_map(|s| Some((s, history.version_at(s, now, now)?)))
        .map(|(s, version)| Figure::words("Versions", s, version).trouble(Trouble::Neither))
        .collect()
}
