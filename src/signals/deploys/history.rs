//! All that is known of deploys and other changes, as of any playhead.
//!
//! Owns the facts and the questions to them; how facts become rows (a start joined with its end, restarts in a row) is in
//! `rows`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Change, ChangeKind, DeployEvent};
use super::rows::{self, Row, RowState};
use crate::timeline::facts::{Mark, MarkKind};
use crate::timeline::{History, Seq, SourceId, TimeRange, Ts};

/// Changes kept; the oldest go first and are counted.
pub const CHANGES: usize = 5_000;
/// Records of changes whose reach is kept.
const COVERS: usize = 64;
/// The newest changes that rows are made of.
const SCAN: usize = 1_000;

/// A change before which errors began is no suspect; one that lies further back than this is a weak one.
pub const SUSPECT: Duration = Duration::from_secs(30 * 60);
/// A migration this close to the deploy of its version is a part of it.
const PART: Duration = Duration::from_secs(60);
/// Error rates are known to the second, so errors may seem to begin this much before what caused them.
const SLACK: Duration = Duration::from_secs(1);

/// The history of deploys.
#[derive(Clone, Debug)]
pub struct DeploysHistory {
    changes: History<Change>,
    /// What is read → (observed, since when it would have told).
    covers: BTreeMap<String, (Ts, Ts)>,
    repeated: u64,
}

impl Default for DeploysHistory {
    fn default() -> DeploysHistory {
        DeploysHistory { changes: History::new(CHANGES), covers: BTreeMap::new(), repeated: 0 }
    }
}

impl DeploysHistory {
    /// Takes in one event. Total: never fails, never panics, reads no clock. The same change told twice (a log that was
    /// written anew, two readers of one file) is kept once and counted.
    pub fn apply(&mut self, seq: Seq, source: SourceId, observed: Ts, event: &DeployEvent) {
        let _ = source;
        match event {
            DeployEvent::Change(change) => {
                let instant = TimeRange::new(change.at, Ts(change.at.0.saturating_add(1)));
                if self.changes.within(instant, Ts::MAX).any(|e| e.value == *change && e.observed <= observed) {
                    self.repeated += 1;
                    return;
                }
                self.changes.push(change.at, observed, seq, change.clone());
            }
            DeployEvent::Covers { of, since } => {
                if self.covers.len() < COVERS || self.covers.contains_key(of) {
                    let entry = self.covers.entry(of.clone()).or_insert((observed, *since));
                    *entry = (entry.0.min(observed), entry.1.min(*since));
                }
            }
        }
    }

