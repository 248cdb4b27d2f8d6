//! A column chart one row high.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::text::put;
use crate::ui::{Glyphs, Role, Theme};

/// A column chart one row high: one value a column, the newest at the right edge.
#[derive(Clone, Copy)]
pub struct Spark<'a> {
    /// One value a column, oldest first; `None` is a gap and drawn as one.
    pub values: &'a [Option<f64>],
    /// The value that fills a column. Without one the largest value does, and the chart shows shape, not size.
    pub max: Option<f64>,
    /// From this value on a column is drawn in `Role::ChartHot`.
    pub hot: Option<f64>,
    /// Colours.
    pub theme: &'a Theme,
    /// Heights.
    pub glyphs: &'a Glyphs,
}

impl Spark<'_> {
    /// Draws into the first row of `area`. With more values than columns the oldest are left out; with fewer the left
    /// side stays as it is.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let values = &self.values[self.values.len().saturating_sub(width)..];
        let max =
            self.max.unwrap_or_else(|| values.iter().flatten().copied().filter(|v| v.is_finite()).fold(0.0, f64::max));
        let first = area.x + (width - values.len()) as u16;
        for (x, value) in (first..).zip(values) {
            let (glyph, role) = match value.filter(|v| !v.is_nan()) {
                None => (self.glyphs.gap, Role::Gap),
                Some(v) => {
                    let hot = self.hot.is_some_and(|h| v >= h);
                    (self.glyphs.spark[height(v, max, 8) - 1], if hot { Role::ChartHot } else { Role::Chart })
                }
            };
            put(buf, x, area.y, 1, glyph, self.theme.style(role));
        }
    }
}

/// Steps from 1 to `steps` for a value between 0 and `max`; more than zero is never lower than the first step, less
/// than everything never higher than the last but one.
pub(super) fn height(value: f64, max: f64, steps: usize) -> usize {
    if max <= 0.0 || value <= 0.0 || !max.is_finite() {
        return 1;
    }
    if value >= max {
        return steps;
    }
    // Casting saturates, and the value lies between 0 and 1.
    ((value / max * steps as f64).ceil() as usize).clamp(1, (steps - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::frame::to_text;

    fn draw(values: &[Option<f64>], max: Option<f64>, hot: Option<f64>, width: u16) -> Buffer {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, 1));
        let theme = Theme::monochrome();
        Spark { values, max, hot, theme: &theme, glyphs: &Glyphs::UNICODE }.draw(buf.area, &mut buf);
        buf
    }

    #[test]
    fn heights_follow_the_given_maximum_and_gaps_stay_visible() {
        let v = [Some(0.0), Some(50.0), None, Some(100.0), Some(f64::NAN), Some(1e300)];
        assert_eq!(to_text(&draw(&v, Some(100.0), None, 6)), "▁▄·█·█");
    }

    #[test]
    fn without_a_maximum_the_largest_value_fills_the_row() {
        assert_eq!(to_text(&draw(&[Some(1.0), Some(2.0)], None, None, 4)), "  ▄█");
        assert_eq!(to_text(&draw(&[Some(0.0), Some(0.0)], None, None, 2)), "▁▁");
    }

    #[test]
    fn the_newest_values_stay_when_there_is_no_room_and_hot_ones_stand_out() {
        let buf = draw(&[Some(9.0), Some(1.0), Some(8.0)], Some(9.0), Some(8.0), 2);
        assert_eq!(to_text(&buf), "▁▇");
        assert_ne!(buf[(0, 0)].modifier, buf[(1, 0)].modifier);
        draw(&[Some(1.0)], None, None, 0);
    }
}
