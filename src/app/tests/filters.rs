//! The one filter, and looking for rows.

use super::stories::{BROKEN, CALM, outage, two_requests};
use super::world::{World, t};
use crate::app::effect::Effect;
use crate::app::input::Input;

fn header(w: &mut World) -> String {
    w.text().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn f_filters_every_pane_by_the_rows_request_and_capital_f_clears_it() {
    let mut w = two_requests();
    w.press("f");
    assert_eq!(w.rows(), ["broken start", "acquire waited", "GET /orders 503", "pool timeout"]);
    assert!(header(&mut w).contains("req 7f3a…c210 ×"), "{}", header(&mut w));
    let span = w.state.view.request_span.expect("the request's span is asked for and told");
    assert!(span.start == t("14:00:02") && span.contains(t("14:00:07")), "its last record is in it: {span:?}");
    w.press("F");
    assert_eq!(w.rows().len(), 8);
    assert!(!header(&mut w).contains("req "), "{}", header(&mut w));
}

#[test]
fn a_row_without_an_id_says_so_and_leaves_the_filter_alone() {
    let mut w = two_requests();
    w.press("k k");
    assert_eq!(w.state.logs.selected().expect("a row").message, "no request at all");
    w.press("f");
    assert!(w.state.view.filter.is_empty());
    assert!(w.bottom().contains("no request ID on this row"), "{}", w.bottom());
}

#[test]
fn a_filter_acts_while_it_is_typed_and_one_that_cannot_be_read_yet_keeps_the_last_good_one() {
    let mut w = two_requests();
    w.press("&");
    w.write("level>=warn");
    assert_eq!(w.rows(), ["acquire waited", "GET /orders 503", "pool timeout"]);
    w.give(Input::Paste(" status>=".into()));
    assert_eq!(w.rows().len(), 3, "half a comparison filters nothing away");
    assert!(w.bottom().contains("level>=warn status>="), "{}", w.bottom());
    let effects = w.press("enter");
    assert!(effects.is_empty());
    assert_eq!(w.overlays(), ["filter"], "what cannot be read is not taken");
    w.press("ctrl-u");
    w.write("level>=warn -source=nginx");
    assert_eq!(w.rows(), ["acquire waited", "pool timeout"]);
    w.press("enter");
    assert_eq!(w.overlays(), [""; 0]);
    w.press("esc");
    assert_eq!(w.rows().len(), 3, "Esc takes the newest term away");
    w.press("esc");
    assert_eq!(w.rows().len(), 8);
}

#[test]
fn esc_in_the_filter_line_brings_back_the_filter_from_before() {
    let mut w = two_requests();
    w.press("f &");
    w.press("ctrl-u");
    w.write("calm");
    assert_eq!(w.rows(), ["calm start", "calm end"]);
    w.press("esc");
    assert_eq!(w.state.view.filter.request_id().map(|id| id.0.to_string()), Some(BROKEN.into()));
    assert_eq!(w.rows().len(), 4);
}

#[test]
fn a_pasted_id_or_traceparent_filters_at_once_and_other_text_waits_in_the_line() {
    let mut w = two_requests();
    w.give(Input::Paste(format!("00-{CALM}-00f067aa0ba902b7-01\n")));
    assert_eq!(w.rows(), ["calm start", "calm end", "GET /carts 200"]);
    w.press("F");
    w.give(Input::Paste(BROKEN.into()));
    assert_eq!(w.rows().len(), 4);
    w.press("F");
    w.give(Input::Paste("acquire \"waited\"\nsecond line".into()));
    assert_eq!(w.overlays(), ["filter"]);
    assert!(w.state.view.filter.is_empty(), "it is looked at first");
    assert!(w.bottom().contains(r#""acquire \"waited\"""#), "{}", w.bottom());
    w.press("esc");
    // Into a line that is being typed, it is text.
    w.press("a");
    w.give(Input::Paste(BROKEN.into()));
    assert!(w.overlays() == ["note"] && w.state.view.filter.is_empty());
}

#[test]
fn a_search_goes_from_hit_to_hit_and_says_when_there_is_no_further_one() {
    let mut w = two_requests();
    w.press("home /");
    w.write("orders");
    w.press("enter");
    assert_eq!(w.state.logs.selected().expect("a hit").message, "GET /orders 503");
    w.press("n");
    assert!(w.bottom().contains("no further hit"), "{}", w.bottom());
    w.press("E");
    assert_eq!(w.state.logs.selected().expect("still there").message, "GET /orders 503");
    w.press("e");
    assert_eq!(w.state.logs.selected().expect("the next error").message, "pool timeout");
    w.press("R R");
    assert_eq!(w.state.logs.selected().expect("the same request").message, "acquire waited");
}

#[test]
fn top_values_count_a_field_and_enter_filters_by_the_value() {
    let mut w = outage();
    w.press("t");
    assert_eq!(w.overlays(), ["top"]);
    assert!(w.text().contains("Top values: which field?"), "{}", w.text());
    let fields = w.text();
    let row = fields.lines().filter(|l| l.contains("records")).position(|l| l.contains("status")).expect("the field");
    for _ in 0..row {
        w.press("j");
    }
    w.press("enter");
    let text = w.text();
    assert!(text.contains("Top values of status") && text.contains("before | after 13:55:58"), "{text}");
    let line = |value: &str| text.lines().find(|l| l.contains(value) && l.contains("% err")).map(str::to_owned);
    assert!(line("503").is_some_and(|l| l.contains("100.0 % err")), "{text}");
    assert!(line("200").is_some_and(|l| l.contains("0.0 % err")), "{text}");
    let before = text.lines().filter(|l| l.contains("% err")).position(|l| l.contains("503")).expect("a row");
    for _ in 0..before {
        w.press("j");
    }
    let effects = w.press("enter");
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(w.state.view.filter.to_string(), "status=503");
    assert!(w.rows().iter().all(|m| m.contains("503") || m.contains("pool timeout")), "{:?}", w.rows());
}

#[test]
fn copying_says_sent_and_names_what_there_is_nothing_of() {
    let mut w = two_requests();
    let effects = w.press("y");
    assert!(
        matches!(&effects[..], [Effect::Copy { what: "row", text }] if text.contains("pool timeout")),
        "{effects:?}"
    );
    let effects = w.press("Y i");
    assert!(matches!(&effects[..], [Effect::Copy { text, .. }] if text == BROKEN), "{effects:?}");
    let effects = w.press("Y f");
    assert!(effects.is_empty() && w.bottom().contains("there is no filter here to copy"), "{}", w.bottom());
    let effects = w.press("Y t");
    assert!(matches!(&effects[..], [Effect::Copy { text, .. }] if text == "2026-03-14T14:00:07Z"), "{effects:?}");
}

#[test]
fn names_and_values_that_were_seen_are_completed_with_tab() {
    let mut w = two_requests();
    w.press("&");
    w.write("le");
    let above = |w: &mut World| w.text().lines().rev().nth(1).unwrap_or_default().to_owned();
    assert!(above(&mut w).contains("level severity"), "{}", above(&mut w));
    w.press("tab");
    assert!(w.bottom().starts_with("filter: level"), "{}", w.bottom());
    w.write("=er");
    w.press("tab");
    assert!(w.bottom().starts_with("filter: level=error"), "{}", w.bottom());
    assert_eq!(w.rows().len(), 2, "what was completed acts at once");
    w.write(" -source=");
    w.press("tab tab");
    assert!(w.bottom().contains("-source=nginx"), "{}", w.bottom());
    assert_eq!(w.rows(), ["pool timeout"]);
    w.press("backtab");
    assert!(w.bottom().contains("-source=api"), "{}", w.bottom());
    w.press("ctrl-u");
    w.write("request_id=7f3");
    assert!(w.rows().is_empty(), "half an ID lets nothing through");
    w.press("tab");
    assert_eq!(w.rows().len(), 4, "and is completed all the same: {}", w.bottom());
}

#[test]
fn a_mistake_has_a_caret_above_it_and_says_what_to_write() {
    let mut w = two_requests();
    w.press("&");
    w.write("pool level>=loud");
    let text = w.text();
    let lines: Vec<&str> = text.lines().rev().take(2).collect();
    let caret = lines[1].find('v').expect("a caret");
    assert_eq!(lines[0].find("loud"), Some(caret), "{text}");
    assert!(lines[1].contains("fatal"), "{text}");
}

#[test]
fn terms_are_switched_off_and_on_and_the_whole_filter_too() {
    let mut w = two_requests();
    w.press("&");
    w.write("level>=warn source=api");
    w.press("enter");
    assert_eq!(w.rows(), ["acquire waited", "pool timeout"]);
    w.press("F");
    assert_eq!(w.rows().len(), 8);
    assert!(w.text().lines().next().unwrap_or_default().contains("(level>=warn)"), "{}", w.text());
    w.press("F");
    assert_eq!(w.rows().len(), 2);
    w.press("X space");
    assert_eq!(w.overlays(), ["terms"]);
    assert_eq!(w.rows().len(), 6, "everything of api");
    assert!(w.text().contains("off  level>=warn"), "{}", w.text());
    w.press("j enter");
    assert_eq!(w.rows().len(), 2, "and on again");
    w.press("-");
    assert_eq!(w.state.view.filter.to_string(), "source=api");
    w.press("X");
    assert!(w.overlays().is_empty());
}

#[test]
fn a_filter_is_saved_by_name_and_comes_back() {
    let mut w = two_requests();
    w.press(":");
    w.write("save-filter mine");
    w.press("enter");
    assert!(w.bottom().contains("needs a filter"), "{}", w.bottom());
    w.press("f :");
    w.write("save-filter mine");
    let effects = w.press("enter");
    assert!(matches!(effects.as_slice(), [Effect::SaveFilter { name, .. }] if name == "mine"), "{effects:?}");
    w.press("F &");
    w.write("@mi");
    w.press("tab enter");
    assert_eq!(w.state.view.filter.request_id().map(|id| id.0.to_string()), Some(BROKEN.into()));
    w.press("esc :");
    w.write("use-filter yours");
    w.press("enter");
    assert!(w.bottom().contains("saved: mine"), "{}", w.bottom());
}

#[test]
fn a_time_typed_into_the_filter_is_seen_from_the_playhead() {
    let mut w = two_requests();
    w.press("&");
    w.write("time>=14:00:06");
    assert_eq!(w.rows(), ["GET /orders 503", "pool timeout"]);
    w.press("up up");
    assert!(w.bottom().contains("time>=14:00:06"), "nothing was typed before: {}", w.bottom());
    w.press("enter & ctrl-u up");
    assert!(w.bottom().contains("time>=14:00:06"), "what was typed before comes back: {}", w.bottom());
}

#[test]
fn behind_a_mistake_nothing_is_filtered_by_and_an_unknown_saved_filter_is_one() {
    let mut w = two_requests();
    w.press("&");
    w.write("source=api time>=25:99");
    assert_eq!(w.rows().len(), 6, "what stands before the mistake holds");
    assert_eq!(w.state.view.filter.to_string(), "source=api");
    w.press("ctrl-u");
    w.write("@nope");
    assert_eq!(w.rows().len(), 8);
    w.press("enter");
    assert_eq!(w.overlays(), ["filter"]);
    assert!(w.text().contains("no filter is saved as nope"), "{}", w.text());
}
