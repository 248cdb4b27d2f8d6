//! The pane as it is drawn, at several sizes, and what the row under the cursor is worth.

use jiff::tz::TimeZone;

use super::*;
use crate::signals::database::event::*;
use crate::signals::database::fingerprint::fingerprint;
use crate::timeline::facts::{Facts, Trouble};
use crate::timeline::{RequestId, SourceId, SourceKind, TimeRange, Ts};
use crate::ui::{Glyphs, Theme};

static ZONE: TimeZone = TimeZone::UTC;
const T0: i64 = 1_700_000_000;
const SIZES: [(u16, u16); 4] = [(80, 20), (52, 10), (40, 12), (3, 1)];

pub(super) fn cx<'a>(theme: &'a Theme, facts: &'a Facts, t: i64) -> PaneCx<'a> {
    PaneCx {
        theme,
        glyphs: &Glyphs::UNICODE,
        now: Ts::from_secs(T0 + t),
        zone: &ZONE,
        facts,
        focused: false,
        zoomed: false,
        cursor: 0,
        live: true,
    }
}

fn history(events: Vec<(i64, DatabaseEvent)>) -> DatabaseHistory {
    let mut h = DatabaseHistory::default();
    for (i, (t, e)) in events.iter().enumerate() {
        let source = if matches!(e, DatabaseEvent::PoolFigures(_)) { 2 } else { 1 };
        h.apply(i as u64 + 1, SourceId(source), Ts::from_secs(T0 + t), e);
    }
    h
}

pub(super) fn info() -> DatabaseEvent {
    DatabaseEvent::ServerInfo(ServerInfo {
        name: "orders@db-1".into(),
        engine: "postgres".into(),
        ..ServerInfo::default()
    })
}

pub(super) fn session(pid: i32, state: &str, age: u64, blocked_by: &[i32], query: &str) -> Session {
    Session {
        pid,
        state: Some(state.into()),
        query_age_ms: Some(age),
        xact_age_ms: Some(age),
        state_age_ms: Some(age),
        wait: (!blocked_by.is_empty()).then(|| "Lock:transactionid".into()),
        user: "shop".into(),
        db: "orders".into(),
        application: "api".into(),
        query: query.into(),
        blocked_by: blocked_by.to_vec(),
        backend: "client backend".into(),
        ..Session::default()
    }
}

pub(super) fn look(sessions: Vec<Session>, idle: u32) -> DatabaseEvent {
    let n = |f: fn(&Session) -> bool| sessions.iter().filter(|s| f(s)).count() as u32;
    let counts = SessionCounts {
        clients: sessions.len() as u32 + idle,
        active: n(Session::is_active),
        idle,
        idle_in_tx: n(Session::is_idle_in_tx),
        waiting: n(Session::waits_for_lock),
        ..SessionCounts::default()
    };
    DatabaseEvent::Activity(Activity {
        counts,
        max_connections: 100,
        reserved: 3,
        sessions,
        cost_ms: 4.0,
        every_ms: 1_000,
        ..Activity::default()
    })
}

fn pool(used: u32, waiting: u32, oldest: f64) -> DatabaseEvent {
    DatabaseEvent::PoolFigures(PoolFigures {
        pool: "main".into(),
        used: Some(used),
        idle: Some(20 - used),
        max: Some(20),
        waiting: Some(waiting),
        oldest_wait_ms: Some(oldest),
        ..PoolFigures::default()
    })
}

fn slow(text: &str, ms: f64, id: &str) -> DatabaseEvent {
    DatabaseEvent::SlowStatement(SlowStatement {
        duration_ms: ms,
        statement: text.into(),
        fingerprint: fingerprint(text).hash,
        request_id: Some(RequestId(id.into())),
        from: LineRef { source: SourceId(3), name: "api".into(), generation: 0, offset: 4_711 },
        ..SlowStatement::default()
    })
}

fn normal() -> DatabaseHistory {
    let mut events = vec![(0, info())];
    events.extend((0..60).map(|t| (t, pool(3 + (t % 4) as u32, 0, 0.0))));
    events.push((59, look(vec![session(10, "active", 12, &[], "SELECT 1 FROM carts WHERE id = 5")], 11)));
    history(events)
}

