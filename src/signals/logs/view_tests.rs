//! The view as a triple: the lines there are, what is done, the lines shown.

use super::*;
use crate::signals::logs::history::LogsHistory;
use crate::signals::logs::store::{Ask, LogArrival, LogQuery};

pub fn row(i: i64) -> LogRow {
    let text = format!("line {i}");
    LogRow {
        key: RowKey { source: SourceId(1), generation: 0, offset: i as u64 },
        placed: Ts::from_secs(i),
        visible: Ts::from_secs(i),
        time: Some(Ts::from_secs(i)),
        inferred: false,
        severity: None,
        source: "app".into(),
        format: "text",
        line: None,
        folded: 0,
        message: text.clone(),
        fields: Vec::new(),
        request_id: None,
        raw: text.into_bytes().into(),
        cut: 0,
    }
}

/// A view over lines 0 to `n`, answered at once as the store would.
struct World {
    view: LogView,
    n: i64,
    height: usize,
    asked: usize,
}

impl World {
    fn new(n: i64, height: usize) -> World {
        let mut w = World { view: LogView::new(), n, height, asked: 0 };
        w.settle();
        w
    }

    fn answer(&self, q: &LogQuery) -> LogArrival {
        let until = q.visible_until.secs().min(self.n - 1);
        let all: Vec<LogRow> = (0..=until).map(row).filter(|r| q.filter.matches(r)).collect();
        let Ask::Rows { anchor, before, after } = &q.ask else { panic!("only rows") };
        let at = match anchor {
            Anchor::End | Anchor::Since(_) => all.len(),
            Anchor::At(t) => all.partition_point(|r| r.placed < *t),
            Anchor::Row(k, t) => all.partition_point(|r| place(r) < (*t, *k)),
        };
        let floor = match anchor {
            Anchor::Since(upto) => all.partition_point(|r| r.key.offset < upto[&(SourceId(1), 0)]),
            _ => 0,
        };
        let from = at.saturating_sub(*before).max(floor);
        let to = (at + after).min(all.len());
        let since = matches!(anchor, Anchor::Since(_));
        LogArrival {
            request: q.request,
            rows: all[from..to].to_vec(),
            at_start: !since && *before > 0 && from == 0,
            at_end: to == all.len(),
            gap: since && from > floor,
            upto: [((SourceId(1), 0), until as u64 + 1)].into(),
            done: true,
            ..LogArrival::default()
        }
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            let Some(q) = self.view.wants(self.height) else { return };
            self.asked += 1;
            let a = self.answer(&q);
            self.view.arrive(a);
        }
        panic!("the view is never content");
    }

    fn then(&mut self, act: impl FnOnce(&mut LogView)) {
        act(&mut self.view);
        self.settle();
    }

    fn grow(&mut self, n: i64) {
        self.n += n;
        self.then(LogView::data_changed);
    }

    /// First and last line shown, and the one under the cursor.
    fn shown(&self) -> (i64, i64, i64) {
        let w = self.view.window(self.height);
        let n = |r: &LogRow| r.placed.secs();
        let rows = self.view.rows();
        (n(&rows[w.start]), n(&rows[w.end - 1]), self.view.selected().map_or(-1, n))
    }
}

#[test]
fn keys_typed_ahead_do_not_act_on_what_was_newest_before_the_pane_was_hidden() {
    let mut w = World::new(100, 10);
    w.view.hidden();
    assert!(w.view.selected().is_none());
    w.n += 50;
    w.view.data_changed();
    assert!(w.view.selected().is_none(), "not read yet");
    w.settle();
    assert_eq!(w.shown().2, 149);
    w.view.hidden();
    w.settle();
    assert_eq!(w.shown().2, 149, "nothing came meanwhile");
    w.then(|v| v.move_by(-5));
    w.view.hidden();
    assert_eq!(w.shown().2, 144, "a row that was chosen stays chosen");
}

