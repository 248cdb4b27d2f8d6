//! What happens in the worlds of tests: two requests, an outage, sources that fail.

use std::time::Duration;

use super::world::{API, DEPLOYS, HEALTH, HOST, INCIDENT, NGINX, POOL, World, t};
use crate::signals::Event;
use crate::signals::database::event::{DatabaseEvent, LineRef, PoolFigures, PoolFrom, Refused, SlowStatement};
use crate::signals::deploys::event::{Change, ChangeKind, DeployEvent};
use crate::signals::health::event::{HealthEvent, Probe};
use crate::signals::host::event::{
    CpuModes, HostEvent, HostSample, Memory, Mount, Pressure, ProcessRow, ProcessTable, Swap,
};
use crate::signals::incident::event::{
    IncidentEvent, IncidentSeverity, Milestone, MilestoneKind, Note, NoteKind, Opened, RecordId, Status,
};
use crate::timeline::{Severity, SourceKind, SourceState, Ts};

/// IDs of the two requests in [`two_requests`].
pub const BROKEN: &str = "7f3a90b1c5d24e6f8a1b2c3d4e5fc210";
pub const CALM: &str = "00c0ffee00c0ffee00c0ffee00c0ffee";

/// Live at 14:00:10 with eight lines of two requests in two files; the last one is an error of [`BROKEN`].
pub fn two_requests() -> World {
    let mut w = World::live("14:00:10");
    w.source(t("13:59:00"), API, SourceKind::Logs, "api", "/srv/api.log");
    w.source(t("13:59:00"), NGINX, SourceKind::Logs, "nginx", "/var/log/nginx/access.log");
    w.line(API, "14:00:01", Severity::Info, CALM, "calm start");
    w.line(API, "14:00:02", Severity::Info, BROKEN, "broken start");
    w.line(API, "14:00:03", Severity::Info, CALM, "calm end");
    w.line(NGINX, "14:00:03.5", Severity::Info, CALM, "GET /carts 200");
    w.line(API, "14:00:04", Severity::Warn, BROKEN, "acquire waited");
    w.line(API, "14:00:05", Severity::Debug, "", "no request at all");
    w.line(NGINX, "14:00:06.5", Severity::Error, BROKEN, "GET /orders 503");
    w.line(API, "14:00:07", Severity::Error, BROKEN, "pool timeout");
    w.settle();
    w
}

/// A number that looks random and is not.
fn mixed(n: u64) -> u64 {
    let x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ (x >> 29)
}

/// Live at 14:03:22, seven minutes into an outage: 1.4.2 dropped an index, the pool ran dry, orders answer 503.
pub fn outage() -> World {
    let mut w = World::live("14:03:22");
    let start = t("13:48:00");
    w.origin(start, "web-2");
    w.source(start, API, SourceKind::Logs, "api", "/srv/api.log");
    w.source(start, NGINX, SourceKind::Logs, "nginx", "/var/log/nginx/access.log");
    w.source(start, HOST, SourceKind::Host, "host", "/proc");
    w.source(start, POOL, SourceKind::Database, "api", "http://127.0.0.1:9100/metrics");
    w.source(start, DEPLOYS, SourceKind::Deploys, "deploy log", "/var/log/deploys.jsonl");
    w.source(start, HEALTH, SourceKind::Health, "probes", "3 targets");
    w.source(start, INCIDENT, SourceKind::Incident, "incident", "/var/lib/warroom/incidents.db");
    let broke = t("13:56:10");
    let deploy = |at: &str, version: &str, previous: &str| Change {
        version: version.into(),
        previous: Some(previous.into()),
        by: Some("ci".into()),
        ..Change::new(t(at), ChangeKind::Deploy, "api")
    };
    for second in 0..922_u64 {
        let at = start + Duration::from_secs(second);
        let sick = at >= broke;
        match at {
            _ if at == t("13:53:02") => {
                w.event(DEPLOYS, at, Event::Deploys(DeployEvent::Change(deploy("13:53:02", "1.4.1", "1.4.0"))));
            }
            _ if at == t("13:55:58") => {
                w.event(DEPLOYS, at, Event::Deploys(DeployEvent::Change(deploy("13:55:58", "1.4.2", "1.4.1"))));
            }
            _ if at == t("14:01:10") => incident(&mut w),
            _ => {}
        }
        requests(&mut w, second, at, sick);
        host(&mut w, second, at, sick);
        database(&mut w, second, at, sick);
        if second.is_multiple_of(5) {
            probes(&mut w, at, at >= t("13:56:20"));
        }
    }
    w.settle();
    w
}

/// The afternoon of [`outage`] goes on from one second of it to another, sick or well, and the clock with it.
pub fn goes_on(w: &mut World, seconds: std::ops::Range<u64>, sick: bool) {
    let start = t("13:48:00");
    for second in seconds.clone() {
        let at = start + Duration::from_secs(second);
        requests(w, second, at, sick);
        host(w, second, at, sick);
        database(w, second, at, sick);
        if second.is_multiple_of(5) {
            probes(w, at, sick);
        }
    }
    w.tick(start + Duration::from_secs(seconds.end));
}

