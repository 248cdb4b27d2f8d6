//! What log lines tell other panes: one search per batch for all needles, then the slice's own reading of the few lines
//! that hold one. Runs where log batches come in, live and in replay from raw logs; what it gives is recorded and names
//! the line it came from. A line without a needle costs the search and nothing else.

use std::collections::BTreeMap;

use aho_corasick::Input;
use compact_str::CompactString;
use jiff::tz::TimeZone;

use crate::signals::Event;
use crate::signals::database::event::{DatabaseEvent, LineRef};
use crate::signals::database::extract::{self, About, Hint, NEEDLES, Wrote};
use crate::signals::logs::event::{LogAppended, LogEvent};
use crate::signals::logs::formats;
use crate::timeline::words::Words;
use crate::timeline::{SourceId, Ts};

/// Events out of one batch; what is beyond is counted.
const PER_BATCH: usize = 500;
/// Needles of one line that are followed up: a hostile line may hold thousands.
const PER_LINE: u32 = 4;
/// Bytes of a record that are read.
const LONGEST: usize = 64 << 10;
/// The last words of InnoDB's account of a deadlock.
const ROLLED_BACK: &[u8] = b"WE ROLL BACK TRANSACTION";

/// The search, built once, and what it waits for.
pub struct Derive {
    needles: Option<Words>,
    /// Accounts of deadlocks whose end has not come yet: they are written line by line.
    open: BTreeMap<SourceId, Open>,
}

/// The beginning of something that later batches go on with.
struct Open {
    generation: u32,
    start: u64,
    bytes: Vec<u8>,
    span: Option<(Ts, Ts)>,
}

impl Default for Derive {
    fn default() -> Derive {
        Derive::new()
    }
}

impl Derive {
    /// Builds the search.
    pub fn new() -> Derive {
        Derive { needles: Words::new(NEEDLES.iter().map(|(n, _)| *n), false), open: BTreeMap::new() }
    }

    /// The events that a batch of `source` tells; those of a seed are of before the start. One without bytes tells nothing.
    pub fn derive(&mut self, source: SourceId, source_name: &str, event: &LogEvent) -> Vec<Event> {
        let LogEvent::Appended(batch) = event else { return Vec::new() };
        let (true, Some(bytes)) = (self.needles.is_some(), batch.bytes.as_deref()) else { return Vec::new() };
        match self.open.remove(&source) {
            None => self.read(source, source_name, batch, batch.start, bytes, batch.span),
            Some(mut open) => {
                let adjacent =
                    open.generation == batch.generation && open.start + open.bytes.len() as u64 == batch.start;
                if adjacent {
                    open.bytes.extend_from_slice(bytes);
                    let span = match (open.span, batch.span) {
                        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                        (a, b) => a.or(b),
                    };
                    return self.read(source, source_name, batch, open.start, &open.bytes, span);
                }
                self.read(source, source_name, batch, batch.start, bytes, batch.span)
            }
        }
    }

