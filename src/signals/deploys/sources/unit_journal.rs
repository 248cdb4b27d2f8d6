//! What the journal's entries say about units: a small state machine over `journalctl -o json`. Pure but for the list of
//! timers, which is read once.
//!
//! Entries are told apart by their message IDs (systemd's message catalog), never by their text, which changes with the
//! version.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::super::event::{Change, ChangeKind, ChangeStatus};
use crate::signals::Roots;
use crate::timeline::Ts;

/// What an entry means.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A start was finished.
    Started,
    /// A start failed.
    StartFailed,
    /// A unit entered the failed state.
    Failed,
    /// A unit was stopped.
    Stopped,
    /// A unit read its configuration again.
    Reloaded,
    /// A process of a unit ended.
    Exited,
    /// systemd will start a unit again by itself.
    AutoRestart,
    /// The kernel killed a process of a unit for memory.
    OutOfMemory,
}

/// The message IDs that matter.
pub const MESSAGES: [(&str, Meaning); 8] = [
    ("39f53479d3a045ac8e11786248231fbf", Meaning::Started),
    ("be02cf6855d2428ba40df7e9d022f03d", Meaning::StartFailed),
    ("d9b373ed55a64feb8242e02dbe79a49c", Meaning::Failed),
    ("9d1aaa27d60140bd96365438aad20286", Meaning::Stopped),
    ("7b05ebc668384222baa8881179cfda54", Meaning::Reloaded),
    ("98e322203f7a4ed290d09fe03c09fe15", Meaning::Exited),
    ("5eb03494b6584870a536b337290809b3", Meaning::AutoRestart),
    ("fe6faa94e7774663a0da52717891d8ef", Meaning::OutOfMemory),
];

/// Units remembered, at most.
const UNITS: usize = 512;
/// Starts remembered for each, to see whether they come at one distance.
const STARTS: usize = 6;
/// Fewer than this many units started together are told one by one.
const TOGETHER: usize = 8;

#[derive(Clone, Debug, Default)]
struct Unit {
    starts: VecDeque<Ts>,
    /// Why it will be started again, said once with that start.
    cause: Option<String>,
    auto: Option<u32>,
    failed: Option<Ts>,
}

/// Reads entries in order.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    units: BTreeMap<String, Unit>,
    timed: BTreeSet<String>,
    cursor: Option<String>,
}

impl Reader {
    /// Knows the timers of the box under `roots`: what they start is no change.
    pub fn new(roots: &Roots) -> Reader {
        let base = roots.etc.parent().unwrap_or(&roots.etc);
        let folders = [
            roots.etc.join("systemd/system"),
            roots.run.join("systemd/system"),
            base.join("usr/lib/systemd/system"),
            base.join("lib/systemd/system"),
        ];
        let mut timed = BTreeSet::new();
        for entry in folders.iter().flat_map(fs::read_dir).flatten().flatten() {
            if let Some(stem) = entry.file_name().to_str().and_then(|n| n.strip_suffix(".timer")) {
                timed.insert(stem.trim_end_matches('@').to_owned());
            }
        }
        Reader { timed, ..Reader::default() }
    }

