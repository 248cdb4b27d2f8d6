//! Frames, read: resynchronises behind damage, skips what it does not know, counts both.

use std::io::{self, Read};
use std::ops::Range;

use super::{Gap, HEADER, MAX_PAYLOAD, SYNC, Segment, frame_type};
use crate::signals::Envelope;

/// One frame that could be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A segment begins.
    Segment(Segment),
    /// Envelopes in order of sequence.
    Events(Vec<Envelope>),
    /// Something is missing.
    Gap(Gap),
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
        }
    }

    /// Envelopes whose text is not `wanted` are left out: cheaper than decoding them.
    pub fn only(self, wanted: fn(&str) -> bool) -> Reader<R> {
        Reader { wanted: Some(wanted), ..self }
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
            let decoded = if codec == 0 && schema == 1 { self.decode(kind, payload) } else { None };
            let start = self.gone + self.at as u64;
            self.at += HEADER + len;
            self.last = start..start + (HEADER + len) as u64;
            match decoded {
                Some((frame, unknown)) => {
                    self.damage.unknown_events += unknown;
                    return Ok(Some(frame));
                }
                None => self.damage.unknown_frames += 1,
            }
        }
    }

    fn decode(&self, kind: u8, payload: &[u8]) -> Option<(Frame, u64)> {
        let mut json = Vec::new();
        // The limit keeps a small hostile frame from filling the memory.
        zstd::stream::Decoder::new(payload).ok()?.take(4 * MAX_PAYLOAD as u64).read_to_end(&mut json).ok()?;
        match kind {
            frame_type::SEGMENT => serde_json::from_slice(&json).ok().map(|s| (Frame::Segment(s), 0)),
            frame_type::GAP => serde_json::from_slice(&json).ok().map(|g| (Frame::Gap(g), 0)),
            frame_type::EVENTS => {
                let mut raw: Vec<&serde_json::value::RawValue> = serde_json::from_slice(&json).ok()?;
                if let Some(wanted) = self.wanted {
                    raw.retain(|r| wanted(r.get()));
                }
                let all = raw.len();
                let good: Vec<Envelope> = raw.into_iter().filter_map(|r| serde_json::from_str(r.get()).ok()).collect();
                let unknown = (all - good.len()) as u64;
                Some((Frame::Events(good), unknown))
            }
            _ => None,
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