    /// Reads `bytes`, which begin at `at` and whose times lie in `span`; the batch is the last that they came with.
    fn read(
        &mut self,
        source: SourceId,
        name: &str,
        batch: &LogAppended,
        at: u64,
        bytes: &[u8],
        span: Option<(Ts, Ts)>,
    ) -> Vec<Event> {
        // Nearly always there is none.
        let Some(needles) = self.needles.as_ref().filter(|needles| needles.any(bytes)) else { return Vec::new() };
        let format = formats::by_name(&batch.format).unwrap_or(formats::FORMATS[formats::FORMATS.len() - 1]);
        let near = span.map_or(Ts::default(), |(_, last)| last);
        let cx = formats::Context { zone: TimeZone::UTC, near };
        let mut out = Vec::new();
        let mut unread = 0;
        // Everything before `done` has been read; `line` is where the line of the last hit begins.
        let (mut done, mut next, mut line, mut tries) = (0, 0, usize::MAX, 0);
        // What belongs to a record that was read is not searched again.
        while let Some(hit) = needles.find(&Input::new(bytes).range(next.max(done)..)) {
            next = hit.end();
            // `Transactions deadlock detected, dumping detailed information` is MySQL's; the rest of it is a page.
            let dump = bytes[hit.end()..].starts_with(b", dumping");
            let hint = if dump { Hint::Innodb } else { NEEDLES[hit.pattern().as_usize()].1 };
            let mut start = memchr::memrchr(b'\n', &bytes[..hit.start()]).map_or(0, |i| i + 1);
            if start == line {
                tries += 1;
                if tries > PER_LINE {
                    continue;
                }
            } else {
                (line, tries) = (start, 1);
            }
            if hint == Hint::SlowLog {
                start = slow_log_start(bytes, start, done);
            }
            let end = match hint {
                Hint::Innodb => match innodb_end(bytes, hit.end()) {
                    Some(end) => end,
                    None if bytes.len() - start < LONGEST => {
                        let open = Open {
                            generation: batch.generation,
                            start: at + start as u64,
                            bytes: bytes[start..].to_vec(),
                            span,
                        };
                        self.open.insert(source, open);
                        break;
                    }
                    None => bytes.len(),
                },
                _ if hint.is_server() => {
                    let window = &bytes[start..bytes.len().min(start + LONGEST)];
                    let record = formats::records(window, format, &cx).next();
                    record.map_or(hit.end(), |r| start + r.range.end).max(hit.end())
                }
                _ => record_end(bytes, hit.end()),
            };
            let record = &bytes[start..end.min(start + LONGEST)];
            if hit.start() - start >= record.len() {
                continue;
            }
            if out.len() >= PER_BATCH {
                // Counted, not read: what cannot be carried need not be understood.
                unread += 1;
                done = end;
                continue;
            }
            let from = LineRef { source, name: name.into(), generation: batch.generation, offset: at + start as u64 };
            let about = || about(record, span, format, &cx);
            let id =
                |about: &About| about.request_id.clone().or_else(|| formats::request_id(&about.fields, &about.message));
            if let Some(event) = extract::extract(record, hit.start() - start, hint, &from, about, id) {
                done = end;
                out.push(Event::Database(event));
            }
        }
        if unread > 0 {
            out.push(Event::Database(DatabaseEvent::Unread { lines: unread }));
        }
        out
    }
}

/// Where the line ends.
fn record_end(bytes: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |i| from + i)
}

/// Where a record of a slow log begins whose figures stand in the line at `line`: at the comments right before it.
fn slow_log_start(bytes: &[u8], line: usize, floor: usize) -> usize {
    let mut start = line;
    while start > floor {
        let before = memchr::memrchr(b'\n', &bytes[floor..start - 1]).map_or(floor, |i| floor + i + 1);
        let text = &bytes[before..start];
        if !text.starts_with(b"# ") {
            break;
        }
        start = before;
        if text.starts_with(b"# Time: ") || line - start > 4_096 {
            break;
        }
    }
    start
}

/// The end of the line that says which transaction was rolled back.
fn innodb_end(bytes: &[u8], from: usize) -> Option<usize> {
    let window = &bytes[from..bytes.len().min(from + LONGEST)];
    let at = memchr::memmem::find(window, ROLLED_BACK)?;
    Some(record_end(bytes, from + at))
}

/// What the batch's log format, or the one that knows the record, reads out of it.
fn about(record: &[u8], span: Option<(Ts, Ts)>, format: &'static dyn formats::Format, cx: &formats::Context) -> About {
    let (read_by, mut parsed) = formats::parts(record, format, cx);
    let mut server = wrote(read_by.name(), record, &parsed.fields);
    // A cloud's wrapping has the server's own line, prefix and all, as its message.
    if server == Wrote::Other
        && let Some(own) = formats::by_name("postgres")
        && let Some(inside) = own.parse(parsed.message.as_bytes(), cx)
    {
        let (time, request_id) = (parsed.head.time, parsed.request_id.take());
        parsed = inside;
        parsed.head.time = time.or(parsed.head.time);
        parsed.request_id = parsed.request_id.take().or(request_id);
        server = Wrote::Postgres;
    }
    // A stamp without a zone was read with the source's zone when the batch was counted, which is not known here: what
    // lies outside the batch's own span is a wrong guess, and the span's end a better one.
    let time = match (parsed.head.time, span) {
        (Some(t), Some((first, last))) if t < first || t > last => Some(last),
        (t, span) => t.or(span.map(|(_, last)| last)),
    };
    About {
        time,
        request_id: parsed.request_id,
        message: parsed.message,
        fields: parsed.fields,
        server,
        fatal: matches!(parsed.severity_text.as_deref(), Some("FATAL" | "PANIC")),
    }
}

