//! What a pane is handed and what it gives back.
//!
//! Every slice's `pane.rs` has the same functions, each taking its own history and a [`PaneCx`]:
//! `verdict` (one line that says what is so), `glance` (the pane when it is hidden), `draw`, and `select` (the row under
//! the cursor, as evidence for a note); and `keys`, what each row stands for, so that the cursor stays on its row while the
//! order changes. All are pure.

use compact_str::CompactString;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;

use super::text::width as width_of;
use super::{Glyphs, Role, Theme};
use crate::timeline::facts::Facts;
use crate::timeline::{RequestId, Ts};

/// What every pane is drawn from, besides its own history.
#[derive(Clone, Copy)]
pub struct PaneCx<'a> {
    /// Colours by role.
    pub theme: &'a Theme,
    /// Marks and bars, in Unicode or ASCII.
    pub glyphs: &'a Glyphs,
    /// The playhead.
    pub now: Ts,
    /// Zone that times are shown in.
    pub zone: &'a TimeZone,
    /// What the other panes know.
    pub facts: &'a Facts,
    /// Whether keys go here.
    pub focused: bool,
    /// Whether it has the whole screen.
    pub zoomed: bool,
    /// Row under the cursor, counted from 0 over all rows of the pane; one beyond the last, as [`NOWHERE`], is none.
    pub cursor: usize,
    /// Whether the playhead follows the clock.
    pub live: bool,
}

/// The cursor of a pane whose row has gone.
pub const NOWHERE: usize = usize::MAX;

impl PaneCx<'_> {
    /// The row under the cursor, if it is one of `total`.
    pub fn row(&self, total: usize) -> Option<usize> {
        Some(self.cursor).filter(|row| *row < total)
    }

    /// The first row to draw in `lines` lines, so that the one under the cursor is seen.
    pub fn top(&self, total: usize, lines: usize) -> usize {
        self.row(total).map_or(0, |row| (row + 1).saturating_sub(lines))
    }
}

/// What a row stands for, whatever its place in the list: `session 3 4121 …`. Two rows of one pane that have the same key
/// stand for the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowKey(pub CompactString);

/// How bad something is; decides the [`Role`] a verdict is drawn in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing deviates.
    Calm,
    /// Not known: no data, no rights, not configured.
    Unknown,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

impl From<Level> for Role {
    fn from(level: Level) -> Role {
        match level {
            Level::Calm => Role::Calm,
            Level::Unknown => Role::Unknown,
            Level::Warn => Role::Warn,
            Level::Bad => Role::Bad,
        }
    }
}

/// The first line of a pane.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How bad.
    pub level: Level,
    /// In words a tired person understands, with the numbers.
    pub text: String,
    /// The same where room is short, ever shorter: what matters most of it, whole.
    pub shorter: Vec<String>,
}

impl Verdict {
    /// A verdict of any level.
    pub fn new(level: Level, text: impl Into<String>) -> Verdict {
        Verdict { level, text: text.into(), shorter: Vec::new() }
    }

    /// The same with one more form, the shortest so far.
    pub fn short(mut self, short: impl Into<String>) -> Verdict {
        self.shorter.push(short.into());
        self
    }

    /// The same of one of several: each form says of which.
    pub fn of(mut self, name: &str) -> Verdict {
        for form in std::iter::once(&mut self.text).chain(&mut self.shorter) {
            *form = format!("{name}: {form}");
        }
        self
    }

    /// The first form for which there is room in so many columns, else the shortest.
    pub fn fitting(&self, width: u16) -> &str {
        let fits = |form: &&String| width_of(form) <= usize::from(width);
        let mut forms = std::iter::once(&self.text).chain(&self.shorter);
        forms.find(fits).or(self.shorter.last()).unwrap_or(&self.text)
    }
}

/// A fact of a hidden pane: `pool 20/20 wait 7`.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// How bad.
    pub level: Level,
    /// A few words.
    pub text: String,
    /// The same where room is short: what matters most of it, whole.
    pub short: String,
}

impl Glance {
    /// A fact of any level that has no shorter form.
    pub fn new(level: Level, text: impl Into<String>) -> Glance {
        let text = text.into();
        Glance { level, short: text.clone(), text }
    }

    /// The same with a form for where room is short.
    pub fn short(self, short: impl Into<String>) -> Glance {
        Glance { short: short.into(), ..self }
    }
}

/// Where a row landed on the screen.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RowSpot {
    /// Its rectangle.
    pub area: Rect,
    /// Its number, as in [`PaneCx::cursor`].
    pub index: usize,
}

/// What drawing a pane gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaneFrame {
    /// Rows that can be selected, as drawn.
    pub rows: Vec<RowSpot>,
    /// How many rows there are in all.
    pub total: usize,
}

/// The row under the cursor, ready to become evidence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selected {
    /// Event time of the row.
    pub at: Option<Ts>,
    /// Where it comes from: the source's name, `file:line`.
    pub source: String,
    /// The row in one line, unredacted.
    pub text: String,
    /// Its request ID, if it has one.
    pub request_id: Option<RequestId>,
    /// All that is known of it, name and value, for the detail view and for top values.
    pub fields: Vec<(String, String)>,
}
