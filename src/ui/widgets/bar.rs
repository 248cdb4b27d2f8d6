//! How much of something is used, as a bar: `used ████░░ 20/20`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::text::{put, width};
use crate::ui::{Glyphs, Role, Theme};

/// A label, a bar and its numbers in one row.
#[derive(Clone, Copy)]
pub struct Bar<'a> {
    /// What is measured; drawn dim. May be empty.
    pub label: &'a str,
    /// How much is used, from 0 to `total`; more is drawn as full.
    pub used: f64,
    /// How much there is; with none the bar is empty.
    pub total: f64,
    /// The numbers with their unit, at the right.
    pub numbers: &'a str,
    /// Role of bar and numbers: `Role::Chart` when calm, `Role::Warn` or `Role::Bad` when not.
    pub role: Role,
    /// Colours.
    pub theme: &'a Theme,
    /// Cells.
    pub glyphs: &'a Glyphs,
}

impl Bar<'_> {
    /// Draws into the first row of `area`. Where room is short the bar goes first, then the label; the numbers stay.
    /// Returns the columns used.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> u16 {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return 0;
        }
        let (label, numbers) = (columns(self.label), columns(self.numbers));
        let style = self.theme.style(self.role);
        let mut x = area.x;
        let end = area.right();
        if label > 0 && label + 1 + numbers <= area.width {
            x += put(buf, x, area.y, label, self.label, self.theme.style(Role::Dim)) + 1;
        }
        let cells = (end - x).saturating_sub(numbers + u16::from(numbers > 0));
        if cells >= 2 {
            let full = self.full(cells);
            for i in 0..cells {
                let (glyph, style) = if i < full {
                    (self.glyphs.bar.0, style)
                } else {
                    (self.glyphs.bar.1, self.theme.style(Role::Dim))
                };
                put(buf, x + i, area.y, 1, glyph, style);
            }
            x += cells + u16::from(numbers > 0);
        }
        x += put(buf, x, area.y, end.saturating_sub(x), self.numbers, style);
        x - area.x
    }

    fn full(&self, cells: u16) -> u16 {
        let share = if self.total > 0.0 { (self.used / self.total).clamp(0.0, 1.0) } else { 0.0 };
        let full = (share * f64::from(cells)).round() as u16;
        // Something is never shown as nothing, nearly full never as full.
        match share {
            s if s > 0.0 && full == 0 => 1,
            s if s < 1.0 && full == cells => cells - 1,
            _ => full,
        }
    }
}

fn columns(text: &str) -> u16 {
    u16::try_from(width(text)).unwrap_or(u16::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::frame::to_text;

    fn draw(used: f64, total: f64, width: u16) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, 1));
        let theme = Theme::monochrome();
        let numbers = format!("{used}/{total}");
        Bar {
            label: "used",
            used,
            total,
            numbers: &numbers,
            role: Role::Chart,
            theme: &theme,
            glyphs: &Glyphs::UNICODE,
        }
        .draw(buf.area, &mut buf);
        to_text(&buf)
    }

    #[test]
    fn the_bar_takes_what_label_and_numbers_leave() {
        assert_eq!(draw(20.0, 20.0, 16), "used █████ 20/20");
        assert_eq!(draw(10.0, 20.0, 16), "used ███░░ 10/20");
    }

    #[test]
    fn nearly_full_is_not_full_and_a_little_is_not_nothing() {
        assert_eq!(draw(19.9, 20.0, 17), "used ███░ 19.9/20");
        assert_eq!(draw(0.1, 20.0, 16), "used █░░░ 0.1/20");
        assert_eq!(draw(f64::NAN, 20.0, 16), "used ░░░░ NaN/20");
    }

    #[test]
    fn in_a_narrow_place_the_numbers_stay() {
        assert_eq!(draw(20.0, 20.0, 10), "used 20/20");
        assert_eq!(draw(20.0, 20.0, 5), "20/20");
        assert_eq!(draw(20.0, 20.0, 3), "20…");
        assert_eq!(draw(20.0, 20.0, 0), "");
    }
}
