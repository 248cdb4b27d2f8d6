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

use self::session::{Server, Session};
use self::statements::StatementPoll;
use self::trouble::Trouble;
use self::upkeep::UpkeepPoll;
use super::clients::Clients;
use super::connected::{self, Answers, Connected, Failed, rest, tell};
use super::pace::Pace;
use super::reserved;
use crate::signals::database::config::{PostgresConfig, SecretUrl};
use crate::signals::database::ending::{Ended, Ending};
use crate::signals::database::event::{DatabaseEvent, ServerInfo};
use crate::signals::database::plan::{Plan, Question, Wanted};
use crate::signals::source::Asker;
use crate::signals::{BoxFuture, Event, Out, Roots, Source, SourceError};
use crate::timeline::SourceState;

/// How often upkeep is looked at, and who we are and what we may see.
const UPKEEP_EVERY: Duration = Duration::from_secs(10);

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

    fn info(&self, server: &Server) -> ServerInfo {
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
                    tell(out, DatabaseEvent::Deadlocks { delta, sides: Vec::new() }).await;
                }
                Ok(())
            }
            Err(Trouble::TooSlow) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// What we cannot see, and the statement that would change it.
    fn lacks(&self, server: &Server) -> SourceState {
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

impl Answers for Server {
    type Session = Session;
    type Trouble = Trouble;

    async fn plan(&self, session: &mut Session, wanted: &Wanted) -> Result<Plan, Failed<Trouble>> {
        explain::explain(session, self, wanted).await
    }

    async fn end(&self, session: &mut Session, ending: &Ending) -> Result<Ended, Failed<Trouble>> {
        ending::end(session, ending).await
    }
}

impl Connected for PostgresSource {
    type Session = Session;
    type Trouble = Trouble;

    fn url(&self) -> &SecretUrl {
        &self.config.url
    }

    async fn open(&self) -> Result<Session, Trouble> {
        Session::open(&self.config, &self.roots).await
    }

    async fn watch(&mut self, out: &Out, session: &mut Session) -> Result<(), Trouble> {
        let mut server = session.server().await?;
        let extension = statements::find(session).await?;
        self.statements.reconnected(extension.clone());
        // It may be another server now that answers at this address: its counters are no continuation.
        (self.deadlocks, self.upkeep) = (None, UpkeepPoll::default());
        tell(out, DatabaseEvent::ServerInfo(self.info(&server))).await;
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
                        tell(out, DatabaseEvent::Activity(look)).await;
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
                        tell(out, DatabaseEvent::ServerInfo(self.info(&server))).await;
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
            skipped += rest(&server, session, &mut self.questions, began, self.pace.every()).await?;
        }
    }

    async fn close(session: Session) {
        session.close().await;
    }

    fn questions(&mut self) -> Option<&mut mpsc::Receiver<Question>> {
        Some(&mut self.questions)
    }
}

impl Source for PostgresSource {
    fn holds_connection(&self) -> bool {
        true
    }

    fn asker(&self) -> Option<Asker> {
        Some(self.asker.clone())
    }

    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move { connected::run(self, out, &cancel).await })
    }
}
