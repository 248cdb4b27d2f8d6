use uuid::Uuid;

use super::super::event::{
    Evidence, IncidentSeverity, Milestone, MilestoneKind, Note, NoteKind, Opened, Status, Updated,
};
use super::super::kinds;
use super::*;

/// An ID made of a number, so that tests say who is meant.
pub(crate) fn id(n: u128) -> RecordId {
    RecordId(Uuid::from_u128(n))
}

/// 2026-11-21 at `h:m:s` UTC.
pub(crate) fn at(h: i64, m: i64, s: i64) -> Ts {
    Ts::from_secs(1_795_219_200 + h * 3600 + m * 60 + s)
}

pub(crate) fn opened(n: u128, title: &str, severity: Option<IncidentSeverity>, at: Ts) -> IncidentEvent {
    let status = Status::Investigating;
    let (title, author, host) = (title.into(), "anna".into(), "web-2".into());
    let recording = None;
    IncidentEvent::Opened(Opened { incident: id(n), title, severity, status, at, author, host, recording })
}

pub(crate) fn status(n: u128, incident: u128, status: Status, at: Ts) -> IncidentEvent {
    let (author, host) = ("anna".into(), "web-2".into());
    let (title, severity) = (None, None);
    IncidentEvent::Updated(Updated {
        id: id(n),
        incident: id(incident),
        title,
        severity,
        status: Some(status),
        role: None,
        services: None,
        merged_into: None,
        entered_at: at,
        author,
        host,
    })
}

pub(crate) fn milestone(n: u128, incident: u128, milestone: MilestoneKind, at: Ts) -> IncidentEvent {
    let (by, host) = ("anna".into(), "web-2".into());
    let incident = id(incident);
    IncidentEvent::Milestone(Milestone { id: id(n), incident, milestone, at, entered_at: at, by, host, deleted: false })
}

pub(crate) fn note(n: u128, incident: u128, line: &str, at: Ts) -> Note {
    let (kind, text) = kinds::parse(line);
    Note {
        id: id(n),
        incident: id(incident),
        kind,
        state: (kind == NoteKind::Hypothesis).then_some(HypothesisState::Open),
        text: text.into(),
        event_at: at,
        entered_at: at,
        author: "anna".into(),
        host: "web-2".into(),
        evidence: vec![],
        screen: None,
        ran: None,
        recording: None,
        supersedes: None,
        deleted: false,
    }
}

/// An outage from 13:56 to 14:31 with everything in it.
pub(crate) fn outage() -> Vec<IncidentEvent> {
    let n = IncidentEvent::Note;
    let proof = Evidence {
        pane: Some(crate::timeline::SourceKind::Database),
        source: "orders@db-1".into(),
        at: Some(Ts(at(14, 1, 5).0 + 250_000_000)),
        text: "Seq Scan on orders  (cost=0.00..18334.00 rows=1000000)".into(),
        request_id: Some(crate::timeline::RequestId("7f3a09bc4411c210".into())),
        filter: "level>=warn".into(),
        ..Evidence::default()
    };
    let mut settled = note(9, 1, "? 1.4.2 dropped the index on orders(user_id)", at(14, 1, 10));
    (settled.id, settled.supersedes, settled.entered_at) = (id(90), Some(id(9)), at(14, 20, 0));
    settled.state = Some(HypothesisState::Confirmed);
    settled.evidence = vec![proof];
    let mut bela = note(8, 1, "! restarted the api", at(14, 0, 2));
    bela.author = "bela".into();
    vec![
        opened(1, "checkout down", Some(IncidentSeverity::Sev2), at(13, 58, 20)),
        milestone(2, 1, MilestoneKind::Started, at(13, 56, 10)),
        n(note(3, 1, "@ support: customers cannot pay", at(13, 57, 30))),
        n(note(4, 1, "> 503s only on /orders", at(13, 58, 40))),
        n(note(5, 1, "? payments is slow", at(13, 59, 0))),
        n(bela),
        n(note(9, 1, "? 1.4.2 dropped the index on orders(user_id)", at(14, 1, 10))),
        n(note(10, 1, "= roll back to 1.4.1", at(14, 21, 0))),
        n(note(11, 1, "TODO check migrations for dropped indexes in CI", at(14, 22, 0))),
        n(settled),
        status(12, 1, Status::Mitigated, at(14, 26, 0)),
        milestone(13, 1, MilestoneKind::Mitigated, at(14, 26, 0)),
    ]
}

pub(crate) fn history(events: &[IncidentEvent]) -> IncidentHistory {
    let mut h = IncidentHistory::default();
    for (seq, e) in events.iter().enumerate() {
        h.apply(seq as Seq + 1, SourceId(1), e.entered_at(), e);
    }
    h
}

