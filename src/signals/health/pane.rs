//! Draws health: what fails and since when, then what answers and how fast.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::history::{HealthHistory, ProbeHistory, ProbeState};
use crate::timeline::time::short;
use crate::timeline::{SourceKind, TimeRange, Ts};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowKey, RowSpot, Selected, Verdict, text};

/// A certificate that ends within this is worth a look.
const ENDING: Duration = Duration::from_secs(14 * 86_400);
/// What a present latency is compared with.
const BASELINE: Duration = Duration::from_secs(30 * 60);
/// Slower than so many times the baseline …
const SLOWER: f64 = 3.0;
/// … and by at least so many milliseconds is worth a look.
const SLOWER_BY: f64 = 50.0;
/// Turns within half an hour that make a flapping probe.
const FLAPS: usize = 4;
/// One that has answered without a break for so long is well, however often it turned before.
const TRUSTED: Duration = Duration::from_secs(30);
/// The chart's window when no other is given.
const WINDOW: Duration = Duration::from_secs(600);
/// Longest name in the glance, in characters.
const GLANCE: usize = 12;
/// Widest name column.
const NAME: usize = 28;

/// What is so, in one line.
pub fn verdict(history: &HealthHistory, cx: &PaneCx) -> Verdict {
    judge(history, &history.states(cx.now), cx)
}

fn judge(history: &HealthHistory, states: &[ProbeState<'_>], cx: &PaneCx) -> Verdict {
    let all = states.len();
    if all == 0
        && let Some(failing) = cx.facts.failing(SourceKind::Health)
    {
        return Verdict::new(Level::Bad, failing.sentence(cx.now));
    }
    if all == 0 && !history.is_empty() {
        return Verdict::new(Level::Unknown, "nothing observed yet at this time");
    }
    if all == 0 {
        if let Some(name) = cx.facts.awaited(SourceKind::Health) {
            return Verdict::new(Level::Unknown, format!("{name}: no answer yet"));
        }
        return Verdict::new(Level::Unknown, "nothing probed");
    }
    let fresh: Vec<_> = states.iter().filter(|s| !s.stale()).collect();
    let failing: Vec<_> = fresh.iter().filter(|s| !s.probe.ok).collect();
    let silent = all - fresh.len();
    let unheard = if silent > 0 { format!("; {silent} not heard of") } else { String::new() };
    // What broke last is news; what has been broken for longer is known.
    if let Some(newest) = failing.iter().rev().max_by_key(|s| s.since) {
        let more = if failing.len() > 1 { format!(" and {} more", failing.len() - 1) } else { String::new() };
        let (n, long) = (failing.len(), short(cx.now.since(newest.since)));
        let (name, why) = (&newest.probe.name, newest.probe.reason());
        return Verdict::new(Level::Bad, format!("{n} of {all} failing: {name} {why} for {long}{more}{unheard}"));
    }
    if silent > 0 {
        let age = states.iter().filter(|s| s.stale()).map(|s| s.age).max().unwrap_or_default();
        let who = if silent == all { "no".to_owned() } else { format!("{silent} of {all} without a") };
        return Verdict::new(Level::Unknown, format!("{who} result for {}", short(age)));
    }
    let flapped = fresh.iter().filter(|s| s.flaps >= FLAPS).max_by_key(|s| s.since);
    let flapped = flapped.map(|s| {
        let long = cx.now.since(s.since);
        let text = format!("{} turned {} times in 30 m, answers for {}", s.probe.name, s.flaps, short(long));
        Verdict::new(if long < TRUSTED { Level::Warn } else { Level::Calm }, text)
    });
    if let Some(v) = flapped.as_ref().filter(|v| v.level == Level::Warn) {
        return v.clone();
    }
    let slow = fresh.iter().filter_map(|s| Some((s, slower(history.probe(&s.probe.name)?, s, cx.now)?)));
    if let Some((s, before)) = slow.max_by(|a, b| a.0.probe.latency_ms.total_cmp(&b.0.probe.latency_ms)) {
        let text = format!("{} slow: {}, {} before", s.probe.name, millis(s.probe.latency_ms), millis(before));
        return Verdict::new(Level::Warn, text);
    }
    let ending = fresh.iter().filter_map(|s| Some((s.probe.tls_expires?, s)));
    if let Some((ends, s)) = ending.filter(|(t, _)| t.since(cx.now) < ENDING).min_by_key(|(t, _)| *t) {
        let text = format!("certificate of {} ends in {}", s.probe.name, short(ends.since(cx.now)));
        return Verdict::new(Level::Warn, text);
    }
    if let Some(v) = flapped {
        return v;
    }
    let slowest = fresh.iter().max_by(|a, b| a.probe.latency_ms.total_cmp(&b.probe.latency_ms));
    let Some(s) = slowest else { return Verdict::new(Level::Unknown, "nothing probed") };
    let took = millis(s.probe.latency_ms);
    let text = match all {
        1 => format!("{} answers in {took}", s.probe.name),
        2 => format!("both answer, slowest {} {took}", s.probe.name),
        _ => format!("all {all} answer, slowest {} {took}", s.probe.name),
    };
    Verdict::new(Level::Calm, text)
}

/// The baseline of a probe that is much slower than that now: the median of the half hour before the last minute, which
/// a trouble that began some minutes ago does not yet move.
fn slower(probe: &ProbeHistory, state: &ProbeState<'_>, now: Ts) -> Option<f64> {
    let present = state.probe.latency_ms;
    if !state.probe.ok || present <= SLOWER_BY {
        return None;
    }
    let lately = now - Duration::from_secs(60);
    let window = TimeRange::ending(lately, BASELINE);
    let mut before: Vec<f64> =
        probe.results().within(window, now).filter(|e| e.value.ok).map(|e| e.value.latency_ms).collect();
    before.sort_by(f64::total_cmp);
    let median = *before.get(before.len() / 2)?;
    // One slow answer is a spike; a minute of them is a state.
    let mean = probe.latency().mean(TimeRange::new(lately, now), now)?;
    let beyond = |ms: f64| ms > median * SLOWER && ms - median > SLOWER_BY;
    (beyond(mean) && beyond(present)).then_some(median)
}

/// Milliseconds in the fewest digits that help: `0.3 ms`, `82 ms`, `1.2 s`.
fn millis(ms: f64) -> String {
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1_000.0),
    }
}

