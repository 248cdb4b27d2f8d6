//! Titles, rules and bodies of the panes. The one place that knows all six.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ScreenLayout;
use super::layout::Places;
use crate::app::pane::Pane;
use crate::app::state::State;
use crate::signals::{database, deploys, health, host, incident, logs};
use crate::timeline::facts::MarkKind;
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, Selected, text};

/// Draws all panes that have a place.
pub fn draw(state: &State, cx: &PaneCx, places: &Places, buf: &mut Buffer, out: &mut ScreenLayout) {
    for (pane, area) in &places.panes {
        let (pane, area) = (*pane, *area);
        if area.is_empty() {
            continue;
        }
        let cx = PaneCx { focused: state.view.focus == pane, cursor: state.cursor(pane), ..*cx };
        title(state, &cx, pane, area, buf);
        let mut body = Rect { y: area.y + 1, height: area.height - 1, ..area };
        if area.x > 0 && area.height > 0 {
            for y in area.top()..area.bottom() {
                text::put(
                    buf,
                    area.x - 1,
                    y,
                    1,
                    if y == area.top() { cx.glyphs.joint[0] } else { cx.glyphs.rule.1 },
                    cx.theme.style(Role::Rule),
                );
            }
        }
        body = trouble(state, &cx, pane, body, buf);
        let frame = body_of(state, &cx, pane, body, buf);
        if pane == Pane::Logs {
            out.log_height = state.logs.drawn_lines();
        }
        out.panes.push((pane, body));
        out.totals[pane as usize] = frame.total;
        out.rows.extend(frame.rows.into_iter().map(|spot| (pane, spot)));
    }
}

/// `─ 1 Logs ── 3 files · follow ──────`.
fn title(state: &State, cx: &PaneCx, pane: Pane, area: Rect, buf: &mut Buffer) {
    let style = cx.theme.style(Role::Rule);
    for x in area.left()..area.right() {
        text::put(buf, x, area.y, 1, cx.glyphs.rule.0, style);
    }
    let mut x = area.left() + 1;
    let name = format!(" {} {} ", pane.number(), pane.name());
    let role = if cx.focused { Role::TitleFocused } else { Role::Title };
    x += text::put(buf, x, area.y, area.right().saturating_sub(x), &name, cx.theme.style(role)) + 1;
    let detail = detail(state, cx, pane);
    if !detail.is_empty() && x < area.right() {
        text::put(
            buf,
            x,
            area.y,
            area.right().saturating_sub(x + 1),
            &format!(" {detail} "),
            cx.theme.style(Role::Dim),
        );
    }
}

fn detail(state: &State, cx: &PaneCx, pane: Pane) -> String {
    let mut names: Vec<&str> = Vec::new();
    for source in state.shown().sources.values().filter(|s| s.decl.kind == pane.kind()) {
        // A log that several runs followed is one.
        if !names.contains(&source.decl.name.as_str()) {
            names.push(&source.decl.name);
        }
    }
    match pane {
        Pane::Logs => {
            let sources = match names.len() {
                0 => "no source".to_owned(),
                1 => names[0].to_owned(),
                n => format!("{n} sources"),
            };
            let mut how = state.logs.mode_text(state.view.passing.words().as_deref());
            for (source, by) in &state.view.moved {
                let name = state.timeline.logs.name(*source);
                how.push_str(&format!(" · clock of {name} corrected by {}", crate::app::overlays::rates::signed(*by)));
            }
            match state.logs.news(&state.timeline.logs, cx.glyphs.down) {
                Some(news) => format!("{news} · {sources} · {how}"),
                None => format!("{sources} · {how}"),
            }
        }
        Pane::Host => match (state.shown().host_at(cx.now).0, state.shown().other_hosts()) {
            (host, 0) => host.to_owned(),
            (host, n) => format!("{host} of {} hosts", n + 1),
        },
        Pane::Database => database::pane::title(&state.shown().database, cx),
        Pane::Deploys if names.len() > 2 => format!("{} sources", names.len()),
        Pane::Deploys => names.join(", "),
        Pane::Health => String::new(),
        Pane::Incident => incident::pane::header(&state.shown().incident, cx).unwrap_or_default(),
    }
}

