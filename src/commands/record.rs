//! `warroom record`: the same sources without a screen, for systemd.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{RecordArgs, UsageError};
use crate::config::Config;
use crate::runtime::session::Session;
pub use crate::runtime::signals::Signals;
use crate::signals::Roots;

/// Records until SIGTERM, Ctrl-C or the end of the given time.
pub async fn run(args: RecordArgs) -> anyhow::Result<ExitCode> {
    if args.past {
        return tokio::task::spawn_blocking(move || super::record_past::run(&args)).await?;
    }
    if args.from.is_some() || args.to.is_some() {
        anyhow::bail!(UsageError("--from and --to are of the past: add --past, and leave out --for".into()));
    }
    let mut signals = Signals::listen()?;
    let (config, _) = Config::find(args.config.as_deref())?;
    let roots = Roots::default();
    let mut session = Session::start(&config, &roots, Some(args.output.clone()))?;
    let sources = session.configured(&config, &roots, &args.files, &args.commands);
    session.add(sources);
    if args.files.is_empty() && args.commands.is_empty() && config.names_no_source() {
        let found = crate::runtime::discovery::Offers::default();
        let sources = tokio::task::spawn_blocking(move || found.look(&config)).await?;
        session.add(sources);
    }
    crate::runtime::attach::offer(session.recorder.clone());
    eprintln!("warroom: recording to {}; Ctrl-C ends", args.output.display());
    drain(&mut session, args.for_, &mut signals).await?;
    let status = session.recorder.status();
    eprintln!("warroom: {} bytes recorded, {} events lost", status.bytes, status.dropped);
    if let Some(error) = status.error {
        anyhow::bail!("the end of the recording is not on disk: {error}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets the stream run with nobody watching, for a time or until a signal; then everything is written out.
pub async fn drain(session: &mut Session, time: Option<Duration>, signals: &mut Signals) -> anyhow::Result<()> {
    let end = async {
        match time {
            Some(t) => tokio::time::sleep(t).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            batch = session.stream.recv() => if batch.is_none() { break },
            () = signals.recv() => break,
            () = &mut end => break,
        }
    }
    session.supervisor.stop();
    let recorder = session.recorder.clone();
    tokio::task::spawn_blocking(move || recorder.finish(Duration::from_secs(5))).await?;
    Ok(())
}
