//! Recordings of several runs, and of several hosts, read as one stream: concatenated, or side by side in a folder.
//!
//! Every run numbers its envelopes and its sources from one, and calls itself origin 0. Here each distinct run gets an
//! origin of its own, so that (origin, seq) is an identity again: envelopes that come twice still count once, and those of
//! different runs never stand for each other. A source that was already watched by an earlier run of the same host (a
//! database, the machine) goes on under its old number, so that its history is one; a log does not, because its
//! generations are numbered from 0 in every run.

use std::collections::BTreeMap;

use crate::signals::database::event::DatabaseEvent;
use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::source::Declaration;
use crate::timeline::{OriginId, SourceId, SourceKind, Ts};

/// Source numbers of the later runs begin at multiples of this.
const APART: u32 = 1 << 16;

/// Who a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Run {
        host: String,
        boot: String,
        run: u64,
    },
    /// From before runs had a number: the moment on its own clock at which the stream began is as good as one.
    Moment {
        host: String,
        boot: String,
        mono: u64,
    },
    /// Its declaration is lost.
    Lost(usize),
}

#[derive(Clone, Debug)]
struct Run {
    key: Key,
    host: String,
    /// When it began; a seed, and what its lines told, is of before.
    began: Ts,
    /// First and last observed time of what it saw.
    span: Option<(Ts, Ts)>,
    /// What its sources are called here.
    sources: BTreeMap<SourceId, SourceId>,
}

/// Which run speaks under which origin number.
pub type Speaking = BTreeMap<OriginId, usize>;

/// Tells runs apart while envelopes are read in the order of the recording.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    runs: Vec<Run>,
    /// Which run speaks under the origin numbers of this segment.
    speaking: Speaking,
    /// Sources that go on from run to run: (host, kind, name, detail).
    lasting: BTreeMap<(String, SourceKind, String, String), SourceId>,
}

impl Runs {
    /// A segment begins: who speaks in it is declared in it.
    pub fn segment(&mut self) {
        self.speaking.clear();
    }

    /// Who speaks now.
    pub fn speaking(&self) -> &Speaking {
        &self.speaking
    }

    /// Goes on in the middle of a segment in which these speak.
    pub fn resume(&mut self, speaking: &Speaking) {
        self.speaking.clone_from(speaking);
    }

    /// How many runs were met.
    pub fn count(&self) -> usize {
        self.runs.len()
    }

    /// Gives envelopes the origins and source numbers of this reading.
    pub fn place(&mut self, envelopes: &mut [Envelope]) {
        for e in envelopes {
            self.place_one(e);
        }
    }

    fn place_one(&mut self, e: &mut Envelope) {
        if let Event::Stream(Declaration::Origin { host, boot_id, run, .. }) = &e.event {
            let (host, boot) = (host.clone(), boot_id.clone());
            let key = match run {
                0 => Key::Moment { host: host.clone(), boot, mono: e.mono },
                _ => Key::Run { host: host.clone(), boot, run: *run },
            };
            let known = self.runs.iter().position(|r| r.key == key);
            let index = known.unwrap_or_else(|| self.begin(key, host, e.observed));
            self.speaking.insert(e.origin, index);
        }
        let index = match self.speaking.get(&e.origin) {
            Some(index) => *index,
            None => {
                let index = self.begin(Key::Lost(self.runs.len()), String::new(), Ts::MIN);
                self.speaking.insert(e.origin, index);
                index
            }
        };
        e.origin = OriginId(u16::try_from(index).unwrap_or(u16::MAX));
        self.sources(index, e);
        if let Event::Logs(LogEvent::Appended(a)) = &mut e.event
            && a.seed
        {
            // Lines from before this run that an earlier run of the host has counted already.
            let host = &self.runs[index].host;
            let others = self.runs.iter().enumerate().filter(|(i, r)| *i != index && r.host == *host);
            for (first, last) in others.filter_map(|(_, r)| r.span) {
                a.counts.retain(|(second, _)| *second < first.secs() || *second > last.secs());
            }
        } else if let Event::Database(event) = &mut e.event
            && e.observed < self.runs[index].began
        {
            // The same of what such lines told.
            let host = &self.runs[index].host;
            let others = self.runs.iter().enumerate().filter(|(i, r)| *i != index && r.host == *host);
            if others.filter_map(|(_, r)| r.span).any(|(first, last)| first <= e.observed && e.observed <= last) {
                *event = DatabaseEvent::Unread { lines: 0 };
            }
        } else if e.event.kind().is_some() {
            let run = &mut self.runs[index];
            let (first, last) = run.span.unwrap_or((e.observed, e.observed));
            run.span = Some((first.min(e.observed), last.max(e.observed)));
        }
    }

