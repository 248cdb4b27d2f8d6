//! What can happen to health.

use serde::{Deserialize, Serialize};

/// Facts about health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HealthEvent {}
