//! Frames, written.

use super::{ClockStep, Gap, HEADER, SYNC, Segment, fields, frame_type};
use crate::signals::Envelope;
use crate::timeline::Ts;

/// One frame with any payload.
pub(super) fn encode(kind: u8, codec: u8, schema: u16, seq: u64, observed: Ts, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&SYNC);
    frame.push(kind);
    frame.push(codec);
    frame.extend_from_slice(&schema.to_le_bytes());
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend_from_slice(&seq.to_le_bytes());
    frame.extend_from_slice(&observed.0.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame), payload);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// JSON, compressed: codec 0.
fn json<T: serde::Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    zstd::bulk::compress(&text, 1).unwrap_or_default()
}

/// The frame that begins a segment.
pub fn encode_segment(segment: &Segment, at: Ts) -> Vec<u8> {
    encode(frame_type::SEGMENT, 0, 1, 0, at, &json(segment))
}

/// A frame of envelopes, in order of sequence.
pub fn encode_events(envelopes: &[Envelope]) -> Vec<u8> {
    let (seq, at) = envelopes.first().map_or((0, Ts(0)), |e| (e.seq, e.observed));
    encode(frame_type::EVENTS, 0, 1, seq, at, &json(envelopes))
}

/// A frame that says what is missing.
pub fn encode_gap(gap: &Gap, seq: u64, at: Ts) -> Vec<u8> {
    encode(frame_type::GAP, 0, 1, seq, at, &json(gap))
}

/// A frame that says that the clock was set.
pub fn encode_clock(step: &ClockStep, seq: u64) -> Vec<u8> {
    encode(frame_type::CLOCK, 0, 1, seq, step.found, &json(step))
}

/// The frame that says what the fields of samples are, for readers that know no more than the document.
pub fn encode_fields() -> Vec<u8> {
    encode(frame_type::FIELDS, 0, 1, 0, Ts(0), &json(&fields()))
}
