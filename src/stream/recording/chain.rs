//! Codec 1: envelopes of one subject in frames that build on one another.
//!
//! Within a *generation*, at most a minute and about a megabyte of text in one stream, all frames of a stream are pieces of
//! one zstd frame, each flushed: what was said before is not said again, so a sample costs what has changed of it. The first
//! piece is a *key* and needs nothing; each other one names the checksum of the frame it builds on. A frame that is lost
//! costs the rest of its generation in its own stream, and nothing else. Events that must stand for themselves (who
//! speaks, deploys, notes, kills) stay in codec 0.
//!
//! ```text
//! offset 0  1  stream      1 machine, 2 processes, 3 databases, pools and probes, 4 logs
//!        1  1  generation  one more than that of the frames before, modulo 256
//!        2  2  LE summary  its length S in bytes; 0 where there is none
//!        4  4  LE link     CRC32C of the frame this one builds on; 0 for a key
//!        8  4  LE count    envelopes in it
//!       12  S  summary
//!    12 + S    piece       zstd; its text is a JSON array of envelopes
//! ```
//!
//! Hand-made varint deltas of named fields were measured beside this on the same minutes of a box with 600 processes:
//! 0.64 MB an hour without keys against 0.73 with them. They would have cost a schema in every frame for that.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use zstd::zstd_safe::{CParameter, Strategy};

use super::summary::summary;
use super::writer::encode;
use super::{HEADER, MAX_PAYLOAD, encode_events, frame_type};
use crate::signals::host::event::HostEvent;
use crate::signals::source::weight;
use crate::signals::{Envelope, Event};
use crate::timeline::Ts;

/// Longest generation, in observed time and in bytes of text of one stream: that is what has to be decoded to read its last.
pub const GENERATION: (Duration, usize) = (Duration::from_secs(60), 1 << 20);
/// Head of a payload of codec 1.
const HEAD: usize = 12;
/// How hard is compressed: log lines quickly, there may be thousands a second.
const LEVEL: i32 = 1;
/// Samples are few and small, and their figures stand between names that repeat: here it pays to look for the longest
/// repetition. A level that does so takes megabytes for tables of a stream that has some 200 kB a minute.
const SEARCHED: [CParameter; 7] = [
    CParameter::WindowLog(19),
    CParameter::HashLog(15),
    CParameter::ChainLog(15),
    CParameter::SearchLog(6),
    CParameter::MinMatch(6),
    CParameter::TargetLength(16),
    CParameter::Strategy(Strategy::ZSTD_lazy2),
];

/// What frames of codec 1 are about.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Samples of the machine.
    Machine,
    /// Tables of its processes.
    Processes,
    /// Databases, pools and probes.
    Services,
    /// Log batches.
    Logs,
}

const STREAMS: [Stream; 4] = [Stream::Machine, Stream::Processes, Stream::Services, Stream::Logs];

impl Stream {
    /// Where an event goes; `None` is a frame of its own kind that needs no other.
    pub fn of(event: &Event) -> Option<Stream> {
        match event {
            Event::Host(HostEvent::OomKill(_)) => None,
            Event::Host(HostEvent::Processes(_)) => Some(Stream::Processes),
            Event::Host(_) => Some(Stream::Machine),
            Event::Database(_) | Event::Health(_) => Some(Stream::Services),
            Event::Logs(_) => Some(Stream::Logs),
            Event::Stream(_) | Event::Deploys(_) | Event::Incident(_) => None,
        }
    }

    fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Whether a payload of codec 1 is of this stream.
    pub fn is_of(self, payload: &[u8]) -> bool {
        payload.first() == Some(&self.number())
    }
}

/// One frame as it goes to disk.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Its bytes, header included.
    pub bytes: Vec<u8>,
    /// What it is about; `None` stands for itself.
    pub stream: Option<Stream>,
    /// Which generation it belongs to, counted without end.
    pub generation: u64,
    /// Envelopes in it.
    pub envelopes: u64,
}

