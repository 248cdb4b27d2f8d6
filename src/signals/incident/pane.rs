//! Draws the open incident: notes and milestones, newest last, in two columns where there is room.

use std::time::Duration;

use compact_str::format_compact;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::event::{
    HypothesisState, Incident, IncidentSeverity, Ledger, Milestone, NoteKind, NoteNow, RecordId, Screen, Status,
};
use super::history::IncidentHistory;
use super::kinds;
use crate::timeline::Ts;
use crate::timeline::facts::{MarkKind, Pending};
use crate::timeline::time::short;
use crate::ui::text::{fit, put, width};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowKey, RowSpot, Selected, Verdict};

/// From this width on there are two columns.
const TWO_COLUMNS: u16 = 100;

/// What is so, in one line.
pub fn verdict(history: &IncidentHistory, cx: &PaneCx) -> Verdict {
    let Some(now) = history.current(cx.now) else {
        let ledger = history.ledger(cx.now);
        let mut text = "no incident open: a writes the first note".to_owned();
        if let Some(open) = &cx.facts.writes_into {
            text = format!("no incident open at this time; a writes into {open}");
        } else if let Some(own) = ledger.latest().filter(|last| last.recording.is_some()) {
            text = format!("{}: a writes another note", own.title);
        } else if let Some(last) = ledger.latest() {
            let (severity, ago) = (last.severity_word(), age(cx.now.since(last.status_since)));
            text =
                format!("no incident open, last: {severity} {} closed {ago} ago; a writes the first note", last.title);
        }
        return Verdict::new(Level::Calm, text);
    };
    let i = &now.incident;
    let mut text = format!("{} {}", i.severity_word(), i.status);
    if i.status == Status::Investigating {
        text.push_str(&format!(" {}", age(now.elapsed)));
    } else {
        text.push_str(&format!(" {}, {} in all", age(cx.now.since(i.status_since)), age(now.elapsed)));
    }
    // Before what can be cut on a narrow screen: what to type comes first.
    if let Some((_, why)) = &cx.facts.over {
        text.push_str(&format!(", over? :over records it ({why})"));
    }
    match now.open_hypotheses.len() {
        0 => {}
        1 => text.push_str(", 1 open hypothesis"),
        n => text.push_str(&format!(", {n} open hypotheses")),
    }
    match now.last_note {
        Some(at) => text.push_str(&format!(", last note {} ago", age(cx.now.since(at)))),
        None => text.push_str(", no notes yet: a writes one"),
    }
    if now.others > 0 {
        text.push_str(&format!(", {} more open", now.others));
    }
    if history.evicted() > 0 {
        text.push_str(&format!(", {} oldest records not shown", history.evicted()));
    }
    Verdict::new(level(i), text)
}

/// The pane in a few words, for when it is hidden.
pub fn glance(history: &IncidentHistory, cx: &PaneCx) -> Glance {
    match history.current(cx.now) {
        None => Glance::new(Level::Calm, "no incident"),
        Some(n) => {
            let mut text = format!("{} {} {}", n.incident.severity_word(), n.incident.status, short(n.elapsed));
            if !n.open_hypotheses.is_empty() {
                text.push_str(&format!(" {}?", n.open_hypotheses.len()));
            }
            Glance::new(level(&n.incident), text)
        }
    }
}

/// For the header of the screen: `checkout · SEV2 · investigating 31 m`; `None` when no incident is open. In less than its
/// room the word loses its tail, then the title, never the figure: `checkout · SEV2 · invest… 31 m`.
pub fn header(history: &IncidentHistory, cx: &PaneCx, room: usize) -> Option<String> {
    let now = history.current(cx.now)?;
    let i = &now.incident;
    let (status, long) = (i.status.to_string(), age(now.elapsed));
    let whole = |title: &str, status: &str| format!("{title} · {} · {status} {long}", i.severity_word());
    let over = |text: &str| width(text).saturating_sub(room);
    let cut = |text: &str, over: usize, least: usize| {
        let to = width(text).saturating_sub(over).max(least.min(width(text)));
        fit(text, to, cx.glyphs.ellipsis).into_owned()
    };
    let text = whole(&i.title, &status);
    let status = cut(&status, over(&text), 6);
    let text = whole(&i.title, &status);
    let text = whole(&cut(&i.title, over(&text), 4), &status);
    if over(&text) == 0 {
        return Some(text);
    }
    let bare = format!("{} · {long}", i.severity_word());
    Some(if over(&bare) == 0 { bare } else { long })
}

