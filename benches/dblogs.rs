//! How fast servers' logs are read for what they tell: `cargo bench --bench dblogs`.
//!
//! One core, batches of one megabyte as a replay makes them, each log repeated in memory. Prints megabytes a second for
//! each kind, and the memory that reading 256 MB took beyond the input.

use std::time::Instant;

use warroom::signals::Event;
use warroom::signals::database::history::DatabaseHistory;
use warroom::signals::logs::event::{LogAppended, LogEvent};
use warroom::stream::derive::Derive;
use warroom::timeline::{SourceId, Ts};

/// Bytes read of each kind; as a test it only shows that it runs.
fn total() -> usize {
    if std::env::args().any(|a| a == "--bench") { 256 << 20 } else { 1 << 20 }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn main() {
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
