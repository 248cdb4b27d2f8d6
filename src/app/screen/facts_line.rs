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
    let mut shown: Vec<Fact> = hidden
        .iter()
        .map(|(pane, fact)| {
            let role = match fact.level {
                Level::Calm => Role::Text,
                Level::Unknown => Role::Dim,
                Level::Warn => Role::Warn,
                Level::Bad => Role::Bad,
            };
            Fact { number: format!("{} ", pane.number()), role, text: fact.text.clone(), short: fact.short.clone() }
        })
        .collect();
    let room = area.width.saturating_sub(2) as usize;
    let fails = cx.facts.failing(SourceKind::Incident).is_some();
    if needed(&shown) > room && shown.len() > 1 && !fails {
        // The header tells of the incident as well, though not of a log of it that cannot be read.
        let incident = format!("{} ", Pane::Incident.number());
        shown.retain(|f| f.number != incident);
    }
    fit(&mut shown, room, cx.glyphs.ellipsis);
    let mut x = area.left() + 1;
    for (i, fact) in shown.iter().enumerate() {
        let style = cx.theme.style(fact.role);
        let room = |x: u16| area.right().saturating_sub(x);
        if i > 0 {
            x += text::put(buf, x, area.y, room(x), &rule, cx.theme.style(Role::Rule));
        }
        x += text::put(buf, x, area.y, room(x), &fact.number, cx.theme.style(Role::Key));
        x += text::put(buf, x, area.y, room(x), &fact.text, style);
        x += text::put(buf, x, area.y, room(x), mark(fact), style);
    }
    if hidden.is_empty() {
        text::put(buf, x, area.y, area.width.saturating_sub(2), "nothing else deviates", cx.theme.style(Role::Dim));
    }
}

/// What is said of one pane.
struct Fact {
    number: String,
    role: Role,
    text: String,
    short: String,
}

/// Behind what deviates, so that it is not the colour alone that says so; never cut.
fn mark(fact: &Fact) -> &'static str {
    match fact.role {
        Role::Warn | Role::Bad if fact.text.is_empty() => "!",
        Role::Warn | Role::Bad => " !",
        _ => "",
    }
}

/// Columns that they take with their marks and the rules between them.
fn needed(facts: &[Fact]) -> usize {
    let widths = facts.iter().map(|f| text::width(&f.number) + text::width(&f.text) + mark(f).len());
    widths.sum::<usize>() + 3 * facts.len().saturating_sub(1)
}

/// What deviates stays: what says nothing leaves first, then facts are said shortly, those of which that saves most first;
/// then calm ones leave, from the right. What has no room whole even then is told by the number of its pane alone: of a fact
/// that is cut in the middle nobody knows what it said. Only the first is cut, where it does not fit by itself.
fn fit(facts: &mut Vec<Fact>, room: usize, ellipsis: &str) {
    let leave = |facts: &mut Vec<Fact>, which: Role| {
        while needed(facts) > room && facts.len() > 1 {
            let Some(i) = facts.iter().rposition(|f| f.role == which) else { return };
            facts.remove(i);
        }
    };
    leave(facts, Role::Dim);
    while needed(facts) > room {
        let saves = |f: &Fact| text::width(&f.text).saturating_sub(text::width(&f.short));
        let Some(longest) = facts.iter_mut().rev().filter(|f| saves(f) > 0).max_by_key(|f| saves(f)) else { break };
        longest.text = longest.short.clone();
    }
    leave(facts, Role::Text);
    let whole: Vec<String> = facts.iter().map(|f| f.text.clone()).collect();
    for i in (1..facts.len()).rev() {
        if needed(facts) > room {
            facts[i].text.clear();
        }
    }
    // What made room and need not have.
    for (i, text) in whole.into_iter().enumerate().skip(1).filter(|(_, text)| !text.is_empty()) {
        if facts[i].text.is_empty() {
            facts[i].text = text;
            if needed(facts) > room {
                facts[i].text.clear();
            }
        }
    }
    let over = needed(facts).saturating_sub(room);
    if let Some(first) = facts.first_mut().filter(|_| over > 0) {
        let left = text::width(&first.text).saturating_sub(over);
        first.text = text::fit(&first.text, left, ellipsis).into_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(role: Role, text: &str, short: &str) -> Fact {
        Fact { number: "5 ".into(), role, text: text.into(), short: short.into() }
    }

    fn said(facts: &[Fact]) -> Vec<&str> {
        facts.iter().map(|f| f.text.as_str()).collect()
    }

    #[test]
    fn what_fails_is_never_pushed_off_the_line_by_what_is_well() {
        let mut facts = vec![
            fact(Role::Text, "host 20 % 1.3G/24G", "host 20 %"),
            fact(Role::Bad, "pool 10/10 wait 60", "pool 10/10 wait 60"),
            fact(Role::Text, "deploys 1.4.2 20 s ago", "deploys 1.4.2 20 s"),
            fact(Role::Bad, "health 1 of 3", "health 1 of 3"),
        ];
        fit(&mut facts, 50, "…");
        assert_eq!(said(&facts), ["pool 10/10 wait 60", "health 1 of 3"]);
    }

    #[test]
    fn all_that_deviates_stands_whole_in_eighty_columns() {
        let mut facts = vec![
            fact(Role::Bad, "host 100 % 3.2G/24G cpu", "host 100 % cpu"),
            fact(Role::Bad, "pool 10/10 wait 34 slow 719 ms", "pool 10/10 wait 34"),
            fact(Role::Bad, "▲1.4.2 18 s ago", "▲1.4.2 18 s"),
            fact(Role::Bad, "api ✕ 503", "api ✕"),
        ];
        fit(&mut facts, 78, "…");
        assert_eq!(said(&facts), ["host 100 % cpu", "pool 10/10 wait 34", "▲1.4.2 18 s", "api ✕ 503"]);
    }

    #[test]
    fn in_forty_columns_a_fact_stands_whole_or_its_pane_alone_does() {
        let all = || {
            vec![
                fact(Role::Bad, "pool 10/10 wait 34 slow 719 ms", "pool 10/10 wait 34"),
                fact(Role::Bad, "▲1.4.2 18 s ago", "▲1.4.2 18 s"),
                fact(Role::Warn, "api ✕ 503", "api ✕"),
            ]
        };
        let mut facts = all();
        fit(&mut facts, 40, "…");
        assert_eq!((said(&facts), needed(&facts)), (vec!["pool 10/10 wait 34", "", "api ✕"], 40));
        let mut facts = all();
        fit(&mut facts, 20, "…");
        assert_eq!((said(&facts), needed(&facts)), (vec!["poo…", "", ""], 20));
    }
}
