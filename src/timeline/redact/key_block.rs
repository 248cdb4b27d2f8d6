//! Private keys in PEM or PGP armour: what goes behind `-----BEGIN … PRIVATE KEY-----`.
//!
//! A log may hold a key, or only speak of one (`expected -----BEGIN RSA PRIVATE KEY-----`). So it is the lines of the key
//! that go, each known by its shape, and not what stands up to the next dashes.

use std::ops::Range;

/// Lines behind the beginning that may belong to the key.
const LINES: usize = 200;
/// A word of so many signs of Base64 belongs to a key where one has begun; behind other words in its line it must be
/// longer: PEM has 64 in each line but the last.
const WORD: usize = 16;
const BEHIND_OTHERS: usize = 40;
const END: &str = "-----END";

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

/// Adds what belongs to the key that begins before `at`.
pub(super) fn find(text: &str, at: usize, out: &mut Vec<Range<usize>>) {
    let Some(rest) = text.get(at..) else { return };
    let mut lines = rest.split_inclusive('\n').map(move |line| {
        let start = line.as_ptr() as usize - rest.as_ptr() as usize + at;
        (start, line.trim_end_matches(['\n', '\r']))
    });
    let Some((start, first)) = lines.next() else { return };
    // All of it in one line, its line breaks written out or left out.
    if let Some(end) = first.find(END) {
        out.push(start..start + end);
        return;
    }
    let written_out = |c: char| is_base64(c) || matches!(c, ' ' | '\t' | '\\');
    let run = &first[..first.find(|c| !written_out(c)).unwrap_or(first.len())];
    if run.split([' ', '\t', '\\']).any(|word| word.len() >= WORD) {
        out.push(start..start + run.len());
    }
    let mut lines = lines.take(LINES).peekable();
    // Whether the line before was one of the key, alone in its line or behind a time stamp and the like.
    let (mut alone, mut behind_others) = (false, false);
    while let Some((start, line)) = lines.next() {
        if line.contains(END) {
            return;
        }
        let word = line.trim_matches([' ', '\t', '"', '\'', ',', '|']);
        let whole = !word.is_empty() && word.chars().all(is_base64);
        if whole && (alone || word.len() >= WORD) {
            let begin = start + (word.as_ptr() as usize - line.as_ptr() as usize);
            out.push(begin..begin + word.len());
            alone = true;
            continue;
        }
        let before = word.trim_end_matches(is_base64).len();
        let last = &word[before..];
        let mut ends_here = || lines.peek().is_some_and(|(_, next)| next.contains(END));
        if last.len() >= BEHIND_OTHERS || behind_others && last.len().is_multiple_of(4) && ends_here() {
            let begin = start + (last.as_ptr() as usize - line.as_ptr() as usize);
            out.push(begin..begin + last.len());
            behind_others = true;
        } else if alone {
            return;
        }
    }
}
