//! The recording format.
//!
//! A recording is a row of frames. Each frame stands for itself: a sync mark, what it is, how its payload is coded, its
//! place in the stream, its time and a CRC32C over header and payload. So any prefix of a recording is a recording, a
//! damaged place costs the frames it hits and nothing behind them, and recordings can be concatenated.
//!
//! ```text
//! offset  0  4 bytes  sync mark  F7 57 52 01
//!         4  1        type       1 segment, 2 events, 3 gap, 4 clock step, 5 fields; others are skipped and counted
//!         5  1        codec      0 = zstd of JSON, 1 = a piece of a chain (`chain`); others are skipped and counted
//!         6  2 LE     schema     of the payload; 1 = an array of envelopes
//!         8  4 LE     payload length
//!        12  8 LE     sequence   of the first envelope in it (0 for segment frames)
//!        20  8 LE     observed   UTC nanoseconds of the first envelope
//!        28  4 LE     CRC32C     of bytes 0 to 27 and the payload
//!        32           payload
//! ```
//!
//! The format only grows: new types, codecs and schemas get new numbers, readers skip what they do not know.

mod chain;
mod fields;
mod reader;
mod summary;
mod writer;

use serde::{Deserialize, Serialize};

use crate::timeline::Ts;

pub use chain::{Decoder, Encoded, Encoder, GENERATION, Stream, generation_of};
pub use fields::{Field, fields};
pub use reader::{Damage, Frame, Place, Reader};
pub use summary::Summary;
pub use writer::{encode_clock, encode_events, encode_fields, encode_gap, encode_segment};

/// First bytes of every frame.
pub const SYNC: [u8; 4] = [0xF7, b'W', b'R', 0x01];
/// Length of a frame's header.
pub const HEADER: usize = 32;
/// Largest payload a reader believes in; a longer one is damage.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// Frame types.
pub mod frame_type {
    /// Begins a segment: who recorded what.
    pub const SEGMENT: u8 = 1;
    /// Envelopes.
    pub const EVENTS: u8 = 2;
    /// Something is missing here.
    pub const GAP: u8 = 3;
    /// The wall clock was set.
    pub const CLOCK: u8 = 4;
    /// What the fields of samples are: name, unit, counter or gauge.
    pub const FIELDS: u8 = 5;
}

/// Payload of a segment frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Version of the format: 1.
    pub format: u32,
    /// Program that wrote it.
    pub program: String,
    /// Whether secrets were taken out at capture.
    pub redacted: bool,
}

/// Payload of a gap frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Envelopes that are missing.
    pub envelopes: u64,
    /// Why.
    pub why: String,
}

/// Payload of a clock frame: the wall clock was set between two envelopes. Order is that of the sequence.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// What the clock would have said, UTC nanoseconds.
    pub expected: Ts,
    /// What it says.
    pub found: Ts,
}