    /// Where the last entry stood, for `--after-cursor`.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Takes in one entry; `Some` when it is a change to tell.
    pub fn read(&mut self, line: &str) -> Option<Change> {
        let entry: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        if let Some(cursor) = text("__CURSOR") {
            self.cursor = Some(cursor.to_owned());
        }
        let id = text("MESSAGE_ID")?;
        let meaning = MESSAGES.iter().find(|(m, _)| *m == id)?.1;
        let at = Ts(text("__REALTIME_TIMESTAMP")?.parse::<i64>().ok()?.saturating_mul(1_000));
        let name = text("UNIT").or(text("USER_UNIT"))?;
        if !worth_telling(name) || self.is_timed(name) {
            return None;
        }
        if self.units.len() >= UNITS && !self.units.contains_key(name) {
            self.units.pop_first();
        }
        let unit = self.units.entry(name.to_owned()).or_default();
        let restart = |detail: Option<String>, status| {
            let mut change = Change::new(at, ChangeKind::Restart, name);
            change.detail = detail;
            change.status = status;
            change.with_raw(text("MESSAGE").unwrap_or(line))
        };
        match meaning {
            Meaning::Exited => {
                let code = text("EXIT_CODE").unwrap_or("exited");
                let status = text("EXIT_STATUS").unwrap_or("?");
                // An end by SIGTERM or with 0 is how every ordinary restart looks.
                if !matches!(status, "0" | "TERM" | "15" | "143") {
                    unit.cause.get_or_insert(format!("{code}, {status}"));
                }
                None
            }
            Meaning::OutOfMemory => {
                unit.cause = Some("killed for memory".into());
                None
            }
            Meaning::AutoRestart => {
                unit.auto = Some(text("N_RESTARTS").and_then(|n| n.parse().ok()).unwrap_or(0));
                None
            }
            Meaning::Started => {
                unit.starts.push_back(at);
                if unit.starts.len() > STARTS {
                    unit.starts.pop_front();
                }
                let cause = unit.cause.take();
                let detail = match (unit.auto.take(), cause) {
                    (Some(0), cause) => {
                        Some(format!("by systemd after: {}", cause.unwrap_or_else(|| "its end".into())))
                    }
                    (Some(n), cause) => {
                        let cause = cause.unwrap_or_else(|| "its end".into());
                        Some(format!("no. {n} by systemd after: {cause}"))
                    }
                    (None, cause) => cause.map(|c| format!("after: {c}")),
                };
                Some(restart(detail, ChangeStatus::Ok))
            }
            Meaning::Failed | Meaning::StartFailed => {
                // Both are written for one failure.
                let told = unit.failed.replace(at).is_some_and(|t| at.since(t) < Duration::from_secs(2));
                if told {
                    return None;
                }
                let cause = unit.cause.clone().unwrap_or_else(|| text("JOB_RESULT").unwrap_or("failed").into());
                Some(restart(Some(cause), ChangeStatus::Fail))
            }
            Meaning::Stopped => Some(restart(Some("stopped".into()), ChangeStatus::Ok)),
            Meaning::Reloaded => {
                let mut change = restart(Some("reloaded".into()), ChangeStatus::Ok);
                change.kind = ChangeKind::Config;
                Some(change)
            }
        }
    }

    fn is_timed(&self, unit: &str) -> bool {
        let stem = unit.strip_suffix(".service").unwrap_or(unit);
        self.timed.contains(stem.split('@').next().unwrap_or(stem))
    }

    /// Whether a start is one of many at the same distance of a minute or more: cron-like work, not a change. A crash
    /// loop is never periodic in this sense.
    pub fn periodic(&self, change: &Change) -> bool {
        let crash = change.detail.is_some() || change.status != ChangeStatus::Ok;
        !crash && self.units.get(&change.service).is_some_and(|u| even(u.starts.iter().copied()))
    }
}

/// Three or more times, a minute or more apart, at distances within a tenth of each other.
fn even(times: impl IntoIterator<Item = Ts>) -> bool {
    let times: Vec<Ts> = times.into_iter().collect();
    let gaps: Vec<f64> = times.windows(2).map(|w| w[1].signed_secs(w[0])).collect();
    let (Some(min), Some(max)) = (gaps.iter().copied().reduce(f64::min), gaps.iter().copied().reduce(f64::max)) else {
        return false;
    };
    gaps.len() >= 2 && min >= 60.0 && max - min <= max * 0.1
}

fn worth_telling(unit: &str) -> bool {
    let Some(stem) = unit.strip_suffix(".service") else { return false };
    let own = ["user@", "user-runtime-dir@", "session-", "run-", "systemd-", "getty@", "serial-getty@", "initrd-"];
    !own.iter().any(|p| stem.starts_with(p))
}

/// What was there before the start, without what comes at one distance, and with many starts of one minute as one.
pub fn calm(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|c| c.at);
    let mut starts: BTreeMap<&str, Vec<Ts>> = BTreeMap::new();
    for c in changes.iter().filter(|c| plain_start(c)) {
        starts.entry(&c.service).or_default().push(c.at);
    }
    let timed: BTreeSet<String> =
        starts.into_iter().filter(|(_, t)| even(t.iter().copied())).map(|(u, _)| u.to_owned()).collect();
    let stopped = |c: &Change| c.detail.as_deref() == Some("stopped");
    changes.retain(|c| !(timed.contains(&c.service) && (plain_start(c) || stopped(c))));
    together(changes)
}

