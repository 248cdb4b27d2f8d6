//! Draws logs: the verdict, then resident rows, oldest at the top.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::beside::first_line;
use super::columns::Columns;
use super::episodes::{Episode, Stage};
use super::histogram;
use super::history::LogsHistory;
use super::lines::{Line, lines};
use super::quiet::Quiet;
use super::store::scan::counted;
use super::view::LogView;
use crate::timeline::facts::Trouble;
use crate::timeline::time::short;
use crate::timeline::{Severity, SourceKind, TimeRange, Ts};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowSpot, Selected, Verdict, pieces, text};

/// What is so, in one line.
pub fn verdict(history: &LogsHistory, cx: &PaneCx) -> Verdict {
    let sources = history.sources().count();
    if sources == 0 {
        let ours = |t: &&Trouble| t.kind == SourceKind::Logs;
        return match cx.facts.troubles.iter().find(ours) {
            Some(t) => Verdict::new(Level::Warn, t.sentence(cx.now)),
            None => Verdict::new(Level::Unknown, "no logs watched"),
        };
    }
    if let Some(outage) = history.outage(cx.now) {
        let (since, last) = (outage.since.hms(cx.zone), outage.last.hms(cx.zone));
        let ago = short(cx.now.since(outage.until()));
        return match outage.stage {
            Stage::Calming => Verdict::new(Level::Warn, format!("errors {since}–{last}, back to usual for {ago}")),
            Stage::Unheard => Verdict::new(Level::Bad, format!("no line at all for {ago}; errors {since}–{last}")),
            Stage::On | Stage::Over => {
                let rate = rate(history.error_rate(cx.now));
                Verdict::new(Level::Bad, format!("{rate} errors/s since {since}{}", usual(history, cx)))
            }
        };
    }
    let quiet = history.quiet(cx.now);
    if let Some(first) = quiet.first() {
        let also = match &quiet[1..] {
            [] => String::new(),
            [one] => format!("; {} as well", one.name),
            more => format!("; and {} more sources", more.len()),
        };
        return Verdict::new(Level::Warn, format!("{}{also}", silence(first, cx)));
    }
    if let Some(counted) = history.counted().filter(|c| cx.now < c.start) {
        let from = counted.start.hms(cx.zone);
        return Verdict::new(
            Level::Unknown,
            format!("lines from before {from} are here to be read, but were not counted"),
        );
    }
    let files = if sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") };
    let lines = format!("{} lines/s from {files}", rate(history.line_rate(cx.now)));
    if let Some(outage) = recent(history, cx) {
        let (since, last) = (outage.since.hms(cx.zone), outage.last.hms(cx.zone));
        let ago = short(cx.now.since(outage.until()));
        return Verdict::new(Level::Calm, format!("errors {since}–{last}, over for {ago}; {lines}"));
    }
    // Only what is known is told: of a short life there are no ten minutes.
    let errors = history.sum(TimeRange::ending(cx.now, RECENT), cx.now).at_least(Severity::Error);
    let span = match history.known_since(cx.now).map(|t| cx.now.since(t)) {
        None => return Verdict::new(Level::Calm, format!("{lines}, none counted yet")),
        Some(known) if known >= RECENT => "10 min".to_owned(),
        Some(known) => short(known),
    };
    Verdict::new(Level::Calm, format!("{lines}, {} in {span}", counted(errors, "error")))
}

/// The outage that was over less than ten minutes ago.
fn recent(history: &LogsHistory, cx: &PaneCx) -> Option<Episode> {
    history.last_outage(cx.now).filter(|e| e.stage == Stage::Over && cx.now.since(e.until()) < RECENT)
}

/// ` (before: 0.4/s)`; empty where there were none to speak of.
fn usual(history: &LogsHistory, cx: &PaneCx) -> String {
    let before = history.error_baseline(cx.now);
    if before >= 0.05 { format!(" (before: {before:.1}/s)") } else { String::new() }
}

/// `nginx gone quiet: no line since 14:01:20 (2 m), 12 lines/s before`.
fn silence(quiet: &Quiet, cx: &PaneCx) -> String {
    let (since, silent) = (quiet.since.hms(cx.zone), short(cx.now.since(quiet.since)));
    format!("{} gone quiet: no line since {since} ({silent}), {} lines/s before", quiet.name, rate(quiet.rate))
}

