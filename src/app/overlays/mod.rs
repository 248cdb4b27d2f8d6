//! What lies over the panes: inputs on the bottom line, lists and details in a box.

pub mod compare;
pub mod detail;
pub mod filter_line;
pub mod line;
pub mod lists;
pub mod palette;
pub mod pick;
pub mod plan;
pub mod rates;
pub mod terms;
pub mod top;
pub mod writing;

use crate::app::cursor::Cursor;
use crate::app::effect::WriteAs;
use crate::config::discover::Consent;
use crate::signals::database::ending::Ending;
use crate::signals::database::plan::Plan;
use crate::ui::Role;

use self::detail::Detail;
use self::filter_line::FilterLine;
use self::line::Line;
use self::palette::Palette;
use self::pick::Picking;
use self::top::TopValues;
use self::writing::Writing;

/// A line of a box: pieces with their roles.
pub type BoxLine = Vec<(Role, String)>;

/// One overlay; they stack, and Esc takes the topmost away.
#[derive(Clone, Debug)]
pub enum Overlay {
    /// A note being written, with what was selected when it began.
    Note(Box<Writing>),
    /// A short list that something is chosen from.
    Pick(Box<Picking>),
    /// The filter being edited.
    Filter(Box<FilterLine>),
    /// Its terms, to be switched off and on.
    Terms {
        /// The line under the cursor.
        cursor: usize,
    },
    /// A search.
    Search(Line),
    /// A time to go to.
    Time {
        /// The text.
        line: Line,
        /// Why it cannot be read.
        error: Option<String>,
    },
    /// Every command by name.
    Palette(Palette),
    /// A path to write to.
    Path {
        /// The text.
        line: Line,
        /// What is written there.
        what: WriteWhat,
    },
    /// Something that changes the world: the name must be typed.
    Confirm {
        /// The text.
        line: Line,
        /// What must be typed.
        name: String,
        /// What will be run.
        command: String,
        /// What it is called in its note.
        called: String,
    },
    /// The end of a session: how far, and whose, must be typed.
    End {
        /// The text.
        line: Line,
        /// Whose.
        ending: Box<Ending>,
    },
    /// Keys that work here.
    Help {
        /// First line shown.
        top: usize,
    },
    /// A row with all its fields and lines.
    Detail(Box<Detail>),
    /// The plan of a statement.
    Plan {
        /// The plan.
        plan: Box<Plan>,
        /// First line shown.
        top: usize,
        /// Whether running it was asked for once.
        sure: bool,
    },
    /// The pinned instant and the playhead side by side.
    Compare {
        /// First line shown.
        top: usize,
    },
    /// Values of a field, counted.
    Top(TopValues),
    /// A short menu: what it is for, and its lines.
    Menu {
        /// What it is for.
        kind: MenuKind,
        /// The line under the cursor.
        cursor: usize,
    },
    /// Sources and offers.
    Offers {
        /// The line under the cursor.
        cursor: Cursor,
    },
    /// An offer that comes with more rights than looking needs: what it means, and the one key that takes it.
    Consent {
        /// Its place among the offers.
        offer: usize,
        /// What it means.
        consent: Consent,
    },
    /// Columns of the log pane.
    Columns {
        /// The line under the cursor.
        cursor: Cursor,
    },
    /// What is muted, and what could be.
    Mutes {
        /// The line under the cursor.
        cursor: Cursor,
    },
    /// Log sources with their rates.
    Rates {
        /// The source under the cursor.
        cursor: Cursor,
    },
    /// `q` with something unsaved.
    ReallyQuit {
        /// What would be lost.
        what: String,
    },
}

/// What the write menu writes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum WriteWhat {
    /// The recording.
    Recording,
    /// The post-mortem.
    PostMortem,
    /// The log lines that the filter lets through.
    Lines(WriteAs),
    /// The marked rows.
    Marked,
}

/// Which menu.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum MenuKind {
    /// `Y`.
    Copy,
    /// `w`.
    Write,
}

impl MenuKind {
    /// Its lines: a key and what it does.
    pub fn lines(self) -> &'static [(char, &'static str)] {
        match self {
            MenuKind::Copy => &[
                ('r', "this row, as it stands in its source"),
                ('i', "its request ID"),
                ('t', "its time, RFC 3339 UTC"),
                ('f', "the active filter"),
                ('s', "this screen as text"),
            ],
            MenuKind::Write => &[
                ('r', "the recording to disk, from its beginning"),
                ('p', "the post-mortem of the incident: Markdown, HTML and JSON"),
                ('l', "all log lines that pass the filter to a file, secrets taken out"),
                ('j', "the same as JSON, one record a line"),
                ('u', "the same as they stand, secrets included"),
                ('m', "the marked rows, secrets taken out"),
            ],
        }
    }
}

impl Overlay {
    /// Its line, when it is one that is typed into.
    pub fn line(&mut self) -> Option<&mut Line> {
        match self {
            Overlay::Note(w) => Some(&mut w.line),
            Overlay::Search(line)
            | Overlay::Time { line, .. }
            | Overlay::Path { line, .. }
            | Overlay::Confirm { line, .. }
            | Overlay::End { line, .. } => Some(line),
            Overlay::Palette(p) => Some(&mut p.line),
            Overlay::Filter(f) => Some(&mut f.line),
            _ => None,
        }
    }
}
