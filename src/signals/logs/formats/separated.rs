//! Values between commas or tabs: splitting, quotes, and where a quoted value goes on in the next line.

use std::borrow::Cow;

use super::lossy;

/// The raw values of a line, with their quotes. A quote that is not closed takes the rest.
pub(super) struct Values<'a> {
    rest: Option<&'a [u8]>,
    sep: u8,
}

impl<'a> Values<'a> {
    pub fn new(line: &'a [u8], sep: u8) -> Values<'a> {
        Values { rest: Some(line), sep }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let b = self.rest?;
        let end = match b.first() {
            Some(b'"') => {
                let mut at = 1;
                loop {
                    match memchr::memchr(b'"', b.get(at..).unwrap_or_default()) {
                        Some(i) if b.get(at + i + 1) == Some(&b'"') => at += i + 2,
                        Some(i) => {
                            let after = at + i + 1;
                            break memchr::memchr(self.sep, &b[after..]).map(|i| after + i);
                        }
                        None => break None,
                    }
                }
            }
            _ => memchr::memchr(self.sep, b),
        };
        match end {
            Some(end) => {
                self.rest = b.get(end + 1..);
                Some(&b[..end])
            }
            None => {
                self.rest = None;
                Some(b)
            }
        }
    }
}

/// What a raw value says, quotes undone.
pub(super) fn text(raw: &[u8]) -> Cow<'_, str> {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    match raw.strip_prefix(b"\"") {
        Some(inner) => {
            let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
            let text = lossy(inner);
            if text.contains("\"\"") { Cow::Owned(text.replace("\"\"", "\"")) } else { text }
        }
        None => lossy(raw),
    }
}

/// A short raw value without its quotes; escapes stay.
pub(super) fn bare(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    raw.strip_prefix(b"\"").and_then(|r| r.strip_suffix(b"\"")).unwrap_or(raw)
}

/// Whether `line` goes on inside a quoted value, when all that is known is the line before it and whether each of the
/// two could begin a record: what begins one and has an odd number of quotes is open; of what does not begin one an
/// odd number closes it.
pub(super) fn goes_on(before: &[u8], before_begins: bool, line_begins: bool) -> bool {
    let odd = memchr::memchr_iter(b'"', before).count() % 2 == 1;
    !line_begins && odd == before_begins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_hold_separators_and_quotes() {
        let got: Vec<String> =
            Values::new(b"a,\"b,\"\"c\"\"\",,\"open, d", b',').map(|v| text(v).into_owned()).collect();
        assert_eq!(got, ["a", "b,\"c\"", "", "open, d"]);
        assert_eq!(Values::new(b"", b'\t').count(), 1);
        assert_eq!(Values::new(b"a,", b',').count(), 2);
    }

    #[test]
    fn a_quote_left_open_goes_on_until_it_is_closed() {
        assert!(goes_on(b"1,\"a", true, false));
        assert!(goes_on(b"middle", false, false));
        assert!(!goes_on(b"end\",2", false, false));
        assert!(!goes_on(b"1,\"a\"", true, false));
        assert!(!goes_on(b"1,\"a", true, true));
    }
}
