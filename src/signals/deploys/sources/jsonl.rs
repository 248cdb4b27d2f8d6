//! The JSON-lines deploy log: what `warroom deploy` and CI jobs append to. The contract is in `contract`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::tail::SharedTail;
use super::{contract, rest, seed, tell, unreadable};
use crate::signals::{BoxFuture, Out, Source, SourceError};
use crate::timeline::SourceState;

const POLL: Duration = Duration::from_millis(500);

/// Follows one deploy log across rotation.
#[derive(Debug)]
pub struct DeployLog {
    path: PathBuf,
    /// Somebody named it, so its absence is worth saying.
    asked_for: bool,
    tail: SharedTail,
    seeded: bool,
    bad: u64,
}

impl DeployLog {
    /// Will follow `path`; with `asked_for` its absence is told as a trouble.
    pub fn new(path: &Path, asked_for: bool) -> DeployLog {
        DeployLog { path: path.to_owned(), asked_for, tail: SharedTail::new(path), seeded: false, bad: 0 }
    }

    async fn follow(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        let mut said: Option<SourceState> = None;
        loop {
            let polled = self.tail.poll().await.map_err(|e| SourceError::retry(unreadable(&self.path, &e)))?;
            let seen = (!polled.old).then(|| out.now());
            let mut changes = Vec::new();
            let mut last = None;
            for line in &polled.lines {
                match contract::parse(line, seen) {
                    Ok(change) => changes.push(change),
                    Err(why) => {
                        self.bad += 1;
                        last = Some(why);
                    }
                }
            }
            if polled.old || !self.seeded {
                if polled.present {
                    self.seeded = true;
                    if !seed(out, &self.path.display().to_string(), changes).await {
                        return Ok(());
                    }
                }
            } else {
                for change in changes {
                    if !tell(out, change).await {
                        return Ok(());
                    }
                }
            }
            let path = self.path.display();
            let state = if let Some(why) = last {
                let n = self.bad;
                let lines = if n == 1 { "1 line".to_owned() } else { format!("{n} lines") };
                Some(SourceState::Degraded { why: format!("{lines} of {path} not understood; the last: {why}") })
            } else if !polled.present && self.asked_for {
                let why = format!("{path} does not exist yet; `warroom deploy SERVICE VERSION --log {path}` makes it");
                Some(SourceState::Degraded { why })
            } else if said.is_none() || (polled.present && self.bad == 0) {
                Some(SourceState::Ok)
            } else {
                None
            };
            if let Some(state) = state
                && said.as_ref() != Some(&state)
            {
                out.state(state.clone()).await;
                said = Some(state);
            }
            if !rest(&cancel, POLL).await {
                return Ok(());
            }
        }
    }
}

impl Source for DeployLog {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.follow(out, cancel))
    }
}
