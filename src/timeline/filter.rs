//! The one filter: parsed once, evaluated on anything that can answer as a [`Record`].
//!
//! Terms stand side by side and all must hold: `level>=warn status>=500 service=checkout /timeout/ -health`. The whole
//! language is the table [`Filter::HELP`], shown by the help screen and the documentation. What a filter is not: a query
//! of counts (that is `top values`).

mod compare;
mod field;
mod needed;
mod parse;
mod part;
mod scan;
mod show;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use regex::bytes::Regex;

use super::request_id::IdMatcher;
use super::{RequestId, Severity, Ts};
use compare::Value;
pub use needed::Needed;
use parse::Parser;
pub use part::Part;

/// What a filter can ask of a record.
pub trait Record {
    /// Event time.
    fn time(&self) -> Option<Ts>;
    /// Severity, where it has one.
    fn severity(&self) -> Option<Severity>;
    /// Name of its source.
    fn source(&self) -> &str;
    /// Everything of it, as it stood in the source.
    fn text(&self) -> &[u8];
    /// A field by name; nested ones joined by dots.
    fn field(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// A filter; the default lets everything through. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// All must hold; the newest last.
    terms: Vec<Term>,
}

/// One condition, perhaps negated.
#[derive(Clone, Debug, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// One of these texts stands in the record, whatever the case.
    Text(Words),
    /// The pattern matches somewhere in the record.
    Pattern(Pattern),
    /// A field compares with one of these values.
    Field { name: String, op: Op, values: Vec<Value> },
    /// A field matches a pattern.
    FieldPattern { name: String, pattern: Pattern },
    /// The severity compares with one of these; `None` is a record without one.
    Severity { op: Op, values: Vec<Option<Severity>> },
    /// The event time lies there; a record without a time does not.
    Time { op: Op, at: Ts },
    /// One of these requests is named in the record.
    Request(Vec<Request>),
    /// One of these lists of terms holds.
    Any(Vec<Vec<Term>>),
}

/// How a field is compared.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    More,
    MoreEqual,
}

/// Texts to look for, compiled.
#[derive(Clone, Debug)]
struct Words {
    words: Vec<String>,
    regex: Arc<Regex>,
}

impl PartialEq for Words {
    fn eq(&self, other: &Words) -> bool {
        self.words == other.words
    }
}

/// A regular expression as it was written, compiled.
#[derive(Clone, Debug)]
struct Pattern {
    source: String,
    any_case: bool,
    regex: Arc<Regex>,
    /// What stands in the raw bytes of every record that it matches.
    part: Option<Part>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        (&self.source, self.any_case) == (&other.source, other.any_case)
    }
}

/// A request's ID and its spellings, compiled.
#[derive(Clone, Debug)]
struct Request {
    id: RequestId,
    matcher: IdMatcher,
}

impl Request {
    fn new(id: RequestId) -> Request {
        Request { matcher: id.matcher(), id }
    }
}

impl PartialEq for Request {
    fn eq(&self, other: &Request) -> bool {
        self.id == other.id
    }
}

/// What typed times are seen from: the playhead, and the zone on the screen.
#[derive(Copy, Clone, Debug)]
pub struct Clock<'a> {
    /// The instant that relative times count from.
    pub now: Ts,
    /// Zone of times that name none.
    pub zone: &'a TimeZone,
}

/// Why a filter could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at column {column})")]
pub struct FilterError {
    /// What is wrong and what to write.
    pub message: String,
    /// Where, counted in characters from 1.
    pub column: usize,
}

impl Filter {
    /// The language by example: what to write, and what it lets through.
    pub const HELP: &[(&str, &str)] = &[
        ("timeout", "records that contain the text, in any case"),
        ("\"two words\"", "quoted where the text has blanks or signs of this language"),
        ("timeout|refused", "one text or the other; also for values: status=502|503"),
        ("-health", "not these; before any term"),
        ("/time(d )?out/", "a regular expression on the whole record; /…/i in any case"),
        (
            "time>=2026-11-20T14:02:00Z",
            "event time; = != > >= < <=; typed on the screen also 14:02, -15m, \"yesterday 15:00\"",
        ),
        ("time=2026-11-20T14:02:00Z..2026-11-20T14:05:00Z", "from the first time to just before the second"),
        ("level>=warn", "severity: trace, debug, info, warn, error, fatal, none; = != > >= < <="),
        ("status>=500", "a field as a number; plain status, http.status_code and the like are all found"),
        ("duration>500ms", "a field as a duration: ns us ms s m h; a size likewise: kB MB GB KiB MiB GiB"),
        ("service=checkout", "a field as text, in any case; * stands for anything: path=/orders/*"),
        ("user!=bot", "not this value, or no such field"),
        ("user=*", "the field is there; user!=* for those without it"),
        ("path~^/orders", "a field by regular expression; !~ for those that do not match"),
        ("source=api", "records of one source; format=json of one format"),
        ("request_id=7f3a-c210", "records that contain the ID anywhere, in any spelling; an ID alone does the same"),
        ("(level=error OR status>=500)", "one or the other; OR is written in capitals"),
    ];

