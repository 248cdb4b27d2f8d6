//! The six panes.

use crate::timeline::SourceKind;

use super::action::Action;

/// A pane, in the order of its number.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Pane {
    #[default]
    Logs,
    Host,
    Database,
    Deploys,
    Health,
    Incident,
}

impl Pane {
    /// All, in order of their number.
    pub const ALL: [Pane; 6] = [Pane::Logs, Pane::Host, Pane::Database, Pane::Deploys, Pane::Health, Pane::Incident];

    /// Its key, 1 to 6.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// As in its title and in `--pane`.
    pub fn name(self) -> &'static str {
        match self {
            Pane::Logs => "Logs",
            Pane::Host => "Host",
            Pane::Database => "Database",
            Pane::Deploys => "Deploys",
            Pane::Health => "Health",
            Pane::Incident => "Incident",
        }
    }

    /// By name, in any case.
    pub fn named(name: &str) -> Option<Pane> {
        Pane::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(name))
    }

    /// Whose sources it shows.
    pub fn kind(self) -> SourceKind {
        match self {
            Pane::Logs => SourceKind::Logs,
            Pane::Host => SourceKind::Host,
            Pane::Database => SourceKind::Database,
            Pane::Deploys => SourceKind::Deploys,
            Pane::Health => SourceKind::Health,
            Pane::Incident => SourceKind::Incident,
        }
    }

    /// The action that focuses it.
    pub fn action(self) -> Action {
        match self {
            Pane::Logs => Action::FocusLogs,
            Pane::Host => Action::FocusHost,
            Pane::Database => Action::FocusDatabase,
            Pane::Deploys => Action::FocusDeploys,
            Pane::Health => Action::FocusHealth,
            Pane::Incident => Action::FocusIncident,
        }
    }

    /// The next one, or the one before.
    pub fn turn(self, on: bool) -> Pane {
        let n = Pane::ALL.len();
        Pane::ALL[(self as usize + if on { 1 } else { n - 1 }) % n]
    }
}