#[derive(Default)]
struct Writing {
    piece: Option<zstd::stream::write::Encoder<'static, Vec<u8>>>,
    link: u32,
    /// Bytes of text in it.
    text: usize,
}

/// Writes frames of codec 1.
#[derive(Default)]
pub struct Encoder {
    generation: u64,
    began: Option<Ts>,
    streams: [Writing; 4],
}

impl Encoder {
    /// The next frames are keys.
    pub fn restart(&mut self) {
        self.generation += 1;
        self.began = None;
        self.streams = Default::default();
    }

    /// The generation that the next frames belong to, unless it has come to its end.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Frames of `envelopes`, in an order in which they can be read: what declares comes before what is declared.
    pub fn events(&mut self, envelopes: &[Envelope]) -> Vec<Encoded> {
        let Some(at) = envelopes.first().map(|e| e.observed) else { return Vec::new() };
        let full = self.streams.iter().any(|s| s.text >= GENERATION.1);
        match self.began {
            // A step of the clock ends it, too.
            Some(b) if at.since(b) >= GENERATION.0 || b.since(at) >= GENERATION.0 || full => self.restart(),
            _ => {}
        }
        self.began.get_or_insert(at);
        let mut parts: [Vec<&Envelope>; 5] = Default::default();
        for e in envelopes {
            parts[Stream::of(&e.event).map_or(0, |s| s as usize + 1)].push(e);
        }
        let [own, rest @ ..] = parts;
        let mut out = Vec::new();
        if !own.is_empty() {
            let own: Vec<Envelope> = own.into_iter().cloned().collect();
            let envelopes = own.len() as u64;
            out.push(Encoded { bytes: encode_events(&own), stream: None, generation: self.generation, envelopes });
        }
        for (stream, part) in STREAMS.into_iter().zip(rest) {
            // Large parts go as several frames, so that none comes near what a reader believes in.
            let mut piece: Vec<&Envelope> = Vec::new();
            let mut size = 0;
            for e in part {
                let weight = weight(&e.event);
                if size + weight > MAX_PAYLOAD / 16 && !piece.is_empty() {
                    out.push(self.piece(stream, &piece));
                    piece.clear();
                    size = 0;
                }
                size += weight;
                piece.push(e);
            }
            if !piece.is_empty() {
                out.push(self.piece(stream, &piece));
            }
        }
        out
    }

    fn piece(&mut self, stream: Stream, envelopes: &[&Envelope]) -> Encoded {
        let text = text(stream, envelopes);
        let w = &mut self.streams[stream as usize];
        w.text += text.len();
        let made = (|| -> io::Result<Vec<u8>> {
            let mut piece = match w.piece.take() {
                Some(piece) => piece,
                None => {
                    w.link = 0;
                    encoder(stream)?
                }
            };
            piece.write_all(&text)?;
            piece.flush()?;
            let bytes = std::mem::take(piece.get_mut());
            w.piece = Some(piece);
            Ok(bytes)
        })();
        let (count, seq, at) = envelopes.first().map_or((0, 0, Ts(0)), |e| (envelopes.len() as u64, e.seq, e.observed));
        let bytes = match made {
            Ok(piece) => {
                let summary = if stream == Stream::Logs { summary(envelopes) } else { Vec::new() };
                let mut payload = Vec::with_capacity(HEAD + summary.len() + piece.len());
                payload.extend([stream.number(), self.generation as u8]);
                payload.extend(u16::try_from(summary.len()).unwrap_or(0).to_le_bytes());
                payload.extend(w.link.to_le_bytes());
                payload.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
                payload.extend(summary);
                payload.extend(piece);
                let frame = encode(frame_type::EVENTS, 1, 1, seq, at, &payload);
                w.link = crc_of(&frame);
                frame
            }
            // Compression in memory does not fail; if it did, the frame would still be whole.
            Err(_) => {
                w.link = 0;
                let own: Vec<Envelope> = envelopes.iter().map(|e| (*e).clone()).collect();
                encode_events(&own)
            }
        };
        Encoded { bytes, stream: Some(stream), generation: self.generation, envelopes: count }
    }
}

