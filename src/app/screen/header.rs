//! First line: incident, filter, recording, and which instant this is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::playhead::Playhead;
use crate::app::state::State;
use crate::signals::incident;
use crate::signals::logs::store::scan::counted;
use crate::timeline::Ts;
use crate::timeline::time::short;
use crate::ui::{PaneCx, Role, text};

/// Draws it; what matters least leaves first when there is no room.
pub fn draw(state: &State, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let live = state.player.is_live();
    let base = cx.theme.style(if live { Role::Header } else { Role::HeaderPast });
    buf.set_style(area, base);
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_symbol(" ").set_style(base);
    }
    // Right side first: the clock never leaves.
    let mut right = area.right();
    let clock = clock(state);
    let width = (text::width(&clock) as u16 + 1).min(area.width);
    right -= width;
    text::put(buf, right, area.y, width, &clock, base);

    let mut parts: Vec<(String, Role)> = Vec::new();
    if let Some(why) = &state.own.not_on_disk {
        parts.push((
            format!(
                "{} NOTE{} NOT ON DISK: {why}",
                state.unsaved.len(),
                if state.unsaved.len() == 1 { "" } else { "S" }
            ),
            Role::HeaderAlert,
        ));
    }
    let name = if state.settings.demo { "warroom demo".to_owned() } else { "warroom".to_owned() };
    parts.push((name, if live { Role::Header } else { Role::HeaderPast }));
    let before: usize = parts.iter().map(|(part, _)| text::width(part) + 2).sum();
    let room = usize::from(right.saturating_sub(area.left() + 2)).saturating_sub(before);
    if let Some(incident) = incident::pane::header(&state.shown().incident, cx, room) {
        parts.push((incident, if live { Role::Header } else { Role::HeaderPast }));
    } else {
        let host = state.shown().host_at(cx.now).0;
        if !host.is_empty() {
            parts.push((host.to_owned(), if live { Role::Header } else { Role::HeaderPast }));
        }
    }
    for chip in state.view.filter.chips() {
        parts.push((
            format!(" {} {} ", shortened(state, &chip), if cx.glyphs.ellipsis == "…" { "×" } else { "x" }),
            Role::Chip,
        ));
    }
    for term in &state.view.suspended {
        parts.push((
            format!("({})", shortened(state, &term.to_string())),
            if live { Role::Header } else { Role::HeaderPast },
        ));
    }
    if let Some(open) = incident::pane::open_hypotheses(&state.shown().incident, cx).filter(|_| area.width >= 60) {
        parts.push((open, if live { Role::Header } else { Role::HeaderPast }));
    }
    let mut x = area.left() + 1;
    for (part, role) in parts {
        let room = right.saturating_sub(x + 1);
        if room < 3 {
            break;
        }
        x += text::put(buf, x, area.y, room, &part, cx.theme.style(role)) + 2;
    }
    // What is left in the middle: the recorder, and our own cost.
    let mut extras = Vec::new();
    if state.windows.is_loading() {
        extras.push(("reading the past".to_owned(), Role::HeaderPast));
    }
    let r = &state.own.recorder;
    if let Some(error) = &r.error {
        extras.push((format!("rec NOT ON DISK: {error}"), Role::HeaderAlert));
    } else if r.path.is_some() {
        extras.push((format!("rec {}", bytes(r.bytes)), if live { Role::Header } else { Role::HeaderPast }));
    }
    if let Some(room) = r.room.filter(|_| r.path.is_none()) {
        // How far one can rewind shrinks with it.
        extras.push((format!("short of memory: keeps {}", bytes(room)), Role::HeaderAlert));
    }
    if r.dropped > 0 {
        extras.push((format!("rec lost {}", r.dropped), Role::HeaderAlert));
    }
    let logs = &state.own.logs;
    if logs.lost_lines > 0 {
        extras.push((format!("{} lost", counted(logs.lost_lines, "line")), Role::HeaderAlert));
    }
    if let Some(share) = logs.indexing().filter(|_| area.width >= 100) {
        let paused = if logs.index_paused { " paused" } else { "" };
        let text = format!("index {:.0} %{paused}", (share * 100.0).floor());
        extras.push((text, if live { Role::Header } else { Role::HeaderPast }));
    }
    if let Some(percent) = logs.unpacking {
        extras.push((format!("unpacking {percent} %"), if live { Role::Header } else { Role::HeaderPast }));
    }
    if let Some((cpu, memory)) =
        own_cost(state).filter(|_| area.width >= 100 && !state.settings.demo && !state.player.is_replay())
    {
        extras.push((format!("own {cpu:.1} % {}", bytes(memory)), if live { Role::Header } else { Role::HeaderPast }));
    }
    for (part, role) in extras.into_iter().rev() {
        let w = text::width(&part) as u16;
        if right.saturating_sub(w + 2) <= x {
            break;
        }
        right -= w + 2;
        text::put(buf, right, area.y, w, &part, cx.theme.style(role));
    }
}

/// What this program costs: percent of one core, resident bytes.
fn own_cost(state: &State) -> Option<(f32, u64)> {
    let cost = state.shown().host_at(state.now()).1.own_cost(state.now())?;
    Some((cost.cpu_pct_of_one_core, cost.rss_bytes))
}

/// A request's chip shows the short form of its ID.
fn shortened(state: &State, chip: &str) -> String {
    match state.view.filter.request_id() {
        Some(id) if chip.contains(id.0.as_str()) => format!("req {}", id.short()),
        _ => chip.to_owned(),
    }
}

/// `LIVE 14:03:22 UTC`, `PAUSED 14:02:31 UTC −51 s, 37 errors since`, `REPLAY 14:02:31 UTC −00:51 8×`.
fn clock(state: &State) -> String {
    let now = state.now();
    let zone = &state.settings.zone;
    // The day is said when it is another one.
    let day = |t: Ts| t.jiff().to_zoned(zone.clone()).date();
    let time = if day(now) == day(state.player.clock) {
        format!("{} {}", now.hms(zone), state.settings.zone_name)
    } else {
        format!("{} {}", now.date_hms(zone), state.settings.zone_name)
    };
    match (state.player.head, state.player.recorded) {
        (Playhead::Live, _) => format!("LIVE {time}"),
        (_, None) => {
            let behind = short(state.player.clock.since(now));
            let (lines, errors) = state.since_pause();
            if lines > 0 {
                format!("PAUSED {time}  -{behind}  since pausing {lines} lines, {errors} errors")
            } else {
                format!("PAUSED {time}  -{behind}")
            }
        }
        (head, Some(span)) => {
            let left = if now >= span.end { "0 s".to_owned() } else { short(span.end.since(now)) };
            match head {
                Playhead::Playing { speed, .. } => format!("REPLAY {time}  -{left}  {speed}x"),
                _ => format!("REPLAY {time}  -{left}  paused"),
            }
        }
    }
}

/// `3.1 MB`, decimal units.
pub fn bytes(n: u64) -> String {
    match n {
        0..=999 => format!("{n} B"),
        1_000..=999_999 => format!("{} kB", n / 1_000),
        1_000_000..=9_999_999 => format!("{:.1} MB", n as f64 / 1e6),
        10_000_000..=999_999_999 => format!("{} MB", n / 1_000_000),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}