    fn begin(&mut self, key: Key, host: String, began: Ts) -> usize {
        self.runs.push(Run { key, host, began, span: None, sources: BTreeMap::new() });
        self.runs.len() - 1
    }

    /// Source numbers, wherever an envelope names one.
    fn sources(&mut self, index: usize, e: &mut Envelope) {
        if let Event::Stream(Declaration::Source(decl)) = &e.event {
            let own = own(index, decl.id);
            let id = match decl.kind {
                SourceKind::Logs => own,
                kind => {
                    let who = (self.runs[index].host.clone(), kind, decl.name.clone(), decl.detail.clone());
                    let lasting = *self.lasting.entry(who).or_insert(own);
                    // Two sources of one run that look the same are two.
                    let taken = self.runs[index].sources.iter().any(|(of, to)| *of != decl.id && *to == lasting);
                    if taken { own } else { lasting }
                }
            };
            self.runs[index].sources.insert(decl.id, id);
        }
        let run = &self.runs[index];
        let to = |id: &mut SourceId| *id = run.sources.get(id).copied().unwrap_or_else(|| own(index, *id));
        to(&mut e.source);
        match &mut e.event {
            Event::Stream(Declaration::Source(decl)) => to(&mut decl.id),
            Event::Stream(Declaration::State { source, .. } | Declaration::Dropped { source, .. }) => to(source),
            Event::Database(DatabaseEvent::SlowStatement(s)) => to(&mut s.from.source),
            Event::Database(DatabaseEvent::PoolFigures(p)) => p.line.iter_mut().for_each(|l| to(&mut l.source)),
            Event::Database(DatabaseEvent::Refused(r)) => r.from.iter_mut().for_each(|l| to(&mut l.source)),
            _ => {}
        }
    }
}