#[test]
fn following_shows_the_newest_lines_and_asks_only_for_what_came() {
    let mut w = World::new(100, 10);
    assert_eq!(w.shown(), (90, 99, 99));
    let asked = w.asked;
    w.grow(3);
    assert_eq!(w.shown(), (93, 102, 102));
    assert_eq!(w.asked, asked + 1);
    w.grow(100_000);
    assert_eq!(w.shown(), (100_093, 100_102, 100_102), "a flood leaves out what nobody could read");
}

#[test]
fn new_lines_never_move_the_line_under_the_cursor() {
    let mut w = World::new(100, 10);
    w.then(|v| v.move_by(-3));
    assert_eq!(w.shown(), (90, 99, 96));
    for _ in 0..50 {
        w.grow(7);
        assert_eq!(w.shown(), (90, 99, 96));
    }
    w.then(LogView::end);
    assert_eq!(w.shown(), (440, 449, 449));
}

#[test]
fn what_came_is_counted_under_the_filter_that_it_came_under() {
    let mut w = World::new(100, 10);
    let history = LogsHistory::default();
    w.then(|v| v.move_by(-3));
    w.grow(10);
    w.then(|v| v.set_filter(Filter::parse("/7$/").unwrap()));
    assert_eq!(w.view.news(&history, "v"), None, "what came before passed another filter");
    w.grow(20);
    assert_eq!(w.view.news(&history, "v").as_deref(), Some("v 2 new"), "117 and 127");
}

#[test]
fn scrolling_far_back_keeps_few_rows_and_loses_none() {
    let mut w = World::new(10_000, 10);
    for page in 1..900 {
        w.then(|v| v.move_by(-10));
        assert_eq!(w.shown().2, 9_999 - page * 10);
        assert!(w.view.rows().len() <= 10 * (2 * SCREENS + 4), "{}", w.view.rows().len());
        assert!(w.view.rows().windows(2).all(|p| p[1].placed.secs() == p[0].placed.secs() + 1));
    }
    w.then(|v| v.move_by(isize::MIN / 2));
    assert_eq!(w.shown(), (0, 9, 0));
    for _ in 0..1_200 {
        w.then(|v| v.move_by(10));
    }
    assert_eq!(w.shown().2, 9_999);
    assert!(w.view.follows(), "past the end it follows again");
}

#[test]
fn the_playhead_decides_what_is_the_end() {
    let mut w = World::new(1_000, 10);
    w.then(|v| v.set_playhead(Ts::from_secs(500), false));
    assert_eq!(w.shown(), (491, 500, 500));
    w.then(|v| v.set_playhead(Ts::from_secs(502), false));
    assert_eq!(w.shown(), (493, 502, 502));
    w.then(|v| v.set_playhead(Ts::from_secs(100), false));
    assert_eq!(w.shown(), (91, 100, 100));
    w.then(|v| v.set_playhead(Ts::from_secs(900), false));
    assert_eq!(w.shown(), (891, 900, 900));
    w.then(|v| v.set_playhead(Ts::MAX, true));
    assert_eq!(w.shown(), (990, 999, 999));
}

#[test]
fn pausing_while_scrolled_back_changes_nothing() {
    let mut w = World::new(1_000, 10);
    w.then(|v| v.move_by(-50));
    let before = w.shown();
    w.then(|v| v.set_playhead(Ts::from_secs(999), false));
    assert_eq!(w.shown(), before);
}

#[test]
fn a_hit_far_away_comes_under_the_cursor_with_its_surroundings() {
    let mut w = World::new(10_000, 10);
    w.then(|v| v.show(row(1_234)));
    let (first, last, at) = w.shown();
    assert_eq!(at, 1_234);
    assert!(first < 1_234 && 1_234 < last && last - first == 9);
    w.then(|v| v.go_to(Ts::from_secs(77)));
    assert_eq!(w.shown().2, 77);
}