fn requests(w: &mut World, second: u64, at: Ts, sick: bool) {
    let (mut api, mut nginx) = (Vec::new(), Vec::new());
    for n in 0..2 {
        let id = format!("{:016x}{:016x}", mixed(second * 2 + n), mixed(second));
        let (at, user) = (at + Duration::from_millis(120 + 400 * n), mixed(second + n) % 90_000);
        let fails = sick && n == 0;
        let start =
            format!("\"request_id\":\"{id}\",\"msg\":\"request started\",\"method\":\"GET\",\"path\":\"/orders\"");
        api.push((at, Severity::Info, start));
        let end = match fails {
            true => (
                at + Duration::from_millis(90),
                Severity::Error,
                format!(
                    "\"request_id\":\"{id}\",\"msg\":\"pool timeout after 5.0 s\",\"path\":\"/orders\",\"status\":503,\"error\":\"TimeoutError\""
                ),
            ),
            false => (
                at + Duration::from_millis(40),
                Severity::Info,
                format!(
                    "\"request_id\":\"{id}\",\"msg\":\"request finished\",\"path\":\"/orders\",\"status\":200,\"duration_ms\":40,\"user\":{user}"
                ),
            ),
        };
        let status = if fails { 503 } else { 200 };
        nginx.push((
            end.0 + Duration::from_millis(2),
            if fails { Severity::Error } else { Severity::Info },
            format!("\"request_id\":\"{id}\",\"msg\":\"GET /orders?user={user} {status}\",\"status\":{status}"),
        ));
        api.push(end);
    }
    w.lines(API, &api);
    w.lines(NGINX, &nginx);
}

fn host(w: &mut World, second: u64, at: Ts, sick: bool) {
    let wobble = (mixed(second) % 7) as f32;
    let (user, system) = if sick { (60.0 + wobble, 12.0) } else { (14.0 + wobble, 3.0) };
    let gb = 1 << 30;
    let sample = HostSample {
        cpu: CpuModes { user_pct: user, system_pct: system, iowait_pct: if sick { 7.0 } else { 0.5 }, steal_pct: 0.0 },
        cores_user_system_iowait_steal_pct: vec![[user as u8, system as u8, 1, 0]; 4],
        load_1_5_15: if sick { [3.9, 2.8, 1.4] } else { [0.7, 0.6, 0.6] },
        running: 3,
        memory: Memory {
            total_bytes: 8 * gb,
            used_bytes: 5 * gb,
            available_bytes: 3 * gb,
            cache_bytes: 2 * gb,
            dirty_bytes: 0,
        },
        swap: Swap::default(),
        pressure: Some(Pressure {
            cpu_some_pct: if sick { 18.0 } else { 1.0 },
            io_some_pct: if sick { 3.0 } else { 0.2 },
            ..Pressure::default()
        }),
        ..HostSample::default()
    };
    w.event(HOST, at, Event::Host(HostEvent::Sample(Box::new(sample))));
    let row = |pid, cpu: f32, mb: u64, name: &str, command: &str| ProcessRow {
        pid,
        user: "app".into(),
        cpu_pct_of_one_core: Some(cpu),
        rss_bytes: mb << 20,
        state: 'S',
        name: name.into(),
        command: command.into(),
        ..ProcessRow::default()
    };
    if second.is_multiple_of(10) {
        let rows = vec![
            row(4121, if sick { 118.0 } else { 9.0 }, 1_228, "postgres", "postgres: shop orders SELECT"),
            row(3977, if sick { 81.0 } else { 30.0 }, 412, "api", "/srv/api/current/api --port 8080"),
            row(812, 3.0, 44, "nginx", "nginx: worker process"),
        ];
        let table = ProcessTable { total: 143, running: 3, interval_ms: 2_000, rows, ..ProcessTable::default() };
        w.event(HOST, at, Event::Host(HostEvent::Processes(Box::new(table))));
    }
    if second.is_multiple_of(60) {
        let mount = Mount {
            path: "/".into(),
            device: "/dev/vda1".into(),
            fs: "ext4".into(),
            total_bytes: 80 * gb,
            used_bytes: 52 * gb,
            available_bytes: 24 * gb,
            inodes_used_pct: 11.0,
            ..Mount::default()
        };
        w.event(HOST, at, Event::Host(HostEvent::Mounts { mounts: vec![mount] }));
    }
}