    /// Changes visible at `now`, newest first, at most a thousand: a start and its end are one row, and so are restarts
    /// of one unit within ten minutes of each other and packages within one.
    pub fn rows(&self, now: Ts) -> Vec<Row<'_>> {
        rows::grouped(self.paired(Ts::MAX, now, SCAN))
    }

    /// As [`DeploysHistory::rows`] without grouping, of changes placed at or before `upto`; oldest first.
    fn paired(&self, upto: Ts, now: Ts, most: usize) -> Vec<Row<'_>> {
        let visible = self.changes.upto(now).filter(|e| e.at <= upto).take(most);
        let mut entries: Vec<_> = visible.collect();
        entries.reverse();
        rows::paired(&entries)
    }

    /// The newest change that put a version in place, or is putting one: when it began, service, version.
    pub fn last_deploy(&self, now: Ts) -> Option<(Ts, String, String)> {
        let rows = self.paired(Ts::MAX, now, SCAN);
        let row = rows.iter().rev().find(|r| r.change.kind.sets_version() && r.state != RowState::Failed)?;
        Some((row.at, row.change.service.clone(), row.change.version.clone()))
    }

    /// When the first change after `t` began; ends of what was begun before do not count.
    pub fn next_change(&self, t: Ts, now: Ts) -> Option<Ts> {
        self.paired(Ts::MAX, now, CHANGES).iter().map(|r| r.at).find(|at| *at > t)
    }

    /// When the last change before `t` began.
    pub fn previous_change(&self, t: Ts, now: Ts) -> Option<Ts> {
        self.paired(t, now, CHANGES).iter().rev().map(|r| r.at).find(|at| *at < t)
    }

    /// The version of `service` that was in place at `t`, as known at `now`.
    pub fn version_at(&self, service: &str, t: Ts, now: Ts) -> Option<&str> {
        let rows = self.paired(t, now, CHANGES);
        let mut of = rows.iter().rev().filter(|r| r.change.service == service && r.change.kind.sets_version());
        of.find(|r| r.state == RowState::Done && r.ended <= t).map(|r| r.change.version.as_str())
    }

    /// The version of `service` before the present one: what a rollback would bring back.
    pub fn previous_version(&self, service: &str, now: Ts) -> Option<String> {
        let rows = self.paired(Ts::MAX, now, CHANGES);
        let mut of = rows
            .iter()
            .rev()
            .filter(|r| r.change.service == service && r.change.kind.sets_version() && r.state == RowState::Done);
        let present = of.next()?.change;
        present
            .previous
            .clone()
            .or_else(|| of.find(|r| r.change.version != present.version).map(|r| r.change.version.clone()))
    }

    /// Marks for the time axis inside `range`, in order of time.
    pub fn marks(&self, range: TimeRange, now: Ts) -> Vec<Mark> {
        let rows = self.paired(range.end, now, SCAN);
        let mut marks: Vec<Mark> = rows
            .iter()
            .filter(|r| range.contains(r.at))
            .map(|r| Mark { at: r.at, kind: mark(r.change.kind), label: label(r) })
            .collect();
        marks.sort_by_key(|m| m.at);
        marks
    }

    /// The change after which errors began, and how long after: the last one within half an hour before, where a restart
    /// counts only when nothing else was changed, since it is more often the consequence.
    pub fn suspect<'r, 'a>(&self, rows: &'r [Row<'a>], errors_since: Ts) -> Option<(&'r Row<'a>, Duration)> {
        let from = errors_since - SUSPECT;
        let before = |r: &&Row<'_>| r.first >= from && r.first <= errors_since + SLACK;
        let newest = |restarts: bool| {
            rows.iter()
                .filter(before)
                .filter(|r| (r.change.kind == ChangeKind::Restart) == restarts)
                .max_by_key(|r| (r.first, r.seq))
        };
        let row = newest(false).or_else(|| newest(true))?;
        let row = self.deploy_of(rows, row).unwrap_or(row);
        Some((row, errors_since.since(row.first)))
    }

    /// The deploy that a migration is a part of: of the same service and version, within a minute of it.
    fn deploy_of<'r, 'a>(&self, rows: &'r [Row<'a>], migration: &Row<'_>) -> Option<&'r Row<'a>> {
        let is = migration.change.kind == ChangeKind::Migration;
        rows.iter().find(|r| is && r.change.kind.sets_version() && belongs(r, migration))
    }

    /// Whether a migration came with this deploy.
    pub fn has_migration(&self, rows: &[Row<'_>], deploy: &Row<'_>) -> bool {
        rows.iter().any(|r| r.change.kind == ChangeKind::Migration && belongs(deploy, r))
    }

    /// Whether anything at all is held, visible or not.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.covers.is_empty()
    }

    /// Since when changes would have been told, by the record that reaches furthest back; `None` when nothing is read.
    pub fn covered_since(&self, now: Ts) -> Option<Ts> {
        self.covers.values().filter(|(observed, _)| *observed <= now).map(|(_, since)| *since).min()
    }

    /// Changes that fell off the far end.
    pub fn evicted(&self) -> u64 {
        self.changes.evicted()
    }

    /// Changes that were told more than once.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }
}

fn belongs(deploy: &Row<'_>, migration: &Row<'_>) -> bool {
    let (d, m) = (deploy.change, migration.change);
    let apart = deploy.first.since(migration.first).max(migration.first.since(deploy.first));
    d.service == m.service && d.version == m.version && apart <= PART
}

fn mark(kind: ChangeKind) -> MarkKind {
    match kind {
        ChangeKind::Deploy | ChangeKind::Rollback | ChangeKind::Checkout => MarkKind::Deploy,
        ChangeKind::Restart => MarkKind::Restart,
        ChangeKind::Config | ChangeKind::Flag | ChangeKind::Migration | ChangeKind::Package => MarkKind::Change,
    }
}

