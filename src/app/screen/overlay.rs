//! What lies over the panes: boxes with a list, drawn above the bottom line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Clear, Widget};

use super::ScreenLayout;
use crate::app::action::{ACTIONS, Action};
use crate::app::keymap::Context;
use crate::app::looking::{self, Choice};
use crate::app::overlays::detail::Detail;
use crate::app::overlays::{self, BoxLine, MenuKind, Overlay, compare, lists, rates};
use crate::app::state::State;
use crate::config::discover::Consent;
use crate::timeline::Filter;
use crate::ui::{PaneCx, Role, pieces, text};

/// Draws the topmost overlay, where it is a box.
pub fn draw(state: &State, cx: &PaneCx, area: Rect, buf: &mut Buffer, out: &mut ScreenLayout) {
    let room = Rect { height: area.height.saturating_sub(1), ..area };
    match state.view.overlays.last() {
        Some(Overlay::Help { top }) => {
            let lines = help(state, room.width.saturating_sub(4) as usize);
            list(cx, room, buf, "Keys, and names to type behind :", &lines, None, *top);
        }
        Some(Overlay::Detail(d)) => detail(state, cx, d, room, buf),
        Some(Overlay::Palette(p)) => {
            let lines: Vec<BoxLine> = p
                .fits
                .iter()
                .map(|a| {
                    let row = a.row();
                    let keys: Vec<String> = state.settings.keymap.keys_of(*a).iter().map(ToString::to_string).collect();
                    vec![
                        (Role::Key, format!("{:<20}", row.name)),
                        (Role::Text, format!("{:<7}", keys.join(" "))),
                        (Role::Dim, row.sentence.to_owned()),
                    ]
                })
                .collect();
            low_list(cx, room, buf, "Commands", &lines, Some(p.cursor));
        }
        Some(Overlay::Menu { kind, cursor }) => {
            let lines: Vec<BoxLine> = kind
                .lines()
                .iter()
                .map(|(k, what)| vec![(Role::Key, format!("{k}  ")), (Role::Text, (*what).to_owned())])
                .collect();
            let title = match kind {
                MenuKind::Copy => "Send to the terminal's clipboard",
                MenuKind::Write => "Write",
            };
            low_list(cx, room, buf, title, &lines, Some(*cursor));
        }
        Some(Overlay::Offers { .. }) => {
            let lines = offers(state);
            list(cx, room, buf, "Sources", &lines, lists::row(state), 0);
        }
        Some(Overlay::Columns { .. }) => {
            low_list(cx, room, buf, "Columns: Enter shows or hides", &columns(state, cx), lists::row(state));
        }
        Some(Overlay::Mutes { .. }) => {
            low_list(cx, room, buf, "Mute: Enter mutes, or takes it back", &mutes(state), lists::row(state));
        }
        Some(Overlay::Rates { .. }) => {
            let inner = room.width.saturating_sub(4) as usize;
            let row = lists::row(state);
            let (title, lines) = rates::lines(state, cx, row.unwrap_or(0), room.height as usize, inner);
            // Below the names of the columns.
            list(cx, room, buf, &title, &lines, row.map(|r| r + 1), 0);
        }
        Some(Overlay::Compare { top }) => {
            let (title, lines) = compare::lines(state, cx, room.width.min(110).saturating_sub(4) as usize);
            list(cx, room, buf, &title, &lines, None, *top);
        }
        Some(Overlay::Plan { plan, top, .. }) => {
            let lines = overlays::plan::lines(plan, room.width.saturating_sub(6) as usize);
            list(cx, room, buf, "Plan", &lines, None, *top);
        }
        Some(Overlay::Terms { cursor }) => {
            let lines = terms(state);
            low_list(cx, room, buf, "Terms of the filter: all that are on must hold", &lines, Some(*cursor));
        }
        Some(Overlay::Consent { consent, .. }) => {
            let lines = consent_lines(consent, room.width.saturating_sub(6) as usize);
            list(cx, room, buf, &consent.question, &lines, None, 0);
        }
        Some(Overlay::Pick(p)) => {
            let (title, lines) = overlays::pick::lines(state, p);
            low_list(cx, room, buf, &title, &lines, lists::row(state));
        }
        Some(Overlay::Note(w)) if !w.above.is_empty() => {
            let lines: Vec<BoxLine> = w.above.iter().map(|l| vec![(Role::Text, l.clone())]).collect();
            low_list(cx, room, buf, "The lines above", &lines, Some(lines.len() - 1));
        }
        Some(Overlay::Top(top)) => {
            let (title, lines) = top.lines(cx);
            list(cx, room, buf, &title, &lines, Some(top.cursor), 0);
        }
        _ => {}
    }
    let _ = out;
}

