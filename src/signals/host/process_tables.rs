//! Two hours of process tables in little memory: a row is a shared identity and three numbers.
//!
//! What a process is called, who owns it and where it lives seldom changes, so it is held once and pointed to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{ProcessRow, ProcessTable, UnitUse};
use crate::timeline::{History, Seq, Ts};
use compact_str::CompactString;

/// Tables kept: two hours at one every two seconds.
pub const TABLES: usize = 3_600;
/// Identities looked through for ones that no table points to, once there are this many.
const IDENTITIES: usize = 4_096;

/// What a process is.
#[derive(Clone, Debug, PartialEq)]
struct Identity {
    pid: u32,
    started_s: i64,
    ppid: u32,
    user: CompactString,
    name: CompactString,
    command: CompactString,
    unit: Option<CompactString>,
}

#[derive(Clone, Debug)]
struct Row {
    who: Arc<Identity>,
    /// Tenths of a percent of one core; negative when not known.
    cpu_tenths: i32,
    rss_kib: u32,
    state: char,
}

#[derive(Clone, Debug)]
struct Table {
    counts: [u32; 5],
    rows: Box<[Row]>,
    units: Arc<[UnitUse]>,
}

/// Process tables by time.
#[derive(Clone, Debug)]
pub struct ProcessTables {
    tables: History<Table>,
    known: BTreeMap<(u32, i64), Arc<Identity>>,
}

impl Default for ProcessTables {
    fn default() -> ProcessTables {
        ProcessTables { tables: History::new(TABLES), known: BTreeMap::new() }
    }
}

impl ProcessTables {
    /// Takes in one table; rows past thirty and units past twelve are cut off, whoever sent them.
    pub fn push(&mut self, seq: Seq, observed: Ts, t: &ProcessTable) {
        let rows = t.rows.iter().take(30).map(|r| self.row(r)).collect();
        let units = t.units.iter().take(12).cloned().collect();
        let counts = [t.total, t.running, t.uninterruptible, t.zombies, t.interval_ms];
        self.tables.push(observed, observed, seq, Table { counts, rows, units });
        if self.known.len() > IDENTITIES {
            self.known.retain(|_, who| Arc::strong_count(who) > 1);
        }
    }

    fn row(&mut self, r: &ProcessRow) -> Row {
        let who = Identity {
            pid: r.pid,
            started_s: r.started_s,
            ppid: r.ppid,
            user: r.user.clone(),
            name: r.name.clone(),
            command: r.command.clone(),
            unit: r.unit.clone(),
        };
        let slot = self.known.entry((r.pid, r.started_s)).or_insert_with(|| Arc::new(who.clone()));
        if **slot != who {
            *slot = Arc::new(who);
        }
        Row {
            who: slot.clone(),
            cpu_tenths: r.cpu_pct_of_one_core.map_or(-1, |c| (c * 10.0).round().max(0.0) as i32),
            rss_kib: u32::try_from(r.rss_bytes / 1024).unwrap_or(u32::MAX),
            state: r.state,
        }
    }

    /// The table as of `now`, and when it was taken.
    pub fn as_of(&self, now: Ts) -> Option<(Ts, ProcessTable)> {
        let e = self.tables.latest(now)?;
        let [total, running, uninterruptible, zombies, interval_ms] = e.value.counts;
        let rows = e.value.rows.iter().map(|r| ProcessRow {
            pid: r.who.pid,
            started_s: r.who.started_s,
            ppid: r.who.ppid,
            user: r.who.user.clone(),
            cpu_pct_of_one_core: (r.cpu_tenths >= 0).then(|| r.cpu_tenths as f32 / 10.0),
            rss_bytes: u64::from(r.rss_kib) * 1024,
            state: r.state,
            name: r.who.name.clone(),
            command: r.who.command.clone(),
            unit: r.who.unit.clone(),
        });
        let rows = rows.collect();
        let units = e.value.units.to_vec();
        Some((e.at, ProcessTable { total, running, uninterruptible, zombies, interval_ms, rows, units }))
    }

    /// Time of the newest table that fell off.
    pub fn evicted_upto(&self) -> Option<Ts> {
        self.tables.evicted_upto()
    }

    /// Tables that fell off the far end.
    pub fn evicted(&self) -> u64 {
        self.tables.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pid: u32, command: &str) -> ProcessTable {
        let row = ProcessRow {
            pid,
            started_s: 5,
            command: command.into(),
            cpu_pct_of_one_core: Some(118.3),
            rss_bytes: 1 << 30,
            state: 'R',
            ..ProcessRow::default()
        };
        ProcessTable { total: 9, rows: vec![row], ..ProcessTable::default() }
    }

    #[test]
    fn a_table_comes_back_as_it_went_in_and_as_of_its_own_time() {
        let mut h = ProcessTables::default();
        h.push(1, Ts::from_secs(10), &table(7, "postgres: idle"));
        h.push(2, Ts::from_secs(12), &table(7, "postgres: SELECT"));
        assert_eq!(h.as_of(Ts::from_secs(9)), None);
        assert_eq!(h.as_of(Ts::from_secs(11)), Some((Ts::from_secs(10), table(7, "postgres: idle"))));
        assert_eq!(h.as_of(Ts::from_secs(99)), Some((Ts::from_secs(12), table(7, "postgres: SELECT"))));
    }

    #[test]
    fn names_of_processes_that_no_table_shows_any_more_are_let_go() {
        let mut h = ProcessTables::default();
        for i in 0..12_000u32 {
            h.push(u64::from(i) + 1, Ts::from_secs(i64::from(i) * 2), &table(i, "short-lived"));
        }
        assert!(h.known.len() <= IDENTITIES + 1, "{}", h.known.len());
        assert_eq!(h.evicted(), 12_000 - TABLES as u64);
    }
}
