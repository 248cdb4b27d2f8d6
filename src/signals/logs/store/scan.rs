//! Reads one block: which of its records pass, where they are placed, and the row of each that somebody wants.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use super::blocks::{Step, Walk};
use super::directory::{BlockInfo, Ids};
use super::generation::{Generation, Gone};
use super::long;
use super::matcher::{Candidate, Matcher};
use super::survey::Survey;
use crate::signals::logs::formats::shallow::Shallow;
use crate::signals::logs::formats::{self, Context, Format, Head};
use crate::signals::logs::requests::{self, Request};
use crate::signals::logs::row::{LogRow, RowKey};
use crate::timeline::{RequestId, Severity, Ts};

/// Bytes of a record that a row keeps.
pub const RAW: usize = 64 << 10;
/// Bytes of a record that is written out.
pub const WHOLE: usize = 16 << 20;
/// Name of the format of rows that stand for lines that are not here.
pub const ABSENT: &str = "absent";

/// Place of a row in the merged order: time, source, generation, offset.
pub type Place = (Ts, RowKey);

/// The bytes of a block that was read.
#[derive(Debug)]
pub struct Block {
    generation: Arc<Generation>,
    /// All of the block, or those of its records that passed.
    bytes: Vec<u8>,
    start: u64,
    /// Offset after what was read of it, and after all of it: a huge record is not read to its end.
    read: (u64, u64),
    format: &'static dyn Format,
    cx: Context,
}

/// A record that passed.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Where it is placed.
    pub place: Place,
    /// Offset after it.
    pub end: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Record { block: Arc<Block>, range: Range<usize>, lines: u32, line: Option<u64>, head: Head },
    Gone { generation: Arc<Generation>, gone: Gone },
}

/// What reading a block came to.
#[derive(Debug)]
pub struct Scanned {
    /// Records that passed, in order of offset.
    pub hits: Vec<Hit>,
    /// Placed time of the first and of the last record of the block, whether they passed or not.
    pub ends: Option<(Ts, Ts)>,
    /// Whether any of its records has a time of its own.
    pub timed: bool,
    /// Bytes read.
    pub bytes: u64,
}

impl Scanned {
    fn nothing(ends: Option<(Ts, Ts)>, timed: bool, bytes: u64) -> Scanned {
        Scanned { hits: Vec::new(), ends, timed, bytes }
    }
}

