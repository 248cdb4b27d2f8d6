//! What can be written in the incident log. Every record is appended and none is changed: an edit is a new record.

pub mod id;
pub mod ledger;
pub mod note;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::timeline::Ts;

pub use id::RecordId;
pub use ledger::{Incident, Ledger, NoteNow};
pub use note::{Evidence, HypothesisState, Note, NoteKind, Ran, Screen};

/// One record of the incident log, as it stands on disk and on the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum IncidentEvent {
    /// An incident was opened.
    Opened(Opened),
    /// Its title, severity or status changed.
    Updated(Updated),
    /// A note, an edit of a note, or its deletion.
    Note(Note),
    /// A milestone was set, moved or taken back.
    Milestone(Milestone),
}

impl IncidentEvent {
    /// The record's own ID; the same record never has another.
    pub fn id(&self) -> RecordId {
        match self {
            IncidentEvent::Opened(e) => e.incident,
            IncidentEvent::Updated(e) => e.id,
            IncidentEvent::Note(e) => e.id,
            IncidentEvent::Milestone(e) => e.id,
        }
    }

    /// The incident it belongs to.
    pub fn incident(&self) -> RecordId {
        match self {
            IncidentEvent::Opened(e) => e.incident,
            IncidentEvent::Updated(e) => e.incident,
            IncidentEvent::Note(e) => e.incident,
            IncidentEvent::Milestone(e) => e.incident,
        }
    }

    /// The first record of the thing it is about: an edit names the note it replaces.
    pub fn root(&self) -> RecordId {
        match self {
            IncidentEvent::Note(e) => e.root(),
            other => other.id(),
        }
    }

    /// Event time: when it happened.
    pub fn at(&self) -> Ts {
        match self {
            IncidentEvent::Opened(e) => e.at,
            IncidentEvent::Updated(e) => e.entered_at,
            IncidentEvent::Note(e) => e.event_at,
            IncidentEvent::Milestone(e) => e.at,
        }
    }

    /// When it was written down.
    pub fn entered_at(&self) -> Ts {
        match self {
            IncidentEvent::Opened(e) => e.at,
            IncidentEvent::Updated(e) => e.entered_at,
            IncidentEvent::Note(e) => e.entered_at,
            IncidentEvent::Milestone(e) => e.entered_at,
        }
    }

    /// Who wrote it, and on which host.
    pub fn by(&self) -> (&str, &str) {
        match self {
            IncidentEvent::Opened(e) => (&e.author, &e.host),
            IncidentEvent::Updated(e) => (&e.author, &e.host),
            IncidentEvent::Note(e) => (&e.author, &e.host),
            IncidentEvent::Milestone(e) => (&e.by, &e.host),
        }
    }

    /// The word for its variant, as in its JSON.
    pub fn word(&self) -> &'static str {
        match self {
            IncidentEvent::Opened(_) => "opened",
            IncidentEvent::Updated(_) => "updated",
            IncidentEvent::Note(_) => "note",
            IncidentEvent::Milestone(_) => "milestone",
        }
    }
}

/// An incident was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The incident's ID.
    pub incident: RecordId,
    /// One line.
    pub title: String,
    /// Unknown until somebody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<IncidentSeverity>,
    /// Where it stands from here on.
    pub status: Status,
    /// When it was opened; the start of the impact is a milestone.
    pub at: Ts,
    /// Who opened it.
    pub author: String,
    /// On which host.
    pub host: String,
    /// Opened while this recording was replayed: its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
}

/// What changed about an incident; what is absent stays as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    /// This record.
    pub id: RecordId,
    /// Which incident.
    pub incident: RecordId,
    /// New title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<IncidentSeverity>,
    /// New status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Somebody takes a role from here on; an empty name gives it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<(RoleKind, String)>,
    /// The services that are hit: replaces the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
    /// It is the same as another incident: its records count there from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<RecordId>,
    /// When.
    pub entered_at: Ts,
    /// Who.
    pub author: String,
    /// On which host.
    pub host: String,
}

/// A milestone was set. The newest record of a kind counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// This record.
    pub id: RecordId,
    /// Which incident.
    pub incident: RecordId,
    /// Which milestone.
    pub milestone: MilestoneKind,
    /// When it was reached.
    pub at: Ts,
    /// When it was written down.
    pub entered_at: Ts,
    /// Who set it.
    pub by: String,
    /// On which host.
    pub host: String,
    /// Taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Declares an enum with one word per variant, used on the screen, on disk and on the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal: $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $also:literal)*),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All, in order.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        /// In any case; the error lists the words.
        impl FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<$name, String> {
                match s.trim().to_ascii_lowercase().as_str() {
                    $($(s if s == $also.to_ascii_lowercase() => Ok($name::$variant),)* s if s == $word.to_ascii_lowercase() => Ok($name::$variant),)+
                    _ => Err(format!("`{s}` is not {}: one of {}", $what, [$($word),+].join(", "))),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// How bad an incident is; 1 is worst.
    IncidentSeverity, "a severity":
    /// Everybody is hit.
    Sev1 = "SEV1" | "1",
    /// Many are hit, or a main path.
    Sev2 = "SEV2" | "2",
    /// Some are hit, there is a way round.
    Sev3 = "SEV3" | "3",
    /// Hardly anybody notices.
    Sev4 = "SEV4" | "4",
}

words! {
    /// What somebody is responsible for during an incident.
    RoleKind, "a role":
    /// Leads, decides.
    Commander = "commander" | "ic" | "lead",
    /// Works on the systems.
    Ops = "ops" | "operations",
    /// Writes down.
    Scribe = "scribe",
    /// Tells users and colleagues.
    Comms = "comms" | "communications",
    /// Speaks with another team or a vendor.
    Liaison = "liaison",
    /// Told of it first.
    Reporter = "reporter",
}

words! {
    /// Where an incident stands. Everything but `closed` still takes notes.
    Status, "a status":
    /// The cause is not known.
    Investigating = "investigating",
    /// The cause is known, the impact goes on.
    Identified = "identified",
    /// The impact is over, the cause may not be.
    Mitigated = "mitigated" | "monitoring" | "stable",
    /// It is over.
    Resolved = "resolved" | "fixed",
    /// No more notes go here by themselves.
    Closed = "closed",
}

words! {
    /// The five milestones, in the order in which they can be reached.
    MilestoneKind, "a milestone":
    /// The impact began.
    Started = "started",
    /// Somebody or something noticed.
    Detected = "detected",
    /// A person took it on.
    Acknowledged = "acknowledged" | "ack",
    /// The impact ended.
    Mitigated = "mitigated",
    /// The cause is gone.
    Resolved = "resolved",
}
