//! A row as evidence: one line of text, and everything known of it as fields.

use compact_str::format_compact;

use super::rows::Picked;
use crate::signals::database::event::{LineRef, Told, What};
use crate::signals::database::history::{DatabaseHistory, Seen};
use crate::signals::database::slow::Basis;
use crate::signals::database::verdict::{Now, from_titles};
use crate::signals::database::words::{blocked_by, millis, state_of, waits_for};
use crate::timeline::Ts;
use crate::ui::{PaneCx, RowKey, Selected};

#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn put(&mut self, name: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    fn maybe(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(v) = value {
            self.put(name, v);
        }
    }

    fn line(&mut self, line: Option<&LineRef>) {
        if let Some(l) = line {
            self.put("line", format!("{} generation {} offset {}", l.name, l.generation, l.offset));
        }
    }
}

/// The row as evidence.
pub fn selected(picked: &Picked, history: &DatabaseHistory, now: &Now, cx: &PaneCx) -> Selected {
    let of = super::server_of(picked, history, now).map(|(_, s)| s);
    let source = of.map_or(String::new(), |s| s.name(cx.now).to_owned());
    let at = of.and_then(|s| Some(s.look(cx.now)?.at));
    match picked {
        Picked::Pool(i) => now.pools.get(*i).map(|p| {
            let mut f = Fields::default();
            f.put("pool", &p.name);
            f.maybe("used", p.used);
            f.maybe("idle", p.idle);
            f.maybe("max", p.max);
            f.maybe("waiting", p.waiting);
            f.maybe("oldest_wait_ms", p.oldest_wait_ms);
            f.maybe("acquire_ms", p.acquire_ms);
            f.put("timeouts_60s", p.timeouts);
            f.line(p.line.as_ref());
            let wait = p.waiting.map(|n| format!(", {n} waiting")).unwrap_or_default();
            let text = format!("pool {} {} in use{wait}", p.name, p.usage());
            Selected { at: Some(p.at), source: p.name.to_string(), text, request_id: None, fields: f.0 }
        }),
        Picked::Server => now.server.map(|(server, look)| {
            let (a, c) = (&look.figures, &look.figures.counts);
            let mut f = Fields::default();
            f.put("clients", c.clients);
            f.put("active", c.active);
            f.put("idle", c.idle);
            f.put("idle_in_transaction", c.idle_in_tx);
            f.put("aborted", c.aborted);
            f.put("waiting_for_locks", c.waiting);
            f.put("max_connections", a.max_connections);
            f.put("reserved", a.reserved);
            f.put("poll_ms", format!("{:.1}", a.cost_ms));
            f.put("poll_server_ms", format!("{:.1}", a.server_ms));
            if let Some(counters) = server.statements.latest(cx.now).map(|e| &e.value) {
                f.put("statement_counters", counters.entries);
                f.put("counters_ms", format!("{:.1}", counters.cost_ms));
                f.put("counters_server_ms", format!("{:.1}", counters.server_ms));
                f.put("counters_every_s", counters.interval_ms.div_ceil(1_000));
            }
            let text = format!(
                "{} of {} connections, {} active, {} wait for locks",
                c.clients, a.max_connections, c.active, c.waiting
            );
            Selected { at: Some(look.at), source: source.clone(), text, request_id: None, fields: f.0 }
        }),
        Picked::Slow(i) => now.slow.get(*i).map(|r| {
            let mut f = Fields::default();
            f.put("statement", r.statement.as_ref().map(|s| s.text.clone()).unwrap_or_else(|| r.title()));
            f.put("fingerprint", format!("{:016x}", r.key));
            f.maybe("queryid", r.queryid);
            f.put(
                "basis",
                match r.basis {
                    Basis::Counters => "the server's counters, all calls",
                    Basis::Lines => "log lines, slow calls only",
                    Basis::Running => "running now, nothing has ended yet",
                },
            );
            if r.calls > 0 {
                f.put("calls_60s", r.calls);
                f.put("calls_per_s", format!("{:.1}", r.rate));
                f.maybe("mean_ms", r.mean_ms().map(|v| format!("{v:.1}")));
                f.maybe("p95_ms", r.p95_ms.map(|v| format!("{v:.1}")));
                f.put("max_ms", format!("{:.1}", r.max_ms));
                f.maybe("share", r.share.map(|s| format!("{:.0} %", s * 100.0)));
                f.maybe("rows", r.rows);
            }
            f.maybe("before_ms", r.baseline_ms.map(|v| format!("{v:.1}")));
            if r.running > 0 {
                f.put("running", r.running);
                f.put("oldest_ms", r.oldest_ms);
                f.maybe("wait", r.wait.as_ref());
            }
            f.put("application", &r.application);
            f.maybe("plan", history.plan(r.key, cx.now).map(|p| &p.plan));
            f.line(r.line.as_ref());
            let from = r.line.as_ref().map_or(source.clone(), |l| l.name.to_string());
            let text = format!("{} {}", millis(r.typical_ms()), r.title());
            Selected { at: Some(r.at), source: from, text, request_id: r.request_id.clone(), fields: f.0 }
        }),
        Picked::Root(i) => now.roots.get(*i).map(|r| {
            let mut base = r.seen.map(|s| session(s, at, &source)).unwrap_or_default();
            base.text = blocked_by(r);
            base.fields.push(("blocked_sessions".into(), r.blocked.to_string()));
            base
        }),
        Picked::Waiter(i, j) => now.roots.get(*i).and_then(|r| r.waiters.get(*j)).map(|w| session(w.seen, at, &source)),
        Picked::Outside(i) => now.outside.get(*i).map(|s| {
            let mut f = Fields::default();
            f.put("pid", s.pid);
            f.put("version", &s.version);
            f.maybe("port", s.port);
            f.put("clients", s.counts.clients);
            f.put("active", s.counts.active);
            f.put("idle", s.counts.idle);
            f.put("idle_in_transaction", s.counts.idle_in_tx + s.counts.aborted);
            f.put("waiting_for_locks", s.counts.waiting);
            Selected {
                at: Some(cx.now),
                source: "process titles".into(),
                text: from_titles(s),
                request_id: None,
                fields: f.0,
            }
        }),
        Picked::File(i) => now.files.get(*i).map(|f| {
            let mut fields = Fields::default();
            fields.put("bytes", f.file.bytes);
            fields.put("pages", f.file.pages);
            fields.put("page_size", f.file.page_size);
            fields.put("free_pages", f.file.free_pages);
            fields.put("journal", &f.file.journal);
            fields.put("wal_bytes", f.file.wal_bytes);
            fields.put("wal_frames", f.file.frames);
            fields.put("checkpointed", f.file.checkpointed);
            let text = format!("{} {}", f.name, f.told());
            Selected { at: Some(f.at), source: f.name.to_string(), text, request_id: None, fields: fields.0 }
        }),
        Picked::Holder(i) => now.holders.get(*i).map(|h| {
            let mut f = Fields::default();
            f.put("pid", h.pid);
            f.put("waiting", h.waiting.len());
            f.put("longest_ms", format!("{:.0}", h.longest_ms()));
            f.maybe("last_statement", h.last.map(|t| &t.statement));
            let from = h.waiting.first().map(|w| &w.told.from);
            f.line(from);
            let source = from.map(|l| l.name.to_string()).unwrap_or_default();
            Selected { at: h.waiting.first().map(|w| w.at), source, text: waits_for(h), request_id: None, fields: f.0 }
        }),
        Picked::Waits(i, j) => now.holders.get(*i).and_then(|h| Some((h, h.waiting.get(*j)?))).map(|(h, w)| {
            let text = format!("pid {} waits {} for {}, held by pid {}", w.told.pid, millis(w.ms), w.on, h.pid);
            told(w.told, Some(w.at), text)
        }),
        Picked::Trouble(i) => now.troubles.get(*i).map(|t| match t.newest {
            Some(newest) => {
                let mut s = told(newest, Some(t.at), t.text.clone());
                s.fields.push(("times_300s".into(), t.count.to_string()));
                s
            }
            None => {
                let mut f = Fields::default();
                f.put("times_300s", t.count);
                Selected { at: Some(t.at), source: String::new(), text: t.text.clone(), request_id: None, fields: f.0 }
            }
        }),
        Picked::Group(i, j) => now.outside.get(*i).and_then(|s| s.groups.get(*j)).map(|g| {
            let mut f = Fields::default();
            f.put("sessions", g.count);
            f.put("state", &g.state);
            f.put("user", &g.user);
            f.put("database", &g.db);
            f.put("client", &g.client);
            f.put("longest_at_least_s", g.longest_s);
            let text = format!("{} × {} {}@{} from {}", g.count, g.state, g.user, g.db, g.client);
            Selected { at: Some(cx.now), source: "process titles".into(), text, request_id: None, fields: f.0 }
        }),
        Picked::Leak(..) => seen(picked, now).map(|s| session(s, at, &source)),
    }
    .unwrap_or_default()
}

