//! What must hold for any bytes at all: no panic, every byte in exactly one record, linear time.

use proptest::prelude::*;

use super::fixtures::cx;
use super::*;

/// Pieces that formats look for, so that random text gets past their first checks.
const PIECES: &[&str] = &[
    "2026-11-20T14:02:31.123Z ",
    "2026-11-20 14:02:31,123 ",
    "Nov 20 14:02:31 ",
    "[20/Nov/2026:14:02:31 +0000] ",
    "14:02:31 ",
    "1795183351 ",
    "I1120 14:02:31.123456 ",
    "Nov 20, 2026 2:02:36 PM ",
    "2026/11/20 14:02:31 ",
    "[Fri Nov 20 14:02:31 2026] ",
    "<34>",
    "<165>1 ",
    "ERROR ",
    "[error] ",
    "INFO[",
    "LOG:  ",
    "DETAIL:  ",
    "stdout F ",
    "stderr P ",
    "host app[1]: ",
    "123#4: *5 ",
    "10.0.0.9 - - ",
    "\"GET / HTTP/1.1\" 200 1 ",
    "\"",
    "{",
    "}",
    "{\"",
    "\":",
    ",",
    "[",
    "]",
    "\\",
    "\\u",
    "\\ud83d",
    "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-20T14:02:31Z\"}",
    "\"level\":\"error\"",
    "\"time\":1795183351,",
    "{\"__REALTIME_TIMESTAMP\":\"1795183351123456\",\"MESSAGE\":[1,2",
    "level=error ",
    "msg=\"",
    "a=1 ",
    "=",
    ":",
    " : ",
    " - ",
    "Traceback (most recent call last):",
    "KeyError: 'x'",
    "\tat a.B(C.java:1)",
    "panic: x",
    "goroutine 1 [running]:",
    "Caused by: ",
    "thread 'main' panicked at src/main.rs:2:5:",
    "PHP Fatal error:  Uncaught X: ",
    "E, [",
    "-- : ",
    "--- ",
    "req{a=1}: ",
    "\n",
    "\n",
    "\n ",
    "\r\n",
    "\x1b[31m",
    "\x1b[",
    "|",
    "(",
    "<",
    "é",
    "\u{202e}",
    "\0",
    "9999999999999999999",
    "-",
    "info: A[1]\n  ",
    "[    1.000000] ",
    "kern  :err   : [1.000000] ",
    "<3>",
    "# Time: 2026-11-20T14:02:31Z\n",
    "# User@Host: a[a] @ b [c]\n",
    "# Query_time: 1.5  Lock_time: ",
    "SET timestamp=1795183351;\n",
    "Started GET \"/x\" for ::1 at 2026-11-20 14:02:31 +0000\n",
    "Completed 500 ",
    "[2026-11-20T14:02:31.123Z] \"GET / HTTP/1.1\" 503 UF ",
    "10.0.0.9:1 [20/Nov/2026:14:02:31.123] a b/c 0/0/0/0/1 200 1 - - ---- ",
    "2026-11-20 14:02:31 UTC,\"a\",\"b\",1,c,d,1,e,2026-11-20 14:02:31 UTC,f,0,ERROR,00000,\"",
    "time,level,message\n",
    "2026-11-20T14:02:31Z,warn,\"",
    "=ERROR REPORT==== 20-Nov-2026::14:02:35 ===\n",
    "{\"timestamp\":{\"seconds\":1795183351,\"nanos\":1},\"log\":{\"level\":\"warn\"},",
    "\"@mt\":\"{A} {B:0}\",\"@r\":[\"1\"],",
    "<order>\n",
    "app.ERROR: ",
    "E/tag: ",
    "}:",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => "[ -~]{0,12}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|v| v.concat())
}

