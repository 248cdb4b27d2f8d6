//! `warroom incident`: list, open, close and look at incidents from a shell.

use std::io::Write;

use anyhow::bail;
use jiff::tz::TimeZone;

use super::note::{LogArgs, exchange, typed_time};
use crate::signals::incident::config::IncidentConfig;
use crate::signals::incident::event::{
    HypothesisState, Incident, IncidentSeverity, Ledger, MilestoneKind, NoteNow, RecordId, RoleKind, Status,
};
use crate::signals::incident::kinds;
use crate::signals::incident::metrics::{Clues, figures};
use crate::signals::incident::report::window::Seen;
use crate::signals::incident::report::{Report, ReportOptions};
use crate::signals::incident::sources::store::{IncidentStore, NoteEdit};
use crate::timeline::Ts;
use crate::ui::text::clean;

/// Open, list and close incidents, set their milestones, settle hypotheses
#[derive(Clone, Debug, clap::Args)]
pub struct IncidentArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
    /// Which log, and who writes.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What `warroom incident` can do. Incidents and notes are named by their ID, or by at least four digits of its end.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// All incidents, the newest first
    List {
        /// One JSON object a line: ts, id, title, severity, status, status_since, and part_of of a merged one
        #[arg(long)]
        json: bool,
    },
    /// Open an incident; notes go to it from now on
    Open {
        /// One line
        title: String,
        /// SEV1 to SEV4
        #[arg(long)]
        severity: Option<IncidentSeverity>,
        /// When the impact began: sets the milestone
        #[arg(long, value_name = "T", allow_hyphen_values = true)]
        started: Option<String>,
    },
    /// Close it: no more notes go there by themselves
    Close {
        /// Which [default: the open one]
        id: Option<String>,
    },
    /// Set the status: investigating, identified, mitigated, resolved, closed
    Status {
        /// The status
        status: Status,
        /// For mitigated and resolved: when it was reached [default: now]
        #[arg(long, value_name = "T", allow_hyphen_values = true)]
        at: Option<String>,
        /// Which [default: the open one]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
    },
    /// Set the severity: SEV1 to SEV4
    Severity {
        /// The severity
        severity: IncidentSeverity,
        /// Which [default: the open one]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
    },
    /// Give it a title
    Title {
        /// One line
        title: String,
        /// Which [default: the open one]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
    },
    /// Set a milestone: started, detected, acknowledged, mitigated, resolved
    Milestone {
        /// The milestone
        milestone: MilestoneKind,
        /// When it was reached [default: now]
        #[arg(long, value_name = "T", allow_hyphen_values = true)]
        at: Option<String>,
        /// Take it back
        #[arg(long, conflicts_with = "at")]
        clear: bool,
        /// Which [default: the open one]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
    },
    /// Say who has a role: commander, ops, scribe, comms, liaison, reporter; without a name it is given up
    Role {
        /// The role
        role: RoleKind,
        /// Who
        #[arg(default_value = "")]
        name: String,
        /// Which [default: the open one]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
    },
    /// Say which services are hit
    Services {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        /// Which [default: the open one]
        #[arg(long, value_name = "ID")]
        incident: Option<String>,
    },
    /// Take an incident up again: notes go there from now on
    Resume {
        /// Which
        id: String,
    },
    /// Make an incident a part of another one: its notes count there from now on
    Merge {
        /// Which
        id: String,
        /// Into which
        into: String,
    },
    /// A hypothesis was right
    Confirm {
        /// The note
        note: String,
    },
    /// A hypothesis was wrong
    Refute {
        /// The note
        note: String,
    },
    /// Give a note other words or another time; the earlier version stays in the log
    Edit {
        /// The note
        note: String,
        /// The new words; a prefix changes the kind
        text: Option<String>,
        /// When it happened
        #[arg(long, value_name = "T", allow_hyphen_values = true)]
        at: Option<String>,
    },
    /// Delete a note; it stays in the log as deleted
    Delete {
        /// The note
        note: String,
    },
    /// One incident with its notes
    Show {
        /// Which [default: the open one, else the last]
        id: Option<String>,
        /// One JSON object, as `warroom export --format json`
        #[arg(long)]
        json: bool,
        /// Times in UTC instead of local
        #[arg(long)]
        utc: bool,
    },
}

