//! One sentence about the databases: what is so, how bad, and what holds it up.

use std::time::Duration;

use super::blocked::{self, Root};
use super::event::{Replica, SessionCounts, TitledServer};
use super::files::{self, FileNow};
use super::history::{DatabaseHistory, Look, Past, Server};
use super::layers::{self, Slots};
use super::pools::{self, PoolNow};
use super::slow::{self, Ask, SlowRow};
use super::titles;
use super::troubles::{self, Trouble};
use super::waits::{self, Holder};
use super::words::{blocked_by_all, callers, counted, deadlock_side, millis, slow_text, waits_for};
use crate::timeline::source::GIVEN_BACK;
use crate::timeline::time::short;
use crate::timeline::{SourceId, SourceKind, Ts};
use crate::ui::{Level, PaneCx, Verdict};

/// An open transaction in which nothing happens is a leak from here on, and a grave one from there on.
const LEAK_MS: (u64, u64) = (10_000, 60_000);
/// So soon after a caller got no connection, a pool that has some again still counts as a worry.
const JUST_NOW: Duration = Duration::from_secs(15);
/// Seconds a replica may be behind before it is said, and before it is grave.
const BEHIND_S: (u64, u64) = (30, 300);
/// A statement that takes so many milliseconds, and so much of all time, is what a full pool is busy with.
const BUSY: (f64, f64) = (100.0, 0.2);
/// Share of the server's slots in use.
pub(super) const SLOTS: (f64, f64) = (0.90, 0.97);

/// Everything the pane shows at one playhead, worked out once.
#[derive(Debug)]
pub struct Now<'a> {
    /// The server that is shown: the one in most trouble.
    pub server: Option<(&'a Server, &'a Look)>,
    /// Pools, those in trouble first.
    pub pools: Vec<PoolNow>,
    /// All servers that say how things are now, the one that is shown first.
    pub fresh: Vec<(SourceId, &'a Server, &'a Look)>,
    /// Trees of who waits for whom, of all of them.
    pub roots: Vec<Root<'a>>,
    /// Servers of this box that we are not connected to, as the titles of their processes tell of them.
    pub outside: Vec<&'a TitledServer>,
    /// Who waits for whom as the server's log tells it, where the server itself does not.
    pub holders: Vec<Holder<'a>>,
    /// SQLite files, in the order of their sources.
    pub files: Vec<FileNow<'a>>,
    /// What servers' own logs say is wrong.
    pub troubles: Vec<Trouble<'a>>,
    /// The slow list.
    pub slow: Vec<SlowRow>,
    /// The one sentence.
    pub verdict: Verdict,
    /// Age of the server's figures when they are too old.
    pub stale: Option<Duration>,
}

/// Works out everything at the playhead.
pub fn now<'a>(history: &'a DatabaseHistory, cx: &PaneCx) -> Now<'a> {
    let t = cx.now;
    let looks = || history.servers.iter().filter_map(|(id, s)| Some((*id, s, s.look(t)?)));
    let known = |id: SourceId, s: &Server, l: &Look| !is_past(history, id, s, l, cx);
    let shown = looks().max_by_key(|(id, s, l)| {
        (known(*id, s, l), l.figures.counts.waiting, l.figures.counts.active, l.figures.counts.clients)
    });
    let stale = shown.and_then(|(id, s, l)| (!known(id, s, l)).then(|| t.since(l.at)));
    let mut fresh: Vec<_> = looks().filter(|(id, s, l)| known(*id, s, l)).collect();
    fresh.sort_by_key(|(id, ..)| shown.is_none_or(|(of, ..)| of != *id));
    let past: Vec<SourceId> = looks().filter(|(id, s, l)| !known(*id, s, l)).map(|(id, ..)| id).collect();
    let server = shown.map(|(_, s, l)| (s, l));
    let ask = Ask {
        request: cx.facts.request.as_ref(),
        span: cx.facts.request_span,
        since: cx.facts.errors_since.or(cx.facts.incident_since),
        past: &past,
    };
    let of = |s: &'a Server| several(history).then(|| s.name(t));
    let mut roots: Vec<Root> = fresh.iter().flat_map(|(id, s, l)| blocked::roots(*id, of(s), l)).collect();
    roots.sort_by_key(|r| (std::cmp::Reverse((r.blocked, r.longest_ms)), r.source, r.pid));
    let mut now = Now {
        server,
        pools: pools::pools(history, t),
        fresh,
        roots,
        outside: outside(history, cx),
        holders: if server.is_some() && stale.is_none() { Vec::new() } else { waits::holders(history, t) },
        files: files::files(history, t),
        troubles: troubles::list(history, t, cx.facts.request.as_ref()),
        slow: slow::list(history, t, ask),
        verdict: Verdict::new(Level::Unknown, ""),
        stale,
    };
    now.verdict = decide(history, cx, &now);
    now
}

