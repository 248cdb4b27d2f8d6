//! The deploy log's contract: one JSON object a line, and what is accepted besides.
//!
//! ```json
//! {"ts":"2026-03-14T13:55:58Z","kind":"deploy","status":"ok","service":"api","version":"1.4.2","prev":"1.4.1",
//!  "sha":"9fceb02","env":"prod","by":"ci","url":"https://ci/builds/81"}
//! ```
//! Only `service` (or, for a flag, `key`) is needed, and `ts` where the line is older than the look at it. Pure: no file is
//! opened here.

use serde_json::{Map, Value};

use super::super::event::{Change, ChangeKind, ChangeStatus};
use crate::timeline::Ts;

/// Reads one line. `seen` is when the line was read, if it was written just then: the time of a change whose line has none.
///
/// The error says what is wrong with the line, without quoting it.
pub fn parse(line: &str, seen: Option<Ts>) -> Result<Change, String> {
    // What some editors put in front of a file.
    let line = line.trim_start_matches('\u{feff}');
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let Value::Object(map) = &value else { return Err("not a JSON object".into()) };
    let at = match first(map, &["ts", "time", "@timestamp", "timestamp", "at", "date"]) {
        None => seen.ok_or("it has no `ts`, and was there before anybody looked")?,
        Some(v) => time(v).ok_or("its time is neither RFC 3339 nor a number since 1970")?,
    };
    let mut detail = text(map, &["detail", "message", "msg", "description", "note"]);
    let kind = match text(map, &["kind", "type", "event"]) {
        None => ChangeKind::Deploy,
        Some(word) => word.parse().unwrap_or_else(|()| {
            detail = Some(match detail.take() {
                Some(d) => format!("{word}: {d}"),
                None => word,
            });
            ChangeKind::Deploy
        }),
    };
    let status = match text(map, &["status", "state", "result"]) {
        None => ChangeStatus::Ok,
        Some(word) => word.parse().map_err(|()| "its `status` is none of start, ok, fail".to_owned())?,
    };
    let mut version = text(map, &["version", "release", "tag", "to"]).unwrap_or_default();
    let key = text(map, &["key", "flag"]);
    let service = match (text(map, &["service", "app", "name", "project", "unit"]), key) {
        (Some(service), Some(key)) => {
            version = if version.is_empty() { key } else { format!("{key}={version}") };
            service
        }
        (Some(service), None) => service,
        (None, Some(key)) => key,
        (None, None) => return Err("it has no `service`".into()),
    };
    let change = Change {
        at,
        kind,
        service,
        version,
        previous: text(map, &["prev", "previous", "previous_version", "from"]),
        sha: text(map, &["sha", "commit", "revision", "rev"]),
        env: text(map, &["env", "environment", "stage"]),
        by: text(map, &["by", "user", "actor", "who", "author", "deployer"]),
        status,
        url: text(map, &["url", "link", "log_url"]),
        detail,
        count: 1,
        raw: None,
    };
    Ok(change.with_raw(line))
}

/// One line as [`parse`] reads it, with its newline.
pub fn line(change: &Change) -> String {
    let mut map = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(v) = value
            && !v.is_empty()
        {
            map.insert(name.to_owned(), Value::String(v.to_owned()));
        }
    };
    put("ts", Some(&change.at.to_string()));
    put("kind", Some(change.kind.name()));
    put("status", Some(change.status.name()));
    put("service", Some(&change.service));
    put("version", Some(&change.version));
    put("prev", change.previous.as_deref());
    put("sha", change.sha.as_deref());
    put("env", change.env.as_deref());
    put("by", change.by.as_deref());
    put("url", change.url.as_deref());
    put("detail", change.detail.as_deref());
    format!("{}\n", Value::Object(map))
}

fn first<'a>(map: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|n| map.get(*n).filter(|v| !v.is_null()))
}

fn text(map: &Map<String, Value>, names: &[&str]) -> Option<String> {
    match first(map, names)? {
        Value::String(s) if s.trim().is_empty() => None,
        Value::String(s) => Some(s.trim().to_owned()),
        other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
        _ => None,
    }
}