/// Runs it.
pub async fn run(args: IncidentArgs, config: &IncidentConfig) -> anyhow::Result<()> {
    let store = args.log.store(config)?;
    // What the others wrote first, so that the incident that is meant is known here; then what was written now.
    let away = exchange(&args.log, config).await;
    let (out, mut hints) = perform(&args.what, &store).await?;
    hints.extend(store.journal());
    match away {
        Some(why) => hints.push(why),
        None => hints.extend(exchange(&args.log, config).await),
    }
    std::io::stdout().write_all(out.as_bytes())?;
    for hint in hints {
        eprintln!("{hint}");
    }
    Ok(())
}

/// What goes to standard output, and hints for standard error.
async fn perform(what: &What, store: &IncidentStore) -> anyhow::Result<(String, Vec<String>)> {
    let time = |t: &Option<String>| t.as_deref().map(typed_time).transpose();
    let mut hints = Vec::new();
    let out = match what {
        What::List { json } => list(store, *json).await?,
        What::Open { title, severity, started } => {
            let started = time(started)?;
            let already = store.list().await?.into_iter().filter(Incident::is_open).count();
            let incident = store.open_incident(title, *severity).await?;
            if let Some(at) = started {
                store.milestone(incident.id, MilestoneKind::Started, at).await?;
            }
            if already > 0 {
                hints.push(format!("{already} more open; notes go to this one from now on"));
            }
            format!("{} {}\n", incident.opened_at, incident.id)
        }
        What::Close { id } => {
            let incident = open_one(store, id.as_deref()).await?;
            store.set_status(incident.id, Status::Closed, None).await?;
            if incident.reached(MilestoneKind::Resolved).is_none() {
                let id = incident.id.short();
                hints.push(format!(
                    "nobody said when it was resolved: warroom incident milestone resolved --at T --incident {id}"
                ));
            }
            told(store, incident.id).await?
        }
        What::Status { status, at, incident } => {
            let id = open_one(store, incident.as_deref()).await?.id;
            store.set_status(id, *status, time(at)?).await?;
            told(store, id).await?
        }
        What::Severity { severity, incident } => {
            let id = open_one(store, incident.as_deref()).await?.id;
            store.set_severity(id, *severity).await?;
            told(store, id).await?
        }
        What::Title { title, incident } => {
            let id = open_one(store, incident.as_deref()).await?.id;
            store.set_title(id, title).await?;
            told(store, id).await?
        }
        What::Milestone { milestone, at, clear, incident } => {
            let id = open_one(store, incident.as_deref()).await?.id;
            match clear {
                true => store.clear_milestone(id, *milestone).await?,
                false => store.milestone(id, *milestone, time(at)?.unwrap_or_else(now)).await?,
            }
            told(store, id).await?
        }
        What::Role { role, name, incident } => {
            let id = open_one(store, incident.as_deref()).await?.id;
            store.set_role(id, *role, name).await?;
            told(store, id).await?
        }
        What::Services { names, incident } => {
            let id = open_one(store, incident.as_deref()).await?.id;
            store.set_services(id, names).await?;
            told(store, id).await?
        }
        What::Resume { id } => {
            let id = find(store, Some(id)).await?.id;
            store.resume(id).await?;
            told(store, id).await?
        }
        What::Merge { id, into } => {
            let (id, into) = (find(store, Some(id)).await?.id, find(store, Some(into)).await?.id);
            store.merge(id, into).await?;
            told(store, into).await?
        }
        What::Confirm { note } => settle(store, note, HypothesisState::Confirmed).await?,
        What::Refute { note } => settle(store, note, HypothesisState::Refuted).await?,
        What::Edit { note, text, at } => {
            if text.is_none() && at.is_none() {
                bail!("nothing to change: give new words or --at T");
            }
            let id = find_note(store, note).await?;
            let mut edit = NoteEdit { event_at: time(at)?, ..NoteEdit::default() };
            if let Some(text) = text {
                let (kind, words) = kinds::parse(text);
                let has_prefix = words.len() != text.trim().len();
                (edit.text, edit.kind) = (Some(words.to_owned()), has_prefix.then_some(kind));
            }
            let saved = store.edit(id, edit).await?;
            format!("{} {}\n", saved.note.event_at, saved.note.root())
        }
        What::Delete { note } => {
            let saved = store.delete(find_note(store, note).await?).await?;
            format!("{} {} deleted\n", saved.note.event_at, saved.note.root())
        }
        What::Show { id, json, utc } => {
            let incident = find_home(store, id.as_deref()).await?;
            let records = store.records(incident.id).await?;
            match json {
                true => {
                    let options = ReportOptions { names: true, complete: true, ..ReportOptions::default() };
                    let seen = Seen::default();
                    Report::new(incident.id, &records, &seen, &options)
                        .map(|r| format!("{}\n", r.json()))
                        .unwrap_or_default()
                }
                false => show(&Ledger::fold(&records), if *utc { TimeZone::UTC } else { TimeZone::system() }),
            }
        }
    };
    Ok((out, hints))
}