/// How long an outage is told of when it is over, and how far back errors are counted.
const RECENT: Duration = Duration::from_secs(600);
/// Lines of [`silences`].
const SILENCES: usize = 2;

/// What the verdict has no room for: sources that went quiet, one line each for the first two.
pub fn silences(history: &LogsHistory, cx: &PaneCx) -> Vec<String> {
    let said = usize::from(history.errors_since(cx.now).is_none());
    let quiet = history.quiet(cx.now);
    let mut lines: Vec<String> = quiet.iter().skip(said).take(SILENCES).map(|q| silence(q, cx)).collect();
    let more = quiet.len().saturating_sub(said + SILENCES);
    if let Some(last) = lines.last_mut().filter(|_| more > 0) {
        last.push_str(&format!("; and {more} more"));
    }
    lines
}

/// A rate for the eye.
pub(super) fn rate(n: f64) -> String {
    match n {
        n if n >= 9.95 => format!("{n:.0}"),
        n if n >= 0.05 => format!("{n:.1}"),
        _ => "0".to_owned(),
    }
}

/// The pane in a few words, for when it is hidden.
pub fn glance(history: &LogsHistory, cx: &PaneCx) -> Glance {
    if history.sources().next().is_none() {
        return Glance::new(Level::Unknown, "logs -");
    }
    let quiet = history.quiet(cx.now);
    let gone = match quiet.as_slice() {
        [] => String::new(),
        [one] => format!("{} quiet", one.name),
        more => format!("{} sources quiet", more.len()),
    };
    let also = if gone.is_empty() { String::new() } else { format!(", {gone}") };
    let outage = history.outage(cx.now);
    match (outage.map(|e| e.stage), gone.is_empty()) {
        (Some(Stage::Calming), _) => {
            let text = format!("logs errors until {}{also}", outage.map_or(String::new(), |e| e.last.hms(cx.zone)));
            Glance::new(Level::Warn, text).short("err usual again")
        }
        (Some(_), _) => {
            let rate = rate(history.error_rate(cx.now));
            Glance::new(Level::Bad, format!("logs {rate} err/s{also}")).short(format!("err {rate}/s"))
        }
        (None, false) => Glance::new(Level::Warn, format!("logs {gone}")),
        (None, true) => Glance::new(Level::Calm, format!("logs {}/s", rate(history.line_rate(cx.now)))),
    }
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &LogsHistory, view: &LogView, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let area = area.intersection(buf.area);
    let mut frame = PaneFrame { rows: Vec::new(), total: view.rows().len() };
    if area.is_empty() {
        return frame;
    }
    head(history, view, cx, Rect { height: 1, ..area }, buf);
    let mut body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let chart = histogram::wanted(view, cx, area).then(|| histogram::Histogram::new(history, view, cx, area.width));
    if let Some(chart) = chart.flatten() {
        let room = chart.height();
        chart.draw(view, cx, Rect { height: room, ..body }, buf);
        body = Rect { y: body.y + room, height: body.height - room, ..body };
    }
    view.measure(area.width, body.height);
    if body.is_empty() {
        return frame;
    }
    if view.rows().is_empty() {
        let line = match (view.is_waiting(), view.filter().is_empty()) {
            (true, _) => reading(view),
            (false, true) => "no lines here".to_owned(),
            (false, false) => "no line passes the filter".to_owned(),
        };
        text::put(buf, body.x + 1, body.y, body.width.saturating_sub(1), &line, cx.theme.style(Role::Dim));
        return frame;
    }
    let columns = Columns::new(history, view, cx, body.width);
    if columns.has_head() && body.height > 2 {
        columns.head(cx, Rect { height: 1, ..body }, buf);
        body = Rect { y: body.y + 1, height: body.height - 1, ..body };
    }
    view.measure(body.width.saturating_sub(columns.message()), body.height);
    let mut above: Option<Ts> = None;
    for (i, line) in lines(history, view, cx, body.height as usize).iter().enumerate() {
        let at = Rect { y: body.y + i as u16, height: 1, ..body };
        match line {
            Line::Row(index) => {
                let Some(row) = view.rows().get(*index) else { continue };
                let before = above.or_else(|| index.checked_sub(1).and_then(|i| view.rows().get(i)).map(|r| r.placed));
                columns.draw(view, cx, row, before, Some(*index) == view.cursor_index(), at, buf);
                above = Some(row.placed);
                if Some(*index) == view.cursor_index() && cx.focused {
                    buf.set_style(at, cx.theme.style(Role::Cursor));
                }
                frame.rows.push(RowSpot { area: at, index: *index });
            }
            Line::Wrapped(index, part) => {
                let Some(row) = view.rows().get(*index) else { continue };
                columns.wrapped(view, cx, row, part, at, buf);
                if Some(*index) == view.cursor_index() && cx.focused {
                    buf.set_style(at, cx.theme.style(Role::Cursor));
                }
                frame.rows.push(RowSpot { area: at, index: *index });
            }
            Line::More(index, part) => {
                let indent = columns.message().min(at.width);
                let style = cx.theme.style(Role::Dim);
                let part = pieces::after(part, view.look.scroll);
                text::put(buf, at.x + indent, at.y, at.width - indent, &part, style);
                frame.rows.push(RowSpot { area: at, index: *index });
            }
            Line::Break => {
                text::put(buf, at.x + 1, at.y, at.width.saturating_sub(1), "--", cx.theme.style(Role::Dim));
            }
            Line::Seam(said) => seam(cx, said, at, buf),
        }
    }
    frame
}

