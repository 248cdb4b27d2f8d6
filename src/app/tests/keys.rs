//! Overlays, their order, and the way out.

use super::stories::{outage, two_requests};
use super::world::{World, t};
use crate::app::action::{ACTIONS, Action};
use crate::app::arrival::{Arrival, OfferRow};
use crate::app::arrive::arrive;
use crate::app::cursor;
use crate::app::effect::Effect;
use crate::app::input::Input;
use crate::app::pane::Pane;
use crate::app::update::update;
use crate::config::discover::Consent;
use crate::signals::Event;
use crate::signals::database::event::{
    Activity, DatabaseEvent, LineRef, ServerInfo, Session, SlowStatement, TitledServer, Titles,
};
use crate::signals::database::plan;
use crate::signals::deploys::config::Rollback;
use crate::timeline::{SourceId, SourceKind, SourceState};

#[test]
fn esc_takes_away_one_thing_at_a_time_and_never_quits() {
    let mut w = two_requests().sized(120, 36);
    w.press("z f");
    w.press("/");
    w.write("pool");
    w.press("enter ? :");
    assert_eq!(w.overlays(), ["help"], "over the help only its own keys count");
    w.press("esc :");
    assert_eq!(w.overlays(), ["palette"]);
    w.press("esc");
    assert_eq!(w.overlays(), [""; 0]);
    assert!(w.state.logs.search_pattern().is_some() && !w.state.view.filter.is_empty() && w.state.view.zoom);
    w.press("esc");
    assert!(w.state.logs.search_pattern().is_none() && !w.state.view.filter.is_empty(), "the search goes first");
    w.press("esc");
    assert!(w.state.view.filter.is_empty() && w.state.view.zoom, "then the newest part of the filter");
    w.press("esc");
    assert!(!w.state.view.zoom, "then the zoom");
    for _ in 0..5 {
        let effects = w.press("esc");
        assert!(effects.is_empty(), "{effects:?}");
    }
}

#[test]
fn ctrl_c_closes_what_lies_over_the_panes_before_it_quits() {
    let mut w = two_requests();
    for opens in ["?", "t", "Y", "w", "s", ":", "&", "/", "g", "a", "enter"] {
        w.press(opens);
        assert_eq!(w.overlays().len(), 1, "{opens} opens something");
        let effects = w.press("ctrl-c");
        assert_eq!(w.overlays(), [""; 0], "{opens}");
        assert!(!effects.iter().any(|e| matches!(e, Effect::Quit)), "{opens}");
    }
    assert!(matches!(w.press("ctrl-c")[..], [Effect::Quit]));
}

#[test]
fn letters_typed_into_a_line_are_text_and_no_keys() {
    let mut w = two_requests();
    for opens in ["a", "&", "/", "g", ":"] {
        w.press(opens);
        let effects = w.write("qzfaL?");
        assert!(!effects.iter().any(|e| matches!(e, Effect::Quit | Effect::SaveNote(_))), "{opens}: {effects:?}");
        assert_eq!(w.overlays().len(), 1, "{opens}");
        assert!(w.bottom().contains("qzfaL?"), "{opens}: {}", w.bottom());
        w.press("esc");
        assert!(!w.state.view.zoom, "{opens}");
    }
}

#[test]
fn every_action_does_something_sensible_with_nothing_to_see_and_in_an_outage_at_any_size() {
    for build in [|| World::live("14:00:00"), two_requests, || World::replay("14:00:00", "14:10:00")] {
        for (width, height) in [(120, 36), (40, 12), (3, 1)] {
            for row in ACTIONS {
                let mut w = build().sized(width, height);
                let effects = update(&mut w.state, row.action);
                assert!(!effects.iter().any(|e| matches!(e, Effect::Run { .. })), "{}", row.name);
                w.settle();
                w.press("down enter esc esc");
            }
        }
    }
}

