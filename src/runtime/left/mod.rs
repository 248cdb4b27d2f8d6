//! Replay from what is left: raw logs, deploy logs, sysstat and Prometheus exports, merged by time into the one stream.
//!
//! Owns which files are read and in which order what they hold is told. Each kind of export is one file here.

pub mod coverage;
pub mod prometheus;
pub mod sadf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::signals::deploys::event::DeployEvent;
use crate::signals::deploys::sources::contract;
use crate::signals::host::event::{HostEvent, HostSample};
use crate::signals::logs::event::LogEvent;
use crate::signals::logs::store::{LogFeed, read_logs_in};
use crate::signals::source::Observation;
use crate::signals::{Envelope, Event};
use crate::stream::order::Numbering;
use crate::stream::replay::Summary;
use crate::timeline::source::Declaration;
use crate::timeline::{SourceDecl, SourceId, SourceKind, SourceState, TimeRange, Ts};

/// Largest export that is read.
const LARGEST: u64 = 1 << 30;
/// Source numbers of what is no log: behind those of any number of logs.
const OTHERS: u32 = 60_000;

/// What was left, and which part of it is wanted.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Log files; `.gz` and `.zst` too.
    pub logs: Vec<PathBuf>,
    /// Deploy logs, one JSON object a line.
    pub deploys: Vec<PathBuf>,
    /// Output of `sadf -j`.
    pub sadf: Vec<PathBuf>,
    /// Answers of Prometheus to range queries.
    pub prometheus: Vec<PathBuf>,
    /// Nothing from before or after it.
    pub window: Option<TimeRange>,
    /// Of stamps that name none.
    pub zone: Option<TimeZone>,
    /// Lines are handed on with their bytes, for who records them; otherwise they stay in their file.
    pub with_bytes: bool,
}

/// Facts of one file that is no log, in order of time.
struct Told {
    decl: SourceDecl,
    state: SourceState,
    events: Vec<(Ts, Event)>,
}

/// What is said of an export that was read: its figures, and what in it was not understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// Whose figures, where the export says so.
    pub host: Option<String>,
    /// By time.
    pub samples: Vec<(Ts, HostSample)>,
    /// What is not in it, or was not understood, in words.
    pub unknown: Vec<String>,
}

