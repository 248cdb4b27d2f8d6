//! The post-mortem: from the incident log, and from what the telemetry of its window says, as Markdown for people, as one
//! HTML file with charts, and as one JSON object for programs.
//!
//! What is not known is printed as `??`, never as 0 and never left out: it is what the author still has to find. Times
//! are UTC. Names become roles unless asked for, in the words of notes, too. Everything is redacted once more on the way
//! out. Gathering what the telemetry says is the caller's part (see [`window::Seen`]).

pub mod chart;
pub mod document;
pub mod escape;
pub mod html;
pub mod json;
pub mod markdown;
pub mod rows;
mod sections;
pub mod window;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::event::{Evidence, Incident, IncidentEvent, Ledger, NoteKind, NoteNow, RecordId};
use super::metrics::{Figure, figures};
use crate::timeline::{SourceKind, Ts};
use document::Document;
use window::Seen;

/// What the author of an export may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// Real names instead of roles.
    pub names: bool,
    /// Every record and every event in the timeline instead of those that a reader needs.
    pub complete: bool,
    /// The recording that rows can be looked up in, as it is named on the command line.
    pub recording: Option<String>,
    /// Log files that rows can be looked up in where there is no recording.
    pub logs: Vec<String>,
    /// Deploy logs that were read with them.
    pub deploys: Vec<String>,
    /// Size and checksum of the recording, in words.
    pub fingerprint: Option<String>,
    /// Steps of the checklists in use that were not ticked.
    pub unticked: Vec<String>,
}

const UNKNOWN: &str = "??";
/// Nanoseconds of a millisecond.
const MILLI: i64 = 1_000_000;

/// Who does what without being a person.
const MACHINES: &[&str] = &[
    "ci",
    "cd",
    "bot",
    "cron",
    "systemd",
    "jenkins",
    "github-actions",
    "gitlab",
    "argocd",
    "flux",
    "helm",
    "ansible",
    "demo",
];

/// Logins that are words of their own, and nobody's name.
const LOGINS: &[&str] =
    &["root", "admin", "user", "ubuntu", "debian", "deploy", "app", "api", "web", "www-data", "postgres", "oncall"];

/// An incident ready to be written.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    incident: Incident,
    records: &'a [IncidentEvent],
    notes: Vec<NoteNow<'a>>,
    names: BTreeMap<String, String>,
    options: &'a ReportOptions,
    seen: &'a Seen,
    figures: Vec<Figure>,
    /// Evidence by number, in the order of the notes, and when its note tells of.
    evidence: Vec<(&'a Evidence, Ts)>,
}

