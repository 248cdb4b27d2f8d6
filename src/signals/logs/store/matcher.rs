//! What is wanted: a filter, a least severity and one more pattern, asked of one record at a time.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::generation::Generation;
use super::query::Pattern;
use super::raw::Raw;
use super::rules::Rule;
use crate::signals::logs::formats::{self, Context, Format, Head, Parsed};
use crate::timeline::{Filter, Record, Severity, Ts};

/// What a record must be to be wanted.
#[derive(Debug, Default)]
pub struct Matcher {
    filter: Filter,
    least: Option<Severity>,
    also: Option<Pattern>,
    /// Whether a look at the bytes of a record may save some of the terms.
    pub(super) several: bool,
    /// What a block must have to hold anything wanted.
    pub rule: Rule,
    /// What anything wanted holds in its bytes.
    pub raw: Option<Raw>,
}

impl Matcher {
    /// Wants what passes `filter`, is at least as severe as `least`, and matches `also`.
    pub fn new(filter: &Filter, least: Option<Severity>, also: Option<Pattern>) -> Matcher {
        let both = match &also {
            Some(Pattern::Filter(f)) => filter.and(f),
            _ => filter.clone(),
        };
        let pattern = match &also {
            Some(Pattern::Regex(r)) => Some(r),
            _ => None,
        };
        let raw = Raw::new(&both, pattern);
        let several = both.terms().len() > 1;
        let mut matcher = Matcher { filter: filter.clone(), least, also, several, raw, ..Matcher::default() };
        let least = matcher.severity().map(Rule::at_least);
        matcher.rule = Rule::both(least.into_iter().chain([Rule::new(&both.needed())]));
        matcher
    }

    /// Whether `bytes` can hold anything wanted.
    pub(super) fn may_hold(&self, bytes: &[u8]) -> bool {
        self.filter.could_match(bytes)
            && match &self.also {
                Some(Pattern::Filter(f)) => f.could_match(bytes),
                _ => true,
            }
    }

    /// The least severity that anything wanted has.
    fn severity(&self) -> Option<Severity> {
        match &self.also {
            Some(Pattern::AtLeast(s)) => Some(self.least.map_or(*s, |l| l.max(*s))),
            _ => self.least,
        }
    }

    /// Whether everything is wanted.
    pub fn all(&self) -> bool {
        self.filter.is_empty() && self.least.is_none() && self.also.is_none()
    }

    /// Whether lines that are not here are said: only where nothing else would be left out.
    pub(super) fn tells_absent(&self) -> bool {
        self.also.is_none()
    }

    pub(super) fn wants(&self, record: &Candidate) -> bool {
        if self.severity().is_some_and(|least| record.head.severity.is_none_or(|s| s < least)) {
            return false;
        }
        if self.several && !self.may_hold(record.raw) {
            return false;
        }
        if !self.filter.is_empty() && !self.filter.matches(record) {
            return false;
        }
        match &self.also {
            None | Some(Pattern::AtLeast(_)) => true,
            Some(Pattern::Regex(r)) => r.is_match(record.raw),
            Some(Pattern::Filter(f)) => f.matches(record),
        }
    }
}

/// A record that is being judged; parsed in full only when a field is asked for.
pub(super) struct Candidate<'a> {
    pub(super) raw: &'a [u8],
    pub(super) head: Head,
    pub(super) generation: &'a Generation,
    pub(super) format: &'static dyn Format,
    pub(super) cx: &'a Context,
    pub(super) parsed: OnceCell<Parsed>,
}

impl Record for Candidate<'_> {
    fn time(&self) -> Option<Ts> {
        self.head.time
    }
    fn severity(&self) -> Option<Severity> {
        self.head.severity
    }
    fn source(&self) -> &str {
        &self.generation.name
    }
    fn text(&self) -> &[u8] {
        self.raw
    }
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        if name == "format" {
            let parsed = formats::parse(self.raw, self.format, self.cx).0;
            return Some(Cow::Borrowed(parsed.name()));
        }
        let parsed = self.parsed.get_or_init(|| formats::parse(self.raw, self.format, self.cx).1);
        parsed.fields.iter().find(|(n, _)| n == name).map(|(_, v)| match v {
            serde_json::Value::String(s) => Cow::Borrowed(s.as_str()),
            other => Cow::Owned(other.to_string()),
        })
    }
    fn has_within(&self, name: &str) -> bool {
        let parsed = self.parsed.get_or_init(|| formats::parse(self.raw, self.format, self.cx).1);
        parsed.fields.iter().any(|(n, _)| n.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }
}