/// Whether several servers are watched: then each fact says of which one it is.
pub fn several(history: &DatabaseHistory) -> bool {
    history.servers.len() > 1
}

/// Whether a look says nothing of now any more: it is old, the server did not answer since, or we gave the connection
/// back.
fn is_past(history: &DatabaseHistory, id: SourceId, server: &Server, look: &Look, cx: &PaneCx) -> bool {
    look.is_old(cx.now) || history.refused_to(id, cx.now).is_some() || gave_back(server, cx)
}

/// Whether the user gave the connection to this server back.
pub fn gave_back(server: &Server, cx: &PaneCx) -> bool {
    let name = server.name(cx.now);
    cx.facts.troubles.iter().any(|t| t.kind == SourceKind::Database && t.name == name && t.why == GIVEN_BACK)
}

/// Servers of this box that nobody tells us of from inside: not connected, refused, or cut off.
fn outside<'a>(history: &'a DatabaseHistory, cx: &PaneCx) -> Vec<&'a TitledServer> {
    let t = cx.now;
    let inside: Vec<u16> = history
        .servers
        .iter()
        .filter(|(id, server)| {
            let fresh = server.look(t).is_some_and(|l| t.since(l.at) < Duration::from_secs(15));
            fresh && history.refused_to(**id, t).is_none()
        })
        .filter_map(|(_, server)| server.info.latest(t)?.value.local_port)
        .collect();
    let known = |s: &TitledServer| s.port.map_or(!inside.is_empty(), |port| inside.contains(&port));
    history.titles(t).iter().filter(|s| !known(s)).collect()
}

/// `postgres 14 on :5432, 97 backends, 31 idle in transaction, 4 waiting for a lock (from process titles)`.
pub fn from_titles(s: &TitledServer) -> String {
    let version = if s.version.is_empty() { String::new() } else { format!(" {}", s.version) };
    let place = s.port.map_or(format!("(pid {})", s.pid), |port| format!("on :{port}"));
    format!("postgres{version} {place}, {} (from process titles)", titles::told(&s.counts))
}

/// Of a server that is seen from outside only. That sessions wait for locks is wrong only once it lasts.
fn seen_from_outside(s: &TitledServer) -> Verdict {
    let waits = s.groups.iter().any(|g| g.rank() == 0 && g.longest_s >= 2);
    let leaks = s.groups.iter().any(|g| g.rank() == 1 && g.longest_s >= LEAK_MS.1 / 1_000);
    let level = if waits || leaks { Level::Warn } else { Level::Unknown };
    Verdict::new(level, format!("{}; not connected", from_titles(s)))
}

