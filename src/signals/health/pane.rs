//! Draws health.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::history::HealthHistory;
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Selected, Verdict};

/// What is so, in one line.
pub fn verdict(history: &HealthHistory, cx: &PaneCx) -> Verdict {
    let _ = (history, cx);
    Verdict::new(Level::Unknown, "nothing watched")
}

/// The pane in a few words, for when it is hidden.
pub fn glance(history: &HealthHistory, cx: &PaneCx) -> Glance {
    let _ = (history, cx);
    Glance { level: Level::Unknown, text: "health -".into() }
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &HealthHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let _ = (history, cx, area, buf);
    PaneFrame::default()
}

/// The row under the cursor.
pub fn select(history: &HealthHistory, cx: &PaneCx) -> Option<Selected> {
    let _ = (history, cx);
    None
}
