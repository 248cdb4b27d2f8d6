//! `warroom note`: one note from a shell or a script.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::signals::Roots;
use crate::signals::incident::config::IncidentConfig;
use crate::signals::incident::event::{Evidence, NoteKind};
use crate::signals::incident::sources::draft::NoteDraft;
use crate::signals::incident::sources::place::log_path;
use crate::signals::incident::sources::shared::Shared;
use crate::signals::incident::sources::store::{IncidentStore, StoreError};
use crate::timeline::{Ts, time_text};

/// Write a note to the incident log
///
/// Prints the note's time (UTC) and ID when it is on the disk. With no incident open it opens one.
#[derive(Clone, Debug, clap::Args)]
pub struct NoteArgs {
    /// The words, or - for standard input. A prefix says the kind: > ? ! = @ TODO
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,
    /// observation, hypothesis, action, decision, report or follow-up; then the text has no prefix
    #[arg(long, short)]
    pub kind: Option<NoteKind>,
    /// When it happened: 14:02, -15m, 2026-11-21T14:02:00Z [default: now]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Something that goes with it, such as a log line; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub evidence: Vec<String>,
    /// The incident, by ID or the end of one [default: the open one]
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Which log, and who writes.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Which log, and who writes.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LogArgs {
    /// The incident log [default: incident.path, /var/lib/warroom or the user's state folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub log: Option<PathBuf>,
    /// Configuration file
    #[arg(long, global = true, env = "WARROOM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who writes [default: incident.author, else the login name]
    #[arg(long, global = true, value_name = "NAME")]
    pub author: Option<String>,
}

impl LogArgs {
    /// The log that these arguments and the configuration mean.
    pub fn store(&self, config: &IncidentConfig) -> Result<IncidentStore, StoreError> {
        let path = match &self.log {
            Some(path) => named(path)?,
            None => log_path(config, &Roots::default())?,
        };
        Ok(IncidentStore::open(path).signed(self.author.as_deref().or(config.author.as_deref())))
    }
}

/// A log that was named by hand. Its folder has to be there: a typing error, or a pattern that the shell left as it was,
/// would otherwise make a log of its own that nobody reads.
fn named(path: &Path) -> Result<PathBuf, StoreError> {
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) if !dir.is_dir() => Err(StoreError::Refused(format!(
            "--log {}: there is no folder {}: check the path, or make the folder first",
            path.display(),
            dir.display()
        ))),
        _ => Ok(path.to_owned()),
    }
}

/// How long a command of the shell waits for a team's log before it goes on without.
const TEAM: std::time::Duration = std::time::Duration::from_secs(3);

/// Exchanges with the team's log, where one is configured and no other log was named; what is wrong is said and stops
/// nothing.
pub(crate) async fn exchange(args: &LogArgs, config: &IncidentConfig) -> Option<String> {
    let url = config.url.as_ref().filter(|_| args.log.is_none())?;
    let mut shared = Shared::new(&url.0, args.store(config).ok()?).password_env(config.password_env.clone());
    match tokio::time::timeout(TEAM, shared.exchange()).await {
        Ok(Ok(_)) => None,
        Ok(Err(e)) => Some(e.to_string()),
        Err(_) => Some(format!("the team's incident log at {} does not answer; notes are kept here", shared.place())),
    }
}

/// A time as people type it, on the clock of this process.
pub(crate) fn typed_time(text: &str) -> anyhow::Result<Ts> {
    let now = Ts::from_jiff(jiff::Timestamp::now());
    time_text::parse(text, now, &TimeZone::system()).map_err(|e| anyhow::anyhow!("--at {text}: {e}"))
}

/// Runs it; what is printed on standard output is the last line: time and ID.
pub async fn run(args: NoteArgs, config: &IncidentConfig) -> anyhow::Result<()> {
    let store = args.log.store(config)?;
    let (done, said) = write(&args, &store, std::io::stdin()).await?;
    for line in said.into_iter().chain(exchange(&args.log, config).await) {
        eprintln!("{line}");
    }
    writeln!(std::io::stdout(), "{done}")?;
    Ok(())
}

