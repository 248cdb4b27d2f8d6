//! dpkg's log: packages installed, upgraded and removed. Its times are local and name no zone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use tokio_util::sync::CancellationToken;

use super::super::event::{Change, ChangeKind};
use super::tail::SharedTail;
use super::{report, rest, shown, unreadable};
use crate::signals::{BoxFuture, Out, Source, SourceError};
use crate::timeline::{SourceState, Ts};

const POLL: Duration = Duration::from_millis(500);
/// Packages changed within this time of each other are one change.
const BURST: Duration = Duration::from_secs(60);
/// Names that a change of many packages tells.
const NAMED: usize = 3;

/// One package done, in the log's own local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, on a clock of unknown zone.
    pub at: DateTime,
    /// `install`, `upgrade` or `remove`.
    pub verb: &'static str,
    /// Its name, without the architecture.
    pub package: String,
    /// The version it had; empty when there was none.
    pub from: String,
    /// The version it has; empty when it is gone.
    pub to: String,
}

/// Follows `dpkg.log`.
#[derive(Debug)]
pub struct DpkgLog {
    path: PathBuf,
    system: TimeZone,
    zone: Option<TimeZone>,
    tail: SharedTail,
    seeded: bool,
}

impl DpkgLog {
    /// Will follow `path`; `system` is the zone of this box, taken unless the file's own time says otherwise.
    pub fn new(path: &Path, system: TimeZone) -> DpkgLog {
        DpkgLog { path: path.to_owned(), system, zone: None, tail: SharedTail::new(path), seeded: false }
    }

    async fn follow(&mut self, out: &Out, cancel: CancellationToken) -> Result<(), SourceError> {
        let mut ok = false;
        loop {
            let polled = self.tail.poll().await.map_err(|e| SourceError::retry(unreadable(&self.path, &e)))?;
            if !ok {
                out.state(SourceState::Ok).await;
                ok = true;
            }
            if self.zone.is_none()
                && let Some(last) = polled.lines.last()
            {
                self.zone = Some(zone_of(last, polled.modified, &self.system));
            }
            let zone = self.zone.as_ref().unwrap_or(&self.system);
            let steps: Vec<Step> = polled.lines.iter().filter_map(|l| parse(l)).collect();
            let changes = grouped(&steps, zone);
            if !report(out, &shown(&self.path), &mut self.seeded, changes).await || !rest(&cancel, POLL).await {
                return Ok(());
            }
        }
    }
}

impl Source for DpkgLog {
    fn run<'a>(&'a mut self, out: &'a Out, cancel: CancellationToken) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.follow(out, cancel))
    }
}

fn stamp(line: &str) -> Option<(DateTime, &str)> {
    let (stamp, rest) = line.split_at_checked(19)?;
    Some((DateTime::strptime("%Y-%m-%d %H:%M:%S", stamp).ok()?, rest.trim_start()))
}

/// One line: `2026-01-31 22:22:20 upgrade libssl3:amd64 3.0.1 3.0.2`. `None` for states, triggers and the rest.
pub fn parse(line: &str) -> Option<Step> {
    let (at, rest) = stamp(line)?;
    let mut words = rest.split_whitespace();
    let verb = match words.next()? {
        "install" => "install",
        "upgrade" => "upgrade",
        "remove" | "purge" => "remove",
        _ => return None,
    };
    let package = words.next()?.split(':').next()?.to_owned();
    let version = |w: Option<&str>| w.filter(|v| *v != "<none>").unwrap_or("").to_owned();
    let (from, to) = (version(words.next()), version(words.next()));
    // `purge` after `remove` tells the same package twice: its first version is then `<none>`.
    (verb != "remove" || !from.is_empty()).then_some(Step { at, verb, package, from, to })
}

/// The zone that a log's local times are in. The last line was written when the file was: where the zone of this box
/// does not fit that, the offset that does is taken (a log mounted from another box, a zone changed since).
pub fn zone_of(last_line: &str, modified: Option<Ts>, system: &TimeZone) -> TimeZone {
    let (Some((at, _)), Some(modified)) = (stamp(last_line), modified) else { return system.clone() };
    let as_utc = placed(at, &TimeZone::UTC);
    let near = |t: Ts| t.signed_secs(modified).abs() < 600.0;
    if near(placed(at, system)) {
        return system.clone();
    }
    let ahead = as_utc.signed_secs(modified);
    let quarters = (ahead / 900.0).round();
    if (ahead - quarters * 900.0).abs() < 300.0
        && quarters.abs() <= 56.0
        && let Ok(offset) = Offset::from_seconds(quarters as i32 * 900)
    {
        return offset.to_time_zone();
    }
    system.clone()
}

