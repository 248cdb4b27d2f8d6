//! How rows are looked at: sideways, wrapped, in columns, collapsed, muted, marked.

use super::stories::{outage, two_requests};
use super::world::{API, NGINX, World, t};
use crate::timeline::{Severity, SourceKind, Ts};

/// Forty lines a second for a second, three of four of them the same but for numbers.
fn repeating() -> World {
    let mut w = World::live("14:00:06");
    w.source(t("13:59:00"), API, SourceKind::Logs, "api", "/srv/api.log");
    w.source(t("13:59:00"), NGINX, SourceKind::Logs, "nginx", "/var/log/nginx/access.log");
    w.line(NGINX, "14:00:00", Severity::Info, "", "GET /first 200");
    for i in 0..400 {
        let at = Ts(t("14:00:01").0 + i * 5_000_000);
        let text = format!("\"msg\":\"pool timeout after {} ms\",\"job\":{i}", 5_000 + i);
        w.lines(API, &[(at, Severity::Error, text)]);
    }
    w.line(API, "14:00:04", Severity::Info, "", "recovered");
    w.settle();
    w
}

#[test]
fn rows_that_say_the_same_collapse_with_count_and_span_and_unfold_in_place() {
    let mut w = repeating().sized(80, 24);
    w.press("u");
    let text = w.text();
    assert!(text.contains("GET /first 200") && text.contains("recovered"), "{text}");
    let run = text.lines().find(|l| l.contains("pool timeout after 5")).expect("one of them");
    assert!(run.contains("×400 in 2.0 s ▸"), "{run}");
    assert_eq!(text.matches("pool timeout").count(), 1 + 1, "one row, and the kind of error in the verdict: {text}");
    // What comes goes into the same rows, and the cursor stays where it is.
    w.press("up o");
    let text = w.text();
    assert!(text.matches("pool timeout after").count() > 10, "{text}");
    w.press("o");
    assert!(w.text().contains("×400 in"), "{}", w.text());
    w.press("u");
    assert!(!w.text().contains("×400"), "{}", w.text());
}

#[test]
fn an_error_found_inside_collapsed_rows_stands_by_itself() {
    let mut w = repeating().sized(80, 24);
    w.press("u home /");
    w.write("\"job\":17}");
    w.press("enter");
    let row = w.state.logs.selected().expect("the hit").message.clone();
    assert_eq!(row, "pool timeout after 5017 ms");
}

#[test]
fn a_muted_kind_is_gone_counted_and_comes_back_with_the_same_key() {
    let mut w = repeating().sized(100, 24);
    w.press("up U");
    assert!(w.text().contains("mute     pool timeout after # ms"), "{}", w.text());
    w.press("enter");
    let text = w.text();
    assert!(text.contains("muted: pool timeout after # ms (400)"), "{text}");
    let shown = w.rows();
    assert_eq!(shown, ["GET /first 200", "recovered"]);
    // Looking for errors passes over what is muted.
    w.press("E");
    assert!(w.bottom().contains("no further error"), "{}", w.bottom());
    w.press("U down down");
    assert!(w.text().contains("hides 400 records"), "{}", w.text());
    w.press("enter");
    assert!(w.rows().len() > 20 && !w.text().contains("muted:"), "{}", w.text());
    // A source, and how much of it there is.
    w.press("U down");
    assert!(w.text().contains("source api  402 lines") || w.text().contains("lines in this window"), "{}", w.text());
    w.press("enter");
    assert_eq!(w.rows(), ["GET /first 200"]);
}

