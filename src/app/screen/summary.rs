//! The first line on an unconfigured box: what deviates, or that nothing does, and how much cannot be seen.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::panes::glance;
use crate::app::action::Action;
use crate::app::pane::Pane;
use crate::app::state::State;
use crate::signals::host;
use crate::timeline::Ts;
use crate::timeline::time::short;
use crate::ui::{Level, PaneCx, Role, text};

/// What is abnormal is looked for so far back.
const LOOK: Duration = Duration::from_secs(1_800);

/// Whether the box was looked around.
pub fn wanted(state: &State) -> bool {
    let own = &state.own;
    !(own.watched.is_empty() && own.offers.is_empty() && own.cannot_see.is_empty())
}

/// Draws it, worst first.
pub fn draw(state: &State, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let mut found: Vec<(Role, String)> = Vec::new();
    let role = |bad: bool| if bad { Role::Bad } else { Role::Warn };
    for pane in [Pane::Logs, Pane::Database, Pane::Health, Pane::Deploys] {
        let g = glance(state, cx, pane);
        if g.level >= Level::Warn {
            found.push((role(g.level == Level::Bad), g.text));
        }
    }
    let host = host::findings::findings(state.shown().host_at(cx.now).1, cx.now, cx.zone);
    found.extend(host.into_iter().map(|f| (role(f.bad), f.text)));
    found.sort_by_key(|(r, _)| *r != Role::Bad);
    if found.is_empty() {
        found.push((Role::Calm, calm(state, cx.now)));
    }
    let key = state.settings.keymap.key_of(Action::Offers).map_or(String::new(), |k| format!(" ({k})"));
    let offers = state.own.offers.iter().filter(|o| !o.taken).count();
    let mut more = Vec::new();
    if offers > 0 {
        more.push(format!("{offers} more could be watched"));
    }
    if !state.own.cannot_see.is_empty() {
        more.push(format!("{} things I cannot see", state.own.cannot_see.len()));
    }
    if !more.is_empty() {
        found.push((Role::Dim, format!("{}{key}", more.join(", "))));
    }
    let mut x = area.x + 1;
    for (i, (role, line)) in found.iter().enumerate() {
        let room = area.right().saturating_sub(x);
        if i > 0 {
            x += text::put(buf, x, area.y, room, " · ", cx.theme.style(Role::Dim));
        }
        x += text::put(buf, x, area.y, area.right().saturating_sub(x), line, cx.theme.style(*role));
    }
}

/// That nothing is wrong, over what is known and since the last outage; half an hour at most.
fn calm(state: &State, now: Ts) -> String {
    let t = state.shown();
    // Of raw logs it is only known what they tell: a deploy of an hour before is no watching.
    let watched = t.span.map(|(first, _)| first).filter(|_| t.host_at(now).1.latest(now).is_some());
    let known = t.logs.known_since(now).into_iter().chain(watched).min();
    let outage = t.logs.last_outage(now).map(|e| e.until());
    match known.filter(|t| *t < now).max(outage).map(|t| now.since(t)) {
        Some(known) if known >= LOOK => "nothing abnormal in 30 min".into(),
        Some(known) if known.as_secs() > 0 => format!("nothing abnormal in {}", short(known)),
        _ => "nothing abnormal yet".into(),
    }
}
