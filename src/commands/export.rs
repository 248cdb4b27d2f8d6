//! `warroom export`: the post-mortem of one incident, from the log, a recording, or log files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::note::LogArgs;
use crate::config::Config;
use crate::runtime::left::Left;
use crate::runtime::postmortem::{self, Format};
use crate::runtime::replay::{Input, fold};
use crate::runtime::settings;
use crate::signals::deploys::sources::default_logs;
use crate::signals::incident::event::{Incident, IncidentEvent, Ledger, RecordId};
use crate::signals::incident::report::ReportOptions;
use crate::signals::incident::report::window::Seen;
use crate::signals::incident::sources::store::IncidentStore;
use crate::signals::logs::store::{LogStore, StoreOptions};
use crate::signals::{Event, Roots, Timeline};
use crate::stream::replay::Part;

/// Write the post-mortem of an incident
///
/// What is not known is printed as ??. Times are UTC, secrets are taken out, names become roles. With a recording or log
/// files the impact is counted, machine events join the timeline, and each row names the command that opens its instant.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// Which incident, by ID or the end of one [default: that of the recording, the open one, else the last]
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Markdown, HTML or JSON [default: by the end of FILE's name, else md]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where to [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite FILE when it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Real names instead of roles
    #[arg(long)]
    pub names: bool,
    /// Every record and every event in the timeline
    #[arg(long)]
    pub complete: bool,
    /// The recording: what it holds of notes, requests and events goes in
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// Log files instead, to count requests in
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "recording")]
    pub logs: Vec<PathBuf>,
    /// With log files: deploy logs, one JSON object a line [default: the configured one]
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "logs")]
    pub deploys: Vec<PathBuf>,
    /// Which log, and who writes.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Runs it.
pub async fn run(mut args: ExportArgs, config: &Config) -> anyhow::Result<()> {
    if !args.logs.is_empty() && args.deploys.is_empty() && config.deploys.enabled {
        let all = match &config.deploys.log {
            Some(path) => vec![path.clone()],
            None => default_logs(&Roots::default()),
        };
        args.deploys = all.into_iter().filter(|p| p.is_file()).collect();
    }
    let text = write(&args, &args.log.store(&config.incident)?).await?;
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

/// What was given to look at.
struct Given {
    timeline: Timeline,
    store: LogStore,
    records: Vec<IncidentEvent>,
}

fn look(args: &ExportArgs) -> anyhow::Result<Option<Given>> {
    if args.recording.is_none() && args.logs.is_empty() {
        return Ok(None);
    }
    let input = match &args.recording {
        Some(_) => Input::new(args.recording.clone(), Vec::new()),
        None => {
            let (logs, deploys) = (args.logs.clone(), args.deploys.clone());
            Input::Left(Box::new(Left { logs, deploys, ..Left::default() }))
        }
    };
    let past = input.past();
    let options = StoreOptions { background: 0, recall: past.lines(), tape: true, ..StoreOptions::default() };
    let store = LogStore::new(Box::new(|_| {}), options);
    let mut given = Given { timeline: Timeline::default(), store, records: Vec::new() };
    let summary = fold(&input, &past, Part::Report, |e| {
        let (repeated, span) = (given.timeline.repeated, given.timeline.span);
        given.timeline.apply(e);
        // A deploy log reaches back for months, and says nothing of requests.
        if args.recording.is_none() && matches!(e.event, Event::Deploys(_)) {
            given.timeline.span = span;
        }
        if given.timeline.repeated > repeated {
            return;
        }
        match &e.event {
            Event::Logs(event) => {
                let name = given.timeline.source_name(e.source).to_owned();
                given.store.observe(e.source, &name, e.observed, event, true);
            }
            Event::Incident(record) => given.records.push(record.clone()),
            _ => {}
        }
    })?;
    if let Some(trouble) = summary.trouble() {
        eprintln!("warroom: {trouble}");
    }
    Ok(Some(given))
}

async fn write(args: &ExportArgs, store: &IncidentStore) -> anyhow::Result<String> {
    let given = tokio::task::block_in_place(|| look(args))?;
    let recorded = given.as_ref().map_or(&[][..], |g| &g.records);
    let (id, records) = records(args, store, recorded).await?;
    let named = |p: &PathBuf| p.display().to_string();
    let options = ReportOptions {
        names: args.names,
        complete: args.complete,
        recording: args.recording.as_ref().map(named),
        logs: args.logs.iter().map(named).collect(),
        deploys: args.deploys.iter().map(named).collect(),
        fingerprint: args.recording.as_ref().and_then(|p| postmortem::fingerprint(p)),
        unticked: postmortem::unticked(&settings::checklists(), id, &records),
    };
    let seen = match &given {
        Some(g) => tokio::task::block_in_place(|| postmortem::gather(&g.timeline, &g.store, id, &records)),
        None => Seen::default(),
    };
    let by_name = args.output.as_ref().and_then(|p| {
        let end = p.extension()?.to_str()?;
        Format::ALL.into_iter().find(|f| f.extension() == end)
    });
    let format = args.format.or(by_name).unwrap_or(Format::Md);
    postmortem::text(format, id, &records, &seen, &options).with_context(|| format!("incident {id} has no records"))
}

/// The incident and all its records: those of the recording, and what the log knows of the same one besides.
async fn records(
    args: &ExportArgs,
    store: &IncidentStore,
    recorded: &[IncidentEvent],
) -> anyhow::Result<(RecordId, Vec<IncidentEvent>)> {
    let ledger = Ledger::fold(recorded);
    let asked = |i: &&Incident| args.incident.as_deref().is_none_or(|text| i.id.is_meant_by(text));
    let found = ledger.incidents.values().filter(asked).max_by_key(|i| (i.merged_into.is_none(), i.opened_at, i.id));
    let id = match found {
        Some(i) => ledger.home(i.id),
        None => super::incident::find_home(store, args.incident.as_deref()).await?.id,
    };
    let mut records = recorded.to_vec();
    // A log that cannot be read takes nothing from what the recording holds.
    match store.records(id).await {
        Ok(more) => {
            let known: std::collections::BTreeSet<_> = records.iter().map(IncidentEvent::id).collect();
            records.extend(more.into_iter().filter(|e| !known.contains(&e.id())));
        }
        Err(e) if recorded.is_empty() => return Err(e.into()),
        Err(e) => eprintln!("warroom: only what the recording holds: {e}"),
    }
    Ok((id, records))
}