/// The pane in a few words, for when it is hidden: `api ✕ 503`.
pub fn glance(history: &HealthHistory, cx: &PaneCx) -> Glance {
    let states = history.states(cx.now);
    let level = judge(history, &states, cx).level;
    let failing = states.iter().filter(|s| !s.probe.ok && !s.stale());
    let more = failing.clone().count().saturating_sub(1);
    let mut short = None;
    let text = match (states.len(), failing.rev().max_by_key(|s| s.since)) {
        (0, _) => "health -".into(),
        (all, None) if level == Level::Unknown => format!("health ? of {all}"),
        (all, None) => format!("health {all} {}", cx.glyphs.ok),
        (_, Some(first)) => {
            // The line is shared by all panes: the first word of a name, a status rather than a sentence, a count.
            let name = first.probe.name.split_whitespace().next().unwrap_or("health");
            let name: String = text::clean(name).chars().take(GLANCE).collect();
            let status = first.probe.status.map(|s| format!(" {s}")).unwrap_or_default();
            let more = match more {
                0 => String::new(),
                n => format!(" +{n}"),
            };
            short = Some(format!("{name} {}", cx.glyphs.fail));
            format!("{name} {}{status}{more}", cx.glyphs.fail)
        }
    };
    let short = short.unwrap_or_else(|| text.clone());
    Glance { level, text, short }
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &HealthHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let area = area.intersection(buf.area);
    let states = history.states(cx.now);
    let mut frame = PaneFrame { rows: Vec::new(), total: states.len() };
    if area.is_empty() {
        return frame;
    }
    let verdict = judge(history, &states, cx);
    let inner = area.width.saturating_sub(1);
    text::put(buf, area.x + 1, area.y, inner, &verdict.text, cx.theme.style(verdict.level.into()));
    let lines = usize::from(area.height) - 1;
    if states.is_empty() {
        let sourced = |kind| cx.facts.failing(kind).is_some() || cx.facts.awaited(kind).is_some();
        if lines > 0 && history.is_empty() && !sourced(SourceKind::Health) {
            let hint = "add [[health.probe]] with url = \"http://…\" or tcp = \"host:port\"";
            text::put(buf, area.x + 1, area.y + 1, inner, hint, cx.theme.style(Role::Dim));
        }
        return frame;
    }
    let cursor = cx.row(states.len());
    let top = cx.top(states.len(), lines);
    let shown = &states[top..states.len().min(top + lines)];
    let name = states.iter().map(|s| text::width(&text::clean(&s.probe.name))).max().unwrap_or(0).min(NAME);
    // In a narrow pane the name gives way to what is wrong.
    let name = name.min(usize::from(area.width) / 2);
    for (line, state) in shown.iter().enumerate() {
        let spot = Rect { y: area.y + 1 + line as u16, height: 1, ..area };
        draw_row(history, state, name as u16, cx, spot, buf);
        if cx.focused && Some(top + line) == cursor {
            buf.set_style(spot, cx.theme.style(Role::Cursor));
            text::put(buf, spot.x, spot.y, 1, cx.glyphs.cursor, cx.theme.style(Role::Cursor));
        }
        frame.rows.push(RowSpot { area: spot, index: top + line });
    }
    let below = area.y + 1 + shown.len() as u16;
    if history.refused() > 0 && below < area.bottom() {
        let text = format!("{} results of further probes not kept", history.refused());
        text::put(buf, area.x + 1, below, inner, &text, cx.theme.style(Role::Warn));
    }
    frame
}

