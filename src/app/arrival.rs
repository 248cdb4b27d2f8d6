//! Answers to effects, and what the runtime knows of itself. Never recorded.

use std::path::PathBuf;
use std::time::Duration;

use super::windows::Window;
use crate::config::discover::Consent;
use crate::signals::database::ending::Ending;
use crate::signals::database::plan::Plan;
use crate::signals::incident::event::IncidentEvent;
use crate::signals::logs::store::LogArrival;
use crate::stream::recorder::RecorderStatus;
use crate::timeline::Ts;
use crate::ui::Level;

/// An offer of discovery, as the screen shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferRow {
    /// What it is: `PostgreSQL 15 on :5432`.
    pub what: String,
    /// Why it is offered.
    pub reason: String,
    /// Whether it has been taken.
    pub taken: bool,
    /// The port of a database server of this box.
    pub port: Option<u16>,
    /// What must be agreed to before it is taken.
    pub consent: Option<Consent>,
    /// Why it cannot be taken as things are, and what would help.
    pub hindrance: Option<String>,
}

/// A recording that an earlier run left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRow {
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was saved.
    pub at: Ts,
    /// Whether it is recent enough to be pointed out unasked.
    pub fresh: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// Rows, progress, found rows, counted values.
    Logs(Box<LogArrival>),
    /// A note is on disk.
    NoteSaved {
        /// Which one.
        number: u64,
        /// Something in it was redacted.
        redacted: bool,
    },
    /// A note is not on disk.
    NoteFailed {
        /// Why, and what to try.
        why: String,
    },
    /// A note will never be accepted as it is: its text comes back.
    NoteRefused {
        /// Which one.
        number: u64,
        /// Why.
        why: String,
    },
    /// The post-mortem is written, and where to.
    Exported(String),
    /// A line for the bottom of the screen.
    Say(Level, String),
    /// How the recorder is doing.
    Recorder(RecorderStatus),
    /// A command that was run has ended.
    Ran {
        /// Its name.
        name: String,
        /// The command, as it was given to the shell.
        command: String,
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
        /// How long it took.
        took: Duration,
        /// The end of its output.
        output: String,
    },
    /// The plan of a statement, or why there is none.
    Explained(Result<Box<Plan>, String>),
    /// What came of ending a session.
    Ended {
        /// What was wished for.
        ending: Box<Ending>,
        /// The answer.
        said: Result<String, String>,
        /// How long it took.
        took: std::time::Duration,
    },
    /// What discovery found.
    Found {
        /// Things that could be connected.
        offers: Vec<OfferRow>,
        /// What cannot be seen, and how it could.
        cannot_see: Vec<String>,
        /// One line each: what is watched unasked.
        watched: Vec<String>,
    },
    /// A window onto the far past, or why there is none.
    Window {
        /// For the playhead (0) or the pinned instant (1).
        slot: usize,
        /// Playheads that it is right for.
        for_: (Ts, Ts),
        /// It.
        window: Result<Box<Window>, String>,
    },
    /// The first part of a window that is being loaded.
    EarlyWindow {
        /// For the playhead (0) or the pinned instant (1).
        slot: usize,
        /// What was asked for: the playheads that the whole window will be right for.
        for_: (Ts, Ts),
        /// It, with the playheads it is right for itself.
        window: Box<Window>,
    },
    /// Recordings that earlier runs left behind, newest first.
    Recordings(Vec<SavedRow>),
    /// Records of the incident log that came on no stream: while a recording is replayed.
    Noted(Vec<IncidentEvent>),
    /// An unfinished note of a run that crashed.
    DraftFound(String),
    /// Progress of reading a recording: share from 0 to 1; 1 when all of it is read.
    Loading(f64),
}