fn now() -> Ts {
    Ts::from_jiff(jiff::Timestamp::now())
}

async fn settle(store: &IncidentStore, note: &str, state: HypothesisState) -> anyhow::Result<String> {
    let saved = store.set_hypothesis(find_note(store, note).await?, state).await?;
    Ok(format!("{} {} {state}\n", saved.note.event_at, saved.note.root()))
}

/// The incident that a typed `id` means; with none, the open one, else the last.
pub(crate) async fn find(store: &IncidentStore, id: Option<&str>) -> anyhow::Result<Incident> {
    let mut all = store.list().await?;
    let Some(text) = id else {
        all.retain(|i| i.merged_into.is_none());
        let current = store.current().await?;
        return current.or_else(|| all.pop()).ok_or_else(|| nothing(store));
    };
    all.retain(|i| i.id.is_meant_by(text));
    match (all.pop(), all.len()) {
        (Some(found), 0) => Ok(found),
        (Some(_), more) => bail!("`{text}` means {} incidents: give more digits (warroom incident list)", more + 1),
        (None, _) => bail!("no incident `{text}` in {}: warroom incident list prints them", store.path().display()),
    }
}

/// The same, and of one that was made a part of another the one that its records count for.
pub(crate) async fn find_home(store: &IncidentStore, id: Option<&str>) -> anyhow::Result<Incident> {
    let mut at = find(store, id).await?;
    let all = store.list().await?;
    // Bounded, as two may have been merged into each other.
    for _ in 0..all.len() {
        match at.merged_into.and_then(|into| all.iter().find(|i| i.id == into)) {
            Some(next) => at = next.clone(),
            None => break,
        }
    }
    Ok(at)
}

/// The same for changes: with no `id`, only the open one, never a closed one.
async fn open_one(store: &IncidentStore, id: Option<&str>) -> anyhow::Result<Incident> {
    match id {
        Some(_) => find(store, id).await,
        None => store.current().await?.ok_or_else(|| {
            anyhow::anyhow!(
                "no incident is open in {}: warroom incident open TITLE, or name one by ID",
                store.path().display()
            )
        }),
    }
}

fn nothing(store: &IncidentStore) -> anyhow::Error {
    anyhow::anyhow!(
        "no incident in {}: warroom note TEXT or warroom incident open TITLE begins one",
        store.path().display()
    )
}

async fn find_note(store: &IncidentStore, text: &str) -> anyhow::Result<RecordId> {
    let mut found = Vec::new();
    for incident in store.list().await? {
        found.extend(store.notes(incident.id).await?.iter().map(|n| n.root()).filter(|id| id.is_meant_by(text)));
    }
    match found[..] {
        [one] => Ok(one),
        [] => bail!("no note `{text}` in {}: warroom incident show prints them", store.path().display()),
        _ => bail!("`{text}` means {} notes: give more digits", found.len()),
    }
}

async fn told(store: &IncidentStore, id: RecordId) -> anyhow::Result<String> {
    let incident = store.list().await?.into_iter().find(|i| i.id == id);
    Ok(incident.map(|i| row(&i)).unwrap_or_default())
}

fn row(i: &Incident) -> String {
    let status = match i.merged_into {
        Some(into) => format!("part of {}", into.short()),
        None => i.status.to_string(),
    };
    format!(
        "{}  {:4}  {status:13}  {}  {}\n",
        i.id.short(),
        i.severity_word(),
        i.opened_at.date_hms(&TimeZone::system()),
        clean(&i.title)
    )
}

async fn list(store: &IncidentStore, json: bool) -> anyhow::Result<String> {
    let mut all = store.list().await?;
    all.reverse();
    Ok(all
        .iter()
        .map(|i| match json {
            false => row(i),
            true => {
                let line = ListLine {
                    ts: i.opened_at.to_string(),
                    id: i.id,
                    title: &i.title,
                    severity: i.severity,
                    status: i.status,
                    status_since: i.status_since.to_string(),
                    part_of: i.merged_into,
                };
                format!("{}\n", serde_json::to_string(&line).unwrap_or_default())
            }
        })
        .collect())
}

/// A line of `list --json`: the fields in their documented order.
#[derive(serde::Serialize)]
struct ListLine<'a> {
    ts: String,
    id: RecordId,
    title: &'a str,
    severity: Option<IncidentSeverity>,
    status: Status,
    status_since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<RecordId>,
}

