//! Requests of an incident, counted from the logs: how many, how many failed, on which routes, how slow, and the same for
//! as long a time before.
//!
//! A request may stand in several logs (a proxy's, the application's, a start and an end in each). So only one group of
//! logs is counted, of one format: the one with most records that have a status and a path; inside it the same request ID
//! in another source is the same request, and in the same source another try. Requests for health checks are left out of
//! the figures. Bounded: beyond [`RECORDS`] it stops and says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::signals::incident::report::chart::Chart;
use crate::signals::incident::report::window::{Impact, PARTS, RouteImpact, Seen};
use crate::signals::logs::requests::{Request, is_health_check};
use crate::signals::logs::store::LogStore;
use crate::timeline::{SourceId, TimeRange, Ts};

/// Records looked at; beyond this the count is cut and says so.
pub const RECORDS: u64 = 5_000_000;
/// Routes listed.
const ROUTES: usize = 12;
/// Routes told apart; further ones count under `other`.
const TOLD_APART: usize = 2_000;
/// Request IDs remembered, so that none counts in two sources.
const IDS: usize = 4_000_000;
/// Durations kept for a percentile; then every other one goes.
const DURATIONS: usize = 20_000;

/// Counts requests of `seen`'s window and adds them to it. `of` is the time of the impact; what was told later than
/// anything that there is to look at is not counted, and the count says of what time it is.
pub fn add(store: &LogStore, of: TimeRange, seen: &mut Seen) {
    let Some(window) = seen.range else { return };
    let held = seen.held.unwrap_or(window);
    let during = TimeRange::new(of.start, of.end.min(held.end));
    if during.is_empty() {
        return;
    }
    let before = TimeRange::new(during.start - during.len(), during.start);
    let all = TimeRange::new(window.start.min(before.start), window.end.max(during.end));
    let mut groups: BTreeMap<&'static str, Group> = BTreeMap::new();
    let (mut records, mut cut) = (0u64, false);
    store.requests(all, &mut |request| {
        records += 1;
        if records > RECORDS {
            cut = true;
            return ControlFlow::Break(());
        }
        if let Some(r) = request {
            groups.entry(r.format).or_insert_with(|| Group::new(window)).add(r, during, before);
        }
        ControlFlow::Continue(())
    });
    // One that tells of health checks alone tells of no impact.
    let Some(most) = groups.iter().max_by_key(|(_, g)| (!g.routes.is_empty(), g.requests)).map(|(format, _)| *format)
    else {
        return;
    };
    let Some(mut group) = groups.remove(most) else { return };
    // A proxy's log often tells no durations: then those of the application's log are taken.
    if group.durations[1].kept.is_empty()
        && let Some(timed) = groups.into_values().max_by_key(|g| g.durations[1].kept.len())
    {
        (group.durations, group.slow) = (timed.durations, timed.slow);
    }
    group.charts(window, seen);
    // Lines of before a session began may be there; where none is, nothing is known of that time.
    let counted = TimeRange::new(during.start.max(held.start.min(group.first)).min(during.end), during.end);
    let impact = group.impact(during, before, all, store, cut);
    seen.impact = Some(Impact { range: counted, of, ..impact });
}

