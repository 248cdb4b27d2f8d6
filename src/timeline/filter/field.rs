//! Fields under the names people use for them.

use std::borrow::Cow;

use serde_json::Value;

use super::Record;

/// Names for one thing; whoever asks for the first finds the others too.
const SAME: &[&[&str]] = &[
    &[
        "status",
        "status_code",
        "statusCode",
        "http.status_code",
        "http.response.status_code",
        "http_status",
        "res.statusCode",
        "response.status",
        "httpRequest.status",
        "_status",
        "_status_code",
        "response_code",
        "http.response.status",
        "responseStatus.code",
        "DownstreamStatus",
        "code",
    ],
    &["method", "http.method", "http.request.method", "request_method", "verb", "req.method"],
    &[
        "path",
        "url.path",
        "http.path",
        "http.target",
        "uri",
        "request_uri",
        "url",
        "req.url",
        "route",
        "http.route",
        "endpoint",
    ],
    &[
        "duration",
        "duration_ms",
        "durationMs",
        "elapsed",
        "elapsed_ms",
        "elapsedMs",
        "latency",
        "latency_ms",
        "took",
        "took_ms",
        "response_time",
        "responseTime",
        "request_time",
        "time_taken",
        "upstream_response_time",
        "event.duration",
        "httpRequest.latency",
        "_duration",
        "_duration_ms",
        "duration_ns",
        "duration_us",
        "duration_s",
    ],
    &["service", "service.name", "service_name", "app", "application", "dd.service"],
    &["user", "user_id", "userId", "user.id", "user_name", "username", "user.name", "enduser.id", "remote_user"],
    &["host", "hostname", "host.name"],
    &["logger", "logger_name", "log.logger", "target", "module"],
    &["error", "err", "error.message", "exception", "exception.message", "err.message"],
    &["message", "msg", "MESSAGE", "body"],
    &["ip", "client_ip", "remote_addr", "client.address", "remote", "remote_ip", "client"],
    &["pid", "process.pid", "process_id"],
];

/// Names that a filter reads itself.
const OWN: &[&str] = &["level", "severity", "time", "source", "format", "request_id"];

/// Whether a name is one of those that fields usually have.
pub(super) fn is_known(name: &str) -> bool {
    OWN.contains(&name) || SAME.iter().any(|names| names.contains(&name))
}

/// Whether what has this name is a number.
pub(super) fn is_number(name: &str) -> bool {
    SAME.iter().any(|names| ["status", "duration", "pid"].contains(&names[0]) && names.contains(&name))
}

/// The name that `name` is most likely a slip of: one of `seen`, or one that is understood everywhere.
pub(super) fn nearest<'a>(name: &str, seen: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = if name.len() < 5 { 1 } else { 2 };
    let known = OWN.iter().copied().chain(SAME.iter().map(|names| names[0]));
    let near = |other: &&str| (*other != name).then(|| slips(name, other)).filter(|n| *n <= allowed);
    known.chain(seen).filter_map(|other| Some((near(&other)?, other))).min_by_key(|(n, _)| *n).map(|(_, other)| other)
}

/// Letters put in, left out, changed or swapped between two names; 9 where it is certainly many.
fn slips(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase().into_bytes(), b.to_ascii_lowercase().into_bytes());
    if a.len().abs_diff(b.len()) > 2 || a.len() > 64 {
        return 9;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swap = if swapped { rows[i - 2][j - 2] + 1 } else { change };
                change.min(swap).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

/// A value as it is compared: text without quotes.
pub(super) fn text(value: Value) -> String {
    match value {
        Value::String(s) => s,
        other => other.to_string(),
    }
}

/// A field of `record` by `name`; where it has none of that name, by another name of the same thing. The name that it
/// has there comes with it.
pub(super) fn look_up<'a, 'n>(record: &'a dyn Record, name: &'n str) -> Option<(&'n str, Cow<'a, str>)> {
    if matches!(name, "source" | "file") {
        return Some((name, Cow::Borrowed(record.source())));
    }
    if let Some(v) = record.field(name).or_else(|| through_lists(record, name)) {
        return Some((name, v));
    }
    let same = SAME.iter().find(|names| names[0] == name || (name == "msg" && names[0] == "message"));
    if let Some(found) = same.and_then(|names| names.iter().find_map(|n| Some((*n, record.field(n)?)))) {
        return Some(found);
    }
    let value = match name {
        // Where nothing says which service it is, the source's name does; where nothing is the message, everything is.
        "service" => Cow::Borrowed(record.source()),
        "message" | "msg" => String::from_utf8_lossy(record.text()),
        _ => return None,
    };
    Some((name, value))
}

/// `n.a.b` where `n.a` is a list of objects: the `b` of each, as a list.
fn through_lists<'a>(record: &'a dyn Record, name: &str) -> Option<Cow<'a, str>> {
    let (at, outer) = name.rmatch_indices('.').find_map(|(at, _)| Some((at, record.field(&name[..at])?)))?;
    if !outer.starts_with(['[', '{']) {
        return None;
    }
    let mut found = Vec::new();
    within(serde_json::from_str(&outer).ok()?, &name[at + 1..], &mut found);
    match found.len() {
        0 => None,
        1 => Some(Cow::Owned(text(found.remove(0)))),
        _ => Some(Cow::Owned(Value::Array(found).to_string())),
    }
}

/// What stands at a path of names joined by dots, in every element of every list on the way.
fn within(value: Value, path: &str, found: &mut Vec<Value>) {
    match value {
        Value::Array(all) => all.into_iter().for_each(|v| within(v, path, found)),
        Value::Object(mut map) => {
            if let Some(v) = map.remove(path) {
                found.push(v);
            } else if let Some((first, rest)) = path.split_once('.')
                && let Some(v) = map.remove(first)
            {
                within(v, rest, found);
            }
        }
        _ => {}
    }
}
