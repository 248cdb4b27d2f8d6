//! Draws deploys: what changed, newest first, and whether trouble followed.

use std::time::Duration;

use compact_str::format_compact;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::event::ChangeKind;
use super::history::DeploysHistory;
use super::rows::{self, Row, RowState};
use super::words;
use crate::timeline::facts::MarkKind;
use crate::timeline::time::short;
use crate::timeline::{SourceKind, Ts};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowKey, RowSpot, Selected, Verdict, text};

/// A change older than this explains nothing that begins now.
const RECENT: Duration = Duration::from_secs(2 * 3_600);
/// A failure older than this is history.
const FRESH: Duration = Duration::from_secs(30 * 60);
/// Longest name in the glance, in characters.
const GLANCE: usize = 16;
/// Restarts in a row that make a loop.
const LOOP: u32 = 3;

/// What is so, in one line.
pub fn verdict(history: &DeploysHistory, cx: &PaneCx) -> Verdict {
    judge(history, &history.rows(cx.now), cx)
}

fn judge(history: &DeploysHistory, rows: &[Row<'_>], cx: &PaneCx) -> Verdict {
    let ago = |t: Ts| ago(t, cx);
    let name = |r: &Row<'_>| words::subject(r, cx.zone, times(cx));
    if let Some(since) = cx.facts.errors_since.filter(|t| *t <= cx.now)
        && let Some((row, lag)) = history.suspect(rows, since)
    {
        let verb = verb(row);
        let began = began(lag);
        let back = rows
            .iter()
            .find(|r| r.change.kind == ChangeKind::Rollback && r.change.service == row.change.service && r.at > since);
        return match back {
            Some(back) => {
                let what = words::subject(back, cx.zone, times(cx));
                let text = format!("{what} {}; after {} {began}", ago(back.at), name(row));
                Verdict::new(Level::Warn, text)
            }
            None => {
                let with = if history.has_migration(rows, row) { " (with a migration)" } else { "" };
                Verdict::new(Level::Bad, format!("{}{verb} {}, {began}{with}", name(row), ago(row.first)))
            }
        };
    }
    // Only what is newest of its service: a failure that was mended is history.
    let newest = |i: usize| {
        let r = &rows[i];
        !rows[..i].iter().any(|n| n.change.service == r.change.service && n.change.kind.sets_version())
    };
    let fresh = |r: &Row<'_>| cx.now.since(r.ended) <= FRESH;
    let find = |p: &dyn Fn(&Row<'_>) -> bool| (0..rows.len()).find(|&i| p(&rows[i]) && newest(i)).map(|i| &rows[i]);
    if let Some(r) = find(&|r| r.state == RowState::Failed && fresh(r)) {
        let what =
            if r.change.kind == ChangeKind::Restart { String::new() } else { format!(" {} failed", r.change.kind) };
        return Verdict::new(Level::Bad, format!("{}{what} {}", name(r), ago(r.ended)));
    }
    if let Some(r) =
        find(&|r| r.change.kind == ChangeKind::Restart && r.count >= LOOP && fresh(r) && r.change.service != "system")
    {
        return Verdict::new(Level::Bad, format!("{}, last {}", name(r), ago(r.at)));
    }
    if let Some(r) = find(&|r| r.state == RowState::Running && fresh(r)) {
        let running = words::exact(cx.now.since(r.at));
        return Verdict::new(Level::Warn, format!("{}: {} running {running}", name(r), r.change.kind));
    }
    let deploys = rows.iter().find(|r| r.change.kind.sets_version() && r.state == RowState::Done);
    match deploys.filter(|r| cx.now.since(r.at) <= RECENT).or(rows.first()) {
        Some(r) if cx.now.since(r.at) <= RECENT => {
            Verdict::new(Level::Calm, format!("{}{} {}", name(r), verb(r), ago(r.at)))
        }
        last => {
            let last = last.map_or(String::new(), |r| format!("; last {} {}", name(r), ago(r.at)));
            match history.covered_since(cx.now) {
                Some(since) => {
                    let quiet = short(cx.now.since(since).min(RECENT).max(Duration::from_secs(60)));
                    let quiet = if quiet == "2 h 00 m" { "2 h" } else { &quiet };
                    Verdict::new(Level::Calm, format!("no change in {quiet}{last}"))
                }
                None if last.is_empty() && !history.is_empty() => {
                    Verdict::new(Level::Unknown, "nothing observed yet at this time")
                }
                None if last.is_empty() => {
                    match (cx.facts.failing(SourceKind::Deploys), cx.facts.awaited(SourceKind::Deploys)) {
                        (Some(failing), _) => Verdict::new(Level::Bad, failing.sentence(cx.now)),
                        (None, Some(name)) => Verdict::new(Level::Unknown, format!("{name}: no answer yet")),
                        (None, None) => Verdict::new(Level::Unknown, "no record of changes is read"),
                    }
                }
                None => Verdict::new(Level::Unknown, format!("no record of changes is read{last}")),
            }
        }
    }
}

fn ago(t: Ts, cx: &PaneCx) -> String {
    let d = cx.now.since(t);
    let text = if d < Duration::from_secs(60) { words::exact(d) } else { short(d) };
    format!("{text} ago")
}

fn verb(row: &Row<'_>) -> &'static str {
    match row.change.kind {
        ChangeKind::Deploy => " deployed",
        ChangeKind::Checkout => " checked out",
        ChangeKind::Flag => " switched",
        _ => "",
    }
}

fn times<'a>(cx: &PaneCx<'a>) -> &'a str {
    if cx.glyphs.ok.is_ascii() { "x" } else { "×" }
}

/// The pane in a few words, for when it is hidden: `▲1.4.2 7 m ago`.
pub fn glance(history: &DeploysHistory, cx: &PaneCx) -> Glance {
    let rows = history.rows(cx.now);
    let level = judge(history, &rows, cx).level;
    let suspect = cx.facts.errors_since.and_then(|t| history.suspect(&rows, t)).map(|(r, _)| r);
    let last = rows.iter().find(|r| r.change.kind.sets_version()).or(rows.first());
    // What came after the suspect, a rollback above all, is the news.
    let newer = last.filter(|l| suspect.is_some_and(|s| l.at > s.at));
    let (what, when) = match newer.or(suspect).or(last) {
        Some(r) if r.change.kind == ChangeKind::Rollback && !r.change.version.is_empty() => {
            (format!("{}back to {}", glyph(r, cx).0, cut(&r.change.version, cx)), ago(r.at, cx))
        }
        Some(r) => {
            let what = if r.change.version.is_empty() { &r.change.service } else { &r.change.version };
            (format!("{}{}", glyph(r, cx).0, cut(what, cx)), ago(r.at, cx))
        }
        None if level == Level::Calm => ("no change".into(), String::new()),
        None => ("deploys -".into(), String::new()),
    };
    let what = text::clean(&what).into_owned();
    if when.is_empty() {
        return Glance::new(level, what);
    }
    let short = format!("{what} {}", when.trim_end_matches(" ago"));
    Glance { level, text: format!("{what} {when}"), short }
}

/// A long version, such as a digest, cut for the line that all panes share.
fn cut(name: &str, cx: &PaneCx) -> String {
    match name.char_indices().nth(GLANCE) {
        Some((end, _)) => format!("{}{}", &name[..end], cx.glyphs.ellipsis),
        None => name.to_owned(),
    }
}

fn glyph<'a>(row: &Row<'_>, cx: &PaneCx<'a>) -> (&'a str, Role) {
    let kind = match row.change.kind {
        ChangeKind::Deploy | ChangeKind::Rollback | ChangeKind::Checkout => MarkKind::Deploy,
        ChangeKind::Restart => MarkKind::Restart,
        _ => MarkKind::Change,
    };
    let role = match kind {
        MarkKind::Deploy => Role::MarkDeploy,
        MarkKind::Restart => Role::MarkRestart,
        _ => Role::Dim,
    };
    (cx.glyphs.mark(kind), role)
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &DeploysHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let area = area.intersection(buf.area);
    let rows = history.rows(cx.now);
    let mut frame = PaneFrame { rows: Vec::new(), total: rows.len() };
    if area.is_empty() {
        return frame;
    }
    let verdict = judge(history, &rows, cx);
    let inner = area.width.saturating_sub(1);
    text::put(buf, area.x + 1, area.y, inner, &verdict.text, cx.theme.style(verdict.level.into()));
    let lines = usize::from(area.height) - 1;
    if rows.is_empty() {
        let told = cx.facts.failing(SourceKind::Deploys).is_some() || cx.facts.awaited(SourceKind::Deploys).is_some();
        if lines > 0 && verdict.level == Level::Unknown && history.is_empty() && !told {
            let hint = "`warroom deploy SERVICE VERSION` writes one; CI may append to [deploys] log";
            text::put(buf, area.x + 1, area.y + 1, inner, hint, cx.theme.style(Role::Dim));
        }
        return frame;
    }
    let suspect = cx
        .facts
        .errors_since
        .filter(|t| *t <= cx.now)
        .and_then(|t| history.suspect(&rows, t))
        .map(|(r, lag)| (r.seq, lag));
    let cursor = cx.row(rows.len());
    let top = cx.top(rows.len(), lines);
    let shown = &rows[top..rows.len().min(top + lines)];
    let when: Vec<String> = shown.iter().map(|r| when(r.at, cx, area.width)).collect();
    let column = when.iter().map(|w| text::width(w)).max().unwrap_or(0);
    for (line, (row, when)) in shown.iter().zip(&when).enumerate() {
        let spot = Rect { y: area.y + 1 + line as u16, height: 1, ..area };
        let index = top + line;
        let lag = suspect.filter(|(seq, _)| *seq == row.seq).map(|(_, lag)| lag);
        draw_row(row, rows::ran(&rows, index), lag, &format!("{when:>column$}"), cx, spot, buf);
        if cx.focused && Some(index) == cursor {
            buf.set_style(spot, cx.theme.style(Role::Cursor));
            text::put(buf, spot.x, spot.y, 1, cx.glyphs.cursor, cx.theme.style(Role::Cursor));
        }
        frame.rows.push(RowSpot { area: spot, index });
    }
    let below = area.y + 1 + shown.len() as u16;
    if history.evicted() > 0 && below < area.bottom() {
        let text = format!("{} older changes no longer kept", history.evicted());
        text::put(buf, area.x + 1, below, inner, &text, cx.theme.style(Role::Dim));
    }
    frame
}

