//! Coming back to the screen of a note, settling hypotheses, checklists, reports, and whether it is over.

use super::stories::{BROKEN, goes_on, id, outage, two_requests};
use super::world::{INCIDENT, World, t};
use crate::app::arrival::Arrival;
use crate::app::arrive::arrive;
use crate::app::effect::{Draft, Effect, NoteChange};
use crate::app::pane::Pane;
use crate::signals::Event;
use crate::signals::incident::event::{
    HypothesisState, IncidentEvent, MilestoneKind, Note, NoteKind, Opened, RecordId, Status,
};
use crate::signals::incident::sources::store::IncidentStore;

fn saved(effects: &[Effect]) -> Draft {
    match effects.iter().rev().find(|e| matches!(e, Effect::SaveNote(_))) {
        Some(Effect::SaveNote(draft)) => draft.clone(),
        _ => panic!("no note in {effects:?}"),
    }
}

/// What the log makes of a draft comes back, as in a replay.
fn commit(w: &mut World, d: Draft) {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let records = runtime.block_on(async {
        let store = IncidentStore::open(dir.path().join("log.db")).by("anna");
        let mut note = crate::signals::incident::sources::draft::NoteDraft::new(d.kind, d.text);
        (note.event_at, note.evidence, note.screen) = (Some(d.event_at), d.evidence, d.screen);
        note.recording = Some("web-2".into());
        let incident = store.of_recording("web-2", "x").await.expect("an incident");
        note.incident = Some(incident);
        let saved = store.add_note(note).await.expect("saved");
        store.records(saved.note.incident).await.expect("records")
    });
    arrive(&mut w.state, Arrival::NoteSaved { number: d.number, redacted: false });
    arrive(&mut w.state, Arrival::Noted(records));
}

#[test]
fn enter_on_a_note_brings_back_playhead_filter_pane_and_zoom() {
    let mut w = two_requests();
    w.press("f z < <");
    let (at, filter) = (w.state.now(), w.state.view.filter.to_string());
    w.press("a");
    w.write("> here");
    let effects = w.press("enter");
    commit(&mut w, saved(&effects));
    w.press("F z L 6 end");
    assert!(w.state.view.filter.is_empty() && !w.state.view.zoom && w.state.now() != at);
    w.press("enter");
    assert_eq!((w.state.now(), w.state.view.filter.to_string()), (at, filter));
    assert_eq!((w.state.view.focus, w.state.view.zoom), (Pane::Logs, true));
}

#[test]
fn a_note_of_several_lines_is_saved_whole_and_a_pasted_text_keeps_its_lines() {
    let mut w = two_requests();
    w.press("a");
    w.write("? one");
    w.press("ctrl-j");
    crate::app::input::input(&mut w.state, crate::app::input::Input::Paste("two\nthree\n".into()));
    let effects = w.press("enter");
    assert_eq!(saved(&effects).text, "one\ntwo\nthree");
}

#[test]
fn a_hypothesis_is_confirmed_from_its_note_and_gets_evidence_against_it_from_a_row() {
    let mut w = outage();
    w.press("6 end o");
    assert_eq!(w.overlays(), ["pick"]);
    let effects = w.press("y");
    assert!(
        matches!(&effects[..], [Effect::ChangeNote(_, NoteChange::State(HypothesisState::Confirmed))]),
        "{effects:?}"
    );
    w.press("1 A");
    assert!(w.text().contains("1.4.2 dropped the index"), "{}", w.text());
    let effects = w.press("-");
    let [Effect::ChangeNote(_, NoteChange::Evidence(e))] = &effects[..] else { panic!("{effects:?}") };
    assert!(e.against && !e.text.is_empty(), "{e:?}");
}

#[test]
fn a_hypothesis_is_no_evidence_for_itself() {
    let mut w = outage();
    w.press("6 end A");
    assert!(w.overlays().is_empty(), "{:?}", w.overlays());
    assert!(w.bottom().contains("a hypothesis is no evidence for itself"), "{}", w.bottom());
    // Where another one is open, that one alone can be chosen.
    let first = w.state.timeline.incident.ledger(w.state.now()).note(id(4)).expect("a note").note.clone();
    let at = t("14:03:23");
    let second = Note { id: id(10), text: "the pool is too small".into(), event_at: at, entered_at: at, ..first };
    w.event(INCIDENT, at, Event::Incident(IncidentEvent::Note(second)));
    w.tick(t("14:03:24"));
    w.press("end A");
    let text = w.text();
    assert!(text.contains("+0 -0  1.4.2 dropped") && !text.contains("+0 -0  the pool"), "{text}");
    let effects = w.press("enter");
    assert!(matches!(&effects[..], [Effect::ChangeNote(of, NoteChange::Evidence(_))] if *of == id(4)), "{effects:?}");
}

