//! What the pane says of each kind of trouble when all there is of it are lines of a log: verdict and first row.

use super::tests::{cx, first_rows};
use super::*;
use crate::signals::database::event::*;
use crate::timeline::facts::Facts;
use crate::timeline::{RequestId, SourceId, Ts};
use crate::ui::Theme;

const T0: i64 = 1_700_000_000;

fn line() -> LineRef {
    LineRef { source: SourceId(3), name: "postgresql".into(), generation: 0, offset: 0 }
}

fn told(pid: i32, what: What, statement: &str) -> DatabaseEvent {
    DatabaseEvent::Told(Told {
        pid,
        what,
        statement: statement.into(),
        user: "shop".into(),
        db: "orders".into(),
        from: line(),
        ..Told::default()
    })
}

/// The same in a line of the application's.
fn application(what: What) -> DatabaseEvent {
    let from = LineRef { source: SourceId(4), name: "api".into(), ..line() };
    DatabaseEvent::Told(Told { what, from, ..Told::default() })
}

fn waits(pid: i32, holders: &[i32]) -> DatabaseEvent {
    let on = "ShareLock on transaction 741".into();
    told(pid, What::LockWait { on, ms: 1_000.0, holders: holders.to_vec() }, "UPDATE carts SET v = 2")
}

fn side(pid: i32, query: &str, victim: bool) -> DeadlockSide {
    DeadlockSide { pid, query: query.into(), victim }
}

fn slow(ms: f64) -> DatabaseEvent {
    let (statement, from) = ("SELECT * FROM orders WHERE user_id = 7".to_owned(), line());
    let fingerprint = crate::signals::database::fingerprint::fingerprint(&statement).hash;
    DatabaseEvent::SlowStatement(SlowStatement { duration_ms: ms, statement, fingerprint, from, ..Default::default() })
}

fn refused() -> DatabaseEvent {
    let message = "remaining connection slots are reserved".into();
    DatabaseEvent::Refused(Refused { sqlstate: "53300".into(), message, from: Some(line()), ..Refused::default() })
}

fn history(events: &[(i64, DatabaseEvent)]) -> DatabaseHistory {
    let mut h = DatabaseHistory::default();
    for (i, (t, e)) in events.iter().enumerate() {
        // Through the recording's own form: what is replayed is what was seen.
        let e: DatabaseEvent = serde_json::from_str(&serde_json::to_string(e).unwrap()).unwrap();
        h.apply(i as u64 + 1, SourceId(3), Ts::from_secs(T0 + t), &e);
    }
    h
}

