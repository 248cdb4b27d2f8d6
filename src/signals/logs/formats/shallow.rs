//! The fields of a record as they stand in its bytes, where that is possible without building it: of flat JSON objects.
//! For questions that look at a million records and at three fields of each.

use std::borrow::Cow;

use super::scan::Members;
use super::{Format, keys};
use crate::timeline::RequestId;

/// Fields from which others are made: message templates, and the level of PostgreSQL, whose messages hold durations.
const NEEDS_ALL: [&str; 3] = ["@mt", "MessageTemplate", "error_severity"];

/// The fields of one record.
pub struct Shallow<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Shallow<'a> {
    /// `None` where only the whole of the record tells its fields: nested, a name twice, templates, cut off, no JSON.
    pub fn of(record: &'a [u8], format: &'static dyn Format) -> Option<Shallow<'a>> {
        if format.name() != "json" {
            return None;
        }
        // Once for all of it: fields are short.
        let text = std::str::from_utf8(record).ok()?;
        let within = |part: &[u8]| {
            let start = (part.as_ptr() as usize).checked_sub(record.as_ptr() as usize)?;
            text.get(start..start + part.len())
        };
        let mut members = Members::new(record)?;
        let mut fields = Vec::with_capacity(16);
        for (key, value) in members.by_ref() {
            let (key, value) = (within(key)?, within(value)?);
            let is_again = fields.iter().any(|(k, _)| *k == key);
            if value.starts_with(['{', '[']) || key.contains('\\') || NEEDS_ALL.contains(&key) || is_again {
                return None;
            }
            fields.push((key, value));
        }
        let rest = record.get(members.end()..)?;
        (members.closed() && rest.trim_ascii().is_empty()).then_some(Shallow(fields))
    }

    /// Names, and values as they are written.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Written<'a>)> + '_ {
        self.0.iter().map(|(name, value)| (*name, Written(value)))
    }

    /// As [`Parsed::request_id`](super::Parsed::request_id).
    pub fn request_id(&self) -> Option<RequestId> {
        let ranked = |(name, value): &(&'a str, &'a str)| Some((keys::request_id_rank(name)?, *value));
        let mut named = self.0.iter().filter_map(ranked).filter_map(|(rank, value)| Some((rank, Written(value).id()?)));
        let first = named.next();
        let best = named.fold(first, |best, it| best.filter(|(rank, _)| *rank <= it.0).or(Some(it)));
        best.map(|(_, id)| RequestId(id.as_ref().into())).or_else(|| {
            let ranked = self.0.iter().enumerate().filter(|(_, (_, v))| *v != "null");
            let (_, i) = ranked.filter_map(|(i, (name, _))| Some((keys::message_rank(name)?, i))).min()?;
            let message = Written(self.0[i].1).text()?;
            keys::request_id_of(&[], message.trim_end())
        })
    }
}

/// A value as it is written.
#[derive(Copy, Clone, Debug)]
pub struct Written<'a>(&'a str);

impl<'a> Written<'a> {
    /// As text: of a string without its quotes, of anything else as it stands. `None` where it is neither.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.0.strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            Some(_) => serde_json::from_str(self.0).ok().map(Cow::Owned),
            None => Some(Cow::Borrowed(self.0)),
        }
    }

    /// The ID it is, where its name says that it is one.
    fn id(self) -> Option<Cow<'a, str>> {
        if !self.0.starts_with('"') {
            return self.0.parse::<u64>().is_ok_and(|n| n > 0).then_some(Cow::Borrowed(self.0));
        }
        match self.text()? {
            Cow::Borrowed(plain) => keys::id_in(plain).map(Cow::Borrowed),
            Cow::Owned(text) => keys::id_in(&text).map(|id| Cow::Owned(id.to_owned())),
        }
    }

    /// As a number, where it is none in quotes.
    pub fn number(self) -> Option<f64> {
        if self.0.starts_with('"') { None } else { self.0.parse().ok() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::{Context, FORMATS, parse};
    use super::*;

    #[test]
    fn it_says_what_the_whole_record_says_or_nothing() {
        let json: &'static dyn Format = *FORMATS.iter().find(|f| f.name() == "json").unwrap();
        for (line, is_told) in [
            (r#"{"level":"info","msg":"a \"b\"","request_id":"r-17","status":200,"ms":1.5}"#, true),
            (r#"{"msg":"GET /x request_id=4bf92f3577b34da6a3ce929d0e0e4736","path":"/x","n":null}"#, true),
            (r#"{"message":"trace","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#, true),
            (r#"{"msg":"one","request_id":"-","req_id":"0000","correlation_id":77}"#, true),
            (r#"{"msg":"one","request_id":"a","request_id":"b","ok":true}"#, false),
            (r#"{"msg":"nested","http":{"status":500},"request_id":"r-17"}"#, false),
            (r#"{"@mt":"{Id} came","Id":"r-17","@t":"2026-11-21T14:00:00Z"}"#, false),
            (r#"{"msg":"cut of"#, false),
            (r#"{"msg":"more"} and more"#, false),
            (r#"{"msg":"two","trace_id":"aaaa1111","rid":"r-9","x_request_id":"r-10","span_id":"b"}"#, true),
            (
                r#"{"msg":"none of them","trace_id":"00000000","request_id":"null","corr_id":0,"cid":true,"rid":-4}"#,
                true,
            ),
            (r#"{"msg":"a big one","rid":18446744073709551615,"@tr":"0x4bf9"}"#, true),
            (r#"{"msg":"two escaped","Request-ID":"r\u002d17\"","requestDuration":12}"#, true),
            ("plain text", false),
        ] {
            let told = Shallow::of(line.as_bytes(), json);
            assert_eq!(told.is_some(), is_told, "{line}");
            let Some(told) = told else { continue };
            let cx = Context { zone: jiff::tz::TimeZone::UTC, near: crate::timeline::Ts(0) };
            let whole = parse(line.as_bytes(), json, &cx).1;
            assert_eq!(told.request_id(), whole.request_id, "{line}");
            for (name, value) in &whole.fields {
                let text = match value {
                    Value::String(s) => s.clone(),
                    other => other.to_string(),
                };
                let mine = told.fields().find(|(n, _)| n == name).and_then(|(_, v)| v.text());
                assert_eq!(mine.as_deref(), Some(text.as_str()), "{name} of {line}");
            }
        }
    }
}