/// Sources of the pane that do not work: one line each, at most three, with why, since when and the next try. What the
/// pane's verdict says already is not said again.
fn trouble(state: &State, cx: &PaneCx, pane: Pane, area: Rect, buf: &mut Buffer) -> Rect {
    let troubles: Vec<_> = cx.facts.troubles.iter().filter(|t| t.kind == pane.kind()).collect();
    if troubles.is_empty() && pane != Pane::Logs {
        return area;
    }
    let verdict = match pane {
        Pane::Database => database::pane::verdict(&state.shown().database, cx).text,
        Pane::Health => health::pane::verdict(&state.shown().health, cx).text,
        Pane::Deploys => deploys::pane::verdict(&state.shown().deploys, cx).text,
        _ => String::new(),
    };
    let mut lines: Vec<(Role, String)> = Vec::new();
    for t in troubles.into_iter().filter(|t| !verdict.contains(&t.why)) {
        let said = t.sentence(cx.now);
        lines.push(if t.failed { (Role::Bad, format!("{} {said}", cx.glyphs.fail)) } else { (Role::Dim, said) });
    }
    if pane == Pane::Logs {
        // A source that says nothing is as bad as one that cannot be read.
        let silences = logs::pane::silences(&state.shown().logs, cx);
        lines.extend(silences.into_iter().map(|s| (Role::Warn, format!("{} {s}", cx.glyphs.mark(MarkKind::Alert)))));
    }
    let most = if cx.zoomed { 8 } else { (area.height / 4).clamp(1, 3) as usize };
    let left_out = lines.len().saturating_sub(most);
    lines.truncate(most);
    if left_out > 0
        && let Some(last) = lines.last_mut()
    {
        last.1.push_str(&format!("  and {left_out} more"));
    }
    let mut rest = area;
    // At the bottom of the pane, so that the verdict stays its first line.
    for (role, line) in lines.into_iter().rev() {
        if rest.height <= 1 {
            break;
        }
        rest.height -= 1;
        text::put(buf, rest.x + 1, rest.y + rest.height, rest.width.saturating_sub(1), &line, cx.theme.style(role));
    }
    rest
}

fn body_of(state: &State, cx: &PaneCx, pane: Pane, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let t = state.shown();
    match pane {
        Pane::Logs => logs::pane::draw(&t.logs, &state.logs, cx, area, buf),
        Pane::Host => host::pane::draw(t.host_at(cx.now).1, cx, area, buf),
        Pane::Database => database::pane::draw(&t.database, cx, area, buf),
        Pane::Deploys => deploys::pane::draw(&t.deploys, cx, area, buf),
        Pane::Health => health::pane::draw(&t.health, cx, area, buf),
        Pane::Incident => incident::pane::draw(&t.incident, cx, area, buf),
    }
}

/// A pane in a few words. A pane that cannot be seen must not look well while its source fails.
pub fn glance(state: &State, cx: &PaneCx, pane: Pane) -> Glance {
    let t = state.shown();
    let mut glance = match pane {
        Pane::Logs => logs::pane::glance(&t.logs, cx),
        Pane::Host => host::pane::glance(t.host_at(cx.now).1, cx),
        Pane::Database => database::pane::glance(&t.database, cx),
        Pane::Deploys => deploys::pane::glance(&t.deploys, cx),
        Pane::Health => health::pane::glance(&t.health, cx),
        Pane::Incident => incident::pane::glance(&t.incident, cx),
    };
    let failed = cx.facts.failing(pane.kind()).is_some();
    // One that has nothing to tell but its failure is bad by itself, and shows as little why.
    if failed && (glance.level < Level::Warn || glance.text.ends_with('-')) {
        let text = format!("{} {}", glance.text, cx.glyphs.fail);
        glance = Glance::new(glance.level.max(Level::Warn), text);
    }
    glance
}

/// The row under the cursor of a pane.
pub fn select(state: &State, cx: &PaneCx, pane: Pane) -> Option<Selected> {
    let t = state.shown();
    match pane {
        Pane::Logs => logs::pane::select(&state.logs),
        Pane::Host => host::pane::select(t.host_at(cx.now).1, cx),
        Pane::Database => database::pane::select(&t.database, cx),
        Pane::Deploys => deploys::pane::select(&t.deploys, cx),
        Pane::Health => health::pane::select(&t.health, cx),
        Pane::Incident => incident::pane::select(&t.incident, cx),
    }
}