#[test]
fn the_palette_finds_a_command_by_letters_runs_it_with_its_argument_and_remembers_it() {
    let mut w = two_requests();
    w.press(":");
    w.write("theme night");
    let effects = w.press("enter");
    assert!(matches!(&effects[..], [Effect::UseTheme(name)] if name == "night"), "{effects:?}");
    w.press(":");
    assert_eq!(w.overlays(), ["palette"]);
    w.press("ctrl-r");
    assert!(w.bottom().starts_with(":theme night"), "{}", w.bottom());
    w.press("esc :");
    w.write("no such thing at all");
    w.press("enter");
    assert!(w.bottom().starts_with(":no such thing at all"), "what was typed stays: {}", w.bottom());
    assert!(w.bottom().contains("no such command"), "{}", w.bottom());
    w.press("esc :");
    w.write("kill");
    assert!(w.bottom().contains("needs --allow-kill; y copies the SQL"), "{}", w.bottom());
    w.press("enter");
    assert!(w.bottom().contains("--allow-kill"), "{}", w.bottom());
}

#[test]
fn a_rollback_asks_for_the_name_and_runs_only_when_it_is_typed() {
    let mut w = outage();
    w.press(":");
    w.write("rollback api");
    let effects = w.press("enter");
    assert!(effects.is_empty() && w.overlays().is_empty(), "none is configured: {effects:?}");
    assert!(w.bottom().contains("[deploys.rollback."), "{}", w.bottom());

    let command = "deploy {service} --to {previous}".to_owned();
    w.state.settings.deploys.rollback.insert("api".into(), Rollback { command });
    for (typed, runs) in [("", false), ("ap", false), ("API", false), ("web", false), ("api", true)] {
        w.press(":");
        w.write("rollback");
        w.press("enter");
        assert_eq!(w.overlays(), ["confirm"]);
        assert!(w.bottom().starts_with("type api to run deploy api --to 1.4.1"), "{}", w.bottom());
        w.write(typed);
        let effects = w.press("enter");
        assert_eq!(w.overlays(), [""; 0]);
        match &effects[..] {
            [Effect::Run { name, command }] if runs => {
                assert_eq!((name.as_str(), command.as_str()), ("rollback api", "deploy api --to 1.4.1"));
            }
            [] if !runs => assert!(w.bottom().contains("not run"), "{}", w.bottom()),
            other => panic!("{typed:?}: {other:?}"),
        }
    }
    w.press(":");
    w.write("rollback web");
    w.press("enter");
    assert!(w.overlays().is_empty() && w.bottom().contains("configured: api"), "{}", w.bottom());
}

#[test]
fn numbers_and_tab_focus_panes_and_the_cursor_of_each_stays_where_it_was() {
    let mut w = outage();
    w.press("4 j");
    assert_eq!((w.state.view.focus, cursor::focused(&w.state)), (Pane::Deploys, Some(1)));
    w.press("2 j j j 4");
    assert_eq!(cursor::focused(&w.state), Some(1));
    w.press("j j j j j j j j");
    assert_eq!(cursor::focused(&w.state), Some(1), "there are two rows");
    w.press("tab tab tab");
    assert_eq!(w.state.view.focus, Pane::Logs);
    w.press("backtab");
    assert_eq!(w.state.view.focus, Pane::Incident);
}

#[test]
fn a_click_selects_the_row_under_it_and_on_the_strip_goes_to_that_time() {
    let mut w = outage().sized(120, 36);
    let row = |w: &World, n: usize| {
        let rows: Vec<_> = w.state.view.layout.rows.iter().filter(|(p, _)| *p == Pane::Logs).collect();
        rows[n].1.area
    };
    let spot = row(&w, 2);
    w.give(Input::Click(spot.x + 5, spot.y));
    let picked = w.state.logs.selected().expect("a row").message.clone();
    let line = w.text().lines().nth(spot.y as usize).expect("the line").to_owned();
    assert!(line.starts_with('▌') && line.contains(&picked), "{picked}: {line}");
    let (strip, range) = w.state.view.layout.strip.expect("the strip");
    w.give(Input::Click(strip.x, strip.y));
    assert!(!w.state.player.is_live() && w.state.now() == range.start, "{}", w.state.now());
    // Beside everything nothing happens, and neither on an overlay.
    w.press("L ?");
    w.give(Input::Click(strip.x + 3, strip.y));
    assert!(w.state.player.is_live());
}

#[test]
fn quitting_asks_first_while_a_note_is_not_on_disk() {
    let mut w = two_requests();
    w.press("a");
    w.write("seen");
    w.press("enter");
    assert_eq!(w.state.unsaved.len(), 1);
    assert!(w.press("q").is_empty());
    assert_eq!(w.overlays(), ["really quit"]);
    assert!(w.bottom().contains("not on disk"), "{}", w.bottom());
    assert!(w.press("esc").is_empty());
    assert_eq!(w.overlays(), [""; 0]);
    assert!(matches!(w.press("q q")[..], [Effect::Quit]));
}