/// A box over the middle of the screen. With a cursor the list scrolls to it, else from `top`.
fn list(cx: &PaneCx, room: Rect, buf: &mut Buffer, title: &str, lines: &[BoxLine], cursor: Option<usize>, top: usize) {
    let width =
        lines.iter().map(|l| l.iter().map(|(_, t)| text::width(t)).sum::<usize>()).max().unwrap_or(0).max(title.len());
    let width = (width as u16 + 4).min(room.width);
    let height = (lines.len() as u16 + 2).min(room.height);
    let area = Rect { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height };
    boxed(cx, area, buf, title, lines, cursor, top);
}

/// A box right above the bottom line.
fn low_list(cx: &PaneCx, room: Rect, buf: &mut Buffer, title: &str, lines: &[BoxLine], cursor: Option<usize>) {
    let height = (lines.len() as u16 + 2).min(room.height / 2 + 2).min(room.height);
    let area = Rect { y: room.bottom() - height, height, ..room };
    boxed(cx, area, buf, title, lines, cursor, 0);
}

fn boxed(cx: &PaneCx, area: Rect, buf: &mut Buffer, title: &str, lines: &[BoxLine], cursor: Option<usize>, top: usize) {
    if area.width < 3 || area.height < 2 {
        return;
    }
    Clear.render(area, buf);
    buf.set_style(area, cx.theme.style(Role::Overlay));
    for x in area.left()..area.right() {
        text::put(buf, x, area.y, 1, cx.glyphs.rule.0, cx.theme.style(Role::Rule));
        text::put(buf, x, area.bottom() - 1, 1, cx.glyphs.rule.0, cx.theme.style(Role::Rule));
    }
    text::put(buf, area.x + 1, area.y, area.width - 2, &format!(" {title} "), cx.theme.style(Role::TitleFocused));
    let inner = (area.height - 2) as usize;
    let top = match cursor {
        Some(c) => c.saturating_sub(inner.saturating_sub(1)).min(lines.len().saturating_sub(inner)),
        None => top.min(lines.len().saturating_sub(inner)),
    };
    for (i, line) in lines.iter().enumerate().skip(top).take(inner) {
        let y = area.y + 1 + (i - top) as u16;
        let on = cursor == Some(i);
        let over = if on { cx.theme.style(Role::Cursor) } else { Style::new() };
        if on {
            buf.set_style(Rect { y, height: 1, ..area }, over);
        }
        let mut x = area.x + 1 + text::put(buf, area.x, y, 1, if on { cx.glyphs.cursor } else { " " }, over);
        for (role, piece) in line {
            let room = area.right().saturating_sub(x + 1);
            x += text::put(buf, x, y, room, piece, cx.theme.style(*role).patch(over));
        }
    }
    if lines.len() > inner {
        let more = format!(" {}-{} of {} ", top + 1, (top + inner).min(lines.len()), lines.len());
        let width = text::width(&more) as u16;
        text::put(
            buf,
            area.right().saturating_sub(width + 2),
            area.bottom() - 1,
            width,
            &more,
            cx.theme.style(Role::Dim),
        );
    }
}

fn terms(state: &State) -> Vec<BoxLine> {
    let all = overlays::terms::terms(state);
    if all.is_empty() {
        return vec![vec![(Role::Dim, "none; & writes a filter".into())]];
    }
    all.into_iter()
        .map(|(term, is_on)| {
            let role = if is_on { Role::Text } else { Role::Dim };
            vec![(Role::Key, if is_on { "on   " } else { "off  " }.into()), (role, term.to_string())]
        })
        .collect()
}