impl<'a> Report<'a> {
    /// Of the incident `id`, whose records (with those of incidents merged into it) are given in the order of the log;
    /// `None` when it is not among them.
    pub fn new(
        id: RecordId,
        records: &'a [IncidentEvent],
        seen: &'a Seen,
        options: &'a ReportOptions,
    ) -> Option<Report<'a>> {
        let ledger = Ledger::fold(records);
        let incident = ledger.incidents.get(&ledger.home(id))?.clone();
        let notes = ledger.notes_of(incident.id);
        let figures = figures(&incident, &notes, &seen.clues);
        let names = roles(&incident, &notes);
        let evidence = notes.iter().flat_map(|n| n.note.evidence.iter().map(|e| (e, n.note.event_at))).collect();
        Some(Report { incident, records, notes, names, options, seen, figures, evidence })
    }

    /// As a document, before it is written out.
    pub fn document(&self) -> Document {
        sections::document(self)
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        markdown::write(&self.document())
    }

    /// As one HTML file.
    pub fn html(&self) -> String {
        html::write(&self.document())
    }

    /// As one JSON object.
    pub fn json(&self) -> serde_json::Value {
        json::write(self)
    }

    /// A name, or the role that stands for it.
    fn who(&self, name: &str) -> String {
        match self.names.get(name) {
            Some(role) if !self.options.names => role.clone(),
            _ => name.to_owned(),
        }
    }

    /// Who made a change, by its source: machines by name, people by role.
    fn doer(&self, name: &str) -> String {
        let machine = MACHINES.iter().any(|m| name.eq_ignore_ascii_case(m)) || name.ends_with("[bot]");
        match self.names.contains_key(name) {
            _ if self.options.names || machine => name.to_owned(),
            true => self.who(name),
            false => "whoever deployed".into(),
        }
    }

    /// Words with the names of responders replaced by their roles, unless names were asked for.
    fn blameless(&self, text: &str) -> String {
        if self.options.names {
            return text.to_owned();
        }
        let mut out = text.to_owned();
        let is_name = |n: &str| n.len() > 2 && !LOGINS.contains(&n);
        for (name, role) in self.names.iter().filter(|(n, _)| is_name(n)) {
            out = replace_word(&out, name, role);
        }
        out
    }

    fn of(&self, kind: NoteKind) -> impl Iterator<Item = &NoteNow<'a>> {
        self.notes.iter().filter(move |n| n.note.kind == kind)
    }

    /// ` (E1, E2)`, the numbers of a note's evidence.
    fn proofs(&self, n: &NoteNow) -> String {
        let list = self.proof_list(n);
        if list.is_empty() { String::new() } else { format!(" ({list})") }
    }

    fn proof_list(&self, n: &NoteNow) -> String {
        self.numbers(n.note.evidence.iter())
    }

    fn numbers<'e>(&self, evidence: impl Iterator<Item = &'e Evidence>) -> String {
        let number = |e: &Evidence| self.evidence.iter().position(|(known, _)| std::ptr::eq(*known, e));
        let numbers: Vec<String> = evidence.filter_map(number).map(|nr| format!("E{}", nr + 1)).collect();
        numbers.join(", ")
    }

    /// Whether there is anything to look at again of an instant. A note is written a moment after the last sample, and what
    /// was there at the start is a moment older than the first one.
    fn holds(&self, at: Ts) -> bool {
        self.seen.held.is_none_or(|held| at >= held.start - rows::LATE && at <= held.end + rows::LATE)
    }

    /// The command that opens the screen at an instant; `None` where there is nothing to open it from, or where that
    /// instant is not in it.
    fn look_again(&self, at: Ts, filter: &str) -> Option<String> {
        if !self.holds(at) {
            return None;
        }
        let what = match &self.options.recording {
            Some(recording) => format!("replay {}", shell_word(recording)),
            None if self.options.logs.is_empty() => return None,
            None => {
                let files: Vec<String> = self.options.logs.iter().map(|f| shell_word(f)).collect();
                let deploys: Vec<String> = self.options.deploys.iter().map(|f| shell_word(f)).collect();
                let deploys =
                    if deploys.is_empty() { String::new() } else { format!(" --deploys {}", deploys.join(" ")) };
                format!("replay --logs {}{deploys}", files.join(" "))
            }
        };
        let filter = if filter.is_empty() { String::new() } else { format!(" --filter {}", shell_word(filter)) };
        let at = self.seen.held.map_or(at, |held| at.clamp(held.start, held.end));
        // A shorter time to read, and never a moment before the row is there.
        let at = Ts(at.0.div_euclid(MILLI).saturating_add(i64::from(at.0.rem_euclid(MILLI) > 0)).saturating_mul(MILLI));
        Some(format!("warroom {what} --at {at}{filter}"))
    }
}

/// For every person a role: the one taken in the incident, else a number in the order of their first appearance.
fn roles(incident: &Incident, notes: &[NoteNow]) -> BTreeMap<String, String> {
    let mut names = vec![incident.opened_by.as_str()];
    names.extend(notes.iter().flat_map(|n| [n.first.author.as_str(), n.note.author.as_str()]));
    names.extend(incident.milestones.values().map(|m| m.by.as_str()));
    names.extend(incident.changes.iter().map(|c| c.author.as_str()));
    names.extend(incident.changes.iter().filter_map(|c| c.role.as_ref()).map(|(_, name)| name.as_str()));
    let mut roles: BTreeMap<String, String> = BTreeMap::new();
    let mut next = 1;
    for name in names.into_iter().filter(|n| !n.is_empty()) {
        if roles.contains_key(name) {
            continue;
        }
        let taken = incident.roles.iter().find(|(_, who)| *who == name).map(|(role, _)| format!("the {role}"));
        let role = taken.unwrap_or_else(|| {
            let numbered = format!("responder {next}");
            next += 1;
            numbered
        });
        roles.insert(name.to_owned(), role);
    }
    roles
}

/// Every occurrence of `name` as a word of its own.
fn replace_word(text: &str, name: &str, with: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '/' || c == '.' || c == '-';
        let begins = !before.ends_with(inside);
        // A full stop that ends the sentence does not make it part of a longer name.
        let ends = match after.chars().next() {
            Some('.' | '-' | '/') => !after[1..].starts_with(char::is_alphanumeric),
            Some(c) => !inside(c),
            None => true,
        };
        out.push_str(before);
        out.push_str(if begins && ends { with } else { name });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `2026-11-21 14:02:11`.
fn utc(t: Ts) -> String {
    t.date_hms(&TimeZone::UTC)
}

/// The same with what is left of the second.
fn utc_full(t: Ts) -> String {
    t.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

fn pane_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Logs => "logs",
        SourceKind::Host => "host",
        SourceKind::Database => "database",
        SourceKind::Deploys => "deploys",
        SourceKind::Health => "health",
        SourceKind::Incident => "incident",
    }
}

/// Quoted for a shell where it must be.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
