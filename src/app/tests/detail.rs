//! The record view: fields, what can be done with each, the record itself.

use super::stories::{BROKEN, two_requests};
use super::world::{API, World, t};
use crate::app::effect::Effect;
use crate::timeline::Severity;

/// Moves the cursor of the detail to the line that shows this, and presses a key.
fn on(w: &mut World, what: &str, key: &str) -> Vec<Effect> {
    w.press("home");
    for _ in 0..80 {
        let text = w.text();
        if text.lines().any(|l| l.starts_with('▌') && l.contains(what)) {
            return w.press(key);
        }
        w.press("down");
    }
    panic!("no line with {what}: {}", w.text());
}

/// A log row with everything in it.
fn broken() -> World {
    let mut w = two_requests().sized(100, 40);
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEiLCJleHAiOjE3NzM0OTcwMDF9.c2ln";
    let text = format!(
        "\"request_id\":\"{BROKEN}\",\"msg\":\"KeyError\",\"user\":\"a \\\"b\\\"\",\"status\":500,\"auth\":\"{token}\",\
         \"stack\":\"Traceback\\n  File \\\"/srv/app.py\\\", line 42, in list\\nKeyError: 'x'\",\"nested\":{{\"a\":[1,2]}}"
    );
    w.lines(API, &[(t("14:00:09"), Severity::Error, text)]);
    w.settle();
    w.press("enter");
    w
}

#[test]
fn a_record_is_laid_out_with_its_fields_and_indented() {
    let mut w = broken();
    insta::assert_snapshot!("record_100x40", w.text());
    assert!(!w.text().contains("user-1"), "what a token says is shown only when asked for");
    on(&mut w, "auth", "d");
    let text = w.text();
    assert!(text.contains("\"sub\": \"user-1\"") && text.contains("signature was not checked"), "{text}");
    w.press("d");
    assert!(!w.text().contains("user-1"));
}

#[test]
fn on_a_field_one_key_filters_by_it_excludes_it_or_makes_it_a_column() {
    for (key, filter) in [("=", "user=\"a \\\"b\\\"\""), ("!", "-user=\"a \\\"b\\\"\"")] {
        let mut w = broken();
        on(&mut w, "user ", key);
        assert_eq!(w.overlays(), [""; 0], "the rows are seen at once");
        assert_eq!(w.state.view.filter.chips(), [filter]);
        assert_eq!(w.rows().contains(&"KeyError".to_owned()), key == "=");
    }
    let mut w = broken();
    on(&mut w, "severity", "=");
    assert_eq!(w.state.view.filter.to_string(), "level=error");
    w.press("enter");
    on(&mut w, "status", "|");
    w.press("esc");
    assert!(w.text().lines().any(|l| l.contains(" status ")) && w.text().contains("500 KeyError"), "{}", w.text());
}

#[test]
fn fields_lines_and_records_are_copied_and_a_frame_opens_in_the_editor() {
    let mut w = broken();
    let effects = on(&mut w, "user ", "y");
    assert!(matches!(&effects[..], [Effect::Copy { what: "field", text }] if text == "a \"b\""), "{effects:?}");
    let effects = w.press("Y");
    assert!(
        matches!(&effects[..], [Effect::Copy { what: "record", text }] if text.contains("status: 500")),
        "{effects:?}"
    );
    let effects = on(&mut w, "line 42", "o");
    match &effects[..] {
        [Effect::OpenEditor { path, line: 42 }] => assert_eq!(path.to_str(), Some("/srv/app.py")),
        other => panic!("{other:?}"),
    }
    on(&mut w, "severity", "o");
    assert!(w.text().contains("no file and line here"), "{}", w.text());
}

#[test]
fn a_row_of_another_pane_has_no_fields_to_filter_logs_by() {
    let mut w = super::stories::outage().sized(120, 36);
    w.press("4 enter =");
    assert_eq!(w.overlays(), ["detail"]);
    assert!(w.state.view.filter.is_empty() && w.text().contains("move to a field of a log row first"), "{}", w.text());
}