/// The time column: of today to the second, of other days to the minute, with the day.
fn when(at: Ts, cx: &PaneCx, width: u16) -> String {
    let full = at.date_hms(cx.zone);
    let today = full.get(..10) == cx.now.date_hms(cx.zone).get(..10);
    let piece = match (today, width < 32) {
        (true, false) => full.get(11..),
        (true, true) => full.get(11..16),
        (false, _) => full.get(5..16),
    };
    piece.unwrap_or(&full).to_owned()
}

fn draw_row(
    row: &Row<'_>,
    ran: Option<rows::Ran>,
    lag: Option<Duration>,
    when: &str,
    cx: &PaneCx,
    area: Rect,
    buf: &mut Buffer,
) {
    let style = |role: Role| cx.theme.style(role);
    let old = cx.now.since(row.at) > RECENT;
    let (mark, mark_role) = glyph(row, cx);
    let (mut x, end) = (area.x + 1, area.right());
    let put = |buf: &mut Buffer, x: &mut u16, text: &str, style: Style| {
        *x += text::put(buf, *x, area.y, end.saturating_sub(*x), text, style);
    };
    put(buf, &mut x, when, style(Role::Dim));
    x += 1;
    put(buf, &mut x, mark, style(if old { Role::Dim } else { mark_role }));
    x += 1;

    let subject = words::subject(row, cx.zone, times(cx));
    let by = row.change.by.as_ref().map(|by| format!("by {by}"));
    let (note, note_role) = note(row, ran, lag, cx);
    // What can be done stands at the right, where it can be done.
    let key = (lag.is_some() && cx.live && row.change.kind.sets_version()).then_some(":rollback");
    let room = usize::from(end.saturating_sub(x));
    let width = |s: Option<&str>| s.map_or(0, |s| text::width(s) + 2);
    let (s, n) = (text::width(&subject), width(note.as_deref()));
    let key = key.filter(|k| s + n + width(Some(k)) <= room);
    let by = by.filter(|by| s + n + width(key) + width(Some(by)) <= room);

    let failed = row.state == RowState::Failed;
    let subject_role = match (old, failed) {
        (_, true) => Role::Bad,
        (true, _) => Role::Dim,
        _ => Role::Text,
    };
    // A note that says what is wrong is not pushed out by a long name.
    let keep = if lag.is_some() || failed { n.min(room / 2) } else { 0 };
    let most = (room - keep.min(room)) as u16;
    x += text::put(buf, x, area.y, most.min(end.saturating_sub(x)), &subject, style(subject_role));
    for (text, role) in [(by, Role::Dim), (note, note_role)] {
        if let Some(text) = text
            && x + 2 < end
        {
            x += 2;
            put(buf, &mut x, &text, style(role));
        }
    }
    if let Some(key) = key {
        text::put(buf, end - text::width(key) as u16, area.y, text::width(key) as u16, key, style(Role::Key));
    } else if cx.zoomed {
        for (name, value) in more(row) {
            if x + 2 < end {
                x += 2;
                put(buf, &mut x, &format!("{name} {value}"), style(Role::Dim));
            }
        }
    }
}

