//! Formats: one file each, one row in [`FORMATS`], one fixture folder.
//!
//! A format is asked two questions. [`Format::head`] is cheap and runs on every line: does a record start here, when
//! and how severe is it. [`Format::parse`] is thorough and runs only on records somebody looks at.

pub mod access;
pub mod apache_error;
mod calendar;
pub mod cri;
pub mod delimited;
mod detect;
pub mod docker;
mod enrich;
pub mod envoy;
#[cfg(test)]
mod fixtures;
mod fold;
#[cfg(test)]
mod frameworks;
pub mod haproxy;
#[cfg(test)]
mod hostile;
mod inner;
pub mod journal;
pub mod json;
pub mod kernel;
mod keys;
mod layout;
pub mod logfmt;
mod made;
pub mod mysql_slow;
pub mod nginx_error;
mod pairs;
pub mod plain;
pub mod postgres;
pub mod postgres_csv;
pub mod rails;
mod roles;
mod scan;
mod separated;
pub mod shallow;
mod sniff;
mod stack;
pub mod stamped;
pub mod syslog3164;
pub mod syslog5424;
mod template;
pub mod time;
pub mod user;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use compact_str::CompactString;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::timeline::{RequestId, Severity, Ts};

pub use detect::{detect, detect_file};
pub use fold::{RECORD_BYTES, RECORD_LINES, around, split_tail};

/// What a time stamp without year or zone is completed from.
#[derive(Clone, Debug)]
pub struct Context {
    /// Zone of stamps that name none.
    pub zone: TimeZone,
    /// A time near the lines: the file's modification time, or now. Gives the year where a stamp has none.
    pub near: Ts,
}

/// The cheap half of a record.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Event time.
    pub time: Option<Ts>,
    /// Whether year or zone of the time were inferred.
    pub inferred: bool,
    /// Normalised severity.
    pub severity: Option<Severity>,
}

/// A record in full.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Time and severity.
    pub head: Head,
    /// The severity as it was written.
    pub severity_text: Option<CompactString>,
    /// The message without time, severity and fields.
    pub message: String,
    /// Fields in order of appearance; nested ones joined by dots.
    pub fields: Vec<(CompactString, Value)>,
    /// Its request ID, under whatever name it came.
    pub request_id: Option<RequestId>,
}

/// One way of writing log lines.
pub trait Format: Sync + std::fmt::Debug {
    /// Its name, as shown and as set in the configuration.
    fn name(&self) -> &'static str;
    /// Time and severity when `line` starts a record of this format. No allocation, no backtracking.
    fn head(&self, line: &[u8], cx: &Context) -> Option<Head>;
    /// Whether a record of this format can begin with this byte: a quick no, so that a line of unknown kind is not shown
    /// to all formats. Where this says no, `head` says `None`.
    fn may_begin(&self, first: u8) -> bool {
        let _ = first;
        true
    }
    /// The whole record; `record` may hold continuation lines.
    fn parse(&self, record: &[u8], cx: &Context) -> Option<Parsed>;
    /// The same, perhaps without the request ID; see [`parts`].
    fn parts(&self, record: &[u8], cx: &Context) -> Option<Parsed> {
        self.parse(record, cx)
    }
    /// Whether `line` belongs to the record whose last line so far is `before`, in a way that only this format knows
    /// (wrapped traces, PostgreSQL's DETAIL). What all formats share, such as indentation, is not asked here.
    fn continues(&self, before: &[u8], line: &[u8], cx: &Context) -> bool {
        let _ = (before, line, cx);
        false
    }
    /// Whether its records are one line each as a rule.
    fn stands_alone(&self) -> bool {
        false
    }
    /// Whether a line in which it finds a time always begins a record, whatever stands before it: its `continues` never
    /// says yes. Then the record round a place can be read without those before it.
    fn begins_by_time(&self) -> bool {
        false
    }
}

/// All formats, most telling first; the last one, plain text, knows every line.
pub static FORMATS: &[&dyn Format] = &[
    &docker::Docker,
    &cri::Cri,
    &journal::Journal,
    &json::Json,
    &syslog5424::Syslog5424,
    &access::Access,
    &envoy::Envoy,
    &haproxy::Haproxy,
    &nginx_error::NginxError,
    &apache_error::ApacheError,
    &postgres_csv::PostgresCsv,
    &postgres::Postgres,
    &mysql_slow::MysqlSlow,
    &kernel::Kernel,
    &rails::Rails,
    &syslog3164::Syslog3164,
    &logfmt::Logfmt,
    &stamped::Stamped,
    &plain::Plain,
];

/// A format by name: one of the table, one of the user's, or one that its name describes, as `csv(time,level,message)`.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|f| f.name() == name).or_else(|| made::by_name(name))
}

/// Makes the user's formats known to the whole process; one of the same name is replaced.
pub fn define(formats: Vec<user::UserFormat>) {
    made::define(formats);
}

/// Names of all formats there are, the user's first.
pub fn names() -> Vec<&'static str> {
    made::defined().iter().chain(FORMATS).map(|f| f.name()).collect()
}

/// One record inside a block of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its bytes, without the last newline.
    pub range: Range<usize>,
    /// Lines in it, at least 1.
    pub lines: u32,
    /// Time and severity; all `None` where no format knew the line.
    pub head: Head,
    /// Whether a format knew its first line.
    pub known: bool,
}

/// The records of `block`, which begins at the start of a line. Lines are read with `format` first and, line by line,
/// with any other where that does not fit; what continues a record (stack traces, indented lines) belongs to it.
pub fn records<'a>(block: &'a [u8], format: &'static dyn Format, cx: &'a Context) -> impl Iterator<Item = Span> + 'a {
    fold::Records::new(block, format, cx)
}

/// The whole of a record, read with `format` or, where that does not fit, with the one that does. Plain text at worst.
pub fn parse(record: &[u8], format: &'static dyn Format, cx: &Context) -> (&'static dyn Format, Parsed) {
    read(record, format, cx, |format| format.parse(record, cx))
}

/// As [`parse`], perhaps without the request ID: looking for it is half the work, and [`request_id`] does it for who needs
/// it.
pub fn parts(record: &[u8], format: &'static dyn Format, cx: &Context) -> (&'static dyn Format, Parsed) {
    read(record, format, cx, |format| format.parts(record, cx))
}

fn read(
    record: &[u8],
    format: &'static dyn Format,
    cx: &Context,
    with: impl Fn(&'static dyn Format) -> Option<Parsed>,
) -> (&'static dyn Format, Parsed) {
    let plain: &'static dyn Format = &plain::Plain;
    if format.name() != plain.name()
        && let Some(parsed) = with(format)
    {
        return (format, parsed);
    }
    let line = &record[..memchr::memchr(b'\n', record).unwrap_or(record.len())];
    if let Some((other, _)) = sniff::sniff(line, format.name(), cx)
        && let Some(parsed) = with(other)
    {
        return (other, parsed);
    }
    (plain, with(plain).unwrap_or_default())
}

/// The request ID of a record: by the names of its fields, else by what the message holds.
pub fn request_id(fields: &[(CompactString, Value)], message: &str) -> Option<RequestId> {
    keys::request_id_of(fields, message)
}

/// Bytes of foreign text as a string; what is not UTF-8 becomes U+FFFD.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
