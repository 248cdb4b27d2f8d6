//! Made recordings: a machine, a database, a pool, a probe and a log at one sample a second, for as long as asked for.
//! The same seed gives the same recording.

use std::io::Write;
use std::path::Path;

use warroom::signals::database::event::{Activity, DatabaseEvent, PoolFigures, ServerInfo, Session, SlowStatement};
use warroom::signals::deploys::event::{Change, ChangeKind, DeployEvent};
use warroom::signals::health::event::{HealthEvent, Probe};
use warroom::signals::host::event::{
    DiskIo, HostEvent, HostSample, Mount, Pressure, ProcessRow, ProcessTable, UnitUse,
};
use warroom::signals::logs::event::{LogAppended, LogEvent, LogOpened};
use warroom::signals::{Envelope, Event};
use warroom::stream::recording::{Encoder, Segment, encode_events, encode_segment};
use warroom::timeline::counts::Counts;
use warroom::timeline::source::Declaration;
use warroom::timeline::{OriginId, Severity, SourceDecl, SourceId, SourceKind, SourceState, Ts};

/// A run to be made.
#[derive(Clone, Debug)]
pub struct Made {
    pub host: &'static str,
    pub run: u64,
    /// Second in which it begins.
    pub start: i64,
    pub seconds: i64,
    /// Log lines a second.
    pub lines: u32,
    /// Processes in a table.
    pub rows: u32,
    pub seq: u64,
    pub offset: u64,
    pub random: u64,
}

const LOG: u32 = 1;
const HOST: u32 = 2;
const DATABASE: u32 = 3;
const METRICS: u32 = 4;
const HEALTH: u32 = 5;
const DEPLOYS: u32 = 6;

impl Made {
    pub fn new(host: &'static str, run: u64, start: i64, seconds: i64) -> Made {
        Made {
            host,
            run,
            start,
            seconds,
            lines: 3,
            rows: 20,
            seq: 0,
            offset: 0,
            random: run.wrapping_mul(0x9e37_79b9) | 1,
        }
    }

    /// Hands on one second after the other.
    pub fn each(mut self, mut to: impl FnMut(Vec<Envelope>)) {
        let mut first = Vec::new();
        self.declare(&mut first);
        to(first);
        for second in 0..self.seconds {
            let mut batch = Vec::new();
            self.second(second, &mut batch);
            to(batch);
        }
    }

    /// All of it.
    pub fn envelopes(self) -> Vec<Envelope> {
        let mut all = Vec::new();
        self.each(|batch| all.extend(batch));
        all
    }

    /// As a file, in frames of one second that need no other.
    pub fn write(self, path: &Path) {
        let file = std::fs::File::create(path).expect("a recording");
        let mut out = std::io::BufWriter::new(file);
        let segment = Segment { format: 1, program: "made".into(), redacted: true };
        out.write_all(&encode_segment(&segment, Ts(0))).expect("written");
        self.each(|batch| {
            out.write_all(&encode_events(&batch)).expect("written");
        });
        out.flush().expect("written");
    }

    /// As a file, in the frames that the recorder writes now.
    pub fn record(self, path: &Path) {
        let file = std::fs::File::create(path).expect("a recording");
        let mut out = std::io::BufWriter::new(file);
        let segment = Segment { format: 1, program: "made".into(), redacted: true };
        out.write_all(&encode_segment(&segment, Ts(0))).expect("written");
        let mut encoder = Encoder::default();
        self.each(|batch| {
            encoder.events(&batch).iter().for_each(|f| out.write_all(&f.bytes).expect("written"));
        });
        out.flush().expect("written");
    }

    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn put(&mut self, batch: &mut Vec<Envelope>, source: u32, observed: Ts, event: Event) {
        self.seq += 1;
        let since = observed.0 - Ts::from_secs(self.start).0;
        let mono = u64::try_from(since).unwrap_or(0) + 1_000 + self.run % 1_000;
        batch.push(Envelope { seq: self.seq, origin: OriginId(0), source: SourceId(source), observed, mono, event });
    }