fn flooded() -> DatabaseHistory {
    let mut events = vec![(0, info())];
    events.extend((0..60).map(|t| (t, pool(if t < 20 { 4 } else { 20 }, if t < 20 { 0 } else { 7 }, 3_900.0))));
    for t in 20..60 {
        for i in 0..38 {
            let text = format!("SELECT * FROM orders WHERE user_id = {i} /* \x1b[31m */");
            events.push((t, slow(&text, 4_000.0 + f64::from(i) * 33.0, if i == 3 { "7f3a" } else { "x" })));
        }
        events.push((t, slow("UPDATE carts SET total = 3", 300.0, "x")));
    }
    events.push((
        59,
        look(
            (0..20)
                .map(|i| {
                    session(100 + i, "active", 4_000 + i as u64 * 50, &[], "SELECT * FROM orders WHERE user_id = 1")
                })
                .collect(),
            0,
        ),
    ));
    history(events)
}

fn blocked() -> DatabaseHistory {
    let mut sessions = vec![session(4121, "idle in transaction", 41_000, &[], "UPDATE carts SET a = 1 WHERE id = 7")];
    sessions.push(session(5000, "active", 9_000, &[4121], "ALTER TABLE carts ADD b int"));
    sessions.extend(
        (0..5).map(|i| session(5001 + i, "active", 8_000 - i as u64 * 100, &[4121, 5000], "SELECT * FROM carts")),
    );
    history(vec![(0, info()), (59, pool(6, 0, 0.0)), (59, look(sessions, 4))])
}

fn failing() -> DatabaseHistory {
    let refused = |lost| {
        let message = "sorry, too many clients already".into();
        DatabaseEvent::Refused(Refused { sqlstate: "53300".into(), message, lost, ..Refused::default() })
    };
    history(vec![
        (0, info()),
        (1, look(vec![session(10, "active", 12, &[], "SELECT 1")], 90)),
        (20, refused(false)),
        (50, refused(false)),
    ])
}

fn screen(h: &DatabaseHistory, facts: &Facts, t: i64, size: (u16, u16), focus: Option<usize>) -> String {
    let theme = Theme::monochrome();
    let mut cx = cx(&theme, facts, t);
    if let Some(cursor) = focus {
        (cx.focused, cx.cursor, cx.zoomed) = (true, cursor, true);
    }
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buf = Buffer::empty(area);
    draw(h, &cx, area, &mut buf);
    let styled = |y| {
        let bold = |x| !buf[(x, y)].modifier.is_empty() && buf[(x, y)].symbol() != " ";
        (0..size.0).map(|x| if bold(x) { '^' } else { ' ' }).collect::<String>().trim_end().to_owned()
    };
    (0..size.1)
        .map(|y| {
            let text: String = (0..size.0).map(|x| buf[(x, y)].symbol()).collect();
            format!("{}\n{}", text.trim_end(), styled(y)).trim_end().to_owned() + "\n"
        })
        .collect()
}

#[test]
fn the_pane_at_four_sizes_empty_normal_flooded_blocked_and_failing() {
    let end = Ts::from_secs(T0 + 60);
    let facts = Facts {
        window: Some(TimeRange::ending(end, std::time::Duration::from_secs(60))),
        request: Some(RequestId("7f3a".into())),
        ..Facts::default()
    };
    let cases = [
        ("empty", DatabaseHistory::default()),
        ("normal", normal()),
        ("flooded", flooded()),
        ("blocked", blocked()),
        ("failing", failing()),
    ];
    for (name, h) in cases {
        let all: Vec<String> =
            SIZES.iter().map(|s| format!("{}x{}\n{}", s.0, s.1, screen(&h, &facts, 60, *s, None))).collect();
        insta::assert_snapshot!(name, all.join("----\n"));
    }
    insta::assert_snapshot!("zoomed", screen(&flooded(), &facts, 60, (120, 12), Some(1)));
}

