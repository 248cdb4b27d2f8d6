//! The row above the filter line: where a mistake is and what to write, else what the word could become.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::overlays::filter_line::FilterLine;
use crate::ui::{PaneCx, Role, text};

/// Draws into the one row `area`; `start` is the column of the line's first character.
pub fn draw(cx: &PaneCx, f: &FilterLine, area: Rect, start: i32, buf: &mut Buffer) {
    let nothing = f.error.is_none() && f.completion.items.is_empty();
    if nothing || area.is_empty() || area.y == 0 {
        return;
    }
    let style = cx.theme.style(Role::Overlay);
    for x in area.left()..area.right() {
        buf[(x, area.y)].reset();
        buf[(x, area.y)].set_style(style);
    }
    // A word that can still become something is no mistake yet.
    match &f.error {
        Some(error) if f.completion.items.is_empty() => {
            let column = start + error.column as i32 - 1;
            let caret = column.clamp(0, i32::from(area.width) - 1) as u16;
            let bad = cx.theme.style(Role::Bad).patch(style);
            text::put(buf, area.x + caret, area.y, 1, "v", bad);
            let message = error.message.as_str();
            let width = text::width(message) as u16;
            // Right of its caret where there is room, else left of it, else cut.
            let right = area.width.saturating_sub(caret + 2);
            if width <= right || right >= caret.saturating_sub(1) {
                text::put(buf, area.x + caret + 2, area.y, right, message, bad);
            } else {
                let width = width.min(caret - 1);
                text::put(buf, area.x + caret - 1 - width, area.y, width, message, bad);
            }
        }
        _ => {
            let mut x = area.x + 1;
            for (i, item) in f.completion.items.iter().enumerate() {
                let chosen = f.completion.at == Some(i);
                let role = if chosen { Role::Cursor } else { Role::Text };
                let room = area.right().saturating_sub(x);
                let note = text::width(&item.note).min(24) as u16;
                if room < text::width(&item.text).min(30) as u16 {
                    break;
                }
                x += text::put(buf, x, area.y, room, &item.text, cx.theme.style(role).patch(style)) + 1;
                let room = area.right().saturating_sub(x).min(note);
                x += text::put(buf, x, area.y, room, &item.note, cx.theme.style(Role::Dim).patch(style));
                x += if note > 0 { 2 } else { 1 };
            }
        }
    }
}
