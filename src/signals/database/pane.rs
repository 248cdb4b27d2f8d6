//! Draws databases: the verdict, pools and slots as bars, who waits for whom, the slow list, open transactions.
//!
//! Owns the order of the rows; what they say stands in `pane/rows`, what a row is worth as evidence in `pane/select`.

mod rows;
mod select;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::rows::{Picked, Piece, Row};
use super::ending::{Ending, How};
use super::history::{DatabaseHistory, Seen, Server};
use super::layers::Slots;
use super::plan::Wanted;
use super::slow::SlowRow;
use super::verdict::{self as conclusions, Now};
use super::words::{millis, state_of};
use crate::timeline::SourceId;
use crate::timeline::time::short;
use crate::ui::text::{put, width};
use crate::ui::{Glance, Level, PaneCx, PaneFrame, Role, RowKey, RowSpot, Selected, Verdict};

/// What is so, in one line.
pub fn verdict(history: &DatabaseHistory, cx: &PaneCx) -> Verdict {
    conclusions::now(history, cx).verdict
}

/// The pane in a few words, for when it is hidden: `pool 20/20 wait 7`.
pub fn glance(history: &DatabaseHistory, cx: &PaneCx) -> Glance {
    let now = conclusions::now(history, cx);
    let mut text = match (now.pools.iter().find(|p| !p.stale), now.server) {
        (Some(p), _) => format!("pool {}", p.usage()),
        (None, Some((_, look))) => {
            Slots::in_look(look).map_or_else(|| "db".into(), |s| format!("db {}/{}", s.used, s.most))
        }
        (None, None) if !now.outside.is_empty() => {
            let n: u32 = now.outside.iter().map(|s| s.counts.clients).sum();
            let tx: u32 = now.outside.iter().map(|s| s.counts.idle_in_tx + s.counts.aborted).sum();
            if tx > 0 { format!("db {n} seen, {tx} idle in tx") } else { format!("db {n} seen") }
        }
        (None, None) if history.is_silent(cx.now) => return Glance::new(Level::Unknown, "db -"),
        (None, None) => "db".into(),
    };
    if let Some(n) = now.pools.first().and_then(|p| p.waiting).filter(|n| *n > 0) {
        text += &format!(" wait {n}");
    }
    let short = text.clone();
    if history.refused(cx.now).is_some() {
        return Glance::new(now.verdict.level, "db refuses");
    } else if let Some(root) = now.roots.first() {
        text += &format!(" blocked {}", root.blocked);
    } else if let Some(holder) = now.holders.first() {
        text += &format!(" blocked {}", holder.waiting.len());
    } else if let Some(row) = now.slow.iter().find(|r| r.is_slow()) {
        let slow = format!(" slow {}", millis(row.typical_ms()));
        return Glance::new(now.verdict.level, text + &slow).short(short);
    }
    Glance::new(now.verdict.level, text)
}

/// What belongs into the pane's title: the server's name and what looking at it costs.
pub fn title(history: &DatabaseHistory, cx: &PaneCx) -> String {
    let now = conclusions::now(history, cx);
    let Some((server, look)) = now.server else { return String::new() };
    let f = &look.figures;
    let superuser = server.info.latest(cx.now).is_some_and(|i| i.value.superuser);
    let role = if superuser { "superuser · " } else { "" };
    let standby = server.info.latest(cx.now).is_some_and(|i| i.value.standby);
    let standby = if standby { "standby · " } else { "" };
    let mut text = format!("{} · {standby}{role}{:.0} ms/poll", server.name(cx.now), f.cost_ms);
    if f.every_ms > 1_000 {
        text += &format!(" every {} s", f.every_ms / 1_000);
    }
    let skipped: u32 = server.looks(super::history::minute(cx.now)).map(|l| l.figures.skipped).sum();
    if skipped > 0 {
        text += &format!(" · skipped {skipped}");
    }
    text += match () {
        _ if conclusions::gave_back(server, cx) => " · 0 conn, given back: B takes it again",
        _ if f.given_back => " · 0 conn, reserved slot given back",
        _ if conclusions::takes_reserved(server, look, cx.now) => " · 1 conn, a reserved slot",
        _ => " · 1 conn",
    };
    text
}