    /// Reads a filter. Nothing but blanks is the filter that lets everything through. Times are RFC 3339.
    ///
    /// The error names the column and what to write instead.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Parser::new(text, None).filter().map(|terms| Filter { terms })
    }

    /// The same where somebody types: times also as `14:02`, `-15m` or `yesterday`, seen from `clock`. What comes out has
    /// instants, so that it says the same tomorrow.
    pub fn parse_at(text: &str, clock: Clock<'_>) -> Result<Filter, FilterError> {
        Parser::new(text, Some(clock)).filter().map(|terms| Filter { terms })
    }

    /// The text with every `@NAME` that stands alone replaced by the saved filter of that name, in brackets. In quotes and
    /// in patterns it is text.
    pub fn expand(text: &str, saved: &BTreeMap<String, String>) -> Result<String, FilterError> {
        let mut out = String::with_capacity(text.len());
        let (mut quoted, mut begins) = (false, true);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == '@' && begins && !quoted {
                let rest = &text[at + 1..];
                let end = rest.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
                let alone = rest[end..].chars().next().is_none_or(|c| c.is_whitespace() || c == ')');
                if end > 0 && alone {
                    let name = &rest[..end];
                    let Some(filter) = saved.get(name) else {
                        let known: Vec<&str> = saved.keys().map(String::as_str).collect();
                        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                        let message =
                            format!("no filter is saved as {name}; saved: {known}. Quote it to look for the text");
                        return Err(FilterError { message, column: text[..at].chars().count() + 1 });
                    };
                    out.push_str(&format!("({filter})"));
                    while chars.next_if(|(i, _)| *i < at + 1 + end).is_some() {}
                    begins = false;
                    continue;
                }
            }
            quoted ^= c == '"';
            begins = c.is_whitespace() || matches!(c, '(' | '-');
            out.push(c);
        }
        Ok(out)
    }

    /// A value as it must be written behind an operator: quoted where it has to be.
    pub fn quoted(value: &str) -> String {
        show::quoted(value)
    }

    /// A field of a record under any of the names it may have there, as a comparison finds it.
    pub fn value_of<'r>(record: &'r dyn Record, name: &str) -> Option<Cow<'r, str>> {
        field::look_up(record, name)
    }

    /// The filter for one request.
    pub fn request(id: &RequestId) -> Filter {
        Filter { terms: vec![Term { negated: false, test: Test::Request(vec![Request::new(id.clone())]) }] }
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether `record` passes.
    pub fn matches(&self, record: &dyn Record) -> bool {
        self.terms.iter().all(|t| t.holds(record))
    }

    /// The request it filters by, if it filters by exactly one.
    pub fn request_id(&self) -> Option<&RequestId> {
        let mut ids = self.terms.iter().filter_map(|t| match &t.test {
            Test::Request(r) if !t.negated && r.len() == 1 => Some(&r[0].id),
            _ => None,
        });
        let first = ids.next()?;
        ids.all(|id| id == first).then_some(first)
    }

    /// Each term as text, for the chips in the header.
    pub fn chips(&self) -> Vec<String> {
        self.terms.iter().map(Term::to_string).collect()
    }

    /// Each term as a filter of its own, oldest first; [`Filter::and`] puts them together again.
    pub fn terms(&self) -> Vec<Filter> {
        self.terms.iter().map(|t| Filter { terms: vec![t.clone()] }).collect()
    }

    /// The same filter without the terms of `other`.
    pub fn without(&self, other: &Filter) -> Filter {
        Filter { terms: self.terms.iter().filter(|t| !other.terms.contains(t)).cloned().collect() }
    }

    /// The same filter without its newest term.
    pub fn without_newest(&self) -> Filter {
        let mut terms = self.terms.clone();
        terms.pop();
        Filter { terms }
    }

    /// The same filter with the terms of `other` added; a term it has already becomes its newest.
    pub fn and(&self, other: &Filter) -> Filter {
        let mut terms: Vec<Term> = self.terms.iter().filter(|t| !other.terms.contains(t)).cloned().collect();
        terms.extend(other.terms.iter().cloned());
        Filter { terms }
    }

    /// The same filter without the terms that name a request.
    pub fn without_request(&self) -> Filter {
        Filter { terms: self.terms.iter().filter(|t| !matches!(t.test, Test::Request(_))).cloned().collect() }
    }
}

impl Term {
    fn holds(&self, record: &dyn Record) -> bool {
        self.test.holds(record) != self.negated
    }
}

impl Test {
    fn holds(&self, record: &dyn Record) -> bool {
        match self {
            Test::Text(words) => words.regex.is_match(record.text()),
            Test::Pattern(p) => p.regex.is_match(record.text()),
            Test::Request(ids) => ids.iter().any(|r| r.matcher.is_in(record.text())),
            Test::Severity { op, values } => compare::severity(record.severity(), *op, values),
            Test::Time { op, at } => record.time().is_some_and(|t| match op {
                Op::Equal => t == *at,
                Op::NotEqual => t != *at,
                Op::Less => t < *at,
                Op::LessEqual => t <= *at,
                Op::More => t > *at,
                Op::MoreEqual => t >= *at,
            }),
            Test::Field { name, op, values } => {
                let found = field::look_up(record, name);
                compare::field(name, found.as_deref(), *op, values)
            }
            Test::FieldPattern { name, pattern } => {
                field::look_up(record, name).is_some_and(|v| pattern.regex.is_match(v.as_bytes()))
            }
            Test::Any(lists) => lists.iter().any(|terms| terms.iter().all(|t| t.holds(record))),
        }
    }
}

#[cfg(test)]
mod tests;