/// The line for standard output, and those for standard error.
async fn write(args: &NoteArgs, store: &IncidentStore, stdin: impl Read) -> anyhow::Result<(String, Vec<String>)> {
    let mut text = args.text.join(" ");
    if text == "-" {
        text.clear();
        // One byte more than fits, so that what is too long is refused and not cut.
        let most = crate::signals::incident::sources::store::MAX_TEXT as u64 * 2;
        stdin.take(most).read_to_string(&mut text).context("cannot read the note from standard input")?;
    }
    let mut draft = match args.kind {
        Some(kind) => NoteDraft::new(kind, text),
        None => NoteDraft::typed(&text),
    };
    draft.event_at = args.at.as_deref().map(typed_time).transpose()?;
    draft.evidence = args.evidence.iter().map(|text| Evidence { text: text.clone(), ..Evidence::default() }).collect();
    if let Some(id) = &args.incident {
        draft.incident = Some(super::incident::find(store, Some(id)).await?.id);
    }
    let saved = store.add_note(draft).await?;
    let mut said = Vec::new();
    if let Some(title) = &saved.opened {
        said.push(format!("opened `{title}`: warroom incident title \"…\" names it"));
    }
    if saved.redacted {
        said.push("something that looked like a secret was taken out before it was written".into());
    }
    Ok((format!("{} {}", saved.note.event_at, saved.note.root()), said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        note: NoteArgs,
    }

    #[tokio::test]
    async fn a_note_from_the_shell_lands_in_the_log_with_kind_time_and_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("incidents.db");
        let path = log.to_str().unwrap();
        let store = IncidentStore::open(&log);
        let line = ["note", "? the", "index", "is gone", "--at", "2026-11-21T14:02:00Z", "--evidence", "-> Seq Scan"];
        let args = Cli::try_parse_from(line.into_iter().chain(["--log", path, "--author", "anna"])).unwrap().note;
        let store = args.log.store(&IncidentConfig::default()).map(|s| (s, store)).unwrap();
        let (done, said) = write(&args, &store.0, std::io::empty()).await.unwrap();
        let note = store.1.notes(store.1.current().await.unwrap().unwrap().id).await.unwrap().remove(0);
        assert_eq!(done, format!("2026-11-21T14:02:00Z {}", note.id));
        assert!(said[0].starts_with("opened `incident 20"), "{said:?}");
        assert_eq!(
            (note.kind, note.text.as_str(), note.author.as_str()),
            (NoteKind::Hypothesis, "the index is gone", "anna")
        );
        assert_eq!(note.evidence[0].text, "-> Seq Scan");
    }

    #[test]
    fn a_log_in_a_folder_that_is_not_there_is_refused_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("warroom-demo-*/incident.sqlite");
        let args = LogArgs { log: Some(log.clone()), ..LogArgs::default() };
        let e = args.store(&IncidentConfig::default()).unwrap_err().to_string();
        assert!(e.contains("there is no folder"), "{e}");
        assert!(!log.parent().unwrap().exists());
    }

    #[tokio::test]
    async fn a_note_is_read_from_standard_input_and_an_empty_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = IncidentStore::open(dir.path().join("log.db"));
        let args = Cli::try_parse_from(["note", "-", "--kind", "action"]).unwrap().note;
        write(&args, &store, "restarted the api\nand the worker\n".as_bytes()).await.unwrap();
        let e = write(&args, &store, " \n".as_bytes()).await.unwrap_err();
        assert!(e.to_string().contains("empty"), "{e}");
        let notes = store.notes(store.current().await.unwrap().unwrap().id).await.unwrap();
        assert_eq!(notes.len(), 1);
        assert_eq!((notes[0].kind, notes[0].text.as_str()), (NoteKind::Action, "restarted the api\nand the worker"));
    }
}
