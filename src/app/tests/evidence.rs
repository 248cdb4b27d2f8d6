//! Notes: what goes in with them, and what happens until they are on disk.

use super::stories::{BROKEN, outage, two_requests};
use super::world::t;
use crate::app::arrival::Arrival;
use crate::app::arrive::arrive;
use crate::app::effect::{Draft, Effect};
use crate::signals::incident::event::NoteKind;
use crate::timeline::{SourceKind, Ts};

fn saved(effects: &[Effect]) -> &Draft {
    match effects.iter().rev().find(|e| matches!(e, Effect::SaveNote(_))) {
        Some(Effect::SaveNote(draft)) => draft,
        _ => panic!("no note in {effects:?}"),
    }
}

#[test]
fn a_note_takes_the_row_its_time_and_the_filter_along() {
    let mut w = two_requests();
    w.press("f k");
    w.press("a");
    w.write("this one waited");
    let effects = w.press("enter");
    let draft = saved(&effects);
    assert_eq!((draft.kind, draft.text.as_str()), (NoteKind::Observation, "this one waited"));
    assert_eq!(draft.event_at, t("14:00:06.5"), "it stands at the time of the row");
    let [evidence] = &draft.evidence[..] else { panic!("{draft:?}") };
    assert!(evidence.text.contains("GET /orders 503"), "{evidence:?}");
    assert!(evidence.source.starts_with("nginx"), "{evidence:?}");
    assert_eq!(evidence.request_id.as_ref().map(|id| id.0.as_str()), Some(BROKEN));
    assert!(evidence.filter.contains(BROKEN), "{evidence:?}");
    assert_eq!(evidence.pane, Some(SourceKind::Logs));
    // What somebody thinks of it is thought now; the row speaks for it because it was chosen.
    w.press("a");
    w.write("? the pool is too small");
    let effects = w.press("enter");
    let draft = saved(&effects);
    assert_eq!((draft.kind, draft.text.as_str()), (NoteKind::Hypothesis, "the pool is too small"));
    assert_eq!((draft.event_at, draft.evidence.len()), (t("14:00:10"), 1));
}

#[test]
fn a_log_record_as_evidence_keeps_its_fields_without_secrets_and_is_cut_at_a_length() {
    let mut w = two_requests();
    let rest = format!(
        "\"request_id\":\"{BROKEN}\",\"msg\":\"request finished\",\"status\":503,\
         \"error\":\"pool timed out while waiting\",\"password\":\"hunter22\",\"more\":\"{}\"",
        "x".repeat(900)
    );
    w.lines(super::world::API, &[(t("14:00:08"), crate::timeline::Severity::Error, rest)]);
    w.settle();
    w.press("end k j a");
    w.write("this is it");
    let effects = w.press("enter");
    let text = &saved(&effects).evidence[0].text;
    assert!(text.starts_with("request finished "), "{text}");
    for seen in ["status=503", "error=\"pool timed out while waiting\"", "severity=ERROR"] {
        assert!(text.contains(seen), "{seen} in {text}");
    }
    assert!(!text.contains("hunter22") && !text.contains(BROKEN), "{text}");
    assert_eq!(text.chars().count(), 501, "cut, with the mark of it: {text}");
}

#[test]
fn evidence_of_any_pane_has_a_text_even_where_no_row_is_selected() {
    for pane in ["1", "2", "3", "4", "5"] {
        let mut w = outage();
        w.press(pane);
        w.press("home a");
        w.write("seen");
        let effects = w.press("enter");
        for e in &saved(&effects).evidence {
            assert!(!e.text.trim().is_empty(), "pane {pane}: {e:?}");
        }
    }
    // In pane 6 nothing is cited: the filter goes along, with what the pane said.
    let mut w = two_requests();
    w.press("f 6 a");
    w.write("seen");
    let effects = w.press("enter");
    let [e] = &saved(&effects).evidence[..] else { panic!("{effects:?}") };
    assert!(e.text.starts_with("no row was selected; the pane said: "), "{e:?}");
}

#[test]
fn nobody_chose_what_merely_came_last() {
    let mut w = two_requests();
    for text in ["? the pool is too small", "= we call the vendor", "> orders fail", "! restarted the api"] {
        w.press("a");
        w.write(text);
        assert!(!w.bottom().contains("with "), "{}", w.bottom());
        let effects = w.press("enter");
        assert_eq!((saved(&effects).event_at, &saved(&effects).evidence), (t("14:00:10"), &Vec::new()), "{text}");
    }
    // Notes do not go with notes.
    w.press("6 a");
    w.write("still so");
    let effects = w.press("enter");
    assert_eq!((saved(&effects).event_at, &saved(&effects).evidence), (t("14:00:10"), &Vec::new()));
}

