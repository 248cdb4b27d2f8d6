//! Events as lines: what each one says, and whether the filter lets it through.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use crate::cli::What;
use crate::signals::database::event::DatabaseEvent;
use crate::signals::deploys::event::DeployEvent;
use crate::signals::{Envelope, Event};
use crate::timeline::source::Declaration;
use crate::timeline::{Filter, Record, Severity, SourceId, SourceKind, TimeRange, Ts};
use crate::ui::text::{clean, json_safe};

/// Whether an event is of what was asked for.
pub fn wanted(what: What, event: &Event) -> bool {
    match what {
        What::Logs => false,
        What::Sources => matches!(event, Event::Stream(_)),
        // How far back a record of changes reaches is no change.
        What::Deploys => matches!(event, Event::Deploys(DeployEvent::Change(_))),
        _ => event.kind() == kind(what),
    }
}

fn kind(what: What) -> Option<SourceKind> {
    Some(match what {
        What::Logs => SourceKind::Logs,
        What::Host => SourceKind::Host,
        What::Db => SourceKind::Database,
        What::Deploys => SourceKind::Deploys,
        What::Health => SourceKind::Health,
        What::Notes => SourceKind::Incident,
        What::Sources => return None,
    })
}

/// Event time where an event has one, else when it was observed.
pub fn placed(e: &Envelope) -> Ts {
    match &e.event {
        Event::Deploys(DeployEvent::Change(c)) => c.at,
        Event::Incident(i) => i.at(),
        Event::Database(DatabaseEvent::SlowStatement(s)) => s.at.unwrap_or(e.observed),
        _ => e.observed,
    }
}

/// Who said it, as `name` knows sources.
pub fn source<'a>(e: &'a Envelope, name: impl Fn(SourceId) -> &'a str) -> &'a str {
    match &e.event {
        Event::Stream(Declaration::State { source, .. } | Declaration::Dropped { source, .. }) => name(*source),
        Event::Stream(Declaration::Source(decl)) => decl.name.as_str(),
        Event::Stream(Declaration::Origin { .. }) => "warroom",
        _ => name(e.source),
    }
}

/// Makes lines of events, one at a time.
pub struct Lines<'a> {
    filter: &'a Filter,
    range: TimeRange,
    json: bool,
    /// The event's own fields.
    body: Vec<u8>,
    /// The line.
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Of what passes: JSON, or for reading.
    pub fn new(filter: &'a Filter, range: TimeRange, json: bool) -> Lines<'a> {
        Lines { filter, range, json, body: Vec::new(), line: Vec::new() }
    }

    /// The line of an event, its newline with it; `None` where it does not pass.
    pub fn of(&mut self, ts: Ts, source: &str, event: &Event) -> anyhow::Result<Option<&[u8]>> {
        if !self.range.contains(ts) {
            return Ok(None);
        }
        write_body(&mut self.body, event)?;
        let body = json_safe(std::str::from_utf8(&self.body)?);
        self.line.clear();
        if self.json || !self.filter.is_empty() {
            write!(self.line, "{{\"ts\":\"{ts}\",\"source\":")?;
            let before = self.line.len();
            serde_json::to_writer(&mut self.line, source)?;
            if let Cow::Owned(safe) = json_safe(std::str::from_utf8(&self.line[before..])?) {
                self.line.truncate(before);
                self.line.extend_from_slice(safe.as_bytes());
            }
            self.line.push(b',');
            self.line.extend_from_slice(&body.as_bytes()[1..]);
        }
        let record = EventRecord { ts, source, text: &self.line, body: &body, fields: OnceCell::new() };
        if !self.filter.is_empty() && !self.filter.matches(&record) {
            return Ok(None);
        }
        if self.json {
            self.line.push(b'\n');
        } else {
            self.line.clear();
            writeln!(self.line, "{ts}  {}  {}", clean(source), clean(&body))?;
        }
        Ok(Some(&self.line))
    }
}

/// The event's own fields as an object.
fn write_body(out: &mut Vec<u8>, event: &Event) -> serde_json::Result<()> {
    out.clear();
    let spoken = Spoken { stream: matches!(event, Event::Stream(_)), ..Spoken::default() };
    let mut to = Serializer::with_formatter(out, spoken);
    match event {
        Event::Stream(v) => v.serialize(&mut to),
        Event::Logs(v) => v.serialize(&mut to),
        Event::Host(v) => v.serialize(&mut to),
        Event::Database(v) => v.serialize(&mut to),
        Event::Deploys(v) => v.serialize(&mut to),
        Event::Health(v) => v.serialize(&mut to),
        Event::Incident(v) => v.serialize(&mut to),
    }
}

/// Nanoseconds since 1970 below this are no time of this program: they would be of before March 1973.
const TIMES: i64 = 100_000_000_000_000_000;

/// Compact JSON in which times are RFC 3339, and numbers that JSON readers would round (they keep 53 bits) are text: by
/// the names they stand under.
#[derive(Default)]
struct Spoken {
    /// Under `source` stands the name, as in every record; what the stream's own facts have there is the number.
    stream: bool,
    depth: usize,
    /// A name is being written, not a value.
    naming: bool,
    /// How the number that follows the last name is written.
    number: Number,
}

/// How a number is written.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Number {
    #[default]
    Plain,
    Hexadecimal,
    Text,
    Time,
}

impl Number {
    fn under(name: &str) -> Number {
        match name {
            "fingerprint" => Number::Hexadecimal,
            "queryid" => Number::Text,
            "at" | "since" | "next_try" | "start" | "end" | "observed" | "expires" => Number::Time,
            _ if ["_at", "_since", "_start", "_end", "_expires"].iter().any(|end| name.ends_with(end)) => Number::Time,
            _ => Number::Plain,
        }
    }
}

