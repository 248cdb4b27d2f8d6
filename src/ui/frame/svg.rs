//! A screen as an SVG picture on an exact cell grid.
//!
//! Text is set run by run with its length fixed, so that the grid holds in any font; blocks and lines are drawn as
//! rectangles, so that charts have no seams.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::{ANSI, each};
use crate::ui::theme::indexed_rgb;

/// Width and height of a cell in pixels: DejaVu Sans Mono at 15 px.
const CELL: (f64, f64) = (9.03, 17.0);
const BASELINE: f64 = 13.2;

/// What a terminal would use for its own colours.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Default text, 0xRRGGBB.
    pub fg: u32,
    /// Default background, 0xRRGGBB.
    pub bg: u32,
    /// The sixteen ANSI colours, 0xRRGGBB.
    pub ansi: [u32; 16],
}

impl Palette {
    /// A dark terminal.
    pub const DARK: Palette = Palette {
        fg: 0xd0d4dc,
        bg: 0x14171d,
        ansi: [
            0x14171d, 0xb4323c, 0x6f9f5a, 0xd8a657, 0x5b86c4, 0xa779b8, 0x5fb0ad, 0xd0d4dc, //
            0x6a7180, 0xf2666b, 0x93c47d, 0xf0c674, 0x82aaf0, 0xc79bf0, 0x86d5d2, 0xf6f8fb,
        ],
    };

    /// A light terminal.
    pub const LIGHT: Palette = Palette {
        fg: 0x2b2f36,
        bg: 0xfbfaf7,
        ansi: [
            0x1d2026, 0xb3261e, 0x3d7a35, 0x9a6200, 0x2457a6, 0x7b3f8c, 0x1f6f78, 0xeceae4, //
            0x7d828c, 0xc9382f, 0x4f9145, 0xb57800, 0x3a6fc4, 0x9455a6, 0x2b8792, 0xfbfaf7,
        ],
    };

    fn rgb(&self, color: Color, default: u32) -> u32 {
        match color {
            Color::Reset => default,
            Color::Rgb(r, g, b) => join((r, g, b)),
            Color::Indexed(i) if i < 16 => self.ansi[usize::from(i)],
            Color::Indexed(i) => join(indexed_rgb(i)),
            named => ANSI.iter().position(|c| *c == named).map_or(default, |i| self.ansi[i]),
        }
    }
}

fn join((r, g, b): (u8, u8, u8)) -> u32 {
    u32::from(r) << 16 | u32::from(g) << 8 | u32::from(b)
}

/// How a cell looks once defaults, reverse and dim are worked out.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Look {
    fg: u32,
    bg: u32,
    bold: bool,
    italic: bool,
    underline: bool,
}