#[test]
fn held_slots_are_told_whole_in_80_columns() {
    let shut = history(vec![(0, info()), (59, pool(20, 14, 3_900.0)), (59, look(Vec::new(), 97))]);
    let mut wide = look(vec![session(10, "active", 12, &[], "SELECT 1")], 154);
    if let DatabaseEvent::Activity(a) = &mut wide {
        (a.max_connections, a.counts.clients, a.counts.active, a.counts.idle_in_tx) = (203, 196, 11, 31);
    }
    let nearly = history(vec![(0, info()), (59, wide)]);
    let facts = Facts::default();
    let first = |h: &DatabaseHistory, width| {
        let all = screen(h, &facts, 60, (width, 4), None);
        all.lines().next().unwrap_or_default().to_owned()
    };
    let all: Vec<String> = [&shut, &nearly]
        .iter()
        .flat_map(|h| [160, 120, 80, 52].map(|width| format!("{width:>4}  {}", first(h, width))))
        .collect();
    insta::assert_snapshot!("held_slots", all.join("\n"));
}

#[test]
fn the_verdict_says_what_is_so_and_what_holds_it_up() {
    let theme = Theme::monochrome();
    let facts = Facts::default();
    let says = |h: &DatabaseHistory, t| verdict(h, &cx(&theme, &facts, t));
    let v = says(&flooded(), 60);
    assert_eq!(v.level, Level::Bad);
    assert!(v.text.starts_with("pool full 20/20, 7 waiting 3.9 s, server 76/97 free; slow 5.2 s p95"), "{}", v.text);
    assert!(says(&blocked(), 60).text.starts_with("blocked by pid 4121 (idle in transaction 41 s): 6 sessions wait"));
    assert_eq!(says(&normal(), 60), Verdict::new(Level::Calm, "pool 6/20, 12 sessions, none slow"));
    let refused = says(&failing(), 60).text;
    assert_eq!(refused, "server refuses connections: 53300 sorry, too many clients already, for 40 s");
    assert_eq!(says(&DatabaseHistory::default(), 60).level, Level::Unknown);
    // As of before the trouble, nothing is known of it.
    assert_eq!(says(&flooded(), 10).level, Level::Calm);
}

#[test]
fn the_selected_statement_comes_whole_with_its_figures_and_its_line() {
    let theme = Theme::monochrome();
    let facts = Facts { request: Some(RequestId("7f3a".into())), ..Facts::default() };
    let mut cx = cx(&theme, &facts, 60);
    cx.cursor = 2;
    let s = select(&flooded(), &cx).unwrap();
    let field = |n: &str| s.fields.iter().find(|(k, _)| k == n).map(|(_, v)| v.as_str()).unwrap_or_default();
    assert!(field("statement").starts_with("SELECT * FROM orders WHERE user_id ="), "{s:?}");
    assert_eq!((field("calls_60s"), field("line")), ("1520", "api generation 0 offset 4711"));
    assert_eq!(s.source, "api");
    cx.cursor = 99;
    assert_eq!(select(&flooded(), &cx), None);
}

#[test]
fn every_row_can_be_reached_and_the_pane_draws_in_any_rectangle() {
    let facts = Facts::default();
    for h in [normal(), flooded(), blocked(), failing(), DatabaseHistory::default()] {
        for w in 0..30 {
            for height in 0..8 {
                screen(&h, &facts, 60, (w, height), Some(usize::from(w)));
            }
        }
    }
    let theme = Theme::monochrome();
    let mut cx = cx(&theme, &facts, 60);
    cx.focused = true;
    let area = Rect::new(0, 0, 60, 6);
    let total = draw(&blocked(), &cx, area, &mut Buffer::empty(area)).total;
    for cursor in 0..total {
        cx.cursor = cursor;
        let frame = draw(&blocked(), &cx, area, &mut Buffer::empty(area));
        assert!(frame.rows.iter().any(|r| r.index == cursor), "row {cursor} of {total} is not on the screen");
    }
}

fn titled() -> DatabaseEvent {
    let group = |state: &str, client: &str, count, longest_s| TitleGroup {
        state: state.into(),
        user: "shop".into(),
        db: "orders".into(),
        client: client.into(),
        count,
        longest_s,
    };
    let counts =
        SessionCounts { clients: 97, active: 12, idle: 54, idle_in_tx: 31, waiting: 4, ..SessionCounts::default() };
    DatabaseEvent::Titles(Titles {
        servers: vec![TitledServer {
            pid: 50,
            version: "14".into(),
            port: Some(5432),
            counts,
            groups: vec![
                group("UPDATE waiting", "10.0.0.4", 4, 38),
                group("idle in transaction", "10.0.0.4", 30, 312),
                group("idle in transaction", "[local]", 1, 0),
                group("SELECT", "10.0.0.4", 8, 1),
                group("idle", "10.0.0.4", 54, 600),
            ],
            unlisted: 0,
        }],
        cost_ms: 1.0,
    })
}

