//! The recording format.
//!
//! A recording is a row of frames. Each frame stands for itself: a sync mark, what it is, how its payload is coded, its
//! place in the stream, its time and a CRC32C over header and payload. So any prefix of a recording is a recording, a
//! damaged place costs the frames it hits and nothing behind them, and recordings can be concatenated.
//!
//! ```text
//! offset  0  4 bytes  sync mark  F7 57 52 01
//!         4  1        type       1 segment, 2 events, 3 gap; others are skipped and counted
//!         5  1        codec      0 = zstd of JSON; others are skipped and counted
//!         6  2 LE     schema     of the payload; 1 = an array of envelopes
//!         8  4 LE     payload length
//!        12  8 LE     sequence   of the first envelope in it (0 for segment frames)
//!        20  8 LE     observed   UTC nanoseconds of the first envelope
//!        28  4 LE     CRC32C     of bytes 0 to 27 and the payload
//!        32           payload
//! ```
//!
//! The format only grows: new types, codecs and schemas get new numbers, readers skip what they do not know.

mod reader;
mod writer;

use serde::{Deserialize, Serialize};

pub use reader::{Damage, Frame, Reader};
pub use writer::{encode_events, encode_gap, encode_segment};

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
    use super::*;
    use crate::signals::{Envelope, Event};
    use crate::timeline::source::Declaration;
    use crate::timeline::{OriginId, SourceId, SourceState, Ts};
    use proptest::prelude::*;

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
    fn frames_of_unknown_type_are_skipped_and_counted() {
        let mut bytes = recording(1);
        bytes.extend(writer::encode(200, 9, 7, 0, Ts(0), b"from the future"));
        bytes.extend(encode_events(&[envelope(3)]));
        let (seqs, damage) = read(&bytes);
        assert_eq!((seqs, damage.unknown_frames, damage.bytes), (vec![1, 2, 3], 1, 0));
    }

    proptest! {
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
