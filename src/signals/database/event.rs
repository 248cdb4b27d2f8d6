//! What can happen to database.

use serde::{Deserialize, Serialize};

/// Facts about database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DatabaseEvent {}
