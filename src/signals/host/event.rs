//! What can happen to host.

use serde::{Deserialize, Serialize};

/// Facts about host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HostEvent {}