fn columns(state: &State, cx: &PaneCx) -> Vec<BoxLine> {
    let line = |on: bool, name: String, about: String| {
        let mark = if on { cx.glyphs.ok } else { " " };
        vec![(Role::Key, format!("{mark:<3}")), (Role::Text, name), (Role::Dim, about)]
    };
    let look = &state.logs.look;
    looking::choices(state)
        .into_iter()
        .map(|c| match c {
            Choice::Column(column, name) => line(look.shows(column), name.to_owned(), String::new()),
            Choice::Field(name, rows) => {
                let on = look.fields.iter().any(|f| *f == name);
                line(on, name, format!("  in {rows} of {} rows", state.logs.rows().len()))
            }
        })
        .collect()
}

fn mutes(state: &State) -> Vec<BoxLine> {
    let mut lines: Vec<BoxLine> = Vec::new();
    for m in looking::mutable(state) {
        let in_window = m.mute.source.as_deref().and_then(|s| looking::lines_of(state, s));
        let about = match (m.muted, m.mute.records, in_window) {
            (true, Some((n, more)), _) => format!("  hides {n}{} records", if more { "+" } else { "" }),
            (true, None, _) => "  counting…".to_owned(),
            (false, _, Some(n)) => format!("  {n} lines in this window"),
            _ => String::new(),
        };
        let word = if m.muted { "muted    " } else { "mute     " };
        let role = if m.muted { Role::Warn } else { Role::Key };
        lines.push(vec![(role, word.into()), (Role::Text, m.mute.label), (Role::Dim, about)]);
    }
    if lines.is_empty() {
        lines.push(vec![(Role::Dim, "no row is selected and nothing is muted".into())]);
    }
    lines
}

/// What a line says goes on below itself where the screen is too narrow.
fn help(state: &State, columns: usize) -> Vec<BoxLine> {
    let mut lines = Vec::new();
    let mut group = "";
    for row in ACTIONS.iter().filter(|r| r.action != Action::EndSession || state.settings.allow_kill) {
        if row.group != group {
            group = row.group;
            if !lines.is_empty() {
                lines.push(Vec::new());
            }
            lines.push(vec![(Role::TitleFocused, group.to_owned())]);
        }
        let keys: Vec<String> = state.settings.keymap.keys_of(row.action).iter().map(ToString::to_string).collect();
        let keys = if row.context == Context::Typed { format!(":{}", row.name) } else { keys.join(" ") };
        explained(&mut lines, format!("  {keys:<12} "), row.sentence, columns);
    }
    lines.push(Vec::new());
    lines.push(vec![(Role::TitleFocused, "The filter".to_owned())]);
    for (example, meaning) in Filter::HELP {
        explained(&mut lines, format!("  {example:<26} "), meaning, columns);
    }
    lines
}

/// Lines that an explanation may take.
const EXPLAINED: usize = 6;

fn explained(lines: &mut Vec<BoxLine>, head: String, meaning: &str, columns: usize) {
    let indent = text::width(&head);
    // Beside a head that takes most of the screen nothing could be read.
    let room = columns.saturating_sub(indent);
    if room < 16 {
        lines.push(vec![(Role::Key, head), (Role::Text, meaning.to_owned())]);
        return;
    }
    for (i, part) in pieces::cut(meaning, room, EXPLAINED).0.into_iter().enumerate() {
        let head = if i == 0 { head.clone() } else { " ".repeat(indent) };
        lines.push(vec![(Role::Key, head), (Role::Text, part)]);
    }
}