/// Which server a line is of, by the format that knew it.
fn wrote(format: &str, record: &[u8], fields: &[(CompactString, serde_json::Value)]) -> Wrote {
    let has = |name: &str| fields.iter().any(|(n, _)| n == name);
    match format {
        "postgres" | "postgres-csv" => Wrote::Postgres,
        "json" if has("backend_type") || has("session_start") && has("line_num") => Wrote::Postgres,
        "json" if has("sqlerrcode") || has("properties.sqlerrcode") => Wrote::Postgres,
        "mysql-slow" => Wrote::Mysql,
        _ => {
            // `2026-11-20 14:02:31 12 [Note] …`
            let near = &record[..record.len().min(80)];
            let words = [&b"[Note] "[..], b"[ERROR] ", b"[Warning] ", b"[System] ", b"mysqld: ", b"mariadbd: "];
            let known = words.iter().any(|w| memchr::memmem::find(near, w).is_some())
                || memchr::memmem::find(near, b" got signal ").is_some();
            if known { Wrote::Mysql } else { Wrote::Other }
        }
    }
}

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::{PoolFigures, SlowStatement};

    fn batch(text: &str) -> LogEvent {
        LogEvent::Appended(LogAppended {
            generation: 2,
            start: 1_000,
            end: 1_000 + text.len() as u64,
            lines: text.lines().count() as u32,
            format: "plain".into(),
            bytes: Some(text.as_bytes().into()),
            ..LogAppended::default()
        })
    }

    fn derive(text: &str) -> Vec<DatabaseEvent> {
        let events = Derive::new().derive(SourceId(3), "api", &batch(text));
        events.into_iter().map(|e| if let Event::Database(d) = e { d } else { panic!("{e:?}") }).collect()
    }

    fn slow(text: &str) -> SlowStatement {
        match derive(text).pop() {
            Some(DatabaseEvent::SlowStatement(s)) => s,
            other => panic!("{other:?} from {text}"),
        }
    }

    fn pool(text: &str) -> PoolFigures {
        match derive(text).pop() {
            Some(DatabaseEvent::PoolFigures(p)) => p,
            other => panic!("{other:?} from {text}"),
        }
    }

    #[test]
    fn slow_statements_are_read_in_the_forms_that_drivers_and_servers_write() {
        let cases: &[(&str, f64, &str)] = &[
            (
                r#"{"timestamp":"2026-01-02T03:04:05Z","level":"WARN","fields":{"message":"slow statement: execution time exceeded alert threshold","summary":"SELECT * FROM orders …","db.statement":"\n\nSELECT * FROM orders WHERE user_id = ?\n","rows_affected":0,"rows_returned":20,"elapsed":"5.2s","elapsed_secs":5.2},"target":"sqlx::query"}"#,
                5_200.0,
                "SELECT * FROM orders WHERE user_id = ?",
            ),
            (
                r#"{"ts":"2026-01-02T03:04:05Z","msg":"slow statement: execution time exceeded alert threshold","summary":"SELECT 1","db.statement":"","elapsed":"812.5ms"}"#,
                812.5,
                "SELECT 1",
            ),
            (
                "2026-01-02T03:04:05Z  \x1b[33mWARN\x1b[0m sqlx::query: slow statement: execution time exceeded alert threshold \x1b[3msummary\x1b[0m=\"SELECT * FROM orders …\" db.statement=\"\\n\\nSELECT *\\nFROM \\\"orders\\\"\\n\" rows_affected=0 rows_returned=3 elapsed=1.5s elapsed_secs=1.5 slow_threshold=1s",
                1_500.0,
                "SELECT *\nFROM \"orders\"",
            ),
            (
                "2026-01-02 03:04:05 UTC [12] LOG:  duration: 5012.345 ms  statement: SELECT 1\n\tFROM t\nnext",
                5012.345,
                "SELECT 1\nFROM t",
            ),
            ("LOG:  duration: 12.5 ms  execute sqlx_s_1: SELECT $1", 12.5, "SELECT $1"),
            (
                r#"2026-01-02,"u","LOG",00000,"duration: 7.5 ms  statement: SELECT ""a"" FROM t",,,"#,
                7.5,
                "SELECT \"a\" FROM t",
            ),
            (r#"{"message":"duration: 9.5 ms  statement: SELECT 2"}"#, 9.5, "SELECT 2"),
            (
                r#"{"msg":"query","duration_ms":311,"sql":"UPDATE carts SET a = 1","request_id":"r1"}"#,
                311.0,
                "UPDATE carts SET a = 1",
            ),
            ("o.h.SQL_SLOW: SlowQuery: 123 milliseconds. SQL: 'select 1'", 123.0, "select 1"),
            (
                "  Order Load (1234.5ms)  SELECT \"orders\".* FROM \"orders\"",
                1234.5,
                "SELECT \"orders\".* FROM \"orders\"",
            ),
            ("DEBUG (1.234) SELECT a FROM b; args=(1,); alias=default", 1234.0, "SELECT a FROM b"),
        ];
        for (text, ms, statement) in cases {
            let s = slow(text);
            assert!((s.duration_ms - ms).abs() < 1e-6, "{} from {text}", s.duration_ms);
            assert_eq!(s.statement, *statement);
        }
    }

    #[test]
    fn a_fact_names_the_line_it_came_from_and_the_request() {
        let text = "nothing\n{\"ts\":\"2026-01-02T03:04:05Z\",\"duration_ms\":5,\"sql\":\"SELECT 1\",\"request_id\":\"7f3a\"}\n";
        let s = slow(text);
        assert_eq!(s.from, LineRef { source: SourceId(3), name: "api".into(), generation: 2, offset: 1_008 });
        assert_eq!(s.request_id.unwrap().0, "7f3a");
        assert_eq!(s.at.unwrap().to_string(), "2026-01-02T03:04:05Z");
        let tagged = slow("LOG:  duration: 12.5 ms  statement: SELECT 1 /*request_id='abc'*/");
        assert_eq!(tagged.request_id.unwrap().0, "abc");
    }

    #[test]
    fn pools_that_ran_dry_are_read_from_lines() {
        let p = pool("12:00 DEBUG HikariPool-1 - Pool stats (total=10/10, idle=0, active=10, waiting=7)");
        assert_eq!((p.pool.as_str(), p.used, p.max, p.waiting), ("HikariPool-1", Some(10), Some(10), Some(7)));
        let p = pool(
            "HikariPool-1 - Connection is not available, request timed out after 30000ms (total=10, active=10, idle=0, waiting=7)",
        );
        assert_eq!((p.timeouts, p.max), (Some(1), Some(10)));
        let p = pool("QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00");
        assert_eq!((p.pool.as_str(), p.max, p.timeouts), ("api", Some(15), Some(1)));
        assert_eq!(pool("error: pool timed out while waiting for an open connection").timeouts, Some(1));
        assert_eq!(
            pool(r#"{"level":"error","error":"pool timed out while waiting for an open connection"}"#).timeouts,
            Some(1)
        );
        let refused = derive("FATAL:  sorry, too many clients already");
        assert!(matches!(&refused[..], [DatabaseEvent::Refused(r)] if r.sqlstate == "53300" && r.from.is_some()));
    }

    #[test]
    fn lines_that_only_resemble_tell_nothing() {
        for text in [
            r#"{"path":"/search","query":"selected shoes","duration_ms":5}"#,
            r#"{"query":"user=1","duration_ms":5}"#,
            "duration: long",
            "LOG:  duration: 0.1 ms  parse s1: SELECT 1",
            "  Order Load (0.5ms)  SELECT 1",
            "{\"sql\": broken",
        ] {
            assert_eq!(derive(text), [], "{text}");
        }
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let events = derive(&"duration: 5.0 ms  statement: SELECT 1\n".repeat(PER_BATCH + 7));
        assert_eq!(events.len(), PER_BATCH + 1);
        assert_eq!(events.last(), Some(&DatabaseEvent::Unread { lines: 7 }));
    }

    #[test]
    fn a_hostile_line_full_of_needles_costs_no_more_than_a_few_readings() {
        let line = format!("{{\"a\":[{}]}}\n", "\"sql\",".repeat(9_000).trim_end_matches(','));
        let began = std::time::Instant::now();
        assert_eq!(derive(&line.repeat(20)), []);
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    proptest::proptest! {
        #[test]
        fn no_line_can_make_it_panic(i in 0..NEEDLES.len(), before in "\\PC{0,40}", after in "[-{}()=\"': a-z0-9.é\n\t]{0,80}") {
            derive(&format!("{before}{}{after}", NEEDLES[i].0));
            derive(&format!("{{\"message\":\"{}\"}}", NEEDLES[i].0));
        }
    }
}
