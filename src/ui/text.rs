//! The only way foreign text reaches the screen: cleaned, cut to a width, measured in columns.
//!
//! Log lines come from the internet. Nothing in them may move the cursor, change the terminal, reorder a line or hide
//! what an attacker did: control bytes, escape introducers, C1 controls, bidirectional overrides, invisible formatting
//! characters and stray combining marks are shown as visible text (`\x1b`, `\u{202e}`). Three things are softened rather
//! than shown: a tab becomes one space, a variation selector behind a symbol is dropped (terminals disagree about its
//! width), and a zero-width joiner stays where it joins two emoji.
//!
//! What this module does not do: hide secrets (that is `timeline::redact`), choose colours (that is `theme`).

use std::borrow::Cow;
use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Code points of one grapheme that reach the screen; more is an attack on the neighbours (stacked marks), and shown.
const GRAPHEME_CHARS: usize = 12;

/// JSON text in which nothing can steer a terminal: control characters of the second block and bidi overrides, which
/// JSON allows as they are, become escapes that say the same.
pub fn json_safe(json: &str) -> Cow<'_, str> {
    let hostile = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if json.is_ascii() && memchr::memchr(0x7f, json.as_bytes()).is_none() || !json.contains(hostile) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if hostile(c) { out.push_str(&format!("\\u{:04x}", c as u32)) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Text with every control character, escape and bidirectional override made visible (`\x1b`, `\u{202e}`).
///
/// Ordinary text is borrowed. The result holds no control character, no invisible formatting character (besides joiners
/// inside emoji) and no line break.
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    walk(text, |cell, _, _| {
        out.push_str(cell);
        true
    });
    Cow::Owned(out)
}

/// How many characters of `text` are shown as visible escapes because they could harm or hide.
pub fn neutralised(text: &str) -> usize {
    let mut n = 0;
    if !is_plain(text) {
        walk(text, |_, _, escape| {
            n += usize::from(escape);
            true
        });
    }
    n
}

/// Width in columns, as [`put`] would draw it.
pub fn width(text: &str) -> usize {
    if is_ascii_text(text) {
        return text.len();
    }
    let mut n = 0;
    walk(text, |_, w, _| {
        n += w;
        true
    });
    n
}

/// Cleaned `text` in at most `width` columns; where it is longer it ends in `ellipsis`.
pub fn fit<'a>(text: &'a str, width: usize, ellipsis: &str) -> Cow<'a, str> {
    if self::width(text) <= width {
        return clean(text);
    }
    let room = width.saturating_sub(self::width(ellipsis));
    let mut out = head(text, room);
    if self::width(ellipsis) <= width {
        out.push_str(ellipsis);
    }
    Cow::Owned(out)
}

/// Cleaned `text` in at most `width` columns; where it is longer, beginning and end stay: `7f3a…c210`.
pub fn middle(text: &str, width: usize) -> Cow<'_, str> {
    if self::width(text) <= width {
        return clean(text);
    }
    if width < 3 {
        return fit(text, width, "…");
    }
    let tail = (width - 1) / 2;
    let mut out = head(text, width - 1 - tail);
    out.push('…');
    let cleaned = clean(text);
    let mut used = 0;
    let mut from = cleaned.len();
    for (at, g) in cleaned.grapheme_indices(true).rev() {
        used += columns(g);
        if used > tail {
            break;
        }
        from = at;
    }
    out.push_str(&cleaned[from..]);
    Cow::Owned(out)
}

/// Writes cleaned `text` at (`x`, `y`), at most `max` columns, cut with an ellipsis; returns the columns used.
/// Draws nothing outside the buffer, and never more than `max` columns.
pub fn put(buf: &mut Buffer, x: u16, y: u16, max: u16, text: &str, style: Style) -> u16 {
    put_marked(buf, x, y, max, text, style, style)
}

/// Like [`put`], with what was made harmless drawn in `escape`, so that it is told apart from the same text typed out.
pub fn put_marked(buf: &mut Buffer, x: u16, y: u16, max: u16, text: &str, style: Style, escape: Style) -> u16 {
    let Some(mut pen) = Pen::at(buf, x, y, max) else { return 0 };
    let cut = width(text) > usize::from(pen.left());
    pen.write(buf, text, style, escape, u16::from(cut));
    if cut {
        pen.cell(buf, "…", 1, style);
    }
    pen.used()
}

/// Writes cleaned `text` so that it ends at the last of the `max` columns from `x`; cut at its end where it is longer.
/// Returns the columns used.
pub fn put_right(buf: &mut Buffer, x: u16, y: u16, max: u16, text: &str, style: Style) -> u16 {
    let w = u16::try_from(width(text)).unwrap_or(u16::MAX).min(max);
    put(buf, x.saturating_add(max - w), y, w, text, style)
}