#[test]
fn running_a_step_that_has_no_command_says_so_under_the_list() {
    let mut w = outage();
    w.press("K enter r");
    assert_eq!(w.overlays(), ["pick"]);
    assert!(w.bottom().contains("this step has no command; Enter or space ticks it"), "{}", w.bottom());
}

#[test]
fn the_header_shows_the_open_hypothesis() {
    let mut w = outage();
    assert!(w.text().lines().next().unwrap_or_default().contains("? 1.4.2 dropped the index"), "{}", w.text());
}

#[test]
fn the_cursor_of_the_list_of_incidents_stays_on_its_incident_when_a_newer_one_comes() {
    let mut w = outage();
    w.press(":");
    w.write("incidents");
    w.press("enter");
    assert_eq!(w.overlays(), ["pick"]);
    let opened = Opened {
        incident: id(9),
        title: "payments".into(),
        severity: None,
        status: Status::Investigating,
        at: t("14:03:23"),
        author: "ben".into(),
        host: "web-3".into(),
        recording: None,
    };
    w.event(INCIDENT, t("14:03:23"), Event::Incident(IncidentEvent::Opened(opened)));
    w.tick(t("14:03:24"));
    let text = w.text();
    let line = |what: &str| text.lines().position(|l| l.contains(what) && l.contains("investigating"));
    assert!(line("payments") < line("checkout") && line("payments").is_some(), "the newest is first: {text}");
    let effects = w.press("enter");
    assert!(matches!(effects[..], [Effect::Resume(of)] if of == id(1)), "{effects:?}");
}

#[test]
fn evidence_goes_to_the_hypothesis_that_was_read_and_to_none_when_that_was_settled_meanwhile() {
    let mut w = outage();
    let written = |w: &World, of: RecordId| -> Note {
        let ledger = w.state.timeline.incident.ledger(w.state.now());
        ledger.note(of).expect("a note").note.clone()
    };
    let first = written(&w, id(4));
    let tell = |w: &mut World, note: Note, at: &str| {
        w.event(INCIDENT, t(at), Event::Incident(IncidentEvent::Note(note)));
        w.tick(t(at));
    };
    let at = t("14:03:23");
    let second =
        Note { id: id(10), text: "the pool is too small".into(), event_at: at, entered_at: at, ..first.clone() };
    tell(&mut w, second, "14:03:23");
    w.press("1 A");
    // Somebody else settles the one that the cursor is on.
    let state = Some(HypothesisState::Confirmed);
    let settled = Note { id: id(11), supersedes: Some(id(4)), state, entered_at: t("14:03:24"), ..first };
    tell(&mut w, settled, "14:03:24");
    assert!(!w.text().contains("+0 -0  1.4.2 dropped") && w.text().contains("the pool is too small"), "{}", w.text());
    for key in ["+", "enter"] {
        assert!(w.press(key).is_empty(), "{key}");
        assert_eq!(w.overlays(), ["pick"], "{key}");
    }
    let effects = w.press("j +");
    assert!(matches!(&effects[..], [Effect::ChangeNote(of, NoteChange::Evidence(_))] if *of == id(10)), "{effects:?}");
}

#[test]
fn a_step_is_ticked_with_its_time_and_its_command_runs_only_after_run_was_typed() {
    let mut w = outage();
    w.press("K enter");
    assert!(w.text().contains("Production is down"), "{}", w.text());
    let draft = saved(&w.press("enter"));
    assert_eq!((draft.kind, draft.event_at), (NoteKind::Step, w.state.now()));
    assert!(draft.text.starts_with("Production is down: Say that you are on it"), "{}", draft.text);
    w.press("j j j r");
    assert_eq!(w.overlays(), ["pick", "confirm"]);
    w.write("yes");
    assert!(w.press("enter").is_empty(), "another word runs nothing");
    w.press("r");
    w.write("run");
    let effects = w.press("enter");
    let [Effect::Run { name, command }] = &effects[..] else { panic!("{effects:?}") };
    assert!(command.starts_with("df -h") && name.contains("machine itself"), "{name} {command}");
    let (name, command, took) = (name.clone(), command.clone(), std::time::Duration::from_millis(1_500));
    let ended = Arrival::Ran { name, command, code: Some(0), took, output: "ok".into() };
    let draft = saved(&arrive(&mut w.state, ended));
    let ran = draft.ran.expect("a line of the restore record");
    assert_eq!((draft.kind, ran.code, ran.took_ms), (NoteKind::Step, Some(0), 1_500));
}