fn look(cell: &Cell, palette: &Palette) -> Look {
    let (mut fg, mut bg) = (palette.rgb(cell.fg, palette.fg), palette.rgb(cell.bg, palette.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if cell.modifier.contains(Modifier::DIM) {
        let mix = |shift: u32| ((((fg >> shift) & 0xff) * 11 + ((bg >> shift) & 0xff) * 9) / 20) << shift;
        fg = mix(16) | mix(8) | mix(0);
    }
    Look {
        fg,
        bg,
        bold: cell.modifier.contains(Modifier::BOLD),
        italic: cell.modifier.contains(Modifier::ITALIC),
        underline: cell.modifier.contains(Modifier::UNDERLINED),
    }
}

/// The screen as an SVG document.
pub fn to_svg(buf: &Buffer, palette: Palette) -> String {
    let (w, h) = (f64::from(buf.area.width) * CELL.0, f64::from(buf.area.height) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
         font-family=\"'DejaVu Sans Mono',monospace\" font-size=\"15\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#{2:06x}\"/>\n",
        px(w),
        px(h),
        palette.bg
    );
    for row in 0..buf.area.height {
        let mut cells = Vec::new();
        each(buf, buf.area.top() + row, |x, width, cell| {
            cells.push((x - buf.area.left(), width, cell.symbol(), look(cell, &palette)));
        });
        let top = f64::from(row) * CELL.1;
        grounds(&mut out, &cells, top, &palette);
        let mut run: Option<Run> = None;
        for &(x, width, symbol, look) in &cells {
            let is_shape = shape(&mut out, symbol, f64::from(x) * CELL.0, top, look.fg);
            let is_blank = symbol.trim().is_empty() && !look.underline;
            let goes_on =
                run.as_ref().is_some_and(|r| r.look == look && r.x + r.columns == x && r.single && width == 1);
            if (!goes_on || is_shape)
                && let Some(r) = run.take()
            {
                r.write(&mut out, top);
            }
            match &mut run {
                _ if is_shape => {}
                Some(r) => {
                    r.text.push_str(symbol);
                    r.columns += width;
                }
                None if is_blank => {}
                None => run = Some(Run { x, columns: width, single: width == 1, look, text: symbol.to_owned() }),
            }
        }
        if let Some(r) = run {
            r.write(&mut out, top);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn grounds(out: &mut String, cells: &[(u16, u16, &str, Look)], top: f64, palette: &Palette) {
    for run in cells.chunk_by(|a, b| a.3.bg == b.3.bg) {
        let (bg, first) = (run[0].3.bg, run[0].0);
        if bg != palette.bg {
            let columns: u16 = run.iter().map(|c| c.1).sum();
            rect(out, f64::from(first) * CELL.0, top, f64::from(columns) * CELL.0, CELL.1, bg);
        }
    }
}

/// Characters of one look in a row.
struct Run {
    x: u16,
    columns: u16,
    single: bool,
    look: Look,
    text: String,
}

impl Run {
    fn write(self, out: &mut String, top: f64) {
        let text = self.text.trim_end_matches(' ');
        let cut = (self.text.len() - text.len()) as u16;
        let (text, columns) =
            if self.look.underline { (self.text.as_str(), self.columns) } else { (text, self.columns - cut) };
        if text.is_empty() {
            return;
        }
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" fill=\"#{:06x}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"",
            px(f64::from(self.x) * CELL.0),
            px(top + BASELINE),
            self.look.fg,
            px(f64::from(columns) * CELL.0)
        );
        for (on, attribute) in [
            (self.look.bold, " font-weight=\"bold\""),
            (self.look.italic, " font-style=\"italic\""),
            (self.look.underline, " text-decoration=\"underline\""),
        ] {
            if on {
                out.push_str(attribute);
            }
        }
        out.push('>');
        for c in text.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                // Not allowed in XML; nothing cleaned holds them.
                '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
        out.push_str("</text>\n");
    }
}

/// Draws a block or a line as rectangles; whether it did.
fn shape(out: &mut String, symbol: &str, x: f64, y: f64, fg: u32) -> bool {
    let (w, h) = CELL;
    let (cx, cy) = (x + w / 2.0, y + h / 2.0);
    let mut chars = symbol.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return false };
    let lines = |out: &mut String, up: bool, down: bool, left: bool, right: bool, thick: f64| {
        let t = thick / 2.0;
        if up || down {
            let (from, to) = (if up { y } else { cy - t }, if down { y + h } else { cy + t });
            rect(out, cx - t, from, thick, to - from, fg);
        }
        if left || right {
            let (from, to) = (if left { x } else { cx - t }, if right { x + w } else { cx + t });
            rect(out, from, cy - t, to - from, thick, fg);
        }
    };
    match c {
        '\u{2581}'..='\u{2588}' => {
            let part = h * f64::from(c as u32 - 0x2580) / 8.0;
            rect(out, x, y + h - part, w, part, fg);
        }
        '▌' => rect(out, x, y, w / 2.0, h, fg),
        '─' => lines(out, false, false, true, true, 1.0),
        '│' => lines(out, true, true, false, false, 1.0),
        '┃' => lines(out, true, true, false, false, 2.4),
        '┬' => lines(out, false, true, true, true, 1.0),
        '┴' => lines(out, true, false, true, true, 1.0),
        '├' => lines(out, true, true, false, true, 1.0),
        '┤' => lines(out, true, true, true, false, 1.0),
        '┼' => lines(out, true, true, true, true, 1.0),
        '┌' => lines(out, false, true, false, true, 1.0),
        '┐' => lines(out, false, true, true, false, 1.0),
        '└' => lines(out, true, false, false, true, 1.0),
        '┘' => lines(out, true, false, true, false, 1.0),
        _ => return false,
    }
    true
}

fn rect(out: &mut String, x: f64, y: f64, w: f64, h: f64, fill: u32) {
    let _ = writeln!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#{fill:06x}\" shape-rendering=\"crispEdges\"/>",
        px(x),
        px(y),
        px(w),
        px(h)
    );
}

/// Pixels with at most two decimals.
fn px(v: f64) -> f64 {
    (v * 100.0).round() / 100.0
}