/// The text of a piece. Process tables stand by PID in it: in the order of what they use, which is another one each time,
/// a row is as new as its place.
fn text(stream: Stream, envelopes: &[&Envelope]) -> Vec<u8> {
    if stream != Stream::Processes {
        // At once as much room as lines take whose quotes are escaped: half a second of a flood is half a megabyte.
        let size: usize = envelopes.iter().map(|e| weight(&e.event)).sum();
        return json(envelopes, size + size / 4);
    }
    let mut sorted: Vec<Envelope> = envelopes.iter().map(|e| (*e).clone()).collect();
    for e in &mut sorted {
        if let Event::Host(HostEvent::Processes(table)) = &mut e.event {
            table.sort_by_name();
        }
    }
    json(&sorted, 0)
}

/// What cannot be written is left out whole.
fn json(of: &(impl Serialize + ?Sized), room: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(room);
    if serde_json::to_writer(&mut text, of).is_err() {
        text.clear();
    }
    text
}

fn encoder(stream: Stream) -> io::Result<zstd::stream::write::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
    if stream != Stream::Logs {
        SEARCHED.iter().try_for_each(|p| encoder.set_parameter(*p))?;
    }
    Ok(encoder)
}

/// The checksum in a frame's header.
fn crc_of(frame: &[u8]) -> u32 {
    frame.get(HEADER - 4..HEADER).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Generation, modulo 256, of a frame of codec 1; `None` of any other.
pub fn generation_of(frame: &[u8]) -> Option<u8> {
    (frame.get(4) == Some(&frame_type::EVENTS) && frame.get(5) == Some(&1)).then(|| frame.get(HEADER + 1).copied())?
}

/// What the text of a piece is written to: bounded, so that a small hostile frame does not fill the memory.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
}

impl Write for Text {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + buf.len() > 4 * MAX_PAYLOAD {
            return Err(io::Error::other("longer than any frame is"));
        }
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Reading {
    text: Option<zstd::stream::write::Decoder<'static, Text>>,
    link: u32,
    /// Checksums of this chain: a frame that comes a second time is known.
    seen: BTreeSet<u32>,
}

/// Follows the chains of a recording.
#[derive(Default)]
pub struct Decoder {
    streams: [Reading; 4],
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.streams.iter().map(|s| s.link)).finish()
    }
}

/// What a payload of codec 1 gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The text of its envelopes.
    Text(Vec<u8>),
    /// It has been read already.
    Again,
    /// So many envelopes build on a frame that is not there.
    Orphan(u64),
    /// No payload that this version knows.
    Unknown,
}

impl Decoder {
    /// Another segment begins: what follows builds on nothing before it.
    pub fn segment(&mut self) {
        *self = Decoder::default();
    }

    /// Reads the payload of the frame whose checksum is `crc`.
    pub fn piece(&mut self, payload: &[u8], crc: u32) -> Piece {
        let Some((head, rest)) = payload.split_at_checked(HEAD) else { return Piece::Unknown };
        let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let summary = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let (link, count) = (word(4), word(8));
        let Some(piece) = rest.get(summary..) else { return Piece::Unknown };
        let stream = usize::from(head[0]).wrapping_sub(1);
        let Some(s) = self.streams.get_mut(stream) else { return Piece::Unknown };
        if s.seen.contains(&crc) {
            return Piece::Again;
        }
        if link == 0 {
            s.seen.clear();
            s.text = zstd::stream::write::Decoder::new(Text::default()).ok();
        } else if link != s.link {
            s.text = None;
        }
        let Some(text) = &mut s.text else { return Piece::Orphan(count.into()) };
        if text.write_all(piece).and_then(|()| text.flush()).is_err() {
            s.text = None;
            return Piece::Unknown;
        }
        s.link = crc;
        s.seen.insert(crc);
        Piece::Text(std::mem::take(&mut text.get_mut().bytes))
    }
}
