//! Bytes as they come, cut into whole lines.

use std::time::Duration;

use crate::timeline::Ts;

/// A half-written line is shown after this long without an end.
pub const QUIET: Duration = Duration::from_secs(2);
/// A line longer than this is passed on in pieces.
pub const LONGEST: usize = 1 << 20;

/// A piece that is ready: whole lines, or a flushed part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset of its first byte.
    pub start: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it begins inside a line of which a part was passed on before.
    pub mid_line: bool,
}

/// Collects bytes and gives them out at line ends.
#[derive(Clone, Debug, Default)]
pub struct LineBuffer {
    start: u64,
    buf: Vec<u8>,
    mid_line: bool,
    touched: Ts,
}

impl LineBuffer {
    /// An empty one that begins at `offset`.
    pub fn at(offset: u64) -> LineBuffer {
        LineBuffer { start: offset, ..LineBuffer::default() }
    }

    /// Offset after the last byte that came in.
    pub fn end(&self) -> u64 {
        self.start + self.buf.len() as u64
    }

    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8], now: Ts) {
        self.buf.extend_from_slice(bytes);
        self.touched = now;
    }

    /// All whole lines, if there are any; a line past [`LONGEST`] is given out unfinished.
    pub fn whole(&mut self) -> Option<Piece> {
        match memchr::memrchr(b'\n', &self.buf) {
            Some(i) => Some(self.take(i + 1)),
            None if self.buf.len() >= LONGEST => Some(self.take(self.buf.len())),
            None => None,
        }
    }

    /// The unfinished line, when nothing was added to it for [`QUIET`].
    pub fn stale(&mut self, now: Ts) -> Option<Piece> {
        (!self.buf.is_empty() && now.since(self.touched) >= QUIET).then(|| self.take(self.buf.len()))
    }

    /// Whatever is left: the source has ended.
    pub fn rest(&mut self) -> Option<Piece> {
        (!self.buf.is_empty()).then(|| self.take(self.buf.len()))
    }

    fn take(&mut self, n: usize) -> Piece {
        let tail = self.buf.split_off(n);
        let bytes = std::mem::replace(&mut self.buf, tail);
        let piece = Piece { start: self.start, mid_line: self.mid_line, bytes };
        self.start += n as u64;
        self.mid_line = piece.bytes.last() != Some(&b'\n');
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_line_waits_for_its_end_and_is_passed_on_when_it_does_not_come() {
        let mut b = LineBuffer::at(10);
        b.push(b"one\ntw", Ts::from_secs(1));
        assert_eq!(b.whole().unwrap(), Piece { start: 10, bytes: b"one\n".to_vec(), mid_line: false });
        assert_eq!(b.whole(), None);
        assert_eq!(b.stale(Ts::from_secs(2)), None);
        assert_eq!(b.stale(Ts::from_secs(3)).unwrap().bytes, b"tw");
        b.push(b"o\n", Ts::from_secs(9));
        assert_eq!(b.whole().unwrap(), Piece { start: 16, bytes: b"o\n".to_vec(), mid_line: true });
    }
}
