//! Order and number: three bounded lanes in, one ordered stream out, derived events right behind their cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::derive::Derive;
use super::queue;
use super::recorder::Recorder;
use crate::signals::logs::event::LogEvent;
use crate::signals::source::{Lanes, Observation, StreamClock, weight};
use crate::signals::{Envelope, Event};
use crate::timeline::source::Declaration;
use crate::timeline::{OriginId, SourceId};

/// Envelopes of one turn, shared by the recorder and the screen.
pub type Batch = Arc<[Envelope]>;

/// Most envelopes in a batch, and the bytes from which on nothing is added to it.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// The receiving ends of the lanes.
pub struct Lines {
    must: mpsc::Receiver<Observation>,
    sample: mpsc::Receiver<Observation>,
    logs: mpsc::Receiver<Observation>,
}

impl Lines {
    /// What is there now, the most urgent first.
    fn next(&mut self) -> Option<Observation> {
        self.must.try_recv().or_else(|_| self.sample.try_recv()).or_else(|_| self.logs.try_recv()).ok()
    }

    /// Waits for something; `None` when all lanes are closed.
    pub(super) async fn wait(&mut self) -> Option<Observation> {
        tokio::select! {
            biased;
            Some(o) = self.must.recv() => Some(o),
            Some(o) = self.sample.recv() => Some(o),
            Some(o) = self.logs.recv() => Some(o),
            else => None,
        }
    }
}

/// The lanes that sources write to, and their other ends.
pub fn lanes() -> (Lanes, Lines) {
    let (must, must_rx) = mpsc::channel(1_024);
    let (sample, sample_rx) = mpsc::channel(256);
    let (logs, logs_rx) = mpsc::channel(64);
    (Lanes { must, sample, logs }, Lines { must: must_rx, sample: sample_rx, logs: logs_rx })
}

/// Numbers what comes and hands it on, until all lanes are closed. The screen's channel is bounded: when the screen is
/// behind, this waits, the lanes fill, and each lane's policy decides.
pub async fn order(mut lines: Lines, origin: Declaration, clock: StreamClock, recorder: Recorder, to: queue::Sender) {
    let mut numbering = Numbering::default();
    let first = Observation {
        source: SourceId(0),
        observed: clock.wall(),
        mono: clock.mono(),
        event: Event::Stream(origin),
        room: None,
    };
    let mut batch = Vec::new();
    let mut bytes = 0;
    numbering.number(first, &mut batch);
    loop {
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(o) = lines.next() else { break };
            bytes += weight(&o.event);
            numbering.number(o, &mut batch);
        }
        if !batch.is_empty() {
            let shared: Batch = std::mem::take(&mut batch).into();
            bytes = 0;
            recorder.offer(&shared);
            if !to.send(shared).await {
                return;
            }
            continue;
        }
        let Some(next) = lines.wait().await else { return };
        bytes += weight(&next.event);
        numbering.number(next, &mut batch);
    }
}

/// Gives out sequence numbers; the same stage runs over raw logs in a replay.
#[derive(Default)]
pub struct Numbering {
    seq: u64,
    derive: Derive,
    names: BTreeMap<SourceId, String>,
}

impl Numbering {
    /// Numbers one observation and what is derived from it.
    pub fn number(&mut self, mut o: Observation, batch: &mut Vec<Envelope>) {
        if let Event::Stream(Declaration::Source(decl)) = &o.event {
            self.names.insert(decl.id, decl.name.clone());
        }
        let derived = match &o.event {
            Event::Logs(event) => {
                let name = self.names.get(&o.source).map_or("", String::as_str);
                self.derive.derive(o.source, name, event)
            }
            _ => Vec::new(),
        };
        // The lines of a seed are content of the store; what they told others is all that goes on from here.
        if let Event::Logs(LogEvent::Appended(a)) = &mut o.event
            && a.seed
        {
            a.bytes = None;
        }
        let (source, observed, mono) = (o.source, o.observed, o.mono);
        for event in std::iter::once(o.event).chain(derived) {
            self.seq += 1;
            batch.push(Envelope { seq: self.seq, origin: OriginId(0), source, observed, mono, event });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::signals::Out;
    use crate::signals::logs::event::LogAppended;
    use crate::stream::queue::queue;
    use crate::stream::recorder::RecorderOptions;

    fn batch(bytes: usize) -> Event {
        Event::Logs(LogEvent::Appended(LogAppended {
            end: bytes as u64,
            lines: 1,
            format: "text".into(),
            bytes: Some(vec![b'x'; bytes].into()),
            ..LogAppended::default()
        }))
    }

    #[tokio::test]
    async fn a_source_with_batches_of_a_megabyte_waits_long_before_the_lanes_are_full_of_them() {
        let (lanes, lines) = lanes();
        let out = Out::new(SourceId(1), StreamClock::start(), lanes);
        let sent = (0..256).take_while(|_| out.log(batch(1 << 20)).now_or_never() == Some(true)).count();
        assert!((3..=4).contains(&sent), "{sent} batches of a megabyte wait");
        // Nobody folds: the order takes in what fits on the way to the screen, and the source goes on waiting.
        let (to, mut screen) = queue();
        let recorder = Recorder::start(RecorderOptions::default()).expect("a recorder");
        let origin = Declaration::Dropped { source: SourceId(0), items: 0, why: String::new() };
        tokio::spawn(order(lines, origin, StreamClock::start(), recorder.clone(), to));
        let (done, other) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), out.clone());
        let counted = std::sync::Arc::clone(&done);
        let source = tokio::spawn(async move {
            while other.log(batch(1 << 20)).await {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
        let waiting = sent + done.load(std::sync::atomic::Ordering::SeqCst);
        assert!(waiting <= 24, "{waiting} megabytes are under way to a screen that takes nothing");
        assert!(screen.recv().await.is_some());
        drop(screen);
        source.await.expect("it ends when nobody listens any more");
    }
}
