//! Draws logs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::history::LogsHistory;
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Selected, Verdict};

/// What is so, in one line.
pub fn verdict(history: &LogsHistory, cx: &PaneCx) -> Verdict {
    let _ = (history, cx);
    Verdict::new(Level::Unknown, "nothing watched")
}

/// The pane in a few words, for when it is hidden.
pub fn glance(history: &LogsHistory, cx: &PaneCx) -> Glance {
    let _ = (history, cx);
    Glance { level: Level::Unknown, text: "logs -".into() }
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &LogsHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let _ = (history, cx, area, buf);
    PaneFrame::default()
}

/// The row under the cursor.
pub fn select(history: &LogsHistory, cx: &PaneCx) -> Option<Selected> {
    let _ = (history, cx);
    None
}
