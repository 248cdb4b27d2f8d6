//! Fields under the names people use for them.

use std::borrow::Cow;

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

/// A field of `record` by `name`; where it has none of that name, by another name of the same thing.
pub(super) fn look_up<'a>(record: &'a dyn Record, name: &str) -> Option<Cow<'a, str>> {
    if matches!(name, "source" | "file") {
        return Some(Cow::Borrowed(record.source()));
    }
    if let Some(v) = record.field(name) {
        return Some(v);
    }
    let same = SAME.iter().find(|names| names[0] == name || (name == "msg" && names[0] == "message"));
    if let Some(v) = same.and_then(|names| names.iter().find_map(|n| record.field(n))) {
        return Some(v);
    }
    match name {
        // Where nothing says which service it is, the source's name does; where nothing is the message, everything is.
        "service" => Some(Cow::Borrowed(record.source())),
        "message" | "msg" => Some(String::from_utf8_lossy(record.text())),
        _ => None,
    }
}