fn label(row: &Row<'_>) -> String {
    let c = row.change;
    if c.kind.sets_version() && !c.version.is_empty() { c.version.clone() } else { c.service.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::event::ChangeStatus;
    use super::*;

    fn t(s: i64) -> Ts {
        Ts::from_secs(1_000_000 + s)
    }

    fn history(changes: &[(i64, ChangeKind, &str, &str, ChangeStatus)]) -> DeploysHistory {
        let mut h = DeploysHistory::default();
        for (i, (s, kind, service, version, status)) in changes.iter().enumerate() {
            let mut c = Change::new(t(*s), *kind, *service);
            c.version = (*version).into();
            c.status = *status;
            h.apply(i as u64 + 1, SourceId(1), t(*s), &DeployEvent::Change(c));
        }
        h
    }

    use ChangeKind::{Deploy, Package, Restart, Rollback};
    use ChangeStatus::{Fail, Ok, Start};

    #[test]
    fn a_start_is_running_until_its_end_is_seen_and_no_playhead_sees_the_end_before() {
        let h = history(&[(0, Deploy, "api", "2", Start), (40, Deploy, "api", "2", Ok)]);
        let early = h.rows(t(30));
        assert_eq!((early.len(), early[0].state), (1, RowState::Running));
        let late = h.rows(t(50));
        assert_eq!((late.len(), late[0].state, late[0].at, late[0].ended), (1, RowState::Done, t(0), t(40)));
    }

    #[test]
    fn a_start_that_another_start_overtook_is_unfinished_and_a_failure_keeps_the_old_version() {
        let h = history(&[
            (0, Deploy, "api", "1", Ok),
            (10, Deploy, "api", "2", Start),
            (20, Deploy, "api", "3", Start),
            (30, Deploy, "api", "3", Fail),
        ]);
        let states: Vec<_> = h.rows(t(60)).iter().map(|r| r.state).collect();
        assert_eq!(states, [RowState::Failed, RowState::Unfinished, RowState::Done]);
        assert_eq!(h.version_at("api", t(60), t(60)), Some("1"));
        assert_eq!(h.last_deploy(t(60)).unwrap().2, "2");
    }

    #[test]
    fn how_long_a_version_ran_counts_from_its_end_to_the_next_begin() {
        let h = history(&[
            (0, Deploy, "api", "1", Start),
            (4, Deploy, "api", "1", Ok),
            (50, Deploy, "web", "9", Ok),
            (180, Deploy, "api", "2", Start),
            (190, Deploy, "api", "2", Ok),
            (300, Rollback, "api", "1", Ok),
        ]);
        let rows = h.rows(t(400));
        let ran: Vec<_> =
            (0..rows.len()).map(|i| rows::ran(&rows, i).map(|r| (r.time.as_secs(), r.rolled_back))).collect();
        assert_eq!(ran, [None, Some((110, true)), None, Some((176, false))]);
        assert_eq!(h.previous_version("api", t(400)).as_deref(), Some("2"));
    }

    #[test]
    fn restarts_in_a_row_are_one_row_with_their_number_and_keep_a_mark_each() {
        let h = history(&[
            (0, Restart, "app.service", "", Ok),
            (60, Restart, "app.service", "", Ok),
            (61, Restart, "db.service", "", Ok),
            (120, Restart, "app.service", "", Ok),
            (5_000, Restart, "app.service", "", Ok),
        ]);
        let rows = h.rows(t(6_000));
        assert_eq!(rows.iter().map(|r| r.count).collect::<Vec<_>>(), [1, 3, 1]);
        assert_eq!((rows[1].first, rows[1].at), (t(0), t(120)));
        assert_eq!(h.marks(TimeRange::new(t(0), t(200)), t(6_000)).len(), 4);
    }

    #[test]
    fn packages_that_arrive_in_pieces_are_one_change() {
        let h = history(&[(0, Package, "a", "", Ok), (30, Package, "b", "", Ok), (200, Package, "c", "", Ok)]);
        assert_eq!(h.rows(t(300)).iter().map(|r| r.count).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_suspect_is_the_last_change_before_the_errors_and_a_restart_only_for_want_of_another() {
        let h = history(&[
            (0, Deploy, "api", "1", Ok),
            (100, Deploy, "api", "2", Ok),
            (101, Restart, "api.service", "", Ok),
            (200, Rollback, "api", "1", Ok),
        ]);
        let rows = h.rows(t(300));
        let (row, lag) = h.suspect(&rows, t(112)).unwrap();
        assert_eq!((row.change.version.as_str(), lag.as_secs()), ("2", 12));
        assert!(h.suspect(&rows, t(-5)).is_none());
        assert!(h.suspect(&rows, t(200 + 3_600)).is_none());
    }

    #[test]
    fn a_migration_is_a_part_of_the_deploy_it_came_with_and_a_suspect_of_its_own_without_one() {
        let (migration, ok) = (ChangeKind::Migration, Ok);
        let h = history(&[(100, Deploy, "api", "2", ok), (101, migration, "api", "2", ok)]);
        let rows = h.rows(t(300));
        let (row, lag) = h.suspect(&rows, t(102)).unwrap();
        assert_eq!((row.change.kind, lag.as_secs(), h.has_migration(&rows, row)), (Deploy, 2, true));
        let h = history(&[(100, Deploy, "api", "2", ok), (400, migration, "api", "2", ok)]);
        let rows = h.rows(t(500));
        let (row, _) = h.suspect(&rows, t(402)).unwrap();
        assert_eq!((row.change.kind, h.has_migration(&rows, &rows[1])), (migration, false));
    }

    #[test]
    fn keys_jump_from_change_to_change_and_never_onto_an_end() {
        let h = history(&[(0, Deploy, "a", "1", Start), (9, Deploy, "a", "1", Ok), (20, Restart, "b", "", Ok)]);
        assert_eq!(h.next_change(t(0), Ts::MAX), Some(t(20)));
        assert_eq!(h.previous_change(t(20), Ts::MAX), Some(t(0)));
        assert_eq!(h.previous_change(t(0), Ts::MAX), None);
    }

    #[test]
    fn a_change_told_twice_is_kept_once() {
        let mut h = DeploysHistory::default();
        let c = DeployEvent::Change(Change::new(t(0), Deploy, "api"));
        h.apply(1, SourceId(1), t(1), &c);
        h.apply(2, SourceId(2), t(5), &c);
        assert_eq!((h.rows(t(9)).len(), h.repeated()), (1, 1));
    }
}