#[test]
fn the_playhead_sees_notes_as_they_read_then() {
    let mut events = vec![opened(1, "x", None, at(14, 0, 0))];
    events.push(IncidentEvent::Note(note(2, 1, "first", at(14, 1, 0))));
    let mut edit = note(3, 1, "second", at(13, 0, 0));
    (edit.supersedes, edit.entered_at) = (Some(id(2)), at(14, 5, 0));
    let mut gone = edit.clone();
    (gone.id, gone.deleted, gone.entered_at) = (id(4), true, at(14, 9, 0));
    events.extend([IncidentEvent::Note(edit), IncidentEvent::Note(gone)]);
    let h = history(&events);
    let seen = |t: Ts| -> Vec<(Ts, String)> {
        h.ledger(t).notes_of(id(1)).iter().map(|n| (n.note.event_at, n.note.text.clone())).collect()
    };
    assert_eq!(h.current(at(13, 59, 59)), None);
    assert_eq!(seen(at(14, 0, 59)), []);
    assert_eq!(seen(at(14, 1, 0)), [(at(14, 1, 0), "first".into())]);
    assert_eq!(seen(at(14, 5, 0)), [(at(13, 0, 0), "second".into())], "its event time moved with the edit");
    assert_eq!(seen(at(14, 9, 0)), []);
}

#[test]
fn records_that_come_twice_or_in_another_order_change_nothing() {
    let events = outage();
    let straight = history(&events);
    let mut shuffled = IncidentHistory::default();
    for (seq, e) in events.iter().enumerate().rev() {
        shuffled.apply(seq as Seq + 1, SourceId(1), e.entered_at(), e);
        shuffled.apply(seq as Seq + 100, SourceId(2), at(15, 0, 0), e);
    }
    for t in [at(13, 58, 30), at(14, 2, 0), at(14, 20, 0), at(15, 0, 0)] {
        assert_eq!(format!("{:?}", shuffled.ledger(t)), format!("{:?}", straight.ledger(t)));
    }
}

#[test]
fn a_note_from_before_the_start_shows_where_it_was_written() {
    let mut h = IncidentHistory::default();
    h.apply(1, SourceId(1), at(15, 0, 0), &opened(1, "x", None, at(14, 0, 0)));
    assert!(h.current(at(14, 0, 0)).is_some());
}

#[test]
fn a_note_of_an_incident_nobody_saw_opening_is_shown_all_the_same() {
    let h = history(&[IncidentEvent::Note(note(2, 1, "? orphan", at(14, 1, 0)))]);
    let now = h.current(at(14, 2, 0)).unwrap();
    assert_eq!(
        (now.incident.title.as_str(), now.open_hypotheses),
        ("(opened before these records)", vec!["orphan".into()])
    );
}

#[test]
fn too_many_notes_push_out_the_oldest_and_are_counted_but_the_incident_stays() {
    let mut h = IncidentHistory::default();
    h.apply(1, SourceId(1), at(14, 0, 0), &opened(1, "x", None, at(14, 0, 0)));
    for i in 0..(NOTES as u64 + 5) {
        h.apply(i + 2, SourceId(1), at(14, 0, 0), &IncidentEvent::Note(note(u128::from(i) + 2, 1, "n", at(14, 0, 0))));
    }
    assert_eq!((h.evicted(), h.ledger(Ts::MAX).notes_of(id(1)).len()), (5, NOTES));
    assert_eq!(h.current(Ts::MAX).unwrap().incident.title, "x");
}

#[test]
fn marks_are_notes_and_milestones_in_order_of_time() {
    let marks = history(&outage()).marks(at(14, 0, 0));
    let told: Vec<_> = marks.iter().map(|m| (m.kind, m.label.as_str())).collect();
    assert_eq!(
        told,
        [
            (MarkKind::Milestone, "started"),
            (MarkKind::Note, "support: customers cannot pay"),
            (MarkKind::Note, "503s only on /orders"),
            (MarkKind::Note, "payments is slow"),
        ]
    );
}

#[test]
fn each_figure_says_where_it_comes_from_and_an_unknown_one_is_not_zero() {
    let told = |events: &[IncidentEvent]| -> Vec<String> {
        let figures = history(events).figures(Ts::MAX);
        figures.iter().map(|f| format!("{} {:?} {}", f.name, f.value.map(|v| v.as_secs()), f.source)).collect()
    };
    assert_eq!(
        told(&outage()),
        [
            "TTD Some(80) detected: first report note; started: milestone set by hand",
            "TTA Some(70) acknowledged: first note written after detection; detected: first report note",
            "TTM Some(1790) mitigated: milestone set by hand; started: milestone set by hand",
            "TTR None resolved: not set; started: milestone set by hand",
        ]
    );
    let bare = [opened(1, "x", None, at(14, 0, 0)), milestone(2, 1, MilestoneKind::Resolved, at(14, 30, 0))];
    assert_eq!(
        told(&bare),
        [
            "TTD None detected: not set; started: not set",
            "TTA None acknowledged: not set; detected: not set",
            "TTM Some(1800) mitigated: not set, taken from resolved; started: not set, taken from the opening of the incident",
            "TTR Some(1800) resolved: milestone set by hand; started: not set, taken from the opening of the incident",
        ]
    );
}

#[test]
fn every_record_reads_back_from_its_json() {
    for e in outage() {
        let text = serde_json::to_string(&crate::signals::Event::Incident(e.clone())).unwrap();
        assert_eq!(serde_json::from_str::<crate::signals::Event>(&text).unwrap(), crate::signals::Event::Incident(e));
    }
}
