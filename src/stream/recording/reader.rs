//! Frames, read: resynchronises behind damage, skips what it does not know, counts both.

use std::io::{self, Read};
use std::ops::Range;

use super::chain::{Decoder, Piece, Stream, generation_of};
use super::{ClockStep, Gap, HEADER, MAX_PAYLOAD, SYNC, Segment, frame_type};
use crate::signals::host::event::HostEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::Ts;

/// One frame that could be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A segment begins.
    Segment(Segment),
    /// Envelopes in order of sequence.
    Events(Vec<Envelope>),
    /// Something is missing.
    Gap(Gap),
    /// The wall clock was set.
    Clock(ClockStep),
}

/// What could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes that belong to no good frame.
    pub bytes: u64,
    /// Good frames of an unknown type, codec or schema.
    pub unknown_frames: u64,
    /// Envelopes in good frames that this version does not understand.
    pub unknown_events: u64,
    /// Envelopes in good frames that build on a frame which is not there.
    pub orphans: u64,
    /// Where, in order; the first few.
    pub places: Vec<Place>,
}

/// Places of damage that are remembered.
const PLACES: usize = 100;

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte that belongs to no good frame.
    pub at: u64,
    /// Observed time of the last good frame before it; the earliest there is where there was none.
    pub after: Ts,
    /// Observed time of the first good frame behind it from which on nothing is missing; the latest there is at the end.
    pub before: Ts,
}

impl Place {
    /// When, as the end of a sentence: ` (14:02:05 to 14:02:40 UTC)`.
    pub fn text(&self) -> String {
        let utc = jiff::tz::TimeZone::UTC;
        match (self.after > Ts::MIN, self.before < Ts::MAX) {
            (true, true) => format!(" ({} to {} UTC)", self.after.hms(&utc), self.before.hms(&utc)),
            (true, false) => format!(" (from {} UTC to the end)", self.after.hms(&utc)),
            (false, true) => format!(" (up to {} UTC)", self.before.hms(&utc)),
            (false, false) => String::new(),
        }
    }
}

impl Damage {
    /// Adds what another part of the recording lacks.
    pub fn add(&mut self, other: &Damage) {
        self.bytes += other.bytes;
        self.unknown_frames += other.unknown_frames;
        self.unknown_events += other.unknown_events;
        self.orphans += other.orphans;
        let room = PLACES.saturating_sub(self.places.len());
        self.places.extend(other.places.iter().take(room).cloned());
    }
}

/// What a good frame gave.
enum Decoded {
    /// A frame, and how many of its envelopes are unknown.
    Frame(Frame, u64),
    /// Envelopes that build on a frame that is not there.
    Orphan(u64),
    /// For others, or read before.
    Nothing,
    /// Of a newer version.
    Unknown,
}

/// Process tables stand by PID in frames; everything else expects the busiest first.
fn in_order(envelopes: &mut [Envelope]) {
    for e in envelopes {
        if let Event::Host(HostEvent::Processes(table)) = &mut e.event {
            table.sort_by_use();
        }
    }
}

impl Decoded {
    /// Codec 0.
    fn plain(kind: u8, payload: &[u8], wanted: Option<fn(&str) -> bool>) -> Decoded {
        let mut json = Vec::new();
        // The limit keeps a small hostile frame from filling the memory.
        let decoder = zstd::stream::Decoder::new(payload);
        let read = decoder.and_then(|d| d.take(4 * MAX_PAYLOAD as u64).read_to_end(&mut json));
        if read.is_err() {
            return Decoded::Unknown;
        }
        let whole = |frame: Option<Frame>| frame.map_or(Decoded::Unknown, |f| Decoded::Frame(f, 0));
        match kind {
            frame_type::SEGMENT => whole(serde_json::from_slice(&json).ok().map(Frame::Segment)),
            frame_type::GAP => whole(serde_json::from_slice(&json).ok().map(Frame::Gap)),
            frame_type::CLOCK => whole(serde_json::from_slice(&json).ok().map(Frame::Clock)),
            frame_type::EVENTS => Decoded::envelopes(&json, wanted),
            // We know the fields by their types.
            frame_type::FIELDS => Decoded::Nothing,
            _ => Decoded::Unknown,
        }
    }