/// Draws the pane below its title; the verdict is its first line.
pub fn draw(history: &DatabaseHistory, cx: &PaneCx, area: Rect, buf: &mut Buffer) -> PaneFrame {
    let area = area.intersection(buf.area);
    let now = conclusions::now(history, cx);
    // The first column is the cursor's.
    let inside = Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(1), ..area };
    let rows = rows::rows(history, &now, cx, inside.width);
    let total = rows.iter().filter(|r| r.selects.is_some()).count();
    let mut frame = PaneFrame { rows: Vec::new(), total };
    if area.is_empty() {
        return frame;
    }
    let role = match now.verdict.level {
        Level::Calm => Role::Text,
        Level::Unknown => Role::Unknown,
        Level::Warn => Role::Warn,
        Level::Bad => Role::Bad,
    };
    put(buf, inside.x, inside.y, inside.width, now.verdict.fitting(inside.width), cx.theme.style(role));
    let height = usize::from(area.height) - 1;
    let at = cx.row(total).filter(|_| cx.focused);
    let from = scroll(&rows, at, height);
    let mut index = rows[..from].iter().filter(|r| r.selects.is_some()).count();
    for (row, y) in rows[from..].iter().take(height).zip(area.y + 1..) {
        let line = Rect { y, height: 1, ..area };
        let selected = row.selects.is_some() && at == Some(index);
        if selected {
            buf.set_style(line, cx.theme.style(Role::Cursor));
            put(buf, line.x, y, 1, cx.glyphs.cursor, cx.theme.style(Role::Cursor));
        }
        draw_row(row, selected, cx, Rect { y, height: 1, ..inside }, buf);
        if row.selects.is_some() {
            frame.rows.push(RowSpot { area: line, index });
            index += 1;
        }
    }
    // Too old to be true: dim, and the age where the eye rests, if there is room beside the verdict: its row has it, too.
    // That the server refuses us is news, and so is what is seen from outside meanwhile.
    let old = now.server.is_some_and(|(_, look)| look.is_old(cx.now));
    if let Some(age) = now.stale.filter(|_| old || history.refused(cx.now).is_none()) {
        dim(area, cx, buf);
        let text = format!("  {} old ", short(age));
        let room = usize::from(inside.width).saturating_sub(width(&now.verdict.text));
        let w = if width(&text) <= room { width(&text) as u16 } else { 0 };
        put(buf, area.right() - w, area.y, w, &text, cx.theme.style(Role::Unknown));
    }
    frame
}

/// First row to draw, so that the one under the cursor is seen.
fn scroll(rows: &[Row], cursor: Option<usize>, height: usize) -> usize {
    let Some(cursor) = cursor else { return 0 };
    let at = rows.iter().enumerate().filter(|(_, r)| r.selects.is_some()).nth(cursor).map_or(0, |(i, _)| i);
    (at + 1).saturating_sub(height.max(1)).min(rows.len())
}

fn draw_row(row: &Row, selected: bool, cx: &PaneCx, line: Rect, buf: &mut Buffer) {
    let mut x = line.x;
    for Piece { text, role, width: w } in &row.pieces {
        if x >= line.right() {
            return;
        }
        let left = line.right() - x;
        let style = if selected { cx.theme.style(Role::Cursor) } else { cx.theme.style(*role) };
        match w {
            // A right-aligned column of its own width.
            Some(w) => {
                let pad = w.saturating_sub(width(text) as u16);
                put(buf, x + pad.min(left), line.y, w.saturating_sub(pad).min(left.saturating_sub(pad)), text, style);
                x = x.saturating_add(*w);
            }
            None => x += put(buf, x, line.y, left, text, style),
        }
    }
}

fn dim(area: Rect, cx: &PaneCx, buf: &mut Buffer) {
    buf.set_style(area, cx.theme.style(Role::Dim));
}

