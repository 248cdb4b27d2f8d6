//! The rows that can be selected, in one order for drawing and for selecting.

use compact_str::format_compact;

use super::super::amount::bytes;
use super::super::event::{ProcessRow, ProcessTable, UnitUse};
use super::super::findings::STALE;
use super::super::history::HostHistory;
use crate::timeline::Ts;
use crate::ui::{PaneCx, RowKey, Selected};

/// One row.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Index into the table's units.
    Unit(usize),
    /// Index into the table's rows, and whether it stands below its unit.
    Process(usize, bool),
}

/// The rows of one frame. By CPU first; zoomed, those are grouped by unit and the same processes follow by memory.
pub(super) struct Rows {
    pub(super) at: Ts,
    pub(super) table: ProcessTable,
    pub(super) by_cpu: Vec<Row>,
    pub(super) by_memory: Vec<Row>,
    pub(super) stale: bool,
}

impl Rows {
    pub(super) fn new(h: &HostHistory, cx: &PaneCx) -> Rows {
        let (at, table) = h.processes(cx.now).unwrap_or_default();
        let mut by_memory = Vec::new();
        let by_cpu = if cx.zoomed {
            let mut order: Vec<usize> = (0..table.rows.len()).collect();
            order.sort_by(|&a, &b| {
                let (a, b) = (&table.rows[a], &table.rows[b]);
                b.rss_bytes.cmp(&a.rss_bytes).then(a.pid.cmp(&b.pid))
            });
            by_memory = order.into_iter().map(|i| Row::Process(i, false)).collect();
            grouped(&table)
        } else {
            (0..table.rows.len()).map(|i| Row::Process(i, false)).collect()
        };
        // The table comes at most every ten seconds when the machine is short of CPU.
        let stale = cx.now.since(at) > STALE * 3;
        Rows { at, table, by_cpu, by_memory, stale }
    }

    pub(super) fn len(&self) -> usize {
        self.by_cpu.len() + self.by_memory.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<Row> {
        match index.checked_sub(self.by_cpu.len()) {
            None => self.by_cpu.get(index).copied(),
            Some(i) => self.by_memory.get(i).copied(),
        }
    }

    pub(super) fn keys(&self) -> Vec<RowKey> {
        let key = |row: &Row| match row {
            Row::Unit(i) => self.table.units.get(*i).map(|u| format_compact!("unit {}", u.unit)),
            Row::Process(i, _) => self.table.rows.get(*i).map(|p| format_compact!("pid {} {}", p.pid, p.started_s)),
        };
        self.by_cpu.iter().chain(&self.by_memory).map(|row| RowKey(key(row).unwrap_or_default())).collect()
    }

    pub(super) fn select(&self, index: usize) -> Option<Selected> {
        let (text, fields) = match self.get(index)? {
            Row::Unit(i) => unit(self.table.units.get(i)?),
            Row::Process(i, _) => process(self.table.rows.get(i)?),
        };
        Some(Selected { at: Some(self.at), source: "host".into(), text, request_id: None, fields })
    }
}

/// Units busiest first, each with its processes below it; processes of no unit at the end.
fn grouped(t: &ProcessTable) -> Vec<Row> {
    let mut out = Vec::new();
    let mut placed = vec![false; t.rows.len()];
    for (u, unit) in t.units.iter().enumerate() {
        let mine: Vec<usize> = (0..t.rows.len()).filter(|&i| t.rows[i].unit.as_ref() == Some(&unit.unit)).collect();
        if mine.is_empty() {
            continue;
        }
        out.push(Row::Unit(u));
        for i in mine {
            placed[i] = true;
            out.push(Row::Process(i, true));
        }
    }
    out.extend((0..t.rows.len()).filter(|&i| !placed[i]).map(|i| Row::Process(i, false)));
    out
}

fn field(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn process(p: &ProcessRow) -> (String, Vec<(String, String)>) {
    let cpu = p.cpu_pct_of_one_core.map_or_else(|| "?".to_owned(), |c| format!("{c:.1}"));
    let mut text = format!("pid {} {cpu} % of one core, {} resident, {}", p.pid, bytes(p.rss_bytes), p.command);
    let mut fields = vec![
        field("pid", p.pid),
        field("name", &p.name),
        field("command", &p.command),
        field("user", &p.user),
        field("state", p.state),
        field("cpu_pct_of_one_core", cpu),
        field("rss_bytes", p.rss_bytes),
        field("ppid", p.ppid),
        field("started", Ts::from_secs(p.started_s)),
    ];
    if let Some(unit) = &p.unit {
        text.push_str(&format!(" ({unit})"));
        fields.push(field("unit", unit));
    }
    (text, fields)
}

fn unit(u: &UnitUse) -> (String, Vec<(String, String)>) {
    let text = format!(
        "{}: {} processes, {:.1} % of one core, {} resident",
        u.unit,
        u.processes,
        u.cpu_pct_of_one_core,
        bytes(u.rss_bytes)
    );
    let fields = vec![
        field("unit", &u.unit),
        field("processes", u.processes),
        field("cpu_pct_of_one_core", u.cpu_pct_of_one_core),
        field("rss_bytes", u.rss_bytes),
    ];
    (text, fields)
}
