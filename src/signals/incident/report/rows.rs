//! The timeline: what people wrote and what the machines tell, on one axis. Curated it shows what a reader needs;
//! complete it shows every record, earlier versions of notes too.

use std::time::Duration;

use super::document::{Piece, Text, words};
use super::window::SeenKind;
use super::{Report, utc};
use crate::signals::incident::event::{IncidentEvent, Note, NoteKind};
use crate::timeline::Ts;

/// The machines' account ends with their last sample, a note may be written a moment later.
pub const LATE: Duration = Duration::from_secs(5);

/// A note that was written down further from its time than this says when that was.
const LATER: Duration = Duration::from_secs(60);

/// A milestone that was written down later than this after its time was given that time by hand.
const SAID: Duration = Duration::from_secs(10);

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// When it happened.
    pub at: Ts,
    /// It was some time in the second that begins then, and stands behind what is known better to be of that second.
    pub whole_second: bool,
    /// From when on a replay shows it: a note is there once it was written, not at the time it tells of.
    pub visible: Ts,
    /// What, in words.
    pub what: Text,
    /// A role, a name, a system; `–` where nobody did anything.
    pub who: String,
    /// How it is known: `incident log`, a source, the numbers of the evidence.
    pub source: String,
    /// The filter that was on, for looking again.
    pub filter: String,
}

/// All rows, in order of time.
pub fn rows(r: &Report) -> Vec<Row> {
    let complete = r.options.complete;
    let i = &r.incident;
    let log = || "incident log".to_owned();
    let row = |at, what, who: String, source: String| Row {
        at,
        whole_second: false,
        visible: at,
        what,
        who,
        source,
        filter: String::new(),
    };
    // What was written after the recording had ended is in no replay: there the time it tells of says more.
    let written = |at: Ts, entered: Ts| match r.seen.range {
        Some(range) if entered > range.end + LATE => at,
        _ => at.max(entered),
    };
    let mut rows = Vec::new();
    let opened = format!("incident opened, {}", i.severity_word());
    rows.push(row(i.opened_at, words(opened), r.who(&i.opened_by), log()));
    for m in i.milestones.values() {
        let row = row(m.at, vec![Piece::Strong(m.milestone.word().into())], r.who(&m.by), log());
        // One that was set for a time gone by is about that time.
        let visible = if m.entered_at.since(m.at) < SAID { written(m.at, m.entered_at) } else { m.at };
        rows.push(Row { visible, ..row });
    }
    for c in &i.changes {
        let mut what = Vec::new();
        what.extend(c.severity.map(|s| format!("severity {s}")));
        what.extend(c.status.map(|s| format!("status {s}")));
        if complete {
            what.extend(c.title.as_ref().map(|t| format!("title: {}", r.blameless(t))));
            what.extend(c.services.as_ref().map(|s| format!("services: {}", s.join(", "))));
        }
        what.extend(c.role.as_ref().map(|(role, name)| match name.as_str() {
            "" => format!("{role} given up"),
            name => format!("{role}: {}", r.who(name)),
        }));
        if !what.is_empty() {
            rows.push(row(c.entered_at, words(what.join(", ")), r.who(&c.author), log()));
        }
    }
    for n in r.notes.iter().filter(|n| complete || n.note.kind != NoteKind::Step) {
        let source = match r.proof_list(n) {
            proof if proof.is_empty() => "note".to_owned(),
            proof => format!("note, {proof}"),
        };
        let visible = match n.note.recording {
            Some(_) => n.note.event_at,
            None => written(n.note.event_at, n.first.entered_at),
        };
        let mut row = note_row(r, n.note, &n.first.author, source);
        row.what.extend(later(n.note.event_at, n.first.entered_at).map(Piece::Words));
        rows.push(Row { visible, ..row });
    }
    if complete {
        let superseded = |note: &&Note| r.notes.iter().all(|n| n.note.id != note.id);
        let notes = r.records.iter().filter_map(|e| match e {
            IncidentEvent::Note(n) => Some(n),
            _ => None,
        });
        for n in notes.filter(superseded) {
            let mut row = note_row(r, n, &n.author, "earlier version of a note".into());
            row.visible = written(n.event_at, n.entered_at);
            row.what.extend(later(n.event_at, n.entered_at).map(Piece::Words));
            if n.deleted {
                row.source = "note, deleted".into();
            }
            rows.push(row);
        }
    }
    for s in r.seen.rows.iter().filter(|s| complete || s.curated) {
        let what = match s.kind {
            SeenKind::Rollback | SeenKind::Change => vec![Piece::Strong(r.blameless(&s.what))],
            _ => words(s.what.clone()),
        };
        let who = s.by.as_ref().map_or("–".into(), |by| r.doer(by));
        let mut row = row(s.at, what, who, s.source.clone());
        if s.whole_second {
            (row.whole_second, row.visible) = (true, Ts::from_secs(s.at.secs() + 1));
        }
        rows.push(row);
    }
    rows.sort_by_key(|r| if r.whole_second { Ts::from_secs(r.at.secs() + 1) - Duration::from_nanos(1) } else { r.at });
    rows
}

/// ` (written 21:31:10)` behind a note that was not written at the time it tells of.
fn later(at: Ts, entered: Ts) -> Option<String> {
    if entered.since(at).max(at.since(entered)) <= LATER {
        return None;
    }
    let (day, written) = (utc(at), utc(entered));
    let written = if day.get(..10) == written.get(..10) { written[11..].to_owned() } else { written };
    Some(format!(" (written {written})"))
}

fn note_row(r: &Report, n: &Note, author: &str, source: String) -> Row {
    let mut what = words(format!("{}: {}", n.kind, r.blameless(&n.text)));
    if let Some(ran) = &n.ran {
        what = vec![Piece::Words(format!("{}: {} ", n.kind, r.blameless(&n.text))), Piece::Code(ran.command.clone())];
    }
    let filter = n.screen.as_ref().map(|s| s.filter.clone());
    let filter = filter.or_else(|| n.evidence.iter().map(|e| e.filter.clone()).find(|f| !f.is_empty()));
    Row {
        at: n.event_at,
        whole_second: false,
        visible: n.event_at,
        what,
        who: r.who(author),
        source,
        filter: filter.unwrap_or_default(),
    }
}
