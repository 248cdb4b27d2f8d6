//! How many colours a terminal shows, and the nearest colour where it shows fewer.

use ratatui::style::{Color, Style};

/// How many colours a terminal shows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorDepth {
    /// None: bold, underline and reverse only.
    None,
    /// The sixteen ANSI colours.
    Ansi16,
    /// 256 indexed colours.
    Indexed256,
    /// 24 bits.
    True,
}

impl ColorDepth {
    /// From the environment: `NO_COLOR` (set and not empty), `TERM` and `COLORTERM`. Asks the terminal nothing.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> ColorDepth {
        let term = env("TERM").unwrap_or_default().to_ascii_lowercase();
        if env("NO_COLOR").is_some_and(|v| !v.is_empty()) || term == "dumb" || term.starts_with("vt1") {
            return ColorDepth::None;
        }
        let colorterm = env("COLORTERM").unwrap_or_default().to_ascii_lowercase();
        let is_true = ["truecolor", "24bit"].iter().any(|w| colorterm.contains(w));
        if is_true
            || ["direct", "truecolor", "kitty", "alacritty", "ghostty", "wezterm"].iter().any(|w| term.contains(w))
        {
            // GNU screen claims nothing and passes nothing through, whatever the terminal around it says.
            return if term.starts_with("screen") && env("TMUX").is_none() {
                ColorDepth::Indexed256
            } else {
                ColorDepth::True
            };
        }
        match term.as_str() {
            t if t.contains("256") => ColorDepth::Indexed256,
            "linux" | "ansi" | "xterm" | "screen" | "cygwin" | "rxvt" | "" => ColorDepth::Ansi16,
            t if t.starts_with("tmux") || t.starts_with("foot") || t.starts_with("xterm") => ColorDepth::Indexed256,
            _ => ColorDepth::Ansi16,
        }
    }

    /// The nearest style that can be shown.
    pub fn style(self, mut style: Style) -> Style {
        style.fg = style.fg.map(|c| self.color(c));
        style.bg = style.bg.map(|c| self.color(c));
        style.underline_color = style.underline_color.map(|c| self.color(c));
        style
    }

    fn color(self, color: Color) -> Color {
        match (self, color) {
            (ColorDepth::True, c) => c,
            (ColorDepth::None, _) => Color::Reset,
            (ColorDepth::Indexed256, Color::Rgb(r, g, b)) => Color::Indexed(nearest_indexed((r, g, b))),
            (ColorDepth::Indexed256, c) => c,
            (ColorDepth::Ansi16, Color::Rgb(r, g, b)) => ANSI[nearest_ansi((r, g, b))],
            (ColorDepth::Ansi16, Color::Indexed(i)) if i < 16 => ANSI[usize::from(i)],
            (ColorDepth::Ansi16, Color::Indexed(i)) => ANSI[nearest_ansi(indexed_rgb(i))],
            (ColorDepth::Ansi16, c) => c,
        }
    }
}

/// The sixteen ANSI colours by their number.
pub(crate) const ANSI: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// What a terminal shows for them, by xterm's values.
const ANSI_RGB: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Red, green and blue of an index above 15 (a 6×6×6 cube and 24 greys), or of an ANSI colour.
pub(crate) fn indexed_rgb(i: u8) -> (u8, u8, u8) {
    match i {
        0..=15 => ANSI_RGB[usize::from(i)],
        16..=231 => {
            let i = usize::from(i - 16);
            (STEPS[i / 36], STEPS[i / 6 % 6], STEPS[i % 6])
        }
        _ => {
            let v = 8 + 10 * (i - 232);
            (v, v, v)
        }
    }
}

/// Squared distance, weighted by how well the eye tells the channels apart.
fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> i32 {
    let d = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
    2 * d(a.0, b.0) + 4 * d(a.1, b.1) + 3 * d(a.2, b.2)
}

fn nearest_indexed(rgb: (u8, u8, u8)) -> u8 {
    (16..=255u8).min_by_key(|&i| distance(rgb, indexed_rgb(i))).unwrap_or(15)
}

fn nearest_ansi(rgb: (u8, u8, u8)) -> usize {
    (0..16).min_by_key(|&i| distance(rgb, ANSI_RGB[i])).unwrap_or(15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_without_asking_the_terminal() {
        let depth = |vars: &[(&str, &str)]| {
            ColorDepth::detect(|k| vars.iter().find(|(n, _)| *n == k).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), ColorDepth::True);
        assert_eq!(
            depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1"), ("COLORTERM", "truecolor")]),
            ColorDepth::None
        );
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), ColorDepth::Indexed256);
        assert_eq!(depth(&[("TERM", "dumb")]), ColorDepth::None);
        assert_eq!(depth(&[("TERM", "linux")]), ColorDepth::Ansi16);
        assert_eq!(depth(&[("TERM", "tmux-256color")]), ColorDepth::Indexed256);
        assert_eq!(depth(&[("TERM", "xterm-kitty")]), ColorDepth::True);
        assert_eq!(depth(&[("TERM", "screen.xterm-256color"), ("COLORTERM", "truecolor")]), ColorDepth::Indexed256);
        assert_eq!(depth(&[]), ColorDepth::Ansi16);
    }

    #[test]
    fn a_colour_becomes_the_nearest_one_there_is() {
        let rgb = Color::Rgb(255, 122, 112);
        assert_eq!(ColorDepth::True.color(rgb), rgb);
        assert_eq!(ColorDepth::Indexed256.color(rgb), Color::Indexed(209));
        assert_eq!(ColorDepth::Indexed256.color(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(ColorDepth::Ansi16.color(Color::Rgb(250, 10, 10)), Color::LightRed);
        assert_eq!(ColorDepth::Ansi16.color(Color::Indexed(235)), Color::Black);
        assert_eq!(ColorDepth::Ansi16.color(Color::Yellow), Color::Yellow);
        assert_eq!(ColorDepth::None.color(Color::Yellow), Color::Reset);
    }
}
