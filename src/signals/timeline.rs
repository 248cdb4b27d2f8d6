//! All histories together, and the one function that feeds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Envelope, Event};
use super::{database, deploys, health, host, incident, logs};
use crate::timeline::source::Declaration;
use crate::timeline::time::short;
use crate::timeline::{OriginId, Seq, SourceDecl, SourceId, SourceKind, SourceState, Ts};

/// A source as the stream knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSource {
    /// What it is.
    pub decl: SourceDecl,
    /// Its states in order: (observed, state). Bounded; the newest [`STATES`] are kept.
    pub states: Vec<(Ts, SourceState)>,
    /// Items lost between it and the stream.
    pub dropped: u64,
    /// The run that declared it last.
    origin: OriginId,
}

/// States kept per source.
pub const STATES: usize = 64;
/// Log counts by the second that panes look back on.
const COUNTS: Duration = Duration::from_secs(7_300);
const MINUTE: Duration = Duration::from_secs(60);
/// A machine whose last sample is older is not being watched.
const FRESH: Duration = Duration::from_secs(10);

impl KnownSource {
    fn push(&mut self, observed: Ts, state: SourceState) {
        self.states.push((observed, state));
        if self.states.len() > STATES {
            self.states.remove(0);
        }
    }

    /// Its state at `now`, and since when.
    pub fn state(&self, now: Ts) -> Option<&(Ts, SourceState)> {
        self.states.iter().rev().find(|(t, _)| *t <= now)
    }
}

/// One run of the program on a host. A recording may hold several, and of several hosts.
#[derive(Clone, Debug)]
struct Run {
    host: String,
    /// When its stream began; what its sources read from before it does not make a recording longer.
    began: Ts,
    /// Observed time of the last that was heard of it.
    last: Ts,
    ended: bool,
}

/// Which sequence numbers of one origin were applied: all up to `upto`, and some beyond.
#[derive(Clone, Debug, Default)]
struct Seen {
    upto: u64,
    beyond: BTreeSet<u64>,
}

impl Seen {
    /// False when `seq` was there before.
    fn take(&mut self, seq: u64) -> bool {
        if seq <= self.upto || !self.beyond.insert(seq) {
            return false;
        }
        while self.beyond.remove(&(self.upto + 1)) {
            self.upto += 1;
        }
        // A recording cut out of a longer one starts anywhere: give up waiting for what is far behind.
        if self.beyond.len() > 4_096
            && let Some(first) = self.beyond.pop_first()
        {
            self.upto = first;
            while self.beyond.remove(&(self.upto + 1)) {
                self.upto += 1;
            }
        }
        true
    }
}

/// From when on counts are wanted by the second.
fn counts_from(from: Ts, to: Ts) -> Ts {
    from.min(to - COUNTS).floor(MINUTE)
}

/// Counts from before the start do not make a recording longer.
fn is_seed(event: &Event) -> bool {
    matches!(event, Event::Logs(logs::event::LogEvent::Appended(a)) if a.seed)
}

/// The state that events make.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Host that speaks, its zone, and the boot; the first one where a recording holds several.
    pub origin: Option<Declaration>,
    runs: BTreeMap<OriginId, Run>,
    /// Sources by number.
    pub sources: BTreeMap<SourceId, KnownSource>,
    /// Log counts and seams.
    pub logs: logs::history::LogsHistory,
    /// The machine; the first one where a recording holds several. See [`Timeline::host_at`].
    pub host: host::history::HostHistory,
    /// The other machines, by name.
    hosts: BTreeMap<String, host::history::HostHistory>,
    /// Databases and pools.
    pub database: database::history::DatabaseHistory,
    /// Deploys and changes.
    pub deploys: Arc<deploys::history::DeploysHistory>,
    /// Dependencies.
    pub health: health::history::HealthHistory,
    /// Notes and milestones.
    pub incident: Arc<incident::history::IncidentHistory>,
    /// First and last observed time of what was observed while the stream ran.
    pub span: Option<(Ts, Ts)>,
    /// Envelopes applied.
    pub applied: u64,
    /// Envelopes that had come before.
    pub repeated: u64,
    seen: BTreeMap<OriginId, Seen>,
}