/// What the rows stand for: a statement by its shape, a session by its server, number and start.
pub fn keys(history: &DatabaseHistory, cx: &PaneCx) -> Vec<RowKey> {
    let now = conclusions::now(history, cx);
    let rows = rows::rows(history, &now, cx, 0);
    rows.into_iter().filter_map(|r| r.selects).map(|p| select::key(&p, history, &now)).collect()
}

/// What the row under the cursor stands for.
fn picked(history: &DatabaseHistory, now: &Now, cx: &PaneCx) -> Option<Picked> {
    rows::rows(history, now, cx, 0).into_iter().filter_map(|r| r.selects).nth(cx.cursor)
}

/// The server that a row is of; the one that is shown where the row itself does not say.
fn server_of<'a>(picked: &Picked, history: &'a DatabaseHistory, now: &Now) -> Option<(SourceId, &'a Server)> {
    let id = match picked {
        Picked::Slow(i) => now.slow.get(*i).and_then(|r| r.source),
        Picked::Root(i) | Picked::Waiter(i, _) => now.roots.get(*i).map(|r| r.source),
        Picked::Leak(id, _) => Some(*id),
        _ => None,
    };
    let id = id.or_else(|| shown(history, now))?;
    Some((id, history.servers.get(&id)?))
}

/// The number of the server that is shown.
fn shown(history: &DatabaseHistory, now: &Now) -> Option<SourceId> {
    let (server, _) = now.server?;
    history.servers.iter().find(|(_, s)| std::ptr::eq(*s, server)).map(|(id, _)| *id)
}

/// Whether the row under the cursor stands for a server of this box that could be connected to; its port where it is
/// known.
pub fn connectable(history: &DatabaseHistory, cx: &PaneCx) -> Option<Option<u16>> {
    let now = conclusions::now(history, cx);
    let picked = picked(history, &now, cx)?;
    match picked {
        Picked::Outside(i) => now.outside.get(i).map(|s| s.port),
        _ => None,
    }
}

/// The statement under the cursor, and the server to ask for its plan.
///
/// # Errors
/// Why there is nothing to ask, or nobody, in words for the user.
pub fn explainable(history: &DatabaseHistory, cx: &PaneCx) -> Result<Wanted, String> {
    let now = conclusions::now(history, cx);
    let Some(picked) = picked(history, &now, cx) else {
        return Err("no statement is listed here, and so there is nothing to explain".into());
    };
    match picked {
        Picked::Slow(i) => now.slow.get(i).ok_or_else(String::new).and_then(|row| of_row(row, history, &now, cx)),
        Picked::Root(_) | Picked::Waiter(..) | Picked::Leak(..) => {
            let running = select::seen(&picked, &now).filter(|s| !s.statement.text.is_empty());
            let Some((seen, (source, _))) = running.zip(server_of(&picked, history, &now)) else {
                return Err("the statement of this session is not visible, and so it cannot be explained".into());
            };
            let (statement, db, queryid) =
                (seen.statement.text.clone(), seen.session.db.to_string(), seen.session.queryid);
            Ok(Wanted { source, statement, db, queryid, run: false })
        }
        _ => Err("this row is no statement: j and k go to one".into()),
    }
}

