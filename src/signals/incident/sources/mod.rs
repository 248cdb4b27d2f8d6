//! Where incident come from.

use super::config::IncidentConfig;
use crate::signals::{Declared, Roots};

/// The sources that the configuration asks for.
pub fn sources(config: &IncidentConfig, roots: &Roots) -> Vec<Declared> {
    let _ = (config, roots);
    Vec::new()
}