fn plain_start(c: &Change) -> bool {
    c.kind == ChangeKind::Restart && c.status == ChangeStatus::Ok && c.detail.is_none()
}

/// Starts of many units within a minute, as at boot, become one change.
fn together(changes: Vec<Change>) -> Vec<Change> {
    let (starts, mut rest): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(plain_start);
    let mut group: Vec<Change> = Vec::new();
    let flush = |group: &mut Vec<Change>, rest: &mut Vec<Change>| {
        let units: BTreeSet<&str> = group.iter().map(|c| c.service.as_str()).collect();
        if units.len() >= TOGETHER {
            let mut one = Change::new(group[0].at, ChangeKind::Restart, "system");
            one.count = u32::try_from(units.len()).unwrap_or(u32::MAX);
            one.detail = Some(format!("{} units started together", units.len()));
            let names: Vec<&str> = units.into_iter().collect();
            rest.push(one.with_raw(&names.join("\n")));
            group.clear();
        } else {
            rest.append(group);
        }
    };
    for c in starts {
        if group.last().is_some_and(|l| c.at.since(l.at) > Duration::from_secs(30)) {
            flush(&mut group, &mut rest);
        }
        group.push(c);
    }
    flush(&mut group, &mut rest);
    rest.sort_by_key(|c| c.at);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: Meaning, unit: &str, secs: i64, more: &str) -> String {
        let id = MESSAGES.iter().find(|(_, m)| *m == id).unwrap().0;
        format!(
            r#"{{"__CURSOR":"c{secs}","__REALTIME_TIMESTAMP":"{}","MESSAGE_ID":"{id}","UNIT":"{unit}"{more}}}"#,
            secs * 1_000_000
        )
    }

    #[test]
    fn a_crash_loop_is_told_with_its_cause_and_number_however_regular_it_is() {
        let mut r = Reader::default();
        let mut told = Vec::new();
        for i in 1..=4 {
            let t = i * 120;
            assert!(
                r.read(&entry(Meaning::Exited, "app.service", t, r#","EXIT_CODE":"exited","EXIT_STATUS":"1""#))
                    .is_none()
            );
            assert!(
                r.read(&entry(Meaning::AutoRestart, "app.service", t, &format!(r#","N_RESTARTS":"{i}""#))).is_none()
            );
            let c = r.read(&entry(Meaning::Started, "app.service", t + 1, "")).unwrap();
            assert!(!r.periodic(&c));
            told.push(c.detail.unwrap());
        }
        assert_eq!(told[2], "no. 3 by systemd after: exited, 1");
        assert_eq!(r.cursor(), Some("c481"));
    }

    #[test]
    fn work_that_comes_at_one_distance_is_no_change() {
        let mut r = Reader::default();
        let starts: Vec<Change> =
            (0..5).filter_map(|i| r.read(&entry(Meaning::Started, "report.service", i * 600, ""))).collect();
        assert_eq!(starts.len(), 5);
        assert!(r.periodic(&starts[4]));
        assert!(calm(starts).is_empty());
    }

    #[test]
    fn a_boot_is_one_change_and_two_restarts_are_two() {
        let boot = (0..20).map(|i| Change::new(Ts::from_secs(i), ChangeKind::Restart, format!("u{i}.service")));
        let later = (0..2).map(|i| Change::new(Ts::from_secs(500 + i), ChangeKind::Restart, format!("v{i}.service")));
        let told = calm(boot.chain(later).collect());
        assert_eq!(told.iter().map(|c| c.count).collect::<Vec<_>>(), [20, 1, 1]);
    }

    #[test]
    fn one_failure_is_told_once_and_the_systems_own_units_never() {
        let mut r = Reader::default();
        assert!(r.read(&entry(Meaning::Failed, "app.service", 10, "")).is_some());
        assert!(r.read(&entry(Meaning::StartFailed, "app.service", 10, "")).is_none());
        for unit in ["user@1000.service", "session-3.scope", "systemd-tmpfiles-clean.service", "a.timer"] {
            assert!(r.read(&entry(Meaning::Started, unit, 10, "")).is_none());
        }
        assert!(r.read("no json").is_none());
        assert!(r.read(r#"{"MESSAGE":[1,2,3]}"#).is_none());
    }
}
