//! The rows of the pane, top to bottom, as pieces of text with their roles.
//!
//! Pools and servers are `rows/room`, who waits for whom is `rows/waiting`, the slow list is `rows/statements`.

mod room;
mod statements;
mod waiting;

use self::room::{chart, holders, others, pool, server};
use self::statements::{heading, slow};
use self::waiting::{held, leak, nobody, tree};

use crate::signals::database::event::TitledServer;
use crate::signals::database::history::{DatabaseHistory, Server};
use crate::signals::database::slow::SlowRow;
use crate::signals::database::troubles::{Kind, Trouble};
use crate::signals::database::upkeep;
use crate::signals::database::verdict::{Now, blind, from_titles, leaks, several};
use crate::signals::database::words::millis;
use crate::timeline::SourceId;
use crate::timeline::facts::MarkKind;
use crate::timeline::time::short;
use crate::ui::{Level, PaneCx, Role};

/// A piece of a row.
pub struct Piece {
    /// What it says.
    pub text: String,
    /// What it means.
    pub role: Role,
    /// Right-aligned in so many columns; `None` takes what it needs.
    pub width: Option<u16>,
}

/// What the row under the cursor stands for.
#[derive(Clone)]
pub enum Picked {
    /// A pool, by its place in the list.
    Pool(usize),
    /// A server's slots.
    Server,
    /// A statement, by its place in the list.
    Slow(usize),
    /// A root of a tree, by its place in the list.
    Root(usize),
    /// Someone who waits: which root, which place below it.
    Waiter(usize, usize),
    /// An open transaction, by server and process number.
    Leak(SourceId, i32),
    /// A server seen from outside, by its place in the list.
    Outside(usize),
    /// A SQLite file, by its place in the list.
    File(usize),
    /// Who holds a lock, as the server's log tells it, by its place in the list.
    Holder(usize),
    /// Someone who waits for it: which holder, which place below it.
    Waits(usize, usize),
    /// What a server's log says is wrong, by its place in the list.
    Trouble(usize),
    /// Sessions alike of a server seen from outside: which server, which place below it.
    Group(usize, usize),
}

/// A row.
pub struct Row {
    /// Left to right.
    pub pieces: Vec<Piece>,
    /// What it stands for; `None` cannot be selected.
    pub selects: Option<Picked>,
}

fn say(text: impl Into<String>, role: Role) -> Piece {
    Piece { text: text.into(), role, width: None }
}

fn column(text: impl Into<String>, role: Role, width: u16) -> Piece {
    Piece { text: text.into(), role, width: Some(width) }
}

fn row(selects: Option<Picked>, pieces: Vec<Piece>) -> Row {
    Row { pieces, selects }
}

/// All rows below the verdict. `width` decides how long bars are and which columns there is room for.
pub fn rows(history: &DatabaseHistory, now: &Now, cx: &PaneCx, width: u16) -> Vec<Row> {
    let mut out = Vec::new();
    let shown = |s: &Server| now.server.is_some_and(|(of, _)| std::ptr::eq(of, s));
    for (i, p) in now.pools.iter().enumerate() {
        out.push(pool(p, i, now, cx, width));
        if i == 0 && width >= 30 {
            out.extend(chart(history, p, cx, width));
        }
    }
    if let Some((_, look)) = now.server {
        out.push(server(look, now, cx, width));
        if look.figures.given_back {
            let ago = short(cx.now.since(look.at));
            let text =
                format!("as of {ago} ago: full; the slot kept for whoever repairs it was given back after a look");
            out.push(row(None, vec![say(text, Role::Warn)]));
        }
        out.extend(holders(look, now, cx));
    }
    out.extend(others(history, now, cx));
    if let Some((server, _)) = now.server.filter(|_| now.stale.is_none()) {
        out.extend(upkeep::warnings(server, cx.now).into_iter().map(|(level, text)| {
            let role = if level == Level::Bad { Role::Bad } else { Role::Warn };
            row(None, vec![say(format!("{} ", cx.glyphs.mark(MarkKind::Alert)), role), say(text, role)])
        }));
    }
    for (i, f) in now.files.iter().enumerate() {
        let role = if f.pinned || f.stale { Role::Warn } else { Role::Text };
        let pieces = vec![say(format!("{}  ", f.name), Role::Dim), say(f.told(), role)];
        out.push(row(Some(Picked::File(i)), pieces));
    }
    // They are the proof where no server tells of itself, and beside the point where one does.
    let (mut seen, inside) = (Vec::new(), now.server.is_some() && now.stale.is_none());
    for (i, s) in now.outside.iter().enumerate() {
        outside(s, i, now, cx, &mut seen);
    }
    let inside = inside && history.refused(cx.now).is_none();
    if !inside {
        out.append(&mut seen);
    }
    let mut waiting = Vec::new();
    for (i, root) in now.roots.iter().enumerate() {
        tree(root, i, width, cx, &mut waiting);
    }
    out.extend(waiting);
    for (i, h) in now.holders.iter().enumerate() {
        held(h, i, cx, &mut out);
    }
    out.extend(now.troubles.iter().enumerate().filter(|(_, t)| !t.past).map(|(i, t)| trouble(t, i, cx)));
    // Who runs it, where there is room and anybody says so.
    let named = cx.zoomed && width >= 110 && now.slow.iter().any(|r| !r.application.is_empty());
    if cx.zoomed && !now.slow.is_empty() {
        out.push(heading(named));
    }
    let server = |r: &SlowRow| Some(history.servers.get(&r.source?)?.name(cx.now));
    out.extend(now.slow.iter().enumerate().map(|(i, r)| slow(r, i, named, server(r), cx)));
    out.extend(now.troubles.iter().enumerate().filter(|(_, t)| t.past).map(|(i, t)| trouble(t, i, cx)));
    for (id, of, look) in &now.fresh {
        let name = several(history).then(|| of.name(cx.now));
        if !now.roots.iter().any(|r| r.source == *id) {
            out.push(nobody(look, blind(of, look, cx.now), name));
        }
        let root = |pid| now.roots.iter().any(|r| r.source == *id && r.pid == pid);
        out.extend(leaks(look).filter(|s| !root(s.session.pid)).map(|s| leak(s, *id, name, cx)));
        if look.figures.unlisted > 0 && shown(of) {
            let n = look.figures.unlisted;
            let text = format!("{n} more session{} not listed", if n == 1 { "" } else { "s" });
            out.push(row(None, vec![say(text, Role::Dim)]));
        }
    }
    if !seen.is_empty() {
        out.push(row(None, vec![say("not connected to, as the titles of their processes tell:", Role::Dim)]));
    }
    out.append(&mut seen);
    let unread = history.unread(cx.now);
    if unread > 0 {
        let text = format!("{unread} more lines in 60 s told of slow statements or pools and were not read");
        out.push(row(None, vec![say(text, Role::Warn)]));
    }
    let evicted = history.evicted();
    if evicted > 0 && cx.zoomed {
        out.push(row(None, vec![say(format!("{evicted} old facts let go to stay within memory"), Role::Dim)]));
    }
    out
}