fn decide(history: &DatabaseHistory, cx: &PaneCx, now: &Now) -> Verdict {
    let t = cx.now;
    if history.is_silent(t) {
        if let Some(failing) = cx.facts.failing(SourceKind::Database) {
            return Verdict::new(Level::Bad, failing.sentence(t));
        }
        if let Some(s) = now.outside.first() {
            return seen_from_outside(s);
        }
        if history.is_silent(Ts::MAX)
            && let Some(name) = cx.facts.awaited(SourceKind::Database)
        {
            return Verdict::new(Level::Unknown, format!("{name}: no answer yet"));
        }
    }
    if history.is_silent(t) && !history.is_silent(Ts::MAX) {
        return Verdict::new(Level::Unknown, "nothing observed yet at this time");
    }
    if history.is_silent(t) {
        return Verdict::new(
            Level::Unknown,
            "no database watched: add [[database.postgres]], .mysql, .pgbouncer or .metrics to the configuration",
        );
    }
    // A restart as it should be is no reason to hide what goes on.
    let mut down = troubles::down(history, &now.troubles, t);
    if let Some(v) = down.take_if(|v| v.level == Level::Bad) {
        return v;
    }
    if let Some((since, r)) = history.refused(t) {
        let code = if r.sqlstate.is_empty() { String::new() } else { format!("{} ", r.sqlstate) };
        let what = match (&r.from, r.sqlstate.is_empty(), r.lost) {
            (Some(line), _, _) => format!("server refuses connections ({})", line.name),
            (None, true, _) => "server does not answer".into(),
            (None, false, true) => "server cut the connection".into(),
            (None, false, false) => "server refuses connections".into(),
        };
        let often = history.turned_away(t);
        let often = if often > 1 && r.from.is_some() { format!(", {} in 60 s", counted(often)) } else { String::new() };
        // Of several, which: the title may name another one. One that never answered has a name as a source only.
        let ours = r.from.is_none();
        let which = history.servers.iter().find(|(id, _)| ours && history.refused_to(**id, t).is_some());
        let never = cx.facts.failing(SourceKind::Database).filter(|_| ours && !history.servers.is_empty());
        let which = match which {
            Some((_, s)) => Some(s.name(t)).filter(|_| several(history)),
            None => never.map(|f| f.name.as_str()),
        };
        let what = which.map_or(what.clone(), |name| what.replacen("server", name, 1));
        let mut text = format!("{what}: {code}{}{often}, for {}", r.message, short(t.since(since)));
        if let Some(s) = now.outside.first() {
            text += &format!("; {}", titles::told(&s.counts));
        }
        return Verdict::new(Level::Bad, text);
    }
    let look = now.server.filter(|_| now.stale.is_none()).map(|(_, l)| l);
    let cause = cause(now, look);
    if let Some(v) = layers::exhausted(&now.pools, Slots::of(look, &now.pools), cause) {
        return v;
    }
    if let Some(root) = now.roots.first() {
        return Verdict::new(Level::Bad, blocked_by_all(root, &now.roots));
    }
    if let Some(holder) = now.holders.first() {
        return Verdict::new(Level::Bad, waits_for(holder));
    }
    let worst = |of: &dyn Fn(&Server, &Look) -> Option<Verdict>| {
        let all = now.fresh.iter().filter_map(|(_, s, l)| Some((*s, of(s, l)?)));
        // Of equals the first, which is the one that is shown.
        let (s, v) = all.rev().max_by_key(|(_, v)| v.level)?;
        Some(if several(history) { v.of(s.name(t)) } else { v })
    };
    if let Some(v) = worst(&|_, l| unseen_holder(l)).or_else(|| worst(&|s, l| slots(s, l, t))) {
        return v;
    }
    if let Some(p) = now.pools.iter().find(|p| p.losing) {
        let text = format!("{} got no connection in 60 s from pool {}", callers(p.timeouts), p.name);
        return Verdict::new(Level::Bad, text);
    }
    let (dead, sides) = history.deadlocks(t);
    if dead > 0 {
        let told: Vec<String> = sides.iter().map(deadlock_side).collect();
        let told = if told.is_empty() { String::new() } else { format!(": {}", told.join(" and ")) };
        return Verdict::new(Level::Bad, format!("{dead} deadlock{} in 60 s{told}", if dead == 1 { "" } else { "s" }));
    }
    if let Some(v) = history.replica(t).and_then(|(server, r)| behind(server.name(t), r)) {
        return v;
    }
    if let Some(v) = worst(&|_, l| leak(l)) {
        return v;
    }
    if let Some(v) = troubles::hurting(&now.troubles).or(down) {
        return v;
    }
    let mut recovered = None;
    if let Some((p, last)) = now.pools.iter().find_map(|p| Some((p, p.last_timeout?))) {
        let usage = if p.stale || p.used.is_none() { p.name.to_string() } else { p.usage() };
        let ago = t.since(last).as_secs();
        let lost = callers(p.timeouts);
        let text = format!("pool {usage} recovered {ago} s ago; {lost} got no connection in 60 s");
        recovered = Some(Verdict::new(if t.since(last) < JUST_NOW { Level::Warn } else { Level::Calm }, text));
    }
    if let Some(v) = history.refused_before(t).map(|past| refused_until(&past, cx)) {
        let fresh = recovered.as_ref().is_some_and(|r| r.level > Level::Calm);
        recovered = recovered.filter(|_| fresh).or(Some(v));
    }
    if let Some(v) = recovered.take_if(|v| v.level > Level::Calm) {
        return v;
    }
    if let Some(row) = now.slow.iter().find(|r| !r.past && !r.new && (r.is_slow() || r.worse())) {
        return Verdict::new(Level::Warn, slow_text(row));
    }
    if let Some(v) = files::verdict(&now.files) {
        return v;
    }
    if let Some(v) = troubles::small(&now.troubles) {
        return v;
    }
    recovered.unwrap_or_else(|| calm(now, look, t))
}

