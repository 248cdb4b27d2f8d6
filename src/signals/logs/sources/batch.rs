//! From a piece of bytes to the event that carries it: lines, counts, span, format.

use compact_str::CompactString;
use jiff::tz::TimeZone;

use super::lines::Piece;
use crate::signals::logs::event::LogAppended;
use crate::signals::logs::formats::{self, Context, Format};
use crate::timeline::Ts;
use crate::timeline::counts::Counts;

/// Lines after which a source that looked like plain text is believed to be plain text.
const BELIEVE: u64 = 10_000;

/// Reads heads of lines and counts them; knows the format of its source.
#[derive(Debug)]
pub struct Batcher {
    format: Option<&'static dyn Format>,
    fixed: bool,
    zone: TimeZone,
    last: Option<Ts>,
    lines: u64,
}

impl Batcher {
    /// With the format the configuration names, if it names one that exists.
    pub fn new(format: Option<&str>) -> Batcher {
        let format = format.and_then(formats::by_name);
        Batcher { format, fixed: format.is_some(), zone: TimeZone::system(), last: None, lines: 0 }
    }

    /// Looks at a sample of what is there already, and at the beginning of the file, to know the format before the first
    /// line comes.
    pub fn learn(&mut self, first: &[u8], sample: &[u8], near: Ts) {
        if !self.fixed && !sample.is_empty() {
            self.format = Some(formats::detect_file(first, sample, &self.context(near)).0);
        }
    }

    /// What times without year or zone are completed from.
    pub fn context(&self, near: Ts) -> Context {
        Context { zone: self.zone.clone(), near }
    }

    /// The format as it is known so far.
    pub fn format(&self) -> &'static dyn Format {
        self.format.unwrap_or(formats::FORMATS[formats::FORMATS.len() - 1])
    }

    /// A new generation has begun: nothing continues a record of the old one.
    pub fn begin(&mut self) {
        self.last = None;
        if !self.fixed {
            self.lines = 0;
        }
    }

    /// Event time of the newest record seen.
    pub fn last_time(&self) -> Option<Ts> {
        self.last
    }

    /// The event for a piece that was read at `now`.
    pub fn appended(&mut self, generation: u32, piece: Piece, now: Ts) -> LogAppended {
        let cx = self.context(now);
        let plain = self.format.is_none_or(|f| f.name() == "text");
        if !self.fixed && plain && self.lines < BELIEVE {
            self.format = Some(formats::detect(&piece.bytes, &cx).0);
        }
        let mut event = self.count(generation, &piece, now, &cx);
        // The writer changed its format, or the first guess was wrong.
        if !self.fixed && event.unknown > 10 && event.unknown * 2 > event.lines {
            let (format, share) = formats::detect(&piece.bytes, &cx);
            if share > 0.5 && format.name() != self.format().name() {
                self.format = Some(format);
                event = self.count(generation, &piece, now, &cx);
            }
        }
        self.lines += u64::from(event.lines);
        self.last = event.span.map(|(_, t)| t).or(self.last);
        event.bytes = Some(piece.bytes.into());
        event
    }

    /// Counts only: for seeds, and for reading old files.
    pub fn count(&self, generation: u32, piece: &Piece, now: Ts, cx: &Context) -> LogAppended {
        let mut counts: Vec<(i64, Counts)> = Vec::new();
        let mut span: Option<(Ts, Ts)> = None;
        let (mut lines, mut unknown) = (0u32, 0u32);
        let mut last = self.last;
        for (i, s) in formats::records(&piece.bytes, self.format(), cx).enumerate() {
            // The rest of a line that was counted when its first part was passed on.
            let begun = u32::from(i == 0 && piece.mid_line);
            lines += s.lines.saturating_sub(begun);
            if begun == 1 {
                continue;
            }
            // What continues a record of the piece before is no record of its own.
            if i == 0 && !s.known && self.last.is_some() {
                continue;
            }
            if !s.known {
                unknown += s.lines;
            }
            if let Some(t) = s.head.time {
                last = Some(t);
                span = Some(span.map_or((t, t), |(a, b)| (a.min(t), b.max(t))));
            }
            let second = last.unwrap_or(now).secs();
            let at = match counts.binary_search_by_key(&second, |(s, _)| *s) {
                Ok(at) => at,
                Err(at) => {
                    counts.insert(at, (second, Counts::default()));
                    at
                }
            };
            counts[at].1.add(s.head.severity, 1);
        }
        LogAppended {
            generation,
            start: piece.start,
            end: piece.start + piece.bytes.len() as u64,
            lines,
            unknown,
            counts,
            span,
            format: CompactString::const_new(self.format().name()),
            seed: false,
            bytes: None,
        }
    }
}
