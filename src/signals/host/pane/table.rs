//! The process table: one list by CPU; zoomed, a second one by memory beside it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::amount::bytes;
use super::rows::{Row, Rows};
use crate::timeline::time::short;
use crate::ui::text::put;
use crate::ui::{PaneCx, PaneFrame, Role, RowSpot};

/// From this width the owner is shown, and from this one the unit.
const USER: u16 = 56;
const UNIT: u16 = 76;
/// From this width the two lists stand side by side.
const BESIDE: u16 = 90;

/// Draws header and rows; puts where rows landed into `frame`.
pub(super) fn draw(rows: &Rows, cx: &PaneCx, area: Rect, buf: &mut Buffer, frame: &mut PaneFrame) {
    if area.height < 2 || rows.len() == 0 {
        return;
    }
    if cx.zoomed && area.width >= BESIDE {
        let half = area.width.div_ceil(2);
        let left = Rect { width: half - 1, ..area };
        let right = Rect { x: area.x + half, width: area.width - half, ..area };
        list(rows, &rows.by_cpu, 0, "by CPU", cx, left, buf, frame);
        list(rows, &rows.by_memory, rows.by_cpu.len(), "by memory", cx, right, buf, frame);
    } else {
        // Narrow and zoomed: the second list comes below the first as the cursor moves on.
        let first = rows.by_cpu.len();
        if cx.row(rows.len()).is_none_or(|row| row < first) || rows.by_memory.is_empty() {
            list(rows, &rows.by_cpu, 0, "by CPU", cx, area, buf, frame);
        } else {
            list(rows, &rows.by_memory, first, "by memory", cx, area, buf, frame);
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn list(
    rows: &Rows,
    shown: &[Row],
    offset: usize,
    by: &str,
    cx: &PaneCx,
    area: Rect,
    buf: &mut Buffer,
    frame: &mut PaneFrame,
) {
    let dim = cx.theme.style(Role::Dim);
    let t = &rows.table;
    let mut head = format!("{:>8} {:>5} {:>5} ", "PID", "%CORE", "MEM");
    if area.width >= USER {
        head.push_str(&format!("{:<9}", "USER"));
    }
    if area.width >= UNIT {
        head.push_str(&format!("{:<22}", "UNIT"));
    }
    head.push_str("COMMAND");
    // "%CORE": percent of one core; a process on two cores has 200.
    let mut note = format!("  {by}; {} processes", t.total);
    if t.uninterruptible > 0 {
        note.push_str(&format!(", {} in D", t.uninterruptible));
    }
    if t.zombies > 0 {
        note.push_str(&format!(", {} zombies", t.zombies));
    }
    if rows.stale {
        note.push_str(&format!(", {} old", short(cx.now.since(rows.at))));
    }
    head.push_str(&note);
    put(buf, area.x, area.y, area.width, &head, dim);
    let room = (area.height - 1) as usize;
    let cursor = cx.cursor.checked_sub(offset).filter(|&c| c < shown.len());
    // Keeps the cursor in sight without moving more than needed.
    let top = cursor.map_or(0, |c| (c + 1).saturating_sub(room));
    for (line, (i, row)) in shown.iter().enumerate().skip(top).take(room).enumerate() {
        let y = area.y + 1 + line as u16;
        let spot = Rect { y, height: 1, ..area };
        let selected = cx.focused && cursor == Some(i);
        let base = if rows.stale { dim } else { cx.theme.style(Role::Text) };
        let style = if selected { cx.theme.style(Role::Cursor) } else { base };
        if selected {
            buf.set_style(spot, style);
        }
        draw_row(rows, *row, spot, style, cx, buf);
        if selected {
            put(buf, spot.x, spot.y, spot.width.min(1), cx.glyphs.cursor, style);
        }
        frame.rows.push(RowSpot { area: spot, index: offset + i });
    }
}

fn draw_row(rows: &Rows, row: Row, area: Rect, style: Style, cx: &PaneCx, buf: &mut Buffer) {
    let mut x = area.x;
    let right = area.x + area.width;
    let mut cell = |text: &str, columns: u16, style: Style| {
        if x < right {
            put(buf, x, area.y, columns.min(right - x), text, style);
        }
        x = x.saturating_add(columns + 1);
    };
    match row {
        Row::Unit(i) => {
            let Some(u) = rows.table.units.get(i) else { return };
            cell("", 8, style);
            cell(&format!("{:>5}", cpu(Some(u.cpu_pct_of_one_core))), 5, style);
            cell(&format!("{:>5}", bytes(u.rss_bytes)), 5, style);
            let name = format!("{}  {} processes", u.unit, u.processes);
            cell(&name, area.width.saturating_sub(20).max(1), style.patch(cx.theme.style(Role::Title)));
        }
        Row::Process(i, below) => {
            let Some(p) = rows.table.rows.get(i) else { return };
            cell(&format!("{:>8}", p.pid), 8, style);
            cell(&format!("{:>5}", cpu(p.cpu_pct_of_one_core)), 5, style);
            cell(&format!("{:>5}", bytes(p.rss_bytes)), 5, style);
            if area.width >= USER {
                cell(&p.user, 8, style);
            }
            if area.width >= UNIT {
                cell(p.unit.as_deref().unwrap_or(""), 21, style);
            }
            // What state a process is in matters when it is stuck or dead.
            let odd = match p.state {
                'D' => "D ",
                'Z' => "Z ",
                'T' => "T ",
                _ => "",
            };
            let indent = if below { "  " } else { "" };
            cell(&format!("{indent}{odd}{}", p.command), area.width, style);
        }
    }
}

fn cpu(c: Option<f32>) -> String {
    match c {
        Some(c) if c >= 99.95 => format!("{c:.0}"),
        Some(c) => format!("{c:.1}"),
        None => String::new(),
    }
}