/// Writes pieces of cleaned text one after the other, together at most `max` columns, cut once with an ellipsis.
/// Returns the columns used.
pub fn put_spans(buf: &mut Buffer, x: u16, y: u16, max: u16, spans: &[(&str, Style)]) -> u16 {
    let Some(mut pen) = Pen::at(buf, x, y, max) else { return 0 };
    let total: usize = spans.iter().map(|(t, _)| width(t)).sum();
    let cut = u16::from(total > usize::from(pen.left()));
    for (text, style) in spans {
        if !pen.write(buf, text, *style, *style, cut) {
            pen.cell(buf, "…", 1, *style);
            break;
        }
    }
    pen.used()
}

/// A place in the buffer that only moves right, up to its end.
struct Pen {
    start: u16,
    x: u16,
    y: u16,
    end: u16,
}

impl Pen {
    fn at(buf: &mut Buffer, x: u16, y: u16, max: u16) -> Option<Pen> {
        let area = buf.area;
        if max == 0 || y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return None;
        }
        // A wide character that began one column before would swallow the first cell drawn here.
        if x > area.left() && buf[(x - 1, y)].symbol().width() > 1 {
            buf[(x - 1, y)].set_symbol(" ");
        }
        Some(Pen { start: x, x, y, end: x.saturating_add(max).min(area.right()) })
    }

    fn left(&self) -> u16 {
        self.end - self.x
    }

    fn used(&self) -> u16 {
        self.x - self.start
    }

    fn cell(&mut self, buf: &mut Buffer, symbol: &str, columns: u16, style: Style) {
        if columns > self.left() {
            return;
        }
        buf[(self.x, self.y)].set_symbol(symbol).set_style(style);
        for x in self.x + 1..self.x + columns {
            buf[(x, self.y)].set_symbol(" ").set_style(style);
        }
        self.x += columns;
    }

    /// Writes until `keep` columns are left; whether all of `text` was written.
    fn write(&mut self, buf: &mut Buffer, text: &str, style: Style, escape: Style, keep: u16) -> bool {
        let mut whole = true;
        walk(text, |cell, w, is_escape| {
            let style = if is_escape { escape } else { style };
            // Escapes are words of ASCII; they may be cut anywhere.
            let one = |pen: &mut Pen, buf: &mut Buffer, symbol: &str, w: usize| {
                let fits = w + usize::from(keep) <= usize::from(pen.left());
                if fits {
                    pen.cell(buf, symbol, w as u16, style);
                }
                fits
            };
            whole = if is_escape {
                (0..cell.len()).all(|i| one(self, buf, &cell[i..=i], 1))
            } else {
                one(self, buf, cell, w)
            };
            whole
        });
        whole
    }
}

/// The beginning of `text`, cleaned, in at most `room` columns.
fn head(text: &str, room: usize) -> String {
    let mut out = String::with_capacity(room + 3);
    let mut used = 0;
    walk(text, |cell, w, _| {
        used += w;
        if used <= room {
            out.push_str(cell);
        }
        used <= room
    });
    out
}

