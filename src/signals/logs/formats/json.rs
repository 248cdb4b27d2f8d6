//! JSON, one object a line or pretty-printed over several.
//!
//! The head comes from a shallow scan of the top level; the whole record from serde_json, nested fields joined by dots.
//! Which library wrote it does not matter: `keys` knows their names for time, severity and message.

use std::fmt;

use compact_str::{CompactString, format_compact};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::keys::{self, Role};
use super::scan::{Members, unquoted};
use super::{Context, Format, Head, Parsed, enrich, lossy, time, words};
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

    fn stands_alone(&self) -> bool {
        true
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let found = found(record, cx)?;
        let (fields, rest) = flatten(record);
        let mut parsed = assemble(found, fields);
        let rest = lossy(rest);
        if !rest.trim().is_empty() {
            parsed.message.push_str(&rest);
        }
        enrich::finish(&mut parsed);
        Some(parsed)
    }
}

/// What the shallow scan saw.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub head: Head,
    time_key: Option<&'a [u8]>,
    level_key: Option<&'a [u8]>,
    level_text: Option<&'a [u8]>,
}

/// How much of a line is scanned for a time and a severity that do not come early.
const FAR: usize = 256 * 1024;

/// Time and severity of the object that `line` begins with. An object without either is one all the same.
#[inline]
pub(super) fn found<'a>(line: &'a [u8], cx: &Context) -> Option<Found<'a>> {
    let line = &line[..line.len().min(FAR)];
    let mut members = Members::new(line)?;
    let mut found = Found::default();
    let (mut time_rank, mut level_rank) = (u8::MAX, u8::MAX);
    let (mut status, mut request, mut clef, mut any) = (None, false, false, false);
    for (key, value) in members.by_ref() {
        any = true;
        match keys::role(key) {
            None => {}
            Some(Role::Time(rank)) if rank < time_rank => {
                if let Some((time, inferred)) = time::value(unquoted(value), cx) {
                    (found.head.time, found.head.inferred) = (Some(time), inferred);
                    (found.time_key, time_rank) = (Some(key), rank);
                }
            }
            Some(Role::Level(rank)) if rank < level_rank => {
                let text = unquoted(value);
                if let Some(severity) = words::severity(text) {
                    found.head.severity = Some(severity);
                    (found.level_key, found.level_text, level_rank) = (Some(key), Some(text), rank);
                }
            }
            Some(Role::PythonLevel | Role::OtelLevel) if level_rank > 1 => {
                let n = std::str::from_utf8(unquoted(value)).ok().and_then(|s| s.parse().ok());
                let read = if key == b"levelno" { words::python_number } else { words::otel_number };
                if let Some(severity) = n.and_then(read) {
                    found.head.severity = Some(severity);
                    (found.level_key, found.level_text, level_rank) = (Some(key), Some(unquoted(value)), 1);
                }
            }
            Some(Role::EcsLog) if level_rank > 0 && value.first() == Some(&b'{') => {
                for (inner, value) in Members::new(value).into_iter().flatten().filter(|(k, _)| *k == b"level") {
                    let _ = inner;
                    if let Some(severity) = words::severity(unquoted(value)) {
                        found.head.severity = Some(severity);
                        (found.level_key, found.level_text, level_rank) =
                            (Some(b"log.level".as_slice()), Some(unquoted(value)), 0);
                    }
                }
            }
            Some(Role::Instant) if time_rank > 0 => {
                if let Some(time) = instant(value) {
                    found.head.time = Some(time);
                    (found.time_key, time_rank) = (Some(b"instant".as_slice()), 0);
                }
            }
            Some(Role::ClefTemplate) => clef = true,
            Some(Role::Status) => {
                status = status.or_else(|| std::str::from_utf8(unquoted(value)).ok()?.parse::<u16>().ok());
            }
            Some(Role::Request) => request = true,
            Some(_) => {}
        }
        if time_rank == 0 && level_rank == 0 {
            break;
        }
    }
    if !any && !members.closed() && !members.at_key() && !line.trim_ascii().eq(b"{") {
        return None;
    }
    if found.head.severity.is_none() {
        if clef && found.time_key == Some(b"@t") {
            found.head.severity = Some(Severity::Info);
        } else if request {
            found.head.severity = status.filter(|s| (100..600).contains(s)).map(Severity::from_http_status);
        }
    }
    Some(found)
}

