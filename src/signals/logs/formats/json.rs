//! JSON, one object a line or pretty-printed over several.
//!
//! The head comes from a shallow scan of the top level; the whole record from serde_json, nested fields joined by dots.
//! Which library wrote it does not matter: `keys` knows their names for time, severity and message.

use std::borrow::Cow;
use std::fmt;

use compact_str::{CompactString, format_compact};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::keys::{self, Role};
use super::roles::Found;
use super::scan::{Members, unquoted};
use super::{Context, Format, Head, Parsed, enrich, lossy, template, time, words};
use crate::timeline::{Severity, Ts};

/// Any JSON object.
#[derive(Debug)]
pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn head(&self, line: &[u8], cx: &Context) -> Option<Head> {
        found(line, cx).map(|f| f.head)
    }

    fn begins_by_time(&self) -> bool {
        true
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn may_begin(&self, first: u8) -> bool {
        matches!(first, b'{' | b' ' | b'\t' | b'\n' | b'\r')
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let found = found(record, cx)?;
        let (fields, rest) = flatten(record);
        let mut parsed = assemble(found, fields);
        if found.level_key.is(b"error_severity") {
            super::postgres::duration(&mut parsed);
        }
        if !whole(record) && !parsed.fields.iter().any(|(name, _)| name == CUT) {
            parsed.fields.push((CompactString::const_new(CUT), Value::Bool(true)));
        }
        let rest = lossy(rest);
        if !rest.trim().is_empty() {
            parsed.message.push_str(&rest);
        }
        enrich::finish(&mut parsed);
        Some(parsed)
    }
}

/// Field of a record whose object has no end: half-written, or cut on its way.
const CUT: &str = "incomplete";

fn whole(record: &[u8]) -> bool {
    Members::new(record).is_none_or(|mut members| {
        members.by_ref().for_each(drop);
        members.closed()
    })
}

/// How much of a line is scanned for a time and a severity that do not come early.
const FAR: usize = 256 * 1024;

/// Time and severity of the object that `line` begins with. An object without either is one all the same.
#[inline]
pub(super) fn found<'a>(line: &'a [u8], cx: &Context) -> Option<Found<'a>> {
    let line = &line[..line.len().min(FAR)];
    let mut members = Members::new(line)?;
    let mut found = Found::new();
    let mut inner: [Option<(&[u8], &[u8])>; 2] = [None, None];
    let (mut template, mut any) = (false, false);
    for (key, value) in members.by_ref() {
        any = true;
        match found.take(key, unquoted(value), cx) {
            None => {
                if found.complete() {
                    break;
                }
            }
            Some(Role::Template) => template = true,
            Some(role) if value.first() == Some(&b'{') => match role {
                Role::Time(rank) => time_object(&mut found, key, value, rank, cx),
                Role::Level(rank) => level_object(&mut found, key, value, rank),
                _ => {
                    if let Some(free) = inner.iter_mut().find(|i| i.is_none()) {
                        *free = Some((key, value));
                    }
                }
            },
            Some(_) => {}
        }
    }
    if !any && !members.closed() && !members.at_key() && !line.trim_ascii().eq(b"{") {
        return None;
    }
    for (key, object) in inner.into_iter().flatten() {
        if found.head.time.is_none() || found.head.severity.is_none() {
            within(&mut found, key, object, cx);
        }
    }
    if found.head.severity.is_none() {
        if template && found.time_key.is(b"@t") {
            found.head.severity = Some(Severity::Info);
        } else if found.request {
            found.head.severity = found.status_severity();
        }
    }
    Some(found)
}

/// What a record says one level deeper: ECS' `log.level`, loguru's `record`, NLog's `nested`.
fn within<'a>(found: &mut Found<'a>, outer: &'a [u8], object: &'a [u8], cx: &Context) {
    let (status, request) = (found.status, found.request);
    found.step_into(outer);
    for (key, value) in Members::new(object).into_iter().flatten() {
        let role = found.take(key, unquoted(value), cx);
        if value.first() == Some(&b'{') {
            match role {
                Some(Role::Time(rank)) => time_object(found, key, value, rank, cx),
                Some(Role::Level(rank)) => level_object(found, key, value, rank),
                _ => {}
            }
        }
    }
    (found.status, found.request) = (status, request);
}

