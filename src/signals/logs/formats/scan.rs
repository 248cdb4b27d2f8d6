//! A shallow reader of JSON objects: the members of the top level as slices, nested values stepped over.
//!
//! Respects strings, escapes and nesting; validates nothing else. It never fails: at the first thing that is not JSON
//! it ends. For values somebody looks at there is serde_json.

/// The members of the object that some bytes begin with: raw key without quotes, raw value with them.
pub(super) struct Members<'a> {
    b: &'a [u8],
    at: usize,
    started: bool,
    closed: bool,
}

/// Nesting beyond this is not stepped over any more; the object ends there.
const DEEPEST: u32 = 512;

impl<'a> Members<'a> {
    /// `None` when the first byte that is not blank is not `{`.
    pub fn new(b: &'a [u8]) -> Option<Members<'a>> {
        let at = blanks(b, 0);
        (b.get(at) == Some(&b'{')).then_some(Members { b, at: at + 1, started: false, closed: false })
    }

    /// Whether the closing brace was met. Only then [`Members::end`] is the end of the object.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Where reading stopped inside a string value that has no end: its key, and what there is of it after its quote.
    pub fn at_member(&self) -> Option<(&'a [u8], &'a [u8])> {
        let b = self.b;
        if self.closed || b.get(self.at) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(b, self.at)?;
        let at = blanks(b, key_end);
        let value = blanks(b, at + 1);
        (b.get(at) == Some(&b':') && b.get(value) == Some(&b'"'))
            .then(|| (&b[self.at + 1..key_end - 1], &b[value + 1..]))
    }

    /// Whether reading stopped at a key with its colon, whose value has no end.
    pub fn at_key(&self) -> bool {
        self.b.get(self.at) == Some(&b'"')
            && string_end(self.b, self.at).is_some_and(|end| self.b.get(blanks(self.b, end)) == Some(&b':'))
    }

    /// Where reading stopped.
    pub fn end(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if self.closed {
            return None;
        }
        let b = self.b;
        let mut at = blanks(b, self.at);
        if self.started && b.get(at) == Some(&b',') {
            at = blanks(b, at + 1);
        }
        self.started = true;
        self.at = at;
        match b.get(at)? {
            b'"' => {}
            b'}' => {
                self.closed = true;
                self.at = at + 1;
                return None;
            }
            _ => return None,
        }
        let key_end = string_end(b, at)?;
        let key = &b[at + 1..key_end - 1];
        at = blanks(b, key_end);
        if b.get(at) != Some(&b':') {
            return None;
        }
        at = blanks(b, at + 1);
        let end = value_end(b, at)?;
        self.at = end;
        Some((key, &b[at..end]))
    }
}

fn blanks(b: &[u8], mut at: usize) -> usize {
    while matches!(b.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// After the closing quote of the string that opens at `at`.
#[inline]
fn string_end(b: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    // Most strings are short: look at the first bytes without the cost of calling the vector search.
    let near = (at + 16).min(b.len());
    while at < near {
        match b[at] {
            b'"' => return Some(at + 1),
            b'\\' => break,
            _ => at += 1,
        }
    }
    loop {
        at += memchr::memchr2(b'"', b'\\', b.get(at..)?)?;
        if b[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// After the value that begins at `at`.
#[inline]
fn value_end(b: &[u8], at: usize) -> Option<usize> {
    match b.get(at)? {
        b'"' => string_end(b, at),
        b'{' | b'[' => nested_end(b, at),
        _ => {
            let len = b[at..]
                .iter()
                .position(|c| matches!(c, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
                .unwrap_or(b.len() - at);
            (len > 0).then_some(at + len)
        }
    }
}

fn nested_end(b: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0u32;
    loop {
        match b.get(at)? {
            b'"' => {
                at = string_end(b, at)?;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEEPEST {
                    return None;
                }
            }
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The bytes between the quotes of a raw string value; other values as they are.
pub(super) fn unquoted(raw: &[u8]) -> &[u8] {
    match raw {
        [b'"', inner @ .., b'"'] => inner,
        _ => raw,
    }
}

/// Appends what a raw JSON string says, without quotes, to `out`: escapes undone, at most `most` bytes of input read.
pub(super) fn unescape_into(raw: &[u8], most: usize, out: &mut Vec<u8>) {
    let raw = unquoted(raw);
    let raw = &raw[..raw.len().min(most)];
    let mut at = 0;
    while let Some(i) = memchr::memchr(b'\\', &raw[at..]) {
        out.extend_from_slice(&raw[at..at + i]);
        at += i + 2;
        match raw.get(at - 1) {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'u') => {
                let (c, used) = code_point(&raw[at.min(raw.len())..]);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += used;
            }
            Some(c) => out.push(*c),
            None => return,
        }
    }
    out.extend_from_slice(&raw[at.min(raw.len())..]);
}

/// The character that follows `\u`, and how many bytes it took; pairs of surrogates are joined.
fn code_point(b: &[u8]) -> (char, usize) {
    let unit = |b: &[u8]| -> Option<u32> { u32::from_str_radix(std::str::from_utf8(b.get(..4)?).ok()?, 16).ok() };
    let Some(first) = unit(b) else { return (char::REPLACEMENT_CHARACTER, 0) };
    if (0xD800..0xDC00).contains(&first)
        && b.get(4..6) == Some(b"\\u")
        && let Some(second) = unit(&b[6..])
        && (0xDC00..0xE000).contains(&second)
    {
        let c = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(String, String)> {
        let s = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Members::new(text.as_bytes()).into_iter().flatten().map(|(k, v)| (s(k), s(v))).collect()
    }

    #[test]
    fn only_the_top_level_is_seen_whatever_strings_and_nested_values_hold() {
        let got = members(r#" { "a":"x\"}{","n":{"level":"error","l":[1,"]"]}, "b" : -1.5e3 ,"c":true}"#);
        let want = [("a", r#""x\"}{""#), ("n", r#"{"level":"error","l":[1,"]"]}"#), ("b", "-1.5e3"), ("c", "true")];
        assert_eq!(got, want.map(|(k, v)| (k.to_string(), v.to_string())));
    }

    #[test]
    fn a_cut_object_gives_what_is_whole() {
        assert_eq!(members(r#"{"a":1,"b":"cu"#), [("a".to_string(), "1".to_string())]);
        assert_eq!(members(r#"{"a":{"b":[1"#), []);
        assert_eq!(members("[1]"), []);
    }

    #[test]
    fn escapes_are_undone() {
        let mut out = Vec::new();
        unescape_into(br#""a\n\"\u00e9\ud83d\ude00\u12""#, 99, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a\n\"é😀\u{fffd}12");
    }
}
