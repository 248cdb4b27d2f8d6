//! Names of fields: which of them hold the time, the severity, the message, the request ID, in the logging libraries
//! and platforms that are in use.

use compact_str::CompactString;
use serde_json::Value;

use crate::timeline::RequestId;
use crate::timeline::request_id::best_id;

/// What a top-level field of a structured record holds. Smaller ranks win where several do.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Time(u8),
    Level(u8),
    /// Python's scale of numbers.
    PythonLevel,
    /// OpenTelemetry's scale of numbers.
    OtelLevel,
    /// Seconds since the epoch, with the nanoseconds in another field.
    Seconds,
    /// Those nanoseconds.
    Nanos,
    /// One letter, as MongoDB writes its levels.
    Letter,
    /// An object that may hold what the record itself does not say: ECS' `log`, loguru's `record`, NLog's `nested`.
    Container,
    /// Serilog's message or its template: a record without a level is information.
    Template,
    /// An HTTP status.
    Status,
    /// What makes a record with a status an access log: method, path, URI.
    Request,
}

/// Time and level keys of ECS, GELF, OpenTelemetry, Bunyan, pino, zap, zerolog, logrus, slog, structlog,
/// tracing-subscriber, CLEF, Google, AWS, logback, log4j2, Monolog, NLog, and of common homemade JSON.
#[inline]
pub(super) fn role(key: &[u8]) -> Option<Role> {
    Some(match key {
        b"time"
        | b"ts"
        | b"timestamp"
        | b"@timestamp"
        | b"@t"
        | b"Timestamp"
        | b"TIMESTAMP"
        | b"asctime"
        | b"Time"
        | b"timeUnixNano"
        | b"time_unix_nano"
        | b"__REALTIME_TIMESTAMP"
        | b"eventTime"
        | b"instant"
        | b"datetime" => Role::Time(0),
        b"timeMillis"
        | b"logged_at"
        | b"log_time"
        | b"logTime"
        | b"dt"
        | b"_time"
        | b"date_time"
        | b"DateTime"
        | b"time_local"
        | b"time_iso8601"
        | b"msec"
        | b"StartUTC"
        | b"start_time"
        | b"startTime"
        | b"requestTime"
        | b"requestReceivedTimestamp"
        | b"_ts" => Role::Time(1),
        b"t"
        | b"T"
        | b"date"
        | b"Date"
        | b"created_at"
        | b"created"
        | b"observedTimeUnixNano"
        | b"receiveTimestamp"
        | b"when" => Role::Time(2),
        b"level" | b"severity" | b"lvl" | b"log.level" | b"@l" | b"Level" | b"LEVEL" | b"levelname"
        | b"severityText" | b"SeverityText" | b"severity_text" | b"log_level" | b"loglevel" | b"logLevel"
        | b"LogLevel" | b"level_name" | b"Severity" | b"levelName" | b"@level" | b"error_severity" => Role::Level(0),
        b"PRIORITY"
        | b"priority"
        | b"level_value"
        | b"syslog.severity.name"
        | b"l"
        | b"L"
        | b"status_level"
        | b"logLevelName" => Role::Level(2),
        b"levelno" => Role::PythonLevel,
        b"severityNumber" | b"SeverityNumber" | b"severity_number" => Role::OtelLevel,
        b"timestampSeconds" => Role::Seconds,
        b"timestampNanos" => Role::Nanos,
        b"s" => Role::Letter,
        b"log" | b"record" | b"nested" | b"_meta" | b"meta" | b"payload" | b"entry" | b"@fields" => Role::Container,
        b"@m" | b"@mt" => Role::Template,
        b"status"
        | b"status_code"
        | b"statusCode"
        | b"http.response.status_code"
        | b"http_status"
        | b"OriginStatus"
        | b"DownstreamStatus"
        | b"response_code"
        | b"code" => Role::Status,
        b"method" | b"request_method" | b"path" | b"uri" | b"url" | b"request" | b"request_uri" | b"http_method"
        | b"httpRequest" | b"httpMethod" | b"RequestMethod" | b"RequestPath" => Role::Request,
        _ => return None,
    })
}

/// How good a name is for the message; smaller wins. Names of nested fields are joined by dots.
pub(super) fn message_rank(key: &str) -> Option<u8> {
    Some(match key {
        "message" | "msg" | "@m" | "fields.message" | "MESSAGE" | "Message" | "@message" => 0,
        "short_message"
        | "RenderedMessage"
        | "renderedMessage"
        | "textPayload"
        | "body"
        | "Body"
        | "jsonPayload.message"
        | "body.stringValue"
        | "Body.stringValue"
        | "State.Message"
        | "record.message"
        | "nested.message"
        | "payload.message"
        | "log.message"
        | "message.message" => 1,
        "event" | "@mt" | "MessageTemplate" | "log" | "text" | "event.message" => 2,
        "full_message" | "description" | "error" | "err" | "error.message" | "err.message" | "M" | "0" | "data" => 3,
        _ => return None,
    })
}

/// Takes the message out of the fields: name and text of the best of them that has a value.
pub(super) fn take_message(fields: &mut Vec<(CompactString, Value)>) -> Option<(CompactString, String)> {
    let ranked = fields.iter().enumerate().filter(|(_, (_, v))| !v.is_null());
    let (_, i) = ranked.filter_map(|(i, (name, _))| Some((message_rank(name)?, i))).min()?;
    let (name, value) = fields.remove(i);
    let text = match value {
        Value::String(s) => s,
        other => other.to_string(),
    };
    Some((name, text))
}

