//! What the fields of samples are: path, type, unit, and whether they count up or stand as they are. For readers that know
//! no more than the document; made from the types themselves, so that it cannot fall behind them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signals::database::event::{Activity, PoolFigures, Session, StatementDelta, Statements};
use crate::signals::health::event::Probe;
use crate::signals::host::event::{
    CgroupLimits, DiskIo, HostSample, Mount, OwnCost, Pressure, ProcessRow, ProcessTable, Stalls, UnitUse,
};
use crate::timeline::Ts;

/// One field of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Where it stands in an event: `host.sample.memory.used_bytes`; `[]` is each element of a list.
    pub path: String,
    /// JSON type: number, string, boolean.
    #[serde(rename = "type")]
    pub kind: String,
    /// `bytes`, `bytes/s`, `ms`, `s`, `%`, `1/s`; empty for plain numbers and texts.
    pub unit: String,
    /// `gauge`: as it stands; `counter`: counts up until the thing that counts begins anew; `label`: says what it is of.
    pub meaning: String,
}

/// Fields that count up, by the end of their path; all other numbers are gauges.
const COUNTERS: [&str; 4] = ["oom_kills_since_boot", "cgroup.oom_kills", "pool_figures.timeouts", "activity.skipped"];
/// Numbers that only tell one thing from another.
const LABELS: [&str; 7] = [".pid", ".ppid", ".started_s", ".queryid", ".version", "blocked_by[]", ".status"];

/// All fields of what is sampled again and again, sorted by signal and as they stand in their types.
pub fn fields() -> Vec<Field> {
    let sample = HostSample {
        cores_user_system_iowait_steal_pct: vec![[0; 4]],
        pressure: Some(Pressure { since_last: Some(Stalls::default()), ..Pressure::default() }),
        disks: vec![DiskIo::default()],
        cgroup: Some(CgroupLimits {
            memory_limit_bytes: Some(0),
            memory_used_bytes: Some(0),
            cpu_quota_cores: Some(0.0),
            throttled_pct: Some(0.0),
            oom_kills: Some(0),
            ..CgroupLimits::default()
        }),
        oom_kills_since_boot: Some(0),
        ..HostSample::default()
    };
    let row = ProcessRow { cpu_pct_of_one_core: Some(0.0), unit: Some("".into()), ..ProcessRow::default() };
    let table = ProcessTable { rows: vec![row], units: vec![UnitUse::default()], ..ProcessTable::default() };
    let session = Session {
        backend_start: Some(Ts(0)),
        query_start: Some(Ts(0)),
        query_age_ms: Some(0),
        xact_age_ms: Some(0),
        state_age_ms: Some(0),
        state: Some("".into()),
        wait: Some("".into()),
        client: Some("".into()),
        client_port: Some(0),
        client_process: Some("".into()),
        queryid: Some(0),
        blocked_by: vec![0],
        ..Session::default()
    };
    let activity = Activity { sessions: vec![session], ..Activity::default() };
    let delta = StatementDelta { p95_ms: Some(0.0), ..StatementDelta::default() };
    let statements = Statements { deltas: vec![delta], ..Statements::default() };
    let pool = PoolFigures {
        used: Some(0),
        idle: Some(0),
        max: Some(0),
        waiting: Some(0),
        oldest_wait_ms: Some(0.0),
        timeouts: Some(0),
        acquire_ms: Some(0.0),
        ..PoolFigures::default()
    };
    let mut out = Vec::new();
    let mut add = |path: &str, value: serde_json::Result<Value>| walk(path, &value.unwrap_or_default(), &mut out);
    add("host.sample", serde_json::to_value(sample));
    add("host.processes", serde_json::to_value(table));
    add("host.mounts.mounts[]", serde_json::to_value(Mount::default()));
    add("host.own_cost", serde_json::to_value(OwnCost::default()));
    add("database.activity", serde_json::to_value(activity));
    add("database.statements", serde_json::to_value(statements));
    add("database.pool_figures", serde_json::to_value(pool));
    add("health.probed", serde_json::to_value(Probe { status: Some(0), ..Probe::default() }));
    out
}

fn walk(path: &str, value: &Value, out: &mut Vec<Field>) {
    let kind = match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, v)| walk(&format!("{path}.{name}"), v, out));
            return;
        }
        Value::Array(all) => {
            if let Some(first) = all.first() {
                walk(&format!("{path}[]"), first, out);
            }
            return;
        }
        Value::Null => return,
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
    };
    let meaning = match kind {
        "number" if COUNTERS.iter().any(|c| path.ends_with(c)) => "counter",
        "number" if !LABELS.iter().any(|l| path.ends_with(l)) => "gauge",
        _ => "label",
    };
    out.push(Field { path: path.into(), kind: kind.into(), unit: unit(path, kind).into(), meaning: meaning.into() });
}

/// From the end of the name: that is how fields are named here.
fn unit(path: &str, kind: &str) -> &'static str {
    if kind != "number" {
        return "";
    }
    const ENDS: [(&str, &str); 7] = [
        ("bytes_per_s", "bytes/s"),
        ("_per_s", "1/s"),
        ("_bytes", "bytes"),
        ("_ms", "ms"),
        ("_s", "s"),
        ("_cores", "cores"),
        ("_start", "ns since 1970"),
    ];
    let name = path.trim_end_matches("[]");
    if name.contains("_pct") {
        return "%";
    }
    ENDS.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sampled_field_is_named_once_with_its_unit_and_whether_it_counts() {
        let all = fields();
        let of = |path: &str| all.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("{path} in {all:?}"));
        assert_eq!(of("host.sample.memory.used_bytes").unit, "bytes");
        assert_eq!(of("host.sample.cores_user_system_iowait_steal_pct[][]").unit, "%");
        assert_eq!(of("host.sample.network.rx_bytes_per_s").unit, "bytes/s");
        assert_eq!(of("host.sample.oom_kills_since_boot").meaning, "counter");
        assert_eq!(of("host.processes.rows[].pid").meaning, "label");
        assert_eq!(of("database.activity.sessions[].query_age_ms").unit, "ms");
        assert_eq!(of("database.pool_figures.waiting").meaning, "gauge");
        let mut paths: Vec<&str> = all.iter().map(|f| f.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), all.len());
    }
}
