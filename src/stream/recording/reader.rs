//! Frames, read: resynchronises behind damage, skips what it does not know, counts both.

use std::io::{self, Read};

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

/// Reads frames from any stream of bytes.
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    damage: Damage,
}

impl<R: Read> Reader<R> {
    /// Starts at the current place of `input`.
    pub fn new(input: R) -> Reader<R> {
        Reader { input, buffer: Vec::new(), at: 0, ended: false, damage: Damage::default() }
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
            let frame = &self.buffer[self.at..self.at + HEADER + len];
            let payload = &frame[HEADER..];
            if crc32c::crc32c_append(crc32c::crc32c(&frame[..HEADER - 4]), payload) != crc {
                self.skip_to_sync();
                continue;
            }
            let decoded = if codec == 0 && schema == 1 { self.decode(kind, payload) } else { None };
            self.at += HEADER + len;
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
                let raw: Vec<&serde_json::value::RawValue> = serde_json::from_slice(&json).ok()?;
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
                self.at = 0;
            }
            let old = self.buffer.len();
            self.buffer.resize(old + (256 << 10).max(n), 0);
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