/// Whether a name ends as one of those below does: nearly all fields are told by that, and there are many.
fn may_name_request(key: &str) -> bool {
    let mut back = key.bytes().rev().filter(u8::is_ascii_alphanumeric).map(|c| c | 0x20);
    let (last, before) = (back.next(), back.next());
    matches!(
        (before, last),
        (Some(b'i'), Some(b'd'))
            | (Some(b'o'), Some(b'n'))
            | (Some(b'n'), Some(b't'))
            | (Some(b'c'), Some(b'e'))
            | (Some(b't'), Some(b'r'))
    )
}

/// How good a name is for a request ID; smaller wins. Case, dashes, dots and underscores do not matter.
pub(super) fn request_id_rank(key: &str) -> Option<u8> {
    if key.len() > 64 || !may_name_request(key) {
        return None;
    }
    let mut flat = [0u8; 64];
    let mut len = 0;
    for c in key.bytes().filter(|c| c.is_ascii_alphanumeric()) {
        flat[len] = c.to_ascii_lowercase();
        len += 1;
    }
    let flat = &flat[..len];
    if key == "@tr" {
        return Some(2);
    }
    let ends = |suffix: &[u8]| flat.ends_with(suffix);
    Some(match flat {
        _ if ends(b"requestid") => 0,
        b"reqid" | b"rid" | b"xreqid" | b"requuid" | b"requestuuid" => 0,
        _ if ends(b"correlationid") => 1,
        b"corrid" | b"correlation" | b"cid" => 1,
        _ if ends(b"traceid") => 2,
        b"traceparent" | b"trace" | b"xamzntraceid" | b"logginggoogleapiscomtrace" | b"httpheaderstraceparent" => 2,
        b"operationid" | b"transactionid" | b"xrayid" | b"uniqueid" => 3,
        _ => return None,
    })
}

/// So much of a message is searched for a request ID.
const FAR: usize = 4_096;

/// The request ID of a record: by the names of its fields, else by what the message holds.
pub(super) fn request_id_of(fields: &[(CompactString, Value)], message: &str) -> Option<RequestId> {
    let mut best: Option<(u8, &Value)> = None;
    for (name, value) in fields {
        consider(name, value, &mut best);
        // the spans of tracing, the scopes of .NET: the innermost comes last
        if let Value::Array(list) = value {
            for (name, value) in list.iter().rev().take(16).filter_map(Value::as_object).flatten() {
                consider(name, value, &mut best);
            }
        }
    }
    match best {
        Some((_, Value::String(s))) => Some(RequestId(clean(s).into())),
        Some((_, other)) => Some(RequestId(other.to_string().into())),
        None => best_id(&message.as_bytes()[..message.floor_char_boundary(FAR)]),
    }
}

fn consider<'a>(name: &str, value: &'a Value, best: &mut Option<(u8, &'a Value)>) {
    // headers are written as lists of values
    let value = match value {
        Value::Array(list) if list.len() == 1 => &list[0],
        v => v,
    };
    if let Some(rank) = request_id_rank(name)
        && best.is_none_or(|(b, _)| rank < b)
        && usable(value)
    {
        *best = Some((rank, value));
    }
}

/// The ID that a text value is of, where it is one.
pub(super) fn id_in(text: &str) -> Option<&str> {
    let s = clean(text);
    let is = (1..=128).contains(&s.len()) && s != "-" && s != "null" && s.bytes().any(|c| c != b'0' && c != b'-');
    is.then_some(s)
}

fn usable(value: &Value) -> bool {
    match value {
        Value::String(s) => id_in(s).is_some(),
        Value::Number(n) => n.as_u64().is_some_and(|n| n > 0),
        _ => false,
    }
}

/// The trace part of a `traceparent`, the last part of Google's `projects/…/traces/…`, the root of AWS's header.
fn clean(s: &str) -> &str {
    let s = s.trim();
    let s = s.strip_prefix("0x").unwrap_or(s);
    let b = s.as_bytes();
    if b.len() == 55 && b[2] == b'-' && b[35] == b'-' && b[52] == b'-' {
        return s.get(3..35).unwrap_or(s);
    }
    // Nearly no ID has one of these letters, and looking for a byte is much cheaper than looking for a word.
    if b.contains(&b'/')
        && let Some(i) = s.find("/traces/")
    {
        return &s[i + 8..];
    }
    if b.contains(&b'=')
        && let Some(i) = s.find("Root=")
    {
        return s[i + 5..].split(';').next().unwrap_or(s);
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_known_under_its_many_names() {
        for name in [
            "request_id",
            "requestId",
            "RequestId",
            "X-Request-Id",
            "x_request_id",
            "req_id",
            "reqId",
            "http.request.id",
            "correlation_id",
            "X-Correlation-ID",
            "CorrelationId",
            "trace_id",
            "traceId",
            "trace.id",
            "dd.trace_id",
            "otelTraceID",
            "traceparent",
            "logging.googleapis.com/trace",
            "aws_request_id",
            "rid",
        ] {
            assert!(request_id_rank(name).is_some(), "{name}");
        }
        for name in ["id", "user_id", "span_id", "grid", "parent_id", "trace_flags"] {
            assert!(request_id_rank(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_request_id_wins_over_a_trace_id_and_a_traceparent_gives_its_trace() {
        let f = |n: &str, v: &str| (CompactString::from(n), Value::from(v));
        let fields = [f("trace_id", "aaaa1111"), f("request_id", "r-42")];
        assert_eq!(request_id_of(&fields, "").unwrap().0, "r-42");
        let fields = [f("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
        assert_eq!(request_id_of(&fields, "").unwrap().0, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(request_id_of(&[], "done [X-Request-Id: 7f3ac210] in 5 ms").unwrap().0, "7f3ac210");
        assert_eq!(request_id_of(&[], "nothing here: at all"), None);
    }
}
