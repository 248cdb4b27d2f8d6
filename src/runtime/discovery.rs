//! Nothing configured: what was found on the box. Local files are followed at once; what connects is offered.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::app::arrival::{Arrival, OfferRow};
use crate::config::Config;
use crate::config::discover::{Found, Offer, look_around};
use crate::signals::logs::config::LogSourceConfig;
use crate::signals::{Declared, Roots, database, health, logs};
use crate::stream::supervisor::Supervisor;
use crate::ui::Level;

/// How long the box is looked at.
const PATIENCE: Duration = Duration::from_millis(250);

/// What was found and what was taken of it.
#[derive(Clone, Default)]
pub struct Offers {
    inner: Arc<Mutex<Inner>>,
    roots: Roots,
}

#[derive(Default)]
struct Inner {
    /// With whether it has been taken.
    offers: Vec<(Offer, bool)>,
    cannot_see: Vec<String>,
    watched: Vec<String>,
    /// The configuration that says what runs now.
    running: Config,
}

impl Offers {
    /// Looks around the box and returns the sources that only read local files. Blocks for at most a quarter second.
    pub fn look(&self, config: &Config) -> Vec<Declared> {
        let found = look_around(&self.roots, Instant::now() + PATIENCE);
        let mut running = config.clone();
        let sources = unasked(&found, &mut running, &self.roots);
        if let Ok(mut inner) = self.inner.lock() {
            inner.watched = sources.iter().map(|s| format!("{}: {}", s.decl.name, s.decl.detail)).collect();
            inner.cannot_see = found.cannot_see;
            if found.logs_left_out > 0 {
                let n = found.logs_left_out;
                inner
                    .cannot_see
                    .push(format!("{n} more log files, written to longer ago: name them on the command line"));
            }
            inner.offers = found.databases.into_iter().chain(found.peers).map(|o| (o, false)).collect();
            inner.running = running;
        }
        sources
    }

    /// What runs because somebody said so: a configuration, and files and commands of the command line in its place.
    pub fn said(&self, config: &Config, files: &[PathBuf], commands: &[String]) {
        let mut running = config.clone();
        // Standard input is no place that could be read again.
        let files: Vec<_> = files.iter().filter(|f| f.as_os_str() != "-").collect();
        if !files.is_empty() || !commands.is_empty() {
            let whole = |f: &&PathBuf| std::path::absolute(f).unwrap_or_else(|_| (*f).clone()).display().to_string();
            running.logs.files = files.iter().map(whole).collect();
            let source = |c: &String| LogSourceConfig { command: Some(c.clone()), ..LogSourceConfig::default() };
            running.logs.sources = commands.iter().map(source).collect();
        }
        if let Ok(mut inner) = self.inner.lock() {
            inner.running = running;
        }
    }

    /// For the screen.
    pub fn arrival(&self) -> Arrival {
        let Ok(inner) = self.inner.lock() else {
            return Arrival::Say(Level::Bad, "what was found on the box is lost: a fault in warroom".into());
        };
        Arrival::Found {
            offers: inner
                .offers
                .iter()
                .map(|(o, taken)| OfferRow {
                    what: o.what.clone(),
                    reason: o.reason.clone(),
                    taken: *taken,
                    port: o.port,
                    consent: o.consent.clone(),
                    hindrance: o.hindrance.clone(),
                })
                .collect(),
            cannot_see: inner.cannot_see.clone(),
            watched: inner.watched.clone(),
        }
    }

    /// For `warroom check`: what could be connected, with the configuration for it, and what cannot be seen.
    pub fn print(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let Ok(inner) = self.inner.lock() else { return Ok(()) };
        for (offer, _) in &inner.offers {
            writeln!(out, "could be watched: {} ({})", offer.what, offer.reason)?;
            for line in offer.snippet.lines() {
                writeln!(out, "    {line}")?;
            }
        }
        for line in &inner.cannot_see {
            writeln!(out, "cannot see: {line}")?;
        }
        Ok(())
    }

    /// Connects to an offer; what was started ends only when it has failed for good, or everything stops.
    pub fn take(&self, i: usize, supervisor: Option<&Supervisor>) -> (Level, String, Vec<JoinHandle<()>>) {
        let not = |level, text| (level, text, Vec::new());
        let Some(supervisor) = supervisor else { return not(Level::Warn, "a replay connects to nothing".into()) };
        let started = {
            let Ok(mut inner) = self.inner.lock() else { return not(Level::Bad, "nothing was found".into()) };
            let Some((offer, taken)) = inner.offers.get_mut(i) else { return not(Level::Warn, "no such offer".into()) };
            if *taken {
                return not(Level::Warn, format!("{} is watched already", offer.what));
            }
            if let Some(why) = &offer.hindrance {
                return not(Level::Warn, why.clone());
            }
            let part: Config = match toml::from_str(&offer.snippet) {
                Ok(part) => part,
                Err(e) => return not(Level::Bad, format!("cannot use what was found for {}: {e}", offer.what)),
            };
            *taken = true;
            let what = offer.what.clone();
            let mut sources = database::sources::sources(&part.database, &self.roots);
            // Those run since the box was looked at.
            sources.retain(|s| s.decl.name != database::sources::titles::NAME);
            sources.extend(health::sources::sources(&part.health, &self.roots));
            inner.running.database.postgres.extend(part.database.postgres);
            inner.running.database.mysql.extend(part.database.mysql);
            inner.running.database.pgbouncer.extend(part.database.pgbouncer);
            inner.running.database.metrics.extend(part.database.metrics);
            inner.running.database.sqlite.extend(part.database.sqlite);
            inner.running.health.probes.extend(part.health.probes);
            (what, sources)
        };
        let running = started.1.into_iter().map(|source| supervisor.start(source).1).collect();
        (Level::Calm, format!("watching {}", started.0), running)
    }