impl Timeline {
    /// Takes in one envelope. Total: never fails, never panics, reads no clock. One that came before changes nothing
    /// but a counter.
    pub fn apply(&mut self, e: &Envelope) {
        if !self.seen.entry(e.origin).or_default().take(e.seq) {
            self.repeated += 1;
            return;
        }
        self.applied += 1;
        let began = self.runs.get(&e.origin).map_or(Ts::MIN, |r| r.began);
        if !matches!(e.event, Event::Stream(_)) && !is_seed(&e.event) && e.observed >= began {
            let (first, last) = self.span.unwrap_or((e.observed, e.observed));
            self.span = Some((first.min(e.observed), last.max(e.observed)));
            if let Some(run) = self.runs.get_mut(&e.origin) {
                run.last = run.last.max(e.observed);
            }
        }
        // Histories keep order by one number: those of later runs stand behind those of earlier ones.
        let seq = (u64::from(e.origin.0) << 48) | (e.seq & ((1 << 48) - 1));
        match &e.event {
            Event::Stream(d) => self.declare(seq, e, d),
            Event::Logs(v) => self.logs.apply(seq, e.source, e.observed, v),
            Event::Host(v) => self.host_of(e.origin).apply(seq, e.source, e.observed, v),
            Event::Database(v) => self.database.apply(seq, e.source, e.observed, v),
            Event::Deploys(v) => Arc::make_mut(&mut self.deploys).apply(seq, e.source, e.observed, v),
            Event::Health(v) => self.health.apply(seq, e.source, e.observed, v),
            Event::Incident(v) => Arc::make_mut(&mut self.incident).apply(seq, e.source, e.observed, v),
        }
    }

    fn declare(&mut self, seq: Seq, e: &Envelope, d: &Declaration) {
        let observed = e.observed;
        match d {
            Declaration::Origin { host, .. } => {
                if self.origin.is_none() {
                    self.origin = Some(d.clone());
                } else if !self.runs.contains_key(&e.origin) {
                    self.restart(seq, e, host);
                }
                let run = Run { host: host.clone(), began: observed, last: observed, ended: false };
                self.runs.entry(e.origin).or_insert(run);
            }
            Declaration::Source(decl) => {
                if decl.kind == SourceKind::Logs {
                    self.logs.declare(decl.id, &decl.name);
                }
                let new = || KnownSource { decl: decl.clone(), states: Vec::new(), dropped: 0, origin: e.origin };
                let known = self.sources.entry(decl.id).or_insert_with(new);
                (known.decl, known.origin) = (decl.clone(), e.origin);
                known.push(observed, SourceState::Starting);
            }
            Declaration::State { source, state } => {
                if let Some(s) = self.sources.get_mut(source) {
                    s.push(observed, state.clone());
                }
            }
            Declaration::Dropped { source, items, .. } => {
                if let Some(s) = self.sources.get_mut(source) {
                    s.dropped += items;
                }
            }
        }
    }

    /// Another run begins: what lies between it and the one before on the same host was not recorded, and the sources of
    /// that one have ended.
    fn restart(&mut self, seq: Seq, e: &Envelope, host: &str) {
        let mut before: Option<Ts> = None;
        for (origin, run) in self.runs.iter_mut().filter(|(_, r)| r.host == host && r.last <= e.observed) {
            before = before.max(Some(run.last));
            if std::mem::replace(&mut run.ended, true) {
                continue;
            }
            for (id, source) in self.sources.iter_mut().filter(|(_, s)| s.origin == *origin) {
                source.push(run.last, SourceState::Ended);
                self.logs.ended(*id, run.last);
            }
        }
        let why = match before {
            Some(last) => {
                format!("nothing was recorded for {} before this; a new run begins", short(e.observed.since(last)))
            }
            None => format!("the recording of {host} begins"),
        };
        self.logs.apply(seq, e.source, e.observed, &logs::event::LogEvent::Seam { generation: 0, why });
    }