    fn declare(&mut self, batch: &mut Vec<Envelope>) {
        let at = Ts::from_secs(self.start);
        let origin = Declaration::Origin {
            host: self.host.into(),
            boot_id: "boot".into(),
            zone: "UTC".into(),
            version: "0".into(),
            run: self.run,
        };
        self.put(batch, 0, at, Event::Stream(origin));
        for (id, kind, name) in [
            (LOG, SourceKind::Logs, "api"),
            (HOST, SourceKind::Host, "host"),
            (DATABASE, SourceKind::Database, "orders"),
            (METRICS, SourceKind::Database, "api metrics"),
            (HEALTH, SourceKind::Health, "api /healthz"),
            (DEPLOYS, SourceKind::Deploys, "deploy log"),
        ] {
            let decl = SourceDecl { id: SourceId(id), kind, name: name.into(), detail: name.into() };
            self.put(batch, id, at, Event::Stream(Declaration::Source(decl)));
            let ok = Declaration::State { source: SourceId(id), state: SourceState::Ok };
            self.put(batch, id, at, Event::Stream(ok));
        }
        let opened = LogOpened { path: Some("/var/log/api.log".into()), ..LogOpened::default() };
        self.put(batch, LOG, at, Event::Logs(LogEvent::Opened(opened)));
        let info =
            ServerInfo { name: "orders".into(), engine: "PostgreSQL".into(), sees_all: true, ..Default::default() };
        self.put(batch, DATABASE, at, Event::Database(DatabaseEvent::ServerInfo(info)));
    }

    fn second(&mut self, second: i64, batch: &mut Vec<Envelope>) {
        let s = self.start + second;
        let at = |ms: i64| Ts::from_millis(s * 1_000 + ms);
        // Every twenty minutes two minutes of trouble.
        let bad = second % 1_200 >= 1_080;
        let sample = self.sample(bad);
        self.put(batch, HOST, at(100), Event::Host(HostEvent::Sample(Box::new(sample))));
        if second % 2 == 0 {
            let table = self.processes(s);
            self.put(batch, HOST, at(110), Event::Host(HostEvent::Processes(Box::new(table))));
        }
        if second % 10 == 0 {
            let used = 40_000_000_000 + second as u64 * 100_000;
            let mount = Mount {
                path: "/".into(),
                device: "vda1".into(),
                fs: "ext4".into(),
                total_bytes: 100_000_000_000,
                used_bytes: used,
                available_bytes: 100_000_000_000 - used,
                inodes_used_pct: 12.0,
                // Since the first hour it can no longer be written to: news for as long as somebody knows it could.
                read_only: (3_600..3_900).contains(&second),
                ..Mount::default()
            };
            self.put(batch, HOST, at(120), Event::Host(HostEvent::Mounts { mounts: vec![mount] }));
        }
        let activity = self.activity(at(150), bad);
        self.put(batch, DATABASE, at(150), Event::Database(DatabaseEvent::Activity(activity)));
        let used = if bad { 10 } else { 2 + self.next(4) as u32 };
        let waiting = if bad { self.next(60) as u32 } else { 0 };
        let figures = PoolFigures {
            pool: "api".into(),
            used: Some(used),
            idle: Some(10 - used),
            max: Some(10),
            waiting: Some(waiting),
            ..PoolFigures::default()
        };
        self.put(batch, METRICS, at(200), Event::Database(DatabaseEvent::PoolFigures(figures)));
        self.lines(s, bad, batch);
        if second % 5 == 0 {
            let probe = Probe {
                at: at(700),
                name: "api /healthz".into(),
                target: "http://127.0.0.1:8080/healthz".into(),
                ok: !bad,
                status: Some(if bad { 503 } else { 200 }),
                latency_ms: 5.0 + self.next(40) as f64,
                interval_ms: 5_000,
                ..Probe::default()
            };
            self.put(batch, HEALTH, at(700), Event::Health(HealthEvent::Probed(probe)));
        }
        if second % 1_200 == 1_079 {
            let mut change = Change::new(at(800), ChangeKind::Deploy, "api");
            change.version = format!("1.{}.0", second / 1_200);
            self.put(batch, DEPLOYS, at(810), Event::Deploys(DeployEvent::Change(change)));
        }
        if second % 3_000 == 1_500 {
            let state = SourceState::Failed { why: "no route to the server".into(), next_try: Some(at(30_000)) };
            let failed = Declaration::State { source: SourceId(METRICS), state };
            self.put(batch, METRICS, at(900), Event::Stream(failed));
        }
        if second % 3_000 == 1_530 {
            let ok = Declaration::State { source: SourceId(METRICS), state: SourceState::Ok };
            self.put(batch, METRICS, at(900), Event::Stream(ok));
        }
    }

    fn sample(&mut self, bad: bool) -> HostSample {
        let cpu = if bad { 85 } else { 20 };
        let mut sample = HostSample { load_1_5_15: [1.5, 1.2, 1.0], running: 3, ..HostSample::default() };
        sample.cpu.user_pct = (cpu + self.next(10)) as f32;
        sample.cpu.system_pct = self.next(6) as f32 + 0.5;
        sample.cores_user_system_iowait_steal_pct =
            (0..8).map(|_| [(cpu + self.next(14)) as u8, self.next(9) as u8, self.next(3) as u8, 0]).collect();
        sample.memory.total_bytes = 16 << 30;
        sample.memory.used_bytes = (6 << 30) + self.next(1 << 28);
        sample.memory.available_bytes = 9 << 30;
        sample.memory.cache_bytes = 4 << 30;
        sample.pressure = Some(Pressure { cpu_some_pct: self.next(30) as f32, ..Pressure::default() });
        sample.disks = ["vda", "vdb"]
            .map(|name| DiskIo {
                name: name.into(),
                read_bytes_per_s: self.next(1 << 20),
                write_bytes_per_s: self.next(1 << 22),
                await_ms: self.next(20) as f32 / 10.0,
                util_pct: self.next(40) as f32,
            })
            .to_vec();
        sample.network.rx_bytes_per_s = self.next(1 << 22);
        sample.network.tx_bytes_per_s = self.next(1 << 22);
        sample
    }

