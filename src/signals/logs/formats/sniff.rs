//! Which format an unknown line is of: those that its first byte allows are asked, in the order of their table.

use std::sync::LazyLock;

use super::{Context, FORMATS, Format, Head};

/// A table of formats, sorted into the first bytes that they can begin with.
pub(super) struct ByFirstByte(Vec<Vec<&'static dyn Format>>);

impl ByFirstByte {
    /// Asks every format about every byte, once.
    pub fn new(formats: &[&'static dyn Format]) -> ByFirstByte {
        let of = |byte: u8| formats.iter().copied().filter(|f| f.may_begin(byte)).collect();
        ByFirstByte((0..=u8::MAX).map(of).collect())
    }

    /// The formats that could know a line, best first. None knows an empty one.
    #[inline]
    pub fn of(&self, line: &[u8]) -> &[&'static dyn Format] {
        line.first().map_or(&[], |first| &self.0[usize::from(*first)])
    }
}

static ROWS: LazyLock<ByFirstByte> = LazyLock::new(|| {
    // plain text is the last row
    ByFirstByte::new(&FORMATS[..FORMATS.len() - 1])
});

/// The format, other than `except` and plain text, that a line begins a record of.
pub(super) fn sniff(line: &[u8], except: &str, cx: &Context) -> Option<(&'static dyn Format, Head)> {
    let rows = ROWS.of(line).iter().copied();
    rows.filter(|f| f.name() != except).find_map(|f| Some((f, f.head(line, cx)?)))
}
