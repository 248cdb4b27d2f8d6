use proptest::prelude::*;

use super::*;

/// A record as tests write it down.
#[derive(Default)]
pub(super) struct Rec {
    pub(super) time: Option<Ts>,
    pub(super) severity: Option<Severity>,
    pub(super) source: &'static str,
    pub(super) text: String,
    pub(super) fields: Vec<(&'static str, &'static str)>,
}

impl Record for Rec {
    fn time(&self) -> Option<Ts> {
        self.time
    }
    fn severity(&self) -> Option<Severity> {
        self.severity
    }
    fn source(&self) -> &str {
        self.source
    }
    fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields.iter().find(|(n, _)| *n == name).map(|(_, v)| Cow::Borrowed(*v))
    }
    fn has_within(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }
}

fn rec() -> Rec {
    Rec {
        time: None,
        severity: Some(Severity::Error),
        source: "api",
        text: "14:03 E GET /orders/81 503 Pool Timeout after 5.0 s trace=4bf92f3577b34da6a3ce929d0e0e4736".into(),
        fields: vec![
            ("http.status_code", "503"),
            ("duration_ms", "4903"),
            ("took", "4.9s"),
            ("path", "/orders/81"),
            ("size", "12kB"),
            ("request_time", "4.903"),
            ("empty", ""),
        ],
    }
}

fn holds(filter: &str) -> bool {
    Filter::parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}")).matches(&rec())
}

#[test]
fn every_kind_of_term_lets_through_what_it_says() {
    for f in [
        "",
        "timeout",
        "\"pool timeout\"",
        "refused|TIMEOUT",
        "-health",
        "NOT health",
        "/Pool T.+out/",
        "/pool t.+out/i",
        "level>=warn",
        "level=error|fatal",
        "level!=info",
        "LEVEL≥Warn",
        "status>=500",
        "status=503",
        "status=502|503",
        "status!=200",
        "http.status_code<504",
        "duration>500ms",
        "duration_ms>500",
        "duration<5s",
        "took>4s",
        "took=4900ms",
        "took>4.5",
        "request_time>4s",
        "request_time<5000ms",
        "size>10kB",
        "size<1MiB",
        "path=/orders/*",
        "path=*81",
        "path~^/orders",
        "path~/ORDERS/i",
        "path!~^/carts",
        "nosuch!=x",
        "nosuch!=*",
        "path=*",
        "empty=\"\"",
        "source=api",
        "service=API",
        "msg~Pool",
        "trace_id=4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "req!=abcdef12",
        "/orders/81",
        "(level=info OR status>=500)",
        "level=info OR status>=500",
        "(nope OR (timeout -health)) source=api",
        "timeout AND pool",
        "-(a1 OR b2)",
        "level>=warn status>=500 service=api /Timeout/ -health \"after 5.0\" refused|pool",
    ] {
        assert!(holds(f), "{f}");
    }
    for f in [
        "refused",
        "-timeout",
        "/pool timeout/",
        "level<error",
        "level=none",
        "status<500",
        "status=50",
        "status!=503",
        "duration>5s",
        "took>5s",
        "path=/orders",
        "path~^orders",
        "path!~orders",
        "nosuch=*",
        "nosuch>1",
        "path>5",
        "source=db",
        "request_id=4bf92f3577b34da6a3ce929d0e0e4737",
        "(a1 OR b2)",
        "timeout nothere",
        "size>1MB",
    ] {
        assert!(!holds(f), "{f}");
    }
    let none = Rec::default();
    assert!(!Filter::parse("level>=trace").unwrap().matches(&none));
    assert!(Filter::parse("level=none").unwrap().matches(&none));
}

#[test]
fn the_help_is_true_every_example_can_be_read() {
    for (example, _) in Filter::HELP {
        let f = Filter::parse(example).unwrap_or_else(|e| panic!("{example}: {e}"));
        assert!(!f.is_empty());
    }
}

