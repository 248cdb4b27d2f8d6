//! Whether a server turns connections away, as of any playhead: what it told us itself, and what log lines told.
//!
//! Logs tell of our own attempts as well; these are not counted as somebody else's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DatabaseHistory, Look, minute};
use crate::signals::database::OWN_APPLICATION;
use crate::signals::database::event::{Refused, Told, What};
use crate::signals::database::layers::Slots;
use crate::timeline::{Entry, SourceId, TimeRange, Ts};

/// So long after the last refusal a look must have found free slots: one between two refusals says nothing.
const OVER: Duration = Duration::from_secs(2);
/// What is past is counted over so long.
const COUNTED: Duration = Duration::from_secs(300);
/// A line about an attempt of ours is written so close to it.
const OURS: Duration = Duration::from_secs(1);

/// Connections that were turned away, and are no more.
#[derive(Debug)]
pub struct Past<'a> {
    /// The last time.
    pub last: Ts,
    /// How many in the last minutes.
    pub count: u64,
    /// The last of them.
    pub refused: &'a Refused,
}

/// What tells our own attempts from those of others.
struct Own<'a> {
    /// Our roles, and whether somebody else uses them as well, or may.
    roles: BTreeMap<&'a str, bool>,
    /// When we were turned away ourselves.
    attempts: Vec<Ts>,
}

impl Own<'_> {
    fn is(&self, at: Ts, refused: &Refused) -> bool {
        let near = || self.attempts.iter().any(|t| at.since(*t).max(t.since(at)) <= OURS);
        let role = self.roles.get(refused.user.as_str()).filter(|_| !refused.user.is_empty());
        refused.from.is_some() && role.is_some_and(|shared| !shared || near())
    }
}

impl DatabaseHistory {
    /// The refusal that stands at `now`: newer than anything the same server said since; one out of a log line no older
    /// than a minute, and not after free slots were seen.
    pub fn refused(&self, now: Ts) -> Option<(Ts, &Refused)> {
        // `since` is the first one of an unbroken row.
        let mut found: Option<(Ts, &Refused, SourceId)> = None;
        let own = self.own(now);
        for e in self.refused.upto(now).filter(|e| !own.is(e.at, &e.value.1)) {
            let (source, refused) = &e.value;
            let (_, _, of) = match found {
                Some(f) => f,
                None if self.stands(*source, refused, e.at, now) => (e.at, refused, *source),
                None => continue,
            };
            if *source == of && self.stands(*source, refused, e.at, now) {
                found = Some((e.at, found.map_or(refused, |f| f.1), of));
            }
        }
        found.map(|(at, r, _)| (at, r))
    }

    /// The newest refusal of our own connection to one server, when the server has said nothing since.
    pub fn refused_to(&self, source: SourceId, now: Ts) -> Option<&Refused> {
        let ours = |e: &&Entry<(SourceId, Refused)>| e.value.0 == source && e.value.1.from.is_none();
        let last = self.refused.upto(now).find(ours)?;
        self.stands(source, &last.value.1, last.at, now).then_some(&last.value.1)
    }

    fn stands(&self, source: SourceId, refused: &Refused, at: Ts, now: Ts) -> bool {
        match (&refused.from, self.servers.get(&source).and_then(|s| s.look(now))) {
            (Some(_), _) => now.since(at) < Duration::from_secs(60) && !self.is_over(source, refused, at, now),
            (None, Some(look)) => look.at < at,
            (None, None) => true,
        }
    }

    /// Whether the server was seen to take connections again after a log line said that it turned one away at `at`.
    fn is_over(&self, log: SourceId, refused: &Refused, at: Ts, now: Ts) -> bool {
        let starting = refused.sqlstate == "57P03";
        let since = TimeRange::new(at, now + Duration::from_nanos(1));
        let ready = |told: &Told| told.from.source == log && matches!(told.what, What::Ready);
        if starting && self.told.within(since, now).any(|e| ready(&e.value)) {
            return true;
        }
        // A limit of one role, database or host says nothing of the slots.
        let slots = ["clients already", "slots are reserved", "Too many connections"];
        if !starting && !slots.iter().any(|n| refused.message.contains(n)) {
            return false;
        }
        // Which server wrote the log is not known: each that is watched must have had room.
        let later = TimeRange::new(at + OVER, now + Duration::from_nanos(1));
        let mut watched = self.servers.values().filter(|s| s.look(now).is_some()).peekable();
        watched.peek().is_some() && watched.all(|s| s.looks(later).any(has_room))
    }

