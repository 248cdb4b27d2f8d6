//! The store against the simplest that could work: every file read whole, every record parsed and asked, everything
//! sorted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::directory::BLOCK;
use super::{Anchor, Ask, LogQuery, LogStore, Pattern, Slot, StoreOptions};
use crate::signals::logs::formats;
use crate::signals::logs::row::{LogRow, RowKey};
use crate::timeline::{Filter, TimeRange, Ts};

const START: i64 = 1_795_190_000_000;

fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    n ^ (n >> 29)
}

/// Some blocks of one of four kinds of log: out of order by less than a tenth of a second, many of the same instant, with
/// traces, lines without a time, bytes that are no UTF-8, and long lines.
fn file(seed: u64, kind: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0;
    while out.len() < (BLOCK + BLOCK / 3) as usize {
        i += 1;
        let n = mix(seed * 1_000_003 + i * 7 + kind);
        // Files of the same seed tell of the same instants.
        let at = Ts::from_millis(START + (i * (1 + kind % 2) * 10 / 50 * 50) as i64 - (n % 4) as i64 * 25);
        let level = ["debug", "info", "warn", "error"][(n >> 8) as usize % 4];
        let (status, took) = ([200, 200, 404, 503][(n >> 12) as usize % 4], (n >> 16) % 900);
        let user = ["ann", "Bob", "eve", "x"][(n >> 20) as usize % 4];
        let what = match (n >> 24) % 400 {
            0 => "Deadlock found when trying to get lock",
            1 => "connection to 10.0.0.7 timed out",
            2..100 => "cart loaded",
            _ => "order placed",
        };
        let id = format!("{:016x}", mix(seed + i / 5));
        let pad = "y".repeat((n >> 30) as usize % 120);
        let mut line = String::new();
        let _ = match kind % 4 {
            0 => write!(
                line,
                r#"{{"ts":"{at}","level":"{level}","status":{status},"user":"{user}","req":"{id}","duration_ms":{took},"msg":"{what} {pad}"}}"#
            ),
            1 => write!(
                line,
                r#"time={at} level={level} status={status} user={user} trace={id} duration={took}ms msg="{what} {pad}""#
            ),
            2 => write!(line, "{at} {} [{id}] {what} user={user} status={status} {pad}", level.to_uppercase()),
            _ => {
                let stamp = at.jiff().to_zoned(jiff::tz::TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
                write!(line, r#"10.0.0.9 - {user} [{stamp}] "GET /{what} HTTP/1.1" {status} {took} "-" "{pad}" {id}"#)
            }
        };
        out.extend_from_slice(line.as_bytes());
        match (n >> 40) % 300 {
            0 => out.extend_from_slice(b"\n\tat shop.Cart.load(Cart.java:17)\nCaused by: java.io.IOException: gone"),
            1 => out.extend_from_slice(b"\nno time in here"),
            2 => out.extend_from_slice(b" \xFF\xFE\x80"),
            3 => out.resize(out.len() + 9_000, b'z'),
            _ => {}
        }
        out.push(b'\n');
    }
    // Also a last line that is not finished.
    if seed.is_multiple_of(2) {
        out.pop();
    }
    out
}

fn filters() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        prop::sample::select(vec![
            "status>=500",
            "status!=200",
            "status=200|503",
            "user=bob",
            "user!=ann",
            "user=*",
            "user!=*",
            "nothing!=1",
            "duration>500ms",
            "duration_ms<20",
            "user~^B",
            "level>=error",
            "level!=info",
            "-level=debug",
            "level=none",
            "deadlock",
            "-cart",
            "\"timed out\"",
            "/lock found|timed out/",
            "/^\\{\"ts/",
            "/[0-9]+ (timed|cart)/",
            "/(?i)DEADLOCK.*lock/",
            "/\\btimed\\b.*$/",
            "/y{110,}/",
            "-/placed/",
            "/Cart\\.java:\\d+\\)\n/",
            "IOException",
            "source=1",
            "format=logfmt",
            "/./",
        ])
        .prop_map(str::to_owned),
        (0u64..4_000).prop_map(|n| format!("request_id={:016x}", mix(n))),
        (0i64..40_000).prop_map(|ms| format!("time>={}", Ts::from_millis(START + ms))),
        (0i64..40_000).prop_map(|ms| format!("time<{}", Ts::from_millis(START + ms))),
    ];
    prop_oneof![
        4 => prop::collection::vec(term.clone(), 1..3).prop_map(|t| t.join(" ")),
        1 => (term.clone(), term).prop_map(|(a, b)| format!("({a} OR {b})")),
    ]
}

fn store(paths: &[std::path::PathBuf]) -> LogStore {
    let options = StoreOptions { background: 0, zone: jiff::tz::TimeZone::UTC, ..StoreOptions::default() };
    let store = LogStore::new(Box::new(|_| {}), options);
    store.open_files(paths).unwrap();
    store
}

const ALL: TimeRange = TimeRange { start: Ts::MIN, end: Ts::MAX };

