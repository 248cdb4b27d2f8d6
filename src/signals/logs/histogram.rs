//! Log volume by severity over a span that can be narrowed, above the rows of the zoomed pane: where in it the rows lie
//! that are seen, and a range being chosen.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::history::LogsHistory;
use super::store::LogQuery;
use super::view::{LogView, Passed};
use crate::timeline::counts::Counts;
use crate::timeline::time::short;
use crate::timeline::{Severity, TimeRange, Ts};
use crate::ui::{PaneCx, Role, text};

/// The pane is this high at least before it gives lines to it.
const HIGHEST: u16 = 14;
/// The shortest span.
const SHORTEST: Duration = Duration::from_secs(10);
/// Columns at the left and at the right.
const LETTER: u16 = 3;
const LABEL: u16 = 14;

/// One line of columns: its letter, its colour, and how many records of a second belong to it.
type Series = (&'static str, Role, fn(&Counts) -> u64);

/// Whether there is room and wish for it.
pub fn wanted(view: &LogView, cx: &PaneCx, area: Rect) -> bool {
    cx.zoomed && view.look.histogram && area.height >= HIGHEST && area.width >= 48 && cx.facts.window.is_some()
}

/// A quarter of `span` round `at`, or four times as much; `None` where that is all of `window`.
pub fn zoomed(span: TimeRange, window: TimeRange, at: Ts, closer: bool) -> Option<TimeRange> {
    let len = if closer { (span.len() / 4).max(SHORTEST) } else { span.len().saturating_mul(4) };
    if len >= window.len() {
        return None;
    }
    let end = (at + len / 2).min(window.end).max(window.start + len);
    Some(TimeRange::ending(end, len))
}

/// The span that is drawn: the one chosen, else that of the strip. Where the row under the cursor lies outside, it is the
/// one of the same length that this row lies in, so that the rows that are read are always there.
pub fn span(view: &LogView, window: TimeRange) -> TimeRange {
    let span = view.look.span.unwrap_or(window);
    match view.selected().map(|r| r.placed).filter(|at| !span.contains(*at)) {
        Some(at) => {
            let start = at.floor(span.len());
            TimeRange::new(start, start + span.len())
        }
        None => span,
    }
}

/// Whether rows of the span are older than what the history counted: it must be looked for in the files.
fn uncounted(history: &LogsHistory, view: &LogView, span: TimeRange) -> bool {
    let counted = history.counted().map_or(Ts::MAX, |c| c.start);
    span.start < counted && view.rows().first().is_some_and(|r| r.placed < counted && r.placed < span.end)
}

/// What must be counted before it can be drawn with a filter, or further back than the history goes, if anything.
pub fn wants(view: &mut LogView, history: &LogsHistory, window: TimeRange, width: u16, now: Ts) -> Option<LogQuery> {
    let span = span(view, window);
    let uncounted = uncounted(history, view, span);
    view.wants_passed(span, parts(span, width.saturating_sub(LETTER + LABEL)), now, uncounted)
}

/// Columns of counts in `width` cells: none shorter than a second.
fn parts(span: TimeRange, width: u16) -> usize {
    usize::from(width).min((span.len().as_secs() as usize).max(1))
}

/// What is drawn.
pub struct Histogram {
    span: TimeRange,
    parts: usize,
    counts: Vec<Counts>,
    passed: Option<Passed>,
    series: Vec<Series>,
    /// What lies before it was not counted.
    known: Ts,
}

impl Histogram {
    /// For a pane `width` columns wide; `None` without a window.
    pub fn new(history: &LogsHistory, view: &LogView, cx: &PaneCx, width: u16) -> Option<Histogram> {
        let span = span(view, cx.facts.window?);
        let parts = parts(span, width.saturating_sub(LETTER + LABEL).max(1));
        let passed = view.passing(span, parts, cx.now);
        let counts = match &passed {
            Some(passed) => passed.counts.clone(),
            None => history.columns(span, parts, cx.now),
        };
        let known = match &passed {
            Some(passed) => passed.from,
            None if uncounted(history, view, span) => Some(history.counted().map_or(Ts::MAX, |c| c.start)),
            None => None,
        };
        let of: [Series; 3] = [
            ("E", Role::ChartHot, |c| c.at_least(Severity::Error)),
            ("W", Role::WarnLine, |c| c.at_least(Severity::Warn) - c.at_least(Severity::Error)),
            ("I", Role::Chart, |c| c.total() - c.at_least(Severity::Warn)),
        ];
        // A line that is all zero says nothing; one of them has to be there.
        let mut series: Vec<Series> = of.into_iter().filter(|(_, _, f)| counts.iter().any(|c| f(c) > 0)).collect();
        if series.is_empty() {
            series.push(of[2]);
        }
        Some(Histogram { span, parts, counts, passed, series, known: known.unwrap_or(Ts::MIN) })
    }

    /// Lines it takes: one for each severity that occurs, and the axis.
    pub fn height(&self) -> u16 {
        self.series.len() as u16 + 1
    }

    /// Lines of columns and the axis below them.
    pub fn draw(&self, view: &LogView, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
        let chart = Rect { x: area.x + LETTER, width: area.width.saturating_sub(LETTER + LABEL), ..area };
        if chart.is_empty() || area.height < self.height() {
            return;
        }
        let (width, span, dim) = (usize::from(chart.width), self.span, cx.theme.style(Role::Dim));
        let seconds = span.len().as_secs_f64() / self.parts as f64;
        let unknown = if cx.glyphs.gap.trim().is_empty() { "." } else { cx.glyphs.gap };
        for (y, (letter, role, figure)) in (area.y..).zip(&self.series) {
            let values: Vec<u64> = self.counts.iter().map(figure).collect();
            let max = values.iter().copied().max().unwrap_or(0);
            let any = if max > 0 { *role } else { Role::Dim };
            text::put(buf, area.x + 1, y, 1, letter, cx.theme.style(any));
            for x in 0..width {
                let value = values[x * self.parts / width];
                let end = span.start + span.len().mul_f64((x + 1) as f64 / width as f64);
                let at = chart.x + x as u16;
                if value > 0 {
                    let step = ((value * 8).div_ceil(max.max(1)) as usize).clamp(1, 8);
                    text::put(buf, at, y, 1, cx.glyphs.spark[step - 1], cx.theme.style(*role));
                } else if end <= self.known {
                    // Nothing is known here, which is not the same as nothing.
                    text::put(buf, at, y, 1, unknown, dim);
                }
            }
            let most = max as f64 / seconds.max(1e-9);
            let most = if max == 0 { "none".to_owned() } else { format!("max {}/s", super::pane::rate(most)) };
            text::put_right(buf, chart.right(), y, LABEL - 1, &most, dim);
        }
        let at = Rect { y: area.y + self.series.len() as u16, height: 1, ..chart };
        axis(view, cx, span, self.passed.as_ref(), at, buf);
    }
}

fn axis(view: &LogView, cx: &PaneCx, span: TimeRange, passed: Option<&Passed>, at: Rect, buf: &mut Buffer) {
    let dim = cx.theme.style(Role::Dim);
    let width = usize::from(at.width);
    let ends = [span.start.hms(cx.zone), span.end.hms(cx.zone)];
    text::put(buf, at.x, at.y, at.width, &ends[0], dim);
    text::put_right(buf, at.x, at.y, at.width, &ends[1], dim);
    // What is counted is what passes; a part that is not known is said, because it looks like silence.
    let what = match passed {
        None if view.filter().is_empty() => short(span.len()),
        None => "all lines".to_owned(),
        Some(p) if p.counting && p.from.is_some() => "counting".to_owned(),
        Some(Passed { from: Some(from), .. }) => format!("from {}", from.hms(cx.zone)),
        Some(_) if view.shows_all() => short(span.len()),
        Some(_) => format!("{} filtered", short(span.len())),
    };
    text::put_right(buf, at.right(), at.y, LABEL - 1, &what, dim);
    let column = |t: Ts| span.column(t, width).map(|c| at.x + c as u16);
    // Where the rows lie that are seen.
    let shown = view.window(usize::from(view.drawn_lines()));
    if let (Some(first), Some(last)) = (view.rows().get(shown.start), view.rows().get(shown.end.saturating_sub(1)))
        && first.placed < span.end
        && last.placed >= span.start
    {
        let from = column(first.placed.max(span.start)).unwrap_or(at.x);
        let to = column(last.placed).unwrap_or(at.right() - 1);
        for x in from..=to.max(from) {
            over(buf, x, at.y, cx.glyphs.bar.0, cx.theme.style(Role::Playhead));
        }
    }
    let marked = [(view.look.brush, "[")];
    for (t, glyph) in marked.into_iter().filter_map(|(t, g)| t.map(|t| (t, g))) {
        if let Some(x) = column(t) {
            over(buf, x, at.y, glyph, cx.theme.style(Role::Key));
        }
    }
}

/// A sign on the axis; where a label stands it is only coloured, so that it stays readable.
fn over(buf: &mut Buffer, x: u16, y: u16, glyph: &str, style: Style) {
    let blank = buf.cell((x, y)).is_some_and(|c| c.symbol().trim().is_empty());
    if blank {
        text::put(buf, x, y, 1, glyph, style);
    } else {
        buf.set_style(Rect { x, y, width: 1, height: 1 }, style.add_modifier(Modifier::UNDERLINED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coming_closer_stays_inside_and_going_back_ends_with_everything() {
        let window = TimeRange::new(Ts::from_secs(0), Ts::from_secs(1_600));
        let near = zoomed(window, window, Ts::from_secs(1_590), true).expect("closer");
        assert_eq!(near, TimeRange::new(Ts::from_secs(1_200), Ts::from_secs(1_600)));
        let nearer = zoomed(near, window, Ts::from_secs(1_300), true).expect("closer");
        assert_eq!(nearer, TimeRange::new(Ts::from_secs(1_250), Ts::from_secs(1_350)));
        assert_eq!(zoomed(nearer, window, Ts::from_secs(1_300), false).map(|s| s.len().as_secs()), Some(400));
        assert_eq!(zoomed(near, window, Ts::from_secs(0), false), None);
    }
}
