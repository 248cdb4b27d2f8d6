//! `warroom demo`: the embedded backend that breaks, watched from outside by the ordinary sources.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::record::{Signals, drain};
use crate::cli::{DemoArgs, ScreenOptions};
use crate::config::Config;
use crate::demo::{self, Demo, DemoOptions};
use crate::runtime::live::{self, Live};
use crate::runtime::session::Session;
use crate::signals::Roots;
use crate::signals::deploys::config::Rollback;
use crate::signals::health::config::ProbeConfig;
use crate::timeline::Filter;

/// With a screen, or headless for scripts and tests.
pub async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let (own, _) = Config::find(args.screen.config.as_deref())?;
    demo::clean_stale(None);
    let options = DemoOptions {
        deploy_after: args.deploy_at,
        rollback_at: args.rollback_at,
        postgres: args.postgres,
        ..DemoOptions::default()
    };
    eprintln!("warroom: starting a small backend; it breaks after {} s", args.deploy_at.as_secs());
    let mut signals = Signals::listen()?;
    let demo = tokio::select! {
        demo = demo::start(options) => demo?,
        // What was begun goes with the dropped future.
        () = signals.recv() => return Ok(ExitCode::from(143)),
    };
    // Its own sources, on the user's screen.
    let config = Config { screen: own.screen, keys: own.keys, ..watch(&demo) };
    let ending = if args.headless {
        headless(&config, args.record, args.for_.unwrap_or(Duration::from_secs(60)), &mut signals).await
    } else {
        with_screen(config, args.record, args.screen, args.for_).await
    };
    demo.stop().await;
    ending
}

/// What an operator of that backend would have configured.
fn watch(demo: &Demo) -> Config {
    let mut config = Config::default();
    config.logs.files = vec![demo.log.display().to_string(), demo.access_log.display().to_string()];
    if let Ok(metrics) = toml::from_str(&format!("name = \"api\"\nurl = {:?}\n", demo.metrics_url)) {
        config.database.metrics = vec![metrics];
    }
    if let Some(url) = &demo.database_url
        && let Ok(postgres) = toml::from_str(&format!("name = \"orders\"\nurl = {url:?}\n"))
    {
        config.database.postgres = vec![postgres];
    }
    config.health.probes =
        vec![ProbeConfig { name: "api /healthz".into(), url: Some(demo.health_url.clone()), ..ProbeConfig::default() }];
    config.deploys.log = Some(demo.deploy_log.clone());
    config.deploys.discover = false;
    config.deploys.units = false;
    config.deploys.packages = false;
    config.deploys.rollback.insert(demo::SERVICE.into(), Rollback { command: demo.rollback_command.clone() });
    config.incident.path = Some(demo.incident_path.clone());
    config
}

async fn with_screen(
    config: Config,
    record: Option<PathBuf>,
    screen: ScreenOptions,
    for_: Option<Duration>,
) -> anyhow::Result<ExitCode> {
    let live = live::run(Live {
        config,
        files: Vec::new(),
        commands: Vec::new(),
        discover: false,
        record,
        filter: Filter::default(),
        screen,
        demo: true,
        allow_kill: false,
    });
    match for_ {
        None => live.await,
        Some(time) => tokio::time::timeout(time, live).await.unwrap_or(Ok(ExitCode::SUCCESS)),
    }
}

async fn headless(
    config: &Config,
    to: Option<PathBuf>,
    time: Duration,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let roots = Roots::default();
    let mut session = Session::start(config, &roots, to)?;
    let sources = session.configured(config, &roots, &[], &[]);
    session.add(sources);
    drain(&mut session, Some(time), signals).await?;
    Ok(ExitCode::SUCCESS)
}
