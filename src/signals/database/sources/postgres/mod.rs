//! Watches one PostgreSQL server through one connection, and gets out of the way.
//!
//! One bare connection, never a pool; one statement in flight; every statement under the server's own time limits; a
//! look that takes too long costs the looks behind it instead of queueing them; looking slows down when it gets
//! expensive ([`Pace`]). Cancelling gives the connection back at once.

pub mod activity;
pub mod ending;
pub mod explain;
pub mod options;
pub mod peer;
pub mod rights;
pub mod session;
pub mod statements;
pub mod trouble;
pub mod upkeep;

use std::time::{Duration, Instant};

use compact_str::CompactString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::explain::Failed;
use self::session::Session;
use self::statements::StatementPoll;
use self::trouble::Trouble;
use self::upkeep::UpkeepPoll;
use super::clients::Clients;
use super::pace::Pace;
use super::reserved;
use crate::signals::database::config::PostgresConfig;
use crate::signals::database::event::{DatabaseEvent, Refused, ServerInfo};
use crate::signals::database::plan::Question;
use crate::signals::source::Asker;
use crate::signals::{BoxFuture, Event, Out, Roots, Source, SourceError};
use crate::timeline::SourceState;

/// How often upkeep is looked at, and who we are and what we may see.
const UPKEEP_EVERY: Duration = Duration::from_secs(10);
/// How long giving the connection back may take before it is dropped instead.
const CLOSE: Duration = Duration::from_millis(200);

/// One PostgreSQL server.
pub struct PostgresSource {
    name: CompactString,
    config: PostgresConfig,
    roots: Roots,
    pace: Pace,
    statements: StatementPoll,
    /// Deadlocks the server had counted at the last look.
    deadlocks: Option<u64>,
    upkeep: UpkeepPoll,
    clients: Clients,
    asker: Asker,
    questions: mpsc::Receiver<Question>,
}

impl PostgresSource {
    /// For the server in `config`, shown as `name`.
    pub fn new(name: &str, config: PostgresConfig, roots: &Roots) -> PostgresSource {
        let (asker, questions) = mpsc::channel(1);
        let base = Duration::try_from_secs_f64(config.interval).unwrap_or(Duration::from_secs(1));
        PostgresSource {
            name: name.into(),
            config,
            roots: roots.clone(),
            pace: Pace::new(base),
            statements: StatementPoll::default(),
            deadlocks: None,
            upkeep: UpkeepPoll::default(),
            clients: Clients::new(roots),
            asker,
            questions,
        }
    }

