//! Every glyph on the screen, with its ASCII fallback.

use crate::timeline::facts::MarkKind;

/// A set of glyphs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Eight heights of a chart column, lowest first.
    pub spark: [&'static str; 8],
    /// A column of a chart for which there is no value.
    pub gap: &'static str,
    /// A full bar cell, and an empty one.
    pub bar: (&'static str, &'static str),
    /// Horizontal rule, vertical rule.
    pub rule: (&'static str, &'static str),
    /// Junctions: down, up, right (├), left (┤), cross.
    pub joint: [&'static str; 5],
    /// The playhead on the strip.
    pub playhead: &'static str,
    /// Left edge of the row under the cursor.
    pub cursor: &'static str,
    /// Text was cut here.
    pub ellipsis: &'static str,
    /// Folded lines follow; they are shown.
    pub fold: (&'static str, &'static str),
    /// Good, bad, rising, falling.
    pub ok: &'static str,
    /// A failed probe.
    pub fail: &'static str,
    /// A figure went up.
    pub up: &'static str,
    /// A figure went down.
    pub down: &'static str,
    marks: [&'static str; 10],
}

impl Glyphs {
    /// For terminals that show Unicode.
    pub const UNICODE: Glyphs = Glyphs {
        spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        gap: "·",
        bar: ("█", "░"),
        rule: ("─", "│"),
        joint: ["┬", "┴", "├", "┤", "┼"],
        playhead: "┃",
        cursor: "▌",
        ellipsis: "…",
        fold: ("▸", "▾"),
        ok: "✓",
        fail: "✕",
        up: "↑",
        down: "↓",
        marks: ["▲", "↻", "△", "!", "✕", "✓", "◆", "◇", "●", "┊"],
    };

    /// For the rest, and for `--ascii`.
    pub const ASCII: Glyphs = Glyphs {
        spark: [".", ".", ":", ":", "+", "+", "#", "#"],
        gap: " ",
        bar: ("#", "."),
        rule: ("-", "|"),
        joint: ["+", "+", "+", "+", "+"],
        playhead: "|",
        cursor: ">",
        ellipsis: "~",
        fold: (">", "v"),
        ok: "ok",
        fail: "x",
        up: "^",
        down: "v",
        marks: ["^", "r", "c", "!", "x", "o", "*", "+", "@", ":"],
    };

    /// The glyph of a mark; the same everywhere.
    pub fn mark(&self, kind: MarkKind) -> &'static str {
        self.marks[kind as usize]
    }
}