#[test]
fn help_lists_every_key_of_the_table() {
    let mut w = two_requests().sized(100, 140);
    w.press("?");
    assert!(!w.text().contains("end-session") && !w.text().contains("--allow-kill"), "absent unless it is allowed");
    w.press("?");
    w.state.settings.allow_kill = true;
    w.press("?");
    let text = w.text();
    for row in ACTIONS.iter().filter(|r| !r.keys.is_empty()) {
        let key = w.state.settings.keymap.key_of(row.action).expect("a key").to_string();
        let sentence: String = row.sentence.chars().take(30).collect();
        assert!(text.contains(&sentence) && text.contains(&key), "{} {key}\n{text}", row.name);
    }
    assert_eq!(Action::named("help"), Some(Action::Help));
    assert!(t("14:00:00") < w.state.now());
}

#[test]
fn an_offer_of_superuser_rights_says_so_and_is_taken_by_one_key_only() {
    let mut w = World::live("14:00:00").sized(100, 30);
    let consent = Consent {
        question: "Connect as postgres, a superuser?".into(),
        lines: vec![("role".into(), "postgres: a superuser".into())],
        act: "connect as the superuser postgres".into(),
    };
    let plain = OfferRow { what: "postgres on :5432".into(), ..OfferRow::default() };
    let peer = OfferRow { what: "postgres on :5432 as postgres".into(), consent: Some(consent), ..OfferRow::default() };
    let hindered = OfferRow { hindrance: Some("sudo -u postgres warroom".into()), ..peer.clone() };
    w.state.own.offers = vec![plain, peer, hindered];
    assert!(matches!(w.press("s enter")[..], [Effect::Connect(0)]), "what asks for nothing is taken at once");
    assert!(w.press("s down enter").is_empty());
    assert_eq!(w.overlays(), ["consent"]);
    let text = w.text();
    assert!(
        text.contains("Connect as postgres, a superuser?") && text.contains("y  connect as the superuser"),
        "{text}"
    );
    assert!(w.press("enter").is_empty() && w.overlays().is_empty(), "Enter once too often connects nothing");
    assert!(matches!(w.press("s down enter y")[..], [Effect::Connect(1)]));
    // What cannot be taken is not asked about: the answer says what to type.
    assert!(matches!(w.press("s down down enter")[..], [Effect::Connect(2)]));
    assert_eq!(w.overlays(), [""; 0]);
}

#[test]
fn enter_on_a_database_nobody_is_connected_to_leads_to_the_ways_to_connect() {
    let mut w = World::live("14:00:00").sized(120, 36);
    let server = TitledServer { pid: 50, version: "15".into(), port: Some(5432), ..TitledServer::default() };
    let titles = Titles { servers: vec![server], cost_ms: 0.0 };
    w.source(t("13:59:58"), SourceId(7), SourceKind::Database, "process titles", "/proc");
    w.event(SourceId(7), t("13:59:59"), Event::Database(DatabaseEvent::Titles(titles)));
    w.state.own.offers = vec![
        OfferRow { what: "redis".into(), ..OfferRow::default() },
        OfferRow { what: "postgres on :5432".into(), port: Some(5432), ..OfferRow::default() },
    ];
    w.press("3 z");
    assert!(w.text().contains("postgres 15 on :5432, 0 backends (from process titles); not connected"), "{}", w.text());
    w.press("enter");
    assert_eq!(w.overlays(), ["offers"]);
    assert!(matches!(w.press("enter")[..], [Effect::Connect(1)]));
}

