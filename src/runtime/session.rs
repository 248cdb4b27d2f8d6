//! One run of the sources: lanes, supervisor, order, recorder, and the stream that comes out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::signals::incident::sources::store::IncidentStore;
use crate::signals::source::StreamClock;
use crate::signals::{Declared, Roots, database, deploys, health, host, incident, logs};
use crate::stream::order;
use crate::stream::queue;
use crate::stream::recorder::{Recorder, RecorderOptions, Retention};
use crate::stream::supervisor::Supervisor;
use crate::timeline::source::Declaration;

/// What runs while a screen or a recorder is open.
pub struct Session {
    /// Starts and stops sources.
    pub supervisor: Supervisor,
    /// The tap.
    pub recorder: Recorder,
    /// The ordered stream.
    pub stream: queue::Receiver,
    /// The clock that observed times come from.
    pub clock: StreamClock,
    /// The incident log.
    pub incident: Arc<IncidentStore>,
}

impl Session {
    /// Starts the stream; sources are added with [`Session::add`].
    pub fn start(config: &Config, roots: &Roots, record: Option<PathBuf>) -> anyhow::Result<Session> {
        let clock = StreamClock::start();
        let (lanes, lines) = order::lanes();
        let options = RecorderOptions {
            path: record,
            ring: (config.recorder.memory_mb.max(1) as usize) << 20,
            redact: config.recorder.redact,
            keep: Retention::of(&config.recorder),
            ..RecorderOptions::default()
        };
        let recorder = Recorder::start(options).map_err(anyhow::Error::msg)?;
        let (to, stream) = queue::queue();
        let run = u64::try_from(clock.wall().0).unwrap_or(0) ^ (u64::from(std::process::id()) << 40);
        tokio::spawn(order::order(lines, origin(roots, run), clock, recorder.clone(), to));
        let path = incident::sources::place::log_path(&config.incident, roots)?;
        let incident = Arc::new(IncidentStore::open(path).signed(config.incident.author.as_deref()));
        Ok(Session { supervisor: Supervisor::new(lanes, clock), recorder, stream, clock, incident })
    }

    /// Runs sources.
    pub fn add(&self, sources: Vec<Declared>) {
        for source in sources {
            self.supervisor.start(source);
        }
    }

    /// The sources that the configuration asks for, log files and commands of the command line with them.
    pub fn configured(&self, config: &Config, roots: &Roots, files: &[PathBuf], commands: &[String]) -> Vec<Declared> {
        let mut all = Vec::new();
        let mut own = given(files, commands);
        if own.is_empty() {
            own = logs::sources::sources(&config.logs, roots);
        }
        logs::sources::name_apart(&mut own);
        all.append(&mut own);
        all.extend(host::sources::declared(&config.host, roots));
        all.extend(database::sources::sources(&config.database, roots));
        all.extend(deploys::sources::sources(&config.deploys, roots));
        all.extend(health::sources::sources(&config.health, roots));
        all.push(incident::sources::declared(self.incident.path()));
        all.extend(incident::sources::shared(&config.incident, self.incident.path()));
        all
    }
}

/// Log sources from the command line; `-` is standard input.
pub fn given(files: &[PathBuf], commands: &[String]) -> Vec<Declared> {
    let mut all: Vec<Declared> = files
        .iter()
        .map(|f| {
            if f == Path::new("-") { logs::sources::stdin(Box::new(std::io::stdin())) } else { logs::sources::file(f) }
        })
        .collect();
    all.extend(commands.iter().map(|c| logs::sources::command(c.split_whitespace().next().unwrap_or("command"), c)));
    all
}

/// Who speaks: host, boot, zone.
fn origin(roots: &Roots, run: u64) -> Declaration {
    let read = |path: &str| std::fs::read_to_string(roots.proc.join(path)).unwrap_or_default().trim().to_owned();
    let zone = jiff::tz::TimeZone::system();
    Declaration::Origin {
        host: Some(read("sys/kernel/hostname")).filter(|h| !h.is_empty()).unwrap_or_else(|| "this host".into()),
        boot_id: read("sys/kernel/random/boot_id"),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run,
    }
}
