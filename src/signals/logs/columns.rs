//! The columns of the log pane: which there are, how wide, and a row drawn into them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::beside::{beside, message, whole};
use super::history::LogsHistory;
use super::look::{Column, Times, distance, gap, written};
use super::row::LogRow;
use super::store::scan::ABSENT;
use super::view::LogView;
use crate::timeline::time::short;
use crate::timeline::{Record, Severity, Ts};
use crate::ui::{PaneCx, Role, pieces, text};

/// The widest column of a field.
const FIELD: usize = 24;

/// A field with a column of its own.
struct Field {
    name: compact_str::CompactString,
    width: u16,
    number: bool,
}

/// Widths that fit the resident rows.
pub struct Columns {
    time: u16,
    /// 1 where rows without a time of their own are marked by a sign before it.
    guessed: u16,
    dated: bool,
    source: u16,
    letter: bool,
    fields: Vec<Field>,
}

impl Columns {
    /// For a pane `width` columns wide. Chosen by all resident rows, not by those that are seen, so that nothing jumps
    /// while scrolling.
    pub fn new(history: &LogsHistory, view: &LogView, cx: &PaneCx, width: u16) -> Columns {
        let (rows, look) = (view.rows(), &view.look);
        let day = |t: Ts| t.jiff().to_zoned(cx.zone.clone()).date();
        let now = if cx.now == Ts::MAX { rows.last().map_or(cx.now, |r| r.placed) } else { cx.now };
        let shown = view.window(usize::from(view.drawn_lines()));
        let dated = width >= 60 && rows[shown].iter().any(|r| day(r.placed) != day(now));
        let time = match (width, look.times) {
            (0..24, _) => 0,
            _ if !look.shows(Column::Time) => 0,
            (_, Times::Ago | Times::Gap) => 10,
            (24..44, _) => 8,
            (_, Times::Written) => rows.iter().filter_map(written).map(str::len).max().unwrap_or(8).clamp(8, 18) as u16,
            (_, Times::Clock) if dated => 18,
            _ => 12,
        };
        // One source, or no severity at all, needs no column to say so.
        let several = history.sources().count() > 1 || rows.windows(2).any(|p| p[0].source != p[1].source);
        let longest = rows.iter().map(|r| text::width(&r.source)).max().unwrap_or(0) as u16;
        let source =
            if width >= 56 && several && look.shows(Column::Source) { longest.min(width / 8).min(16) } else { 0 };
        let severe = rows.iter().any(|r| r.severity.is_some());
        let letter = width >= 8 && severe && look.shows(Column::Severity);
        let guessed = u16::from(time > 0 && width >= 44 && rows.iter().any(|r| r.time.is_none()));
        let mut columns = Columns { time, guessed, dated, source, letter, fields: Vec::new() };
        for name in &look.fields {
            let values = || rows.iter().filter_map(|r| r.field(name));
            let longest = values().map(|v| text::width(&v)).max().unwrap_or(0).max(text::width(name)).min(FIELD);
            let number = values().all(|v| v.parse::<f64>().is_ok());
            // Messages keep at least a third of the room.
            if columns.message() + longest as u16 + 1 > width - width / 3 {
                break;
            }
            columns.fields.push(Field { name: name.clone(), width: longest as u16, number });
        }
        columns
    }

    /// Column at which messages begin.
    pub fn message(&self) -> u16 {
        let after = |w: u16| if w > 0 { w + 1 } else { 0 };
        let fields: u16 = self.fields.iter().map(|f| f.width + 1).sum();
        1 + self.guessed + after(self.time) + u16::from(self.letter) * 2 + after(self.source) + fields
    }