#[test]
fn the_title_counts_what_came_since_one_scrolled_away_also_under_a_filter() {
    let mut w = two_requests().sized(100, 24);
    w.press("up");
    let place = w.text().lines().find(|l| l.starts_with('▌')).map(str::to_owned);
    for i in 0..30 {
        let at = Ts(t("14:00:08").0 + i * 10_000_000);
        let severity = if i % 10 == 0 { Severity::Error } else { Severity::Info };
        w.lines(API, &[(at, severity, format!("\"msg\":\"line {i}\""))]);
    }
    let text = w.text();
    assert!(text.contains("↓ 30 new, 3 errors"), "{text}");
    assert_eq!(text.lines().find(|l| l.starts_with('▌')).map(str::to_owned), place, "the row stays");
    w.press("G");
    assert!(!w.text().contains(" new"), "{}", w.text());
    w.press("&");
    w.write("level=error");
    w.press("enter up");
    w.text();
    for i in 0..30 {
        let at = Ts(t("14:00:09").0 + i * 10_000_000);
        let severity = if i % 10 == 0 { Severity::Error } else { Severity::Info };
        w.lines(API, &[(at, severity, format!("\"msg\":\"line {i}\""))]);
        w.settle();
    }
    assert!(w.text().contains("↓ 3 new, 3 errors"), "{}", w.text());
}

#[test]
fn the_search_says_which_hit_of_how_many_this_is() {
    let mut w = repeating().sized(100, 24);
    w.press("/");
    w.write("/\"job\":[0-9]*0}/");
    w.press("enter");
    assert!(w.text().contains("no further hit; 40 above, 40 in all"), "searched downwards from the end: {}", w.text());
    w.press("N");
    assert!(w.text().contains("hit 40 of 40"), "{}", w.text());
    w.press("N N");
    assert!(w.text().contains("hit 38 of 40"), "{}", w.text());
    w.press("n");
    assert!(w.text().contains("hit 39 of 40"), "{}", w.text());
    w.press("up");
    assert!(w.text().contains("40 hits"), "{}", w.text());
    w.line(API, "14:00:09", Severity::Info, "", "more");
    assert!(w.text().contains("40+ hits"), "{}", w.text());
}

#[test]
fn long_rows_are_read_sideways_or_wrapped_and_columns_come_and_go() {
    let mut w = outage().sized(80, 24);
    let end = "the very end of a long message";
    let text = format!("\"msg\":\"{} {end}\",\"shard\":7", "word ".repeat(40));
    w.lines(API, &[(t("14:03:21.99"), Severity::Warn, text)]);
    assert!(!w.text().contains(end));
    w.press("l l l l l l l l l l l");
    assert!(w.text().contains(end) && w.text().contains("from column 177"), "{}", w.text());
    w.press("h h h h h h h h h h h h W");
    let wrapped = w.text();
    assert!(
        wrapped.contains("long message") && wrapped.contains("shard=7") && wrapped.contains("wrapped"),
        "{wrapped}"
    );
    w.press("W C");
    assert_eq!(w.overlays(), ["columns"]);
    // Source away, and a field as a column with its name above it.
    w.press("down down enter");
    let at = crate::app::looking::choices(&w.state)
        .iter()
        .position(|c| matches!(c, crate::app::looking::Choice::Field(n, _) if n == "shard"));
    w.press(&["down"; 60][..at.expect("the field") - 2].join(" "));
    w.press("enter esc");
    let text = w.text();
    let head = text.lines().find(|l| l.contains("shard")).expect("its name");
    let column = head.find("shard").expect("shard") + 4;
    let row = text.lines().find(|l| l.starts_with('▌')).expect("the row");
    assert_eq!(row.chars().nth(column), Some('7'), "{text}");
    assert!(!row.contains(" api "), "{row}");
}

#[test]
fn times_are_shown_in_four_ways() {
    let mut w = two_requests().sized(80, 24);
    let row = |w: &mut World| {
        let text = w.text();
        text.lines().find(|l| l.contains("pool timeout") && l.starts_with('▌')).expect("the row").to_owned()
    };
    assert!(row(&mut w).contains("14:00:07.000"));
    w.press("v");
    assert!(row(&mut w).contains("-3.0 s"), "{}", row(&mut w));
    w.press("v");
    assert!(row(&mut w).contains("+0.500"), "{}", row(&mut w));
    w.press("v");
    assert!(row(&mut w).contains("14:00:07Z"), "{}", row(&mut w));
    w.press("v");
    assert!(row(&mut w).contains("14:00:07.000"));
}