/// Reads the block of `step` and gives back what passes. `buf` is for its bytes.
pub fn scan(generation: &Arc<Generation>, walk: &Walk, step: &Step, matcher: &Matcher, buf: &mut Vec<u8>) -> Scanned {
    let range = match step {
        Step::Block(range) => range.clone(),
        Step::Gone(gone) => {
            let place = (gone.span.0, generation.key(gone.range.start));
            let what = What::Gone { generation: Arc::clone(generation), gone: gone.clone() };
            let hits = if matcher.tells_absent() { vec![Hit { place, end: gone.range.end, what }] } else { Vec::new() };
            return Scanned { hits, ends: Some(gone.span), timed: true, bytes: 0 };
        }
    };
    let settled = walk.settled(&range);
    let info = walk.info(&range);
    if let Some(info) = &info
        && !generation.directory.may_hold(range.start, &matcher.rule)
    {
        return Scanned::nothing(Some(info.ends), info.timed, 0);
    }
    generation.read_into(range.start..range.end.min(range.start + super::blocks::MOST), buf);
    let read = buf.len() as u64;
    let (format, cx) = (generation.format(), generation.context());
    let whole = read == range.end - range.start;
    if whole
        && !matcher.all()
        && (matcher.raw.as_ref().is_some_and(|r| !r.is_in(buf))
            || (matcher.several || matcher.raw.is_none()) && !matcher.may_hold(buf))
    {
        if let Some(info) = &info {
            return Scanned::nothing(Some(info.ends), info.timed, read);
        }
        // That a block with nothing in it is passed by costs no more than a look at its bytes.
        if let Some(ends) = edges(buf, format, &cx) {
            if settled {
                let lines = memchr::memchr_iter(b'\n', buf).count() as u32;
                generation.directory.learn_lines(range.start, range.end, lines);
            }
            return Scanned::nothing(Some(ends), true, read);
        }
    }
    let near = if matcher.all() || !whole { None } else { near(buf, generation, format, &cx, matcher, info.as_ref()) };
    let (passed, ends, timed) = match near {
        Some((passed, ends, timed)) => {
            if settled && whole && info.is_none() {
                let lines = memchr::memchr_iter(b'\n', buf).count() as u32;
                generation.directory.learn_lines(range.start, range.end, lines);
            }
            (passed, Some(ends), timed)
        }
        None => {
            let mut seen = Survey::new(generation, walk, range.start, format, &cx);
            let mut passed: Vec<Passed> = Vec::new();
            for s in formats::records(buf, format, &cx) {
                let placed = seen.take(&s);
                let raw = &buf[s.range.clone()];
                let candidate = Candidate { raw, head: s.head, generation, format, cx: &cx, parsed: OnceCell::new() };
                // The rest of a record that is longer than was read.
                let more = || {
                    !whole
                        && s.range.end == buf.len()
                        && long::passes(
                            generation,
                            range.start + read.saturating_sub(long::OVERLAP)..range.end,
                            |raw| {
                                matcher.wants(&Candidate {
                                    raw,
                                    head: s.head,
                                    generation,
                                    format,
                                    cx: &cx,
                                    parsed: OnceCell::new(),
                                })
                            },
                        )
                };
                if matcher.all() || matcher.wants(&candidate) || more() {
                    passed.push((placed, s.range, s.lines, s.head));
                }
            }
            if settled
                && info.is_none()
                && whole
                && let Some(info) = seen.finish(range.end)
            {
                generation.directory.learn(range.start, info, Ids::Unknown);
            }
            (passed, seen.ends, seen.last.is_some())
        }
    };
    if passed.is_empty() {
        return Scanned::nothing(ends, timed, read);
    }
    // Number of the line that `counted` lies in, when all blocks before are known.
    let (mut line, mut counted) = (generation.directory.lines_before(range.start).map(|n| n + 1), 0);
    let lines: Vec<Option<u64>> = passed
        .iter()
        .map(|(_, r, _, _)| {
            let n = line.as_mut()?;
            *n += memchr::memchr_iter(b'\n', &buf[counted..r.start]).count() as u64;
            counted = r.start;
            Some(*n)
        })
        .collect();
    // Few hits take their own bytes with them; many take the whole block.
    let wanted: usize = passed.iter().map(|(_, r, _, _)| r.len()).sum();
    let few = wanted * 4 < buf.len();
    let bytes = if few {
        let mut bytes = Vec::with_capacity(wanted);
        passed.iter().for_each(|(_, r, _, _)| bytes.extend_from_slice(&buf[r.clone()]));
        bytes
    } else {
        std::mem::take(buf)
    };
    let all = if few { read as usize } else { bytes.len() };
    let block = Arc::new(Block {
        generation: Arc::clone(generation),
        bytes,
        start: range.start,
        read: (range.start + read, range.end),
        format,
        cx,
    });
    let mut at = 0;
    let hits = passed.into_iter().zip(lines).map(|((placed, r, lines, head), line)| {
        let place = (placed, generation.key(range.start + r.start as u64));
        let end = range.start + (r.end + 1).min(all) as u64;
        let own = if few { at..at + r.len() } else { r };
        at = own.end;
        Hit { place, end, what: What::Record { block: Arc::clone(&block), range: own, lines, line, head } }
    });
    Scanned { hits: hits.collect(), ends, timed, bytes: read }
}

/// A record that passed: where it is placed, its bytes in the block, its lines, time and severity.
type Passed = (Ts, Range<usize>, u32, Head);

/// Records are read one by one, each where something was found, while there are no more than one in so many bytes.
const RARE: usize = 2 << 10;

/// What passes in a block of which little is wanted, read only round the places where something was found; with the times
/// of its first and last record, and whether they are times of their own. `None` when all of it is to be read.
fn near(
    buf: &[u8],
    generation: &Generation,
    format: &'static dyn Format,
    cx: &Context,
    matcher: &Matcher,
    info: Option<&BlockInfo>,
) -> Option<(Vec<Passed>, (Ts, Ts), bool)> {
    let raw = matcher.raw.as_ref()?;
    let (ends, timed) = match info {
        Some(info) => (info.ends, info.timed),
        None => (edges(buf, format, cx)?, true),
    };
    let (mut passed, mut at, mut left) = (Vec::new(), 0, buf.len() / RARE);
    while let Some(found) = raw.next(buf, at) {
        left = left.checked_sub(1)?;
        let (s, placed) = formats::around(buf, found, format, cx)?;
        let raw = &buf[s.range.clone()];
        at = (s.range.end + 1).max(found + 1);
        let candidate = Candidate { raw, head: s.head, generation, format, cx, parsed: OnceCell::new() };
        if matcher.wants(&candidate) {
            passed.push((placed, s.range, s.lines, s.head));
        }
    }
    Some((passed, ends, timed))
}

