//! The pane, empty, normal, flooded and failing, at several sizes.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::signals::logs::event::{LogAppended, LogEvent, LogOpened};
use crate::signals::logs::row::{LogRow, RowKey};
use crate::signals::logs::store::LogArrival;
use crate::timeline::counts::Counts;
use crate::timeline::facts::Facts;
use crate::timeline::{RequestId, SourceId};
use crate::ui::{Glyphs, Theme};

const NOW: Ts = Ts::from_secs(50_602);

fn text_of(buf: &Buffer) -> String {
    let area = buf.area;
    let line = |y| (0..area.width).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..area.height).map(line).collect::<Vec<_>>().join("\n")
}

fn drawn(history: &LogsHistory, view: &LogView, facts: &Facts, w: u16, h: u16) -> String {
    let cx = PaneCx {
        theme: &Theme::monochrome(),
        glyphs: &Glyphs::UNICODE,
        now: NOW,
        zone: &TimeZone::UTC,
        facts,
        focused: true,
        zoomed: false,
        cursor: 0,
        live: true,
    };
    let mut buf = Buffer::empty(Rect::new(0, 0, w, h));
    let area = buf.area;
    draw(history, view, &cx, area, &mut buf);
    text_of(&buf)
}

fn all_sizes(history: &LogsHistory, view: &LogView, facts: &Facts) -> String {
    [(100, 14), (52, 8), (40, 6), (3, 1)]
        .map(|(w, h)| format!("--- {w}x{h}\n{}", drawn(history, view, facts, w, h)))
        .join("\n")
}

/// One second's worth: `errors` and `infos`.
fn second(h: &mut LogsHistory, s: i64, infos: u32, errors: u32) {
    let mut c = Counts::default();
    c.add(Some(Severity::Info), infos);
    c.add(Some(Severity::Error), errors);
    let a = LogAppended {
        end: 1,
        lines: infos + errors,
        counts: vec![(s, c)],
        format: "json".into(),
        ..LogAppended::default()
    };
    h.apply(s as u64, SourceId(1), Ts::from_secs(s), &LogEvent::Appended(a));
}

fn history(errors: u32) -> LogsHistory {
    let mut h = LogsHistory::default();
    let opened = LogOpened::default();
    h.apply(1, SourceId(1), Ts::from_secs(50_000), &LogEvent::Opened(opened));
    (50_000..50_170).for_each(|s| second(&mut h, s, 38, 0));
    (50_170..50_602).for_each(|s| second(&mut h, s, 38, errors));
    h
}

fn row(ms: i64, severity: Severity, source: &str, id: Option<&str>, message: &str, folded: u32) -> LogRow {
    let placed = Ts::from_millis(50_601_000 + ms);
    LogRow {
        key: RowKey { source: SourceId(1), generation: 0, offset: ms as u64 },
        placed,
        visible: placed,
        time: Some(placed),
        inferred: false,
        severity: Some(severity),
        source: source.into(),
        format: "json",
        line: Some(ms as u64),
        folded,
        message: message.into(),
        fields: vec![("status".into(), 503.into())],
        request_id: id.map(|id| RequestId(id.into())),
        raw: message.as_bytes().into(),
        cut: 0,
    }
}

fn view(rows: Vec<LogRow>) -> LogView {
    let mut v = LogView::new();
    let request = v.wants(8).map_or(0, |q| q.request);
    v.arrive(LogArrival { request, rows, done: true, at_start: true, at_end: true, ..LogArrival::default() });
    v
}

/// What the store says of the kinds of errors.
fn told(v: &mut LogView, history: &LogsHistory, kinds: &str) {
    let request = v.wants_kinds(history.errors_since(NOW), NOW).expect("errors").request;
    v.kinds_came(&LogArrival { request, kinds: kinds.into(), done: true, ..LogArrival::default() });
}

fn outage() -> LogView {
    let id = Some("7f3a2b1c9d8e4f60a1b2c3d4e5f6c210");
    view(vec![
        row(802, Severity::Error, "api", None, "GET /orders/81 pool timeout after 5.0 s", 0),
        row(804, Severity::Info, "api", id, "start GET /orders?user=123", 0),
        row(811, Severity::Warn, "db", id, "acquire waited 4 812 ms", 0),
        row(904, Severity::Error, "api", id, "KeyError: 'email'", 14),
        row(905, Severity::Error, "api", id, "TimeoutError: no connection \u{1b}]52;c;eA==\u{7} in 5 s", 0),
        row(990, Severity::Debug, "nginx", id, "\"GET /orders?user=123\" 503", 0),
    ])
}

