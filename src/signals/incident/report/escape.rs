//! Foreign text inside Markdown: redacted, without control characters, and meaning nothing but itself.

use crate::timeline::redact::redact;

/// One paragraph: lines are joined, every character that Markdown or HTML would act on is escaped, addresses become
/// links by themselves.
pub fn prose(text: &str) -> String {
    let text = redact(text);
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let plain = word.chars().all(|c| c.is_ascii_graphic() && !"<>`|\\\"".contains(c));
        if plain && (word.starts_with("http://") || word.starts_with("https://")) {
            out.push_str(&format!("<{word}>"));
            continue;
        }
        for (at, c) in word.char_indices() {
            match c {
                // A bullet, heading, quote or number only means something at the start of a line.
                '#' | '+' | '-' | '=' | '~' if at == 0 => out.extend(['\\', c]),
                // Inside a word an underscore is only itself, and names of columns stay readable.
                '_' if inside(word, at) => out.push('_'),
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '$' | '!' => out.extend(['\\', c]),
                '.' | ')' if at > 0 && at + 1 == word.len() && word[..at].bytes().all(|b| b.is_ascii_digit()) => {
                    out.extend(['\\', c]);
                }
                c if c.is_control() || is_override(c) => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
    }
    if out.is_empty() { "??".into() } else { out }
}

/// Whether the byte at `at` has letters or digits on both sides.
fn inside(word: &str, at: usize) -> bool {
    word[..at].ends_with(char::is_alphanumeric) && word[at + 1..].starts_with(char::is_alphanumeric)
}

/// The same text inside a table: escaped already, but for the bars between cells.
pub fn cell(escaped: &str) -> String {
    escaped.replace('|', "\\|")
}

/// A short piece as code.
pub fn quoted(text: &str) -> String {
    let text = redact(text);
    let clean: String = text.chars().map(|c| if c.is_control() || is_override(c) { '\u{fffd}' } else { c }).collect();
    format!("`{}`", clean.trim().replace('`', "'"))
}

/// Lines as they are, fenced; no run of backticks inside can end the fence.
pub fn block(text: &str) -> String {
    let text = redact(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut out = format!("{fence}text\n");
    for line in text.trim_end().lines() {
        let clean: String = line
            .trim_end()
            .chars()
            .map(|c| match c {
                '\t' => ' ',
                c if c.is_control() || is_override(c) => '\u{fffd}',
                c => c,
            })
            .collect();
        out.push_str(&clean);
        out.push('\n');
    }
    out.push_str(&fence);
    out.push('\n');
    out
}

/// Characters that turn the direction of what follows: they can make a text read as its opposite.
pub(super) fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_means_nothing_but_itself() {
        for (text, escaped) in [
            ("plain words", "plain words"),
            ("a *b* _c_ `d` <script>", "a \\*b\\* \\_c\\_ \\`d\\` \\<script\\>"),
            ("# not a heading", "\\# not a heading"),
            ("- not a list", "\\- not a list"),
            ("1. not a list", "1\\. not a list"),
            ("1.4.2 dropped user_id", "1.4.2 dropped user_id"),
            ("![x](http://evil)", "\\!\\[x\\](http://evil)"),
            ("see https://x.example/a_b", "see <https://x.example/a_b>"),
            ("two\nlines\t here", "two lines here"),
            ("a\u{1b}[31mb \u{202e}c", "a\u{fffd}\\[31mb \u{fffd}c"),
            ("", "??"),
        ] {
            assert_eq!(prose(text), escaped);
        }
        assert_eq!(cell(&prose("a | b")), "a \\| b");
        assert_eq!(quoted("a`b"), "`a'b`");
    }

    #[test]
    fn a_fence_holds_whatever_is_inside() {
        assert_eq!(block("a ``` b"), "````text\na ``` b\n````\n");
        assert_eq!(block("x\n\n\n"), "```text\nx\n```\n");
    }
}
