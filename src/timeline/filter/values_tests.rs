//! What an on-call engineer's filters missed: big numbers, other names and units, nested values, slips.

use super::tests::Rec;
use super::*;

fn check(fields: &'static [(&'static str, &'static str)], pass: &[&str], fail: &[&str]) {
    for (filters, wanted) in [(pass, true), (fail, false)] {
        for f in filters {
            let filter = Filter::parse(f).unwrap_or_else(|e| panic!("{f}: {e}"));
            assert_eq!(filter.matches(&Rec { fields: fields.to_vec(), ..Rec::default() }), wanted, "{f} of {fields:?}");
        }
    }
}

#[test]
fn big_numbers_are_compared_to_the_last_digit() {
    check(
        &[("order_id", "9007199254740993"), ("huge", "12345678901234567890123"), ("neg", "-9007199254740993")],
        &[
            "order_id=9007199254740993",
            "order_id>9007199254740992",
            "huge=12345678901234567890123",
            "huge>12345678901234567890122",
            "neg<-9007199254740992",
            "neg<0",
            "order_id=09007199254740993",
        ],
        &["order_id=9007199254740992", "huge=12345678901234567890124", "neg=9007199254740993", "huge<9"],
    );
}

#[test]
fn status_and_duration_are_found_under_the_names_and_units_of_gcp_gelf_ecs_and_pino() {
    check(
        &[("httpRequest.status", "503"), ("httpRequest.latency", "0.350s")],
        &["status>=500", "duration>200ms"],
        &["duration>400ms"],
    );
    check(&[("_status", "503")], &["status>=500", "status=500..503"], &["status=404", "status=500..502"]);
    check(&[("event.duration", "52000000")], &["duration>50ms", "event.duration<53ms"], &["duration>200ms"]);
    check(&[("responseTime", "350.5")], &["duration>200ms", "duration=300ms..1s"], &["duration>1s"]);
}

#[test]
fn elements_of_lists_objects_and_null_are_told_apart() {
    check(
        &[
            ("user.tags", r#"["a","b c"]"#),
            ("n.a", r#"[{"b":1},{"b":2,"c":{"d":"x"}}]"#),
            ("user.empty", "null"),
            ("codes", "[404,502]"),
        ],
        &[
            "user.tags=a",
            "user.tags~^b",
            "user.tags!=d",
            "n.a.b=2",
            "n.a.c.d=x",
            "n=*",
            "user.empty!=*",
            "user.empty=null",
            "codes>=500",
        ],
        &["user.tags=d", "user.tags!=a", "n.a.b=3", "m=*", "user.empty=*", "codes>600", "n!=*"],
    );
}

#[test]
fn a_slip_is_refused_with_what_to_write_at_the_place_of_the_slip() {
    for (filter, column, said) in [
        ("status IN (500,503)", 8, "status=A|B"),
        ("level=error status:500", 13, "status=500"),
        ("status=404,502", 8, "status=404|502"),
        ("!status=200", 1, "-status=200"),
        ("msg='job'", 5, "\"job\""),
        ("msg='two words'", 5, "\"two…\""),
        ("status>=abc", 9, "status>=500"),
        ("status=5xx", 8, "status=500..599"),
        ("status=500 or status=503", 12, "OR in capitals"),
        ("status=500 and path=/a", 12, "AND"),
        ("not status=500", 1, "NOT"),
        ("timeout /(", 9, "not closed"),
    ] {
        let error = Filter::parse(filter).expect_err(filter);
        assert!(error.message.contains(said) && error.column == column, "{filter}: {error}");
    }
    // What only looks like it is text, and reads back.
    for filter in
        ["black or white", "localhost:8080", "'twas", "\"status:500\"", "https://a/b", "status=\"404,502\"", "/a"]
    {
        let parsed = Filter::parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
        assert_eq!(Filter::parse(&parsed.to_string()), Ok(parsed), "{filter}");
    }
}

#[test]
fn the_name_that_was_meant_is_found_among_those_that_there_are() {
    let near = |name, seen: &[&'static str]| Filter::nearest_field(name, seen.iter().copied());
    assert_eq!(near("stauts", &["path"]), Some("status"));
    assert_eq!(near("order_di", &["order_id"]), Some("order_id"));
    assert_eq!(near("colour", &["path"]), None);
}