/// A server that tells us nothing itself: what the titles of its processes say, and the key that would connect.
fn outside(s: &TitledServer, index: usize, now: &Now, cx: &PaneCx, out: &mut Vec<Row>) {
    let mut pieces = Vec::new();
    // First, so that no narrow pane cuts the way out.
    if s.port.map_or(!cx.facts.offered.is_empty(), |port| cx.facts.offered.contains(&port)) {
        pieces.push(say("[Enter]", Role::Key));
        pieces.push(say(" connect as …  ", Role::Dim));
    }
    // The verdict may have said it.
    let text = from_titles(s);
    if !now.verdict.text.starts_with(&text) {
        pieces.push(say(text, Role::Text));
    }
    if !pieces.is_empty() {
        out.push(row(Some(Picked::Outside(index)), pieces));
    }
    for (i, g) in s.groups.iter().enumerate() {
        let role = match g.rank() {
            0 => Role::Bad,
            1 if g.longest_s >= 10 => Role::Warn,
            1 | 2 => Role::Text,
            _ => Role::Dim,
        };
        let state = if g.state.is_empty() { "starting" } else { &g.state };
        let mut pieces = vec![
            column(g.count.to_string(), Role::Text, 5),
            say(format!(" {state}"), role),
            say(format!("  {}@{} from {}", g.user, g.db, g.client), Role::Dim),
        ];
        if g.longest_s >= 2 && g.rank() != 4 {
            pieces.push(say(format!("  at least {}", millis(g.longest_s as f64 * 1e3)), role));
        }
        out.push(row(Some(Picked::Group(index, i)), pieces));
    }
    if s.unlisted > 0 {
        out.push(row(None, vec![say(format!("{} more sessions not listed", s.unlisted), Role::Dim)]));
    }
}

/// What a server's log says is wrong: when, how often, what.
fn trouble(t: &Trouble, index: usize, cx: &PaneCx) -> Row {
    let role = match t.kind {
        Kind::Disk | Kind::Crash | Kind::Recovery | Kind::Refused | Kind::Deadlock | Kind::Slot => Role::Bad,
        Kind::Checkpoints | Kind::Temporary => Role::Text,
        _ => Role::Warn,
    };
    let ago = cx.now.since(t.at).as_secs();
    let when = match ago {
        _ if t.past => format!("{} m ago", ago / 60),
        _ => format!("{ago} s"),
    };
    let often = if t.count > 1 { format!("×{}", t.count) } else { String::new() };
    let mark = if role == Role::Text { " " } else { cx.glyphs.mark(MarkKind::Alert) };
    let mut pieces = vec![column(when, Role::Dim, 8), column(often, Role::Text, 8), column(mark, role, 6)];
    pieces.push(if t.belongs {
        say(format!(" {} ", cx.glyphs.mark(MarkKind::User)), Role::Request)
    } else {
        say("  ", Role::Text)
    });
    pieces.push(say(t.text.clone(), if t.belongs { Role::Request } else { role }));
    if t.past {
        pieces.iter_mut().for_each(|p| p.role = Role::Dim);
    }
    row(Some(Picked::Trouble(index)), pieces)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
