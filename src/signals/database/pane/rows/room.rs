//! Pools and servers as bars: how much of their room is taken, and by whom.

use super::{Picked, Piece, Row, column, one_line, row, say};
use crate::signals::database::event::{HELD, Held, PoolLayer};
use crate::signals::database::history::{DatabaseHistory, Look, Server};
use crate::signals::database::layers::Slots;
use crate::signals::database::pools::PoolNow;
use crate::signals::database::verdict::{Now, SLOTS, blind, gave_back, leaks};
use crate::signals::database::words::millis;
use crate::timeline::SourceId;
use crate::timeline::time::short;
use crate::ui::text::width as cells;
use crate::ui::{PaneCx, Role};

/// Lines for servers that are not the one shown.
const OTHERS: usize = 8;
/// Cells of the shortest bar.
const SHORTEST: u16 = 4;

/// Cells of the longest bar for which there is room in `width`.
fn longest(width: u16) -> u16 {
    if width < 30 { 0 } else { (width / 3).clamp(SHORTEST, 24) }
}

/// `used ████████░░░░ 12/20`, the bar of so many cells; none leaves it out.
fn bar(label: &str, used: u32, of: Option<u32>, usage: String, hot: bool, cx: &PaneCx, cells: u16) -> Vec<Piece> {
    let mut out = vec![say(format!("{label} "), Role::Dim)];
    if let Some(of) = of.filter(|n| *n > 0 && cells > 0) {
        // A bar that is not empty shows a cell, one that is not full lacks one.
        let mut full = (u64::from(used) * u64::from(cells) / u64::from(of)) as u16;
        if used > 0 {
            full = full.max(1);
        }
        if used < of {
            full = full.min(cells - 1);
        }
        let full = full.min(cells);
        let role = if hot { Role::ChartHot } else { Role::Chart };
        out.push(say(cx.glyphs.bar.0.repeat(usize::from(full)), role));
        out.push(say(cx.glyphs.bar.1.repeat(usize::from(cells - full)), Role::Dim));
        out.push(say(" ", Role::Text));
    }
    out.push(say(usage, if hot { Role::Bad } else { Role::Text }));
    out
}

pub(super) fn pool(p: &PoolNow, index: usize, now: &Now, cx: &PaneCx, width: u16) -> Row {
    // Which layer it is stands there only where there are several, and where there is room.
    let layers = width >= 60 && now.pools.iter().any(|other| other.layer != p.layer);
    let label = match p.layer {
        _ if now.pools.len() == 1 => "used".to_owned(),
        PoolLayer::Pooler if layers => format!("pooler {}", p.name),
        PoolLayer::Application if layers => format!("application {}", p.name),
        _ => p.name.to_string(),
    };
    let label = label.as_str();
    let hot = p.exhausted();
    let mut figures: Vec<[Piece; 2]> = Vec::new();
    let mut figure = |label: &str, value: String, bad: bool| {
        let role = if bad && !p.stale { Role::Bad } else { Role::Text };
        let gap = if label.is_empty() { "" } else { " " };
        figures.push([say(format!("  {label}{gap}"), Role::Dim), say(value, role)]);
    };
    if p.stale {
        figure("", format!("{} ago", short(cx.now.since(p.at))), false);
    }
    if let Some(n) = p.waiting {
        figure("wait", n.to_string(), n > 0);
    }
    if p.timeouts > 0 {
        figure("lost", format!("{}/m", p.timeouts), p.losing);
    }
    if let Some(ms) = p.oldest_wait_ms.filter(|ms| *ms > 0.0) {
        figure("oldest", millis(ms), true);
    }
    if let Some(ms) = p.acquire_ms.filter(|ms| *ms >= 1.0) {
        figure("acquire", millis(ms), ms >= 500.0);
    }
    // A figure that is cut lies: the bar gives way first, then the figures from the last on.
    let long = |figure: &[Piece; 2]| figure.iter().map(|p| cells(&p.text)).sum::<usize>();
    let head = cells(label) + 2 + cells(&p.usage());
    let mut rest: usize = figures.iter().map(long).sum();
    while width > 0 && figures.len() > 1 && head + usize::from(SHORTEST) + rest > usize::from(width) {
        rest -= figures.pop().map_or(0, |f| long(&f));
    }
    let left = usize::from(width).saturating_sub(head + rest).max(usize::from(SHORTEST));
    let most = longest(width).min(u16::try_from(left).unwrap_or(u16::MAX));
    let mut pieces = bar(label, p.used.unwrap_or(0), p.max, p.usage(), hot, cx, most);
    pieces.extend(figures.into_iter().flatten());
    if p.stale {
        pieces.iter_mut().for_each(|p| p.role = Role::Dim);
    }
    row(Some(Picked::Pool(index)), pieces)
}

/// Usage of the pool over the window all panes share.
pub(super) fn chart(history: &DatabaseHistory, p: &PoolNow, cx: &PaneCx, width: u16) -> Option<Row> {
    let window = cx.facts.window?;
    let series = &history.pools.get(&(p.source, p.name.clone()))?.used;
    let cells = usize::from(width.saturating_sub(5));
    let peaks = series.peaks(window, cells, cx.now);
    let most = p.max.map_or_else(|| peaks.iter().flatten().copied().fold(1.0, f64::max), f64::from).max(1.0);
    let mut pieces = vec![say("pool ", Role::Dim)];
    // Columns finer than the samples are no gap; five seconds without one are.
    let mut last = None;
    for (i, v) in peaks.into_iter().enumerate() {
        let at = window.slice(i, cells).start;
        last = v.map(|v| (at, v)).or(last.filter(|(t, _)| at.since(*t).as_secs() < 5 && at <= cx.now));
        pieces.push(match last.map(|l| l.1) {
            None => say(" ", Role::Gap),
            Some(v) => {
                let i = ((v / most * 8.0).ceil() as usize).clamp(1, 8) - 1;
                say(cx.glyphs.spark[i], if p.max.is_some() && v >= most { Role::ChartHot } else { Role::Chart })
            }
        });
    }
    Some(row(None, pieces))
}

