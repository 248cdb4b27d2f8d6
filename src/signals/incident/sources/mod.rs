//! Where the incident log lies, how it is written, and the source that reads it back.

pub mod draft;
pub mod incident;
pub mod place;
pub mod shared;
pub mod store;

use super::config::IncidentConfig;
use crate::signals::{Declared, Roots};
use crate::timeline::{SourceDecl, SourceId, SourceKind};

/// The sources that the configuration asks for: the incident log, if it is watched and has a place.
pub fn sources(config: &IncidentConfig, roots: &Roots) -> Vec<Declared> {
    if !config.enabled {
        return Vec::new();
    }
    match place::log_path(config, roots) {
        Ok(path) => vec![declared(&path)],
        Err(_) => Vec::new(),
    }
}

/// The exchange with a team's log, where one is configured.
pub fn shared(config: &IncidentConfig, path: &std::path::Path) -> Option<Declared> {
    let url = config.url.as_ref()?;
    let exchange =
        shared::Shared::new(&url.0, store::IncidentStore::open(path)).password_env(config.password_env.clone());
    let decl = SourceDecl {
        id: SourceId::default(),
        kind: SourceKind::Incident,
        name: "team's log".into(),
        detail: exchange.place(),
    };
    Some(Declared { decl, source: Box::new(exchange) })
}

/// The source that reads the log at `path`.
pub fn declared(path: &std::path::Path) -> Declared {
    Declared {
        decl: SourceDecl {
            id: SourceId::default(),
            kind: SourceKind::Incident,
            name: "incident".into(),
            detail: path.display().to_string(),
        },
        source: Box::new(incident::IncidentLog::new(path)),
    }
}