    /// What log lines tell of connections turned away inside `range`, our own attempts left out.
    pub fn logged_refusals(&self, range: TimeRange, now: Ts) -> impl Iterator<Item = &Entry<(SourceId, Refused)>> {
        let own = self.own(now);
        self.refused.within(range, now).filter(move |e| e.value.1.from.is_some() && !own.is(e.at, &e.value.1))
    }

    /// Connections that log lines say were turned away in the minute before `now`, by the log that tells of most.
    pub fn turned_away(&self, now: Ts) -> u64 {
        self.logged(minute(now), now)
    }

    fn logged(&self, range: TimeRange, now: Ts) -> u64 {
        let mut by: BTreeMap<SourceId, u64> = BTreeMap::new();
        for e in self.logged_refusals(range, now) {
            *by.entry(e.value.0).or_default() += 1;
        }
        by.into_values().max().unwrap_or(0)
    }

    /// What was turned away in the minute before `now`, where that is over.
    pub fn refused_before(&self, now: Ts) -> Option<Past<'_>> {
        let last = self.logged_refusals(minute(now), now).last()?;
        if self.refused(now).is_some() {
            return None;
        }
        let count = self.logged(TimeRange::ending(now + Duration::from_nanos(1), COUNTED), now);
        Some(Past { last: last.at, count, refused: &last.value.1 })
    }

    fn own(&self, now: Ts) -> Own<'_> {
        let lately = TimeRange::ending(now + Duration::from_nanos(1), COUNTED);
        let mut roles: BTreeMap<&str, bool> = BTreeMap::new();
        for server in self.servers.values() {
            let Some(info) = server.info.latest(now) else { continue };
            let role = info.value.role.as_str();
            let others = |user: &str, application: &str| user == role && !application.starts_with(OWN_APPLICATION);
            let used = |l: &Look| {
                l.figures.held.iter().any(|h| others(&h.user, &h.application))
                    || l.sessions.iter().any(|s| others(&s.session.user, &s.session.application))
            };
            // One that may watch all sessions is made for watching; those of an application may be all turned away.
            *roles.entry(role).or_default() |= !info.value.sees_all || server.looks(lately).any(used);
        }
        let ours = self.refused.upto(now).filter(|e| e.value.1.from.is_none());
        let mut attempts = Vec::new();
        for e in ours {
            attempts.push(e.at);
            // Nothing is known of a server that never let us in: others may come as the same role.
            roles.entry(e.value.1.user.as_str()).or_insert(true);
        }
        Own { roles, attempts }
    }
}

fn has_room(look: &Look) -> bool {
    Slots::in_look(look).is_some_and(|s| s.used < s.most)
}

#[cfg(test)]
mod tests {
    use super::super::tests::look;
    use super::*;
    use crate::signals::database::event::{Activity, DatabaseEvent, Held, LineRef, ServerInfo, SessionCounts};

    #[test]
    fn a_refusal_stands_from_its_first_time_until_the_server_answers_again() {
        let mut h = DatabaseHistory::default();
        let refused = DatabaseEvent::Refused(Refused { sqlstate: "53300".into(), ..Refused::default() });
        h.apply(1, SourceId(1), Ts(1), &look(1, ""));
        h.apply(2, SourceId(1), Ts(2), &refused);
        h.apply(3, SourceId(1), Ts(3), &refused);
        assert_eq!(h.refused(Ts(3)).map(|r| r.0), Some(Ts(2)));
        h.apply(4, SourceId(1), Ts(4), &look(1, ""));
        assert_eq!(h.refused(Ts(3)).map(|r| r.0), Some(Ts(2)));
        assert_eq!(h.refused(Ts(4)), None);
    }

