//! Parse, call, print the error.

use std::process::ExitCode;

use warroom::cli::{Cli, Command, UsageError};
use warroom::commands::{check, demo, deploy, export, incident, note, query, record, recording, relay, screen, texts};
use warroom::config::{Config, ConfigError};
use warroom::runtime::{attach, live, replay};

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|e| e.exit());
    // Runs as another user: nothing else of the program is started.
    if let Some(Command::RelayPeer { socket }) = &cli.command {
        return relay::run(socket);
    }
    // ring, chosen here once: without a choice the first TLS client panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("warroom: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli));
    // A thread that hangs on a dead mount must not keep the terminal waiting.
    runtime.shutdown_timeout(std::time::Duration::from_millis(300));
    match result {
        Ok(code) => code,
        // Whoever read our output has gone (`warroom query … | head`): nothing is wrong.
        Err(e) if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("warroom: {}", said(&e));
            ExitCode::from(if e.is::<ConfigError>() || e.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// The error and its causes, those left out that it has said already.
fn said(e: &anyhow::Error) -> String {
    e.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.is_empty() {
        true => cause,
        false if text.contains(&cause) => text,
        false => text + ": " + &cause,
    })
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => live::live(cli.live).await,
        Some(Command::Demo(args)) => demo::run(args).await,
        Some(Command::Replay(args)) => replay::run(args).await,
        Some(Command::Attach(args)) => attach::run(args).await,
        Some(Command::Record(args)) => record::run(args).await,
        Some(Command::Recording(args)) => tokio::task::block_in_place(|| recording::run(args)),
        Some(Command::Query(args)) => query::run(args).await,
        Some(Command::Screen(args)) => tokio::task::block_in_place(|| screen::run(args)),
        Some(Command::Note(args)) => {
            let config = incident_config(&args.log)?;
            note::run(args, &config).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Deploy(mut args)) => {
            if args.log.is_none() {
                args.log = Config::find(args.config.as_deref())?.0.deploys.log;
            }
            deploy::run(args).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Incident(args)) => {
            let config = incident_config(&args.log)?;
            incident::run(args, &config).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Export(args)) => {
            let (config, _) = Config::find(args.log.config.as_deref())?;
            export::run(args, &config).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Themes) => texts::themes(),
        Some(Command::Keys) => texts::keys(),
        Some(Command::Check(args)) => check::run(args).await,
        Some(Command::Completions { shell }) => texts::completions(shell),
        Some(Command::Man) => texts::man(),
        Some(Command::RelayPeer { socket }) => Ok(relay::run(&socket)),
    }
}

/// Where the incident log is, for the commands that write to it without a screen.
fn incident_config(args: &note::LogArgs) -> anyhow::Result<warroom::signals::incident::config::IncidentConfig> {
    Ok(Config::find(args.config.as_deref())?.0.incident)
}
