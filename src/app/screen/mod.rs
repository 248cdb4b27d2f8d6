//! The whole screen, pure: state, theme and playhead in, cells out. Draws only the visible window.

mod above;
mod bottom;
mod facts_line;
mod header;
pub mod layout;
mod overlay;
mod panes;
pub use panes::{glance, keys, select};
mod strip;
mod summary;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::action::Action;
use super::facts;
use super::pane::Pane;
use super::state::State;
use crate::timeline::TimeRange;
use crate::ui::{Glyphs, PaneCx, RowSpot, Theme};

/// Where everything was drawn: for the mouse, for paging, and for what is still missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScreenLayout {
    /// Panes with their rectangle below the title.
    pub panes: Vec<(Pane, Rect)>,
    /// Rows of panes that can be selected.
    pub rows: Vec<(Pane, RowSpot)>,
    /// The strip and the span it shows.
    pub strip: Option<(Rect, TimeRange)>,
    /// Key hints that can be clicked.
    pub hints: Vec<(Rect, Action)>,
    /// Where the terminal's cursor belongs, while something is typed.
    pub cursor: Option<Position>,
    /// Height of the log pane's rows, for what it wants read.
    pub log_height: u16,
}

impl ScreenLayout {
    /// Rows a page has in a pane.
    pub fn page(&self, pane: Pane) -> usize {
        self.panes.iter().find(|(p, _)| *p == pane).map_or(1, |(_, r)| r.height.saturating_sub(2).max(1) as usize)
    }
}

/// Draws everything into `buf`. Reads no clock: the playhead is in the state.
pub fn screen(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) -> ScreenLayout {
    let mut out = ScreenLayout::default();
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return out;
    }
    buf.set_style(area, theme.style(crate::ui::Role::Text));
    let facts = facts::facts(state, area.width);
    let noted = state.timeline.incident.has_rows(state.now());
    let places = layout::places(area, state.view.focus, state.view.zoom, summary::wanted(state), noted);
    let cx = PaneCx {
        theme,
        glyphs: &state.settings.glyphs,
        now: state.now(),
        zone: &state.settings.zone,
        facts: &facts,
        focused: false,
        zoomed: state.view.zoom,
        cursor: 0,
        live: state.player.is_live(),
    };
    header::draw(state, &cx, places.header, buf);
    strip::draw(state, &cx, places.strip, buf, &mut out);
    summary::draw(state, &cx, places.summary, buf);
    facts_line::draw(state, &cx, &places, buf);
    panes::draw(state, &cx, &places, buf, &mut out);
    bottom::draw(state, &cx, places.bottom, buf, &mut out);
    overlay::draw(state, &cx, area, buf, &mut out);
    if state.settings.glyphs == Glyphs::ASCII {
        // What panes write in words of their own has dots and ellipses, too.
        crate::ui::frame::to_ascii(buf);
    }
    out
}