/// From when to when the logs tell of requests at all: said where none of them lies in the window.
pub fn span(store: &LogStore) -> Option<TimeRange> {
    let (mut records, mut span) = (0u64, None::<TimeRange>);
    store.requests(TimeRange::new(Ts::MIN, Ts::MAX), &mut |request| {
        records += 1;
        if let Some(r) = request {
            let known = span.unwrap_or(TimeRange::new(r.placed, r.placed));
            span = Some(TimeRange::new(known.start.min(r.placed), known.end.max(r.placed)));
        }
        if records < RECORDS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    span
}

/// Durations, thinned evenly when there are many.
#[derive(Default)]
struct Durations {
    kept: Vec<f64>,
    every: u64,
    met: u64,
}

impl Durations {
    fn add(&mut self, ms: f64) {
        self.met += 1;
        if !self.met.is_multiple_of(self.every.max(1)) {
            return;
        }
        self.kept.push(ms);
        if self.kept.len() >= DURATIONS {
            let mut nth = 0u64;
            self.kept.retain(|_| {
                nth += 1;
                nth.is_multiple_of(2)
            });
            self.every = self.every.max(1) * 2;
        }
    }

    fn p95(&self) -> Option<f64> {
        let mut all = self.kept.clone();
        all.sort_by(f64::total_cmp);
        let at = (all.len() * 95).div_ceil(100).checked_sub(1)?;
        all.get(at).copied()
    }
}

/// What is a hash already is not hashed again.
#[derive(Copy, Clone, Default)]
struct AsIs;

#[derive(Default)]
struct Whole(u64);

impl BuildHasher for AsIs {
    type Hasher = Whole;

    fn build_hasher(&self) -> Whole {
        Whole(0)
    }
}

impl Hasher for Whole {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Which request IDs were met in which source.
#[derive(Default)]
struct Ids {
    /// The only source so far, with its IDs: most logs have a format of their own, and nothing is looked up.
    one: Option<SourceId>,
    met: Vec<u64>,
    of: HashMap<u64, SourceId, AsIs>,
}

impl Ids {
    /// Whether the ID was met in another source first; else it is of this one.
    fn is_of_another(&mut self, id: u64, source: SourceId) -> bool {
        if *self.one.get_or_insert(source) == source && self.of.is_empty() {
            if self.met.len() < IDS {
                self.met.push(id);
            }
            return false;
        }
        if let Some(one) = self.one {
            self.of.extend(std::mem::take(&mut self.met).into_iter().map(|id| (id, one)));
        }
        match self.of.get(&id) {
            Some(of) => *of != source,
            None => {
                if self.of.len() < IDS {
                    self.of.insert(id, source);
                }
                false
            }
        }
    }
}

/// Logs of one format.
struct Group {
    requests: u64,
    health_checks: u64,
    during: [u64; 3],
    before: [u64; 2],
    routes: HashMap<Arc<str>, [u64; 2]>,
    durations: [Durations; 2],
    per_part: Vec<[u64; 2]>,
    slow: Vec<Durations>,
    window: TimeRange,
    sources: BTreeSet<SourceId>,
    ids: Ids,
    first: Ts,
}

impl Group {
    fn new(window: TimeRange) -> Group {
        Group {
            requests: 0,
            health_checks: 0,
            during: [0; 3],
            before: [0; 2],
            routes: HashMap::new(),
            durations: Default::default(),
            per_part: vec![[0; 2]; PARTS],
            slow: (0..PARTS).map(|_| Durations::default()).collect(),
            window,
            sources: BTreeSet::new(),
            ids: Ids::default(),
            first: Ts::MAX,
        }
    }

    fn add(&mut self, r: Request, during: TimeRange, before: TimeRange) {
        if r.id.is_some_and(|id| self.ids.is_of_another(id, r.source)) {
            return;
        }
        self.requests += 1;
        // The watcher's own requests are no impact on anybody.
        if is_health_check(&r.route) {
            self.health_checks += u64::from(during.contains(r.placed));
            return;
        }
        self.first = self.first.min(r.placed);
        self.sources.insert(r.source);
        let (failed, took) = (r.status >= 500, r.duration_ms);
        if let Some(i) = self.window.column(r.placed, PARTS) {
            self.per_part[i][0] += 1;
            self.per_part[i][1] += u64::from(failed);
            took.into_iter().for_each(|ms| self.slow[i].add(ms));
        }
        if during.contains(r.placed) {
            self.during[0] += 1;
            self.during[1] += u64::from(failed);
            self.during[2] += u64::from((400..500).contains(&r.status));
            took.into_iter().for_each(|ms| self.durations[1].add(ms));
            let count = |counts: &mut [u64; 2]| {
                counts[0] += 1;
                counts[1] += u64::from(failed);
            };
            if let Some(counts) = self.routes.get_mut(&r.route) {
                count(counts);
            } else {
                let told = self.routes.len() < TOLD_APART;
                count(self.routes.entry(if told { r.route } else { "other".into() }).or_default());
            }
        } else if before.contains(r.placed) {
            self.before[0] += 1;
            self.before[1] += u64::from(failed);
            took.into_iter().for_each(|ms| self.durations[0].add(ms));
        }
    }

    fn impact(self, during: TimeRange, before: TimeRange, all: TimeRange, store: &LogStore, cut: bool) -> Impact {
        let mut routes: Vec<RouteImpact> = self
            .routes
            .into_iter()
            .filter(|(_, [_, failed])| *failed > 0)
            .map(|(route, [requests, failed])| RouteImpact { route: route.to_string(), requests, failed })
            .collect();
        routes.sort_by(|a, b| b.failed.cmp(&a.failed).then_with(|| a.route.cmp(&b.route)));
        let more_routes = routes.len().saturating_sub(ROUTES) as u64;
        routes.truncate(ROUTES);
        let mut counted: Vec<String> =
            self.sources.iter().filter_map(|s| store.name_of(*s)).map(String::from).collect();
        counted.sort_unstable();
        counted.dedup();
        // Without a record from before the beginning of that time nothing is known of it.
        let reaches = self.first <= before.start + (before.len() / 10) && all.start <= before.start;
        Impact {
            range: during,
            of: during,
            requests: self.during[0],
            health_checks: self.health_checks,
            failed: self.during[1],
            refused: self.during[2],
            before: (reaches && self.before[0] > 0).then_some((self.before[0], self.before[1])),
            routes,
            more_routes,
            p95_ms: (self.durations[0].p95(), self.durations[1].p95()),
            counted,
            cut,
        }
    }

    fn charts(&self, window: TimeRange, seen: &mut Seen) {
        let seconds = (window.len().as_secs_f64() / PARTS as f64).max(0.001);
        let rate = |i: usize| {
            let values = self.per_part.iter().map(|p| Some(p[i] as f64 / seconds));
            values.collect::<Vec<_>>()
        };
        let chart = |title: &str, values| Chart { title: title.into(), range: window, values, marks: Vec::new() };
        seen.charts.insert(0, chart("failed requests a second", rate(1)));
        seen.charts.insert(1, chart("requests a second", rate(0)));
        let p95: Vec<Option<f64>> = self.slow.iter().map(Durations::p95).collect();
        if p95.iter().any(Option::is_some) {
            seen.charts.insert(2, chart("95th percentile of durations, ms", p95));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_the_source_that_it_was_met_in_first() {
        let (mut ids, one, two) = (Ids::default(), SourceId(1), SourceId(2));
        let met = [(7, one), (7, one), (8, one), (7, two), (9, two), (9, one), (8, one), (9, two), (8, two)];
        let of_another = met.map(|(id, source)| ids.is_of_another(id, source));
        assert_eq!(of_another, [false, false, false, true, false, true, false, false, true]);
    }
}
