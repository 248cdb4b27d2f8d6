//! Out of the sessions of a server, whatever the engine: counts, an order, and who stands right behind whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::signals::database::event::{Activity, HELD, Held, SESSIONS, Session, SessionCounts};

/// Idle sessions that are listed; the others are counted.
const IDLE: usize = 16;

/// Counts, folds, reduces and orders what was read.
pub fn shape(mut sessions: Vec<Session>) -> Activity {
    sessions.retain(|s| s.backend != "parallel worker");
    let mut counts = SessionCounts::default();
    for s in sessions.iter().filter(|s| s.is_client()) {
        counts.clients += 1;
        match s.state.as_deref() {
            Some("active" | "fastpath function call") => counts.active += 1,
            Some("idle") => counts.idle += 1,
            Some("idle in transaction") => counts.idle_in_tx += 1,
            Some("idle in transaction (aborted)") => counts.aborted += 1,
            _ => counts.hidden += 1,
        }
    }
    counts.waiting = sessions.iter().filter(|s| s.waits_for_lock()).count() as u32;
    let held = held(&sessions);
    nearest(&mut sessions);
    let blockers: BTreeSet<i32> = sessions.iter().flat_map(|s| s.blocked_by.iter().copied()).collect();
    let age = |s: &Session| s.query_age_ms.max(s.xact_age_ms).unwrap_or(0);
    sessions.sort_by_key(|s| {
        let class = match s {
            s if blockers.contains(&s.pid) && s.blocked_by.is_empty() => 0,
            s if !s.blocked_by.is_empty() || s.waits_for_lock() => 1,
            s if s.is_idle_in_tx() => 2,
            s if s.is_active() => 3,
            s if s.state.is_none() => 4,
            _ => 5,
        };
        let age = if class == 5 { s.state_age_ms.unwrap_or(0) } else { age(s) };
        (class, std::cmp::Reverse(age), s.pid)
    });
    // Idle ones tell little, and fill a recording: a few of them stand for all.
    let mut idle = 0;
    let all = sessions.len();
    sessions.retain(|s| {
        let sits = s.state.as_deref() == Some("idle") && !blockers.contains(&s.pid);
        idle += usize::from(sits);
        !sits || idle <= IDLE
    });
    // Each figure that changes every second is recorded every second: one age is enough.
    for s in &mut sessions {
        match s.state.as_deref() {
            Some("idle") => (s.query_start, s.query_age_ms) = (None, None),
            Some("active") if s.query_age_ms.is_some() => s.state_age_ms = None,
            _ => {}
        }
    }
    let left_out = all - sessions.len();
    let unlisted = left_out + sessions.len().saturating_sub(SESSIONS);
    let unlisted = unlisted as u32;
    sessions.truncate(SESSIONS);
    Activity { counts, held, sessions, unlisted, ..Activity::default() }
}

/// Who holds the sessions of clients, those with most first.
fn held(sessions: &[Session]) -> Vec<Held> {
    let mut counts: BTreeMap<Held, u32> = BTreeMap::new();
    for s in sessions.iter().filter(|s| s.is_client()) {
        let who = Held {
            count: 0,
            application: s.application.clone(),
            user: s.user.clone(),
            db: s.db.clone(),
            client: s.client.clone().unwrap_or_default(),
        };
        *counts.entry(who).or_default() += 1;
    }
    let mut held: Vec<Held> = counts.into_iter().map(|(who, count)| Held { count, ..who }).collect();
    held.sort_by_key(|h| std::cmp::Reverse(h.count));
    held.truncate(HELD);
    held
}

/// Leaves of everyone a session waits for those at the head of the queue and the nearest before it.
///
/// The server names all who stand ahead: 200 sessions on one row are 19,900 pairs, which say no more than 400.
fn nearest(sessions: &mut [Session]) {
    let waits: BTreeMap<i32, usize> =
        sessions.iter().filter(|s| !s.blocked_by.is_empty()).map(|s| (s.pid, s.blocked_by.len())).collect();
    for s in sessions.iter_mut().filter(|s| !s.blocked_by.is_empty()) {
        let all: BTreeSet<i32> = s.blocked_by.iter().copied().filter(|p| *p != s.pid).collect();
        let mut keep: Vec<i32> = all.iter().copied().filter(|p| !waits.contains_key(p)).take(4).collect();
        keep.extend(all.iter().copied().filter(|p| waits.contains_key(p)).max_by_key(|p| (waits.get(p), *p)));
        keep.sort_unstable();
        s.blocked_by = keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(pid: i32, state: &str, blocked_by: &[i32]) -> Session {
        Session {
            pid,
            state: Some(state.into()),
            backend: "client backend".into(),
            wait: (!blocked_by.is_empty()).then(|| "Lock:transactionid".into()),
            blocked_by: blocked_by.to_vec(),
            ..Session::default()
        }
    }

    #[test]
    fn two_hundred_waiters_on_one_row_keep_the_root_and_their_nearest_predecessor() {
        let mut all = vec![s(1, "idle in transaction", &[])];
        for pid in 2..=201 {
            all.push(s(pid, "active", &(1..pid).collect::<Vec<_>>()));
        }
        let look = shape(all);
        assert_eq!(look.counts.waiting, 200);
        assert_eq!(look.sessions[0].pid, 1);
        assert_eq!((look.sessions.len(), look.unlisted), (SESSIONS, 101));
        assert!(look.sessions[1..].iter().all(|s| s.blocked_by.first() == Some(&1) && s.blocked_by.len() <= 2));
        let fifty = look.sessions.iter().find(|s| s.pid == 50).unwrap();
        assert_eq!(fifty.blocked_by, [1, 49]);
    }

    #[test]
    fn who_holds_sessions_is_told_with_most_first_although_idle_ones_are_not_listed() {
        let of = |application: &str, n: usize| {
            let one = move |i| Session { application: application.into(), ..s(i as i32, "idle", &[]) };
            (0..n).map(one).collect::<Vec<_>>()
        };
        let look = shape([of("report", 3), of("batch", 70)].concat());
        assert_eq!(look.sessions.len(), IDLE);
        let held: Vec<_> = look.held.iter().map(|h| (h.count, h.application.as_str())).collect();
        assert_eq!(held, [(70, "batch"), (3, "report")]);
    }

    #[test]
    fn parallel_workers_belong_to_their_leader_and_are_not_counted() {
        let mut worker = s(2, "active", &[]);
        worker.backend = "parallel worker".into();
        assert_eq!(shape(vec![s(1, "active", &[]), worker]).counts.clients, 1);
    }
}