#[test]
fn what_was_selected_when_the_note_began_stays_its_evidence_while_the_tail_goes_on() {
    let mut w = two_requests();
    w.press("k j a");
    w.line(super::world::API, "14:00:09", crate::timeline::Severity::Error, "", "much later");
    w.settle();
    assert!(w.rows().contains(&"much later".to_owned()), "the tail does not stop");
    w.write("this");
    let effects = w.press("enter");
    assert_eq!(saved(&effects).evidence[0].at, Some(t("14:00:07")), "the row that was seen when it began");
    assert_eq!(saved(&effects).event_at, t("14:00:07"));
}

#[test]
fn a_note_from_another_pane_takes_that_panes_row() {
    let mut w = outage();
    w.press("4 home a");
    w.write("= roll it back");
    let effects = w.press("enter");
    let draft = saved(&effects);
    assert_eq!(draft.kind, NoteKind::Decision);
    assert_eq!(draft.evidence[0].pane, Some(SourceKind::Deploys));
    assert!(draft.evidence[0].text.contains("1.4.2"), "{draft:?}");
}

#[test]
fn the_demo_asks_once_before_its_notes_go_with_it() {
    let quits = |effects: &[Effect]| matches!(effects, [Effect::Quit]);
    let noted = |w: &mut super::world::World| {
        w.press("a");
        w.write("seen");
        let effects = w.press("enter");
        let number = saved(&effects).number;
        arrive(&mut w.state, Arrival::NoteSaved { number, redacted: false });
    };
    let mut w = two_requests();
    noted(&mut w);
    assert!(quits(&w.press("q")), "elsewhere the log stays where it is");
    let mut w = two_requests();
    w.state.settings.demo = true;
    assert!(quits(&w.press("q")), "nothing was noted");
    let took = std::time::Duration::from_secs(3);
    let (name, command) = ("rollback api".into(), "./back".into());
    let effects = arrive(&mut w.state, Arrival::Ran { name, command, code: Some(0), took, output: "done".into() });
    let number = saved(&effects).number;
    arrive(&mut w.state, Arrival::NoteSaved { number, redacted: false });
    assert!(quits(&w.press("q")), "that a command was run was noted by itself");
    noted(&mut w);
    assert!(w.press("q").is_empty());
    assert!(w.bottom().contains("the demo's notes go with it. q quits all the same, w writes first"), "{}", w.bottom());
    assert!(quits(&w.press("q")));
    w.press("esc");
    arrive(&mut w.state, Arrival::Exported("written: post-mortem.md".into()));
    assert!(w.bottom().contains("written: post-mortem.md"), "{}", w.bottom());
    assert!(quits(&w.press("q")), "they are in the export");
    noted(&mut w);
    w.state.own.recorder.path = Some("demo.wr".into());
    assert!(quits(&w.press("q")), "they are in the recording");
}

#[test]
fn an_empty_note_is_none_and_a_cancelled_one_leaves_no_draft() {
    let mut w = two_requests();
    let effects = w.press("a enter");
    assert!(matches!(effects[..], [Effect::KeepDraft(None)]), "{effects:?}");
    w.press("a");
    let effects = w.write("half");
    assert!(matches!(effects.last(), Some(Effect::KeepDraft(Some(text))) if text == "half"), "{effects:?}");
    let effects = w.press("esc");
    assert!(matches!(effects[..], [Effect::KeepDraft(None)]), "{effects:?}");
    assert!(w.state.unsaved.is_empty());
}

