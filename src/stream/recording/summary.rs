//! What a frame of log batches says of itself without being unpacked: how many records of which severity, and a filter
//! of the request IDs in it.
//!
//! ```text
//! offset 0  7 x 4 LE  records: no severity, trace, debug, info, warning, error, fatal
//!       28  4     LE  lines
//!       32  rest      a Bloom filter, a power of two bytes; nothing where no line holds a request ID
//! ```
//! An ID, in lower case and without dashes, sets three bits: with `h` its CRC32C and `g` that of its bytes backwards,
//! those numbered `h`, `h + g` and `h + 2 g` (in 32 bits, wrapping) modulo the number of bits; bit `n` is bit `n mod 8`
//! of byte `n / 8`. Ten bits or more an ID, so of a hundred IDs that are not there at most two are thought to be.

use crate::signals::logs::event::LogEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::counts::Counts;
use crate::timeline::request_id::{RequestId, each_id};

/// IDs that go into one filter; behind them there is none, and every ID may be there.
const MOST: usize = 16_384;
/// Bits an ID, at least.
const BITS: usize = 10;

/// Read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records by severity.
    pub counts: Counts,
    /// Lines.
    pub lines: u32,
    /// The filter; `None` where there were too many IDs for one.
    filter: Option<Vec<u8>>,
}

/// The two checksums that an ID's bits follow from.
type Sums = (u32, u32);

/// Of an ID in any spelling; `bare` is for its bytes, and is used again and again.
fn sums(id: &str, bare: &mut Vec<u8>) -> Sums {
    bare.clear();
    bare.extend_from_slice(id.as_bytes());
    if id.contains('-') {
        bare.retain(|b| *b != b'-');
    }
    bare.make_ascii_lowercase();
    let h = crc32c::crc32c(bare);
    bare.reverse();
    (h, crc32c::crc32c(bare))
}

fn bits((h, g): Sums, size: usize) -> [usize; 3] {
    [h, h.wrapping_add(g), h.wrapping_add(g).wrapping_add(g)].map(|n| n as usize % (size * 8))
}

/// Those of all IDs of a frame.
#[derive(Default)]
struct Ids {
    sums: Vec<Sums>,
    bare: Vec<u8>,
    /// There are too many different ones; it takes in no more.
    too_many: bool,
}

impl Ids {
    fn add(&mut self, id: &str) {
        if self.too_many {
            return;
        }
        self.sums.push(sums(id, &mut self.bare));
        if self.sums.len() > 2 * MOST {
            self.settle();
        }
    }

    /// Each once. IDs that differ and have the same two checksums would set the same bits.
    fn settle(&mut self) {
        self.sums.sort_unstable();
        self.sums.dedup();
        self.too_many = self.sums.len() > MOST;
    }
}

/// The summary of a frame's envelopes. Lines too many to be filtered are told by a filter of one byte, all bits set.
pub(super) fn summary(envelopes: &[&Envelope]) -> Vec<u8> {
    let mut counts = Counts::default();
    let mut lines = 0u32;
    let mut ids = Ids::default();
    for e in envelopes {
        let Event::Logs(LogEvent::Appended(a)) = &e.event else { continue };
        a.counts.iter().for_each(|(_, c)| counts.merge(c));
        lines = lines.saturating_add(a.lines);
        if let Some(bytes) = a.bytes.as_deref().filter(|_| !ids.too_many) {
            each_id(bytes, |id| ids.add(&id.0));
        }
    }
    ids.settle();
    let mut out: Vec<u8> = counts.0.iter().chain([&lines]).flat_map(|n| n.to_le_bytes()).collect();
    if ids.too_many {
        out.push(0xff);
    } else if !ids.sums.is_empty() {
        let mut filter = vec![0u8; (ids.sums.len() * BITS).div_ceil(8).next_power_of_two()];
        for id in &ids.sums {
            for n in bits(*id, filter.len()) {
                filter[n / 8] |= 1 << (n % 8);
            }
        }
        out.extend(filter);
    }
    out
}

impl Summary {
    /// Reads the summary of a frame; `None` when it is none.
    pub fn parse(bytes: &[u8]) -> Option<Summary> {
        let (numbers, filter) = bytes.split_at_checked(32)?;
        let mut words = numbers.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
        let mut counts = Counts::default();
        counts.0.iter_mut().zip(&mut words).for_each(|(c, w)| *c = w);
        let lines = words.next()?;
        let known = filter.is_empty() || filter.len().is_power_of_two();
        Some(Summary { counts, lines, filter: (known && filter != [0xff]).then(|| filter.to_vec()) })
    }

    /// Whether a line of the frame may hold the ID in any spelling. Never wrong when it says no.
    pub fn may_hold(&self, id: &RequestId) -> bool {
        let Some(filter) = &self.filter else { return true };
        let mut bare = Vec::new();
        let mut has =
            |v: &str| bits(sums(v, &mut bare), filter.len()).iter().all(|n| filter[n / 8] & (1 << (n % 8)) != 0);
        !filter.is_empty() && id.variants().iter().any(|v| has(v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::logs::event::LogAppended;
    use crate::timeline::{OriginId, Severity, SourceId, Ts};

    #[test]
    fn a_summary_counts_by_severity_and_knows_which_request_ids_are_not_there() {
        let mut counts = Counts::default();
        counts.add(Some(Severity::Error), 3);
        let text: String =
            (1..=300u64).map(|n| format!("request_id={:016x} did\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let a = LogAppended {
            end: text.len() as u64,
            lines: 300,
            counts: vec![(1, counts)],
            format: "text".into(),
            bytes: Some(text.as_bytes().into()),
            ..LogAppended::default()
        };
        let event = Event::Logs(LogEvent::Appended(a));
        let e = Envelope { seq: 1, origin: OriginId(0), source: SourceId(1), observed: Ts(0), mono: 0, event };
        let bytes = summary(&[&e]);
        let read = Summary::parse(&bytes).expect("a summary");
        assert_eq!((read.lines, read.counts.at_least(Severity::Error)), (300, 3));
        let id = |n: u64| RequestId(format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into());
        assert!((1..=300).all(|n| read.may_hold(&id(n))));
        let wrong = (1_000..2_000).filter(|n| read.may_hold(&id(*n))).count();
        assert!(wrong < 100, "{wrong} of 1,000");
        assert_eq!(Summary::parse(&bytes[..20]), None);
    }
}