#[test]
fn every_kind_of_trouble_in_a_log_has_its_sentence_and_its_row_comes_first() {
    let disk = || What::DiskFull { why: "could not extend file \"base/1/2\": No space left on device".into() };
    let crash = || What::Crashed { why: "server process (PID 4125) was terminated by signal 9: Killed".into() };
    let deadlock = || What::Deadlock {
        sides: vec![side(12, "UPDATE a SET v = 1", true), side(13, "UPDATE b SET v = 2 /*request_id='r-9'*/", false)],
    };
    let cancelled = || told(7, What::Cancelled { why: "statement timeout".into() }, "SELECT count(*) FROM orders");
    let login = || told(0, What::Login { why: "password authentication failed for user \"shop\"".into() }, "");
    let temp = |bytes| told(7, What::TempFile { bytes }, "SELECT * FROM orders ORDER BY t");
    let recovered = vec![
        (30, told(1, crash(), "SELECT 2")),
        (31, told(1, What::Recovering { last_up: None }, "")),
        (34, told(1, What::Ready, "")),
    ];
    let scenarios: Vec<(&str, Vec<(i64, DatabaseEvent)>)> = vec![
        ("slow", vec![(40, slow(5_200.0)), (41, slow(4_800.0))]),
        ("blocked", vec![(30, waits(4122, &[4121])), (31, waits(4123, &[4122])), (32, waits(4124, &[4121, 4122]))]),
        (
            "blocked no more",
            vec![
                (30, waits(4122, &[4121])),
                (35, told(4122, What::LockGot { on: "ShareLock on transaction 741".into(), ms: 5_000.0 }, "")),
            ],
        ),
        ("deadlock", vec![(40, slow(900.0)), (50, told(12, deadlock(), "UPDATE a SET v = 1"))]),
        (
            "deadlock the application tells of as well",
            vec![(50, told(12, deadlock(), "")), (50, application(What::Deadlock { sides: Vec::new() }))],
        ),
        ("cancelled", (0..12).map(|i| (40 + i, cancelled())).collect()),
        ("refused", vec![(50, refused()), (52, refused()), (55, refused())]),
        ("disk full", vec![(50, told(5, disk(), "INSERT INTO orders")), (51, refused())]),
        (
            "crashed",
            vec![
                (50, told(1, crash(), "SELECT * FROM orders ORDER BY random()")),
                (51, told(1, What::Recovering { last_up: None }, "")),
            ],
        ),
        ("crashed and back", recovered),
        ("stopped", vec![(50, told(1, What::Stopping { why: "fast shutdown request".into() }, ""))]),
        ("archiver", vec![(50, told(0, What::Archiver { why: "archive command failed with exit code 1".into() }, ""))]),
        (
            "slot",
            vec![(50, told(0, What::Slot { why: "invalidating obsolete replication slot \"standby_1\"".into() }, ""))],
        ),
        ("logins", (0..6).map(|i| (40 + i, login())).collect()),
        (
            "idle in transaction ended",
            vec![(50, told(7, What::Ended { why: "idle-in-transaction timeout".into() }, ""))],
        ),
        ("checkpoints", vec![(50, told(0, What::Checkpoints { apart_s: 7 }, ""))]),
        ("temporary files", vec![(50, temp(300 << 20)), (51, temp(300 << 20))]),
        ("sqlite busy", vec![(50, told(0, What::Busy { why: "database is locked".into() }, ""))]),
    ];
    let facts = Facts { request: Some(RequestId("r-9".into())), ..Facts::default() };
    let theme = Theme::monochrome();
    let mut all = String::new();
    for (name, events) in scenarios {
        let h = history(&events);
        let v = verdict(&h, &cx(&theme, &facts, 60));
        let rows = first_rows(&h, &facts, 60, 2);
        all += &format!("{name}: {:?}\n  {}\n  first: {}\n", v.level, v.text, rows.join("\n         "));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_plan_out_of_the_log_is_part_of_the_evidence_and_its_execution_counts_once() {
    let statement = "SELECT * FROM orders WHERE user_id = 7".to_owned();
    let fingerprint = crate::signals::database::fingerprint::fingerprint(&statement).hash;
    let one = |ms, plan: &str| {
        DatabaseEvent::SlowStatement(SlowStatement {
            duration_ms: ms,
            statement: statement.clone(),
            fingerprint,
            pid: 4121,
            plan: plan.into(),
            from: line(),
            ..Default::default()
        })
    };
    let h = history(&[(50, one(225.1, "Seq Scan on orders")), (50, one(226.1, "")), (51, one(300.0, ""))]);
    let (facts, theme) = (Facts::default(), Theme::monochrome());
    let picked = select(&h, &cx(&theme, &facts, 60)).unwrap();
    let field = |n: &str| picked.fields.iter().find(|(k, _)| k == n).map(|(_, v)| v.as_str());
    assert_eq!((field("calls_60s"), field("plan")), (Some("2"), Some("Seq Scan on orders")));
}

#[test]
fn a_refusal_that_is_over_is_past_and_stands_behind_what_goes_on() {
    let look = |clients, sessions: Vec<Session>| {
        let counts = SessionCounts { clients, ..SessionCounts::default() };
        DatabaseEvent::Activity(Activity { counts, sessions, max_connections: 20, reserved: 3, ..Activity::default() })
    };
    let session = |pid, state: &str, blocked_by: &[i32]| Session {
        pid,
        state: Some(state.into()),
        query: "UPDATE carts SET v = 1".into(),
        query_age_ms: Some(9_000),
        state_age_ms: Some(9_000),
        wait: (!blocked_by.is_empty()).then(|| "Lock:transactionid".into()),
        blocked_by: blocked_by.to_vec(),
        ..Session::default()
    };
    let blocked = || vec![session(5696, "idle in transaction", &[]), session(5697, "active", &[5696])];
    let (theme, facts) = (Theme::monochrome(), Facts::default());
    let says = |events: &[(i64, DatabaseEvent)], t| {
        let h = history(events);
        let cx = cx(&theme, &facts, t);
        (verdict(&h, &cx), glance(&h, &cx).text)
    };
    let full = [(50, refused()), (50, look(17, vec![])), (51, refused())];
    let at = |events: Vec<(i64, DatabaseEvent)>| full.iter().cloned().chain(events).collect::<Vec<_>>();
    let (v, glance) = says(&at(vec![(52, look(17, blocked()))]), 52);
    assert!(v.text.starts_with("server refuses connections (postgresql): 53300"), "{v:?}");
    assert_eq!(glance, "db refuses");
    let (v, glance) = says(&at(vec![(53, look(6, blocked()))]), 54);
    assert!(v.text.starts_with("blocked by pid 5696"), "{v:?}");
    assert_eq!(glance, "db 7/17 blocked 1");
    // Nor does a restart as it should be stand before it.
    let stopping = || told(0, What::Stopping { why: "fast shutdown request".into() }, "");
    let restarted = |sessions| vec![(55, stopping()), (56, told(0, What::Ready, "")), (57, look(6, sessions))];
    assert!(says(&restarted(blocked()), 58).0.text.starts_with("blocked by pid 5696"));
    let restart = "server was restarted (fast shutdown request); back after 1.0 s, 2.0 s ago";
    assert_eq!(says(&restarted(vec![]), 58).0, Verdict::new(Level::Warn, restart));
    let calm = at(vec![(53, look(6, vec![]))]);
    let said =
        "server refused 2 connections until 22:14:11: 53300 remaining connection slots are reserved (postgresql)";
    assert_eq!(says(&calm, 54).0, Verdict::new(Level::Warn, said));
    let calm = at(vec![(53, look(6, vec![])), (75, look(6, vec![]))]);
    assert_eq!(says(&calm, 80).0, Verdict::new(Level::Calm, said));
}