    /// Looks until something breaks; ends by itself when our connection stands in a slot that others need more.
    async fn watch(&mut self, out: &Out, session: &mut Session) -> Result<(), Trouble> {
        let mut server = session.server().await?;
        let extension = statements::find(session).await?;
        self.statements.reconnected(extension.clone());
        // It may be another server now that answers at this address: its counters are no continuation.
        (self.deadlocks, self.upkeep) = (None, UpkeepPoll::default());
        send(out, DatabaseEvent::ServerInfo(self.info(&server))).await;
        let mut told = self.lacks(&server);
        out.state(told.clone()).await;

        let mut next_statements = Instant::now();
        let mut next_upkeep = Instant::now();
        let (mut skipped, mut first) = (0, true);
        loop {
            let began = Instant::now();
            let mut sees_less = false;
            match activity::look(session, &server).await {
                Ok(mut look) => {
                    self.pace.record(look.server_ms);
                    sees_less = server.sees_all && look.counts.hidden > 0;
                    look.skipped = std::mem::take(&mut skipped);
                    look.every_ms = self.pace.every().as_millis() as u32;
                    self.statements.seen(&look);
                    self.clients.name(&mut look, server.port).await;
                    if reserved::must_go(&mut look, server.may_reserve(), std::mem::take(&mut first)) {
                        send(out, DatabaseEvent::Activity(look)).await;
                        return Ok(());
                    }
                    out.sample(Event::Database(DatabaseEvent::Activity(look)));
                    self.count_deadlocks(out, session).await?;
                }
                // The server's own limit ended it: that look is lost, and it was expensive.
                Err(Trouble::TooSlow) => {
                    skipped += 1;
                    self.pace.record(began.elapsed().as_secs_f32() * 1e3);
                }
                Err(e) => return Err(e),
            }
            if Instant::now() >= next_statements {
                match self.statements.look(session).await {
                    Ok(events) => events.into_iter().for_each(|e| out.sample(Event::Database(e))),
                    Err(Trouble::TooSlow) => {}
                    Err(e) => return Err(e),
                }
                next_statements = began + self.statements.every().max(self.pace.every());
            }
            if sees_less || Instant::now() >= next_upkeep {
                next_upkeep = Instant::now() + UPKEEP_EVERY.max(self.pace.every());
                // Rights are given and taken, and a standby is promoted, without a new connection.
                match session.server().await {
                    Ok(now) if now != server => {
                        server = now;
                        send(out, DatabaseEvent::ServerInfo(self.info(&server))).await;
                    }
                    Ok(_) | Err(Trouble::TooSlow) => {}
                    Err(e) => return Err(e),
                }
                match self.upkeep.look(session, &server).await {
                    Ok(events) => events.into_iter().for_each(|e| out.sample(Event::Database(e))),
                    Err(Trouble::TooSlow) => {}
                    Err(e) => return Err(e),
                }
            }
            let now = self.lacks(&server);
            if now != told {
                told = now;
                out.state(told.clone()).await;
            }
            let every = self.pace.every();
            let over = began.elapsed();
            let missed = (over.as_nanos() / every.as_nanos().max(1)) as u32;
            skipped += missed;
            // Back onto the beat: what was missed is not made up for.
            let next = tokio::time::Instant::now() + (every * (missed + 1) - over);
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => break,
                    Some(q) = self.questions.recv() => answer(session, &server, q).await?,
                }
            }
        }
    }

    fn info(&self, server: &session::Server) -> ServerInfo {
        let extension = self.statements.version();
        ServerInfo {
            name: self.name.clone(),
            engine: "postgres".into(),
            version: server.version.clone(),
            extensions: extension.iter().map(|v| ("pg_stat_statements".into(), v.clone())).collect(),
            role: server.role.clone(),
            sees_all: server.sees_all,
            standby: server.standby,
            superuser: server.superuser,
            local_port: self.config.url.is_local().then_some(server.port),
            rights: rights::rights(server, extension.is_some()),
            may_reserve: server.may_reserve(),
        }
    }

    /// A single sum: cheap enough for every look, so that a deadlock is seen within seconds.
    async fn count_deadlocks(&mut self, out: &Out, session: &mut Session) -> Result<(), Trouble> {
        match activity::deadlocks(session).await {
            Ok(n) => {
                let delta = self.deadlocks.map_or(0, |before| n.saturating_sub(before));
                self.deadlocks = Some(n);
                if delta > 0 {
                    send(out, DatabaseEvent::Deadlocks { delta, sides: Vec::new() }).await;
                }
                Ok(())
            }
            Err(Trouble::TooSlow) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// What we cannot see, and the statement that would change it.
    fn lacks(&self, server: &session::Server) -> SourceState {
        if !server.sees_all {
            let role = server.role.replace('"', "\"\"");
            return SourceState::Degraded {
                why: format!(
                    "role {} may not see the statements of others; run: GRANT pg_monitor TO \"{role}\"",
                    server.role
                ),
            };
        }
        match self.statements.lack() {
            Some(why) => SourceState::Degraded { why: why.into() },
            None => SourceState::Ok,
        }
    }
}

/// Answers a question over the one connection; looks pause for as long.
async fn answer(session: &mut Session, server: &session::Server, q: Question) -> Result<(), Trouble> {
    if q.is_forgotten() {
        return Ok(());
    }
    match q {
        Question::Plan { wanted, answer } => {
            let (said, broken) = told(explain::explain(session, server, &wanted).await, "no plan");
            let _ = answer.send(said);
            broken
        }
        Question::End { ending, answer } => {
            let (said, broken) = told(ending::end(session, &ending).await, "not done");
            let _ = answer.send(said);
            broken
        }
    }
}

/// What is answered, and what of it ends the connection.
fn told<T>(came: Result<T, Failed>, without: &str) -> (Result<T, String>, Result<(), Trouble>) {
    match came {
        Ok(value) => (Ok(value), Ok(())),
        Err(Failed::Said(why)) => (Err(why), Ok(())),
        Err(Failed::Broken(e)) => (Err(format!("{without}: the connection broke")), Err(e)),
    }
}

async fn send(out: &Out, event: DatabaseEvent) {
    out.must(Event::Database(event)).await;
}

impl Source for PostgresSource {
    fn holds_connection(&self) -> bool {
        true
    }

    fn asker(&self) -> Option<Asker> {
        Some(self.asker.clone())
    }

    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let place = self.config.url.shown();
            loop {
                let mut lost = false;
                let opened = tokio::select! {
                    () = cancel.cancelled() => return Ok(()),
                    opened = Session::open(&self.config, &self.roots) => opened,
                };
                let trouble = match opened {
                    Ok(mut session) => {
                        let watched = tokio::select! {
                            () = cancel.cancelled() => None,
                            watched = self.watch(out, &mut session) => Some(watched),
                        };
                        lost = true;
                        // A goodbye, so that the server frees the slot now; a link that is gone cannot hold us up.
                        let _ = tokio::time::timeout(CLOSE, session.close()).await;
                        match watched {
                            None => return Ok(()),
                            Some(Ok(())) if reserved::wait(out, &mut self.questions, &cancel).await => continue,
                            Some(Ok(())) => return Ok(()),
                            Some(Err(trouble)) => trouble,
                        }
                    }
                    Err(trouble) => trouble,
                };
                if let Some((sqlstate, message)) = trouble.refusal() {
                    let user = self.config.url.user().into();
                    send(out, DatabaseEvent::Refused(Refused { sqlstate, message, lost, user, from: None })).await;
                }
                return Err(trouble.explain(&place));
            }
        })
    }
}
