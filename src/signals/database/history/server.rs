//! What a server said, look by look, bounded: looks older than the newest `SESSIONS_KEPT` sessions keep their counts only.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::Statement;
use crate::signals::database::event::{Activity, DeadlockSide, Replica, ServerInfo, Session, Statements, Upkeep};
use crate::timeline::{History, Seq, Series, TimeRange, Ts};

/// Sessions kept over all looks of a server.
const SESSIONS_KEPT: usize = 20_000;
/// Looks kept: two hours at one a second.
pub(super) const LOOKS: usize = 7_200;
/// Intervals of statement counters kept: an hour at one in 5 s.
pub(super) const INTERVALS: usize = 720;

/// A session together with its statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The session; its `query` is empty here.
    pub session: Session,
    /// Its statement.
    pub statement: Arc<Statement>,
}

/// One look, with its statements shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// When.
    pub at: Ts,
    /// Counts and figures; its `sessions` are empty here.
    pub figures: Activity,
    /// The sessions; empty when they were let go.
    pub sessions: Vec<Seen>,
    /// Whether the sessions were let go to save memory.
    pub thinned: bool,
}

impl Look {
    /// Whether it is too old at `now` to say how things are.
    pub fn is_old(&self, now: Ts) -> bool {
        now.since(self.at) > Duration::from_millis(u64::from(self.figures.every_ms) * 3).max(Duration::from_secs(15))
    }
}

/// One server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Who answered, each time a connection was opened.
    pub info: History<ServerInfo>,
    looks: BTreeMap<(Ts, Seq), Look>,
    sessions: usize,
    /// Looks before it have no sessions any more.
    thinned: (Ts, Seq),
    pub(super) let_go_upto: Option<Ts>,
    /// Looks that fell off the far end.
    pub evicted: u64,
    /// Differences of statement counters.
    pub statements: History<Statements>,
    /// Deadlocks: how many since the look before, and who was in the last one.
    pub deadlocks: History<(u64, Vec<DeadlockSide>)>,
    /// How it keeps up, where it is a replica.
    pub replica: History<Replica>,
    /// What it does besides its statements.
    pub upkeep: History<Upkeep>,
    /// Client sessions over time.
    pub clients: Series,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            info: History::new(64),
            looks: BTreeMap::new(),
            sessions: 0,
            thinned: (Ts::MIN, 0),
            let_go_upto: None,
            evicted: 0,
            statements: History::new(INTERVALS),
            deadlocks: History::new(1_000),
            replica: History::new(LOOKS),
            upkeep: History::new(INTERVALS),
            clients: Series::default(),
        }
    }
}

impl Server {
    /// The newest look at `now`.
    pub fn look(&self, now: Ts) -> Option<&Look> {
        self.looks.range(..=(now, Seq::MAX)).next_back().map(|(_, l)| l)
    }

    /// Looks inside `range`, oldest first.
    pub fn looks(&self, range: TimeRange) -> impl Iterator<Item = &Look> {
        let end = range.end.max(range.start);
        self.looks.range((Bound::Included((range.start, 0)), Bound::Excluded((end, 0)))).map(|(_, l)| l)
    }

    /// Its name at `now`.
    pub fn name(&self, now: Ts) -> &str {
        self.info.latest(now).map_or("", |i| i.value.name.as_str())
    }

    pub(super) fn before(&self, at: Ts) -> Server {
        Server {
            info: self.info.clone(),
            deadlocks: self.deadlocks.clone(),
            clients: self.clients.before(at),
            ..Server::default()
        }
    }

    pub(super) fn push(&mut self, seq: Seq, look: Look) {
        self.clients.push(look.at, f64::from(look.figures.counts.clients));
        self.sessions += look.sessions.len();
        self.thinned = self.thinned.min((look.at, seq));
        self.looks.insert((look.at, seq), look);
        if self.sessions > SESSIONS_KEPT {
            // From where the last time ended: once a second for hours it would be a walk over all of them.
            for (key, old) in self.looks.range_mut(self.thinned..) {
                self.thinned = *key;
                if old.sessions.is_empty() {
                    continue;
                }
                self.sessions -= old.sessions.len();
                old.sessions = Vec::new();
                old.thinned = true;
                self.let_go_upto = self.let_go_upto.max(Some(old.at));
                if self.sessions <= SESSIONS_KEPT {
                    break;
                }
            }
        }
        while self.looks.len() > LOOKS {
            if let Some((_, old)) = self.looks.pop_first() {
                self.let_go_upto = self.let_go_upto.max(Some(old.at));
                self.sessions -= old.sessions.len();
                self.evicted += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::look;
    use super::*;
    use crate::signals::database::history::DatabaseHistory;
    use crate::timeline::SourceId;

    #[test]
    fn old_looks_let_their_sessions_go_and_keep_their_counts() {
        let mut h = DatabaseHistory::default();
        for i in 0..300 {
            h.apply(i, SourceId(1), Ts::from_secs(i as i64), &look(100, "SELECT 1"));
        }
        let server = &h.servers[&SourceId(1)];
        assert!(server.look(Ts::from_secs(10)).unwrap().thinned);
        assert_eq!(server.look(Ts::from_secs(299)).unwrap().sessions.len(), 100);
        assert!(server.sessions <= SESSIONS_KEPT);
        assert_eq!(server.looks.len(), 300);
    }
}