impl Left {
    /// All files of it, the logs first.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.logs.iter().chain(&self.deploys).chain(&self.sadf).chain(&self.prometheus)
    }

    /// Reads all of it and hands on envelopes in order of time; `to` returns false to stop.
    pub fn read(&self, to: &mut dyn FnMut(Vec<Envelope>) -> bool) -> anyhow::Result<Summary> {
        self.read_with(&mut |feed| Some(feed), to)
    }

    /// As [`Left::read`], with what logs tell handed through `change` first; `None` leaves it out.
    pub fn read_with(
        &self,
        change: &mut dyn FnMut(LogFeed) -> Option<LogFeed>,
        to: &mut dyn FnMut(Vec<Envelope>) -> bool,
    ) -> anyhow::Result<Summary> {
        let (others, host) = self.others()?;
        let origin = Declaration::Origin {
            host: host.unwrap_or_default(),
            boot_id: String::new(),
            zone: self.zone.as_ref().and_then(TimeZone::iana_name).unwrap_or("UTC").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            run: 0,
        };
        // Declarations have no time of their own: they wait for the first fact.
        let mut declared = vec![(SourceId(0), Event::Stream(origin))];
        let mut facts: Vec<(Ts, SourceId, Event)> = Vec::new();
        for (i, told) in others.into_iter().enumerate() {
            let id = SourceId(OTHERS + i as u32);
            declared.push((id, Event::Stream(Declaration::Source(SourceDecl { id, ..told.decl }))));
            declared.push((id, Event::Stream(Declaration::State { source: id, state: told.state })));
            facts.extend(told.events.into_iter().map(|(at, event)| (at, id, event)));
        }
        facts.retain(|(at, _, _)| self.window.is_none_or(|w| w.contains(*at)));
        facts.sort_by_key(|(at, id, _)| (*at, *id));
        let mut facts = facts.into_iter().peekable();
        let mut numbering = Numbering::default();
        let mut go_on = true;
        let mut waiting = declared;
        let mut opened: BTreeMap<(SourceId, u32), Event> = BTreeMap::new();
        let mut give = |facts: Vec<(Ts, SourceId, Event)>, waiting: &mut Vec<(SourceId, Event)>| -> bool {
            let Some(first) = facts.first().map(|(at, _, _)| *at) else { return true };
            let mut batch = Vec::new();
            let declared = waiting.drain(..).map(|(source, event)| (first, source, event));
            for (observed, source, event) in declared.chain(facts) {
                numbering.number(Observation { source, observed, mono: 0, event, room: None }, &mut batch);
            }
            // What the lines tell has been read; they themselves stay in their file.
            for e in batch.iter_mut().filter(|_| !self.with_bytes) {
                if let Event::Logs(LogEvent::Appended(a)) = &mut e.event {
                    a.bytes = None;
                }
            }
            to(batch)
        };
        if !self.logs.is_empty() {
            let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
            read_logs_in(&self.logs, &zone, &mut |feed| {
                if !go_on {
                    return;
                }
                let Some(feed) = change(feed) else { return };
                let (source, observed, event) = match feed {
                    LogFeed::Source(decl) => {
                        let source = decl.id;
                        waiting.push((source, Event::Stream(Declaration::Source(decl))));
                        let state = SourceState::Ok;
                        waiting.push((source, Event::Stream(Declaration::State { source, state })));
                        return;
                    }
                    LogFeed::Event(source, at, event) => (source, at, Event::Logs(event)),
                };
                let generation = match &event {
                    Event::Logs(LogEvent::Opened(o)) => {
                        // All files are opened first; each is told when its first line is.
                        opened.insert((source, o.generation), event);
                        return;
                    }
                    Event::Logs(LogEvent::Appended(a)) => a.generation,
                    _ => return,
                };
                if self.window.is_some_and(|w| !w.contains(observed)) {
                    return;
                }
                let mut batch = Vec::new();
                while let Some(fact) = facts.next_if(|(at, _, _)| *at <= observed) {
                    batch.push(fact);
                }
                batch.extend(opened.remove(&(source, generation)).map(|o| (observed, source, o)));
                batch.push((observed, source, event));
                go_on = give(batch, &mut waiting);
            })
            .map_err(anyhow::Error::msg)?;
        }
        if go_on {
            give(facts.collect(), &mut waiting);
        }
        Ok(Summary::default())
    }

    fn others(&self) -> anyhow::Result<(Vec<Told>, Option<String>)> {
        let mut all = Vec::new();
        let mut host = None;
        for path in &self.deploys {
            all.push(deploys(path)?);
        }
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        for path in &self.sadf {
            let export = sadf::parse(&text(path)?, &zone).map_err(|why| not_that(path, "of `sadf -j`", &why))?;
            host = host.or_else(|| export.host.clone());
            all.push(told("sysstat", path, export));
        }
        for path in &self.prometheus {
            let export =
                prometheus::parse(&text(path)?).map_err(|why| not_that(path, "of a Prometheus range query", &why))?;
            host = host.or_else(|| export.host.clone());
            all.push(told("prometheus", path, export));
        }
        Ok((all, host))
    }
}

fn not_that(path: &Path, what: &str, why: &str) -> anyhow::Error {
    anyhow::anyhow!("{} is not the output {what}: {why}", path.display())
}

fn text(path: &Path) -> anyhow::Result<String> {
    use anyhow::Context;
    let size = path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    anyhow::ensure!(size <= LARGEST, "{} is larger than a gigabyte: export a shorter time", path.display());
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn told(name: &str, path: &Path, export: Export) -> Told {
    let detail = path.display().to_string();
    let state = match export.unknown.is_empty() {
        true => SourceState::Ok,
        false => SourceState::Degraded { why: export.unknown.join("; ") },
    };
    let events = export.samples.into_iter().map(|(at, s)| (at, Event::Host(HostEvent::Sample(Box::new(s))))).collect();
    Told { decl: SourceDecl { id: SourceId(0), kind: SourceKind::Host, name: name.into(), detail }, state, events }
}

/// A deploy log; lines that are no deploys are counted in its state.
fn deploys(path: &Path) -> anyhow::Result<Told> {
    let text = text(path)?;
    let mut events = Vec::new();
    let (mut bad, mut last) = (0u64, String::new());
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        // A change without a time of its own cannot be placed.
        match contract::parse(line, None) {
            Ok(change) => events.push((change.at, Event::Deploys(DeployEvent::Change(change)))),
            Err(why) => (bad, last) = (bad + 1, why),
        }
    }
    let detail = path.display().to_string();
    if let Some(first) = events.iter().map(|(at, _)| *at).min() {
        events.push((first, Event::Deploys(DeployEvent::Covers { of: detail.clone(), since: first })));
    }
    let state = match bad {
        0 => SourceState::Ok,
        n => SourceState::Degraded { why: format!("{n} lines of {detail} not understood; the last: {last}") },
    };
    let decl = SourceDecl { id: SourceId(0), kind: SourceKind::Deploys, name: "deploy log".into(), detail };
    Ok(Told { decl, state, events })
}