/// What is most worth saying of a row behind its name.
fn note(row: &Row<'_>, ran: Option<rows::Ran>, lag: Option<Duration>, cx: &PaneCx) -> (Option<String>, Role) {
    if let Some(lag) = lag {
        return (Some(began(lag)), Role::Bad);
    }
    if let Some(state) = words::state(row, cx.now) {
        let role = if row.state == RowState::Failed { Role::Bad } else { Role::Warn };
        return (Some(state), role);
    }
    let text = match (ran, row.change.kind) {
        (Some(ran), _) if ran.rolled_back => Some(format!("rolled back after {}", words::exact(ran.time))),
        (Some(ran), _) => Some(format!("good for {}", words::exact(ran.time))),
        (None, ChangeKind::Flag) => row.change.previous.as_ref().map(|p| format!("was {p}")),
        (None, ChangeKind::Restart) if row.change.service == "system" => None,
        (None, ChangeKind::Package) if row.count == 1 => row.change.previous.as_ref().map(|p| format!("was {p}")),
        (None, kind) if !kind.sets_version() || kind == ChangeKind::Checkout => {
            let said = ["reloaded", "stopped", "removed", "installed"];
            row.change.detail.clone().filter(|d| !said.contains(&d.as_str()))
        }
        _ => None,
    };
    (text, Role::Dim)
}

