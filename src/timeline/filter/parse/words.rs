//! Values of the filter language: bare words, quoted ones, several of them.

use super::{Parsed, Parser, Piece};

impl Parser<'_> {
    /// Values parted by `|`, each bare or quoted.
    pub(super) fn pieces(&mut self) -> Parsed<Vec<Piece>> {
        let mut pieces = Vec::new();
        loop {
            let quoted = self.peek() == Some('"');
            let text = if quoted { self.quoted()? } else { self.word() };
            pieces.push(Piece { text, quoted });
            match self.peek() {
                Some('|') => self.at += 1,
                c if self.ends(c) => return Ok(pieces),
                _ => return self.fail(self.at, "a blank is missing behind the closing quote"),
            }
        }
    }

    /// A bare word, up to a blank or `|`.
    pub(super) fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.char_indices().find(|&(_, c)| c == '|' || self.ends(Some(c))).map_or(rest.len(), |(i, _)| i);
        self.at += end;
        rest[..end].to_owned()
    }

    /// A bare word, up to a blank.
    pub(super) fn raw_word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        // In a group a `)` that closes nothing in the word itself closes the group.
        let end = match rest[..end].rfind(|c| c != ')') {
            Some(_) if self.depth > 0 => {
                let word = &rest[..end];
                let mut open = 0i32;
                word.char_indices()
                    .find(|&(_, c)| {
                        open += i32::from(c == '(') - i32::from(c == ')');
                        open < 0
                    })
                    .map_or(end, |(i, _)| i)
            }
            _ => end,
        };
        self.at += end;
        rest[..end].to_owned()
    }

    pub(super) fn quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    Some((_, c)) => {
                        out.push('\\');
                        out.push(c);
                    }
                    None => break,
                },
                c => out.push(c),
            }
        }
        self.fail(start, "this quote is not closed; write \\\" to look for a quote")
    }
}