/// `server refused 14 connections until 21:33:04: 53300 sorry, too many clients already (postgresql)`.
fn refused_until(past: &Past, cx: &PaneCx) -> Verdict {
    let r = past.refused;
    let level = if cx.now.since(past.last) < JUST_NOW { Level::Warn } else { Level::Calm };
    let n = past.count;
    let text = format!(
        "server refused {} connection{} until {}: {} {}{}",
        counted(n),
        if n == 1 { "" } else { "s" },
        past.last.hms(cx.zone),
        r.sqlstate,
        r.message,
        r.from.as_ref().map(|line| format!(" ({})", line.name)).unwrap_or_default()
    );
    Verdict::new(level, text)
}

/// What a pool is held up by, as far as the server shows it.
fn cause(now: &Now, look: Option<&Look>) -> Option<String> {
    if let Some(root) = now.roots.first() {
        return Some(blocked_by_all(root, &now.roots));
    }
    if let Some(holder) = now.holders.first() {
        return Some(waits_for(holder));
    }
    // What takes most of the time need not be slow by itself to keep a pool busy.
    let most = |r: &&SlowRow| !r.past && r.present_ms() >= BUSY.0 && r.share.is_some_and(|s| s >= BUSY.1);
    let slow = now.slow.iter().find(|r| r.is_slow()).or_else(|| now.slow.iter().find(most));
    let Some(look) = look else {
        return slow.map(slow_text);
    };
    let c = &look.figures.counts;
    let in_tx = c.idle_in_tx + c.aborted;
    match c {
        _ if in_tx > 0 && in_tx >= c.active => Some(format!("{in_tx} sessions idle in transaction hold it")),
        _ if c.active > 0 => slow.map(slow_text),
        _ => Some("the server is idle: connections are leaked, or the pool is too small".into()),
    }
}

/// Whether our connection may stand in a slot that the server keeps back, because all others are taken.
pub fn takes_reserved(server: &Server, look: &Look, now: Ts) -> bool {
    let f = &look.figures;
    let may = server.info.latest(now).is_some_and(|i| i.value.may_reserve);
    may && f.max_connections > 0 && f.counts.clients + 1 > f.max_connections.saturating_sub(f.reserved)
}

/// A replica that has stopped, or is far behind.
fn behind(name: &str, r: &Replica) -> Option<Verdict> {
    let why = if r.error.is_empty() { String::new() } else { format!(": {}", r.error) };
    let what = match (r.receiving, r.applying, r.behind_s) {
        (false, _, _) => "does not receive from its primary".to_owned(),
        (_, false, _) => "does not apply what it receives".to_owned(),
        (_, _, Some(s)) if s >= BEHIND_S.0 => format!("is {} behind", short(Duration::from_secs(s))),
        _ => return None,
    };
    let level =
        if r.receiving && r.applying && r.behind_s.unwrap_or(0) < BEHIND_S.1 { Level::Warn } else { Level::Bad };
    Some(Verdict::new(level, format!("replica {name} {what}{why}")))
}

/// Where our role may not see what others do: what would let it.
pub fn blind<'a>(server: &'a Server, look: &Look, now: Ts) -> Option<&'a str> {
    let info = &server.info.latest(now)?.value;
    let lacks = || info.rights.iter().find(|r| !r.has && !r.optional).map_or("see :rights", |r| r.grant.as_str());
    (look.figures.counts.hidden > 0 && !info.sees_all).then(lacks)
}

/// Sessions wait for locks and the server does not tell who holds them.
fn unseen_holder(look: &Look) -> Option<Verdict> {
    let waits = || look.sessions.iter().filter(|s| s.session.waits_for_lock());
    let longest = waits().filter_map(|s| s.session.query_age_ms).max().filter(|ms| *ms >= 1_000)?;
    let n = look.figures.counts.waiting;
    let for_what = waits().find_map(|s| s.session.wait.as_deref()?.strip_prefix("Lock:")).unwrap_or("lock");
    let (who, wait) = if n == 1 { ("session", "waits") } else { ("sessions", "wait") };
    let longest = millis(longest as f64);
    Some(Verdict::new(
        Level::Bad,
        format!("{n} {who} {wait} for a lock ({for_what}), longest {longest}; who holds it is not told"),
    ))
}

