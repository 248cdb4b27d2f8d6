//! Where health come from.

use super::config::HealthConfig;
use crate::signals::{Declared, Roots};

/// The sources that the configuration asks for.
pub fn sources(config: &HealthConfig, roots: &Roots) -> Vec<Declared> {
    let _ = (config, roots);
    Vec::new()
}