/// A record of a server's log as evidence.
fn told(t: &Told, at: Option<Ts>, text: String) -> Selected {
    let mut f = Fields::default();
    if t.pid != 0 {
        f.put("pid", t.pid);
    }
    f.put("user", &t.user);
    f.put("database", &t.db);
    f.put("application", &t.application);
    match &t.what {
        What::Deadlock { sides } => {
            for s in sides {
                let role = if s.victim { "rolled_back" } else { "survived" };
                f.put(role, format!("pid {}: {}", s.pid, s.query));
            }
        }
        What::LockWait { on, holders, .. } => {
            f.put("lock", on);
            let by: Vec<String> = holders.iter().map(i32::to_string).collect();
            f.put("blocked_by", by.join(" "));
        }
        What::TempFile { bytes } => f.put("bytes", bytes),
        What::Archiver { why } => f.put("said", why),
        _ => {}
    }
    f.put("statement", &t.statement);
    f.line(Some(&t.from));
    Selected { at, source: t.from.name.to_string(), text, request_id: t.request_id.clone(), fields: f.0 }
}

/// The session that a row stands for.
pub fn seen<'a>(picked: &Picked, now: &Now<'a>) -> Option<&'a Seen> {
    match picked {
        Picked::Root(i) => now.roots.get(*i)?.seen,
        Picked::Waiter(i, j) => Some(now.roots.get(*i)?.waiters.get(*j)?.seen),
        Picked::Leak(id, pid) => {
            let (.., look) = now.fresh.iter().find(|(of, ..)| of == id)?;
            look.sessions.iter().find(|s| s.session.pid == *pid)
        }
        _ => None,
    }
}