    /// A server with 17 slots, of which `clients` are taken by `user`, besides ours.
    fn slots(clients: u32, user: &str) -> DatabaseEvent {
        DatabaseEvent::Activity(Activity {
            counts: SessionCounts { clients, ..SessionCounts::default() },
            max_connections: 20,
            reserved: 3,
            held: vec![Held { count: clients, user: user.into(), ..Held::default() }],
            ..Activity::default()
        })
    }

    fn line(user: &str, message: &str) -> DatabaseEvent {
        DatabaseEvent::Refused(Refused {
            sqlstate: "53300".into(),
            message: message.into(),
            user: user.into(),
            from: Some(LineRef { source: SourceId(3), name: "postgresql".into(), ..LineRef::default() }),
            ..Refused::default()
        })
    }

    fn info() -> DatabaseEvent {
        DatabaseEvent::ServerInfo(ServerInfo { role: "monitor".into(), sees_all: true, ..ServerInfo::default() })
    }

    fn history(events: Vec<(i64, u32, DatabaseEvent)>) -> DatabaseHistory {
        let mut h = DatabaseHistory::default();
        for (i, (t, source, e)) in events.into_iter().enumerate() {
            h.apply(i as u64 + 1, SourceId(source), Ts::from_secs(t), &e);
        }
        h
    }

    #[test]
    fn what_a_log_line_says_is_over_once_free_slots_were_seen_after_it() {
        const FULL: &str = "sorry, too many clients already";
        let full = [(0, 1, info()), (9, 1, slots(17, "shop")), (10, 3, line("shop", FULL))];
        let with = |more: Vec<(i64, u32, DatabaseEvent)>| history(full.iter().cloned().chain(more).collect());
        let stands = |h: &DatabaseHistory, t| h.refused(Ts::from_secs(t)).is_some();
        // Still full, or free for a moment only: it stands.
        assert!(stands(&with(vec![(13, 1, slots(17, "shop"))]), 14));
        assert!(stands(&with(vec![(11, 1, slots(5, "shop"))]), 11));
        let h = with(vec![(11, 3, line("shop", FULL)), (13, 1, slots(5, "shop")), (15, 1, slots(17, "shop"))]);
        assert!(stands(&h, 12) && !stands(&h, 13) && !stands(&h, 15));
        let past = h.refused_before(Ts::from_secs(15)).unwrap();
        assert_eq!((past.last, past.count), (Ts::from_secs(11), 2));
        assert!(h.refused_before(Ts::from_secs(12)).is_none() && h.refused_before(Ts::from_secs(72)).is_none());
        // Free slots of the server are no help against the limit of a role.
        let h =
            history(vec![(9, 3, line("shop", "too many connections for role \"shop\"")), (13, 1, slots(5, "shop"))]);
        assert!(stands(&h, 14));
        // And so are they if we watch another server as well, which may be the one.
        let h = with(vec![(1, 2, slots(5, "x")), (13, 1, slots(5, "shop"))]);
        assert!(stands(&h, 14));
    }

    #[test]
    fn our_own_refused_attempts_are_not_counted_unless_others_come_as_the_same_role() {
        const FULL: &str = "sorry, too many clients already";
        let ours = || DatabaseEvent::Refused(Refused { user: "monitor".into(), ..Refused::default() });
        let turned = |user: &str, seen: DatabaseEvent, role: &str| {
            let h = history(vec![
                (0, 1, info()),
                (1, 1, seen),
                (10, 3, line("shop", FULL)),
                (11, 3, line(role, FULL)),
                (20, 1, ours()),
                (20, 3, line(role, FULL)),
                (21, 3, line(user, FULL)),
            ]);
            h.turned_away(Ts::from_secs(25))
        };
        // A role of our own: neither ours nor those of a second warroom.
        assert_eq!(turned("shop", slots(17, "shop"), "monitor"), 2);
        // Others use it as well: what stands within a second of our attempt is ours.
        assert_eq!(turned("shop", slots(17, "monitor"), "monitor"), 3);
        assert_eq!(turned("shop", slots(17, "shop"), "shop"), 4);
    }
}