#[test]
fn a_filter_keeps_the_place_and_an_answer_to_the_question_before_it_is_dropped() {
    let mut w = World::new(1_000, 10);
    w.then(|v| v.show(row(500)));
    assert_eq!(w.shown().2, 500);
    w.view.data_changed();
    let late = w.view.wants(10).map(|q| w.answer(&q));
    w.view.set_filter(Filter::parse("/7$/").unwrap());
    if let Some(late) = late {
        w.view.arrive(late);
    }
    w.settle();
    assert_eq!(w.shown().2, 507);
    assert!(w.view.rows().iter().all(|r| r.message.ends_with('7')));
    w.then(|v| v.set_filter(Filter::default()));
    assert_eq!(w.shown().2, 500, "without it the cursor is back where it was");
}

#[test]
fn lines_round_a_hit_are_shown_as_context_and_go_again() {
    let mut w = World::new(1_000, 10);
    w.then(|v| v.set_filter(Filter::parse("/50$/").unwrap()));
    w.then(|v| v.move_by(-1));
    w.then(|v| v.change_context(2));
    let lines: Vec<i64> = w.view.rows().iter().map(|r| r.placed.secs()).collect();
    assert_eq!(lines[lines.len() - 6..], [848, 849, 850, 851, 852, 950]);
    assert!(w.view.is_context(&row(849).key) && !w.view.is_context(&row(850).key));
    assert_eq!(w.shown().2, 850);
    w.then(|v| v.change_context(-2));
    assert!(w.view.rows().iter().all(|r| r.message.ends_with("50")));
}

#[test]
fn an_unfolded_record_takes_the_lines_it_needs() {
    let mut w = World::new(100, 10);
    let mut tall = row(95);
    tall.folded = 4;
    w.view.merge(vec![tall]);
    w.view.move_by(-4);
    w.view.unfold();
    let shown = w.view.window(10);
    let lines: usize = w.view.rows()[shown.clone()].iter().map(|r| w.view.lines_of(r)).sum();
    assert!(lines >= 10 && w.view.rows()[shown].iter().any(|r| r.placed.secs() == 95));
}

#[test]
fn text_is_searched_as_it_stands_and_slashes_make_it_a_regular_expression() {
    let mut v = LogView::new();
    v.set_search("a.b");
    assert!(!v.search_regex().unwrap().is_match(b"axb") && v.search_regex().unwrap().is_match(b"A.B"));
    v.set_search("/a.b/");
    assert!(v.search_regex().unwrap().is_match(b"axb"));
    v.set_search("/(/");
    assert!(v.search_regex().unwrap().is_match(b"/(/"), "what is no expression is text");
    v.set_search("");
    assert!(v.search_pattern().is_none());
}

#[test]
fn a_file_that_was_opened_after_the_first_question_shows_what_it_held_before() {
    let mut view = LogView::new();
    let first = view.wants(10).expect("a first question");
    let nothing =
        LogArrival { request: first.request, at_start: true, at_end: true, done: true, ..LogArrival::default() };
    view.opened();
    view.arrive(nothing.clone());
    let again = view.wants(10).expect("a second question");
    assert!(matches!(again.ask, Ask::Rows { anchor: Anchor::End, .. }), "{:?}", again.ask);
    view.arrive(LogArrival { request: again.request, ..nothing });
    view.opened();
    let again = view.wants(10).expect("a third question");
    assert!(matches!(again.ask, Ask::Rows { anchor: Anchor::End, .. }), "{:?}", again.ask);
}

#[test]
fn while_nothing_passes_the_filter_appended_lines_do_not_make_it_wait() {
    let mut v = LogView::new();
    v.set_filter(Filter::parse("nothing-has-this").unwrap());
    let first = v.wants(8).unwrap();
    assert!(v.is_waiting());
    v.arrive(LogArrival { request: first.request, done: true, at_start: true, at_end: true, ..LogArrival::default() });
    v.data_changed();
    let since = v.wants(8).unwrap();
    assert!(matches!(since.ask, Ask::Rows { anchor: Anchor::Since(_), .. }), "only what came is looked at");
    assert!(!v.is_waiting());
}
