//! The units and containers that run here, the box's own before the operating system's.

use std::collections::BTreeMap;

use super::FoundUnit;
use super::procs::Procs;

/// Beginnings of unit names that every box runs.
const SYSTEM: [&str; 24] = [
    "systemd-",
    "dbus",
    "ssh",
    "cron",
    "getty@",
    "serial-getty@",
    "polkit",
    "rsyslog",
    "NetworkManager",
    "networkd-",
    "unattended-upgrades",
    "accounts-daemon",
    "ModemManager",
    "udisks2",
    "multipathd",
    "chrony",
    "ntp",
    "irqbalance",
    "snapd",
    "packagekit",
    "fwupd",
    "auditd",
    "upower",
    "thermald",
];

/// Counts processes by unit.
pub fn units(procs: &Procs) -> Vec<FoundUnit> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for unit in procs.list.iter().filter_map(|p| p.unit.as_deref()) {
        *counts.entry(unit).or_default() += 1;
    }
    let mut out: Vec<FoundUnit> = counts
        .into_iter()
        .map(|(name, processes)| FoundUnit { name: name.into(), processes, of_system: of_system(name) })
        .collect();
    out.sort_by(|a, b| {
        a.of_system.cmp(&b.of_system).then(b.processes.cmp(&a.processes)).then_with(|| a.name.cmp(&b.name))
    });
    out
}

fn of_system(name: &str) -> bool {
    SYSTEM.iter().any(|s| name.starts_with(s))
}
