//! What every server that is watched through one connection has in common: opening it, giving it back, telling why it
//! failed, keeping to the beat, and answering questions meanwhile.

use std::time::{Duration, Instant};

use compact_str::CompactString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::reserved;
use crate::signals::database::config::SecretUrl;
use crate::signals::database::ending::{Ended, Ending};
use crate::signals::database::event::{DatabaseEvent, Refused};
use crate::signals::database::plan::{Plan, Question, Wanted};
use crate::signals::{Event, Out, SourceError};

/// How long giving the connection back may take before it is dropped instead.
const CLOSE: Duration = Duration::from_millis(200);

/// Why a connection, or something asked over it, failed.
pub trait Reason: Send {
    /// Code and message where it is a finding about the outage rather than about our configuration.
    fn refusal(&self) -> Option<(CompactString, String)>;
    /// The sentence for the user. `place` is the address without the password.
    fn explain(&self, place: &str) -> SourceError;
}

/// A server that is watched through one connection.
pub trait Connected: Send {
    /// The connection.
    type Session: Send;
    /// What may go wrong with it.
    type Trouble: Reason;
    /// Where the server is.
    fn url(&self) -> &SecretUrl;
    /// Connects.
    fn open(&self) -> impl Future<Output = Result<Self::Session, Self::Trouble>> + Send;
    /// Looks until something breaks; ends by itself when our connection stands in a slot that others need more.
    fn watch(
        &mut self,
        out: &Out,
        session: &mut Self::Session,
    ) -> impl Future<Output = Result<(), Self::Trouble>> + Send;
    /// Says goodbye.
    fn close(session: Self::Session) -> impl Future<Output = ()> + Send;
    /// Where questions come from, of those that answer any.
    fn questions(&mut self) -> Option<&mut mpsc::Receiver<Question>> {
        None
    }
}

/// Watches over one connection until something breaks; a slot that others need more is left, and come back to.
pub async fn run<C: Connected>(source: &mut C, out: &Out, cancel: &CancellationToken) -> Result<(), SourceError> {
    loop {
        let opened = tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            opened = source.open() => opened,
        };
        let (lost, trouble) = match opened {
            Err(trouble) => (false, trouble),
            Ok(mut session) => {
                let watched = tokio::select! {
                    () = cancel.cancelled() => None,
                    watched = source.watch(out, &mut session) => Some(watched),
                };
                // A goodbye, so that the server frees the slot now; a link that is gone cannot hold us up.
                let _ = tokio::time::timeout(CLOSE, C::close(session)).await;
                match watched {
                    None => return Ok(()),
                    Some(Ok(())) if reserved::wait(out, source.questions(), cancel).await => continue,
                    Some(Ok(())) => return Ok(()),
                    Some(Err(trouble)) => (true, trouble),
                }
            }
        };
        if let Some((sqlstate, message)) = trouble.refusal() {
            let user = source.url().user().into();
            tell(out, DatabaseEvent::Refused(Refused { sqlstate, message, lost, user, from: None })).await;
        }
        return Err(trouble.explain(&source.url().shown()));
    }
}

/// Sends what must not be lost.
pub async fn tell(out: &Out, event: DatabaseEvent) {
    out.must(Event::Database(event)).await;
}

/// A server that can be asked for plans, and to end sessions.
pub trait Answers {
    /// The connection.
    type Session: Send;
    /// What may go wrong with it.
    type Trouble: Reason;
    /// The plan of `wanted`.
    fn plan(
        &self,
        session: &mut Self::Session,
        wanted: &Wanted,
    ) -> impl Future<Output = Result<Plan, Failed<Self::Trouble>>> + Send;
    /// Ends a session or its statement.
    fn end(
        &self,
        session: &mut Self::Session,
        ending: &Ending,
    ) -> impl Future<Output = Result<Ended, Failed<Self::Trouble>>> + Send;
}

/// Why something asked for was not done.
pub enum Failed<T> {
    /// A sentence for the user; the connection is sound.
    Said(String),
    /// The connection is not.
    Broken(T),
}

/// Waits for the next look, `every` after it `began`, and answers questions meanwhile; looks pause for as long. Returns
/// how many looks were missed: back onto the beat, they are not made up for.
pub async fn rest<A: Answers>(
    server: &A,
    session: &mut A::Session,
    questions: &mut mpsc::Receiver<Question>,
    began: Instant,
    every: Duration,
) -> Result<u32, A::Trouble> {
    let over = began.elapsed();
    let missed = (over.as_nanos() / every.as_nanos().max(1)) as u32;
    let next = tokio::time::Instant::now() + (every * (missed + 1) - over);
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(next) => return Ok(missed),
            Some(q) = questions.recv() => answer(server, session, q).await?,
        }
    }
}

async fn answer<A: Answers>(server: &A, session: &mut A::Session, q: Question) -> Result<(), A::Trouble> {
    if q.is_forgotten() {
        return Ok(());
    }
    match q {
        Question::Plan { wanted, answer } => {
            let (said, broken) = told(server.plan(session, &wanted).await, "no plan");
            let _ = answer.send(said);
            broken
        }
        Question::End { ending, answer } => {
            let (said, broken) = told(server.end(session, &ending).await, "not done");
            let _ = answer.send(said);
            broken
        }
    }
}

/// What is answered, and what of it ends the connection.
fn told<T, E>(came: Result<T, Failed<E>>, without: &str) -> (Result<T, String>, Result<(), E>) {
    match came {
        Ok(value) => (Ok(value), Ok(())),
        Err(Failed::Said(why)) => (Err(why), Ok(())),
        Err(Failed::Broken(e)) => (Err(format!("{without}: the connection broke")), Err(e)),
    }
}
