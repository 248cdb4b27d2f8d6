//! Draws the log rows: time, severity letter, source, request ID, message, folded lines.

use std::borrow::Cow;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::history::LogsHistory;
use super::row::LogRow;
use super::view::LogView;
use crate::timeline::request_id::is_id_key;
use crate::timeline::time::short;
use crate::timeline::{Severity, TimeRange};
use crate::ui::text::{middle, put, width};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowSpot, Selected, Verdict};

/// From this width on rows show their source and request ID.
const WIDE: u16 = 72;

/// What is so, in one line.
pub fn verdict(history: &LogsHistory, view: &LogView, cx: &PaneCx) -> Verdict {
    let rate = history.error_rate(cx.now);
    if let Some(since) = history.errors_since(cx.now) {
        let mut text = format!("{} errors/s since {}", figure(rate), since.hms(cx.zone));
        let exceptions = view.exceptions();
        let all: usize = exceptions.iter().map(|(_, n)| n).sum();
        if all > 0 {
            let share = |n: &usize| n * 100 / all;
            let names: Vec<String> =
                exceptions.iter().take(2).map(|(name, n)| format!("{name} ({} %)", share(n))).collect();
            text.push_str(&format!(": {}", names.join(", ")));
        }
        return Verdict::new(Level::Bad, text);
    }
    let ten = Duration::from_secs(600);
    let sum = history.sum(TimeRange::ending(cx.now, ten), cx.now);
    let errors = sum.at_least(Severity::Error);
    let lines = figure(history.line_rate(cx.now));
    if sum.total() == 0 && history.totals().0 == 0 {
        return Verdict::new(Level::Unknown, "no line yet");
    }
    let text = format!("{lines} records/s, {errors} error{} in 10 min", if errors == 1 { "" } else { "s" });
    Verdict::new(if errors > 0 { Level::Warn } else { Level::Calm }, text)
}

/// The pane in a few words, for when it is hidden.
pub fn glance(history: &LogsHistory, cx: &PaneCx) -> Glance {
    let rate = history.error_rate(cx.now);
    match history.errors_since(cx.now) {
        Some(since) => {
            Glance { level: Level::Bad, text: format!("logs {} err/s {}", figure(rate), short(cx.now.since(since))) }
        }
        None => Glance { level: Level::Calm, text: format!("logs {}/s", figure(history.line_rate(cx.now))) },
    }
}

fn figure(rate: f64) -> String {
    if rate >= 10.0 || rate == 0.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &LogsHistory, view: &LogView, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let mut frame = PaneFrame { rows: Vec::new(), total: view.len() };
    if area.is_empty() {
        return frame;
    }
    let v = verdict(history, view, cx);
    let role = match v.level {
        Level::Calm => Role::Calm,
        Level::Unknown => Role::Unknown,
        Level::Warn => Role::Warn,
        Level::Bad => Role::Bad,
    };
    put(buf, area.x + 1, area.y, area.width.saturating_sub(1), &v.text, cx.theme.style(role));
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if body.is_empty() {
        return frame;
    }
    let (top, rows) = view.shown();
    if rows.is_empty() {
        let text = match view.progress() {
            Some(share) if share > 0.0 => format!("reading{} {:.0} %", cx.glyphs.ellipsis, share * 100.0),
            Some(_) => format!("reading{}", cx.glyphs.ellipsis),
            None if !cx.facts.filter.is_empty() => "no record passes the filter; Esc takes it away".to_owned(),
            None => "nothing logged yet".to_owned(),
        };
        put(buf, body.x + 1, body.y, body.width.saturating_sub(1), &text, cx.theme.style(Role::Dim));
        return frame;
    }
    let sources = source_width(rows, body);
    for (i, row) in rows.iter().take(body.height as usize).enumerate() {
        let spot = Rect { y: body.y + i as u16, height: 1, ..body };
        line(row, view, cx, spot, buf, top + i == view.cursor(), sources);
        frame.rows.push(RowSpot { area: spot, index: top + i });
    }
    if let Some(share) = view.progress().filter(|s| *s > 0.0) {
        let text = format!(" reading {:.0} % ", share * 100.0);
        let w = width(&text) as u16;
        put(buf, body.right().saturating_sub(w), body.y, w, &text, cx.theme.style(Role::Dim));
    }
    frame
}

/// Columns for the names of sources: as many as the shown ones need, within reason.
fn source_width(rows: &[LogRow], area: Rect) -> u16 {
    if area.width < WIDE {
        return 0;
    }
    let names = rows.iter().take(area.height as usize).map(|r| width(&r.source)).max().unwrap_or(0);
    (names as u16).clamp(3, area.width / 8)
}

