//! A drawn screen as something to keep: text, text with colours, an SVG picture.
//!
//! Used by `warroom screen`, by tests and for screenshots; the terminal itself is drawn by ratatui.

mod svg;

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

pub use svg::{Palette, to_svg};

use super::theme::ANSI;

/// The rows as text, without trailing blanks, joined by line feeds.
pub fn to_text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        if y > buf.area.top() {
            out.push('\n');
        }
        let start = out.len();
        each(buf, y, |_, _, cell| out.push_str(cell.symbol()));
        out.truncate(start + out[start..].trim_end_matches(' ').len());
    }
    out
}

/// The rows with colours and modifiers as SGR sequences, each row ended by a reset and a line feed. Holds no other
/// escape sequence.
pub fn to_ansi(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let mut now = String::new();
        let mut blanks = 0;
        each(buf, y, |_, _, cell| {
            let sgr = sgr(cell);
            if sgr.is_empty() && cell.symbol() == " " {
                blanks += 1;
                return;
            }
            if blanks > 0 {
                if !now.is_empty() {
                    out.push_str("\x1b[0m");
                    now.clear();
                }
                out.extend(std::iter::repeat_n(' ', blanks));
                blanks = 0;
            }
            if sgr != now {
                let _ = write!(out, "\x1b[0{sgr}m");
                now = sgr;
            }
            out.push_str(cell.symbol());
        });
        if !now.is_empty() {
            out.push_str("\x1b[0m");
        }
        out.push('\n');
    }
    out
}

/// Replaces whatever is not ASCII, for terminals that show nothing else: the ellipsis by `~`, a middle dot by `.`,
/// other characters by `?`. No column moves.
pub fn to_ascii(buf: &mut Buffer) {
    for cell in &mut buf.content {
        if !cell.symbol().is_ascii() {
            let plain = match cell.symbol() {
                "…" => "~",
                "·" | "•" => ".",
                "µ" => "u",
                "≥" => ">",
                "≤" => "<",
                "×" => "x",
                "−" | "–" | "—" => "-",
                "’" | "‘" => "'",
                "“" | "”" => "\"",
                _ => "?",
            };
            // The cells behind a wide character are blanks of their own.
            cell.set_symbol(plain);
        }
    }
}

/// Calls `f` with the column, the width and the cell of everything drawn in row `y`; cells hidden behind a wide
/// character are left out.
fn each<'a>(buf: &'a Buffer, y: u16, mut f: impl FnMut(u16, u16, &'a Cell)) {
    let mut x = buf.area.left();
    while x < buf.area.right() {
        let cell = &buf[(x, y)];
        let width = (cell.symbol().width().max(1) as u16).min(buf.area.right() - x);
        f(x, width, cell);
        x += width;
    }
}

const MODIFIERS: [(Modifier, &str); 6] = [
    (Modifier::BOLD, ";1"),
    (Modifier::DIM, ";2"),
    (Modifier::ITALIC, ";3"),
    (Modifier::UNDERLINED, ";4"),
    (Modifier::REVERSED, ";7"),
    (Modifier::CROSSED_OUT, ";9"),
];

/// The parameters of a cell's style, each with a leading semicolon; empty for the default.
fn sgr(cell: &Cell) -> String {
    let mut out = String::new();
    for (modifier, code) in MODIFIERS {
        if cell.modifier.contains(modifier) {
            out.push_str(code);
        }
    }
    for (color, base) in [(cell.fg, 30), (cell.bg, 40)] {
        // Writing to a String cannot fail.
        let _ = match color {
            Color::Reset => Ok(()),
            Color::Rgb(r, g, b) => write!(out, ";{};2;{r};{g};{b}", base + 8),
            Color::Indexed(i) => write!(out, ";{};5;{i}", base + 8),
            named => match ANSI.iter().position(|c| *c == named) {
                Some(i) if i < 8 => write!(out, ";{}", base + i),
                Some(i) => write!(out, ";{}", base + 60 + i - 8),
                None => Ok(()),
            },
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;
    use crate::ui::text::put;

    fn sample() -> Buffer {
        let mut buf = Buffer::empty(Rect::new(0, 0, 20, 3));
        put(&mut buf, 0, 0, 20, "漢字 <ok> & \"so\"", Style::new());
        put(&mut buf, 0, 1, 20, "bad", Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD));
        put(&mut buf, 4, 1, 20, "sel", Style::new().bg(Color::Indexed(238)));
        put(&mut buf, 3, 2, 20, "▂█│", Style::new().fg(Color::Rgb(1, 2, 3)));
        buf
    }

    #[test]
    fn text_is_what_is_seen_without_trailing_blanks() {
        assert_eq!(to_text(&sample()), "漢字 <ok> & \"so\"\nbad sel\n   ▂█│");
        assert_eq!(to_text(&Buffer::empty(Rect::new(0, 0, 0, 0))), "");
    }

    #[test]
    fn ansi_carries_colours_and_nothing_else() {
        assert_eq!(
            to_ansi(&sample()),
            "漢字 <ok> & \"so\"\n\x1b[0;1;91mbad\x1b[0m \x1b[0;48;5;238msel\x1b[0m\n   \x1b[0;38;2;1;2;3m▂█│\x1b[0m\n"
        );
    }

    #[test]
    fn ascii_leaves_no_other_character_and_no_column_moves() {
        let mut buf = sample();
        to_ascii(&mut buf);
        assert!(buf.content.iter().all(|c| c.symbol().is_ascii() && c.symbol().len() == 1));
        assert_eq!(to_text(&buf).lines().next(), Some("? ?  <ok> & \"so\""));
    }

    #[test]
    fn svg_is_well_formed_and_escapes_what_it_shows() {
        let svg = to_svg(&sample(), Palette::DARK);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("&lt;ok&gt;") && svg.contains("&amp;") && !svg.contains("<ok>"));
        assert!(svg.contains("width=\"180.6\" height=\"51\""), "{svg}");
        assert!(svg.contains("font-weight=\"bold\""));
        assert!(svg.contains("#444444"), "indexed colours become RGB");
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }
}