/// A time that is an object: log4j2's `epochSecond` and `nanoOfSecond`, Google's `seconds` and `nanos`, MongoDB's
/// `$date`, PHP's `date` with its `timezone`, loguru's `repr`.
fn time_object<'a>(found: &mut Found<'a>, key: &'a [u8], value: &'a [u8], rank: u8, cx: &Context) {
    let (mut secs, mut nanos, mut text, mut zone) = (None, 0, None, None);
    for (name, value) in Members::new(value).into_iter().flatten() {
        let value = unquoted(value);
        let number = || -> Option<i64> { std::str::from_utf8(value).ok()?.parse().ok() };
        match name {
            b"epochSecond" | b"seconds" => secs = number(),
            b"nanoOfSecond" | b"nanos" => nanos = number().unwrap_or(0),
            b"$date" | b"date" | b"repr" | b"iso" => text = Some(value),
            b"timezone" => zone = std::str::from_utf8(value).ok(),
            _ => {}
        }
    }
    let at = match (secs, text) {
        (Some(s), _) => Some((Ts(Ts::from_secs(s).0.saturating_add(nanos)), false)),
        (None, Some(text)) => match zone.and_then(named_zone) {
            Some(zone) => time::value(text, &Context { zone, near: cx.near }).map(|(t, _)| (t, false)),
            None => time::value(text, cx),
        },
        _ => None,
    };
    if let Some(at) = at {
        found.time(key, rank, at);
    }
}

/// `UTC`, `+02:00`, `Europe/Berlin`.
fn named_zone(name: &str) -> Option<jiff::tz::TimeZone> {
    use jiff::tz::TimeZone;
    if matches!(name, "UTC" | "Z" | "+00:00") {
        return Some(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        let hours: i8 = name.get(..3)?.parse().ok()?;
        let minutes: i32 = name.get(3..)?.trim_start_matches(':').parse().unwrap_or(0);
        let seconds = i32::from(hours) * 3_600 + minutes * 60 * if name.starts_with('-') { -1 } else { 1 };
        return jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed);
    }
    TimeZone::get(name).ok()
}

/// A level that is an object: its name, else its number.
fn level_object<'a>(found: &mut Found<'a>, key: &'a [u8], value: &'a [u8], rank: u8) {
    let mut number = None;
    for (name, value) in Members::new(value).into_iter().flatten() {
        let text = unquoted(value);
        match name {
            b"name" | b"levelStr" | b"label" => {
                if let Some(severity) = words::severity(text) {
                    return found.level(key, text, rank, severity);
                }
            }
            b"value" | b"no" => number = Some(text),
            _ => {}
        }
    }
    if let Some((text, severity)) = number.and_then(|n| Some((n, words::severity(n)?))) {
        found.level(key, text, rank, severity);
    }
}

/// A record from its flat fields: the time and level fields that the head was read from go, the message is taken out.
pub(super) fn assemble(found: Found<'_>, fields: Vec<(CompactString, Value)>) -> Parsed {
    let mut parsed = Parsed { head: found.head, ..Parsed::default() };
    parsed.severity_text = found.level_text.map(|t| lossy(t).as_ref().into());
    parsed.fields = fields;
    parsed.fields.retain(|(name, _)| !found.time_key.holds(name) && !found.level_key.holds(name));
    attributes(&mut parsed.fields);
    if let Some((name, message)) = keys::take_message(&mut parsed.fields) {
        if matches!(name.as_str(), "@mt" | "MessageTemplate") {
            parsed.message = template::render(&message, &parsed.fields);
            if parsed.message != message {
                parsed.fields.push((name, Value::String(message)));
            }
        } else {
            parsed.message = message;
        }
    }
    if parsed.message.is_empty() {
        parsed.message = request_line(&parsed.fields);
    }
    parsed
}