#[test]
fn a_report_of_a_user_offers_the_request_and_the_time_that_it_names() {
    let mut w = two_requests();
    w.press("a");
    w.write(&format!("@ order fails since 14:00:05, request {BROKEN}"));
    w.press("enter");
    assert_eq!(w.overlays(), ["pick"]);
    let text = w.text();
    assert!(text.contains(BROKEN) && text.contains("go to 2026-") && text.contains("14:00:05"), "{text}");
    w.press("enter");
    assert!(w.state.view.filter.to_string().contains(BROKEN));
    assert!(w.overlays().is_empty());
}

#[test]
fn while_errors_go_on_nothing_is_proposed_and_nothing_is_ever_set_by_itself() {
    let mut w = outage();
    assert_eq!(crate::app::over::proposal(&w.state), None);
    w.press(":");
    w.write("over");
    assert!(w.press("enter").is_empty());
    assert!(w.bottom().contains("nothing is proposed"), "{}", w.bottom());
}

#[test]
fn when_errors_and_checks_were_back_for_five_minutes_mitigated_is_proposed_and_is_recorded_only_when_it_is_taken() {
    let mut w = outage();
    goes_on(&mut w, 922..1_200, false);
    assert_eq!(crate::app::over::proposal(&w.state), None, "back for less than five minutes");
    goes_on(&mut w, 1_200..1_320, false);
    let (since, why) = crate::app::over::proposal(&w.state).expect("a proposal");
    assert!(why.starts_with("errors and checks back to usual for"), "{why}");
    // The last failing check and the last error were at 14:03:2x.
    let back = t("13:48:00") + std::time::Duration::from_secs(922);
    assert!(
        since >= back - std::time::Duration::from_secs(10) && since.since(back) < std::time::Duration::from_secs(60),
        "{since}"
    );
    let text = w.text();
    assert!(text.contains("mitigated?") || text.contains(":over"), "the screen says so: {text}");
    let mut w = w.sized(80, 24);
    w.press("6");
    let text = w.text();
    assert!(text.contains("over? :over records it"), "what to type is not cut off at 80 columns: {text}");
    let mut w = w.sized(120, 36);
    let incident = w.state.timeline.incident.current(w.state.now()).expect("an incident").incident;
    assert_eq!(incident.reached(MilestoneKind::Mitigated), None, "nothing is set by itself");
    w.press(":");
    w.write("over");
    let effects = w.press("enter");
    assert!(
        matches!(effects[..], [Effect::Milestone(MilestoneKind::Mitigated, at)] if at == since),
        "it is taken at the time it names: {effects:?}"
    );
    // It comes back: what was proposed is no more.
    goes_on(&mut w, 1_320..1_400, true);
    assert_eq!(crate::app::over::proposal(&w.state), None);
}

#[test]
fn a_note_written_over_a_recording_stands_at_the_time_it_tells_of() {
    let mut w = two_requests();
    w.press("<");
    w.press("a");
    w.write("> seen in the replay");
    let effects = w.press("enter");
    let draft = saved(&effects);
    let at = draft.event_at;
    commit(&mut w, draft);
    let ledger = w.state.timeline.incident.ledger(at);
    assert!(ledger.notes().any(|n| n.note.text == "seen in the replay"), "visible as of the time it tells of");
    assert!(w.state.timeline.incident.ledger(t("13:00:00")).notes().next().is_none());
}

#[test]
fn a_session_that_was_not_ended_is_said_as_an_error_and_noted_as_no_action() {
    let mut w = two_requests();
    let ending = crate::signals::database::ending::Ending {
        server: "orders".into(),
        pid: 221,
        what: "app, idle in transaction 2 m".into(),
        ..Default::default()
    };
    let answer = |ending: &crate::signals::database::ending::Ending, said| Arrival::Ended {
        ending: Box::new(ending.clone()),
        said,
        took: std::time::Duration::from_millis(3),
    };
    let why = "not done: we lack the right: GRANT CONNECTION ADMIN ON *.* TO 'w'@'%'";
    let effects = arrive(&mut w.state, answer(&ending, Err(why.into())));
    let draft = saved(&effects);
    assert_eq!(draft.kind, NoteKind::Observation);
    assert!(draft.text.ends_with("(app, idle in transaction 2 m)"), "{}", draft.text);
    commit(&mut w, draft);
    let footer = w.state.view.message.clone().expect("a message").1;
    assert!(footer.contains("we lack the right"), "{footer}");

    let done = arrive(&mut w.state, answer(&ending, Ok("terminated session 221 of orders".into())));
    let draft = saved(&done);
    assert_eq!(draft.kind, NoteKind::Action);
}
