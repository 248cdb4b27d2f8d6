//! A busy afternoon to measure with: two hours of everything the stream carries, and a log file of any size. Everything
//! follows from the numbers, so that two runs measure the same.

#![allow(dead_code)] // each bench uses its part

use std::io::{BufWriter, Write};
use std::path::Path;

use warroom::signals::database::event::*;
use warroom::signals::deploys::event::{Change, ChangeKind, DeployEvent};
use warroom::signals::health::event::{HealthEvent, Phases, Probe, ProbeKind};
use warroom::signals::host::event::*;
use warroom::signals::incident::event::{IncidentEvent, Note, NoteKind, Opened, RecordId, Status};
use warroom::signals::logs::event::{LogAppended, LogEvent};
use warroom::signals::{Envelope, Event};
use warroom::timeline::counts::Counts;
use warroom::timeline::source::Declaration;
use warroom::timeline::{OriginId, RequestId, Severity, SourceDecl, SourceId, SourceKind, Ts};

/// When the afternoon begins, in seconds.
pub const START: i64 = 1_795_190_000;
/// How long it is, in seconds: what is kept at full resolution.
pub const LONG: i64 = 7_200;

/// A request ID for a number.
pub fn id(i: u64) -> String {
    format!("{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Line `i` of the log, written `per_second` lines a second from [`START`] on.
pub fn line(i: u64, per_second: u64) -> String {
    let at = Ts((START * 1_000_000_000) + (i * 1_000_000_000 / per_second) as i64);
    let level = if i.is_multiple_of(50) { "error" } else { ["info", "debug", "info", "warn"][i as usize % 4] };
    format!(
        r#"{{"ts":"{}","level":"{level}","target":"shop::cart","request_id":"{}","path":"/checkout/{}","status":{},"duration_ms":{},"message":"order {i} placed for customer {}"}}"#,
        at.jiff(),
        id(i / 6),
        i % 97,
        if level == "error" { 503 } else { 200 },
        i % 400,
        i % 1_000,
    ) + "\n"
}

/// Writes whole lines until the file holds at least `bytes`; gives back how many, and its size.
pub fn write_log(path: &Path, bytes: u64, per_second: u64) -> (u64, u64) {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).expect("a file in the temp folder"));
    let (mut lines, mut size) = (0, 0);
    while size < bytes {
        let line = line(lines, per_second);
        size += line.len() as u64;
        lines += 1;
        out.write_all(line.as_bytes()).expect("room in the temp folder");
    }
    out.flush().expect("room in the temp folder");
    (lines, size)
}

/// Gives out envelopes with numbers.
#[derive(Default)]
pub struct Stream {
    seq: u64,
    /// What was said so far.
    pub all: Vec<Envelope>,
}

impl Stream {
    /// Says `event` at `second` of the afternoon.
    pub fn say(&mut self, source: u32, second: i64, event: Event) {
        self.seq += 1;
        let observed = Ts::from_secs(START + second);
        let mono = second.max(0) as u64 * 1_000_000_000;
        self.all.push(Envelope { seq: self.seq, origin: OriginId(0), source: SourceId(source), observed, mono, event });
    }
}

/// The sources of the afternoon.
pub fn declarations(s: &mut Stream) {
    use SourceKind::*;
    for (i, (kind, name)) in [
        (Logs, "app"),
        (Host, "host"),
        (Database, "main"),
        (Deploys, "deploys"),
        (Health, "health"),
        (Incident, "notes"),
    ]
    .into_iter()
    .enumerate()
    {
        let decl = SourceDecl { id: SourceId(i as u32 + 1), kind, name: name.into(), detail: name.into() };
        s.say(i as u32 + 1, 0, Event::Stream(Declaration::Source(decl)));
    }
}

/// One sample of the machine.
pub fn host_sample(second: i64) -> Event {
    let wave = (second % 60) as f32;
    Event::Host(HostEvent::Sample(Box::new(HostSample {
        cpu: CpuModes { user_pct: wave, system_pct: 7.5, iowait_pct: 2.0, steal_pct: 0.0 },
        cores_user_system_iowait_steal_pct: vec![[wave as u8, 7, 2, 0]; 16],
        load_1_5_15: [4.2, 3.9, 3.1],
        running: 5,
        memory: Memory {
            total_bytes: 64 << 30,
            used_bytes: (20 << 30) + second as u64,
            available_bytes: 44 << 30,
            cache_bytes: 9 << 30,
            dirty_bytes: 1 << 20,
        },
        pressure: Some(Pressure { cpu_some_pct: wave, ..Pressure::default() }),
        disks: (0..4).map(|i| DiskIo { name: format!("nvme{i}n1").into(), ..DiskIo::default() }).collect(),
        ..HostSample::default()
    })))
}