/// log4j2's `{"epochSecond":1700000000,"nanoOfSecond":123000000}`.
fn instant(value: &[u8]) -> Option<Ts> {
    let (mut secs, mut nanos) = (None, 0);
    for (key, value) in Members::new(value)? {
        let n: Option<i64> = std::str::from_utf8(value).ok().and_then(|s| s.parse().ok());
        match key {
            b"epochSecond" => secs = n,
            b"nanoOfSecond" => nanos = n.unwrap_or(0),
            _ => {}
        }
    }
    secs.map(|s| Ts(Ts::from_secs(s).0.saturating_add(nanos)))
}

/// A record from its flat fields: the time and level fields that the head was read from go, the message is taken out.
pub(super) fn assemble(found: Found<'_>, fields: Vec<(CompactString, Value)>) -> Parsed {
    let mut parsed = Parsed { head: found.head, ..Parsed::default() };
    parsed.severity_text = found.level_text.map(|t| lossy(t).as_ref().into());
    let message = fields
        .iter()
        .enumerate()
        .filter(|(_, (_, v))| !v.is_null())
        .filter_map(|(i, (name, _))| Some((keys::message_rank(name)?, i)))
        .min()
        .map(|(_, i)| i);
    let is_time = |name: &str| match found.time_key {
        Some(b"instant") => name.starts_with("instant."),
        Some(key) => name.as_bytes() == key,
        None => false,
    };
    for (i, (name, value)) in fields.into_iter().enumerate() {
        if Some(i) == message {
            parsed.message = match value {
                Value::String(s) => s,
                other => other.to_string(),
            };
        } else if !is_time(&name) && found.level_key != Some(name.as_bytes()) {
            parsed.fields.push((name, value));
        }
    }
    if parsed.message.is_empty() {
        parsed.message = request_line(&parsed.fields);
    }
    parsed
}

/// `GET /path 503` for records that are HTTP requests and have no message.
fn request_line(fields: &[(CompactString, Value)]) -> String {
    let get = |names: &[&str]| {
        fields.iter().find(|(n, _)| names.contains(&n.as_str())).map(|(_, v)| match v {
            Value::String(s) => s.clone(),
            other => other.to_string(),
        })
    };
    let target = get(&["path", "uri", "url", "request_uri", "RequestPath", "request", "http.url", "url.path"]);
    let Some(target) = target else { return String::new() };
    let method = get(&["method", "request_method", "http_method", "RequestMethod", "http.method"]);
    let status = get(&["status", "status_code", "statusCode", "http_status", "DownstreamStatus"]);
    [method, Some(target), status].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The fields of the object that `record` begins with, in order, nested ones joined by dots; and what follows it.
/// Where the bytes are not quite JSON, what can be read of the top level.
pub(super) fn flatten(record: &[u8]) -> (Vec<(CompactString, Value)>, &[u8]) {
    let mut members = match Members::new(record) {
        Some(m) => m,
        None => return (Vec::new(), record),
    };
    let mut raw = Vec::new();
    raw.extend(members.by_ref());
    let end = if members.closed() { members.end() } else { record.len() };
    let mut fields = Vec::new();
    if members.closed()
        && let Ok(text) = std::str::from_utf8(&record[..end])
    {
        let mut json = serde_json::Deserializer::from_str(text);
        if (Flat { prefix: CompactString::default(), out: &mut fields }).deserialize(&mut json).is_ok() {
            return (fields, &record[end..]);
        }
        fields.clear();
    }
    let last = raw.last().map_or(0, |(_, v)| offset_in(record, v) + v.len());
    let cut = members.at_member();
    for (key, value) in raw {
        let name = CompactString::from(lossy(key));
        let text = lossy(value);
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
