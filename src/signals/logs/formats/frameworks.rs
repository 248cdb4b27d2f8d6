//! Logging frameworks, one by one, in the form that they write by default: each line must give its time, its severity
//! and the right name of its format. Nothing else is tested here; the folders of examples have the rest.

use super::fixtures::cx;
use super::*;

/// Framework, a line of it, the format, the instant (the zone is +02:00 where the line has none), the severity.
const TABLE: &[(&str, &str, &str, &str, Severity)] = &[
    ("logback", "14:02:31.123 [main] WARN  com.acme.Main - x", "stamped", "2026-11-20T12:02:31.123Z", Severity::Warn),
    (
        "logback JSON",
        r#"{"sequenceNumber":0,"timestamp":1795183351123,"level":"TRACE","threadName":"main","message":"x"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Trace,
    ),
    (
        "logstash encoder",
        r#"{"@timestamp":"2026-11-20T14:02:31.123Z","@version":"1","message":"x","level":"ERROR","level_value":40000}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Error,
    ),
    (
        "log4j2 text",
        "2026-11-20 14:02:31,123 main TRACE Main x",
        "stamped",
        "2026-11-20T12:02:31.123Z",
        Severity::Trace,
    ),
    (
        "log4j2 JSON",
        r#"{"instant":{"epochSecond":1795183351,"nanoOfSecond":123000000},"level":"FATAL","message":"x"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Fatal,
    ),
    (
        "log4j2 ECS",
        r#"{"@timestamp":"2026-11-20T14:02:31.123Z","log.level":"DEBUG","message":"x","ecs.version":"1.2.0"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Debug,
    ),
    (
        "java.util.logging",
        "Nov 20, 2026 2:02:31 PM com.acme.Main main\nSEVERE: x",
        "stamped",
        "2026-11-20T12:02:31Z",
        Severity::Error,
    ),
    (
        "Spring Boot",
        "2026-11-20T14:02:31.123+02:00  WARN 7 --- [shop] [main] c.a.Main : x",
        "stamped",
        "2026-11-20T12:02:31.123Z",
        Severity::Warn,
    ),
    (
        "tinylog",
        "2026-11-20 14:02:31 [main] com.acme.Main.main()\nERROR: x",
        "stamped",
        "2026-11-20T12:02:31Z",
        Severity::Error,
    ),
    (
        "Python logging",
        "2026-11-20 14:02:31,123 - root - CRITICAL - x",
        "stamped",
        "2026-11-20T12:02:31.123Z",
        Severity::Fatal,
    ),
    (
        "python-json-logger",
        r#"{"asctime": "2026-11-20 14:02:31,123", "levelname": "WARNING", "message": "x"}"#,
        "json",
        "2026-11-20T12:02:31.123Z",
        Severity::Warn,
    ),
    (
        "structlog",
        r#"{"event":"x","level":"error","timestamp":"2026-11-20T14:02:31.123456Z"}"#,
        "json",
        "2026-11-20T14:02:31.123456Z",
        Severity::Error,
    ),
    (
        "structlog console",
        "2026-11-20 14:02:31 [warning  ] x                      user=7",
        "stamped",
        "2026-11-20T12:02:31Z",
        Severity::Warn,
    ),
    (
        "loguru",
        "2026-11-20 14:02:31.123 | SUCCESS  | __main__:<module>:1 - x",
        "stamped",
        "2026-11-20T12:02:31.123Z",
        Severity::Info,
    ),
    ("gunicorn", "[2026-11-20 14:02:31 +0000] [7] [ERROR] x", "stamped", "2026-11-20T14:02:31Z", Severity::Error),
    (
        "winston",
        r#"{"level":"silly","message":"x","timestamp":"2026-11-20T14:02:31.123Z"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Trace,
    ),
    (
        "pino",
        r#"{"level":60,"time":1795183351123,"pid":1,"hostname":"w","msg":"x"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Fatal,
    ),
    (
        "bunyan",
        r#"{"name":"a","hostname":"w","pid":1,"level":20,"msg":"x","time":"2026-11-20T14:02:31.123Z","v":0}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Debug,
    ),
    ("log4js", "[2026-11-20T14:02:31.123] [MARK] default - x", "stamped", "2026-11-20T12:02:31.123Z", Severity::Info),
    (
        "Go slog text",
        "time=2026-11-20T14:02:31.123Z level=ERROR msg=x",
        "logfmt",
        "2026-11-20T14:02:31.123Z",
        Severity::Error,
    ),
    (
        "Go slog JSON",
        r#"{"time":"2026-11-20T14:02:31.123Z","level":"DEBUG-4","msg":"x"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Trace,
    ),
    (
        "zap",
        r#"{"level":"dpanic","ts":1795183351.123,"caller":"a.go:1","msg":"x"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Fatal,
    ),
    (
        "zap console",
        "2026-11-20T14:02:31.123Z\tWARN\ta.go:1\tx\t{\"n\": 1}",
        "stamped",
        "2026-11-20T14:02:31.123Z",
        Severity::Warn,
    ),
    (
        "zerolog",
        r#"{"level":"trace","time":"2026-11-20T14:02:31Z","message":"x"}"#,
        "json",
        "2026-11-20T14:02:31Z",
        Severity::Trace,
    ),
    ("zerolog console", "2026-11-20T14:02:31Z ERR x user=7", "stamped", "2026-11-20T14:02:31Z", Severity::Error),
    ("logrus", "time=\"2026-11-20T14:02:31Z\" level=warning msg=x", "logfmt", "2026-11-20T14:02:31Z", Severity::Warn),
    (
        "logrus JSON",
        r#"{"level":"panic","msg":"x","time":"2026-11-20T14:02:31Z"}"#,
        "json",
        "2026-11-20T14:02:31Z",
        Severity::Fatal,
    ),
    ("klog", "E1120 14:02:31.123456       1 a.go:1] x", "stamped", "2026-11-20T12:02:31.123456Z", Severity::Error),
    (
        "tracing",
        "2026-11-20T14:02:31.123456Z DEBUG shop::db: x",
        "stamped",
        "2026-11-20T14:02:31.123456Z",
        Severity::Debug,
    ),
    (
        "tracing JSON",
        r#"{"timestamp":"2026-11-20T14:02:31.123456Z","level":"WARN","fields":{"message":"x"},"target":"a"}"#,
        "json",
        "2026-11-20T14:02:31.123456Z",
        Severity::Warn,
    ),
    ("env_logger", "[2026-11-20T14:02:31Z TRACE shop] x", "stamped", "2026-11-20T14:02:31Z", Severity::Trace),
    ("Serilog", "2026-11-20 14:02:31.123 +02:00 [FTL] x", "stamped", "2026-11-20T12:02:31.123Z", Severity::Fatal),
    (
        "Serilog CLEF",
        r#"{"@t":"2026-11-20T14:02:31.123Z","@mt":"x","@l":"Verbose"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Trace,
    ),
    ("NLog", "2026-11-20 14:02:31.1234|ERROR|App.Cart|x", "stamped", "2026-11-20T12:02:31.1234Z", Severity::Error),
    (
        "NLog JSON",
        r#"{ "time": "2026-11-20 14:02:31.1234", "level": "Warn", "nested": { "message": "x" } }"#,
        "json",
        "2026-11-20T12:02:31.1234Z",
        Severity::Warn,
    ),
    (
        "log4net",
        "2026-11-20 14:02:31,123 [1] FATAL App.Cart [(null)] - x",
        "stamped",
        "2026-11-20T12:02:31.123Z",
        Severity::Fatal,
    ),
    (
        ".NET JSON console",
        r#"{"Timestamp":"2026-11-20T14:02:31.123Z","EventId":1,"LogLevel":"Critical","Category":"A","Message":"x"}"#,
        "json",
        "2026-11-20T14:02:31.123Z",
        Severity::Fatal,
    ),
    (
        "Ruby Logger",
        "W, [2026-11-20T14:02:31.123456 #9]  WARN -- : x",
        "stamped",
        "2026-11-20T12:02:31.123456Z",
        Severity::Warn,
    ),
    (
        "semantic_logger",
        "2026-11-20 14:02:31.123456 E [9:main] Cart -- x",
        "stamped",
        "2026-11-20T12:02:31.123456Z",
        Severity::Error,
    ),
    (
        "Monolog",
        "[2026-11-20T14:02:31.123456+02:00] app.ERROR: x {\"a\":1} []",
        "stamped",
        "2026-11-20T12:02:31.123456Z",
        Severity::Error,
    ),
    (
        "Monolog JSON",
        r#"{"message":"x","level":550,"level_name":"ALERT","channel":"a","datetime":"2026-11-20T14:02:31+00:00"}"#,
        "json",
        "2026-11-20T14:02:31Z",
        Severity::Fatal,
    ),
    ("spdlog", "[2026-11-20 14:02:31.123] [shop] [critical] x", "stamped", "2026-11-20T12:02:31.123Z", Severity::Fatal),
    ("glog", "W20261120 14:02:31.123456 1234 a.cc:1] x", "stamped", "2026-11-20T12:02:31.123456Z", Severity::Warn),
    (
        "Boost.Log",
        "[2026-11-20 14:02:31.123456] [0x00007f] [warning] x",
        "stamped",
        "2026-11-20T12:02:31.123456Z",
        Severity::Warn,
    ),
    ("Elixir Logger", "14:02:31.123 [error] x", "stamped", "2026-11-20T12:02:31.123Z", Severity::Error),
];

#[test]
fn every_frameworks_time_and_severity_are_read_and_no_format_takes_anothers_name() {
    let cx = cx();
    let mut wrong = Vec::new();
    for (framework, line, format, time, severity) in TABLE {
        // a file of it, so that detection has something to look at
        let file = format!("{line}\n").repeat(5);
        let (found, _) = detect(file.as_bytes(), &cx);
        let records: Vec<Span> = records(file.as_bytes(), found, &cx).collect();
        let head = records[0].head;
        let got = (found.name(), head.time.map(|t| t.to_string()), head.severity, records.len());
        if got != (*format, Some(time.to_string()), Some(*severity), 5) {
            wrong.push(format!("{framework}: {got:?}"));
        }
    }
    assert!(TABLE.len() >= 34);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