impl Formatter for Spoken {
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        CompactFormatter.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        (self.naming, self.number) = (true, Number::Plain);
        CompactFormatter.begin_object_key(out, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.naming = false;
        CompactFormatter.end_object_key(out)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, part: &str) -> io::Result<()> {
        if self.naming {
            self.number = Number::under(part);
            if self.stream && self.depth == 1 && part == "source" {
                return out.write_all(b"id");
            }
        }
        out.write_all(part.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(out, escape)
    }

    fn write_i64<W: ?Sized + Write>(&mut self, out: &mut W, n: i64) -> io::Result<()> {
        match self.number {
            Number::Text => write!(out, "\"{n}\""),
            Number::Time if n > TIMES => write!(out, "\"{}\"", Ts(n)),
            _ => CompactFormatter.write_i64(out, n),
        }
    }

    fn write_u64<W: ?Sized + Write>(&mut self, out: &mut W, n: u64) -> io::Result<()> {
        match self.number {
            Number::Hexadecimal => write!(out, "\"{n:016x}\""),
            Number::Text => write!(out, "\"{n}\""),
            _ => CompactFormatter.write_u64(out, n),
        }
    }
}

/// An event as a filter sees it.
struct EventRecord<'a> {
    ts: Ts,
    source: &'a str,
    text: &'a [u8],
    body: &'a str,
    /// The body, taken apart when somebody asks for a field.
    fields: OnceCell<Value>,
}

impl Record for EventRecord<'_> {
    fn time(&self) -> Option<Ts> {
        Some(self.ts)
    }
    fn severity(&self) -> Option<Severity> {
        None
    }
    fn source(&self) -> &str {
        self.source
    }
    fn text(&self) -> &[u8] {
        self.text
    }
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let fields = self.fields.get_or_init(|| serde_json::from_str(self.body).unwrap_or_default());
        let value = name.split('.').try_fold(fields, |v, part| v.get(part))?;
        Some(match value {
            Value::String(s) => Cow::Borrowed(s),
            other => Cow::Owned(other.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::database::event::{LineRef, SlowStatement};
    use crate::timeline::SourceState;

    const ALL: TimeRange = TimeRange { start: Ts::MIN, end: Ts::MAX };

    fn line(source: &str, event: &Event) -> Value {
        let all = Filter::default();
        let mut lines = Lines::new(&all, ALL, true);
        serde_json::from_slice(lines.of(Ts(5), source, event).unwrap().unwrap()).unwrap()
    }

    fn slow(statement: &str) -> Event {
        Event::Database(DatabaseEvent::SlowStatement(SlowStatement {
            at: Some(Ts(1_795_252_380_162_520_000)),
            fingerprint: u64::MAX,
            statement: statement.into(),
            duration_ms: 5.5,
            from: LineRef { source: SourceId(7), offset: TIMES as u64 + 1, ..LineRef::default() },
            ..SlowStatement::default()
        }))
    }

    #[test]
    fn a_record_has_times_as_text_no_rounded_numbers_and_the_source_by_name() {
        let state = SourceState::Failed { why: "gone".into(), next_try: Some(Ts(1_795_252_380_162_520_000)) };
        let got = line("api", &Event::Stream(Declaration::State { source: SourceId(4), state }));
        assert_eq!((&got["id"], &got["source"]), (&Value::from(4), &Value::from("api")));
        assert_eq!(got["state"]["next_try"], "2026-11-21T09:13:00.16252Z");
        let got = line("db", &slow("SELECT 1"));
        assert_eq!(
            (&got["fingerprint"], &got["at"]),
            (&"ffffffffffffffff".into(), &"2026-11-21T09:13:00.16252Z".into())
        );
        assert_eq!((&got["from"]["source"], &got["from"]["offset"]), (&7.into(), &(TIMES + 1).into()));
        let got = line("db", &Event::Database(DatabaseEvent::Text { queryid: i64::MIN, text: "at".into() }));
        assert_eq!((&got["queryid"], &got["text"]), (&Value::from(i64::MIN.to_string()), &Value::from("at")));
    }

    #[test]
    fn what_could_harm_a_terminal_is_escaped_and_reads_back_as_it_was() {
        let text = "a\u{9b}b\u{202e}c\u{1b}[1m é";
        let all = Filter::default();
        let mut lines = Lines::new(&all, ALL, true);
        let got = std::str::from_utf8(lines.of(Ts(5), text, &slow(text)).unwrap().unwrap()).unwrap().to_owned();
        assert!(!got.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{got:?}");
        let got: Value = serde_json::from_str(&got).unwrap();
        assert_eq!((got["source"].as_str(), got["statement"].as_str()), (Some(text), Some(text)));
    }

    #[test]
    fn filters_ask_for_words_fields_and_fields_within() {
        for (filter, passes) in [
            ("duration_ms>5", true),
            ("duration_ms>6", false),
            ("from.source=7", true),
            ("source=db", true),
            ("source=api", false),
            ("kind=slow_statement orders", true),
            ("time>2030-01-01T00:00:00Z", false),
        ] {
            let filter = Filter::parse(filter).unwrap();
            for json in [true, false] {
                let mut lines = Lines::new(&filter, ALL, json);
                let got = lines.of(Ts(5), "db", &slow("SELECT a FROM orders")).unwrap();
                assert_eq!(got.is_some(), passes, "{filter:?}");
            }
        }
    }
}