fn of_row(row: &SlowRow, history: &DatabaseHistory, now: &Now, cx: &PaneCx) -> Result<Wanted, String> {
    let Some(statement) = row.statement.as_ref() else {
        return Err("the text of this statement is not known, only its number: there is nothing to explain".into());
    };
    // The server whose counters know it, or that runs it.
    let knows = |id| row.queryid.is_some_and(|q| history.text(id, q, cx.now).is_some());
    let runs = |s: &Server| {
        s.look(cx.now).is_some_and(|l| l.sessions.iter().any(|s| s.statement.fingerprint == statement.fingerprint))
    };
    let of = history.servers.iter().find(|(id, s)| knows(**id) || runs(s)).map(|(id, _)| *id);
    let Some(source) =
        row.source.or(of).or_else(|| shown(history, now)).or_else(|| now.files.first().map(|f| f.source))
    else {
        let from = row.line.as_ref().map(|l| format!(" of {}", l.name)).unwrap_or_default();
        let logged = if row.planned { "; Enter shows the plan it told" } else { "" };
        return Err(format!("no server to ask: only the log{from} tells of this statement{logged}"));
    };
    // What runs now has its values, and so has what a log line told; counters know its shape only. Of several sessions
    // the one whose statement the row shows comes first: what another one sends may be more than this statement.
    let fits = |s: &&Seen| match () {
        _ if !s.session.is_active() => None,
        _ if s.statement.text == statement.text => Some(0),
        _ if s.statement.fingerprint == statement.fingerprint => Some(1),
        _ => (row.queryid.is_some() && s.session.queryid == row.queryid && !s.statement.may_be_several()).then_some(2),
    };
    let look = history.servers.get(&source).and_then(|s| s.look(cx.now));
    let running = look.and_then(|l| l.sessions.iter().filter(|s| fits(s).is_some()).min_by_key(fits));
    let told = || history.slow.upto(cx.now).find(|e| e.value.statement.fingerprint == row.key);
    let (text, db) = match running {
        Some(s) => (s.statement.text.clone(), s.session.db.to_string()),
        None => (told().map_or(&statement.text, |e| &e.value.statement.text).clone(), String::new()),
    };
    Ok(Wanted { source, statement: text, db, queryid: row.queryid, run: false })
}

/// The session under the cursor, for ending it or its statement: it must be a session of a client, on the server that is
/// shown, and not a prepared transaction.
pub fn endable(history: &DatabaseHistory, cx: &PaneCx) -> Option<Ending> {
    let now = conclusions::now(history, cx);
    let picked = picked(history, &now, cx)?;
    let (source, server) = server_of(&picked, history, &now)?;
    let look = server.look(cx.now)?;
    let running = |i: usize| {
        let row = now.slow.get(i)?;
        let same = |s: &&Seen| {
            s.session.is_active() && row.statement.as_ref().is_some_and(|t| t.fingerprint == s.statement.fingerprint)
        };
        look.sessions.iter().filter(same).max_by_key(|s| s.session.query_age_ms)
    };
    let seen = match picked {
        Picked::Slow(i) => running(i)?,
        _ => select::seen(&picked, &now)?,
    };
    let d = &seen.session;
    (d.pid > 0 && d.is_client()).then(|| Ending {
        source,
        server: server.name(cx.now).to_owned(),
        how: How::default(),
        pid: d.pid,
        backend_start: d.backend_start,
        query_start: d.query_start.filter(|_| d.is_active()),
        query_age_ms: d.query_age_ms.filter(|_| d.is_active()),
        user: d.user.clone(),
        client: d.client.clone(),
        client_port: d.client_port,
        what: told(seen),
    })
}

/// `shop, idle in transaction 2 m: UPDATE …`, as far as each is known.
fn told(seen: &Seen) -> String {
    let statement = seen.statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let who: Vec<_> = [seen.session.user.to_string(), state_of(seen)].into();
    let who = who.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(", ");
    if statement.is_empty() { who } else { format!("{who}: {statement}") }
}

/// SQL that ends the session under the cursor, if it holds others up or an open transaction; only while it is still the
/// same session. To be copied, never run by us.
pub fn terminate(history: &DatabaseHistory, cx: &PaneCx) -> Option<String> {
    let now = conclusions::now(history, cx);
    let picked = picked(history, &now, cx)?;
    let (_, server) = server_of(&picked, history, &now)?;
    let engine = server.info.latest(cx.now)?.value.engine.clone();
    select::terminate(select::seen(&picked, &now)?, &engine)
}

/// The row under the cursor.
pub fn select(history: &DatabaseHistory, cx: &PaneCx) -> Option<Selected> {
    let now = conclusions::now(history, cx);
    let row = picked(history, &now, cx)?;
    Some(select::selected(&row, history, &now, cx))
}

#[cfg(test)]
mod logged;
#[cfg(test)]
mod several;
#[cfg(test)]
mod tests;
