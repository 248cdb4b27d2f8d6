//! The timeline strip: log volume (in one row: errors, once there are any) over time, with marks, times and the playhead on the same columns.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::spark::height;
use crate::timeline::counts::Counts;
use crate::timeline::facts::{Mark, MarkKind};
use crate::timeline::{Severity, TimeRange, Ts};
use crate::ui::text::{put, width};
use crate::ui::{Glyphs, Role, Theme};

/// A share of errors from which a column is drawn as hot.
const HOT_SHARE: f64 = 0.02;

/// The time axis of the whole screen.
#[derive(Clone, Copy)]
pub struct Strip<'a> {
    /// Log records in equal pieces of `window`, oldest first; best one a column.
    pub counts: &'a [Counts],
    /// What happened, in order of time; what lies outside the window is not drawn.
    pub marks: &'a [Mark],
    /// The span of time from the left edge to the right edge.
    pub window: TimeRange,
    /// The playhead.
    pub now: Ts,
    /// First to last record of the filtered request, underlined on the axis.
    pub span: Option<TimeRange>,
    /// Zone of the time labels.
    pub zone: &'a TimeZone,
    /// Colours.
    pub theme: &'a Theme,
    /// Heights, marks, playhead.
    pub glyphs: &'a Glyphs,
}

impl Strip<'_> {
    /// Draws into `area`: with one row the chart, with two the chart over marks and times, with more a higher chart.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let rows = if area.height > 1 { area.height - 1 } else { 1 };
        self.chart(Rect { height: rows, ..area }, buf);
        if area.height > 1 {
            self.axis(Rect { y: area.y + rows, height: 1, ..area }, buf);
        }
        if let Some(column) = self.playhead(area.width) {
            for y in area.top()..area.bottom() {
                put(buf, area.x + column, y, 1, self.glyphs.playhead, self.theme.style(Role::Playhead));
            }
        }
    }

    /// Column of the playhead, counted from the left edge of a strip `width` columns wide; `None` outside the window.
    pub fn playhead(&self, width: u16) -> Option<u16> {
        if width == 0 {
            return None;
        }
        if self.now >= self.window.end {
            return (!self.window.is_empty()).then(|| width - 1);
        }
        self.window.column(self.now, usize::from(width)).map(|c| c as u16)
    }

    fn chart(&self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let columns: Vec<Counts> = (0..width).map(|c| self.column(c, width)).collect();
        let errors_of = |c: &Counts| c.at_least(Severity::Error);
        let most_errors = columns.iter().map(errors_of).max().unwrap_or(0) as f64;
        // In one row a column has one colour, and colour is never alone: as soon as there are errors, its height is
        // theirs, over a base line where anything was logged at all. Higher charts have room for both.
        if area.height == 1 && most_errors > 0.0 {
            for (x, counts) in (area.left()..).zip(&columns).filter(|(_, c)| c.total() > 0) {
                let errors = errors_of(counts);
                let hot = errors as f64 / counts.total() as f64 >= HOT_SHARE;
                let glyph = self.glyphs.spark[height(errors as f64, most_errors, 8).max(1) - 1];
                let role = if hot { Role::ChartHot } else { Role::Chart };
                put(buf, x, area.y, 1, glyph, self.theme.style(role));
            }
            return;
        }
        let max = columns.iter().map(Counts::total).max().unwrap_or(0) as f64;
        let steps = usize::from(area.height) * 8;
        for (x, counts) in (area.left()..).zip(&columns) {
            let total = counts.total();
            if total == 0 {
                continue;
            }
            let errors = errors_of(counts);
            let share = errors as f64 / total as f64;
            let high = height(total as f64, max, steps);
            // The worst stands at the bottom; in one row the column is of one colour.
            let hot = if share < HOT_SHARE { 0 } else { (share * high as f64).ceil() as usize };
            for row in 0..usize::from(area.height) {
                let from = row * 8;
                if from >= high {
                    break;
                }
                let role = if from < hot { Role::ChartHot } else { Role::Chart };
                let glyph = self.glyphs.spark[(high - from).min(8) - 1];
                put(buf, x, area.bottom() - 1 - row as u16, 1, glyph, self.theme.style(role));
            }
        }
    }

    /// Counts of one column of the screen, whatever number of pieces was handed in.
    fn column(&self, c: usize, width: usize) -> Counts {
        let n = self.counts.len();
        if n <= width {
            return self.counts.get(c * n / width).copied().unwrap_or_default();
        }
        let mut sum = Counts::default();
        self.counts[c * n / width..((c + 1) * n / width).min(n)].iter().for_each(|p| sum.merge(p));
        sum
    }

    fn axis(&self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let dim = self.theme.style(Role::Dim);
        let mut taken = vec![false; width];
        if let Some(c) = self.playhead(area.width) {
            taken[usize::from(c)] = true;
        }
        let placed: Vec<(usize, &Mark)> =
            self.marks.iter().filter_map(|m| Some((self.window.column(m.at, width)?, m))).collect();
        // In a column the newest mark is seen, unless an older one is worse.
        for &(c, mark) in &placed {
            let here = placed.iter().filter(|(other, _)| *other == c).map(|(_, m)| rank(m.kind)).max();
            if here == Some(rank(mark.kind)) {
                put(buf, area.x + c as u16, area.y, 1, self.glyphs.mark(mark.kind), self.theme.style(role(mark.kind)));
            }
            taken[c] = true;
        }
        for &(c, mark) in placed.iter().rev() {
            if mark.kind == MarkKind::Deploy && !mark.label.is_empty() {
                self.label(area, buf, &mut taken, c, mark);
            }
        }
        // Round times first, then less round ones where marks left the axis bare.
        let mut at: Vec<usize> = Vec::new();
        for (c, text) in self.times(width, 16).into_iter().chain(self.times(width, 8)) {
            let end = c + text.len();
            let around = c.saturating_sub(1)..(end + 1).min(width);
            if end <= width && !taken[around].iter().any(|&t| t) && at.iter().all(|a| a.abs_diff(c) >= 12) {
                put(buf, area.x + c as u16, area.y, text.len() as u16, &text, dim);
                taken[c..end].fill(true);
                at.push(c);
            }
        }
        if let Some(span) = self.span {
            self.underline(area, buf, span, &taken);
        }
    }

    /// A label right of its mark, or left of it where the right is taken.
    fn label(&self, area: Rect, buf: &mut Buffer, taken: &mut [bool], c: usize, mark: &Mark) {
        let columns = width(&mark.label);
        let right = c + 1..c + 1 + columns;
        let left = c.checked_sub(columns).map(|from| from..c);
        // One free column keeps a label from running into the next thing.
        let free = |r: &std::ops::Range<usize>, margin: std::ops::Range<usize>| {
            r.end <= taken.len() && !taken[r.start..r.end].iter().any(|&t| t) && !taken[margin].iter().any(|&t| t)
        };
        let room = taken.len();
        let spot = if free(&right, right.end.min(room)..(right.end + 1).min(room)) {
            right
        } else {
            match left {
                Some(left) if free(&left, left.start.saturating_sub(1)..left.start) => left,
                _ => return,
            }
        };
        let style = self.theme.style(role(mark.kind));
        put(buf, area.x + spot.start as u16, area.y, columns as u16, &mark.label, style);
        taken[spot].fill(true);
    }

    /// Round times and the columns they stand in; about one in `apart` columns.
    fn times(&self, width: usize, apart: usize) -> Vec<(usize, String)> {
        const STEPS: [i64; 18] =
            [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
        let seconds = self.window.len().as_secs_f64();
        if seconds <= 0.0 || width < 8 {
            return Vec::new();
        }
        let wanted = seconds * apart as f64 / width as f64;
        let days = (wanted / 86_400.0).ceil().min(1e9) as i64;
        let step = STEPS.into_iter().find(|&s| s as f64 >= wanted).unwrap_or(86_400 * days.max(1));
        let first = self.window.start.secs().div_euclid(step).saturating_add(1).saturating_mul(step);
        (0..width as i64)
            .map(|i| Ts::from_secs(first.saturating_add(i.saturating_mul(step))))
            .take_while(|t| *t < self.window.end)
            .filter_map(|t| {
                let text = match step {
                    ..60 => t.hms(self.zone),
                    60..86_400 => t.hms(self.zone)[..5].to_owned(),
                    _ => t.date_hms(self.zone).get(5..10).unwrap_or_default().to_owned(),
                };
                Some((self.window.column(t, width)?, text))
            })
            .collect()
    }

    fn underline(&self, area: Rect, buf: &mut Buffer, span: TimeRange, taken: &[bool]) {
        let last = Ts(span.end.0.saturating_sub(1)).max(span.start).min(Ts(self.window.end.0.saturating_sub(1)));
        let from = self.window.column(span.start.max(self.window.start), taken.len());
        if let (Some(from), Some(to)) = (from, self.window.column(last, taken.len())) {
            for c in (from..=to).filter(|&c| !taken[c]) {
                put(buf, area.x + c as u16, area.y, 1, self.glyphs.rule.0, self.theme.style(Role::Request));
            }
        }
    }
}