/// How long something has been so. An incident is not measured in milliseconds.
fn age(d: Duration) -> String {
    match d.as_secs() {
        s @ 0..10 => format!("{s} s"),
        _ => short(d),
    }
}

fn level(i: &Incident) -> Level {
    match (i.status, i.severity) {
        (Status::Mitigated | Status::Resolved | Status::Closed, _) => Level::Calm,
        (_, Some(IncidentSeverity::Sev1)) => Level::Bad,
        _ => Level::Warn,
    }
}

/// One row of the pane.
enum Row<'a> {
    Note(NoteNow<'a>),
    Milestone(&'a Milestone),
    /// Written, but not on the disk yet.
    Pending(&'a Pending),
}

impl Row<'_> {
    fn at(&self) -> Ts {
        match self {
            Row::Note(n) => n.note.event_at,
            Row::Milestone(m) => m.at,
            Row::Pending(p) => p.at,
        }
    }

    /// Who wrote it; nobody else writes what is only in this memory.
    fn author(&self) -> Option<&str> {
        match self {
            Row::Note(n) => Some(&n.note.author),
            Row::Milestone(m) => Some(&m.by),
            Row::Pending(_) => None,
        }
    }
}

/// The end of the row of a note that is not on the disk.
const NOT_ON_DISK: &str = "NOT ON DISK";

/// Rows of the open incident, or of the last one, oldest first, and those of notes that are not on the disk.
fn rows<'a>(ledger: &'a Ledger<'a>, cx: &'a PaneCx) -> Vec<Row<'a>> {
    let mut rows: Vec<Row> = Vec::new();
    if let Some(incident) = ledger.current().or_else(|| ledger.latest()) {
        rows.extend(ledger.notes_of(incident.id).into_iter().map(Row::Note));
        rows.extend(incident.milestones.values().map(Row::Milestone));
    }
    rows.extend(cx.facts.pending.iter().filter(|p| p.at <= cx.now).map(Row::Pending));
    rows.sort_by_key(Row::at); // stable: notes stay in the order they came in
    rows
}

/// Draws the pane below its title; the verdict is its first line. The cursor counts rows from the oldest.
pub fn draw(history: &IncidentHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return PaneFrame::default();
    }
    let said = verdict(history, cx);
    let style = cx.theme.style(said.level.into());
    put(buf, area.x + 1, area.y, area.width - 1, &said.text, style);

    let ledger = history.ledger(cx.now);
    let rows = rows(&ledger, cx);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let mut frame = PaneFrame { rows: Vec::new(), total: rows.len() };
    if body.height == 0 || rows.is_empty() {
        return frame;
    }
    let past = ledger.current().is_none();
    let authors = many_authors(&rows);
    let columns = if body.width >= TWO_COLUMNS && rows.len() > usize::from(body.height) { 2 } else { 1 };
    let (height, column_width) = (usize::from(body.height), body.width / columns);
    let room = height * usize::from(columns);
    let cursor = cx.row(rows.len());
    // The newest rows, unless the cursor is above them.
    let newest = rows.len().saturating_sub(room);
    let first = if cx.focused { cursor.map_or(newest, |row| newest.min(row)) } else { newest };
    for (slot, (index, row)) in rows.iter().enumerate().skip(first).take(room).enumerate() {
        let x = body.x + (slot / height) as u16 * column_width;
        let gutter = u16::from(columns == 2 && slot < height); // a gap to the second column
        let spot = Rect { x, y: body.y + (slot % height) as u16, width: column_width - gutter, height: 1 };
        let under = cx.focused && Some(index) == cursor;
        draw_row(row, cx, spot, buf, authors, past, under);
        frame.rows.push(RowSpot { area: spot, index });
    }
    frame
}

fn many_authors(rows: &[Row]) -> bool {
    let mut known = rows.iter().filter_map(Row::author);
    known.next().is_some_and(|first| known.any(|other| other != first))
}