#[test]
fn empty() {
    insta::assert_snapshot!(all_sizes(&LogsHistory::default(), &view(Vec::new()), &Facts::default()));
}

#[test]
fn normal() {
    let rows = (0..5).map(|i| row(i * 100, Severity::Info, "api", None, "GET /orders 200 in 12 ms", 0)).collect();
    insta::assert_snapshot!(all_sizes(&history(0), &view(rows), &Facts::default()));
}

#[test]
fn failing_with_a_request_a_search_and_a_seam() {
    let mut h = history(412);
    let why = "app.log: renamed to app.log.1".to_owned();
    h.apply(9_999, SourceId(1), Ts::from_millis(50_601_900), &LogEvent::Seam { generation: 0, why });
    let mut v = outage();
    v.set_search("user");
    v.move_by(-2);
    told(&mut v, &h, "503 GET /orders/# pool timeout af… (33 %), KeyError (33 %), TimeoutError (33 %) of the last 3");
    let facts = Facts { request: Some(RequestId("7f3a2b1c9d8e4f60a1b2c3d4e5f6c210".into())), ..Facts::default() };
    insta::assert_snapshot!(all_sizes(&h, &v, &facts));
}

#[test]
fn flooded_by_one_endless_line_and_wide_characters() {
    let long = "x".repeat(100_000);
    let rows = vec![
        row(1, Severity::Fatal, "a-source-with-a-very-long-name", None, &long, 3),
        row(2, Severity::Trace, "api", None, &"日本語のログ".repeat(40), 0),
    ];
    let (h, mut v) = (history(9_000), view(rows));
    told(&mut v, &h, "503 xxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (100 %) of the last 1");
    insta::assert_snapshot!(all_sizes(&h, &v, &Facts::default()));
}

#[test]
fn it_draws_in_any_rectangle() {
    let (h, v) = (history(3), outage());
    for w in 0..70 {
        for height in 0..9 {
            drawn(&h, &v, &Facts::default(), w, height);
        }
    }
}

#[test]
fn while_rows_are_read_it_says_how_far_it_is() {
    let mut v = LogView::new();
    let request = v.wants(8).map_or(0, |q| q.request);
    v.arrive(LogArrival { request, scanned_bytes: 34, total_bytes: 100, ..LogArrival::default() });
    assert!(drawn(&history(0), &v, &Facts::default(), 60, 5).contains("reading… 34 %"));
}

#[test]
fn no_control_byte_of_a_line_reaches_the_screen() {
    let screen = drawn(&history(0), &outage(), &Facts::default(), 100, 12);
    assert!(!screen.contains(['\u{1b}', '\u{7}']), "{screen}");
}

#[test]
fn an_outage_that_is_over_is_told_of_for_ten_minutes_and_errors_only_over_what_is_known() {
    let mut h = LogsHistory::default();
    let opened = LogOpened::default();
    h.apply(1, SourceId(1), Ts::from_secs(0), &LogEvent::Opened(opened));
    (0..900).for_each(|s| second(&mut h, s, 38, 0));
    (900..974).for_each(|s| second(&mut h, s, 38, 40));
    (974..2_000).for_each(|s| second(&mut h, s, 38, u32::from(s % 40 == 0)));
    let said = |now: i64| {
        let cx = PaneCx {
            theme: &Theme::monochrome(),
            glyphs: &Glyphs::UNICODE,
            now: Ts::from_secs(now),
            zone: &TimeZone::UTC,
            facts: &Facts::default(),
            focused: true,
            zoomed: false,
            cursor: 0,
            live: true,
        };
        let v = verdict(&h, &cx);
        (v.level, v.text)
    };
    assert_eq!(said(40), (Level::Calm, "38 lines/s from 1 source, 0 errors in 40 s".into()));
    assert_eq!(said(800), (Level::Calm, "38 lines/s from 1 source, 0 errors in 10 min".into()));
    assert_eq!(said(930), (Level::Bad, "40 errors/s since 00:15:00".into()));
    assert_eq!(said(980), (Level::Warn, "errors 00:15:00–00:16:13, back to usual for 6.0 s".into()));
    for minutes in 2..10 {
        let (level, text) = said(974 + minutes * 60);
        let over = format!("errors 00:15:00–00:16:13, over for {minutes} m;");
        assert!(level == Level::Calm && text.starts_with(&over), "{text}");
    }
    assert_eq!(said(1_600), (Level::Calm, "38 lines/s from 1 source, 15 errors in 10 min".into()));
}