    fn envelopes(json: &[u8], wanted: Option<fn(&str) -> bool>) -> Decoded {
        // Nearly always all of it is known: then it is gone through once.
        if wanted.is_none()
            && let Ok(mut all) = serde_json::from_slice::<Vec<Envelope>>(json)
        {
            in_order(&mut all);
            return Decoded::Frame(Frame::Events(all), 0);
        }
        let Ok(mut raw) = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(json) else {
            return Decoded::Unknown;
        };
        if let Some(wanted) = wanted {
            raw.retain(|r| wanted(r.get()));
        }
        let all = raw.len();
        let mut good: Vec<Envelope> = raw.into_iter().filter_map(|r| serde_json::from_str(r.get()).ok()).collect();
        in_order(&mut good);
        let unknown = (all - good.len()) as u64;
        Decoded::Frame(Frame::Events(good), unknown)
    }
}

/// Bytes that may be checked in vain: the longest frame there can be, and so many times what has been read.
const VAIN: u64 = MAX_PAYLOAD as u64;
const VAIN_TIMES: u64 = 8;
/// Frames so short are always checked.
const SHORT: usize = 4 << 10;

/// Reads frames from any stream of bytes.
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    damage: Damage,
    /// Bytes of the input that have left the buffer.
    gone: u64,
    /// Where the last frame stood in the input.
    last: Range<u64>,
    /// Bytes that were checked and belonged to no frame.
    in_vain: u64,
    /// Which envelopes are worth decoding, by their text.
    wanted: Option<fn(&str) -> bool>,
    /// A chain that is followed, of which only those are wanted, too.
    sifted: Option<Stream>,
    /// Which chains are worth following.
    streams: Option<&'static [Stream]>,
    /// Frames that begin outside of this are followed, and not decoded.
    between: Option<(Ts, Ts)>,
    /// Those of one chain, if they begin before.
    later: Option<(Stream, Ts)>,
    chains: Decoder,
    /// Of the last frame, where it has one.
    generation: Option<u8>,
    /// Observed time of the last good frame.
    seen: Option<Ts>,
    /// Bytes of damage when the last good frame ended.
    known: u64,
    /// Some of the frames since the last damage build on what it hit.
    orphaned: bool,
}

impl Reader<io::Empty> {
    /// Of what is in memory already.
    pub fn over(bytes: Vec<u8>) -> Reader<io::Empty> {
        Reader { buffer: bytes, ended: true, ..Reader::new(io::empty()) }
    }
}

impl<R: Read> Reader<R> {
    /// Starts at the current place of `input`.
    pub fn new(input: R) -> Reader<R> {
        Reader {
            input,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            damage: Damage::default(),
            gone: 0,
            last: 0..0,
            in_vain: 0,
            wanted: None,
            sifted: None,
            streams: None,
            between: None,
            later: None,
            chains: Decoder::default(),
            generation: None,
            seen: None,
            known: 0,
            orphaned: false,
        }
    }

    /// Goes on with the chains that another reader of the same recording has followed so far.
    pub fn resume(self, chains: Decoder) -> Reader<R> {
        Reader { chains, ..self }
    }

    /// Generation of the last frame, modulo 256; `None` of frames that need no other.
    pub fn generation(&self) -> Option<u8> {
        self.generation
    }

    /// Envelopes whose text is not `wanted` are left out: cheaper than decoding them.
    pub fn only(self, wanted: fn(&str) -> bool) -> Reader<R> {
        Reader { wanted: Some(wanted), ..self }
    }

    /// Frames of chains are left out, unread, but for those of `streams`: their texts are all wanted.
    pub fn streams(self, streams: &'static [Stream]) -> Reader<R> {
        Reader { streams: Some(streams), ..self }
    }

    /// As [`Reader::streams`]; of the one that is `sifted`, and of frames of no stream, only envelopes whose text is
    /// `wanted`.
    pub fn part_of(self, streams: &'static [Stream], sifted: Stream, wanted: fn(&str) -> bool) -> Reader<R> {
        Reader { wanted: Some(wanted), sifted: Some(sifted), streams: Some(streams), ..self }
    }

