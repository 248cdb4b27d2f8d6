//! Where health comes from: one source for each configured probe.
//!
//! A probe that fails is a result, not a failed source; a source fails only when it cannot ask at all. Never more than
//! one question of a probe is under way, and probes do not start at the same instant.

pub mod certificate;
pub mod first_words;
pub mod http;
pub mod tcp;

use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::config::{HealthConfig, ProbeConfig};
use super::event::{HealthEvent, Probe, ProbeKind};
use crate::signals::{BoxFuture, Declared, Event, Out, Roots, Source, SourceError};
use crate::timeline::{SourceDecl, SourceId, SourceKind, SourceState};

/// The sources that the configuration asks for. Two probes of one name get a number behind it: each has its own history.
pub fn sources(config: &HealthConfig, _roots: &Roots) -> Vec<Declared> {
    if !config.enabled {
        return Vec::new();
    }
    let all = config.probes.len();
    let mut names: Vec<String> = Vec::with_capacity(all);
    let mut declared = Vec::with_capacity(all);
    for (i, probe) in config.probes.iter().enumerate() {
        let target = target(probe);
        let wanted = if probe.name.is_empty() { default_name(&target) } else { probe.name.clone() };
        let mut name = wanted.clone();
        for n in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{wanted} {n}");
        }
        names.push(name.clone());
        // Spread over one interval, the first at once.
        let wait = probe.interval.0.mul_f64(i as f64 / all.max(1) as f64);
        let decl = SourceDecl { id: SourceId(0), kind: SourceKind::Health, name: name.clone(), detail: target.clone() };
        let source = Prober { config: probe.clone(), name, target, wait, last_ok: None };
        declared.push(Declared { decl, source: Box::new(source) });
    }
    declared
}

/// Asks one dependency, again and again.
struct Prober {
    config: ProbeConfig,
    name: String,
    target: String,
    wait: Duration,
    last_ok: Option<bool>,
}

enum Asker {
    Http(Box<http::Http>),
    Tcp(tcp::Tcp),
}

impl Prober {
    fn asker(&self) -> Result<Asker, SourceError> {
        let wrong = |why: String| SourceError::fatal(format!("probe {}: {why}", self.name));
        match (&self.config.url, &self.config.tcp) {
            (Some(url), None) => Ok(Asker::Http(Box::new(http::Http::new(url, &self.config).map_err(wrong)?))),
            (None, Some(address)) => {
                if address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                    return Err(wrong(format!("tcp = {address:?} has no port; write \"host:port\"")));
                }
                Ok(Asker::Tcp(tcp::Tcp::new(address)))
            }
            _ => Err(wrong("set exactly one of `url` and `tcp`".into())),
        }
    }

    async fn ask(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        let mut asker = self.asker()?;
        out.state(SourceState::Ok).await;
        let deadline = self.config.timeout.0;
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + self.wait, self.config.interval.0);
        // A probe that hung is not made up for by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let mut probe = Probe {
                at: out.now(),
                name: self.name.clone(),
                kind: if matches!(asker, Asker::Tcp(_)) { ProbeKind::Tcp } else { ProbeKind::Http },
                target: self.target.clone(),
                interval_ms: u32::try_from(self.config.interval.0.as_millis()).unwrap_or(u32::MAX),
                ..Probe::default()
            };
            let began = Instant::now();
            let asked = async {
                match &mut asker {
                    Asker::Http(http) => {
                        http.ask(&mut probe, deadline).await;
                        probe.latency_ms = millis(began.elapsed());
                    }
                    Asker::Tcp(tcp) => tcp.ask(&mut probe, deadline).await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = asked => {}
            }
            // A turn must not be lost; of the rest the newest is enough.
            let turned = self.last_ok.replace(probe.ok) != Some(probe.ok);
            let event = Event::Health(HealthEvent::Probed(probe));
            if !turned {
                out.sample(event);
            } else if !out.must(event).await {
                return Ok(());
            }
        }
    }
}

impl Source for Prober {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.ask(out, cancel))
    }
}

/// Milliseconds to the microsecond: more digits would only be noise in recordings.
fn millis(d: Duration) -> f64 {
    d.as_micros() as f64 / 1_000.0
}

/// `1.0 s`, `250 ms`: a deadline as it is told.
fn told(d: Duration) -> String {
    crate::timeline::time::short(d)
}

/// Whom a probe asks, without what may be secret: user, password, query.
fn target(probe: &ProbeConfig) -> String {
    match (&probe.url, &probe.tcp) {
        (Some(url), _) => match reqwest::Url::parse(url) {
            Ok(mut url) => {
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_query(None);
                url.set_fragment(None);
                url.to_string()
            }
            Err(_) => "not a URL".into(),
        },
        (None, Some(tcp)) => tcp.clone(),
        (None, None) => String::new(),
    }
}

fn default_name(target: &str) -> String {
    let name = target.split_once("://").map_or(target, |(_, rest)| rest).trim_end_matches('/');
    if name.is_empty() { "probe".into() } else { name.into() }
}

/// What went wrong, in a few words that need no knowledge of the library.
fn io_words(e: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind::*;
    Some(match e.kind() {
        ConnectionRefused => "connection refused",
        ConnectionReset => "connection reset",
        ConnectionAborted => "connection aborted",
        HostUnreachable => "host unreachable",
        NetworkUnreachable => "network unreachable",
        TimedOut => "connection timed out",
        UnexpectedEof => "connection closed early",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_an_address_are_not_shown_and_names_stay_apart() {
        let config: HealthConfig = toml::from_str(
            "[[probe]]\nurl = \"http://ann:pw@box:80/healthz?token=1\"\n[[probe]]\nname = \"a\"\ntcp = \"b:1\"\n\
             [[probe]]\nname = \"a\"\ntcp = \"c:1\"\n",
        )
        .unwrap();
        let all = sources(&config, &Roots::under("/nowhere"));
        let names: Vec<&str> = all.iter().map(|d| d.decl.name.as_str()).collect();
        assert_eq!(names, ["box/healthz", "a", "a 2"]);
        assert_eq!(all[0].decl.detail, "http://box/healthz");
    }
}