impl ClockStep {
    /// In words: `the clock was set back by 1 h`.
    pub fn text(&self) -> String {
        let (by, way) = match self.found >= self.expected {
            true => (self.found.since(self.expected), "forward"),
            false => (self.expected.since(self.found), "back"),
        };
        format!("the clock was set {way} by {}", crate::timeline::time::short(by))
    }
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The operating system said no.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried: `cannot open`, `cannot write`.
        what: &'static str,
        /// On which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not one good frame.
    #[error(
        "{path} is not a warroom recording: no readable frame in its {size} bytes; for raw log files use `warroom replay --logs {path}`"
    )]
    NotARecording {
        /// Which file.
        path: String,
        /// Its size.
        size: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::chain::Piece;
    use super::*;
    use crate::signals::host::event::{HostEvent, ProcessRow, ProcessTable, UnitUse};
    use crate::signals::{Envelope, Event};
    use crate::timeline::source::Declaration;
    use crate::timeline::{OriginId, SourceId, SourceState, Ts};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn envelope(seq: u64) -> Envelope {
        Envelope {
            seq,
            origin: OriginId(0),
            source: SourceId(1),
            observed: Ts::from_secs(seq as i64),
            mono: seq,
            event: Event::Stream(Declaration::State { source: SourceId(1), state: SourceState::Ok }),
        }
    }

    fn recording(frames: u64) -> Vec<u8> {
        let mut bytes = encode_segment(&Segment { format: 1, program: "test".into(), redacted: true }, Ts(0));
        for f in 0..frames {
            bytes.extend(encode_events(&[envelope(2 * f + 1), envelope(2 * f + 2)]));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<u64>, Damage) {
        let mut reader = Reader::new(bytes);
        let mut seqs = Vec::new();
        while let Some(frame) = reader.next_frame().expect("memory cannot fail") {
            if let Frame::Events(envelopes) = frame {
                seqs.extend(envelopes.iter().map(|e| e.seq));
            }
        }
        (seqs, reader.damage().clone())
    }

    #[test]
    fn any_prefix_of_a_recording_is_a_recording() {
        let bytes = recording(5);
        let mut last = 0;
        for cut in 0..=bytes.len() {
            let (seqs, _) = read(&bytes[..cut]);
            assert!(seqs.len() >= last, "a longer prefix never holds less");
            assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
            last = seqs.len();
        }
        assert_eq!(last, 10);
    }

    #[test]
    fn recordings_can_be_concatenated() {
        let mut bytes = recording(2);
        bytes.extend(recording(1));
        assert_eq!(read(&bytes).0, [1, 2, 3, 4, 1, 2]);
    }

    #[test]
    fn a_process_table_stands_by_pid_in_the_file_and_is_read_busiest_first() {
        let row =
            |pid, cpu, rss_bytes| ProcessRow { pid, cpu_pct_of_one_core: cpu, rss_bytes, ..ProcessRow::default() };
        let unit = |unit: &str, cpu| UnitUse { unit: unit.into(), cpu_pct_of_one_core: cpu, ..UnitUse::default() };
        let table = ProcessTable {
            rows: vec![
                row(40, Some(9.5), 1),
                row(7, Some(2.0), 8),
                row(21, None, 5),
                row(30, Some(0.0), 5),
                row(2, None, 4),
            ],
            units: vec![unit("b.service", 3.0), unit("a.service", 1.0)],
            ..ProcessTable::default()
        };
        let event = Event::Host(HostEvent::Processes(Box::new(table)));
        let told = Envelope { event, ..envelope(1) };
        let frame = Encoder::default().events(std::slice::from_ref(&told)).remove(0).bytes;
        let Piece::Text(text) = Decoder::default().piece(&frame[HEADER..], 1) else {
            panic!("a key needs no other frame")
        };
        let text = String::from_utf8(text).expect("JSON");
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
        let places =
            ["\"pid\":2,", "\"pid\":7,", "\"pid\":21,", "\"pid\":30,", "\"pid\":40,", "a.service", "b.service"];
        assert!(places.map(place).is_sorted(), "{text}");
        let read = Reader::new(&frame[..]).next_frame().expect("memory cannot fail");
        assert_eq!(read, Some(Frame::Events(vec![told])));
    }

    #[test]
    fn frames_of_unknown_type_are_skipped_and_counted() {
        let mut bytes = recording(1);
        bytes.extend(writer::encode(200, 9, 7, 0, Ts(0), b"from the future"));
        bytes.extend(encode_events(&[envelope(3)]));
        let (seqs, damage) = read(&bytes);
        assert_eq!((seqs, damage.unknown_frames, damage.bytes), (vec![1, 2, 3], 1, 0));
    }

    fn sample(seq: u64) -> Envelope {
        use crate::signals::host::event::{HostEvent, HostSample};
        let sample = HostSample { running: seq as u32, ..HostSample::default() };
        Envelope { event: Event::Host(HostEvent::Sample(Box::new(sample))), ..envelope(seq) }
    }

    /// Frames of codec 1: a sample a second for three minutes, with a declaration in each third of them.
    fn chained() -> (Vec<u8>, Vec<Envelope>) {
        let mut bytes = encode_segment(&Segment { format: 1, program: "test".into(), redacted: true }, Ts(0));
        let mut encoder = Encoder::default();
        let mut all = Vec::new();
        for n in 1..=180 {
            let mut batch = vec![sample(2 * n)];
            if n % 3 == 0 {
                batch.push(envelope(2 * n + 1));
            }
            encoder.events(&batch).iter().for_each(|f| bytes.extend(&f.bytes));
            all.extend(batch);
        }
        (bytes, all)
    }

    #[test]
    fn frames_that_build_on_one_another_hold_what_was_said_and_begin_anew_every_minute() {
        let (bytes, all) = chained();
        let mut reader = Reader::new(&bytes[..]);
        let (mut read, mut keys) = (Vec::new(), BTreeSet::new());
        while let Some(frame) = reader.next_frame().expect("memory cannot fail") {
            if let Frame::Events(envelopes) = frame {
                read.extend(envelopes);
                keys.extend(reader.generation());
            }
        }
        read.sort_by_key(|e| e.seq);
        assert_eq!((read, reader.damage()), (all, &Damage::default()));
        // Seconds of even number are 120 apart in a minute: six generations in 360 seconds.
        assert_eq!(keys.len(), 6);
    }

    #[test]
    fn a_frame_that_is_lost_costs_the_rest_of_its_minute_in_its_stream_and_is_told() {
        let (bytes, all) = chained();
        let mut damaged = bytes.clone();
        let middle = bytes.len() / 2;
        damaged[middle..middle + 64].fill(0xa5);
        let (seqs, damage) = read(&damaged);
        let declared = |seqs: &mut dyn Iterator<Item = u64>| seqs.filter(|s| s % 2 == 1).count();
        let lost_declared = declared(&mut all.iter().map(|e| e.seq)) - declared(&mut seqs.iter().copied());
        assert!(lost_declared <= 2, "{lost_declared}");
        assert!(all.len() - seqs.len() <= 34, "{} of {}", all.len() - seqs.len(), all.len());
        assert!(damage.orphans > 0 && damage.bytes > 0, "{damage:?}");
        let place = &damage.places[0];
        assert!(place.before > place.after && place.before.since(place.after) <= Duration::from_secs(66), "{place:?}");
    }

    #[test]
    fn frames_that_come_twice_are_read_once_and_a_chain_goes_on_behind_them() {
        let (bytes, all) = chained();
        // The middle third comes again, from a frame in the middle of a generation on.
        let mut ends = Vec::new();
        let mut reader = Reader::new(&bytes[..]);
        while reader.next_frame().expect("memory cannot fail").is_some() {
            ends.push(reader.last_frame().end as usize);
        }
        let (from, to) = (ends[ends.len() / 3], ends[ends.len() / 3 + 20]);
        let twice = [&bytes[..to], &bytes[from..]].concat();
        let (mut seqs, damage) = read(&twice);
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!((seqs.len(), damage.orphans), (all.len(), 0));
    }

    #[test]
    fn a_piece_that_would_fill_the_memory_is_damage() {
        let bomb = zstd::bulk::compress(&vec![0; 300 << 20], 1).expect("compressed");
        let payload = [&[1u8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0][..], &bomb].concat();
        assert_eq!(Decoder::default().piece(&payload, 7), chain::Piece::Unknown);
        assert_eq!(Decoder::default().piece(&[9; 40], 7), chain::Piece::Unknown);
        assert_eq!(Decoder::default().piece(&[1; 3], 7), chain::Piece::Unknown);
    }

    proptest! {
        #[test]
        fn damage_to_chains_is_never_read_as_something_else(at in 0usize..20_000, with in prop::collection::vec(any::<u8>(), 64)) {
            static MADE: std::sync::OnceLock<(Vec<u8>, Vec<Envelope>)> = std::sync::OnceLock::new();
            let (bytes, all) = MADE.get_or_init(chained);
            let mut bytes = bytes.clone();
            let at = at % (bytes.len() - 64);
            bytes[at..at + 64].copy_from_slice(&with);
            let mut reader = Reader::new(&bytes[..]);
            while let Some(frame) = reader.next_frame().expect("memory cannot fail") {
                if let Frame::Events(envelopes) = frame {
                    for e in envelopes {
                        let said = all.binary_search_by_key(&e.seq, |a| a.seq).is_ok_and(|i| all[i] == e);
                        prop_assert!(said, "{e:?}");
                    }
                }
            }
        }

        #[test]
        fn damage_costs_the_frames_it_hits_and_nothing_behind_them(at in 0usize..600, with in prop::collection::vec(any::<u8>(), 64)) {
            let mut bytes = recording(20);
            let at = at.min(bytes.len() - 64);
            bytes[at..at + 64].copy_from_slice(&with);
            let (seqs, _) = read(&bytes);
            // 64 bytes hit at most two frames and the segment header.
            prop_assert!(seqs.len() >= 40 - 6, "only {} envelopes left", seqs.len());
            prop_assert_eq!(seqs.last(), Some(&40));
        }

        #[test]
        fn noise_is_read_without_a_panic(noise in prop::collection::vec(any::<u8>(), 0..4096)) {
            read(&noise);
        }
    }
}
