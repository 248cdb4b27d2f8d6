//! Several recordings as one. Those of one run may overlap, in whole or in part: what stands in two of them is written
//! once, in the order in which it was seen, and never less than any of them holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::Output;
use super::frames::{Lost, frames, frames_and_losses, tell};
use crate::signals::{Envelope, Event};
use crate::stream::recording::{Frame, Reader, Segment};
use crate::stream::runs::Runs;
use crate::timeline::{OriginId, Ts};

/// What has to be known of a recording before it is read.
struct Known<'a> {
    path: &'a Path,
    began: Ts,
    /// Numbers of the runs in it, the same ones in all recordings.
    runs: BTreeSet<OriginId>,
    segment: Option<Segment>,
}

/// Writes `files` as one.
pub fn join(files: &[PathBuf], output: &Path) -> anyhow::Result<ExitCode> {
    let mut runs = Runs::default();
    let mut known = files.iter().map(|path| look(path, &mut runs)).collect::<anyhow::Result<Vec<_>>>()?;
    // In the order in which they began; runs are told apart by who recorded them when the result is read.
    known.sort_by_key(|k| (k.began, k.path));
    let mut out = Output::create(output)?;
    let mut count = 0;
    let mut told = 0;
    while !known.is_empty() {
        let first = known.remove(0);
        let (mut same, rest): (Vec<Known>, Vec<Known>) =
            known.into_iter().partition(|k| !k.runs.is_disjoint(&first.runs));
        known = rest;
        same.insert(0, first);
        let (written, again) = match same.as_slice() {
            [only] => (whole(only.path, &mut out)?, 0),
            _ => merge(&same, &mut out)?,
        };
        (count, told) = (count + written, told + again);
    }
    if told > 0 {
        eprintln!("warroom: {told} events stood in more than one of them, and are written once");
    }
    out.finish(count)
}

