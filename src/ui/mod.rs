//! Pure drawing blocks that know no signal: theme roles, text that cannot hurt, widgets, what a pane is handed.

pub mod frame;
pub mod glyphs;
pub mod pane;
pub mod pieces;
pub mod text;
pub mod theme;
pub mod widgets;

pub use glyphs::Glyphs;
pub use pane::{Glance, Level, NOWHERE, PaneCx, PaneFrame, RowKey, RowSpot, Selected, Verdict};
pub use theme::{ColorDepth, Role, Theme, ThemeError};