/// What there is room for when the pane has the whole screen.
fn more<'a>(row: &Row<'a>) -> Vec<(&'static str, &'a str)> {
    let c = row.change;
    let of = |name, value: &'a Option<String>| value.as_deref().map(|v| (name, v));
    let sha = c.sha.as_deref().map(|s| ("sha", s.get(..7).unwrap_or(s)));
    let known = [of("was", &c.previous), sha, of("env", &c.env), of("", &c.detail), of("", &c.url)];
    known.into_iter().flatten().collect()
}

/// What the rows stand for: the change, or the first of those that are one row.
pub fn keys(history: &DeploysHistory, cx: &PaneCx) -> Vec<RowKey> {
    history.rows(cx.now).iter().map(|r| RowKey(format_compact!("{} {}", r.change.service, r.seq))).collect()
}

/// The row under the cursor.
pub fn select(history: &DeploysHistory, cx: &PaneCx) -> Option<Selected> {
    let rows = history.rows(cx.now);
    let row = rows.get(cx.cursor)?;
    let c = row.change;
    let mut fields: Vec<(String, String)> =
        vec![("kind".into(), c.kind.name().into()), ("service".into(), c.service.clone())];
    let mut add = |name: &str, value: Option<String>| {
        if let Some(v) = value.filter(|v| !v.is_empty()) {
            fields.push((name.into(), v));
        }
    };
    add("version", Some(c.version.clone()));
    add("previous", c.previous.clone());
    add("status", Some(if row.state == RowState::Running { "running".into() } else { c.status.name().into() }));
    add("took", (row.ended > row.at).then(|| words::exact(row.ended.since(row.at))));
    add("count", (row.count > 1).then(|| row.count.to_string()));
    for (name, value) in
        [("by", &c.by), ("env", &c.env), ("sha", &c.sha), ("url", &c.url), ("detail", &c.detail), ("raw", &c.raw)]
    {
        add(name, value.clone());
    }
    Some(Selected {
        at: Some(row.at),
        source: "deploys".into(),
        text: words::sentence(row, cx.now, cx.zone),
        request_id: None,
        fields,
    })
}

/// How soon errors began after a change. Both are known to the second only.
fn began(lag: Duration) -> String {
    match lag.as_secs() {
        0 => "errors began at once".into(),
        _ => format!("errors began {} later", words::exact(lag)),
    }
}

#[cfg(test)]
mod tests;
