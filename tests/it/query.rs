//! `warroom query logs` as an on-call engineer uses it: what it prints of odd records, and what it says of slips.

use crate::support::program::{Home, objects};

const ODD: &str = r#"{"ts":"2026-03-14T13:55:58Z","level":"info","msg":"job","status":503,"order_id":9007199254740993,"huge":12345678901234567890123,"request_id":"7f3ac21004d15e88"}
{"ts":"2026-03-14T13:56:02Z","level":"info","msg":"two","order_id":9007199254740992}
"#;

fn home() -> Home {
    let home = Home::new();
    home.file("odd.log", ODD);
    home
}

fn query<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["query", "logs", "--logs", "odd.log"].into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn an_id_of_many_digits_finds_its_own_record_and_is_printed_as_it_was_written() {
    let text = home().run(&query(&["--json", "--filter", "order_id=9007199254740993"])).good();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("9007199254740993") && text.contains("12345678901234567890123"), "{text}");
}

#[test]
fn a_record_of_a_megabyte_is_printed_whole_and_one_of_seventeen_says_that_it_is_cut() {
    let home = Home::new();
    let line = |size: usize| format!("{{\"level\":\"info\",\"msg\":\"{}\",\"last\":7}}\n", "m".repeat(size));
    home.file("odd.log", &format!("{}{}{}", line(1 << 20), line(17 << 20), line(5 << 20)));
    let all = objects(&home.run(&query(&["--json"])).good());
    let said = |i: usize| (all[i]["message"].as_str().map(str::len), all[i]["fields"]["last"].as_u64());
    assert_eq!((said(0), said(2)), ((Some(1 << 20), Some(7)), (Some(5 << 20), Some(7))));
    assert_eq!((&all[1]["truncated"], &all[1]["bytes"]), (&true.into(), &(line(17 << 20).len() - 1).into()));
    assert!(all[0].get("truncated").is_none());
}

#[test]
fn a_clock_that_is_ahead_does_not_move_relative_times_and_the_range_is_said() {
    let home = Home::new();
    let at = |ago: i64| jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - ago).unwrap();
    let line = |ago: i64, msg: &str| format!("{{\"ts\":\"{}\",\"level\":\"info\",\"msg\":\"{msg}\"}}\n", at(ago));
    home.file("odd.log", &[line(7_200, "old"), line(-150_000_000, "ahead"), line(60, "new")].concat());
    for (args, said) in [
        (&["--json", "--from", "-1h", "--to", "+1s"][..], true),
        (&["--json", "--filter", "time>=-1h time<=now"], false),
    ] {
        let out = home.run(&query(args));
        let error = out.err.clone();
        let all = objects(&out.good());
        assert_eq!(all.iter().filter_map(|r| r["message"].as_str()).collect::<Vec<_>>(), ["new"], "{args:?}");
        assert_eq!(error.contains("from 20"), said, "{error}");
    }
}

#[test]
fn a_field_that_no_record_has_is_told_with_the_name_that_was_meant() {
    let out = home().run(&query(&["--filter", "stauts>=500"]));
    assert!(out.err.contains("no record has a field `stauts`; did you mean status?"), "{}", out.err);
    let out = home().run(&query(&["--filter", "status>=600"]));
    assert_eq!(out.err, "");
}

#[test]
fn raw_prints_the_lines_as_they_are_and_a_dash_reads_standard_input() {
    let home = home();
    assert_eq!(home.run(&query(&["--raw"])).good(), ODD);
    let all = objects(&home.run(&query(&["--raw", "--json"])).good());
    assert_eq!(all[1]["raw"].as_str(), ODD.lines().nth(1));
    let text = home.run(&query(&[])).good();
    assert!(text.lines().next().is_some_and(|l| l.contains("7f3ac21004d15e88") && l.contains("status=503")), "{text}");
    assert_eq!(home.feed(&["query", "logs", "--logs", "-", "--raw"], ODD).good(), ODD);
}

#[test]
fn slow_statements_of_several_logs_come_in_order_of_their_time_and_one_that_is_late_is_told() {
    let home = Home::new();
    let line = |time: &str, n: u32| {
        format!("2026-11-20 14:{time} UTC [7] a@b LOG:  duration: {n}.0 ms  statement: SELECT {n} FROM t{n}\n")
    };
    home.file(
        "one.log",
        &[line("00:00.100", 1), line("00:02.000", 4), line("05:00.000", 5), line("01:00.000", 6), line("00:30.000", 7)]
            .concat(),
    );
    home.file("two.log", &[line("00:00.900", 3), line("00:00.500", 2)].concat());
    let args = ["query", "db", "--logs", "one.log", "two.log", "--json"];
    let out = home.run(&args);
    assert!(out.err.contains("1 of these was more than a minute late and not put in order"), "{}", out.err);
    let told = |rows: &[serde_json::Value]| rows.iter().filter_map(|r| r["duration_ms"].as_f64()).collect::<Vec<_>>();
    assert_eq!(told(&out.objects()), [1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 5.0]);
    let some = home.run(&[&args[..], &["--from", "-4m", "--filter", "duration_ms>1"]].concat());
    assert_eq!(told(&some.objects()), [6.0, 5.0]);
}
