//! Counts of what led to the start: the half hour before it, read backwards within a budget. The bytes go along, for what
//! they tell other panes, and are dropped as soon as that has been read out of them (`stream::order`).

use std::fs::File;
use std::time::Duration;

use super::batch::Batcher;
use super::lines::Piece;
use super::open::{line_start, read_range};
use super::tail::Emit;
use crate::signals::logs::event::{LogAppended, LogEvent};
use crate::signals::logs::formats;
use crate::timeline::Ts;

/// Bytes looked at, at most.
const BUDGET: u64 = 8 << 20;
const PIECE: u64 = 256 << 10;
/// One event for each of these spans, so that a replay sees the past come second by second but not line by line.
const STEP: Duration = Duration::from_secs(10);
/// Bytes of one event.
const CARRIED: usize = 1 << 20;

/// Tells counts of the lines in `file` before `end` that are not older than `since`. False: nobody listens.
pub fn seed(file: &File, generation: u32, end: u64, since: Ts, now: Ts, batcher: &Batcher, emit: &mut Emit) -> bool {
    let mut at = line_start(file, first_wanted(file, end, since, now, batcher));
    let cx = batcher.context(now);
    let mut waiting: Option<LogAppended> = None;
    let mut held = Vec::new();
    while at < end {
        let Ok(mut bytes) = read_range(file, at, (at + PIECE).min(end)) else { break };
        if bytes.is_empty() {
            break;
        }
        if let Some(i) = memchr::memrchr(b'\n', &bytes) {
            bytes.truncate(i + 1);
        }
        let len = bytes.len() as u64;
        // Cut at every step of event time; each part becomes visible at its own last time.
        let mut cuts = vec![0];
        let mut step = None;
        for s in formats::records(&bytes, batcher.format(), &cx) {
            let Some(this) = s.head.time.map(|t| t.floor(STEP)) else { continue };
            if step.is_some_and(|last| this > last) {
                cuts.push(s.range.start);
            }
            step = step.max(Some(this));
        }
        cuts.push(bytes.len());
        for w in cuts.windows(2) {
            let piece = Piece { start: at + w[0] as u64, bytes: bytes[w[0]..w[1]].to_vec(), mid_line: false };
            let mut part = batcher.count(generation, &piece, now, &cx);
            part.seed = true;
            part.counts.retain(|(s, _)| *s >= since.secs());
            let Some((_, last)) = part.span.filter(|(_, last)| *last >= since) else { continue };
            let same = |w: &LogAppended| w.span.is_some_and(|(_, t)| t.floor(STEP) == last.floor(STEP));
            match &mut waiting {
                Some(w) if same(w) && held.len() + piece.bytes.len() <= CARRIED => join(w, part),
                _ => {
                    if !tell(waiting.replace(part), std::mem::take(&mut held), now, emit) {
                        return false;
                    }
                }
            }
            held.extend_from_slice(&piece.bytes);
        }
        at += len;
    }
    tell(waiting, held, now, emit)
}

/// Where the wanted span begins: pieces are stepped over backwards until one starts before it.
fn first_wanted(file: &File, end: u64, since: Ts, now: Ts, batcher: &Batcher) -> u64 {
    let cx = batcher.context(now);
    let mut at = end;
    while at > 0 && end - at < BUDGET {
        at = at.saturating_sub(PIECE);
        let Ok(bytes) = read_range(file, at, (at + 4_096).min(end)) else { break };
        let cut = if at == 0 { 0 } else { memchr::memchr(b'\n', &bytes).map_or(0, |i| i + 1) };
        let first = formats::records(&bytes[cut..], batcher.format(), &cx).find_map(|s| s.head.time);
        if first.is_some_and(|t| t < since) {
            break;
        }
    }
    at
}

fn join(into: &mut LogAppended, part: LogAppended) {
    into.end = part.end;
    into.lines += part.lines;
    into.unknown += part.unknown;
    into.span = match (into.span, part.span) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (a, b) => a.or(b),
    };
    for (second, counts) in part.counts {
        match into.counts.binary_search_by_key(&second, |(s, _)| *s) {
            Ok(i) => into.counts[i].1.merge(&counts),
            Err(i) => into.counts.insert(i, (second, counts)),
        }
    }
}

fn tell(part: Option<LogAppended>, bytes: Vec<u8>, now: Ts, emit: &mut Emit) -> bool {
    let Some(mut part) = part else { return true };
    part.bytes = Some(bytes.into());
    let observed = part.span.map_or(now, |(_, t)| t).min(now);
    emit(Some(observed), LogEvent::Appended(part))
}