fn is_ascii_text(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Whether nothing in `text` needs a closer look: printable ASCII, or characters that have a width of their own.
fn is_plain(text: &str) -> bool {
    is_ascii_text(text) || text.chars().all(|c| !is_harmful(c) && c.width().is_some_and(|w| w > 0))
}

/// Calls `f` with each thing that is drawn: its text, its columns, and whether it is a visible escape (then it is ASCII,
/// one column a byte). Stops when `f` says so.
fn walk(text: &str, mut f: impl FnMut(&str, usize, bool) -> bool) {
    if is_ascii_text(text) {
        for i in 0..text.len() {
            if !f(&text[i..=i], 1, false) {
                return;
            }
        }
        return;
    }
    let mut shown = String::new();
    let mut cell = String::new();
    for grapheme in text.graphemes(true) {
        if is_whole(grapheme) {
            if !f(grapheme, columns(grapheme), false) {
                return;
            }
            continue;
        }
        cell.clear();
        let mut before = None;
        let mut chars = grapheme.chars().peekable();
        while let Some(c) = chars.next() {
            let dropped = matches!(c, '\u{fe0e}' | '\u{fe0f}') && before.is_some_and(takes_selector);
            let joins = c == '\u{200d}' && before.is_some_and(is_emoji) && chars.peek().is_some_and(|&n| is_emoji(n));
            if c == '\t' {
                cell.push(' ');
            } else if dropped {
                continue;
            } else if joins || (!is_harmful(c) && !is_stray(c, &cell) && room_in(&cell)) {
                cell.push(c);
            } else {
                if !cell.is_empty() && !f(&cell, columns(&cell), false) {
                    return;
                }
                cell.clear();
                shown.clear();
                escape(c, &mut shown);
                if !f(&shown, shown.len(), true) {
                    return;
                }
            }
            before = Some(c);
        }
        if !cell.is_empty() && !f(&cell, columns(&cell), false) {
            return;
        }
    }
}

/// Columns of one grapheme: at least one, and halfwidth voice marks take one of their own, as the terminal backend
/// counts them.
fn columns(grapheme: &str) -> usize {
    let marks = grapheme.chars().filter(|c| matches!(c, '\u{ff9e}' | '\u{ff9f}')).count();
    (grapheme.width() + marks).max(1)
}

/// A mark with nothing before it to stand on.
fn is_stray(c: char, cell: &str) -> bool {
    cell.is_empty() && c.width() == Some(0)
}

fn room_in(cell: &str) -> bool {
    cell.len() < GRAPHEME_CHARS || cell.chars().count() < GRAPHEME_CHARS
}

/// Whether a grapheme can be drawn as it is.
fn is_whole(grapheme: &str) -> bool {
    let mut chars = grapheme.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => !is_harmful(c) && c.width().is_some_and(|w| w > 0),
        (Some(_), Some(_)) => {
            !grapheme.chars().any(is_harmful) && grapheme.width() > 0 && grapheme.chars().count() <= GRAPHEME_CHARS
        }
        _ => false,
    }
}

fn escape(c: char, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\0'..='\x7f' => write!(out, "\\x{:02x}", c as u32),
        _ => write!(out, "\\u{{{:x}}}", c as u32),
    };
}

/// Characters that steer a terminal, reorder a line, or are there without being seen.
fn is_harmful(c: char) -> bool {
    match c {
        '\0'..='\x1f' | '\x7f' | '\u{80}'..='\u{9f}' => true,
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ac}' => false,
        '\u{ad}' // soft hyphen
        | '\u{34f}' // combining grapheme joiner
        | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' // bidi, zero width
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers: wide and blank
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2028}' | '\u{2029}' // line and paragraph separator
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true, // tags and more selectors
        _ => false,
    }
}

