//! Draws the machine: verdict, figures with their small charts, what deviates, processes.
//!
//! Rows that can be selected are processes (and, zoomed, mounts behind them); their order depends on the playhead and on
//! being zoomed alone, so that `select` and `draw` mean the same row.

mod lines;
mod rows;
mod table;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::amount::{bytes, of, pct};
use super::event::{HostSample, Part};
use super::findings::{STALE, findings};
use super::history::HostHistory;
use crate::timeline::time::short;
use crate::timeline::{TimeRange, Ts};
use crate::ui::text::{put, width};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowKey, Selected, Verdict};
use rows::Rows;

/// What is so, in one line.
pub fn verdict(history: &HostHistory, cx: &PaneCx) -> Verdict {
    let (level, mut parts) = sentences(history, cx);
    parts.truncate(3);
    Verdict::new(level, parts.join(" · "))
}

/// Everything there is to say, most important first; never empty.
fn sentences(history: &HostHistory, cx: &PaneCx) -> (Level, Vec<String>) {
    let Some(e) = history.latest(cx.now) else {
        if history.latest(Ts::MAX).is_some() {
            return (Level::Unknown, vec!["nothing observed yet at this time".into()]);
        }
        return (Level::Unknown, vec!["no figures of the machine at this time".into()]);
    };
    let found = findings(history, cx.now, cx.zone);
    let age = cx.now.since(e.at);
    let mut parts = Vec::new();
    let mut level = match found.first() {
        Some(f) if f.bad => Level::Bad,
        Some(_) => Level::Warn,
        None => Level::Calm,
    };
    if age > STALE {
        parts.push(format!("no figures for {}", short(age)));
        level = level.max(Level::Unknown);
    }
    parts.extend(found.into_iter().map(|f| f.text));
    if parts.is_empty() {
        let (text, known) = nothing_found(&e.value);
        parts.push(text);
        level = if known { level } else { Level::Unknown };
    }
    (level, parts)
}

/// What is said where nothing deviates, and whether enough is known to say so.
fn nothing_found(s: &HostSample) -> (String, bool) {
    let (used, total, of_container) = s.memory_used_of();
    let whose = if of_container { " (container)" } else { "" };
    let busy = s.cpu.busy_pct();
    let word = if busy >= 60.0 { "busy but not short" } else { "quiet" };
    let memory = format!("memory {}{whose}", of(used, total));
    match (s.tells(Part::Cpu), s.tells(Part::Memory)) {
        (true, true) => (format!("{word}: CPU {} %, {memory}", pct(busy)), true),
        (true, false) => (format!("{word}: CPU {} %; memory is not known", pct(busy)), true),
        (false, true) => (format!("{memory}; CPU is not known"), false),
        (false, false) => ("CPU and memory are not known".into(), false),
    }
}

/// The pane in a few words, for when it is hidden: `host 71 % 5.1/8.0G`.
pub fn glance(history: &HostHistory, cx: &PaneCx) -> Glance {
    let Some(e) = history.latest(cx.now) else { return Glance::new(Level::Unknown, "host -") };
    let v = verdict(history, cx);
    let (used, total, _) = e.value.memory_used_of();
    let known = |part, text: String| if e.value.tells(part) { text } else { "?".into() };
    let cpu = known(Part::Cpu, format!("{} %", pct(e.value.cpu.busy_pct())));
    let memory = known(Part::Memory, format!("{}/{}", bytes(used), bytes(total)));
    // How bad it is, is said by the level.
    let about = findings(history, cx.now, cx.zone).first().map(|f| format!(" {}", f.about)).unwrap_or_default();
    Glance::new(v.level, format!("host {cpu} {memory}{about}")).short(format!("host {cpu}{about}"))
}

/// The span that small charts show: the same as everywhere, or the last five minutes.
fn window(cx: &PaneCx) -> TimeRange {
    cx.facts.window.unwrap_or_else(|| TimeRange::ending(cx.now, std::time::Duration::from_secs(300)))
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &HostHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let area = area.intersection(buf.area);
    let rows = Rows::new(history, cx);
    let mut frame = PaneFrame { rows: Vec::new(), total: rows.len() };
    if area.is_empty() {
        return frame;
    }
    let (level, parts) = sentences(history, cx);
    let role = Role::from(level);
    // Whole sentences side by side as far as they fit; the rest on lines of their own.
    let mut top = parts[0].clone();
    let mut next = 1;
    while let Some(part) = parts.get(next).filter(|p| width(&top) + 3 + width(p) <= area.width as usize) {
        top = format!("{top} · {part}");
        next += 1;
    }
    let style = cx.theme.style(role);
    put(buf, area.x, area.y, area.width, &top, style);
    let mut used = 1;
    for part in parts.iter().skip(next).take((area.height / 4) as usize) {
        put(buf, area.x, area.y + used, area.width, part, style);
        used += 1;
    }
    let below = Rect { y: area.y + used, height: area.height - used, ..area };
    let used = lines::draw(history, cx, below, buf);
    let rest = Rect { y: below.y + used, height: below.height - used, ..below };
    table::draw(&rows, cx, rest, buf, &mut frame);
    frame
}

/// What the rows stand for: a process by its number and start, a unit by its name.
pub fn keys(history: &HostHistory, cx: &PaneCx) -> Vec<RowKey> {
    Rows::new(history, cx).keys()
}

/// The row under the cursor.
pub fn select(history: &HostHistory, cx: &PaneCx) -> Option<Selected> {
    Rows::new(history, cx).select(cx.cursor)
}

#[cfg(test)]
mod tests;