/// Which mark is seen when several share a column.
fn rank(kind: MarkKind) -> u8 {
    match kind {
        MarkKind::Seam | MarkKind::ProbeRecovered | MarkKind::Change => 0,
        MarkKind::Restart | MarkKind::Milestone | MarkKind::Note => 1,
        MarkKind::User => 2,
        MarkKind::Alert | MarkKind::ProbeFailed => 3,
        MarkKind::Deploy => 4,
    }
}

/// The role a mark is drawn in, on the strip and wherever else it stands.
pub fn role(kind: MarkKind) -> Role {
    match kind {
        MarkKind::Deploy => Role::MarkDeploy,
        MarkKind::Restart | MarkKind::Change => Role::MarkRestart,
        MarkKind::Alert => Role::MarkAlert,
        MarkKind::ProbeFailed => Role::MarkProbe,
        MarkKind::ProbeRecovered | MarkKind::Seam => Role::Dim,
        MarkKind::Note | MarkKind::Milestone => Role::MarkNote,
        MarkKind::User => Role::MarkUser,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::frame::to_text;

    const START: i64 = 1_700_000_040; // 22:14:00 UTC

    fn window(seconds: i64) -> TimeRange {
        TimeRange::new(Ts::from_secs(START), Ts::from_secs(START + seconds))
    }

    fn counts(n: usize, f: impl Fn(usize) -> (u32, u32)) -> Vec<Counts> {
        (0..n)
            .map(|i| {
                let mut c = Counts::default();
                let (info, error) = f(i);
                c.add(Some(Severity::Info), info);
                c.add(Some(Severity::Error), error);
                c
            })
            .collect()
    }

    fn mark(at: i64, kind: MarkKind, label: &str) -> Mark {
        Mark { at: Ts::from_secs(START + at), kind, label: label.into() }
    }

    fn draw(counts: &[Counts], marks: &[Mark], now: i64, size: (u16, u16)) -> Buffer {
        let mut buf = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        let theme = Theme::monochrome();
        Strip {
            counts,
            marks,
            window: window(600),
            now: Ts::from_secs(START + now),
            span: None,
            zone: &TimeZone::UTC,
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
        }
        .draw(buf.area, &mut buf);
        buf
    }

    #[test]
    fn an_outage_is_seen_with_its_deploy_its_times_and_the_playhead() {
        let c = counts(60, |i| if i < 40 { (10, 0) } else { (40, 40) });
        let marks = [
            mark(100, MarkKind::Deploy, "1.4.1"),
            mark(395, MarkKind::Deploy, "1.4.2"),
            mark(430, MarkKind::Alert, ""),
        ];
        let buf = draw(&c, &marks, 600, (60, 2));
        insta::assert_snapshot!(to_text(&buf), @r"
        ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁███████████████████┃
                  ▲1.4.1        22:18     1.4.2▲   !    22:22      ┃
        ");
        assert_ne!(buf[(10, 0)].modifier, buf[(45, 0)].modifier);
    }

    #[test]
    fn silence_is_a_gap_and_a_higher_strip_stacks_errors_at_the_bottom() {
        let c = counts(4, |i| [(8, 8), (0, 0), (2, 0), (0, 16)][i]);
        let buf = draw(&c, &[], 1, (4, 3));
        assert_eq!(to_text(&buf).lines().next(), Some("┃  █"));
        let c = counts(4, |i| [(0, 0), (8, 8), (2, 0), (0, 16)][i]);
        let buf = draw(&c, &[], 1, (4, 3));
        assert_ne!(buf[(1, 0)].modifier, buf[(1, 1)].modifier, "upper half calm, lower half hot");
    }

    #[test]
    fn the_newest_label_wins_where_room_is_short() {
        let marks = [mark(0, MarkKind::Deploy, "1.0"), mark(60, MarkKind::Deploy, "1.1")];
        let buf = draw(&[], &marks, 600, (20, 2));
        assert_eq!(to_text(&buf).lines().nth(1), Some("▲ ▲1.1      22:20  ┃"));
    }

    #[test]
    fn it_draws_in_any_size_and_any_window() {
        let c = counts(50, |i| (i as u32, 1));
        let marks = [mark(0, MarkKind::Deploy, "漢字漢字"), mark(599, MarkKind::Note, "")];
        for (w, h) in [(0, 0), (1, 1), (2, 2), (3, 5), (7, 2), (200, 2), (13, 1)] {
            draw(&c, &marks, 300, (w, h));
        }
        let theme = Theme::monochrome();
        for window in [TimeRange::new(Ts::MIN, Ts::MAX), TimeRange::new(Ts(5), Ts(5)), TimeRange::new(Ts(0), Ts(3))] {
            let mut buf = Buffer::empty(Rect::new(0, 0, 80, 2));
            let zone = TimeZone::UTC;
            let span = Some(window);
            Strip {
                counts: &c,
                marks: &marks,
                window,
                now: Ts(2),
                span,
                zone: &zone,
                theme: &theme,
                glyphs: &Glyphs::ASCII,
            }
            .draw(buf.area, &mut buf);
        }
    }
}