    /// The history of the machine that a run is on.
    fn host_of(&mut self, origin: OriginId) -> &mut host::history::HostHistory {
        let first = self.host_name().to_owned();
        match self.runs.get(&origin) {
            Some(run) if run.host != first => self.hosts.entry(run.host.clone()).or_default(),
            _ => &mut self.host,
        }
    }

    /// The machine to show at `now`: the first one that is sampled then, else the one that was sampled last.
    pub fn host_at(&self, now: Ts) -> (&str, &host::history::HostHistory) {
        let first = (self.host_name(), &self.host);
        if self.hosts.is_empty() {
            return first;
        }
        let all = || std::iter::once(first).chain(self.hosts.iter().map(|(n, h)| (n.as_str(), h)));
        let seen = |h: &host::history::HostHistory| h.latest(now).map(|e| e.at);
        all()
            .find(|(_, h)| seen(h).is_some_and(|at| now.since(at) <= FRESH))
            .or_else(|| all().max_by_key(|(_, h)| seen(h)))
            .unwrap_or(first)
    }

    /// How many machines the recording holds besides the one that is shown.
    pub fn other_hosts(&self) -> usize {
        self.hosts.len()
    }

    /// When runs began that were not the first of the recording, visible at `now`.
    pub fn restarts(&self, now: Ts) -> impl Iterator<Item = (Ts, &str)> {
        self.runs.values().skip(1).filter(move |r| r.began <= now).map(|r| (r.began, r.host.as_str()))
    }

    /// What of all this a window onto the past begins with: what is kept for long, and the rest by the minute before
    /// `from`, the beginning of a minute. Cheap: [`Timeline::unpack`] is to follow on another thread, then facts of the time
    /// from `from` on are to be folded behind it with [`Timeline::apply_past`].
    pub fn before(&self, from: Ts, to: Ts) -> Timeline {
        Timeline {
            origin: self.origin.clone(),
            runs: self.runs.clone(),
            sources: self.sources.clone(),
            logs: self.logs.upto(counts_from(from, to), to),
            host: self.host.before(from),
            hosts: self.hosts.iter().map(|(name, h)| (name.clone(), h.before(from))).collect(),
            database: self.database.before(from),
            deploys: Arc::clone(&self.deploys),
            health: self.health.before(from),
            incident: Arc::clone(&self.incident),
            span: self.span,
            applied: self.applied,
            repeated: self.repeated,
            seen: BTreeMap::new(),
        }
    }

    /// Log counts by the second up to `to`, and by the minute before, of what [`Timeline::before`] gave for the same times.
    pub fn unpack(&mut self, from: Ts, to: Ts) {
        self.logs = self.logs.around(counts_from(from, to), to);
    }

    /// Takes in an envelope of the past: what [`Timeline::before`] has kept already changes nothing.
    pub fn apply_past(&mut self, e: &Envelope) {
        if matches!(e.event, Event::Host(_) | Event::Database(_) | Event::Health(_)) {
            self.apply(e);
        }
    }

    /// Up to when something was let go that a window onto the past brings back.
    pub fn let_go_upto(&self) -> Option<Ts> {
        let hosts = self.hosts.values().chain(std::iter::once(&self.host)).filter_map(|h| h.let_go_upto()).max();
        hosts.max(self.logs.let_go_upto()).max(self.database.let_go_upto()).max(self.health.let_go_upto())
    }

    /// Name of the recorded host.
    pub fn host_name(&self) -> &str {
        match &self.origin {
            Some(Declaration::Origin { host, .. }) => host,
            _ => "",
        }
    }

    /// A source's name, or its number when it was never declared.
    pub fn source_name(&self, id: SourceId) -> &str {
        self.sources.get(&id).map_or("?", |s| s.decl.name.as_str())
    }
}