fn rows(store: &LogStore, filter: &Filter) -> Vec<LogRow> {
    let mut rows = Vec::new();
    store.scan_all(filter, ALL, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    });
    rows
}

fn ask(store: &LogStore, filter: &Filter, ask: Ask) -> (Vec<(Ts, RowKey)>, Option<LogRow>) {
    let got = RefCell::new((Vec::new(), None));
    let filter = filter.clone();
    let (min_severity, visible_until) = (None, Ts::MAX);
    let query =
        LogQuery { request: 1, slot: Slot::View, filter, sources: None, min_severity, visible_until, screen: 7, ask };
    store.answer(&query, &|a| {
        let mut got = got.borrow_mut();
        got.0.extend(a.rows.iter().map(|r| (r.placed, r.key)));
        got.1 = got.1.take().or(a.found);
    });
    let (mut rows, found) = got.into_inner();
    rows.sort();
    (rows, found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn rows_are_those_of_a_naive_reader_in_the_order_of_a_naive_sort(
        seed in 1u64..1_000,
        kinds in prop::collection::vec(0u64..4, 3),
        filters in prop::collection::vec(filters(), 6),
        search in prop::sample::select(vec!["Deadlock found", "(?i)TIMED out", r"\b10\.0\.0\.7\b", r"^\{.*503.*found", "Caused by"]),
        cut in 0usize..3_000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<Vec<u8>> = kinds.iter().map(|kind| file(seed, *kind)).collect();
        let paths: Vec<_> = (0..files.len()).map(|i| dir.path().join(format!("{i}.log"))).collect();
        files.iter().zip(&paths).for_each(|(bytes, path)| std::fs::write(path, bytes).unwrap());
        let bare = store(&paths);
        let all = rows(&bare, &Filter::default());
        let by_key: BTreeMap<RowKey, &LogRow> = all.iter().map(|r| (r.key, r)).collect();

        // Every byte of every file is in one row, in order of its offset.
        for generation in bare.shared.generations(None) {
            let bytes = &files[paths.iter().position(|p| Some(p.as_path()) == generation.opened.path.as_deref().map(std::path::Path::new)).unwrap()];
            let cx = generation.context();
            let (mut naive, mut last): (Vec<(Ts, RowKey)>, Option<Ts>) = (Vec::new(), None);
            for s in formats::records(bytes, generation.format(), &cx) {
                last = s.head.time.or(last);
                naive.push((last.unwrap_or_default(), generation.key(s.range.start as u64)));
                let row = by_key.get(&generation.key(s.range.start as u64));
                prop_assert_eq!(row.map(|r| &*r.raw), Some(&bytes[s.range]));
            }
            naive.sort();
            let own: Vec<_> = all.iter().filter(|r| r.key.source == generation.source).map(|r| (r.placed, r.key)).collect();
            prop_assert_eq!(own.len(), naive.len());
            prop_assert!(own.iter().zip(&naive).all(|(a, b)| a == b), "{}", generation.name);
        }
        let places: Vec<(Ts, RowKey)> = all.iter().map(|r| (r.placed, r.key)).collect();
        prop_assert!(places.is_sorted());

        let known = store(&paths);
        known.index_all();
        let half = store(&paths);
        // As far as a question of the newest lines has taught it.
        ask(&half, &Filter::default(), Ask::Rows { anchor: Anchor::End, before: 2_000, after: 0 });
        for text in &filters {
            let filter = Filter::parse(text).unwrap();
            let wanted: Vec<(Ts, RowKey)> = all.iter().filter(|r| filter.matches(*r)).map(|r| (r.placed, r.key)).collect();
            for store in [&bare, &known, &half] {
                let got: Vec<_> = rows(store, &filter).iter().map(|r| (r.placed, r.key)).collect();
                prop_assert_eq!(&got, &wanted, "{}", text);
                // Round some row, both ways.
                let (t, key) = places[cut % places.len()];
                let at = wanted.partition_point(|p| *p < (t, key));
                let (got, _) = ask(store, &filter, Ask::Rows { anchor: Anchor::Row(key, t), before: 30, after: 20 });
                prop_assert_eq!(&got[..], &wanted[at.saturating_sub(30)..(at + 20).min(wanted.len())], "{}", text);
            }
        }
        let regex = regex::bytes::Regex::new(search).unwrap();
        let wanted: Vec<RowKey> = all.iter().filter(|r| regex.is_match(&r.raw)).map(|r| r.key).collect();
        for store in [&bare, &known] {
            let (mut hits, mut from) = (Vec::new(), (Ts::MIN, None));
            while hits.len() < 12 {
                let pattern = Pattern::Regex(regex.clone());
                let (_, found) = ask(store, &Filter::default(), Ask::Find { pattern, from, forward: true });
                let Some(row) = found else { break };
                from = (row.placed, Some(row.key));
                hits.push(row.key);
            }
            prop_assert_eq!(&hits[..], &wanted[..wanted.len().min(12)], "{}", search);
        }
    }
}
