//! The rows of the pane, top to bottom, as pieces of text with their roles.

use crate::signals::database::blocked::Root;
use crate::signals::database::event::{HELD, Held, PoolLayer, TitledServer};
use crate::signals::database::history::{DatabaseHistory, Look, Seen, Server};
use crate::signals::database::layers::Slots;
use crate::signals::database::pools::PoolNow;
use crate::signals::database::slow::{Basis, Belongs, SlowRow};
use crate::signals::database::troubles::{Kind, Trouble};
use crate::signals::database::upkeep;
use crate::signals::database::verdict::{Now, SLOTS, from_titles, leaks, millis, state_of};
use crate::signals::database::waits::Holder;
use crate::timeline::SourceId;
use crate::timeline::facts::MarkKind;
use crate::timeline::time::short;
use crate::ui::text::width as cells;
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
    /// An open transaction, by process number.
    Leak(i32),
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
    for (i, p) in now.pools.iter().enumerate() {
        out.push(pool(p, i, now, cx, width));
        if i == 0 && width >= 30 {
            out.extend(chart(history, p, cx, width));
        }
    }
    if let Some((_, look)) = now.server {
        out.push(server(look, now, cx, width));
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
    out.extend(now.slow.iter().enumerate().map(|(i, r)| slow(r, i, named, cx)));
    out.extend(now.troubles.iter().enumerate().filter(|(_, t)| t.past).map(|(i, t)| trouble(t, i, cx)));
    if let Some((_, look)) = now.server.filter(|_| now.stale.is_none()) {
        if now.roots.is_empty() {
            out.push(row(None, vec![say("blocked: none", Role::Dim)]));
        }
        let root = |pid| now.roots.iter().any(|r| r.pid == pid);
        out.extend(leaks(look).filter(|s| !root(s.session.pid)).map(|s| leak(s, cx)));
        if look.figures.unlisted > 0 {
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

fn pool(p: &PoolNow, index: usize, now: &Now, cx: &PaneCx, width: u16) -> Row {
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
fn chart(history: &DatabaseHistory, p: &PoolNow, cx: &PaneCx, width: u16) -> Option<Row> {
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

fn server(look: &Look, now: &Now, cx: &PaneCx, width: u16) -> Row {
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
    figure("active", c.active, Role::Text);
    figure("lock wait", c.waiting, if c.waiting > 0 { Role::Bad } else { Role::Text });
    figure("idle tx", in_tx, if leaks { Role::Warn } else { Role::Text });
    figure("idle", c.idle, Role::Text);
    if c.hidden > 0 {
        figure("hidden", c.hidden, Role::Dim);
    }
    if used > c.clients && (width == 0 || width >= 90) {
        figure("ours", used - c.clients, Role::Dim);
    }
    if let Some(age) = now.stale {
        pieces.push(say(format!("  {} ago", short(age)), Role::Dim));
    }
    row(Some(Picked::Server), pieces)
}

/// Who holds the server's slots, once they run out.
fn holders(look: &Look, now: &Now, cx: &PaneCx) -> Vec<Row> {
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
fn others(history: &DatabaseHistory, now: &Now, cx: &PaneCx) -> Vec<Row> {
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
        if look.is_old(cx.now) {
            pieces.push(say(format!("no answer for {}", short(cx.now.since(look.at))), Role::Warn));
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

fn tree(root: &Root, index: usize, width: u16, cx: &PaneCx, out: &mut Vec<Row>) {
    let wait = if root.blocked == 1 { "1 waits".to_owned() } else { format!("{} wait", root.blocked) };
    let who = if root.pid == 0 { "prepared".into() } else { format!("pid {}", root.pid) };
    let mut pieces = vec![
        say(format!("{} ", cx.glyphs.mark(MarkKind::Alert)), Role::Bad),
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
fn held(h: &Holder, index: usize, cx: &PaneCx, out: &mut Vec<Row>) {
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

fn heading(named: bool) -> Row {
    let head = |t: &str, w| column(t, Role::Dim, w);
    let mut pieces =
        vec![head("time", 8), head("rate", 8), head("share", 6), head("mean", 9), head("max", 9), head("rows", 8)];
    if named {
        pieces.push(say(format!("  {:APPLICATION$}", "from"), Role::Dim));
    }
    pieces.push(say("  statement", Role::Dim));
    row(None, pieces)
}

/// Columns for the name of an application.
const APPLICATION: usize = 14;

/// The name in just so many columns.
fn name(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        let wide = cells(c.encode_utf8(&mut [0; 4]));
        if cells(&out) + wide > APPLICATION {
            break;
        }
        out.push(c);
    }
    let pad = APPLICATION.saturating_sub(cells(&out));
    out + &" ".repeat(pad)
}

fn slow(r: &SlowRow, index: usize, named: bool, cx: &PaneCx) -> Row {
    let ms = r.typical_ms();
    let role = match () {
        _ if r.past => Role::Dim,
        _ if ms >= 5_000.0 || r.worse() => Role::Bad,
        _ if ms >= 1_000.0 => Role::Warn,
        _ => Role::Text,
    };
    // An estimate says that it is one.
    let guess = if r.basis == Basis::Counters && r.p95_ms.is_some() && r.oldest_ms as f64 <= ms { "~" } else { "" };
    let rate = match (r.calls, r.running) {
        _ if r.past && cx.now.since(r.at).as_secs() < 60 => format!("{} s ago", cx.now.since(r.at).as_secs()),
        _ if r.past => format!("{} m ago", cx.now.since(r.at).as_secs() / 60),
        (0, n) => format!("run {n}"),
        _ if r.new => "new".into(),
        _ if r.rate >= 10.0 => format!("×{:.0}/s", r.rate),
        _ => format!("×{:.1}/s", r.rate),
    };
    let share = r.share.map(|s| format!("{:.0} %", s * 100.0)).unwrap_or_default();
    let mut pieces = vec![
        column(format!("{guess}{}", millis(ms)), role, 8),
        column(rate, Role::Text, 8),
        column(share, Role::Text, 6),
    ];
    if cx.zoomed {
        let rows =
            r.rows.filter(|_| r.calls > 0).map(|n| format!("{:.0}", n as f64 / r.calls as f64)).unwrap_or_default();
        pieces.push(column(r.mean_ms().map(millis).unwrap_or_default(), Role::Text, 9));
        pieces.push(column(if r.max_ms > 0.0 { millis(r.max_ms) } else { String::new() }, Role::Text, 9));
        pieces.push(column(rows, Role::Text, 8));
    }
    if named {
        pieces.push(say(format!("  {}", name(&r.application)), Role::Dim));
    }
    pieces.push(match r.belongs {
        Belongs::Yes => say(format!(" {} ", cx.glyphs.mark(MarkKind::User)), Role::Request),
        Belongs::Maybe => say(" ~ ", Role::Dim),
        Belongs::No => say("  ", Role::Text),
    });
    if r.worse()
        && !r.past
        && let Some(b) = r.baseline_ms
    {
        pieces.push(say(format!("{} from {}  ", cx.glyphs.up, millis(b)), Role::Warn));
    }
    if let Some(w) = r.wait.as_deref().filter(|w| !w.starts_with("Client:")) {
        pieces.push(say(format!("[{w}]  "), Role::Dim));
    }
    if r.planned && !r.past {
        pieces.push(say("[plan]  ", Role::Dim));
    }
    let text = if r.belongs == Belongs::Yes { Role::Request } else { Role::Text };
    pieces.push(say(r.title(), text));
    if r.past {
        pieces.iter_mut().for_each(|p| p.role = Role::Dim);
    }
    row(Some(Picked::Slow(index)), pieces)
}

fn leak(s: &Seen, cx: &PaneCx) -> Row {
    let grave = s.session.state_age_ms.unwrap_or(0) >= 60_000;
    let mut pieces = vec![
        say(format!("{} ", cx.glyphs.mark(MarkKind::Alert)), if grave { Role::Bad } else { Role::Warn }),
        say(format!("pid {} ", s.session.pid), Role::Text),
    ];
    pieces.extend(session(s, true));
    row(Some(Picked::Leak(s.session.pid)), pieces)
}