fn database(w: &mut World, second: u64, at: Ts, sick: bool) {
    let used = if sick { 20 } else { 2 + (mixed(second) % 3) as u32 };
    let figures = PoolFigures {
        pool: "api".into(),
        from: PoolFrom::Metrics,
        used: Some(used),
        idle: Some(20 - used),
        max: Some(20),
        waiting: Some(if sick { 7 } else { 0 }),
        oldest_wait_ms: Some(if sick { 3_900.0 } else { 0.0 }),
        timeouts: Some(if sick { 1 } else { 0 }),
        ..PoolFigures::default()
    };
    w.event(POOL, at, Event::Database(DatabaseEvent::PoolFigures(figures)));
    if sick && second.is_multiple_of(2) {
        let statement = "SELECT id, status, total FROM orders WHERE user_id = $1 ORDER BY created_at DESC LIMIT 20";
        let slow = SlowStatement {
            at: Some(at),
            duration_ms: 5_200.0 + (mixed(second) % 200) as f64,
            statement: statement.into(),
            fingerprint: 42,
            from: LineRef { source: API, name: "api".into(), generation: 0, offset: 0 },
            ..SlowStatement::default()
        };
        w.event(POOL, at, Event::Database(DatabaseEvent::SlowStatement(slow)));
    }
}

fn probes(w: &mut World, at: Ts, sick: bool) {
    for (name, target, ok, latency) in [
        ("api /healthz", "http://127.0.0.1:8080/healthz", !sick, if sick { 1_002.0 } else { 4.0 }),
        ("payments", "https://payments.example/healthz", true, 82.0),
        ("redis", "127.0.0.1:6379", true, 0.3),
    ] {
        let probe = Probe {
            at,
            name: name.into(),
            target: target.into(),
            ok,
            status: (name != "redis").then_some(if ok { 200 } else { 503 }),
            latency_ms: latency,
            interval_ms: 5_000,
            ..Probe::default()
        };
        w.event(HEALTH, at, Event::Health(HealthEvent::Probed(probe)));
    }
}

pub fn id(n: u8) -> RecordId {
    serde_json::from_value(format!("01a1fd41-0000-7000-8000-0000000000{n:02x}").into()).expect("an ID")
}

fn incident(w: &mut World) {
    let (author, host) = (|| "anna".to_owned(), || "web-2".to_owned());
    let opened = Opened {
        incident: id(1),
        title: "checkout".into(),
        severity: Some(IncidentSeverity::Sev2),
        status: Status::Investigating,
        at: t("13:58:00"),
        author: author(),
        host: host(),
        recording: None,
    };
    w.event(INCIDENT, t("13:58:00"), Event::Incident(IncidentEvent::Opened(opened)));
    let started = Milestone {
        id: id(2),
        incident: id(1),
        milestone: MilestoneKind::Started,
        at: t("13:56:10"),
        entered_at: t("13:58:30"),
        by: author(),
        host: host(),
        deleted: false,
    };
    w.event(INCIDENT, t("13:58:30"), Event::Incident(IncidentEvent::Milestone(started)));
    for (n, at, kind, text) in [
        (3, "13:58:40", NoteKind::Observation, "503s only on /orders"),
        (4, "14:01:10", NoteKind::Hypothesis, "1.4.2 dropped the index on orders(user_id)"),
    ] {
        let note = Note {
            id: id(n),
            incident: id(1),
            kind,
            state: None,
            text: text.into(),
            event_at: t(at),
            entered_at: t(at),
            author: author(),
            host: host(),
            evidence: Vec::new(),
            screen: None,
            ran: None,
            recording: None,
            supersedes: None,
            deleted: false,
        };
        w.event(INCIDENT, t(at), Event::Incident(IncidentEvent::Note(note)));
    }
}

/// Live at 14:03:22 with every source in trouble and nothing else known.
pub fn failing() -> World {
    let mut w = World::live("14:03:22");
    let start = t("14:00:00");
    w.origin(start, "web-2");
    for (id, kind, name, detail, why) in [
        (
            API,
            SourceKind::Logs,
            "api",
            "/srv/api.log",
            "/srv/api.log cannot be read: permission denied; setfacl -m u:anna:r /srv/api.log",
        ),
        (HOST, SourceKind::Host, "host", "/proc", "/proc/stat cannot be read: permission denied"),
        (POOL, SourceKind::Database, "orders", "orders@db-1", "db-1:5432 refuses connections; is PostgreSQL running?"),
        (DEPLOYS, SourceKind::Deploys, "deploy log", "/var/log/deploys.jsonl", "line 3 is not a JSON object"),
        (
            HEALTH,
            SourceKind::Health,
            "payments",
            "https://payments",
            "payments.example has no address: DNS does not answer",
        ),
        (
            INCIDENT,
            SourceKind::Incident,
            "incident",
            "/var/lib/warroom/incidents.db",
            "the incident log is locked by another process",
        ),
    ] {
        w.source(start, id, kind, name, detail);
        let next_try = Some(t("14:03:30"));
        w.source_state(t("14:02:52"), id, SourceState::Failed { why: why.into(), next_try });
    }
    let refused = Refused { message: "connection refused".into(), ..Refused::default() };
    w.event(POOL, t("14:02:52"), Event::Database(DatabaseEvent::Refused(refused)));
    w.settle();
    w
}