#[test]
fn a_mistake_says_where_it_is_and_what_to_write() {
    for (text, column, word) in [
        ("level>=loud", 8, "fatal"),
        ("ok status>=", 12, "value"),
        ("\"open", 1, "closed"),
        ("ü (a OR b", 3, "closed"),
        (") a", 1, "quote"),
        ("a OR", 5, "both sides"),
        ("OR a", 1, "both sides"),
        (">500", 1, "field"),
        ("x /a(/", 3, "unclosed"),
        ("request_id>5", 1, "= or !="),
        ("level~x", 1, "level>=warn"),
        ("a -", 3, "-health"),
        ("()", 1, "empty"),
        ("\"\"", 1, "empty"),
        ("request_id=\"  \"", 12, "no request ID"),
        ("duration>1|2", 10, "OR"),
        ("\"a\"b", 4, "blank"),
    ] {
        let e = Filter::parse(text).expect_err(text);
        assert_eq!(e.column, column, "{text}: {e}");
        assert!(e.message.contains(word), "{text}: {e}");
    }
    let deep = "(".repeat(5_000);
    assert!(Filter::parse(&deep).unwrap_err().message.contains("nested"));
}

#[test]
fn chips_are_terms_and_the_newest_goes_first() {
    let f = Filter::parse("level>=warn  \"two words\" trace_id=abc123").unwrap();
    assert_eq!(f.chips(), ["level>=warn", "\"two words\"", "request_id=abc123"]);
    assert_eq!(f.request_id().map(|i| i.0.as_str()), Some("abc123"));
    assert_eq!(f.without_newest().to_string(), "level>=warn \"two words\"");
    assert_eq!(f.without_request().request_id(), None);
    let again = Filter::default().without_newest().and(&f).and(&Filter::parse("level>=warn").unwrap());
    assert_eq!(again.to_string(), "\"two words\" request_id=abc123 level>=warn");
    assert_eq!(Filter::request(&RequestId("r-1".into())).to_string(), "request_id=r-1");
    assert_eq!(Filter::parse("-req=abc").unwrap().request_id(), None);
}

#[test]
fn needles_are_exact_bytes_that_every_hit_holds() {
    let of = |t: &str| {
        let sets = Filter::parse(t).unwrap().needles();
        sets.into_iter()
            .map(|s| s.into_iter().map(|n| String::from_utf8(n).unwrap()).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    assert!(of("timeout level>=warn -\"12345\" status=500").is_empty());
    assert_eq!(of("order-12345 10.0.0.1"), [["-12345"], ["10.0.0.1"]]);
    assert_eq!(of("/Pool timeout/"), [["Pool timeout"]]);
    assert!(of("/Pool.timeout/ /pool/i").is_empty());
    assert!(of("req=4bf92f3577b34da6a3ce929d0e0e4736")[0].contains(&"4bf92f35-77b3-4da6-a3ce-929d0e0e4736".to_owned()));
    assert_eq!(of("(10.0.0.1 OR 10.0.0.2)"), [["10.0.0.1", "10.0.0.2"]]);
    assert!(of("(10.0.0.1 OR timeout)").is_empty());
}

#[test]
fn candidates_in_raw_bytes_miss_no_record_that_passes() {
    let block = b"a one\nb timeout r=abc-1\nc TimeOut\nd r=abc-1x\ne r=abc-1\n";
    let hits = |t: &str| {
        let f = Filter::parse(t).unwrap();
        let (mut at, mut lines) = (0, String::new());
        while let Some(i) = f.next_candidate(block, at) {
            let start = block[..i].iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1);
            lines.push(block[start] as char);
            at = block[i..].iter().position(|&b| b == b'\n').map_or(block.len(), |p| i + p + 1);
        }
        lines
    };
    assert_eq!(hits("timeout"), "bc");
    assert_eq!(hits("req=abc-1"), "be");
    assert_eq!(hits("timeout req=abc-1"), "be");
    assert_eq!(hits("(one OR timeout)"), "abc");
    assert_eq!(hits("level>=warn"), "abcde");
    assert_eq!(hits("(one OR level=info)"), "abcde");
    assert_eq!(hits("zzz"), "");
    assert!(Filter::parse("one timeout").unwrap().could_match(block));
    assert!(!Filter::parse("one nothere").unwrap().could_match(block));
}

fn piece() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z]{1,6}",
        "\"[ -~]{1,8}\"",
        "[-a-z/=<>~!()|\"\\\\OR .0-9üß]{1,10}",
        Just("OR".to_owned()),
        Just("/a b/i".to_owned()),
        Just("/x/y".to_owned()),
        Just("path~^/a(b|c)".to_owned()),
        Just("(a OR -b c)".to_owned()),
        Just("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        Just("level>=warn|none".to_owned()),
    ];
    prop_oneof![
        word.clone(),
        (("[a-z.]{1,5}"), "(=|!=|>=|<=|>|<|~|!~)", word).prop_map(|(n, o, w)| format!("{n}{o}{w}"))
    ]
}