#[test]
fn a_server_nobody_is_connected_to_is_shown_from_outside_with_the_key_that_connects() {
    let h = history(vec![(0, titled())]);
    let offered = Facts { offered: vec![5432], ..Facts::default() };
    let all: Vec<String> =
        SIZES.iter().map(|s| format!("{}x{}\n{}", s.0, s.1, screen(&h, &offered, 5, *s, None))).collect();
    insta::assert_snapshot!("outside", all.join("\n"));
    let theme = Theme::monochrome();
    let mut cx = cx(&theme, &offered, 5);
    assert_eq!(connectable(&h, &cx), Some(Some(5432)));
    cx.cursor = 1;
    assert_eq!(connectable(&h, &cx), None);
    assert_eq!(select(&h, &cx).unwrap().text, "4 × UPDATE waiting shop@orders from 10.0.0.4");
    assert_eq!(glance(&h, &cx).text, "db 97 seen, 31 idle in tx");
    // What was seen a while ago is not told of now.
    cx.now = Ts::from_secs(T0 + 60);
    assert_eq!(connectable(&h, &cx), None);
}

#[test]
fn a_connected_server_is_not_told_of_twice_and_one_that_refuses_is_seen_from_outside() {
    let local = DatabaseEvent::ServerInfo(ServerInfo { local_port: Some(5432), ..ServerInfo::default() });
    let refused = DatabaseEvent::Refused(Refused {
        sqlstate: "53300".into(),
        message: "sorry, too many clients already".into(),
        ..Refused::default()
    });
    let h = history(vec![(0, local), (1, look(vec![], 3)), (2, titled()), (3, refused), (4, titled())]);
    assert!(!picture(&h, &Facts::default(), 2).contains("process titles"));
    let text = picture(&h, &Facts::default(), 5);
    assert!(
        text.lines().next().unwrap().ends_with("97 backends, 31 idle in transaction, 4 waiting for a lock, 12 active"),
        "{text}"
    );
    assert!(text.contains("postgres 14 on :5432, 97 backends"), "{text}");
}

#[test]
fn a_source_that_has_only_failed_says_why_where_advice_would_stand() {
    let trouble = Trouble {
        kind: SourceKind::Database,
        name: "orders".into(),
        why: "postgres://db-1/orders: password authentication failed; check user and password".into(),
        since: Ts::from_secs(T0),
        next_try: None,
        failed: true,
    };
    let failing = Facts { troubles: vec![trouble], ..Facts::default() };
    let first = |h: &DatabaseHistory, facts: &Facts| picture(h, facts, 12).lines().next().unwrap().trim().to_owned();
    let said = first(&DatabaseHistory::default(), &failing);
    assert_eq!(said, "orders: postgres://db-1/orders: password authentication failed; check user and password (12 s)");
    // Also when the same server can be seen from outside, which is told below.
    assert_eq!(first(&history(vec![(11, titled())]), &failing), said);
    let awaited = Facts { starting: vec![(SourceKind::Database, "orders".into())], ..Facts::default() };
    assert_eq!(first(&DatabaseHistory::default(), &awaited), "orders: no answer yet");
}

fn picture(h: &DatabaseHistory, facts: &Facts, t: i64) -> String {
    let theme = Theme::monochrome();
    let mut buf = Buffer::empty(Rect::new(0, 0, 160, 12));
    draw(h, &cx(&theme, facts, t), buf.area, &mut buf);
    crate::ui::frame::to_text(&buf)
}

