//! How fast the logs of database servers are read into facts on one core, and in how much memory: the needles, the formats,
//! the extractor and the history; and the whole program over PostgreSQL's log in which every line is a slow statement,
//! printed as JSON (`query db --logs`) and as one frame of the pane at its end (`screen --logs`).
//!
//! `cargo bench --bench dblogs`. Prints MB/s for each kind, and the memory that reading 256 MB took beyond the input; of
//! the program CPU time and the most it had resident.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use warroom::signals::Event;
use warroom::signals::database::history::DatabaseHistory;
use warroom::signals::logs::event::{LogAppended, LogEvent};
use warroom::stream::derive::Derive;
use warroom::timeline::{SourceId, Ts};

/// Bytes read of each kind; as a test it only shows that it runs.
fn total() -> usize {
    if is_bench() { 256 << 20 } else { 1 << 20 }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn main() {
    parts();
    program();
}

fn is_bench() -> bool {
    std::env::args().any(|a| a == "--bench")
}

/// PostgreSQL's log of `lines` slow statements, 140 a second, each with its request's ID.
fn write_slow_log(path: &Path, lines: u64) -> u64 {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).expect("a file in the temp folder"));
    let mut size = 0;
    for i in 0..lines {
        let at = Ts(1_795_140_000_000_000_000 + (i * 1_000_000_000 / 140) as i64).to_string();
        let id = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let statement = match i % 6 {
            0 => format!(
                "SELECT o.id, o.total FROM orders o JOIN users u ON u.id = o.user_id WHERE u.email = 'u{i}@example.org'"
            ),
            1 => format!("UPDATE carts SET touched = now() WHERE id = {i} AND version = {}", i % 9),
            2 => format!("INSERT INTO events (user_id, kind, body) VALUES ({i}, 'click', '{{\"a\": {}}}')", i % 7),
            3 => format!("SELECT * FROM products WHERE id IN ({i}, {}, {})", i + 1, i + 2),
            4 => format!("DELETE FROM sessions WHERE expires < '2026-11-20 02:00:00' AND shard = {}", i % 64),
            _ => format!("SELECT count(*) FROM audit WHERE actor = {i} AND at > now() - interval '1 day'"),
        };
        let line = format!(
            "{} {}.{:03} UTC [{}] app@shop LOG:  duration: {}.{:03} ms  statement: {statement} /*request_id='{:08x}-{:04x}-\
             4{:03x}-a{:03x}-{id:012x}'*/\n",
            &at[..10],
            &at[11..19],
            i * 1_000 / 140 % 1_000,
            4_000 + i % 90,
            100 + id % 8_900,
            i % 1_000,
            id >> 32,
            id >> 48 & 0xffff,
            id >> 20 & 0xfff,
            id >> 8 & 0xfff,
            id = id & 0xffff_ffff_ffff,
        );
        size += line.len() as u64;
        out.write_all(line.as_bytes()).expect("room in the temp folder");
    }
    out.flush().expect("room in the temp folder");
    size
}

/// Runs the program to its end: wall time, CPU seconds, kilobytes resident at most.
fn ran(args: &[&str]) -> (f64, f64, u64) {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
    let mut child = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program starts");
    let proc = Path::new("/proc").join(child.id().to_string());
    let (mut most, mut cpu) = (0, 0.0);
    loop {
        let status = std::fs::read_to_string(proc.join("status")).unwrap_or_default();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = peak.unwrap_or(most);
        let stat = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let ended = matches!(fields.next(), Some("Z") | Some("") | None);
        // In hundredths of a second, as Linux counts for programs.
        let ticks: f64 = fields.skip(10).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
        cpu = ticks.max(cpu * 100.0) / 100.0;
        if ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let wall = began.elapsed().as_secs_f64();
    assert!(child.wait().expect("it can be waited for").success(), "{args:?}");
    (wall, cpu, most)
}

fn program() {
    let sizes: &[u64] = if is_bench() { &[250_000, 1_000_000, 4_000_000] } else { &[1_000] };
    let dir = tempfile::tempdir().expect("a temp folder");
    for lines in sizes {
        let path = dir.path().join("slow.log");
        let size = write_slow_log(&path, *lines) as f64 / 1e6;
        let path = path.to_str().expect("text");
        for (name, args) in [
            ("query db --json", &["query", "db", "--json", "--logs", path][..]),
            ("screen", &["screen", "--pane", "database", "--logs", path]),
        ] {
            let times = if is_bench() { 3 } else { 1 };
            let mut runs: Vec<(f64, f64, u64)> = (0..times).map(|_| ran(args)).collect();
            runs.sort_by(|a, b| a.1.total_cmp(&b.1));
            let (wall, cpu, most) = runs[runs.len() / 2];
            println!(
                "{name:16} {lines:8} lines, {size:4.0} MB: {:4.0} MB/s of CPU time, {cpu:.2} s, wall {wall:.2} s, {} MB at most",
                size / cpu.max(0.01),
                most / 1_024
            );
        }
    }
}

fn parts() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/database");
    let kinds = [
        ("postgres, standard error", "postgres-stderr.real", "postgres"),
        ("postgres, csv", "postgres-csv.real", "postgres-csv"),
        ("postgres, json", "postgres-json.real", "json"),
        ("mariadb, slow log", "mariadb-slow.real", "mysql-slow"),
        ("mysql, error log", "mysql-error.8", "stamped"),
    ];
    for (name, folder, format) in kinds {
        let one = std::fs::read(root.join(folder).join("input.log")).expect("the fixture");
        let piece: Vec<u8> = one.iter().copied().cycle().take((1 << 20) / one.len().max(1) * one.len()).collect();
        let span = Some((Ts::from_secs(1_795_000_000), Ts::from_secs(1_796_000_000)));
        let piece: std::sync::Arc<[u8]> = piece.into();
        let (mut derive, mut history) = (Derive::new(), DatabaseHistory::default());
        let (before, began) = (resident(), Instant::now());
        let (mut done, mut facts, mut unread, mut seq) = (0, 0u64, 0u64, 0);
        while done < total() {
            let batch = LogAppended {
                generation: 0,
                start: done as u64,
                end: (done + piece.len()) as u64,
                lines: 0,
                unknown: 0,
                counts: Vec::new(),
                span,
                format: format.into(),
                seed: false,
                bytes: Some(piece.clone()),
            };
            for event in derive.derive(SourceId(1), "db", &LogEvent::Appended(batch)) {
                if let Event::Database(event) = event {
                    if let warroom::signals::database::event::DatabaseEvent::Unread { lines } = event {
                        unread += u64::from(lines);
                    } else {
                        facts += 1;
                    }
                    seq += 1;
                    history.apply(seq, SourceId(1), Ts::from_secs(1_795_000_000 + seq as i64), &event);
                }
            }
            done += piece.len();
        }
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{name:26} {:7.0} MB/s  {facts} facts, {unread} counted only, {} MB more resident",
            done as f64 / 1e6 / seconds,
            resident().saturating_sub(before) / 1_024
        );
    }
}