proptest! {
    #[test]
    fn whatever_is_typed_is_an_error_or_reads_back_the_same(pieces in proptest::collection::vec(piece(), 0..5)) {
        let text = pieces.join(" ");
        if let Ok(f) = Filter::parse(&text) {
            let shown = f.to_string();
            let again = Filter::parse(&shown);
            prop_assert_eq!(again.as_ref(), Ok(&f), "{} -> {}", text, shown);
        }
    }

    #[test]
    fn no_text_makes_the_parser_fail_otherwise_than_with_a_column(text in any::<String>()) {
        if let Err(e) = Filter::parse(&text) {
            prop_assert!(e.column >= 1 && e.column <= text.chars().count() + 1);
        }
    }
}

#[test]
fn a_time_is_compared_as_a_time_and_a_record_without_one_does_not_pass() {
    let at = |time| Rec { time, ..Rec::default() };
    let filter = Filter::parse("time>=1970-01-01T00:00:10Z time<1970-01-01T00:00:20Z").unwrap();
    let passes: Vec<bool> = [5, 10, 19, 20].map(|s| filter.matches(&at(Some(Ts::from_secs(s))))).to_vec();
    assert_eq!(passes, [false, true, true, false]);
    assert!(!filter.matches(&at(None)));
    assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
}

#[test]
fn a_typed_time_is_seen_from_the_playhead_and_becomes_an_instant() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let now = Ts::from_jiff("2026-03-14T14:00:00Z".parse().unwrap());
    let clock = Clock { now, zone: &zone };
    let shown = |text: &str| Filter::parse_at(text, clock).unwrap_or_else(|e| panic!("{text}: {e}")).to_string();
    assert_eq!(shown("time>=14:02"), "time>=2026-03-14T13:02:00Z");
    assert_eq!(shown("time>=-15m level>=warn"), "time>=2026-03-14T13:45:00Z level>=warn");
    assert_eq!(shown("time<\"yesterday 15:00\""), "time<2026-03-13T14:00:00Z");
    let range = shown("time=14:02..14:05");
    assert_eq!(range, "(time>=2026-03-14T13:02:00Z time<2026-03-14T13:05:00Z)");
    assert_eq!(Filter::parse(&range).unwrap().to_string(), range);
    let e = Filter::parse_at("a time>=brunch", clock).unwrap_err();
    assert!(e.column == 9 && e.message.contains("yesterday"), "{e}");
    assert!(Filter::parse("time>=brunch").unwrap_err().message.contains("RFC 3339"));
    assert_eq!(shown("time=dinner"), "time=dinner", "a field may have that name");
}

#[test]
fn terms_taken_apart_and_put_together_are_the_same_filter() {
    let f = Filter::parse("level>=warn -health (a OR b) path=\"/a b\"").unwrap();
    let again = f.terms().iter().fold(Filter::default(), |all, t| all.and(t));
    assert_eq!(again, f);
    assert_eq!(f.without(&Filter::parse("-health").unwrap()).to_string(), "level>=warn (a OR b) path=\"/a b\"");
    assert_eq!(
        (Filter::quoted("/orders/81"), Filter::quoted("two words")),
        ("/orders/81".into(), "\"two words\"".into())
    );
}

#[test]
fn saved_filters_stand_for_their_text_and_an_unknown_one_is_a_mistake() {
    let saved = BTreeMap::from([("slow".to_owned(), "duration>1s OR level=error".to_owned())]);
    let expanded = |text: &str| Filter::expand(text, &saved).map_err(|e| (e.column, e.message));
    assert_eq!(expanded("source=api -@slow").as_deref(), Ok("source=api -(duration>1s OR level=error)"));
    assert_eq!(expanded("(@slow)").as_deref(), Ok("((duration>1s OR level=error))"));
    for text in ["\"@nope\"", "a@b.example", "@timestamp>1", "mail=x@y"] {
        assert_eq!(expanded(text).as_deref(), Ok(text));
    }
    let (column, message) = expanded("ok @nope").unwrap_err();
    assert!(column == 4 && message.contains("saved: slow"), "{message}");
}

#[test]
fn two_comparisons_in_a_row_are_a_mistake_and_no_value() {
    let e = Filter::parse("status=>=500").unwrap_err();
    assert!(e.column == 8 && e.message.contains("write status>=500"), "{e}");
    assert!(Filter::parse("tag=\">5\"").is_ok());
}
