//! Whether a server turns connections away, as of any playhead: what it told us itself, and what log lines told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DatabaseHistory, minute};
use crate::signals::database::event::Refused;
use crate::timeline::{SourceId, Ts};

impl DatabaseHistory {
    /// The refusal that stands at `now`: newer than anything the same server said since, and not older than a minute
    /// when it was read from a log line.
    pub fn refused(&self, now: Ts) -> Option<(Ts, &Refused)> {
        // `since` is the first one of an unbroken row.
        let mut found: Option<(Ts, &Refused, SourceId)> = None;
        for e in self.refused.upto(now) {
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
        let ours = |e: &&crate::timeline::Entry<(SourceId, Refused)>| e.value.0 == source && e.value.1.from.is_none();
        let last = self.refused.upto(now).filter(ours).last()?;
        self.stands(source, &last.value.1, last.at, now).then_some(&last.value.1)
    }

    fn stands(&self, source: SourceId, refused: &Refused, at: Ts, now: Ts) -> bool {
        match (&refused.from, self.servers.get(&source).and_then(|s| s.look(now))) {
            (Some(_), _) => now.since(at) < Duration::from_secs(60),
            (None, Some(look)) => look.at < at,
            (None, None) => true,
        }
    }

    /// Connections that log lines say were turned away in the minute before `now`, by the log that tells of most.
    pub fn turned_away(&self, now: Ts) -> u64 {
        let mut by: BTreeMap<SourceId, u64> = BTreeMap::new();
        for e in self.refused.within(minute(now), now).filter(|e| e.value.1.from.is_some()) {
            *by.entry(e.value.0).or_default() += 1;
        }
        by.into_values().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::look;
    use super::*;
    use crate::signals::database::event::DatabaseEvent;

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
}
