//! The timeline strip: log volume by severity over time, marks below it, the playhead in both.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ScreenLayout;
use crate::app::state::State;
use crate::signals::logs::episodes::Stage;
use crate::timeline::counts::Counts;
use crate::ui::widgets::strip::Strip;
use crate::ui::{PaneCx, Role, text};

/// Columns kept at the right for the rate.
const RATE: u16 = 18;

/// Draws it.
pub fn draw(state: &State, cx: &PaneCx, area: Rect, buf: &mut Buffer, out: &mut ScreenLayout) {
    let Some(window) = cx.facts.window else { return };
    if area.is_empty() {
        return;
    }
    let rate = if area.width >= 60 { RATE } else { 0 };
    let chart = Rect { x: area.x + 1, width: area.width.saturating_sub(2 + rate), ..area };
    if chart.is_empty() {
        return;
    }
    // Counts are by the second: on a short span one second is several columns wide, not one column and a gap.
    let width = chart.width as usize;
    let parts = width.min((window.len().as_secs() as usize).max(1));
    let pieces = state.shown().logs.columns(window, parts, cx.now);
    let counts: Vec<Counts> = (0..width).map(|i| pieces[i * parts / width]).collect();
    Strip {
        counts: &counts,
        marks: &cx.facts.marks,
        window,
        now: cx.now,
        span: cx.facts.request_span,
        zone: cx.zone,
        theme: cx.theme,
        glyphs: cx.glyphs,
    }
    .draw(chart, buf);
    out.strip = Some((chart, window));
    let logs = &state.shown().logs;
    let counted = logs.counted();
    let uncounted = counted.is_none_or(|c| cx.now < c.start);
    if let Some(counted) = counted.filter(|_| uncounted) {
        // An empty chart would read as silence. On that side of the playhead where there is more room.
        let from = counted.start.hms(cx.zone);
        let column = window.column(cx.now, width).unwrap_or(width) as u16;
        let (x, room) = if column < chart.width / 2 {
            (chart.x + column + 2, chart.width.saturating_sub(column + 2))
        } else {
            (chart.x, column.saturating_sub(1))
        };
        let said = [format!("nothing counted before {from}"), format!("nothing before {from}")];
        let said = said.iter().find(|s| text::width(s) <= usize::from(room)).unwrap_or(&from);
        text::put(buf, x, chart.y, room, said, cx.theme.style(Role::Dim));
    }
    if rate > 0 {
        let f = cx.facts;
        let stage = logs.outage(cx.now).map(|e| e.stage);
        let over = stage == Some(Stage::Calming);
        let volume = counts.iter().all(|c| c.at_least(crate::timeline::Severity::Error) == 0);
        let rising = stage.is_some() && !over;
        let line = if uncounted {
            if logs.sources().next().is_none() { "no logs" } else { "not counted" }.to_owned()
        } else if over {
            format!("{} err/s {}", figure(f.errors_per_sec), cx.glyphs.down)
        } else if volume && f.errors_per_sec == 0.0 {
            // Without errors in sight the chart is of all lines, and says so.
            format!("{} lines/s 0 err", figure(logs.line_rate(cx.now)))
        } else if rising {
            format!("{} err/s {} {}", figure(f.errors_per_sec), cx.glyphs.up, figure(f.errors_baseline))
        } else {
            format!("{} err/s", figure(f.errors_per_sec))
        };
        let role = if rising { Role::Bad } else { Role::Dim };
        let width = text::width(&line) as u16;
        text::put(buf, area.right().saturating_sub(width + 1), area.y, width, &line, cx.theme.style(role));
    }
}

fn figure(n: f64) -> String {
    if n == 0.0 {
        "0".into()
    } else if n < 10.0 {
        format!("{n:.1}")
    } else {
        format!("{n:.0}")
    }
}