    /// What an offer led to has ended: it could not connect, and only a person can mend that. It can be taken again, and
    /// is no part of what runs.
    pub fn let_go(&self, i: usize) {
        let Ok(mut inner) = self.inner.lock() else { return };
        let Some((offer, taken)) = inner.offers.get_mut(i) else { return };
        *taken = false;
        let Ok(part) = toml::from_str::<Config>(&offer.snippet) else { return };
        let running = &mut inner.running;
        running.database.postgres.retain(|c| !part.database.postgres.contains(c));
        running.database.mysql.retain(|c| !part.database.mysql.contains(c));
        running.database.pgbouncer.retain(|c| !part.database.pgbouncer.contains(c));
        running.database.metrics.retain(|c| !part.database.metrics.contains(c));
        running.database.sqlite.retain(|c| !part.database.sqlite.contains(c));
        running.health.probes.retain(|c| !part.health.probes.contains(c));
    }

    /// Saves what runs now as the user's configuration. Never overwrites.
    pub fn save_config(&self) -> (Level, String) {
        let Some(path) = crate::config::places().into_iter().next() else {
            return (Level::Bad, "no home folder to save a configuration in; set HOME".into());
        };
        let text = match self.inner.lock() {
            Ok(inner) => toml::to_string_pretty(&inner.running).unwrap_or_default(),
            Err(_) => return (Level::Bad, "nothing was found".into()),
        };
        match write_new(&path, &text) {
            Ok(()) => (Level::Calm, format!("saved as {}", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                (Level::Bad, format!("{} is there already, and is not overwritten: move it away first", path.display()))
            }
            Err(e) => (Level::Bad, format!("cannot save {}: {e}", path.display())),
        }
    }
}

fn write_new(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    super::effects::private(path)?.write_all(text.as_bytes())
}

/// Sources for what only reads local files: logs, the journal, the titles of database processes. (Checkouts, units and packages are found by the deploys
/// slice itself.)
fn unasked(found: &Found, running: &mut Config, roots: &Roots) -> Vec<Declared> {
    let files: Vec<PathBuf> = found.logs.iter().filter(|l| l.readable).map(|l| l.path.clone()).collect();
    running.logs.files = files.iter().map(|p| p.display().to_string()).collect();
    let mut sources: Vec<Declared> = files.iter().map(logs::sources::file).collect();
    for command in &found.commands {
        let line = command.argv.join(" ");
        sources.push(logs::sources::command(&command.name, &line));
        running.logs.sources.push(LogSourceConfig {
            name: command.name.clone(),
            command: Some(line),
            ..LogSourceConfig::default()
        });
    }
    logs::sources::name_apart(&mut sources);
    if running.database.enabled {
        sources.push(database::sources::titles::declared(roots));
    }
    sources
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::signals::source::{Lanes, StreamClock};

    #[tokio::test]
    async fn an_offer_whose_connection_fails_for_good_can_be_taken_again_and_is_not_saved() {
        let (to, mut seen) = mpsc::channel(100);
        let lanes = Lanes { must: to.clone(), sample: to.clone(), logs: to };
        let supervisor = Supervisor::new(lanes, StreamClock::start());
        let offers = Offers::default();
        // There is no such variable: only a person can mend that.
        let snippet = "[[database.mysql]]\nurl = \"mysql://u@127.0.0.1:1/\"\npassword_env = \"WARROOM_HAS_NO_SUCH\"\n";
        let offer = Offer { what: "mysql".into(), snippet: snippet.into(), ..Offer::default() };
        offers.inner.lock().unwrap().offers.push((offer, false));
        let is_taken = || match offers.arrival() {
            Arrival::Found { offers, .. } => offers[0].taken,
            other => panic!("{other:?}"),
        };
        for _ in 0..2 {
            let (level, text, running) = offers.take(0, Some(&supervisor));
            assert_eq!((level, running.len(), is_taken()), (Level::Calm, 1, true), "{text}");
            assert!(offers.take(0, Some(&supervisor)).1.contains("already"));
            for source in running {
                source.await.unwrap();
            }
            offers.let_go(0);
            assert!(!is_taken() && offers.inner.lock().unwrap().running.database.mysql.is_empty());
        }
        drop(supervisor);
        assert!(seen.recv().await.is_some());
    }

    #[test]
    fn what_was_configured_and_named_on_the_command_line_is_what_is_saved() {
        let config =
            "[logs]\nfiles = [\"/var/log/a.log\"]\n[[health.probe]]\nname = \"api\"\nurl = \"http://127.0.0.1:1/\"\n";
        let config: Config = toml::from_str(config).unwrap();
        let offers = Offers::default();
        offers.said(&config, &[], &[]);
        let saved = || toml::to_string_pretty(&offers.inner.lock().unwrap().running).unwrap();
        assert!(saved().contains("/var/log/a.log") && saved().contains("http://127.0.0.1:1/"), "{}", saved());
        // Files and commands of the command line take the place of those of the configuration, there as here.
        offers.said(&config, &["b.log".into(), "-".into()], &["journalctl -f".into()]);
        let whole = std::env::current_dir().unwrap().join("b.log").display().to_string();
        assert!(saved().contains(&whole) && saved().contains("journalctl -f"), "{}", saved());
        assert!(!saved().contains("a.log") && saved().contains("http://127.0.0.1:1/"), "{}", saved());
        assert!(toml::from_str::<Config>(&saved()).is_ok(), "{}", saved());
    }
}