/// The table, a format that a header describes, and two of a user's.
fn all() -> Vec<&'static dyn Format> {
    let own = |name, multiline| {
        let pattern = r"(?P<time>\S+) (?P<level>\w+) (?P<request_id>\S*) ?(?P<message>.*)";
        user::UserFormat::new(name, pattern, None, multiline).unwrap()
    };
    static OWN: std::sync::OnceLock<[user::UserFormat; 2]> = std::sync::OnceLock::new();
    let own = OWN.get_or_init(|| [own("hostile-one", false), own("hostile-many", true)]);
    let made = by_name("csv(time,level,message)").unwrap();
    FORMATS.iter().copied().chain([made, &own[0], &own[1]]).collect()
}

/// Spans are in order, apart by one newline each, and cover everything.
fn check(block: &[u8], format: &'static dyn Format, cx: &Context) {
    let mut at = 0;
    let mut lines = 0;
    for span in records(block, format, cx) {
        assert_eq!(span.range.start, at, "{}", format.name());
        let inside = memchr::memchr_iter(b'\n', &block[span.range.clone()]).count();
        assert_eq!(span.lines as usize, inside + 1);
        let (_, parsed) = parse(&block[span.range.clone()], format, cx);
        if span.known {
            assert_eq!(parsed.head, span.head, "{}: {:?}", format.name(), lossy(&block[span.range.clone()]));
        }
        lines += span.lines as usize;
        at = span.range.end + 1;
    }
    let whole = block.len() + usize::from(!block.is_empty() && !block.ends_with(b"\n"));
    assert_eq!(at, whole, "{}", format.name());
    assert_eq!(lines, memchr::memchr_iter(b'\n', block).count() + usize::from(at > block.len()));
    assert!(split_tail(block, format, cx) <= block.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_bytes_fall_into_records_without_gap_overlap_or_panic(block in bytes()) {
        let cx = cx();
        for format in all() {
            for line in block.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                prop_assert!(format.head(line, &cx).is_none() || format.may_begin(line[0]), "{}", format.name());
            }
            let known = format.head(&block, &cx).is_some();
            prop_assert!(!known || block.first().is_none_or(|b| format.may_begin(*b)), "{}", format.name());
            format.parse(&block, &cx);
            check(&block, format, &cx);
        }
        let (_, share) = detect(&block, &cx);
        prop_assert!((0.0..=1.0).contains(&share));
    }

    #[test]
    fn what_is_cut_off_at_the_tail_reads_the_same_when_it_is_put_back(block in bytes(), format in prop::sample::select(all())) {
        let cx = cx();
        let tail = split_tail(&block, format, &cx);
        let head = &block[..block.len() - tail];
        let apart: Vec<_> = records(head, format, &cx).map(|s| s.range).collect();
        let together: Vec<_> = records(&block, format, &cx).map(|s| s.range).collect();
        prop_assert_eq!(&apart[..], &together[..apart.len()]);
    }
}

#[test]
fn a_line_of_a_megabyte_takes_linear_time_whatever_is_in_it() {
    let cx = cx();
    let fronts = [
        "",
        "{",
        "{\"a\":\"",
        "{\"a\":",
        "2026-11-20T14:02:31Z ",
        "2026-11-20T14:02:31Z ERROR ",
        "a=b ",
        "<34>1 - h a p m [",
        "<34>Nov 20 14:02:31 h a: ",
        "h - - [20/Nov/2026:14:02:31 +0000] \"",
        "h - - [20/Nov/2026:14:02:31 +0000] \"GET / HTTP/1.1\" 200 1 ",
        "2026/11/20 14:02:31 [error] 1#1: *1 x, client: ",
        "2026-11-20 14:02:31 UTC [1] LOG:  ",
        "Traceback (most recent call last):\n",
        "{\"log\":\"",
        "# Time: 2026-11-20T14:02:31Z\n",
        "Started GET \"/x\" for ::1 at 2026-11-20 14:02:31 +0000\n",
        "[2026-11-20T14:02:31Z] \"GET / HTTP/1.1\" 503 UF ",
        "2026-11-20T14:02:31Z,\"",
    ];
    let units = [
        "a", " ", "\"", "\\", "\\\"", "{", "[", "{\"a\":", "a=", "a=\"", "a=1 ", ", a: ", "\x1b[1m", "1", "x x=\\\"",
        "aError: ",
    ];
    // CPU time of this thread, in nanoseconds: what else the box does says nothing of the parsers.
    let on_cpu = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let cost = |size: usize| {
        let before = on_cpu();
        for front in fronts {
            for unit in units {
                let mut line = front.as_bytes().to_vec();
                line.extend_from_slice(unit.repeat(size / unit.len()).as_bytes());
                for format in all() {
                    format.head(&line, &cx);
                }
                let span = records(&line, &plain::Plain, &cx).last().unwrap();
                parse(&line[span.range], &plain::Plain, &cx);
            }
        }
        on_cpu() - before
    };
    // Some 300 lines each time. Eight times as long costs eight times as much; of one quadratic parser, 64 times.
    let (short, long) = (cost(128 << 10), cost(1 << 20));
    assert!(long < short * 24, "{short} ns for lines of 128 kB, {long} ns for lines of 1 MB");
}