/// Times of the first and of the last record of a block that have one, from its first and last bytes alone.
fn edges(bytes: &[u8], format: &'static dyn Format, cx: &Context) -> Option<(Ts, Ts)> {
    let head = &bytes[..bytes.len().min(8 << 10)];
    let head = &head[..memchr::memrchr(b'\n', head)? + 1];
    let first = formats::records(head, format, cx).find_map(|s| s.head.time)?;
    let last = [2 << 10, 16 << 10].into_iter().find_map(|most| {
        let from = bytes.len().saturating_sub(most);
        let tail = &bytes[from + if from > 0 { memchr::memchr(b'\n', &bytes[from..])? + 1 } else { 0 }..];
        formats::records(tail, format, cx).filter_map(|s| s.head.time).last()
    })?;
    Some((first, last))
}

impl Generation {
    /// Identity of the row at `offset`.
    pub fn key(&self, offset: u64) -> RowKey {
        RowKey { source: self.source, generation: self.opened.generation, offset }
    }
}

impl Hit {
    /// The row as the screen needs it: of a huge record only the beginning.
    pub fn row(&self) -> LogRow {
        self.row_of(RAW)
    }

    /// The request that the record tells of, without making a row of it where that can be done.
    pub fn request(&self) -> Option<Request> {
        let What::Record { block, range, .. } = &self.what else { return None };
        let whole = block.read.0 >= block.read.1;
        let Some(fields) = Shallow::of(&block.bytes[range.clone()], block.format).filter(|_| whole) else {
            return requests::of_row(&self.row_of(WHOLE));
        };
        let named = &block.generation.opened.request_id;
        let id = || {
            let configured = named.iter().find_map(|n| fields.fields().find(|(f, _)| f == n));
            let configured = configured.and_then(|(_, v)| if v.number().is_none() { v.text() } else { None });
            configured.map(|v| RequestId(v.as_ref().into())).or_else(|| fields.request_id())
        };
        requests::of_shallow(&fields, (self.place.0, self.place.1.source), block.format.name(), id)
    }

    /// The row with all of its record, up to `most` bytes.
    pub fn row_of(&self, most: usize) -> LogRow {
        let (placed, key) = self.place;
        match &self.what {
            What::Record { block, range, lines, line, head } => {
                let raw = &block.bytes[range.clone()];
                let (mut size, mut longer) = (raw.len() as u64, Vec::new());
                let (read, end) = block.read;
                if read < end && self.end >= read {
                    let newline = block.generation.read(end - 1..end) == b"\n";
                    let end = end - u64::from(newline);
                    size = end - key.offset;
                    if most > raw.len() {
                        longer = block.generation.read(key.offset..end.min(key.offset + most as u64));
                    }
                }
                let raw = if longer.len() > raw.len() { &longer } else { raw };
                let raw = &raw[..raw.len().min(most)];
                let (format, parsed) = formats::parse(raw, block.format, &block.cx);
                let named = &block.generation.opened.request_id;
                let request_id = named
                    .iter()
                    .find_map(|n| parsed.fields.iter().find(|(f, _)| f == n))
                    .and_then(|(_, v)| v.as_str())
                    .map(|v| RequestId(v.into()))
                    .or(parsed.request_id);
                let seen = |offset| block.generation.visible_from(offset);
                LogRow {
                    key,
                    placed,
                    visible: seen(self.end.saturating_sub(1)).map_or(placed, |t| t.max(placed)),
                    time: head.time,
                    inferred: head.inferred,
                    severity: head.severity,
                    source: block.generation.name.clone(),
                    format: format.name(),
                    line: *line,
                    folded: lines.saturating_sub(1),
                    message: parsed.message,
                    fields: parsed.fields,
                    request_id,
                    raw: raw.into(),
                    cut: size.saturating_sub(raw.len() as u64),
                }
            }
            What::Gone { generation, gone } => LogRow {
                key,
                placed,
                visible: placed,
                time: None,
                inferred: false,
                severity: None,
                source: generation.name.clone(),
                format: ABSENT,
                line: None,
                folded: 0,
                message: format!("{} not in this recording", counted(gone.lines, "line")),
                fields: Vec::new(),
                request_id: None,
                raw: Arc::from([]),
                cut: 0,
            },
        }
    }