    /// Whether columns need their names above them.
    pub fn has_head(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The names of the fields that have columns.
    pub fn head(&self, cx: &PaneCx, at: Rect, buf: &mut Buffer) {
        let mut x = at.x + self.message() - self.fields.iter().map(|f| f.width + 1).sum::<u16>();
        for f in &self.fields {
            if x >= at.right() {
                return;
            }
            let room = f.width.min(at.right() - x);
            let put = if f.number { text::put_right } else { text::put };
            put(buf, x, at.y, room, &f.name, cx.theme.style(Role::Key));
            x += f.width + 1;
        }
    }

    /// One row; `above` is the time of the row before it.
    #[allow(clippy::too_many_arguments)]
    pub fn draw(
        &self,
        view: &LogView,
        cx: &PaneCx,
        row: &LogRow,
        above: Option<Ts>,
        cursor: bool,
        at: Rect,
        buf: &mut Buffer,
    ) {
        let theme = cx.theme;
        let context = view.is_context(&row.key) || row.format == ABSENT;
        let dim = theme.style(Role::Dim);
        let (letter, body) = if context { (dim, dim) } else { styles(row.severity, cx) };
        let end = at.right();
        let mut x = at.x;
        if cursor {
            let style = if cx.focused { theme.style(Role::Cursor) } else { dim };
            text::put(buf, x, at.y, 1, cx.glyphs.cursor, style);
        } else if view.is_marked(&row.key) {
            let glyph = cx.glyphs.mark(crate::timeline::facts::MarkKind::User);
            text::put(buf, x, at.y, 1, glyph, theme.style(Role::MarkUser));
        }
        x += 1;
        if self.time > 0 && x < end {
            // A time that is not the record's own is dim.
            let style = if row.time.is_some() && !row.inferred { theme.style(Role::Text) } else { dim };
            let style = if context { dim } else { style };
            let t = self.time_of(view, cx, row, above);
            if self.guessed > 0 && row.time.is_none() {
                text::put(buf, x, at.y, 1, "~", dim);
            }
            x = (x + self.guessed).min(end);
            let put = if matches!(view.look.times, Times::Ago | Times::Gap) { text::put_right } else { text::put };
            put(buf, x, at.y, self.time.min(end - x), &t, style);
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
        for f in &self.fields {
            if x < end
                && let Some(value) = row.field(&f.name)
            {
                let put = if f.number { text::put_right } else { text::put };
                put(buf, x, at.y, f.width.min(end - x), &value, if context { dim } else { theme.style(Role::Text) });
            }
            x += f.width + 1;
        }
        if x >= end {
            return;
        }
        let right = marks(view, cx, row, x, at, buf);
        if view.look.wrap {
            let first = view.wrapped(row).into_iter().next().unwrap_or_default();
            marked(buf, x, at.y, right - x, &first, body, theme.style(Role::Match), view);
            return self.restyle(view, cx, row, x, at.y, right, buf);
        }
        if view.look.scroll > 0 {
            let rest = pieces::after(&whole(row, &view.look), view.look.scroll).into_owned();
            marked(buf, x, at.y, right - x, &rest, body, theme.style(Role::Match), view);
            return;
        }
        if let Some(id) = row.request_id.as_ref().filter(|_| view.look.shows(Column::Request))
            && right - x > 30
        {
            let asked = cx.facts.request.as_ref() == Some(id);
            let style = if asked { theme.style(Role::Request) } else { dim };
            x += text::put(buf, x, at.y, 16, &id.short(), style) + 1;
        }
        let (message, plain) = message(row, view.search_regex().is_none());
        x += marked(buf, x, at.y, right.saturating_sub(x), &message, body, theme.style(Role::Match), view);
        if !plain && view.look.shows(Column::Fields) {
            let room = right.saturating_sub(x + 2);
            let said = beside(row, &message, &view.look, room as usize);
            text::put(buf, x + 2, at.y, room, &said, dim);
        }
    }

    /// A further line of a wrapped row.
    pub fn wrapped(&self, view: &LogView, cx: &PaneCx, row: &LogRow, part: &str, at: Rect, buf: &mut Buffer) {
        let (_, body) = styles(row.severity, cx);
        let x = at.x + self.message().min(at.width);
        marked(buf, x, at.y, at.right() - x, part, body, cx.theme.style(Role::Match), view);
    }

    /// The request ID at the front of a wrapped row is drawn as everywhere.
    #[allow(clippy::too_many_arguments)]
    fn restyle(&self, view: &LogView, cx: &PaneCx, row: &LogRow, x: u16, y: u16, right: u16, buf: &mut Buffer) {
        let Some(id) = row.request_id.as_ref().filter(|_| view.look.shows(Column::Request)) else { return };
        let asked = cx.facts.request.as_ref() == Some(id);
        let style = cx.theme.style(if asked { Role::Request } else { Role::Dim });
        let width = (text::width(&id.short()) as u16).min(right.saturating_sub(x));
        buf.set_style(Rect { x, y, width, height: 1 }, style);
    }

    fn time_of(&self, view: &LogView, cx: &PaneCx, row: &LogRow, above: Option<Ts>) -> String {
        let clock = || match (self.dated, self.time) {
            (_, 8) => row.placed.hms(cx.zone),
            (true, 18) => {
                format!("{}.{:03}", &row.placed.date_hms(cx.zone)[5..], row.placed.millis().rem_euclid(1_000))
            }
            _ => row.placed.hms_millis(cx.zone),
        };
        match view.look.times {
            Times::Clock => clock(),
            Times::Ago => distance(row.placed, cx.now),
            Times::Gap => gap(row.placed, above),
            Times::Written => written(row).map_or_else(clock, str::to_owned),
        }
    }
}

/// What stands at the right end of a row: how often it repeats, how much is folded into it. Returns where it begins.
fn marks(view: &LogView, cx: &PaneCx, row: &LogRow, x: u16, at: Rect, buf: &mut Buffer) -> u16 {
    let (closed, open) = cx.glyphs.fold;
    let mut mark = String::new();
    if let Some(run) = view.run(&row.key) {
        let span = run.until.0.since(row.placed);
        mark = format!(" ×{} in {} {closed}", run.count, short(span));
    } else if row.folded > 0 {
        let glyph = if view.is_unfolded(&row.key) { open } else { closed };
        mark = format!(" +{} {glyph}", row.folded);
    }
    let harmed = view.neutralised(&row.key);
    let warned = if harmed > 0 { format!(" {harmed} esc") } else { String::new() };
    let (n, m) = (text::width(&mark) as u16, text::width(&warned) as u16);
    let mut right = at.right();
    if n > 0 && right - x > n + 8 {
        right -= n;
        let role = if view.run(&row.key).is_some() { Role::Key } else { Role::Dim };
        text::put(buf, right, at.y, n, &mark, cx.theme.style(role));
    }
    if m > 0 && right - x > m + 30 {
        right -= m;
        text::put(buf, right, at.y, m, &warned, cx.theme.style(Role::Escape));
    }
    right
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
