//! Notes: what a person saw, thinks, did, decided, was told, or wants done later, with the proof.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{RecordId, words};
use crate::timeline::{RequestId, SourceKind, TimeRange, Ts};

words! {
    /// What sort of statement a note is.
    NoteKind, "a kind of note":
    /// Something seen: `>`.
    Observation = "observation" | "finding" | ">",
    /// A possible cause: `?`; has a [`HypothesisState`].
    Hypothesis = "hypothesis" | "?",
    /// Something done: `!`.
    Action = "action" | "!",
    /// Something settled: `=`.
    Decision = "decision" | "=",
    /// Something a user or colleague said: `@`.
    Report = "report" | "@",
    /// Something to do afterwards: `TODO`.
    FollowUp = "follow-up" | "followup" | "todo",
    /// A step of a checklist or runbook that was done: `[x]`.
    Step = "step" | "runbook-step" | "[x]",
}

words! {
    /// How a hypothesis stands.
    HypothesisState, "a state of a hypothesis":
    /// Not decided.
    Open = "open",
    /// It was so.
    Confirmed = "confirmed",
    /// It was not so.
    Refuted = "refuted",
}

/// A row of some pane (or a pasted text) that goes with a note.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The pane it was taken from; none when it was pasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pane: Option<SourceKind>,
    /// The source's name, `file:line`, an address.
    pub source: String,
    /// Event time of the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Ts>,
    /// The row in one line; redacted when it is written.
    pub text: String,
    /// Its request ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The filter that was active, as it is typed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// The window that was on the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<TimeRange>,
    /// It speaks against the hypothesis it goes with, not for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub against: bool,
}

/// How the screen stood when a note was begun: what brings it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Screen {
    /// The playhead.
    pub at: Ts,
    /// The pane that keys went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pane: Option<SourceKind>,
    /// Whether that pane had the whole screen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub zoom: bool,
    /// The filter, as it is typed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// The row under the cursor of that pane, counted from 0; no log row, which is found by its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
}

/// A command that was run, and how it ended: a line of the restore record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ran {
    /// As it was given to the shell; redacted when it is written.
    pub command: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The end of its output; redacted when it is written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// One note, or one later version of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// This record.
    pub id: RecordId,
    /// Which incident.
    pub incident: RecordId,
    /// What sort of statement.
    pub kind: NoteKind,
    /// For a hypothesis, how it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HypothesisState>,
    /// The words; may have several lines.
    pub text: String,
    /// When it happened; may be moved by an edit.
    pub event_at: Ts,
    /// When this record was written; never moved.
    pub entered_at: Ts,
    /// Who wrote this record.
    pub author: String,
    /// On which host.
    pub host: String,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// How the screen stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Screen>,
    /// The command that this note tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<Ran>,
    /// Written while this recording was replayed: its key. Such a note belongs to the time it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// The first record of the note that this one replaces; never a version in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<RecordId>,
    /// The note was deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

impl Note {
    /// The identity of the note through all its versions.
    pub fn root(&self) -> RecordId {
        self.supersedes.unwrap_or(self.id)
    }
}