fn line(row: &LogRow, view: &LogView, cx: &PaneCx, area: Rect, buf: &mut Buffer, on: bool, sources: u16) {
    let severity = match row.severity {
        Some(Severity::Trace) => Role::Trace,
        Some(Severity::Debug) => Role::Debug,
        Some(Severity::Warn) => Role::WarnLine,
        Some(Severity::Error) => Role::Error,
        Some(Severity::Fatal) => Role::Fatal,
        _ => Role::Info,
    };
    let over = if on && cx.focused { Role::Cursor } else { Role::Text };
    let paint = |role: Role| {
        let style = cx.theme.style(role);
        if on && cx.focused { style.patch(cx.theme.style(over)) } else { style }
    };
    if on && cx.focused {
        for x in area.left()..area.right() {
            buf[(x, area.y)].set_symbol(" ");
        }
        buf.set_style(area, cx.theme.style(Role::Cursor));
    }
    let right = area.right();
    let mut x = area.x;
    put(buf, x, area.y, 1, if on { cx.glyphs.cursor } else { " " }, paint(Role::Text));
    x += 1;
    let time = match row.time {
        Some(t) if area.width >= 56 => t.hms_millis(cx.zone),
        Some(t) => t.hms(cx.zone),
        None if area.width >= 56 => " ".repeat(12),
        None => " ".repeat(8),
    };
    let mark = if row.inferred { "~" } else { " " };
    x += put(buf, x, area.y, right - x, &time, paint(Role::Dim));
    x += put(buf, x, area.y, right.saturating_sub(x), mark, paint(Role::Dim));
    let letter = row.severity.map_or(' ', Severity::letter).to_string();
    x += put(buf, x, area.y, right.saturating_sub(x), &letter, paint(severity)) + 1;
    if sources > 0 {
        put(buf, x, area.y, sources.min(right.saturating_sub(x)), &row.source, paint(Role::Dim));
        x += sources + 1;
        if let Some(id) = &row.request_id {
            let role = if cx.facts.request.is_some() { Role::Request } else { Role::Dim };
            let shown = middle(id.0.as_str(), 9);
            put(buf, x, area.y, 9.min(right.saturating_sub(x)), &shown, paint(role));
        }
        x += 10;
    }
    let fold = if row.folded > 0 { format!(" +{} {}", row.folded, cx.glyphs.fold.0) } else { String::new() };
    let fold_width = width(&fold) as u16;
    let room = right.saturating_sub(x + fold_width);
    let message = row.message.lines().next().unwrap_or("");
    let role = if row.severity >= Some(Severity::Warn) { severity } else { Role::Text };
    let end = x + room;
    let x = message_with_hits(message, view, cx, buf, (x, area.y, room), paint(role));
    let room = end.saturating_sub(x);
    if room > 8 && !row.fields.is_empty() {
        put(buf, x, area.y, room, &field_text(row, message, room as usize), paint(Role::Dim));
    }
    if fold_width > 0 && right > fold_width {
        put(buf, right - fold_width, area.y, fold_width, &fold, paint(Role::Dim));
    }
}

/// The message, hits of the search marked; the column behind it.
fn message_with_hits(
    message: &str,
    view: &LogView,
    cx: &PaneCx,
    buf: &mut Buffer,
    (mut x, y, room): (u16, u16, u16),
    style: ratatui::style::Style,
) -> u16 {
    let end = x.saturating_add(room);
    let mut at = 0;
    if let Some(pattern) = view.highlight() {
        // What lies far right of the screen is not looked at.
        let seen = &message.as_bytes()[..message.len().min(4 * room as usize + 64)];
        for hit in pattern.find_iter(seen).filter(|h| !h.is_empty()).take(20) {
            let (Some(before), Some(inside)) = (message.get(at..hit.start()), message.get(hit.range())) else {
                continue;
            };
            x += put(buf, x, y, end.saturating_sub(x), before, style);
            x += put(buf, x, y, end.saturating_sub(x), inside, style.patch(cx.theme.style(Role::Match)));
            at = hit.end();
        }
    }
    if let Some(rest) = message.get(at..) {
        x += put(buf, x, y, end.saturating_sub(x), rest, style);
    }
    x
}

/// Fields that every line of a service has, or that stand elsewhere in the row.
const QUIET: [&str; 18] = [
    "target",
    "logger",
    "logger_name",
    "service",
    "version",
    "pid",
    "thread",
    "thread_name",
    "hostname",
    "host",
    "module",
    "file",
    "line",
    "caller",
    "protocol",
    "user_agent",
    "referrer",
    "client",
];

/// What the fields add to the message, in order of appearance: `method=GET path=/orders status=503`.
fn field_text(row: &LogRow, message: &str, room: usize) -> String {
    let mut text = String::new();
    for (name, value) in &row.fields {
        let shown = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
        let known = QUIET.contains(&name.as_str()) || is_id_key(name) || message.contains(shown.as_ref());
        if known || shown.is_empty() {
            continue;
        }
        let first = shown.lines().next().unwrap_or("");
        text.push_str(&format!("  {name}={first}"));
        if text.len() > room {
            break;
        }
    }
    text
}

/// The row under the cursor.
pub fn select(view: &LogView) -> Option<Selected> {
    let row = view.selected()?;
    let mut fields = Vec::new();
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    if let Some(t) = row.time {
        add("time", format!("{t}{}", if row.inferred { " (year or zone inferred)" } else { "" }));
    }
    if let Some(s) = row.severity {
        add("severity", s.name().to_owned());
    }
    add("source", row.source.to_string());
    add(
        "place",
        match row.line {
            Some(n) => format!("line {n}, byte {}", row.key.offset),
            None => format!("byte {}", row.key.offset),
        },
    );
    add("format", row.format.to_owned());
    if let Some(id) = &row.request_id {
        add("request_id", id.to_string());
    }
    add("message", row.message.clone());
    for (name, value) in &row.fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fields.push((name.to_string(), value));
    }
    Some(Selected {
        at: row.time.or(Some(row.placed)),
        source: row.source.to_string(),
        text: String::from_utf8_lossy(&row.raw).into_owned(),
        request_id: row.request_id.clone(),
        fields,
    })
}
