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
use super::findings::{STALE, findings};
use super::history::HostHistory;
use crate::timeline::TimeRange;
use crate::timeline::time::short;
use crate::ui::text::put;
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, Selected, Verdict};
use rows::Rows;

/// What is so, in one line.
pub fn verdict(history: &HostHistory, cx: &PaneCx) -> Verdict {
    let Some(e) = history.latest(cx.now) else {
        return Verdict::new(Level::Unknown, "no figures of the machine at this time");
    };
    let found = findings(history, cx.now, cx.zone);
    let age = cx.now.since(e.at);
    let stale = (age > STALE).then(|| format!("no figures for {}", short(age)));
    let mut parts: Vec<&str> = stale.iter().map(String::as_str).collect();
    parts.extend(found.iter().take(3).map(|f| f.text.as_str()));
    let level = match (found.first(), stale.is_some()) {
        (Some(f), _) if f.bad => Level::Bad,
        (Some(_), _) => Level::Warn,
        (None, true) => Level::Unknown,
        (None, false) => Level::Calm,
    };
    if !parts.is_empty() {
        return Verdict::new(level, parts.join(" · "));
    }
    let (used, total, of_container) = e.value.memory_used_of();
    let whose = if of_container { " (container)" } else { "" };
    let busy = e.value.cpu.busy_pct();
    let word = if busy >= 60.0 { "busy but not short" } else { "quiet" };
    Verdict::new(Level::Calm, format!("{word}: CPU {} %, memory {}{whose}", pct(busy), of(used, total)))
}

/// The pane in a few words, for when it is hidden: `host 71 % 5.1/8.0G`.
pub fn glance(history: &HostHistory, cx: &PaneCx) -> Glance {
    let Some(e) = history.latest(cx.now) else { return Glance { level: Level::Unknown, text: "host -".into() } };
    let v = verdict(history, cx);
    let (used, total, _) = e.value.memory_used_of();
    let mut text = format!("host {} % {}/{}", pct(e.value.cpu.busy_pct()), bytes(used), bytes(total));
    if let Some(f) = findings(history, cx.now, cx.zone).first() {
        text.push_str(&format!(" {}{}", f.about, if f.bad { "!" } else { "" }));
    }
    Glance { level: v.level, text }
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
    let v = verdict(history, cx);
    let role = match v.level {
        Level::Calm => Role::Calm,
        Level::Unknown => Role::Unknown,
        Level::Warn => Role::Warn,
        Level::Bad => Role::Bad,
    };
    put(buf, area.x, area.y, area.width, &v.text, cx.theme.style(role));
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let used = lines::draw(history, cx, below, buf);
    let rest = Rect { y: below.y + used, height: below.height - used, ..below };
    table::draw(&rows, cx, rest, buf, &mut frame);
    frame
}

/// The row under the cursor.
pub fn select(history: &HostHistory, cx: &PaneCx) -> Option<Selected> {
    Rows::new(history, cx).select(cx.cursor)
}

#[cfg(test)]
mod tests;
