//! What is known of which time: one bar per source over the window, so that silence is told from blindness.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::signals::deploys::event::DeployEvent;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::source::Declaration;
use crate::timeline::time::short;
use crate::timeline::{OriginId, SourceId, SourceKind, SourceState, TimeRange, Ts};

/// Cells of a bar.
const CELLS: usize = 40;
/// Seconds that are told apart.
const GRAIN: i64 = 5;
/// Sources with a bar.
const SOURCES: usize = 200;

#[derive(Clone, Debug, Default)]
struct Known {
    name: String,
    /// Grains with something in them: the first and the last second of it.
    grains: BTreeMap<i64, (i64, i64)>,
    facts: u64,
    /// It is a log: what is derived from its lines is not counted beside them.
    is_log: bool,
    lacks: Option<String>,
}

impl Known {
    fn mark(&mut self, second: i64) {
        let (first, last) = self.grains.entry(second.div_euclid(GRAIN)).or_insert((second, second));
        (*first, *last) = ((*first).min(second), (*last).max(second));
    }
}

/// Gathers while a replay is read.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    sources: BTreeMap<(OriginId, SourceId), Known>,
}

impl Coverage {
    /// Takes a batch in.
    pub fn take(&mut self, batch: &[Envelope]) {
        for e in batch {
            let id = match &e.event {
                Event::Stream(Declaration::Source(d)) => (e.origin, d.id),
                Event::Stream(Declaration::State { source, .. }) => (e.origin, *source),
                _ => (e.origin, e.source),
            };
            if self.sources.len() >= SOURCES && !self.sources.contains_key(&id) {
                continue;
            }
            match &e.event {
                Event::Stream(Declaration::Source(d)) => {
                    let known = self.sources.entry(id).or_default();
                    known.name.clone_from(&d.name);
                    known.is_log = d.kind == SourceKind::Logs;
                }
                Event::Stream(Declaration::State { state: SourceState::Degraded { why }, .. }) => {
                    self.sources.entry(id).or_default().lacks = Some(why.clone());
                }
                Event::Stream(_) => {}
                Event::Logs(LogEvent::Appended(a)) => {
                    let known = self.sources.entry(id).or_default();
                    known.facts += u64::from(a.lines);
                    a.counts.iter().for_each(|(second, _)| known.mark(*second));
                }
                Event::Logs(_) | Event::Deploys(DeployEvent::Covers { .. }) => {}
                _ => {
                    let known = self.sources.entry(id).or_default();
                    if !known.is_log {
                        known.facts += 1;
                        known.mark(e.observed.secs());
                    }
                }
            }
        }
    }

    /// One line a source: its bar over `window` (over all there is without one), from when to when, how much, and the
    /// longest hole in it.
    pub fn lines(&self, window: Option<TimeRange>, zone: &TimeZone) -> Vec<String> {
        let ends = self.sources.values().filter_map(|k| Some((k.grains.keys().next()?, k.grains.keys().next_back()?)));
        let whole = ends.fold(None, |all: Option<(i64, i64)>, (a, b)| {
            Some(all.map_or((*a, *b), |(from, to)| (from.min(*a), to.max(*b))))
        });
        let Some((from, to)) =
            window.map(|w| (w.start.secs().div_euclid(GRAIN), (w.end.secs() - 1).div_euclid(GRAIN))).or(whole)
        else {
            return Vec::new();
        };
        let width = self.sources.values().map(|k| k.name.chars().count()).max().unwrap_or(0).min(20);
        let second = |second: i64| Ts::from_secs(second).hms(zone);
        let at = |grain: i64| second(grain * GRAIN);
        let mut out = vec![format!("{:width$}  {} to {}; · is not known", "", at(from), at(to + 1))];
        for k in self.sources.values().filter(|k| !k.name.is_empty()) {
            let lacks = k.lacks.as_ref().map(|l| format!("; {l}")).unwrap_or_default();
            let inside: Vec<i64> = k.grains.range(from..=to.max(from)).map(|(g, _)| *g).collect();
            let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
                out.push(format!("{:width$.20}  {}  nothing{lacks}", k.name, "·".repeat(CELLS)));
                continue;
            };
            // What is seen every ten minutes covers the ten minutes.
            let mut steps: Vec<i64> = inside.windows(2).map(|w| w[1] - w[0]).collect();
            steps.sort_unstable();
            let step = steps.get(steps.len() / 2).copied().unwrap_or(1).max(1);
            let grains = to - from + 1;
            let cell = |i: usize| {
                let a = from + grains * i as i64 / CELLS as i64;
                let b = (from + grains * (i as i64 + 1) / CELLS as i64).max(a + 1);
                let next = inside.partition_point(|g| *g < a);
                inside.get(next).is_some_and(|g| *g < b)
                    || (next > 0 && next < inside.len() && inside[next] - inside[next - 1] <= 2 * step)
            };
            let bar: String = (0..CELLS).map(|i| if cell(i) { '█' } else { '·' }).collect();
            let hole = inside.windows(2).map(|w| (w[1] - w[0], w[0])).max().filter(|(n, _)| *n > 3 * step && *n > 12);
            let hole = hole.map(|(n, g)| {
                let time = Duration::from_secs(((n - 1) * GRAIN).unsigned_abs());
                format!("; nothing for {} from {}", short(time), at(g + 1))
            });
            out.push(format!(
                "{:width$.20}  {bar}  {} to {}, {}{}{lacks}",
                k.name,
                second(k.grains.get(first).map_or(first * GRAIN, |g| g.0)),
                second(k.grains.get(last).map_or(last * GRAIN, |g| g.1)),
                k.facts,
                hole.unwrap_or_default()
            ));
        }
        out
    }
}