/// A rule across the rows with what broke in it.
fn seam(cx: &PaneCx, said: &str, at: Rect, buf: &mut Buffer) {
    let style = cx.theme.style(Role::Gap);
    for x in at.left() + 1..at.right() {
        text::put(buf, x, at.y, 1, cx.glyphs.rule.0, style);
    }
    let room = at.width.saturating_sub(4);
    text::put(buf, at.x + 3, at.y, room, &format!(" {said} "), style);
}

fn reading(view: &LogView) -> String {
    match view.progress() {
        Some(p) => format!("reading… {:.0} %", p * 100.0),
        None => "reading…".to_owned(),
    }
}

/// The verdict, with the kinds of the newest errors, and what is being read.
fn head(history: &LogsHistory, view: &LogView, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    let mut v = verdict(history, cx);
    if let Some(since) = history.outage(cx.now).filter(|e| e.stage == Stage::On).map(|e| e.since) {
        let kinds = view.error_kinds(since, cx.now);
        if !kinds.is_empty() {
            // Which errors comes first; what is usual stands where there is room, and beside the strip anyway.
            let was = usual(history, cx);
            let bare = v.text.strip_suffix(&was).unwrap_or(&v.text);
            let told = format!("{bare}: {kinds}");
            let room = usize::from(area.width.saturating_sub(1));
            v.text = if text::width(&told) + was.len() <= room { told + &was } else { told };
        }
    }
    let role = Role::from(v.level);
    let mut width = area.width.saturating_sub(1);
    if view.progress().is_some() && !view.rows().is_empty() {
        let note = reading(view);
        let n = text::width(&note) as u16;
        if width > n + 20 {
            width -= n + 1;
            text::put(buf, area.right() - n, area.y, n, &note, cx.theme.style(Role::Dim));
        }
    }
    text::put(buf, area.x + 1, area.y, width, &v.text, cx.theme.style(role));
}

/// The row under the cursor.
pub fn select(view: &LogView) -> Option<Selected> {
    let row = view.selected()?;
    let place = match row.line {
        Some(n) => format!("{}:{n}", row.source),
        None => format!("{}:~{}", row.source, row.key.offset),
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    if let Some(s) = row.severity {
        fields.push(("severity".into(), s.name().into()));
    }
    fields.extend(row.fields.iter().map(|(n, v)| {
        let value = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        (n.to_string(), value)
    }));
    if row.folded > 0 {
        fields.push(("record".into(), String::from_utf8_lossy(&row.raw).into_owned()));
    }
    let message = row.message.lines().next().filter(|m| !m.trim().is_empty());
    Some(Selected {
        at: Some(row.time.unwrap_or(row.placed)),
        source: place,
        text: message.map_or_else(|| first_line(row), str::to_owned),
        request_id: row.request_id.clone(),
        fields,
    })
}

#[cfg(test)]
#[path = "pane_tests.rs"]
mod tests;