#[test]
fn a_failing_source_is_said_once_and_no_advice_with_it() {
    let mut w = World::live("14:00:00").sized(160, 45);
    let kinds = [(7, SourceKind::Database, "orders"), (8, SourceKind::Health, "api"), (9, SourceKind::Deploys, "log")];
    for (id, kind, name) in kinds {
        w.source(t("13:59:50"), SourceId(id), kind, name, "somewhere");
        let why = format!("{name} cannot be reached");
        w.source_state(t("13:59:52"), SourceId(id), SourceState::Failed { why, next_try: None });
    }
    w.press("z");
    for (pane, why) in [
        ("3", "orders: orders cannot be reached (8.0 s)"),
        ("5", "api: api cannot be reached (8.0 s)"),
        ("4", "log: log cannot be reached (8.0 s)"),
    ] {
        w.press(pane);
        let text = w.text();
        assert_eq!(text.matches(why).count(), 1, "{text}");
        for advice in
            ["[[database.postgres]]", "[[health.probe]]", "nothing probed", "no database watched", "warroom deploy"]
        {
            assert!(!text.contains(advice), "{text}");
        }
    }
}

fn slow_statement(w: &mut World, at: &str, statement: &str, fingerprint: u64, ms: f64) {
    let from = LineRef { source: SourceId(3), name: "api".into(), generation: 0, offset: 0 };
    let slow =
        SlowStatement { duration_ms: ms, statement: statement.into(), fingerprint, from, ..SlowStatement::default() };
    w.event(SourceId(7), t(at), Event::Database(DatabaseEvent::SlowStatement(slow)));
}

#[test]
fn the_cursor_stays_on_its_statement_while_the_order_changes_and_x_says_why_there_is_no_plan() {
    let mut w = World::live("14:00:00").sized(80, 24);
    w.source(t("13:59:50"), SourceId(7), SourceKind::Database, "api", "app.log");
    slow_statement(&mut w, "13:59:56", "SELECT a FROM first", 1, 4_000.0);
    slow_statement(&mut w, "13:59:56", "SELECT b FROM second", 2, 2_000.0);
    w.press("3 j");
    let marked = |w: &mut World| {
        let text = w.text();
        let line = text.lines().find(|l| l.starts_with('▌')).unwrap_or_else(|| panic!("no cursor in\n{text}"));
        line.split_once("SELECT ").map(|(_, s)| s.trim().to_owned())
    };
    assert_eq!(marked(&mut w).as_deref(), Some("b FROM second"));
    for i in 0..10 {
        slow_statement(
            &mut w,
            &format!("14:00:{i:02}"),
            "SELECT b FROM second",
            2,
            if i % 2 == 0 { 9_000.0 } else { 1.0 },
        );
        slow_statement(
            &mut w,
            &format!("14:00:{i:02}"),
            "SELECT a FROM first",
            1,
            if i % 3 == 0 { 20_000.0 } else { 1.0 },
        );
        w.tick(t(&format!("14:00:{i:02}")));
        assert_eq!(marked(&mut w).as_deref(), Some("b FROM second"), "at second {i}");
        assert!(super::super::update::selected(&w.state).expect("a row").text.contains("second"), "at second {i}");
    }
    assert!(w.press("x").is_empty());
    assert!(w.bottom().contains("no server to ask: only the log of api tells of this statement"), "{}", w.bottom());
}

#[test]
fn the_sql_that_ends_a_session_is_never_that_of_another_which_took_its_row() {
    let mut w = World::live("14:00:00").sized(160, 45);
    let session = |pid: i32, blocked_by: Vec<i32>| Session {
        pid,
        state: Some(if blocked_by.is_empty() { "idle in transaction" } else { "active" }.into()),
        backend_start: Some(t("13:00:00")),
        query_age_ms: Some(3_000),
        wait: (!blocked_by.is_empty()).then(|| "Lock:tuple".into()),
        blocked_by,
        ..Session::default()
    };
    let look = |sessions| Event::Database(DatabaseEvent::Activity(Activity { sessions, ..Activity::default() }));
    let id = SourceId(7);
    w.source(t("13:59:50"), id, SourceKind::Database, "orders", "postgres://db-1/shop");
    let info = ServerInfo { name: "orders".into(), engine: "postgres".into(), ..ServerInfo::default() };
    w.event(id, t("13:59:58"), Event::Database(DatabaseEvent::ServerInfo(info)));
    w.event(id, t("13:59:59"), look(vec![session(41, vec![]), session(42, vec![41])]));
    w.press("3 j");
    // Others come above it.
    let two = vec![session(31, vec![]), session(32, vec![31]), session(33, vec![31])];
    let mut all = two.clone();
    all.extend([session(41, vec![]), session(42, vec![41])]);
    w.event(id, t("14:00:01"), look(all));
    w.tick(t("14:00:01"));
    let effects = w.press("y");
    let [Effect::Copy { text, .. }] = &effects[..] else { panic!("{effects:?} {}", w.text()) };
    assert!(text.contains("pid = 41 AND"), "{text}");
    // It has ended: no other takes its place.
    w.event(id, t("14:00:03"), look(two));
    w.tick(t("14:00:03"));
    assert!(w.press("y").is_empty(), "{}", w.text());
    assert!(w.bottom().contains("has gone: j and k go to another"), "{}", w.bottom());
    w.press("j");
    let effects = w.press("y");
    assert!(matches!(&effects[..], [Effect::Copy { text, .. }] if text.contains("pid = 31 AND")), "{effects:?}");
}

