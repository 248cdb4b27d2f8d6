//! The machine at an instant, to be compared with another: means of the minute before, processes by name.

use std::collections::BTreeMap;

use super::event::Part;
use super::history::HostHistory;
use crate::timeline::figure::{Figure, MEAN_OVER, Trouble, Unit};
use crate::timeline::{Series, TimeRange, Ts};

/// Process names given per instant and kind.
const PROCESSES: usize = 8;

/// Figures of the machine at `now`; a figure nobody sampled in the minute before is left out.
pub fn figures(history: &HostHistory, now: Ts) -> Vec<Figure> {
    let minute = TimeRange::ending(Ts(now.0.saturating_add(1)), MEAN_OVER);
    let s = &history.series;
    let series: [(&str, &Series, Unit, f64); 12] = [
        ("CPU busy", &s.cpu, Unit::Percent, 5.0),
        ("CPU user", &s.user, Unit::Percent, 5.0),
        ("CPU system", &s.system, Unit::Percent, 5.0),
        ("CPU waiting for disk", &s.iowait, Unit::Percent, 5.0),
        ("CPU stolen", &s.steal, Unit::Percent, 2.0),
        ("memory used", &s.memory, Unit::Percent, 3.0),
        ("swap used", &s.swap, Unit::Percent, 2.0),
        ("pressure: CPU", &s.psi_cpu, Unit::Percent, 5.0),
        ("pressure: memory", &s.psi_memory, Unit::Percent, 2.0),
        ("pressure: IO", &s.psi_io, Unit::Percent, 5.0),
        ("disk read and written", &s.disk, Unit::BytesPerSecond, 1_048_576.0),
        ("network in and out", &s.net, Unit::BytesPerSecond, 1_048_576.0),
    ];
    let mut out: Vec<Figure> = series
        .into_iter()
        .filter_map(|(name, series, unit, noise)| {
            let figure = Figure::number("Host, mean of a minute", name, series.mean(minute, now)?, unit, noise);
            Some(match unit {
                Unit::BytesPerSecond => figure.trouble(Trouble::Neither),
                _ => figure,
            })
        })
        .collect();
    if let Some(sample) = history.latest(now).filter(|e| minute.contains(e.at) && e.value.tells(Part::Load)) {
        let load = f64::from(sample.value.load_1_5_15[0]);
        out.push(Figure::number("Host, mean of a minute", "load (1 min)", load, Unit::Count, 1.0));
    }
    for mount in history.mounts(now) {
        let used = f64::from(mount.mount.used_pct());
        let name = format!("{} used", mount.mount.path);
        out.push(Figure::number("Host, mean of a minute", name, used, Unit::Percent, 1.0));
    }
    processes(history, now, minute, &mut out);
    out
}

/// The names that use most, all processes of a name together.
fn processes(history: &HostHistory, now: Ts, minute: TimeRange, out: &mut Vec<Figure>) {
    let Some((_, table)) = history.processes(now).filter(|(at, _)| minute.contains(*at)) else { return };
    let mut names: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for row in &table.rows {
        let (cpu, rss) = names.entry(row.name.as_str()).or_default();
        *cpu += f64::from(row.cpu_pct_of_one_core.unwrap_or(0.0));
        *rss += row.rss_bytes as f64;
    }
    let mut most = |group, unit, noise: f64, of: fn(&(f64, f64)) -> f64| {
        let mut rows: Vec<(&str, f64)> = names.iter().map(|(n, v)| (*n, of(v))).filter(|(_, v)| *v > 0.0).collect();
        rows.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        out.extend(rows.into_iter().take(PROCESSES).map(|(n, v)| Figure::number(group, n, v, unit, noise)));
    };
    most("Processes, CPU (100 % is a core)", Unit::Percent, 10.0, |v| v.0);
    most("Processes, memory", Unit::Bytes, 67_108_864.0, |v| v.1);
}
