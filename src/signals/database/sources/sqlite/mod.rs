//! The application's own SQLite file: sizes and WAL from the files themselves, plans on demand.

pub mod explain;
pub mod file;
pub mod rights;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::signals::database::config::SqliteConfig;
use crate::signals::database::event::DatabaseEvent;
use crate::signals::database::plan::Question;
use crate::signals::source::Asker;
use crate::signals::{BoxFuture, Event, Out, Source, SourceError};
use crate::timeline::SourceState;

/// One file.
pub struct SqliteSource {
    name: String,
    config: SqliteConfig,
    asker: Asker,
    questions: mpsc::Receiver<Question>,
}

impl SqliteSource {
    /// For the file in `config`, under a name.
    pub fn new(name: &str, config: SqliteConfig) -> SqliteSource {
        let (asker, questions) = mpsc::channel(1);
        SqliteSource { name: name.to_owned(), config, asker, questions }
    }

    async fn watch(&mut self, out: &Out) -> Result<(), SourceError> {
        let every = Duration::try_from_secs_f64(self.config.interval).unwrap_or(Duration::from_secs(2));
        let mut beat = tokio::time::interval(every.clamp(Duration::from_millis(200), Duration::from_secs(60)));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut told = false;
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    // A drive that hangs must hang nobody else.
                    let path = self.config.path.clone();
                    let seen = tokio::task::spawn_blocking(move || file::look(&path)).await;
                    let seen = match seen {
                        Ok(Ok(seen)) => seen,
                        Ok(Err(why)) => return Err(SourceError::retry(format!("{why}; is the path right, and may we read it?"))),
                        Err(_) => return Err(SourceError::retry(format!("{}: reading it broke off", self.config.path.display()))),
                    };
                    if !std::mem::replace(&mut told, true) {
                        out.state(SourceState::Ok).await;
                    }
                    let name = self.name.as_str().into();
                    out.sample(Event::Database(DatabaseEvent::Sqlite { name, file: seen }));
                }
                Some(q) = self.questions.recv() => {
                    match q {
                        Question::Plan { wanted, answer } => {
                            let _ = answer.send(explain::explain(&self.config.path, &wanted).await);
                        }
                        Question::End { answer, .. } => {
                            let _ = answer.send(Err("SQLite has no sessions that could be ended".to_owned()));
                        }
                    }
                }
            }
        }
    }
}

impl Source for SqliteSource {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                () = cancel.cancelled() => Ok(()),
                done = self.watch(out) => done,
            }
        })
    }

    fn asker(&self) -> Option<Asker> {
        Some(self.asker.clone())
    }
}
