//! Several servers at once, and servers of which not everything is known.

use super::tests::{cx, info, look, session};
use super::*;
use crate::signals::database::event::*;
use crate::timeline::facts::{Facts, Trouble};
use crate::timeline::source::GIVEN_BACK;
use crate::timeline::{SourceId, SourceKind, Ts};
use crate::ui::Theme;

const T0: i64 = 1_700_000_000;

fn named(name: &str, sees_all: bool) -> DatabaseEvent {
    let right = Right {
        shows: "sessions of others".into(),
        has: sees_all,
        grant: "GRANT PROCESS ON *.* TO 'w'@'%';".into(),
        optional: false,
    };
    let info = ServerInfo {
        name: name.into(),
        engine: "mariadb".into(),
        sees_all,
        rights: vec![right],
        ..ServerInfo::default()
    };
    DatabaseEvent::ServerInfo(info)
}

fn chain(holder: i32) -> DatabaseEvent {
    let waiter = |pid, behind| session(pid, "active", 9_000, &[behind], "UPDATE carts SET n = 2");
    let holder = session(holder, "idle in transaction", 12_000, &[], "UPDATE carts SET n = 1");
    let (first, second) = (waiter(holder.pid + 1, holder.pid), waiter(holder.pid + 2, holder.pid + 1));
    look(vec![holder, first, second], 0)
}

fn history(events: &[(u32, i64, DatabaseEvent)]) -> DatabaseHistory {
    let mut h = DatabaseHistory::default();
    for (i, (source, t, e)) in events.iter().enumerate() {
        h.apply(i as u64 + 1, SourceId(*source), Ts::from_secs(T0 + t), e);
    }
    h
}

fn text(h: &DatabaseHistory, facts: &Facts, t: i64) -> String {
    let theme = Theme::monochrome();
    let mut buf = Buffer::empty(Rect::new(0, 0, 200, 30));
    draw(h, &PaneCx { zoomed: true, ..cx(&theme, facts, t) }, buf.area, &mut buf);
    crate::ui::frame::to_text(&buf)
}

/// A refusal of our own connection.
fn refused() -> DatabaseEvent {
    DatabaseEvent::Refused(Refused { message: "Connection refused".into(), lost: true, ..Refused::default() })
}

#[test]
fn of_two_servers_each_has_its_own_tree_and_statements_and_every_row_says_of_which() {
    let h =
        history(&[(1, 0, named("orders", true)), (2, 0, named("carts", true)), (1, 1, chain(10)), (2, 1, chain(10))]);
    let text = text(&h, &Facts::default(), 2);
    for name in ["orders", "carts"] {
        assert!(text.contains(&format!("{name}  pid 10 blocks: 2 wait")), "{text}");
        assert!(text.contains(&format!("{name}  pid 12 ")), "{text}");
        // Two run it there, not four.
        assert!(text.lines().any(|l| l.contains("run 2") && l.contains(name)), "{text}");
    }
    assert!(!text.contains("run 4"), "{text}");
    assert!(text.lines().next().is_some_and(|l| l.contains("orders: blocked by pid 10")), "{text}");
}

#[test]
fn the_session_under_the_cursor_is_ended_on_its_own_server() {
    let h =
        history(&[(1, 0, named("orders", true)), (2, 0, named("carts", true)), (1, 1, chain(10)), (2, 1, chain(40))]);
    let (theme, facts) = (Theme::monochrome(), Facts::default());
    let all = (0..12).filter_map(|cursor| endable(&h, &PaneCx { cursor, ..cx(&theme, &facts, 2) }));
    let of = all.map(|e| (e.pid, e.source, e.server)).collect::<std::collections::BTreeSet<_>>();
    let want = |pid, source, server: &str| (pid, SourceId(source), server.to_owned());
    assert!(of.contains(&want(10, 1, "orders")) && of.contains(&want(40, 2, "carts")), "{of:?}");
    assert!(!of.contains(&want(40, 1, "orders")) && !of.contains(&want(10, 2, "carts")), "{of:?}");
}

#[test]
fn what_a_role_may_not_see_is_not_known_rather_than_absent() {
    let counts = SessionCounts { clients: 8, hidden: 8, ..SessionCounts::default() };
    let a = Activity { counts, max_connections: 100, every_ms: 1_000, ..Activity::default() };
    let h = history(&[(1, 0, named("orders", false)), (1, 1, DatabaseEvent::Activity(a))]);
    let text = text(&h, &Facts::default(), 2);
    assert!(!text.contains("blocked: none") && !text.contains("none slow") && !text.contains("active 0"), "{text}");
    assert!(text.contains("blocked: not known") && text.contains("GRANT PROCESS ON *.*"), "{text}");
    assert!(text.contains("8 of them not visible to our role"), "{text}");
}

#[test]
fn sessions_that_wait_for_an_unknown_holder_are_never_blocked_none() {
    let mut waiter = session(7, "active", 9_000, &[], "ALTER TABLE t ADD c int");
    waiter.wait = Some("Lock:table metadata".into());
    let mut other = waiter.clone();
    other.pid = 8;
    let h = history(&[(1, 0, named("orders", true)), (1, 1, look(vec![waiter, other], 0))]);
    let text = text(&h, &Facts::default(), 2);
    assert!(!text.contains("blocked: none"), "{text}");
    assert!(text.contains("blocked: 2 sessions wait for a lock, held by whom is not known"), "{text}");
}

#[test]
fn of_a_server_that_died_or_that_we_left_nothing_is_told_as_if_it_were_so_now() {
    let died = history(&[(1, 0, named("orders", true)), (1, 1, chain(10)), (1, 2, refused())]);
    let text_of = |h: &DatabaseHistory, facts: &Facts| text(h, facts, 4);
    let told = text_of(&died, &Facts::default());
    assert!(!told.contains("blocked: none") && !told.contains("UPDATE carts"), "{told}");
    assert!(told.contains("3.0 s ago"), "{told}");

    let left = history(&[(1, 0, named("orders", true)), (1, 1, chain(10))]);
    let given = Trouble {
        kind: SourceKind::Database,
        name: "orders".into(),
        why: GIVEN_BACK.into(),
        since: Ts::from_secs(T0 + 2),
        next_try: None,
        failed: false,
    };
    let facts = Facts { troubles: vec![given], ..Facts::default() };
    let told = text_of(&left, &facts);
    assert!(!told.contains("UPDATE carts") && told.contains("3.0 s ago"), "{told}");
    let theme = Theme::monochrome();
    assert!(title(&left, &cx(&theme, &facts, 4)).ends_with("0 conn, given back: B takes it again"));
    assert!(title(&left, &cx(&theme, &Facts::default(), 4)).ends_with("1 conn"));
}

#[test]
fn a_server_that_never_answered_is_named_beside_one_that_is_well() {
    let h = history(&[(1, 0, info()), (1, 1, look(vec![], 3)), (2, 2, refused())]);
    let down = Trouble {
        kind: SourceKind::Database,
        name: "carts".into(),
        why: "nothing listens there".into(),
        since: Ts::from_secs(T0 + 2),
        next_try: None,
        failed: true,
    };
    let told = text(&h, &Facts { troubles: vec![down], ..Facts::default() }, 3);
    assert!(told.lines().next().is_some_and(|l| l.contains("carts")), "{told}");
}
