//! Standard input as a log: whatever is piped in, until it ends.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::batch::Batcher;
use super::file::{BATCH, on_thread};
use super::lines::LineBuffer;
use crate::signals::logs::event::{LogEvent, LogOpened};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// Pieces waiting between the reading thread and the stream; then the writer of the pipe waits.
const WAITING: usize = 8;
const PIECE: usize = 64 * 1024;
const MOST: usize = 256 * 1024;

/// Reads a stream to its end.
pub struct StdinSource {
    reader: Option<Box<dyn Read + Send>>,
    state: Option<State>,
}

struct State {
    pieces: Receiver<Vec<u8>>,
    lines: LineBuffer,
    batcher: Batcher,
    ended: bool,
}

impl StdinSource {
    /// Reads `reader`.
    pub fn new(reader: Box<dyn Read + Send>) -> StdinSource {
        StdinSource { reader: Some(reader), state: None }
    }
}

/// Reads in a thread of its own: a blocked read cannot be cancelled, and ends with the program.
fn start(mut reader: Box<dyn Read + Send>) -> std::io::Result<Receiver<Vec<u8>>> {
    let (tell, told) = sync_channel(WAITING);
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut buf = vec![0; PIECE];
        loop {
            match reader.read(&mut buf) {
                Ok(n) if n > 0 => {
                    if tell.send(buf[..n].to_vec()).is_err() {
                        return;
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    })?;
    Ok(told)
}

impl Source for StdinSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            if let Some(reader) = self.reader.take() {
                let pieces =
                    start(reader).map_err(|e| SourceError::fatal(format!("cannot read standard input: {e}")))?;
                let opened = LogOpened {
                    generation: 0,
                    path: None,
                    file: None,
                    size: 0,
                    head: None,
                    format: None,
                    request_id: vec![],
                };
                out.log(Event::Logs(LogEvent::Opened(opened))).await;
                let (lines, batcher) = (LineBuffer::at(0), Batcher::new(None));
                self.state = Some(State { pieces, lines, batcher, ended: false });
            }
            let Some(mut state) = self.state.take() else { return Ok(()) };
            out.state(SourceState::Ok).await;
            let to = out.clone();
            let state = on_thread(cancel, move |cancel| {
                state.read(&to, &cancel);
                state
            })
            .await
            .map_err(|()| {
                SourceError::fatal("the reader of standard input stopped; this is a bug, please report it")
            })?;
            if state.ended {
                out.state(SourceState::Ended).await;
            }
            self.state = Some(state);
            Ok(())
        })
    }
}

impl State {
    fn read(&mut self, out: &Out, cancel: &CancellationToken) {
        while !self.ended && !cancel.is_cancelled() {
            let mut wait = Duration::from_millis(250);
            let mut until = Instant::now() + wait;
            let mut got = 0;
            while got < MOST {
                match self.pieces.recv_timeout(wait) {
                    Ok(bytes) => {
                        if got == 0 {
                            until = Instant::now() + BATCH;
                        }
                        got += bytes.len();
                        self.lines.push(&bytes, out.now());
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        self.ended = true;
                        break;
                    }
                }
                wait = until.saturating_duration_since(Instant::now());
            }
            let now = out.now();
            let whole = self.lines.whole();
            let rest = if self.ended { self.lines.rest() } else { self.lines.stale(now) };
            for piece in whole.into_iter().chain(rest) {
                let event = LogEvent::Appended(self.batcher.appended(0, piece, now));
                if !out.log_blocking(Event::Logs(event)) {
                    return;
                }
            }
        }
    }
}