fn draw_row(history: &HealthHistory, state: &ProbeState<'_>, name: u16, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    let style = |role: Role| cx.theme.style(role);
    let (x, end) = (area.x + 1, area.right());
    let (stale, ok) = (state.stale(), state.probe.ok);
    let sign = if stale {
        "?"
    } else if ok {
        cx.glyphs.ok
    } else {
        cx.glyphs.fail
    };
    let sign_role = if stale {
        Role::Dim
    } else if ok {
        Role::Calm
    } else {
        Role::Bad
    };
    text::put(buf, x, area.y, end.saturating_sub(x), sign, style(sign_role));
    let x = x + text::width(cx.glyphs.ok).max(text::width(cx.glyphs.fail)) as u16 + 1;
    if x >= end {
        return;
    }
    text::put(buf, x, area.y, name.min(end - x), &state.probe.name, style(if stale { Role::Dim } else { Role::Text }));
    let x = x + name + 2;
    if x >= end {
        return;
    }
    let slow = history.probe(&state.probe.name).and_then(|p| slower(p, state, cx.now));
    let (words, words_role) = said(state, slow, cx);
    // A short figure stands right-aligned under its like; a sentence runs on.
    let words = if ok && !stale && slow.is_none() { format!("{words:>8}") } else { words };
    let mut at = x + text::put(buf, x, area.y, end - x, &words, style(words_role));
    for (text, role) in asides(state, cx) {
        if usize::from(end.saturating_sub(at)) > text::width(&text) + 2 {
            at += 2;
            at += text::put(buf, at, area.y, end - at, &text, style(role));
        }
    }
    let room = end.saturating_sub(at + 2).min(if cx.zoomed { 120 } else { 24 });
    if room >= 8
        && let Some(probe) = history.probe(&state.probe.name)
    {
        spark(probe, cx, Rect { x: end - room, y: area.y, width: room, height: 1 }, buf);
    }
}

/// The result in words: `503 since 13:56:20 (7 m)`, `82 ms`, `1.2 s ↑ from 80 ms`, `last answer 2 m ago: 82 ms`.
fn said(state: &ProbeState<'_>, slow: Option<f64>, cx: &PaneCx) -> (String, Role) {
    let p = state.probe;
    let reason = p.reason();
    if state.stale() {
        let was = if p.ok { millis(p.latency_ms) } else { reason };
        return (format!("no result for {}; was {was}", short(state.age)), Role::Dim);
    }
    if !p.ok {
        let since = state.since.hms(cx.zone);
        let long = short(cx.now.since(state.since));
        // Failing from the first look on: it may have been so for longer.
        let at_least = if state.since_first { "at least " } else { "" };
        let text = if state.first_reason == reason || state.first_reason.is_empty() {
            format!("{reason} since {since} ({at_least}{long})")
        } else {
            format!("{reason}, failing since {since} ({at_least}{long})")
        };
        return (text, Role::Bad);
    }
    match slow {
        Some(before) => (format!("{} {} from {}", millis(p.latency_ms), cx.glyphs.up, millis(before)), Role::Warn),
        None => (millis(p.latency_ms), Role::Text),
    }
}