fn placed(at: DateTime, zone: &TimeZone) -> Ts {
    // A local time that occurs twice or never is taken as jiff's "compatible" rule has it: the earlier, the later.
    zone.to_ambiguous_timestamp(at).compatible().map(Ts::from_jiff).unwrap_or_default()
}

/// Steps less than a minute apart as one change each time, in order.
pub fn grouped(steps: &[Step], zone: &TimeZone) -> Vec<Change> {
    let mut groups: Vec<(Ts, Vec<&Step>)> = Vec::new();
    for step in steps {
        let at = placed(step.at, zone);
        match groups.last_mut() {
            Some((last, group)) if at.since(*last) <= BURST => {
                *last = at;
                group.push(step);
            }
            _ => groups.push((at, vec![step])),
        }
    }
    groups.into_iter().filter_map(|(_, group)| change(&group, zone)).collect()
}

fn change(group: &[&Step], zone: &TimeZone) -> Option<Change> {
    let first = group.first()?;
    let mut change = Change::new(placed(first.at, zone), ChangeKind::Package, first.package.clone());
    change.count = u32::try_from(group.len()).unwrap_or(u32::MAX);
    let verb = |v: &str| match v {
        "install" => "installed",
        "upgrade" => "upgraded",
        _ => "removed",
    };
    if group.len() == 1 {
        change.version = first.to.clone();
        change.previous = (!first.from.is_empty()).then(|| first.from.clone());
        change.detail = Some(verb(first.verb).into());
    } else {
        let same = group.iter().all(|s| s.verb == first.verb);
        let names: Vec<&str> = group.iter().take(NAMED).map(|s| s.package.as_str()).collect();
        let more = if group.len() > NAMED { ", …" } else { "" };
        let word = if same { verb(first.verb) } else { "changed" };
        change.detail = Some(format!("{word}: {}{more}", names.join(", ")));
    }
    let lines: Vec<String> =
        group.iter().map(|s| format!("{} {} {} {} {}", s.at, s.verb, s.package, s.from, s.to)).collect();
    Some(change.with_raw(&lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-01-31 22:22:20 startup archives unpack
2026-01-31 22:22:20 upgrade libssl3:amd64 3.0.1 3.0.2
2026-01-31 22:22:20 status half-configured libssl3:amd64 3.0.1
2026-01-31 22:22:21 install curl:amd64 <none> 8.5.0
2026-01-31 22:22:59 upgrade nginx:all 1.24 1.26
2026-01-31 22:23:01 trigproc libc-bin:amd64 2.39 <none>
2026-01-31 23:40:00 remove telnet:amd64 0.17 <none>
2026-01-31 23:40:01 purge telnet:amd64 <none> <none>
not a line";

    #[test]
    fn a_burst_of_packages_is_one_change_and_states_and_triggers_are_none() {
        let steps: Vec<Step> = LOG.lines().filter_map(parse).collect();
        let changes = grouped(&steps, &TimeZone::UTC);
        let told: Vec<_> = changes.iter().map(|c| (c.count, c.detail.clone().unwrap_or_default())).collect();
        assert_eq!(told, [(3, "changed: libssl3, curl, nginx".into()), (1, "removed".into())]);
        assert_eq!(changes[0].at.to_string(), "2026-01-31T22:22:20Z");
    }

    #[test]
    fn the_zone_is_the_boxs_unless_the_files_own_time_says_another() {
        let last = "2026-01-31 23:40:01 status installed x";
        let utc: Ts = Ts::from_jiff("2026-01-31T23:40:01Z".parse().unwrap());
        let plus_one = Offset::from_seconds(3_600).unwrap().to_time_zone();
        let written = |hours: i64| Some(Ts::from_secs(utc.secs() - hours * 3_600 + 2));
        let first = |zone: &TimeZone| placed(parse("2026-01-31 22:22:20 install a 1 2").unwrap().at, zone).to_string();
        assert_eq!(first(&zone_of(last, written(1), &plus_one)), "2026-01-31T21:22:20Z");
        assert_eq!(first(&zone_of(last, written(0), &plus_one)), "2026-01-31T22:22:20Z");
        assert_eq!(first(&zone_of(last, written(-5), &plus_one)), "2026-02-01T03:22:20Z");
        // Touched a day later: nothing can be learnt from it.
        assert_eq!(first(&zone_of(last, written(-30), &plus_one)), "2026-01-31T21:22:20Z");
    }
}