    /// Severity of the record.
    pub fn severity(&self) -> Option<Severity> {
        match &self.what {
            What::Record { head, .. } => head.severity,
            What::Gone { .. } => None,
        }
    }

    /// Start of the block it was read from.
    pub fn block_start(&self) -> u64 {
        match &self.what {
            What::Record { block, .. } => block.start,
            What::Gone { gone, .. } => gone.range.start,
        }
    }
}

/// `1 line`, `1,204 lines`.
pub fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// `1,204`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::time::Duration;

    use super::*;
    use crate::signals::logs::event::{LogAppended, LogEvent, LogOpened};
    use crate::signals::logs::store::{Anchor, Ask, LogQuery, LogStore, Slot, StoreOptions};
    use crate::timeline::{Filter, SourceId, TimeRange};

    fn appended(start: u64, bytes: Option<&str>, end: u64, seed: bool) -> LogEvent {
        LogEvent::Appended(LogAppended {
            start,
            end,
            lines: 1,
            format: "logfmt".into(),
            seed,
            bytes: bytes.map(|b| b.as_bytes().into()),
            ..LogAppended::default()
        })
    }

    #[test]
    fn a_row_of_the_screen_says_how_much_of_a_long_record_it_lacks_and_what_is_written_out_lacks_nothing() {
        let store = LogStore::new(Box::new(|_| {}), StoreOptions { background: 0, ..StoreOptions::default() });
        let opened = LogOpened { format: Some("json".into()), ..LogOpened::default() };
        let line = format!("{{\"time\":\"1970-01-01T00:00:10Z\",\"msg\":\"{}\",\"last\":1}}\n", "m".repeat(1_000_000));
        store.observe(SourceId(1), "app", Ts(0), &LogEvent::Opened(opened), true);
        store.observe(SourceId(1), "app", Ts(0), &appended(0, Some(&line), line.len() as u64, false), true);
        let query = LogQuery {
            request: 0,
            slot: Slot::View,
            filter: Filter::default(),
            sources: None,
            min_severity: None,
            visible_until: Ts::MAX,
            screen: 0,
            ask: Ask::Rows { anchor: Anchor::End, before: 1, after: 0 },
        };
        let cut = std::cell::Cell::new(None);
        store.answer(&query, &|a| cut.set(a.rows.last().map(|r| r.cut).or(cut.get())));
        assert_eq!(cut.get(), Some((line.len() - 1 - RAW) as u64));
        store.scan_all(&Filter::default(), TimeRange { start: Ts::MIN, end: Ts::MAX }, &mut |row| {
            assert_eq!((row.cut, row.raw.len()), (0, line.len() - 1));
            cut.set(None);
            ControlFlow::Continue(())
        });
        assert_eq!(cut.get(), None);
    }

    #[test]
    fn a_row_says_when_it_became_visible_and_a_seed_is_no_row() {
        let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
        let opened = LogOpened {
            path: Some("/nowhere/that/is.log".into()),
            size: 100,
            format: Some("logfmt".into()),
            ..LogOpened::default()
        };
        let line = "time=1970-01-01T00:00:10Z level=error msg=x\n";
        let read = Ts::from_secs(10) + Duration::from_millis(700);
        store.observe(SourceId(1), "app", Ts(0), &LogEvent::Opened(opened), true);
        store.observe(SourceId(1), "app", Ts(0), &appended(0, None, 100, true), true);
        store.observe(SourceId(1), "app", read, &appended(100, Some(line), 100 + line.len() as u64, false), true);
        let mut rows = Vec::new();
        let all = TimeRange { start: Ts::MIN, end: Ts::MAX };
        store.scan_all(&Filter::default(), all, &mut |row| {
            rows.push((row.placed, row.visible));
            ControlFlow::Continue(())
        });
        assert_eq!(rows, [(Ts::from_secs(10), read)]);
    }
}
