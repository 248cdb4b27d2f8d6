//! Wishes that need the outside: the only way out of `update`.

use std::path::PathBuf;

use crate::signals::database::ending::Ending;
use crate::signals::database::plan::Wanted;
use crate::signals::incident::event::{
    Evidence, HypothesisState, IncidentEvent, MilestoneKind, NoteKind, Ran, RecordId, RoleKind, Screen,
};
use crate::signals::incident::report::window::Seen;
use crate::signals::logs::row::LogRow;
use crate::signals::logs::store::LogQuery;
use crate::timeline::{Filter, SourceId, Ts};

/// A note on its way to disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Number within this run, to match the answer.
    pub number: u64,
    /// Its kind, from the typed prefix.
    pub kind: NoteKind,
    /// Without the prefix.
    pub text: String,
    /// Event time: that of the selected row, else the playhead.
    pub event_at: Ts,
    /// What was selected, and the filter.
    pub evidence: Vec<Evidence>,
    /// How the screen stood when it was begun.
    pub screen: Option<Screen>,
    /// The command that it tells of.
    pub ran: Option<Ran>,
    /// What it tells of is on the screen already: that it was saved is no news.
    pub told: bool,
    /// The note that it is a new version of.
    pub edits: Option<RecordId>,
}

/// A change of a note that is no new text.
#[derive(Clone, Debug, PartialEq)]
pub enum NoteChange {
    /// How a hypothesis stands from now on.
    State(HypothesisState),
    /// More evidence.
    Evidence(Box<Evidence>),
    /// It is deleted; its versions stay in the log.
    Delete,
}

/// The form of log lines in a file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum WriteAs {
    /// As in their sources, secrets taken out.
    Text,
    /// One JSON object a record, as `warroom query --json` writes them, secrets taken out.
    Json,
    /// Byte for byte, secrets included.
    AsItStands,
}

/// What the runtime is asked to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Ask the log store: rows, the next hit, counted values, the span of a request.
    AskLogs(Box<LogQuery>),
    /// Commit a note.
    SaveNote(Draft),
    /// Change a note.
    ChangeNote(RecordId, NoteChange),
    /// Write an unfinished note in the user's editor.
    EditNote(String),
    /// Say who has a role; an empty name gives it up.
    SetRole(RoleKind, String),
    /// Say which services are hit.
    SetServices(Vec<String>),
    /// Notes go to this incident from now on: it is opened again where it was closed.
    Resume(RecordId),
    /// Make the first incident a part of the second.
    Merge(RecordId, RecordId),
    /// Write the post-mortem of an incident: files of this name with the ends of the formats.
    Export {
        /// Without an end.
        path: PathBuf,
        /// What the histories tell.
        seen: Box<Seen>,
        /// Which incident.
        incident: RecordId,
    },
    /// Keep an unfinished note, or forget it.
    KeepDraft(Option<String>),
    /// Open or rename the incident.
    OpenIncident(String),
    /// Set its severity, 1 to 4.
    SetSeverity(u8),
    /// Set its status.
    SetStatus(String),
    /// Record a milestone at the playhead.
    Milestone(MilestoneKind, Ts),
    /// Write notes elsewhere from now on.
    NotesTo {
        /// The file.
        path: PathBuf,
        /// The incident that goes on there.
        open: Option<RecordId>,
        /// What the screen knows of it.
        known: Vec<IncidentEvent>,
    },
    /// Send text to the terminal's clipboard (OSC 52).
    Copy {
        /// What it is, in a word.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// Send this screen's text to the clipboard.
    CopyScreen,
    /// Put the recording on disk from its beginning and go on there; no path chooses one.
    Record(Option<PathBuf>),
    /// Write every log record that the filter lets through to a file, whatever the strip shows.
    WriteLines {
        /// Where to.
        path: PathBuf,
        /// Which ones: the filter without what is muted.
        filter: Filter,
        /// The filter itself, to say how many were left out of it.
        all: Filter,
        /// The playhead: what was observed later is left out. [`Ts::MAX`] when live.
        until: Ts,
        /// In which form.
        how: WriteAs,
    },
    /// Write the marked rows to a file.
    WriteRows {
        /// Where to.
        path: PathBuf,
        /// The rows, in order of time.
        rows: Vec<LogRow>,
        /// In which form.
        how: WriteAs,
    },
    /// Run a configured command and note it.
    Run {
        /// What it is called in the note: `rollback api`.
        name: String,
        /// For `sh -c`.
        command: String,
    },
    /// Ask a database for the plan of a statement.
    Explain(Wanted),
    /// End a session of a database, or the statement it runs. Only with `--allow-kill`, and only after it was typed.
    End(Box<Ending>),
    /// Let go of all database connections, or take them again.
    GiveBack(bool),
    /// Connect to what discovery offered.
    Connect(usize),
    /// Save a filter under a name, for the next start, too.
    SaveFilter {
        /// Its name.
        name: String,
        /// The filter as text.
        text: String,
    },
    /// Save the sources that run now as a configuration file.
    SaveConfig,
    /// Use a theme by name.
    UseTheme(String),
    /// Take in the rotated files beside the logs.
    TakeOlder,
    /// Forget what the terminal shows and draw all of it.
    RedrawAll,
    /// Place the log rows of a source so many nanoseconds later, or earlier: its clock is off. 0 takes it back.
    PlaceLater(SourceId, i64),
    /// Open a file at a line in the user's editor; the screen comes back when it ends.
    OpenEditor {
        /// As a log line has it: perhaps relative, perhaps not there.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// Stop the process until `fg`.
    Suspend,
    /// Leave.
    Quit,
}
