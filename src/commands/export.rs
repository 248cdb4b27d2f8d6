//! `warroom export`: the post-mortem skeleton of one incident.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::note::LogArgs;
use crate::signals::incident::config::IncidentConfig;
use crate::signals::incident::report::{ReportOptions, json, markdown};
use crate::signals::incident::sources::store::IncidentStore;

/// Write the skeleton of a post-mortem from the incident log
///
/// What is not known is printed as ??. Times are UTC, secrets are taken out, names become roles.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// Which incident, by ID or the end of one [default: the open one, else the last]
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Markdown or JSON
    #[arg(long, value_enum, default_value_t = Format::Md)]
    pub format: Format,
    /// Where to [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite FILE when it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Real names instead of roles
    #[arg(long)]
    pub names: bool,
    /// The recording that the times can be looked up in; it is named in the export
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// Which log, and who writes.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What an export can be written as.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Markdown.
    Md,
    /// One JSON object.
    Json,
}

/// Runs it.
pub async fn run(args: ExportArgs, config: &IncidentConfig) -> anyhow::Result<()> {
    let text = write(&args, &args.log.store(config)?).await?;
    match &args.output {
        None => std::io::stdout().write_all(text.as_bytes()).context("cannot write the export"),
        Some(path) => {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).create_new(!args.force);
            let mut file = options.open(path).with_context(|| match path.exists() && !args.force {
                true => format!("{} exists: --force overwrites it", path.display()),
                false => format!("cannot write {}", path.display()),
            })?;
            file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
        }
    }
}

async fn write(args: &ExportArgs, store: &IncidentStore) -> anyhow::Result<String> {
    let incident = super::incident::find(store, args.incident.as_deref()).await?;
    let records = store.records(incident.id).await?;
    let recording = args.recording.as_ref().map(|p| p.display().to_string());
    let options = ReportOptions { names: args.names, recording };
    let text = match args.format {
        Format::Md => markdown(&records, &options),
        Format::Json => json(&records, &options).map(|v| format!("{v:#}\n")),
    };
    text.with_context(|| format!("incident {} has no records", incident.id))
}