/// What a row stands for, whatever its place.
pub fn key(picked: &Picked, history: &DatabaseHistory, now: &Now) -> RowKey {
    let server = super::server_of(picked, history, now).map_or(0, |(id, _)| id.0);
    let session = |s: &Seen| match s.session.pid {
        // Prepared transactions have no number but a name.
        0 => format_compact!("{server} {}", s.statement.text),
        pid => format_compact!("{server} session {pid} {:?}", s.session.backend_start),
    };
    let key = match picked {
        Picked::Pool(i) => now.pools.get(*i).map(|p| format_compact!("{} pool {}", p.source.0, p.name)),
        Picked::Server => Some(format_compact!("{server} server")),
        Picked::Slow(i) => {
            now.slow.get(*i).map(|r| format_compact!("{} statement {:x}", r.source.map_or(0, |id| id.0), r.key))
        }
        Picked::Root(i) if now.roots.get(*i).is_some_and(|r| r.seen.is_none()) => {
            now.roots.get(*i).map(|r| format_compact!("{server} session {}", r.pid))
        }
        Picked::Root(_) | Picked::Waiter(..) | Picked::Leak(..) => seen(picked, now).map(session),
        Picked::Outside(i) => now.outside.get(*i).map(|s| format_compact!("outside {}", s.pid)),
        Picked::File(i) => now.files.get(*i).map(|f| format_compact!("{} file", f.source.0)),
        Picked::Holder(i) => now.holders.get(*i).map(|h| format_compact!("{} logged {}", h.source.0, h.pid)),
        Picked::Waits(i, j) => {
            let holder = now.holders.get(*i);
            holder.and_then(|h| Some(format_compact!("{} logged {}", h.source.0, h.waiting.get(*j)?.told.pid)))
        }
        Picked::Trouble(i) => now.troubles.get(*i).map(|t| {
            // Its text counts on; what it is of does not change.
            let of = t.newest.map(|n| (n.from.source.0, n.user.as_str(), n.db.as_str()));
            format_compact!("trouble {:?} {of:?}", t.kind)
        }),
        Picked::Group(i, j) => now.outside.get(*i).and_then(|s| {
            let g = s.groups.get(*j)?;
            Some(format_compact!("outside {} {} {} {} {}", s.pid, g.state, g.user, g.db, g.client))
        }),
    };
    RowKey(key.unwrap_or_default())
}

/// SQL that ends a session, guarded so that it cannot hit a later one with the same number.
pub fn terminate(s: &Seen, engine: &str) -> Option<String> {
    let d = &s.session;
    match (engine, d.pid) {
        ("mysql" | "mariadb", pid) => (pid > 0).then(|| format!("KILL CONNECTION {pid};")),
        (_, 0) => {
            let gid = s.statement.text.strip_prefix("prepared transaction ").filter(|g| g.starts_with('\''))?;
            Some(format!("ROLLBACK PREPARED {gid};"))
        }
        (_, pid) => {
            let began = d.backend_start?.jiff().strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string();
            Some(format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {pid} AND backend_start = '{began}';"
            ))
        }
    }
}

fn session(s: &Seen, at: Option<Ts>, source: &str) -> Selected {
    let d = &s.session;
    let mut f = Fields::default();
    f.put("pid", d.pid);
    f.maybe("backend_start", d.backend_start);
    f.maybe("query_start", d.query_start);
    f.maybe("state", d.state.as_ref());
    f.maybe("query_age_ms", d.query_age_ms);
    f.maybe("transaction_age_ms", d.xact_age_ms);
    f.maybe("wait", d.wait.as_ref());
    f.put("user", &d.user);
    f.put("database", &d.db);
    f.put("application", &d.application);
    f.maybe("client", d.client.as_ref());
    f.maybe("client_port", d.client_port);
    f.maybe("client_process", d.client_process.as_ref());
    f.maybe("queryid", d.queryid);
    let by: Vec<String> = d.blocked_by.iter().map(i32::to_string).collect();
    f.put("blocked_by", by.join(" "));
    f.put("statement", &s.statement.text);
    let one_line = s.statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    Selected {
        at,
        source: source.to_owned(),
        text: format!("pid {} {}: {one_line}", d.pid, state_of(s)),
        request_id: s.statement.request_id.clone(),
        fields: f.0,
    }
}