    fn processes(&mut self, now: i64) -> ProcessTable {
        let rows = (0..self.rows)
            .map(|i| ProcessRow {
                pid: 1_000 + i,
                started_s: now - now % 7_200 - 50,
                ppid: 1,
                user: "app".into(),
                cpu_pct_of_one_core: Some(self.next(900) as f32 / 10.0),
                rss_bytes: (50 << 20) + self.next(1 << 24),
                state: 'S',
                name: "worker".into(),
                command: format!("/usr/bin/worker --shard {i} --listen 127.0.0.1:{}", 9_000 + i).into(),
                unit: Some("app.service".into()),
            })
            .collect();
        let unit =
            UnitUse { unit: "app.service".into(), processes: 20, cpu_pct_of_one_core: 120.0, rss_bytes: 1 << 30 };
        let units = vec![unit];
        let mut table =
            ProcessTable { total: 210, running: 3, interval_ms: 2_000, rows, units, ..ProcessTable::default() };
        // As a look gives it.
        table.sort_by_use();
        table
    }

    fn activity(&mut self, at: Ts, bad: bool) -> Activity {
        let sessions: Vec<Session> = (0..if bad { 8 } else { 3 })
            .map(|i| Session {
                pid: 500 + i,
                query_start: Some(Ts(at.0 - 40_000_000)),
                query_age_ms: Some(40 + self.next(if bad { 9_000 } else { 40 })),
                state: Some("active".into()),
                user: "app".into(),
                db: "orders".into(),
                application: "api".into(),
                query: format!("SELECT id, total FROM orders WHERE user_id = ${} ORDER BY created_at DESC", i % 3 + 1),
                blocked_by: if bad && i > 4 { vec![500] } else { Vec::new() },
                ..Session::default()
            })
            .collect();
        let mut activity = Activity { sessions, max_connections: 100, every_ms: 1_000, ..Activity::default() };
        activity.counts.clients = 12 + self.next(4) as u32;
        activity.counts.active = activity.sessions.len() as u32;
        activity
    }

    fn lines(&mut self, s: i64, bad: bool, batch: &mut Vec<Envelope>) {
        let mut text = String::new();
        let mut counts = Counts::default();
        let mut slow = None;
        for n in 0..self.lines {
            let error = bad && n % 2 == 0;
            let level = if error { Severity::Error } else { Severity::Info };
            let ms = i64::from(n) * 900 / i64::from(self.lines);
            let stamp = Ts::from_millis(s * 1_000 + ms);
            let id = self.next(u64::MAX);
            let (word, status) = if error { ("error", 503) } else { ("info", 200) };
            text.push_str(&format!(
                "{{\"ts\":\"{stamp}\",\"level\":\"{word}\",\"msg\":\"order {} of a customer\",\"request_id\":\"{id:016x}\",\"status\":{status}}}\n",
                s * 10 + i64::from(n)
            ));
            counts.add(Some(level), 1);
            if error && n == 0 && s % 7 == 0 {
                slow = Some(SlowStatement {
                    at: Some(stamp),
                    duration_ms: 900.0 + self.next(2_000) as f64,
                    statement: "SELECT id, total FROM orders WHERE user_id = $1".into(),
                    fingerprint: 77,
                    ..SlowStatement::default()
                });
            }
        }
        let start = self.offset;
        self.offset += text.len() as u64;
        let (first, last) = (Ts::from_secs(s), Ts::from_millis(s * 1_000 + 900));
        let appended = LogAppended {
            start,
            end: self.offset,
            lines: self.lines,
            counts: vec![(s, counts)],
            span: Some((first, last)),
            format: "json".into(),
            bytes: Some(text.into_bytes().into()),
            ..LogAppended::default()
        };
        let at = Ts::from_millis(s * 1_000 + 950);
        self.put(batch, LOG, at, Event::Logs(LogEvent::Appended(appended)));
        if let Some(mut slow) = slow {
            slow.from.source = SourceId(LOG);
            slow.from.name = "api".into();
            self.put(batch, LOG, at, Event::Database(DatabaseEvent::SlowStatement(slow)));
        }
    }
}
