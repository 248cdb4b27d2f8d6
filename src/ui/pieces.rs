//! Long text taken apart by columns: cut into lines, or begun further right. What comes out is clean, as
//! [`text::put`](super::text::put) would draw it.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::text::{clean, width};

/// Cleaned `text` in lines of at most `columns` columns, at most `most` of them; whether that was all of it. A line breaks
/// behind a blank where one stands in its last third, so that words stay whole. Never empty.
pub fn cut(text: &str, columns: usize, most: usize) -> (Vec<String>, bool) {
    let columns = columns.max(2);
    // More than can be shown is not looked at; a column has hardly ever more than four bytes.
    let bound = columns.saturating_mul(most).saturating_mul(4).saturating_add(64);
    let end = text.char_indices().map(|(i, _)| i).find(|i| *i >= bound).unwrap_or(text.len());
    let cleaned = clean(&text[..end]);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for g in cleaned.graphemes(true) {
        let w = width(g);
        if used + w > columns && !line.is_empty() {
            let blank = line.rfind(' ').map(|i| i + 1).filter(|i| *i * 3 > line.len() * 2 && *i < line.len());
            let rest = blank.map_or_else(String::new, |i| line.split_off(i));
            lines.push(std::mem::replace(&mut line, rest));
            if lines.len() == most {
                return (lines, false);
            }
            used = width(&line);
        }
        line.push_str(g);
        used += w;
    }
    lines.push(line);
    (lines, true)
}

/// Cleaned `text` without its first `columns` columns. A wide character that is cut in half leaves a blank.
pub fn after(text: &str, columns: usize) -> Cow<'_, str> {
    if columns == 0 {
        return clean(text);
    }
    let cleaned = clean(text);
    let mut used = 0;
    for (at, g) in cleaned.grapheme_indices(true) {
        if used == columns {
            return Cow::Owned(cleaned[at..].to_owned());
        }
        used += width(g);
        if used > columns {
            return Cow::Owned(format!(" {}", &cleaned[at + g.len()..]));
        }
    }
    Cow::Borrowed("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_behind_words_and_nothing_is_lost() {
        let text = "the pool timed out while waiting for an open connection";
        let (lines, all) = cut(text, 20, 99);
        assert_eq!(lines, ["the pool timed out ", "while waiting for ", "an open connection"]);
        assert!(all && lines.concat() == text);
        let (lines, all) = cut(&"x".repeat(1_000_000), 10, 3);
        assert!(!all && lines.len() == 3 && lines.iter().all(|l| l.len() == 10));
        assert_eq!(cut("", 10, 3), (vec![String::new()], true));
        assert_eq!(cut("日本語", 3, 9).0, ["日", "本", "語"]);
    }

    #[test]
    fn what_is_scrolled_off_is_counted_in_columns_not_in_bytes() {
        assert_eq!(after("abc", 1), "bc");
        assert_eq!(after("日本語", 2), "本語");
        assert_eq!(after("日本語", 3), " 語");
        assert_eq!(after("abc", 9), "");
        assert_eq!(after("a\u{1b}b", 1), "\\x1bb");
    }
}
