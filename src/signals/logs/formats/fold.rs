//! From bytes to records: splits lines, asks the formats, and folds what continues a record into it.

use super::sniff::sniff;
use super::stack::{self, Mode};
use super::{Context, Format, Head, Span, plain};
use crate::timeline::{Severity, Ts};

/// A record is cut when it would grow beyond this, in bytes; the rest begins a record of its own.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// The same in lines.
pub const RECORD_LINES: u32 = 10_000;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a block, one record at a time.
pub(super) struct Records<'a> {
    block: &'a [u8],
    at: usize,
    format: &'static dyn Format,
    plain: bool,
    cx: &'a Context,
    /// The first line of the next record, when it was met already.
    ahead: Option<First>,
}

/// The first line of a record.
struct First {
    start: usize,
    end: usize,
    head: Head,
    known: bool,
    format: Option<&'static dyn Format>,
}

impl<'a> Records<'a> {
    pub fn new(block: &'a [u8], format: &'static dyn Format, cx: &'a Context) -> Records<'a> {
        Records { block, at: 0, format, plain: format.name() == plain::Plain.name(), cx, ahead: None }
    }

    /// The next line: where it begins and ends, without its newline.
    #[inline]
    fn line(&mut self) -> Option<(usize, usize)> {
        let start = self.at;
        if start >= self.block.len() {
            return None;
        }
        let end = memchr::memchr(b'\n', &self.block[start..]).map_or(self.block.len(), |i| start + i);
        self.at = end + 1;
        // What some editors put in front of a file is no part of its first record.
        let mark = if self.block[start..end].starts_with(MARK) { MARK.len() } else { 0 };
        Some((start + mark, end))
    }

    /// What begins at a line that continues nothing.
    #[inline]
    fn first(&self, start: usize, end: usize) -> First {
        let line = &self.block[start..end];
        if !self.plain
            && let Some(head) = self.format.head(line, self.cx)
        {
            return First { start, end, head, known: true, format: Some(self.format) };
        }
        match sniff(line, self.format.name(), self.cx) {
            Some((format, head)) => First { start, end, head, known: true, format: Some(format) },
            None => First { start, end, head: Head::default(), known: self.plain, format: None },
        }
    }

    /// Whether a line is part of what a record with a time prints after itself: XML, or a bracket that opens a block.
    #[inline]
    fn payload(&self, first: &First, line: &[u8]) -> bool {
        if !matches!(line.first(), Some(b'<' | b'(' | b'{' | b'[')) || first.head.time.is_none() {
            return false;
        }
        let bare = line.trim_ascii_end();
        if bare.len() == 1 {
            return bare[0] != b'<' && !first.format.is_some_and(Format::stands_alone);
        }
        bare[0] == b'<'
            && bare.ends_with(b">")
            && (bare[1].is_ascii_alphabetic() || matches!(bare[1], b'/' | b'?' | b'!'))
            && self.format.head(line, self.cx).is_none()
    }

    /// Whether a record of another format would go on over a line that the file's own format finds a time in.
    fn takes_back(&self, other: &'static dyn Format, line: &[u8]) -> bool {
        other.name() != self.format.name()
            && !self.plain
            && self.format.head(line, self.cx).is_some_and(|h| h.time.is_some())
    }

    /// After the first line of a Rust panic anything is its message, but for a line that the file's format has a time in.
    fn ends_panic(&self, mode: Mode, line: &[u8]) -> bool {
        matches!(mode, Mode::Rust(1..)) && self.format.head(line, self.cx).is_some_and(|h| h.time.is_some())
    }

    /// An indented line continues what is before it, unless the file's own format finds a time in it.
    fn indented_start(&self, line: &[u8]) -> bool {
        let blanks = line.iter().take(3).take_while(|c| **c == b' ').count();
        (1..3).contains(&blanks) && self.format.head(line, self.cx).is_some_and(|h| h.time.is_some())
    }
}

impl Iterator for Records<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let first = match self.ahead.take() {
            Some(f) => f,
            None => {
                let (start, end) = self.line()?;
                self.first(start, end)
            }
        };
        let mut mode = Mode::after_head(&self.block[first.start..first.end]);
        // an exception that stands alone is not explained by the next one
        let grave = first.head.severity.is_none_or(|s| s >= Severity::Warn)
            && (first.head.time.is_some() || stack::crash(&self.block[first.start..first.end]).is_none());
        let opened = opens(&self.block[first.start..first.end]);
        // Text that is all indented alike (the output of a build) is no continuation of its own first line.
        let margin =
            if first.known && first.head.time.is_none() { indent(&self.block[first.start..first.end]) } else { 0 };
        let mut end = first.end;
        let mut before = first.start..first.end;
        let mut lines = 1;
        let mut closed = false;
        while let Some((start, stop)) = self.line() {
            let line = &self.block[start..stop];
            let apart = margin > 0 && indent(line) <= margin && !line.trim_ascii().is_empty();
            let continues = !(closed || apart)
                && (first.format.is_some_and(|f| {
                    f.continues(&self.block[before.clone()], line, self.cx) && !self.takes_back(f, line)
                }) || self.payload(&first, line)
                    || !self.ends_panic(mode, line)
                        && mode.continues(line, grave)
                        && !(matches!(line.first(), Some(b' ')) && !opened && self.indented_start(line)));
            if !continues || lines >= RECORD_LINES || stop - first.start > RECORD_BYTES {
                self.ahead = Some(if continues {
                    // cut: what is left over is no record that a format knows
                    First { start, end: stop, head: Head::default(), known: false, format: first.format }
                } else {
                    self.first(start, stop)
                });
                break;
            }
            end = stop;
            before = start..stop;
            lines += 1;
            // pretty-printed: the unindented brace is the end
            closed = opened && line.first() == Some(&b'}');
        }
        let mut head = first.head;
        // what the first line does not say may stand further down
        if lines > 1
            && (opened || head.severity.is_none())
            && let Some(f) = first.format
        {
            head = f.head(&self.block[first.start..end], self.cx).unwrap_or(head);
        }
        Some(Span { range: first.start..end, lines, head, known: first.known })
    }
}