pub(super) fn server(look: &Look, now: &Now, cx: &PaneCx, width: u16) -> Row {
    let c = &look.figures.counts;
    let in_tx = c.idle_in_tx + c.aborted;
    let slots = Slots::in_look(look);
    let (used, hot) = slots.map_or((c.clients, false), |s| (s.used, s.full()));
    let usage = slots.map_or_else(|| used.to_string(), |s| format!("{used}/{}", s.most));
    let mut pieces = bar("slots", used, slots.map(|s| s.most), usage, hot, cx, longest(width));
    let mut figure = |label: &str, n: u32, role: Role| {
        pieces.push(say(format!("  {label} "), Role::Dim));
        pieces.push(say(n.to_string(), role));
    };
    let leaks = leaks(look).count() > 0;
    // Of sessions that our role may not see there is no telling what they do: no figure of none.
    let blind = now.server.is_some_and(|(of, _)| blind(of, look, cx.now).is_some());
    let all = [
        ("active", c.active, Role::Text),
        ("lock wait", c.waiting, if c.waiting > 0 { Role::Bad } else { Role::Text }),
        ("idle tx", in_tx, if leaks { Role::Warn } else { Role::Text }),
        ("idle", c.idle, Role::Text),
    ];
    for (label, n, role) in all.into_iter().filter(|(_, n, _)| *n > 0 || !blind) {
        figure(label, n, role);
    }
    if c.hidden > 0 {
        figure("hidden", c.hidden, Role::Dim);
    }
    if used > c.clients && (width == 0 || width >= 90) {
        figure("ours", used - c.clients, Role::Dim);
    }
    if let Some(age) = now.stale {
        pieces.push(say(format!("  {} ago", short(age)), Role::Dim));
        pieces.iter_mut().for_each(|p| p.role = Role::Dim);
    }
    row(Some(Picked::Server), pieces)
}

/// Who holds the server's slots, once they run out.
pub(super) fn holders(look: &Look, now: &Now, cx: &PaneCx) -> Vec<Row> {
    // Where sessions pile up behind one that blocks them, that one is the reason, and the first row.
    let alone = now.stale.is_none() && now.roots.is_empty();
    let scarce = alone && Slots::in_look(look).is_some_and(|s| s.share() >= SLOTS.0);
    let told = |h: &Held| {
        let application = if h.application.is_empty() { String::new() } else { format!("{}  ", h.application) };
        let from = if h.client.is_empty() { String::new() } else { format!(" from {}", h.client) };
        let pieces = vec![
            column(h.count.to_string(), Role::Text, 8),
            say(format!("  held by {application}"), Role::Text),
            say(format!("{}@{}{from}", h.user, h.db), Role::Dim),
        ];
        row(None, pieces)
    };
    let most = if !scarce {
        0
    } else if cx.zoomed {
        HELD
    } else {
        2
    };
    look.figures.held.iter().take(most).map(told).collect()
}

/// The servers that are not the one shown: a line each, so that nobody takes one for all.
pub(super) fn others(history: &DatabaseHistory, now: &Now, cx: &PaneCx) -> Vec<Row> {
    let shown = |s: &Server| now.server.is_some_and(|(of, _)| std::ptr::eq(of, s));
    let told = |(id, s): (&SourceId, &Server)| {
        let mut pieces = vec![say(format!("{}  ", s.name(cx.now)), Role::Dim)];
        let look = s.look(cx.now);
        if let Some(r) = history.refused_to(*id, cx.now) {
            let what = if r.sqlstate.is_empty() { "does not answer" } else { "refuses connections" };
            pieces.push(say(format!("{what}: {}", one_line(&format!("{} {}", r.sqlstate, r.message))), Role::Bad));
            return Some(row(None, pieces));
        }
        let look = look?;
        if !now.fresh.iter().any(|(of, ..)| of == id) {
            let ago = short(cx.now.since(look.at));
            let left = gave_back(s, cx);
            let text = if left { format!("given back, seen {ago} ago") } else { format!("no answer for {ago}") };
            pieces.push(say(text, Role::Warn));
            return Some(row(None, pieces));
        }
        let c = &look.figures.counts;
        if let Some(slots) = Slots::in_look(look) {
            let role = if slots.full() { Role::Bad } else { Role::Text };
            pieces.push(say(format!("{}/{}", slots.used, slots.most), role));
        }
        pieces.push(say(format!("  active {}", c.active), Role::Text));
        if c.waiting > 0 {
            pieces.push(say(format!("  lock wait {}", c.waiting), Role::Bad));
        }
        if c.idle_in_tx + c.aborted > 0 {
            pieces.push(say(format!("  idle tx {}", c.idle_in_tx + c.aborted), Role::Text));
        }
        Some(row(None, pieces))
    };
    history.servers.iter().filter(|(_, s)| !shown(s)).filter_map(told).take(OTHERS).collect()
}
