//! The hidden panes in one line: four facts, each with the number that brings its pane up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::layout::Places;
use super::panes::glance;
use crate::app::pane::Pane;
use crate::app::state::State;
use crate::timeline::SourceKind;
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
    let mut shown: Vec<(String, Role, String)> = hidden
        .iter()
        .map(|(pane, fact)| {
            let role = match fact.level {
                Level::Calm => Role::Text,
                Level::Unknown => Role::Dim,
                Level::Warn => Role::Warn,
                Level::Bad => Role::Bad,
            };
            (format!("{} ", pane.number()), role, fact.text.clone())
        })
        .collect();
    let room = area.width.saturating_sub(2) as usize;
    let fails = cx.facts.failing(SourceKind::Incident).is_some();
    if needed(&shown) > room && shown.len() > 1 && !fails {
        // The header tells of the incident as well, though not of a log of it that cannot be read.
        let incident = format!("{} ", Pane::Incident.number());
        shown.retain(|(number, ..)| *number != incident);
    }
    fit(&mut shown, room, cx.glyphs.ellipsis);
    let mut x = area.left() + 1;
    for (i, (number, role, fact)) in shown.iter().enumerate() {
        let room = |x: u16| area.right().saturating_sub(x);
        if i > 0 {
            x += text::put(buf, x, area.y, room(x), &rule, cx.theme.style(Role::Rule));
        }
        x += text::put(buf, x, area.y, room(x), number, cx.theme.style(Role::Key));
        x += text::put(buf, x, area.y, room(x), fact, cx.theme.style(*role));
        x += text::put(buf, x, area.y, room(x), mark(*role), cx.theme.style(*role));
    }
    if hidden.is_empty() {
        text::put(buf, x, area.y, area.width.saturating_sub(2), "nothing else deviates", cx.theme.style(Role::Dim));
    }
}

/// Behind what deviates, so that it is not the colour alone that says so; never cut.
fn mark(role: Role) -> &'static str {
    if matches!(role, Role::Warn | Role::Bad) { " !" } else { "" }
}

/// Columns that they take with their marks and the rules between them.
fn needed(facts: &[(String, Role, String)]) -> usize {
    let widths = facts.iter().map(|(n, role, f)| text::width(n) + text::width(f) + mark(*role).len());
    widths.sum::<usize>() + 3 * facts.len().saturating_sub(1)
}

/// What deviates stays: calm facts leave first, from the right; then the longest ones are cut.
fn fit(facts: &mut Vec<(String, Role, String)>, room: usize, ellipsis: &str) {
    while needed(facts) > room {
        // What says nothing first, then what is well.
        let nothing = facts.iter().rposition(|(_, role, _)| matches!(role, Role::Dim));
        let calm = nothing.or_else(|| facts.iter().rposition(|(_, role, _)| matches!(role, Role::Text)));
        match calm {
            Some(i) if facts.len() > 1 => {
                facts.remove(i);
            }
            _ => break,
        }
    }
    let mut over = needed(facts).saturating_sub(room);
    while over > 0 {
        let Some(longest) = facts.iter_mut().max_by_key(|(_, _, f)| text::width(f)) else { return };
        let width = text::width(&longest.2);
        if width <= 6 {
            return;
        }
        longest.2 = text::fit(&longest.2, width - 1, ellipsis).into_owned();
        over -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_never_pushed_off_the_line_by_what_is_well() {
        let fact = |role, text: &str| ("5 ".to_owned(), role, text.to_owned());
        let mut facts = vec![
            fact(Role::Text, "host 20 % 1.3G/24G"),
            fact(Role::Bad, "pool 10/10 wait 60"),
            fact(Role::Text, "deploys 1.4.2 20 s ago"),
            fact(Role::Bad, "health 1 of 3"),
        ];
        fit(&mut facts, 50, "…");
        assert_eq!(facts.iter().map(|f| f.2.as_str()).collect::<Vec<_>>(), ["pool 10/10 wait 60", "health 1 of 3"]);
    }
}
