//! A change in words, for the pane and for notes.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::event::ChangeKind;
use super::rows::{Row, RowState};
use crate::timeline::Ts;
use crate::timeline::time::short;

/// A start without an end for longer than this will hardly have one.
const LOST: Duration = Duration::from_secs(30 * 60);

/// What was changed into what: `api 1.4.2`, `app.service restarted 3× since 02:46:10`.
pub fn subject(row: &Row<'_>, zone: &TimeZone, times: &str) -> String {
    let c = row.change;
    let with_version = |word: &str| {
        let gap = if c.version.is_empty() { "" } else { " " };
        format!("{}{word}{gap}{}", c.service, c.version)
    };
    match c.kind {
        ChangeKind::Deploy => with_version(""),
        ChangeKind::Rollback if c.version.is_empty() => format!("{} rolled back", c.service),
        ChangeKind::Rollback => with_version(" back to"),
        ChangeKind::Checkout => with_version(" at"),
        ChangeKind::Migration => with_version(" migration"),
        ChangeKind::Flag => with_version(""),
        ChangeKind::Config => {
            let verb = if c.detail.as_deref() == Some("reloaded") { " reloaded" } else { " changed" };
            with_version(verb)
        }
        ChangeKind::Package if row.count > 1 => {
            let more = row.count - 1;
            format!("{} and {more} more package{}", c.service, if more == 1 { "" } else { "s" })
        }
        ChangeKind::Package => match (&c.previous, c.detail.as_deref()) {
            (_, Some("removed")) => format!("{} removed", c.service),
            (None, _) => with_version(" installed"),
            (Some(_), _) => with_version(" upgraded to"),
        },
        ChangeKind::Restart if c.service == "system" => c.detail.clone().unwrap_or_else(|| "units started".into()),
        ChangeKind::Restart => restart(row, zone, times),
    }
}

fn restart(row: &Row<'_>, zone: &TimeZone, times: &str) -> String {
    let c = row.change;
    let detail = c.detail.as_deref().unwrap_or("");
    let verb = if row.state == RowState::Failed {
        "failed"
    } else if detail == "stopped" {
        "stopped"
    } else if row.stopped || row.count > 1 || !detail.is_empty() {
        "restarted"
    } else {
        "started"
    };
    if row.count > 1 {
        format!("{} {verb} {}{times} since {}", c.service, row.count, row.first.hms(zone))
    } else {
        format!("{} {verb}", c.service)
    }
}

/// What its state says, where that is worth saying: `running 40 s`, `failed after 20 s`.
pub fn state(row: &Row<'_>, now: Ts) -> Option<String> {
    let took = row.ended.since(row.at);
    match row.state {
        RowState::Running if now.since(row.at) > LOST => Some(format!("no end seen in {}", short(now.since(row.at)))),
        RowState::Running => Some(format!("running {}", exact(now.since(row.at)))),
        RowState::Unfinished => Some("no end seen".into()),
        // A unit that failed says so in its first words.
        RowState::Failed if row.change.kind == ChangeKind::Restart => row.change.detail.clone(),
        RowState::Failed if took.is_zero() => Some("failed".into()),
        RowState::Failed => Some(format!("failed after {}", exact(took))),
        RowState::Done => None,
    }
}

/// A duration to the second where seconds count: `12 s`, `2 m 56 s`, `2 h 05 m`.
pub fn exact(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3_600 if s.is_multiple_of(60) => format!("{} m", s / 60),
        60..3_600 => format!("{} m {} s", s / 60, s % 60),
        _ => short(d),
    }
}

/// A change in one line, for a note.
pub fn sentence(row: &Row<'_>, now: Ts, zone: &TimeZone) -> String {
    let mut text = subject(row, zone, "×");
    if let Some(by) = &row.change.by {
        text = format!("{text} by {by}");
    }
    match state(row, now) {
        Some(state) => format!("{text}, {state}"),
        None => text,
    }
}
