//! The only way foreign text reaches the screen: cleaned, cut to a width, measured in columns.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Text with every control character, escape and bidirectional override made visible (`\x1b`, `\u{202e}`).
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c.is_control()) {
        Cow::Owned(text.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Width in columns.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Writes cleaned `text` at (`x`, `y`), at most `max` columns, cut with an ellipsis; returns the columns used.
/// Draws nothing outside the buffer.
pub fn put(buf: &mut Buffer, x: u16, y: u16, max: u16, text: &str, style: Style) -> u16 {
    let area = buf.area;
    if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
        return 0;
    }
    let max = max.min(area.right() - x);
    let (end, _) = buf.set_stringn(x, y, clean(text), max as usize, style);
    end - x
}