/// What else deviates.
fn asides(state: &ProbeState<'_>, cx: &PaneCx) -> Vec<(String, Role)> {
    let mut all = Vec::new();
    if state.probe.ok && !state.since_first && cx.now.since(state.since) < BASELINE {
        all.push((format!("again since {}", state.since.hms(cx.zone)), Role::Dim));
    }
    if state.flaps >= FLAPS {
        let well = state.probe.ok && cx.now.since(state.since) >= TRUSTED;
        all.push((format!("turned {} times in 30 m", state.flaps), if well { Role::Dim } else { Role::Warn }));
    }
    if let Some(left) = state.probe.tls_expires.map(|t| t.since(cx.now)).filter(|left| *left < ENDING) {
        all.push((format!("certificate ends in {}", short(left)), Role::Warn));
    }
    all
}

/// The latency over the shared window, failures as crosses in the column they happened in, gaps left open.
fn spark(probe: &ProbeHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) {
    let window = cx.facts.window.unwrap_or(TimeRange::ending(cx.now, WINDOW));
    let columns = usize::from(area.width);
    let peaks = probe.latency().peaks(window, columns, cx.now);
    let failed = probe.failed().peaks(window, columns, cx.now);
    // The middle of what there is stands at two fifths of the height: an even latency is a low line, not a wall.
    let mut heights: Vec<f64> = peaks.iter().flatten().copied().collect();
    heights.sort_by(f64::total_cmp);
    let middle = heights.get(heights.len() / 2).copied().unwrap_or(0.0);
    let top = heights.last().copied().unwrap_or(0.0).max(middle * 2.5).max(f64::MIN_POSITIVE);
    for (i, (peak, failed)) in peaks.iter().zip(failed).enumerate() {
        let (glyph, role) = match peak {
            _ if failed.is_some() => (cx.glyphs.fail, Role::MarkProbe),
            Some(v) => {
                let step = ((v / top) * 7.0).round().clamp(0.0, 7.0) as usize;
                (cx.glyphs.spark[step], Role::Chart)
            }
            None => continue,
        };
        text::put(buf, area.x + i as u16, area.y, 1, glyph, cx.theme.style(role));
    }
}

/// What the rows stand for.
pub fn keys(history: &HealthHistory, cx: &PaneCx) -> Vec<RowKey> {
    history.states(cx.now).iter().map(|s| RowKey(s.probe.name.as_str().into())).collect()
}

/// The row under the cursor.
pub fn select(history: &HealthHistory, cx: &PaneCx) -> Option<Selected> {
    let states = history.states(cx.now);
    let state = states.get(cx.cursor)?;
    let p = state.probe;
    let (words, _) = said(state, None, cx);
    let mut fields: Vec<(String, String)> = vec![
        ("probe".into(), p.name.clone()),
        ("target".into(), p.target.clone()),
        ("ok".into(), p.ok.to_string()),
        ("latency_ms".into(), p.latency_ms.to_string()),
        ("since".into(), state.since.to_string()),
    ];
    let mut add = |name: &str, value: Option<String>| fields.extend(value.map(|v| (name.to_owned(), v)));
    add("status", p.status.map(|s| s.to_string()));
    add("error", p.error.clone());
    add("body_match", p.body_match.map(|b| b.to_string()));
    let phases = [
        ("dns", p.phases.dns),
        ("connect", p.phases.connect),
        ("first_byte", p.phases.first_byte),
        ("body", p.phases.body),
    ];
    for (name, ms) in phases {
        add(name, ms.map(millis));
    }
    add("tls_expires", p.tls_expires.map(|t| t.to_string()));
    Some(Selected {
        at: Some(if p.ok { p.at } else { state.since }),
        source: p.name.clone(),
        text: format!("{}: {words}", p.name),
        request_id: None,
        fields,
    })
}

#[cfg(test)]
mod tests;