    /// Frames of chains that begin before `first` or after `last` are followed, because others build on them, and what
    /// they hold is left out.
    pub fn between(self, first: Ts, last: Ts) -> Reader<R> {
        Reader { between: Some((first, last)), ..self }
    }

    /// The same of frames of one chain that begin before `first`.
    pub fn later(self, stream: Stream, first: Ts) -> Reader<R> {
        Reader { later: Some((stream, first)), ..self }
    }

    /// What was read, for the next reader to be made [`over`](Reader::over).
    pub fn into_parts(self) -> (Decoder, Vec<u8>) {
        (self.chains, self.buffer)
    }

    /// Where the last frame stood, in bytes from where the reader began.
    pub fn last_frame(&self) -> Range<u64> {
        self.last.clone()
    }

    /// What could not be read so far.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The next good frame; `None` at the end.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if !self.fill(HEADER)? {
                self.damage.bytes += (self.buffer.len() - self.at) as u64;
                self.at = self.buffer.len();
                self.note_damage(None);
                return Ok(None);
            }
            let header = &self.buffer[self.at..self.at + HEADER];
            if header[..4] != SYNC {
                self.skip_to_sync();
                continue;
            }
            let word = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
            let (kind, codec, schema) = (header[4], header[5], u16::from_le_bytes([header[6], header[7]]));
            let (len, crc) = (word(8) as usize, word(28));
            let observed = Ts(header[20..28].try_into().map_or(0, i64::from_le_bytes));
            if len > MAX_PAYLOAD || !self.fill(HEADER + len)? {
                self.skip_to_sync();
                continue;
            }
            // A hostile file may hold a sync mark every few bytes, each of a frame that reaches to its end: what is spent
            // on checking those is bounded by what has been read, so that reading stays linear. What is not checked is
            // damage.
            if len > SHORT && self.in_vain + len as u64 > VAIN + VAIN_TIMES * (self.gone + self.at as u64) {
                self.skip_to_sync();
                continue;
            }
            let frame = &self.buffer[self.at..self.at + HEADER + len];
            let payload = &frame[HEADER..];
            if crc32c::crc32c_append(crc32c::crc32c(&frame[..HEADER - 4]), payload) != crc {
                self.in_vain += len as u64;
                self.skip_to_sync();
                continue;
            }
            self.generation = generation_of(frame);
            let decoded = match (codec, schema) {
                (0, 1) => Decoded::plain(kind, payload, self.wanted),
                (1, 1)
                    if kind == frame_type::EVENTS
                        && self.streams.is_some_and(|all| !all.iter().any(|s| s.is_of(payload))) =>
                {
                    Decoded::Nothing
                }
                (1, 1) if kind == frame_type::EVENTS => match self.chains.piece(payload, crc) {
                    Piece::Text(_) if self.between.is_some_and(|(a, b)| observed < a || observed > b) => {
                        Decoded::Nothing
                    }
                    Piece::Text(_) if self.later.is_some_and(|(s, first)| s.is_of(payload) && observed < first) => {
                        Decoded::Nothing
                    }
                    // Of a stream that was asked for everything is wanted, unless something else was said.
                    Piece::Text(text) => {
                        let sifted = self.streams.is_none() || self.sifted.is_some_and(|s| s.is_of(payload));
                        let wanted = self.wanted.filter(|_| sifted);
                        Decoded::envelopes(&text, wanted)
                    }
                    Piece::Again => Decoded::Nothing,
                    Piece::Orphan(count) => Decoded::Orphan(count),
                    Piece::Unknown => Decoded::Unknown,
                },
                _ => Decoded::Unknown,
            };
            let start = self.gone + self.at as u64;
            self.at += HEADER + len;
            self.last = start..start + (HEADER + len) as u64;
            // Frames of no time of their own say nothing of where damage lies.
            self.note_damage((kind == frame_type::EVENTS).then_some((start, observed)));
            match decoded {
                Decoded::Frame(frame, unknown) => {
                    self.damage.unknown_events += unknown;
                    if let Frame::Segment(_) = frame {
                        self.chains.segment();
                    }
                    return Ok(Some(frame));
                }
                Decoded::Orphan(count) => {
                    if self.orphaned || self.damage.orphans == 0 {
                        self.stretch(observed);
                    }
                    self.damage.orphans += count;
                }
                Decoded::Nothing => {}
                Decoded::Unknown => self.damage.unknown_frames += 1,
            }
        }
    }

    /// A frame is good again, or the end is reached: what was damaged until here is one place.
    fn note_damage(&mut self, good: Option<(u64, Ts)>) {
        let here = good.map_or(self.gone + self.at as u64, |(start, _)| start);
        if self.damage.bytes > self.known {
            let bytes = self.damage.bytes - self.known;
            self.known = self.damage.bytes;
            self.orphaned = true;
            if self.damage.places.len() < PLACES {
                let after = self.seen.unwrap_or(Ts::MIN);
                let before = good.map_or(Ts::MAX, |(_, observed)| observed);
                self.damage.places.push(Place { at: here.saturating_sub(bytes), after, before });
            }
        }
        if let Some((_, observed)) = good {
            self.seen = Some(observed);
        }
    }

    /// The last damage reaches as far as what builds on it.
    fn stretch(&mut self, to: Ts) {
        if let Some(place) = self.damage.places.last_mut() {
            place.before = place.before.max(to);
        }
    }

    /// Has at least `n` bytes from here on, or says that there are not so many.
    fn fill(&mut self, n: usize) -> io::Result<bool> {
        while self.buffer.len() - self.at < n && !self.ended {
            if self.at > 1 << 20 {
                self.buffer.drain(..self.at);
                self.gone += self.at as u64;
                self.at = 0;
            }
            let old = self.buffer.len();
            self.buffer.resize(old + (256 << 10).max(n - (old - self.at)), 0);
            let got = loop {
                match self.input.read(&mut self.buffer[old..]) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.buffer.truncate(old + got.as_ref().copied().unwrap_or(0));
            self.ended = got? == 0;
        }
        Ok(self.buffer.len() - self.at >= n)
    }

    /// Leaves this place for the next sync mark, or for where one could still begin.
    fn skip_to_sync(&mut self) {
        let rest = &self.buffer[self.at + 1..];
        let skip = memchr::memmem::find(rest, &SYNC).unwrap_or(rest.len().saturating_sub(SYNC.len() - 1)) + 1;
        self.damage.bytes += skip as u64;
        self.at += skip;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::recording::writer::encode;
    use crate::timeline::Ts;

    /// Sync marks every 32 bytes, each of a frame that reaches almost to the end of all.
    fn hostile(size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() + HEADER < size {
            let rest = size - bytes.len() - HEADER;
            let mut header = encode(frame_type::EVENTS, 0, 1, 0, Ts(0), b"");
            header[8..12].copy_from_slice(&(rest.min(MAX_PAYLOAD) as u32).to_le_bytes());
            bytes.extend(header);
        }
        bytes
    }

    #[test]
    fn a_hostile_recording_is_read_in_time_that_grows_with_its_size_only() {
        let mut bytes = hostile(24 << 20);
        let end = encode(
            frame_type::GAP,
            0,
            1,
            0,
            Ts(0),
            &zstd::bulk::compress(b"{\"envelopes\":7,\"why\":\"x\"}", 1).unwrap(),
        );
        bytes.extend(&end);
        let mut reader = Reader::new(&bytes[..]);
        let frame = reader.next_frame().unwrap();
        assert!(matches!(&frame, Some(Frame::Gap(gap)) if gap.envelopes == 7), "what follows is found: {frame:?}");
        assert_eq!(reader.damage.bytes, (bytes.len() - end.len()) as u64);
        let most = VAIN + VAIN_TIMES * bytes.len() as u64 + (SHORT * bytes.len() / HEADER) as u64;
        assert!(reader.in_vain <= most, "{} bytes checked", reader.in_vain);
    }
}
