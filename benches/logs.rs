//! The log store against large files: what `benches/peers.sh` runs, and of use alone.
//!
//!     cargo bench --bench logs -- make json|logfmt|access GIGABYTES FILE
//!     cargo bench --bench logs -- index FILE…          how fast, how much memory, beside a plain read
//!     cargo bench --bench logs -- pivot REQUESTS FILE… one request in all files, with and without the index
//!     cargo bench --bench logs -- seek FILE…           to a second in the middle
//!     cargo bench --bench logs -- newest FILE          until the background has the last 256 MiB of a file
//!     cargo bench --bench logs -- search PATTERN FILE… all that a regular expression matches
//!     cargo bench --bench logs -- cap MEGABYTES FILE…  what the index takes where it may take no more than that
//!     cargo bench --bench logs -- id N [FORMAT]        the ID of request N, as that format spells it
//!
//! The three formats tell of the same requests: each is on one to four lines of JSON, one to three of logfmt and one of
//! the access log, 64 requests at a time, one line in a hundred an error. Everything follows from the numbers, so that any
//! of the files can be made anew, one at a time.

use std::cell::RefCell;
use std::collections::BinaryHeap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use warroom::signals::logs::store::{Anchor, Ask, LogArrival, LogQuery, LogStore, Slot, StoreOptions};
use warroom::timeline::{Filter, Ts};

/// When the logs begin, in seconds.
const START: i64 = 1_795_190_000;
/// Between two requests, in nanoseconds.
const STEP: u64 = 500_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", format, gigabytes, file] => {
            let bytes = gigabytes.parse::<f64>().expect("a number of gigabytes") * 1e9;
            make(format, bytes as u64, Path::new(file));
        }
        ["index", files @ ..] if !files.is_empty() => index(&paths(files)),
        ["pivot", requests, files @ ..] if !files.is_empty() => {
            pivot(requests.parse().expect("how many requests the files hold"), &paths(files));
        }
        ["seek", files @ ..] if !files.is_empty() => seek(&paths(files)),
        ["newest", file] => newest(&paths(&[file])),
        ["search", pattern, files @ ..] if !files.is_empty() => search(pattern, &paths(files)),
        ["cap", megabytes, files @ ..] if !files.is_empty() => {
            cap(megabytes.parse().expect("a number of megabytes"), &paths(files));
        }
        ["id", n, format @ ..] => {
            println!("{}", spelled(n.parse().expect("a number"), format.first().unwrap_or(&"json")));
        }
        _ => eprintln!(
            "logs: make FORMAT GIGABYTES FILE | index FILE… | pivot REQUESTS FILE… | seek FILE… | newest FILE | \
             search PATTERN FILE… | cap MEGABYTES FILE… | id N [FORMAT]"
        ),
    }
}

fn paths(files: &[&str]) -> Vec<PathBuf> {
    files.iter().map(PathBuf::from).collect()
}

fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (n ^ (n >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (n >> 32)
}

/// The ID of a request: a random UUID, with dashes in JSON and without elsewhere.
fn spelled(request: u64, format: &str) -> String {
    let (a, b) = (mix(request * 2 + 1), mix(request * 2 + 2));
    if format == "json" {
        let (c, d) = ((a >> 16) & 0xFFFF, a & 0xFFF);
        format!("{:08x}-{c:04x}-4{d:03x}-a{:03x}-{:012x}", a >> 32, (b >> 48) & 0xFFF, b & 0xFFFF_FFFF_FFFF)
    } else {
        spelled(request, "json").replace('-', "")
    }
}

/// Lines of a request in a file of this format.
fn lines_of(request: u64, format: &str) -> u64 {
    match format {
        "json" => 1 + mix(request) % 4,
        "logfmt" => 1 + mix(request + 7) % 3,
        _ => 1,
    }
}

/// Writes whole lines until the file holds that many bytes; says how many lines and requests.
fn make(format: &str, bytes: u64, path: &Path) {
    let mut out = BufWriter::with_capacity(4 << 20, std::fs::File::create(path).expect("a file that can be written"));
    let (mut size, mut lines, mut request) = (0, 0u64, 0);
    // Lines that are due: when (turned round, so that the earliest is the greatest), of which request, which one.
    let mut due: BinaryHeap<(std::cmp::Reverse<u64>, u64, u64)> = BinaryHeap::new();
    let mut line = Vec::with_capacity(512);
    let mut second = (0, String::new());
    while size < bytes {
        for k in 0..lines_of(request, format) {
            let at = request * STEP + k * 8 * STEP + mix(request * 31 + k) % (32 * STEP);
            due.push((std::cmp::Reverse(at), request, k));
        }
        request += 1;
        while due.peek().is_some_and(|(at, _, _)| at.0 <= request * STEP) {
            let Some((at, request, k)) = due.pop() else { break };
            let t = START * 1_000_000_000 + at.0 as i64;
            if second.0 != t / 1_000_000_000 {
                let zoned = Ts(t).jiff().to_zoned(jiff::tz::TimeZone::UTC);
                let stamp = if format == "access" { "%d/%b/%Y:%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S" };
                second = (t / 1_000_000_000, zoned.strftime(stamp).to_string());
            }
            line.clear();
            write_line(&mut line, format, &second.1, t, request, k);
            out.write_all(&line).expect("room on the disk");
            size += line.len() as u64;
            lines += 1;
        }
    }
    out.flush().expect("room on the disk");
    println!("{} bytes {lines} lines {request} requests", size);
}

fn write_line(out: &mut Vec<u8>, format: &str, second: &str, t: i64, request: u64, k: u64) {
    let n = mix(request * 8 + k);
    let error = n.is_multiple_of(100);
    let level = if error { "error" } else { ["info", "info", "debug", "info", "warn"][(n >> 8) as usize % 5] };
    let status = if error { 503 } else { 200 };
    let id = spelled(request, format);
    let (ms, micros) = (t / 1_000_000 % 1_000, t / 1_000 % 1_000_000);
    let (path, took, user) = ((n >> 16) % 97, (n >> 24) % 400, (n >> 32) % 10_000);
    let what =
        ["cart loaded", "price computed", "order placed", "stock reserved", "payment sent"][(n >> 40) as usize % 5];
    let _ = match format {
        "json" => writeln!(
            out,
            r#"{{"ts":"{second}.{ms:03}Z","level":"{level}","target":"shop::cart","request_id":"{id}","method":"GET","path":"/checkout/{path}","status":{status},"duration_ms":{took},"user":{user},"message":"{what} for customer {user}"}}"#
        ),
        "logfmt" => writeln!(
            out,
            r#"time={second}.{micros:06}Z level={level} logger=shop.worker trace_id={id} queue=orders-{} attempt=1 duration={took}ms msg="{what} by worker {}""#,
            path % 7,
            user % 32,
        ),
        _ => writeln!(
            out,
            r#"10.{}.{}.{} - - [{second} +0000] "GET /checkout/{path}?page={} HTTP/1.1" {status} {} "-" "Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0" {id} 0.{took:03}"#,
            user % 4,
            user % 251,
            n % 250,
            user % 50,
            took * 31,
        ),
    };
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own: f64 = text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    own / 1e9
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// Reads everything as the store does, and does nothing else but count lines.
fn plain_read(files: &[PathBuf]) -> (u64, u64, f64) {
    use std::os::unix::fs::FileExt;
    let began = cpu();
    let (mut lines, mut bytes) = (0, 0);
    let mut buf = vec![0; 256 << 10];
    for path in files {
        let file = std::fs::File::open(path).expect("a file that can be read");
        let mut at = 0;
        while let Ok(n) = file.read_at(&mut buf, at)
            && n > 0
        {
            lines += memchr::memchr_iter(b'\n', &buf[..n]).count() as u64;
            at += n as u64;
        }
        bytes += at;
    }
    (bytes, lines, cpu() - began)
}

fn store(files: &[PathBuf]) -> LogStore {
    let options = StoreOptions { background: 0, index_memory: 256 << 20, ..StoreOptions::default() };
    let store = LogStore::new(Box::new(|_| {}), options);
    store.open_files(files).expect("files that can be read");
    store
}

fn index(files: &[PathBuf]) {
    plain_read(files);
    let (bytes, lines, plain) = plain_read(files);
    let gb = bytes as f64 / 1e9;
    let store = store(files);
    let (began, wall) = (cpu(), Instant::now());
    store.index_all();
    let (took, wall) = (cpu() - began, wall.elapsed().as_secs_f64());
    let f = store.figures();
    println!(
        "index {gb:.2} GB, {lines} lines: {took:.2} s of CPU, {wall:.2} s; {:.2} GB/s of a core; plain read with newlines \
         {:.2} GB/s; ratio {:.2}",
        gb / took,
        gb / plain,
        took / plain
    );
    println!(
        "memory {:.1} MiB of {} for the index ({} bits a token): {:.2} bytes a line; anonymous {:.0} MiB",
        f.index_bytes as f64 / 1_048_576.0,
        f.index_cap >> 20,
        f.index_bits,
        f.index_bytes as f64 / lines as f64,
        resident()
    );
}

fn ask(filter: Filter, anchor: Anchor, before: usize, after: usize) -> LogQuery {
    LogQuery {
        request: 1,
        slot: Slot::View,
        filter,
        sources: None,
        min_severity: None,
        visible_until: Ts::MAX,
        screen: 40,
        ask: Ask::Rows { anchor, before, after },
    }
}

/// Time to the first row, time to the end, rows.
fn answered(store: &LogStore, query: &LogQuery) -> (Duration, Duration, usize) {
    let seen: RefCell<(Option<Duration>, usize)> = RefCell::default();
    let began = Instant::now();
    store.answer(query, &|a: LogArrival| {
        let mut seen = seen.borrow_mut();
        if !a.rows.is_empty() {
            seen.0.get_or_insert(began.elapsed());
        }
        seen.1 += a.rows.len();
    });
    let seen = seen.into_inner();
    (seen.0.unwrap_or_default(), began.elapsed(), seen.1)
}

fn spread(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1_000.0;
    println!(
        "{what}: median {:.2} ms, worst of {} {:.2} ms",
        ms(took[took.len() / 2]),
        took.len(),
        ms(took[took.len() - 1])
    );
}

fn pivot(requests: u64, files: &[PathBuf]) {
    let store = store(files);
    let request = |n: u64| Filter::parse(&format!("request_id={}", spelled(n, "logfmt"))).expect("a filter");
    plain_read(files);
    for _ in 0..3 {
        let (first, all, rows) = answered(&store, &ask(request(requests / 2), Anchor::End, 100, 0));
        println!("pivot without index, in the middle: first {first:.0?}, all {all:.0?}, {rows} rows");
    }
    let (first, all, rows) = answered(&store, &ask(request(requests - 100), Anchor::End, 100, 0));
    println!("pivot without index, near the end: first {first:.0?}, all {all:.0?}, {rows} rows");
    // As somebody asks who stands on one of its lines: both ways from there.
    let at = Ts(START * 1_000_000_000 + (requests / 2 * STEP) as i64);
    for _ in 0..3 {
        let (first, all, rows) = answered(&store, &ask(request(requests / 2), Anchor::At(at), 50, 50));
        println!("pivot without index, from where it happened: first {first:.0?}, all {all:.0?}, {rows} rows");
    }
    store.index_all();
    let (mut took, mut rows, mut few) = (Vec::new(), 0, usize::MAX);
    for i in 0..20 {
        let (_, all, n) = answered(&store, &ask(request(requests / 20 * i + 17), Anchor::End, 100, 0));
        took.push(all);
        rows += n;
        few = few.min(n);
    }
    spread(&format!("pivot with index, {rows} rows in all, {few} at least"), took);
    let nobody = Filter::parse(&format!("request_id={}", "0123456789abcdef0123456789abcdef")).expect("a filter");
    let took = (0..20).map(|_| answered(&store, &ask(nobody.clone(), Anchor::End, 100, 0)).1).collect();
    spread("pivot with index, nobody's ID", took);
}

fn seek(files: &[PathBuf]) {
    let probe = store(files);
    let newest = {
        let at = RefCell::new(Ts::MIN);
        probe.answer(&ask(Filter::default(), Anchor::End, 1, 0), &|a| {
            if let Some(r) = a.rows.last() {
                at.replace(r.placed);
            }
        });
        at.into_inner()
    };
    let span = newest.0 - START * 1_000_000_000;
    // Each on a store that knows nothing yet.
    let took = (1..20)
        .map(|i| {
            let store = store(files);
            let at = Ts(START * 1_000_000_000 + span / 20 * i);
            let (_, all, rows) = answered(&store, &ask(Filter::default(), Anchor::At(at), 40, 40));
            assert!(rows >= 40, "nothing round {at}");
            all
        })
        .collect();
    spread("seek to a second, nothing indexed", took);
}

fn newest(files: &[PathBuf]) {
    plain_read(files);
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..7 {
        let began = Instant::now();
        let store = LogStore::new(Box::new(|_| {}), StoreOptions::default());
        store.open_files(files).expect("files that can be read");
        let wanted = (256 << 20).min(store.figures().bytes.saturating_sub(1 << 20));
        while store.figures().indexed < wanted {
            std::thread::sleep(Duration::from_millis(2));
        }
        took.push(began.elapsed());
    }
    spread("the last 256 MiB indexed in the background", took);
}

fn search(pattern: &str, files: &[PathBuf]) {
    plain_read(files);
    let store = store(files);
    let filter = Filter::parse(&format!("/{pattern}/")).expect("a pattern");
    for _ in 0..3 {
        let began = cpu();
        let (first, all, rows) = answered(&store, &ask(filter.clone(), Anchor::End, usize::MAX, 0));
        println!("search: first {first:.0?}, all {all:.0?}, {rows} rows, {:.2} s of CPU of this thread", cpu() - began);
    }
}

fn cap(megabytes: u64, files: &[PathBuf]) {
    let options = StoreOptions { background: 0, index_memory: megabytes << 20, ..StoreOptions::default() };
    let store = LogStore::new(Box::new(|_| {}), options);
    store.open_files(files).expect("files that can be read");
    store.index_all();
    let f = store.figures();
    println!(
        "cap {megabytes} MiB: {:.2} MiB taken, {} bits a token, {} blocks, {:.2} GB indexed",
        f.index_bytes as f64 / 1_048_576.0,
        f.index_bits,
        f.blocks,
        f.indexed as f64 / 1e9
    );
}
