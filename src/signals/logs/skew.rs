//! How far the clocks of two log sources are apart, judged by the requests that both name.
//!
//! The records of one request in two files lie over or inside one another when the clocks agree. Where for nearly all
//! shared requests one file's records lie wholly before the other's, and always by about as much, the clocks are apart
//! by that. It is a guess (a queue between the two looks the same where it always takes as long), so it is shown with its
//! evidence, applied only when asked for, and taken back with the same key.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;

use crate::timeline::{RequestId, SourceId, Ts};

/// Requests remembered per estimate.
const REQUESTS: usize = 20_000;
/// Shared requests that a guess needs.
const LEAST: usize = 8;
/// Apart by less is no skew worth telling.
const WORTH: Duration = Duration::from_millis(200);

/// A guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skew {
    /// The source whose clock is off.
    pub source: SourceId,
    /// The source it is measured against: the one that most others agree with.
    pub against: SourceId,
    /// Nanoseconds that its clock is ahead; negative: behind.
    pub ahead: i64,
    /// Requests that both name.
    pub shared: usize,
}

/// An ID that one source names again after so long is another request, or no request at all.
const AGAIN: Duration = Duration::from_secs(60);

/// First and last time of each request in each source.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    requests: BTreeMap<CompactString, BTreeMap<SourceId, (Ts, Ts)>>,
}

impl Spans {
    /// A record of a request.
    pub fn add(&mut self, id: &RequestId, source: SourceId, at: Ts) {
        if self.requests.len() >= REQUESTS && !self.requests.contains_key(id.0.as_str()) {
            return;
        }
        let span = self.requests.entry(id.0.as_str().into()).or_default().entry(source).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }

    /// Which sources seem to be off, by their number.
    pub fn skews(&self) -> Vec<Skew> {
        // How far the second lies behind the first, for each pair that shares requests; 0 where they touch.
        let mut apart: BTreeMap<(SourceId, SourceId), Vec<(i64, i64)>> = BTreeMap::new();
        let once = |sources: &&BTreeMap<SourceId, (Ts, Ts)>| sources.values().all(|(a, b)| b.since(*a) < AGAIN);
        for sources in self.requests.values().filter(once) {
            for (a, (a_first, a_last)) in sources {
                for (b, (b_first, b_last)) in sources.range(a..).skip(1) {
                    let gap = match () {
                        () if b_first > a_last => b_first.0.saturating_sub(a_last.0),
                        () if a_first > b_last => -a_first.0.saturating_sub(b_last.0),
                        () => 0,
                    };
                    // A clock that is put right lets one lie inside the other: middle on middle.
                    let middle = |first: &Ts, last: &Ts| first.0 / 2 + last.0 / 2;
                    let shift = middle(b_first, b_last).saturating_sub(middle(a_first, a_last));
                    apart.entry((*a, *b)).or_default().push((gap, shift));
                }
            }
        }
        let mut told: Vec<(SourceId, SourceId, i64, usize)> = Vec::new();
        let mut agree: BTreeMap<SourceId, usize> = BTreeMap::new();
        for ((a, b), mut gaps) in apart {
            if gaps.len() < LEAST {
                continue;
            }
            gaps.sort_unstable();
            let (n, at) = (gaps.len(), |share: usize| gaps[gaps.len() * share / 100].0);
            let (low, middle, high) = (at(10), at(50), at(90));
            let mut shifts: Vec<i64> = gaps.iter().map(|(_, shift)| *shift).collect();
            shifts.sort_unstable();
            let steady = high.saturating_sub(low) <= (middle.abs() / 4).max(WORTH.as_nanos() as i64);
            if middle.abs() >= WORTH.as_nanos() as i64 && steady && (low > 0) == (high > 0) && low != 0 && high != 0 {
                told.push((a, b, shifts[n / 2], n));
            } else {
                *agree.entry(a).or_default() += n;
                *agree.entry(b).or_default() += n;
            }
        }
        // Of two that disagree the one is off that fewer others agree with.
        let weight = |s: SourceId| agree.get(&s).copied().unwrap_or(0);
        let mut out: Vec<Skew> = Vec::new();
        for (a, b, gap, shared) in told {
            let (source, against, ahead) = if weight(a) < weight(b) { (a, b, -gap) } else { (b, a, gap) };
            match out.iter_mut().find(|s| s.source == source) {
                Some(other) if other.shared >= shared => {}
                Some(other) => *other = Skew { source, against, ahead, shared },
                None => out.push(Skew { source, against, ahead, shared }),
            }
        }
        out.sort_by_key(|s| s.source);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of about 50 ms in the first source; the second logs inside of each, its clock off by `ms`.
    fn spans(ms: i64, jitter: i64) -> Spans {
        let mut s = Spans::default();
        for i in 0..40 {
            let id = RequestId(format!("request-{i:04}").as_str().into());
            let t = 1_000_000 + i * 100;
            s.add(&id, SourceId(1), Ts::from_millis(t));
            s.add(&id, SourceId(1), Ts::from_millis(t + 50));
            s.add(&id, SourceId(2), Ts::from_millis(t + 25 + ms + (i % 7) * jitter));
        }
        s
    }

    #[test]
    fn clocks_that_agree_are_not_accused_and_one_that_is_off_is_measured() {
        assert_eq!(spans(0, 0).skews(), []);
        let found = spans(4_200, 3).skews();
        assert_eq!(
            (found.len(), found[0].source, found[0].against, found[0].shared),
            (1, SourceId(2), SourceId(1), 40)
        );
        assert!((4_150_000_000..4_250_000_000).contains(&found[0].ahead), "{found:?}");
        assert!((-4_250_000_000..-4_150_000_000).contains(&spans(-4_200, 3).skews()[0].ahead));
    }

    #[test]
    fn ids_that_come_again_after_minutes_say_nothing_of_clocks() {
        let mut s = spans(0, 0);
        for i in 0..400 {
            let id = RequestId(format!("job-{}", i % 20).as_str().into());
            s.add(&id, SourceId(1), Ts::from_millis(1_000_000 + i * 9_000));
            s.add(&id, SourceId(2), Ts::from_millis(9_000_000 + i * 9_000));
        }
        assert_eq!(s.skews(), []);
    }

    #[test]
    fn a_queue_that_takes_now_this_long_and_now_that_is_no_skew() {
        assert_eq!(spans(1_000, 900).skews(), []);
    }

    #[test]
    fn of_two_that_disagree_the_one_is_off_that_no_other_agrees_with() {
        let mut s = spans(-3_000, 0);
        for i in 0..40 {
            let id = RequestId(format!("request-{i:04}").as_str().into());
            // A third one that agrees with the second.
            s.add(&id, SourceId(3), Ts::from_millis(1_000_000 + i * 100 + 25 - 3_000));
        }
        let found = s.skews();
        assert!(found.iter().all(|f| f.source == SourceId(1)), "{found:?}");
    }
}