#[test]
fn nesting_and_long_names_do_not_multiply() {
    let cx = cx();
    let key = "k".repeat(8_192);
    let mut line = format!("{{\"{key}\":").repeat(100);
    line.push('{');
    line.push_str(&"\"a\":1,".repeat(20_000));
    line.push_str("\"b\":2}");
    line.push_str(&"}".repeat(100));
    let (format, parsed) = parse(line.as_bytes(), &json::Json, &cx);
    assert_eq!(format.name(), "json");
    assert!(parsed.fields.len() < 10);
    let deep = "{\"a\":".repeat(100_000);
    parse(deep.as_bytes(), &json::Json, &cx);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_record() {
    let cx = cx();
    let block = b"\xef\xbb\xbf{\"ts\":\"2026-11-20T14:02:31Z\",\"level\":\"error\",\"msg\":\"a\"}\n{\"msg\":\"b\"}\n";
    let spans: Vec<Span> = records(block, &json::Json, &cx).collect();
    assert_eq!(spans.iter().map(|s| s.range.start).collect::<Vec<_>>(), [3, 59]);
    assert!(spans[0].head.time.is_some() && spans[0].head.severity.is_some());
}

#[test]
fn a_record_is_cut_at_its_limits_and_nothing_is_lost() {
    let cx = cx();
    let mut block = b"2026-11-20T14:02:31Z ERROR x\n".to_vec();
    block.extend(b"\tat a\n".repeat(RECORD_LINES as usize + 5));
    let lines: Vec<u32> = records(&block, &stamped::Stamped, &cx).map(|s| s.lines).collect();
    assert_eq!(lines, [RECORD_LINES, 6]);
    let mut block = b"2026-11-20T14:02:31Z ERROR x\n".to_vec();
    let wide = format!("\t{}\n", "x".repeat(100_000));
    block.extend(wide.repeat(25).as_bytes());
    let spans: Vec<Span> = records(&block, &stamped::Stamped, &cx).collect();
    assert!(spans.len() >= 2 && spans.iter().all(|s| s.range.len() <= RECORD_BYTES));
}

#[test]
fn the_tail_that_could_still_grow_is_told_from_what_is_whole() {
    let cx = cx();
    let tail = |block: &str, format: &'static dyn Format| {
        let n = split_tail(block.as_bytes(), format, &cx);
        block[block.len() - n..].to_owned()
    };
    let stamped: &dyn Format = &stamped::Stamped;
    let text = "2026-11-20 14:02:31 INFO a\n2026-11-20 14:02:32 ERROR b\n\tat c\n";
    assert_eq!(tail(text, stamped), "2026-11-20 14:02:32 ERROR b\n\tat c\n");
    let lines = "{\"level\":\"info\"}\n{\"level\":\"warn\"}\n";
    assert_eq!(tail(lines, &json::Json), "");
    assert_eq!(tail("{\"level\":\"info\"}\n{\"lev", &json::Json), "{\"lev");
    assert_eq!(tail("{\"level\":\"info\"}\n{\n \"a\": 1\n", &json::Json), "{\n \"a\": 1\n");
}