fn draw_row(row: &Row, cx: &PaneCx, spot: Rect, buf: &mut Buffer, authors: bool, past: bool, under: bool) {
    let refuted = matches!(row, Row::Note(n) if n.hypothesis() == Some(HypothesisState::Refuted));
    let text = cx.theme.style(if past || refuted { Role::Dim } else { Role::Text });
    let dim = cx.theme.style(Role::Dim);
    // The first column is the cursor's.
    let mut rest = Rest { x: spot.x, y: spot.y, left: spot.width };
    rest.gap(1);
    rest.put(buf, &row.at().hms(cx.zone), dim);
    rest.gap(1);
    let (sign, words, tail) = match row {
        Row::Note(n) => {
            let state = n.hypothesis().map_or("", HypothesisState::word);
            (n.note.kind.prefix(), one_line(&n.note.text), state)
        }
        Row::Pending(p) => {
            let (kind, words) = kinds::parse(&p.text);
            (kind.prefix(), one_line(words), NOT_ON_DISK)
        }
        Row::Milestone(m) => (cx.glyphs.mark(MarkKind::Milestone), m.milestone.word().to_owned(), ""),
    };
    let note = !matches!(row, Row::Milestone(_));
    rest.put(buf, sign, if note { text } else { cx.theme.style(Role::MarkNote) });
    // Signs are one column wide but for TODO: the words stand under each other.
    rest.gap(if width(sign) > 2 { 1 } else { 3 - width(sign) as u16 });
    let mut tail_words = String::new();
    if authors && rest.left > 40 {
        tail_words.push_str(row.author().unwrap_or_default());
    }
    if !tail.is_empty() {
        let space = if tail_words.is_empty() { "" } else { "  " };
        tail_words.push_str(&format!("{space}{tail}"));
    }
    // The end of the row belongs to state and author; the words get what is left, and never less than half.
    let tail_width = (width(&tail_words) as u16).min(rest.left / 2);
    let words_width = if tail_width == 0 { rest.left } else { rest.left.saturating_sub(tail_width + 2) };
    put(buf, rest.x, rest.y, words_width, &words, text);
    if tail_width > 0 {
        let used = (width(&words) as u16).min(words_width);
        // Beside the words in one wide column, at the right edge otherwise: the eye finds it where the row ends.
        let x = if spot.width > 100 { rest.x + used + 3 } else { rest.x + rest.left - tail_width };
        let pending = matches!(row, Row::Pending(_));
        let style = if pending { cx.theme.style(Level::Bad.into()) } else { dim };
        put(buf, x.min(rest.x + rest.left - tail_width), rest.y, tail_width, &tail_words, style);
    }
    if under {
        buf.set_style(spot, cx.theme.style(Role::Cursor));
        put(buf, spot.x, spot.y, spot.width.min(1), cx.glyphs.cursor, cx.theme.style(Role::Cursor));
    }
}

/// Several lines as one, and the number of those that do not show.
fn one_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    match lines.count() {
        0 => first.to_owned(),
        n => format!("{first} (+{n})"),
    }
}

/// The part of a row that is still free.
struct Rest {
    x: u16,
    y: u16,
    left: u16,
}

impl Rest {
    fn put(&mut self, buf: &mut Buffer, text: &str, style: Style) {
        let used = if self.left == 0 { 0 } else { put(buf, self.x, self.y, self.left, text, style) };
        self.gap(used);
    }

    fn gap(&mut self, columns: u16) {
        let columns = columns.min(self.left);
        (self.x, self.left) = (self.x + columns, self.left - columns);
    }
}

/// The note under the cursor, by the ID it has through all its versions.
pub fn note_of(history: &IncidentHistory, cx: &PaneCx) -> Option<RecordId> {
    let ledger = history.ledger(cx.now);
    let rows = rows(&ledger, cx);
    match rows.get(cx.cursor)? {
        Row::Note(n) => Some(n.note.root()),
        Row::Milestone(_) | Row::Pending(_) => None,
    }
}