/// The first rows below the verdict, as they are drawn.
pub(super) fn first_rows(h: &DatabaseHistory, facts: &Facts, t: i64, n: usize) -> Vec<String> {
    picture(h, facts, t).lines().skip(1).take(n).map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

#[test]
fn after_the_rollback_what_is_no_longer_called_and_a_pool_that_has_recovered_are_no_alarm() {
    let mut events = Vec::new();
    for t in 0..60 {
        let timeouts = if (20..40).contains(&t) { 3 } else { 0 };
        let figures = PoolFigures {
            pool: "main".into(),
            used: Some(if (20..40).contains(&t) { 20 } else { 0 }),
            idle: Some(0),
            max: Some(20),
            waiting: Some(0),
            timeouts: Some(timeouts),
            ..PoolFigures::default()
        };
        events.push((t, DatabaseEvent::PoolFigures(figures)));
        if (20..40).contains(&t) {
            events.push((t, slow("SELECT * FROM orders WHERE user_id = 7", 1_400.0 + t as f64, "x")));
        }
    }
    let (h, theme, facts) = (history(events), Theme::monochrome(), Facts::default());
    let at = |t| glance(&h, &cx(&theme, &facts, t));
    assert!(at(39).level > Level::Calm && at(39).text.contains("slow 1.4 s"), "{:?}", at(39));
    assert_eq!(
        (at(59).level, at(59).text.as_str()),
        (Level::Calm, "pool 0/20"),
        "{}",
        verdict(&h, &cx(&theme, &facts, 59)).text
    );
}

#[test]
fn process_titles_of_another_server_stand_below_the_connected_one_under_a_heading() {
    let local = DatabaseEvent::ServerInfo(ServerInfo { local_port: Some(5433), ..ServerInfo::default() });
    let h = history(vec![(0, local), (1, look(vec![session(7, "active", 12, &[], "SELECT 1")], 3)), (2, titled())]);
    let text = picture(&h, &Facts::default(), 3);
    let line = |what: &str| text.lines().position(|l| l.contains(what)).unwrap_or_else(|| panic!("{what} in\n{text}"));
    assert!(line("slots") < line("SELECT 1") && line("SELECT 1") < line("not connected to"), "{text}");
    assert!(line("not connected to") < line("UPDATE waiting"), "{text}");
}

#[test]
fn of_several_sessions_in_one_row_the_statement_that_is_shown_is_the_one_that_is_explained() {
    let run = |pid, query: &str| Session { queryid: Some(77), ..session(pid, "active", 3_000, &[], query) };
    let all = "begin; update carts set v = 1 where id = 7; update carts set v = 2 where id = 8; commit";
    let one = "update carts set v = 1 where id = 7";
    let theme = Theme::monochrome();
    let facts = Facts::default();
    for order in [[all, one, one], [one, all, one], [one, one, all]] {
        let sessions = order.iter().enumerate().map(|(i, q)| run(i as i32 + 1, q)).collect();
        let h = history(vec![(0, info()), (59, look(vec![run(2, one)], 1)), (60, look(sessions, 1))]);
        let mut cx = cx(&theme, &facts, 60);
        // Below the server's slots.
        cx.cursor = 1;
        let shown = select(&h, &cx).unwrap().text;
        assert_eq!(shown, format!("3.0 s {one}"), "{order:?}");
        assert_eq!(explainable(&h, &cx).unwrap().statement, one, "{order:?}");
    }
}

#[test]
fn the_age_of_old_figures_stands_beside_the_verdict_and_never_in_it() {
    let starting = || Refused {
        sqlstate: "57P03".into(),
        message: "the database system is starting up".into(),
        ..Refused::default()
    };
    let h = history(vec![(0, info()), (1, look(vec![], 3)), (2, DatabaseEvent::Refused(starting()))]);
    let said = "server refuses connections: 57P03 the database system is starting up, for 17 s";
    for width in 20..120 {
        let text = screen(&h, &Facts::default(), 19, (width, 6), None);
        let first = text.lines().next().unwrap();
        assert!(!first.contains("is 18 s old") && !first.contains("up18"), "{first}");
        assert_eq!(first.contains("18 s old"), usize::from(width) >= said.len() + 1 + " 18 s old  ".len(), "{first}");
    }
}

#[test]
fn when_a_statement_was_slow_stands_apart_from_how_slow() {
    let calls = |text: &'static str, ms| (0..6).map(move |_| (1, slow(text, ms, "x")));
    let h = history(calls("SELECT a FROM b", 932.0).chain(calls("SELECT a FROM c", 25_000.0)).collect());
    let text = screen(&h, &Facts::default(), 35, (120, 12), Some(0));
    assert!(text.contains("932 ms 34 s ago ") && text.contains("25 s 34 s ago "), "{text}");
}
