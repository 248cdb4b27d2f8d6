//! `warroom check`: reads the configuration, tries every source once, says what is wrong and how to mend it, and what a
//! post-mortem from this box would lack today.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::cli::CheckArgs;
use crate::commands::check_format;
use crate::config::Config;
use crate::runtime::discovery::Offers;
use crate::runtime::flight;
use crate::runtime::session::Session;
use crate::signals::{Roots, Timeline, database};
use crate::timeline::{SourceKind, SourceState, Ts};
use crate::ui::text::clean;

/// How long sources are tried.
const PATIENCE: Duration = Duration::from_secs(4);

/// One finding.
struct Finding {
    bad: bool,
    text: String,
}

/// Prints findings; exit code 3 when there is something to mend.
pub async fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let (config, path) = Config::find(args.config.as_deref())?;
    if let Some(name) = &args.format {
        return check_format::run(name, &args.files);
    }
    let roots = Roots::default();
    let mut findings = vec![Finding {
        bad: false,
        text: match &path {
            Some(p) => format!("configuration {} is sound", p.display()),
            None => "no configuration file; the box is looked around".into(),
        },
    }];
    let mut session = Session::start(&config, &roots, None)?;
    let sources = session.configured(&config, &roots, &args.files, &[]);
    session.add(sources);
    let mut found = None;
    if args.files.is_empty() && config.names_no_source() {
        let offers = Offers::default();
        let (looked, config) = (offers.clone(), config.clone());
        session.add(tokio::task::spawn_blocking(move || looked.look(&config)).await?);
        found = Some(offers);
    }
    let mut timeline = Timeline::default();
    let until = tokio::time::Instant::now() + PATIENCE;
    while let Ok(Some(batch)) = tokio::time::timeout_at(until, session.stream.recv()).await {
        batch.iter().for_each(|e| timeline.apply(e));
    }
    session.supervisor.stop();
    findings.extend(sources_of(&timeline));
    findings.extend(rights_of(&timeline));
    findings.extend(files_of(&config));
    findings.extend(lacks(&timeline, &roots));
    let mut out = std::io::stdout().lock();
    for f in &findings {
        writeln!(out, "{}  {}", if f.bad { "MEND" } else { "ok  " }, clean(&f.text))?;
    }
    for saved in flight::folder().map(|f| flight::list(&f)).unwrap_or_default() {
        writeln!(
            out,
            "saved recording of {}: warroom replay {}",
            saved.at.date_hms(&TimeZone::UTC),
            saved.path.display()
        )?;
    }
    if let Some(offers) = found {
        offers.print(&mut out)?;
    }
    Ok(if findings.iter().any(|f| f.bad) { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

/// How every source answered.
fn sources_of(timeline: &Timeline) -> Vec<Finding> {
    let mut all = Vec::new();
    for source in timeline.sources.values() {
        let (bad, state) = match source.states.last().map(|(_, s)| s) {
            // How busy the box is now is nothing to be mended.
            Some(SourceState::Degraded { why }) if why.contains("CPU is short") || why.contains("CPU was short") => {
                (false, why.clone())
            }
            Some(SourceState::Failed { why, .. } | SourceState::Degraded { why }) => (true, mended(why)),
            Some(SourceState::Starting) => (true, format!("no answer within {} s", PATIENCE.as_secs())),
            Some(SourceState::Ended) => (false, "read to its end".into()),
            Some(SourceState::Ok) | None => {
                match timeline.health.probe(&source.decl.name).and_then(|p| p.state(Ts::MAX)) {
                    // A probe that works may well find a dependency that does not.
                    Some(found) if !found.probe.ok => (true, format!("the dependency fails: {}", found.probe.reason())),
                    Some(found) => (false, format!("answers in {:.0} ms", found.probe.latency_ms)),
                    None => (false, "works".into()),
                }
            }
        };
        let kind = format!("{:?}", source.decl.kind).to_lowercase();
        all.push(Finding { bad, text: format!("{kind} {} ({}): {state}", source.decl.name, source.decl.detail) });
    }
    all
}

/// What the role of each database connection may see, and the SQL for what it may not.
fn rights_of(timeline: &Timeline) -> Vec<Finding> {
    let mut all = Vec::new();
    for server in timeline.database.servers.values() {
        let Some(info) = server.info.latest(Ts::MAX).map(|i| &i.value) else { continue };
        let who = format!("database {}: {} of {} {}", info.name, info.role, info.engine, info.version);
        let has: Vec<&str> = info.rights.iter().filter(|r| r.has).map(|r| r.shows.as_str()).collect();
        let sees = if has.is_empty() { "counts and its own sessions only".into() } else { has.join("; ") };
        all.push(Finding { bad: false, text: format!("{who} sees {sees}") });
        for r in info.rights.iter().filter(|r| !r.has) {
            let wish = if r.optional { " (optional)" } else { "" };
            let text = format!("database {}: {} does not see {}{wish}: {}", info.name, info.role, r.shows, r.grant);
            all.push(Finding { bad: !r.optional, text });
        }
    }
    all
}

/// What can be read of each SQLite database, and what would have to change for the rest.
fn files_of(config: &Config) -> Vec<Finding> {
    let mut all = Vec::new();
    for file in &config.database.sqlite {
        let rights = database::sources::sqlite::rights::rights(&file.path);
        let has: Vec<&str> = rights.iter().filter(|r| r.has).map(|r| r.shows.as_str()).collect();
        let what = format!("database {}", file.path.display());
        if !has.is_empty() {
            let text = format!("{what}: seen are {}; busy errors and slow statements come from logs", has.join("; "));
            all.push(Finding { bad: false, text });
        }
        for r in rights.iter().filter(|r| !r.has) {
            let wish = if r.optional { " (optional)" } else { "" };
            let text = format!("{what}: does not show {}{wish}: {}", r.shows, r.grant);
            all.push(Finding { bad: !r.optional, text });
        }
    }
    all
}

/// What is wrong, with what to try where the source does not say it.
fn mended(why: &str) -> String {
    if why.contains(" is gone") && !why.contains(" is gone:") {
        return format!("{why}: start what writes it, or take it out of [logs] files");
    }
    why.to_owned()
}

/// What a post-mortem from this box would lack.
fn lacks(timeline: &Timeline, roots: &Roots) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut lack = |missing: bool, text: &str| {
        if missing {
            all.push(Finding { bad: true, text: text.to_owned() });
        }
    };
    // What is seen of a database from outside is no watch over it.
    let from_outside = |s: &crate::signals::timeline::KnownSource| s.decl.name == database::sources::titles::NAME;
    let has = |kind: SourceKind| timeline.sources.values().any(|s| s.decl.kind == kind && !from_outside(s));
    lack(!has(SourceKind::Logs), "no log is watched: name files, `warroom /var/log/app.log`, or set [logs] files");
    lack(
        !has(SourceKind::Database),
        "no database is watched: [[database.postgres]] or [[database.mysql]] url, or [[database.metrics]] for the application's pool",
    );
    lack(!has(SourceKind::Health), "no health check: [[health.probe]] url = \"http://127.0.0.1:8080/healthz\"");
    let nginx = roots.etc.join("nginx/nginx.conf");
    if let Ok(text) = std::fs::read_to_string(&nginx) {
        lack(
            !text.contains("$request_id"),
            "nginx writes no request ID: add $request_id to log_format, and proxy_set_header X-Request-ID $request_id",
        );
    }
    lack(
        !roots.var_log.join("sysstat").exists() && !roots.var_log.join("sa").exists(),
        "sysstat keeps no history: CPU and memory from before warroom started are gone (apt install sysstat, ENABLED=\"true\")",
    );
    lack(
        !roots.var_log.join("journal").exists() && roots.run.join("systemd").exists(),
        "the journal is lost at a reboot: mkdir /var/log/journal, then systemctl restart systemd-journald",
    );
    lack(!roots.proc.join("pressure").exists(), "the kernel reports no pressure (PSI): boot with psi=1");
    all
}
