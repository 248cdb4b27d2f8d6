//! Who waits for whom, who holds a lock, and who holds a transaction open.

use super::{Picked, Piece, Row, one_line, row, say};
use crate::signals::database::blocked::Root;
use crate::signals::database::history::{Look, Seen};
use crate::signals::database::waits::Holder;
use crate::signals::database::words::{millis, state_of};
use crate::timeline::SourceId;
use crate::timeline::facts::MarkKind;
use crate::ui::{PaneCx, Role};

pub(super) fn tree(root: &Root, index: usize, width: u16, cx: &PaneCx, out: &mut Vec<Row>) {
    let wait = if root.blocked == 1 { "1 waits".to_owned() } else { format!("{} wait", root.blocked) };
    let who = if root.pid == 0 { "prepared".into() } else { format!("pid {}", root.pid) };
    let mut pieces = vec![
        say(format!("{} ", cx.glyphs.mark(MarkKind::Alert)), Role::Bad),
        say(root.server.map(|s| format!("{s}  ")).unwrap_or_default(), Role::Dim),
        say(format!("{who} "), Role::Text),
        say(format!("blocks: {wait}  "), Role::Bad),
    ];
    if root.ring {
        pieces.push(say("deadlock  ", Role::Bad));
    }
    if let Some(s) = root.seen {
        pieces.extend(session(s, true));
    }
    out.push(row(Some(Picked::Root(index)), pieces));
    for (i, w) in root.waiters.iter().enumerate() {
        // Deep queues stay readable: steps beyond the fourth are not moved further in.
        let mut pieces = vec![
            say(format!("{}{} ", "  ".repeat(w.depth.min(4)), cx.glyphs.joint[2]), Role::Rule),
            say(root.server.map(|s| format!("{s}  ")).unwrap_or_default(), Role::Dim),
            say(format!("pid {} ", w.seen.session.pid), Role::Text),
        ];
        if w.blocked > 0 {
            pieces.push(say(format!("holds up {}  ", w.blocked), Role::Warn));
        }
        pieces.extend(session(w.seen, width >= 120));
        out.push(row(Some(Picked::Waiter(index, i)), pieces));
    }
}

/// Who holds a lock and who waits for it, as the server's log tells it.
pub(super) fn held(h: &Holder, index: usize, cx: &PaneCx, out: &mut Vec<Row>) {
    let n = h.waiting.len();
    let wait = if n == 1 { "1 waits".to_owned() } else { format!("{n} wait") };
    let mut pieces = vec![
        say(format!("{} ", cx.glyphs.mark(MarkKind::Alert)), Role::Bad),
        say(format!("pid {} ", h.pid), Role::Text),
        say(format!("blocks: {wait}  "), Role::Bad),
    ];
    match h.last {
        Some(t) => pieces.push(say(format!("last seen with {}", one_line(&t.statement)), Role::Dim)),
        None => pieces.push(say("the log has nothing else of it", Role::Dim)),
    }
    out.push(row(Some(Picked::Holder(index)), pieces));
    for (i, w) in h.waiting.iter().enumerate().take(20) {
        let who = if w.told.application.is_empty() { &w.told.user } else { &w.told.application };
        let mut pieces = vec![
            say(format!("  {} ", cx.glyphs.joint[2]), Role::Rule),
            say(format!("pid {} ", w.told.pid), Role::Text),
            say(format!("{} for {}  ", millis(w.ms), w.on), Role::Warn),
        ];
        if !who.is_empty() {
            pieces.push(say(format!("{who}  "), Role::Dim));
        }
        pieces.push(say(one_line(&w.told.statement), Role::Text));
        out.push(row(Some(Picked::Waits(index, i)), pieces));
    }
    if n > 20 {
        out.push(row(None, vec![say(format!("  {} more wait", n - 20), Role::Dim)]));
    }
}

/// That nobody is known to hold anybody up, as far as our role and the server tell.
pub(super) fn nobody(look: &Look, blind: Option<&str>, server: Option<&str>) -> Row {
    let (text, role) = match (look.figures.counts.waiting, blind) {
        (0, None) => ("blocked: none".to_owned(), Role::Dim),
        (0, Some(grant)) => {
            (format!("blocked: not known, sessions of others are not visible to our role: {grant}"), Role::Unknown)
        }
        (1, _) => ("blocked: 1 session waits for a lock, held by whom is not known".to_owned(), Role::Warn),
        (n, _) => (format!("blocked: {n} sessions wait for a lock, held by whom is not known"), Role::Warn),
    };
    let server = server.map(|s| format!("{s}  ")).unwrap_or_default();
    row(None, vec![say(server, Role::Dim), say(text, role)])
}

pub(super) fn leak(s: &Seen, source: SourceId, server: Option<&str>, cx: &PaneCx) -> Row {
    let grave = s.session.state_age_ms.unwrap_or(0) >= 60_000;
    let mut pieces = vec![
        say(format!("{} ", cx.glyphs.mark(MarkKind::Alert)), if grave { Role::Bad } else { Role::Warn }),
        say(server.map(|s| format!("{s}  ")).unwrap_or_default(), Role::Dim),
        say(format!("pid {} ", s.session.pid), Role::Text),
    ];
    pieces.extend(session(s, true));
    row(Some(Picked::Leak(source, s.session.pid)), pieces)
}

/// State and age, who, from which process where that is wanted, statement.
fn session(s: &Seen, process: bool) -> Vec<Piece> {
    let who = if s.session.application.is_empty() { &s.session.user } else { &s.session.application };
    let client = s.session.client_process.as_ref().filter(|_| process);
    let client = client.map(|p| format!("from {p}  ")).unwrap_or_default();
    vec![
        say(format!("{}  ", state_of(s)), Role::Text),
        say(format!("{who}  "), Role::Dim),
        say(client, Role::Dim),
        say(s.statement.text.split_whitespace().collect::<Vec<_>>().join(" "), Role::Text),
    ]
}
