//! Runs every folder of `tests/fixtures/database`: `input.log` is what a server wrote, `expected.jsonl` the facts that
//! must come out of it, one a line. `.real` ones were written by servers that ran for them.

use std::fs;
use std::path::Path;

use super::*;
use crate::signals::logs::formats::{Context, FORMATS};

/// The facts in a log, read in batches of so many lines.
fn facts(input: &[u8], lines: usize) -> Vec<String> {
    let near = "2026-11-20T15:00:00Z".parse().map(Ts::from_jiff).unwrap();
    let cx = Context { zone: TimeZone::UTC, near };
    let (format, _) = formats::detect(input, &cx);
    let mut derive = Derive::new();
    let mut at = 0;
    let mut out = Vec::new();
    while at < input.len() {
        let mut end = at;
        for _ in 0..lines.min(input.len() - at) {
            end = (record_end(input, end.min(input.len() - 1)) + 1).min(input.len());
        }
        // Records are written in one go; the lines of InnoDB's accounts are not.
        let rest = &input[at..];
        let cuts = formats::records(rest, format, &cx).map(|s| at + s.range.end + 1);
        let end = cuts.into_iter().find(|c| *c >= end).unwrap_or(input.len()).min(input.len());
        let bytes = &input[at..end];
        let times = formats::records(bytes, format, &cx).filter_map(|s| s.head.time);
        let span = times.fold(None, |s: Option<(Ts, Ts)>, t| Some(s.map_or((t, t), |(a, b)| (a.min(t), b.max(t)))));
        let batch = LogEvent::Appended(LogAppended {
            start: at as u64,
            end: end as u64,
            lines: 1,
            span,
            format: format.name().into(),
            bytes: Some(bytes.into()),
            ..LogAppended::default()
        });
        for event in derive.derive(SourceId(1), "db", &batch) {
            let Event::Database(event) = event else { panic!("{event:?}") };
            out.push(serde_json::to_string(&event).unwrap());
        }
        at = end;
    }
    assert!(FORMATS.iter().any(|f| f.name() == format.name()));
    out
}

#[test]
fn every_kind_of_server_log_tells_what_it_should_whole_or_in_pieces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/database");
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let input = fs::read(folder.join("input.log")).unwrap();
        let got = facts(&input, usize::MAX);
        let file = folder.join("expected.jsonl");
        if std::env::var_os("FIXTURES_WRITE").is_some() {
            fs::write(&file, got.join("\n") + "\n").unwrap();
            continue;
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        let expected: Vec<&str> = expected.lines().collect();
        for (what, got) in [("whole", got), ("line by line", facts(&input, 1))] {
            if got.len() != expected.len() {
                wrong.push(format!("{name} {what}: {} facts instead of {}", got.len(), expected.len()));
            }
            for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                if got != expected {
                    wrong.push(format!("{name}:{} {what}\n  read     {got}\n  expected {expected}", i + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