/// RFC 3339, or a number (also as text) of seconds, milliseconds, microseconds or nanoseconds by its size.
fn time(value: &Value) -> Option<Ts> {
    match value {
        Value::Number(n) => n.as_i64().map(epoch).or_else(|| n.as_f64().and_then(epoch_float)),
        Value::String(s) => {
            let s = s.trim();
            if let Ok(n) = s.parse::<i64>() {
                return Some(epoch(n));
            }
            if let Ok(f) = s.parse::<f64>() {
                return epoch_float(f);
            }
            s.parse::<jiff::Timestamp>().map(Ts::from_jiff).ok()
        }
        _ => None,
    }
}

fn epoch(n: i64) -> Ts {
    match n.unsigned_abs() {
        0..100_000_000_000 => Ts::from_secs(n),
        100_000_000_000..100_000_000_000_000 => Ts::from_millis(n),
        100_000_000_000_000..100_000_000_000_000_000 => Ts(n.saturating_mul(1_000)),
        _ => Ts(n),
    }
}

fn epoch_float(f: f64) -> Option<Ts> {
    // Seconds with a fraction; to the microsecond, which is what 64-bit floats hold of present times.
    (f.is_finite() && f.abs() < 1e11).then(|| Ts(((f * 1e6).round() as i64).saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Ts = Ts::from_secs(7);

    #[test]
    fn a_written_line_reads_back_as_the_same_change() {
        let mut c = Change::new(Ts(1_700_000_000_123_456_789), ChangeKind::Rollback, "api");
        c.version = "1.4.1".into();
        c.previous = Some("1.4.2".into());
        c.by = Some("on-call \"Ann\"\n".trim().into());
        c.status = ChangeStatus::Fail;
        let line = line(&c);
        assert_eq!(line.matches('\n').count(), 1);
        let back = parse(line.trim_end(), Some(SEEN)).unwrap();
        assert_eq!(Change { raw: None, ..back }, c);
    }

    #[test]
    fn times_are_taken_in_every_spelling_that_deploy_tools_write() {
        let want = Ts::from_millis(1_700_000_000_500);
        for ts in [
            r#""ts":"2023-11-14T22:13:20.5Z""#,
            r#""time":"2023-11-14T23:13:20.5+01:00""#,
            r#""@timestamp":1700000000500"#,
            r#""ts":1700000000.5"#,
            r#""ts":"1700000000500""#,
            r#""timestamp":1700000000500000"#,
        ] {
            let c = parse(&format!(r#"{{{ts},"service":"api"}}"#), Some(SEEN)).unwrap();
            assert_eq!(c.at, want, "{ts}");
        }
        assert_eq!(parse(r#"{"ts":1700000000,"service":"a"}"#, Some(SEEN)).unwrap().at, Ts::from_secs(1_700_000_000));
        assert_eq!(parse(r#"{"service":"a"}"#, Some(SEEN)).unwrap().at, SEEN);
        assert!(parse(r#"{"service":"a"}"#, None).unwrap_err().contains("no `ts`"));
        assert_eq!(parse("\u{feff}{\"ts\":17,\"service\":\"a\"}", None).unwrap().at, Ts::from_secs(17));
    }

    #[test]
    fn a_flag_is_named_with_its_value() {
        let c = parse(
            r#"{"kind":"flag","service":"shop","key":"new_cart","from":"off","to":"on","who":"ann"}"#,
            Some(SEEN),
        );
        let c = c.unwrap();
        assert_eq!((c.kind, c.version.as_str(), c.previous.as_deref()), (ChangeKind::Flag, "new_cart=on", Some("off")));
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        for (line, word) in [
            ("deployed api", "JSON"),
            (r#"{"version":"1"}"#, "service"),
            (r#"{"service":"a","ts":"noon"}"#, "time"),
            (r#"{"service":"a","status":"perhaps"}"#, "status"),
            ("[]", "object"),
        ] {
            assert!(parse(line, Some(SEEN)).unwrap_err().contains(word), "{line}");
        }
    }
}
