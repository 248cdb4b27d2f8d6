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
use self::session::{Server, Session};
use self::trouble::Trouble;
use super::clients::Clients;
use super::connected::{self, Answers, Connected, Failed, rest, tell};
use super::pace::Pace;
use super::reserved;
use crate::signals::database::config::{MysqlConfig, SecretUrl};
use crate::signals::database::ending::{Ended, Ending};
use crate::signals::database::event::{DatabaseEvent, ServerInfo};
use crate::signals::database::plan::{Plan, Question, Wanted};
use crate::signals::source::Asker;
use crate::signals::{BoxFuture, Event, Out, Roots, Source, SourceError};
use crate::timeline::SourceState;

/// How often counters are read.
const COUNTERS_EVERY: Duration = Duration::from_secs(5);

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

impl Answers for Server {
    type Session = Session;
    type Trouble = Trouble;

    async fn plan(&self, session: &mut Session, wanted: &Wanted) -> Result<Plan, Failed<Trouble>> {
        explain::explain(session, self, wanted).await
    }

    async fn end(&self, session: &mut Session, ending: &Ending) -> Result<Ended, Failed<Trouble>> {
        ending::end(session, self, ending).await
    }
}

impl Connected for MysqlSource {
    type Session = Session;
    type Trouble = Trouble;

    fn url(&self) -> &SecretUrl {
        &self.config.url
    }

    async fn open(&self) -> Result<Session, Trouble> {
        Session::open(&self.config).await
    }

    async fn watch(&mut self, out: &Out, session: &mut Session) -> Result<(), Trouble> {
        let server = session.server().await?;
        self.digests.reconnected(server.performance_schema);
        // It may be another server now that answers at this address: its counters are no continuation.
        self.deadlocks = None;
        let (rights, may_reserve) = rights::rights(session, &server).await?;
        tell(
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
                        tell(out, DatabaseEvent::Activity(look)).await;
                        return Ok(());
                    }
                    out.sample(Event::Database(DatabaseEvent::Activity(look)));
                    // A single counter: cheap enough for every look, so that a deadlock is seen within seconds.
                    match self.dead(session, &server).await {
                        Ok(Some(event)) => tell(out, event).await,
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

impl Source for MysqlSource {
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
