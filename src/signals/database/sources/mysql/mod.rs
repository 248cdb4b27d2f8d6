//! Watches one MySQL or MariaDB server through one connection, and gets out of the way.
//!
//! As for PostgreSQL: one bare connection, one statement in flight, every statement under the server's own time limits,
//! a look that takes too long costs the looks behind it. MySQL ends only SELECT by time; everything else we ask is SHOW.

pub mod activity;
pub mod deadlock;
pub mod digests;
pub mod ending;
pub mod explain;
pub mod rights;
pub mod secret;
pub mod session;
pub mod trouble;

use std::time::{Duration, Instant};

use compact_str::CompactString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::digests::Digests;
use self::explain::Failed;
use self::session::{Server, Session};
use self::trouble::Trouble;
use super::clients::Clients;
use super::pace::Pace;
use super::reserved;
use crate::signals::database::config::MysqlConfig;
use crate::signals::database::event::{DatabaseEvent, Refused, ServerInfo};
use crate::signals::database::plan::Question;
use crate::signals::source::Asker;
use crate::signals::{BoxFuture, Event, Out, Roots, Source, SourceError};
use crate::timeline::SourceState;

/// How often counters are read.
const COUNTERS_EVERY: Duration = Duration::from_secs(5);
/// How long giving the connection back may take before it is dropped instead.
const CLOSE: Duration = Duration::from_millis(200);

/// One MySQL or MariaDB server.
pub struct MysqlSource {
    name: CompactString,
    config: MysqlConfig,
    pace: Pace,
    digests: Digests,
    clients: Clients,
    /// Deadlocks the server had counted at the last look.
    deadlocks: Option<u64>,
    asker: Asker,
    questions: mpsc::Receiver<Question>,
}

impl MysqlSource {
    /// For the server in `config`, shown as `name`.
    pub fn new(name: &str, config: MysqlConfig, roots: &Roots) -> MysqlSource {
        let (asker, questions) = mpsc::channel(1);
        let base = Duration::try_from_secs_f64(config.interval).unwrap_or(Duration::from_secs(1));
        MysqlSource {
            name: name.into(),
            config,
            pace: Pace::new(base),
            digests: Digests::default(),
            clients: Clients::new(roots),
            deadlocks: None,
            asker,
            questions,
        }
    }

    /// Looks until something breaks; ends by itself when our connection stands in a slot that others need more.
    async fn watch(&mut self, out: &Out, session: &mut Session) -> Result<(), Trouble> {
        let server = session.server().await?;
        self.digests.reconnected(server.performance_schema);
        // It may be another server now that answers at this address: its counters are no continuation.
        self.deadlocks = None;
        let (rights, may_reserve) = rights::rights(session, &server).await?;
        send(
            out,
            DatabaseEvent::ServerInfo(ServerInfo {
                name: self.name.clone(),
                engine: if server.mariadb { "mariadb".into() } else { "mysql".into() },
                version: server.version.clone(),
                extensions: Vec::new(),
                role: server.account.clone(),
                sees_all: server.sees_all,
                standby: server.read_only,
                superuser: false,
                local_port: self.config.url.is_local().then_some(server.port),
                rights,
                may_reserve,
            }),
        )
        .await;
        let mut told = self.lacks(&server, false);
        out.state(told.clone()).await;
        let mut next_counters = Instant::now();
        let (mut skipped, mut first) = (0, true);
        let mut unseen = false;
        loop {
            let began = Instant::now();
            match activity::look(session, &server).await {
                Ok(looked) => {
                    let mut look = looked.activity;
                    unseen = looked.holder_unseen;
                    self.pace.record(look.server_ms);
                    self.clients.name(&mut look, server.port).await;
                    look.skipped = std::mem::take(&mut skipped);
                    look.every_ms = self.pace.every().as_millis() as u32;
                    if reserved::must_go(&mut look, may_reserve, std::mem::take(&mut first)) {
                        send(out, DatabaseEvent::Activity(look)).await;
                        return Ok(());
                    }
                    out.sample(Event::Database(DatabaseEvent::Activity(look)));
                    // A single counter: cheap enough for every look, so that a deadlock is seen within seconds.
                    match self.dead(session, &server).await {
                        Ok(Some(event)) => send(out, event).await,
                        Ok(None) | Err(Trouble::TooSlow) => {}
                        Err(e) => return Err(e),
                    }
                }
                Err(Trouble::TooSlow) => {
                    skipped += 1;
                    self.pace.record(began.elapsed().as_secs_f32() * 1e3);
                }
                Err(e) => return Err(e),
            }
            if Instant::now() >= next_counters {
                next_counters = Instant::now() + COUNTERS_EVERY.max(self.pace.every());
                self.slow_looks(out, session, &server).await?;
            }
            let now = self.lacks(&server, unseen);
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

    async fn slow_looks(&mut self, out: &Out, session: &mut Session, server: &Server) -> Result<(), Trouble> {
        match self.digests.look(session, &server.account).await {
            Ok(events) => events.into_iter().for_each(|e| out.sample(Event::Database(e))),
            Err(Trouble::TooSlow) => {}
            Err(e) => return Err(e),
        }
        match activity::replica(session, server).await {
            Ok(Some(replica)) => out.sample(Event::Database(DatabaseEvent::Replica(replica))),
            Ok(None) | Err(Trouble::TooSlow) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    async fn dead(&mut self, session: &mut Session, server: &Server) -> Result<Option<DatabaseEvent>, Trouble> {
        let Some(n) = deadlock::count(session, server).await? else { return Ok(None) };
        let before = self.deadlocks.replace(n);
        match before.map_or(0, |before| n.saturating_sub(before)) {
            0 => Ok(None),
            delta => {
                let sides = match deadlock::last(session).await {
                    Err(Trouble::TooSlow) => Vec::new(),
                    sides => sides?,
                };
                Ok(Some(DatabaseEvent::Deadlocks { delta, sides }))
            }
        }
    }

    /// What we cannot see, and the statement that would change it.
    fn lacks(&self, server: &Server, unseen: bool) -> SourceState {
        let why = if !server.sees_all {
            let replica = if server.mariadb { "SLAVE MONITOR" } else { "REPLICATION CLIENT" };
            format!(
                "{} sees only its own sessions; run: GRANT PROCESS, {replica} ON *.* TO {}",
                server.account, server.account
            )
        } else if unseen && server.mariadb && !server.metadata_lock_info {
            "who holds the metadata lock is not told; to see it: INSTALL SONAME 'metadata_lock_info'".into()
        } else if let Some(lack) = self.digests.lack() {
            lack.to_owned()
        } else {
            return SourceState::Ok;
        };
        SourceState::Degraded { why }
    }
}

/// Answers a question over the one connection; looks pause for as long.
async fn answer(session: &mut Session, server: &Server, q: Question) -> Result<(), Trouble> {
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
            let (said, broken) = told(ending::end(session, server, &ending).await, "not done");
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

impl Source for MysqlSource {
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
                    opened = Session::open(&self.config) => opened,
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
