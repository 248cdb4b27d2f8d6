//! Figures and findings about databases in words, the same in verdicts, rows and panes.

use std::time::Duration;

use super::blocked::Root;
use super::event::DeadlockSide;
use super::history::Seen;
use super::slow::SlowRow;
use super::waits::Holder;
use crate::timeline::time::short;

/// `blocked by pid 4121: 3 sessions wait for ShareLock on transaction 741, longest 12 s`, from the server's log.
pub fn waits_for(h: &Holder) -> String {
    let n = h.waiting.len();
    let (who, wait) = if n == 1 { ("session", "waits") } else { ("sessions", "wait") };
    let on = h.waiting.first().map_or("", |w| w.on);
    format!("blocked by pid {}: {n} {who} {wait} for {on}, longest {} (server log)", h.pid, millis(h.longest_ms()))
}

/// As [`blocked_by`], where those who wait for one also wait for others: all of these must end before anybody goes on.
pub fn blocked_by_all(root: &Root, roots: &[Root]) -> String {
    let same = |r: &&Root| r.source == root.source && r.pid != root.pid;
    let others = roots.iter().filter(same).filter(|r| !r.behind.is_disjoint(&root.behind));
    let others: Vec<String> =
        others.map(|r| if r.pid == 0 { "a prepared transaction".into() } else { format!("pid {}", r.pid) }).collect();
    let also = match others.as_slice() {
        [] => return blocked_by(root),
        [one] => format!(" and {one}"),
        all => format!(" and {} others", all.len()),
    };
    blocked_with(root, &also)
}

/// `blocked by pid 4121 (idle in transaction 41 s): 6 sessions wait`.
pub fn blocked_by(root: &Root) -> String {
    blocked_with(root, "")
}

fn blocked_with(root: &Root, also: &str) -> String {
    let server = root.server.map(|s| format!("{s}: ")).unwrap_or_default();
    let who = match (root.pid, root.seen) {
        (0, Some(s)) => s.statement.text.clone(),
        (0, None) => "a prepared transaction".into(),
        (pid, seen) => {
            let state = seen.map(state_of).filter(|s| !s.is_empty()).map(|s| format!(" ({s})")).unwrap_or_default();
            format!("pid {pid}{state}")
        }
    };
    let wait = if root.blocked == 1 { "1 session waits".into() } else { format!("{} sessions wait", root.blocked) };
    let longest =
        if root.longest_ms >= 1_000 { format!(", longest {}", millis(root.longest_ms as f64)) } else { String::new() };
    let ring = if root.ring { "in a ring, " } else { "" };
    format!("{server}{ring}blocked by {who}{also}: {wait}{longest}")
}

/// `pid 12 (rolled back) UPDATE a SET …`.
pub fn deadlock_side(s: &DeadlockSide) -> String {
    let words = s.query.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().take(48).collect();
    let end = if cut.len() < words.len() { "…" } else { "" };
    format!("pid {}{} {cut}{end}", s.pid, if s.victim { " (rolled back)" } else { "" })
}

/// `idle in transaction 41 s`, `active 3.2 s`.
pub fn state_of(s: &Seen) -> String {
    let s = &s.session;
    let age = if s.is_active() { s.query_age_ms } else { s.state_age_ms.or(s.xact_age_ms) };
    match (&s.state, age) {
        (Some(state), Some(ms)) => format!("{state} {}", millis(ms as f64)),
        (Some(state), None) => state.to_string(),
        (None, _) => String::new(),
    }
}

/// `slow 812 ms p95 ↑ from 3 ms: SELECT …`.
pub fn slow_text(row: &SlowRow) -> String {
    // The figure stands first: the end of a long line is cut.
    let what = match () {
        () if row.running > 0 && row.oldest_ms as f64 >= row.typical_ms() => "and running",
        () if row.is_p95() => "p95",
        () => "mean",
    };
    let from = row.baseline_ms.filter(|_| row.worse()).map(|b| format!(" ↑ from {}", millis(b))).unwrap_or_default();
    let title: String = row.title().chars().take(60).collect();
    format!("slow {} {what}{from}: {title}", millis(row.typical_ms()))
}

/// `1,086 callers`.
pub fn callers(n: u64) -> String {
    format!("{} {}", counted(n), if n == 1 { "caller" } else { "callers" })
}

/// A number with its thousands apart: `1,086`.
pub fn counted(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `312 B`, `4.2 MB`, `1.5 GB`.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        _ if n < 1e3 => format!("{n:.0} B"),
        _ if n < 1e6 => format!("{:.0} kB", n / 1e3),
        _ if n < 1e8 => format!("{:.1} MB", n / 1e6),
        _ if n < 1e9 => format!("{:.0} MB", n / 1e6),
        _ => format!("{:.1} GB", n / 1e9),
    }
}

/// Milliseconds in the fewest words that help.
pub fn millis(ms: f64) -> String {
    short(Duration::try_from_secs_f64(ms.max(0.0) / 1e3).unwrap_or(Duration::MAX))
}