/// One process table.
pub fn processes(second: i64) -> Event {
    let row = |i: u32| ProcessRow {
        pid: 1_000 + i,
        started_s: START - 86_400,
        ppid: 1,
        user: "shop".into(),
        cpu_pct_of_one_core: Some(((second as u32 + i) % 90) as f32),
        rss_bytes: u64::from(i) << 24,
        state: 'S',
        name: "shop-worker".into(),
        command: format!("/srv/shop/bin/worker --queue orders --number {i}").into(),
        unit: Some("shop.service".into()),
    };
    let table = ProcessTable { total: 600, interval_ms: 2_000, rows: (0..30).map(row).collect(), ..Default::default() };
    Event::Host(HostEvent::Processes(Box::new(table)))
}

/// One look at the sessions of a server.
pub fn activity(second: i64) -> Event {
    let session = |i: i32| Session {
        pid: 100 + i,
        backend_start: Some(Ts::from_secs(START)),
        query_start: Some(Ts::from_secs(START + second)),
        query_age_ms: Some((second as u64 * 37 + i as u64 * 211) % 3_000),
        state: Some(if i % 3 == 0 { "idle".into() } else { "active".into() }),
        wait: (i % 5 == 0).then(|| "Lock:transactionid".into()),
        user: "shop".into(),
        db: "shop".into(),
        application: "shop-worker".into(),
        queryid: Some(i64::from(i % 12)),
        query: format!(
            "SELECT o.id, o.total FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.shard = {}",
            i % 12
        ),
        blocked_by: if i % 5 == 0 { vec![101] } else { Vec::new() },
        ..Session::default()
    };
    let sessions: Vec<Session> = (0..40).map(session).collect();
    let counts = SessionCounts { clients: 40, active: 26, idle: 14, waiting: 8, ..SessionCounts::default() };
    Event::Database(DatabaseEvent::Activity(Activity {
        counts,
        max_connections: 100,
        sessions,
        every_ms: 1_000,
        ..Activity::default()
    }))
}

/// One look at `waiting` sessions in a queue behind one that is idle in its transaction: as many as a source lists, each
/// with the head of the queue and the nearest before it.
pub fn chain(second: i64, waiting: i32) -> Event {
    let session = |i: i32| Session {
        pid: 100 + i,
        backend_start: Some(Ts::from_secs(START)),
        query_start: Some(Ts::from_secs(START)),
        query_age_ms: Some(second as u64 * 1_000 + (waiting - i) as u64),
        state_age_ms: Some(second as u64 * 1_000 + 500),
        state: Some(if i == 0 { "idle in transaction".into() } else { "active".into() }),
        wait: (i > 0).then(|| "Lock:transactionid".into()),
        user: "shop".into(),
        db: "shop".into(),
        application: "shop-worker".into(),
        queryid: Some(7),
        query: format!("UPDATE stock SET left_over = left_over - 1 WHERE product = 17 AND worker = {i}"),
        blocked_by: match i {
            0 => Vec::new(),
            1..=5 => (100..100 + i).collect(),
            _ => vec![100, 101, 102, 103, 99 + i],
        },
        ..Session::default()
    };
    let listed: Vec<Session> = (0..=waiting).take(SESSIONS).map(session).collect();
    let clients = waiting as u32 + 1;
    let counts = SessionCounts {
        clients,
        active: waiting as u32,
        idle_in_tx: 1,
        waiting: waiting as u32,
        ..SessionCounts::default()
    };
    Event::Database(DatabaseEvent::Activity(Activity {
        counts,
        max_connections: 300,
        unlisted: clients - listed.len() as u32,
        sessions: listed,
        every_ms: 1_000,
        ..Activity::default()
    }))
}

/// One difference of statement counters.
pub fn statements(second: i64) -> Event {
    let delta = |i: i64| StatementDelta {
        queryid: i,
        calls: 100,
        total_ms: (second % 100 + i) as f64 * 10.0,
        mean_ms: (second % 100 + i) as f64 / 10.0,
        ..StatementDelta::default()
    };
    let deltas = (0..STATEMENTS as i64).map(delta).collect();
    Event::Database(DatabaseEvent::Statements(Statements {
        interval_ms: 5_000,
        calls: 5_000,
        deltas,
        ..Statements::default()
    }))
}

/// A statement that a log line calls slow.
pub fn slow(second: i64, i: u64) -> Event {
    let from = LineRef { source: SourceId(1), name: "app".into(), generation: 0, offset: i * 200 };
    Event::Database(DatabaseEvent::SlowStatement(SlowStatement {
        duration_ms: 250.0 + (i % 900) as f64,
        statement: format!("SELECT o.id FROM orders o WHERE o.customer = {i}"),
        fingerprint: i % 7,
        request_id: Some(RequestId(id(i).as_str().into())),
        from,
        at: Some(Ts::from_secs(START + second)),
        ..SlowStatement::default()
    }))
}