#[test]
fn a_marked_row_is_found_again_from_anywhere() {
    let mut w = repeating().sized(80, 24);
    w.press("home M G");
    assert_ne!(w.state.logs.selected().expect("a row").message, "GET /first 200");
    w.press("\"");
    assert_eq!(w.state.logs.selected().expect("a row").message, "GET /first 200");
    w.press("down");
    let text = w.text();
    assert!(text.lines().any(|l| l.starts_with('●') && l.contains("GET /first 200")), "{text}");
    w.press("up M \"");
    assert!(w.bottom().contains("no other marked row"), "{}", w.bottom());
}

#[test]
fn the_zoomed_logs_have_a_histogram_that_comes_closer_and_a_range_becomes_a_filter() {
    let mut w = outage().sized(100, 36);
    w.press("z");
    insta::assert_snapshot!("histogram_100x36", w.text());
    // With a filter it counts what passes, and says so.
    w.press("&");
    w.write("level>=error");
    w.press("enter");
    let text = w.text();
    let line = |letter: &str| {
        let starts = format!(" {letter} ");
        text.lines().find(|l| l.starts_with(&starts)).expect("a line of the histogram").to_owned()
    };
    assert!(line("E").contains("max"), "{text}");
    assert!(
        !text.lines().any(|l| l.starts_with(" I ") || l.starts_with(" W ")),
        "a line of nothing is left out: {text}"
    );
    assert!(text.contains(" filtered"), "{text}");
    w.press("esc");
    assert!(!w.text().contains(" filtered"));
    w.press("i i");
    assert!(w.text().contains("56 s"), "{}", w.text());
    w.press("I I I");
    assert!(w.text().contains("15 m"), "{}", w.text());
    let last = w.state.logs.selected().expect("a row").placed;
    w.press("b up up up b");
    let first = w.state.logs.rows().first().expect("a row").placed;
    assert_eq!(w.state.view.filter.chips().len(), 1, "one Esc takes it away");
    assert!(w.rows().len() == 4 && first < last, "{:?}", w.rows());
    w.press("esc H");
    assert!(!w.text().contains("max "), "{}", w.text());
}

#[test]
fn what_is_filtered_is_written_as_text_or_json_without_what_is_muted() {
    use crate::app::effect::{Effect, WriteAs};
    for (key, form) in [("l", WriteAs::Text), ("j", WriteAs::Json), ("u", WriteAs::AsItStands)] {
        let mut w = repeating().sized(100, 24);
        w.press("up U enter w");
        w.press(key);
        match &w.press("enter")[..] {
            [Effect::WriteLines { filter, how, .. }] => {
                assert_eq!(*how, form);
                assert!(filter.to_string().starts_with("-("), "{filter}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_title_says_how_many_records_the_filter_lets_through_of_how_many() {
    let mut w = repeating().sized(120, 24);
    w.press("&");
    w.write("level=error");
    w.press("enter");
    assert!(w.text().contains("level=error 400 of 402"), "{}", w.text());
    // Mutes count as left out.
    w.press("up U enter");
    assert!(w.text().contains("level=error 0 of 402"), "{}", w.text());
}

#[test]
fn the_histogram_goes_where_the_rows_are_and_counts_what_the_history_did_not() {
    let mut w = World::live("14:00:10").sized(100, 30);
    w.source(t("13:59:00"), API, SourceKind::Logs, "api", "/srv/api.log");
    for i in 0..50 {
        w.lines(API, &[(Ts(t("11:34:00").0 + i * 1_000_000_000), Severity::Info, format!("\"msg\":\"line {i}\""))]);
    }
    w.settle();
    w.press("z");
    let text = w.text();
    assert!(text.lines().any(|l| l.starts_with(" I ") && l.contains("max")), "{text}");
    assert!(text.lines().any(|l| l.contains("11:30:") && l.contains("11:45:")), "the axis is that of the rows: {text}");
}

#[test]
fn the_message_that_a_range_begins_goes_when_it_ends() {
    let mut w = repeating().sized(100, 24);
    w.press("up b");
    assert!(w.bottom().contains("a range begins at"), "{}", w.bottom());
    w.press("up up b");
    assert!(!w.bottom().contains("a range begins") && w.bottom().contains("rows from"), "{}", w.bottom());
}
