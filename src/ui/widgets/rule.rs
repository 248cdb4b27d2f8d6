//! The one line between panes, with a title in it: `─ 1 Logs ── 3 files · follow ─────`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::text::{put, width};
use crate::ui::{Glyphs, Role, Theme};

/// A horizontal rule that carries a pane's number, title and state.
#[derive(Clone, Copy)]
pub struct Rule<'a> {
    /// The key that brings the pane up; `None` draws no number.
    pub number: Option<u8>,
    /// The pane's name; empty draws a bare rule.
    pub title: &'a str,
    /// Short facts about what is shown, joined by ` · `: `3 files`, `follow`, `level>=info`. Left out where room is short.
    pub info: &'a [&'a str],
    /// Whether keys go to the pane: its title is bright.
    pub focused: bool,
    /// Colours.
    pub theme: &'a Theme,
    /// Line pieces.
    pub glyphs: &'a Glyphs,
}

impl Rule<'_> {
    /// Draws into the first row of `area`, over its whole width.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let rule = self.theme.style(Role::Rule);
        for x in area.left()..area.right() {
            put(buf, x, area.y, 1, self.glyphs.rule.0, rule);
        }
        if self.title.is_empty() || area.width < 4 {
            return;
        }
        let title = self.theme.style(if self.focused { Role::TitleFocused } else { Role::Title });
        let head = match self.number {
            Some(n) => format!(" {n} {} ", self.title),
            None => format!(" {} ", self.title),
        };
        let end = area.right();
        let mut x = area.x + 1;
        x += put(buf, x, area.y, end - x, &head, title);
        // Facts that do not fit whole are left out from the end.
        let mut info = String::new();
        let room = usize::from(end.saturating_sub(x)).saturating_sub(5);
        for fact in self.info.iter().filter(|f| !f.is_empty()) {
            let piece = if info.is_empty() { (*fact).to_owned() } else { format!(" · {fact}") };
            if width(&info) + width(&piece) > room {
                break;
            }
            info.push_str(&piece);
        }
        if !info.is_empty() {
            let info = format!(" {info} ");
            put(buf, x + 2, area.y, end.saturating_sub(x + 2), &info, self.theme.style(Role::Dim));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::frame::to_text;

    fn draw(width: u16, focused: bool) -> Buffer {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, 1));
        let theme = Theme::monochrome();
        let info = ["3 files", "follow", "level>=info"];
        Rule { number: Some(1), title: "Logs", info: &info, focused, theme: &theme, glyphs: &Glyphs::UNICODE }
            .draw(buf.area, &mut buf);
        buf
    }

    #[test]
    fn title_and_facts_stand_in_the_rule_and_facts_give_way_first() {
        assert_eq!(to_text(&draw(48, false)), "─ 1 Logs ── 3 files · follow · level>=info ─────");
        assert_eq!(to_text(&draw(32, false)), "─ 1 Logs ── 3 files · follow ───");
        assert_eq!(to_text(&draw(20, false)), "─ 1 Logs ───────────");
        assert_eq!(to_text(&draw(6, false)), "─ 1 L…");
        assert_eq!(to_text(&draw(3, false)), "───");
    }

    #[test]
    fn the_focused_pane_has_the_bright_title() {
        assert_ne!(draw(40, true)[(3, 0)].modifier, draw(40, false)[(3, 0)].modifier);
    }
}
