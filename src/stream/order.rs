//! Order and number: three bounded lanes in, one ordered stream out, derived events right behind their cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::derive::Derive;
use super::recorder::Recorder;
use crate::signals::source::{Lanes, Observation, StreamClock};
use crate::signals::{Envelope, Event};
use crate::timeline::source::Declaration;
use crate::timeline::{OriginId, SourceId};

/// Envelopes of one turn, shared by the recorder and the screen.
pub type Batch = Arc<[Envelope]>;

/// Most envelopes in a batch.
const BATCH: usize = 256;

/// The receiving ends of the lanes.
pub struct Lines {
    must: mpsc::Receiver<Observation>,
    sample: mpsc::Receiver<Observation>,
    logs: mpsc::Receiver<Observation>,
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
pub async fn order(
    mut lines: Lines,
    origin: Declaration,
    clock: StreamClock,
    recorder: Recorder,
    to: mpsc::Sender<Batch>,
) {
    let mut numbering = Numbering::default();
    let first =
        Observation { source: SourceId(0), observed: clock.wall(), mono: clock.mono(), event: Event::Stream(origin) };
    let mut batch = Vec::new();
    numbering.number(first, &mut batch);
    loop {
        while batch.len() < BATCH {
            let next = lines.must.try_recv().or_else(|_| lines.sample.try_recv()).or_else(|_| lines.logs.try_recv());
            match next {
                Ok(o) => numbering.number(o, &mut batch),
                Err(_) => break,
            }
        }
        if !batch.is_empty() {
            let shared: Batch = std::mem::take(&mut batch).into();
            recorder.offer(&shared);
            if to.send(shared).await.is_err() {
                return;
            }
            continue;
        }
        let next = tokio::select! {
            biased;
            Some(o) = lines.must.recv() => o,
            Some(o) = lines.sample.recv() => o,
            Some(o) = lines.logs.recv() => o,
            else => return,
        };
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
    pub fn number(&mut self, o: Observation, batch: &mut Vec<Envelope>) {
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
        let (source, observed, mono) = (o.source, o.observed, o.mono);
        for event in std::iter::once(o.event).chain(derived) {
            self.seq += 1;
            batch.push(Envelope { seq: self.seq, origin: OriginId(0), source, observed, mono, event });
        }
    }
}
