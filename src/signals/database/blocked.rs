//! Who waits for whom: a tree per root, roots ranked by how many wait for them, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Look, Seen};
use crate::timeline::SourceId;

/// One that blocks and does not wait, or the first of a ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Root<'a> {
    /// Its server.
    pub source: SourceId,
    /// That server's name, where several are watched.
    pub server: Option<&'a str>,
    /// Its process number; 0 is a prepared transaction.
    pub pid: i32,
    /// The session, where it was listed.
    pub seen: Option<&'a Seen>,
    /// Sessions that wait for it, directly or through others.
    pub blocked: u32,
    /// Their numbers, as far as they are listed.
    pub behind: BTreeSet<i32>,
    /// Longest of their waits, in milliseconds.
    pub longest_ms: u64,
    /// Everybody waits for somebody here: the server will break it as a deadlock.
    pub ring: bool,
    /// Those who wait, in the order to draw them: each below the one just before it in the queue.
    pub waiters: Vec<Waiter<'a>>,
}

/// One who waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiter<'a> {
    /// Steps from the root, from 1.
    pub depth: usize,
    /// The session.
    pub seen: &'a Seen,
    /// Those who wait for this one in turn, and so would not if it went away.
    pub blocked: u32,
}

/// The trees of one look at a server, the root with most sessions behind it first. Numbers of sessions mean something on
/// their own server only.
pub fn roots<'a>(source: SourceId, server: Option<&'a str>, look: &'a Look) -> Vec<Root<'a>> {
    let by_pid: BTreeMap<i32, &Seen> = look.sessions.iter().map(|s| (s.session.pid, s)).collect();
    // Who waits directly for whom.
    let mut behind: BTreeMap<i32, Vec<&Seen>> = BTreeMap::new();
    let mut waiters: BTreeMap<i32, &Seen> = BTreeMap::new();
    for s in look.sessions.iter().filter(|s| !s.session.blocked_by.is_empty()) {
        waiters.insert(s.session.pid, s);
        for blocker in &s.session.blocked_by {
            behind.entry(*blocker).or_default().push(s);
        }
    }
    let mut starts: Vec<(i32, bool)> =
        behind.keys().filter(|p| !waiters.contains_key(p)).map(|p| (*p, false)).collect();
    let mut reached: BTreeSet<i32> = starts.iter().flat_map(|(p, _)| reach(*p, &behind)).collect();
    // Rings have no root: the one that waits longest stands for it.
    while let Some(s) = waiters
        .values()
        .filter(|s| !reached.contains(&s.session.pid))
        .max_by_key(|s| (s.session.query_age_ms, std::cmp::Reverse(s.session.pid)))
    {
        starts.push((s.session.pid, true));
        reached.insert(s.session.pid);
        reached.extend(reach(s.session.pid, &behind));
    }
    let mut roots: Vec<Root<'a>> = starts
        .into_iter()
        .map(|(pid, ring)| {
            let all = reach(pid, &behind);
            let wait = |p: &i32| waiters.get(p).and_then(|s| s.session.query_age_ms).unwrap_or(0);
            let mut rows = Vec::new();
            let mut drawn = BTreeSet::from([pid]);
            draw(pid, 1, &behind, &waiters, &mut drawn, &mut rows);
            Root {
                source,
                server,
                pid,
                seen: by_pid.get(&pid).copied(),
                blocked: all.iter().filter(|p| **p != pid).count() as u32,
                longest_ms: all.iter().map(wait).max().unwrap_or(0),
                behind: all.into_iter().filter(|p| *p != pid).collect(),
                ring,
                waiters: rows,
            }
        })
        .collect();
    // Sessions beyond the list wait as well; with one root it is known for whom.
    if let [only] = &mut roots[..] {
        only.blocked = only.blocked.max(look.figures.counts.waiting);
    }
    roots.sort_by_key(|r| (std::cmp::Reverse((r.blocked, r.longest_ms)), r.pid));
    roots
}

