//! What can happen to deploys.

use serde::{Deserialize, Serialize};

/// Facts about deploys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DeployEvent {}
