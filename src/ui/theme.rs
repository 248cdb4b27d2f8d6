//! Themes map meanings to styles. No other file names a colour.

use ratatui::style::{Modifier, Style};

/// What a piece of the screen means.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum Role {
    /// Ordinary text, in the terminal's own colour.
    Text,
    /// Labels, units, what is old.
    Dim,
    /// A pane's title, and the rule beside it.
    Title,
    TitleFocused,
    Rule,
    Header,
    /// The header in replay and while paused: nobody mistakes the past for now.
    HeaderPast,
    HeaderAlert,
    /// Verdicts and states.
    Calm,
    Warn,
    Bad,
    Unknown,
    /// Row under the cursor.
    Cursor,
    /// A search hit inside a row.
    Match,
    /// The request everything is filtered by.
    Request,
    Chip,
    Key,
    KeyHint,
    Input,
    Playhead,
    /// Severities.
    Trace,
    Debug,
    Info,
    WarnLine,
    Error,
    Fatal,
    /// Marks on the axis.
    MarkDeploy,
    MarkAlert,
    MarkProbe,
    MarkNote,
    MarkRestart,
    MarkUser,
    /// Charts.
    Chart,
    ChartHot,
    Gap,
    /// Text made harmless: a visible escape.
    Escape,
    Overlay,
}

/// How many roles there are.
pub const ROLES: usize = Role::Overlay as usize + 1;

/// A style for every role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// As it is called in the configuration.
    pub name: String,
    styles: [Style; ROLES],
}

impl Theme {
    /// The style for a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// Readable with no colour at all.
    pub fn monochrome() -> Theme {
        let mut styles = [Style::new(); ROLES];
        for (role, modifier) in [
            (Role::Dim, Modifier::DIM),
            (Role::TitleFocused, Modifier::BOLD),
            (Role::HeaderPast, Modifier::REVERSED),
            (Role::HeaderAlert, Modifier::REVERSED),
            (Role::Bad, Modifier::BOLD),
            (Role::Warn, Modifier::BOLD),
            (Role::Cursor, Modifier::REVERSED),
            (Role::Match, Modifier::UNDERLINED),
            (Role::Error, Modifier::BOLD),
            (Role::Fatal, Modifier::BOLD),
            (Role::Key, Modifier::BOLD),
            (Role::Chip, Modifier::REVERSED),
        ] {
            styles[role as usize] = Style::new().add_modifier(modifier);
        }
        Theme { name: "monochrome".into(), styles }
    }
}