/// A source number that no other run has.
fn own(index: usize, id: SourceId) -> SourceId {
    let base = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(APART);
    SourceId(base.saturating_add(id.0.min(APART - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::SlowStatement;
    use crate::signals::logs::event::LogAppended;
    use crate::timeline::counts::Counts;
    use crate::timeline::{SourceDecl, SourceState};

    fn envelope(seq: u64, source: u32, event: Event) -> Envelope {
        let observed = Ts::from_secs(1_000 + seq as i64);
        Envelope { seq, origin: OriginId(0), source: SourceId(source), observed, mono: 77, event }
    }

    fn begins(host: &str, run: u64) -> Vec<Envelope> {
        let origin = Declaration::Origin {
            host: host.into(),
            boot_id: "b".into(),
            zone: "UTC".into(),
            version: "0".into(),
            run,
        };
        let decl = |id, kind, name: &str| {
            Declaration::Source(SourceDecl { id: SourceId(id), kind, name: name.into(), detail: "/d".into() })
        };
        [origin, decl(1, SourceKind::Logs, "api"), decl(2, SourceKind::Database, "orders")]
            .into_iter()
            .zip([(1, 0), (2, 1), (3, 2)])
            .map(|(d, (seq, source))| envelope(seq, source, Event::Stream(d)))
            .collect()
    }

    fn placed(runs: &mut Runs, mut envelopes: Vec<Envelope>) -> Vec<(u16, u32)> {
        runs.segment();
        runs.place(&mut envelopes);
        envelopes.iter().map(|e| (e.origin.0, e.source.0)).collect()
    }

    #[test]
    fn one_run_keeps_its_numbers_and_comes_back_under_them() {
        let mut runs = Runs::default();
        for _ in 0..2 {
            assert_eq!(placed(&mut runs, begins("a", 9)), [(0, 0), (0, 1), (0, 2)]);
        }
        assert_eq!(runs.count(), 1);
    }

    #[test]
    fn another_run_of_the_host_goes_on_with_its_database_and_has_logs_of_its_own() {
        let mut runs = Runs::default();
        placed(&mut runs, begins("a", 9));
        assert_eq!(placed(&mut runs, begins("a", 10)), [(1, APART), (1, APART + 1), (1, 2)]);
        assert_eq!(placed(&mut runs, begins("b", 10)), [(2, 2 * APART), (2, 2 * APART + 1), (2, 2 * APART + 2)]);
        let mut state = begins("a", 10);
        state.push(envelope(4, 2, Event::Stream(Declaration::State { source: SourceId(2), state: SourceState::Ok })));
        runs.segment();
        runs.place(&mut state);
        assert!(matches!(state[3].event, Event::Stream(Declaration::State { source: SourceId(2), .. })));
    }

    #[test]
    fn runs_from_before_they_had_a_number_are_told_apart_by_the_moment_they_began() {
        let mut runs = Runs::default();
        placed(&mut runs, begins("a", 0));
        let mut other = begins("a", 0);
        other[0].mono = 78;
        assert_eq!(placed(&mut runs, other)[0], (1, APART));
        assert_eq!(placed(&mut runs, begins("a", 0))[0], (0, 0));
    }

    #[test]
    fn lines_from_before_a_run_that_an_earlier_run_has_counted_are_not_counted_again() {
        let mut runs = Runs::default();
        let lines = |seq, seed, seconds: &[i64]| {
            let counts = seconds.iter().map(|s| (*s, Counts::default())).collect();
            let a = LogAppended { end: 1, lines: 1, counts, format: "json".into(), seed, ..LogAppended::default() };
            envelope(seq, 1, Event::Logs(LogEvent::Appended(a)))
        };
        let mut first = begins("a", 9);
        first.extend([lines(10, false, &[1_010]), lines(20, false, &[1_020])]);
        runs.place(&mut first);
        let mut second = begins("a", 10);
        second.push(lines(4, true, &[1_005, 1_010, 1_015, 1_020, 1_025]));
        runs.segment();
        runs.place(&mut second);
        let Event::Logs(LogEvent::Appended(a)) = &second[3].event else { panic!("{:?}", second[3]) };
        assert_eq!(a.counts.iter().map(|c| c.0).collect::<Vec<_>>(), [1_005, 1_025]);
    }

    #[test]
    fn what_such_lines_told_is_not_told_again_either() {
        let told = |seq, second| {
            let slow = SlowStatement { duration_ms: second as f64, ..SlowStatement::default() };
            let e = envelope(seq, 1, Event::Database(DatabaseEvent::SlowStatement(slow)));
            Envelope { observed: Ts::from_secs(second), ..e }
        };
        let at = |run, second| {
            let mut all = begins("a", run);
            all.iter_mut().for_each(|e| e.observed = Ts::from_secs(second));
            all
        };
        let mut runs = Runs::default();
        let mut first = at(9, 1_000);
        first.extend([told(10, 1_010), told(11, 1_020)]);
        runs.place(&mut first);
        let mut second = at(10, 1_100);
        second.extend([told(4, 990), told(5, 1_015), told(6, 1_050), told(7, 1_110)]);
        runs.segment();
        runs.place(&mut second);
        let kept: Vec<f64> = second
            .iter()
            .filter_map(|e| match &e.event {
                Event::Database(DatabaseEvent::SlowStatement(s)) => Some(s.duration_ms),
                _ => None,
            })
            .collect();
        assert_eq!(kept, [990.0, 1_050.0, 1_110.0]);
    }

    #[test]
    fn what_follows_a_lost_declaration_is_a_run_of_its_own() {
        let mut runs = Runs::default();
        placed(&mut runs, begins("a", 9));
        let headless = begins("a", 9).split_off(1);
        assert_eq!(placed(&mut runs, headless)[0], (1, APART + 1));
    }
}