/// OpenTelemetry's lists of attributes, `[{"key":…,"value":{"stringValue":…}}]`, as fields of their own.
fn attributes(fields: &mut Vec<(CompactString, Value)>) {
    let is_list = |v: &Value| v.as_array().is_some_and(|l| l.first().is_some_and(|f| f.get("key").is_some()));
    while let Some(i) = fields.iter().position(|(_, v)| is_list(v)) {
        let (name, Value::Array(list)) = fields.remove(i) else { return };
        let pairs = list.into_iter().filter_map(|mut pair| {
            let key = format_compact!("{name}.{}", pair.get("key")?.as_str()?);
            let value = match pair.get_mut("value")?.take() {
                Value::Object(typed) => typed.into_iter().next().map_or(Value::Null, |(kind, v)| match v {
                    Value::String(s) if kind == "intValue" => enrich::value(&s),
                    v => v,
                }),
                v => v,
            };
            (!is_list(&value)).then_some((key, value))
        });
        let pairs: Vec<_> = pairs.collect();
        fields.splice(i..i, pairs);
    }
}

/// `GET /path 503` for records that are HTTP requests and have no message.
fn request_line(fields: &[(CompactString, Value)]) -> String {
    let get = |names: &[&str]| {
        fields.iter().find(|(n, _)| names.contains(&n.as_str())).map(|(_, v)| match v {
            Value::String(s) => s.clone(),
            other => other.to_string(),
        })
    };
    let target = get(&[
        "path",
        "uri",
        "url",
        "request_uri",
        "RequestPath",
        "request",
        "http.url",
        "url.path",
        "requestURI",
        "httpRequest.requestUrl",
        "httpRequest.uri",
        "request.uri",
    ]);
    let Some(target) = target else { return String::new() };
    let method = get(&[
        "method",
        "request_method",
        "http_method",
        "RequestMethod",
        "http.method",
        "httpMethod",
        "verb",
        "httpRequest.requestMethod",
        "httpRequest.httpMethod",
        "request.method",
    ]);
    let status = get(&[
        "status",
        "status_code",
        "statusCode",
        "http_status",
        "DownstreamStatus",
        "response_code",
        "httpRequest.status",
        "responseStatus.code",
    ]);
    [method, Some(target), status].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The fields of the object that `record` begins with, in order, nested ones joined by dots; and what follows it.
/// Where the bytes are not quite JSON, what can be read of the top level.
pub(super) fn flatten(record: &[u8]) -> (Vec<(CompactString, Value)>, &[u8]) {
    let mut members = match Members::new(record) {
        Some(m) => m,
        None => return (Vec::new(), record),
    };
    members.by_ref().for_each(drop);
    let end = if members.closed() { members.end() } else { record.len() };
    let mut fields = Vec::new();
    if members.closed()
        && let Ok(text) = std::str::from_utf8(&record[..end])
    {
        let text = exact(text);
        let mut json = serde_json::Deserializer::from_str(&text);
        if (Flat { prefix: CompactString::default(), out: &mut fields }).deserialize(&mut json).is_ok() {
            return (fields, &record[end..]);
        }
        fields.clear();
    }
    let raw: Vec<_> = Members::new(record).into_iter().flatten().collect();
    let last = raw.last().map_or(0, |(_, v)| offset_in(record, v) + v.len());
    let cut = members.at_member();
    for (key, value) in raw {
        let name = CompactString::from(lossy(key));
        let text = lossy(value);
        let text = exact(&text);
        let mut json = serde_json::Deserializer::from_str(&text);
        let before = fields.len();
        if (Flat { prefix: name.clone(), out: &mut fields }).deserialize(&mut json).is_err() {
            fields.truncate(before);
            let mut plain = Vec::new();
            super::scan::unescape_into(value, value.len(), &mut plain);
            fields.push((name, Value::String(lossy(&plain).into_owned())));
        }
    }
    if members.closed() {
        return (fields, &record[end..]);
    }
    // a string that was cut off still says what it says, up to the end of its line
    if let Some((key, value)) = cut {
        let line = value.split(|c| *c == b'\n').next().unwrap_or_default();
        let mut text = Vec::new();
        super::scan::unescape_into(line, line.len(), &mut text);
        fields.push((lossy(key).as_ref().into(), Value::String(lossy(&text).into_owned())));
        return (fields, &value[line.len()..]);
    }
    (fields, record.get(last..).unwrap_or_default())
}

/// JSON in which the numbers that would lose digits are text. Numbers of up to 16 digits never do.
fn exact(json: &str) -> Cow<'_, str> {
    const SAFE: usize = 17;
    let b = json.as_bytes();
    let digit = |i: &usize| matches!(b[*i], b'0'..=b'9' | b'.');
    let run = |i: usize| {
        let before = (0..i).rev().take(SAFE).take_while(|i| digit(i)).count();
        before + (i..b.len()).take(SAFE).take_while(|i| digit(i)).count()
    };
    if !(SAFE - 1..b.len()).step_by(SAFE).any(|i| digit(&i) && run(i) >= SAFE) {
        return Cow::Borrowed(json);
    }
    let (mut out, mut copied, mut at) = (String::with_capacity(json.len() + 16), 0, 0);
    while at < b.len() {
        match b[at] {
            b'"' => {
                at += 1;
                while at < b.len() && b[at] != b'"' {
                    at += 1 + usize::from(b[at] == b'\\');
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let more = |c: &&u8| matches!(c, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
                let end = at + b[at..].iter().take_while(more).count();
                if loses_digits(&json[at..end]) {
                    out.push_str(&json[copied..at]);
                    out.push('"');
                    out.push_str(&json[at..end]);
                    out.push('"');
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

fn loses_digits(number: &str) -> bool {
    if number.bytes().all(|c| c.is_ascii_digit() || c == b'-') {
        return number.parse::<i64>().is_err() && number.parse::<u64>().is_err();
    }
    number.len() >= 17 && number.parse::<f64>().is_ok_and(|n| n.to_string() != number)
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// Names of fields are joined up to about this length.
const LONGEST_NAME: usize = 200;

/// Reads any value; objects are opened and their members appended to `out`.
struct Flat<'o> {
    prefix: CompactString,
    out: &'o mut Vec<(CompactString, Value)>,
}

impl<'de> DeserializeSeed<'de> for Flat<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Flat<'_> {
    fn push<E>(self, value: Value) -> Result<(), E> {
        self.out.push((self.prefix, value));
        Ok(())
    }
}

impl<'de> Visitor<'de> for Flat<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<(), E> {
        self.push(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<(), E> {
        self.push(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<(), E> {
        self.push(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<(), E> {
        self.push(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<(), E> {
        self.push(Value::String(v.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut list = Vec::new();
        while let Some(v) = seq.next_element::<Value>()? {
            list.push(v);
        }
        self.push(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // long names on every level would multiply: below this the object stays one value
        if self.prefix.len() > LONGEST_NAME {
            let rest = serde::de::value::MapAccessDeserializer::new(map);
            return self.push(serde::Deserialize::deserialize(rest)?);
        }
        let mut any = false;
        while let Some(key) = map.next_key::<CompactString>()? {
            any = true;
            let prefix = if self.prefix.is_empty() { key } else { format_compact!("{}.{key}", self.prefix) };
            map.next_value_seed(Flat { prefix, out: self.out })?;
        }
        if !any && !self.prefix.is_empty() {
            self.out.push((self.prefix, Value::Object(serde_json::Map::new())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::cx;
    use super::*;

    fn fields(line: &str) -> Vec<(String, Value)> {
        let parsed = Json.parse(line.as_bytes(), &cx()).unwrap();
        parsed.fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    #[test]
    fn numbers_that_would_lose_digits_stay_as_they_were_written() {
        let line = r#"{"a":9007199254740993,"b":12345678901234567890123,"c":{"d":[-99999999999999999999,1]},"e":0.25,
            "f":18446744073709551615,"g":"12345678901234567890123 \" 1","h":0.12345678901234567890123,"i":1.5e300}"#;
        let got: Vec<String> = fields(line).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            got,
            [
                "a=9007199254740993",
                "b=\"12345678901234567890123\"",
                "c.d=[\"-99999999999999999999\",1]",
                "e=0.25",
                "f=18446744073709551615",
                r#"g="12345678901234567890123 \" 1""#,
                "h=\"0.12345678901234567890123\"",
                "i=1.5e+300",
            ]
        );
    }

    #[test]
    fn a_half_written_object_says_so() {
        let cut = r#"{"level":"info","msg":"a","user":"b"#;
        assert!(fields(cut).contains(&("incomplete".into(), Value::Bool(true))));
        assert!(!fields(&format!("{cut}\"}}")).iter().any(|(name, _)| name == "incomplete"));
    }
}
