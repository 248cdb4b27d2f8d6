//! `key=value` pairs in text: logfmt lines, and the tails of ordinary ones.

use std::borrow::Cow;

use compact_str::CompactString;
use serde_json::Value;

use super::{enrich, lossy};

/// A word or a pair, with where it stands.
#[derive(Copy, Clone, Debug)]
pub(super) struct Word<'a> {
    /// The key, or the whole of a bare word.
    pub key: &'a [u8],
    /// The raw value, with its quotes; `None` for a bare word.
    pub value: Option<&'a [u8]>,
    pub start: usize,
}

/// The words of a line, split at blanks; quoted values are kept together.
pub(super) struct Words<'a> {
    b: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    pub fn new(b: &'a [u8], at: usize) -> Words<'a> {
        Words { b, at }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    #[inline]
    fn next(&mut self) -> Option<Word<'a>> {
        let b = self.b;
        let mut at = self.at;
        while matches!(b.get(at), Some(b' ' | b'\t' | b'\r')) {
            at += 1;
        }
        let start = at;
        while let Some(c) = b.get(at) {
            match c {
                b' ' | b'\t' | b'\r' | b'\n' | b'=' => break,
                b'"' if at > start => break,
                _ => at += 1,
            }
        }
        if b.get(at) != Some(&b'=') || at == start {
            // a bare word, or a quote or `=` that begins none: step over it
            while matches!(b.get(at), Some(c) if !matches!(c, b' ' | b'\t' | b'\r' | b'\n')) {
                at += 1;
            }
            if at == start {
                return None;
            }
            self.at = at;
            return Some(Word { key: &b[start..at], value: None, start });
        }
        let key = &b[start..at];
        let from = at + 1;
        let end = value_end(b, from);
        self.at = end;
        Some(Word { key, value: Some(&b[from..end]), start })
    }
}

fn value_end(b: &[u8], from: usize) -> usize {
    match b.get(from) {
        Some(b'"') => {
            let mut at = from + 1;
            while let Some(i) = b.get(at..).and_then(|r| memchr::memchr3(b'"', b'\\', b'\n', r)) {
                match b[at + i] {
                    b'"' => return at + i + 1,
                    b'\\' => at += i + 2,
                    _ => break,
                }
            }
            // no closing quote: up to the next blank, like any word
            from + b[from..].iter().position(|c| c.is_ascii_whitespace()).unwrap_or(b.len() - from)
        }
        Some(_) => from + b[from..].iter().position(|c| c.is_ascii_whitespace()).unwrap_or(b.len() - from),
        None => from,
    }
}

/// Whether some bytes can be a key: `[A-Za-z_@][A-Za-z0-9_.@/-]*`, at most 64.
pub(super) fn is_key(key: &[u8]) -> bool {
    key.len() <= 64
        && matches!(key.first(), Some(c) if c.is_ascii_alphabetic() || matches!(c, b'_' | b'@'))
        && key.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-' | b'@' | b'/'))
}

/// A raw value without its quotes and escapes.
pub(super) fn text(raw: &[u8]) -> Cow<'_, str> {
    if raw.len() >= 2 && raw[0] == b'"' && raw[raw.len() - 1] == b'"' {
        if !raw.contains(&b'\\') {
            return lossy(&raw[1..raw.len() - 1]);
        }
        let mut out = Vec::with_capacity(raw.len());
        super::scan::unescape_into(raw, raw.len(), &mut out);
        return Cow::Owned(lossy(&out).into_owned());
    }
    lossy(raw)
}

/// A raw value as JSON: what was quoted is text.
pub(super) fn value(raw: &[u8]) -> Value {
    let s = text(raw);
    if raw.first() == Some(&b'"') { Value::String(s.into_owned()) } else { enrich::value(&s) }
}

/// Only so much of a message is searched for pairs, and only so many are taken.
const FAR: usize = 16 * 1024;
const MOST: usize = 64;

/// The pairs inside a message, in order, and where the run of pairs at its end begins (its length when there is none).
/// Brackets, commas and semicolons round a pair are not part of it.
pub(super) fn inside(message: &[u8]) -> (Vec<(CompactString, Value)>, usize) {
    let b = &message[..message.len().min(FAR)];
    let mut fields = Vec::new();
    if memchr::memchr(b'=', b).is_none() {
        return (fields, message.len());
    }
    let mut tail = b.len();
    for word in Words::new(b, 0) {
        let opening = word.key.iter().take_while(|c| matches!(c, b'(' | b'[' | b'{' | b'<')).count();
        let key = &word.key[opening..];
        let pair = word.value.filter(|v| is_key(key) && !v.is_empty() && v[0] != b'=' && v[0] != b'>');
        match pair {
            Some(raw) if fields.len() < MOST => {
                let raw = closing(raw, opening > 0);
                fields.push((CompactString::from(lossy(key)), value(raw)));
                tail = tail.min(word.start);
            }
            _ => tail = b.len(),
        }
    }
    if b.len() < message.len() || tail == b.len() {
        tail = message.len();
    }
    (fields, tail)
}

/// Cuts commas, semicolons and closing brackets that the value does not open itself.
fn closing(mut raw: &[u8], opened: bool) -> &[u8] {
    while let [front @ .., last] = raw {
        let cut = match last {
            b',' | b';' => true,
            b')' => opened || !front.contains(&b'('),
            b']' => opened || !front.contains(&b'['),
            b'}' => opened || !front.contains(&b'{'),
            b'>' => opened || !front.contains(&b'<'),
            _ => false,
        };
        if !cut || front.is_empty() {
            return raw;
        }
        raw = front;
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (Vec<String>, &str) {
        let (fields, tail) = inside(text.as_bytes());
        (fields.iter().map(|(k, v)| format!("{k}={v}")).collect(), &text[..tail])
    }

    #[test]
    fn pairs_are_found_anywhere_and_the_run_at_the_end_is_told_apart() {
        assert_eq!(
            names(r#"user=7 was slow (took=31.5) code=x1 msg="two words, \"quoted\"" ok=true"#),
            (
                ["user=7", "took=31.5", "code=\"x1\"", "msg=\"two words, \\\"quoted\\\"\"", "ok=true"]
                    .map(String::from)
                    .to_vec(),
                "user=7 was slow "
            )
        );
        assert_eq!(names("if a == b or c => d, x=").0, Vec::<String>::new());
        assert_eq!(names("nothing here").1, "nothing here");
    }

    #[test]
    fn numbers_that_would_print_differently_stay_text() {
        assert_eq!(
            names("a=1.10 b=007 c=12e34 d=1.2.3 e=-5 f=0.250").0,
            ["a=\"1.10\"", "b=\"007\"", "c=\"12e34\"", "d=\"1.2.3\"", "e=-5", "f=0.25"]
        );
    }
}
