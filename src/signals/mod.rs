//! One folder per thing we watch. The same file names in each: `config`, `event`, `history`, `pane`, `sources`.

pub mod database;
pub mod deploys;
pub mod health;
pub mod host;
pub mod incident;
pub mod logs;
pub mod roots;
pub mod source;
mod tagged;
pub mod timeline;
pub mod window;

use serde::{Deserialize, Serialize};

use crate::timeline::SourceKind;
use crate::timeline::source::Declaration;

pub use roots::Roots;
pub use source::{BoxFuture, Declared, Out, Source, SourceError};
pub use timeline::Timeline;

/// Everything that can happen, one variant per slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "signal", content = "event")]
pub enum Event {
    /// About the stream itself.
    Stream(Declaration),
    /// Log files and streams.
    Logs(logs::event::LogEvent),
    /// The machine.
    Host(host::event::HostEvent),
    /// Databases and pools.
    Database(database::event::DatabaseEvent),
    /// Deploys and other changes.
    Deploys(deploys::event::DeployEvent),
    /// Health checks of dependencies.
    Health(health::event::HealthEvent),
    /// Notes and milestones.
    Incident(incident::event::IncidentEvent),
}

impl Event {
    /// Which pane it belongs to; `None` for the stream's own facts.
    pub fn kind(&self) -> Option<SourceKind> {
        Some(match self {
            Event::Stream(_) => return None,
            Event::Logs(_) => SourceKind::Logs,
            Event::Host(_) => SourceKind::Host,
            Event::Database(_) => SourceKind::Database,
            Event::Deploys(_) => SourceKind::Deploys,
            Event::Health(_) => SourceKind::Health,
            Event::Incident(_) => SourceKind::Incident,
        })
    }
}

/// The envelope of this program's events.
pub type Envelope = crate::timeline::Envelope<Event>;