#[test]
fn x_asks_for_the_plan_of_the_selected_statement_and_y_copies_the_index_or_the_end_of_a_blocker() {
    let mut w = World::live("14:00:00").sized(160, 45);
    let session = |pid: i32, state: &str, query: &str, blocked_by: Vec<i32>| Session {
        pid,
        state: Some(state.into()),
        backend_start: Some(t("13:00:00")),
        query_age_ms: Some(3_000),
        state_age_ms: Some(3_000),
        db: "shop".into(),
        query: query.into(),
        wait: (!blocked_by.is_empty()).then(|| "Lock:tuple".into()),
        blocked_by,
        ..Session::default()
    };
    let sessions = vec![
        session(41, "idle in transaction", "UPDATE a SET b = 1", vec![]),
        session(42, "active", "SELECT b FROM a FOR UPDATE", vec![41]),
    ];
    let id = SourceId(7);
    w.source(t("13:59:58"), id, SourceKind::Database, "orders", "postgres://db-1/shop");
    let info = ServerInfo { name: "orders".into(), engine: "postgres".into(), ..ServerInfo::default() };
    w.event(id, t("13:59:59"), Event::Database(DatabaseEvent::ServerInfo(info)));
    let look = Activity { sessions, max_connections: 100, ..Activity::default() };
    w.event(id, t("13:59:59"), Event::Database(DatabaseEvent::Activity(look)));
    // The first row is the server's slots; then the root, and who waits for it.
    w.press("3 z");
    w.text();
    w.press("j");
    let effects = w.press("y");
    let [Effect::Copy { text, .. }] = &effects[..] else { panic!("{effects:?} {}", w.text()) };
    assert!(text.starts_with("SELECT pg_terminate_backend(pid)") && text.contains("pid = 41 AND"), "{text}");
    let effects = w.press("j x");
    let [Effect::Explain(wanted)] = &effects[..] else { panic!("{effects:?} {}", w.text()) };
    assert_eq!((wanted.source, wanted.statement.as_str()), (id, "SELECT b FROM a FOR UPDATE"));
    assert_eq!(wanted.db, "shop");
    let json = r#"[{"Plan": {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "a", "Total Cost": 9.0,
        "Plan Rows": 1, "Filter": "(a.b = 7)"}}]"#;
    let mut plan = plan::read(json).expect("a plan");
    plan.copy = Some("CREATE INDEX CONCURRENTLY ON public.a (b);".into());
    arrive(&mut w.state, Arrival::Explained(Ok(Box::new(plan))));
    assert_eq!(w.overlays(), ["plan"]);
    let text = w.text();
    assert!(text.contains("Seq Scan on public.a  <- costs most") && text.contains("Filter: (a.b = 7)"), "{text}");
    assert!(matches!(&w.press("y")[..], [Effect::Copy { text, .. }] if text.starts_with("CREATE INDEX")));
    w.press("esc");
    arrive(&mut w.state, Arrival::Explained(Err("no plan: pid 9 holds a lock".into())));
    assert!(w.bottom().contains("no plan: pid 9 holds a lock"));
    w.press("1");
    assert!(w.press("x").is_empty() && w.bottom().contains("no statement is selected"), "{}", w.bottom());
}

#[test]
fn x_in_a_replay_says_that_there_is_no_server_to_ask() {
    let mut w = World::replay("14:00:00", "14:10:00").sized(120, 36);
    assert!(w.press("3 x").is_empty());
    assert!(w.bottom().contains("a replay cannot explain"), "{}", w.bottom());
}
