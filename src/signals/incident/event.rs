//! What can happen to incident.

use serde::{Deserialize, Serialize};

/// Facts about incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum IncidentEvent {}