/// What a variation selector may follow without hiding anything.
fn takes_selector(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*' | '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{3299}') || is_emoji(c)
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{3030}' | '\u{303d}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn ordinary_text_is_borrowed() {
        for t in ["GET /orders/81 503", "Ünïcödé größer 漢字 ↑ ▲", "שלום", ""] {
            assert!(matches!(clean(t), Cow::Borrowed(_)), "{t}");
        }
    }

    #[test]
    fn every_known_injection_is_shown_instead_of_obeyed() {
        let cases = [
            ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"), // clipboard
            ("\x1b]0;pwned\x1b\\", r"\x1b]0;pwned\x1b\"),  // title
            ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),           // clear
            ("\x1b[6n", r"\x1b[6n"),                       // status report
            ("\u{9b}31m", r"\u{9b}31m"),                   // C1 as UTF-8
            ("\x1bP+q\x1b\\", r"\x1bP+q\x1b\"),            // DCS
            ("\x1b]8;;http://x\x07y", r"\x1b]8;;http://x\x07y"),
            ("real\rfake", r"real\rfake"),
            ("ab\x08\x08cd", r"ab\x08\x08cd"),
            ("user\u{202e}nimda", r"user\u{202e}nimda"),
            ("a\u{2066}b\u{2069}", r"a\u{2066}b\u{2069}"),
            ("a\0b\x7f", r"a\x00b\x7f"),
            ("\x1b[?1049h", r"\x1b[?1049h"),
            ("ad\u{200b}min\u{feff}", r"ad\u{200b}min\u{feff}"),
            ("x\u{e0041}", r"x\u{e0041}"),
            ("one\ntwo", r"one\ntwo"),
            ("a\tb", "a b"),
            ("\u{301}x", r"\u{301}x"),
            ("a\u{200d}b", r"a\u{200d}b"),
        ];
        for (dirty, shown) in cases {
            assert_eq!(clean(dirty), shown, "{dirty:?}");
        }
        assert_eq!(neutralised("\x1b[31m\u{202e}x\t"), 2);
    }

    #[test]
    fn emoji_stay_whole_and_selectors_do_not_change_the_width() {
        assert_eq!(clean("👩\u{200d}💻 ok"), "👩\u{200d}💻 ok");
        assert_eq!(clean("☀\u{fe0f} ok"), "☀ ok");
        assert_eq!(width("☀\u{fe0f} ok"), 4);
    }

    #[test]
    fn stacked_marks_cannot_grow_out_of_their_cell() {
        let zalgo = format!("e{}", "\u{301}".repeat(500));
        assert!(clean(&zalgo).starts_with("e\u{301}"));
        assert!(clean(&zalgo).graphemes(true).all(|g| g.chars().count() <= GRAPHEME_CHARS));
    }

    #[test]
    fn text_is_cut_at_the_end_and_ids_in_the_middle() {
        assert_eq!(fit("pool timeout", 20, "…"), "pool timeout");
        assert_eq!(fit("pool timeout", 6, "…"), "pool …");
        assert_eq!(fit("pool timeout", 6, "~"), "pool ~");
        assert_eq!(fit("漢字漢字", 4, "…"), "漢…");
        assert_eq!(fit("abc", 0, "…"), "");
        assert_eq!(middle("7f3a0000000000000000c210", 9), "7f3a…c210");
        assert_eq!(middle("abcdef", 2), "a…");
        assert_eq!(middle("漢字漢字", 5), "漢…字");
    }

    fn row(buf: &Buffer, y: u16) -> String {
        (0..buf.area.width).map(|x| buf[(x, y)].symbol()).collect()
    }

    #[test]
    fn numbers_line_up_at_the_right_and_spans_share_one_ellipsis() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 3));
        assert_eq!(put_right(&mut buf, 2, 0, 8, "4.9 s", Style::new()), 5);
        assert_eq!(row(&buf, 0), "     4.9 s  ");
        let s = Style::new();
        assert_eq!(put_spans(&mut buf, 0, 1, 9, &[("pool ", s), ("exhausted", s), ("!", s)]), 9);
        assert_eq!(row(&buf, 1), "pool exh…   ");
        assert_eq!(put_spans(&mut buf, 0, 2, 12, &[("pool ", s), ("20/20", s)]), 10);
    }

    #[test]
    fn drawing_over_the_second_half_of_a_wide_character_leaves_no_half() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 6, 1));
        put(&mut buf, 0, 0, 6, "漢字", Style::new());
        put(&mut buf, 1, 0, 1, "│", Style::new());
        assert_eq!(buf[(0, 0)].symbol(), " ");
        assert_eq!(buf[(1, 0)].symbol(), "│");
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            "[ -~]{0,12}",
            Just("\x1b[31m".to_owned()),
            Just("\u{202e}".to_owned()),
            Just("漢字".to_owned()),
            Just("שלום لا".to_owned()),
            Just("e\u{301}\u{301}".to_owned()),
            Just("👩\u{200d}👩\u{200d}👧".to_owned()),
            Just("❤\u{fe0f}".to_owned()),
            Just("\u{9b}1A\r\n\t\u{8}".to_owned()),
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|v| v.concat())
    }

    proptest! {
        #[test]
        fn whatever_comes_in_stays_in_its_rectangle_and_is_harmless(
            text in hostile(), x in 0u16..12, max in 0u16..14, right in any::<bool>(),
        ) {
            let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
            for y in 0..2 {
                for x in 0..12 {
                    buf[(x, y)].set_symbol("#");
                }
            }
            let used = if right {
                put_right(&mut buf, x, 0, max, &text, Style::new())
            } else {
                put(&mut buf, x, 0, max, &text, Style::new())
            };
            prop_assert!(used <= max.min(12 - x));
            for cx in 0..12u16 {
                let cell = &buf[(cx, 0)];
                let inside = cx >= x && cx < x.saturating_add(max);
                prop_assert!(inside || cell.symbol() == "#", "wrote at {} outside", cx);
                prop_assert!(usize::from(cx) + cell.symbol().width().max(1) <= 12);
                prop_assert!(usize::from(cx) + cell.symbol().width() <= usize::from(x.saturating_add(max).max(cx + 1)));
                prop_assert!(!cell.symbol().chars().any(|c| is_harmful(c) && c != '\u{200d}'), "{:?}", cell.symbol());
                prop_assert_eq!(buf[(cx, 1)].symbol(), "#");
            }
        }

        #[test]
        fn cut_text_never_exceeds_its_width(text in hostile(), w in 0usize..30) {
            let cut = fit(&text, w, "…");
            prop_assert!(width(&cut) <= w);
            let cut = middle(&text, w);
            prop_assert!(width(&cut) <= w);
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in hostile()) {
            let once = clean(&text).into_owned();
            let twice = clean(&once).into_owned();
            prop_assert_eq!(&once, &twice);
        }
    }
}