fn reach(from: i32, behind: &BTreeMap<i32, Vec<&Seen>>) -> BTreeSet<i32> {
    let mut all = BTreeSet::new();
    let mut open = vec![from];
    while let Some(pid) = open.pop() {
        for s in behind.get(&pid).into_iter().flatten() {
            if all.insert(s.session.pid) {
                open.push(s.session.pid);
            }
        }
    }
    all
}

/// The one a session stands right behind: among those it waits for, one that waits itself.
fn nearest(s: &Seen, waiters: &BTreeMap<i32, &Seen>) -> Option<i32> {
    let all = &s.session.blocked_by;
    all.iter().rev().find(|p| waiters.contains_key(p)).or(all.first()).copied()
}

fn draw<'a>(
    pid: i32,
    depth: usize,
    behind: &BTreeMap<i32, Vec<&'a Seen>>,
    waiters: &BTreeMap<i32, &'a Seen>,
    drawn: &mut BTreeSet<i32>,
    rows: &mut Vec<Waiter<'a>>,
) {
    let mut next: Vec<&Seen> = behind.get(&pid).into_iter().flatten().copied().collect();
    next.retain(|s| nearest(s, waiters) == Some(pid));
    next.sort_by_key(|s| (std::cmp::Reverse(s.session.query_age_ms), s.session.pid));
    for s in next {
        if drawn.insert(s.session.pid) {
            let blocked = reach(s.session.pid, behind).len() as u32;
            rows.push(Waiter { depth, seen: s, blocked });
            draw(s.session.pid, depth + 1, behind, waiters, drawn, rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::signals::database::event::Session;

    fn look(sessions: &[(i32, &[i32])]) -> Look {
        let sessions = sessions
            .iter()
            .map(|(pid, by)| Seen {
                session: Session {
                    pid: *pid,
                    blocked_by: by.to_vec(),
                    query_age_ms: Some(1_000 - *pid as u64),
                    ..Session::default()
                },
                statement: Arc::default(),
            })
            .collect();
        Look { sessions, ..Look::default() }
    }

    /// Root, sessions behind it, and who stands there at which depth.
    type Summary = Vec<(i32, u32, Vec<(usize, i32)>)>;

    fn summary(sessions: &[(i32, &[i32])]) -> Summary {
        let look = look(sessions);
        let row = |w: &Waiter| (w.depth, w.seen.session.pid);
        roots(SourceId(1), None, &look)
            .iter()
            .map(|r| (r.pid, r.blocked, r.waiters.iter().map(row).collect()))
            .collect()
    }

    #[test]
    fn the_root_is_who_blocks_without_waiting_whatever_stands_between() {
        assert_eq!(summary(&[(1, &[]), (2, &[1])]), [(1, 1, vec![(1, 2)])]);
        let chain: &[(i32, &[i32])] = &[(1, &[]), (2, &[1]), (3, &[1, 2]), (4, &[1, 3])];
        assert_eq!(summary(chain), [(1, 3, vec![(1, 2), (2, 3), (3, 4)])]);
    }

    #[test]
    fn with_several_roots_the_one_with_most_behind_it_comes_first() {
        let share: &[(i32, &[i32])] = &[(1, &[]), (2, &[]), (3, &[1, 2]), (4, &[2])];
        assert_eq!(summary(share).iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [(2, 2), (1, 1)]);
    }

    #[test]
    fn a_root_that_was_not_listed_and_a_prepared_transaction_are_roots_all_the_same() {
        assert_eq!(summary(&[(5, &[0]), (6, &[99])]).iter().map(|r| r.0).collect::<Vec<_>>(), [0, 99]);
    }

    #[test]
    fn a_ring_ends_and_is_called_one() {
        let look = look(&[(1, &[2]), (2, &[1]), (3, &[2])]);
        let roots = roots(SourceId(1), None, &look);
        assert_eq!(roots.len(), 1);
        assert!(roots[0].ring && roots[0].blocked == 2, "{roots:?}");
    }
}