/// Whether a line opens a pretty-printed object and does not end it.
fn opens(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && !line.trim_ascii_end().ends_with(b"}")
}

/// How many bytes at the end of `block` belong to a record that could still grow: its last line has no newline yet, or
/// a line that follows might continue it. A follower holds them back or knows that the seam runs through a record.
/// Zero when the last record is whole; of formats that write one line a record that is believed at once, so that a new
/// line is not held back for one that may never come.
pub fn split_tail(block: &[u8], format: &'static dyn Format, cx: &Context) -> usize {
    if block.is_empty() {
        return 0;
    }
    let whole_lines = block.ends_with(b"\n");
    // Backwards to a line that surely begins a record, then forwards from there.
    let mut start = block.len() - usize::from(whole_lines);
    let floor = block.len().saturating_sub(RECORD_BYTES);
    let mut lines = 0;
    loop {
        start = memchr::memrchr(b'\n', &block[..start]).map_or(0, |i| i + 1);
        lines += 1;
        let end = memchr::memchr(b'\n', &block[start..]).map_or(block.len(), |i| start + i);
        let line = &block[start..end];
        let begins = !matches!(line.first(), None | Some(b' ' | b'\t'))
            && format.name() != plain::Plain.name()
            && format.head(line, cx).is_some_and(|h| h.time.is_some());
        // two of them, because only the line before tells whether a wrapped line goes on
        if start == 0 || start <= floor || lines >= RECORD_LINES || begins && lines > 1 {
            break;
        }
        start -= 1;
    }
    let from = start;
    let Some(last) = Records::new(&block[from..], format, cx).last() else { return 0 };
    let begin = from + last.range.start;
    let record = &block[begin..from + last.range.end];
    let whole = whole_lines && last.lines == 1 && format.stands_alone() && !opens(record) && format.head(record, cx).is_some()
        // such as a quoted value that has no end yet
        && !format.continues(record, b"", cx)
        && Mode::after_head(record) == Mode::None;
    if whole { 0 } else { block.len() - begin }
}

/// Lines that are looked back over for one that surely begins a record.
const BACK: usize = 64;

/// The record that `at` lies in, as [`super::records`] of the whole block would give it, and its time or that of the one
/// before it; only the lines near it are read. `None` when that cannot be told without reading all of the block.
pub fn around(block: &[u8], at: usize, format: &'static dyn Format, cx: &Context) -> Option<(Span, Ts)> {
    if !format.begins_by_time() {
        return None;
    }
    let mut start = memchr::memrchr(b'\n', &block[..at.min(block.len())]).map_or(0, |i| i + 1);
    for _ in 0..BACK {
        let end = memchr::memchr(b'\n', &block[start..]).map_or(block.len(), |i| start + i);
        if start == 0 || surely_begins(&block[start..end], format, cx) {
            let mut last = None;
            for mut s in Records::new(&block[start..], format, cx) {
                last = s.head.time.or(last);
                s.range = start + s.range.start..start + s.range.end;
                if s.range.end >= at {
                    return Some((s, last?));
                }
            }
            return None;
        }
        start = memchr::memrchr(b'\n', &block[..start - 1]).map_or(0, |i| i + 1);
    }
    None
}

/// Whether a line begins a record whatever stands before it.
fn surely_begins(line: &[u8], format: &'static dyn Format, cx: &Context) -> bool {
    // A Rust panic is ended by such a line, see `ends_panic`.
    [Mode::None, Mode::Python, Mode::Go].into_iter().all(|mut mode| !mode.continues(line, true))
        && format.head(line, cx).is_some_and(|h| h.time.is_some())
}

/// White space at the start of a line.
fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|c| matches!(c, b' ' | b'\t')).count()
}