#[test]
fn a_note_is_said_to_be_saved_only_when_it_is_and_until_then_the_header_says_so() {
    let mut w = two_requests();
    w.press("a");
    w.write("disk?");
    let effects = w.press("enter");
    let number = saved(&effects).number;
    assert!(!w.text().contains("saved"), "{}", w.text());
    arrive(&mut w.state, Arrival::NoteFailed { why: "no space left on /var".into() });
    let text = w.text();
    let header = text.lines().next().expect("a header");
    assert!(header.contains("1 NOTE NOT ON DISK: no space left on /var"), "{header}");
    assert!(w.bottom().contains(":notes-to PATH"), "{}", w.bottom());
    w.press("esc :");
    w.write("notes-to /tmp/elsewhere.db");
    let effects = w.press("enter");
    assert!(
        matches!(&effects[..], [Effect::NotesTo { path, .. }] if path.to_str() == Some("/tmp/elsewhere.db")),
        "{effects:?}"
    );
    let effects = arrive(&mut w.state, Arrival::NoteSaved { number, redacted: false });
    assert!(effects.iter().any(|e| matches!(e, Effect::KeepDraft(None))));
    assert!(!w.text().contains("NOT ON DISK") && w.bottom().contains("note saved"), "{}", w.text());
}

#[test]
fn a_session_that_was_ended_is_an_action_that_was_run_and_one_that_was_not_is_neither() {
    use crate::signals::database::ending::{Ending, How};
    let ending = || Box::new(Ending { server: "orders".into(), pid: 4121, how: How::Terminate, ..Ending::default() });
    let took = std::time::Duration::from_millis(1_200);
    let mut w = two_requests();
    let said = Ok("terminated pid 4121 of orders".into());
    let effects = arrive(&mut w.state, Arrival::Ended { ending: ending(), said, took });
    let ran = saved(&effects).ran.as_ref().expect("what was run");
    assert_eq!((ran.command.as_str(), ran.code, ran.took_ms), ("terminate 4121 of orders", Some(0), 1_200));
    assert_eq!(saved(&effects).kind, NoteKind::Action);
    let said = Err("not done: the session has ended".into());
    let effects = arrive(&mut w.state, Arrival::Ended { ending: ending(), said, took });
    assert_eq!((saved(&effects).kind, &saved(&effects).ran), (NoteKind::Observation, &None));
    assert!(saved(&effects).text.starts_with("terminate 4121 of orders: not done"), "{effects:?}");
}

#[test]
fn notes_that_are_not_on_the_disk_stand_in_the_list_and_say_so() {
    let mut w = two_requests();
    for text in ["first", "? second"] {
        w.press("a");
        w.write(text);
        w.press("enter");
    }
    w.press("6");
    assert!(!w.text().contains("second"), "as long as nothing is wrong the log tells what there is");
    arrive(&mut w.state, Arrival::NoteFailed { why: "no space left".into() });
    assert!(w.bottom().contains("2 notes are NOT ON DISK: no space left"), "{}", w.bottom());
    let text = w.text();
    for (sign, words) in [(">", "first"), ("?", "second")] {
        let row = text.lines().find(|l| l.contains(&format!("{sign}  {words}"))).unwrap_or_else(|| panic!("{text}"));
        assert!(row.contains("NOT ON DISK"), "{row}");
    }
}

#[test]
fn a_draft_of_a_run_that_crashed_comes_back_in_the_line() {
    let mut w = two_requests();
    arrive(&mut w.state, Arrival::DraftFound("? half a thought".into()));
    assert_eq!(w.overlays(), ["note"]);
    assert!(w.bottom().contains("? half a thought"), "{}", w.bottom());
    w.write(" more");
    let effects = w.press("enter");
    assert_eq!(saved(&effects).text, "half a thought more");
}

#[test]
fn a_command_that_ended_is_noted_with_its_outcome() {
    let mut w = outage();
    let took = std::time::Duration::from_secs(3);
    let ran = |code, output: &str| Arrival::Ran {
        name: "rollback api".into(),
        command: "./back".into(),
        code,
        took,
        output: output.into(),
    };
    let effects = arrive(&mut w.state, ran(Some(0), "done"));
    let draft = saved(&effects);
    assert_eq!(draft.kind, NoteKind::Action);
    assert!(draft.text.starts_with("rollback api done in 3"), "{}", draft.text);
    let effects = arrive(&mut w.state, ran(Some(7), "no such version"));
    assert!(
        saved(&effects).text.contains("FAILED with exit code 7") && saved(&effects).text.contains("no such version")
    );
    assert!(w.bottom().contains("FAILED"), "{}", w.bottom());
    assert!(saved(&effects).event_at > Ts(0));
    // That it was noted does not take its place.
    let number = saved(&effects).number;
    arrive(&mut w.state, Arrival::NoteSaved { number, redacted: false });
    assert!(w.bottom().contains("FAILED") && w.bottom().contains("no such version"), "{}", w.bottom());
}