/// The screen that the row under the cursor was noted on; of a milestone, or a note that does not say, what is known of
/// it: time, filter and pane of its evidence.
pub fn screen_of(history: &IncidentHistory, cx: &PaneCx) -> Option<Screen> {
    let ledger = history.ledger(cx.now);
    let rows = rows(&ledger, cx);
    match rows.get(cx.cursor)? {
        Row::Milestone(m) => Some(Screen { at: m.at, ..Screen::default() }),
        Row::Pending(p) => Some(Screen { at: p.at, ..Screen::default() }),
        Row::Note(n) => Some(n.note.screen.clone().or(n.first.screen.clone()).unwrap_or_else(|| {
            let e = n.note.evidence.first();
            Screen {
                at: n.note.event_at,
                pane: e.and_then(|e| e.pane),
                filter: e.map_or(String::new(), |e| e.filter.clone()),
                ..Screen::default()
            }
        })),
    }
}

/// The open hypotheses, for the header: the newest one and how many there are besides.
pub fn open_hypotheses(history: &IncidentHistory, cx: &PaneCx) -> Option<String> {
    let now = history.current(cx.now)?;
    let newest = one_line(now.open_hypotheses.last()?);
    Some(match now.open_hypotheses.len() {
        1 => format!("? {newest}"),
        n => format!("? {newest} (+{})", n - 1),
    })
}

/// What the rows stand for: a note through all its versions, a milestone by its name.
pub fn keys(history: &IncidentHistory, cx: &PaneCx) -> Vec<RowKey> {
    let ledger = history.ledger(cx.now);
    let key = |row: &Row| match row {
        Row::Note(n) => format_compact!("{}", n.note.root()),
        Row::Milestone(m) => format_compact!("{} {}", m.incident, m.milestone),
        Row::Pending(p) => format_compact!("{} {}", p.at, p.text),
    };
    rows(&ledger, cx).iter().map(|r| RowKey(key(r))).collect()
}

/// The row under the cursor.
pub fn select(history: &IncidentHistory, cx: &PaneCx) -> Option<Selected> {
    let ledger = history.ledger(cx.now);
    let rows = rows(&ledger, cx);
    let row = rows.get(cx.cursor)?;
    Some(match row {
        Row::Milestone(m) => Selected {
            at: Some(m.at),
            source: "incident".into(),
            text: format!("milestone {}", m.milestone),
            request_id: None,
            fields: vec![
                field("milestone", m.milestone),
                field("at", m.at),
                field("set by", &m.by),
                field("written", m.entered_at),
            ],
        },
        Row::Note(n) => select_note(n),
        Row::Pending(p) => Selected {
            at: Some(p.at),
            source: "incident".into(),
            text: one_line(&p.text),
            request_id: None,
            fields: vec![field("text", &p.text), field("at", p.at), field("written", NOT_ON_DISK)],
        },
    })
}

fn select_note(n: &NoteNow) -> Selected {
    let note = n.note;
    let mut fields = vec![field("kind", note.kind), field("text", &note.text)];
    if let Some(state) = n.hypothesis() {
        fields.push(field("state", format!("{state} since {}", n.state_since)));
    }
    fields.extend([field("at", note.event_at), field("author", &note.author), field("host", &note.host)]);
    fields.push(field("written", n.first.entered_at));
    if n.first.id != note.id {
        fields.push(field("edited", note.entered_at));
    }
    for (nr, e) in note.evidence.iter().enumerate() {
        let name = |part: &str| format!("evidence {}{part}", nr + 1);
        let mut from = e.pane.map_or(String::new(), |p| format!("{p:?} ").to_lowercase());
        from.push_str(&e.source);
        if let Some(at) = e.at {
            from.push_str(&format!(" {at}"));
        }
        fields.push((name(" from"), from));
        fields.push((name(""), e.text.clone()));
        if let Some(id) = &e.request_id {
            fields.push((name(" request"), id.to_string()));
        }
        if !e.filter.is_empty() {
            fields.push((name(" filter"), e.filter.clone()));
        }
        if let Some(r) = e.range {
            fields.push((name(" window"), format!("{} to {}", r.start, r.end)));
        }
    }
    fields.push(field("id", note.root()));
    let prefixed =
        if note.kind == NoteKind::Observation { note.text.clone() } else { kinds::typed(note.kind, &note.text) };
    Selected {
        at: Some(note.event_at),
        source: "incident".into(),
        text: one_line(&prefixed),
        request_id: note.evidence.iter().find_map(|e| e.request_id.clone()),
        fields,
    }
}

fn field(name: &str, value: impl std::fmt::Display) -> (String, String) {
    (name.into(), value.to_string())
}

#[cfg(test)]
mod tests;