fn slots(server: &Server, look: &Look, now: Ts) -> Option<Verdict> {
    let slots = Slots::in_look(look)?;
    let level = match slots.share() {
        s if s >= SLOTS.1 => Level::Bad,
        s if s >= SLOTS.0 => Level::Warn,
        _ => return None,
    };
    let Slots { used, most, .. } = slots;
    let nearly = if used < most { "nearly " } else { "" };
    let SessionCounts { active, idle, idle_in_tx, aborted, .. } = look.figures.counts;
    let in_tx = idle_in_tx + aborted;
    // The rest is not told to a role that may not see it.
    if blind(server, look, now).is_some() {
        let text = format!("server {nearly}full: {used} of {most} slots; what they do is not visible to our role");
        return Some(Verdict::new(level, text).short(format!("server {nearly}full {used}/{most}")));
    }
    let text = format!(
        "server {nearly}full: {used} of {most} slots, {active} active, {idle} idle, {in_tx} idle in transaction"
    );
    let short = format!("server {nearly}full {used}/{most}: {active} active, {idle} idle, {in_tx} idle tx");
    Some(Verdict::new(level, text).short(short))
}

fn leak(look: &Look) -> Option<Verdict> {
    let leaks: Vec<_> = leaks(look).collect();
    let oldest = leaks.iter().filter_map(|s| s.session.state_age_ms).max()?;
    let level = if oldest >= LEAK_MS.1 { Level::Bad } else { Level::Warn };
    let s = leaks.iter().find(|s| s.session.state_age_ms == Some(oldest))?;
    let named = if s.session.application.is_empty() { s.session.user.as_str() } else { s.session.application.as_str() };
    let who = s.session.client_process.as_ref().map_or_else(|| named.to_owned(), |p| format!("from {p}"));
    Some(Verdict::new(
        level,
        format!(
            "{} idle in transaction, longest {} (pid {}, {who})",
            leaks.len(),
            millis(oldest as f64),
            s.session.pid
        ),
    ))
}

/// Sessions that hold a transaction open and do nothing in it, for 10 s or longer.
pub fn leaks(look: &Look) -> impl Iterator<Item = &super::history::Seen> {
    look.sessions.iter().filter(|s| s.session.is_idle_in_tx() && s.session.state_age_ms.unwrap_or(0) >= LEAK_MS.0)
}

/// Of a database that log lines alone tell of, when they told nothing for a while.
fn told_before(now: &Now, t: Ts) -> String {
    let slowest = now.slow.iter().filter(|r| r.past).max_by(|a, b| a.typical_ms().total_cmp(&b.typical_ms()));
    match slowest {
        Some(r) => format!(
            "nothing slow in the last 60 s of log lines; slowest before: {}, {} ago",
            millis(r.typical_ms()),
            short(t.since(r.at))
        ),
        None => "nothing slow in the last 60 s of log lines; pool not seen".into(),
    }
}

fn calm(now: &Now, look: Option<&Look>, t: Ts) -> Verdict {
    let usage = now.pools.iter().find(|p| !p.stale).map(|p| match (p.used, p.max) {
        (Some(0), None) => "pool idle".to_owned(),
        _ => format!("pool {}", p.usage()),
    });
    let text = match (look, usage) {
        (Some(l), usage) => {
            let n = l.figures.counts.clients;
            let s = if n == 1 { "" } else { "s" };
            let sessions = match now.server.and_then(|(s, _)| blind(s, l, t)) {
                None => format!("{n} session{s}, none slow"),
                Some(grant) => {
                    let hidden = l.figures.counts.hidden;
                    let text = format!("{n} session{s}, {hidden} of them not visible to our role");
                    let usage = usage.map(|u| format!("{u}, ")).unwrap_or_default();
                    return Verdict::new(Level::Unknown, format!("{usage}{text}: {grant}")).short(text);
                }
            };
            usage.map_or(sessions.clone(), |u| format!("{u}, {sessions}"))
        }
        (None, Some(usage)) => format!("{usage}, nothing slow"),
        (None, None) => {
            if let Some(s) = now.outside.first() {
                return seen_from_outside(s);
            }
            if let Some(v) = files::calm(&now.files) {
                return v;
            }
            return match now.stale {
                Some(age) => Verdict::new(Level::Unknown, format!("last seen {} ago", short(age))),
                None => Verdict::new(Level::Unknown, told_before(now, t)),
            };
        }
    };
    Verdict::new(Level::Calm, text)
}