fn show(ledger: &Ledger, zone: TimeZone) -> String {
    // The records are those of one incident and of what was merged into it.
    let Some(i) = ledger.latest() else { return String::new() };
    let mut out = format!("{} {}  {}\n", i.severity_word(), i.status, clean(&i.title));
    out.push_str(&format!(
        "opened {} by {} on {}  {}\n",
        i.opened_at.date_hms(&zone),
        clean(&i.opened_by),
        clean(&i.host),
        i.id
    ));
    let notes = ledger.notes_of(i.id);
    let mut rows: Vec<(Ts, String)> = notes.iter().map(|n| (n.note.event_at, note_row(n, &zone))).collect();
    rows.extend(
        i.milestones.values().map(|m| (m.at, format!("{}            {} reached\n", m.at.date_hms(&zone), m.milestone))),
    );
    rows.sort_by_key(|(at, _)| *at);
    if !rows.is_empty() {
        out.push('\n');
    }
    out.extend(rows.into_iter().map(|(_, row)| row));
    out.push('\n');
    for f in figures(i, &notes, &Clues::default()) {
        out.push_str(&format!("{} {:>10}  {}  ({})\n", f.name, f.words(), f.formula, f.source));
    }
    out
}

fn note_row(n: &NoteNow, zone: &TimeZone) -> String {
    let state = n.hypothesis().map_or(String::new(), |s| format!("  [{s}]"));
    let mut lines = n.note.text.lines();
    let first = lines.next().unwrap_or_default();
    let id = n.note.root().short();
    let mut out = format!(
        "{}  {id}  {:4} {}{state}  ({})\n",
        n.note.event_at.date_hms(zone),
        n.note.kind.prefix(),
        clean(first),
        clean(&n.note.author)
    );
    let indent = " ".repeat(36);
    out.extend(lines.map(|l| format!("{indent}{}\n", clean(l))));
    for e in &n.note.evidence {
        out.extend(e.text.lines().map(|l| format!("{indent}| {}\n", clean(l))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::incident::sources::draft::NoteDraft;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        incident: IncidentArgs,
    }

    async fn ask(store: &IncidentStore, words: &[&str]) -> anyhow::Result<(String, Vec<String>)> {
        let args = Cli::try_parse_from(["incident"].iter().chain(words))?.incident;
        perform(&args.what, store).await
    }

    #[tokio::test]
    async fn an_incident_is_opened_worked_on_and_closed_from_the_shell() {
        let dir = tempfile::tempdir().unwrap();
        let store = IncidentStore::open(dir.path().join("log.db")).by("anna");
        assert!(ask(&store, &["show"]).await.unwrap_err().to_string().contains("no incident in"));
        assert!(ask(&store, &["close"]).await.unwrap_err().to_string().contains("no incident is open"));
        assert!(!store.path().exists(), "looking creates nothing");

        let open = ["open", "checkout down", "--severity", "sev2", "--started", "2026-11-21T13:56:00Z"];
        ask(&store, &open).await.unwrap();
        let note = store.add_note(NoteDraft::typed("? index dropped\u{1b}[31m")).await.unwrap().note.id;
        ask(&store, &["confirm", &note.short()]).await.unwrap();
        ask(&store, &["edit", &note.short(), "index dropped by 1.4.2"]).await.unwrap();
        ask(&store, &["milestone", "detected", "--at", "2026-11-21T13:58:00Z"]).await.unwrap();
        let wrong = ask(&store, &["milestone", "mitigated", "--at", "2026-11-21T13:57:00Z"]).await.unwrap_err();
        assert!(wrong.to_string().contains("before detected"), "{wrong}");
        ask(&store, &["status", "resolved", "--at", "2026-11-21T14:26:00Z"]).await.unwrap();

        let (shown, _) = ask(&store, &["show", "--utc"]).await.unwrap();
        assert!(shown.starts_with("SEV2 resolved  checkout down\nopened "), "{shown}");
        assert!(shown.contains("?    index dropped by 1.4.2  [confirmed]  (anna)"), "{shown}");
        assert!(shown.contains("TTD      2 m ") || shown.contains("TTD        2 m "), "{shown}");
        assert!(shown.contains("30 m  resolved - started"), "{shown}");

        let (closed, hints) = ask(&store, &["close"]).await.unwrap();
        assert!(closed.contains("SEV2  closed") && hints.is_empty(), "{closed} {hints:?}");
        let (json, _) = ask(&store, &["list", "--json"]).await.unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["status"], &value["severity"]), (&json!("closed"), &json!("SEV2")));
    }
}
