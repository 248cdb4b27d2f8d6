//! Follows the output of a command: `journalctl -f -o json`, `kubectl logs -f`, `docker logs -f`, `ssh box tail -F`.
//!
//! It runs in a process group of its own, and the whole group ends with the source. When it ends by itself the
//! supervisor starts it again, from the last line seen.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::batch::Batcher;
use super::file::BATCH;
use super::lines::{LineBuffer, Piece};
use super::resume::Resume;
use super::tail::TailOptions;
use crate::signals::logs::event::{LogEvent, LogOpened};
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// Bytes in one event, about.
const MOST: usize = 256 * 1024;

/// Pauses before a command that ended well is started again: twice the one before, up to a bound.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Follows a command.
pub struct CommandSource {
    command: String,
    options: TailOptions,
    generation: u32,
    resume: Resume,
}

impl CommandSource {
    /// Follows what `command` prints.
    pub fn new(command: &str, options: TailOptions) -> CommandSource {
        CommandSource { command: command.to_owned(), options, generation: 0, resume: Resume::default() }
    }
}

/// The last line of standard error that says something; of a line only the first bytes, however long it is.
#[derive(Debug, Default)]
struct LastLine {
    line: Vec<u8>,
    last: Vec<u8>,
}

impl LastLine {
    /// Bytes of a line that are kept.
    const MOST: usize = 500;

    fn take(&mut self, bytes: &[u8]) {
        // A carriage return begins a line of progress anew.
        for part in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let (text, ended) = match part.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (part, false),
            };
            let room = LastLine::MOST - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        if !self.line.trim_ascii().is_empty() {
            std::mem::swap(&mut self.last, &mut self.line);
        }
        self.line.clear();
    }

    fn text(mut self) -> String {
        self.end();
        String::from_utf8_lossy(&self.last).trim().to_owned()
    }
}

/// Ends the whole group when it goes out of scope, however that comes.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::TERM);
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Source for CommandSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let mut pause = AGAIN.0;
            while let Some(lasted) = self.once(out, &cancel).await? {
                // That it ended is no failure; that it is started again is said.
                pause = if lasted > AGAIN.1 { AGAIN.0 } else { (pause * 2).min(AGAIN.1) };
                let why = format!("`{}` ended, restarting in {} s", self.command, pause.as_secs());
                out.state(SourceState::Degraded { why }).await;
                tokio::select! {
                    () = cancel.cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
            }
            Ok(())
        })
    }
}

impl CommandSource {
    /// One run. How long it lasted when it ended well, `None` when nobody listens any more.
    async fn once(&mut self, out: &Out, cancel: &CancellationToken) -> Result<Option<Duration>, SourceError> {
        let began = Instant::now();
        let text = self.resume.command(&self.command, out.now() - self.options.seed);
        self.resume.restart();
        let mut child = Command::new("sh")
            .args(["-c", &text])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| SourceError::retry(format!("cannot start `{}`: {e}", self.command)))?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(id as i32)));
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(SourceError::retry(format!("cannot read what `{}` prints", self.command)));
        };
        let errors = tokio::spawn(async move {
            let (mut last, mut stderr) = (LastLine::default(), stderr);
            let mut buf = vec![0; 4 * 1024];
            while let Ok(n @ 1..) = stderr.read(&mut buf).await {
                last.take(&buf[..n]);
            }
            last.text()
        });
        out.state(SourceState::Ok).await;
        let generation = self.generation;
        self.generation += 1;
        let opened = LogOpened {
            generation,
            path: None,
            file: None,
            size: 0,
            head: None,
            format: self.options.format.as_deref().map(Into::into),
            request_id: self.options.request_id.clone(),
        };
        out.log(Event::Logs(LogEvent::Opened(opened))).await;

        let mut lines = LineBuffer::at(0);
        // What is new of the lines, with offsets of its own: dropped repetitions leave no holes.
        let mut kept = LineBuffer::at(0);
        let mut batcher = Batcher::new(self.options.format.as_deref());
        let mut buf = vec![0; 64 * 1024];
        let ended = loop {
            let mut end = false;
            let mut deadline = Instant::now() + Duration::from_millis(500);
            let mut got = 0;
            while got < MOST {
                let read = tokio::select! {
                    () = cancel.cancelled() => return Ok(None),
                    read = timeout_at(deadline, stdout.read(&mut buf)) => read,
                };
                match read {
                    Err(_) => break,
                    Ok(Ok(n)) if n > 0 => {
                        if got == 0 {
                            deadline = Instant::now() + BATCH;
                        }
                        got += n;
                        lines.push(&buf[..n], out.now());
                    }
                    Ok(_) => {
                        end = true;
                        break;
                    }
                }
            }
            let now = out.now();
            let piece = lines.whole().or_else(|| if end { lines.rest() } else { lines.stale(now) });
            let rest = if end { lines.rest() } else { None };
            for piece in piece.into_iter().chain(rest) {
                self.keep(&mut kept, piece, &mut batcher, now);
                while let Some(new) = kept.whole().or_else(|| kept.rest()) {
                    let event = LogEvent::Appended(batcher.appended(generation, new, now));
                    if !out.log(Event::Logs(event)).await {
                        return Ok(None);
                    }
                }
            }
            if end {
                break child.wait().await;
            }
        };
        group.0.take().map(|pid| kill_process_group(pid, Signal::TERM));
        let well = ended.as_ref().is_ok_and(std::process::ExitStatus::success);
        let how = match ended {
            Ok(status) => status.to_string(),
            Err(e) => e.to_string(),
        };
        let last = tokio::time::timeout(Duration::from_millis(500), errors).await.ok().and_then(Result::ok);
        let why = match last.filter(|l| !l.is_empty()) {
            Some(last) => format!("`{}` ended ({how}): {last}", self.command),
            None => format!("`{}` ended ({how})", self.command),
        };
        out.log(Event::Logs(LogEvent::Seam { generation, why: format!("command ended ({how})") })).await;
        if well {
            return Ok(Some(began.elapsed()));
        }
        Err(SourceError::retry(why))
    }

    /// Copies what is new of `piece` to `kept`.
    fn keep(&mut self, kept: &mut LineBuffer, piece: Piece, batcher: &mut Batcher, now: crate::timeline::Ts) {
        if piece.mid_line {
            kept.push(&piece.bytes, now);
            return;
        }
        let cx = batcher.context(now);
        if !piece.bytes.is_empty() && batcher.format().name() == "text" {
            batcher.learn(&piece.bytes, &piece.bytes, now);
        }
        // Line by line and not record by record: a stack trace may be cut differently the second time.
        let mut new = Vec::with_capacity(piece.bytes.len());
        for line in piece.bytes.split_inclusive(|b| *b == b'\n') {
            let time = batcher.format().head(line.trim_ascii_end(), &cx).and_then(|h| h.time);
            if self.resume.is_new(line.trim_ascii_end(), time) {
                new.extend_from_slice(line);
            }
        }
        if !new.is_empty() {
            kept.push(&new, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_standard_error_the_last_line_is_kept_and_of_one_without_end_only_its_beginning() {
        let mut last = LastLine::default();
        for _ in 0..10_000 {
            last.take(b"0123456789");
        }
        assert_eq!(last.line.len(), LastLine::MOST);
        last.take(b"\nloading 10 %\rloading 20 %\r\nno such pod\n\n");
        assert_eq!(last.text(), "no such pod");
    }
}
