//! All histories together, and the one function that feeds them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Envelope, Event};
use super::{database, deploys, health, host, incident, logs};
use crate::timeline::source::Declaration;
use crate::timeline::{OriginId, SourceDecl, SourceId, SourceKind, SourceState, Ts};

/// A source as the stream knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownSource {
    /// What it is.
    pub decl: SourceDecl,
    /// Its states in order: (observed, state). Bounded; the newest [`STATES`] are kept.
    pub states: Vec<(Ts, SourceState)>,
    /// Items lost between it and the stream.
    pub dropped: u64,
}

/// States kept per source.
pub const STATES: usize = 64;

impl KnownSource {
    /// Its state at `now`, and since when.
    pub fn state(&self, now: Ts) -> Option<&(Ts, SourceState)> {
        self.states.iter().rev().find(|(t, _)| *t <= now)
    }
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

/// Counts from before the start do not make a recording longer.
fn is_seed(event: &Event) -> bool {
    matches!(event, Event::Logs(logs::event::LogEvent::Appended(a)) if a.seed)
}

/// The state that events make.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Host that speaks, its zone, and the boot.
    pub origin: Option<Declaration>,
    /// Sources by number.
    pub sources: BTreeMap<SourceId, KnownSource>,
    /// Log counts and seams.
    pub logs: logs::history::LogsHistory,
    /// The machine.
    pub host: host::history::HostHistory,
    /// Databases and pools.
    pub database: database::history::DatabaseHistory,
    /// Deploys and changes.
    pub deploys: deploys::history::DeploysHistory,
    /// Dependencies.
    pub health: health::history::HealthHistory,
    /// Notes and milestones.
    pub incident: incident::history::IncidentHistory,
    /// First and last observed time of what was observed while the stream ran.
    pub span: Option<(Ts, Ts)>,
    /// When the stream began; what sources read from before it does not make a recording longer.
    began: Ts,
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
        if !matches!(e.event, Event::Stream(_)) && !is_seed(&e.event) && e.observed >= self.began {
            let (first, last) = self.span.unwrap_or((e.observed, e.observed));
            self.span = Some((first.min(e.observed), last.max(e.observed)));
        }
        match &e.event {
            Event::Stream(d) => self.declare(e.observed, d),
            Event::Logs(v) => self.logs.apply(e.seq, e.source, e.observed, v),
            Event::Host(v) => self.host.apply(e.seq, e.source, e.observed, v),
            Event::Database(v) => self.database.apply(e.seq, e.source, e.observed, v),
            Event::Deploys(v) => self.deploys.apply(e.seq, e.source, e.observed, v),
            Event::Health(v) => self.health.apply(e.seq, e.source, e.observed, v),
            Event::Incident(v) => self.incident.apply(e.seq, e.source, e.observed, v),
        }
    }

    fn declare(&mut self, observed: Ts, d: &Declaration) {
        match d {
            Declaration::Origin { .. } => {
                self.origin = Some(d.clone());
                self.began = observed;
            }
            Declaration::Source(decl) => {
                if decl.kind == SourceKind::Logs {
                    self.logs.declare(decl.id, &decl.name);
                }
                self.sources.insert(
                    decl.id,
                    KnownSource { decl: decl.clone(), states: vec![(observed, SourceState::Starting)], dropped: 0 },
                );
            }
            Declaration::State { source, state } => {
                if let Some(s) = self.sources.get_mut(source) {
                    s.states.push((observed, state.clone()));
                    if s.states.len() > STATES {
                        s.states.remove(0);
                    }
                }
            }
            Declaration::Dropped { source, items, .. } => {
                if let Some(s) = self.sources.get_mut(source) {
                    s.dropped += items;
                }
            }
        }
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

    /// Sources of one pane that do not work at `now`, with the reason.
    pub fn troubled(&self, kind: SourceKind, now: Ts) -> impl Iterator<Item = (&KnownSource, &(Ts, SourceState))> {
        self.sources.values().filter(move |s| s.decl.kind == kind).filter_map(move |s| {
            let state = s.state(now)?;
            matches!(state.1, SourceState::Failed { .. } | SourceState::Degraded { .. }).then_some((s, state))
        })
    }
}