/// The record with its fields; below it what can be done where the cursor stands, or what came of it.
fn detail(state: &State, cx: &PaneCx, detail: &Detail, room: Rect, buf: &mut Buffer) {
    let (title, lines, at) = detail.lines(cx, room.width.saturating_sub(4) as usize);
    let widest = Rect { height: room.height, ..room };
    let height = (lines.len() as u16 + 2).min(room.height);
    let area = Rect { y: room.y + (room.height - height) / 2, height, ..widest };
    boxed(cx, area, buf, &title, &lines, Some(at), 0);
    if area.width < 20 || area.height < 2 {
        return;
    }
    let (mut x, y) = (area.x + 2, area.bottom() - 1);
    let fresh = state.view.message.as_ref().filter(|(_, _, at)| state.player.clock.since(*at) < super::bottom::MESSAGE);
    if let Some((_, said, _)) = fresh {
        text::put(buf, x, y, area.width - 4, &format!(" {said} "), cx.theme.style(Role::Warn));
        return;
    }
    let end = area.right().saturating_sub(if lines.len() as u16 + 2 > area.height { 20 } else { 2 });
    for (key, word) in detail.hints() {
        let width = (text::width(key) + text::width(word) + 3) as u16;
        if x + width > end {
            break;
        }
        x += text::put(buf, x, y, width, &format!(" {key} "), cx.theme.style(Role::Key));
        x += text::put(buf, x, y, width, &format!("{word} "), cx.theme.style(Role::KeyHint));
    }
}

/// What an offer means, and at the end the key that takes it.
fn consent_lines(consent: &Consent, width: usize) -> Vec<BoxLine> {
    let name_width = consent.lines.iter().map(|(n, _)| text::width(n)).max().unwrap_or(0);
    let mut lines: Vec<BoxLine> = Vec::new();
    for (name, value) in &consent.lines {
        let room = width.saturating_sub(name_width + 2);
        let parts = value.lines().flat_map(|l| pieces::cut(l, room, 100).0);
        for (i, part) in parts.enumerate() {
            let shown = if i == 0 { name.as_str() } else { "" };
            lines.push(vec![(Role::Dim, format!("{shown:<name_width$}  ")), (Role::Text, part)]);
        }
    }
    lines.push(Vec::new());
    lines.push(vec![(Role::Key, "y  ".into()), (Role::Text, consent.act.clone())]);
    lines.push(vec![(Role::Dim, "any other key leaves it".into())]);
    lines
}

/// Offers first (they are chosen by the cursor), then what is watched and what cannot be seen.
fn offers(state: &State) -> Vec<BoxLine> {
    let mut lines: Vec<BoxLine> = Vec::new();
    for o in &state.own.offers {
        let mark = match o {
            o if o.taken => "watched   ",
            o if o.hindrance.is_some() => "not so    ",
            _ => "[Enter]   ",
        };
        lines.push(vec![
            (Role::Key, mark.into()),
            (Role::Text, format!("{}  ", o.what)),
            (Role::Dim, o.reason.clone()),
        ]);
    }
    for r in &state.own.recordings {
        let ago = crate::timeline::time::short(state.player.clock.since(r.at));
        lines.push(vec![
            (Role::Text, format!("saved     {ago} ago, {}  ", super::header::bytes(r.bytes))),
            (Role::Dim, format!("warroom replay {}", r.path.display())),
        ]);
    }
    for source in state.shown().sources.values() {
        let state_word = match source.state(state.now()) {
            Some((_, crate::timeline::SourceState::Failed { why, .. })) => format!("failed: {why}"),
            Some((_, crate::timeline::SourceState::Degraded { why })) => format!("degraded: {why}"),
            Some((_, crate::timeline::SourceState::Ended)) => "ended".into(),
            Some((_, crate::timeline::SourceState::Starting)) => "starting".into(),
            _ => "ok".into(),
        };
        let lost = match source.dropped {
            0 => String::new(),
            n => format!(", {n} samples lost because the stream was behind"),
        };
        lines.push(vec![
            (Role::Text, format!("watching  {}  ", source.decl.name)),
            (Role::Dim, format!("{}  {state_word}{lost}", source.decl.detail)),
        ]);
    }
    // Of a replay: which time each source knows of.
    for line in state.own.watched.iter().filter(|_| state.player.is_replay()) {
        lines.push(vec![(Role::Dim, "known     ".into()), (Role::Text, line.clone())]);
    }
    for line in &state.own.cannot_see {
        lines.push(vec![(Role::Warn, "cannot see  ".into()), (Role::Text, line.clone())]);
    }
    lines
}
