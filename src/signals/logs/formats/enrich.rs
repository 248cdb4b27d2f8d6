//! What every format does last with a record: exception, top frame and request ID.

use compact_str::CompactString;
use serde_json::Value;

use super::{Parsed, keys, stack};

/// Fields that hold a stack trace, as text.
const STACKS: &[&str] = &[
    "stack_trace",
    "stackTrace",
    "stacktrace",
    "stack",
    "error.stack_trace",
    "error.stack",
    "err.stack",
    "exception.stacktrace",
    "exception.stack_trace",
    "exc_info",
    "exception",
    "Exception",
    "@x",
    "errorVerbose",
    "thrown.extendedStackTrace",
    "traceback",
    "error_stack",
];

/// Fields that name an exception type.
const TYPES: &[&str] = &[
    "error.type",
    "exception.type",
    "err.type",
    "error.class",
    "exception.class",
    "exception_class",
    "thrown.name",
    "exception.exceptionType",
    "context.exception.class",
    "err.name",
    "error.name",
];

/// Adds `exception` and `frame` where the record has a stack trace, and the request ID.
pub(super) fn finish(parsed: &mut Parsed) {
    stacks(parsed);
    parsed.request_id = keys::request_id_of(&parsed.fields, &parsed.message);
}

/// The same but for the request ID.
pub(super) fn stacks(parsed: &mut Parsed) {
    let (mut exception, mut frame) = (None, None);
    // Most records have no field of several lines, and need not be asked for each name.
    let is_long = |v: &Value| v.as_str().is_some_and(|text| text.contains('\n'));
    if parsed.fields.iter().any(|(_, v)| is_long(v)) {
        for name in STACKS {
            if let Some(Value::String(text)) = parsed.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
                && text.contains('\n')
            {
                (exception, frame) = stack::find(text);
                break;
            }
        }
    }
    if exception.is_none() && frame.is_none() && parsed.message.contains('\n') {
        (exception, frame) = stack::find(&parsed.message);
    }
    if exception.is_none()
        && let Some(list) = parsed.fields.iter().find(|(n, _)| n == "exception").and_then(|(_, v)| v.as_array())
    {
        (exception, frame) = listed(list);
    }
    if exception.is_none() {
        exception = parsed.fields.iter().find(|(n, _)| TYPES.contains(&n.as_str())).and_then(|(_, v)| match v {
            Value::String(s) => Some(s.clone()),
            _ => None,
        });
    }
    if let Some(exception) = exception {
        // A field of that name which holds the whole trace steps aside.
        if let Some((name, value)) = parsed.fields.iter_mut().find(|(n, _)| n == "exception")
            && value.as_str() != Some(&exception)
        {
            *name = CompactString::const_new("exception.text");
        }
        set(parsed, "exception", exception);
    }
    if let Some(frame) = frame {
        set(parsed, "frame", frame);
    }
    parsed.message.truncate(parsed.message.trim_end().len());
}

/// structlog's exceptions as objects: the last frame is where it happened.
fn listed(list: &[Value]) -> (Option<String>, Option<String>) {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(first) = list.first() else { return (None, None) };
    let frame = first.get("frames").and_then(Value::as_array).and_then(|f| f.last());
    let place = frame
        .and_then(|f| Some(format!("{}:{} in {}", text(f, "filename")?, f.get("lineno")?.as_i64()?, text(f, "name")?)));
    (text(first, "exc_type"), place)
}

fn set(parsed: &mut Parsed, name: &'static str, value: String) {
    if !parsed.fields.iter().any(|(n, _)| n == name) {
        parsed.fields.push((CompactString::const_new(name), Value::String(value)));
    }
}

/// Adds a field; its value is text.
pub(super) fn text(parsed: &mut Parsed, name: &'static str, value: &[u8]) {
    parsed.fields.push((CompactString::const_new(name), Value::String(super::lossy(value).into_owned())));
}

/// A written value as the JSON value that would print the same: numbers, booleans, else text.
pub(super) fn value(text: &str) -> Value {
    match text {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    let b = text.as_bytes();
    let numeric = b.len() <= 20 && b.iter().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-')) && !b.is_empty();
    if numeric {
        if let Ok(n) = text.parse::<i64>()
            && (b[0] != b'0' || b.len() == 1)
            && !text.starts_with("-0")
        {
            return n.into();
        }
        // 1.10 is more likely a version than a number and would lose a digit; 0.250 is a measurement.
        if let Some((_, decimals)) = text.split_once('.')
            && let Ok(n) = text.parse::<f64>()
            && !text.starts_with('.')
            && (n.to_string() == text || decimals.len() >= 3 && b.len() <= 16)
            && let Some(n) = serde_json::Number::from_f64(n)
        {
            return Value::Number(n);
        }
    }
    Value::String(text.to_owned())
}

/// Puts the parsed inside of a wrapper (Docker, journal, syslog) under the wrapper's own head: the inner severity,
/// message and fields; the outer time unless `inner_time`.
pub(super) fn adopt(outer: &mut Parsed, inner: Parsed, inner_time: bool) {
    if inner.head.severity.is_some() {
        outer.head.severity = inner.head.severity;
        outer.severity_text = inner.severity_text;
    }
    if inner_time && inner.head.time.is_some() && (!inner.head.inferred || outer.head.time.is_none()) {
        (outer.head.time, outer.head.inferred) = (inner.head.time, inner.head.inferred);
    }
    outer.message = inner.message;
    outer.fields.extend(inner.fields);
    outer.request_id = inner.request_id;
}
