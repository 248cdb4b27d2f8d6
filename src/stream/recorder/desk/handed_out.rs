//! What the desk hands out of what it holds: a part of the past, all of it to who listens, and the ring saved to a file.

use std::sync::Arc;
use std::time::Duration;

use super::Desk;
use super::frames::{OnDisk, note, observed};
use crate::stream::past::Pieces;
use crate::stream::recorder::{Listener, Save};
use crate::stream::recording::{Gap, encode_events, encode_gap};
use crate::timeline::Ts;

/// Frames of different streams that were gathered together begin at different times: by at most this, twice what is
/// gathered.
const SPREAD: Duration = Duration::from_secs(1);

impl Desk {
    /// What the ring and the disk hold of a time, whole generations.
    pub(super) fn past(&self, from: Ts, to: Ts) -> Pieces {
        let mut pieces = Pieces::default();
        let held = self.ring.front().map(|k| observed(&k.bytes));
        if self.evicted > 0 && held.is_none_or(|h| h > from) {
            // A frame tells when it begins; it ends where the next one begins.
            let nexts = self.on_disk.iter().skip(1).map(|b| b.first).chain([Ts::MAX]);
            let reach =
                |b: &OnDisk, next: Ts| next + SPREAD >= from && b.first <= to && held.is_none_or(|h| b.first < h);
            let wanted: Vec<bool> = self.on_disk.iter().zip(nexts).map(|(b, next)| reach(b, next)).collect();
            let generation = |i: usize| self.on_disk.get(i).map(|b| b.generation);
            for i in whole_generations(&wanted, generation) {
                if let Some(block) = self.on_disk.get(i) {
                    pieces.push_file(block.path.to_path_buf(), block.bytes.clone(), block.generation);
                }
            }
            pieces.since = match self.on_disk.front() {
                Some(first) if first.first <= from => None,
                Some(first) => Some(first.first),
                None => held,
            };
        }
        let nexts = self.ring.iter().skip(1).map(|k| observed(&k.bytes)).chain([Ts::MAX]);
        let wanted: Vec<bool> =
            self.ring.iter().zip(nexts).map(|(k, next)| next + SPREAD >= from && observed(&k.bytes) <= to).collect();
        for i in whole_generations(&wanted, |i| self.ring.get(i).map(|k| k.generation)) {
            if let Some(k) = self.ring.get(i) {
                pieces.push(Arc::clone(&k.bytes), k.generation);
            }
        }
        pieces
    }

    /// A new listener gets everything that is held, then every new frame.
    pub(super) fn greet(&mut self, listener: Listener) {
        // Two at least, so that it is told from a single new frame, which is counted.
        let mut held: Vec<Arc<[u8]>> = vec![self.preamble_frame(0).into(), Arc::default()];
        held.extend(self.ring.iter().map(|k| Arc::clone(&k.bytes)));
        if listener.to.try_send(held).is_ok() {
            self.listeners.push(listener);
        }
    }

    /// Declarations and opened logs, as the first frame of what is handed on when the `left_out` oldest frames of the ring
    /// are not. Log generations that were opened before the rest begins are told as if they had been opened there, so that
    /// a recording does not begin long before its first event; what is missing is said by a gap.
    fn preamble_frame(&self, left_out: usize) -> Vec<u8> {
        let behind = self.ring.iter().take(left_out);
        let missing = self.evicted + behind.clone().map(|k| k.envelopes).sum::<u64>();
        let begin = behind.map(|k| observed(&k.bytes)).fold(self.ring_begin, Ts::max);
        let mut preamble = self.preamble.clone();
        if missing > 0 {
            for e in &mut preamble {
                e.observed = e.observed.max(begin);
            }
        }
        let mut frame = encode_events(&preamble);
        if missing > 0 {
            let gap = Gap { envelopes: missing, why: "older than what is kept".into() };
            frame.extend(encode_gap(&gap, 0, begin));
        }
        frame
    }

    pub(super) fn save(&mut self, save: &Save) -> Result<u64, String> {
        if let Some(open) = &self.file {
            return Err(format!("already recording to {}", open.path.display()));
        }
        self.on_disk.clear();
        let result = self.open(&save.path).and_then(|()| self.save_ring(save));
        let written = self.file.as_ref().map_or(0, |f| f.written);
        if result.is_err() {
            // What is not whole is of no use to anybody, and on a full disk in the way of others.
            if self.file.take().is_some() {
                let _ = std::fs::remove_file(&save.path);
            }
        } else if !save.go_on {
            self.file = None;
        }
        result.map(|()| written)
    }

    /// The newest generations that fit, behind what is needed to read them.
    fn save_ring(&mut self, save: &Save) -> Result<(), String> {
        let written = self.file.as_ref().map_or(0, |f| f.written);
        let room = save.limit.saturating_sub(self.preamble_frame(0).len() as u64 + written);
        let mut held: u64 = 0;
        let mut left_out = self.ring.len();
        for (i, k) in self.ring.iter().enumerate().rev() {
            held += k.bytes.len() as u64;
            if held > room {
                break;
            }
            if i == 0 || self.ring.get(i - 1).is_some_and(|before| before.generation != k.generation) {
                left_out = i;
            }
        }
        let head = self.preamble_frame(left_out);
        let Some(open) = &mut self.file else { return Ok(()) };
        let fail = |e: std::io::Error| format!("cannot write to {}: {e}", save.path.display());
        open.to.write_all(&head).map_err(fail)?;
        open.written += head.len() as u64;
        for k in self.ring.iter().skip(left_out) {
            open.to.write_all(&k.bytes).map_err(fail)?;
            note(&mut self.on_disk, &open.path, open.written, k);
            open.written += k.bytes.len() as u64;
        }
        open.to.sync().map_err(fail)
    }
}

/// Which of a row of blocks must be read so that all that are `wanted` can be: with those before them in their generation.
fn whole_generations(wanted: &[bool], generation: impl Fn(usize) -> Option<u64>) -> Vec<usize> {
    let mut out = Vec::new();
    let mut generation_began = 0;
    for (i, wanted) in wanted.iter().enumerate() {
        if i > 0 && generation(i) != generation(i - 1) {
            generation_began = i;
        }
        if *wanted {
            let from = out.last().map_or(0, |last| last + 1).max(generation_began);
            out.extend(from..=i);
        }
    }
    out
}
