//! The slow log of MySQL and MariaDB: several lines a record, comments first, then the statement.

use compact_str::CompactString;
use serde_json::Value;

use super::{Context, Format, Head, Parsed, enrich, lossy, time};
use crate::timeline::Ts;

/// `# Time:`, `# User@Host:`, `# Query_time: …`, `SET timestamp=…;` and SQL.
#[derive(Debug)]
pub struct MysqlSlow;

const TIME: &[u8] = b"# Time: ";
const USER: &[u8] = b"# User@Host: ";
const SET: &[u8] = b"\nSET timestamp=";
/// The statement's own time stands in the first lines.
const FAR: usize = 4_096;

fn starts(line: &[u8]) -> bool {
    line.starts_with(TIME) || line.starts_with(USER)
}

/// Of two times the more exact one: the line of the time has microseconds in newer releases; the statement's has none.
fn when(record: &[u8], cx: &Context) -> Option<(Ts, bool)> {
    let stamp = record.strip_prefix(TIME).and_then(|rest| time::stamp(rest.trim_ascii_start(), cx));
    if let Some(s) = stamp
        && !s.inferred
    {
        return Some((s.time, false));
    }
    let near = &record[..record.len().min(FAR)];
    let set = memchr::memmem::find(near, SET).and_then(|at| {
        let digits = near[at + SET.len()..].split(|c| !c.is_ascii_digit()).next()?;
        time::value(digits, cx)
    });
    set.or(stamp.map(|s| (s.time, s.inferred)))
}

impl Format for MysqlSlow {
    fn name(&self) -> &'static str {
        "mysql-slow"
    }

    fn head(&self, b: &[u8], cx: &Context) -> Option<Head> {
        if !starts(b) {
            return None;
        }
        let (time, inferred) = when(b, cx).map_or((None, false), |(t, i)| (Some(t), i));
        Some(Head { time, inferred, severity: None })
    }

    fn continues(&self, before: &[u8], line: &[u8], _cx: &Context) -> bool {
        // A server that starts writes three lines that belong to no statement.
        let header = line.ends_with(b"started with:") || line.starts_with(b"Tcp port: ") || line.ends_with(b"Argument");
        !(starts(line) || header) || before.starts_with(TIME) && line.starts_with(USER)
    }

    fn may_begin(&self, first: u8) -> bool {
        first == b'#'
    }

    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        let mut p = Parsed { head: self.head(record, cx)?, ..Parsed::default() };
        let mut statement = String::new();
        let mut plan = String::new();
        for line in record.split(|c| *c == b'\n') {
            let text = lossy(line);
            if let Some(who) = text.strip_prefix("# User@Host: ") {
                user(who, &mut p);
            } else if let Some(command) = text.strip_prefix("# administrator command: ") {
                p.fields.push(("command".into(), Value::String(command.trim_end_matches(';').into())));
                statement.push_str(command);
            } else if let Some(row) = text.strip_prefix("# explain: ") {
                // MariaDB adds the plan, a row a line.
                if !plan.is_empty() {
                    plan.push('\n');
                }
                plan.push_str(row);
            } else if text == "#" && statement.is_empty() {
            } else if let Some(comment) = text.strip_prefix("# ").filter(|_| statement.is_empty()) {
                if !comment.starts_with("Time: ") {
                    figures(comment, &mut p);
                }
            } else if let Some(database) = text.strip_prefix("use ")
                && statement.is_empty()
            {
                p.fields
                    .push(("database".into(), Value::String(database.trim_end_matches(';').trim_matches('`').into())));
            } else if !(text.starts_with("SET timestamp=") && statement.is_empty()) {
                if !statement.is_empty() {
                    statement.push('\n');
                }
                statement.push_str(&text);
            }
        }
        let seconds = p.fields.iter().find(|(n, _)| n == "query_time").and_then(|(_, v)| v.as_f64());
        if let Some(ms) = seconds.and_then(|s| serde_json::Number::from_f64((s * 1e6).round() / 1e3)) {
            p.fields.push(("duration_ms".into(), Value::Number(ms)));
        }
        if !plan.is_empty() {
            p.fields.push(("explain".into(), Value::String(plan)));
        }
        p.message = statement;
        enrich::finish(&mut p);
        Some(p)
    }
}

/// `shop[shop] @ web-1 [10.0.0.9]  Id:    12`.
fn user(text: &str, p: &mut Parsed) {
    let (name, place) = text.split_once(" @ ").unwrap_or((text, ""));
    let name = name.split('[').next().unwrap_or(name).trim();
    p.fields.push(("user".into(), Value::String(name.into())));
    let place = match place.split_once("Id:") {
        Some((place, id)) => {
            p.fields.push(("id".into(), enrich::value(id.trim())));
            place
        }
        None => place,
    };
    let client = place.trim().replace(" []", "");
    if !client.is_empty() {
        p.fields.push(("client".into(), Value::String(client)));
    }
}

/// `Query_time: 1.2  Lock_time: 0.0 Rows_sent: 1`: pairs with a colon, their names in lower case.
fn figures(text: &str, p: &mut Parsed) {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_suffix(':') else { continue };
        if let Some(value) = words.next_if(|w| !w.ends_with(':')) {
            let number =
                value.parse::<f64>().ok().filter(|_| value.contains('.')).and_then(serde_json::Number::from_f64);
            let value = number.map_or_else(|| enrich::value(value), Value::Number);
            p.fields.push((CompactString::from(name.to_ascii_lowercase()), value));
        }
    }
}
