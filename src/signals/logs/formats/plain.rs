//! Plain text: every line is a record and its own message.

use super::{Context, Format, Head, Parsed, enrich, lossy};

/// Knows every line, and nothing about it.
#[derive(Debug)]
pub struct Plain;

impl Format for Plain {
    fn name(&self) -> &'static str {
        "text"
    }

    fn head(&self, _line: &[u8], _cx: &Context) -> Option<Head> {
        Some(Head::default())
    }

    fn parse(&self, record: &[u8], _cx: &Context) -> Option<Parsed> {
        let mut parsed = Parsed { message: lossy(record).into_owned(), ..Parsed::default() };
        enrich::finish(&mut parsed);
        Some(parsed)
    }
}
