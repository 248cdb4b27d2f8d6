//! Draws logs: the verdict, then resident rows, oldest at the top.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::beside::beside;
use super::history::LogsHistory;
use super::kinds::kinds;
use super::quiet::Quiet;
use super::row::LogRow;
use super::store::scan::{ABSENT, counted};
use super::view::{LogView, UNFOLDED};
use crate::timeline::time::short;
use crate::timeline::{Severity, TimeRange, Ts};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowSpot, Selected, Verdict, text};

/// What is so, in one line.
pub fn verdict(history: &LogsHistory, cx: &PaneCx) -> Verdict {
    let sources = history.sources().count();
    if sources == 0 {
        return Verdict::new(Level::Unknown, "no logs watched");
    }
    if let Some(since) = history.errors_since(cx.now) {
        let at = since.hms(cx.zone);
        let rate = rate(history.error_rate(cx.now));
        let before = history.error_baseline(cx.now);
        let was = if before >= 0.05 { format!(" (before: {before:.1}/s)") } else { String::new() };
        return Verdict::new(Level::Bad, format!("{rate} errors/s since {at}{was}"));
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
    let look = TimeRange::ending(cx.now, Duration::from_secs(600));
    let errors = history.sum(look, cx.now).at_least(Severity::Error);
    let files = if sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") };
    let lines = rate(history.line_rate(cx.now));
    Verdict::new(Level::Calm, format!("{lines} lines/s from {files}, {} in 10 min", counted(errors, "error")))
}

/// `nginx gone quiet: no line since 14:01:20 (2 m), 12 lines/s before`.
fn silence(quiet: &Quiet, cx: &PaneCx) -> String {
    let (since, silent) = (quiet.since.hms(cx.zone), short(cx.now.since(quiet.since)));
    format!("{} gone quiet: no line since {since} ({silent}), {} lines/s before", quiet.name, rate(quiet.rate))
}

/// What the verdict has no room for: sources that went quiet, one line each, while something else is worse.
pub fn silences(history: &LogsHistory, cx: &PaneCx) -> Vec<String> {
    let said = usize::from(history.errors_since(cx.now).is_none());
    history.quiet(cx.now).iter().skip(said).map(|q| silence(q, cx)).collect()
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
        return Glance { level: Level::Unknown, text: "logs -".into() };
    }
    let quiet = history.quiet(cx.now);
    let gone = match quiet.as_slice() {
        [] => String::new(),
        [one] => format!("{} quiet", one.name),
        more => format!("{} sources quiet", more.len()),
    };
    match (history.errors_since(cx.now), gone.is_empty()) {
        (Some(_), still) => {
            let also = if still { String::new() } else { format!(", {gone}") };
            Glance { level: Level::Bad, text: format!("logs {} err/s{also}", rate(history.error_rate(cx.now))) }
        }
        (None, false) => Glance { level: Level::Warn, text: format!("logs {gone}") },
        (None, true) => Glance { level: Level::Calm, text: format!("logs {}/s", rate(history.line_rate(cx.now))) },
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
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
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
    let lines = lines(history, view, cx, body.height as usize);
    let columns = Columns::new(view, cx, body.width, &lines);
    for (i, line) in lines.iter().enumerate() {
        let at = Rect { y: body.y + i as u16, height: 1, ..body };
        match line {
            Line::Row(index) => {
                let Some(row) = view.rows().get(*index) else { continue };
                columns.draw(view, cx, row, Some(*index) == view.cursor_index(), at, buf);
                if Some(*index) == view.cursor_index() && cx.focused {
                    buf.set_style(at, cx.theme.style(Role::Cursor));
                }
                frame.rows.push(RowSpot { area: at, index: *index });
            }
            Line::More(index, part) => {
                let indent = columns.message().min(at.width);
                let style = cx.theme.style(Role::Dim);
                text::put(buf, at.x + indent, at.y, at.width - indent, part, style);
                frame.rows.push(RowSpot { area: at, index: *index });
            }
            Line::Seam(t, why) => {
                let rule = cx.glyphs.rule.0;
                let line = format!("{} {rule}{rule} {why}", t.hms(cx.zone));
                text::put(buf, at.x + 1, at.y, at.width.saturating_sub(1), &line, cx.theme.style(Role::Dim));
            }
        }
    }
    frame
}

fn reading(view: &LogView) -> String {
    match view.progress() {
        Some(p) => format!("reading… {:.0} %", p * 100.0),
        None => "reading…".to_owned(),
    }
}

/// The verdict, with the kinds of errors where resident rows show them, and what is being read.
fn head(history: &LogsHistory, view: &LogView, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    let mut v = verdict(history, cx);
    if v.level == Level::Bad {
        let kinds = kinds(view.rows(), view.follows());
        if !kinds.is_empty() {
            v.text.push_str(&format!(": {kinds}"));
        }
    }
    let role = match v.level {
        Level::Calm => Role::Calm,
        Level::Unknown => Role::Unknown,
        Level::Warn => Role::Warn,
        Level::Bad => Role::Bad,
    };
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

/// A line of the screen.
enum Line {
    /// A row, by its number among the resident ones.
    Row(usize),
    /// A folded line of it.
    More(usize, String),
    /// Here a source broke.
    Seam(Ts, String),
}

/// What stands on the lines of a body `height` high.
fn lines(history: &LogsHistory, view: &LogView, cx: &PaneCx, height: usize) -> Vec<Line> {
    let shown = view.window(height);
    let rows = &view.rows()[shown.clone()];
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let until = if view.follows() { cx.now } else { last.placed };
    let range = TimeRange::new(first.placed, until + Duration::from_nanos(1));
    let mut seams = history.seams(range, cx.now).take(100).peekable();
    let mut out = Vec::new();
    let mut cursor = 0;
    for (i, row) in rows.iter().enumerate() {
        while let Some((t, seam)) = seams.next_if(|(t, _)| *t < row.placed) {
            out.push(Line::Seam(t, seam.why.clone()));
        }
        let index = shown.start + i;
        if Some(index) == view.cursor_index() {
            cursor = out.len();
        }
        out.push(Line::Row(index));
        if view.is_unfolded(&row.key) {
            let raw = String::from_utf8_lossy(&row.raw);
            out.extend(raw.lines().skip(1).take(UNFOLDED).map(|l| Line::More(index, l.to_owned())));
        }
    }
    out.extend(seams.map(|(t, seam)| Line::Seam(t, seam.why.clone())));
    // Seams take lines of their own: what no longer fits goes at the top while following, else below the cursor.
    let over = out.len().saturating_sub(height);
    let cut = if view.follows() { over.min(cursor) } else { (cursor + 1).saturating_sub(height) };
    out.drain(..cut);
    out.truncate(height);
    out
}

/// Widths that fit the rows at hand.
struct Columns {
    time: u16,
    dated: bool,
    source: u16,
    letter: bool,
}

impl Columns {
    fn new(view: &LogView, cx: &PaneCx, width: u16, lines: &[Line]) -> Columns {
        let rows = || lines.iter().filter_map(|l| if let Line::Row(i) = l { view.rows().get(*i) } else { None });
        let day = |t: Ts| t.jiff().to_zoned(cx.zone.clone()).date();
        let now = if cx.now == Ts::MAX { view.rows().last().map_or(cx.now, |r| r.placed) } else { cx.now };
        let dated = width >= 60 && rows().any(|r| day(r.placed) != day(now));
        let time = match width {
            0..24 => 0,
            24..44 => 8,
            _ if dated => 18,
            _ => 12,
        };
        let longest = rows().map(|r| text::width(&r.source)).max().unwrap_or(0) as u16;
        let source = if width >= 56 { longest.min(width / 8).min(16) } else { 0 };
        Columns { time, dated, source, letter: width >= 8 }
    }

    /// Column at which messages begin.
    fn message(&self) -> u16 {
        let after = |w: u16| if w > 0 { w + 1 } else { 0 };
        1 + after(self.time) + u16::from(self.letter) * 2 + after(self.source)
    }

    fn draw(&self, view: &LogView, cx: &PaneCx, row: &LogRow, cursor: bool, at: Rect, buf: &mut Buffer) {
        let theme = cx.theme;
        let context = view.is_context(&row.key) || row.format == ABSENT;
        let dim = theme.style(Role::Dim);
        let (letter, body) = if context { (dim, dim) } else { styles(row.severity, cx) };
        let end = at.right();
        let mut x = at.x;
        if cursor {
            let style = if cx.focused { theme.style(Role::Cursor) } else { dim };
            text::put(buf, x, at.y, 1, cx.glyphs.cursor, style);
        }
        x += 1;
        if self.time > 0 && x < end {
            let t = match (self.dated, self.time) {
                (true, _) => {
                    format!("{}.{:03}", &row.placed.date_hms(cx.zone)[5..], row.placed.millis().rem_euclid(1_000))
                }
                (_, 8) => row.placed.hms(cx.zone),
                _ => row.placed.hms_millis(cx.zone),
            };
            // A time that is not the record's own is dim.
            let style = if row.time.is_some() && !row.inferred { theme.style(Role::Text) } else { dim };
            text::put(buf, x, at.y, self.time.min(end - x), &t, if context { dim } else { style });
            x += self.time + 1;
        }
        if self.letter && x < end {
            let severity = row.severity.map_or(' ', Severity::letter);
            text::put(buf, x, at.y, 1, &severity.to_string(), letter);
            x += 2;
        }
        if self.source > 0 && x < end {
            let name = text::middle(&row.source, self.source as usize);
            text::put(buf, x, at.y, self.source.min(end - x), &name, dim);
            x += self.source + 1;
        }
        if x >= end {
            return;
        }
        let mut right = end;
        if row.folded > 0 {
            let (closed, open) = cx.glyphs.fold;
            let glyph = if view.is_unfolded(&row.key) { open } else { closed };
            let mark = format!(" +{} {glyph}", row.folded);
            let n = text::width(&mark) as u16;
            if end - x > n + 8 {
                right = end - n;
                text::put(buf, right, at.y, n, &mark, dim);
            }
        }
        if let Some(id) = &row.request_id
            && right - x > 30
        {
            let asked = cx.facts.request.as_ref() == Some(id);
            let style = if asked { theme.style(Role::Request) } else { dim };
            x += text::put(buf, x, at.y, 16, &id.short(), style) + 1;
        }
        let message = row.message.lines().next().unwrap_or_default();
        let (message, plain) =
            if message.trim().is_empty() { (first_line(row), true) } else { (message.to_owned(), false) };
        // What a slow statement is everybody knows; which one and how slow is the news.
        let named = row.fields.iter().any(|(n, _)| n == "db.statement");
        let message = match message.strip_prefix("slow statement: ").filter(|_| named && view.search_regex().is_none())
        {
            Some(_) => "slow statement".to_owned(),
            None => message,
        };
        x += marked(buf, x, at.y, right.saturating_sub(x), &message, body, theme.style(Role::Match), view);
        if !plain {
            let room = right.saturating_sub(x + 2);
            let said = beside(row, &message, room as usize);
            text::put(buf, x + 2, at.y, room, &said, dim);
        }
    }
}

fn first_line(row: &LogRow) -> String {
    String::from_utf8_lossy(row.raw.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned()
}

/// Writes `line` with the hits of the search marked.
#[allow(clippy::too_many_arguments)]
fn marked(buf: &mut Buffer, x: u16, y: u16, max: u16, line: &str, style: Style, hit: Style, view: &LogView) -> u16 {
    let Some(search) = view.search_regex() else { return text::put(buf, x, y, max, line, style) };
    let mut spans: Vec<(&str, Style)> = Vec::new();
    let mut at = 0;
    for m in search.find_iter(line.as_bytes()).take(50) {
        // A hit inside a character cannot be marked.
        if m.is_empty() || !line.is_char_boundary(m.start()) || !line.is_char_boundary(m.end()) {
            continue;
        }
        spans.push((&line[at..m.start()], style));
        spans.push((&line[m.range()], hit));
        at = m.end();
    }
    spans.push((&line[at..], style));
    text::put_spans(buf, x, y, max, &spans)
}

/// Styles of the letter and of the message.
fn styles(severity: Option<Severity>, cx: &PaneCx) -> (Style, Style) {
    let role = match severity {
        Some(Severity::Fatal) => Role::Fatal,
        Some(Severity::Error) => Role::Error,
        Some(Severity::Warn) => return (cx.theme.style(Role::WarnLine), cx.theme.style(Role::Text)),
        Some(Severity::Info) => return (cx.theme.style(Role::Info), cx.theme.style(Role::Text)),
        Some(Severity::Debug) => Role::Debug,
        Some(Severity::Trace) => Role::Trace,
        None => return (cx.theme.style(Role::Dim), cx.theme.style(Role::Text)),
    };
    (cx.theme.style(role), cx.theme.style(role))
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