/// What a pool says of itself.
pub fn pool(second: i64) -> Event {
    Event::Database(DatabaseEvent::PoolFigures(PoolFigures {
        pool: "orders".into(),
        used: Some((second % 20) as u32),
        idle: Some(20 - (second % 20) as u32),
        max: Some(20),
        waiting: Some((second % 3) as u32),
        ..PoolFigures::default()
    }))
}

/// A batch of `lines` log lines, of which one in twenty is an error.
pub fn log_batch(second: i64, start: u64, lines: u32, bytes: Option<std::sync::Arc<[u8]>>) -> Event {
    let mut counts = Counts::default();
    counts.add(Some(Severity::Info), lines - lines / 20);
    counts.add(Some(Severity::Error), lines / 20);
    let at = Ts::from_secs(START + second);
    Event::Logs(LogEvent::Appended(LogAppended {
        generation: 0,
        start,
        end: start + u64::from(lines) * 200,
        lines,
        unknown: 0,
        counts: vec![(START + second, counts)],
        span: Some((at, at)),
        format: "json".into(),
        seed: false,
        bytes,
    }))
}

/// One probe.
pub fn probe(second: i64, i: usize) -> Event {
    Event::Health(HealthEvent::Probed(Probe {
        at: Ts::from_secs(START + second),
        name: format!("dependency-{i}"),
        kind: ProbeKind::Http,
        target: format!("http://10.0.0.{i}/healthz"),
        ok: (second / 60 + i as i64) % 9 != 0,
        status: Some(200),
        latency_ms: 3.0 + (second % 50) as f64,
        phases: Phases::default(),
        interval_ms: 5_000,
        ..Probe::default()
    }))
}

/// A deploy.
pub fn deploy(second: i64) -> Event {
    let mut change = Change::new(Ts::from_secs(START + second), ChangeKind::Deploy, "shop");
    change.version = format!("1.4.{}", second / 600);
    Event::Deploys(DeployEvent::Change(change))
}

/// A record ID for a number.
fn record(i: u128) -> RecordId {
    RecordId(uuid::Uuid::from_u128((0x0190_0000_0000_7000_8000 << 48) + i))
}

/// The incident, opened.
pub fn opened(second: i64) -> Event {
    Event::Incident(IncidentEvent::Opened(Opened {
        incident: record(0),
        title: "checkout is slow".into(),
        severity: None,
        status: Status::Investigating,
        at: Ts::from_secs(START + second),
        author: "ann".into(),
        host: "web-1".into(),
        recording: None,
    }))
}

/// A note in it.
pub fn note(second: i64, i: u128) -> Event {
    let at = Ts::from_secs(START + second);
    Event::Incident(IncidentEvent::Note(Note {
        id: record(i + 1),
        incident: record(0),
        kind: NoteKind::Observation,
        state: None,
        text: format!("pool is at its limit again, number {i}"),
        event_at: at,
        entered_at: at,
        author: "ann".into(),
        host: "web-1".into(),
        evidence: Vec::new(),
        supersedes: None,
        deleted: false,
        recording: None,
        screen: None,
        ran: None,
    }))
}

/// Two hours of everything: samples every second, processes every other, a database with forty sessions, slow lines,
/// four batches of log lines a second, six probes every five seconds, deploys, and an incident with 200 notes.
pub fn afternoon(log: bool) -> Vec<Envelope> {
    let mut s = Stream::default();
    declarations(&mut s);
    s.say(6, LONG - 3_600, opened(LONG - 3_600));
    let (mut offset, mut slow_lines) = (0, 0);
    for second in 0..LONG {
        s.say(2, second, host_sample(second));
        if second % 2 == 0 {
            s.say(2, second, processes(second));
        }
        s.say(3, second, activity(second));
        s.say(3, second, pool(second));
        if second % 5 == 0 {
            s.say(3, second, statements(second));
            for i in 0..6 {
                s.say(5, second, probe(second, i));
            }
        }
        s.say(3, second, slow(second, slow_lines));
        slow_lines += 1;
        if log {
            for _ in 0..4 {
                s.say(1, second, log_batch(second, offset, 100, None));
                offset += 20_000;
            }
        }
        if second % 1_200 == 600 {
            s.say(4, second, deploy(second));
        }
        if second >= LONG - 3_600 && second % 18 == 0 {
            s.say(6, second, note(second, second as u128));
        }
    }
    s.all
}
