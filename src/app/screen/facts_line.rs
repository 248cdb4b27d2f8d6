//! The hidden panes in one line: four facts, each with the number that brings its pane up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::layout::Places;
use super::panes::glance;
use crate::app::pane::Pane;
use crate::app::state::State;
use crate::ui::{Level, PaneCx, Role, text};

/// Draws it where panes are hidden. On a narrow screen only what deviates is said.
pub fn draw(state: &State, cx: &PaneCx, places: &Places, buf: &mut Buffer) {
    let area: Rect = places.facts;
    if area.is_empty() {
        return;
    }
    let shown = |p: Pane| places.panes.iter().any(|(q, _)| *q == p);
    let mut hidden: Vec<_> = Pane::ALL.into_iter().filter(|p| !shown(*p)).map(|p| (p, glance(state, cx, p))).collect();
    let narrow = area.width < 60;
    if narrow {
        hidden.retain(|(_, g)| g.level >= Level::Warn);
        hidden.sort_by_key(|(p, g)| (std::cmp::Reverse(g.level), *p));
    }
    let rule = format!(" {} ", cx.glyphs.rule.1);
    let mut x = area.left() + 1;
    for (i, (pane, fact)) in hidden.iter().enumerate() {
        let room = area.right().saturating_sub(x);
        if room < 6 {
            break;
        }
        if i > 0 {
            x += text::put(buf, x, area.y, room, &rule, cx.theme.style(Role::Rule));
        }
        let room = area.right().saturating_sub(x);
        let role = match fact.level {
            Level::Calm => Role::Text,
            Level::Unknown => Role::Dim,
            Level::Warn => Role::Warn,
            Level::Bad => Role::Bad,
        };
        let room_each = if narrow { room } else { room.min(area.width / 4 + 8) };
        let mark = if fact.level >= Level::Warn { " !" } else { "" };
        x += text::put(buf, x, area.y, room, &format!("{} ", pane.number()), cx.theme.style(Role::Key));
        x += text::put(
            buf,
            x,
            area.y,
            room_each.saturating_sub(2),
            &format!("{}{mark}", fact.text),
            cx.theme.style(role),
        );
    }
    if hidden.is_empty() {
        text::put(buf, x, area.y, area.width.saturating_sub(2), "nothing else deviates", cx.theme.style(Role::Dim));
    }
}
