//! Lines per second of the log formats: the head that runs on every line, the parse that runs on what is looked at,
//! and records with folding. `cargo bench --bench formats`

use divan::{Bencher, black_box, counter::BytesCount, counter::ItemsCount};
use jiff::tz::TimeZone;
use warroom::signals::logs::formats::{self, Context, Format, time};
use warroom::timeline::Ts;

fn main() {
    divan::main();
}

const LINES: usize = 5_000;

fn cx() -> Context {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC);
    Context { zone, near: Ts::from_secs(1_795_190_000) }
}

const NAMES: &[&str] = &[
    "json",
    "docker",
    "cri",
    "journal",
    "logfmt",
    "access",
    "syslog3164",
    "syslog5424",
    "nginx-error",
    "postgres",
    "stamped",
    "text",
];

fn line(name: &str, i: usize) -> String {
    let (m, s, ms, id) = (i / 60 % 60, i % 60, i % 1_000, i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let level = ["info", "info", "debug", "warn", "info", "error"][i % 6];
    let upper = level.to_uppercase();
    match name {
        "json" => format!(
            r#"{{"timestamp":"2026-11-20T14:{m:02}:{s:02}.{ms:03}Z","level":"{level}","fields":{{"message":"order placed \"fast\"","order":{i},"total":31.5}},"target":"shop::cart","request_id":"{id:016x}","path":"/checkout/{i}","status":200,"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","http":{{"method":"GET","version":"1.1"}}}}"#
        ),
        "docker" => format!(
            r#"{{"log":"{{\"level\":\"{level}\",\"time\":\"2026-11-20T14:{m:02}:{s:02}Z\",\"msg\":\"order {i} placed\",\"request_id\":\"{id:016x}\"}}\n","stream":"stdout","time":"2026-11-20T14:{m:02}:{s:02}.123456789Z"}}"#
        ),
        "cri" => format!(
            "2026-11-20T14:{m:02}:{s:02}.123456789Z stdout F level={level} msg=\"order {i} placed\" request_id={id:016x}"
        ),
        "journal" => format!(
            r#"{{"__CURSOR":"s=1;i={i}","__REALTIME_TIMESTAMP":"179518{m:02}{s:02}123456","PRIORITY":"6","_SYSTEMD_UNIT":"shop.service","_PID":"321","_HOSTNAME":"web-1","SYSLOG_IDENTIFIER":"shop","_COMM":"shop","MESSAGE":"{upper} order {i} placed request_id={id:016x}"}}"#
        ),
        "logfmt" => format!(
            "time=2026-11-20T14:{m:02}:{s:02}.{ms:03}Z level={level} msg=\"order placed\" order={i} request_id={id:016x} path=/checkout took=31.5ms"
        ),
        "access" => format!(
            "10.0.{m}.{s} - - [20/Nov/2026:14:{m:02}:{s:02} +0000] \"GET /checkout/{i} HTTP/1.1\" {} 512 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" 0.{ms:03} {id:032x}",
            [200, 200, 304, 404, 200, 503][i % 6]
        ),
        "syslog3164" => {
            format!("Nov 20 14:{m:02}:{s:02} web-1 shop[{i}]: {upper}: order {i} placed request_id={id:016x}")
        }
        "syslog5424" => format!(
            "<134>1 2026-11-20T14:{m:02}:{s:02}.{ms:03}Z web-1 shop {i} - [req id=\"{id:016x}\"] order {i} placed"
        ),
        "nginx-error" => format!(
            "2026/11/20 14:{m:02}:{s:02} [error] 12#13: *{i} upstream timed out (110: Connection timed out), client: 10.0.0.9, server: shop, request: \"GET /checkout/{i} HTTP/1.1\", host: \"shop\""
        ),
        "postgres" => format!(
            "2026-11-20 14:{m:02}:{s:02}.{ms:03} UTC [{i}] shop@orders LOG:  duration: {ms}.123 ms  statement: SELECT {i}"
        ),
        "stamped" => format!(
            "2026-11-20 14:{m:02}:{s:02},{ms:03} [http-{s}] {upper}  com.acme.Cart - order {i} placed request_id={id:016x}"
        ),
        _ => format!("order {i} was placed by somebody at some time and took {ms} ms in all, which is fine"),
    }
}

fn lines(name: &str) -> Vec<String> {
    (0..LINES).map(|i| line(name, i)).collect()
}

fn format(name: &str) -> &'static dyn Format {
    formats::by_name(name).unwrap_or(formats::FORMATS[0])
}

#[divan::bench(args = NAMES)]
fn head(bencher: Bencher, name: &str) {
    let (lines, format, cx) = (lines(name), format(name), cx());
    assert!(lines.iter().all(|l| format.head(l.as_bytes(), &cx).is_some()), "{name}");
    bencher.counter(ItemsCount::new(LINES)).bench(|| {
        for line in &lines {
            black_box(format.head(black_box(line.as_bytes()), &cx));
        }
    });
}

#[divan::bench(args = NAMES)]
fn parse(bencher: Bencher, name: &str) {
    let (lines, format, cx) = (lines(name), format(name), cx());
    bencher.counter(ItemsCount::new(LINES)).bench(|| {
        for line in &lines {
            black_box(format.parse(black_box(line.as_bytes()), &cx));
        }
    });
}

#[divan::bench(args = NAMES)]
fn records(bencher: Bencher, name: &str) {
    let (format, cx) = (format(name), cx());
    let block = lines(name).join("\n") + "\n";
    assert_eq!(formats::records(block.as_bytes(), format, &cx).count(), LINES, "{name}");
    bencher
        .counter(BytesCount::new(block.len()))
        .bench(|| formats::records(black_box(block.as_bytes()), format, &cx).count());
}

#[divan::bench(args = [
    "2026-11-20T14:02:31.123456Z", "2026-11-20 14:02:31,123", "20/Nov/2026:14:02:31 +0000", "Nov 20 14:02:31", "1795183351123",
])]
fn stamp(bencher: Bencher, text: &str) {
    let cx = cx();
    bencher.counter(ItemsCount::new(LINES)).bench(|| {
        for _ in 0..LINES {
            black_box(time::stamp(black_box(text.as_bytes()), &cx));
        }
    });
}