fn look<'a>(path: &'a Path, runs: &mut Runs) -> anyhow::Result<Known<'a>> {
    let mut known = Known { path, began: Ts::MAX, runs: BTreeSet::new(), segment: None };
    runs.segment();
    frames(path, |frame| {
        match frame {
            Frame::Segment(s) => {
                runs.segment();
                let redacted = known.segment.as_ref().is_none_or(|k| k.redacted) && s.redacted;
                known.segment = Some(Segment { redacted, ..known.segment.take().unwrap_or(s) });
            }
            Frame::Events(mut envelopes) => {
                runs.place(&mut envelopes);
                for e in &envelopes {
                    known.began = known.began.min(e.observed);
                    known.runs.insert(e.origin);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(known)
}

/// All of one recording, as it stands.
fn whole(path: &Path, out: &mut Output) -> anyhow::Result<u64> {
    let mut count = 0;
    let damage = frames_and_losses(path, |frame| {
        count += if let Frame::Events(e) = &frame { e.len() as u64 } else { 0 };
        out.frame(&frame)
    })?;
    tell(path, &damage);
    Ok(count)
}

/// One of several recordings of the same run, read step by step.
struct Input<'a> {
    path: &'a Path,
    reader: Reader<File>,
    /// The next envelopes, and the smallest sequence number among them.
    next: Option<(u64, Vec<Envelope>)>,
    /// What stands before them: gaps, steps of the clock.
    before: Vec<Frame>,
    /// The largest sequence number so far.
    upto: u64,
    lost: Lost,
}

impl Input<'_> {
    fn advance(&mut self) -> anyhow::Result<()> {
        self.next = None;
        while let Some(frame) =
            self.reader.next_frame().with_context(|| format!("cannot read {}", self.path.display()))?
        {
            self.before.extend(self.lost.since(self.reader.damage()).map(Frame::Gap));
            match frame {
                Frame::Segment(_) => {}
                Frame::Events(envelopes) => {
                    let Some(first) = envelopes.iter().map(|e| e.seq).min() else { continue };
                    self.next = Some((first, envelopes));
                    break;
                }
                other => self.before.push(other),
            }
        }
        if self.next.is_none() {
            self.before.extend(self.lost.since(self.reader.damage()).map(Frame::Gap));
        }
        Ok(())
    }
}

/// Recordings of one run as one segment: how many events were written, and how many stood there again.
fn merge(files: &[Known], out: &mut Output) -> anyhow::Result<(u64, u64)> {
    if let Some(several) = files.iter().find(|k| k.runs.len() > 1) {
        let others: Vec<String> =
            files.iter().filter(|k| k.path != several.path).map(|k| k.path.display().to_string()).collect();
        bail!(
            "{} holds several runs, and one of them stands in {} as well: join the recordings that it was made of",
            several.path.display(),
            others.join(", ")
        );
    }
    let segment = files.iter().filter_map(|k| k.segment.clone()).reduce(|a, b| {
        let redacted = a.redacted && b.redacted;
        Segment { redacted, ..a }
    });
    if let Some(segment) = &segment {
        out.segment(segment, Ts(0))?;
    }
    let mut inputs = Vec::new();
    for k in files {
        let file = File::open(k.path).with_context(|| format!("cannot open {}", k.path.display()))?;
        let mut input = Input {
            path: k.path,
            reader: Reader::new(file),
            next: None,
            before: Vec::new(),
            upto: 0,
            lost: Lost::default(),
        };
        input.advance()?;
        inputs.push(input);
    }
    let mut written = Numbers::default();
    let (mut count, mut again) = (0, 0);
    while let Some(i) =
        (0..inputs.len()).filter(|i| inputs[*i].next.is_some()).min_by_key(|i| inputs[*i].next.as_ref().map(|n| n.0))
    {
        let input = &mut inputs[i];
        let Some((first, mut envelopes)) = input.next.take() else { break };
        for frame in std::mem::take(&mut input.before) {
            // What one of them lacks another one may hold.
            let is_filled = matches!(frame, Frame::Gap(_)) && written.holds(input.upto + 1..first);
            if !is_filled {
                out.frame(&frame)?;
            }
        }
        input.upto = input.upto.max(envelopes.iter().map(|e| e.seq).max().unwrap_or(0));
        let all = envelopes.len();
        envelopes.retain(|e| written.insert(e.seq));
        again += (all - envelopes.len()) as u64;
        count += envelopes.len() as u64;
        // Who speaks comes first, whichever of them says it.
        envelopes.sort_by_key(|e| !matches!(e.event, Event::Stream(_)));
        if !envelopes.is_empty() {
            out.events(&envelopes)?;
        }
        input.advance()?;
    }
    for input in &mut inputs {
        for frame in std::mem::take(&mut input.before) {
            if !matches!(frame, Frame::Gap(_)) {
                out.frame(&frame)?;
            }
        }
        tell(input.path, input.reader.damage());
    }
    Ok((count, again))
}

/// A set of numbers that lie close together: first and last of each unbroken row.
#[derive(Default)]
struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// False when it is there already.
    fn insert(&mut self, n: u64) -> bool {
        let before = self.0.range(..=n).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| n <= last) {
            return false;
        }
        let joined = self.0.remove(&(n + 1)).unwrap_or(n);
        match before.filter(|(_, last)| last + 1 == n) {
            Some((first, _)) => self.0.insert(first, joined),
            None => self.0.insert(n, joined),
        };
        true
    }

    fn holds(&self, range: std::ops::Range<u64>) -> bool {
        range.is_empty() || self.0.range(..=range.start).next_back().is_some_and(|(_, last)| *last >= range.end - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rows_without_a_break() {
        let mut all = Numbers::default();
        for (n, is_new) in [(5, true), (7, true), (6, true), (5, false), (7, false), (1, true), (2, true)] {
            assert_eq!(all.insert(n), is_new, "{n}");
        }
        assert_eq!(all.0, BTreeMap::from([(1, 2), (5, 7)]));
        assert!(all.holds(5..8) && all.holds(6..6) && !all.holds(4..6) && !all.holds(7..9) && !all.holds(2..6));
    }
}
